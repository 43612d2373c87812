/* train_ops_rows.c - which rows of the table this build and this CPU have. */
#include "engine/train/train_ops.h"

#include "base/macros.h"

#include <stdbool.h>
#include <string.h>

static bool cpu_runs(const struct train_ops *row)
{
#if defined(__x86_64__)
    if (row == &train_ops_avx512)
        return __builtin_cpu_supports("avx512f");
    if (row == &train_ops_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return row != NULL;
}

/* Fastest first. */
static const struct train_ops *const rows[] = {
#if defined(__x86_64__)
    &train_ops_avx512,
    &train_ops_avx2,
#endif
    &train_ops_generic,
};

const struct train_ops *train_ops_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i]->name, name) == 0 && cpu_runs(rows[i]))
            return rows[i];
    return NULL;
}

const struct train_ops *train_ops_best(void)
{
    size_t i = 0;

    while (!cpu_runs(rows[i]))
        i++;
    return rows[i];
}

struct train_dropout train_dropout_of(float rate, uint32_t key)
{
    ASSERT(rate >= 0.0f && rate < 1.0f);
    return (struct train_dropout){ key, (uint32_t)((double)rate * 4294967296.0),
                                   1.0f / (1.0f - rate) };
}
