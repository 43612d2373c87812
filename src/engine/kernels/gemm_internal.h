/* gemm_internal.h - what the rows of the gemm table share. */
#ifndef ENGINE_KERNELS_GEMM_INTERNAL_H
#define ENGINE_KERNELS_GEMM_INTERNAL_H

#include "engine/kernels/gemm.h"

/* One register tile: `rows` rows of A, no more than the kernel's own number, times one packed panel
 * of B, (depth, vectors * lanes) contiguous. c receives `rows` rows of as many columns. */
typedef void gemm_tile_fn(const struct gemm_view *a, size_t rows, size_t depth, const float *panel,
                          size_t vectors, float *c, size_t c_stride, bool accumulate);

/* 8 x 8 values from rows to columns: to[k * to_stride + j] = from[j * from_stride + k]. */
typedef void gemm_transpose_fn(float *to, size_t to_stride, const float *from, size_t from_stride);

struct gemm_tile {
    size_t rows, vectors, lanes; /* of C: rows, and the most vectors of so many columns */
    gemm_tile_fn *run;
    gemm_transpose_fn *transpose;
};

/* The blocked product around a register tile. */
void gemm_blocked(const struct gemm *g, const struct gemm_tile *tile);

/* Only called when the CPU has them. */
extern const struct gemm_tile gemm_tile_avx2, gemm_tile_avx512;
gemm_fn gemm_avx2, gemm_avx512;

#endif
