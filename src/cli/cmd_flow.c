/* cmd_flow.c - runs of flows: start, list, show, cancel. They are the coordinator's, and asked of
 * it over its admin socket. */
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/flow_view.h"
#include "cli/standard_input.h"
#include "cli/version_view.h"
#include "orchestrate/run.h"

#include <string.h>
#include <time.h>

enum {
    INPUT_BYTES_MAX = 16 << 20,
    PATH_BYTES_MAX = 1024,
    LOOK_MS = 100,
    LOOKS_IN_VAIN_MAX = 300, /* half a minute: a coordinator that was killed starts again */
};

/* What goes into a path or a query: names and ids, nothing that would mean something there. */
static bool is_plain(const char *text)
{
    return *text && text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_-")] == '\0';
}

static enum rc path_of(struct cli *cli, struct buf *path, const char *before, const char *name,
                       const char *after, struct err *err)
{
    buf_init(path, PATH_BYTES_MAX);
    if (!is_plain(name))
        return cli_usage(cli, err, "'%.100s' is no name of a flow, a run or a status", name);
    buf_printf(path, "%s%s%s", before, name, after);
    return buf_rc(path, "path", err);
}

/* ---- the decisions of a run, asked of their teams */

struct viewer {
    struct cli *cli;
};

static enum rc find_decision(void *context, struct str slm, struct str id,
                             struct json **ret_decision, struct err *err)
{
    struct cli *cli = ((struct viewer *)context)->cli;
    const char *slash = memchr(slm.at, '/', slm.len);
    const char *team, *text;
    struct ask question;

    if (!slash)
        return err_set(err, RC_CORRUPT, "the trace names no team");
    team = arena_strndup(&cli->arena, slm.at, (size_t)(slash - slm.at));
    text = arena_strndup(&cli->arena, id.at, id.len);
    if (!team || !text)
        return arena_fail(&cli->arena, err, "id of a decision");
    ask_begin(cli, &question);
    ask_text(&question, "id", text);
    return ask(cli, team, "decision", &question, ret_decision, err);
}

static enum rc print_run(struct cli *cli, const struct json *run, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct viewer viewer = { cli };

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (cli->config.json)
        json_append(&out, run);
    else
        flow_view_append_run(&out, run, find_decision, &viewer);
    return cli_print(&out, err);
}

static enum rc show(struct cli *cli, const char *id, struct json **ret_run, struct err *err)
{
    CLEANUP(buf_releasep) struct buf path = { 0 };
    enum rc rc = path_of(cli, &path, "/v1/runs/", id, "", err);

    return rc ? rc : ask_coordinator(cli, "GET", path.at, (struct str){ 0 }, ret_run, err);
}

enum rc cmd_flow_show(struct cli *cli, struct err *err)
{
    struct json *run;
    enum rc rc = show(cli, cli->arguments[0], &run, err);

    return rc ? rc : print_run(cli, run, err);
}

/* ---- starting */

static enum rc append_body(struct cli *cli, struct buf *body, struct err *err)
{
    const char *key = cli_option(cli, "idempotency-key");
    struct str input = str_of(cli->arguments[1]);
    struct json *tree;
    enum rc rc = RC_OK;

    if (cli->n_arguments < 2)
        rc = standard_input_read(RUN_BODY_MAX, &cli->arena, &input, err);
    if (!rc)
        rc = json_parse(input, JSON_DUPLICATES_REFUSED, &cli->arena, &tree, err);
    if (rc)
        return err_context(err, "input");
    buf_append_text(body, "{\"input\":");
    json_append(body, tree);
    if (key) {
        buf_append_text(body, ",\"idempotency_key\":");
        json_append_string(body, str_of(key));
    }
    buf_append_char(body, '}');
    return buf_rc(body, "input", err);
}

static enum rc wait_for_end(struct cli *cli, const char *id, struct json **ret_run, struct err *err)
{
    const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
    unsigned n_in_vain = 0;

    for (;;) {
        enum rc rc = show(cli, id, ret_run, err);

        n_in_vain = rc == RC_UNAVAILABLE ? n_in_vain + 1 : 0;
        if (n_in_vain == LOOKS_IN_VAIN_MAX)
            return cli_hint(cli, rc, "it goes on when a coordinator runs: shoal flow show %s", id);
        if (rc && rc != RC_UNAVAILABLE)
            return rc;
        if (!rc && !str_is(version_view_text(*ret_run, "status"), run_status_name(RUN_RUNNING)))
            return RC_OK;
        nanosleep(&pause, NULL);
    }
}

enum rc cmd_flow_run(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf path = { 0 }, body = { 0 }, out = { 0 };
    struct json *started, *run;
    enum rc rc = path_of(cli, &path, "/v1/flows/", cli->arguments[0], "/runs", err);

    buf_init(&body, INPUT_BYTES_MAX);
    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (!rc)
        rc = append_body(cli, &body, err);
    if (!rc)
        rc = ask_coordinator(cli, "POST", path.at, buf_str(&body), &started, err);
    if (rc == RC_NOT_FOUND || (rc == RC_STATE && !cli_option(cli, "idempotency-key")))
        cli_hint(
            cli, rc,
            "shoal check; flows are read when the coordinator starts: shoal down, then shoal up");
    if (rc)
        return rc;
    struct str id = version_view_text(started, "id");
    if (cli_option(cli, "detach")) {
        buf_append_str(&out, id);
        return cli_print(&out, err);
    }
    const char *text = arena_strndup(&cli->arena, id.at, id.len);
    rc = text ? wait_for_end(cli, text, &run, err) : arena_fail(&cli->arena, err, "run");
    if (rc)
        return rc;
    if (!str_is(version_view_text(run, "status"), run_status_name(RUN_SUCCEEDED)))
        cli->status = CLI_STATUS_FAILED;
    return print_run(cli, run, err);
}

/* ---- the others */

static enum rc append_filter(struct cli *cli, struct buf *path, const char *name, const char *value,
                             struct err *err)
{
    if (!value)
        return RC_OK;
    if (!is_plain(value))
        return cli_usage(cli, err, "'%.100s' is no name of a flow, a run or a status", value);
    buf_printf(path, "%c%s=%s", strchr(path->at, '?') ? '&' : '?', name, value);
    return RC_OK;
}

enum rc cmd_flow_list(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf path = { 0 }, out = { 0 };
    struct json *answer;
    enum rc rc;

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    buf_init(&path, PATH_BYTES_MAX);
    buf_append_text(&path, "/v1/runs");
    rc = append_filter(cli, &path, "flow", cli->n_arguments ? cli->arguments[0] : NULL, err);
    if (!rc)
        rc = append_filter(cli, &path, "status", cli_option(cli, "status"), err);
    if (!rc)
        rc = append_filter(cli, &path, "overdue", cli_option(cli, "overdue") ? "true" : NULL, err);
    if (!rc)
        rc = buf_rc(&path, "path", err);
    if (!rc)
        rc = ask_coordinator(cli, "GET", path.at, (struct str){ 0 }, &answer, err);
    if (rc)
        return rc;
    if (cli->config.json)
        json_append(&out, answer);
    else
        flow_view_append_list(&out, answer);
    return cli_print(&out, err);
}

enum rc cmd_flow_cancel(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf path = { 0 }, out = { 0 };
    struct json *answer;
    enum rc rc = path_of(cli, &path, "/v1/runs/", cli->arguments[0], "/cancel", err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (!rc)
        rc = ask_coordinator(cli, "POST", path.at, STR("{}"), &answer, err);
    if (rc)
        return rc;
    buf_printf(&out, "%s is %.*s", cli->arguments[0], STR_ARG(version_view_text(answer, "status")));
    return cli_print(&out, err);
}
