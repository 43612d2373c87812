/* kernels_scalar.c - the definition: every other row gives these bytes. */
#include "engine/kernels/kernels_internal.h"
#include "engine/kernels/lanes_scalar_internal.h"
#include "engine/kernels/rows_internal.h"

/* dots[c] of one row and one block with 16 outputs; sums of 32 products of at most 127 * 127 */
static void dot_block(int32_t *dots, const int8_t *x, const uint8_t *w)
{
    for (size_t c = 0; c < LANES; c++)
        dots[c] = 0;
    for (size_t k = 0; k < KERNELS_BLOCK; k += 4, w += 4 * LANES)
        for (size_t c = 0; c < LANES; c++)
            for (size_t i = 0; i < 4; i++)
                dots[c] += x[k + i] * (w[4 * c + i] - 128);
}

static void linear_int8(float *y, const struct kernels_int8_rows *x,
                        const struct kernels_int8_weights *w)
{
    size_t n_blocks = w->n_inputs / KERNELS_BLOCK;

    ASSERT(x->n_columns == w->n_inputs && w->n_outputs % LANES == 0);
    for (size_t m = 0; m < x->n_rows; m++) {
        for (size_t n = 0; n < w->n_outputs; n += LANES) {
            float acc[LANES];

            memcpy(acc, w->bias + n, sizeof(acc));
            for (size_t b = 0; b < n_blocks; b++) {
                int32_t dots[LANES];
                dot_block(dots, x->values + m * w->n_inputs + b * KERNELS_BLOCK,
                          w->values + n * w->n_inputs + b * KERNELS_BLOCK * LANES);
                for (size_t c = 0; c < LANES; c++)
                    acc[c] = fmaf((float)dots[c],
                                  x->scales[m * n_blocks + b] * w->scales[b * w->n_outputs + n + c],
                                  acc[c]);
            }
            memcpy(y + m * w->n_outputs + n, acc, sizeof(acc));
        }
    }
}

void kernels_fill_scalar(struct kernels *kernels)
{
    fill_rows(kernels);
    kernels->linear_int8 = linear_int8;
}
