#include "engine/train/train_network.h"

#include "base/macros.h"
#include "engine/train/train_random.h"

#include <string.h>

/* Where dropout happens within a layer; the embedding is a site of its own. */
enum site { SITE_PROBABILITIES, SITE_ATTENTION, SITE_DOWN, SITE_EMBEDDING, SITES_END };

struct pass {
    const struct train_network *net;
    struct train_memory *memory;
    const struct train_batch *batch;
};

/* A range of whole rows, and the tokens they have. */
struct range {
    size_t index, first_row, end_row;
    size_t first, n; /* tokens */
};

/* The first row of range i: ranges have about the same number of tokens. */
static size_t range_first_row(const struct train_batch *batch, size_t i, size_t n_ranges)
{
    size_t row = 0;

    while (row < batch->n_rows && batch->starts[row] * n_ranges < i * batch->n_tokens)
        row++;
    return row;
}

static struct range range_of(const struct pass *p, size_t i)
{
    size_t first_row = range_first_row(p->batch, i, p->memory->n_ranges);
    size_t end_row = range_first_row(p->batch, i + 1, p->memory->n_ranges);

    return (struct range){ i, first_row, end_row, p->batch->starts[first_row],
                           p->batch->starts[end_row] - p->batch->starts[first_row] };
}

static struct train_dropout dropout_at(const struct train_network *net, size_t layer,
                                       enum site site)
{
    uint64_t key = train_random(net->random_key, layer * SITES_END + site);
    bool frozen = site == SITE_EMBEDDING ? net->frozen_layers > 0 : layer < net->frozen_layers;

    return train_dropout_of(frozen ? 0.0f : net->dropout, (uint32_t)(key >> 32));
}

/* y (n, out) = x W^T, without the bias; W is (out, in). */
static void linear(const struct train_network *net, enum bert_slot weight, size_t layer,
                   const float *x, float *y, size_t y_stride, size_t n)
{
    const struct bert_tensor *t = &net->layout->tensors[bert_tensor_index(weight, layer)];

    net->gemm(&(struct gemm){
        .m = n,
        .n = t->shape[0],
        .depth = t->shape[1],
        .a = gemm_plain(x, t->shape[1]),
        .b = gemm_transposed(net->values + t->offset, t->shape[1]),
        .c = y,
        .c_stride = y_stride,
    });
}

/* dx (n, in) = or += dy W */
static void linear_backward(const struct train_network *net, enum bert_slot weight, size_t layer,
                            const float *dy, size_t dy_stride, float *dx, bool accumulate, size_t n)
{
    const struct bert_tensor *t = &net->layout->tensors[bert_tensor_index(weight, layer)];

    net->gemm(&(struct gemm){
        .m = n,
        .n = t->shape[1],
        .depth = t->shape[0],
        .a = gemm_plain(dy, dy_stride),
        .b = gemm_plain(net->values + t->offset, t->shape[1]),
        .c = dx,
        .c_stride = t->shape[1],
        .accumulate = accumulate,
    });
}

static struct train_norm embedding_norm(const struct train_network *net)
{
    return (struct train_norm){
        .gain = train_values(net, BERT_EMBEDDING_GAIN, 0),
        .shift = train_values(net, BERT_EMBEDDING_BIAS, 0),
        .eps = net->layout->config.norm_eps,
    };
}

static struct train_norm attention_norm(const struct train_network *net, size_t l, size_t first)
{
    return (struct train_norm){
        .bias = train_values(net, BERT_ATTENTION_BIAS, l),
        .dropout = dropout_at(net, l, SITE_ATTENTION),
        .first = (uint32_t)(first * net->layout->config.width),
        .gain = train_values(net, BERT_ATTENTION_NORM_GAIN, l),
        .shift = train_values(net, BERT_ATTENTION_NORM_BIAS, l),
        .eps = net->layout->config.norm_eps,
    };
}

static struct train_norm down_norm(const struct train_network *net, size_t l, size_t first)
{
    return (struct train_norm){
        .bias = train_values(net, BERT_DOWN_BIAS, l),
        .dropout = dropout_at(net, l, SITE_DOWN),
        .first = (uint32_t)(first * net->layout->config.width),
        .gain = train_values(net, BERT_DOWN_NORM_GAIN, l),
        .shift = train_values(net, BERT_DOWN_NORM_BIAS, l),
        .eps = net->layout->config.norm_eps,
    };
}

static void embed(const struct pass *p, const struct range *range)
{
    const struct train_network *net = p->net;
    size_t width = net->layout->config.width;
    const float *words = train_values(net, BERT_WORDS, 0),
                *positions = train_values(net, BERT_POSITIONS, 0);
    const float *type = train_values(net, BERT_TYPES, 0);
    struct train_norm norm = embedding_norm(net);
    struct train_dropout dropout = dropout_at(net, 0, SITE_EMBEDDING);

    for (size_t r = range->first_row; r < range->end_row; r++) {
        for (size_t t = p->batch->starts[r]; t < p->batch->starts[r + 1]; t++) {
            float *sum = p->memory->embedding_hat + t * width;

            memcpy(sum, words + (size_t)p->batch->tokens[t] * width, width * sizeof(*sum));
            net->ops->add(sum, positions + (t - p->batch->starts[r]) * width, 1.0f, width);
            net->ops->add(sum, type, 1.0f, width);
        }
    }
    size_t at = range->first * width;
    net->ops->norm(p->memory->layers[0].input + at, p->memory->embedding_hat + at,
                   p->memory->embedding_rstd + range->first, &norm, range->n, width);
    net->ops->drop(p->memory->layers[0].input + at, &dropout, (uint32_t)at, range->n * width);
}

static void layer_forward(const struct pass *p, const struct range *range, size_t l, float *output,
                          size_t worker)
{
    static const enum bert_slot qkv_weight[] = { BERT_QUERY_WEIGHT, BERT_KEY_WEIGHT,
                                                 BERT_VALUE_WEIGHT };
    static const enum bert_slot qkv_bias[] = { BERT_QUERY_BIAS, BERT_KEY_BIAS, BERT_VALUE_BIAS };
    const struct train_network *net = p->net;
    struct train_layer *layer = &p->memory->layers[l];
    size_t width = net->layout->config.width, ff = net->layout->config.ff_width, n = range->n;
    size_t at = range->first * width, wide = range->first * ff;
    struct train_norm norm1 = attention_norm(net, l, range->first),
                      norm2 = down_norm(net, l, range->first);

    for (size_t i = 0; i < 3; i++) {
        float *part = layer->qkv + 3 * at + i * width;

        linear(net, qkv_weight[i], l, layer->input + at, part, 3 * width, n);
        net->ops->add_bias(part, 3 * width, train_values(net, qkv_bias[i], l), n, width);
    }
    for (size_t r = range->first_row; r < range->end_row; r++)
        train_attention_forward(net, layer, p->batch->starts[r], p->batch->starts[r + 1],
                                dropout_at(net, l, SITE_PROBABILITIES), p->memory->square[worker]);

    linear(net, BERT_ATTENTION_WEIGHT, l, layer->context + at, layer->hat1 + at, width, n);
    norm1.residual = layer->input + at;
    net->ops->norm(layer->mid + at, layer->hat1 + at, layer->rstd1 + range->first, &norm1, n,
                   width);

    linear(net, BERT_UP_WEIGHT, l, layer->mid + at, layer->up + wide, ff, n);
    net->ops->bias_gelu(layer->act + wide, layer->up + wide, train_values(net, BERT_UP_BIAS, l), n,
                        ff);
    linear(net, BERT_DOWN_WEIGHT, l, layer->act + wide, layer->hat2 + at, width, n);
    norm2.residual = layer->mid + at;
    net->ops->norm(output + at, layer->hat2 + at, layer->rstd2 + range->first, &norm2, n, width);
}

/* Normalisation number `index` of 2L + 1, row by row: each row has sums of its own. */
static void norm_backward(const struct pass *p, const struct range *range, size_t index,
                          struct train_norm norm, float *hat, const float *rstd)
{
    size_t width = p->net->layout->config.width, all = 2 * p->net->layout->config.n_layers + 1;

    for (size_t r = range->first_row; r < range->end_row; r++) {
        size_t first = p->batch->starts[r], at = first * width;
        float *sums = p->memory->norm_sums + (r * all + index) * 2 * width;

        memset(sums, 0, 2 * width * sizeof(*sums));
        norm.first = (uint32_t)at;
        p->net->ops->norm_backward(p->memory->grad + at, hat + at, rstd + first, &norm, sums,
                                   sums + width, p->batch->starts[r + 1] - first, width);
    }
}

/* memory->grad holds d(output of layer l) and then d(its input). */
static void layer_backward(const struct pass *p, const struct range *range, size_t l, size_t worker)
{
    const struct train_network *net = p->net;
    struct train_layer *layer = &p->memory->layers[l];
    size_t width = net->layout->config.width, ff = net->layout->config.ff_width, n = range->n;
    size_t at = range->first * width, wide = range->first * ff;
    float *grad = p->memory->grad + at, *wide_grad = p->memory->wide_grad + wide;

    norm_backward(p, range, 2 * l + 1, down_norm(net, l, 0), layer->hat2, layer->rstd2);
    linear_backward(net, BERT_DOWN_WEIGHT, l, layer->hat2 + at, width, wide_grad, false, n);
    net->ops->gelu_backward(layer->up + wide, wide_grad, n * ff);
    linear_backward(net, BERT_UP_WEIGHT, l, layer->up + wide, ff, grad, true, n);

    norm_backward(p, range, 2 * l, attention_norm(net, l, 0), layer->hat1, layer->rstd1);
    float *dcontext = p->memory->context_grad;
    linear_backward(net, BERT_ATTENTION_WEIGHT, l, layer->hat1 + at, width, dcontext + at, false,
                    n);
    for (size_t r = range->first_row; r < range->end_row; r++)
        train_attention_backward(net, layer, dcontext, p->batch->starts[r], p->batch->starts[r + 1],
                                 dropout_at(net, l, SITE_PROBABILITIES), p->memory->square[worker]);
    if (l > 0 && l == net->frozen_layers)
        return; /* nobody wants the gradient of a frozen layer's output */
    linear_backward(net, BERT_QUERY_WEIGHT, l, layer->qkv + 3 * at, 3 * width, grad, true, n);
    linear_backward(net, BERT_KEY_WEIGHT, l, layer->qkv + 3 * at + width, 3 * width, grad, true, n);
    linear_backward(net, BERT_VALUE_WEIGHT, l, layer->qkv + 3 * at + 2 * width, 3 * width, grad,
                    true, n);
}

static void layers_forward(const struct pass *p, const struct range *range, size_t first,
                           size_t end, size_t worker)
{
    struct train_layer *layers = p->memory->layers;

    for (size_t l = first; l < end; l++)
        layer_forward(p, range, l,
                      l + 1 < p->net->layout->config.n_layers ? layers[l + 1].input
                                                              : p->memory->output,
                      worker);
}

/* The input of the first layer that is not frozen: kept from before, or computed. */
static void lower_forward(const struct pass *p, const struct range *range, size_t worker)
{
    size_t width = p->net->layout->config.width, frozen = p->net->frozen_layers;
    const size_t *starts = p->batch->starts;

    if (!p->batch->lower) {
        embed(p, range);
        layers_forward(p, range, 0, frozen, worker);
        return;
    }
    for (size_t r = range->first_row; r < range->end_row; r++)
        memcpy(p->memory->layers[frozen].input + starts[r] * width, p->batch->lower[r],
               (starts[r + 1] - starts[r]) * width * sizeof(float));
}

static void embedding_backward(const struct pass *p, const struct range *range)
{
    size_t width = p->net->layout->config.width;
    float *grad = p->memory->grad + range->first * width;
    struct train_dropout dropout = dropout_at(p->net, 0, SITE_EMBEDDING);

    p->net->ops->drop(grad, &dropout, (uint32_t)(range->first * width), range->n * width);
    norm_backward(p, range, 2 * p->net->layout->config.n_layers, embedding_norm(p->net),
                  p->memory->embedding_hat, p->memory->embedding_rstd);
}

static void run_range(void *context, size_t task, size_t worker)
{
    const struct pass *p = context;
    struct train_memory *memory = p->memory;
    size_t n_layers = p->net->layout->config.n_layers;
    struct range range = range_of(p, task);

    lower_forward(p, &range, worker);
    layers_forward(p, &range, p->net->frozen_layers, n_layers, worker);
    train_heads_forward(p->net, memory, p->batch, range.first_row, range.end_row);
    if (!p->batch->labels)
        return;

    train_heads_backward(p->net, memory, p->batch, range.first_row, range.end_row);
    for (size_t l = n_layers; l-- > p->net->frozen_layers;)
        layer_backward(p, &range, l, worker);
    if (p->net->frozen_layers == 0)
        embedding_backward(p, &range);
}

static void run_lower(void *context, size_t task, size_t worker)
{
    const struct pass *p = context;
    struct range range = range_of(p, task);

    lower_forward(p, &range, worker);
}

void train_network_lower(const struct train_network *net, struct train_memory *memory,
                         const struct train_batch *batch, struct pool *pool)
{
    struct pass pass = { net, memory, batch };

    ASSERT(net->frozen_layers > 0 && !batch->lower);
    pool_run(pool, memory->n_ranges, run_lower, &pass);
}

double train_network_pass(const struct train_network *net, struct train_memory *memory,
                          const struct train_batch *batch, struct pool *pool)
{
    struct pass pass = { net, memory, batch };
    double loss = 0.0;

    ASSERT(batch->n_rows <= memory->rows_max && batch->n_tokens <= memory->tokens_max);
    ASSERT(!batch->labels || memory->grad);
    ASSERT(net->frozen_layers < net->layout->config.n_layers);
    ASSERT(pool_n_workers(pool) <= memory->n_ranges); /* square[] is per worker */
    pool_run(pool, memory->n_ranges, run_range, &pass);
    for (size_t r = 0; r < batch->n_rows && batch->labels; r++)
        loss += memory->losses[r];
    return loss;
}
