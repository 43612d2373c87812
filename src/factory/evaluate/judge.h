/*
 * judge.h - what a decider answers to labelled rows, and how good that is.
 *
 * Scores are of the answer the decider holds best, whether or not it is sure enough to give it; a
 * row without one (refused, an undetermined fact or rule, rules in conflict) counts as wrong.
 * Coverage and precision are of the answers it gives.
 *
 * There is a column for each output field that is chosen, and for each that is written and has a
 * value to agree with: of those the answer is 1 where it does and 0 where not, and the truth of
 * every row is 1, so that they have the accuracy, intervals and paired comparisons of any other.
 * Likewise two columns of all that is written: is the first attempt the answer, and are all values
 * right?
 */
#ifndef FACTORY_JUDGE_H
#define FACTORY_JUDGE_H

#include "decide/decide.h"
#include "factory/evaluate/calibration.h"
#include "factory/evaluate/intervals.h"

static inline size_t judge_n_columns(const struct spec *spec)
{
    return spec->n_fields + spec->n_valued + spec_writes(spec) + (spec->n_valued > 0);
}

/* The columns of all that is written. */
static inline size_t judge_first_attempt(const struct spec *spec)
{
    return spec->n_fields + spec->n_valued;
}

static inline size_t judge_all_right(const struct spec *spec)
{
    return spec->n_fields + spec->n_valued + 1;
}

/* Of a column of a field. */
static inline struct str judge_column_name(const struct spec *spec, size_t column)
{
    return column < spec->n_fields ? spec->fields[column].name
                                   : spec->open[column - spec->n_fields].name;
}

/* false: stop. */
typedef bool judge_progress_fn(void *context, size_t done, size_t total);

/* Labelled rows of one split. */
struct judge_rows {
    const struct spec *spec;
    size_t n;
    struct decide_row *rows; /* (n,) */
    const struct str *ids;   /* (n,) */
    uint32_t *truth;     /* (n_columns, n) values, see struct spec_field; 1 of what is written */
    struct str *written; /* (n_open, n) as the data has it; at NULL where it has nothing */
    bool *in_slice;      /* (n_slices, n) */

    judge_progress_fn *progress; /* told while rows are asked; NULL: nobody */
    void *progress_context;
};

struct judged {
    size_t n;
    size_t n_labels;     /* of all fields together */
    uint32_t *answers;   /* (n_columns, n) value or EVALUATE_NO_ANSWER; 0 or 1 of what is written */
    double *confidence;  /* (n_fields, n), 0 without an answer */
    float *scores;       /* (n, n_labels) of the model, before calibration */
    bool *has_scores;    /* (n,) */
    bool *given;         /* (n,) */
    bool *violates;      /* (n,) given against a must-rule: none by construction, noted anyway */
    struct str *texts;   /* (n_open, n) as written; at NULL without an answer, or a value */
    struct str *reasons; /* (n,) why there is no answer; empty with one */
    size_t n_given, n_violations;
};

/**
 * Asks the decider all rows.
 *
 * @param scores  of an earlier call over the same rows, to leave the model out; NULL: runs it
 * @return RC_OK; RC_CANCELLED: rows->progress said so; RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc judge_run(const struct decider *decider, const struct judge_rows *rows,
                             const struct judged *scores, struct pool *pool, struct arena *arena,
                             struct judged **ret_judged, struct err *err);

/* The same scores for every row, (n_labels,). */
MUST_CHECK enum rc judge_constant(const struct judge_rows *rows, const float *scores,
                                  struct arena *arena, struct judged **ret_judged, struct err *err);

/* Is a row in a slice? tags: NULL when it has none; values: (n_fields,) true ones. What the
 * expression leaves undetermined is not. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc judge_is_in_slice(const struct spec *spec, const struct spec_slice *slice,
                                     const struct json *input, const struct json *tags,
                                     const uint32_t *values, int64_t now_ms, bool *ret_is_in,
                                     struct err *err);

/* The rows of a slice, and the answers to them; judged NULL: NULL. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc judge_slice_rows(const struct judge_rows *rows, size_t slice,
                                    struct arena *arena, struct judge_rows *ret_rows,
                                    struct err *err);
MUST_CHECK enum rc judge_slice_answers(const struct judge_rows *rows, size_t slice,
                                       const struct judged *judged, struct arena *arena,
                                       const struct judged **ret_judged, struct err *err);

/* Answers of a column beside the truth; b may be NULL. */
struct evaluate_rows judge_pair(const struct judge_rows *rows, const struct judged *a,
                                const struct judged *b, size_t column);

/* A score of one column. RC_NOMEM. */
MUST_CHECK enum rc judge_score(const struct judge_rows *rows, const struct judged *judged,
                               enum evaluate_metric metric, size_t field, struct arena *arena,
                               double *ret_value, struct err *err);

/* The score of rows that a metric is; false for one that is none and cannot be resampled. */
bool judge_score_of(enum spec_metric metric, enum evaluate_metric *ret_score);

/* One metric of one field; fields have no part in coverage and rule violations. RC_NOMEM. */
MUST_CHECK enum rc judge_metric(const struct judge_rows *rows, const struct judged *judged,
                                enum spec_metric metric, size_t field, struct arena *arena,
                                double *ret_value, struct err *err);

/* Calibration error of a field; bins (EVALUATE_BINS,). RC_NOMEM. */
MUST_CHECK enum rc judge_reliability(const struct judge_rows *rows, const struct judged *judged,
                                     size_t field, struct arena *arena, struct evaluate_bin *bins,
                                     double *ret_ece, struct err *err);

/* What candidates are ordered by when none meets the gates: the mean over the fields of macro-F1,
 * of a written value of accuracy, of a text of the share of first attempts. */
MUST_CHECK enum rc judge_merit(const struct judge_rows *rows, const struct judged *judged,
                               struct arena *arena, double *ret_value, struct err *err);

/* Right answers of a field among those given. */
size_t judge_count_right(const struct judge_rows *rows, const struct judged *judged, size_t field);

/**
 * Fits temperature and threshold of every field on these rows.
 *
 * Temperatures first maximise the likelihood of each field's truth under the model's scores; when
 * the spec has must-rules, one factor for all of them then minimises the log loss of the
 * confidences that are left after masking. Thresholds come from evaluate_threshold_for() with delta
 * 0.05.
 *
 * @param judged       of a decider with temperature 1 and threshold 0
 * @param calibration  out, (n_fields,)
 * @param guaranteed   out, (n_fields,): the target precision is promised, not only estimated (true
 *                     without a target)
 */
MUST_CHECK enum rc judge_calibrate(const struct decide_parts *parts, const struct judge_rows *rows,
                                   const struct judged *judged, struct arena *arena,
                                   struct decide_calibration *calibration, bool *guaranteed,
                                   struct err *err);

/**
 * How much of b is best in a blend with a, by field: the shares that make the truth of these rows
 * most likely (evaluate_share()).
 *
 * @param a, b    of the same rows and labels
 * @param shares  out, (n_fields,) in [0, 1]
 */
MUST_CHECK enum rc judge_shares(const struct judge_rows *rows, const struct judged *a,
                                const struct judged *b, struct arena *arena, float *shares,
                                struct err *err);

#endif
