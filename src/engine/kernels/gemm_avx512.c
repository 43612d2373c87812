/* gemm_avx512.c - the register tile of AVX-512: 8 rows of 3 vectors, 24 accumulators. */
#include "engine/kernels/gemm_internal.h"

#include <immintrin.h>

enum { ROWS = 8, VECTORS = 3, LANES = 16 };

static void tile_run(struct gemm_view a, size_t rows, size_t depth, const float *panel, float *c,
                     size_t c_stride, bool accumulate)
{
    __m512 sum[ROWS][VECTORS];
    const float *line[ROWS];

    /* Missing rows repeat the last one; their sums are computed and not stored. */
    for (size_t r = 0; r < ROWS; r++)
        line[r] = a.at + (r < rows ? r : rows - 1) * a.row;
#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (size_t v = 0; v < VECTORS; v++)
            sum[r][v] = _mm512_setzero_ps();

    for (size_t k = 0; k < depth; k++, panel += VECTORS * LANES) {
        __m512 b0 = _mm512_load_ps(panel), b1 = _mm512_load_ps(panel + LANES);
        __m512 b2 = _mm512_load_ps(panel + 2 * LANES);

#pragma GCC unroll 8
        for (size_t r = 0; r < ROWS; r++) {
            __m512 x = _mm512_set1_ps(line[r][k * a.column]);

            sum[r][0] = _mm512_fmadd_ps(x, b0, sum[r][0]);
            sum[r][1] = _mm512_fmadd_ps(x, b1, sum[r][1]);
            sum[r][2] = _mm512_fmadd_ps(x, b2, sum[r][2]);
        }
    }

#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++) {
#pragma GCC unroll 3
        for (size_t v = 0; v < VECTORS; v++) {
            float *to = c + r * c_stride + v * LANES;

            if (r < rows)
                _mm512_storeu_ps(to, accumulate ? _mm512_add_ps(_mm512_loadu_ps(to), sum[r][v])
                                                : sum[r][v]);
        }
    }
}

const struct gemm_tile gemm_tile_avx512 = { ROWS, VECTORS *LANES, tile_run };

void gemm_avx512(const struct gemm *g)
{
    gemm_blocked(g, &gemm_tile_avx512);
}
