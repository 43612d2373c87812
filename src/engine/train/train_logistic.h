/*
 * train_logistic.h - multinomial logistic regression on fixed features, to convergence.
 *
 *     minimise  mean over rows of -log softmax(W u + b)[label]  +  |W|^2 / (2 c n)
 *
 * as scikit-learn's LogisticRegression(C=c): b is not penalised. Of a set each class has a binary
 * regression of its own, in or out, and the loss is their sum. Convex; by L-BFGS with ten pairs
 * and backtracking, until no component of the gradient exceeds 1e-5 or 500 rounds.
 *
 * Source: Nocedal & Wright 2006, Numerical Optimization, algorithms 7.4 and 3.1.
 */
#ifndef ENGINE_TRAIN_LOGISTIC_H
#define ENGINE_TRAIN_LOGISTIC_H

#include "base/arena.h"
#include "base/pool.h"
#include "engine/kernels/gemm.h"
#include "engine/train/train_ops.h"

/* n labelled rows. */
struct train_logistic {
    size_t n_rows, width, n_classes;
    const float *features; /* (n, width) */
    const int32_t *labels; /* (n,), each < n_classes; of a set a mask of them */
    float c;               /* > 0: the smaller, the stronger the penalty */
    bool is_set;
    gemm_fn *gemm;
    const struct train_ops *ops;
};

/**
 * @param solution  in: where to start (zeros are fine); out: W (n_classes, width), then b
 * (n_classes,)
 * @return RC_OK, also when the rounds ran out; RC_NOMEM, RC_LIMIT (scratch of the arena)
 */
MUST_CHECK enum rc train_logistic_fit(const struct train_logistic *problem, float *solution,
                                      struct arena *scratch, struct pool *pool, struct err *err);

#endif
