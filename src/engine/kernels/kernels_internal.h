/* kernels_internal.h - each instruction set overwrites what it does better, in the order of cpu.h.
 */
#ifndef ENGINE_KERNELS_INTERNAL_H
#define ENGINE_KERNELS_INTERNAL_H

#include "engine/kernels/kernels.h"

void kernels_fill_scalar(struct kernels *kernels); /* everything */
void kernels_fill_avx2(struct kernels *kernels);
void kernels_fill_avx512(struct kernels *kernels);
void kernels_fill_vnni(struct kernels *kernels); /* linear_int8 alone */

#endif
