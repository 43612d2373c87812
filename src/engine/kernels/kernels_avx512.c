#include "engine/kernels/kernels_internal.h"
#include "engine/kernels/lanes_avx512_internal.h"
#include "engine/kernels/rows_internal.h"

struct inputs {
    __m512i magnitudes; /* of the same 4 everywhere */
    __mmask64 negative;
};

static inline struct inputs load_inputs(const int8_t *x)
{
    int32_t bytes;

    memcpy(&bytes, x, sizeof(bytes));
    __m512i all = _mm512_set1_epi32(bytes);
    return (struct inputs){ _mm512_abs_epi8(all), _mm512_movepi8_mask(all) };
}

static inline __m512i load_weights(const uint8_t *w)
{
    return _mm512_xor_si512(_mm512_loadu_si512(w), _mm512_set1_epi8(-128)); /* minus 128 */
}

static inline __m512i begin_sum(int32_t offset)
{
    (void)offset; /* the weights have lost their 128 */
    return _mm512_setzero_si512();
}

/* Exact, for the reason given in kernels_avx2.c. */
static inline __m512i add_products(__m512i sum, __m512i w, const struct inputs *x)
{
    __m512i signed_w = _mm512_mask_sub_epi8(w, x->negative, _mm512_setzero_si512(), w);
    __m512i pairs = _mm512_maddubs_epi16(x->magnitudes, signed_w);

    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

#include "engine/kernels/tile_avx512_internal.h"

void kernels_fill_avx512(struct kernels *kernels)
{
    fill_rows(kernels);
    kernels->linear_int8 = linear_int8;
}
