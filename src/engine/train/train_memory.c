/* train_memory.c - the one allocation of what a pass needs. */
#include "engine/train/train_network.h"

#include "base/macros.h"

/* One row of the table: an array of `count` values per unit. */
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

static enum rc layer_init(struct train_layer *layer, const struct bert_config *config,
                          size_t tokens, struct arena *arena, struct err *err)
{
    size_t narrow = tokens * config->width, wide = tokens * config->ff_width;
    const struct area areas[] = {
        { &layer->input, narrow }, { &layer->qkv, 3 * narrow }, { &layer->context, narrow },
        { &layer->hat1, narrow },  { &layer->rstd1, tokens },   { &layer->mid, narrow },
        { &layer->up, wide },      { &layer->act, wide },       { &layer->hat2, narrow },
        { &layer->rstd2, tokens },
    };

    return allocate(areas, ARRAY_LEN(areas), arena, err);
}

/* Layers that keep nothing for a backward pass share the first one's memory. */
static enum rc layers_init(const struct train_network *net, struct train_memory *memory,
                           bool training, struct arena *arena, struct err *err)
{
    const struct bert_config *config = &net->layout->config;
    enum rc rc = RC_OK;

    memory->layers = arena_array(arena, struct train_layer, config->n_layers);
    if (!memory->layers)
        return arena_fail(arena, err, "memory of training");
    for (size_t l = 0; l < config->n_layers && !rc; l++) {
        if ((training && l >= net->frozen_layers) || l == 0)
            rc = layer_init(&memory->layers[l], config, memory->tokens_max, arena, err);
        else
            memory->layers[l] = memory->layers[0];
    }
    return rc;
}

/* Attention of the longest row: three (n, n) matrices in backward, one forward. */
static enum rc squares_init(struct train_memory *memory, const struct bert_config *config,
                            struct arena *arena, struct err *err)
{
    size_t n = config->n_positions;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < memory->n_ranges && !rc; i++) {
        const struct area area = { &memory->square[i], n * (3 * train_square_stride(n) +
                                                            config->width / config->n_heads) };

        rc = allocate(&area, 1, arena, err);
    }
    return rc;
}

enum rc train_memory_init(const struct train_network *net, size_t tokens_max, size_t rows_max,
                          size_t n_ranges, bool training, struct arena *arena,
                          struct train_memory *ret_memory, struct err *err)
{
    const struct bert_config *config = &net->layout->config;
    struct train_memory m = { .tokens_max = tokens_max,
                              .rows_max = rows_max,
                              .n_ranges = n_ranges };
    size_t narrow = tokens_max * config->width, classes = rows_max * net->heads.n_classes;
    size_t norm_sums = rows_max * (2 * config->n_layers + 1) * 2 * config->width;
    const struct area both[] = {
        { &m.embedding_hat, narrow },
        { &m.embedding_rstd, tokens_max },
        { &m.features, rows_max * config->width },
        { &m.lengths, rows_max },
        { &m.logits, classes },
    };
    const struct area backward[] = {
        { &m.output, narrow },
        { &m.grad, narrow },
        { &m.wide_grad, tokens_max * config->ff_width },
        { &m.context_grad, narrow },
        { &m.norm_sums, norm_sums },
    };

    ASSERT(n_ranges >= 1 && n_ranges <= TRAIN_RANGES_MAX);
    enum rc rc = layers_init(net, &m, training, arena, err);
    if (!rc)
        rc = allocate(both, ARRAY_LEN(both), arena, err);
    if (!rc && training)
        rc = allocate(backward, ARRAY_LEN(backward), arena, err);
    if (!rc)
        rc = squares_init(&m, config, arena, err);
    if (rc)
        return rc;

    if (!training)
        m.output =
            m.layers[0].input; /* a layer reads its input for the last time before it writes */
    m.losses = arena_array(arena, double, rows_max);
    if (!m.losses)
        return arena_fail(arena, err, "memory of training");
    *ret_memory = m;
    return RC_OK;
}
