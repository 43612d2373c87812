#include "factory/evaluate/judge.h"

#include <math.h>

enum {
    CHUNK_ROWS = 64,
    WRITTEN_CHUNK_ROWS = 10, /* of seconds each: enough to keep threads busy, and to be told of */
};

static enum rc judged_new(const struct judge_rows *rows, struct arena *arena,
                          struct judged **ret_judged, struct err *err)
{
    const struct spec *spec = rows->spec;
    size_t n_columns = judge_n_columns(spec);
    struct judged *j = arena_new(arena, struct judged);

    if (!j)
        return arena_fail(arena, err, "answers");
    j->n = rows->n;
    for (size_t f = 0; f < spec->n_fields; f++)
        j->n_labels += spec->fields[f].n_labels;
    j->answers = arena_array(arena, uint32_t, n_columns * rows->n + 1);
    j->confidence = arena_array(arena, double, spec->n_fields * rows->n + 1);
    j->scores = arena_array(arena, float, j->n_labels * rows->n + 1);
    j->has_scores = arena_array(arena, bool, rows->n + 1);
    j->given = arena_array(arena, bool, rows->n + 1);
    j->violates = arena_array(arena, bool, rows->n + 1);
    j->texts = arena_array(arena, struct str, spec->n_open * rows->n + 1);
    j->reasons = arena_array(arena, struct str, rows->n + 1);
    if (!j->answers || !j->confidence || !j->scores || !j->has_scores || !j->given ||
        !j->violates || !j->texts || !j->reasons)
        return arena_fail(arena, err, "answers");
    *ret_judged = j;
    return RC_OK;
}

static bool breaks_a_must_rule(const struct spec *spec, const struct decide_result *result)
{
    for (size_t r = 0; r < spec->n_rules; r++)
        if (spec->rules[r].kind == SPEC_MUST && result->rules[r] == DECIDE_RULE_BROKEN)
            return true;
    return false;
}

static enum rc copy_text(struct str text, struct arena *arena, struct str *ret_text,
                         struct err *err)
{
    char *copy = arena_strndup(arena, text.at ? text.at : "", text.len);

    *ret_text = (struct str){ copy, text.len };
    return copy ? RC_OK : arena_fail(arena, err, "answers");
}

/* Texts, or why there are none; they outlive the result. */
static enum rc note_texts(const struct judge_rows *rows, size_t i,
                          const struct decide_result *result, struct arena *arena, struct judged *j,
                          struct err *err)
{
    const struct spec *spec = rows->spec;
    bool is_given = result->verdict == DECIDE_ANSWERED;
    struct str why =
        result->verdict == DECIDE_REFUSED ? str_of(result->refusal.message) : result->reason;
    enum rc rc = is_given ? RC_OK : copy_text(why, arena, &j->reasons[i], err);

    for (size_t o = 0; o < spec->n_open && rc == RC_OK && is_given; o++)
        if (result->texts[o].at)
            rc = copy_text(result->texts[o], arena, &j->texts[o * j->n + i], err);
    return rc;
}

/* How good what was written is, where there is a value to agree with. */
static void note_values(const struct judge_rows *rows, size_t i, const struct decide_result *result,
                        struct judged *j)
{
    const struct spec *spec = rows->spec;
    bool is_given = result->verdict == DECIDE_ANSWERED, all_right = is_given;

    if (!spec_writes(spec))
        return;
    j->answers[judge_first_attempt(spec) * j->n + i] = is_given && result->attempt == 1;
    for (size_t o = 0; o < spec->n_valued; o++) {
        bool right = is_given && decide_agrees(&spec->open[o], &result->values[o],
                                               rows->written[o * rows->n + i]);

        j->answers[(spec->n_fields + o) * j->n + i] = is_given ? right : EVALUATE_NO_ANSWER;
        all_right &= right;
    }
    if (spec->n_valued > 0)
        j->answers[judge_all_right(spec) * j->n + i] = is_given ? all_right : EVALUATE_NO_ANSWER;
}

static void note(const struct judge_rows *rows, size_t i, const struct decide_result *result,
                 struct judged *j)
{
    const struct spec *spec = rows->spec;
    size_t values[SPEC_FIELDS_MAX];
    bool has_answer = result->has_best && (result->verdict == DECIDE_ANSWERED ||
                                           result->verdict == DECIDE_LOW_CONFIDENCE);

    if (result->scores) {
        memcpy(j->scores + i * j->n_labels, result->scores, j->n_labels * sizeof(*j->scores));
        j->has_scores[i] = true;
    }
    if (has_answer)
        spec_values_of(spec, result->best, values);
    for (size_t f = 0; f < spec->n_fields; f++) {
        j->answers[f * j->n + i] = has_answer ? (uint32_t)values[f] : EVALUATE_NO_ANSWER;
        j->confidence[f * j->n + i] = has_answer ? result->confidence[f] : 0.0;
    }
    j->given[i] = result->verdict == DECIDE_ANSWERED;
    j->n_given += j->given[i];
    j->violates[i] = j->given[i] && breaks_a_must_rule(spec, result);
    j->n_violations += j->violates[i];
}

static enum rc run_chunk(const struct decider *decider, const struct judge_rows *rows, size_t from,
                         size_t n, const struct judged *scores, struct pool *pool,
                         struct arena *kept, struct judged *judged, struct err *err)
{
    struct decide_row asked[CHUNK_ROWS];
    struct decide_result results[CHUNK_ROWS];
    struct arena arena;

    for (size_t i = 0; i < n; i++) {
        asked[i] = rows->rows[from + i];
        if (scores && scores->has_scores[from + i])
            asked[i].scores = scores->scores + (from + i) * scores->n_labels;
    }
    arena_init(&arena, CHUNK_ROWS * (size_t)DECIDE_ROW_BYTES_MAX);
    enum rc rc = decide_rows(decider, asked, n, pool, &arena, results, err);
    for (size_t i = 0; i < n && rc == RC_OK; i++) {
        note(rows, from + i, &results[i], judged);
        note_values(rows, from + i, &results[i], judged);
        rc = note_texts(rows, from + i, &results[i], kept, judged, err);
    }
    arena_release(&arena);
    return rc;
}

enum rc judge_run(const struct decider *decider, const struct judge_rows *rows,
                  const struct judged *scores, struct pool *pool, struct arena *arena,
                  struct judged **ret_judged, struct err *err)
{
    struct judged *judged = NULL;
    size_t chunk = spec_writes(rows->spec) ? WRITTEN_CHUNK_ROWS : CHUNK_ROWS;
    enum rc rc = judged_new(rows, arena, &judged, err);

    for (size_t from = 0, n; from < rows->n && rc == RC_OK; from += n) {
        n = rows->n - from < chunk ? rows->n - from : chunk;
        rc = run_chunk(decider, rows, from, n, scores, pool, arena, judged, err);
        if (rc == RC_OK && rows->progress &&
            !rows->progress(rows->progress_context, from + n, rows->n))
            rc = err_set(err, RC_CANCELLED, "stopped behind row %zu of %zu", from + n, rows->n);
    }
    if (rc)
        return rc;
    *ret_judged = judged;
    return RC_OK;
}

enum rc judge_constant(const struct judge_rows *rows, const float *scores, struct arena *arena,
                       struct judged **ret_judged, struct err *err)
{
    struct judged *judged = NULL;
    enum rc rc = judged_new(rows, arena, &judged, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < rows->n; i++) {
        memcpy(judged->scores + i * judged->n_labels, scores, judged->n_labels * sizeof(*scores));
        judged->has_scores[i] = true;
    }
    *ret_judged = judged;
    return RC_OK;
}

struct evaluate_rows judge_pair(const struct judge_rows *rows, const struct judged *a,
                                const struct judged *b, size_t column)
{
    const struct spec_field *field =
        column < rows->spec->n_fields ? &rows->spec->fields[column] : NULL;

    return (struct evaluate_rows){ .n = rows->n,
                                   .n_classes = field ? field->n_labels : 2,
                                   .is_set = field && field->is_set,
                                   .truth = rows->truth + column * rows->n,
                                   .a = a->answers + column * rows->n,
                                   .b = b ? b->answers + column * rows->n : NULL };
}

size_t judge_count_right(const struct judge_rows *rows, const struct judged *judged, size_t field)
{
    struct evaluate_rows pair = judge_pair(rows, judged, NULL, field);
    size_t n = 0;

    for (size_t i = 0; i < rows->n; i++)
        n += judged->given[i] && pair.a[i] == pair.truth[i];
    return n;
}

enum rc judge_score(const struct judge_rows *rows, const struct judged *judged,
                    enum evaluate_metric metric, size_t field, struct arena *arena,
                    double *ret_value, struct err *err)
{
    struct evaluate_rows pair = judge_pair(rows, judged, NULL, field);
    struct evaluate_tally tally;
    enum rc rc = evaluate_tally_init(pair.n_classes, pair.is_set, arena, &tally, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < pair.n; i++)
        evaluate_tally_add(&tally, pair.truth[i], pair.a[i]);
    *ret_value = evaluate_score(&tally, metric);
    return RC_OK;
}

enum rc judge_reliability(const struct judge_rows *rows, const struct judged *judged, size_t field,
                          struct arena *arena, struct evaluate_bin *bins, double *ret_ece,
                          struct err *err)
{
    struct evaluate_rows pair = judge_pair(rows, judged, NULL, field);
    double *confidence = arena_array(arena, double, rows->n + 1);
    bool *right = arena_array(arena, bool, rows->n + 1);
    size_t n = 0;

    if (!confidence || !right)
        return arena_fail(arena, err, "confidences");
    for (size_t i = 0; i < rows->n; i++) {
        if (pair.a[i] == EVALUATE_NO_ANSWER)
            continue;
        confidence[n] = judged->confidence[field * rows->n + i];
        right[n++] = pair.a[i] == pair.truth[i];
    }
    *ret_ece = evaluate_ece(confidence, right, n, bins);
    return RC_OK;
}

bool judge_score_of(enum spec_metric metric, enum evaluate_metric *ret_score)
{
    switch (metric) {
    case SPEC_ACCURACY:
    case SPEC_FIRST_ATTEMPT: *ret_score = EVALUATE_ACCURACY; return true;
    case SPEC_BALANCED_ACCURACY: *ret_score = EVALUATE_BALANCED_ACCURACY; return true;
    case SPEC_MACRO_F1: *ret_score = EVALUATE_MACRO_F1; return true;
    case SPEC_SET_F1: *ret_score = EVALUATE_SET_F1; return true;
    case SPEC_ECE:
    case SPEC_RULE_VIOLATIONS:
    case SPEC_COVERAGE:
    case SPEC_PRECISION: return false;
    }
    return false;
}

enum rc judge_metric(const struct judge_rows *rows, const struct judged *judged,
                     enum spec_metric metric, size_t field, struct arena *arena, double *ret_value,
                     struct err *err)
{
    struct evaluate_bin bins[EVALUATE_BINS];
    double n_given = (double)judged->n_given;
    enum evaluate_metric score;

    if (judge_score_of(metric, &score))
        return judge_score(rows, judged, score, field, arena, ret_value, err);
    if (metric == SPEC_ECE)
        return judge_reliability(rows, judged, field, arena, bins, ret_value, err);
    if (metric == SPEC_RULE_VIOLATIONS)
        *ret_value = (double)judged->n_violations;
    else if (metric == SPEC_COVERAGE)
        *ret_value = rows->n ? n_given / (double)rows->n : 0.0;
    else /* SPEC_PRECISION */
        *ret_value =
            judged->n_given ? (double)judge_count_right(rows, judged, field) / n_given : 0.0;
    return RC_OK;
}

enum rc judge_merit(const struct judge_rows *rows, const struct judged *judged, struct arena *arena,
                    double *ret_value, struct err *err)
{
    const struct spec *spec = rows->spec;
    /* The first attempt counts like a value where a text is written. */
    size_t n_columns = spec->n_fields + spec->n_open;
    double sum = 0.0;

    for (size_t c = 0; c < n_columns; c++) {
        double value = 0.0;
        enum rc rc =
            judge_score(rows, judged, c < spec->n_fields ? EVALUATE_MACRO_F1 : EVALUATE_ACCURACY, c,
                        arena, &value, err);

        if (rc)
            return rc;
        sum += value;
    }
    *ret_value = sum / (double)n_columns;
    return RC_OK;
}
