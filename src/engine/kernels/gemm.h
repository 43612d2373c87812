/*
 * gemm.h - f32 matrix products of training: one thread, one product, strided operands.
 *
 *     C[i,j] (+)= sum over k of A[i,k] B[k,j]        i < m, j < n, k < depth
 *
 * Every row of the table gives the same bytes (of a NaN: a NaN), and an element the same whatever
 * m, n and the strides are: so training means the same numbers on every CPU, with every number of
 * threads and however rows are packed together. gemm_scalar is the definition:
 *
 *     sum = fma(A[i,k], B[k,j], sum)        k ascending, from 0 for every GEMM_DEPTH_BLOCK of k
 *
 * The blocks' sums are added to C in their order; the first is C itself unless C is added to.
 */
#ifndef ENGINE_KERNELS_GEMM_H
#define ENGINE_KERNELS_GEMM_H

#include "engine/kernels/cpu.h"

#include <stdbool.h>
#include <stddef.h>

/* A borrowed (rows, columns) matrix: element (i,j) is at[i * row + j * column]. For the operands of
 * a product one of the two strides is 1, so that a transpose is a view. */
struct gemm_view {
    const float *at;
    size_t row, column; /* in floats */
};

static inline struct gemm_view gemm_plain(const float *at, size_t stride)
{
    return (struct gemm_view){ at, stride, 1 };
}

static inline struct gemm_view gemm_transposed(const float *at, size_t stride)
{
    return (struct gemm_view){ at, 1, stride };
}

struct gemm {
    size_t m, n, depth;
    struct gemm_view a; /* (m, depth) */
    struct gemm_view b; /* (depth, n) */
    float *c;           /* (m, n) row-major; overlaps neither operand */
    size_t c_stride;    /* >= n */
    bool accumulate;    /* C += AB instead of C = AB */
};

enum { GEMM_DEPTH_BLOCK = 192, GEMM_STACK_BYTES = 48 << 10 };

/* m may be 0, n and depth may not. Cannot fail; allocates nothing; uses up to GEMM_STACK_BYTES of
 * the caller's stack. */
typedef void gemm_fn(const struct gemm *g);

gemm_fn gemm_scalar;

/* The row for a CPU; it is at most cpu_best(). */
gemm_fn *gemm_for(enum cpu cpu);

#endif
