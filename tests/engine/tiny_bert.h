/* tiny_bert.h - a BERT of a few thousand drawn weights, for tests that need no base. */
#ifndef TESTS_ENGINE_TINY_BERT_H
#define TESTS_ENGINE_TINY_BERT_H

#include "tests/support/test.h"

#include "base/arena.h"
#include "engine/model/bert.h"

static const char tiny_bert_json[] =
    "{\"model_type\":\"bert\",\"hidden_act\":\"gelu\",\"hidden_size\":32,\"num_attention_heads\":2,"
    "\"num_hidden_layers\":2,\"intermediate_size\":64,\"vocab_size\":16,"
    "\"max_position_embeddings\":24,\"type_vocab_size\":2,\"layer_norm_eps\":1e-12}";

/* 16 entries, as vocab_size says. */
static const char tiny_bert_vocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\nrefund\n##ed\nmy\norder\nis\nlate\n,\n.\nthe\n##s\ncard\npay\n";

static inline uint32_t tiny_bert_draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Gains near 1, everything else in [-0.5, 0.5). */
static inline struct bert tiny_bert_new(struct arena *arena)
{
    struct bert_config config;
    struct bert_layout layout;
    struct bert bert;
    struct err err;
    uint32_t state = 7;

    assert_int_equal(bert_config_parse(str_of(tiny_bert_json), &config, &err), RC_OK);
    assert_int_equal(bert_layout_init(&config, arena, &layout, &err), RC_OK);
    float *flat = arena_array(arena, float, layout.n_values);
    for (size_t i = 0; i < layout.n_tensors; i++) {
        const struct bert_tensor *t = &layout.tensors[i];
        bool is_gain = t->slot == BERT_EMBEDDING_GAIN || t->slot == BERT_ATTENTION_NORM_GAIN ||
                       t->slot == BERT_DOWN_NORM_GAIN;
        for (size_t v = 0; v < t->n_values; v++)
            flat[t->offset + v] =
                (is_gain ? 1.0f : 0.0f) + (float)tiny_bert_draw(&state) / (1 << 24) - 0.5f;
    }
    assert_int_equal(bert_of_flat(&layout, flat, arena, &bert, &err), RC_OK);
    return bert;
}

#endif
