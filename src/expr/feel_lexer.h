/*
 * feel_lexer.h - FEEL text to tokens, one ahead.
 *
 * Comments and blanks are skipped. A token is a slice of the text; strings are decoded when the
 * parser asks. After the end every further token is TOKEN_END.
 */
#ifndef EXPR_FEEL_LEXER_H
#define EXPR_FEEL_LEXER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum feel_token_kind {
    TOKEN_END,
    TOKEN_NUMBER,
    TOKEN_STRING, /* text with its quotes */
    TOKEN_AT,     /* @"..." */
    TOKEN_NAME,   /* an identifier, perhaps a keyword */
    TOKEN_QUOTED, /* `...` */
    TOKEN_SYMBOL,
    TOKEN_BROKEN, /* a character that starts nothing, or a string that does not end */
};

struct feel_token {
    enum feel_token_kind kind;
    struct str text;
    size_t at; /* offset in the text */
    uint32_t line, column;
};

struct feel_lexer {
    struct str text;
    size_t at;
    uint32_t line;
    size_t line_at; /* offset of the line's first byte */
    struct feel_token token;
};

void feel_lexer_init(struct feel_lexer *lexer, struct str text);
void feel_lexer_next(struct feel_lexer *lexer);
void feel_lexer_skip_to(struct feel_lexer *lexer, size_t at); /* forward, then next token */

/* The name before ':' when the text at the current token is one: identifier characters and blanks,
 * with_operators also + - * / . ' as context keys may have. The colon is at *ret_colon. */
bool feel_lexer_key(const struct feel_lexer *lexer, bool with_operators, struct str *ret_key,
                    size_t *ret_colon);

bool feel_is_identifier(struct str text);

/* Decodes the escapes of a string token without its quotes; RC_INVALID: a lone surrogate or a code
 * point out of range. An unknown escape stays as it is, so "\d" is a backslash and a d. */
MUST_CHECK enum rc feel_decode_string(struct str raw, struct arena *arena, struct str *ret,
                                      struct err *err);

#endif
