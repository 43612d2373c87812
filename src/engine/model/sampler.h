/*
 * sampler.h - which token comes next: the best one, or one drawn by its probability.
 *
 * The same seed and logits give the same token on every CPU: probabilities are computed in double
 * by base/exact_math.h and added in the order of the ids.
 */
#ifndef ENGINE_SAMPLER_H
#define ENGINE_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

struct sampler {
    double temperature; /* 0: always the best (the first of equals); else above 0 and finite */
    uint64_t state;     /* begins as the seed */
};

/* Index into logits (n,), n >= 1. A logit that is not a number is never drawn unless all are. */
size_t sampler_pick(struct sampler *sampler, const float *logits, size_t n);

#endif
