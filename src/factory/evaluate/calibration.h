/*
 * calibration.h - do confidences mean what they say, and from which on is an answer worth giving?
 */
#ifndef FACTORY_CALIBRATION_H
#define FACTORY_CALIBRATION_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EVALUATE_BINS = 15 };

/* Bin b holds the confidences in (b/15, (b+1)/15]; 0 is in the first. */
struct evaluate_bin {
    size_t n, n_right;
    double confidence; /* mean; 0 of an empty bin */
};

/**
 * Expected calibration error: sum over bins of n/N |share right - mean confidence|.
 *
 * @param confidence  (n,) in [0, 1], of the answer given
 * @param right       (n,)
 * @param bins        out, (EVALUATE_BINS,)
 * @return in [0, 1]; 0 of no rows. Source: Guo et al. 2017, arXiv:1706.04599, eq. 3.
 */
double evaluate_ece(const double *confidence, const bool *right, size_t n,
                    struct evaluate_bin *bins);

/**
 * The temperature T that makes the truth most likely: minimises the mean of
 * -ln softmax(log_probs / T)[truth] over T in [0.05, 20].
 *
 * @param log_probs  (n, K), -INFINITY for what a rule excludes; rows whose truth is excluded do not
 *                   count (no T helps them)
 * @return T; 1 when no row counts. Source: Guo et al. 2017, section 4.2.
 */
double evaluate_temperature(const float *log_probs, const uint32_t *truth, size_t n,
                            size_t n_classes);

/**
 * The share s in {0, 1/50, ..., 1} that makes the truth most likely when the scores
 * (1 - s) a + s b have their own best temperature: a weighted geometric mean of two models'
 * probabilities, with weights that need not sum to 1.
 *
 * @param a, b   (n, K), as log_probs above
 * @param mixed  (n, K), overwritten
 * Source: Genest & Zidek 1986, Statistical Science 1(1), logarithmic opinion pools.
 */
double evaluate_share(const float *a, const float *b, const uint32_t *truth, size_t n,
                      size_t n_classes, float *mixed);

struct evaluate_threshold {
    bool reached;         /* false: no threshold has the precision at all; all else is 0 */
    bool guaranteed;      /* precision_low is at least the target */
    double confidence;    /* answers at or above it are given */
    double coverage;      /* share of rows at or above it */
    double precision;     /* of those rows */
    double precision_low; /* lower bound, with the probability below */
};

/**
 * The lowest confidence above which at least `target` of the answers is right, with probability
 * 1 - delta over the draw of these rows.
 *
 * Bisects over the rows by confidence; each of the ceil(log2 n) thresholds looked at is judged by
 * its Clopper-Pearson bound at delta / ceil(log2 n), so the guarantee holds for the one chosen.
 * When the rows are too few to promise that, it is the lowest confidence above which `target` of
 * these rows is right: an estimate, and `guaranteed` says so.
 * Source: Geifman & El-Yaniv 2017, arXiv:1705.08500, algorithm 1 (SGR).
 *
 * RC_NOMEM, RC_LIMIT.
 */
MUST_CHECK enum rc evaluate_threshold_for(const double *confidence, const bool *right, size_t n,
                                          double target, double delta, struct arena *arena,
                                          struct evaluate_threshold *ret_threshold,
                                          struct err *err);

#endif
