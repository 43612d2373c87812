#include "base/macros.h"
#include "engine/kernels/kernels_internal.h"

#include <immintrin.h>
#include <string.h>

struct inputs {
    __m512i bytes; /* the same 4 everywhere */
};

static inline struct inputs load_inputs(const int8_t *x)
{
    int32_t bytes;

    memcpy(&bytes, x, sizeof(bytes));
    return (struct inputs){ _mm512_set1_epi32(bytes) };
}

static inline __m512i load_weights(const uint8_t *w)
{
    return _mm512_loadu_si512(w);
}

/* The block's -128 * sum of x undoes the 128 in the weights. */
static inline __m512i begin_sum(int32_t offset)
{
    return _mm512_set1_epi32(offset);
}

static inline __m512i add_products(__m512i sum, __m512i w, const struct inputs *x)
{
    return _mm512_dpbusd_epi32(sum, w, x->bytes);
}

#include "engine/kernels/tile_avx512_internal.h"

void kernels_fill_vnni(struct kernels *kernels)
{
    kernels->linear_int8 = linear_int8;
}
