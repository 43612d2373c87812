/* gemm_bf16_internal.h - what the rows of the bf16 table share. */
#ifndef ENGINE_KERNELS_GEMM_BF16_INTERNAL_H
#define ENGINE_KERNELS_GEMM_BF16_INTERNAL_H

#include "engine/kernels/gemm_bf16.h"

/* Denormal numbers are zeros, for the current thread: the bits DAZ and FTZ of MXCSR. */
enum { GEMM_BF16_FLUSH = 0x8040 };

/* Only called when the CPU has them. */
gemm_bf16_fn gemm_bf16_avx2, gemm_bf16_avx512, gemm_bf16_avx512_bf16;

/* Behind the last k of the block that begins with k. */
static inline size_t gemm_bf16_block_end(const struct gemm_bf16 *g, size_t k)
{
    return k + GEMM_BF16_BLOCK < g->b->depth ? k + GEMM_BF16_BLOCK : g->b->depth;
}

/* The panel of column j, a multiple of GEMM_BF16_PANEL, from k on. */
static inline const uint16_t *gemm_bf16_panel(const struct gemm_bf16 *g, size_t j, size_t k)
{
    return g->b->panels + j * g->b->depth + k * GEMM_BF16_PANEL;
}

#endif
