/* lanes_avx512_internal.h - 16 f32 lanes in one AVX-512 register. See lanes_scalar_internal.h. */
#ifndef ENGINE_LANES_INTERNAL_H
#define ENGINE_LANES_INTERNAL_H

#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct lanes {
    __m512 all;
};

static inline struct lanes lanes_load(const float *x)
{
    return (struct lanes){ _mm512_loadu_ps(x) };
}

static inline void lanes_store(float *y, struct lanes a)
{
    _mm512_storeu_ps(y, a.all);
}

static inline struct lanes lanes_set(float x)
{
    return (struct lanes){ _mm512_set1_ps(x) };
}

static inline struct lanes lanes_add(struct lanes a, struct lanes b)
{
    return (struct lanes){ _mm512_add_ps(a.all, b.all) };
}

static inline struct lanes lanes_sub(struct lanes a, struct lanes b)
{
    return (struct lanes){ _mm512_sub_ps(a.all, b.all) };
}

static inline struct lanes lanes_mul(struct lanes a, struct lanes b)
{
    return (struct lanes){ _mm512_mul_ps(a.all, b.all) };
}

static inline struct lanes lanes_div(struct lanes a, struct lanes b)
{
    return (struct lanes){ _mm512_div_ps(a.all, b.all) };
}

static inline struct lanes lanes_fma(struct lanes a, struct lanes b, struct lanes c)
{
    return (struct lanes){ _mm512_fmadd_ps(a.all, b.all, c.all) };
}

static inline struct lanes lanes_max(struct lanes a, struct lanes b)
{
    return (struct lanes){ _mm512_max_ps(a.all, b.all) };
}

static inline struct lanes lanes_abs(struct lanes a)
{
    return (struct lanes){ _mm512_abs_ps(a.all) };
}

static inline struct lanes lanes_round(struct lanes a)
{
    enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };

    return (struct lanes){ _mm512_roundscale_ps(a.all, NEAREST) };
}

static inline struct lanes lanes_power_of_two(struct lanes a)
{
    __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(a.all), _mm512_set1_epi32(127));

    return (struct lanes){ _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23)) };
}

static inline struct lanes lanes_where_negative(struct lanes x, struct lanes a, struct lanes b)
{
    __mmask16 negative = _mm512_movepi32_mask(_mm512_castps_si512(x.all));

    return (struct lanes){ _mm512_mask_blend_ps(negative, b.all, a.all) };
}

static inline struct lanes lanes_first(size_t n, struct lanes a, struct lanes b)
{
    return (struct lanes){ _mm512_mask_blend_ps((__mmask16)((1u << n) - 1), b.all, a.all) };
}

static inline float lanes_sum(struct lanes a)
{
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.all), _mm512_extractf32x8_ps(a.all, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline float lanes_highest(struct lanes a)
{
    __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.all), _mm512_extractf32x8_ps(a.all, 1));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline float lanes_highest_abs(struct lanes a, struct lanes b)
{
    __m512i all = _mm512_max_epi32(_mm512_castps_si512(_mm512_abs_ps(a.all)),
                                   _mm512_castps_si512(_mm512_abs_ps(b.all)));
    __m256i eight =
        _mm256_max_epi32(_mm512_castsi512_si256(all), _mm512_extracti32x8_epi32(all, 1));
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    __m128i two = _mm_max_epi32(four, _mm_unpackhi_epi64(four, four));

    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(two, _mm_shuffle_epi32(two, 1))));
}

static inline int32_t lanes_store_int8(int8_t *y, struct lanes a, struct lanes b)
{
    __m512i first = _mm512_cvtps_epi32(a.all), second = _mm512_cvtps_epi32(b.all);

    _mm_storeu_si128((__m128i *)(void *)y, _mm512_cvtepi32_epi8(first));
    _mm_storeu_si128((__m128i *)(void *)(y + 16), _mm512_cvtepi32_epi8(second));
    return _mm512_reduce_add_epi32(_mm512_add_epi32(first, second));
}

#endif
