/* cmd_coordinate.c - shoal coordinate: runs of flows until SIGTERM. */
#include "base/fs.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/shut_in.h"
#include "serve/coordinator.h"
#include "spec/workspace.h"

#include <stdio.h>

enum { PORT_DEFAULT = 8090 };

static enum rc coordinate(struct cli *cli, const struct coordinator_config *config, struct err *err)
{
    CLEANUP(coordinator_closep) struct coordinator *coordinator = NULL;
    enum rc rc = coordinator_open(config, &coordinator, err);

    if (rc == RC_BUSY)
        cli_hint(cli, rc, "is a coordinator of this workspace running already?");
    if (rc == RC_EXISTS)
        cli_hint(cli, rc, "--port=0 takes a free one");
    if (rc == RC_INVALID)
        cli_hint(cli, rc, "shoal check shows every problem of the workspace");
    if (rc == RC_NOT_FOUND)
        cli_hint(cli, rc, "docs/flow.md says where the coordinator finds the teams");
    if (rc == RC_OK)
        rc = shut_in_seal(cli, true, err);
    if (rc)
        return rc;

    /* Whoever started us reads here when requests may come, and where. */
    printf("coordinator: http://%s:%u\n", config->host, coordinator_port(coordinator));
    if (fflush(stdout) != 0)
        return err_set(err, RC_IO, "cannot write to standard output");
    return coordinator_run(coordinator, err);
}

/* The definitions of a team's SLMs, and not what lies beside them. */
static enum rc add_specs(struct cli *cli, const struct spec_workspace *workspace, struct str team,
                         const char **paths, size_t n_max, size_t *n, struct err *err)
{
    const char *const *slms;
    size_t n_slms;
    enum rc rc = spec_workspace_slms(workspace, team, &cli->arena, &n_slms, &slms, err);

    for (size_t i = 0; rc == RC_OK && i < n_slms; i++) {
        const char *path = spec_workspace_path(workspace, team, str_of(slms[i]), &cli->arena);
        if (!path)
            return arena_fail(&cli->arena, err, "path of the spec");
        if (*n == n_max)
            return err_set(err, RC_LIMIT, "more than %zu SLMs", n_max);
        paths[(*n)++] = path;
    }
    return rc;
}

static enum rc add_teams(struct cli *cli, const struct spec_workspace *workspace,
                         const char **readable, size_t n_max, struct fence *more, struct err *err)
{
    const char **listable = arena_array(&cli->arena, const char *, workspace->n_teams + 1);
    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < workspace->n_teams; i++) {
        struct str name = workspace->teams[i].name.text;
        const char *copy = arena_strndup(&cli->arena, name.at, name.len);
        if (!listable || !copy)
            return arena_fail(&cli->arena, err, "paths of the workspace");
        listable[i] = fs_join(&cli->arena, workspace->dir, copy);
        if (!listable[i])
            return arena_fail(&cli->arena, err, "paths of the workspace");
        more->n_listable = i + 1;
        rc = add_specs(cli, workspace, name, readable, n_max, &more->n_readable, err);
    }
    more->listable = listable;
    return rc;
}

/* Within reach: our own files, flows and specs. */
static enum rc shut_coordinator_in(struct cli *cli, const struct serve_team_config *team,
                                   struct err *err)
{
    enum { PATHS_MAX = 4096 };
    const char **readable = arena_array(&cli->arena, const char *, PATHS_MAX);
    struct fence more = { .readable = readable, .n_readable = 2 };
    struct spec_workspace *workspace = NULL;
    struct problems problems;

    if (!cli_option(cli, "fence"))
        return RC_OK;
    problem_init(&problems, &cli->arena);
    enum rc rc = spec_workspace_read(team->workspace, &cli->arena, &workspace, &problems, err);
    if (rc == RC_OK && !workspace)
        rc = err_set(err, RC_INVALID, "%.200s/shoal.yaml has errors", team->workspace);
    if (rc)
        return rc;
    if (readable) {
        readable[0] = fs_join(&cli->arena, team->workspace, "shoal.yaml");
        readable[1] = fs_join(&cli->arena, team->workspace, SPEC_FLOWS_FOLDER);
    }
    if (!readable || !readable[0] || !readable[1])
        return arena_fail(&cli->arena, err, "paths of the workspace");
    rc = add_teams(cli, workspace, readable, PATHS_MAX, &more, err);
    return rc ? rc : shut_in(cli, team, &more, err);
}

enum rc cmd_coordinate(struct cli *cli, struct err *err)
{
    const char *host = cli_option(cli, "host");
    struct coordinator_config config = { .http = http_server_config_default(),
                                         .host = host ? host : "127.0.0.1",
                                         .log = config_log(&cli->config) };
    enum rc rc = cli_port(cli, PORT_DEFAULT, &config.port, err);

    if (rc == RC_OK)
        rc = ask_config(cli, SERVE_COORDINATOR, &config.team, err);
    if (rc == RC_OK)
        rc = shut_coordinator_in(cli, &config.team, err);
    return rc ? rc : coordinate(cli, &config, err);
}
