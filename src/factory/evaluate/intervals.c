#include "factory/evaluate/intervals.h"

#include "base/exact_math.h"

#include <math.h>
#include <stdlib.h>

static const double Z95 = 1.959963984540054; /* the normal quantile of 0.975 */

struct evaluate_interval evaluate_wilson(size_t successes, size_t n)
{
    ASSERT(n >= 1 && successes <= n);
    double trials = (double)n;
    double p = (double)successes / trials;
    double square = Z95 * Z95;
    double centre = (p + square / (2.0 * trials)) / (1.0 + square / trials);
    double half = Z95 / (1.0 + square / trials) *
                  sqrt(p * (1.0 - p) / trials + square / (4.0 * trials * trials));

    return (struct evaluate_interval){ successes == 0 ? 0.0 : centre - half,
                                       successes == n ? 1.0 : centre + half };
}

/* P(X >= k) of n trials with probability p in (0, 1), k >= 1; the terms are taken in logarithms. */
static double upper_tail(size_t k, size_t n, double p)
{
    double ways = 0.0, sum = 0.0, right = exact_ln(p), wrong = exact_ln(1.0 - p);

    for (size_t i = 0; i < k; i++)
        ways += exact_ln((double)(n - i) / (double)(i + 1)); /* ln C(n, k) in the end */
    for (size_t i = k; i <= n; i++) {
        sum += exact_exp(ways + (double)i * right + (double)(n - i) * wrong);
        if (i < n)
            ways += exact_ln((double)(n - i) / (double)(i + 1));
    }
    return sum;
}

double evaluate_lower_bound(size_t successes, size_t n, double delta)
{
    double low = 0.0, high = 1.0;

    ASSERT(successes <= n && delta > 0.0 && delta < 1.0);
    if (successes == 0)
        return 0.0;
    for (int i = 0; i < 50; i++) { /* the tail grows with p */
        double middle = (low + high) / 2.0;

        if (upper_tail(successes, n, middle) <= delta)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Two-sided exact test of a fair coin. */
static double fair_coin_p_value(size_t a, size_t b)
{
    size_t more = a > b ? a : b;

    if (a == b)
        return 1.0;
    return fmin(1.0, 2.0 * upper_tail(more, a + b, 0.5));
}

/* SplitMix64 (Steele, Lea & Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static size_t draw(uint64_t *state, size_t n)
{
    return (size_t)(next_random(state) % n); /* the bias is n / 2^64 */
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* The 2.5th and the 97.5th of 100, by linear interpolation. */
static struct evaluate_interval percentiles(double *values, size_t n)
{
    double ends[2] = { 0.025, 0.975 };

    qsort(values, n, sizeof(*values), compare_doubles);
    for (size_t i = 0; i < 2; i++) {
        double at = ends[i] * (double)(n - 1);
        size_t below = (size_t)at;
        size_t above = below + 1 < n ? below + 1 : below;

        ends[i] = values[below] + (at - (double)below) * (values[above] - values[below]);
    }
    return (struct evaluate_interval){ ends[0], ends[1] };
}

/* Score of a, less that of b when there is one, on the rows drawn (all rows in order: seed NULL).
 */
static double score_rows(const struct evaluate_rows *rows, enum evaluate_metric metric,
                         uint64_t *seed, struct evaluate_tally *a, struct evaluate_tally *b)
{
    evaluate_tally_clear(a);
    evaluate_tally_clear(b);
    for (size_t i = 0; i < rows->n; i++) {
        size_t row = seed ? draw(seed, rows->n) : i;

        evaluate_tally_add(a, rows->truth[row], rows->a[row]);
        if (rows->b)
            evaluate_tally_add(b, rows->truth[row], rows->b[row]);
    }
    return evaluate_score(a, metric) - (rows->b ? evaluate_score(b, metric) : 0.0);
}

static enum rc resample(const struct evaluate_rows *rows, enum evaluate_metric metric,
                        uint64_t seed, struct arena *arena, double *ret_score,
                        struct evaluate_interval *ret_interval, struct err *err)
{
    struct evaluate_tally a, b;
    double *scores = arena_array(arena, double, EVALUATE_RESAMPLES);
    enum rc rc = evaluate_tally_init(rows->n_classes, rows->is_set, arena, &a, err);

    ASSERT(rows->n >= 1);
    if (rc == RC_OK)
        rc = evaluate_tally_init(rows->n_classes, rows->is_set, arena, &b, err);
    if (rc)
        return rc;
    if (!scores)
        return arena_fail(arena, err, "resampled scores");
    for (size_t i = 0; i < EVALUATE_RESAMPLES; i++)
        scores[i] = score_rows(rows, metric, &seed, &a, &b);
    *ret_interval = percentiles(scores, EVALUATE_RESAMPLES);
    *ret_score = score_rows(rows, metric, NULL, &a, &b);
    return RC_OK;
}

enum rc evaluate_bootstrap(const struct evaluate_rows *rows, enum evaluate_metric metric,
                           uint64_t seed, struct arena *arena,
                           struct evaluate_interval *ret_interval, struct err *err)
{
    struct evaluate_rows one = *rows;
    double score;

    one.b = NULL;
    return resample(&one, metric, seed, arena, &score, ret_interval, err);
}

enum rc evaluate_compare(const struct evaluate_rows *rows, enum evaluate_metric metric,
                         uint64_t seed, struct arena *arena, struct evaluate_pair *ret_pair,
                         struct err *err)
{
    struct evaluate_pair pair = { 0 };

    ASSERT(rows->b);
    enum rc rc = resample(rows, metric, seed, arena, &pair.difference, &pair.interval, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < rows->n; i++) {
        bool a_right = rows->a[i] == rows->truth[i], b_right = rows->b[i] == rows->truth[i];

        pair.n_only_a += a_right && !b_right;
        pair.n_only_b += b_right && !a_right;
    }
    pair.p_value = fair_coin_p_value(pair.n_only_a, pair.n_only_b);
    *ret_pair = pair;
    return RC_OK;
}
