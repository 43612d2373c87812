/* gemm_internal.h - what the rows of the gemm table share. */
#ifndef ENGINE_KERNELS_GEMM_INTERNAL_H
#define ENGINE_KERNELS_GEMM_INTERNAL_H

#include "engine/kernels/gemm.h"

/* One register tile: `rows` rows of A, no more than the kernel's own number, times one packed panel
 * of B, (depth, width) contiguous. c receives `rows` rows of `width` columns. */
typedef void gemm_tile_fn(struct gemm_view a, size_t rows, size_t depth, const float *panel,
                          float *c, size_t c_stride, bool accumulate);

struct gemm_tile {
    size_t rows, width;
    gemm_tile_fn *run;
};

/* The blocked product around a register tile. */
void gemm_blocked(const struct gemm *g, const struct gemm_tile *tile);

/* Only called when the CPU has them. */
extern const struct gemm_tile gemm_tile_avx2, gemm_tile_avx512;
gemm_fn gemm_avx2, gemm_avx512;
gemm_fn gemm_dnnl; /* only in builds with SHOAL_ONEDNN */

#endif
