/*
 * tiny_llama.h - a Llama of 2 layers, 64 channels, 4 query heads on 2 shared heads, with random
 * weights and LoRA of rank 4, and five rows to learn: small enough for finite differences, with
 * every kind of weight. tools/golden/llama_losses.py makes the same one.
 */
#ifndef TESTS_ENGINE_TRAIN_TINY_LLAMA_H
#define TESTS_ENGINE_TRAIN_TINY_LLAMA_H

#include "base/arena.h"
#include "base/fs.h"
#include "base/macros.h"
#include "engine/train/llama_train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TINY_ROWS = 5, TINY_VALID_ROWS = 2, TINY_RANK = 4 };

static const struct llama_config tiny_llama_config = {
    .n_layers = 2,
    .width = 64,
    .n_heads = 2,
    .n_kv_heads = 1,
    .head_width = 32,
    .ff_width = 96,
    .n_words = 64,
    .n_positions = 16,
    .rope_base = 100.0f, /* so that 16 positions turn far */
    .norm_eps = 1e-5f,
};

static const int32_t tiny_texts[TINY_ROWS + TINY_VALID_ROWS][8] = {
    { 2, 5, 9, 3, 40, 41, 3 },
    { 2, 3 },
    { 2, 11, 12, 13, 14, 60, 5, 3 },
    { 2, 15, 17 },
    { 63, 62, 9, 1, 0, 40 },
    { 2, 5, 9, 3, 40, 41 },
    { 7, 11, 12, 13 },
};
static const struct llama_row tiny_rows[TINY_ROWS + TINY_VALID_ROWS] = {
    { tiny_texts[0], 7, 4 }, { tiny_texts[1], 2, 1 }, { tiny_texts[2], 8, 3 },
    { tiny_texts[3], 3, 2 }, { tiny_texts[4], 6, 1 }, { tiny_texts[5], 6, 4 },
    { tiny_texts[6], 4, 2 },
};

struct tiny_llama {
    struct arena arena;
    struct llama llama;
    struct llama_network net;
    float *values; /* A and B; B is random too unless a run makes its own */
    size_t n_values;
    struct llama_memory memory; /* of one task, training */
};

/* In [-1, 1), from a linear congruence: the same everywhere. */
static inline float tiny_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}

/* All tensors in the order of their slots, words first, norms around 1. */
static inline void tiny_llama_weights(struct tiny_llama *tiny)
{
    uint32_t state = 7;

    for (size_t l = 0; l < tiny_llama_config.n_layers; l++) {
        for (enum llama_slot s = l ? LLAMA_LAYER_SLOTS : 0; s < LLAMA_SLOTS_END; s++) {
            size_t rows, columns;

            llama_shape(&tiny_llama_config, s, &rows, &columns);
            float *w = arena_alloc(&tiny->arena, rows * columns, sizeof(float), 64);
            assert_non_null(w);
            for (size_t i = 0; i < rows * columns; i++)
                w[i] = 0.2f * tiny_random(&state) + (columns == 1 ? 1.0f : 0.0f);
            tiny->llama.values[llama_tensor_index(s, l)] = w;
        }
    }
}

static inline void tiny_llama_init(struct tiny_llama *tiny)
{
    struct err err;
    uint32_t state = 11;

    *tiny = (struct tiny_llama){ .llama = { .config = tiny_llama_config } };
    arena_init(&tiny->arena, 16 << 20);
    tiny->llama.values =
        arena_array(&tiny->arena, const float *, llama_n_tensors(&tiny_llama_config));
    float *turns = arena_alloc(&tiny->arena, 16 * 32, sizeof(float), 64);
    assert_non_null(tiny->llama.values);
    assert_non_null(turns);
    tiny_llama_weights(tiny);
    llama_turns(&tiny_llama_config, 16, turns);
    tiny->net = (struct llama_network){
        .base = &tiny->llama,
        .lora = { &tiny->llama.config, TINY_RANK, 8.0f },
        .turns = turns,
        .gemm = gemm_for(cpu_best()),
        .ops = train_ops_for(cpu_best()),
    };
    tiny->n_values = llama_lora_n_values(&tiny->net.lora);
    tiny->values = arena_alloc(&tiny->arena, tiny->n_values, sizeof(float), 64);
    assert_non_null(tiny->values);
    for (size_t i = 0; i < tiny->n_values; i++)
        tiny->values[i] = 0.2f * tiny_random(&state);
    tiny->net.values = tiny->values;
    assert_int_equal(llama_memory_init(&tiny->net, 32, true, &tiny->arena, &tiny->memory, &err),
                     RC_OK);
    tiny->memory.gradients = arena_alloc(&tiny->arena, tiny->n_values, sizeof(float), 64);
    assert_non_null(tiny->memory.gradients);
}

#endif
