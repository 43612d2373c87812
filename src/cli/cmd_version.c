/* cmd_version.c - versions and their aliases: list, show, promote, rollback, history. */
#include "base/fs.h"
#include "cli/answer_view.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/version_view.h"
#include "factory/build.h"

#include <string.h>

enum { REPORT_BYTES_MAX = 16 << 20 };

static enum rc list_team(struct cli *cli, const char *team, void *out, bool *ret_is_done,
                         struct err *err)
{
    struct json *answer;
    struct ask question;
    enum rc rc;

    (void)ret_is_done;
    ask_begin(cli, &question);
    rc = ask(cli, team, "list", &question, &answer, err);
    if (rc)
        return rc;
    if (!cli->config.json) {
        version_view_append_list(out, team, answer);
        return RC_OK;
    }
    buf_append_text(out, ((struct buf *)out)->len ? "," : "{");
    json_append_string(out, str_of(team));
    buf_append_char(out, ':');
    json_append(out, answer);
    return RC_OK;
}

static enum rc list_slm(struct cli *cli, const char *text, struct buf *out, struct err *err)
{
    struct json *answer;
    struct ask_slm slm;
    struct ask question;
    enum rc rc = ask_parse_slm(cli, text, &slm, err);

    if (rc)
        return rc;
    ask_begin(cli, &question);
    ask_text(&question, "slm", slm.name);
    rc = ask(cli, slm.team, "list", &question, &answer, err);
    if (rc)
        return rc;
    if (cli->config.json)
        json_append(out, answer);
    else
        version_view_append_list(out, slm.team, answer);
    return RC_OK;
}

enum rc cmd_list(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    enum rc rc;

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (cli->n_arguments) {
        rc = list_slm(cli, cli->arguments[0], &out, err);
    } else {
        rc = ask_each_team(cli, list_team, &out, err);
        if (cli->config.json)
            buf_append_text(&out, out.len ? "}" : "{}");
    }
    if (rc == RC_OK && out.len == 0)
        buf_append_text(&out, "no versions yet: shoal build TEAM/SLM makes one");
    return rc ? rc : cli_print(&out, err);
}

/* What to show when nothing is said: what is in production, else the newest. */
static enum rc default_ref(struct cli *cli, const struct ask_slm *slm, const char **ret_ref,
                           struct err *err)
{
    const struct json *aliases, *versions;
    struct json *answer;
    struct ask question;
    enum rc rc;

    ask_begin(cli, &question);
    ask_text(&question, "slm", slm->name);
    rc = ask(cli, slm->team, "list", &question, &answer, err);
    if (rc)
        return rc;
    aliases = json_find(answer, "aliases");
    versions = json_find(answer, "versions");
    *ret_ref = NULL;
    for (size_t i = 0; aliases && i < aliases->n; i++)
        if (str_is(version_view_text(&aliases->items[i], "alias"), REGISTRY_PRODUCTION))
            *ret_ref = REGISTRY_PRODUCTION;
    if (!*ret_ref && versions && versions->n > 0)
        *ret_ref = version_view_text(&versions->items[0], "version").at;
    if (*ret_ref)
        return RC_OK;
    cli_hint(cli, RC_OK, "shoal build %s/%s makes one", slm->team, slm->name);
    return err_set(err, RC_NOT_FOUND, "%s/%s has no version yet", slm->team, slm->name);
}

/* The report that the version was judged by, out of the team's artifacts. */
static enum rc append_report(struct cli *cli, const char *team, const struct json *answer,
                             struct buf *out, struct err *err)
{
    CLEANUP(artifact_store_closep) struct artifact_store *store = NULL;
    const struct json *lineage = json_find(answer, "lineage");
    const struct json *manifest =
        lineage && lineage->n > 0 ? json_find(&lineage->items[0], "manifest") : NULL;
    const char *workspace, *path;
    struct digest digest;
    struct str text;
    enum rc rc = cli_workspace(cli, &workspace, err);

    if (rc || !digest_parse(version_view_text(manifest, "report"), &digest))
        return rc; /* no report */
    path = serve_team_path(workspace, team, "artifacts", &cli->arena);
    if (!path)
        return arena_fail(&cli->arena, err, "path of the artifacts");
    rc = artifact_store_open(path, &store, err);
    if (rc == RC_OK)
        rc = artifact_read(store, &digest, REPORT_BYTES_MAX, &cli->arena, &text, err);
    if (rc)
        return err_context(err, "report");
    buf_append_char(out, '\n');
    return build_append_report(out, text, err);
}

static enum rc show_version(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    const char *ref = cli->n_arguments > 1 ? cli->arguments[1] : NULL;
    struct json *answer;
    struct ask_slm slm;
    struct ask question;
    enum rc rc = ask_parse_slm(cli, cli->arguments[0], &slm, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc == RC_OK && !ref)
        rc = default_ref(cli, &slm, &ref, err);
    if (rc)
        return rc;
    ask_begin(cli, &question);
    ask_text(&question, "slm", slm.name);
    ask_text(&question, "ref", ref);
    rc = ask(cli, slm.team, "show", &question, &answer, err);
    if (rc)
        return rc == RC_NOT_FOUND ? cli_hint(cli, rc, "shoal list %s", cli->arguments[0]) : rc;
    if (cli->config.json)
        return ask_print_json(answer, err);
    version_view_append_show(&out, cli->arguments[0], answer);
    rc = append_report(cli, slm.team, answer, &out, err);
    return rc ? rc : cli_print(&out, err);
}

enum rc cmd_show(struct cli *cli, struct err *err)
{
    bool is_decision = strncmp(cli->arguments[0], "dec_", 4) == 0;

    return is_decision && cli->n_arguments == 1 ? cmd_show_decision(cli, err)
                                                : show_version(cli, err);
}

static enum rc print_moved(struct cli *cli, const struct json *answer, const char *alias,
                           struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct str version = version_view_text(answer, "version");

    if (cli->config.json)
        return ask_print_json(answer, err);
    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    buf_printf(&out, "%s: %s is now @", cli->arguments[0], alias);
    answer_view_append_value(&out, json_find(answer, "number"));
    buf_printf(&out, " (%.12s)\n", version.at);
    return cli_print(&out, err);
}

/* ref NULL: to the version before. */
static enum rc move_alias(struct cli *cli, const char *operation, const char *ref,
                          const char *why_else, struct err *err)
{
    const char *alias = cli_option(cli, "alias");
    const char *why = cli_option(cli, "why");
    struct json *answer;
    struct ask_slm slm;
    struct ask question;
    enum rc rc = ask_parse_slm(cli, cli->arguments[0], &slm, err);

    if (rc)
        return rc;
    alias = alias ? alias : REGISTRY_PRODUCTION;
    ask_begin(cli, &question);
    ask_text(&question, "slm", slm.name);
    ask_text(&question, "ref", ref);
    ask_text(&question, "alias", alias);
    ask_text(&question, "why", why ? why : why_else);
    rc = ask(cli, slm.team, operation, &question, &answer, err);
    if (rc == RC_STATE && ref)
        cli_hint(cli, rc, "shoal show %s %s says which gate it missed", cli->arguments[0], ref);
    return rc ? rc : print_moved(cli, answer, alias, err);
}

enum rc cmd_promote(struct cli *cli, struct err *err)
{
    return move_alias(cli, "promote", cli->arguments[1], "promoted by hand", err);
}

enum rc cmd_rollback(struct cli *cli, struct err *err)
{
    return move_alias(cli, "rollback", NULL, "rolled back by hand", err);
}

enum rc cmd_history(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    const char *alias = cli_option(cli, "alias");
    struct json *answer;
    struct ask_slm slm;
    struct ask question;
    enum rc rc = ask_parse_slm(cli, cli->arguments[0], &slm, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc)
        return rc;
    ask_begin(cli, &question);
    ask_text(&question, "slm", slm.name);
    ask_text(&question, "alias", alias ? alias : REGISTRY_PRODUCTION);
    rc = ask(cli, slm.team, "history", &question, &answer, err);
    if (rc)
        return rc;
    if (cli->config.json)
        return ask_print_json(answer, err);
    version_view_append_history(&out, answer);
    return cli_print(&out, err);
}
