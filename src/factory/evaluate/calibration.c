#include "factory/evaluate/calibration.h"

#include "base/exact_math.h"
#include "factory/evaluate/intervals.h"

#include <math.h>
#include <stdlib.h>

enum { SHARE_STEPS = 50 };

double evaluate_ece(const double *confidence, const bool *right, size_t n,
                    struct evaluate_bin *bins)
{
    double error = 0.0;

    for (size_t b = 0; b < EVALUATE_BINS; b++)
        bins[b] = (struct evaluate_bin){ 0 };
    for (size_t i = 0; i < n; i++) {
        double place = ceil(confidence[i] * EVALUATE_BINS) - 1.0;
        size_t b = place < 0.0 ? 0 : place >= EVALUATE_BINS ? EVALUATE_BINS - 1 : (size_t)place;

        bins[b].n++;
        bins[b].n_right += right[i];
        bins[b].confidence += confidence[i];
    }
    for (size_t b = 0; b < EVALUATE_BINS; b++) {
        if (bins[b].n == 0)
            continue;
        error += fabs((double)bins[b].n_right - bins[b].confidence) / (double)n;
        bins[b].confidence /= (double)bins[b].n;
    }
    return error;
}

static double exp_or_nan(double x)
{
    return isnan(x) ? x : exact_exp(x);
}

/* Mean of -ln p(truth) at temperature t, over the rows that count. */
static double loss_at(const float *log_probs, const uint32_t *truth, size_t n, size_t n_classes,
                      double t)
{
    double loss = 0.0;
    size_t counted = 0;

    for (size_t i = 0; i < n; i++) {
        const float *row = log_probs + i * n_classes;
        double highest = -INFINITY, sum = 0.0;

        if (!isfinite(row[truth[i]]))
            continue;
        for (size_t k = 0; k < n_classes; k++)
            highest = fmax(highest, (double)row[k]);
        for (size_t k = 0; k < n_classes; k++)
            sum += exp_or_nan(((double)row[k] - highest) / t);
        if (isnan(sum))
            return NAN;
        loss += exact_ln(sum) - ((double)row[truth[i]] - highest) / t;
        counted++;
    }
    return counted ? loss / (double)counted : NAN;
}

double evaluate_temperature(const float *log_probs, const uint32_t *truth, size_t n,
                            size_t n_classes)
{
    const double ratio = 0.6180339887498949; /* golden section */
    double low = exact_ln(0.05), high = exact_ln(20.0);

    if (isnan(loss_at(log_probs, truth, n, n_classes, 1.0)))
        return 1.0;

    double left = high - ratio * (high - low), right = low + ratio * (high - low);
    double loss_left = loss_at(log_probs, truth, n, n_classes, exact_exp(left));
    double loss_right = loss_at(log_probs, truth, n, n_classes, exact_exp(right));

    while (high - low > 1e-6) { /* the loss has one minimum: it is convex in 1 / T */
        if (loss_left < loss_right) {
            high = right;
            right = left;
            loss_right = loss_left;
            left = high - ratio * (high - low);
            loss_left = loss_at(log_probs, truth, n, n_classes, exact_exp(left));
        } else {
            low = left;
            left = right;
            loss_left = loss_right;
            right = low + ratio * (high - low);
            loss_right = loss_at(log_probs, truth, n, n_classes, exact_exp(right));
        }
    }
    return exact_exp((low + high) / 2.0);
}

double evaluate_share(const float *a, const float *b, const uint32_t *truth, size_t n,
                      size_t n_classes, float *mixed)
{
    double best_share = 0.0, best_loss = INFINITY;

    for (int step = 0; step <= SHARE_STEPS; step++) {
        double share = (double)step / SHARE_STEPS;

        for (size_t i = 0; i < n * n_classes; i++)
            mixed[i] = (float)((1.0 - share) * (double)a[i] + share * (double)b[i]);
        double t = evaluate_temperature(mixed, truth, n, n_classes);
        double loss = loss_at(mixed, truth, n, n_classes, t);
        if (loss < best_loss) {
            best_loss = loss;
            best_share = share;
        }
    }
    return best_share;
}

struct answer {
    double confidence;
    bool right;
};

static int compare_answers(const void *a, const void *b)
{
    double x = ((const struct answer *)a)->confidence, y = ((const struct answer *)b)->confidence;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* What a threshold at the n_given-th most confident answer gives; equal ones are all given. */
static struct evaluate_threshold judge(const struct answer *answers, size_t n, size_t n_given,
                                       double delta)
{
    size_t n_right = 0;

    while (n_given < n && answers[n_given].confidence >= answers[n_given - 1].confidence)
        n_given++;
    for (size_t i = 0; i < n_given; i++)
        n_right += answers[i].right;
    return (struct evaluate_threshold){
        .confidence = answers[n_given - 1].confidence,
        .coverage = (double)n_given / (double)n,
        .precision = (double)n_right / (double)n_given,
        .precision_low = evaluate_lower_bound(n_right, n_given, delta),
    };
}

enum rc evaluate_threshold_for(const double *confidence, const bool *right, size_t n, double target,
                               double delta, struct arena *arena,
                               struct evaluate_threshold *ret_threshold, struct err *err)
{
    struct evaluate_threshold best = { 0 };
    struct answer *answers = arena_array(arena, struct answer, n + 1);
    size_t n_steps = 1, low = 1, high = n;

    if (!answers)
        return arena_fail(arena, err, "answers by confidence");
    for (size_t i = 0; i < n; i++)
        answers[i] = (struct answer){ confidence[i], right[i] };
    qsort(answers, n, sizeof(*answers), compare_answers);
    while (((size_t)1 << n_steps) < n + 1)
        n_steps++;
    for (size_t step = 0; step < n_steps && low <= high; step++) {
        size_t n_given = low + (high - low) / 2;
        struct evaluate_threshold t = judge(answers, n, n_given, delta / (double)n_steps);

        if (t.precision_low >= target) {
            t.reached = t.guaranteed = true;
            if (t.coverage > best.coverage)
                best = t;
            low = n_given + 1;
        } else {
            high = n_given - 1;
        }
    }
    for (size_t n_given = n; n_given >= 1 && !best.reached; n_given--) {
        struct evaluate_threshold t = judge(answers, n, n_given, delta);

        if (t.precision >= target) {
            best = t;
            best.reached = true;
        }
    }
    *ret_threshold = best;
    return RC_OK;
}
