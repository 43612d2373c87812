/*
 * intervals.h - how sure a score is, and whether one set of answers is better than another.
 *
 * All intervals are two-sided with 95 % coverage. Resampling draws from a generator of its own,
 * seeded by the caller: the same rows and seed give the same interval.
 */
#ifndef FACTORY_INTERVALS_H
#define FACTORY_INTERVALS_H

#include "factory/evaluate/scores.h"

enum { EVALUATE_RESAMPLES = 2000 };

struct evaluate_interval {
    double low, high;
};

/* Of a share of successes in n >= 1 trials. Source: Wilson 1927. */
struct evaluate_interval evaluate_wilson(size_t successes, size_t n);

/* The largest p that k or more successes in n trials refute at level delta: the exact lower bound
 * with P(bound > truth) <= delta. 0 for k = 0. Source: Clopper & Pearson 1934. */
double evaluate_lower_bound(size_t successes, size_t n, double delta);

/* Two sets of answers to the same rows. */
struct evaluate_pair {
    double difference;                 /* score of a - score of b */
    struct evaluate_interval interval; /* of the difference, rows resampled in pairs */
    size_t n_only_a, n_only_b;         /* rows that one of them alone has right */
    double p_value; /* exact McNemar test, two-sided: are only_a and only_b alike? */
};

/* One column of rows: truth, and one or two sets of answers (n,). */
struct evaluate_rows {
    size_t n, n_classes;
    bool is_set;                   /* rows are sets of the classes */
    const uint32_t *truth, *a, *b; /* b: for evaluate_compare() */
};

/* Percentile bootstrap of the score of rows->a (Efron & Tibshirani 1993, 13.3). n >= 1.
 * RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc evaluate_bootstrap(const struct evaluate_rows *rows, enum evaluate_metric metric,
                                      uint64_t seed, struct arena *arena,
                                      struct evaluate_interval *ret_interval, struct err *err);

/* Is a better than b? n >= 1. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc evaluate_compare(const struct evaluate_rows *rows, enum evaluate_metric metric,
                                    uint64_t seed, struct arena *arena,
                                    struct evaluate_pair *ret_pair, struct err *err);

#endif
