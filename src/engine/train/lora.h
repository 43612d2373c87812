/*
 * lora.h - low-rank changes of the encoder's linear weights.
 *
 *     W = W0 + (alpha / r) B A        A (r, in), B (out, r), for each of the layers' six matrices
 *
 * Training keeps W itself and treats A and B as its parameters: forward and backward run on W as in
 * training of all weights, and dA = s B^T dW, dB = s dW A^T follow. The products with A and B cost
 * r / tokens of the others. No dropout on the way into A.
 *
 * Source: Hu et al. 2021, arXiv:2106.09685; start as in its code and in PEFT: B = 0 and A uniform
 * in
 * +-1 / sqrt(in).
 */
#ifndef ENGINE_TRAIN_LORA_H
#define ENGINE_TRAIN_LORA_H

#include "base/pool.h"
#include "engine/kernels/gemm.h"
#include "engine/model/bert.h"

#include <stdint.h>

enum { LORA_RANK_MAX = 256 };

struct lora {
    const struct bert_layout *layout;
    size_t rank; /* r */
    float alpha;
    size_t at; /* of the first A in the flat values */
};

/* One adapted matrix. */
struct lora_pair {
    const struct bert_tensor *tensor; /* W (out, in) */
    size_t a, b;                      /* offsets of A and B in the flat values */
};

size_t lora_n_pairs(const struct lora *lora);
size_t lora_n_values(const struct lora *lora); /* of all A and B */
struct lora_pair lora_pair_at(const struct lora *lora, size_t i);

/* A at random from the seed, B zero. */
void lora_start(const struct lora *lora, uint64_t seed, float *values);

/* The network's part of values becomes W, base giving W0. */
void lora_merge(const struct lora *lora, gemm_fn *gemm, const struct bert *base, float *values,
                struct pool *pool);

/* gradients of A and B from those of W. */
void lora_gradients(const struct lora *lora, gemm_fn *gemm, const float *values, float *gradients,
                    struct pool *pool);

#endif
