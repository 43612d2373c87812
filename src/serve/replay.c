#include "serve/replay.h"

static enum rc decide_again(const struct version *version, const struct decision *stored,
                            struct arena *arena, struct str *ret_answer, struct err *err)
{
    CLEANUP(buf_releasep) struct buf answer = { 0 };
    struct decide_result result;
    struct json *input;

    enum rc rc = json_parse(stored->input, JSON_DUPLICATES_REFUSED, arena, &input, err);
    if (rc)
        return err_context(err, "stored input");
    struct decide_row row = { .input = input, .now_ms = stored->recorded_ms };
    rc = decide_rows(version_decider(version), &row, 1, NULL, arena, &result, err);
    if (rc)
        return rc;
    if (result.verdict == DECIDE_REFUSED)
        return err_set(err, RC_CORRUPT, "the stored input is refused: %s", result.refusal.message);

    buf_init(&answer, DECISION_ANSWER_MAX);
    buf_append_char(&answer, '{');
    decide_append_answer(&answer, version_decider(version), &result);
    buf_append_char(&answer, '}');
    rc = buf_rc(&answer, "answer", err);
    if (rc)
        return rc;
    char *copy = arena_strndup(arena, answer.at, answer.len);
    if (!copy)
        return arena_fail(arena, err, "answer");
    *ret_answer = (struct str){ copy, answer.len };
    return RC_OK;
}

enum rc serve_replay(struct serve_team *team, const char *id, enum cpu cpu, struct arena *arena,
                     struct serve_replay *ret_replay, struct err *err)
{
    CLEANUP(version_closep) struct version *version = NULL;
    struct version_sources sources = team->sources;
    struct serve_replay replay = { 0 };
    struct kernels kernels;

    enum rc rc = decision_find(team->record, id, arena, &replay.stored, err);
    if (rc)
        return rc;
    kernels_init(&kernels, cpu);
    sources.kernels = &kernels;
    rc = version_open(&sources, &replay.stored.version, &version, err);
    if (!rc)
        rc = decide_again(version, &replay.stored, arena, &replay.replayed, err);
    if (rc)
        return err_context(err, "replay %s", id);
    replay.same = str_equal(replay.stored.answer, replay.replayed);
    *ret_replay = replay;
    return RC_OK;
}
