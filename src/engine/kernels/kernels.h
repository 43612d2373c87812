/*
 * kernels.h - the table of numeric kernels that serving runs on.
 *
 * The same bytes on every CPU. Every entry is defined down to the order of its float operations,
 * so that all rows of the table (cpu.h) are equal by memcmp, for any batch, neighbour or thread:
 *   - Integer sums are exact.
 *   - A sum over a dimension has 16 lanes: lane i takes the elements i, i + 16, i + 32 ... in that
 *     order, by fused multiply-add where there is a product. The lanes are then added as a tree:
 *     i and i + 8, then i and i + 4, i + 2, i + 1 ("sum16" below).
 *   - Everything else is the one formula in rows_internal.h, with fused multiply-add where it says
 *     fma and nowhere else (-ffp-contract=off); exp and erf are ours, sqrt and division are IEEE's.
 * The float kernels have one text (rows_internal.h) over a struct of 16 lanes, compiled per row;
 * the scalar row compiles it with plain loops and is the definition (tests/engine/test_kernels.c
 * compares the others with it, and it with the formulas in double).
 *
 * Shapes: M rows (tokens), K inputs, N outputs, T tokens of one text, C width, H heads, D = C / H.
 * No kernel allocates, fails, or keeps anything; all pointers are to distinct memory unless said.
 */
#ifndef ENGINE_KERNELS_H
#define ENGINE_KERNELS_H

#include "engine/kernels/cpu.h"

#include <stddef.h>
#include <stdint.h>

enum {
    KERNELS_LANES = 16,
    KERNELS_BLOCK = 32, /* inputs that share one activation scale */
};

/* M rows of activations as int8: x[m][k] is about values[m][k] * scales[m][k / 32]. */
struct kernels_int8_rows {
    size_t n_rows, n_columns; /* M, K: a multiple of 32 */
    int8_t *values;           /* (M, K), -127 to 127 */
    float *scales;            /* (M, K / 32) */
    int32_t *offsets;         /* (M, K / 32): -128 * sum of the block's values */
};

/*
 * A linear layer's weights: W[n][k] is about (packed - 128) * scales[k / 32][n].
 * Packed in groups of 16 outputs, then 4 inputs at a time, as a VNNI instruction reads them:
 * values[((n / 16 * K / 4 + k / 4) * 16 + n % 16) * 4 + k % 4]. Stored with 128 added, because that
 * instruction multiplies unsigned by signed; kernels_int8_rows.offsets takes it off again.
 *
 * The weights have a scale per block too, not one per output: it costs one multiplication in eleven
 * instructions, and the worst cosine of the golden texts rises from 0.9949 to 0.9982.
 */
struct kernels_int8_weights {
    size_t n_outputs, n_inputs; /* N, a multiple of 32; K, a multiple of 32 */
    const uint8_t *values;      /* (N * K,), 1 to 255 */
    const float *scales;        /* (K / 32, N) */
    const float *bias;          /* (N,) */
};

/**
 * Rounds rows to int8 in blocks of 32: scale = max |x| / 127, value = nearest-even(x * (127 /
 * max)). A block of zeros or of values below 1e-30 is all 0 with scale 0; one with an infinity or
 * NaN is all 0 with scale NaN, so that it shows in the result.
 *
 * @param rows  its n_rows and n_columns are set; the three arrays are written
 * @param x     in, (M, K) f32
 */
typedef void kernels_quantise_fn(const struct kernels_int8_rows *rows, const float *x);

/**
 * y[m][n]: beginning with w.bias[n], for the blocks b in ascending order,
 * y = fma((float)dot_b, x.scales[m][b] * w.scales[b][n], y), dot_b the block's exact integer sum.
 *
 * @param y  out, (M, N) f32
 */
typedef void kernels_linear_int8_fn(float *y, const struct kernels_int8_rows *x,
                                    const struct kernels_int8_weights *w);

/**
 * y[m][n] = sum16 over k of x[m][k] * w[n][k], plus bias[n].
 *
 * @param y        out, (M, N)
 * @param x, w     in, (M, K), (N, K); K a multiple of 16
 * @param bias     in, (N,)
 */
typedef void kernels_linear_f32_fn(float *y, const float *x, const float *w, const float *bias,
                                   size_t n_rows, size_t n_outputs, size_t n_inputs);

/**
 * Sum of two rows, normalised: s = a + b, mean = sum16(s) / C, var = sum16((s - mean)^2) / C,
 * y = fma((s - mean) * (1 / sqrt(var + eps)), gain, bias). C a multiple of 16.
 *
 * @param y  out, (M, C); may be a or b
 * Source: Ba et al. 2016, arXiv:1607.06450.
 */
typedef void kernels_add_layernorm_fn(float *y, const float *a, const float *b, const float *gain,
                                      const float *bias, float eps, size_t n_rows,
                                      size_t n_columns);

/**
 * x = x * Phi(x) in place, Phi the standard normal distribution, within 5e-7 absolute.
 *
 * @param n  a multiple of 16
 * Source: Hendrycks & Gimpel 2016, arXiv:1606.08415; erfc by Abramowitz & Stegun 7.1.26.
 */
typedef void kernels_gelu_fn(float *x, size_t n);

/**
 * Multi-head attention of one text over itself.
 *
 *     s[i][j] = sum over d ascending of q[i][d] * k[j][d], by fma
 *     p[i][j] = exp((s[i][j] - max_j s[i][j]) * scale),  scale = 1 / sqrt(D)
 *     y[i][d] = (sum over j ascending of p[i][j] * v[j][d], by fma) / sum16 over j of p[i][j]
 *
 * @param y        out, (T, C)
 * @param qkv      in, (T, 3, C): query, key and value of each token, the heads side by side in each
 * @param scratch  kernels_attention_floats(T, D) floats
 * Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.
 */
typedef void kernels_attention_fn(float *y, const float *qkv, size_t n_tokens, size_t n_heads,
                                  size_t head_width, float *scratch);

size_t kernels_attention_floats(size_t n_tokens, size_t head_width);

/**
 * Mean over the tokens, scaled to length 1: m = (sum over t ascending of x[t]) / T,
 * y = m / max(sqrt(sum16(m^2)), 1e-12).
 *
 * @param y  out, (C,), C a multiple of 16
 * @param x  in, (T, C)
 */
typedef void kernels_unit_mean_fn(float *y, const float *x, size_t n_tokens, size_t n_columns);

/* One layer's keys and values of one text that is read forward. */
struct kernels_cache {
    size_t n_heads, n_kv_heads; /* H, G: query heads h of one h / (H / G) share keys and values */
    size_t head_width;          /* D, a multiple of 16 */
    size_t capacity;            /* tokens, a multiple of 16 */
    size_t n_tokens;            /* that are there already */
    float *keys;                /* (G, capacity / 16, D, 16) */
    float *values;              /* (G, capacity, D) */
};

/**
 * Appends the keys and values of T tokens to the cache behind those that are there (n_tokens stays
 * as it is: the caller counts), and attends: each token over those before it and itself. The sums
 * are those of kernels_attention_fn.
 *
 * @param y        out, (T, H, D)
 * @param qkv      in, (T, H + 2 G, D): queries, keys, values
 * @param scratch  kernels_cached_floats(capacity) floats
 * Source: Ainslie et al. 2023, arXiv:2305.13245 (shared keys and values).
 */
typedef void kernels_attention_cached_fn(float *y, const float *qkv, size_t n_tokens,
                                         const struct kernels_cache *cache, float *scratch);

size_t kernels_cached_floats(size_t capacity);

/**
 * x = x + b, when b is not NULL; y = x * (1 / sqrt(sum16(x^2) / C + eps)) * gain, in this order.
 *
 * @param y     out, (M, C), C a multiple of 16; distinct from x
 * @param x     in and out, (M, C)
 * Source: Zhang & Sennrich 2019, arXiv:1910.07467.
 */
typedef void kernels_add_rmsnorm_fn(float *y, float *x, const float *b, const float *gain,
                                    float eps, size_t n_rows, size_t n_columns);

/**
 * Turns the first n_heads heads of each row in place: pair (a, b) = values d and d + D / 2 to
 * (fma(a, cos, -(b sin)), fma(b, cos, a sin)).
 *
 * @param x      rows `stride` apart; D a multiple of 32
 * @param turns  in, (M, D): the D / 2 cosines of the row's position, then the sines
 * Source: Su et al. 2021, arXiv:2104.09864.
 */
typedef void kernels_rope_fn(float *x, const float *turns, size_t n_rows, size_t stride,
                             size_t n_heads, size_t head_width);

/**
 * y = g * sigmoid(g) * u, from left to right.
 *
 * @param y  out, (M, C), C a multiple of 16
 * @param x  in, (M, 2, C): g and u
 * Source: Shazeer 2020, arXiv:2002.05202.
 */
typedef void kernels_swiglu_fn(float *y, const float *x, size_t n_rows, size_t n_columns);

struct kernels {
    enum cpu cpu;
    kernels_quantise_fn *quantise;
    kernels_linear_int8_fn *linear_int8;
    kernels_linear_f32_fn *linear_f32;
    kernels_add_layernorm_fn *add_layernorm;
    kernels_gelu_fn *gelu;
    kernels_attention_fn *attention;
    kernels_unit_mean_fn *unit_mean;
    kernels_attention_cached_fn *attention_cached;
    kernels_add_rmsnorm_fn *add_rmsnorm;
    kernels_rope_fn *rope;
    kernels_swiglu_fn *swiglu;
};

/* Fills the table for a row; cpu is at most cpu_best(). */
void kernels_init(struct kernels *kernels, enum cpu cpu);

#endif
