/*
 * rows_internal.h - the float kernels of one row of the table.
 *
 * This text is included by kernels_scalar.c, kernels_avx2.c and kernels_avx512.c, each behind its
 * own lanes_*_internal.h. What it computes is said in kernels.h; in which order, here.
 */
#ifndef ENGINE_ROWS_INTERNAL_H
#define ENGINE_ROWS_INTERNAL_H

#include "engine/kernels/kernels.h"

#include "base/macros.h"

#include <float.h>
#include <stdbool.h>

enum { LANES = KERNELS_LANES, QUERIES = 4 /* at a time, sharing what is loaded of the keys */ };

/* e^x for x <= 0, below -87 as at -87; within 2 units in the last place. x = n ln 2 + r, |r| <= ln
 * 2 / 2, e^r by its Taylor polynomial of degree 7. */
static inline struct lanes exp_of(struct lanes x)
{
    const float log2_e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;

    x = lanes_max(x, lanes_set(-87.0f));
    struct lanes n = lanes_round(lanes_mul(x, lanes_set(log2_e)));
    struct lanes r = lanes_fma(n, lanes_set(-ln2_high), x);
    r = lanes_fma(n, lanes_set(-ln2_low), r);

    struct lanes y = lanes_set(1.0f / 5040.0f);
    y = lanes_fma(y, r, lanes_set(1.0f / 720.0f));
    y = lanes_fma(y, r, lanes_set(1.0f / 120.0f));
    y = lanes_fma(y, r, lanes_set(1.0f / 24.0f));
    y = lanes_fma(y, r, lanes_set(1.0f / 6.0f));
    y = lanes_fma(y, r, lanes_set(0.5f));
    y = lanes_fma(y, r, lanes_set(1.0f));
    y = lanes_fma(y, r, lanes_set(1.0f));
    return lanes_mul(y, lanes_power_of_two(n));
}

/* erfc(z) = t (a1 + t (a2 + ...)) e^(-z^2), t = 1 / (1 + p z), z >= 0; Phi(-z sqrt 2) is half. */
static inline struct lanes gelu_of(struct lanes x)
{
    struct lanes one = lanes_set(1.0f), zero = lanes_set(0.0f);
    struct lanes z = lanes_mul(lanes_abs(x), lanes_set(0.707106781f));
    struct lanes t = lanes_div(one, lanes_fma(z, lanes_set(0.3275911f), one));

    struct lanes y = lanes_set(1.061405429f);
    y = lanes_fma(y, t, lanes_set(-1.453152027f));
    y = lanes_fma(y, t, lanes_set(1.421413741f));
    y = lanes_fma(y, t, lanes_set(-0.284496736f));
    y = lanes_fma(y, t, lanes_set(0.254829592f));
    struct lanes tail = lanes_mul(lanes_mul(y, t), exp_of(lanes_sub(zero, lanes_mul(z, z))));
    tail = lanes_mul(tail, lanes_set(0.5f));
    return lanes_mul(x, lanes_where_negative(x, tail, lanes_sub(one, tail)));
}

static void gelu(float *x, size_t n)
{
    ASSERT(n % LANES == 0);
    for (size_t i = 0; i < n; i += LANES)
        lanes_store(x + i, gelu_of(lanes_load(x + i)));
}

static void quantise_block(int8_t *values, float *scale, int32_t *offset, const float *x)
{
    struct lanes first = lanes_load(x), second = lanes_load(x + LANES);
    float highest = lanes_highest_abs(first, second);

    if (highest >= 1e-30f && highest <= FLT_MAX) {
        struct lanes inverse = lanes_set(127.0f / highest);
        int32_t sum = lanes_store_int8(values, lanes_round(lanes_mul(first, inverse)),
                                       lanes_round(lanes_mul(second, inverse)));
        *scale = highest / 127.0f;
        *offset = -128 * sum;
    } else {
        memset(values, 0, KERNELS_BLOCK);
        *scale = highest < 1e-30f ? 0.0f : NAN;
        *offset = 0;
    }
}

static void quantise(const struct kernels_int8_rows *rows, const float *x)
{
    size_t n_blocks = rows->n_rows * rows->n_columns / KERNELS_BLOCK;

    ASSERT(rows->n_columns % KERNELS_BLOCK == 0);
    for (size_t b = 0; b < n_blocks; b++)
        quantise_block(rows->values + b * KERNELS_BLOCK, rows->scales + b, rows->offsets + b,
                       x + b * KERNELS_BLOCK);
}

/* Four outputs at a time share what is loaded of x; each is a sum of its own. Rows are the inner
 * loop: the weights of four outputs stay in the cache for all of them. */
static void linear_f32(float *y, const float *x, const float *w, const float *bias, size_t n_rows,
                       size_t n_outputs, size_t n_inputs)
{
    ASSERT(n_inputs % LANES == 0);
    for (size_t n = 0; n < n_outputs; n += 4) {
        size_t n_left = n_outputs - n < 4 ? n_outputs - n : 4;

        for (size_t m = 0; m < n_rows; m++) {
            struct lanes sums[4] = { lanes_set(0.0f), lanes_set(0.0f), lanes_set(0.0f),
                                     lanes_set(0.0f) };

            for (size_t k = 0; k < n_inputs; k += LANES) {
                struct lanes inputs = lanes_load(x + m * n_inputs + k);
                for (size_t i = 0; i < n_left; i++)
                    sums[i] = lanes_fma(inputs, lanes_load(w + (n + i) * n_inputs + k), sums[i]);
            }
            for (size_t i = 0; i < n_left; i++)
                y[m * n_outputs + n + i] = lanes_sum(sums[i]) + bias[n + i];
        }
    }
}

static void add_layernorm(float *y, const float *a, const float *b, const float *gain,
                          const float *bias, float eps, size_t n_rows, size_t n_columns)
{
    ASSERT(n_columns > 0 && n_columns % LANES == 0);
    for (size_t m = 0; m < n_rows; m++, y += n_columns, a += n_columns, b += n_columns) {
        struct lanes sum = lanes_set(0.0f), squares = lanes_set(0.0f);

        for (size_t c = 0; c < n_columns; c += LANES) {
            struct lanes s = lanes_add(lanes_load(a + c), lanes_load(b + c));
            lanes_store(y + c, s);
            sum = lanes_add(sum, s);
        }
        struct lanes mean = lanes_set(lanes_sum(sum) / (float)n_columns);
        for (size_t c = 0; c < n_columns; c += LANES) {
            struct lanes d = lanes_sub(lanes_load(y + c), mean);
            squares = lanes_fma(d, d, squares);
        }
        float variance = lanes_sum(squares) / (float)n_columns;
        struct lanes inverse = lanes_set(1.0f / sqrtf(variance + eps));
        for (size_t c = 0; c < n_columns; c += LANES) {
            struct lanes d = lanes_mul(lanes_sub(lanes_load(y + c), mean), inverse);
            lanes_store(y + c, lanes_fma(d, lanes_load(gain + c), lanes_load(bias + c)));
        }
    }
}

/* scores[r][j] = q_r . k_j for n_queries <= QUERIES queries; keys are (n_padded / 16, D, 16). */
static inline void score_keys(float *scores, const float *const *queries, size_t n_queries,
                              const float *keys, size_t n_padded, size_t head_width)
{
    for (size_t j = 0; j < n_padded; j += LANES) {
        struct lanes sums[QUERIES] = { lanes_set(0.0f), lanes_set(0.0f), lanes_set(0.0f),
                                       lanes_set(0.0f) };

        for (size_t d = 0; d < head_width; d++) {
            struct lanes key = lanes_load(keys + j * head_width + d * LANES);
            for (size_t r = 0; r < n_queries; r++)
                sums[r] = lanes_fma(lanes_set(queries[r][d]), key, sums[r]);
        }
        for (size_t r = 0; r < n_queries; r++)
            lanes_store(scores + r * n_padded + j, sums[r]);
    }
}

/* What is loaded at j of n values; behind the end, `otherwise`. */
static inline struct lanes load_tail(const float *x, size_t j, size_t n, struct lanes otherwise)
{
    struct lanes all = lanes_load(x + j);

    return n - j < LANES ? lanes_first(n - j, all, otherwise) : all;
}

/* Scores to exp((score - highest) * scale); returns their sum. */
static inline float weigh_scores(float *scores, size_t n_tokens, float scale)
{
    struct lanes any = lanes_set(scores[0]), highest = any, sum = lanes_set(0.0f);

    for (size_t j = 0; j < n_tokens; j += LANES)
        highest = lanes_max(load_tail(scores, j, n_tokens, any), highest);
    highest = lanes_set(lanes_highest(highest));
    for (size_t j = 0; j < n_tokens; j += LANES) {
        struct lanes d = lanes_sub(lanes_load(scores + j), highest);
        struct lanes weights = exp_of(lanes_mul(d, lanes_set(scale)));

        if (n_tokens - j < LANES)
            weights = lanes_first(n_tokens - j, weights, lanes_set(0.0f));
        lanes_store(scores + j, weights);
        sum = lanes_add(sum, weights);
    }
    return lanes_sum(sum);
}

/* Queries that go through the keys and values of one head together. */
struct queries {
    const float *from[QUERIES]; /* (D,) each */
    float *to[QUERIES];
    size_t n_tokens; /* that the first one sees */
    size_t step; /* what each sees more than the one before it: 1 in a text read forward, or 0 */
};

/* y_r = (sum over j of weights[r][j] v_j) / sums[r]; values are `stride` apart. What all see is
 * loaded once; no weight of 0 takes part, so that a result does not depend on its neighbours. */
static inline void mix_values(const struct queries *q, size_t n, const float *weights,
                              const float *sums, const float *values, size_t stride,
                              size_t n_padded, size_t head_width)
{
    for (size_t d = 0; d < head_width; d += LANES) {
        struct lanes mixed[QUERIES] = { lanes_set(0.0f), lanes_set(0.0f), lanes_set(0.0f),
                                        lanes_set(0.0f) };

        for (size_t j = 0; j < q->n_tokens; j++) {
            struct lanes value = lanes_load(values + j * stride + d);
            for (size_t r = 0; r < n; r++)
                mixed[r] = lanes_fma(lanes_set(weights[r * n_padded + j]), value, mixed[r]);
        }
        for (size_t r = 0; r < n; r++) {
            for (size_t j = q->n_tokens; j < q->n_tokens + r * q->step; j++)
                mixed[r] = lanes_fma(lanes_set(weights[r * n_padded + j]),
                                     lanes_load(values + j * stride + d), mixed[r]);
            lanes_store(q->to[r] + d, lanes_div(mixed[r], lanes_set(sums[r])));
        }
    }
}

static inline __attribute__((always_inline)) void attend_n(const struct queries *q, size_t n,
                                                           const float *keys, const float *values,
                                                           size_t stride, size_t head_width,
                                                           float *scores)
{
    size_t n_padded = (q->n_tokens + (n - 1) * q->step + LANES - 1) / LANES * LANES;
    float scale = 1.0f / sqrtf((float)head_width), sums[QUERIES];

    score_keys(scores, q->from, n, keys, n_padded, head_width);
    for (size_t r = 0; r < n; r++)
        sums[r] = weigh_scores(scores + r * n_padded, q->n_tokens + r * q->step, scale);
    mix_values(q, n, scores, sums, values, stride, n_padded, head_width);
}

/* 1 to QUERIES queries; each number is compiled for itself, so that its sums stay in registers. */
static void attend(const struct queries *q, size_t n, const float *keys, const float *values,
                   size_t stride, size_t head_width, float *scores)
{
    switch (n) {
    case 1: attend_n(q, 1, keys, values, stride, head_width, scores); break;
    case 2: attend_n(q, 2, keys, values, stride, head_width, scores); break;
    case 3: attend_n(q, 3, keys, values, stride, head_width, scores); break;
    case 4: attend_n(q, 4, keys, values, stride, head_width, scores); break;
    }
}

/* A key of one token to its place among the keys. */
static inline void place_key(float *keys, const float *key, size_t token, size_t head_width)
{
    float *at = keys + token / LANES * LANES * head_width + token % LANES;

    for (size_t d = 0; d < head_width; d++)
        at[d * LANES] = key[d];
}

static void attention(float *y, const float *qkv, size_t n_tokens, size_t n_heads,
                      size_t head_width, float *scratch)
{
    size_t width = n_heads * head_width;
    size_t n_padded = (n_tokens + LANES - 1) / LANES * LANES;
    float *keys = scratch, *scores = scratch + n_padded * head_width;

    ASSERT(head_width % LANES == 0);
    memset(keys, 0, n_padded * head_width * sizeof(float));
    for (size_t h = 0; h < n_heads; h++, y += head_width, qkv += head_width) {
        struct queries q = { .n_tokens = n_tokens };

        for (size_t j = 0; j < n_tokens; j++)
            place_key(keys, qkv + j * 3 * width + width, j, head_width);
        for (size_t i = 0, n; i < n_tokens; i += n) {
            n = n_tokens - i < QUERIES ? n_tokens - i : QUERIES;
            for (size_t r = 0; r < n; r++) {
                q.from[r] = qkv + (i + r) * 3 * width;
                q.to[r] = y + (i + r) * width;
            }
            attend(&q, n, keys, qkv + 2 * width, 3 * width, head_width, scores);
        }
    }
}

/* The keys and values of all rows of qkv into the cache. */
static void append_rows(const struct kernels_cache *cache, const float *qkv, size_t n_tokens)
{
    const size_t head_width = cache->head_width, head_floats = cache->capacity * head_width;
    const size_t stride = (cache->n_heads + 2 * cache->n_kv_heads) * head_width;

    for (size_t t = 0; t < n_tokens; t++) {
        const float *key = qkv + t * stride + cache->n_heads * head_width;
        size_t at = cache->n_tokens + t;

        for (size_t g = 0; g < cache->n_kv_heads; g++, key += head_width) {
            place_key(cache->keys + g * head_floats, key, at, head_width);
            memcpy(cache->values + g * head_floats + at * head_width,
                   key + cache->n_kv_heads * head_width, head_width * sizeof(float));
        }
    }
}

/* n tokens from t on of head h, or, of the one token t, n heads from h on: they share the keys. */
static void attend_cached(float *y, const float *qkv, const struct kernels_cache *cache, size_t t,
                          size_t h, size_t n, bool are_tokens, float *scratch)
{
    const size_t head_width = cache->head_width, head_floats = cache->capacity * head_width;
    const size_t stride = (cache->n_heads + 2 * cache->n_kv_heads) * head_width;
    const size_t g = h / (cache->n_heads / cache->n_kv_heads);
    struct queries q = { .n_tokens = cache->n_tokens + t + 1, .step = are_tokens ? 1 : 0 };

    for (size_t r = 0; r < n; r++) {
        size_t token = are_tokens ? t + r : t, head = are_tokens ? h : h + r;
        q.from[r] = qkv + token * stride + head * head_width;
        q.to[r] = y + (token * cache->n_heads + head) * head_width;
    }
    attend(&q, n, cache->keys + g * head_floats, cache->values + g * head_floats, head_width,
           head_width, scratch);
}

static void attention_cached(float *y, const float *qkv, size_t n_tokens,
                             const struct kernels_cache *cache, float *scratch)
{
    const size_t n_shared = cache->n_heads / cache->n_kv_heads;
    size_t t = 0;

    ASSERT(cache->head_width % LANES == 0 && cache->capacity % LANES == 0);
    ASSERT(cache->n_tokens <= cache->capacity && n_tokens <= cache->capacity - cache->n_tokens);
    append_rows(cache, qkv, n_tokens);
    for (; t + QUERIES <= n_tokens; t += QUERIES)
        for (size_t h = 0; h < cache->n_heads; h++)
            attend_cached(y, qkv, cache, t, h, QUERIES, true, scratch);
    for (; t < n_tokens; t++)
        for (size_t h = 0, n; h < cache->n_heads; h += n) {
            n = n_shared - h % n_shared < QUERIES ? n_shared - h % n_shared : QUERIES;
            attend_cached(y, qkv, cache, t, h, n, false, scratch);
        }
}

static void add_rmsnorm(float *y, float *x, const float *b, const float *gain, float eps,
                        size_t n_rows, size_t n_columns)
{
    ASSERT(n_columns > 0 && n_columns % LANES == 0);
    for (size_t m = 0; m < n_rows; m++, y += n_columns, x += n_columns) {
        struct lanes squares = lanes_set(0.0f);

        for (size_t c = 0; c < n_columns; c += LANES) {
            struct lanes s = lanes_load(x + c);
            if (b) {
                s = lanes_add(s, lanes_load(b + m * n_columns + c));
                lanes_store(x + c, s);
            }
            squares = lanes_fma(s, s, squares);
        }
        float mean = lanes_sum(squares) / (float)n_columns;
        struct lanes inverse = lanes_set(1.0f / sqrtf(mean + eps));
        for (size_t c = 0; c < n_columns; c += LANES)
            lanes_store(y + c,
                        lanes_mul(lanes_mul(lanes_load(x + c), inverse), lanes_load(gain + c)));
    }
}

/* The two halves of a head, whose lanes are the pairs. */
static void turn_head(float *x, const float *turns, size_t head_width)
{
    size_t half = head_width / 2;

    for (size_t d = 0; d < half; d += LANES) {
        struct lanes cosine = lanes_load(turns + d), sine = lanes_load(turns + half + d);
        struct lanes first = lanes_load(x + d), second = lanes_load(x + half + d);
        struct lanes minus = lanes_sub(lanes_set(0.0f), lanes_mul(second, sine));

        lanes_store(x + d, lanes_fma(first, cosine, minus));
        lanes_store(x + half + d, lanes_fma(second, cosine, lanes_mul(first, sine)));
    }
}

static void rope(float *x, const float *turns, size_t n_rows, size_t stride, size_t n_heads,
                 size_t head_width)
{
    ASSERT(head_width % (2 * LANES) == 0);
    for (size_t m = 0; m < n_rows; m++)
        for (size_t h = 0; h < n_heads; h++)
            turn_head(x + m * stride + h * head_width, turns + m * head_width, head_width);
}

/* 1 / (1 + e^-g), from e^-|g| */
static inline struct lanes sigmoid_of(struct lanes g)
{
    struct lanes one = lanes_set(1.0f);
    struct lanes e = exp_of(lanes_sub(lanes_set(0.0f), lanes_abs(g)));

    return lanes_div(lanes_where_negative(g, e, one), lanes_add(one, e));
}

static void swiglu(float *y, const float *x, size_t n_rows, size_t n_columns)
{
    ASSERT(n_columns % LANES == 0);
    for (size_t m = 0; m < n_rows; m++, x += 2 * n_columns, y += n_columns) {
        for (size_t c = 0; c < n_columns; c += LANES) {
            struct lanes gate = lanes_load(x + c), up = lanes_load(x + n_columns + c);
            lanes_store(y + c, lanes_mul(lanes_mul(gate, sigmoid_of(gate)), up));
        }
    }
}

static void unit_mean(float *y, const float *x, size_t n_tokens, size_t n_columns)
{
    struct lanes squares = lanes_set(0.0f);

    ASSERT(n_tokens > 0 && n_columns % LANES == 0);
    for (size_t c = 0; c < n_columns; c += LANES) {
        struct lanes sum = lanes_load(x + c);

        for (size_t t = 1; t < n_tokens; t++)
            sum = lanes_add(sum, lanes_load(x + t * n_columns + c));
        sum = lanes_div(sum, lanes_set((float)n_tokens));
        lanes_store(y + c, sum);
        squares = lanes_fma(sum, sum, squares);
    }
    float length = sqrtf(lanes_sum(squares));
    struct lanes divisor = lanes_set(length > 1e-12f || length != length ? length : 1e-12f);
    for (size_t c = 0; c < n_columns; c += LANES)
        lanes_store(y + c, lanes_div(lanes_load(y + c), divisor));
}

static inline void fill_rows(struct kernels *kernels)
{
    kernels->quantise = quantise;
    kernels->linear_f32 = linear_f32;
    kernels->add_layernorm = add_layernorm;
    kernels->gelu = gelu;
    kernels->attention = attention;
    kernels->unit_mean = unit_mean;
    kernels->attention_cached = attention_cached;
    kernels->add_rmsnorm = add_rmsnorm;
    kernels->rope = rope;
    kernels->swiglu = swiglu;
}

#endif
