/*
 * bpe.h - text to token ids and back by byte-level byte-pair encoding, as SmolLM's models expect.
 *
 * 1. Split the text into words (bpe_words_internal.h): each digit alone; runs of letters, of other
 *    characters, of white space; a word takes the one space in front of it.
 * 2. A word begins as its bytes. Of all neighbours that the list of merges joins, the pair with the
 *    lowest rank is joined first, the leftmost of equals, until none is left.
 *
 * The ids equal those of llama.cpp (tests/golden/bpe_*) when it is told not to parse special
 * tokens: "<|im_end|>" inside a text is plain text here, always, so that nobody's input can forge
 * one; who builds a prompt puts the special ids between the texts. As there, a byte that the
 * vocabulary has no token for is left out (SmolLM2's lacks 21: six control characters, and bytes
 * that only characters beyond U+3FFFF have, or none). The categories of characters are those of
 * Unicode 14.
 *
 * Time is n log n in the longest word, else linear. Thread-safe after bpe_open().
 *
 * Source: Sennrich et al. 2016, arXiv:1508.07909; Radford et al. 2019 (GPT-2), section 2.2.
 */
#ifndef ENGINE_BPE_H
#define ENGINE_BPE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gguf;

enum {
    BPE_TOKENS_MAX = 1 << 20,
    BPE_TOKEN_BYTES_MAX = 1024,
    BPE_TEXT_BYTES_MAX = 16 << 20,
};

struct bpe; /* a vocabulary; immutable, shared between threads */

/**
 * Reads the keys tokenizer.ggml.* of a model file.
 *
 * @param file  only read here: *ret_bpe keeps nothing of it
 *
 * @return RC_OK
 *         RC_UNSUPPORTED  another kind of tokenizer or of splitting
 *         RC_NOT_FOUND    a key is missing
 *         RC_INVALID      a key is of the wrong kind
 *         RC_CORRUPT      an empty, repeated or impossible token; a merge of what are no tokens
 *         RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc bpe_open(const struct gguf *file, struct arena *arena, struct bpe **ret_bpe,
                            struct err *err);

size_t bpe_n_tokens(const struct bpe *b);

/* The bytes of a token, id < n_tokens: any bytes, a part of a character too. Of a special token:
 * its name. */
struct str bpe_token(const struct bpe *b, size_t id);
bool bpe_is_special(const struct bpe *b, size_t id);

/* The id of a special token ("<|im_start|>"), or -1. */
int32_t bpe_find_special(const struct bpe *b, const char *name);

/* The id that the file says ends a text. */
int32_t bpe_end(const struct bpe *b);

/**
 * Tokens of a text, nothing added. Never cuts.
 *
 * @param ret_ids  out, (max_ids,); the first *ret_n_ids are written. May be NULL when max_ids is 0
 *
 * @return RC_OK
 *         RC_INVALID  not UTF-8; the message names the byte
 *         RC_LIMIT    over max_ids tokens, the message says how many there are; or over
 *                     BPE_TEXT_BYTES_MAX
 *         RC_NOMEM
 */
MUST_CHECK enum rc bpe_encode(const struct bpe *b, struct str text, size_t max_ids,
                              int32_t *ret_ids, size_t *ret_n_ids, struct err *err);

/* How many ids bpe_encode() would give, whatever their number. RC_INVALID, RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc bpe_count(const struct bpe *b, struct str text, size_t *ret_n_ids,
                             struct err *err);

#endif
