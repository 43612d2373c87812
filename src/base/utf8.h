/*
 * utf8.h - UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UTF8_BYTES_MAX = 4, UTF8_REPLACEMENT = 0xFFFD };

/* Decodes the character at `at`: its length in bytes (1..4), or 0 when the bytes before `end` do
 * not begin with a valid character (an empty range included; *ret_char is then untouched). */
size_t utf8_decode(const char *at, const char *end, uint32_t *ret_char);

/* Writes c (a Unicode scalar value, asserted) and returns how many bytes that took. */
size_t utf8_encode(uint32_t c, char bytes[UTF8_BYTES_MAX]);

bool utf8_valid(struct str text);

/* Characters in a valid text. */
size_t utf8_count(struct str text);

#endif
