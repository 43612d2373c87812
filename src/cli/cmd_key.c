/* cmd_key.c - keys of the principals who may ask a team's service. */
#include "cli/answer_view.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/version_view.h"

#include <stdio.h>
#include <string.h>

enum { SECONDS_PER_DAY = 86400, DAYS_MAX = 36500 };

/* Asks the service of --team; the question is consumed. */
static enum rc ask_team(struct cli *cli, const char *operation, struct ask *question,
                        struct json **ret_answer, struct err *err)
{
    const char *team = cli_option(cli, "team");

    if (team)
        return ask(cli, team, operation, question, ret_answer, err);
    buf_release(&question->arguments);
    return cli_usage(cli, err, "%s needs --team=TEAM", cli->command->name);
}

/* "decide,read" as a list. */
static void add_scopes(struct ask *question, const char *text)
{
    json_key(&question->writer, "scopes");
    json_begin_array(&question->writer);
    while (*text) {
        size_t len = strcspn(text, ",");

        json_string(&question->writer, (struct str){ text, len });
        text += len + (text[len] == ',');
    }
    json_end_array(&question->writer);
}

/* The time of --days from now, or 0. */
static enum rc read_expiry(struct cli *cli, int64_t *ret_ms, struct err *err)
{
    const char *text = cli_option(cli, "days");
    struct clock clock = clock_system();
    int64_t days = 0;

    *ret_ms = 0;
    if (!text)
        return RC_OK;
    for (const char *c = text; *c && days <= DAYS_MAX; c++)
        days = *c >= '0' && *c <= '9' ? days * 10 + (*c - '0') : DAYS_MAX + 1;
    if (days < 1 || days > DAYS_MAX)
        return cli_usage(cli, err, "--days '%.40s': expected 1 to %d", text, DAYS_MAX);
    *ret_ms = clock.now_ms(clock.self) + days * SECONDS_PER_DAY * 1000;
    return RC_OK;
}

enum rc cmd_key_create(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    const char *scopes = cli_option(cli, "scopes");
    int64_t expires_ms;
    struct ask question;
    struct json *answer = NULL;
    enum rc rc = read_expiry(cli, &expires_ms, err);

    if (rc)
        return rc;
    ask_begin(cli, &question);
    ask_text(&question, "name", cli->arguments[0]);
    add_scopes(&question, scopes ? scopes : "decide,feedback,read");
    if (expires_ms) {
        json_key(&question.writer, "expires_ms");
        json_i64(&question.writer, expires_ms);
    }
    rc = ask_team(cli, "principal_create", &question, &answer, err);
    if (rc)
        return rc;
    if (cli->config.json)
        return ask_print_json(answer, err);
    /* The key alone on standard output, so that a script can take it. */
    fprintf(stderr, "This key is shown once; only its hash is kept. A request carries it as\n"
                    "Authorization: Bearer KEY\n");
    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    buf_append_str(&out, version_view_text(answer, "key"));
    return cli_print(&out, err);
}

enum rc cmd_key_revoke(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct ask question;
    struct json *answer = NULL;

    ask_begin(cli, &question);
    ask_text(&question, "key_id", cli->arguments[0]);
    enum rc rc = ask_team(cli, "principal_revoke", &question, &answer, err);
    if (rc == RC_NOT_FOUND)
        cli_hint(cli, rc, "shoal key list --team=%s", cli_option(cli, "team"));
    if (rc)
        return rc;
    if (cli->config.json)
        return ask_print_json(answer, err);
    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    buf_printf(&out, "%s is refused from now on", cli->arguments[0]);
    return cli_print(&out, err);
}

static void append_key(struct buf *out, const struct json *principal)
{
    const struct json *scopes = json_find(principal, "scopes");
    struct str revoked = version_view_text(principal, "revoked_at");
    struct str expires = version_view_text(principal, "expires_at");

    buf_printf(out, "%.*s  ", STR_ARG(version_view_text(principal, "key_id")));
    answer_view_append_value(out, json_find(principal, "name"));
    buf_append_text(out, "  ");
    for (size_t i = 0; scopes && scopes->type == JSON_ARRAY && i < scopes->n; i++)
        buf_printf(out, "%s%.*s", i ? "," : "", STR_ARG(scopes->items[i].text));
    if (expires.len)
        buf_printf(out, "  until %.*s", STR_ARG(expires));
    if (revoked.len)
        buf_printf(out, "  revoked %.*s", STR_ARG(revoked));
    buf_append_char(out, '\n');
}

enum rc cmd_key_list(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    const struct json *list;
    struct ask question;
    struct json *answer = NULL;

    ask_begin(cli, &question);
    enum rc rc = ask_team(cli, "principal_list", &question, &answer, err);
    if (rc)
        return rc;
    if (cli->config.json)
        return ask_print_json(answer, err);
    list = json_find(answer, "principals");
    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    for (size_t i = 0; list && list->type == JSON_ARRAY && i < list->n; i++)
        append_key(&out, &list->items[i]);
    return cli_print(&out, err);
}
