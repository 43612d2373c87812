#include "spec/workspace.h"

#include "base/fs.h"
#include "spec/spec_keys_internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

enum { SLMS_MAX = 1000 };

enum rc spec_workspace_read(const char *dir, struct arena *arena,
                            struct spec_workspace **ret_workspace, struct problems *problems,
                            struct err *err)
{
    struct spec_workspace *workspace = arena_new(arena, struct spec_workspace);
    char *path = fs_join(arena, dir, "shoal.yaml");
    char *kept = arena_strndup(arena, dir, strlen(dir));
    size_t n_errors_before = problems->n_errors;
    struct json *tree;

    if (!workspace || !path || !kept)
        return arena_fail(arena, err, "workspace");
    struct spec_reading r = { .file = path, .arena = arena, .problems = problems };
    enum rc rc = fs_read_file(path, SPEC_BYTES_MAX, arena, &r.source, err);
    if (!rc)
        rc = spec_read_yaml(&r, &tree, err);
    if (rc || !tree)
        return rc ? rc : problem_rc(problems, err);

    workspace->dir = kept;
    rc = spec_keys_read(&r, &spec_workspace_section, tree, workspace, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < workspace->n_teams; i++)
        if (!spec_is_name(workspace->teams[i].name.text))
            SPEC_WRONG(&r, &workspace->teams[i].name, "name", "'%.*s' is no name of a team",
                       STR_ARG(workspace->teams[i].name.text));
    rc = problem_rc(problems, err);
    if (!rc && problems->n_errors == n_errors_before)
        *ret_workspace = workspace;
    return rc;
}

enum rc spec_workspace_find(const char *dir, struct arena *arena, const char **ret_dir,
                            struct err *err)
{
    char real[PATH_MAX];

    if (!realpath(dir, real))
        return err_set(err, RC_NOT_FOUND, "no folder '%.150s'", dir);
    char *at = arena_strndup(arena, real, strlen(real));
    if (!at)
        return arena_fail(arena, err, "workspace");
    for (;;) {
        char *path = fs_join(arena, at, "shoal.yaml");
        char *slash = strrchr(at, '/');

        if (!path)
            return arena_fail(arena, err, "workspace");
        if (fs_exists(path)) {
            *ret_dir = at;
            return RC_OK;
        }
        if (!slash || at[1] == '\0')
            return err_set(err, RC_NOT_FOUND, "no shoal.yaml in '%.150s' or above", dir);
        slash[slash == at] = '\0';
    }
}

char *spec_workspace_path(const struct spec_workspace *workspace, struct str team, struct str slm,
                          struct arena *arena)
{
    CLEANUP(buf_releasep) struct buf path = { 0 };

    buf_init(&path, FS_PATH_MAX - 1);
    buf_printf(&path, "%s/%.*s/%.*s/slm.yaml", workspace->dir, STR_ARG(team), STR_ARG(slm));
    return path.failed ? NULL : arena_strndup(arena, path.at, path.len);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum rc list_slms(const struct spec_workspace *workspace, struct str team, DIR *dir,
                         struct arena *arena, size_t *ret_n, const char **names, struct err *err)
{
    size_t n = 0;

    for (struct dirent *entry; (entry = readdir(dir));) {
        struct str name = str_of(entry->d_name);

        if (!spec_is_name(name))
            continue;
        char *path = spec_workspace_path(workspace, team, name, arena);
        char *kept = arena_strndup(arena, name.at, name.len);
        if (!path || !kept)
            return arena_fail(arena, err, "SLMs");
        if (!fs_exists(path))
            continue;
        if (n == SLMS_MAX)
            return err_set(err, RC_LIMIT, "team '%.*s' has more than %d SLMs", STR_ARG(team),
                           SLMS_MAX);
        names[n++] = kept;
    }
    *ret_n = n;
    return RC_OK;
}

enum rc spec_workspace_slms(const struct spec_workspace *workspace, struct str team,
                            struct arena *arena, size_t *ret_n, const char *const **ret_names,
                            struct err *err)
{
    const char **names = arena_array(arena, const char *, SLMS_MAX);
    char *path = spec_workspace_path(workspace, team, STR("x"), arena);
    size_t n = 0;

    if (!names || !path)
        return arena_fail(arena, err, "SLMs");
    path[strlen(path) - strlen("/x/slm.yaml")] = '\0';
    DIR *dir = opendir(path);
    if (!dir)
        return err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "no folder '%.150s'", path);
    enum rc rc = list_slms(workspace, team, dir, arena, &n, names, err);
    closedir(dir);
    if (rc)
        return rc;
    qsort(names, n, sizeof(*names), compare_names);
    *ret_n = n;
    *ret_names = names;
    return RC_OK;
}
