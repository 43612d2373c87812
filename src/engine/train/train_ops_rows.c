/* train_ops_rows.c - the row for a CPU. */
#include "engine/train/train_ops.h"

#include "base/macros.h"

const struct train_ops *train_ops_for(enum cpu cpu)
{
    ASSERT(cpu <= cpu_best());
#if defined(__x86_64__)
    if (cpu >= CPU_AVX512)
        return &train_ops_avx512;
    if (cpu >= CPU_AVX2)
        return &train_ops_avx2;
#endif
    return &train_ops_scalar;
}

struct train_dropout train_dropout_of(float rate, uint32_t key)
{
    ASSERT(rate >= 0.0f && rate < 1.0f);
    return (struct train_dropout){ key, (uint32_t)((double)rate * 4294967296.0),
                                   1.0f / (1.0f - rate) };
}
