/* gemm_avx512.c - the register tile of AVX-512: 8 rows of up to 3 vectors, 24 accumulators. */
#include "engine/kernels/gemm_internal.h"

#include "engine/kernels/gemm_transpose_internal.h"

#include <immintrin.h>

enum { ROWS = 8, VECTORS = 3, LANES = 16, AHEAD = 16 };

static inline __attribute__((always_inline)) void tile_of(const struct gemm_view *a, size_t rows,
                                                          size_t depth, const float *panel,
                                                          size_t vectors, float *c, size_t c_stride,
                                                          bool accumulate)
{
    __m512 sum[ROWS][VECTORS];
    const float *line[ROWS];
    const size_t column = a->column;

    /* Missing rows repeat the last one; their sums are computed and not stored. */
    for (size_t r = 0; r < ROWS; r++)
        line[r] = a->at + (r < rows ? r : rows - 1) * a->row;
#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (size_t v = 0; v < vectors; v++)
            sum[r][v] = _mm512_setzero_ps();

    for (size_t k = 0; k < depth; k++, panel += vectors * LANES) {
        __m512 b[VECTORS];

        /* Of a transposed A each k is another page, which the processor does not foresee. */
        _mm_prefetch((const char *)(line[0] + (k + AHEAD) * column), _MM_HINT_T0);
#pragma GCC unroll 3
        for (size_t v = 0; v < vectors; v++)
            b[v] = _mm512_load_ps(panel + v * LANES);
#pragma GCC unroll 8
        for (size_t r = 0; r < ROWS; r++) {
            __m512 x = _mm512_set1_ps(line[r][k * column]);

#pragma GCC unroll 3
            for (size_t v = 0; v < vectors; v++)
                sum[r][v] = _mm512_fmadd_ps(x, b[v], sum[r][v]);
        }
    }

#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++) {
#pragma GCC unroll 3
        for (size_t v = 0; v < vectors; v++) {
            float *to = c + r * c_stride + v * LANES;

            if (r < rows)
                _mm512_storeu_ps(to, accumulate ? _mm512_add_ps(_mm512_loadu_ps(to), sum[r][v])
                                                : sum[r][v]);
        }
    }
}

/* Each width is compiled for itself, so that its sums stay in registers. */
static void tile_run(const struct gemm_view *a, size_t rows, size_t depth, const float *panel,
                     size_t vectors, float *c, size_t c_stride, bool accumulate)
{
    switch (vectors) {
    case 1: tile_of(a, rows, depth, panel, 1, c, c_stride, accumulate); break;
    case 2: tile_of(a, rows, depth, panel, 2, c, c_stride, accumulate); break;
    case 3: tile_of(a, rows, depth, panel, 3, c, c_stride, accumulate); break;
    }
}

const struct gemm_tile gemm_tile_avx512 = { ROWS, VECTORS, LANES, tile_run, transpose_8 };

void gemm_avx512(const struct gemm *g)
{
    gemm_blocked(g, &gemm_tile_avx512);
}
