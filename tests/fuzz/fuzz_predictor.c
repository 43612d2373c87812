/* Whatever the bytes, a linear adapter is refused or opened, and what is opened scores a text. */
#include "engine/predictor.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static float scores[ADAPTER_LABELS_MAX];
    CLEANUP(predictor_closep) struct predictor *p = NULL;
    const struct str text = STR("my card is late");
    struct kernels kernels;
    struct err err;

    kernels_init(&kernels, CPU_SCALAR);
    if (predictor_open(NULL, bytes, size, &kernels, &p, &err) != RC_OK)
        return 0;
    if (predictor_run(p, &text, 1, NULL, scores, &err) != RC_OK)
        return 0;
    const struct adapter *adapter = predictor_adapter(p);
    for (size_t f = 0; f < adapter->n_fields; f++)
        for (size_t l = 0; l < adapter->fields[f].n_labels; l++) {
            float score = scores[adapter->fields[f].first + l];

            ASSERT(isfinite(score) && (score <= 0.0f || adapter->fields[f].is_set));
        }
    return 0;
}
