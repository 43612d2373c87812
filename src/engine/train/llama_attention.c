/* llama_attention.c - causal softmax(Q K^T / sqrt(D)) V, row by row, with shared keys and values.
 */
#include "engine/train/llama_network.h"

#include <math.h>
#include <string.h>

/* One query head of one row. */
struct head {
    size_t n, depth;            /* tokens, D */
    size_t stride;              /* of a token's q, k and v */
    size_t square;              /* stride of an (n, n) matrix: whole vectors */
    float *query, *key, *value; /* (n, D) */
    float scale;
};

static size_t square_stride(size_t n)
{
    return (n + TRAIN_LANES - 1) / TRAIN_LANES * TRAIN_LANES;
}

size_t llama_attention_square(const struct llama_config *config, size_t n_tokens)
{
    return 2 * n_tokens * square_stride(n_tokens) + 3 * n_tokens * config->head_width;
}

static struct head head_of(const struct llama_network *net, const struct llama_layer *layer,
                           size_t h, size_t first, size_t end)
{
    const struct llama_config *config = &net->base->config;
    size_t depth = config->head_width, heads = config->n_heads, shared = config->n_kv_heads;
    size_t stride = llama_qkv_stride(config), group = h / (heads / shared);
    float *token = layer->qkv + first * stride;

    return (struct head){
        .n = end - first,
        .depth = depth,
        .stride = stride,
        .square = square_stride(end - first),
        .query = token + h * depth,
        .key = token + (heads + group) * depth,
        .value = token + (heads + shared + group) * depth,
        .scale = 1.0f / sqrtf((float)depth),
    };
}

/* p (n, n) = softmax over the positions up to each one's own; 0 behind. */
static void probabilities(const struct llama_network *net, const struct head *head, float *p)
{
    net->gemm(&(struct gemm){
        .m = head->n,
        .n = head->n,
        .depth = head->depth,
        .a = gemm_plain(head->query, head->stride),
        .b = gemm_transposed(head->key, head->stride),
        .c = p,
        .c_stride = head->square,
    });
    for (size_t i = 0; i < head->n; i++)
        net->ops->softmax(p + i * head->square, head->square, head->scale, 1, i + 1);
}

void llama_attention_forward(const struct llama_network *net, struct llama_layer *layer,
                             size_t first, size_t end, float *square)
{
    size_t heads = net->base->config.n_heads, width = heads * net->base->config.head_width;

    for (size_t h = 0; h < heads; h++) {
        struct head head = head_of(net, layer, h, first, end);

        probabilities(net, &head, square);
        net->gemm(&(struct gemm){
            .m = head.n,
            .n = head.depth,
            .depth = head.n,
            .a = gemm_plain(square, head.square),
            .b = gemm_plain(head.value, head.stride),
            .c = layer->context + first * width + h * head.depth,
            .c_stride = width,
        });
    }
}

/*
 * With P the probabilities, O = P V and S = scale Q K^T:
 *     dV += P^T dO     dP = dO V^T     dS = P (dP - sum(dP P))     dQ = scale dS K
 *     dK += scale dS^T Q
 * dK and dV sum over the query heads that share them; P is computed again, storing it would cost n
 * values per token, head and layer.
 */
static void head_backward(const struct llama_network *net, const struct head *head,
                          const float *dcontext, size_t width, float *square, float *dkey,
                          float *dvalue, bool accumulate)
{
    size_t n = head->n, depth = head->depth, wide = head->square;
    float *p = square, *dp = p + n * wide, *dquery = dvalue + n * depth;
    gemm_fn *multiply = net->gemm;

    probabilities(net, head, p);
    multiply(&(struct gemm){ n, depth, n, gemm_transposed(p, wide), gemm_plain(dcontext, width),
                             dvalue, depth, accumulate });
    multiply(&(struct gemm){ n, n, depth, gemm_plain(dcontext, width),
                             gemm_transposed(head->value, head->stride), dp, wide, false });
    net->ops->softmax_backward(dp, p, wide, head->scale, n, n);
    multiply(&(struct gemm){ n, depth, n, gemm_transposed(dp, wide),
                             gemm_plain(head->query, head->stride), dkey, depth, accumulate });
    multiply(&(struct gemm){ n, depth, n, gemm_plain(dp, wide), gemm_plain(head->key, head->stride),
                             dquery, depth, false });
    for (size_t i = 0; i < n; i++)
        memcpy(head->query + i * head->stride, dquery + i * depth, depth * sizeof(float));
}

void llama_attention_backward(const struct llama_network *net, struct llama_layer *layer,
                              const float *dcontext, size_t first, size_t end, float *square)
{
    const struct llama_config *config = &net->base->config;
    size_t n = end - first, depth = config->head_width,
           shares = config->n_heads / config->n_kv_heads;
    size_t width = config->n_heads * depth;
    float *dkey = square + 2 * n * square_stride(n), *dvalue = dkey + n * depth;

    for (size_t h = 0; h < config->n_heads; h++) {
        struct head head = head_of(net, layer, h, first, end);

        head_backward(net, &head, dcontext + first * width + h * depth, width, square, dkey, dvalue,
                      h % shares != 0);
        for (size_t i = 0; i < n && h % shares == shares - 1; i++) {
            memcpy(head.key + i * head.stride, dkey + i * depth, depth * sizeof(float));
            memcpy(head.value + i * head.stride, dvalue + i * depth, depth * sizeof(float));
        }
    }
}
