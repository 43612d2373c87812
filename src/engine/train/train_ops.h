/*
 * train_ops.h - the elementwise and row-wise arithmetic of training, in f32.
 *
 * One source, train_ops.c, is built once per row of the table below with that row's instruction
 * set; its loops are written for the compiler to vectorise. All rows give the same bytes: a sum
 * over a row of x has the 16 lanes and the tree of kernels.h ("sum16"), products in it are fused,
 * and a multiply-add elsewhere is fused where the source says so. Nothing here is used by serving.
 *
 * Shapes: x (rows, n) row-major and contiguous unless a stride is given. No function allocates,
 * fails or keeps state; arrays do not overlap unless a comment says so.
 */
#ifndef ENGINE_TRAIN_OPS_H
#define ENGINE_TRAIN_OPS_H

#include "engine/kernels/cpu.h"

#include <stddef.h>
#include <stdint.h>

enum { TRAIN_LANES = 16 };

/*
 * Dropout: value number i of a site is kept, and multiplied by 1 / (1 - rate), when
 * hash(key, i) >= rate * 2^32. The decision depends on nothing else, so backward repeats forward's
 * without storing it, and rows may be computed by any thread.
 */
struct train_dropout {
    uint32_t key;       /* of the seed, the step and the site */
    uint32_t threshold; /* rate * 2^32; 0: dropout is off */
    float scale;        /* 1 / (1 - rate) */
};

/* A row-normalised sum: one position of a transformer where a residual joins. */
struct train_norm {
    const float *bias;     /* (n,) of the linear layer before, NULL: none */
    const float *residual; /* (rows, n), NULL: none */
    struct train_dropout dropout;
    uint32_t first;            /* dropout's number of x[0,0] */
    const float *gain, *shift; /* (n,) of the normalisation */
    float eps;
};

/* One AdamW step's constants; bias corrections are folded in. */
struct train_adamw {
    float beta1, beta2;
    float rate;       /* learning rate / (1 - beta1^t) */
    float root_scale; /* 1 / sqrt(1 - beta2^t) */
    float eps;
    float decay;          /* 1 - learning rate * weight decay */
    float gradient_scale; /* of clipping */
};

struct train_ops {
    /* x += bias per row; y = gelu(x) = x Phi(x). Hendrycks & Gimpel 2016, arXiv:1606.08415 */
    void (*bias_gelu)(float *y, float *x, const float *bias, size_t rows, size_t n);
    /* x becomes dy gelu'(x). */
    void (*gelu_backward)(float *x, const float *dy, size_t n);

    void (*add_bias)(float *x, size_t stride, const float *bias, size_t rows, size_t n);

    /* sum = dropout(x + bias) + residual; hat = (sum - mean) * rstd per row; y = hat * gain +
     * shift; x becomes hat, rstd (rows,) is kept for backward. Ba et al. 2016, arXiv:1607.06450 */
    void (*norm)(float *y, float *x, float *rstd, const struct train_norm *p, size_t rows,
                 size_t n);
    /* grad: dy in, d(sum) out. hat: in; out, d(sum) through dropout. dgain, dshift (n,) are added
     * to. */
    void (*norm_backward)(float *grad, float *hat, const float *rstd, const struct train_norm *p,
                          float *dgain, float *dshift, size_t rows, size_t n);

    /* Each row becomes softmax(scale * row). What lies between n and stride is overwritten: with a
     * stride that is a multiple of TRAIN_LANES, rows of a few values take whole vectors. */
    void (*softmax)(float *x, size_t stride, float scale, size_t rows, size_t n);
    /* grad: dp in; out, the gradient before scaling: scale * p * (dp - sum(dp * p)). p as softmax
     * left it. */
    void (*softmax_backward)(float *grad, const float *p, size_t stride, float scale, size_t rows,
                             size_t n);

    /* y = x * rstd * gain, rstd = 1 / sqrt(mean(x^2) + eps) per row, which is kept in rstd (rows,).
     * Zhang & Sennrich 2019, arXiv:1910.07467 */
    void (*rms_norm)(float *y, float *rstd, const float *x, const float *gain, float eps,
                     size_t rows, size_t n);
    /* The same y again from the kept rstd. */
    void (*rms_norm_again)(float *y, const float *rstd, const float *x, const float *gain,
                           size_t rows, size_t n);
    /* dx += d(rms_norm) of dy. */
    void (*rms_norm_backward)(float *dx, const float *dy, const float *rstd, const float *x,
                              const float *gain, size_t rows, size_t n);

    /* Rotary embedding: (x[d], x[d + D/2]) of each of the heads of one position turns by the angle
     * of pair d; turns (D,): D/2 cosines, then D/2 sines. direction -1 turns back, which is also
     * the gradient. Su et al. 2021, arXiv:2104.09864, equation 34 */
    void (*turn)(float *x, const float *turns, float direction, size_t n_heads, size_t depth);

    /* y = silu(gate) * up. Shazeer 2020, arXiv:2002.05202, equation 6 */
    void (*swiglu)(float *y, const float *gate, const float *up, size_t n);
    /* gate and up become their gradients. */
    void (*swiglu_backward)(float *gate, float *up, const float *dy, size_t n);

    /* x[i] is dropped or scaled as number first + i. */
    void (*drop)(float *x, const struct train_dropout *d, uint32_t first, size_t n);

    /* sum[j] += sum over rows of x[i,j], in the order of the rows. */
    void (*column_sums)(float *sum, const float *x, size_t stride, size_t rows, size_t n);
    void (*add)(float *y, const float *x, float factor, size_t n); /* y += factor * x */
    void (*round_bf16)(uint16_t *y, const float *x, size_t n);     /* gemm_bf16_of() */
    double (*dot)(const float *x, const float *y, size_t n); /* sum16 per 4,096 values, then f64 */

    /* Decoupled weight decay. Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2. */
    void (*adamw)(float *w, float *m, float *v, const float *gradient, const struct train_adamw *p,
                  size_t n);
};

/* The row for a CPU; it is at most cpu_best(). */
const struct train_ops *train_ops_for(enum cpu cpu);

struct train_dropout train_dropout_of(float rate, uint32_t key);

extern const struct train_ops train_ops_scalar, train_ops_avx2, train_ops_avx512;

#endif
