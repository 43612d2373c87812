/*
 * llama_network.h - forward and backward of a Llama decoder with LoRA over a frozen base.
 *
 *   n1  = rms(x)          q, k, v = turn(Wq n1), turn(Wk n1), Wv n1        per layer
 *   mid = x + Wo attention(q, k, v)
 *   n2  = rms(mid)        x' = mid + Wd (silu(Wg n2) Wu n2)
 *   z   = E rms(x)        at the positions before an answer's tokens alone
 *   loss = weight * sum of -log softmax(z)[next token] over those positions
 *
 * where each W has its low-rank change (llama_lora.h). Only A and B have gradients: the base needs
 * none, which saves a third of the arithmetic of training it.
 *
 * Rows (texts) of different lengths lie one behind the other; there is no padding, and attention
 * stays within a row. A task takes whole rows through everything with a memory of its own: there is
 * no barrier between its products, and its gradients are summed to the others' at the end.
 *
 * Kept from forward for backward, per token and layer: x, q k v as turned, the heads' output, mid,
 * gate, up, and the products with A; the rest is computed again. About 22 KB for SmolLM2-135M.
 *
 * In bf16 the products with W and E round both operands: W and E once, the other one, a gradient in
 * backward, each time. Their sums and all else stay in f32: A and B and the products with them,
 * attention, norms, softmax, gradients. Any CPU gives these products the same bytes (gemm_bf16.h).
 *
 * Sizes: T tokens of a pack, R rows, C width, F ff_width, L layers, H query heads, G key heads, D
 * head width, V words, r rank.
 *
 * Determinism: a row's activations depend on it alone; sums over tokens are in their order. So all
 * is bit-identical for the same build, kernel rows and cutting into tasks.
 */
#ifndef ENGINE_TRAIN_LLAMA_NETWORK_H
#define ENGINE_TRAIN_LLAMA_NETWORK_H

#include "base/arena.h"
#include "base/err.h"
#include "engine/kernels/gemm.h"
#include "engine/train/llama_bf16.h"
#include "engine/train/llama_lora.h"
#include "engine/train/train_ops.h"

#include <stdbool.h>

enum { LLAMA_LOSS_ROWS = 128 }; /* positions whose (V,) logits are in memory at once */

struct llama_network {
    const struct llama *base;
    struct llama_lora lora;
    const float *values; /* flat A and B */
    const float *turns;  /* (positions, D): cosines and sines of the angles, llama_turns() */
    gemm_fn *gemm;
    const struct llama_bf16 *bf16; /* of the base; NULL: all in f32 */
    const struct train_ops *ops;
};

/* A text of which the tokens from n_prompt on are to be learned. Borrowed. */
struct llama_row {
    const int32_t *tokens; /* (n_tokens,), < V */
    size_t n_tokens;       /* 2 to the memory's tokens_max */
    size_t n_prompt;       /* 1 to n_tokens - 1 */
};

struct llama_layer {
    float *input, *rstd1;         /* (T, C), (T,) */
    float *qkv;                   /* (T, (H + 2G) D) */
    float *context;               /* (T, H D) */
    float *mid, *rstd2;           /* (T, C), (T,) */
    float *gate, *up;             /* (T, F) */
    float *low[LLAMA_GROUPS_END]; /* (T, n r): alpha / r times the products with A */
};

/* All memory of one task, allocated once. */
struct llama_memory {
    size_t tokens_max;
    bool training;
    struct llama_layer *layers; /* (L,); without training all are the same memory */
    float *output, *rstd;       /* (T, C) of the last layer, (T,) */
    float *normed;              /* (T, C) */
    float *wide;                /* (T, F) */
    float *grad, *normed_grad;  /* (T, C): of the current x; of the current normed */
    float *wide_grad;           /* (T, F) */
    float *context_grad;        /* (T, H D) */
    float *low_grad;            /* (T, 3 r) */
    float *square;              /* attention of one row and head */
    uint16_t *rounded;          /* one operand in bf16, when the network is */
    float *logits, *hidden;     /* (LLAMA_LOSS_ROWS, V), (LLAMA_LOSS_ROWS, C) */
    float *gradients; /* (llama_lora_n_values(),): the caller's, who clears and reads it */
};

/* Values of a token's q, k and v: they lie side by side. */
static inline size_t llama_qkv_stride(const struct llama_config *config)
{
    return (config->n_heads + 2 * config->n_kv_heads) * config->head_width;
}

/* turns (n_positions, D) for positions 0 to n_positions - 1. */
void llama_turns(const struct llama_config *config, size_t n_positions, float *turns);

/* tokens_max: of all rows of one call below. training false: for the loss alone. The gradients are
 * left to the caller. RC_NOMEM, RC_LIMIT. */
MUST_CHECK enum rc llama_memory_init(const struct llama_network *net, size_t tokens_max,
                                     bool training, struct arena *arena,
                                     struct llama_memory *ret_memory, struct err *err);

/* weight times the summed loss of rows[0..n). With training memory the gradients are added to
 * memory->gradients. The rows have at most tokens_max tokens together. */
double llama_network_pass(const struct llama_network *net, struct llama_memory *memory,
                          const struct llama_row *const *rows, size_t n, double weight);

/* Causal attention of one row, tokens [first, end) of the layer. Backward reads d(context) and
 * replaces qkv by its gradient. square: llama_attention_square() floats. */
size_t llama_attention_square(const struct llama_config *config, size_t n_tokens);
void llama_attention_forward(const struct llama_network *net, struct llama_layer *layer,
                             size_t first, size_t end, float *square);
void llama_attention_backward(const struct llama_network *net, struct llama_layer *layer,
                              const float *dcontext, size_t first, size_t end, float *square);

#endif
