#include "engine/kernels/gemm.h"

#include "base/macros.h"
#include "engine/kernels/cpu.h"
#include "engine/kernels/gemm_internal.h"

#include <math.h>

static float sum_block(const struct gemm *g, size_t i, size_t j, size_t k)
{
    size_t end = g->depth - k < GEMM_DEPTH_BLOCK ? g->depth : k + GEMM_DEPTH_BLOCK;
    float sum = 0.0f;

    for (; k < end; k++)
        sum = fmaf(g->a.at[i * g->a.row + k * g->a.column], g->b.at[k * g->b.row + j * g->b.column],
                   sum);
    return sum;
}

void gemm_scalar(const struct gemm *g)
{
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            float *c = &g->c[i * g->c_stride + j], first = sum_block(g, i, j, 0);

            *c = g->accumulate ? *c + first : first;
            for (size_t k = GEMM_DEPTH_BLOCK; k < g->depth; k += GEMM_DEPTH_BLOCK)
                *c += sum_block(g, i, j, k);
        }
    }
}

gemm_fn *gemm_for(enum cpu cpu)
{
    ASSERT(cpu <= cpu_best());
#if defined(__x86_64__)
    if (cpu >= CPU_AVX512)
        return gemm_avx512;
    if (cpu >= CPU_AVX2)
        return gemm_avx2;
#endif
    return gemm_scalar;
}
