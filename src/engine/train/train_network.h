/*
 * train_network.h - forward and backward of a BERT encoder with decision heads, on packed rows.
 *
 *   x0   = LN(word + position + type)
 *   mid  = LN(x + Wo attention(Wq x, Wk x, Wv x))           per layer
 *   x'   = LN(mid + Wd gelu(Wu mid))
 *   f    = 16 mean(x) / |mean(x)|                           per row
 *   z    = Wh f + bh                                        per field: its own part of z
 *   loss = sum over fields of the mean, over the batch's rows with a label, of cross-entropy; of a
 *          set the sum over its labels of the binary cross-entropy, in or out
 *
 * Rows of different lengths lie one behind the other; there is no padding, and attention stays
 * within a row. One step is three passes over the pool, each with few and large tasks, because a
 * barrier costs more than it looks when another process wants the cores:
 *
 *   1. train_network_pass: each task takes a range of whole rows through forward, loss and backward
 *      to the embeddings. Backward replaces each stored activation by its gradient, so that no
 *      second set of memory is needed: qkv becomes d(qkv), up d(up), the normalised sums d(sum).
 *   2. train_network_gradients: each task owns a tile of a weight's gradient, and sums over all
 *      tokens of the batch in one matrix product.
 *   3. the optimiser (adamw.h).
 *
 * Sizes: T tokens of the batch, R rows, C width, F ff_width, L layers, H heads, D = C / H,
 * K classes of all fields.
 *
 * Determinism: what a pass makes of a row depends on the row and its place in the pack (dropout
 * counts tokens), not on its neighbours or its range. Sums over tokens are done in the order of
 * tokens inside one task, or row by row and then in the order of the rows. So everything is the
 * same to the bit for all kernel rows, ranges and threads.
 *
 * Dropout is where BERT's own training has it: embeddings, attention probabilities, and the two
 * linear outputs before their residual.
 */
#ifndef ENGINE_TRAIN_NETWORK_H
#define ENGINE_TRAIN_NETWORK_H

#include "base/arena.h"
#include "base/err.h"
#include "base/pool.h"
#include "engine/kernels/gemm.h"
#include "engine/model/bert.h"
#include "engine/train/train_ops.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TRAIN_NO_LABEL = -1,
    TRAIN_FIELDS_MAX = 64,
    TRAIN_CLASSES_MAX = 4096, /* of all fields together */
    TRAIN_MEMBERS_MAX = 31,   /* of a set: a row's label is a mask of them */
    TRAIN_RANGES_MAX = POOL_WORKERS_MAX,
};

#define TRAIN_FEATURE_SCALE 16.0f

/* Where the heads lie behind the network's flat values: weights (K, C), then biases (K,). */
struct train_heads {
    size_t n_fields, n_classes;         /* K */
    size_t first[TRAIN_FIELDS_MAX + 1]; /* class c of field f is row first[f] + c */
    bool is_set[TRAIN_FIELDS_MAX];      /* bit c of a label says that class c is in the set */
    size_t weight, bias;                /* offsets into the flat values */
};

struct train_network {
    const struct bert_layout *layout;
    struct train_heads heads;
    gemm_fn *gemm;
    const struct train_ops *ops;
    const float *values;  /* flat: the layout's, then the heads' */
    size_t frozen_layers; /* lower layers without dropout and gradients, like the embeddings then;
                             0: embeddings and layers all have both */
    float dropout;        /* in [0, 1); 0 for evaluation */
    uint64_t random_key;  /* of the seed and the step: what dropout depends on */
};

/* Packed rows, borrowed. */
struct train_batch {
    size_t n_rows, n_tokens;
    const int32_t *tokens; /* (T,) word ids, < V */
    const size_t *starts; /* (R + 1,): row r is tokens [starts[r], starts[r+1]), 1 to n_positions */
    const int32_t
        *labels; /* (R, n_fields), TRAIN_NO_LABEL where there is none; NULL: forward only */
    const float *weights;      /* (n_fields,): 1 / rows of the whole batch with a label */
    const float *const *lower; /* (R,): output of the frozen layers, (n, C); NULL: computed */
};

struct train_layer {
    float *input;              /* (T, C) */
    float *qkv;                /* (T, 3C): query, key, value side by side */
    float *context;            /* (T, C) */
    float *hat1, *rstd1, *mid; /* (T, C), (T,), (T, C) */
    float *up, *act;           /* (T, F), (T, F) */
    float *hat2, *rstd2;       /* (T, C), (T,) */
};

/* All memory of a pass, allocated once and reused by every batch. */
struct train_memory {
    size_t tokens_max, rows_max, n_ranges;
    struct train_layer *layers;            /* (L,); without training all are the same memory */
    float *output;                         /* (T, C) of the last layer */
    float *embedding_hat, *embedding_rstd; /* (T, C), (T,) */
    float *grad; /* (T, C): the gradient on its way down; NULL without training */
    float *wide_grad, *context_grad; /* (T, F), (T, C): d(act), d(context) of the current layer */
    float *features;                 /* (R, C): f */
    float *lengths;                  /* (R,): |mean(x)| */
    float *logits;                   /* (R, K): z, then with labels d(z) */
    double *losses;                  /* (R,) */
    float *norm_sums;                /* (R, 2L + 1, 2, C): gain and shift gradients of each row */
    float *square[TRAIN_RANGES_MAX]; /* per worker: attention of one row and head */
};

/**
 * @param n_ranges  tasks of a pass; [1, TRAIN_RANGES_MAX], at least the pool's workers
 * @param training  false: forward only, with the memory of one layer
 * @return RC_OK, RC_NOMEM, RC_LIMIT
 */
MUST_CHECK enum rc train_memory_init(const struct train_network *net, size_t tokens_max,
                                     size_t rows_max, size_t n_ranges, bool training,
                                     struct arena *arena, struct train_memory *ret_memory,
                                     struct err *err);

/* Forward of the batch: features, logits. With labels also losses, and backward to the embeddings'
 * sums. Returns the sum of the rows' losses (0 without labels). */
double train_network_pass(const struct train_network *net, struct train_memory *memory,
                          const struct train_batch *batch, struct pool *pool);

/* Forward of the embeddings and the frozen layers alone; their output is then in
 * memory->layers[frozen_layers].input. Needs frozen_layers > 0. */
void train_network_lower(const struct train_network *net, struct train_memory *memory,
                         const struct train_batch *batch, struct pool *pool);

/* Which gradients a step wants. */
enum train_parts {
    TRAIN_PARTS_ALL,    /* every weight that is not frozen; words only where the batch has them */
    TRAIN_PARTS_LINEAR, /* the (out, in) weights of the layers and the heads: what LoRA needs */
};

/* Gradients of the batch that train_network_pass() has just seen, flat like net->values. Those of
 * words that the batch does not have are not touched; those that it has are added to (the caller
 * zeroes them: a batch may come in several packs). The others are written, or added to if
 * accumulate. */
void train_network_gradients(const struct train_network *net, struct train_memory *memory,
                             const struct train_batch *batch, enum train_parts parts,
                             bool accumulate, float *gradients, struct pool *pool);

/* The heads' part of a pass, rows [first, end): mean, normalisation, logits; with labels the loss,
 * d(logits) and the gradient of every token. */
void train_heads_forward(const struct train_network *net, struct train_memory *memory,
                         const struct train_batch *batch, size_t first, size_t end);
void train_heads_backward(const struct train_network *net, struct train_memory *memory,
                          const struct train_batch *batch, size_t first, size_t end);

/* Binary cross-entropy of each class of a set, in or out, summed over logits (n,), times weight;
 * the logits become weight * (p - in). 0 and zeros for TRAIN_NO_LABEL. */
double train_set_cross_entropy(float *logits, size_t n, int32_t set, float weight);

/* A matrix of attention has rows of whole vectors. */
static inline size_t train_square_stride(size_t n)
{
    return (n + TRAIN_LANES - 1) / TRAIN_LANES * TRAIN_LANES;
}

/* Attention of one row and all heads, tokens [first, end) of the layer's qkv. Backward reads
 * d(context) and replaces qkv by its gradient. square: 3 n stride + n D values for n tokens. */
void train_attention_forward(const struct train_network *net, struct train_layer *layer,
                             size_t first, size_t end, struct train_dropout dropout, float *square);
void train_attention_backward(const struct train_network *net, struct train_layer *layer,
                              const float *dcontext, size_t first, size_t end,
                              struct train_dropout dropout, float *square);

static inline const float *train_values(const struct train_network *net, enum bert_slot slot,
                                        size_t layer)
{
    return net->values + net->layout->tensors[bert_tensor_index(slot, layer)].offset;
}

#endif
