#include "tests/support/test.h"

#include "base/arena.h"
#include "engine/kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    ARENA_BYTES = 64 << 20,
    GUARD = 16 /* floats behind an output that must stay as they are */
};

static struct arena arena;

static float *new_floats(size_t n)
{
    float *x = arena_alloc(&arena, n + GUARD, sizeof(float), 64);

    assert_non_null(x);
    for (size_t i = 0; i < n + GUARD; i++)
        x[i] = 12345.0f;
    return x;
}

static uint32_t draw_state = 1;

static float draw(void) /* in [-1, 1) */
{
    draw_state = draw_state * 1664525u + 1013904223u;
    return (float)(draw_state >> 8) / (1 << 23) - 1.0f;
}

/* Values of very different size, as activations are: a few channels dominate. */
static float *new_activations(size_t n)
{
    float *x = new_floats(n);

    for (size_t i = 0; i < n; i++)
        x[i] = draw() * (i % 29 == 0 ? 40.0f : i % 7 == 0 ? 1e-3f : 1.0f);
    return x;
}

static void check_same(enum cpu cpu, const char *what, size_t shape, const float *want,
                       const float *got, size_t n)
{
    if (memcmp(want, got, (n + GUARD) * sizeof(float)) == 0)
        return;
    for (size_t i = 0; i < n + GUARD; i++)
        if (memcmp(&want[i], &got[i], sizeof(float)) != 0)
            fail_msg("%s of %s, shape %zu: value %zu of %zu is %.9g, not %.9g", what, cpu_name(cpu),
                     shape, i, n, (double)got[i], (double)want[i]);
}

static struct kernels_int8_rows new_rows(size_t n_rows, size_t n_columns)
{
    struct kernels_int8_rows rows = { .n_rows = n_rows, .n_columns = n_columns };

    rows.values = arena_array(&arena, int8_t, n_rows * n_columns);
    rows.scales = new_floats(n_rows * n_columns / KERNELS_BLOCK);
    rows.offsets = arena_array(&arena, int32_t, n_rows * n_columns / KERNELS_BLOCK);
    return rows;
}

static struct kernels_int8_weights new_weights(size_t n_outputs, size_t n_inputs)
{
    uint8_t *values = arena_array(&arena, uint8_t, n_outputs * n_inputs);
    float *scales = new_activations(n_outputs * n_inputs / KERNELS_BLOCK);

    for (size_t i = 0; i < n_outputs * n_inputs; i++) /* the extremes often: -127, 127 */
        values[i] = (uint8_t)(draw() > 0.8f ? 255 : draw() > 0.8f ? 1 : 128 + (int)(draw() * 127));
    return (struct kernels_int8_weights){ n_outputs, n_inputs, values, scales,
                                          new_activations(n_outputs) };
}

static size_t packed_at(size_t n, size_t k, size_t n_inputs)
{
    return ((n / 16 * (n_inputs / 4) + k / 4) * 16 + n % 16) * 4 + k % 4;
}

/* The rows of the table this machine can run, the definition excepted. */
#define FOR_EACH_CPU(cpu) for (enum cpu cpu = CPU_AVX2; cpu <= cpu_best(); cpu++)

static const size_t row_counts[] = { 1, 2, 3, 5, 6, 7, 13, 20 };

static void every_row_of_the_table_gives_the_bytes_of_the_definition_int8(void **state)
{
    static const size_t shapes[][2] = { { 32, 32 }, { 64, 96 }, { 384, 384 }, { 96, 1536 } };
    struct kernels scalar;
    (void)state;

    kernels_init(&scalar, CPU_SCALAR);
    for (size_t s = 0; s < ARRAY_LEN(shapes) * ARRAY_LEN(row_counts); s++) {
        size_t m = row_counts[s % ARRAY_LEN(row_counts)];
        size_t n = shapes[s / ARRAY_LEN(row_counts)][0], k = shapes[s / ARRAY_LEN(row_counts)][1];

        arena_init(&arena, ARENA_BYTES);
        struct kernels_int8_weights w = new_weights(n, k);
        struct kernels_int8_rows want_rows = new_rows(m, k), rows = new_rows(m, k);
        const float *x = new_activations(m * k);
        float *want = new_floats(m * n);
        scalar.quantise(&want_rows, x);
        if (s % 2)
            memset(want_rows.values, 127, m * k); /* where 16-bit sums would saturate */
        scalar.linear_int8(want, &want_rows, &w);

        FOR_EACH_CPU (cpu) {
            struct kernels kernels;
            float *got = new_floats(m * n);

            kernels_init(&kernels, cpu);
            kernels.quantise(&rows, x);
            if (s % 2) {
                memset(rows.values, 127, m * k);
                for (size_t b = 0; b < m * k / KERNELS_BLOCK; b++)
                    rows.offsets[b] = -128 * 127 * KERNELS_BLOCK;
            }
            assert_memory_equal(rows.values, want_rows.values, m * k);
            check_same(cpu, "scales", m, want_rows.scales, rows.scales, m * k / KERNELS_BLOCK);
            kernels.linear_int8(got, &rows, &w);
            check_same(cpu, "linear_int8", m, want, got, m * n);
        }
        arena_release(&arena);
    }
}

static void every_row_of_the_table_gives_the_bytes_of_the_definition_f32(void **state)
{
    static const size_t widths[] = { 16, 32, 48, 384, 1536 };
    struct kernels scalar;
    (void)state;

    kernels_init(&scalar, CPU_SCALAR);
    for (size_t s = 0; s < ARRAY_LEN(widths) * ARRAY_LEN(row_counts); s++) {
        size_t m = row_counts[s % ARRAY_LEN(row_counts)], c = widths[s / ARRAY_LEN(row_counts)];
        size_t n = m + 4; /* outputs: not a multiple of anything */

        arena_init(&arena, ARENA_BYTES);
        const float *a = new_activations(m * c), *b = new_activations(m * c);
        const float *gain = new_activations(c), *w = new_activations(n * c);
        const float *bias = new_activations(c > n ? c : n);
        float *norm = new_floats(m * c), *linear = new_floats(m * n), *unit = new_floats(c);
        float *gelu = new_floats(m * c);
        memcpy(gelu, a, m * c * sizeof(float));
        scalar.add_layernorm(norm, a, b, gain, bias, 1e-12f, m, c);
        scalar.linear_f32(linear, a, w, bias, m, n, c);
        scalar.unit_mean(unit, a, m, c);
        scalar.gelu(gelu, m * c);

        FOR_EACH_CPU (cpu) {
            struct kernels kernels;
            float *got = new_floats(m * c), *got_linear = new_floats(m * n);
            float *got_unit = new_floats(c), *got_gelu = new_floats(m * c);

            kernels_init(&kernels, cpu);
            memcpy(got_gelu, a, m * c * sizeof(float));
            kernels.add_layernorm(got, a, b, gain, bias, 1e-12f, m, c);
            check_same(cpu, "add_layernorm", c, norm, got, m * c);
            kernels.linear_f32(got_linear, a, w, bias, m, n, c);
            check_same(cpu, "linear_f32", c, linear, got_linear, m * n);
            kernels.unit_mean(got_unit, a, m, c);
            check_same(cpu, "unit_mean", c, unit, got_unit, c);
            kernels.gelu(got_gelu, m * c);
            check_same(cpu, "gelu", c, gelu, got_gelu, m * c);
        }
        arena_release(&arena);
    }
}

static void every_row_of_the_table_gives_the_bytes_of_the_definition_attention(void **state)
{
    static const size_t n_tokens[] = { 1, 2, 3, 4, 5, 15, 16, 17, 31, 33, 64, 130 };
    static const size_t heads[][2] = { { 1, 16 }, { 2, 32 }, { 3, 64 } };
    struct kernels scalar;
    (void)state;

    kernels_init(&scalar, CPU_SCALAR);
    for (size_t s = 0; s < ARRAY_LEN(heads) * ARRAY_LEN(n_tokens); s++) {
        size_t t = n_tokens[s % ARRAY_LEN(n_tokens)];
        size_t h = heads[s / ARRAY_LEN(n_tokens)][0], d = heads[s / ARRAY_LEN(n_tokens)][1];

        arena_init(&arena, ARENA_BYTES);
        const float *qkv = new_activations(t * 3 * h * d);
        float *want = new_floats(t * h * d);
        scalar.attention(want, qkv, t, h, d, new_floats(kernels_attention_floats(t, d)));
        FOR_EACH_CPU (cpu) {
            struct kernels kernels;
            size_t n_scratch = kernels_attention_floats(t, d);
            float *got = new_floats(t * h * d), *scratch = new_floats(n_scratch);

            kernels_init(&kernels, cpu);
            kernels.attention(got, qkv, t, h, d, scratch);
            check_same(cpu, "attention", t, want, got, t * h * d);
            for (size_t i = 0; i < GUARD; i++)
                assert_true(scratch[n_scratch + i] == 12345.0f);
        }
        arena_release(&arena);
    }
}

/* A layer's cache with room for `capacity` tokens, of which n_tokens are there; the guards of keys
 * and values stay visible to check_same(). */
static struct kernels_cache new_cache(const size_t heads[3], size_t capacity, size_t n_tokens)
{
    size_t n = heads[1] * capacity * heads[2];

    return (struct kernels_cache){ .n_heads = heads[0],
                                   .n_kv_heads = heads[1],
                                   .head_width = heads[2],
                                   .capacity = capacity,
                                   .n_tokens = n_tokens,
                                   .keys = new_floats(n),
                                   .values = new_floats(n) };
}

static void copy_cache(struct kernels_cache *to, const struct kernels_cache *from)
{
    size_t n = from->n_kv_heads * from->capacity * from->head_width;

    memcpy(to->keys, from->keys, n * sizeof(float));
    memcpy(to->values, from->values, n * sizeof(float));
}

static const size_t cached_heads[][3] = { { 1, 1, 16 }, { 3, 1, 32 }, { 9, 3, 64 }, { 10, 2, 32 } };

static void every_row_of_the_table_gives_the_bytes_of_the_definition_cached_attention(void **state)
{
    static const size_t n_before[] = { 0, 1, 15, 16, 41 }, n_new[] = { 1, 2, 3, 4, 5, 16, 19 };
    enum { CAPACITY = 64 };
    struct kernels scalar;
    (void)state;

    kernels_init(&scalar, CPU_SCALAR);
    for (size_t s = 0; s < ARRAY_LEN(cached_heads) * ARRAY_LEN(n_before) * ARRAY_LEN(n_new); s++) {
        size_t t = n_new[s % ARRAY_LEN(n_new)];
        size_t before = n_before[s / ARRAY_LEN(n_new) % ARRAY_LEN(n_before)];
        const size_t *heads = cached_heads[s / ARRAY_LEN(n_new) / ARRAY_LEN(n_before)];
        size_t h = heads[0], g = heads[1], d = heads[2], n_scratch;

        arena_init(&arena, ARENA_BYTES);
        n_scratch = kernels_cached_floats(CAPACITY);
        const float *first = new_activations(before * (h + 2 * g) * d + 1);
        const float *qkv = new_activations(t * (h + 2 * g) * d);
        struct kernels_cache start = new_cache(heads, CAPACITY, 0);
        float *y = new_floats(t * h * d), *scratch = new_floats(n_scratch);
        scalar.attention_cached(new_floats(before * h * d), first, before, &start, scratch);
        struct kernels_cache want = new_cache(heads, CAPACITY, before);
        copy_cache(&want, &start);
        scalar.attention_cached(y, qkv, t, &want, scratch);

        FOR_EACH_CPU (cpu) {
            struct kernels kernels;
            struct kernels_cache cache = new_cache(heads, CAPACITY, before);
            float *got = new_floats(t * h * d), *got_scratch = new_floats(n_scratch);

            kernels_init(&kernels, cpu);
            copy_cache(&cache, &start);
            kernels.attention_cached(got, qkv, t, &cache, got_scratch);
            check_same(cpu, "attention_cached", s, y, got, t * h * d);
            check_same(cpu, "keys", s, want.keys, cache.keys, g * CAPACITY * d);
            check_same(cpu, "values", s, want.values, cache.values, g * CAPACITY * d);
            for (size_t i = 0; i < GUARD; i++)
                assert_true(got_scratch[n_scratch + i] == 12345.0f);
        }
        arena_release(&arena);
    }
}

static void cached_attention_does_not_depend_on_how_a_text_is_cut(void **state)
{
    enum { T = 37, CAPACITY = 48 };
    static const size_t pieces[] = { 1, 3, 4, 7, 36 };
    (void)state;

    for (enum cpu cpu = CPU_SCALAR; cpu <= cpu_best(); cpu++) {
        for (size_t s = 0; s < ARRAY_LEN(cached_heads) * ARRAY_LEN(pieces); s++) {
            const size_t *heads = cached_heads[s / ARRAY_LEN(pieces)];
            size_t in = (heads[0] + 2 * heads[1]) * heads[2], out = heads[0] * heads[2];
            struct kernels kernels;

            arena_init(&arena, ARENA_BYTES);
            kernels_init(&kernels, cpu);
            float *scratch = new_floats(kernels_cached_floats(CAPACITY));
            const float *qkv = new_activations(T * in);
            float *want = new_floats(T * out), *got = new_floats(T * out);
            struct kernels_cache cache = new_cache(heads, CAPACITY, 0);
            kernels.attention_cached(want, qkv, T, &cache, scratch);
            cache = new_cache(heads, CAPACITY, 0);
            for (size_t n; cache.n_tokens < T; cache.n_tokens += n) {
                n = pieces[s % ARRAY_LEN(pieces)];
                n = n < T - cache.n_tokens ? n : T - cache.n_tokens;
                kernels.attention_cached(got + cache.n_tokens * out, qkv + cache.n_tokens * in, n,
                                         &cache, scratch);
            }
            check_same(cpu, "attention_cached in pieces", s, want, got, T * out);
            arena_release(&arena);
        }
    }
}

static void every_row_of_the_table_gives_the_bytes_of_the_definition_decoder(void **state)
{
    static const size_t widths[] = { 32, 64, 576, 1536 };
    struct kernels scalar;
    (void)state;

    kernels_init(&scalar, CPU_SCALAR);
    for (size_t s = 0; s < ARRAY_LEN(widths) * 2; s++) {
        enum { M = 5 };
        size_t c = widths[s / 2], n = M * c;

        arena_init(&arena, ARENA_BYTES);
        const float *x = new_activations(2 * n), *gain = new_activations(c);
        const float *b = s % 2 ? new_activations(n) : NULL, *turns = new_activations(M * 32);
        float *sum = new_floats(n), *norm = new_floats(n), *turned = new_floats(n);
        float *gated = new_floats(n);
        memcpy(sum, x, n * sizeof(float));
        scalar.add_rmsnorm(norm, sum, b, gain, 1e-5f, M, c);
        memcpy(turned, x, n * sizeof(float));
        scalar.rope(turned, turns, M, c, c / 32 - s % 2, 32);
        scalar.swiglu(gated, x, M, c);

        FOR_EACH_CPU (cpu) {
            struct kernels kernels;
            float *got = new_floats(n), *got_sum = new_floats(n), *got_turned = new_floats(n);

            kernels_init(&kernels, cpu);
            memcpy(got_sum, x, n * sizeof(float));
            kernels.add_rmsnorm(got, got_sum, b, gain, 1e-5f, M, c);
            check_same(cpu, "add_rmsnorm", c, norm, got, n);
            check_same(cpu, "the sum of add_rmsnorm", c, sum, got_sum, n);
            memcpy(got_turned, x, n * sizeof(float));
            kernels.rope(got_turned, turns, M, c, c / 32 - s % 2, 32);
            check_same(cpu, "rope", c, turned, got_turned, n);
            kernels.swiglu(got, x, M, c);
            check_same(cpu, "swiglu", c, gated, got, n);
        }
        arena_release(&arena);
    }
}

static void check_near(const char *what, size_t i, double want, float got, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s %zu is %.9g, not %.9g", what, i, (double)got, want);
}

static void gelu_is_within_5e7_of_its_formula(void **state)
{
    struct kernels scalar;
    (void)state;

    kernels_init(&scalar, CPU_SCALAR);
    for (int i = -100000; i <= 100000; i++) {
        float x[16] = { [0] = (float)i * 1e-4f, [1] = (float)i, [2] = -0.0f };
        double z = x[0], want = z * 0.5 * erfc(-z / sqrt(2.0));

        scalar.gelu(x, 16);
        check_near("gelu", (size_t)(i + 100000), want, x[0], 5e-7);
        check_near("gelu of a large value", (size_t)(i + 100000), i > 0 ? i : 0, x[1],
                   i > -6 && i < 6 ? 1 : 5e-7);
        assert_true(x[2] == 0.0f);
    }
}

static void layernorm_unit_mean_and_linear_follow_their_formulas(void **state)
{
    enum { M = 3, C = 96, N = 5 };
    struct kernels scalar;
    (void)state;

    arena_init(&arena, ARENA_BYTES);
    kernels_init(&scalar, CPU_SCALAR);
    const float *a = new_activations(M * C), *b = new_activations(M * C),
                *gain = new_activations(C);
    const float *bias = new_activations(C), *w = new_activations(N * C);
    float *norm = new_floats(M * C), *unit = new_floats(C), *linear = new_floats(M * N);
    scalar.add_layernorm(norm, a, b, gain, bias, 1e-5f, M, C);
    scalar.unit_mean(unit, a, M, C);
    scalar.linear_f32(linear, a, w, bias, M, N, C);

    double means[C] = { 0 }, length = 0;
    for (size_t m = 0; m < M; m++) {
        double mean = 0, variance = 0;
        for (size_t c = 0; c < C; c++)
            mean += ((double)a[m * C + c] + b[m * C + c]) / C;
        for (size_t c = 0; c < C; c++)
            variance += pow((double)a[m * C + c] + b[m * C + c] - mean, 2) / C;
        for (size_t c = 0; c < C; c++) {
            double d = ((double)a[m * C + c] + b[m * C + c] - mean) / sqrt(variance + 1e-5);
            check_near("layernorm", m * C + c, d * gain[c] + bias[c], norm[m * C + c], 2e-5);
            means[c] += (double)a[m * C + c] / M;
        }
        for (size_t n = 0; n < N; n++) {
            double sum = bias[n];
            for (size_t c = 0; c < C; c++)
                sum += (double)a[m * C + c] * w[n * C + c];
            check_near("linear", m * N + n, sum, linear[m * N + n], 1e-3);
        }
    }
    for (size_t c = 0; c < C; c++)
        length += means[c] * means[c];
    for (size_t c = 0; c < C; c++)
        check_near("unit mean", c, means[c] / sqrt(length), unit[c], 1e-6);
    arena_release(&arena);
}

static void attention_follows_its_formula(void **state)
{
    enum { T = 21, H = 2, D = 16, C = H * D };
    struct kernels scalar;
    (void)state;

    arena_init(&arena, ARENA_BYTES);
    kernels_init(&scalar, CPU_SCALAR);
    float *qkv = new_floats(T * 3 * C), *y = new_floats(T * C);
    for (size_t i = 0; i < T * 3 * C; i++)
        qkv[i] = 2 * draw();
    scalar.attention(y, qkv, T, H, D, new_floats(kernels_attention_floats(T, D)));

    for (size_t i = 0; i < T; i++) {
        for (size_t h = 0; h < H; h++) {
            double p[T], sum = 0;
            for (size_t j = 0; j < T; j++) {
                double s = 0;
                for (size_t d = 0; d < D; d++)
                    s += (double)qkv[i * 3 * C + h * D + d] * qkv[j * 3 * C + C + h * D + d];
                p[j] = exp(s / sqrt(D));
                sum += p[j];
            }
            for (size_t d = 0; d < D; d++) {
                double want = 0;
                for (size_t j = 0; j < T; j++)
                    want += p[j] / sum * qkv[j * 3 * C + 2 * C + h * D + d];
                check_near("attention", i * C + h * D + d, want, y[i * C + h * D + d], 3e-6);
            }
        }
    }
    arena_release(&arena);
}

static void cached_attention_follows_its_formula(void **state)
{
    enum { T = 21, H = 6, G = 2, D = 16, ROW = (H + 2 * G) * D };
    struct kernels scalar;
    (void)state;

    arena_init(&arena, ARENA_BYTES);
    kernels_init(&scalar, CPU_SCALAR);
    struct kernels_cache cache = new_cache((const size_t[]){ H, G, D }, 32, 0);
    float *qkv = new_floats(T * ROW), *y = new_floats(T * H * D);
    for (size_t i = 0; i < T * ROW; i++)
        qkv[i] = 2 * draw();
    scalar.attention_cached(y, qkv, T, &cache, new_floats(kernels_cached_floats(32)));

    for (size_t i = 0; i < T * H; i++) {
        const float *q = qkv + i / H * ROW + i % H * D, *k = qkv + (H + i % H / (H / G)) * D;
        double p[T], sum = 0;

        for (size_t j = 0; j <= i / H; j++) {
            double s = 0;
            for (size_t d = 0; d < D; d++)
                s += (double)q[d] * k[j * ROW + d];
            p[j] = exp(s / sqrt(D));
            sum += p[j];
        }
        for (size_t d = 0; d < D; d++) {
            double want = 0;
            for (size_t j = 0; j <= i / H; j++)
                want += p[j] / sum * k[j * ROW + G * D + d];
            check_near("cached attention", i * D + d, want, y[i * D + d], 3e-6);
        }
    }
    arena_release(&arena);
}

static void rmsnorm_rope_and_swiglu_follow_their_formulas(void **state)
{
    enum { M = 3, C = 96, D = 32 };
    struct kernels scalar;
    (void)state;

    arena_init(&arena, ARENA_BYTES);
    kernels_init(&scalar, CPU_SCALAR);
    const float *x = new_activations(2 * M * C), *b = new_activations(M * C);
    const float *gain = new_activations(C), *turns = new_activations(M * D);
    float *sum = new_floats(M * C), *norm = new_floats(M * C), *turned = new_floats(M * C);
    float *gated = new_floats(M * C);
    memcpy(sum, x, M * C * sizeof(float));
    memcpy(turned, x, M * C * sizeof(float));
    scalar.add_rmsnorm(norm, sum, b, gain, 1e-5f, M, C);
    scalar.rope(turned, turns, M, C, 2, D); /* the third head stays */
    scalar.swiglu(gated, x, M, C);

    for (size_t m = 0; m < M; m++) {
        double squares = 0;
        for (size_t c = 0; c < C; c++)
            squares += pow((double)x[m * C + c] + b[m * C + c], 2) / C;
        for (size_t c = 0; c < C; c++) {
            double s = (double)x[m * C + c] + b[m * C + c], g = x[2 * m * C + c];
            const float *pair = x + m * C + c / D * D, *turn = turns + m * D;
            size_t d = c % (D / 2);
            double cosine = turn[d], sine = turn[D / 2 + d], first = pair[d];
            double second = pair[D / 2 + d];
            double want =
                c % D < D / 2 ? first * cosine - second * sine : second * cosine + first * sine;

            check_near("sum", m * C + c, s, sum[m * C + c], 1e-5);
            check_near("rmsnorm", m * C + c, s / sqrt(squares + 1e-5) * gain[c], norm[m * C + c],
                       1e-4);
            check_near("rope", m * C + c, c < 2 * D ? want : x[m * C + c], turned[m * C + c],
                       1e-6 * (1 + fabs(first * cosine) + fabs(second * sine) +
                               fabs(second * cosine) + fabs(first * sine)));
            want = g / (1 + exp(-g)) * x[2 * m * C + C + c];
            check_near("swiglu", m * C + c, want, gated[m * C + c], 1e-6 * (1 + fabs(want)));
        }
    }
    arena_release(&arena);
}

static void int8_keeps_within_the_bound_of_its_rounding(void **state)
{
    enum { M = 4, K = 96, N = 32 };
    struct kernels scalar;
    (void)state;

    arena_init(&arena, ARENA_BYTES);
    kernels_init(&scalar, CPU_SCALAR);
    const float *x = new_activations(M * K);
    struct kernels_int8_rows rows = new_rows(M, K);
    struct kernels_int8_weights w = new_weights(N, K);
    float *y = new_floats(M * N);
    scalar.quantise(&rows, x);
    scalar.linear_int8(y, &rows, &w);

    for (size_t m = 0; m < M; m++) {
        for (size_t k = 0; k < K; k++) {
            float scale = rows.scales[(m * K + k) / KERNELS_BLOCK];
            check_near("value", m * K + k, x[m * K + k], (float)rows.values[m * K + k] * scale,
                       0.5001 * scale);
        }
        for (size_t n = 0; n < N; n++) {
            double sum = w.bias[n];
            for (size_t k = 0; k < K; k++)
                sum += (double)rows.values[m * K + k] * rows.scales[(m * K + k) / KERNELS_BLOCK] *
                       (w.values[packed_at(n, k, K)] - 128) * w.scales[k / KERNELS_BLOCK * N + n];
            check_near("output", m * N + n, sum, y[m * N + n], 1e-5 * (1 + fabs(sum)));
        }
    }
    arena_release(&arena);
}

static void blocks_of_zeros_and_of_no_numbers_are_told_apart(void **state)
{
    static const float odd[] = { 0.0f, 1e-31f, 1e-38f, INFINITY, -INFINITY, NAN, 3e38f };
    (void)state;

    arena_init(&arena, ARENA_BYTES);
    for (enum cpu cpu = CPU_SCALAR; cpu <= cpu_best(); cpu++) {
        for (size_t i = 0; i < ARRAY_LEN(odd) * KERNELS_BLOCK; i++) {
            float x[KERNELS_BLOCK] = { 0 }, value = odd[i / KERNELS_BLOCK];
            struct kernels_int8_rows rows = new_rows(1, KERNELS_BLOCK);
            struct kernels kernels;

            x[i % KERNELS_BLOCK] = value;
            kernels_init(&kernels, cpu);
            kernels.quantise(&rows, x);
            if (!isfinite(value))
                assert_true(isnan(rows.scales[0]));
            else
                assert_true(rows.scales[0] == (value > 1e-30f ? value / 127.0f : 0.0f));
            for (size_t k = 0; k < KERNELS_BLOCK; k++)
                assert_int_equal(rows.values[k],
                                 k == i % KERNELS_BLOCK && value == 3e38f ? 127 : 0);
            assert_int_equal(rows.offsets[0], value == 3e38f ? -128 * 127 : 0);
        }
    }
    arena_release(&arena);
}

static void rows_of_the_table_are_known_by_name(void **state)
{
    enum cpu cpu;
    (void)state;

    for (enum cpu i = CPU_SCALAR; i < CPU_END; i++) {
        assert_true(cpu_parse(str_of(cpu_name(i)), &cpu));
        assert_int_equal(cpu, i);
    }
    assert_false(cpu_parse(STR("sse2"), &cpu));
    assert_false(cpu_parse(STR(""), &cpu));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_table_gives_the_bytes_of_the_definition_int8),
        cmocka_unit_test(every_row_of_the_table_gives_the_bytes_of_the_definition_f32),
        cmocka_unit_test(every_row_of_the_table_gives_the_bytes_of_the_definition_attention),
        cmocka_unit_test(gelu_is_within_5e7_of_its_formula),
        cmocka_unit_test(layernorm_unit_mean_and_linear_follow_their_formulas),
        cmocka_unit_test(attention_follows_its_formula),
        cmocka_unit_test(int8_keeps_within_the_bound_of_its_rounding),
        cmocka_unit_test(blocks_of_zeros_and_of_no_numbers_are_told_apart),
        cmocka_unit_test(rows_of_the_table_are_known_by_name),
        cmocka_unit_test(every_row_of_the_table_gives_the_bytes_of_the_definition_cached_attention),
        cmocka_unit_test(cached_attention_does_not_depend_on_how_a_text_is_cut),
        cmocka_unit_test(every_row_of_the_table_gives_the_bytes_of_the_definition_decoder),
        cmocka_unit_test(cached_attention_follows_its_formula),
        cmocka_unit_test(rmsnorm_rope_and_swiglu_follow_their_formulas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
