/* cmd_check.c - shoal check: everything that is wrong with a spec, or with all of a workspace. */
#include "base/fs.h"
#include "base/yaml.h"
#include "cli/cmd.h"
#include "spec/workspace.h"

#include <sys/stat.h>

struct check {
    struct problems problems;
    size_t n_specs;
    struct spec *last; /* the last one without errors, for --render */
};

static enum rc check_spec(struct cli *cli, struct check *check, const char *path, struct err *err)
{
    check->n_specs++;
    return spec_read(path, &cli->arena, &check->last, &check->problems, err);
}

static enum rc check_team(struct cli *cli, struct check *check,
                          const struct spec_workspace *workspace, struct str team, struct err *err)
{
    const char *const *names = NULL;
    size_t n = 0;
    enum rc rc = spec_workspace_slms(workspace, team, &cli->arena, &n, &names, err);

    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        const char *path = spec_workspace_path(workspace, team, str_of(names[i]), &cli->arena);

        rc = path ? check_spec(cli, check, path, err) : arena_fail(&cli->arena, err, "path");
    }
    return rc;
}

static enum rc check_workspace(struct cli *cli, struct check *check, const char *dir,
                               struct err *err)
{
    struct spec_workspace *workspace = NULL;
    enum rc rc = spec_workspace_read(dir, &cli->arena, &workspace, &check->problems, err);

    for (size_t i = 0; rc == RC_OK && workspace && i < workspace->n_teams; i++)
        rc = check_team(cli, check, workspace, workspace->teams[i].name.text, err);
    return rc;
}

/* A spec file, a folder with one, a workspace, "team/slm", or nothing: this workspace. */
static enum rc check_place(struct cli *cli, struct check *check, const char *place, struct err *err)
{
    const char *folder = place;
    const char *spec_path, *workspace_path;
    struct stat st;

    if (stat(place, &st) == 0 && S_ISREG(st.st_mode))
        return check_spec(cli, check, place, err);
    if (stat(place, &st) != 0 && cli->config.workspace)
        folder = fs_join(&cli->arena, cli->config.workspace, place);

    spec_path = folder ? fs_join(&cli->arena, folder, "slm.yaml") : NULL;
    workspace_path = folder ? fs_join(&cli->arena, folder, "shoal.yaml") : NULL;
    if (!spec_path || !workspace_path)
        return arena_fail(&cli->arena, err, "path of the spec");
    if (fs_exists(spec_path))
        return check_spec(cli, check, spec_path, err);
    if (fs_exists(workspace_path))
        return check_workspace(cli, check, folder, err);
    return err_set(err, RC_NOT_FOUND, "no slm.yaml and no shoal.yaml in '%.180s'", place);
}

static enum rc append_render(struct cli *cli, const struct check *check, struct buf *out,
                             struct err *err)
{
    struct json *tree = NULL;

    if (check->n_specs != 1)
        return cli_usage(cli, err, "--render takes one spec, there are %zu", check->n_specs);
    enum rc rc = spec_render(check->last, &cli->arena, &tree, err);
    if (rc)
        return rc;
    if (cli->config.json)
        json_append(out, tree);
    else
        yaml_append(out, tree);
    return RC_OK;
}

static void append_problems(const struct cli *cli, const struct check *check, struct buf *out)
{
    if (cli->config.json) {
        buf_printf(out, "{\"specs\":%zu,\"errors\":%zu,\"problems\":", check->n_specs,
                   check->problems.n_errors);
        problem_append_json(out, &check->problems);
        buf_append_text(out, "}\n");
        return;
    }
    problem_append_text(out, &check->problems);
    buf_printf(out, "%zu spec%s checked, %zu error%s\n", check->n_specs,
               check->n_specs == 1 ? "" : "s", check->problems.n_errors,
               check->problems.n_errors == 1 ? "" : "s");
}

enum rc cmd_check(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    const char *place = cli->n_arguments ? cli->arguments[0] : NULL;
    struct check check = { 0 };
    enum rc rc = RC_OK;

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    problem_init(&check.problems, &cli->arena);
    if (!place)
        rc = cli_workspace(cli, &place, err);
    if (rc == RC_OK)
        rc = check_place(cli, &check, place, err);
    if (rc == RC_OK)
        rc = problem_rc(&check.problems, err);
    if (rc)
        return rc;

    cli->status = check.problems.n_errors ? CLI_STATUS_FAILED : 0;
    if (cli_option(cli, "render") && check.problems.n_errors == 0)
        rc = append_render(cli, &check, &out, err);
    else
        append_problems(cli, &check, &out);
    return rc ? rc : cli_print(&out, err);
}
