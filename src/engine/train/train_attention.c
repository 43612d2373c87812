/* train_attention.c - softmax(Q K^T / sqrt(D)) V, row by row and head by head. */
#include "engine/train/train_network.h"

#include <math.h>
#include <string.h>

/* One head of one row: where its parts lie. */
struct head {
    size_t n, depth, width;     /* tokens, D, C */
    size_t square;              /* stride of an (n, n) matrix */
    float *query, *key, *value; /* (n, D), stride 3C */
    float scale;
    struct train_dropout dropout;
    uint32_t number; /* dropout's of the first probability */
};

static struct head head_of(const struct train_network *net, const struct train_layer *layer,
                           size_t h, size_t first, size_t end, struct train_dropout dropout)
{
    const struct bert_config *config = &net->layout->config;
    size_t depth = config->width / config->n_heads, n = end - first,
           square = train_square_stride(n);
    float *query = layer->qkv + first * 3 * config->width + h * depth;

    return (struct head){
        .n = n,
        .square = square,
        .depth = depth,
        .width = config->width,
        .query = query,
        .key = query + config->width,
        .value = query + 2 * config->width,
        .scale = 1.0f / sqrtf((float)depth),
        .dropout = dropout,
        /* a row's heads take n * square each of the n * H * S numbers that its tokens have */
        .number = (uint32_t)(first * config->n_heads * train_square_stride(config->n_positions) +
                             h * n * square),
    };
}

/* p (n, n) = softmax(scale Q K^T) */
static void probabilities(const struct train_network *net, const struct head *head, float *p)
{
    net->gemm(&(struct gemm){
        .m = head->n,
        .n = head->n,
        .depth = head->depth,
        .a = gemm_plain(head->query, 3 * head->width),
        .b = gemm_transposed(head->key, 3 * head->width),
        .c = p,
        .c_stride = head->square,
    });
    net->ops->softmax(p, head->square, head->scale, head->n, head->n);
}

static void drop(const struct train_network *net, const struct head *head, float *p)
{
    net->ops->drop(p, &head->dropout, head->number, head->n * head->square);
}

void train_attention_forward(const struct train_network *net, struct train_layer *layer,
                             size_t first, size_t end, struct train_dropout dropout, float *square)
{
    for (size_t h = 0; h < net->layout->config.n_heads; h++) {
        struct head head = head_of(net, layer, h, first, end, dropout);

        probabilities(net, &head, square);
        drop(net, &head, square);
        net->gemm(&(struct gemm){
            .m = head.n,
            .n = head.depth,
            .depth = head.n,
            .a = gemm_plain(square, head.square),
            .b = gemm_plain(head.value, 3 * head.width),
            .c = layer->context + first * head.width + h * head.depth,
            .c_stride = head.width,
        });
    }
}

/*
 * With P the probabilities, P' after dropout, O = P' V and S = scale Q K^T:
 *     dV = P'^T dO        dP = dropout(dO V^T)        dS = P (dP - sum(dP P))
 *     dQ = scale dS K     dK = scale dS^T Q
 * P is computed again: storing it would cost n values per token, head and layer. Each gradient
 * takes the place of its value as soon as that is read for the last time.
 */
static void head_backward(const struct train_network *net, const struct head *head,
                          const float *dcontext, float *square)
{
    size_t n = head->n, depth = head->depth, stride = 3 * head->width, wide = head->square;
    float *p = square, *dp = p + n * wide, *kept = dp + n * wide, *dquery = kept + n * wide;
    gemm_fn *multiply = net->gemm;

    probabilities(net, head, p);
    multiply(&(struct gemm){ n, n, depth, gemm_plain(dcontext, head->width),
                             gemm_transposed(head->value, stride), dp, wide, false });
    if (head->dropout.threshold) {
        memcpy(kept, p, n * wide * sizeof(*p));
        drop(net, head, kept);
        drop(net, head, dp);
    } else {
        kept = p;
    }
    multiply(&(struct gemm){ n, depth, n, gemm_transposed(kept, wide),
                             gemm_plain(dcontext, head->width), head->value, stride, false });

    net->ops->softmax_backward(dp, p, wide, head->scale, n, n);
    multiply(&(struct gemm){ n, depth, n, gemm_plain(dp, wide), gemm_plain(head->key, stride),
                             dquery, depth, false });
    multiply(&(struct gemm){ n, depth, n, gemm_transposed(dp, wide),
                             gemm_plain(head->query, stride), head->key, stride, false });
    for (size_t i = 0; i < n; i++)
        memcpy(head->query + i * stride, dquery + i * depth, depth * sizeof(float));
}

void train_attention_backward(const struct train_network *net, struct train_layer *layer,
                              const float *dcontext, size_t first, size_t end,
                              struct train_dropout dropout, float *square)
{
    for (size_t h = 0; h < net->layout->config.n_heads; h++) {
        struct head head = head_of(net, layer, h, first, end, dropout);

        head_backward(net, &head, dcontext + first * head.width + h * head.depth, square);
    }
}
