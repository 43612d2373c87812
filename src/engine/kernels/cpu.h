/*
 * cpu.h - which row of the kernel table this machine can run.
 *
 * The rows are ordered: each has what the one before it has. All give the same bytes; --cpu=NAME
 * forces one, for tests and for replaying another machine's decision.
 */
#ifndef ENGINE_CPU_H
#define ENGINE_CPU_H

#include "base/str.h"

#include <stdbool.h>

enum cpu {
    CPU_SCALAR, /* plain C: the definition */
    CPU_AVX2,   /* AVX2 and FMA */
    CPU_AVX512, /* AVX-512 F, BW, DQ, VL */
    CPU_VNNI,   /* and AVX-512 VNNI */
    CPU_END,
};

enum cpu cpu_best(void); /* asks the processor; the operating system's consent included */

/* Of the rows above CPU_AVX2: has this processor AVX512_BF16 too? Training alone asks. */
bool cpu_has_bf16(void);
/* Is it faster there than f32? Not on Intel's: an Emerald Rapids starts a VDPBF16PS every second
 * cycle, and two f32 multiply-adds in each, which is twice the products. */
bool cpu_has_fast_bf16(void);

const char *cpu_name(enum cpu cpu); /* "scalar", "avx2", "avx512", "vnni" */
bool cpu_parse(struct str name, enum cpu *ret_cpu);

#endif
