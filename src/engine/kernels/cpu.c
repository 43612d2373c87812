#include "engine/kernels/cpu.h"

#include "base/macros.h"

static const char *const names[CPU_END] = {
    [CPU_SCALAR] = "scalar",
    [CPU_AVX2] = "avx2",
    [CPU_AVX512] = "avx512",
    [CPU_VNNI] = "vnni",
};

enum cpu cpu_best(void)
{
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return CPU_SCALAR;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return CPU_AVX2;
    return __builtin_cpu_supports("avx512vnni") ? CPU_VNNI : CPU_AVX512;
#else
    return CPU_SCALAR;
#endif
}

bool cpu_has_bf16(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

bool cpu_has_fast_bf16(void)
{
#if defined(__x86_64__)
    return cpu_has_bf16() && !__builtin_cpu_is("intel");
#else
    return false;
#endif
}

const char *cpu_name(enum cpu cpu)
{
    ASSERT(cpu < CPU_END);
    return names[cpu];
}

bool cpu_parse(struct str name, enum cpu *ret_cpu)
{
    for (size_t i = 0; i < CPU_END; i++) {
        if (str_is(name, names[i])) {
            *ret_cpu = (enum cpu)i;
            return true;
        }
    }
    return false;
}
