#include "expr/feel_lexer.h"

#include "base/utf8.h"

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_name(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '?' || c >= 0x80;
}

static bool continues_name(unsigned char c)
{
    return starts_name(c) || is_digit(c);
}

static unsigned char byte_at(const struct feel_lexer *lexer, size_t at)
{
    return at < lexer->text.len ? (unsigned char)lexer->text.at[at] : '\0';
}

/* Bytes of the blank at `at`, Unicode's blanks included; 0: none. */
static size_t blank_length(const struct feel_lexer *lexer, size_t at)
{
    static const char *const blanks[] = { "\xc2\xa0",     "\xe2\x80\x80", "\xe2\x80\x89",
                                          "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
                                          "\xe3\x80\x80", "\xef\xbb\xbf" };

    if (at < lexer->text.len && is_blank(byte_at(lexer, at)))
        return 1;
    struct str rest = { lexer->text.at + at, lexer->text.len - at };
    for (size_t i = 0; i < ARRAY_LEN(blanks); i++)
        if (str_starts_with(rest, blanks[i]))
            return strlen(blanks[i]);
    return 0;
}

static void move_to(struct feel_lexer *lexer, size_t at)
{
    for (; lexer->at < at; lexer->at++) {
        if (lexer->text.at[lexer->at] == '\n') {
            lexer->line++;
            lexer->line_at = lexer->at + 1;
        }
    }
}

/* Past the comment at `at`; at itself when there is none. An open comment runs to the end. */
static size_t skip_comment(const struct feel_lexer *lexer, size_t at)
{
    if (byte_at(lexer, at) != '/')
        return at;
    if (byte_at(lexer, at + 1) == '/') {
        while (at < lexer->text.len && lexer->text.at[at] != '\n')
            at++;
    } else if (byte_at(lexer, at + 1) == '*') {
        for (at += 2; at < lexer->text.len; at++)
            if (byte_at(lexer, at) == '*' && byte_at(lexer, at + 1) == '/')
                return at + 2;
    }
    return at;
}

static void skip_blanks(struct feel_lexer *lexer)
{
    for (;;) {
        size_t at = lexer->at + blank_length(lexer, lexer->at);

        if (at == lexer->at)
            at = skip_comment(lexer, at);
        if (at == lexer->at)
            return;
        move_to(lexer, at);
    }
}

static size_t end_of_number(const struct feel_lexer *lexer, size_t at)
{
    while (is_digit(byte_at(lexer, at)))
        at++;
    if (byte_at(lexer, at) == '.' && is_digit(byte_at(lexer, at + 1)))
        for (at++; is_digit(byte_at(lexer, at));)
            at++;
    if (byte_at(lexer, at) == 'e' || byte_at(lexer, at) == 'E') {
        size_t digit = at + 1 + (byte_at(lexer, at + 1) == '+' || byte_at(lexer, at + 1) == '-');
        if (is_digit(byte_at(lexer, digit)))
            for (at = digit; is_digit(byte_at(lexer, at));)
                at++;
    }
    return at;
}

/* Past the closing quote, or 0 when there is none. */
static size_t end_of_quoted(const struct feel_lexer *lexer, size_t at, char quote)
{
    for (at++; at < lexer->text.len; at++) {
        if (lexer->text.at[at] == '\\' && quote == '"')
            at++;
        else if (lexer->text.at[at] == quote)
            return at + 1;
    }
    return 0;
}

static size_t end_of_symbol(const struct feel_lexer *lexer, size_t at)
{
    static const char *const pairs[] = { "..", "**", "<=", ">=", "!=", "->" };
    struct str rest = { lexer->text.at + at, lexer->text.len - at };

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if (str_starts_with(rest, pairs[i]))
            return at + 2;
    return strchr("+-*/=<>()[]{},.:", lexer->text.at[at]) && lexer->text.at[at] ? at + 1 : 0;
}

static size_t end_of_token(const struct feel_lexer *lexer, size_t at, enum feel_token_kind *kind)
{
    unsigned char c = byte_at(lexer, at);

    if (is_digit(c) || (c == '.' && is_digit(byte_at(lexer, at + 1)))) {
        *kind = TOKEN_NUMBER;
        return end_of_number(lexer, at);
    }
    if (starts_name(c)) {
        *kind = TOKEN_NAME;
        while (continues_name(byte_at(lexer, at)) && blank_length(lexer, at) == 0)
            at++;
        return at;
    }
    if (c == '"') {
        *kind = TOKEN_STRING;
        return end_of_quoted(lexer, at, '"');
    }
    if (c == '`') {
        *kind = TOKEN_QUOTED;
        return end_of_quoted(lexer, at, '`');
    }
    if (c == '@' && byte_at(lexer, at + 1) == '"') {
        *kind = TOKEN_AT;
        return end_of_quoted(lexer, at + 1, '"');
    }
    *kind = TOKEN_SYMBOL;
    return end_of_symbol(lexer, at);
}

void feel_lexer_next(struct feel_lexer *lexer)
{
    struct feel_token *token = &lexer->token;

    skip_blanks(lexer);
    token->at = lexer->at;
    token->line = lexer->line;
    token->column = (uint32_t)(lexer->at - lexer->line_at + 1);
    token->kind = TOKEN_END;
    token->text = (struct str){ lexer->text.at + lexer->at, 0 };
    if (lexer->at == lexer->text.len)
        return;

    size_t end = end_of_token(lexer, lexer->at, &token->kind);
    if (end == 0) {
        token->kind = TOKEN_BROKEN;
        end = lexer->text.len;
    }
    token->text.len = end - lexer->at;
    move_to(lexer, end);
}

void feel_lexer_init(struct feel_lexer *lexer, struct str text)
{
    *lexer = (struct feel_lexer){ .text = text, .line = 1 };
    feel_lexer_next(lexer);
}

void feel_lexer_skip_to(struct feel_lexer *lexer, size_t at)
{
    move_to(lexer, at);
    feel_lexer_next(lexer);
}

bool feel_lexer_key(const struct feel_lexer *lexer, bool with_operators, struct str *ret_key,
                    size_t *ret_colon)
{
    size_t start = lexer->token.at, at = start, end = start;

    if (lexer->token.kind != TOKEN_NAME)
        return false;
    for (; at < lexer->text.len; at++) {
        unsigned char c = byte_at(lexer, at);

        if (c == ':') {
            *ret_key = (struct str){ lexer->text.at + start, end - start };
            *ret_colon = at;
            return true;
        }
        if (continues_name(c) || (with_operators && strchr("+-*/.'", c)))
            end = at + 1;
        else if (!is_blank(c))
            return false;
    }
    return false;
}

bool feel_is_identifier(struct str text)
{
    if (text.len == 0 || !starts_name((unsigned char)text.at[0]) || text.at[0] == '?')
        return false;
    for (size_t i = 1; i < text.len; i++)
        if (!continues_name((unsigned char)text.at[i]))
            return false;
    return true;
}

/* The value of n hexadecimal digits, or UINT32_MAX. */
static uint32_t hex_value(struct str raw, size_t at, size_t n)
{
    uint32_t value = 0;

    if (raw.len < n || at > raw.len - n)
        return UINT32_MAX;
    for (size_t i = at; i < at + n; i++) {
        char c = raw.at[i];
        uint32_t digit;

        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return UINT32_MAX;
        value = value << 4 | digit;
    }
    return value;
}

/* \uXXXX, a pair of them, or \UXXXXXX at `at` (the u); *ret_len: bytes from the u on. */
static uint32_t unicode_escape(struct str raw, size_t at, size_t *ret_len)
{
    if (raw.at[at] == 'U') {
        *ret_len = 7;
        return hex_value(raw, at + 1, 6);
    }
    uint32_t high = hex_value(raw, at + 1, 4);

    *ret_len = 5;
    if (high < 0xd800 || high > 0xdbff)
        return high;
    if (at + 7 > raw.len || raw.at[at + 5] != '\\' || raw.at[at + 6] != 'u')
        return UINT32_MAX;
    uint32_t low = hex_value(raw, at + 7, 4);
    if (low < 0xdc00 || low > 0xdfff)
        return UINT32_MAX;
    *ret_len = 11;
    return 0x10000 + ((high - 0xd800) << 10 | (low - 0xdc00));
}

static char simple_escape(char c)
{
    switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case '"': return '"';
    case '\'': return '\'';
    case '\\': return '\\';
    }
    return '\0';
}

enum rc feel_decode_string(struct str raw, struct arena *arena, struct str *ret, struct err *err)
{
    char *out = arena_array(arena, char, raw.len + 1);
    size_t len = 0;

    if (!out)
        return arena_fail(arena, err, "string literal");
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.at[i] != '\\' || i + 1 == raw.len) {
            out[len++] = raw.at[i];
            continue;
        }
        char plain = simple_escape(raw.at[i + 1]);
        if (plain) {
            out[len++] = plain;
            i++;
        } else if (raw.at[i + 1] == 'u' || raw.at[i + 1] == 'U') {
            size_t escape_len;
            uint32_t c = unicode_escape(raw, i + 1, &escape_len);

            if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return err_set(err, RC_INVALID, "broken escape '%.*s'",
                               (int)(raw.len - i < 6 ? raw.len - i : 6), raw.at + i);
            len += utf8_encode(c, out + len);
            i += escape_len;
        } else {
            out[len++] = '\\';
        }
    }
    *ret = (struct str){ out, len };
    return RC_OK;
}
