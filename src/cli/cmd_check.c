/* cmd_check.c - shoal check: everything that is wrong with a spec, a flow, or a whole workspace. */
#include "base/fs.h"
#include "base/yaml.h"
#include "cli/cmd.h"
#include "spec/workspace.h"

#include <sys/stat.h>

struct check {
    struct problems problems;
    size_t n_specs, n_flows;
    const struct spec *last; /* the last one without errors, for --render */
};

static enum rc check_spec(struct cli *cli, struct check *check, const char *path, struct err *err)
{
    struct spec *spec = NULL;

    check->n_specs++;
    enum rc rc = spec_read(path, &cli->arena, &spec, &check->problems, err);
    check->last = spec;
    return rc;
}

static enum rc check_flow(struct cli *cli, struct check *check, const char *path,
                          const struct spec_member *members, size_t n, struct err *err)
{
    struct spec_flow *flow = NULL;

    check->n_flows++;
    return spec_flow_read(path, members, n, &cli->arena, &flow, &check->problems, err);
}

static enum rc check_flows(struct cli *cli, struct check *check,
                           const struct spec_workspace *workspace,
                           const struct spec_member *members, size_t n_members, struct err *err)
{
    const char *const *names = NULL;
    size_t n = 0;
    enum rc rc = spec_workspace_flows(workspace, &cli->arena, &n, &names, err);

    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        const char *path = spec_workspace_flow_path(workspace, str_of(names[i]), &cli->arena);

        rc = path ? check_flow(cli, check, path, members, n_members, err)
                  : arena_fail(&cli->arena, err, "path");
    }
    return rc;
}

static enum rc check_workspace(struct cli *cli, struct check *check, const char *dir,
                               struct err *err)
{
    struct spec_workspace *workspace = NULL;
    struct spec_member *members = NULL;
    enum rc rc = spec_workspace_read(dir, &cli->arena, &workspace, &check->problems, err);

    if (rc || !workspace)
        return rc;
    rc = spec_workspace_members(workspace, &cli->arena, &check->n_specs, &members, &check->problems,
                                err);
    for (size_t i = 0; rc == RC_OK && i < check->n_specs; i++)
        if (members[i].spec)
            check->last = members[i].spec;
    return rc ? rc : check_flows(cli, check, workspace, members, check->n_specs, err);
}

/* A flow alone: the SLMs it may name are those of the workspace around it, whose own problems are
 * not what was asked for. */
static enum rc check_one_flow(struct cli *cli, struct check *check, const char *path,
                              struct err *err)
{
    struct spec_workspace *workspace = NULL;
    struct spec_member *members = NULL;
    struct problems ignored;
    const char *dir, *slash = strrchr(path, '/');
    size_t n = 0;

    problem_init(&ignored, &cli->arena);
    const char *folder = slash ? arena_strndup(&cli->arena, path, (size_t)(slash - path) + 1) : ".";
    if (!folder)
        return arena_fail(&cli->arena, err, "path of the flow");
    enum rc rc = spec_workspace_find(folder, &cli->arena, &dir, err);
    if (!rc)
        rc = spec_workspace_read(dir, &cli->arena, &workspace, &check->problems, err);
    if (!rc && workspace)
        rc = spec_workspace_members(workspace, &cli->arena, &n, &members, &ignored, err);
    return rc || !workspace ? rc : check_flow(cli, check, path, members, n, err);
}

static bool is_flow(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strcmp(slash ? slash + 1 : path, "flow.yaml") == 0;
}

/* A file, a folder with one, a workspace, "team/slm", or nothing: this workspace. */
static enum rc check_place(struct cli *cli, struct check *check, const char *place, struct err *err)
{
    const char *folder = place;
    const char *spec_path, *flow_path, *workspace_path;
    struct stat st;

    if (stat(place, &st) == 0 && S_ISREG(st.st_mode))
        return is_flow(place) ? check_one_flow(cli, check, place, err)
                              : check_spec(cli, check, place, err);
    if (stat(place, &st) != 0 && cli->config.workspace)
        folder = fs_join(&cli->arena, cli->config.workspace, place);

    spec_path = folder ? fs_join(&cli->arena, folder, "slm.yaml") : NULL;
    flow_path = folder ? fs_join(&cli->arena, folder, "flow.yaml") : NULL;
    workspace_path = folder ? fs_join(&cli->arena, folder, "shoal.yaml") : NULL;
    if (!spec_path || !flow_path || !workspace_path)
        return arena_fail(&cli->arena, err, "path of the spec");
    if (fs_exists(spec_path))
        return check_spec(cli, check, spec_path, err);
    if (fs_exists(flow_path))
        return check_one_flow(cli, check, flow_path, err);
    if (fs_exists(workspace_path))
        return check_workspace(cli, check, folder, err);
    return err_set(err, RC_NOT_FOUND, "no slm.yaml, flow.yaml or shoal.yaml in '%.170s'", place);
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
        buf_printf(out, "{\"specs\":%zu,\"flows\":%zu,\"errors\":%zu,\"problems\":", check->n_specs,
                   check->n_flows, check->problems.n_errors);
        problem_append_json(out, &check->problems);
        buf_append_text(out, "}\n");
        return;
    }
    problem_append_text(out, &check->problems);
    buf_printf(out, "%zu spec%s", check->n_specs, check->n_specs == 1 ? "" : "s");
    if (check->n_flows > 0)
        buf_printf(out, " and %zu flow%s", check->n_flows, check->n_flows == 1 ? "" : "s");
    buf_printf(out, " checked, %zu error%s\n", check->problems.n_errors,
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
