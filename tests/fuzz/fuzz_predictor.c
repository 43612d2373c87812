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
    if (predictor_run(p, &text, 1, NULL, scores, &err) == RC_OK)
        for (size_t i = 0; i < predictor_adapter(p)->n_labels; i++)
            ASSERT(isfinite(scores[i]) && scores[i] <= 0.0f);
    return 0;
}
