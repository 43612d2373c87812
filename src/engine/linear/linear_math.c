#include "base/exact_math.h"
#include "engine/linear/linear_internal.h"

#include <math.h>

void linear_log_softmax(const float *z, size_t n_classes, float *log_probs)
{
    float highest = z[0];
    double sum = 0.0;

    for (size_t k = 0; k < n_classes; k++) {
        highest = z[k] > highest ? z[k] : highest;
        if (!isfinite(z[k])) { /* weights that are no model: nothing below would be a number */
            for (size_t i = 0; i < n_classes; i++)
                log_probs[i] = NAN;
            return;
        }
    }
    for (size_t k = 0; k < n_classes; k++)
        sum += exact_exp((double)z[k] - (double)highest);

    double ln_sum = exact_ln(sum);

    for (size_t k = 0; k < n_classes; k++)
        log_probs[k] = (float)((double)z[k] - (double)highest - ln_sum);
}
