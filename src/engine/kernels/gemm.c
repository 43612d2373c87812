#include "engine/kernels/gemm.h"

#include "base/macros.h"
#include "engine/kernels/cpu.h"
#include "engine/kernels/gemm_internal.h"

#include <string.h>

void gemm_scalar(const struct gemm *g)
{
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            float sum = g->accumulate ? g->c[i * g->c_stride + j] : 0.0f;

            for (size_t k = 0; k < g->depth; k++)
                sum += g->a.at[i * g->a.row + k * g->a.column] *
                       g->b.at[k * g->b.row + j * g->b.column];
            g->c[i * g->c_stride + j] = sum;
        }
    }
}

/* Fastest first. */
static const struct {
    struct gemm_kernel kernel;
    enum cpu needs;
} rows[] = {
#ifdef SHOAL_ONEDNN
    { { "dnnl", gemm_dnnl }, CPU_SCALAR }, /* it asks the CPU itself */
#endif
#if defined(__x86_64__)
    { { "avx512", gemm_avx512 }, CPU_AVX512 },
    { { "avx2", gemm_avx2 }, CPU_AVX2 },
#endif
    { { "scalar", gemm_scalar }, CPU_SCALAR },
};

const struct gemm_kernel *gemm_kernel_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].kernel.name, name) == 0 && rows[i].needs <= cpu_best())
            return &rows[i].kernel;
    return NULL;
}

const struct gemm_kernel *gemm_kernel_best(void)
{
    size_t i = 0;

    while (rows[i].needs > cpu_best())
        i++;
    return &rows[i].kernel;
}
