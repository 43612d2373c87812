/* Whatever the file, linear_load() returns inside the arena limit, and a model it takes scores any
 * text: probabilities that sum to 1, or infinities where the weights are huge, never out of bounds.
 */
#include "engine/linear/linear.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void score(const struct linear_model *model, struct str text, struct arena *arena)
{
    struct linear_features features;
    struct err err;
    float *log_probs = arena_array(arena, float, model->heads[0].n_classes);

    if (log_probs && linear_featurize(&model->vocabulary, text, arena, &features, &err) == RC_OK)
        linear_scores(&model->heads[0], &features, log_probs);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct arena arena;
    struct safetensors *file = NULL;
    struct linear_model *model = NULL;
    struct err err;

    arena_init(&arena, 32 << 20);
    if (safetensors_parse(bytes, size, &arena, &file, &err) == RC_OK &&
        linear_load(file, 1, &arena, &model, &err) == RC_OK)
        score(model, (struct str){ (const char *)bytes, size }, &arena);
    arena_release(&arena);
    return 0;
}
