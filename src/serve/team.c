#include "serve/team.h"

#include "base/mem.h"

#include <stdio.h>

enum { ARENA_BYTES_MAX = 64 << 10 };

char *serve_team_path(const char *workspace, const char *team, const char *name,
                      struct arena *arena)
{
    struct buf path;

    buf_init(&path, FS_PATH_MAX);
    buf_printf(&path, "%s/.shoal/teams/%s%s%s", workspace, team, *name ? "/" : "", name);
    char *copy = path.failed ? NULL : arena_strndup(arena, path.at, path.len);
    buf_release(&path);
    return copy;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

struct paths {
    const char *dir, *lock, *artifacts, *registry, *record, *bases;
};

static char *team_path(struct serve_team *team, const char *name)
{
    return serve_team_path(team->config.workspace, team->config.team, name, &team->arena);
}

static enum rc make_paths(struct serve_team *team, struct paths *paths, struct err *err)
{
    struct serve_team_config *config = &team->config;
    struct arena *arena = &team->arena;

    config->workspace = copy_text(arena, config->workspace);
    config->team = copy_text(arena, config->team);
    config->home = copy_text(arena, config->home);
    config->engine_build = copy_text(arena, config->engine_build);
    if (!config->workspace || !config->team || !config->home || !config->engine_build)
        return arena_fail(arena, err, "paths of the team");

    paths->dir = team_path(team, "");
    paths->lock = team_path(team, "lock");
    paths->artifacts = team_path(team, "artifacts");
    paths->registry = team_path(team, "registry.db");
    paths->record = team_path(team, "record.db");
    paths->bases = fs_join(arena, config->home, "bases");
    if (!paths->dir || !paths->lock || !paths->artifacts || !paths->registry || !paths->record ||
        !paths->bases)
        return arena_fail(arena, err, "paths of the team");
    return RC_OK;
}

static enum rc open_files(struct serve_team *team, struct err *err)
{
    struct paths paths = { 0 };

    enum rc rc = make_paths(team, &paths, err);
    if (!rc)
        rc = fs_make_dirs(paths.dir, err);
    if (!rc)
        rc = fs_lock_open(paths.lock, &team->lock, err);
    if (!rc)
        rc = artifact_store_open(paths.artifacts, &team->artifacts, err);
    if (!rc)
        rc = registry_open(paths.registry, team->artifacts, team->config.clock, &team->registry,
                           err);
    if (!rc)
        rc = record_open(paths.record, team->config.clock, &team->record, err);
    if (rc)
        return rc;
    kernels_init(&team->kernels, team->config.cpu);
    team->sources = (struct version_sources){ .artifacts = team->artifacts,
                                              .bases_dir = paths.bases,
                                              .kernels = &team->kernels };
    return RC_OK;
}

enum rc serve_team_open(const struct serve_team_config *config, struct serve_team **ret_team,
                        struct err *err)
{
    if (!manifest_name_is_valid(str_of(config->team)))
        return err_set(err, RC_INVALID, "'%.64s' cannot be the name of a team", config->team);

    CLEANUP(serve_team_closep) struct serve_team *team = mem_alloc(sizeof(*team));
    if (!team)
        return err_set(err, RC_NOMEM, "team");
    team->config = *config;
    team->lock.fd = -1;
    arena_init(&team->arena, ARENA_BYTES_MAX);

    enum rc rc = open_files(team, err);
    if (rc)
        return err_context(err, "team '%s'", config->team);
    *ret_team = TAKE(team);
    return RC_OK;
}

void serve_team_close(struct serve_team *team)
{
    if (!team)
        return;
    record_close(team->record);
    registry_close(team->registry);
    artifact_store_close(team->artifacts);
    fs_lock_close(&team->lock);
    arena_release(&team->arena);
    mem_free(team);
}

char *serve_team_slm(const struct serve_team *team, struct str slm, struct arena *arena)
{
    size_t team_len = strlen(team->config.team);
    char *name =
        slm.len <= MANIFEST_NAME_MAX ? arena_array(arena, char, team_len + slm.len + 2) : NULL;

    if (name)
        snprintf(name, team_len + slm.len + 2, "%s/%.*s", team->config.team, STR_ARG(slm));
    return name;
}
