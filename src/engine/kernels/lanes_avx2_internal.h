/* lanes_avx2_internal.h - 16 f32 lanes in two AVX2 registers. See lanes_scalar_internal.h. */
#ifndef ENGINE_LANES_INTERNAL_H
#define ENGINE_LANES_INTERNAL_H

#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct lanes {
    __m256 low, high;
};

static inline struct lanes lanes_load(const float *x)
{
    return (struct lanes){ _mm256_loadu_ps(x), _mm256_loadu_ps(x + 8) };
}

static inline void lanes_store(float *y, struct lanes a)
{
    _mm256_storeu_ps(y, a.low);
    _mm256_storeu_ps(y + 8, a.high);
}

static inline struct lanes lanes_set(float x)
{
    return (struct lanes){ _mm256_set1_ps(x), _mm256_set1_ps(x) };
}

static inline struct lanes lanes_add(struct lanes a, struct lanes b)
{
    return (struct lanes){ _mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high) };
}

static inline struct lanes lanes_sub(struct lanes a, struct lanes b)
{
    return (struct lanes){ _mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high) };
}

static inline struct lanes lanes_mul(struct lanes a, struct lanes b)
{
    return (struct lanes){ _mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high) };
}

static inline struct lanes lanes_div(struct lanes a, struct lanes b)
{
    return (struct lanes){ _mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high) };
}

static inline struct lanes lanes_fma(struct lanes a, struct lanes b, struct lanes c)
{
    return (struct lanes){ _mm256_fmadd_ps(a.low, b.low, c.low),
                           _mm256_fmadd_ps(a.high, b.high, c.high) };
}

static inline struct lanes lanes_max(struct lanes a, struct lanes b)
{
    return (struct lanes){ _mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high) };
}

static inline struct lanes lanes_abs(struct lanes a)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);

    return (struct lanes){ _mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high) };
}

static inline struct lanes lanes_round(struct lanes a)
{
    enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };

    return (struct lanes){ _mm256_round_ps(a.low, NEAREST), _mm256_round_ps(a.high, NEAREST) };
}

static inline __m256 power_of_two(__m256 a)
{
    __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));

    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}

static inline struct lanes lanes_power_of_two(struct lanes a)
{
    return (struct lanes){ power_of_two(a.low), power_of_two(a.high) };
}

static inline struct lanes lanes_where_negative(struct lanes x, struct lanes a, struct lanes b)
{
    return (struct lanes){ _mm256_blendv_ps(b.low, a.low, x.low),
                           _mm256_blendv_ps(b.high, a.high, x.high) };
}

static inline struct lanes lanes_first(size_t n, struct lanes a, struct lanes b)
{
    __m256i limit = _mm256_set1_epi32((int)n), low = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i high = _mm256_add_epi32(low, _mm256_set1_epi32(8));

    return (struct lanes){
        _mm256_blendv_ps(b.low, a.low, _mm256_castsi256_ps(_mm256_cmpgt_epi32(limit, low))),
        _mm256_blendv_ps(b.high, a.high, _mm256_castsi256_ps(_mm256_cmpgt_epi32(limit, high)))
    };
}

static inline float lanes_sum(struct lanes a)
{
    __m256 eight = _mm256_add_ps(a.low, a.high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline float lanes_highest(struct lanes a)
{
    __m256 eight = _mm256_max_ps(a.low, a.high);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));

    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline float lanes_highest_abs(struct lanes a, struct lanes b)
{
    a = lanes_abs(a);
    b = lanes_abs(b);
    __m256i eight =
        _mm256_max_epi32(_mm256_max_epi32(_mm256_castps_si256(a.low), _mm256_castps_si256(a.high)),
                         _mm256_max_epi32(_mm256_castps_si256(b.low), _mm256_castps_si256(b.high)));
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    __m128i two = _mm_max_epi32(four, _mm_unpackhi_epi64(four, four));

    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(two, _mm_shuffle_epi32(two, 1))));
}

static inline int32_t lanes_store_int8(int8_t *y, struct lanes a, struct lanes b)
{
    __m256i first = _mm256_packs_epi32(_mm256_cvtps_epi32(a.low), _mm256_cvtps_epi32(a.high));
    __m256i second = _mm256_packs_epi32(_mm256_cvtps_epi32(b.low), _mm256_cvtps_epi32(b.high));
    __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, second),
                                                _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    __m256i eight = _mm256_madd_epi16(_mm256_add_epi16(first, second), _mm256_set1_epi16(1));
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));

    _mm256_storeu_si256((__m256i *)(void *)y, bytes);
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
}

#endif
