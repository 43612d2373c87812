/*
 * tiny_gguf.h - GGUF files of decoders made by hand: one of given weights, and one that says what a
 * test wants it to say.
 */
#ifndef TESTS_ENGINE_TINY_GGUF_H
#define TESTS_ENGINE_TINY_GGUF_H

#include "tests/support/test.h"

#include "base/buf.h"
#include "base/macros.h"
#include "engine/gguf/gguf.h"
#include "engine/model/llama.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    TINY_WORDS_MAX = 512,
    TINY_TOKEN_BYTES = 64,
    TINY_GGUF_BYTES_MAX = 16 << 20,
    TINY_POSITIONS = 512,
};

/* A vocabulary as the file has it: a space is U+0120, a line's end U+010A. */
struct tiny_vocabulary {
    size_t n, n_merges;
    char tokens[TINY_WORDS_MAX][TINY_TOKEN_BYTES];
    char merges[TINY_WORDS_MAX][TINY_TOKEN_BYTES];
    size_t n_special; /* the first ones; token 1 ends a text */
};

static inline void tiny_put(struct buf *out, uint64_t value, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        buf_append_char(out, (char)(value >> 8 * i));
}

static inline void tiny_put_text(struct buf *out, const char *text)
{
    tiny_put(out, strlen(text), 8);
    buf_append_text(out, text);
}

static inline void tiny_put_number(struct buf *out, const char *key, size_t value)
{
    tiny_put_text(out, key);
    tiny_put(out, GGUF_U32, 4);
    tiny_put(out, value, 4);
}

static inline void tiny_put_float(struct buf *out, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    tiny_put(out, bits, 4);
}

static inline void tiny_put_real(struct buf *out, const char *key, float value)
{
    tiny_put_text(out, key);
    tiny_put(out, GGUF_FLOAT, 4);
    tiny_put_float(out, value);
}

static inline void tiny_put_word(struct buf *out, const char *key, const char *word)
{
    tiny_put_text(out, key);
    tiny_put(out, GGUF_STRING, 4);
    tiny_put_text(out, word);
}

static inline void tiny_put_list(struct buf *out, const char *key, enum gguf_kind kind, size_t n)
{
    tiny_put_text(out, key);
    tiny_put(out, GGUF_ARRAY, 4);
    tiny_put(out, kind, 4);
    tiny_put(out, n, 8);
}

static inline void tiny_put_keys(struct buf *out, const struct llama_config *c,
                                 const struct tiny_vocabulary *v)
{
    tiny_put_word(out, "general.architecture", "llama");
    tiny_put_number(out, "llama.block_count", c->n_layers);
    tiny_put_number(out, "llama.context_length", c->n_positions);
    tiny_put_number(out, "llama.embedding_length", c->width);
    tiny_put_number(out, "llama.feed_forward_length", c->ff_width);
    tiny_put_number(out, "llama.attention.head_count", c->n_heads);
    tiny_put_number(out, "llama.attention.head_count_kv", c->n_kv_heads);
    tiny_put_number(out, "llama.rope.dimension_count", c->head_width);
    tiny_put_real(out, "llama.rope.freq_base", c->rope_base);
    tiny_put_real(out, "llama.attention.layer_norm_rms_epsilon", c->norm_eps);
    tiny_put_word(out, "tokenizer.ggml.model", "gpt2");
    tiny_put_word(out, "tokenizer.ggml.pre", "smollm");
    tiny_put_number(out, "tokenizer.ggml.eos_token_id", 1);
    tiny_put_list(out, "tokenizer.ggml.tokens", GGUF_STRING, v->n);
    for (size_t i = 0; i < v->n; i++)
        tiny_put_text(out, v->tokens[i]);
    tiny_put_list(out, "tokenizer.ggml.merges", GGUF_STRING, v->n_merges);
    for (size_t i = 0; i < v->n_merges; i++)
        tiny_put_text(out, v->merges[i]);
    tiny_put_list(out, "tokenizer.ggml.token_type", GGUF_I32, v->n);
    for (size_t i = 0; i < v->n; i++)
        tiny_put(out, i < v->n_special ? 3 : 1, 4);
}

/* Ours of the row that stands at r in the file: llama.h says what GGUF does to them. */
static inline size_t tiny_row(const struct llama_config *c, enum llama_slot slot, size_t r)
{
    size_t d = r % c->head_width;

    return slot == LLAMA_QUERY || slot == LLAMA_KEY ? r - d + d / 2 + d % 2 * (c->head_width / 2)
                                                    : r;
}

/* "blk.3.attn_q.weight" */
static inline void tiny_put_name(struct buf *out, enum llama_slot slot, size_t layer)
{
    static const char *const names[LLAMA_SLOTS_END] = {
        "token_embd",  "output_norm", "attn_norm", "attn_q", "attn_k",   "attn_v",
        "attn_output", "ffn_norm",    "ffn_gate",  "ffn_up", "ffn_down",
    };
    char name[64];

    if (slot < LLAMA_LAYER_SLOTS)
        snprintf(name, sizeof(name), "%s.weight", names[slot]);
    else
        snprintf(name, sizeof(name), "blk.%zu.%s.weight", layer, names[slot]);
    tiny_put_text(out, name);
}

/* A tensor's entry in the header, or its values, F32. */
static inline void tiny_put_tensor(struct buf *out, const struct llama *llama, enum llama_slot slot,
                                   size_t layer, bool is_entry, size_t *offset)
{
    const float *values = llama_values(llama, slot, layer);
    size_t rows, columns;

    llama_shape(&llama->config, slot, &rows, &columns);
    if (is_entry) {
        tiny_put_name(out, slot, layer);
        tiny_put(out, columns > 1 ? 2 : 1, 4);
        if (columns > 1)
            tiny_put(out, columns, 8);
        tiny_put(out, rows, 8);
        tiny_put(out, GGUF_F32, 4);
        tiny_put(out, *offset, 8);
        *offset += rows * columns * sizeof(float);
        return;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < columns; k++)
            tiny_put_float(out, values[tiny_row(&llama->config, slot, r) * columns + k]);
}

static inline void tiny_gguf_append(struct buf *out, const struct llama *llama,
                                    const struct tiny_vocabulary *vocabulary)
{
    size_t offset = 0;

    buf_append_text(out, "GGUF");
    tiny_put(out, 3, 4);
    tiny_put(out, llama_n_tensors(&llama->config), 8);
    tiny_put(out, 16, 8); /* keys */
    tiny_put_keys(out, &llama->config, vocabulary);
    for (int is_entry = 1; is_entry >= 0; is_entry--) {
        for (size_t l = 0; l < llama->config.n_layers; l++)
            for (enum llama_slot s = l ? LLAMA_LAYER_SLOTS : 0; s < LLAMA_SLOTS_END; s++)
                tiny_put_tensor(out, llama, s, l, is_entry, &offset);
        while (is_entry && out->len % 32)
            tiny_put(out, 0, 1);
    }
    assert_int_equal(out->failed, 0);
}

/* ---- a decoder that says what it was made for ---- */

/* Behind `word` comes `next`, or `other` when that is refused or a draw prefers it. "\n" is what
 * stands before the first word; NULL is the end of the text. */
struct tiny_step {
    const char *word, *next, *other;
};

static inline void tiny_spell(const char *word, char spelt[TINY_TOKEN_BYTES])
{
    size_t n = 0;

    for (; *word; word++) {
        if (*word == ' ' || *word == '\n') {
            spelt[n++] = '\xc4';
            spelt[n++] = *word == ' ' ? '\xa0' : '\x8a';
        } else {
            spelt[n++] = *word;
        }
    }
    spelt[n] = '\0';
}

/* The token's id; it is added, with the merges that make it, when it is new. */
static inline size_t tiny_add_word(struct tiny_vocabulary *v, const char *word)
{
    char spelt[TINY_TOKEN_BYTES], part[TINY_TOKEN_BYTES] = "";
    size_t id = 0, last = 0;

    tiny_spell(word, spelt);
    for (size_t i = 0, n; spelt[i]; i += n) {
        n = spelt[i] == '\xc4' ? 2 : 1;
        snprintf(part, sizeof(part), "%.*s", (int)(i + n), spelt);
        for (id = 0; id < v->n && strcmp(v->tokens[id], part) != 0;)
            id++;
        if (id == v->n) {
            assert_true(v->n < TINY_WORDS_MAX);
            snprintf(v->tokens[v->n++], TINY_TOKEN_BYTES, "%s", part);
            if (i > 0) {
                snprintf(v->tokens[v->n], TINY_TOKEN_BYTES, "%.*s", (int)n, spelt + i);
                snprintf(v->merges[v->n_merges++], TINY_TOKEN_BYTES, "%.*s %.*s", (int)i, spelt,
                         (int)n, spelt + i);
                for (last = 0; strcmp(v->tokens[last], v->tokens[v->n]) != 0;)
                    last++;
                v->n += last == v->n; /* the letter itself, when it is new */
            }
        }
    }
    return id;
}

/* Embeddings are unit vectors, and the feed-forward part turns the vector of a word into those of
 * the words behind it: a table of what follows what. What attention adds is random and up to about
 * `attention` large: 0 for a text that is known, more for one that depends on all before it. */
static inline void tiny_says_append(struct buf *out, const struct tiny_step *steps, size_t n,
                                    float attention)
{
    static struct tiny_vocabulary v;
    static float noise[TINY_WORDS_MAX * TINY_WORDS_MAX], ones[TINY_WORDS_MAX],
        unit[TINY_WORDS_MAX * TINY_WORDS_MAX], down[TINY_WORDS_MAX * TINY_WORDS_MAX];
    const float *values[LLAMA_SLOTS_END];
    uint32_t random = 5;

    memset(&v, 0, sizeof(v));
    memset(unit, 0, sizeof(unit));
    memset(down, 0, sizeof(down));
    v.n = v.n_special = 2;
    strcpy(v.tokens[0], "<|im_start|>");
    strcpy(v.tokens[1], "<|im_end|>");
    for (size_t i = 0; i < n; i++) {
        tiny_add_word(&v, steps[i].word);
        if (steps[i].next)
            tiny_add_word(&v, steps[i].next);
        if (steps[i].other)
            tiny_add_word(&v, steps[i].other);
    }
    for (size_t i = 0; v.n < 256 || v.n % 32; i++) /* the wider, the surer */
        snprintf(v.tokens[v.n++], TINY_TOKEN_BYTES, "~%zu", i);

    size_t width = v.n;
    float big = sqrtf((float)width);
    for (size_t i = 0; i < width; i++) {
        ones[i] = 1.0f;
        unit[i * width + i] = 1.0f;
    }
    for (size_t i = 0; i < n; i++) {
        size_t from = tiny_add_word(&v, steps[i].word);
        size_t next = steps[i].next ? tiny_add_word(&v, steps[i].next) : 1;

        if (steps[i].other)
            down[tiny_add_word(&v, steps[i].other) * width + from] = 2.8f / (big * big);
        down[next * width + from] = 3.0f / (big * big);
    }
    for (size_t s = 0; s < LLAMA_SLOTS_END; s++)
        values[s] = noise;
    for (size_t i = 0; i < width * width; i++) {
        random = random * 1664525u + 1013904223u;
        noise[i] = attention * ((float)(random >> 8) / 8388608.0f - 1.0f);
    }
    values[LLAMA_WORDS] = values[LLAMA_GATE] = values[LLAMA_UP] = unit;
    values[LLAMA_OUTPUT_NORM] = values[LLAMA_ATTENTION_NORM] = values[LLAMA_FF_NORM] = ones;
    values[LLAMA_DOWN] = down;
    const struct llama llama = { .config = { .n_layers = 1,
                                             .width = width,
                                             .n_heads = width / 32,
                                             .n_kv_heads = 1,
                                             .head_width = 32,
                                             .ff_width = width,
                                             .n_words = width,
                                             .n_positions = TINY_POSITIONS,
                                             .rope_base = 10000.0f,
                                             .norm_eps = 1e-5f },
                                 .values = values };
    tiny_gguf_append(out, &llama, &v);
}

#endif
