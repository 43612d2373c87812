/*
 * lanes.h - 16 f32 lanes, for a file that is compiled once per instruction set: the same bytes from
 * each. lanes_scalar_internal.h says what every function does.
 */
#ifndef ENGINE_KERNELS_LANES_H
#define ENGINE_KERNELS_LANES_H

#if defined(__AVX512F__)
#include "engine/kernels/lanes_avx512_internal.h"
#elif defined(__AVX2__)
#include "engine/kernels/lanes_avx2_internal.h"
#else
#include "engine/kernels/lanes_scalar_internal.h"
#endif

#endif
