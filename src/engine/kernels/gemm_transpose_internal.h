/* gemm_transpose_internal.h - 8 x 8 values from rows to columns; for the rows that have AVX. */
#ifndef ENGINE_KERNELS_GEMM_TRANSPOSE_INTERNAL_H
#define ENGINE_KERNELS_GEMM_TRANSPOSE_INTERNAL_H

#include <immintrin.h>
#include <stddef.h>

/* Four columns, from on; lines j and j + 4 share a register, so that no value crosses its halves.
 */
static inline void transpose_4_of_8(float *to, size_t to_stride, const float *from,
                                    size_t from_stride)
{
    __m256 pair[4];

#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++)
        pair[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from + j * from_stride)),
                                       _mm_loadu_ps(from + (j + 4) * from_stride), 1);
    __m256 even = _mm256_unpacklo_ps(pair[0], pair[1]), odd = _mm256_unpacklo_ps(pair[2], pair[3]);

    _mm256_storeu_ps(to, _mm256_shuffle_ps(even, odd, 0x44));
    _mm256_storeu_ps(to + to_stride, _mm256_shuffle_ps(even, odd, 0xee));
    even = _mm256_unpackhi_ps(pair[0], pair[1]);
    odd = _mm256_unpackhi_ps(pair[2], pair[3]);
    _mm256_storeu_ps(to + 2 * to_stride, _mm256_shuffle_ps(even, odd, 0x44));
    _mm256_storeu_ps(to + 3 * to_stride, _mm256_shuffle_ps(even, odd, 0xee));
}

static void transpose_8(float *to, size_t to_stride, const float *from, size_t from_stride)
{
    transpose_4_of_8(to, to_stride, from, from_stride);
    transpose_4_of_8(to + 4 * to_stride, to_stride, from + 4, from_stride);
}

#endif
