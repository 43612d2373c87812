/*
 * tiny_network.h - a BERT of 2 layers and 32 channels with random weights, two decision fields and
 * one batch of five rows: small enough for finite differences, with every kind of tensor.
 */
#ifndef TESTS_ENGINE_TRAIN_TINY_NETWORK_H
#define TESTS_ENGINE_TRAIN_TINY_NETWORK_H

#include "base/arena.h"
#include "engine/train/train_network.h"

enum { TINY_WORDS = 24, TINY_ROWS = 5, TINY_TOKENS = 19, TINY_FIELDS = 2 };

static const struct bert_config tiny_config = {
    .n_layers = 2,
    .width = 32,
    .n_heads = 2,
    .ff_width = 64,
    .n_words = TINY_WORDS,
    .n_positions = 8,
    .n_types = 2,
    .norm_eps = 1e-12f,
};

static const int32_t tiny_tokens[TINY_TOKENS] = { 2,  5,  9, 3, 2, 3,  2, 11, 12, 13,
                                                  14, 15, 5, 3, 2, 20, 2, 23, 3 };
static const size_t tiny_starts[TINY_ROWS + 1] = { 0, 4, 6, 14, 16, 19 };
static const int32_t tiny_labels[TINY_ROWS * TINY_FIELDS] = { 0, 1, 2, TRAIN_NO_LABEL, 1,
                                                              0, 2, 1, TRAIN_NO_LABEL, 0 };
static const float tiny_weights[TINY_FIELDS] = { 0.25f, 0.25f };
static const struct train_batch tiny_batch = {
    .n_rows = TINY_ROWS,
    .n_tokens = TINY_TOKENS,
    .tokens = tiny_tokens,
    .starts = tiny_starts,
    .labels = tiny_labels,
    .weights = tiny_weights,
};

struct tiny_network {
    struct arena arena;
    struct bert_layout layout;
    struct train_network net;
    float *values, *gradients; /* (n_values,) */
    size_t n_values;           /* network and heads */
};

/* In [-1, 1), from a linear congruence: the same everywhere. */
static inline float tiny_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}

static inline struct train_heads tiny_heads(const struct bert_layout *layout)
{
    struct train_heads heads = { .n_fields = TINY_FIELDS, .n_classes = 5, .first = { 0, 3, 5 } };

    heads.weight = layout->n_values;
    heads.bias = heads.weight + heads.n_classes * layout->config.width;
    return heads;
}

static inline void tiny_network_init(struct tiny_network *tiny)
{
    struct err err;
    uint32_t state = 7;

    *tiny = (struct tiny_network){ 0 };
    arena_init(&tiny->arena, 8 << 20);
    assert_int_equal(bert_layout_init(&tiny_config, &tiny->arena, &tiny->layout, &err), RC_OK);
    struct train_heads heads = tiny_heads(&tiny->layout);

    tiny->n_values = heads.bias + heads.n_classes;
    tiny->values = arena_alloc(&tiny->arena, tiny->n_values, sizeof(float), 64);
    tiny->gradients = arena_alloc(&tiny->arena, tiny->n_values, sizeof(float), 64);
    assert_non_null(tiny->values);
    assert_non_null(tiny->gradients);
    for (size_t i = 0; i < tiny->n_values; i++)
        tiny->values[i] = 0.2f * tiny_random(&state);
    for (size_t i = 0; i < tiny->layout.n_tensors; i++) {
        const struct bert_tensor *t = &tiny->layout.tensors[i];
        bool gain = t->slot == BERT_EMBEDDING_GAIN || t->slot == BERT_ATTENTION_NORM_GAIN ||
                    t->slot == BERT_DOWN_NORM_GAIN;

        for (size_t j = 0; j < t->n_values && gain; j++)
            tiny->values[t->offset + j] += 1.0f;
    }
    tiny->net = (struct train_network){
        .layout = &tiny->layout,
        .heads = heads,
        .gemm = gemm_for(cpu_best()),
        .ops = train_ops_for(cpu_best()),
        .values = tiny->values,
    };
}

#endif
