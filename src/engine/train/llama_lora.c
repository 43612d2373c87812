#include "engine/train/llama_lora.h"

#include "base/macros.h"
#include "engine/train/train_random.h"

#include <math.h>
#include <string.h>

static const struct {
    enum llama_slot slot;
    size_t n;
} groups[LLAMA_GROUPS_END] = {
    [LLAMA_GROUP_QKV] = { LLAMA_QUERY, 3 },
    [LLAMA_GROUP_OUT] = { LLAMA_ATTENTION, 1 },
    [LLAMA_GROUP_FF] = { LLAMA_GATE, 2 },
    [LLAMA_GROUP_DOWN] = { LLAMA_DOWN, 1 },
};

/* The group laid out from `at` on; *at becomes its end. */
static struct llama_pairs lay_out(const struct llama_lora *lora, enum llama_group group, size_t *at)
{
    struct llama_pairs pairs = { .slot = groups[group].slot, .n = groups[group].n, .a = *at };

    for (size_t i = 0; i < pairs.n; i++)
        llama_shape(lora->config, pairs.slot + (enum llama_slot)i, &pairs.out[i], &pairs.in);
    *at += pairs.n * lora->rank * pairs.in;
    for (size_t i = 0; i < pairs.n; i++) {
        pairs.b[i] = *at;
        *at += pairs.out[i] * lora->rank;
    }
    return pairs;
}

static size_t values_per_layer(const struct llama_lora *lora)
{
    size_t at = 0;

    for (enum llama_group g = 0; g < LLAMA_GROUPS_END; g++)
        lay_out(lora, g, &at);
    return at;
}

struct llama_pairs llama_lora_pairs(const struct llama_lora *lora, enum llama_group group,
                                    size_t layer)
{
    size_t at = layer * values_per_layer(lora);

    for (enum llama_group g = 0; g < group; g++)
        lay_out(lora, g, &at);
    return lay_out(lora, group, &at);
}

size_t llama_lora_n_values(const struct llama_lora *lora)
{
    return lora->config->n_layers * values_per_layer(lora);
}

void llama_lora_start(const struct llama_lora *lora, uint64_t seed, float *values)
{
    memset(values, 0, llama_lora_n_values(lora) * sizeof(*values));
    for (size_t l = 0; l < lora->config->n_layers; l++) {
        for (enum llama_group g = 0; g < LLAMA_GROUPS_END; g++) {
            struct llama_pairs pairs = llama_lora_pairs(lora, g, l);
            float bound = 1.0f / sqrtf((float)pairs.in);

            for (size_t i = pairs.a; i < pairs.b[0]; i++)
                values[i] = bound * (2.0f * train_random_unit(seed, i) - 1.0f);
        }
    }
}

static enum llama_group group_of(enum llama_slot slot)
{
    enum llama_group g = 0;

    while (slot < groups[g].slot || slot >= groups[g].slot + groups[g].n) {
        g++;
        ASSERT(g < LLAMA_GROUPS_END);
    }
    return g;
}

void llama_lora_merge(const struct llama_lora *lora, const float *values, enum llama_slot slot,
                      size_t layer, float *weights)
{
    struct llama_pairs pairs = llama_lora_pairs(lora, group_of(slot), layer);
    size_t which = (size_t)(slot - pairs.slot), rank = lora->rank, in = pairs.in;
    const float *a = values + pairs.a + which * rank * in, *b = values + pairs.b[which];
    float scale = lora->alpha / (float)rank;

    for (size_t i = 0; i < pairs.out[which]; i++) {
        float *row = weights + i * in;

        for (size_t r = 0; r < rank; r++) {
            float factor = scale * b[i * rank + r];
            for (size_t j = 0; j < in; j++)
                row[j] += factor * a[r * in + j];
        }
    }
}
