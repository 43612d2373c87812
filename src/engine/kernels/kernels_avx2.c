#include "engine/kernels/kernels_internal.h"
#include "engine/kernels/lanes_avx2_internal.h"
#include "engine/kernels/rows_internal.h"

enum { ROWS = 2 /* at a time: with 16 registers, 2 rows by 16 outputs do not spill */ };

static inline int32_t four_bytes(const int8_t *x)
{
    int32_t bytes;

    memcpy(&bytes, x, sizeof(bytes));
    return bytes;
}

/* sum + the products of 4 inputs with 8 outputs. |x| * (w with x's sign) is w * x, and since both
 * are at most 127 the 16-bit sum of two products, at most 32,258, does not saturate. */
static inline __m256i add_products(__m256i sum, __m256i x, __m256i x_abs, __m256i w)
{
    __m256i pairs = _mm256_maddubs_epi16(x_abs, _mm256_sign_epi8(w, x));

    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static inline __m256i load_weights(const uint8_t *w)
{
    return _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)w),
                            _mm256_set1_epi8(-128));
}

static inline void dot_block(__m256i sums[ROWS][2], const int8_t *x, size_t n_rows, size_t n_inputs,
                             const uint8_t *w)
{
    for (size_t r = 0; r < n_rows; r++)
        sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    for (size_t k = 0; k < KERNELS_BLOCK; k += 4, w += 4 * LANES) {
        __m256i low = load_weights(w), high = load_weights(w + 2 * LANES);
        for (size_t r = 0; r < n_rows; r++) {
            __m256i inputs = _mm256_set1_epi32(four_bytes(x + r * n_inputs + k));
            __m256i inputs_abs = _mm256_abs_epi8(inputs);
            sums[r][0] = add_products(sums[r][0], inputs, inputs_abs, low);
            sums[r][1] = add_products(sums[r][1], inputs, inputs_abs, high);
        }
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
        __m256i dots[ROWS][2];
        struct lanes scales = lanes_load(w->scales + b * w->n_outputs + n);

        dot_block(dots, x->values + m * w->n_inputs + b * KERNELS_BLOCK, n_rows, w->n_inputs,
                  w->values + n * w->n_inputs + b * KERNELS_BLOCK * LANES);
        for (size_t r = 0; r < n_rows; r++) {
            struct lanes dot = { _mm256_cvtepi32_ps(dots[r][0]), _mm256_cvtepi32_ps(dots[r][1]) };
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

void kernels_fill_avx2(struct kernels *kernels)
{
    fill_rows(kernels);
    kernels->linear_int8 = linear_int8;
}
