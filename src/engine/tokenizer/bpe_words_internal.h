/*
 * bpe_words_internal.h - where the words of a text end, by the rules of "smollm".
 *
 * The rules are two regular expressions, one after the other: \p{N}, then in what lies between
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * Here they are written out: one pass, no recursion, each character looked at a bounded number of
 * times.
 */
#ifndef ENGINE_BPE_WORDS_INTERNAL_H
#define ENGINE_BPE_WORDS_INTERNAL_H

#include "base/str.h"

#include <stddef.h>

/* Bytes of the first word of a text that is not empty and is UTF-8. */
size_t bpe_word_length(struct str text);

#endif
