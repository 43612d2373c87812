/* gemm_avx2.c - the register tile of AVX2: 4 rows of 3 vectors, 12 accumulators. */
#include "engine/kernels/gemm_internal.h"

#include <immintrin.h>

enum { ROWS = 4, VECTORS = 3, LANES = 8 };

static void tile_run(struct gemm_view a, size_t rows, size_t depth, const float *panel, float *c,
                     size_t c_stride, bool accumulate)
{
    __m256 sum[ROWS][VECTORS];
    const float *line[ROWS];

    /* Missing rows repeat the last one; their sums are computed and not stored. */
    for (size_t r = 0; r < ROWS; r++)
        line[r] = a.at + (r < rows ? r : rows - 1) * a.row;
#pragma GCC unroll 4
    for (size_t r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (size_t v = 0; v < VECTORS; v++)
            sum[r][v] = _mm256_setzero_ps();

    for (size_t k = 0; k < depth; k++, panel += VECTORS * LANES) {
        __m256 b0 = _mm256_load_ps(panel), b1 = _mm256_load_ps(panel + LANES);
        __m256 b2 = _mm256_load_ps(panel + 2 * LANES);

#pragma GCC unroll 4
        for (size_t r = 0; r < ROWS; r++) {
            __m256 x = _mm256_set1_ps(line[r][k * a.column]);

            sum[r][0] = _mm256_fmadd_ps(x, b0, sum[r][0]);
            sum[r][1] = _mm256_fmadd_ps(x, b1, sum[r][1]);
            sum[r][2] = _mm256_fmadd_ps(x, b2, sum[r][2]);
        }
    }

#pragma GCC unroll 4
    for (size_t r = 0; r < ROWS; r++) {
#pragma GCC unroll 3
        for (size_t v = 0; v < VECTORS; v++) {
            float *to = c + r * c_stride + v * LANES;

            if (r < rows)
                _mm256_storeu_ps(to, accumulate ? _mm256_add_ps(_mm256_loadu_ps(to), sum[r][v])
                                                : sum[r][v]);
        }
    }
}

const struct gemm_tile gemm_tile_avx2 = { ROWS, VECTORS *LANES, tile_run };

void gemm_avx2(const struct gemm *g)
{
    gemm_blocked(g, &gemm_tile_avx2);
}
