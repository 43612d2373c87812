/*
 * train_ops.c - built once per instruction set, with TRAIN_OPS naming the table (see meson.build).
 *
 * All builds give the same bytes: nothing is fused but what says fmaf(), and a sum over a row is
 * one of the five functions below. "omp simd" lets the compiler compute the elements of a loop side
 * by side; none of these loops adds one element to another.
 */
#include "engine/train/train_ops.h"

#include "engine/kernels/gemm_bf16.h"
#include "engine/kernels/lanes.h"

#include <math.h>
#include <string.h>

enum { DOT_BLOCK = 4096 };

/* 16 values from x on, of which the first n exist; 0 for the others. */
static inline struct lanes load_first(const float *x, size_t n)
{
    float some[TRAIN_LANES] = { 0.0f };

    if (n >= TRAIN_LANES)
        return lanes_load(x);
    memcpy(some, x, n * sizeof(*x));
    return lanes_load(some);
}

static inline float sum_of(const float *x, size_t n)
{
    struct lanes sum = lanes_set(0.0f);

    for (size_t j = 0; j < n; j += TRAIN_LANES)
        sum = lanes_add(sum, load_first(x + j, n - j));
    return lanes_sum(sum);
}

static inline float sum_of_products(const float *x, const float *y, size_t n)
{
    struct lanes sum = lanes_set(0.0f);

    for (size_t j = 0; j < n; j += TRAIN_LANES)
        sum = lanes_fma(load_first(x + j, n - j), load_first(y + j, n - j), sum);
    return lanes_sum(sum);
}

/* of (x y) z */
static inline float sum_of_triples(const float *x, const float *y, const float *z, size_t n)
{
    struct lanes sum = lanes_set(0.0f);

    for (size_t j = 0; j < n; j += TRAIN_LANES)
        sum = lanes_fma(lanes_mul(load_first(x + j, n - j), load_first(y + j, n - j)),
                        load_first(z + j, n - j), sum);
    return lanes_sum(sum);
}

/* of (x - mean)^2 */
static inline float sum_of_squares(const float *x, float mean, size_t n)
{
    const struct lanes zero = lanes_set(0.0f), middle = lanes_set(mean);
    struct lanes sum = zero;

    for (size_t j = 0; j < n; j += TRAIN_LANES) {
        struct lanes d = lanes_sub(load_first(x + j, n - j), middle);

        if (n - j < TRAIN_LANES)
            d = lanes_first(n - j, d, zero);
        sum = lanes_fma(d, d, sum);
    }
    return lanes_sum(sum);
}

/* n > 0 */
static inline float highest_of(const float *x, size_t n)
{
    struct lanes top = lanes_set(-INFINITY);
    size_t j = 0;

    for (; j + TRAIN_LANES <= n; j += TRAIN_LANES)
        top = lanes_max(lanes_load(x + j), top);
    if (j < n)
        top = lanes_max(lanes_first(n - j, load_first(x + j, n - j), top), top);
    return lanes_highest(top);
}

/* e^x within 2 ulp for -80 <= x <= limit <= 88, saturating outside: smaller values would soon be
 * subnormal, at a hundred times the cost. Cody & Waite's reduction, then the series. */
static inline float exp_up_to(float limit, float x)
{
    const float shifter = 12582912.0f;     /* 1.5 * 2^23: adding it rounds to an integer */
    float above = x > -80.0f ? x : -80.0f; /* so too if x is NaN */
    float clamped = above < limit ? above : limit;
    float n = fmaf(clamped, 1.44269504f, shifter) - shifter;
    float r = fmaf(n, 2.12194440e-4f, fmaf(n, -0.693359375f, clamped));
    float y = fmaf(r, 1.98412698e-4f, 1.38888889e-3f);
    int32_t bits;
    float power;

    y = fmaf(r, y, 8.33333333e-3f);
    y = fmaf(r, y, 4.16666667e-2f);
    y = fmaf(r, y, 1.66666667e-1f);
    y = fmaf(r, y, 0.5f);
    y = fmaf(r, y, 1.0f);
    y = fmaf(r, y, 1.0f);
    bits = ((int32_t)n + 127) << 23;
    memcpy(&power, &bits, sizeof(power));
    return y * power;
}

static inline float exp_lane(float x)
{
    return exp_up_to(88.0f, x);
}

/* 1 / (1 + e^-x); 8.8e-27 below -60. With e^88 it would be subnormal there, which costs in every
 * lane: compilers compute what saturates apart and then choose. */
static inline float sigmoid_lane(float x)
{
    return 1.0f / (1.0f + exp_up_to(60.0f, -x));
}

/* Phi(x), the normal distribution, within 1e-7; *density is e^(-x^2/2).
 * Abramowitz & Stegun 1964, 7.1.26, which shares its exponential with the density. */
static inline float normal_lane(float x, float *density)
{
    float z = fabsf(x) * 0.70710678f;
    float t = 1.0f / fmaf(0.3275911f, z, 1.0f);
    float e = exp_lane(-z * z), y = fmaf(t, 1.061405429f, -1.453152027f);

    y = fmaf(t, y, 1.421413741f);
    y = fmaf(t, y, -0.284496736f);
    y = fmaf(t, y, 0.254829592f);
    float upper = 0.5f * e * t * y;

    *density = e;
    return x < 0.0f ? upper : 1.0f - upper;
}

static inline float keep_lane(uint32_t number, uint32_t key, uint32_t threshold, float scale)
{
    uint32_t h = (number ^ key) * 0x9E3779B1u; /* the finaliser of MurmurHash3 */

    h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
    h = (h ^ (h >> 13)) * 0xC2B2AE35u;
    h ^= h >> 16;
    return h >= threshold ? scale : 0.0f;
}

static void bias_gelu(float *restrict y, float *restrict x, const float *restrict bias, size_t rows,
                      size_t n)
{
    for (size_t i = 0; i < rows; i++, x += n, y += n) {
#pragma omp simd
        for (size_t j = 0; j < n; j++) {
            float density, sum = x[j] + bias[j];

            x[j] = sum;
            y[j] = sum * normal_lane(sum, &density);
        }
    }
}

static void gelu_backward(float *restrict x, const float *restrict dy, size_t n)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++) {
        float density, phi = normal_lane(x[j], &density);

        x[j] = dy[j] * fmaf(x[j] * density, 0.39894228f, phi);
    }
}

static void add_bias(float *restrict x, size_t stride, const float *restrict bias, size_t rows,
                     size_t n)
{
    for (size_t i = 0; i < rows; i++, x += stride)
#pragma omp simd
        for (size_t j = 0; j < n; j++)
            x[j] += bias[j];
}

static void drop(float *restrict x, const struct train_dropout *d, uint32_t first, size_t n)
{
    uint32_t key = d->key, threshold = d->threshold, end = (uint32_t)n;
    float scale = d->scale;

    if (threshold == 0)
        return;
#pragma omp simd
    for (uint32_t j = 0; j < end; j++) /* 32 bits, as the lanes of the hash */
        x[j] *= keep_lane(first + j, key, threshold, scale);
}

static void join(float *restrict x, const float *restrict add, size_t n)
{
    if (!add)
        return;
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        x[j] += add[j];
}

static void norm(float *restrict y, float *restrict x, float *restrict rstd,
                 const struct train_norm *p, size_t rows, size_t n)
{
    const float *residual = p->residual;

    for (size_t i = 0; i < rows; i++, x += n, y += n) {
        join(x, p->bias, n);
        drop(x, &p->dropout, p->first + (uint32_t)(i * n), n);
        join(x, residual, n);
        residual = residual ? residual + n : NULL;
        float mean = sum_of(x, n) / (float)n;
        float r = 1.0f / sqrtf(sum_of_squares(x, mean, n) / (float)n + p->eps);

        rstd[i] = r;
#pragma omp simd
        for (size_t j = 0; j < n; j++) {
            x[j] = (x[j] - mean) * r;
            y[j] = fmaf(x[j], p->gain[j], p->shift[j]);
        }
    }
}

static void norm_backward(float *restrict grad, float *restrict hat, const float *restrict rstd,
                          const struct train_norm *p, float *restrict dgain, float *restrict dshift,
                          size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++, grad += n, hat += n) {
        float mean = sum_of_products(grad, p->gain, n) / (float)n;
        float mean_hat = sum_of_triples(grad, p->gain, hat, n) / (float)n, r = rstd[i];

#pragma omp simd
        for (size_t j = 0; j < n; j++) {
            dgain[j] = fmaf(grad[j], hat[j], dgain[j]);
            dshift[j] += grad[j];
            grad[j] = r * fmaf(-hat[j], mean_hat, fmaf(grad[j], p->gain[j], -mean));
            hat[j] = grad[j];
        }
        drop(hat, &p->dropout, p->first + (uint32_t)(i * n), n);
    }
}

static void rms_norm_again(float *restrict y, const float *restrict rstd, const float *restrict x,
                           const float *restrict gain, size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++, x += n, y += n) {
        float r = rstd[i];

#pragma omp simd
        for (size_t j = 0; j < n; j++)
            y[j] = x[j] * r * gain[j];
    }
}

static void rms_norm(float *restrict y, float *restrict rstd, const float *restrict x,
                     const float *restrict gain, float eps, size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++) {
        const float *row = x + i * n;

        rstd[i] = 1.0f / sqrtf(sum_of_products(row, row, n) / (float)n + eps);
    }
    rms_norm_again(y, rstd, x, gain, rows, n);
}

/* d(x_j) = r (dy_j g_j - h_j mean(dy g h)), h = x r. */
static void rms_norm_backward(float *restrict dx, const float *restrict dy,
                              const float *restrict rstd, const float *restrict x,
                              const float *restrict gain, size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++, dx += n, dy += n, x += n) {
        float r = rstd[i], share = sum_of_triples(dy, gain, x, n) * r * r / (float)n;

#pragma omp simd
        for (size_t j = 0; j < n; j++)
            dx[j] = fmaf(r, fmaf(-x[j], share, dy[j] * gain[j]), dx[j]);
    }
}

static void turn(float *restrict x, const float *restrict turns, float direction, size_t n_heads,
                 size_t depth)
{
    size_t half = depth / 2;

    for (size_t h = 0; h < n_heads; h++) {
        float *low = x + h * depth, *high = low + half;

#pragma omp simd
        for (size_t d = 0; d < half; d++) {
            float a = low[d], b = high[d], sine = direction * turns[half + d];

            low[d] = fmaf(a, turns[d], -(b * sine));
            high[d] = fmaf(b, turns[d], a * sine);
        }
    }
}

static void swiglu(float *restrict y, const float *restrict gate, const float *restrict up,
                   size_t n)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        y[j] = gate[j] * sigmoid_lane(gate[j]) * up[j];
}

static void swiglu_backward(float *restrict gate, float *restrict up, const float *restrict dy,
                            size_t n)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++) {
        float g = gate[j], sigma = sigmoid_lane(g), silu = g * sigma;

        gate[j] = dy[j] * up[j] * fmaf(silu, 1.0f - sigma, sigma);
        up[j] = dy[j] * silu;
    }
}

/* Columns n to stride of each row; apart from the loops that read them, which would wait for the
 * stores. */
static void fill_behind(float *x, size_t stride, size_t rows, size_t n, float value)
{
    if (n == stride)
        return;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = n; j < stride; j++)
            x[i * stride + j] = value;
}

static void softmax(float *restrict x, size_t stride, float scale, size_t rows, size_t n)
{
    float *begin = x;

    fill_behind(begin, stride, rows, n, -INFINITY);
    for (size_t i = 0; i < rows; i++, x += stride) {
        float top = highest_of(x, stride);

#pragma omp simd
        for (size_t j = 0; j < stride; j++)
            x[j] = exp_lane(scale * (x[j] - top)); /* behind n: e^-80 beside a sum of at least 1 */
        float inverse = 1.0f / sum_of(x, stride);
#pragma omp simd
        for (size_t j = 0; j < stride; j++)
            x[j] *= inverse;
    }
    fill_behind(begin, stride, rows, n, 0.0f);
}

static void softmax_backward(float *restrict grad, const float *restrict p, size_t stride,
                             float scale, size_t rows, size_t n)
{
    fill_behind(grad, stride, rows, n, 0.0f);
    for (size_t i = 0; i < rows; i++, grad += stride, p += stride) {
        float sum = sum_of_products(grad, p, stride);

#pragma omp simd
        for (size_t j = 0; j < stride; j++)
            grad[j] = scale * p[j] * (grad[j] - sum);
    }
}

static void column_sums(float *restrict sum, const float *restrict x, size_t stride, size_t rows,
                        size_t n)
{
    for (size_t i = 0; i < rows; i++, x += stride)
#pragma omp simd
        for (size_t j = 0; j < n; j++)
            sum[j] += x[j];
}

static void add(float *restrict y, const float *restrict x, float factor, size_t n)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        y[j] = fmaf(factor, x[j], y[j]);
}

static double dot(const float *x, const float *y, size_t n)
{
    double total = 0.0;

    for (size_t at = 0; at < n; at += DOT_BLOCK) {
        size_t end = n - at < DOT_BLOCK ? n : at + DOT_BLOCK;

        total += (double)sum_of_products(x + at, y + at, end - at);
    }
    return total;
}

static void round_bf16(uint16_t *restrict y, const float *restrict x, size_t n)
{
    for (size_t j = 0; j < n; j++)
        y[j] = gemm_bf16_of(x[j]);
}

static void adamw(float *restrict w, float *restrict m, float *restrict v,
                  const float *restrict gradient, const struct train_adamw *p, size_t n)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++) {
        float g = gradient[j] * p->gradient_scale;

        m[j] = fmaf(1.0f - p->beta1, g - m[j], m[j]);
        v[j] = fmaf(p->beta2, v[j], (1.0f - p->beta2) * g * g);
        w[j] = fmaf(w[j], p->decay, -(p->rate * m[j] / fmaf(sqrtf(v[j]), p->root_scale, p->eps)));
    }
}

const struct train_ops TRAIN_OPS = {
    .bias_gelu = bias_gelu,
    .gelu_backward = gelu_backward,
    .add_bias = add_bias,
    .norm = norm,
    .norm_backward = norm_backward,
    .rms_norm = rms_norm,
    .rms_norm_again = rms_norm_again,
    .rms_norm_backward = rms_norm_backward,
    .turn = turn,
    .swiglu = swiglu,
    .swiglu_backward = swiglu_backward,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .drop = drop,
    .column_sums = column_sums,
    .add = add,
    .round_bf16 = round_bf16,
    .dot = dot,
    .adamw = adamw,
};
