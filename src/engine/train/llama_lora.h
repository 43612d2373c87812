/*
 * llama_lora.h - low-rank changes of a decoder's linear weights: y = W x + (alpha / r) B (A x).
 *
 * All seven linear weights of each layer are adapted; A is (r, in), B is (out, r). Weights that
 * read the same input form a group, whose A lie one behind the other, so that the products with
 * them are one:
 *
 *   group             reads                 weights
 *   LLAMA_GROUP_QKV   the normalised input  query, key, value
 *   LLAMA_GROUP_OUT   the heads' output     attention
 *   LLAMA_GROUP_FF    the normalised middle gate, up
 *   LLAMA_GROUP_DOWN  the activations       down
 *
 * Source: Hu et al. 2021, arXiv:2106.09685; start as in its code and in PEFT: B = 0, A uniform in
 * +-1 / sqrt(in). No dropout on the way into A.
 */
#ifndef ENGINE_TRAIN_LLAMA_LORA_H
#define ENGINE_TRAIN_LLAMA_LORA_H

#include "engine/model/llama.h"

#include <stddef.h>
#include <stdint.h>

enum { LLAMA_LORA_RANK_MAX = 256 };

enum llama_group {
    LLAMA_GROUP_QKV,
    LLAMA_GROUP_OUT,
    LLAMA_GROUP_FF,
    LLAMA_GROUP_DOWN,
    LLAMA_GROUPS_END
};

struct llama_lora {
    const struct llama_config *config;
    size_t rank; /* r, 1 to LLAMA_LORA_RANK_MAX */
    float alpha;
};

/* One group of one layer in the flat values (llama_lora_n_values(),). */
struct llama_pairs {
    enum llama_slot slot; /* of the first weight; the others follow it */
    size_t n, in;         /* weights; columns of each */
    size_t a;             /* offset of A (n r, in) */
    size_t b[3], out[3];  /* offset and rows of each B (out, r) */
};

struct llama_pairs llama_lora_pairs(const struct llama_lora *lora, enum llama_group group,
                                    size_t layer);
size_t llama_lora_n_values(const struct llama_lora *lora);

/* A at random from the seed, B zero. values (llama_lora_n_values(),). */
void llama_lora_start(const struct llama_lora *lora, uint64_t seed, float *values);

/* Adds (alpha / r) B A to the weights (out, in) of one of the seven slots; the sums are in the
 * order of r, in plain C: the same bytes on every CPU. */
void llama_lora_merge(const struct llama_lora *lora, const float *values, enum llama_slot slot,
                      size_t layer, float *weights);

#endif
