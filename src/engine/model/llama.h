/*
 * llama.h - the shape and the f32 weights of a decoder of the Llama family (SmolLM2).
 *
 * struct llama is a view: one pointer per tensor to its f32 values. What they were quantised as in
 * the file is gone; training reads them as they are, serving packs them anew (decoder.h).
 *
 * Linear weights are (outputs, inputs) row-major, y = W x, without biases. Rows of LLAMA_QUERY and
 * LLAMA_KEY stand in the order of the transformers library: rotary embedding turns the values d and
 * d + D / 2 of a head as one pair. (GGUF stores those rows with the two halves interleaved.)
 */
#ifndef ENGINE_LLAMA_H
#define ENGINE_LLAMA_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

struct gguf;
struct gguf_tensor;

enum {
    LLAMA_LAYERS_MAX = 128,
    LLAMA_WIDTH_MAX = 8192,
    LLAMA_FF_WIDTH_MAX = 32768,
    LLAMA_WORDS_MAX = 1 << 20,
    LLAMA_POSITIONS_MAX = 1 << 17,
};

struct llama_config {
    size_t n_layers;    /* L */
    size_t width;       /* C, a multiple of 32 */
    size_t n_heads;     /* H, of queries */
    size_t n_kv_heads;  /* G, of keys and values; divides H: H / G query heads share one */
    size_t head_width;  /* D = C / H, a multiple of 32 */
    size_t ff_width;    /* F, a multiple of 32 */
    size_t n_words;     /* V, vocabulary; a multiple of 32 */
    size_t n_positions; /* most tokens of one text */
    float rope_base;    /* pair d of position p turns by p * rope_base^(-2 d / D) */
    float norm_eps;
};

enum llama_slot {
    LLAMA_WORDS,                              /* (V, C); the head too: logits = LLAMA_WORDS x */
    LLAMA_OUTPUT_NORM,                        /* (C,) */
    LLAMA_LAYER_SLOTS,                        /* from here on once per layer */
    LLAMA_ATTENTION_NORM = LLAMA_LAYER_SLOTS, /* (C,) */
    LLAMA_QUERY,                              /* (H D, C) */
    LLAMA_KEY,                                /* (G D, C) */
    LLAMA_VALUE,                              /* (G D, C) */
    LLAMA_ATTENTION,                          /* the projection behind the heads, (C, H D) */
    LLAMA_FF_NORM,                            /* (C,) */
    LLAMA_GATE,                               /* (F, C) */
    LLAMA_UP,                                 /* (F, C) */
    LLAMA_DOWN,                               /* (C, F) */
    LLAMA_SLOTS_END,
};

struct llama {
    struct llama_config config;
    const float **values; /* (llama_n_tensors(),), indexed by llama_tensor_index() */
};

/* Index of a tensor; layer is 0 for the slots that are not a layer's. */
static inline size_t llama_tensor_index(enum llama_slot slot, size_t layer)
{
    return slot < LLAMA_LAYER_SLOTS ? slot : slot + layer * (LLAMA_SLOTS_END - LLAMA_LAYER_SLOTS);
}

static inline size_t llama_n_tensors(const struct llama_config *config)
{
    return llama_tensor_index(LLAMA_LAYER_SLOTS, config->n_layers);
}

static inline const float *llama_values(const struct llama *llama, enum llama_slot slot,
                                        size_t layer)
{
    return llama->values[llama_tensor_index(slot, layer)];
}

/* (rows, columns) of a slot's tensors; a vector has one column. */
void llama_shape(const struct llama_config *config, enum llama_slot slot, size_t *ret_rows,
                 size_t *ret_columns);

/* The tensors as they lie in a GGUF file, all there and of the right shape. */
struct llama_file {
    struct llama_config config;
    const struct gguf_tensor **tensors; /* (llama_n_tensors(),), indexed by llama_tensor_index() */
};

/**
 * Finds a Llama decoder in a file: keys llama.*, tensors token_embd, blk.N.*, output_norm.
 *
 * @param gguf  borrowed: must outlive *ret_file
 *
 * @return RC_OK
 *         RC_UNSUPPORTED  another architecture; a head of its own, biases, or any other tensor that
 *                         we do not use; a shape that the kernels do not have; scaled positions
 *         RC_NOT_FOUND    a key or a tensor is missing
 *         RC_INVALID      a key is of the wrong kind or out of range
 *         RC_CORRUPT      a tensor has another shape
 *         RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc llama_file_open(const struct gguf *gguf, struct arena *arena,
                                   struct llama_file *ret_file, struct err *err);

/* "blk.3.attn_q.weight" */
struct str llama_tensor_name(const struct llama_file *file, enum llama_slot slot, size_t layer);

/* Rows first to first + n of a tensor as f32, in the order of struct llama: out (n, columns). */
void llama_read_rows(const struct llama_file *file, enum llama_slot slot, size_t layer,
                     size_t first, size_t n, float *ret_values);

/* All of it: the arena must have room for 4 bytes per weight. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc llama_dequantise(const struct llama_file *file, struct arena *arena,
                                    struct llama *ret_llama, struct err *err);

#endif
