/*
 * train_gradients.c - the gradients of all weights, from what the pass left in memory.
 *
 * The work of a batch is a list of tasks that depend on the shape alone, not on the threads: tiles
 * of the linear weights, the sums of each normalisation, the embeddings, the heads; of layers that
 * are not frozen.
 */
#include "engine/train/train_network.h"

#include "base/macros.h"

#include <string.h>

enum {
    TILE = 384,     /* outputs and inputs of one task: about 1 ms of one core at 400 tokens */
    WORD_TASKS = 4, /* words are dealt to tasks by their id */
};

struct work {
    const struct train_network *net;
    const struct train_memory *memory;
    const struct train_batch *batch;
    enum train_parts parts;
    bool accumulate;
    float *gradients;
};

/* y = W x + b: where d(y) and x lie after the pass. */
struct linear_grad {
    const float *dy, *x;
    size_t dy_stride, x_stride;
    enum bert_slot bias;
};

static struct linear_grad linear_grad_of(const struct work *w, enum bert_slot slot, size_t l)
{
    const struct train_layer *layer = &w->memory->layers[l];
    size_t width = w->net->layout->config.width, ff = w->net->layout->config.ff_width;

    if (slot == BERT_QUERY_WEIGHT)
        return (struct linear_grad){ layer->qkv, layer->input, 3 * width, width, BERT_QUERY_BIAS };
    if (slot == BERT_KEY_WEIGHT)
        return (struct linear_grad){ layer->qkv + width, layer->input, 3 * width, width,
                                     BERT_KEY_BIAS };
    if (slot == BERT_VALUE_WEIGHT)
        return (struct linear_grad){ layer->qkv + 2 * width, layer->input, 3 * width, width,
                                     BERT_VALUE_BIAS };
    if (slot == BERT_ATTENTION_WEIGHT)
        return (struct linear_grad){ layer->hat1, layer->context, width, width,
                                     BERT_ATTENTION_BIAS };
    if (slot == BERT_UP_WEIGHT)
        return (struct linear_grad){ layer->up, layer->mid, ff, width, BERT_UP_BIAS };
    ASSERT(slot == BERT_DOWN_WEIGHT);
    return (struct linear_grad){ layer->hat2, layer->act, width, ff, BERT_DOWN_BIAS };
}

static size_t tiles(size_t n)
{
    return (n + TILE - 1) / TILE;
}

static float *gradient(const struct work *w, enum bert_slot slot, size_t layer)
{
    return w->gradients + w->net->layout->tensors[bert_tensor_index(slot, layer)].offset;
}

static void column_sums(const struct work *w, float *sum, const float *x, size_t stride,
                        size_t rows, size_t n)
{
    if (!w->accumulate)
        memset(sum, 0, n * sizeof(*sum));
    w->net->ops->column_sums(sum, x, stride, rows, n);
}

/* Tile `tile` of dW = dy^T x, and with its first column of tiles that part of db. */
static void linear_tile(const struct work *w, const struct bert_tensor *t, size_t tile)
{
    struct linear_grad g = linear_grad_of(w, t->slot, t->layer);
    size_t out = tile / tiles(t->shape[1]) * TILE, in = tile % tiles(t->shape[1]) * TILE;
    size_t m = t->shape[0] - out < TILE ? t->shape[0] - out : TILE;
    size_t n = t->shape[1] - in < TILE ? t->shape[1] - in : TILE;

    w->net->gemm(&(struct gemm){
        .m = m,
        .n = n,
        .depth = w->batch->n_tokens,
        .a = gemm_transposed(g.dy + out, g.dy_stride),
        .b = gemm_plain(g.x + in, g.x_stride),
        .c = w->gradients + t->offset + out * t->shape[1] + in,
        .c_stride = t->shape[1],
        .accumulate = w->accumulate,
    });
    if (in == 0 && w->parts == TRAIN_PARTS_ALL)
        column_sums(w, gradient(w, g.bias, t->layer) + out, g.dy + out, g.dy_stride,
                    w->batch->n_tokens, m);
}

/* Number `norm` of 2L + 1, the embedding's last: sums over the rows, in their order. */
static void norm_task(const struct work *w, size_t norm)
{
    static const enum bert_slot gains[] = { BERT_ATTENTION_NORM_GAIN, BERT_DOWN_NORM_GAIN };
    static const enum bert_slot shifts[] = { BERT_ATTENTION_NORM_BIAS, BERT_DOWN_NORM_BIAS };
    size_t n_layers = w->net->layout->config.n_layers, width = w->net->layout->config.width;
    bool embedding = norm == 2 * n_layers;
    float *gain =
        embedding ? gradient(w, BERT_EMBEDDING_GAIN, 0) : gradient(w, gains[norm % 2], norm / 2);
    float *shift =
        embedding ? gradient(w, BERT_EMBEDDING_BIAS, 0) : gradient(w, shifts[norm % 2], norm / 2);
    const float *sums = w->memory->norm_sums + norm * 2 * width;
    size_t stride = (2 * n_layers + 1) * 2 * width;

    column_sums(w, gain, sums, stride, w->batch->n_rows, width);
    column_sums(w, shift, sums + width, stride, w->batch->n_rows, width);
}

static void words_task(const struct work *w, size_t task)
{
    size_t width = w->net->layout->config.width;
    float *words = gradient(w, BERT_WORDS, 0);

    for (size_t t = 0; t < w->batch->n_tokens; t++) {
        size_t word = (size_t)w->batch->tokens[t];

        if (word % WORD_TASKS == task)
            w->net->ops->add(words + word * width, w->memory->grad + t * width, 1.0f, width);
    }
}

static void positions_task(const struct work *w)
{
    size_t width = w->net->layout->config.width;
    float *positions = gradient(w, BERT_POSITIONS, 0), *types = gradient(w, BERT_TYPES, 0);

    if (!w->accumulate) {
        memset(positions, 0, w->net->layout->config.n_positions * width * sizeof(*positions));
        memset(types, 0, w->net->layout->config.n_types * width * sizeof(*types));
    }
    for (size_t r = 0; r < w->batch->n_rows; r++) {
        size_t first = w->batch->starts[r], n = w->batch->starts[r + 1] - first;

        w->net->ops->add(positions, w->memory->grad + first * width, 1.0f, n * width);
    }
    w->net->ops->column_sums(types, w->memory->grad, width, w->batch->n_tokens, width);
}

static void heads_task(const struct work *w)
{
    const struct train_heads *heads = &w->net->heads;
    size_t width = w->net->layout->config.width, n_classes = heads->n_classes;

    w->net->gemm(&(struct gemm){
        .m = n_classes,
        .n = width,
        .depth = w->batch->n_rows,
        .a = gemm_transposed(w->memory->logits, n_classes),
        .b = gemm_plain(w->memory->features, width),
        .c = w->gradients + heads->weight,
        .c_stride = width,
        .accumulate = w->accumulate,
    });
    column_sums(w, w->gradients + heads->bias, w->memory->logits, n_classes, w->batch->n_rows,
                n_classes);
}

/* The tasks in the order of their numbers: tiles of each linear weight, layer by layer; the heads;
 * and with TRAIN_PARTS_ALL the normalisations, and the embeddings unless they are frozen. */
static size_t tiles_of(const struct train_network *net, const struct bert_tensor *t)
{
    bool linear = t->rank == 2 && t->slot >= BERT_LAYER_SLOTS;

    return linear && t->layer >= net->frozen_layers ? tiles(t->shape[0]) * tiles(t->shape[1]) : 0;
}

static size_t n_tiles(const struct train_network *net)
{
    size_t n = 0;

    for (size_t i = 0; i < net->layout->n_tensors; i++)
        n += tiles_of(net, &net->layout->tensors[i]);
    return n;
}

/* Of the normalisations: two of each trained layer, and the embedding's. */
static size_t n_norms(const struct train_network *net)
{
    size_t layers = net->layout->config.n_layers - net->frozen_layers;

    return 2 * layers + (net->frozen_layers == 0);
}

static void tile_task(const struct work *w, size_t task)
{
    const struct bert_tensor *t = w->net->layout->tensors;

    for (;; t++) {
        size_t n = tiles_of(w->net, t);

        if (task < n)
            break;
        task -= n;
    }
    linear_tile(w, t, task);
}

static void run_task(void *context, size_t task, size_t worker)
{
    const struct work *w = context;
    size_t tile_tasks = n_tiles(w->net), norms = n_norms(w->net);
    (void)worker;

    if (task < tile_tasks) {
        tile_task(w, task);
        return;
    }
    task -= tile_tasks;
    if (task == 0)
        heads_task(w);
    else if (task < 1 + norms)
        norm_task(w, 2 * w->net->frozen_layers + task - 1);
    else if (task == 1 + norms)
        positions_task(w);
    else
        words_task(w, task - 2 - norms);
}

void train_network_gradients(const struct train_network *net, struct train_memory *memory,
                             const struct train_batch *batch, enum train_parts parts,
                             bool accumulate, float *gradients, struct pool *pool)
{
    struct work work = { net, memory, batch, parts, accumulate, gradients };
    size_t n_tasks = n_tiles(net) + 1;

    if (parts == TRAIN_PARTS_ALL)
        n_tasks += n_norms(net) + (net->frozen_layers == 0 ? 1 + WORD_TASKS : 0);
    pool_run(pool, n_tasks, run_task, &work);
}
