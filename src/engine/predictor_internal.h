/* predictor_internal.h - what predictor_open.c makes and predictor.c runs. */
#ifndef ENGINE_PREDICTOR_INTERNAL_H
#define ENGINE_PREDICTOR_INTERNAL_H

#include "engine/linear/linear.h"
#include "engine/model/encoder.h"
#include "engine/predictor.h"

struct predictor_sessions;

struct predictor {
    struct arena arena; /* of all below */
    struct adapter *adapter;
    struct kernels kernels;

    const struct encoder_base *base; /* NULL without an encoder part, as the four below */
    struct bert bert;                /* the base's tensors, the adapter's where it has them */
    struct encoder *encoder;
    const float *head_weights; /* (K, C) */
    const float *head_bias;    /* (K,) */

    struct linear_model *linear; /* NULL without a linear part */
    const float *blend_share;    /* (n_fields,): of the linear part; NULL without both parts */

    struct predictor_sessions *sessions;
};

/* Reads the adapter's tensors into encoder, heads and linear; adapter, kernels and arena are set.
 */
MUST_CHECK enum rc predictor_read_parts(struct predictor *p, const struct encoder_base *base,
                                        struct err *err);

#endif
