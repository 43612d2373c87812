/*
 * dense.h - the linear layers of a model: y = W x + b, in int8 or in f32.
 *
 * A dense layer is made of the f32 weights of one or several layers that read the same input
 * (query, key and value), whose outputs stand side by side. Both kinds give the same bytes on every
 * CPU (kernels.h); int8 is what serves, f32 is what it is compared with.
 */
#ifndef ENGINE_DENSE_H
#define ENGINE_DENSE_H

#include "base/arena.h"
#include "base/err.h"
#include "engine/kernels/kernels.h"

#include <stddef.h>

enum dense_precision { DENSE_INT8, DENSE_F32 };

struct dense {
    struct kernels_int8_weights int8; /* values and scales NULL for DENSE_F32; shape, bias always */
    const float *f32;                 /* (N, K), NULL for DENSE_INT8 */
};

struct dense_part {
    const char *name;     /* for messages */
    const float *weights; /* (n_outputs, K) */
    const float *bias;    /* (n_outputs,); NULL: zeros */
    size_t n_outputs;     /* a multiple of 32 */
};

/**
 * Packs or copies the weights.
 *
 * @param parts     (n_parts,), borrowed for the call
 * @param n_inputs  K, a multiple of 32
 * @param kernels   for rounding; every row packs the same bytes
 *
 * @return RC_OK
 *         RC_CORRUPT  a weight is not a finite number (DENSE_INT8)
 *         RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc dense_init(struct dense *dense, const struct dense_part *parts, size_t n_parts,
                              size_t n_inputs, enum dense_precision precision,
                              const struct kernels *kernels, struct arena *arena, struct err *err);

/* Memory for n_rows inputs of up to n_columns values. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc dense_rows_init(struct kernels_int8_rows *rows, size_t n_rows, size_t n_columns,
                                   struct arena *arena, struct err *err);

/* y (M, N) = W x + b for x (M, K), M at most what `rows` was made for, which is scratch. */
void dense_apply(const struct dense *dense, const struct kernels *kernels,
                 struct kernels_int8_rows *rows, float *y, const float *x, size_t n_rows);

#endif
