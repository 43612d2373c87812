/*
 * wordpiece.h - text to token ids as BERT's uncased models expect them.
 *
 * 1. Clean: U+0000, U+FFFD and characters of category C (but tab, line feed, carriage return) go;
 *    white space becomes a space; each CJK ideograph becomes a word of its own.
 * 2. Normalise: canonical decomposition (NFD), marks of category Mn go, lower case.
 * 3. Split into words at spaces; each punctuation character is a word.
 * 4. Each word becomes the longest vocabulary entries from its left end, entries behind the first
 *    beginning with "##". A word that does not work out, or has over 100 characters, is one [UNK].
 * 5. [CLS] first, [SEP] last.
 *
 * The ids equal those of Hugging Face's tokenizers (tests/golden/wordpiece_*), with two
 * differences.
 * "[SEP]" and its like inside a text are plain text here, so that nobody's input can forge a
 * special token. And categories are those of Unicode 14, not of Unicode 8: 568 characters assigned
 * since.
 *
 * Time is linear in the text: a word is searched over at most 100 characters. Nothing is allocated
 * after wordpiece_open().
 *
 * Source: Devlin et al. 2018, arXiv:1810.04805; Wu et al. 2016, arXiv:1609.08144, section 4.1.
 */
#ifndef ENGINE_WORDPIECE_H
#define ENGINE_WORDPIECE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

enum {
    WORDPIECE_ENTRIES_MAX = 1 << 20,
    WORDPIECE_ENTRY_BYTES_MAX = 256,
    WORDPIECE_WORD_CHARACTERS_MAX = 100,
};

struct wordpiece; /* a vocabulary; immutable, shared between threads */

/**
 * Reads a vocab.txt: one entry per line, its id is the number of the line from 0.
 *
 * @param vocabulary  borrowed: must outlive *ret_wordpiece
 *
 * @return RC_OK
 *         RC_CORRUPT  an empty or repeated line, [UNK], [CLS] or [SEP] missing
 *         RC_LIMIT    over a limit above, or more than the arena may hold
 *         RC_NOMEM
 */
MUST_CHECK enum rc wordpiece_open(struct str vocabulary, struct arena *arena,
                                  struct wordpiece **ret_wordpiece, struct err *err);

size_t wordpiece_n_entries(const struct wordpiece *w);
struct str wordpiece_entry(const struct wordpiece *w, size_t id); /* id < n_entries */

/**
 * Tokens of a text, [CLS] and [SEP] included. Never cuts.
 *
 * @param ret_ids   out, (max_ids,); the first *ret_n_ids are written
 * @param max_ids   usually the model's number of positions
 *
 * @return RC_OK
 *         RC_INVALID  not UTF-8; the message names the byte
 *         RC_LIMIT    over max_ids tokens; the message says how many there are
 */
MUST_CHECK enum rc wordpiece_encode(const struct wordpiece *w, struct str text, size_t max_ids,
                                    int32_t *ret_ids, size_t *ret_n_ids, struct err *err);

/* How many ids wordpiece_encode() would give, whatever their number. RC_INVALID. */
MUST_CHECK enum rc wordpiece_count(const struct wordpiece *w, struct str text, size_t *ret_n_ids,
                                   struct err *err);

#endif
