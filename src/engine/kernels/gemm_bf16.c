#include "engine/kernels/gemm_bf16.h"

#include "base/macros.h"
#include "engine/kernels/cpu.h"
#include "engine/kernels/gemm_bf16_internal.h"

#include <float.h>
#include <math.h>

static float flushed(float x)
{
    return fabsf(x) < FLT_MIN ? copysignf(0.0f, x) : x;
}

static float widened(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return flushed(value);
}

/*
 * a b + sum, rounded once. What is flushed is decided as the processor does it, on the result
 * rounded to 24 bits as if exponents had no end: fmaf() cannot tell, because near FLT_MIN it rounds
 * to the coarser grid of the denormal numbers. The f64 sum can: there it is exact.
 */
static float multiply_add(float a, float b, float sum)
{
    const double least = 0x1.ffffffp-127; /* rounds to FLT_MIN; what is below does not */
    float result = fmaf(a, b, sum);

    return fabs((double)a * (double)b + (double)sum) < least ? copysignf(0.0f, result) : result;
}

/* The sum over k from first to end, of one i and j. */
static float block_sum(const struct gemm_bf16 *g, size_t i, size_t j, size_t first, size_t end)
{
    size_t depth = g->b->depth, column = j % GEMM_BF16_PANEL;
    const uint16_t *a = g->a + i * depth, *panel = g->b->panels + (j - column) * depth;
    float sum = 0.0f;

    for (size_t k = first; k < end; k += 2) {
        const uint16_t *pair = panel + k * GEMM_BF16_PANEL + 2 * column;

        sum = multiply_add(widened(a[k + 1]), widened(pair[1]), sum);
        sum = multiply_add(widened(a[k]), widened(pair[0]), sum);
    }
    return sum;
}

void gemm_bf16_scalar(const struct gemm_bf16 *g)
{
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->b->n; j++) {
            float *c = g->c + i * g->c_stride + j;

            for (size_t k = 0; k < g->b->depth; k += GEMM_BF16_BLOCK) {
                float sum = block_sum(g, i, j, k, gemm_bf16_block_end(g, k));

                *c = g->accumulate || k > 0 ? multiply_add(1.0f, sum, flushed(*c)) : sum;
            }
        }
    }
}

size_t gemm_bf16_panels_len(size_t depth, size_t n)
{
    return (n + GEMM_BF16_PANEL - 1) / GEMM_BF16_PANEL * GEMM_BF16_PANEL * depth;
}

void gemm_bf16_pack(struct gemm_view b, size_t depth, size_t n, uint16_t *panels)
{
    ASSERT(depth % 2 == 0);
    for (size_t first = 0; first < n; first += GEMM_BF16_PANEL) {
        for (size_t k = 0; k < depth; k += 2) {
            for (size_t j = first; j < first + GEMM_BF16_PANEL; j++, panels += 2) {
                size_t at = k * b.row + j * b.column;

                panels[0] = j < n ? gemm_bf16_of(b.at[at]) : 0;
                panels[1] = j < n ? gemm_bf16_of(b.at[at + b.row]) : 0;
            }
        }
    }
}

/* Fastest first, where bf16 is fast. */
static const struct {
    struct gemm_bf16_kernel kernel;
    enum cpu needs;
    bool needs_bf16;
} rows[] = {
#if defined(__x86_64__)
    { { "avx512_bf16", gemm_bf16_avx512_bf16 }, CPU_AVX512, true },
    { { "avx512", gemm_bf16_avx512 }, CPU_AVX512, false },
    { { "avx2", gemm_bf16_avx2 }, CPU_AVX2, false },
#endif
    { { "scalar", gemm_bf16_scalar }, CPU_SCALAR, false },
};

static bool available(size_t row)
{
    return rows[row].needs <= cpu_best() && (!rows[row].needs_bf16 || cpu_has_bf16());
}

const struct gemm_bf16_kernel *gemm_bf16_kernel_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].kernel.name, name) == 0 && available(i))
            return &rows[i].kernel;
    return NULL;
}

const struct gemm_bf16_kernel *gemm_bf16_kernel_best(void)
{
    size_t i = 0;

    while (!available(i) || (rows[i].needs_bf16 && !cpu_has_fast_bf16()))
        i++;
    return &rows[i].kernel;
}
