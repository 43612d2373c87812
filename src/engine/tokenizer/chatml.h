/*
 * chatml.h - a conversation as the tokens that an instructed model was trained on ("ChatML"):
 *
 *   <|im_start|>system\nTEXT<|im_end|>\n<|im_start|>user\nTEXT<|im_end|>\n<|im_start|>assistant\n
 *
 * The special tokens are put in as ids; a text that holds their names stays text.
 */
#ifndef ENGINE_CHATML_H
#define ENGINE_CHATML_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/tokenizer/bpe.h"

#include <stddef.h>
#include <stdint.h>

enum { CHATML_TOKENS_MAX = 1 << 20 };

struct chatml {
    const struct bpe *bpe;
    struct arena *arena; /* owns ids and what was outgrown */
    int32_t *ids;        /* (n_ids,) */
    size_t n_ids, capacity;
    int32_t start, end; /* special tokens */
};

/* RC_UNSUPPORTED: the vocabulary lacks <|im_start|> or <|im_end|>. Both pointers are borrowed. */
MUST_CHECK enum rc chatml_init(struct chatml *chat, const struct bpe *bpe, struct arena *arena,
                               struct err *err);

/* A whole message. RC_INVALID: not UTF-8; RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc chatml_add(struct chatml *chat, struct str role, struct str text,
                              struct err *err);

/* The beginning of the model's own message, which ends with the token `end`. As chatml_add(). */
MUST_CHECK enum rc chatml_begin_answer(struct chatml *chat, struct err *err);

#endif
