#include "engine/kernels/kernels.h"

#include "base/macros.h"
#include "engine/kernels/kernels_internal.h"

void kernels_init(struct kernels *kernels, enum cpu cpu)
{
    ASSERT(cpu <= cpu_best());

    *kernels = (struct kernels){ .cpu = cpu };
    kernels_fill_scalar(kernels);
#if defined(__x86_64__)
    if (cpu >= CPU_AVX2)
        kernels_fill_avx2(kernels);
    if (cpu >= CPU_AVX512)
        kernels_fill_avx512(kernels);
    if (cpu >= CPU_VNNI)
        kernels_fill_vnni(kernels);
#endif
}

/* The keys in groups of 16, and the scores of four queries; T rounded up to whole lanes. */
size_t kernels_attention_floats(size_t n_tokens, size_t head_width)
{
    size_t n_padded = (n_tokens + KERNELS_LANES - 1) / KERNELS_LANES * KERNELS_LANES;

    return n_padded * (head_width + 4);
}

size_t kernels_cached_floats(size_t capacity)
{
    return 4 * capacity; /* the scores of four queries */
}
