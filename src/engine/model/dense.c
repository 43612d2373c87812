#include "engine/model/dense.h"

#include <math.h>
#include <string.h>

enum { PACKING_BYTES_MAX = 16 << 20 };

/* 16 outputs' weights, side by side in w, to the layout of kernels.h; rounded by the kernel that
 * rounds activations. False when a value is not finite. */
static bool pack_group(const struct kernels *kernels, const float *w,
                       const struct kernels_int8_rows *rounded, uint8_t *values, float *scales,
                       size_t n_outputs)
{
    size_t n_inputs = rounded->n_columns, n_blocks = n_inputs / KERNELS_BLOCK;
    bool is_finite = true;

    kernels->quantise(rounded, w);
    for (size_t n = 0; n < KERNELS_LANES; n++) {
        for (size_t b = 0; b < n_blocks; b++) {
            scales[b * n_outputs + n] = rounded->scales[n * n_blocks + b];
            is_finite &= !isnan(rounded->scales[n * n_blocks + b]);
        }
    }
    for (size_t k = 0; k < n_inputs; k += 4) {
        for (size_t n = 0; n < KERNELS_LANES; n++, values += 4) {
            uint32_t four;
            memcpy(&four, rounded->values + n * n_inputs + k, sizeof(four));
            four ^= 0x80808080; /* 128 more, in each byte */
            memcpy(values, &four, sizeof(four));
        }
    }
    return is_finite;
}

enum rc dense_rows_init(struct kernels_int8_rows *rows, size_t n_rows, size_t n_columns,
                        struct arena *arena, struct err *err)
{
    size_t n_blocks = n_rows * n_columns / KERNELS_BLOCK;

    *rows = (struct kernels_int8_rows){ .n_rows = n_rows, .n_columns = n_columns };
    rows->values = arena_alloc(arena, n_rows, n_columns, 64);
    rows->scales = arena_alloc(arena, n_blocks, sizeof(float), 64);
    rows->offsets = arena_alloc(arena, n_blocks, sizeof(int32_t), 64);
    return rows->values && rows->scales && rows->offsets
               ? RC_OK
               : arena_fail(arena, err, "inputs of linear layers");
}

static enum rc pack_int8(struct dense *dense, const struct dense_part *parts, size_t n_parts,
                         const struct kernels *kernels, struct arena *arena, struct err *err)
{
    size_t n_inputs = dense->int8.n_inputs, n_outputs = dense->int8.n_outputs, n = 0;
    uint8_t *values = arena_alloc(arena, n_outputs, n_inputs, 64);
    float *scales = arena_alloc(arena, n_outputs * n_inputs / KERNELS_BLOCK, sizeof(float), 64);
    struct kernels_int8_rows rounded;
    struct arena scratch;

    if (!values || !scales)
        return arena_fail(arena, err, "packed weights");
    arena_init(&scratch, PACKING_BYTES_MAX);
    enum rc rc = dense_rows_init(&rounded, KERNELS_LANES, n_inputs, &scratch, err);
    for (size_t p = 0; p < n_parts; p++)
        for (size_t i = 0; i < parts[p].n_outputs && !rc; i += KERNELS_LANES, n += KERNELS_LANES)
            if (!pack_group(kernels, parts[p].weights + i * n_inputs, &rounded,
                            values + n * n_inputs, scales + n, n_outputs))
                rc = err_set(err, RC_CORRUPT, "tensor '%s' has a value that is not finite",
                             parts[p].name);
    arena_release(&scratch);
    dense->int8.values = values;
    dense->int8.scales = scales;
    return rc;
}

static enum rc copy_weights(struct dense *dense, const struct dense_part *parts, size_t n_parts,
                            struct arena *arena, struct err *err)
{
    size_t n_inputs = dense->int8.n_inputs;
    float *w = arena_alloc(arena, dense->int8.n_outputs * n_inputs, sizeof(float), 64);

    if (!w)
        return arena_fail(arena, err, "weights");
    dense->f32 = w;
    for (size_t p = 0; p < n_parts; w += parts[p].n_outputs * n_inputs, p++)
        memcpy(w, parts[p].weights, parts[p].n_outputs * n_inputs * sizeof(float));
    return RC_OK;
}

static enum rc copy_biases(struct dense *dense, const struct dense_part *parts, size_t n_parts,
                           struct arena *arena, struct err *err)
{
    float *bias = arena_alloc(arena, dense->int8.n_outputs, sizeof(float), 64);

    if (!bias)
        return arena_fail(arena, err, "weights");
    dense->int8.bias = bias;
    for (size_t p = 0; p < n_parts; bias += parts[p].n_outputs, p++)
        if (parts[p].bias)
            memcpy(bias, parts[p].bias, parts[p].n_outputs * sizeof(float));
    return RC_OK;
}

enum rc dense_init(struct dense *dense, const struct dense_part *parts, size_t n_parts,
                   size_t n_inputs, enum dense_precision precision, const struct kernels *kernels,
                   struct arena *arena, struct err *err)
{
    *dense = (struct dense){ .int8 = { .n_inputs = n_inputs } };
    for (size_t p = 0; p < n_parts; p++) {
        ASSERT(parts[p].n_outputs % KERNELS_LANES == 0);
        dense->int8.n_outputs += parts[p].n_outputs;
    }
    enum rc rc = copy_biases(dense, parts, n_parts, arena, err);
    if (rc)
        return rc;
    return precision == DENSE_F32 ? copy_weights(dense, parts, n_parts, arena, err)
                                  : pack_int8(dense, parts, n_parts, kernels, arena, err);
}

void dense_apply(const struct dense *dense, const struct kernels *kernels,
                 struct kernels_int8_rows *rows, float *y, const float *x, size_t n_rows)
{
    if (dense->f32) {
        kernels->linear_f32(y, x, dense->f32, dense->int8.bias, n_rows, dense->int8.n_outputs,
                            dense->int8.n_inputs);
        return;
    }
    rows->n_rows = n_rows;
    rows->n_columns = dense->int8.n_inputs;
    kernels->quantise(rows, x);
    kernels->linear_int8(y, rows, &dense->int8);
}
