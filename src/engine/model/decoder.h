/*
 * decoder.h - token ids in, logits of the next token out.
 *
 *   x = words[id]
 *   per layer: x += Wo attention(rope(Wq n), rope(Wk n), Wv n), n = rmsnorm(x)
 *              x += Wd (silu(Wg n) * Wu n),                     n = rmsnorm(x)
 *   state = rmsnorm(x), logits = words state
 *
 * Every matrix product is int8 (DENSE_INT8: what serves) or f32 (DENSE_F32: what it is compared
 * with); all else is f32 and the same code. A state depends on the tokens up to its own alone, to
 * the last bit: not on how they were cut into calls, on what else ran, or on
 * the CPU (kernels.h).
 *
 * A text on its way is a struct decoder_text: the keys and values of its tokens. What many texts
 * begin with (the instructions of an SLM) is read once and then copied: decoder_text_copy().
 *
 * Source: Touvron et al. 2023, arXiv:2302.13971.
 */
#ifndef ENGINE_DECODER_H
#define ENGINE_DECODER_H

#include "base/arena.h"
#include "base/err.h"
#include "engine/kernels/kernels.h"
#include "engine/model/dense.h"
#include "engine/model/llama.h"
#include "engine/train/llama_lora.h"

#include <stddef.h>
#include <stdint.h>

enum { DECODER_ROWS_MAX = 128 /* tokens that go through the layers together */ };

/* What a decoder is made of; lora NULL: the file's weights as they are. */
struct decoder_weights {
    const struct llama_file *file;
    const struct llama_lora *lora; /* merged: W0 + (alpha / r) B A is what is packed */
    const float *lora_values;      /* (llama_lora_n_values(),) */
};

struct decoder;         /* packed weights; immutable, shared between threads */
struct decoder_session; /* the memory of runs; for one thread at a time */
struct decoder_text;    /* keys and values; for one thread at a time */

/**
 * Packs the weights: the file is read tensor by tensor, and not needed for the layers after it.
 *
 * @param weights  borrowed for the call, but for the file: every run reads the words' rows from it
 * @param kernels  for rounding; borrowed for the call. Every row packs the same bytes
 *
 * @return RC_OK
 *         RC_CORRUPT  a weight is not a finite number
 *         RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc decoder_new(const struct decoder_weights *weights,
                               enum dense_precision precision, const struct kernels *kernels,
                               struct arena *arena, struct decoder **ret_decoder, struct err *err);

const struct llama_config *decoder_config(const struct decoder *decoder);

/* @param capacity  the most tokens that a text of this session has, 1 to n_positions */
MUST_CHECK enum rc decoder_session_new(const struct decoder *decoder, const struct kernels *kernels,
                                       size_t capacity, struct arena *arena,
                                       struct decoder_session **ret_session, struct err *err);

/* An empty text: 46 KB per token of capacity for SmolLM2-135M. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc decoder_text_new(const struct decoder *decoder, size_t capacity,
                                    struct arena *arena, struct decoder_text **ret_text,
                                    struct err *err);

size_t decoder_text_length(const struct decoder_text *text); /* tokens */
size_t decoder_text_capacity(const struct decoder_text *text);

/* Makes `text` the first n_tokens of `from` (at most what it has): what is kept of a prefix. */
void decoder_text_copy(struct decoder_text *text, const struct decoder_text *from, size_t n_tokens);

/**
 * Reads on: appends tokens to a text. Allocates nothing.
 *
 * @param ids         (n_ids,), each in [0, n_words), within the text's capacity and the session's
 *                    (asserted)
 * @param ret_states  out, (n_states, C): the states of the last n_states tokens, at most n_ids
 */
void decoder_read(struct decoder_session *session, struct decoder_text *text, const int32_t *ids,
                  size_t n_ids, size_t n_states, float *ret_states);

/* ret_logits, out (n_states, V), of states (n_states, C). */
void decoder_logits(struct decoder_session *session, const float *states, size_t n_states,
                    float *ret_logits);

#endif
