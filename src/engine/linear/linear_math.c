#include "base/exact_math.h"
#include "engine/linear/linear_internal.h"

#include <math.h>

/* Not finite: weights that are no model, and nothing after that would be a number. */
static bool is_finite(const float *z, size_t n_classes)
{
    for (size_t k = 0; k < n_classes; k++)
        if (!isfinite(z[k]))
            return false;
    return true;
}

static void set_nan(float *z, size_t n_classes)
{
    for (size_t k = 0; k < n_classes; k++)
        z[k] = NAN;
}

void linear_check_odds(float *z, size_t n_classes)
{
    if (!is_finite(z, n_classes))
        set_nan(z, n_classes);
}

void linear_log_softmax(const float *z, size_t n_classes, float *log_probs)
{
    float highest = z[0];
    double sum = 0.0;

    if (!is_finite(z, n_classes)) {
        set_nan(log_probs, n_classes);
        return;
    }
    for (size_t k = 0; k < n_classes; k++)
        highest = z[k] > highest ? z[k] : highest;
    for (size_t k = 0; k < n_classes; k++)
        sum += exact_exp((double)z[k] - (double)highest);

    double ln_sum = exact_ln(sum);

    for (size_t k = 0; k < n_classes; k++)
        log_probs[k] = (float)((double)z[k] - (double)highest - ln_sum);
}
