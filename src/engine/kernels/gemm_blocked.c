/*
 * gemm_blocked.c - the loops around a register tile.
 *
 * B is copied, GEMM_DEPTH_BLOCK rows of one tile's width at a time, into a panel that stays in the
 * L1 cache while all rows of A pass; its columns past the end are zero. A is read where it lies: a
 * tile touches only a few of its rows at a time, and each of them in order.
 */
#include "engine/kernels/gemm_internal.h"

#include "base/macros.h"

#include <stdalign.h>
#include <string.h>

enum {
    TILE_ROWS_MAX = 8,
    TILE_WIDTH_MAX = 48,
    TRANSPOSED = 8,
    COLUMNS_BLOCK = 16 * TILE_WIDTH_MAX, /* of C: with a block of A they fit in the L2 cache */
    CACHE_LINE = 16,                     /* in floats */
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* B lies transposed: its lines are columns of the panel. */
static void pack_lines(float *panel, struct gemm_view b, size_t depth, size_t columns, size_t width,
                       gemm_transpose_fn *transpose)
{
    size_t j = 0, whole = depth / TRANSPOSED * TRANSPOSED;

    for (; j + TRANSPOSED <= columns; j += TRANSPOSED) {
        const float *line = b.at + j * b.column;

        for (size_t k = 0; k < whole; k += TRANSPOSED)
            transpose(panel + k * width + j, width, line + k, b.column);
        for (size_t k = whole; k < depth; k++)
            for (size_t l = 0; l < TRANSPOSED; l++)
                panel[k * width + j + l] = line[l * b.column + k];
    }
    for (; j < columns; j++)
        for (size_t k = 0; k < depth; k++)
            panel[k * width + j] = b.at[j * b.column + k];
}

/* One panel: (depth, width) contiguous, from `columns` <= width columns of b. */
static void pack_panel(float *panel, struct gemm_view b, size_t depth, size_t columns, size_t width,
                       gemm_transpose_fn *transpose)
{
    if (columns < width)
        memset(panel, 0, depth * width * sizeof(*panel));
    if (b.column != 1) {
        pack_lines(panel, b, depth, columns, width, transpose);
        return;
    }
    for (size_t k = 0; k < depth; k++)
        memcpy(panel + k * width, b.at + k * b.row, columns * sizeof(*panel));
}

/* A tile whose last columns are not C's: only the others are copied. */
static void run_edge(const struct gemm_tile *tile, const struct gemm_view *a, size_t rows,
                     size_t depth, const float *panel, size_t vectors, float *c, size_t c_stride,
                     size_t columns, bool accumulate)
{
    alignas(64) float edge[TILE_ROWS_MAX * TILE_WIDTH_MAX];
    size_t width = vectors * tile->lanes;

    tile->run(a, rows, depth, panel, vectors, edge, width, false);
    for (size_t r = 0; r < rows; r++) {
        if (!accumulate)
            memcpy(c + r * c_stride, edge + r * width, columns * sizeof(*c));
        for (size_t j = 0; j < columns && accumulate; j++)
            c[r * c_stride + j] += edge[r * width + j];
    }
}

/* The part of B that is packed next: its lines are asked for while tiles run, a few before each, as
 * each lies in another page, which the processor does not foresee. */
struct coming {
    const float *at;
    size_t stride, n_lines, length; /* in floats; n_lines 0: there is none */
    size_t n_asked;
};

static struct coming coming_of(struct gemm_view b, size_t depth, size_t columns)
{
    if (columns == 0)
        return (struct coming){ 0 };
    if (b.column == 1)
        return (struct coming){ b.at, b.row, depth, columns, 0 };
    return (struct coming){ b.at, b.column, columns, depth, 0 };
}

static void ask_for(struct coming *coming, size_t end)
{
    for (; coming->n_asked < end; coming->n_asked++) {
        const float *line = coming->at + coming->n_asked * coming->stride;

        for (size_t i = 0; i < coming->length; i += CACHE_LINE)
            __builtin_prefetch(line + i, 0, 2);
        __builtin_prefetch(line + coming->length - 1, 0, 2);
    }
}

/* A part of the product: columns of C, and a block of the depth. */
struct part {
    struct gemm_view a, b; /* from the part's first row, column and depth on */
    size_t depth, columns;
    float *c;
    bool accumulate;
};

static struct part part_of(const struct gemm *g, size_t j, size_t end, size_t k)
{
    return (struct part){
        .a = { g->a.at + k * g->a.column, g->a.row, g->a.column },
        .b = { g->b.at + k * g->b.row + j * g->b.column, g->b.row, g->b.column },
        .depth = least(GEMM_DEPTH_BLOCK, g->depth - k),
        .columns = end - j,
        .c = g->c + j,
        .accumulate = g->accumulate || k > 0,
    };
}

/* All rows of C, one panel of columns. */
static void multiply_panel(const struct gemm *g, const struct gemm_tile *tile, const struct part *p,
                           const float *panel, struct coming *coming)
{
    size_t vectors = (p->columns + tile->lanes - 1) / tile->lanes;

    for (size_t i = 0; i < g->m; i += tile->rows) {
        struct gemm_view a = { p->a.at + i * p->a.row, p->a.row, p->a.column };
        size_t rows = least(tile->rows, g->m - i);
        float *c = p->c + i * g->c_stride;

        ask_for(coming, coming->n_lines * (i + rows) / g->m);
        if (p->columns % tile->lanes == 0)
            tile->run(&a, rows, p->depth, panel, vectors, c, g->c_stride, p->accumulate);
        else
            run_edge(tile, &a, rows, p->depth, panel, vectors, c, g->c_stride, p->columns,
                     p->accumulate);
    }
}

/* Columns j to end, one block of the depth from k on. */
static void multiply_block(const struct gemm *g, const struct gemm_tile *tile, size_t j, size_t end,
                           size_t k)
{
    alignas(64) float panel[GEMM_DEPTH_BLOCK * TILE_WIDTH_MAX];
    size_t width = tile->vectors * tile->lanes;

    for (size_t next; j < end; j = next) {
        next = least(j + width, end);
        struct part part = part_of(g, j, next, k);
        struct gemm_view b = { part.b.at + width * part.b.column, part.b.row, part.b.column };
        struct coming coming = coming_of(b, part.depth, least(width, end - next));
        size_t whole = (part.columns + tile->lanes - 1) / tile->lanes * tile->lanes;

        pack_panel(panel, part.b, part.depth, part.columns, whole, tile->transpose);
        multiply_panel(g, tile, &part, panel, &coming);
    }
}

void gemm_blocked(const struct gemm *g, const struct gemm_tile *tile)
{
    ASSERT(tile->rows <= TILE_ROWS_MAX && tile->vectors * tile->lanes <= TILE_WIDTH_MAX);

    for (size_t j = 0; j < g->n; j += COLUMNS_BLOCK)
        for (size_t k = 0; k < g->depth; k += GEMM_DEPTH_BLOCK)
            multiply_block(g, tile, j, least(j + COLUMNS_BLOCK, g->n), k);
}
