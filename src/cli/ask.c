#include "cli/ask.h"

#include "cli/compute.h"
#include "cli/version_view.h"
#include "net/http_client.h"
#include "serve/coordinator.h"
#include "spec/workspace.h"

#include <string.h>

enum { ARGUMENTS_BYTES_MAX = 4 << 20 };

enum rc ask_parse_slm(struct cli *cli, const char *text, struct ask_slm *ret_slm, struct err *err)
{
    const char *slash = strchr(text, '/');
    struct ask_slm slm;

    if (!registry_slm_is_valid(str_of(text))) {
        cli_hint(cli, RC_OK, "an SLM is named TEAM/SLM: support/ticket-triage");
        return cli_usage(cli, err, "'%.200s' is no name of an SLM", text);
    }
    slm.team = arena_strndup(&cli->arena, text, (size_t)(slash - text));
    slm.name = slash + 1;
    if (!slm.team)
        return arena_fail(&cli->arena, err, "name of the team");
    *ret_slm = slm;
    return RC_OK;
}

enum rc ask_config(struct cli *cli, const char *team, struct serve_team_config *ret_config,
                   struct err *err)
{
    struct serve_team_config config = { .team = team,
                                        .home = cli->config.home,
                                        .engine_build = cli->engine_build,
                                        .clock = clock_system() };
    enum rc rc = cli_workspace(cli, &config.workspace, err);

    if (rc == RC_OK)
        rc = compute_cpu(cli, &config.cpu, err);
    if (rc == RC_OK)
        *ret_config = config;
    return rc;
}

void ask_begin(struct cli *cli, struct ask *ask)
{
    buf_init(&ask->arguments, ARGUMENTS_BYTES_MAX);
    json_writer_init(&ask->writer, &ask->arguments);
    json_begin_object(&ask->writer);
    ask_text(ask, "key", cli->config.key);
}

void ask_text(struct ask *ask, const char *name, const char *value)
{
    if (!value)
        return;
    json_key(&ask->writer, name);
    json_text(&ask->writer, value);
}

static enum rc parse_answer(struct cli *cli, const struct buf *answer, struct json **ret_answer,
                            struct err *err)
{
    enum rc rc = buf_rc(answer, "answer", err);

    if (rc == RC_OK)
        rc = json_parse(buf_str(answer), JSON_DUPLICATES_REFUSED, &cli->arena, ret_answer, err);
    return rc == RC_INVALID ? err_set(err, RC_CORRUPT, "the answer is no JSON") : rc;
}

enum rc ask(struct cli *cli, const char *team, const char *operation, struct ask *ask,
            struct json **ret_answer, struct err *err)
{
    CLEANUP(buf_releasep) struct buf answer = { 0 };
    struct serve_team_config config;
    enum rc rc;

    buf_init(&answer, ADMIN_ANSWER_BYTES_MAX);
    json_end_object(&ask->writer);
    rc = buf_rc(&ask->arguments, "arguments", err);
    if (rc == RC_OK)
        rc = ask_config(cli, team, &config, err);
    if (rc == RC_OK)
        rc = admin_run(&config, operation, buf_str(&ask->arguments), &answer, err);
    if (rc == RC_BUSY)
        cli_hint(cli, rc, "another shoal command has the files of team '%s'; try again", team);
    buf_release(&ask->arguments);
    return rc ? rc : parse_answer(cli, &answer, ret_answer, err);
}

enum rc ask_print_json(const struct json *answer, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    json_append(&out, answer);
    return cli_print(&out, err);
}

enum rc ask_each_team(struct cli *cli, ask_team_fn *fn, void *context, struct err *err)
{
    struct spec_workspace *workspace = NULL;
    struct problems problems;
    const char *folder;
    bool is_done = false;
    enum rc rc = cli_workspace(cli, &folder, err);

    problem_init(&problems, &cli->arena);
    if (rc == RC_OK)
        rc = spec_workspace_read(folder, &cli->arena, &workspace, &problems, err);
    if (rc)
        return rc;
    if (!workspace) {
        cli_hint(cli, RC_OK, "shoal check shows them");
        return err_set(err, RC_INVALID, "%s/shoal.yaml has errors", folder);
    }
    for (size_t i = 0; rc == RC_OK && !is_done && i < workspace->n_teams; i++) {
        struct str name = workspace->teams[i].name.text;
        const char *team = arena_strndup(&cli->arena, name.at, name.len);

        rc = team ? fn(cli, team, context, &is_done, err)
                  : arena_fail(&cli->arena, err, "name of the team");
    }
    return rc;
}

/* ---- the coordinator */

enum { COORDINATOR_ANSWER_BYTES_MAX = 16 << 20 };

static enum rc read_error(int status, const struct json *answer, struct err *err)
{
    const struct json *error = json_find(answer, "error");
    struct str message = version_view_text(error, "message");
    enum rc rc = status == 404                    ? RC_NOT_FOUND
                 : status == 503 || status == 429 ? RC_UNAVAILABLE
                 : status == 409                  ? RC_STATE
                                                  : RC_INVALID;

    return err_set(err, rc, "%.*s", message.len > 200 ? 200 : (int)message.len,
                   message.len ? message.at : "the coordinator refused");
}

enum rc ask_coordinator(struct cli *cli, const char *method, const char *path, struct str body,
                        struct json **ret_answer, struct err *err)
{
    CLEANUP(buf_releasep) struct buf answer = { 0 };
    const char *folder, *socket;
    int status = 0;
    enum rc rc = cli_workspace(cli, &folder, err);

    if (rc)
        return rc;
    socket = serve_team_path(folder, SERVE_COORDINATOR, "admin.sock", &cli->arena);
    if (!socket)
        return arena_fail(&cli->arena, err, "socket of the coordinator");
    buf_init(&answer, COORDINATOR_ANSWER_BYTES_MAX);
    rc = http_client_call(socket, method, path, body, &status, &answer, err);
    if (rc == RC_NOT_FOUND) {
        cli_hint(cli, rc,
                 "shoal up starts it, behind a shoal down if the teams' services run already");
        return err_set(err, RC_UNAVAILABLE, "no coordinator runs in this workspace");
    }
    if (!rc)
        rc = json_parse(buf_str(&answer), JSON_DUPLICATES_REFUSED, &cli->arena, ret_answer, err);
    if (!rc && status >= 300)
        rc = read_error(status, *ret_answer, err);
    return rc;
}
