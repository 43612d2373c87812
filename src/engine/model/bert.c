#include "engine/model/bert.h"

#include "base/json.h"
#include "engine/safetensors/safetensors.h"

#include <stdio.h>
#include <string.h>

enum { CONFIG_ARENA_BYTES = 1 << 20 };

enum dim { DIM_ONE, DIM_WIDTH, DIM_FF, DIM_WORDS, DIM_POSITIONS, DIM_TYPES };

/* Per slot: its name (behind "encoder.layer.N." for a layer's) and shape; DIM_ONE ends a vector.
 */
static const struct {
    const char *name;
    enum dim rows, columns;
} slots[BERT_SLOTS_END] = {
    [BERT_WORDS] = { "embeddings.word_embeddings.weight", DIM_WORDS, DIM_WIDTH },
    [BERT_POSITIONS] = { "embeddings.position_embeddings.weight", DIM_POSITIONS, DIM_WIDTH },
    [BERT_TYPES] = { "embeddings.token_type_embeddings.weight", DIM_TYPES, DIM_WIDTH },
    [BERT_EMBEDDING_GAIN] = { "embeddings.LayerNorm.weight", DIM_WIDTH, DIM_ONE },
    [BERT_EMBEDDING_BIAS] = { "embeddings.LayerNorm.bias", DIM_WIDTH, DIM_ONE },
    [BERT_QUERY_WEIGHT] = { "attention.self.query.weight", DIM_WIDTH, DIM_WIDTH },
    [BERT_QUERY_BIAS] = { "attention.self.query.bias", DIM_WIDTH, DIM_ONE },
    [BERT_KEY_WEIGHT] = { "attention.self.key.weight", DIM_WIDTH, DIM_WIDTH },
    [BERT_KEY_BIAS] = { "attention.self.key.bias", DIM_WIDTH, DIM_ONE },
    [BERT_VALUE_WEIGHT] = { "attention.self.value.weight", DIM_WIDTH, DIM_WIDTH },
    [BERT_VALUE_BIAS] = { "attention.self.value.bias", DIM_WIDTH, DIM_ONE },
    [BERT_ATTENTION_WEIGHT] = { "attention.output.dense.weight", DIM_WIDTH, DIM_WIDTH },
    [BERT_ATTENTION_BIAS] = { "attention.output.dense.bias", DIM_WIDTH, DIM_ONE },
    [BERT_ATTENTION_NORM_GAIN] = { "attention.output.LayerNorm.weight", DIM_WIDTH, DIM_ONE },
    [BERT_ATTENTION_NORM_BIAS] = { "attention.output.LayerNorm.bias", DIM_WIDTH, DIM_ONE },
    [BERT_UP_WEIGHT] = { "intermediate.dense.weight", DIM_FF, DIM_WIDTH },
    [BERT_UP_BIAS] = { "intermediate.dense.bias", DIM_FF, DIM_ONE },
    [BERT_DOWN_WEIGHT] = { "output.dense.weight", DIM_WIDTH, DIM_FF },
    [BERT_DOWN_BIAS] = { "output.dense.bias", DIM_WIDTH, DIM_ONE },
    [BERT_DOWN_NORM_GAIN] = { "output.LayerNorm.weight", DIM_WIDTH, DIM_ONE },
    [BERT_DOWN_NORM_BIAS] = { "output.LayerNorm.bias", DIM_WIDTH, DIM_ONE },
};

static size_t dim_of(const struct bert_config *config, enum dim dim)
{
    switch (dim) {
    case DIM_ONE: return 1;
    case DIM_WIDTH: return config->width;
    case DIM_FF: return config->ff_width;
    case DIM_WORDS: return config->n_words;
    case DIM_POSITIONS: return config->n_positions;
    case DIM_TYPES: return config->n_types;
    }
    assert_fail("a dimension of the table", __FILE__, __LINE__);
}

static enum rc read_size(const struct json *config, const char *key, size_t max, size_t *ret_size,
                         struct err *err)
{
    int64_t size;
    const struct json *v = json_find(config, key);

    if (!v || !json_to_i64(v, &size) || size < 1)
        return err_set(err, RC_INVALID, "%s is not a count", key);
    if ((uint64_t)size > max)
        return err_set(err, RC_LIMIT, "%s is %zu, at most %zu allowed", key, (size_t)size, max);
    *ret_size = (size_t)size;
    return RC_OK;
}

static enum rc check_word(const struct json *config, const char *key, const char *expected,
                          struct err *err)
{
    const struct json *v = json_find(config, key);

    if (!v || v->type != JSON_STRING || !str_is(v->text, expected))
        return err_set(err, RC_UNSUPPORTED, "%s is not '%s'", key, expected);
    return RC_OK;
}

static enum rc check_kind(const struct json *config, struct err *err)
{
    enum rc rc = check_word(config, "model_type", "bert", err);

    if (!rc)
        rc = check_word(config, "hidden_act", "gelu", err);
    if (!rc && json_find(config, "position_embedding_type"))
        rc = check_word(config, "position_embedding_type", "absolute", err);
    return rc;
}

static enum rc check_shape(const struct bert_config *config, struct err *err)
{
    if (config->width % 32 || config->ff_width % 32)
        return err_set(err, RC_UNSUPPORTED, "widths %zu and %zu are not multiples of 32",
                       config->width, config->ff_width);
    if (config->width % config->n_heads || config->width / config->n_heads % 16)
        return err_set(err, RC_UNSUPPORTED,
                       "%zu heads do not divide the width %zu into multiples of 16",
                       config->n_heads, config->width);
    if (!(config->norm_eps > 0.0f && config->norm_eps < 1.0f))
        return err_set(err, RC_INVALID, "layer_norm_eps is not between 0 and 1");
    return RC_OK;
}

static enum rc read_config(const struct json *v, struct bert_config *config, struct err *err)
{
    double eps = 0.0;
    const struct {
        const char *key;
        size_t max, *size;
    } sizes[] = {
        { "num_hidden_layers", BERT_LAYERS_MAX, &config->n_layers },
        { "hidden_size", BERT_WIDTH_MAX, &config->width },
        { "num_attention_heads", BERT_WIDTH_MAX, &config->n_heads },
        { "intermediate_size", BERT_FF_WIDTH_MAX, &config->ff_width },
        { "vocab_size", BERT_WORDS_MAX, &config->n_words },
        { "max_position_embeddings", BERT_POSITIONS_MAX, &config->n_positions },
        { "type_vocab_size", BERT_POSITIONS_MAX, &config->n_types },
    };

    enum rc rc = check_kind(v, err);
    for (size_t i = 0; i < ARRAY_LEN(sizes) && !rc; i++)
        rc = read_size(v, sizes[i].key, sizes[i].max, sizes[i].size, err);
    if (rc)
        return rc;
    const struct json *norm_eps = json_find(v, "layer_norm_eps");
    if (!norm_eps || !json_to_double(norm_eps, &eps))
        return err_set(err, RC_INVALID, "layer_norm_eps is not a number");
    config->norm_eps = (float)eps;
    return check_shape(config, err);
}

enum rc bert_config_parse(struct str json, struct bert_config *ret_config, struct err *err)
{
    struct bert_config config = { 0 };
    struct json *v;
    struct arena arena;

    arena_init(&arena, CONFIG_ARENA_BYTES);
    enum rc rc = json_parse(json, JSON_DUPLICATES_REFUSED, &arena, &v, err);
    if (!rc)
        rc = read_config(v, &config, err);
    arena_release(&arena);
    if (rc)
        return err_context(err, "model config");
    *ret_config = config;
    return RC_OK;
}

size_t bert_tensor_index(enum bert_slot slot, size_t layer)
{
    if (slot < BERT_LAYER_SLOTS)
        return slot;
    return slot + layer * (BERT_SLOTS_END - BERT_LAYER_SLOTS);
}

static enum rc init_tensor(const struct bert_config *config, enum bert_slot slot, size_t layer,
                           struct arena *arena, struct bert_tensor *t, struct err *err)
{
    char name[BERT_NAME_BYTES_MAX];

    snprintf(name, sizeof(name), "encoder.layer.%zu.%s", layer, slots[slot].name);
    t->name = slot < BERT_LAYER_SLOTS ? slots[slot].name : arena_strndup(arena, name, strlen(name));
    if (!t->name)
        return arena_fail(arena, err, "tensor name");
    t->slot = slot;
    t->layer = layer;
    t->rank = slots[slot].columns == DIM_ONE ? 1 : 2;
    t->shape[0] = dim_of(config, slots[slot].rows);
    t->shape[1] = dim_of(config, slots[slot].columns);
    t->n_values = t->shape[0] * t->shape[1];
    return RC_OK;
}

enum rc bert_layout_init(const struct bert_config *config, struct arena *arena,
                         struct bert_layout *ret_layout, struct err *err)
{
    struct bert_layout layout = { .config = *config };
    size_t n = bert_tensor_index(BERT_LAYER_SLOTS, config->n_layers);
    struct bert_tensor *tensors = arena_array(arena, struct bert_tensor, n);

    if (!tensors)
        return arena_fail(arena, err, "tensor table");
    for (size_t layer = 0; layer < config->n_layers; layer++) {
        for (size_t slot = layer ? BERT_LAYER_SLOTS : 0; slot < BERT_SLOTS_END; slot++) {
            struct bert_tensor *t = &tensors[layout.n_tensors++];
            enum rc rc = init_tensor(config, (enum bert_slot)slot, layer, arena, t, err);
            if (rc)
                return rc;
            t->offset = layout.n_values;
            layout.n_values += t->n_values;
        }
    }
    ASSERT(layout.n_tensors == n);
    layout.tensors = tensors;
    *ret_layout = layout;
    return RC_OK;
}

/* The tensor's values in the file's bytes, or a copy where those are not aligned. */
static enum rc find_values(const struct bert_tensor *t, const struct safetensors_tensor *stored,
                           struct arena *arena, const float **ret_values, struct err *err)
{
    if (stored->type != SAFETENSORS_F32)
        return err_set(err, RC_CORRUPT, "tensor '%s' is %s, not F32", t->name,
                       safetensors_type_name(stored->type));
    if (stored->rank != t->rank || stored->shape[0] != t->shape[0] ||
        (t->rank == 2 && stored->shape[1] != t->shape[1]))
        return err_set(err, RC_CORRUPT, "tensor '%s' has not the shape (%zu, %zu)", t->name,
                       t->shape[0], t->shape[1]);

    *ret_values = (const float *)(const void *)stored->bytes;
    if ((uintptr_t)stored->bytes % _Alignof(float) == 0)
        return RC_OK;
    float *copy = arena_array(arena, float, t->n_values);
    if (!copy)
        return arena_fail(arena, err, t->name);
    memcpy(copy, stored->bytes, t->n_values * sizeof(float));
    *ret_values = copy;
    return RC_OK;
}

enum rc bert_open(const struct bert_config *config, const struct safetensors *file,
                  const struct bert *fallback, struct arena *arena, struct bert *ret_bert,
                  struct err *err)
{
    struct bert bert;
    enum rc rc = bert_layout_init(config, arena, &bert.layout, err);

    if (rc)
        return rc;
    bert.values = arena_array(arena, const float *, bert.layout.n_tensors);
    if (!bert.values)
        return arena_fail(arena, err, "tensor values");

    for (size_t i = 0; i < bert.layout.n_tensors; i++) {
        const struct bert_tensor *t = &bert.layout.tensors[i];
        const struct safetensors_tensor *stored = safetensors_find(file, t->name);

        if (stored)
            rc = find_values(t, stored, arena, &bert.values[i], err);
        else if (fallback)
            bert.values[i] = fallback->values[i];
        else
            rc = err_set(err, RC_NOT_FOUND, "tensor '%s' is missing", t->name);
        if (rc)
            return rc;
    }
    *ret_bert = bert;
    return RC_OK;
}

void bert_flatten(const struct bert *bert, float *ret_flat)
{
    for (size_t i = 0; i < bert->layout.n_tensors; i++) {
        const struct bert_tensor *t = &bert->layout.tensors[i];
        memcpy(ret_flat + t->offset, bert->values[i], t->n_values * sizeof(float));
    }
}

enum rc bert_of_flat(const struct bert_layout *layout, const float *flat, struct arena *arena,
                     struct bert *ret_bert, struct err *err)
{
    const float **values = arena_array(arena, const float *, layout->n_tensors);

    if (!values)
        return arena_fail(arena, err, "tensor values");
    for (size_t i = 0; i < layout->n_tensors; i++)
        values[i] = flat + layout->tensors[i].offset;
    *ret_bert = (struct bert){ *layout, values };
    return RC_OK;
}
