#include "spec/workspace.h"

#include "base/fs.h"
#include "spec/spec_keys_internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

enum { NAMES_MAX = 1000, MEMBERS_MAX = 4000 };

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
        if (!str_is_slug(workspace->teams[i].name.text) ||
            workspace->teams[i].name.text.len > SPEC_NAME_MAX)
            SPEC_WRONG(&r, &workspace->teams[i].name, "name",
                       "'%.*s' is no name of a team: " SPEC_SLUG ", at most %d",
                       STR_ARG(workspace->teams[i].name.text), SPEC_NAME_MAX);
        else if (str_is(workspace->teams[i].name.text, SPEC_FLOWS_FOLDER))
            SPEC_WRONG(&r, &workspace->teams[i].name, "name",
                       "no team is called '" SPEC_FLOWS_FOLDER "': that is the folder of flows");
        else if (str_is(workspace->teams[i].name.text, "coordinator"))
            SPEC_WRONG(&r, &workspace->teams[i].name, "name",
                       "no team is called 'coordinator': that is who runs the flows");
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

static char *path_of(const struct spec_workspace *workspace, struct str folder, struct str name,
                     const char *file, struct arena *arena)
{
    CLEANUP(buf_releasep) struct buf path = { 0 };

    buf_init(&path, FS_PATH_MAX - 1);
    buf_printf(&path, "%s/%.*s/%.*s/%s", workspace->dir, STR_ARG(folder), STR_ARG(name), file);
    return path.failed ? NULL : arena_strndup(arena, path.at, path.len);
}

char *spec_workspace_path(const struct spec_workspace *workspace, struct str team, struct str slm,
                          struct arena *arena)
{
    return path_of(workspace, team, slm, "slm.yaml", arena);
}

char *spec_workspace_flow_path(const struct spec_workspace *workspace, struct str flow,
                               struct arena *arena)
{
    return path_of(workspace, STR(SPEC_FLOWS_FOLDER), flow, "flow.yaml", arena);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the sub-folders of `folder` that hold the file. */
static enum rc list_open(const struct spec_workspace *workspace, struct str folder,
                         const char *file, DIR *dir, struct arena *arena, size_t *ret_n,
                         const char **names, struct err *err)
{
    size_t n = 0;

    for (struct dirent *entry; (entry = readdir(dir));) {
        struct str name = str_of(entry->d_name);

        if (!spec_is_name(name))
            continue;
        char *path = path_of(workspace, folder, name, file, arena);
        char *kept = arena_strndup(arena, name.at, name.len);
        if (!path || !kept)
            return arena_fail(arena, err, "names");
        if (!fs_exists(path))
            continue;
        if (n == NAMES_MAX)
            return err_set(err, RC_LIMIT, "'%.*s' holds more than %d folders with %s",
                           STR_ARG(folder), NAMES_MAX, file);
        names[n++] = kept;
    }
    *ret_n = n;
    return RC_OK;
}

static enum rc list(const struct spec_workspace *workspace, struct str folder, const char *file,
                    struct arena *arena, size_t *ret_n, const char *const **ret_names,
                    struct err *err)
{
    const char **names = arena_array(arena, const char *, NAMES_MAX);
    char *path = path_of(workspace, folder, STR("x"), "", arena);
    size_t n = 0;

    if (!names || !path)
        return arena_fail(arena, err, "names");
    path[strlen(path) - strlen("/x/")] = '\0';
    DIR *dir = opendir(path);
    if (!dir)
        return err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "no folder '%.150s'", path);
    enum rc rc = list_open(workspace, folder, file, dir, arena, &n, names, err);
    closedir(dir);
    if (rc)
        return rc;
    qsort(names, n, sizeof(*names), compare_names);
    *ret_n = n;
    *ret_names = names;
    return RC_OK;
}

enum rc spec_workspace_slms(const struct spec_workspace *workspace, struct str team,
                            struct arena *arena, size_t *ret_n, const char *const **ret_names,
                            struct err *err)
{
    return list(workspace, team, "slm.yaml", arena, ret_n, ret_names, err);
}

enum rc spec_workspace_flows(const struct spec_workspace *workspace, struct arena *arena,
                             size_t *ret_n, const char *const **ret_names, struct err *err)
{
    struct err failure;
    enum rc rc =
        list(workspace, STR(SPEC_FLOWS_FOLDER), "flow.yaml", arena, ret_n, ret_names, &failure);

    if (rc == RC_NOT_FOUND) {
        *ret_n = 0;
        *ret_names = NULL;
        return RC_OK;
    }
    if (rc)
        *err = failure;
    return rc;
}

static enum rc read_member(const struct spec_workspace *workspace, struct str team, struct str slm,
                           struct arena *arena, struct spec_member *ret, struct problems *problems,
                           struct err *err)
{
    CLEANUP(buf_releasep) struct buf name = { 0 };
    const char *path = spec_workspace_path(workspace, team, slm, arena);
    struct spec *spec = NULL;

    buf_init(&name, 2 * (SPEC_NAME_MAX + 1));
    buf_printf(&name, "%.*s/%.*s", STR_ARG(team), STR_ARG(slm));
    char *kept = name.failed ? NULL : arena_strndup(arena, name.at, name.len);
    if (!path || !kept)
        return arena_fail(arena, err, "SLMs");
    enum rc rc = spec_read(path, arena, &spec, problems, err);
    *ret = (struct spec_member){ str_of(kept), spec };
    return rc;
}

enum rc spec_workspace_members(const struct spec_workspace *workspace, struct arena *arena,
                               size_t *ret_n, struct spec_member **ret_members,
                               struct problems *problems, struct err *err)
{
    struct spec_member *members = arena_array(arena, struct spec_member, MEMBERS_MAX);
    size_t n = 0;
    enum rc rc = members ? RC_OK : arena_fail(arena, err, "SLMs");

    for (size_t t = 0; !rc && t < workspace->n_teams; t++) {
        const char *const *names;
        size_t n_names = 0;
        struct str team = workspace->teams[t].name.text;

        rc = spec_workspace_slms(workspace, team, arena, &n_names, &names, err);
        for (size_t i = 0; !rc && i < n_names; i++) {
            if (n == MEMBERS_MAX)
                return err_set(err, RC_LIMIT, "more than %d SLMs in the workspace", MEMBERS_MAX);
            rc =
                read_member(workspace, team, str_of(names[i]), arena, &members[n++], problems, err);
        }
    }
    if (rc)
        return rc;
    *ret_n = n;
    *ret_members = members;
    return RC_OK;
}
