/*
 * gemm_bf16.h - products of training with a frozen weight in bf16, summed in f32; one thread.
 *
 *     C[i,j] (+)= sum over k of A[i,k] B[k,j]        i < m, j < n, k < depth
 *
 * A bf16 is the upper half of an f32. B is rounded and packed once, A before each product.
 *
 * Every row of the table gives the same bytes (of a NaN: a NaN): training in bf16 means the same
 * numbers on every CPU. gemm_bf16_scalar is the definition. Its step is what VDPBF16PS does with
 * one pair of k, as Intel's manual states it (SDM volume 2, "VDPBF16PS", operation):
 *
 *     sum = fma(A[i,k+1], B[k+1,j], sum); sum = fma(A[i,k], B[k,j], sum)        k even
 *
 * each rounded to the nearest even f32, denormal numbers taken as and flushed to zeros of their
 * sign. A sum starts from 0 for every GEMM_BF16_BLOCK of k and is then added to C with the same
 * rounding and flushing.
 *
 * "avx512_bf16" is that instruction, and the best row where it is fast. "avx512" and "avx2" take
 * the same steps with f32 multiply-adds on the widened values: as fast as f32 (gemm.h), no faster.
 */
#ifndef ENGINE_KERNELS_GEMM_BF16_H
#define ENGINE_KERNELS_GEMM_BF16_H

#include "engine/kernels/gemm.h"

#include <stdint.h>
#include <string.h>

enum { GEMM_BF16_BLOCK = 192, GEMM_BF16_PANEL = 48 /* columns of B side by side */ };

/* B (depth, n), borrowed. Panels of GEMM_BF16_PANEL columns one behind the other; a panel is
 * (depth / 2, columns) pairs of an even k and the k behind it. Columns past the end are 0. */
struct gemm_bf16_weights {
    size_t depth, n; /* depth is even */
    const uint16_t *panels;
};

struct gemm_bf16 {
    size_t m;
    const uint16_t *a; /* (m, b->depth) row-major, without gaps */
    const struct gemm_bf16_weights *b;
    float *c;        /* (m, b->n) row-major; overlaps neither operand */
    size_t c_stride; /* >= b->n */
    bool accumulate; /* C += AB instead of C = AB */
};

/* m may be 0, n and depth may not. Cannot fail; no allocation; uses up to GEMM_STACK_BYTES of the
 * caller's stack. */
typedef void gemm_bf16_fn(const struct gemm_bf16 *g);

struct gemm_bf16_kernel {
    const char *name;
    gemm_bf16_fn *run;
};

gemm_bf16_fn gemm_bf16_scalar;

/* The fastest row that this CPU and this build have; or the named one ("scalar", "avx2", "avx512",
 * "avx512_bf16"), NULL when it is not available here. */
const struct gemm_bf16_kernel *gemm_bf16_kernel_best(void);
const struct gemm_bf16_kernel *gemm_bf16_kernel_named(const char *name);

/* How many values the panels of (depth, n) have. */
size_t gemm_bf16_panels_len(size_t depth, size_t n);

/* panels (gemm_bf16_panels_len(),) from b (depth, n), rounded. */
void gemm_bf16_pack(struct gemm_view b, size_t depth, size_t n, uint16_t *panels);

/* To the nearest even; a NaN stays one. */
static inline uint16_t gemm_bf16_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
}

#endif
