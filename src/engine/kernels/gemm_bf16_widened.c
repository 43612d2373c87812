/*
 * gemm_bf16_widened.c - bf16 products on a CPU without the instruction for them.
 *
 * A bf16 shifted up by 16 bits is its f32. So the operands are widened, the odd k of each pair
 * first, and go through the register tile of the f32 products, which adds in that order from 0.
 */
#include "engine/kernels/gemm_bf16_internal.h"

#include "base/macros.h"
#include "engine/kernels/gemm_internal.h"

#include <immintrin.h>
#include <stdalign.h>

enum { TILE_ROWS_MAX = 8 };

/* Operands of one tile. */
struct widened {
    alignas(64) float panel[GEMM_BF16_BLOCK * GEMM_BF16_PANEL]; /* (depth, tile width) */
    alignas(64) float a[TILE_ROWS_MAX][GEMM_BF16_BLOCK];
    alignas(64) float edge[TILE_ROWS_MAX * GEMM_BF16_PANEL];
};

static float value_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The odd and the even value of the pair at `pair`. */
static void widen(const uint16_t *pair, float *odd, float *even)
{
    uint32_t both;

    memcpy(&both, pair, sizeof(both));
    *odd = value_of(both & 0xffff0000);
    *even = value_of(both << 16);
}

/* (depth, width) from columns first to first + width of a panel of bf16. */
static void widen_panel(float *panel, const uint16_t *from, size_t depth, size_t first,
                        size_t width)
{
    for (size_t k = 0; k < depth; k += 2, panel += 2 * width, from += 2 * GEMM_BF16_PANEL)
        for (size_t j = 0; j < width; j++)
            widen(from + 2 * (first + j), panel + j, panel + width + j);
}

static void widen_rows(struct widened *w, const uint16_t *a, size_t stride, size_t rows,
                       size_t depth)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < depth; k += 2) {
            uint32_t pair;

            memcpy(&pair, a + r * stride + k, sizeof(pair));
            uint64_t both = (uint64_t)pair << 48 | (pair & 0xffff0000); /* the odd one first */
            memcpy(&w->a[r][k], &both, sizeof(both));
        }
}

static size_t width_of(const struct gemm_tile *tile)
{
    return tile->vectors * tile->lanes;
}

/* Rows of C from i on, `columns` columns of it from j on; k from `first` to `end`. */
static void run_tile(const struct gemm_bf16 *g, const struct gemm_tile *tile, struct widened *w,
                     size_t i, size_t j, size_t columns, size_t first, size_t end)
{
    size_t rows = tile->rows < g->m - i ? tile->rows : g->m - i, depth = g->b->depth;
    bool accumulate = g->accumulate || first > 0;
    struct gemm_view a = gemm_plain(w->a[0], GEMM_BF16_BLOCK);
    float *c = g->c + i * g->c_stride + j;

    widen_rows(w, g->a + i * depth + first, depth, rows, end - first);
    if (columns == width_of(tile)) {
        tile->run(&a, rows, end - first, w->panel, tile->vectors, c, g->c_stride, accumulate);
        return;
    }
    tile->run(&a, rows, end - first, w->panel, tile->vectors, w->edge, width_of(tile), false);
    for (size_t r = 0; r < rows; r++)
        for (size_t l = 0; l < columns; l++) {
            float sum = w->edge[r * width_of(tile) + l];

            c[r * g->c_stride + l] = accumulate ? c[r * g->c_stride + l] + sum : sum;
        }
}

static void multiply(const struct gemm_bf16 *g, const struct gemm_tile *tile)
{
    struct widened w;
    size_t width = width_of(tile);
    unsigned before = _mm_getcsr();

    ASSERT(tile->rows <= TILE_ROWS_MAX && GEMM_BF16_PANEL % width == 0);
    _mm_setcsr(before | GEMM_BF16_FLUSH);
    for (size_t j = 0; j < g->b->n; j += width) {
        size_t left = g->b->n - j, column = j % GEMM_BF16_PANEL;

        for (size_t k = 0; k < g->b->depth; k += GEMM_BF16_BLOCK) {
            size_t end = gemm_bf16_block_end(g, k);

            widen_panel(w.panel, gemm_bf16_panel(g, j - column, k), end - k, column, width);
            for (size_t i = 0; i < g->m; i += tile->rows)
                run_tile(g, tile, &w, i, j, left < width ? left : width, k, end);
        }
    }
    _mm_setcsr(before);
}

void gemm_bf16_avx2(const struct gemm_bf16 *g)
{
    multiply(g, &gemm_tile_avx2);
}

void gemm_bf16_avx512(const struct gemm_bf16 *g)
{
    multiply(g, &gemm_tile_avx512);
}
