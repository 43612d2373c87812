/* cmd_decision.c - past decisions: show, replay, feedback. */
#include "base/fs.h"
#include "cli/answer_view.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/version_view.h"

#include <string.h>

/* One question about a decision, put to the team that has it. */
struct search {
    const char *operation, *id;
    void (*add)(struct cli *cli, struct ask *question); /* further arguments; may be NULL */
    struct json *answer;
};

static enum rc search_team(struct cli *cli, const char *team, void *context, bool *ret_is_done,
                           struct err *err)
{
    struct search *search = context;
    struct ask question;
    enum rc rc;

    ask_begin(cli, &question);
    ask_text(&question, "id", search->id);
    if (search->add)
        search->add(cli, &question);
    rc = ask(cli, team, search->operation, &question, &search->answer, err);
    *ret_is_done = rc == RC_OK;
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc search_teams(struct cli *cli, struct search *search, struct err *err)
{
    enum rc rc = ask_each_team(cli, search_team, search, err);

    if (rc == RC_OK && !search->answer)
        return err_set(err, RC_NOT_FOUND, "no team of this workspace has the decision '%.60s'",
                       search->id);
    return rc;
}

static void append_decision(struct buf *out, const struct json *decision)
{
    static const char *const keys[] = { "id",          "slm",       "version",
                                        "recorded_at", "principal", "engine_build" };
    const struct json *answer = json_find(decision, "answer");

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        buf_printf(out, "%-14s", keys[i]);
        answer_view_append_value(out, json_find(decision, keys[i]));
        buf_append_char(out, '\n');
    }
    buf_append_text(out, "\n");
    if (answer)
        answer_view_append(out, answer);
    buf_append_text(out, "\ninput   ");
    answer_view_append_value(out, json_find(decision, "input"));
    buf_append_char(out, '\n');
}

enum rc cmd_show_decision(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct search search = { .operation = "decision", .id = cli->arguments[0] };
    enum rc rc = search_teams(cli, &search, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc)
        return rc;
    if (cli->config.json)
        return ask_print_json(search.answer, err);
    append_decision(&out, search.answer);
    return cli_print(&out, err);
}

static void add_cpu(struct cli *cli, struct ask *question)
{
    if (strcmp(cli->config.cpu, "auto") != 0)
        ask_text(question, "cpu", cli->config.cpu);
}

/* The members whose text differs, old and new below each other. */
static void append_difference(struct buf *out, const struct json *stored,
                              const struct json *replayed)
{
    for (size_t i = 0; stored && stored->type == JSON_OBJECT && i < stored->n; i++) {
        const struct json *other = NULL;
        CLEANUP(buf_releasep) struct buf was = { 0 }, is = { 0 };

        buf_init(&was, CLI_OUTPUT_BYTES_MAX);
        buf_init(&is, CLI_OUTPUT_BYTES_MAX);
        for (size_t j = 0; replayed && replayed->type == JSON_OBJECT && j < replayed->n; j++)
            if (str_equal(stored->members[i].key, replayed->members[j].key))
                other = &replayed->members[j].value;
        json_append(&was, &stored->members[i].value);
        if (other)
            json_append(&is, other);
        if (!str_equal(buf_str(&was), buf_str(&is)))
            buf_printf(out, "- %.*s: %.*s\n+ %.*s: %.*s\n", STR_ARG(stored->members[i].key),
                       STR_ARG(buf_str(&was)), STR_ARG(stored->members[i].key),
                       STR_ARG(buf_str(&is)));
    }
}

enum rc cmd_replay(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct search search = { .operation = "replay", .id = cli->arguments[0], .add = add_cpu };
    const struct json *same, *stored;
    bool is_same;
    enum rc rc = search_teams(cli, &search, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc)
        return rc;
    same = json_find(search.answer, "same");
    stored = json_find(search.answer, "stored");
    is_same = same && same->type == JSON_BOOL && same->boolean;
    cli->status = is_same ? 0 : CLI_STATUS_FAILED;
    if (cli->config.json)
        return ask_print_json(search.answer, err);

    buf_printf(&out, "%s, decided again by version %.12s on %.*s: %s\n", cli->arguments[0],
               version_view_text(stored, "version").at,
               STR_ARG(version_view_text(search.answer, "cpu")),
               is_same ? "the same bytes" : "OTHER BYTES");
    if (!is_same)
        append_difference(&out, json_find(stored, "answer"), json_find(search.answer, "replayed"));
    return cli_print(&out, err);
}

static void add_feedback(struct cli *cli, struct ask *question)
{
    const char *output = cli_option(cli, "output");

    ask_text(question, "verdict",
             cli_option(cli, "right")   ? "right"
             : cli_option(cli, "wrong") ? "wrong"
                                        : NULL);
    if (output) {
        json_key(&question->writer, "output");
        json_raw(&question->writer, str_of(output));
    }
    ask_text(question, "comment", cli_option(cli, "comment"));
}

enum rc cmd_feedback_add(struct cli *cli, struct err *err)
{
    struct search search = { .operation = "feedback_add",
                             .id = cli->arguments[0],
                             .add = add_feedback };
    const char *output = cli_option(cli, "output");
    size_t n_given =
        (output != NULL) + (cli_option(cli, "right") != NULL) + (cli_option(cli, "wrong") != NULL);
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct json *ignored;
    enum rc rc = RC_OK;

    if (n_given != 1)
        return cli_usage(cli, err, "say one of --output=JSON, --right and --wrong");
    if (output)
        rc = json_parse(str_of(output), JSON_DUPLICATES_REFUSED, &cli->arena, &ignored, err);
    if (rc)
        return cli_usage(cli, err, "--output is no JSON: %.150s", err->message);
    rc = search_teams(cli, &search, err);
    if (rc)
        return rc;
    if (cli->config.json)
        return ask_print_json(search.answer, err);
    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    buf_printf(&out, "kept as %.*s; the next shoal build learns from it\n",
               STR_ARG(version_view_text(search.answer, "id")));
    return cli_print(&out, err);
}

/* The service may write in its team's folder alone: the file is made there, and copied by us. */
static enum rc move_export(const char *made, const char *path, struct err *err)
{
    struct fs_map map;
    struct err ignored;

    enum rc rc = fs_map_open(made, &map, err);
    if (rc)
        return rc;
    rc = fs_write_atomic(path, map.at ? (const char *)map.at : "", map.len, 0600, err);
    fs_map_close(&map);
    IGNORE_RC(fs_remove(made, &ignored)); /* the next export replaces it */
    return rc;
}

enum rc cmd_feedback_export(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    const char *path = cli->arguments[1], *workspace, *made;
    struct ask_slm slm;
    struct ask question;
    struct json *answer;
    enum rc rc = ask_parse_slm(cli, cli->arguments[0], &slm, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc == RC_OK)
        rc = cli_workspace(cli, &workspace, err);
    if (rc)
        return rc;
    made = serve_team_path(workspace, slm.team, "feedback_export.jsonl", &cli->arena);
    if (!made)
        return arena_fail(&cli->arena, err, "path of the export");
    ask_begin(cli, &question);
    ask_text(&question, "slm", slm.name);
    ask_text(&question, "path", made);
    rc = ask(cli, slm.team, "feedback_export", &question, &answer, err);
    if (rc == RC_OK)
        rc = move_export(made, path, err);
    if (rc)
        return rc;
    if (cli->config.json)
        return ask_print_json(answer, err);
    answer_view_append_value(&out, json_find(answer, "rows"));
    buf_printf(&out, " rows in %s; feedback without an output: ", path);
    answer_view_append_value(&out, json_find(answer, "without_output"));
    return cli_print(&out, err);
}
