#include "engine/model/llama.h"

#include "engine/gguf/gguf.h"

#include <stdio.h>

void llama_shape(const struct llama_config *config, enum llama_slot slot, size_t *ret_rows,
                 size_t *ret_columns)
{
    size_t c = config->width, queries = config->n_heads * config->head_width;
    size_t keys = config->n_kv_heads * config->head_width;
    const struct {
        size_t rows, columns;
    } shapes[LLAMA_SLOTS_END] = {
        [LLAMA_WORDS] = { config->n_words, c },
        [LLAMA_OUTPUT_NORM] = { c, 1 },
        [LLAMA_ATTENTION_NORM] = { c, 1 },
        [LLAMA_QUERY] = { queries, c },
        [LLAMA_KEY] = { keys, c },
        [LLAMA_VALUE] = { keys, c },
        [LLAMA_ATTENTION] = { c, queries },
        [LLAMA_FF_NORM] = { c, 1 },
        [LLAMA_GATE] = { config->ff_width, c },
        [LLAMA_UP] = { config->ff_width, c },
        [LLAMA_DOWN] = { c, config->ff_width },
    };

    ASSERT(slot < LLAMA_SLOTS_END);
    *ret_rows = shapes[slot].rows;
    *ret_columns = shapes[slot].columns;
}

/* Behind "blk.N." for a layer's. */
static const char *const names[LLAMA_SLOTS_END] = {
    [LLAMA_WORDS] = "token_embd.weight",
    [LLAMA_OUTPUT_NORM] = "output_norm.weight",
    [LLAMA_ATTENTION_NORM] = "attn_norm.weight",
    [LLAMA_QUERY] = "attn_q.weight",
    [LLAMA_KEY] = "attn_k.weight",
    [LLAMA_VALUE] = "attn_v.weight",
    [LLAMA_ATTENTION] = "attn_output.weight",
    [LLAMA_FF_NORM] = "ffn_norm.weight",
    [LLAMA_GATE] = "ffn_gate.weight",
    [LLAMA_UP] = "ffn_up.weight",
    [LLAMA_DOWN] = "ffn_down.weight",
};

static enum rc check_architecture(const struct gguf *gguf, struct err *err)
{
    const struct gguf_value *architecture;
    enum rc rc = gguf_get(gguf, "general.architecture", GGUF_STRING, &architecture, err);

    if (rc == RC_OK && !str_is(architecture->text, "llama"))
        return err_set(err, RC_UNSUPPORTED, "'general.architecture' is not 'llama'");
    if (rc == RC_OK && gguf_find(gguf, "llama.rope.scaling.type"))
        return err_set(err, RC_UNSUPPORTED, "'llama.rope.scaling.type': scaled positions");
    return rc;
}

/* A positive, finite number. */
static enum rc read_real(const struct gguf *gguf, const char *key, double max, float *ret_real,
                         struct err *err)
{
    const struct gguf_value *v;
    enum rc rc = gguf_get(gguf, key, GGUF_FLOAT, &v, err);

    if (rc)
        return rc;
    if (!(v->real > 0.0 && v->real <= max))
        return err_set(err, RC_INVALID, "'%s' is not above 0 and at most %g", key, max);
    *ret_real = (float)v->real;
    return RC_OK;
}

static enum rc check_shape(const struct llama_config *c, size_t rope_width, struct err *err)
{
    if (c->width % 32 || c->ff_width % 32 || c->n_words % 32)
        return err_set(err, RC_UNSUPPORTED, "%zu wide, %zu inside, %zu words: no multiples of 32",
                       c->width, c->ff_width, c->n_words);
    if (c->width % c->n_heads || c->width / c->n_heads % 32)
        return err_set(err, RC_UNSUPPORTED, "%zu heads do not divide the width %zu by 32",
                       c->n_heads, c->width);
    if (c->n_heads % c->n_kv_heads)
        return err_set(err, RC_INVALID, "%zu key heads do not divide %zu heads", c->n_kv_heads,
                       c->n_heads);
    if (rope_width != c->width / c->n_heads)
        return err_set(err, RC_UNSUPPORTED, "%zu of %zu values of a head are turned", rope_width,
                       c->width / c->n_heads);
    return RC_OK;
}

static enum rc read_config(const struct gguf *gguf, struct llama_config *config, struct err *err)
{
    const struct gguf_value *tokens;
    size_t rope_width = 0;
    const struct {
        const char *key;
        size_t max, *size;
    } sizes[] = {
        { "llama.block_count", LLAMA_LAYERS_MAX, &config->n_layers },
        { "llama.embedding_length", LLAMA_WIDTH_MAX, &config->width },
        { "llama.attention.head_count", LLAMA_WIDTH_MAX, &config->n_heads },
        { "llama.attention.head_count_kv", LLAMA_WIDTH_MAX, &config->n_kv_heads },
        { "llama.feed_forward_length", LLAMA_FF_WIDTH_MAX, &config->ff_width },
        { "llama.context_length", LLAMA_POSITIONS_MAX, &config->n_positions },
        { "llama.rope.dimension_count", LLAMA_WIDTH_MAX, &rope_width },
    };

    enum rc rc = check_architecture(gguf, err);
    for (size_t i = 0; i < ARRAY_LEN(sizes) && !rc; i++)
        rc = gguf_get_count(gguf, sizes[i].key, sizes[i].max, sizes[i].size, err);
    if (rc == RC_OK)
        rc = read_real(gguf, "llama.rope.freq_base", 1e9, &config->rope_base, err);
    if (rc == RC_OK)
        rc = read_real(gguf, "llama.attention.layer_norm_rms_epsilon", 0.1, &config->norm_eps, err);
    if (rc == RC_OK)
        rc = gguf_get_array(gguf, "tokenizer.ggml.tokens", GGUF_STRING, &tokens, err);
    if (rc)
        return rc;
    if (tokens->array.n < 1 || tokens->array.n > LLAMA_WORDS_MAX)
        return err_set(err, RC_LIMIT, "%zu words, at most %d allowed", tokens->array.n,
                       LLAMA_WORDS_MAX);
    config->n_words = tokens->array.n;
    config->head_width = config->width / config->n_heads;
    return check_shape(config, rope_width, err);
}

static enum rc find_tensor(const struct gguf *gguf, const struct llama_config *config,
                           enum llama_slot slot, size_t layer,
                           const struct gguf_tensor **ret_tensor, struct err *err)
{
    char name[GGUF_NAME_BYTES_MAX + 1];
    size_t rows, columns;

    snprintf(name, sizeof(name), "blk.%zu.%s", layer, names[slot]);
    const struct gguf_tensor *t =
        gguf_find_tensor(gguf, slot < LLAMA_LAYER_SLOTS ? names[slot] : name);
    if (!t)
        return err_set(err, RC_NOT_FOUND, "tensor '%s' is missing",
                       slot < LLAMA_LAYER_SLOTS ? names[slot] : name);
    llama_shape(config, slot, &rows, &columns);
    bool fits = columns == 1 ? t->rank == 1 && t->shape[0] == rows
                             : t->rank == 2 && t->shape[0] == columns && t->shape[1] == rows;
    if (!fits)
        return err_set(err, RC_CORRUPT, "tensor '%.*s' has not the shape (%zu, %zu)",
                       STR_ARG(t->name), rows, columns);
    *ret_tensor = t;
    return RC_OK;
}

enum rc llama_file_open(const struct gguf *gguf, struct arena *arena, struct llama_file *ret_file,
                        struct err *err)
{
    struct llama_file file = { 0 };
    enum rc rc = read_config(gguf, &file.config, err);

    if (rc)
        return err_context(err, "model");
    size_t n_tensors = llama_n_tensors(&file.config);
    if (gguf->n_tensors > n_tensors) /* what we left out would change what it computes */
        return err_set(err, RC_UNSUPPORTED, "model: %zu tensors, not the %zu that we know",
                       gguf->n_tensors, n_tensors);
    file.tensors = arena_array(arena, const struct gguf_tensor *, n_tensors);
    if (!file.tensors)
        return arena_fail(arena, err, "tensors");
    for (size_t layer = 0; layer < file.config.n_layers; layer++) {
        for (size_t slot = layer ? LLAMA_LAYER_SLOTS : 0; slot < LLAMA_SLOTS_END; slot++) {
            size_t index = llama_tensor_index((enum llama_slot)slot, layer);
            rc = find_tensor(gguf, &file.config, (enum llama_slot)slot, layer, &file.tensors[index],
                             err);
            if (rc)
                return err_context(err, "model");
        }
    }
    *ret_file = file;
    return RC_OK;
}

struct str llama_tensor_name(const struct llama_file *file, enum llama_slot slot, size_t layer)
{
    return file->tensors[llama_tensor_index(slot, layer)]->name;
}

/* Where row r of ours stands in the file: GGUF has d and d + D / 2 of a head side by side. */
static size_t row_in_file(const struct llama_config *config, enum llama_slot slot, size_t r)
{
    size_t d = r % config->head_width, half = config->head_width / 2;

    if (slot != LLAMA_QUERY && slot != LLAMA_KEY)
        return r;
    return r - d + (d < half ? 2 * d : 2 * (d - half) + 1);
}

void llama_read_rows(const struct llama_file *file, enum llama_slot slot, size_t layer,
                     size_t first, size_t n, float *ret_values)
{
    const struct gguf_tensor *t = file->tensors[llama_tensor_index(slot, layer)];
    size_t rows, columns;

    llama_shape(&file->config, slot, &rows, &columns);
    ASSERT(first <= rows && n <= rows - first);
    if (columns == 1) { /* a vector of any type: one row of the file */
        gguf_dequantise(t, first, n, ret_values);
        return;
    }
    for (size_t r = 0; r < n; r++)
        gguf_dequantise(t, row_in_file(&file->config, slot, first + r) * columns, columns,
                        ret_values + r * columns);
}

enum rc llama_dequantise(const struct llama_file *file, struct arena *arena,
                         struct llama *ret_llama, struct err *err)
{
    size_t n_tensors = llama_n_tensors(&file->config);
    struct llama llama = { file->config, arena_array(arena, const float *, n_tensors) };

    if (!llama.values)
        return arena_fail(arena, err, "weights");
    for (size_t layer = 0; layer < file->config.n_layers; layer++) {
        for (size_t i = layer ? LLAMA_LAYER_SLOTS : 0; i < LLAMA_SLOTS_END; i++) {
            enum llama_slot slot = (enum llama_slot)i;
            size_t rows, columns;

            llama_shape(&file->config, slot, &rows, &columns);
            float *values = arena_alloc(arena, rows * columns, sizeof(float), 64);
            if (!values)
                return arena_fail(arena, err, "weights");
            llama_read_rows(file, slot, layer, 0, rows, values);
            llama.values[llama_tensor_index(slot, layer)] = values;
        }
    }
    *ret_llama = llama;
    return RC_OK;
}
