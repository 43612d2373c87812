/*
 * tiny_decoder.h - a base that knows nothing: 1 layer of 64 channels with random weights, and a
 * vocabulary of the printable ASCII characters. LoRA teaches it a short text in a second.
 */
#ifndef TESTS_FACTORY_TINY_DECODER_H
#define TESTS_FACTORY_TINY_DECODER_H

#include "base/arena.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "tests/engine/tiny_gguf.h"

static const struct llama_config tiny_decoder_config = {
    .n_layers = 1,
    .width = 64,
    .n_heads = 2,
    .n_kv_heads = 1,
    .head_width = 32,
    .ff_width = 128,
    .n_words = 128,
    .n_positions = TINY_POSITIONS,
    .rope_base = 10000.0f,
    .norm_eps = 1e-5f,
};

static inline void tiny_decoder_words(struct tiny_vocabulary *v)
{
    v->n_special = 2;
    snprintf(v->tokens[v->n++], TINY_TOKEN_BYTES, "<|im_start|>");
    snprintf(v->tokens[v->n++], TINY_TOKEN_BYTES, "<|im_end|>");
    tiny_add_word(v, "\n");
    for (char c = ' '; c <= '~'; c++)
        tiny_add_word(v, (char[]){ c, '\0' });
    for (size_t i = 0; v->n < tiny_decoder_config.n_words; i++) /* that no text needs */
        snprintf(v->tokens[v->n++], TINY_TOKEN_BYTES, "~%zu", i);
}

static inline void tiny_decoder_weights(const float **values, struct arena *arena)
{
    uint32_t state = 7;

    for (enum llama_slot slot = 0; slot < LLAMA_SLOTS_END; slot++) {
        size_t rows, columns;

        llama_shape(&tiny_decoder_config, slot, &rows, &columns);
        float *w = arena_array(arena, float, rows *columns);
        assert_non_null(w);
        for (size_t i = 0; i < rows * columns; i++) {
            state = state * 1664525u + 1013904223u;
            w[i] = columns == 1 ? 1.0f : 0.2f * ((float)(state >> 8) / 8388608.0f - 1.0f);
        }
        values[slot] = w;
    }
}

/* The base "tiny" below the folder, as `shoal pull` leaves it. */
static inline void tiny_decoder_give(const char *bases_dir)
{
    static struct tiny_vocabulary vocabulary;
    const float *values[LLAMA_SLOTS_END];
    const struct llama llama = { tiny_decoder_config, values };
    struct buf model, json;
    struct digest digest;
    struct arena arena;
    struct err err = { 0 };
    char path[4096];

    arena_init(&arena, 16 << 20);
    buf_init(&model, TINY_GGUF_BYTES_MAX);
    buf_init(&json, 1 << 12);
    memset(&vocabulary, 0, sizeof(vocabulary));
    tiny_decoder_words(&vocabulary);
    tiny_decoder_weights(values, &arena);
    tiny_gguf_append(&model, &llama, &vocabulary);
    snprintf(path, sizeof(path), "%s/tiny", bases_dir);
    assert_int_equal(fs_make_dirs(path, &err), RC_OK);
    snprintf(path, sizeof(path), "%s/tiny/model.gguf", bases_dir);
    assert_int_equal(fs_write_atomic(path, model.at, model.len, 0600, &err), RC_OK);
    assert_int_equal(sha256_of(model.at, model.len, &digest, &err), RC_OK);
    buf_printf(&json,
               "{\"architecture\":\"llama\",\"files\":{\"model.gguf\":{\"bytes\":%zu,\"sha256\":"
               "\"%s\"}},\"name\":\"tiny\"}",
               model.len, digest.hex);
    snprintf(path, sizeof(path), "%s/tiny.json", bases_dir);
    assert_int_equal(fs_write_atomic(path, json.at, json.len, 0600, &err), RC_OK);
    buf_release(&model);
    buf_release(&json);
    arena_release(&arena);
}

#endif
