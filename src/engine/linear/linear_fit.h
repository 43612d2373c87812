/*
 * linear_fit.h - multinomial logistic regression over sparse rows, by L-BFGS.
 *
 *     minimise  -1/N sum over i of ln p(y_i | x_i)  +  |W|^2 / (2 C N)      (the bias is free)
 *
 * which is scikit-learn's LogisticRegression(C=C) divided by C N. The p of a set is the product
 * over the labels of p_k, or 1 - p_k where label k is not in it: K binary regressions in one pass.
 * The result does not depend on the number of threads: rows and features are cut into fixed pieces
 * and sums are taken in order.
 *
 * Source: Nocedal & Wright, Numerical Optimization, 2nd ed., algorithms 7.4 and 7.5.
 */
#ifndef ENGINE_LINEAR_FIT_H
#define ENGINE_LINEAR_FIT_H

#include "base/pool.h"
#include "engine/linear/linear.h"

#define LINEAR_NO_LABEL UINT32_MAX

/* The features of N rows, by row and by feature. */
struct linear_matrix {
    size_t n_rows, n_features;
    const size_t *row_starts; /* (N + 1,) */
    const uint32_t *index;    /* by row: feature */
    const float *value;
    const size_t *feature_starts; /* (F + 1,) */
    const uint32_t *rows;         /* by feature: row */
    const float *row_value;
};

/* RC_LIMIT, RC_NOMEM as linear_featurize(); a row's number is in the message. */
MUST_CHECK enum rc linear_matrix_build(const struct linear_vocabulary *vocabulary,
                                       const struct str *texts, size_t n_texts, struct arena *arena,
                                       struct linear_matrix *ret_matrix, struct err *err);

struct linear_fit {
    double c;              /* C > 0: the larger, the closer to the rows */
    double gain_min;       /* ends when an iteration gains less than this share; 0: 1e-5 */
    size_t iterations_max; /* 0: 100 */
    struct pool *pool;     /* NULL: one thread */
};

/**
 * Fits head, starting from the weights it holds (zeros for a new one).
 *
 * @param labels  (N,) in [0, K), of a set a mask of them, or LINEAR_NO_LABEL: the row has none
 * @param head    in and out, allocated
 *
 * @return RC_OK, RC_INVALID (no row has a label), RC_NOMEM
 *
 * Needs 14 copies of the weights meanwhile. Unchanged on failure.
 */
MUST_CHECK enum rc linear_fit(const struct linear_matrix *matrix, const uint32_t *labels,
                              const struct linear_fit *options, struct linear_head *head,
                              struct err *err);

/* A head of zeros, of no set: every class is equally likely. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc linear_head_init(size_t n_features, size_t n_classes, struct arena *arena,
                                    struct linear_head *ret_head, struct err *err);

#endif
