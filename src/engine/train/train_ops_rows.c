/* train_ops_rows.c - which rows of the table this build and this CPU have. */
#include "engine/train/train_ops.h"

#include "base/macros.h"
#include "engine/kernels/cpu.h"

#include <string.h>

/* Fastest first. */
static const struct {
    const struct train_ops *ops;
    enum cpu needs;
} rows[] = {
#if defined(__x86_64__)
    { &train_ops_avx512, CPU_AVX512 },
    { &train_ops_avx2, CPU_AVX2 },
#endif
    { &train_ops_generic, CPU_SCALAR },
};

const struct train_ops *train_ops_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].ops->name, name) == 0 && rows[i].needs <= cpu_best())
            return rows[i].ops;
    return NULL;
}

const struct train_ops *train_ops_best(void)
{
    size_t i = 0;

    while (rows[i].needs > cpu_best())
        i++;
    return rows[i].ops;
}

struct train_dropout train_dropout_of(float rate, uint32_t key)
{
    ASSERT(rate >= 0.0f && rate < 1.0f);
    return (struct train_dropout){ key, (uint32_t)((double)rate * 4294967296.0),
                                   1.0f / (1.0f - rate) };
}
