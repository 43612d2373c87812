/*
 * adamw.h - the optimiser: clipping by the global norm, then AdamW, in place.
 *
 *     g' = g min(1, clip / (|g| + 1e-6))                     |g| over all gradients of the step
 *     m  = beta1 m + (1 - beta1) g'        v = beta2 v + (1 - beta2) g'^2
 *     w  = w (1 - rate decay) - rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 *
 * beta1 0.9, beta2 0.999, eps 1e-8. Weight decay is for matrices: biases and normalisations have
 * none.
 *
 * Word embeddings are sparse. A word that the batch does not have keeps its row, m and v exactly as
 * they were: no decay of weights or moments, as if the step had not been. t counts all steps. (A
 * dense optimiser would go on moving an absent word by its old momentum.)
 *
 * Source: Loshchilov & Hutter 2019, arXiv:1711.05101.
 */
#ifndef ENGINE_TRAIN_ADAMW_H
#define ENGINE_TRAIN_ADAMW_H

#include "base/arena.h"
#include "base/pool.h"
#include "engine/train/train_ops.h"

#include <stdbool.h>
#include <stddef.h>

/* A run of values that is treated alike. */
struct adamw_part {
    size_t at, n; /* in the flat values */
    bool decays;
    bool head; /* has the heads' learning rate */
};

/* The rows of the sparse table. rows are distinct; the caller chooses them for each step. */
struct adamw_rows {
    size_t at, width;       /* row r is values [at + r * width, + width) */
    const uint32_t *at_row; /* (n,) */
    size_t n;
};

struct adamw {
    size_t first, n;          /* the trained range of the flat values */
    float *m, *v;             /* (n,), of that range */
    struct adamw_part *parts; /* (n_parts,), none longer than ADAMW_PART_MAX */
    size_t n_parts;
    double *squares; /* (n_parts + 1,): scratch */
};

enum { ADAMW_PART_MAX = 1 << 16 };

struct adamw_rates {
    float rate, head_rate; /* of this step, the schedule applied */
    float decay, clip;     /* clip 0: none */
    size_t t;              /* 1 at the first step */
};

/* One row of the table that a caller gives: split into parts by adamw_init(). */
MUST_CHECK enum rc adamw_init(const struct adamw_part *tensors, size_t n_tensors, size_t first,
                              size_t n, struct arena *arena, struct adamw *ret_adamw,
                              struct err *err);

/* One step; m and v are the caller's. words may be NULL. Returns |g|, which may be infinite or NaN:
 * then nothing has changed. */
double adamw_step(struct adamw *adamw, const struct train_ops *ops, float *values,
                  const float *gradients, const struct adamw_rows *words,
                  const struct adamw_rates *rates, struct pool *pool);

#endif
