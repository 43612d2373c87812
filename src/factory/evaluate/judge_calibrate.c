/* judge_calibrate.c - temperatures and thresholds, fitted on validation rows. */
#include "factory/evaluate/judge.h"

#include <math.h>

#define CALIBRATE_DELTA 0.05 /* a threshold's guarantee may fail for one draw of rows in twenty */

enum { FACTOR_STEPS = 14 };

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

/* Mean log loss of the confidences after masking, over all fields, temperatures times factor. */
static enum rc masked_loss(const struct decide_parts *parts, const struct judge_rows *rows,
                           const struct judged *scores, const double *temperatures, double factor,
                           double *ret_loss, struct err *err)
{
    struct decide_calibration calibration[SPEC_FIELDS_MAX];
    struct decide_parts tried = *parts;
    struct judged *judged = NULL;
    struct decider *decider;
    struct arena arena;
    double loss = 0.0;
    size_t n = 0;

    for (size_t f = 0; f < parts->spec->n_fields; f++)
        calibration[f] = (struct decide_calibration){ temperatures[f] * factor, 0.0 };
    tried.calibration = calibration;
    arena_init(&arena, (size_t)1 << 30);
    enum rc rc = decide_open(&tried, &arena, &decider, err);
    if (rc == RC_OK)
        rc = judge_run(decider, rows, scores, NULL, &arena, &judged, err);
    for (size_t i = 0; rc == RC_OK && i < parts->spec->n_fields * rows->n; i++) {
        if (judged->answers[i] == EVALUATE_NO_ANSWER)
            continue;
        bool right = judged->answers[i] == rows->truth[i];
        double p = right ? judged->confidence[i] : 1.0 - judged->confidence[i];

        loss -= log(fmax(p, 1e-12));
        n++;
    }
    arena_release(&arena);
    if (rc == RC_OK)
        *ret_loss = n ? loss / (double)n : 0.0;
    return rc;
}

static bool has_must_rule(const struct spec *spec)
{
    for (size_t r = 0; r < spec->n_rules; r++)
        if (spec->rules[r].kind == SPEC_MUST)
            return true;
    return false;
}

/* Ternary search for the factor over [1/2, 2] in logarithms. */
static enum rc fit_factor(const struct decide_parts *parts, const struct judge_rows *rows,
                          const struct judged *judged, double *temperatures, struct err *err)
{
    double low = log(0.5), high = log(2.0);

    for (size_t step = 0; step < FACTOR_STEPS; step++) {
        double left = low + (high - low) / 3.0, right = high - (high - low) / 3.0;
        double left_loss = 0.0, right_loss = 0.0;
        enum rc rc = masked_loss(parts, rows, judged, temperatures, exp(left), &left_loss, err);

        if (rc == RC_OK)
            rc = masked_loss(parts, rows, judged, temperatures, exp(right), &right_loss, err);
        if (rc)
            return rc;
        if (left_loss < right_loss)
            high = right;
        else
            low = left;
    }
    for (size_t f = 0; f < parts->spec->n_fields; f++)
        temperatures[f] *= exp((low + high) / 2.0);
    return RC_OK;
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
