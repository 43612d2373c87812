#include "engine/model/sampler.h"

#include "base/exact_math.h"
#include "base/macros.h"
#include "engine/train/train_random.h"

#include <math.h>

static size_t best_of(const float *logits, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best] || isnan(logits[best]))
            best = i;
    return best;
}

/* splitmix64, one number on; the upper 53 bits, in [0, 1). */
static double draw(uint64_t *state)
{
    uint64_t x = train_random(*state, 0);

    *state += TRAIN_RANDOM_STEP;
    return (double)(x >> 11) * 0x1p-53;
}

/* Relative to the best one, and 0 where it could not be told from 0 in the sum. */
static double weight_of(float logit, float best, double temperature)
{
    double distance = ((double)logit - (double)best) / temperature;

    return distance > -40.0 ? exact_exp(distance) : 0.0;
}

size_t sampler_pick(struct sampler *sampler, const float *logits, size_t n)
{
    size_t best = best_of(logits, n), last = best;
    double sum = 0.0;

    ASSERT(n >= 1 && sampler->temperature >= 0.0);
    if (sampler->temperature == 0.0 || !isfinite(logits[best]))
        return best;
    for (size_t i = 0; i < n; i++)
        sum += weight_of(logits[i], logits[best], sampler->temperature);
    double left = draw(&sampler->state) * sum;
    for (size_t i = 0; i < n; i++) {
        double weight = weight_of(logits[i], logits[best], sampler->temperature);

        if (weight > 0.0 && left < weight)
            return i;
        left -= weight;
        last = weight > 0.0 ? i : last;
    }
    return last; /* what rounding left over */
}
