#include "engine/kernels/kernels_internal.h"
#include "engine/kernels/lanes_avx512_internal.h"
#include "engine/kernels/rows_internal.h"

enum { ROWS = 6 /* at a time, by 16 outputs */ };

static inline int32_t four_bytes(const int8_t *x)
{
    int32_t bytes;

    memcpy(&bytes, x, sizeof(bytes));
    return bytes;
}

/* sum + the products of 4 inputs with 16 outputs, exact for the reason given in kernels_avx2.c */
static inline __m512i add_products(__m512i sum, __m512i x, __m512i w)
{
    __m512i signed_w = _mm512_mask_sub_epi8(w, _mm512_movepi8_mask(x), _mm512_setzero_si512(), w);
    __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(x), signed_w);

    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

static inline void dot_block(__m512i sums[ROWS], const int8_t *x, size_t n_rows, size_t n_inputs,
                             const uint8_t *w)
{
    for (size_t r = 0; r < n_rows; r++)
        sums[r] = _mm512_setzero_si512();
    for (size_t k = 0; k < KERNELS_BLOCK; k += 4, w += 4 * LANES) {
        __m512i weights = _mm512_xor_si512(_mm512_loadu_si512(w), _mm512_set1_epi8(-128));
        for (size_t r = 0; r < n_rows; r++)
            sums[r] =
                add_products(sums[r], _mm512_set1_epi32(four_bytes(x + r * n_inputs + k)), weights);
    }
}

/* Rows m to m + n_rows of the outputs n to n + 16. */
static inline void linear_tile(float *y, const struct kernels_int8_rows *x,
                               const struct kernels_int8_weights *w, size_t m, size_t n,
                               size_t n_rows)
{
    size_t n_blocks = w->n_inputs / KERNELS_BLOCK;
    struct lanes acc[ROWS];

    for (size_t r = 0; r < n_rows; r++)
        acc[r] = lanes_load(w->bias + n);
    for (size_t b = 0; b < n_blocks; b++) {
        __m512i dots[ROWS];
        struct lanes scales = lanes_load(w->scales + b * w->n_outputs + n);

        dot_block(dots, x->values + m * w->n_inputs + b * KERNELS_BLOCK, n_rows, w->n_inputs,
                  w->values + n * w->n_inputs + b * KERNELS_BLOCK * LANES);
        for (size_t r = 0; r < n_rows; r++) {
            struct lanes dot = { _mm512_cvtepi32_ps(dots[r]) };
            acc[r] = lanes_fma(dot, lanes_mul(lanes_set(x->scales[(m + r) * n_blocks + b]), scales),
                               acc[r]);
        }
    }
    for (size_t r = 0; r < n_rows; r++)
        lanes_store(y + (m + r) * w->n_outputs + n, acc[r]);
}

static void linear_int8(float *y, const struct kernels_int8_rows *x,
                        const struct kernels_int8_weights *w)
{
    ASSERT(x->n_columns == w->n_inputs && w->n_outputs % LANES == 0);
    for (size_t n = 0; n < w->n_outputs; n += LANES) {
        size_t m = 0;

        for (; m + ROWS <= x->n_rows; m += ROWS)
            linear_tile(y, x, w, m, n, ROWS);
        for (; m < x->n_rows; m++)
            linear_tile(y, x, w, m, n, 1);
    }
}

void kernels_fill_avx512(struct kernels *kernels)
{
    fill_rows(kernels);
    kernels->linear_int8 = linear_int8;
}
