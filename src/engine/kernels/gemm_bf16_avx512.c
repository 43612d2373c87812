/* gemm_bf16_avx512.c - bf16 products by VDPBF16PS: 8 rows of 3 vectors, 24 accumulators. */
#include "engine/kernels/gemm_bf16_internal.h"

#include <immintrin.h>

enum { ROWS = 8, VECTORS = 3, LANES = 16 };

_Static_assert(VECTORS *LANES == GEMM_BF16_PANEL, "a tile is as wide as a panel");

/* Pairs of one row, or of 16 columns. */
static __m512bh pairs_at(const uint16_t *at)
{
    return (__m512bh)_mm512_loadu_si512(at);
}

static __m512bh same_pair(const uint16_t *at)
{
    int pair;

    memcpy(&pair, at, sizeof(pair));
    return (__m512bh)_mm512_set1_epi32(pair);
}

/* sum of the block is added to C, or written there; lanes from `columns` on are not touched. */
static void store(float *c, size_t columns, __m512 sum, bool accumulate)
{
    __mmask16 mask = columns >= LANES ? 0xffff : (__mmask16)((1u << columns) - 1);

    if (accumulate)
        sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), sum);
    _mm512_mask_storeu_ps(c, mask, sum);
}

/* `rows` rows of A from k on, `depth` values of each, times a panel. c: `columns` of its columns.
 */
static void run_tile(const struct gemm_bf16 *g, const uint16_t *a, size_t rows, size_t depth,
                     const uint16_t *panel, float *c, size_t columns, bool accumulate)
{
    __m512 sum[ROWS][VECTORS];
    const uint16_t *line[ROWS];

    /* Missing rows repeat the last one; their sums are computed and not stored. */
    for (size_t r = 0; r < ROWS; r++)
        line[r] = a + (r < rows ? r : rows - 1) * g->b->depth;
#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (size_t v = 0; v < VECTORS; v++)
            sum[r][v] = _mm512_setzero_ps();

    for (size_t k = 0; k < depth; k += 2, panel += 2 * GEMM_BF16_PANEL) {
        __m512bh b0 = pairs_at(panel), b1 = pairs_at(panel + 2 * LANES);
        __m512bh b2 = pairs_at(panel + 4 * LANES);

#pragma GCC unroll 8
        for (size_t r = 0; r < ROWS; r++) {
            __m512bh x = same_pair(line[r] + k);

            sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, b0);
            sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, b1);
            sum[r][2] = _mm512_dpbf16_ps(sum[r][2], x, b2);
        }
    }

#pragma GCC unroll 8
    for (size_t r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (size_t v = 0; v < VECTORS; v++)
            if (r < rows && v * LANES < columns)
                store(c + r * g->c_stride + v * LANES, columns - v * LANES, sum[r][v], accumulate);
}

void gemm_bf16_avx512_bf16(const struct gemm_bf16 *g)
{
    unsigned before = _mm_getcsr();

    _mm_setcsr(before | GEMM_BF16_FLUSH); /* for the sums with C; VDPBF16PS flushes always */
    for (size_t j = 0; j < g->b->n; j += GEMM_BF16_PANEL) {
        for (size_t k = 0; k < g->b->depth; k += GEMM_BF16_BLOCK) {
            size_t depth = gemm_bf16_block_end(g, k) - k;
            const uint16_t *panel = gemm_bf16_panel(g, j, k);

            for (size_t i = 0; i < g->m; i += ROWS)
                run_tile(g, g->a + i * g->b->depth + k, g->m - i < ROWS ? g->m - i : ROWS, depth,
                         panel, g->c + i * g->c_stride + j, g->b->n - j, g->accumulate || k > 0);
        }
    }
    _mm_setcsr(before);
}
