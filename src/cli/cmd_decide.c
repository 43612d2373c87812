/* cmd_decide.c - shoal decide: answers without a service; nothing is stored. */
#include "base/failpoint.h"
#include "base/fs.h"
#include "cli/answer_view.h"
#include "cli/ask.h"
#include "cli/case_file.h"
#include "cli/cmd.h"
#include "cli/compute.h"
#include "cli/progress.h"
#include "cli/standard_input.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BATCH_ROWS = 256, BATCH_ARENA_BYTES_MAX = 1 << 30 };

struct job {
    struct cli *cli;
    const struct version *version;
    struct pool *pool;
    struct clock clock;
    struct progress progress;
    size_t n_refused, n_abstained;
};

/* The digest of the version that `ref` names. */
static enum rc find_version(struct cli *cli, const struct ask_slm *slm, struct digest *ret_digest,
                            struct err *err)
{
    const char *ref = cli_option(cli, "version");
    struct json *answer;
    struct ask question;
    enum rc rc;

    ask_begin(cli, &question);
    ask_text(&question, "slm", slm->name);
    ask_text(&question, "ref", ref ? ref : REGISTRY_PRODUCTION);
    rc = ask(cli, slm->team, "show", &question, &answer, err);
    if (rc == RC_NOT_FOUND && !ref)
        cli_hint(cli, rc, "shoal build %s, then shoal promote it; or give --version=@N",
                 cli->arguments[0]);
    if (rc)
        return rc;

    const struct json *version = json_find(answer, "version");
    const struct json *digest = json_find(version, "version");
    if (!digest || digest->type != JSON_STRING || !digest_parse(digest->text, ret_digest))
        return err_set(err, RC_CORRUPT, "the answer names no version");
    return RC_OK;
}

static enum rc open_version(struct cli *cli, const struct ask_slm *slm,
                            const struct kernels *kernels, struct version **ret_version,
                            struct err *err)
{
    CLEANUP(artifact_store_closep) struct artifact_store *store = NULL;
    const char *workspace, *artifacts, *bases;
    struct digest digest;
    enum rc rc = cli_workspace(cli, &workspace, err);

    if (rc == RC_OK)
        rc = find_version(cli, slm, &digest, err);
    if (rc)
        return rc;
    artifacts = serve_team_path(workspace, slm->team, "artifacts", &cli->arena);
    bases = fs_join(&cli->arena, cli->config.home, "bases");
    if (!artifacts || !bases)
        return arena_fail(&cli->arena, err, "path of the artifacts");
    rc = artifact_store_open(artifacts, &store, err);
    if (rc)
        return rc;
    struct version_sources sources = { store, bases, kernels };
    return version_open(&sources, &digest, ret_version, err);
}

static void write_refusal(const struct case_row *row, const struct err *refusal,
                          const struct problems *problems, struct json_writer *w, struct buf *out)
{
    json_key(w, "error");
    json_begin_object(w);
    json_key(w, "code");
    json_text(w, rc_name(refusal->code));
    json_key(w, "message");
    json_text(w, refusal->message);
    json_key(w, "line");
    json_i64(w, row->line);
    if (problems) {
        struct buf list;

        buf_init(&list, out->limit);
        problem_append_json(&list, problems);
        json_key(w, "problems");
        json_raw(w, buf_str(&list));
        buf_release(&list);
    }
    json_end_object(w);
}

/* {"id":...,"output":...,...} or {"id":...,"error":{...}}, a line. */
static void append_line(struct job *job, const struct case_row *row,
                        const struct decide_result *result, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    buf_append_char(out, '{');
    if (row->id) {
        buf_append_text(out, "\"id\":");
        json_append(out, row->id);
        buf_append_char(out, ',');
    }
    if (!row->input || result->verdict == DECIDE_REFUSED) {
        const struct err *refusal = row->input ? &result->refusal : &row->refusal;

        write_refusal(row, refusal, row->input ? result->refused : NULL, &w, out);
        job->n_refused++;
    } else {
        decide_append_answer(out, version_decider(job->version), result);
        job->n_abstained += result->verdict != DECIDE_ANSWERED;
    }
    buf_append_text(out, "}\n");
}

/* Answers one batch; lines that are no case take their place without being asked. */
static enum rc decide_batch(struct job *job, const struct case_row *rows, size_t n,
                            struct arena *arena, struct buf *out, struct err *err)
{
    struct decide_row *asked = arena_array(arena, struct decide_row, n);
    struct decide_result *results = arena_array(arena, struct decide_result, n);
    int64_t now_ms = job->clock.now_ms(job->clock.self);
    size_t n_asked = 0, answered = 0;
    enum rc rc;

    if (!asked || !results)
        return arena_fail(arena, err, "rows");
    for (size_t i = 0; i < n; i++)
        if (rows[i].input)
            asked[n_asked++] = (struct decide_row){ .input = rows[i].input, .now_ms = now_ms };
    rc = decide_rows(version_decider(job->version), asked, n_asked, job->pool, arena, results, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++) {
        append_line(job, &rows[i], &results[answered], out);
        answered += rows[i].input != NULL;
    }
    return buf_rc(out, "answers", err);
}

static enum rc decide_file(struct job *job, const struct case_file *file, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct arena arena;
    enum rc rc = RC_OK;

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    arena_init(&arena, BATCH_ARENA_BYTES_MAX);
    for (size_t at = 0; rc == RC_OK && at < file->n_rows; at += BATCH_ROWS) {
        size_t n = file->n_rows - at < BATCH_ROWS ? file->n_rows - at : BATCH_ROWS;

        buf_reset(&out);
        rc = decide_batch(job, &file->rows[at], n, &arena, &out, err);
        if (rc == RC_OK)
            rc = cli_print(&out, err);
        arena_reset(&arena);
        progress_update(&job->progress, "decide", at + n, file->n_rows, PROGRESS_STEPS);
    }
    arena_release(&arena);
    if (rc == RC_OK && !job->cli->config.quiet)
        fprintf(stderr, "%zu rows: %zu answered, %zu abstained, %zu refused\n", file->n_rows,
                file->n_rows - job->n_abstained - job->n_refused, job->n_abstained, job->n_refused);
    return rc;
}

static void append_refusal(const struct decide_result *result, struct buf *out)
{
    buf_printf(out, "refused: %s\n", result->refusal.message);
    if (result->refused)
        problem_append_text(out, result->refused);
}

/* One case, for a person unless --json. */
static enum rc decide_one(struct job *job, const struct case_file *file, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 }, text = { 0 };
    struct decide_row row = { .input = file->rows[0].input,
                              .now_ms = job->clock.now_ms(job->clock.self) };
    struct decide_result result;
    struct json *answer;
    enum rc rc = decide_rows(version_decider(job->version), &row, 1, job->pool, &job->cli->arena,
                             &result, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    buf_init(&text, CLI_OUTPUT_BYTES_MAX);
    if (rc)
        return rc;
    append_line(job, &file->rows[0], &result, &out);
    if (job->cli->config.json)
        return cli_print(&out, err);
    if (result.verdict == DECIDE_REFUSED) {
        append_refusal(&result, &text);
        return cli_print(&text, err);
    }
    rc = json_parse(buf_str(&out), JSON_DUPLICATES_REFUSED, &job->cli->arena, &answer, err);
    if (rc)
        return rc;
    answer_view_append(&text, answer);
    return cli_print(&text, err);
}

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text), ending_len = strlen(ending);

    return len >= ending_len && strcmp(text + len - ending_len, ending) == 0;
}

static enum rc read_cases(struct cli *cli, const struct spec *spec, struct case_file *ret_file,
                          struct err *err)
{
    const char *path = cli->n_arguments > 1 ? cli->arguments[1] : NULL;
    enum case_format format = !path ? CASE_ONE : ends_with(path, ".csv") ? CASE_CSV : CASE_JSONL;
    struct str text;
    enum rc rc = path ? fs_read_file(path, CASE_FILE_BYTES_MAX, &cli->arena, &text, err)
                      : standard_input_read(CASE_LINE_BYTES_MAX, &cli->arena, &text, err);

    if (rc)
        return rc;
    rc = case_file_parse(text, format, spec, &cli->arena, ret_file, err);
    return rc ? err_context(err, "%s", path ? path : "standard input") : RC_OK;
}

enum rc cmd_decide(struct cli *cli, struct err *err)
{
    CLEANUP(version_closep) struct version *version = NULL;
    CLEANUP(pool_freep) struct pool *pool = NULL;
    struct kernels kernels;
    struct case_file file;
    struct ask_slm slm;
    struct job job = { .cli = cli, .clock = clock_system() };
    enum rc rc = ask_parse_slm(cli, cli->arguments[0], &slm, err);

    if (rc == RC_OK)
        rc = compute_kernels(cli, &kernels, err);
    if (rc == RC_OK)
        rc = compute_pool(cli, &pool, err);
    if (rc == RC_OK)
        rc = open_version(cli, &slm, &kernels, &version, err);
    if (rc == RC_OK)
        rc = read_cases(cli, version_spec(version), &file, err);
    if (rc)
        return rc;

    job.version = version;
    job.pool = pool;
    progress_init(&job.progress, job.clock, cli->config.quiet || cli->n_arguments < 2);
    rc = cli->n_arguments > 1 ? decide_file(&job, &file, err) : decide_one(&job, &file, err);
    if (job.n_refused > 0)
        cli->status = CLI_STATUS_FAILED;
    return rc;
}
