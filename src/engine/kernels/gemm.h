/*
 * gemm.h - f32 matrix products of training: one thread, one product, strided operands.
 *
 *     C[i,j] (+)= sum over k of A[i,k] B[k,j]        i < m, j < n, k < depth
 *
 * Training cuts its work into fixed tiles and gives each tile to one thread of the pool, so a
 * product is always computed by one thread in one order: the same bytes on the same build and
 * kernel row, whatever the number of threads. Rows of the table may differ from each other in the
 * last bits (they add in other orders); served decisions never come from here.
 *
 * gemm_scalar is the definition. "dnnl" is oneDNN, the fastest, when the build has it; "avx512" and
 * "avx2" are our own (80 to 90 % of its speed at the shapes of training), used without oneDNN and
 * in sanitizer builds.
 */
#ifndef ENGINE_KERNELS_GEMM_H
#define ENGINE_KERNELS_GEMM_H

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

/* m may be 0, n and depth may not. Cannot fail; no allocation of
 * ours; uses up to GEMM_STACK_BYTES of the caller's stack. */
typedef void gemm_fn(const struct gemm *g);

enum { GEMM_STACK_BYTES = 48 << 10 };

struct gemm_kernel {
    const char *name; /* recorded with what was trained */
    gemm_fn *run;
};

gemm_fn gemm_scalar;

/* The fastest row that this CPU and this build have; or the named one ("scalar", "avx2", "avx512",
 * "dnnl"), NULL when it is not available here. */
const struct gemm_kernel *gemm_kernel_best(void);
const struct gemm_kernel *gemm_kernel_named(const char *name);

#endif
