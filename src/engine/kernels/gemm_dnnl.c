/*
 * gemm_dnnl.c - the one file that knows oneDNN (2.x and 3.x: dnnl_sgemm is the same in both).
 *
 * Debian's oneDNN is built with OpenMP, whose threads spin at barriers and collapse when another
 * process takes a core. So each call runs on the calling thread alone: the pool's threads are the
 * only ones. The OpenMP setting is per calling thread and cheap to repeat.
 */
#include "engine/kernels/gemm_internal.h"

#include "base/macros.h"

#include <dnnl.h>
#include <omp.h>

static char transposition(struct gemm_view view)
{
    return view.column == 1 ? 'N' : 'T';
}

static dnnl_dim_t stride(struct gemm_view view)
{
    return (dnnl_dim_t)(view.column == 1 ? view.row : view.column);
}

void gemm_dnnl(const struct gemm *g)
{
    omp_set_num_threads(1);
    dnnl_status_t status =
        dnnl_sgemm(transposition(g->a), transposition(g->b), (dnnl_dim_t)g->m, (dnnl_dim_t)g->n,
                   (dnnl_dim_t)g->depth, 1.0f, g->a.at, stride(g->a), g->b.at, stride(g->b),
                   g->accumulate ? 1.0f : 0.0f, g->c, (dnnl_dim_t)g->c_stride);

    /* It fails on wrong arguments, which are ours, and when it finds no memory for its own buffers:
     * then our own kernel has the same answer. */
    if (status == dnnl_out_of_memory)
        gemm_scalar(g);
    else
        ASSERT(status == dnnl_success);
}
