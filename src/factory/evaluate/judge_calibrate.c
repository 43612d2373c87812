/* judge_calibrate.c - temperatures and thresholds, fitted on validation rows. */
#include "factory/evaluate/judge.h"

#include "base/exact_math.h"

#include <math.h>

#define CALIBRATE_DELTA 0.05 /* a threshold's guarantee may fail for one draw of rows in twenty */

enum {
    FACTORS = 15, /* tried in one pass over the rows; two passes come to a hundredth */
    CALIBRATE_BYTES_MAX = 64 << 20,
};

/* What a model said of one field, as choices between classes. Each label of a set is a choice of
 * two, in or out: softmax of {odds, 0} is its probability. */
struct choices {
    size_t n, n_classes;
    float *scores;   /* (n, n_classes) */
    uint32_t *truth; /* (n,) */
};

/* first: of the field's scores among all. Rows that `also` has no scores of are left out too. */
static enum rc choices_of(const struct judge_rows *rows, const struct judged *judged,
                          const struct judged *also, size_t field, size_t first,
                          struct arena *arena, struct choices *ret_choices, struct err *err)
{
    const struct spec_field *f = &rows->spec->fields[field];
    size_t k = f->n_labels;
    struct choices c = { .n_classes = f->is_set ? 2 : k };

    c.scores = arena_array(arena, float, 2 * rows->n * k + 1);
    c.truth = arena_array(arena, uint32_t, rows->n * k + 1);
    if (!c.scores || !c.truth)
        return arena_fail(arena, err, "calibration");
    for (size_t i = 0; i < rows->n; i++) {
        const float *scores = judged->scores + i * judged->n_labels + first;
        uint32_t truth = rows->truth[field * rows->n + i];

        if (!judged->has_scores[i] || !also->has_scores[i])
            continue;
        for (size_t label = 0; f->is_set && label < k; label++) {
            c.scores[2 * c.n] = scores[label];
            c.truth[c.n++] = !spec_value_has(f, truth, label);
        }
        if (!f->is_set) {
            memcpy(c.scores + c.n * k, scores, k * sizeof(*scores));
            c.truth[c.n++] = truth;
        }
    }
    *ret_choices = c;
    return RC_OK;
}

static enum rc fit_temperature(const struct judge_rows *rows, const struct judged *judged,
                               size_t field, size_t first, struct arena *arena,
                               double *ret_temperature, struct err *err)
{
    struct choices c;
    enum rc rc = choices_of(rows, judged, judged, field, first, arena, &c, err);

    if (rc == RC_OK)
        *ret_temperature = evaluate_temperature(c.scores, c.truth, c.n, c.n_classes);
    return rc;
}

enum rc judge_shares(const struct judge_rows *rows, const struct judged *a, const struct judged *b,
                     struct arena *arena, float *shares, struct err *err)
{
    const struct spec *spec = rows->spec;
    size_t first = 0;

    for (size_t f = 0; f < spec->n_fields; first += spec->fields[f++].n_labels) {
        struct choices of_a, of_b;
        enum rc rc = choices_of(rows, a, b, f, first, arena, &of_a, err);

        if (rc == RC_OK)
            rc = choices_of(rows, b, a, f, first, arena, &of_b, err);
        if (rc)
            return rc;
        float *mixed = arena_array(arena, float, of_a.n *of_a.n_classes + 1);
        if (!mixed)
            return arena_fail(arena, err, "blend");
        shares[f] = (float)evaluate_share(of_a.scores, of_b.scores, of_a.truth, of_a.n,
                                          of_a.n_classes, mixed);
    }
    return RC_OK;
}

/* The confidences of some rows after masking, under several factors of the temperatures. */
struct factors {
    const struct decider *deciders[FACTORS];
    double loss[FACTORS]; /* sums of log losses over rows and fields */
};

static enum rc factors_open(const struct decide_parts *parts, const double *temperatures,
                            const double *factor, struct arena *arena, struct factors *ret_factors,
                            struct err *err)
{
    size_t n_fields = parts->spec->n_fields;
    enum rc rc = RC_OK;

    *ret_factors = (struct factors){ 0 };
    for (size_t k = 0; k < FACTORS && rc == RC_OK; k++) {
        struct decide_calibration *c = arena_array(arena, struct decide_calibration, n_fields);
        struct decide_parts tried = *parts;
        struct decider *decider = NULL;

        if (!c)
            return arena_fail(arena, err, "calibration");
        for (size_t f = 0; f < n_fields; f++)
            c[f] = (struct decide_calibration){ temperatures[f] * factor[k], 0.0 };
        tried.calibration = c;
        rc = decide_open(&tried, arena, &decider, err);
        ret_factors->deciders[k] = decider;
    }
    return rc;
}

static double log_loss(const struct judge_rows *rows, size_t i, const struct decide_result *result)
{
    size_t values[SPEC_FIELDS_MAX];
    double loss = 0.0;

    if (result->verdict != DECIDE_ANSWERED && result->verdict != DECIDE_LOW_CONFIDENCE)
        return 0.0;
    spec_values_of(rows->spec, result->best, values);
    for (size_t f = 0; f < rows->spec->n_fields; f++) {
        bool right = values[f] == rows->truth[f * rows->n + i];

        loss -= exact_ln(fmax(right ? result->confidence[f] : 1.0 - result->confidence[f], 1e-12));
    }
    return loss;
}

/* Facts are computed once, the answer is chosen under each factor. */
static enum rc add_losses(struct factors *factors, const struct judge_rows *rows, size_t i,
                          const float *scores, struct arena *arena, struct err *err)
{
    struct decide_row asked = rows->rows[i];
    struct decide_result first, result;

    asked.scores = scores;
    enum rc rc = decide_rows(factors->deciders[0], &asked, 1, NULL, arena, &first, err);
    if (rc || !first.has_best)
        return rc;
    asked.facts = &first.facts;
    factors->loss[0] += log_loss(rows, i, &first);
    for (size_t k = 1; k < FACTORS && rc == RC_OK; k++) {
        rc = decide_rows(factors->deciders[k], &asked, 1, NULL, arena, &result, err);
        if (rc == RC_OK)
            factors->loss[k] += log_loss(rows, i, &result);
    }
    return rc;
}

static bool has_must_rule(const struct spec *spec)
{
    for (size_t r = 0; r < spec->n_rules; r++)
        if (spec->rules[r].kind == SPEC_MUST)
            return true;
    return false;
}

/* The factor of least log loss among FACTORS from low to high, both included. */
static enum rc best_factor(const struct decide_parts *parts, const struct judge_rows *rows,
                           const struct judged *judged, const double *temperatures, double low,
                           double high, double *ret_factor, struct err *err)
{
    double factor[FACTORS];
    struct factors factors;
    struct arena arena, of_row;
    size_t best = 0;

    for (size_t k = 0; k < FACTORS; k++)
        factor[k] = low * exact_exp((double)k / (FACTORS - 1) * exact_ln(high / low));
    arena_init(&arena, CALIBRATE_BYTES_MAX);
    arena_init(&of_row, FACTORS * (size_t)(DECIDE_ROW_BYTES_MAX + DECIDE_JOINT_BYTES_MAX));
    enum rc rc = factors_open(parts, temperatures, factor, &arena, &factors, err);
    for (size_t i = 0; i < rows->n && rc == RC_OK; i++) {
        if (judged->has_scores[i])
            rc = add_losses(&factors, rows, i, judged->scores + i * judged->n_labels, &of_row, err);
        arena_reset(&of_row);
    }
    arena_release(&of_row);
    arena_release(&arena);
    for (size_t k = 1; k < FACTORS; k++)
        if (factors.loss[k] < factors.loss[best])
            best = k;
    *ret_factor = factor[best];
    return rc;
}

/* The factor over [1/2, 2]: the best of a coarse grid, then of a fine one around it. */
static enum rc fit_factor(const struct decide_parts *parts, const struct judge_rows *rows,
                          const struct judged *judged, double *temperatures, struct err *err)
{
    double step = exact_exp(exact_ln(4.0) / (FACTORS - 1)), factor = 1.0;
    enum rc rc = best_factor(parts, rows, judged, temperatures, 0.5, 2.0, &factor, err);

    if (rc == RC_OK)
        rc = best_factor(parts, rows, judged, temperatures, fmax(factor / step, 0.5),
                         fmin(factor * step, 2.0), &factor, err);
    for (size_t f = 0; f < parts->spec->n_fields && rc == RC_OK; f++)
        temperatures[f] *= factor;
    return rc;
}

static enum rc fit_thresholds(const struct decide_parts *parts, const struct judge_rows *rows,
                              const struct judged *judged, struct arena *arena,
                              struct decide_calibration *calibration, bool *guaranteed,
                              struct err *err)
{
    const struct spec *spec = parts->spec;
    struct decide_parts calibrated = *parts;
    struct decider *decider;
    struct judged *after = NULL;
    bool *right = arena_array(arena, bool, rows->n + 1);

    if (!right)
        return arena_fail(arena, err, "calibration");
    calibrated.calibration = calibration;
    enum rc rc = decide_open(&calibrated, arena, &decider, err);
    if (rc == RC_OK)
        rc = judge_run(decider, rows, judged, NULL, arena, &after, err);
    for (size_t f = 0; f < spec->n_fields && rc == RC_OK; f++) {
        struct evaluate_threshold t;

        for (size_t i = 0; i < rows->n; i++)
            right[i] = after->answers[f * rows->n + i] == rows->truth[f * rows->n + i];
        rc =
            evaluate_threshold_for(after->confidence + f * rows->n, right, rows->n,
                                   spec->abstain.target_precision, CALIBRATE_DELTA, arena, &t, err);
        if (rc)
            break;
        guaranteed[f] = t.guaranteed;
        calibration[f].threshold = t.reached ? t.confidence : 1.0;
    }
    return rc;
}

enum rc judge_calibrate(const struct decide_parts *parts, const struct judge_rows *rows,
                        const struct judged *judged, struct arena *arena,
                        struct decide_calibration *calibration, bool *guaranteed, struct err *err)
{
    const struct spec *spec = parts->spec;
    double temperatures[SPEC_FIELDS_MAX];
    size_t first = 0;
    enum rc rc = RC_OK;

    for (size_t f = 0; f < spec->n_fields && rc == RC_OK; first += spec->fields[f++].n_labels)
        rc = fit_temperature(rows, judged, f, first, arena, &temperatures[f], err);
    if (rc == RC_OK && spec->n_fields > 0 && has_must_rule(spec))
        rc = fit_factor(parts, rows, judged, temperatures, err);
    if (rc)
        return rc;
    for (size_t f = 0; f < spec->n_fields; f++) {
        calibration[f] = (struct decide_calibration){ temperatures[f], 0.0 };
        guaranteed[f] = true;
    }
    if (!spec->abstain.has_target)
        return RC_OK;
    return fit_thresholds(parts, rows, judged, arena, calibration, guaranteed, err);
}
