#include "engine/kernels/gemm.h"

#include "base/macros.h"
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
static const struct gemm_kernel rows[] = {
#ifdef SHOAL_ONEDNN
    { "dnnl", gemm_dnnl },
#endif
#if defined(__x86_64__)
    { "avx512", gemm_avx512 },
    { "avx2", gemm_avx2 },
#endif
    { "scalar", gemm_scalar },
};

static bool cpu_runs(const struct gemm_kernel *row)
{
#if defined(__x86_64__)
    if (row->run == gemm_avx512)
        return __builtin_cpu_supports("avx512f");
    if (row->run == gemm_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return true;
}

const struct gemm_kernel *gemm_kernel_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].name, name) == 0 && cpu_runs(&rows[i]))
            return &rows[i];
    return NULL;
}

const struct gemm_kernel *gemm_kernel_best(void)
{
    size_t i = 0;

    while (!cpu_runs(&rows[i]))
        i++;
    return &rows[i];
}
