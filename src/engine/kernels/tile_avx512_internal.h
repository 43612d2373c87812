/*
 * tile_avx512_internal.h - linear_int8 in AVX-512 registers, for the two rows that have them.
 *
 * The includer defines how 4 inputs of one activation row meet the weights of 16 outputs:
 *   struct inputs, load_inputs(), load_weights(), begin_sum(), add_products()
 */
#ifndef ENGINE_TILE_AVX512_INTERNAL_H
#define ENGINE_TILE_AVX512_INTERNAL_H

enum {
    ROWS = 6,   /* at a time; by 2 groups of 16 outputs: 12 integer and 12 float sums, 2 weights */
    GROUPS = 2, /* share what is loaded of the rows */
};

static inline void dot_block(__m512i sums[ROWS][GROUPS], const int8_t *x, const int32_t *offsets,
                             size_t n_rows, size_t n_inputs, const uint8_t *w)
{
    const size_t n_blocks = n_inputs / KERNELS_BLOCK, group_bytes = n_inputs * KERNELS_LANES;

#pragma GCC unroll 6
    for (size_t r = 0; r < n_rows; r++)
        sums[r][0] = sums[r][1] = begin_sum(offsets[r * n_blocks]);
#pragma GCC unroll 8
    for (size_t k = 0; k < KERNELS_BLOCK; k += 4, w += 4 * KERNELS_LANES) {
        __m512i first = load_weights(w), second = load_weights(w + group_bytes);
#pragma GCC unroll 6
        for (size_t r = 0; r < n_rows; r++) {
            struct inputs inputs = load_inputs(x + r * n_inputs + k);
            sums[r][0] = add_products(sums[r][0], first, &inputs);
            sums[r][1] = add_products(sums[r][1], second, &inputs);
        }
    }
}

/* Rows m to m + n_rows of the outputs n to n + 32. */
static inline __attribute__((always_inline)) void linear_tile(float *y,
                                                              const struct kernels_int8_rows *x,
                                                              const struct kernels_int8_weights *w,
                                                              size_t m, size_t n, size_t n_rows)
{
    size_t n_blocks = w->n_inputs / KERNELS_BLOCK;
    __m512 acc[ROWS][GROUPS];

#pragma GCC unroll 6
    for (size_t r = 0; r < n_rows; r++)
        for (size_t g = 0; g < GROUPS; g++)
            acc[r][g] = _mm512_loadu_ps(w->bias + n + g * KERNELS_LANES);
    for (size_t b = 0; b < n_blocks; b++) {
        __m512i dots[ROWS][GROUPS];
        __m512 first = _mm512_loadu_ps(w->scales + b * w->n_outputs + n);
        __m512 second = _mm512_loadu_ps(w->scales + b * w->n_outputs + n + KERNELS_LANES);

        dot_block(dots, x->values + m * w->n_inputs + b * KERNELS_BLOCK,
                  x->offsets + m * n_blocks + b, n_rows, w->n_inputs,
                  w->values + n * w->n_inputs + b * KERNELS_BLOCK * KERNELS_LANES);
#pragma GCC unroll 6
        for (size_t r = 0; r < n_rows; r++) {
            __m512 scale = _mm512_set1_ps(x->scales[(m + r) * n_blocks + b]);
            acc[r][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r][0]), _mm512_mul_ps(scale, first),
                                        acc[r][0]);
            acc[r][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r][1]),
                                        _mm512_mul_ps(scale, second), acc[r][1]);
        }
    }
#pragma GCC unroll 6
    for (size_t r = 0; r < n_rows; r++)
        for (size_t g = 0; g < GROUPS; g++)
            _mm512_storeu_ps(y + (m + r) * w->n_outputs + n + g * KERNELS_LANES, acc[r][g]);
}

static void linear_int8(float *y, const struct kernels_int8_rows *x,
                        const struct kernels_int8_weights *w)
{
    ASSERT(x->n_columns == w->n_inputs && w->n_outputs % (GROUPS * KERNELS_LANES) == 0);
    for (size_t n = 0; n < w->n_outputs; n += GROUPS * KERNELS_LANES) {
        size_t m = 0;

        for (; m + ROWS <= x->n_rows; m += ROWS)
            linear_tile(y, x, w, m, n, ROWS);
        for (; m + 2 <= x->n_rows; m += 2)
            linear_tile(y, x, w, m, n, 2);
        for (; m < x->n_rows; m++)
            linear_tile(y, x, w, m, n, 1);
    }
}

#endif
