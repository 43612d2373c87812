/*
 * gemm_blocked.c - the loops around a register tile.
 *
 * B is copied, DEPTH_BLOCK rows of one tile's width at a time, into a panel that stays in the L1
 * cache while all rows of A pass; its columns past the end are zero. A is read where it lies: a
 * tile touches only a few of its rows at a time, and each of them in order.
 */
#include "engine/kernels/gemm_internal.h"

#include "base/macros.h"

#include <stdalign.h>
#include <string.h>

enum { DEPTH_BLOCK = 192, TILE_ROWS_MAX = 8, TILE_WIDTH_MAX = 48 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* One panel: (depth, width) contiguous, from `columns` <= width columns of b. */
static void pack_panel(float *panel, struct gemm_view b, size_t depth, size_t columns, size_t width)
{
    if (columns < width)
        memset(panel, 0, depth * width * sizeof(*panel));
    if (b.column == 1) {
        for (size_t k = 0; k < depth; k++)
            memcpy(panel + k * width, b.at + k * b.row, columns * sizeof(*panel));
        return;
    }
    /* B lies transposed: read 8 of its lines in step, so that writes fill whole cache lines. */
    size_t j = 0;
    for (; j + 8 <= columns; j += 8) {
        const float *line = b.at + j * b.column;

        for (size_t k = 0; k < depth; k++)
            for (size_t l = 0; l < 8; l++)
                panel[k * width + j + l] = line[l * b.column + k * b.row];
    }
    for (; j < columns; j++)
        for (size_t k = 0; k < depth; k++)
            panel[k * width + j] = b.at[j * b.column + k * b.row];
}

/* All rows of C, one panel of columns. */
static void multiply_panel(const struct gemm *g, const struct gemm_tile *tile, struct gemm_view a,
                           size_t depth, const float *panel, float *c, size_t columns,
                           bool accumulate)
{
    alignas(64) float edge[TILE_ROWS_MAX * TILE_WIDTH_MAX];

    for (size_t i = 0; i < g->m; i += tile->rows) {
        struct gemm_view a_rows = { a.at + i * a.row, a.row, a.column };
        size_t rows = least(tile->rows, g->m - i);
        float *c_rows = c + i * g->c_stride;

        if (columns == tile->width) {
            tile->run(a_rows, rows, depth, panel, c_rows, g->c_stride, accumulate);
            continue;
        }
        tile->run(a_rows, rows, depth, panel, edge, tile->width, false);
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < columns; j++)
                c_rows[r * g->c_stride + j] =
                    edge[r * tile->width + j] + (accumulate ? c_rows[r * g->c_stride + j] : 0.0f);
    }
}

void gemm_blocked(const struct gemm *g, const struct gemm_tile *tile)
{
    alignas(64) float panel[DEPTH_BLOCK * TILE_WIDTH_MAX];

    ASSERT(tile->rows <= TILE_ROWS_MAX && tile->width <= TILE_WIDTH_MAX);

    for (size_t j = 0; j < g->n; j += tile->width) {
        size_t columns = least(tile->width, g->n - j);

        for (size_t k = 0; k < g->depth; k += DEPTH_BLOCK) {
            size_t depth = least(DEPTH_BLOCK, g->depth - k);
            struct gemm_view a = { g->a.at + k * g->a.column, g->a.row, g->a.column };
            struct gemm_view b = { g->b.at + k * g->b.row + j * g->b.column, g->b.row,
                                   g->b.column };

            pack_panel(panel, b, depth, columns, tile->width);
            multiply_panel(g, tile, a, depth, panel, g->c + j, columns, g->accumulate || k > 0);
        }
    }
}
