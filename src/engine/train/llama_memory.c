/* llama_memory.c - the one allocation of what a task of decoder training needs. */
#include "engine/train/llama_network.h"

#include "base/macros.h"

/* One row of the table: an array of so many values. */
struct area {
    float **at;
    size_t values;
};

static enum rc allocate(const struct area *areas, size_t n, struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        *areas[i].at = arena_alloc(arena, areas[i].values, sizeof(float), 64);
        if (!*areas[i].at)
            return arena_fail(arena, err, "memory of training");
    }
    return RC_OK;
}

static enum rc layer_init(const struct llama_network *net, size_t tokens, struct arena *arena,
                          struct llama_layer *layer, struct err *err)
{
    const struct llama_config *config = &net->base->config;
    size_t narrow = tokens * config->width, wide = tokens * config->ff_width;
    const struct area areas[] = {
        { &layer->input, narrow },
        { &layer->rstd1, tokens },
        { &layer->qkv, tokens * llama_qkv_stride(config) },
        { &layer->context, tokens * config->n_heads * config->head_width },
        { &layer->mid, narrow },
        { &layer->rstd2, tokens },
        { &layer->gate, wide },
        { &layer->up, wide },
        { &layer->low[LLAMA_GROUP_QKV], tokens * 3 * net->lora.rank },
        { &layer->low[LLAMA_GROUP_OUT], tokens * net->lora.rank },
        { &layer->low[LLAMA_GROUP_FF], tokens * 2 * net->lora.rank },
        { &layer->low[LLAMA_GROUP_DOWN], tokens * net->lora.rank },
    };

    return allocate(areas, ARRAY_LEN(areas), arena, err);
}

/* The largest operand of a product with a frozen matrix. */
static size_t rounded_len(const struct llama_network *net, size_t tokens)
{
    const struct llama_config *config = &net->base->config;
    size_t wide = config->ff_width > config->width ? config->ff_width : config->width;
    size_t layers = tokens * wide, loss = LLAMA_LOSS_ROWS * config->n_words;

    return layers > loss ? layers : loss;
}

/* What does not belong to one layer. */
static enum rc common_init(const struct llama_network *net, struct llama_memory *m,
                           struct arena *arena, struct err *err)
{
    const struct llama_config *config = &net->base->config;
    size_t n = m->tokens_max, narrow = n * config->width;
    const struct area forward[] = {
        { &m->output, narrow },
        { &m->rstd, n },
        { &m->normed, narrow },
        { &m->wide, n * config->ff_width },
        { &m->square, llama_attention_square(config, n) },
        { &m->logits, LLAMA_LOSS_ROWS * config->n_words },
        { &m->hidden, LLAMA_LOSS_ROWS * config->width },
    };
    const struct area backward[] = {
        { &m->grad, narrow },
        { &m->normed_grad, narrow },
        { &m->wide_grad, n * config->ff_width },
        { &m->context_grad, n * config->n_heads * config->head_width },
        { &m->low_grad, n * 3 * net->lora.rank },
    };
    enum rc rc = allocate(forward, ARRAY_LEN(forward), arena, err);

    if (!rc && net->bf16) {
        m->rounded = arena_alloc(arena, rounded_len(net, n), sizeof(*m->rounded), 64);
        if (!m->rounded)
            rc = arena_fail(arena, err, "memory of training");
    }
    return rc || !m->training ? rc : allocate(backward, ARRAY_LEN(backward), arena, err);
}

enum rc llama_memory_init(const struct llama_network *net, size_t tokens_max, bool training,
                          struct arena *arena, struct llama_memory *ret_memory, struct err *err)
{
    size_t n_layers = net->base->config.n_layers;
    struct llama_memory m = { .tokens_max = tokens_max, .training = training };
    enum rc rc = RC_OK;

    m.layers = arena_array(arena, struct llama_layer, n_layers);
    if (!m.layers)
        return arena_fail(arena, err, "memory of training");
    for (size_t l = 0; l < n_layers && !rc; l++) {
        if (training || l == 0)
            rc = layer_init(net, tokens_max, arena, &m.layers[l], err);
        else
            m.layers[l] = m.layers[0];
    }
    if (!rc)
        rc = common_init(net, &m, arena, err);
    if (!rc)
        *ret_memory = m;
    return rc;
}
