#include "engine/train/llama_network.h"

#include "base/exact_math.h"
#include "base/macros.h"

#include <math.h>
#include <string.h>

/* One call: the rows, packed. */
struct pass {
    const struct llama_network *net;
    struct llama_memory *memory;
    const struct llama_row *const *rows;
    size_t n_rows, n; /* n: tokens */
    double weight;
};

/* Products of one group's weights with the same input x (n, in). y[i] has out[i] columns. */
struct products {
    struct llama_pairs pairs;
    const float *x;
    float *y[3]; /* or their gradients */
    size_t y_stride[3];
    float *low; /* (n, pairs.n r) */
};

void llama_turns(const struct llama_config *config, size_t n_positions, float *turns)
{
    size_t half = config->head_width / 2;

    for (size_t d = 0; d < half; d++) {
        double exponent = -2.0 * (double)d / (double)config->head_width;
        double frequency = exact_exp(exponent * exact_ln((double)config->rope_base));

        for (size_t p = 0; p < n_positions; p++) {
            double sine, cosine;

            exact_sin_cos((double)p * frequency, &sine, &cosine);
            turns[p * config->head_width + d] = (float)cosine;
            turns[p * config->head_width + half + d] = (float)sine;
        }
    }
}

/* A product with the frozen matrix W (out, in): y (n, out) (+)= x W^T; backward, y (n, in) (+)= x
 * W. */
struct frozen {
    enum llama_slot slot;
    size_t layer;
    bool backward, accumulate;
    size_t n;
    const float *x;
    size_t x_stride;
    float *y;
    size_t y_stride;
};

static void multiply_f32(const struct llama_network *net, const struct frozen *f, size_t out,
                         size_t in)
{
    const float *w = llama_values(net->base, f->slot, f->layer);

    net->gemm(&(struct gemm){
        .m = f->n,
        .n = f->backward ? in : out,
        .depth = f->backward ? out : in,
        .a = gemm_plain(f->x, f->x_stride),
        .b = f->backward ? gemm_plain(w, in) : gemm_transposed(w, in),
        .c = f->y,
        .c_stride = f->y_stride,
        .accumulate = f->accumulate,
    });
}

static void multiply_bf16(const struct pass *p, const struct frozen *f, size_t depth)
{
    const struct llama_bf16 *bf16 = p->net->bf16;
    const struct llama_bf16_matrix *w = &bf16->matrices[llama_tensor_index(f->slot, f->layer)];
    uint16_t *x = p->memory->rounded;

    for (size_t i = 0; i < f->n; i++)
        p->net->ops->round_bf16(x + i * depth, f->x + i * f->x_stride, depth);
    bf16->kernel->run(&(struct gemm_bf16){
        .m = f->n,
        .a = x,
        .b = f->backward ? &w->backward : &w->forward,
        .c = f->y,
        .c_stride = f->y_stride,
        .accumulate = f->accumulate,
    });
}

static void multiply_frozen(const struct pass *p, const struct frozen *f)
{
    size_t out, in;

    llama_shape(&p->net->base->config, f->slot, &out, &in);
    if (p->net->bf16)
        multiply_bf16(p, f, f->backward ? out : in);
    else
        multiply_f32(p->net, f, out, in);
}

/* y[i] (+)= x W[i]^T + low[i] B[i]^T */
static void multiply(const struct pass *p, const struct products *g, size_t layer, bool accumulate)
{
    const struct llama_network *net = p->net;
    size_t r = net->lora.rank, in = g->pairs.in, all = g->pairs.n * r;
    float factor = net->lora.alpha / (float)r;

    net->gemm(&(struct gemm){ p->n, all, in, gemm_plain(g->x, in),
                              gemm_transposed(net->values + g->pairs.a, in), g->low, all, false });
    for (size_t i = 0; i < p->n * all; i++)
        g->low[i] *= factor;
    for (size_t i = 0; i < g->pairs.n; i++) {
        size_t out = g->pairs.out[i];

        multiply_frozen(p, &(struct frozen){
                               .slot = g->pairs.slot + (enum llama_slot)i,
                               .layer = layer,
                               .accumulate = accumulate,
                               .n = p->n,
                               .x = g->x,
                               .x_stride = in,
                               .y = g->y[i],
                               .y_stride = g->y_stride[i],
                           });
        net->gemm(&(struct gemm){ p->n, out, r, gemm_plain(g->low + i * r, all),
                                  gemm_transposed(net->values + g->pairs.b[i], r), g->y[i],
                                  g->y_stride[i], true });
    }
}

/* y are d(y): dA and dB are added to the gradients, dx (n, in) is written; NULL: not wanted. */
static void multiply_backward(const struct pass *p, const struct products *g, size_t layer,
                              float *dx)
{
    const struct llama_network *net = p->net;
    size_t r = net->lora.rank, in = g->pairs.in, all = g->pairs.n * r;
    float factor = net->lora.alpha / (float)r, *dlow = p->memory->low_grad;
    float *gradients = p->memory->gradients;

    for (size_t i = 0; i < g->pairs.n; i++) {
        struct gemm_view dy = gemm_plain(g->y[i], g->y_stride[i]);
        size_t out = g->pairs.out[i];

        net->gemm(&(struct gemm){ out, r, p->n, gemm_transposed(dy.at, dy.row),
                                  gemm_plain(g->low + i * r, all), gradients + g->pairs.b[i], r,
                                  true });
        net->gemm(&(struct gemm){ p->n, r, out, dy, gemm_plain(net->values + g->pairs.b[i], r),
                                  dlow + i * r, all, false });
        if (dx)
            multiply_frozen(p, &(struct frozen){
                                   .slot = g->pairs.slot + (enum llama_slot)i,
                                   .layer = layer,
                                   .backward = true,
                                   .accumulate = i > 0,
                                   .n = p->n,
                                   .x = dy.at,
                                   .x_stride = dy.row,
                                   .y = dx,
                                   .y_stride = in,
                               });
    }
    for (size_t i = 0; i < p->n * all; i++)
        dlow[i] *= factor;
    net->gemm(&(struct gemm){ all, in, p->n, gemm_transposed(dlow, all), gemm_plain(g->x, in),
                              gradients + g->pairs.a, in, true });
    if (dx)
        net->gemm(&(struct gemm){ p->n, in, all, gemm_plain(dlow, all),
                                  gemm_plain(net->values + g->pairs.a, in), dx, in, true });
}

static struct products qkv_of(const struct pass *p, size_t l)
{
    const struct llama_config *config = &p->net->base->config;
    struct llama_layer *layer = &p->memory->layers[l];
    size_t stride = llama_qkv_stride(config), depth = config->head_width;
    float *key = layer->qkv + config->n_heads * depth, *value = key + config->n_kv_heads * depth;

    return (struct products){
        .pairs = llama_lora_pairs(&p->net->lora, LLAMA_GROUP_QKV, l),
        .x = p->memory->normed,
        .y = { layer->qkv, key, value },
        .y_stride = { stride, stride, stride },
        .low = layer->low[LLAMA_GROUP_QKV],
    };
}

static struct products out_of(const struct pass *p, size_t l, float *y)
{
    struct llama_layer *layer = &p->memory->layers[l];

    return (struct products){
        .pairs = llama_lora_pairs(&p->net->lora, LLAMA_GROUP_OUT, l),
        .x = layer->context,
        .y = { y },
        .y_stride = { p->net->base->config.width },
        .low = layer->low[LLAMA_GROUP_OUT],
    };
}

static struct products ff_of(const struct pass *p, size_t l)
{
    struct llama_layer *layer = &p->memory->layers[l];
    size_t ff = p->net->base->config.ff_width;

    return (struct products){
        .pairs = llama_lora_pairs(&p->net->lora, LLAMA_GROUP_FF, l),
        .x = p->memory->normed,
        .y = { layer->gate, layer->up },
        .y_stride = { ff, ff },
        .low = layer->low[LLAMA_GROUP_FF],
    };
}

static struct products down_of(const struct pass *p, size_t l, float *y)
{
    return (struct products){
        .pairs = llama_lora_pairs(&p->net->lora, LLAMA_GROUP_DOWN, l),
        .x = p->memory->wide,
        .y = { y },
        .y_stride = { p->net->base->config.width },
        .low = p->memory->layers[l].low[LLAMA_GROUP_DOWN],
    };
}

/* q and k of all rows. direction -1: their gradients. */
static void turn(const struct pass *p, struct llama_layer *layer, float direction)
{
    const struct llama_config *config = &p->net->base->config;
    size_t depth = config->head_width, stride = llama_qkv_stride(config), at = 0;

    for (size_t r = 0; r < p->n_rows; r++)
        for (size_t t = 0; t < p->rows[r]->n_tokens; t++, at++)
            p->net->ops->turn(layer->qkv + at * stride, p->net->turns + t * depth, direction,
                              config->n_heads + config->n_kv_heads, depth);
}

static void embed(const struct pass *p)
{
    size_t width = p->net->base->config.width, at = 0;
    const float *words = llama_values(p->net->base, LLAMA_WORDS, 0);

    for (size_t r = 0; r < p->n_rows; r++)
        for (size_t t = 0; t < p->rows[r]->n_tokens; t++, at++)
            memcpy(p->memory->layers[0].input + at * width,
                   words + (size_t)p->rows[r]->tokens[t] * width, width * sizeof(float));
}

static void layer_forward(const struct pass *p, size_t l, float *output)
{
    const struct llama_network *net = p->net;
    const struct llama_config *config = &net->base->config;
    struct llama_memory *m = p->memory;
    struct llama_layer *layer = &m->layers[l];
    size_t width = config->width, narrow = p->n * width * sizeof(float);

    net->ops->rms_norm(m->normed, layer->rstd1, layer->input,
                       llama_values(net->base, LLAMA_ATTENTION_NORM, l), config->norm_eps, p->n,
                       width);
    struct products qkv = qkv_of(p, l), out = out_of(p, l, layer->mid), ff = ff_of(p, l),
                    down = down_of(p, l, output);
    multiply(p, &qkv, l, false);
    turn(p, layer, 1.0f);
    for (size_t r = 0, first = 0; r < p->n_rows; first += p->rows[r]->n_tokens, r++)
        llama_attention_forward(net, layer, first, first + p->rows[r]->n_tokens, m->square);
    memcpy(layer->mid, layer->input, narrow);
    multiply(p, &out, l, true);

    net->ops->rms_norm(m->normed, layer->rstd2, layer->mid,
                       llama_values(net->base, LLAMA_FF_NORM, l), config->norm_eps, p->n, width);
    multiply(p, &ff, l, false);
    net->ops->swiglu(m->wide, layer->gate, layer->up, p->n * config->ff_width);
    memcpy(output, layer->mid, narrow);
    multiply(p, &down, l, true);
}

/* memory->grad holds d(output of layer l) and then d(its input). */
static void layer_backward(const struct pass *p, size_t l)
{
    const struct llama_network *net = p->net;
    const struct llama_config *config = &net->base->config;
    struct llama_memory *m = p->memory;
    struct llama_layer *layer = &m->layers[l];
    size_t width = config->width, wide = p->n * config->ff_width;
    const float *gain1 = llama_values(net->base, LLAMA_ATTENTION_NORM, l),
                *gain2 = llama_values(net->base, LLAMA_FF_NORM, l);
    struct products qkv = qkv_of(p, l), out = out_of(p, l, m->grad), ff = ff_of(p, l),
                    down = down_of(p, l, m->grad);

    net->ops->swiglu(m->wide, layer->gate, layer->up, wide);
    multiply_backward(p, &down, l, m->wide_grad);
    net->ops->swiglu_backward(layer->gate, layer->up, m->wide_grad, wide);
    net->ops->rms_norm_again(m->normed, layer->rstd2, layer->mid, gain2, p->n, width);
    multiply_backward(p, &ff, l, m->normed_grad);
    net->ops->rms_norm_backward(m->grad, m->normed_grad, layer->rstd2, layer->mid, gain2, p->n,
                                width);

    multiply_backward(p, &out, l, m->context_grad);
    for (size_t r = 0, first = 0; r < p->n_rows; first += p->rows[r]->n_tokens, r++)
        llama_attention_backward(net, layer, m->context_grad, first, first + p->rows[r]->n_tokens,
                                 m->square);
    turn(p, layer, -1.0f);
    net->ops->rms_norm_again(m->normed, layer->rstd1, layer->input, gain1, p->n, width);
    multiply_backward(p, &qkv, l, l > 0 ? m->normed_grad : NULL);
    if (l > 0)
        net->ops->rms_norm_backward(m->grad, m->normed_grad, layer->rstd1, layer->input, gain1,
                                    p->n, width);
}

/* Up to LLAMA_LOSS_ROWS positions whose next token is learned. */
struct positions {
    size_t n;
    size_t at[LLAMA_LOSS_ROWS];    /* in the pack */
    int32_t next[LLAMA_LOSS_ROWS]; /* token */
};

static double surprise(float p)
{
    return p > 0.0f && isfinite(p) ? -exact_ln((double)p) : NAN;
}

/* Their summed loss; memory->normed_grad becomes d(normed) at them. */
static double positions_loss(const struct pass *p, struct positions *positions)
{
    const struct llama_network *net = p->net;
    size_t width = net->base->config.width, n_words = net->base->config.n_words;
    struct llama_memory *m = p->memory;
    double loss = 0.0;

    for (size_t i = 0; i < positions->n; i++)
        memcpy(m->hidden + i * width, m->normed + positions->at[i] * width, width * sizeof(float));
    multiply_frozen(p, &(struct frozen){
                           .slot = LLAMA_WORDS,
                           .n = positions->n,
                           .x = m->hidden,
                           .x_stride = width,
                           .y = m->logits,
                           .y_stride = n_words,
                       });
    net->ops->softmax(m->logits, n_words, 1.0f, positions->n, n_words);
    for (size_t i = 0; i < positions->n; i++) {
        float *z = m->logits + i * n_words;

        loss += surprise(z[positions->next[i]]);
        z[positions->next[i]] -= 1.0f;
    }
    if (m->training) {
        multiply_frozen(p, &(struct frozen){
                               .slot = LLAMA_WORDS,
                               .backward = true,
                               .n = positions->n,
                               .x = m->logits,
                               .x_stride = n_words,
                               .y = m->hidden,
                               .y_stride = width,
                           });
        for (size_t i = 0; i < positions->n; i++)
            net->ops->add(m->normed_grad + positions->at[i] * width, m->hidden + i * width,
                          (float)p->weight, width);
    }
    positions->n = 0;
    return loss;
}

/* The loss of all rows; memory->grad becomes d(output). */
static double loss_of(const struct pass *p)
{
    const struct llama_network *net = p->net;
    const struct llama_config *config = &net->base->config;
    const float *gain = llama_values(net->base, LLAMA_OUTPUT_NORM, 0);
    struct llama_memory *m = p->memory;
    struct positions positions = { 0 };
    size_t narrow = p->n * config->width * sizeof(float);
    double loss = 0.0;

    net->ops->rms_norm(m->normed, m->rstd, m->output, gain, config->norm_eps, p->n, config->width);
    if (m->training)
        memset(m->normed_grad, 0, narrow);
    for (size_t r = 0, first = 0; r < p->n_rows; first += p->rows[r]->n_tokens, r++) {
        for (size_t t = p->rows[r]->n_prompt; t < p->rows[r]->n_tokens; t++) {
            positions.at[positions.n] = first + t - 1;
            positions.next[positions.n++] = p->rows[r]->tokens[t];
            if (positions.n == LLAMA_LOSS_ROWS)
                loss += positions_loss(p, &positions);
        }
    }
    if (positions.n > 0)
        loss += positions_loss(p, &positions);
    if (m->training) {
        memset(m->grad, 0, narrow);
        net->ops->rms_norm_backward(m->grad, m->normed_grad, m->rstd, m->output, gain, p->n,
                                    config->width);
    }
    return loss;
}

double llama_network_pass(const struct llama_network *net, struct llama_memory *memory,
                          const struct llama_row *const *rows, size_t n, double weight)
{
    struct pass p = { net, memory, rows, n, 0, weight };
    size_t n_layers = net->base->config.n_layers;

    for (size_t r = 0; r < n; r++)
        p.n += rows[r]->n_tokens;
    ASSERT(p.n <= memory->tokens_max);
    if (n == 0)
        return 0.0;

    embed(&p);
    for (size_t l = 0; l < n_layers; l++)
        layer_forward(&p, l, l + 1 < n_layers ? memory->layers[l + 1].input : memory->output);
    double loss = loss_of(&p);
    for (size_t l = n_layers; l-- > 0 && memory->training;)
        layer_backward(&p, l);
    return weight * loss;
}
