#include "base/json_internal.h"
#include "base/utf8.h"

struct parser {
    const char *at, *end, *line_start;
    uint32_t line;
    enum json_duplicates duplicates;
    struct json_builder builder;
};

static uint32_t column_of(const struct parser *p, const char *at)
{
    return (uint32_t)(at - p->line_start) + 1;
}

static enum rc fail_at(const struct parser *p, const char *at, const char *what, struct err *err)
{
    return err_set(err, RC_INVALID, "line %u, column %u: %s", p->line, column_of(p, at), what);
}

static void skip_space(struct parser *p)
{
    for (; p->at < p->end; p->at++) {
        if (*p->at == '\n') {
            p->line++;
            p->line_start = p->at + 1;
        } else if (*p->at != ' ' && *p->at != '\t' && *p->at != '\r') {
            return;
        }
    }
}

static bool take(struct parser *p, char wanted)
{
    if (p->at == p->end || *p->at != wanted)
        return false;
    p->at++;
    return true;
}

/* Four hex digits; false when they are not there. */
static bool read_hex4(struct parser *p, uint32_t *ret_unit)
{
    uint32_t unit = 0;

    if (p->end - p->at < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        char c = p->at[i];
        char lower = (char)(c | 0x20);
        uint32_t digit;

        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            digit = (uint32_t)(lower - 'a') + 10;
        else
            return false;
        unit = unit << 4 | digit;
    }
    p->at += 4;
    *ret_unit = unit;
    return true;
}

/* After "\u": one unit, or a pair of surrogates. */
static enum rc read_unicode_escape(struct parser *p, const char *start, uint32_t *ret_char,
                                   struct err *err)
{
    uint32_t unit, low;

    if (!read_hex4(p, &unit))
        return fail_at(p, start, "expected four hex digits after \\u", err);
    if (unit >= 0xD800 && unit <= 0xDFFF) {
        bool is_pair = unit < 0xDC00 && take(p, '\\') && take(p, 'u') && read_hex4(p, &low) &&
                       low >= 0xDC00 && low <= 0xDFFF;
        if (!is_pair)
            return fail_at(p, start, "lone surrogate", err);
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    *ret_char = unit;
    return RC_OK;
}

static enum rc read_escape(struct parser *p, uint32_t *ret_char, struct err *err)
{
    const char *start = p->at++;

    if (p->at == p->end)
        return fail_at(p, start, "text ends inside a string", err);
    switch (*p->at++) {
    case '"': *ret_char = '"'; return RC_OK;
    case '\\': *ret_char = '\\'; return RC_OK;
    case '/': *ret_char = '/'; return RC_OK;
    case 'b': *ret_char = '\b'; return RC_OK;
    case 'f': *ret_char = '\f'; return RC_OK;
    case 'n': *ret_char = '\n'; return RC_OK;
    case 'r': *ret_char = '\r'; return RC_OK;
    case 't': *ret_char = '\t'; return RC_OK;
    case 'u': return read_unicode_escape(p, start, ret_char, err);
    default: return fail_at(p, start, "unknown escape in a string", err);
    }
}

/* Bytes up to the closing quote: an escape never gets longer by decoding, so that is room enough.
 */
static size_t raw_length(const struct parser *p)
{
    const char *at = p->at;

    while (at < p->end && *at != '"')
        at += *at == '\\' && p->end - at > 1 ? 2 : 1;
    return (size_t)(at - p->at);
}

/* p->at is the opening quote. */
static enum rc read_string(struct parser *p, struct str *ret_text, struct err *err)
{
    const char *start = p->at++;
    char *text = arena_array(p->builder.arena, char, raw_length(p) + 1);
    size_t len = 0;

    if (!text)
        return arena_fail(p->builder.arena, err, "JSON text");
    while (!take(p, '"')) {
        const char *at = p->at;
        uint32_t c = 0;

        if (at == p->end)
            return fail_at(p, start, "string has no closing quote", err);
        if (*at == '\\') {
            enum rc rc = read_escape(p, &c, err);
            if (rc)
                return rc;
            len += utf8_encode(c, text + len);
            continue;
        }
        size_t bytes = utf8_decode(at, p->end, &c);
        if (bytes == 0)
            return fail_at(p, at, "invalid UTF-8", err);
        if (c < 0x20)
            return fail_at(p, at, "control character in a string, expected an escape", err);
        memcpy(text + len, at, bytes);
        len += bytes;
        p->at += bytes;
    }
    *ret_text = (struct str){ text, len };
    return RC_OK;
}

static bool take_digits(struct parser *p)
{
    const char *start = p->at;

    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return p->at > start;
}

/* RFC 8259, section 6: [minus] int [frac] [exp]. */
static enum rc read_number(struct parser *p, struct json *v, struct err *err)
{
    const char *start = p->at;

    take(p, '-');
    if (!take(p, '0') && !take_digits(p))
        return fail_at(p, p->at, "expected a digit", err);
    if (take(p, '.') && !take_digits(p))
        return fail_at(p, p->at, "expected a digit after the decimal point", err);
    if (take(p, 'e') || take(p, 'E')) {
        if (!take(p, '+'))
            take(p, '-');
        if (!take_digits(p))
            return fail_at(p, p->at, "expected a digit in the exponent", err);
    }

    size_t len = (size_t)(p->at - start);
    if (len > JSON_NUMBER_LEN_MAX)
        return err_set(err, RC_LIMIT, "line %u, column %u: number of %zu characters, at most %d",
                       p->line, column_of(p, start), len, JSON_NUMBER_LEN_MAX);
    char *text = arena_strndup(p->builder.arena, start, len);
    if (!text)
        return arena_fail(p->builder.arena, err, "JSON text");
    v->type = JSON_NUMBER;
    v->text = (struct str){ text, len };
    return RC_OK;
}

static bool take_word(struct parser *p, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
        return false;
    p->at += len;
    return true;
}

static enum rc read_word(struct parser *p, struct json *v, struct err *err)
{
    if (take_word(p, "null")) {
        v->type = JSON_NULL;
    } else if (take_word(p, "true")) {
        v->type = JSON_BOOL;
        v->boolean = true;
    } else if (take_word(p, "false")) {
        v->type = JSON_BOOL;
    } else {
        return fail_at(p, p->at,
                       p->at == p->end ? "text ends, expected a value" : "expected a value", err);
    }
    return RC_OK;
}

static enum rc open_container(struct parser *p, enum json_type type, struct err *err)
{
    p->at++;
    return json_builder_open(&p->builder, type, err);
}

/* Reads a scalar whole, or the opening bracket of a container. */
static enum rc read_value(struct parser *p, bool *ret_opened, struct err *err)
{
    struct json *v = &json_builder_slot(&p->builder)->value;

    skip_space(p);
    v->line = p->line;
    v->column = column_of(p, p->at);
    *ret_opened = false;
    switch (p->at < p->end ? *p->at : '\0') {
    case '[': *ret_opened = true; return open_container(p, JSON_ARRAY, err);
    case '{': *ret_opened = true; return open_container(p, JSON_OBJECT, err);
    case '"': v->type = JSON_STRING; return read_string(p, &v->text, err);
    case '-': return read_number(p, v, err);
    default:
        if (p->at < p->end && *p->at >= '0' && *p->at <= '9')
            return read_number(p, v, err);
        return read_word(p, v, err);
    }
}

/* A slot for the next item, or for the next member with its key and colon read. */
static enum rc begin_element(struct parser *p, struct err *err)
{
    enum rc rc = json_builder_push(&p->builder, err);

    if (rc || json_builder_in(&p->builder) == JSON_ARRAY)
        return rc;

    struct json_member *m = json_builder_slot(&p->builder);
    skip_space(p);
    if (p->at == p->end || *p->at != '"')
        return fail_at(p, p->at, "expected a key in double quotes", err);
    m->line = p->line;
    m->column = column_of(p, p->at);
    rc = read_string(p, &m->key, err);
    if (rc)
        return rc;
    skip_space(p);
    return take(p, ':') ? RC_OK : fail_at(p, p->at, "expected ':' after the key", err);
}

/* Closes what ends here; stops before the next value, or with depth 0 when all is read. */
static enum rc go_to_next_value(struct parser *p, bool opened, struct err *err)
{
    while (p->builder.depth > 0) {
        bool in_array = json_builder_in(&p->builder) == JSON_ARRAY;

        skip_space(p);
        if (take(p, in_array ? ']' : '}')) {
            enum rc rc = json_builder_close(&p->builder, p->duplicates, err);
            if (rc)
                return rc;
            opened = false;
            continue;
        }
        if (!opened && !take(p, ','))
            return fail_at(p, p->at, in_array ? "expected ',' or ']'" : "expected ',' or '}'", err);
        return begin_element(p, err);
    }
    return RC_OK;
}

static enum rc read_text(struct parser *p, struct err *err)
{
    bool opened;
    enum rc rc = json_builder_push(&p->builder, err);

    while (!rc) {
        rc = read_value(p, &opened, err);
        if (rc)
            return rc;
        rc = go_to_next_value(p, opened, err);
        if (!rc && p->builder.depth == 0)
            break;
    }
    if (rc)
        return rc;
    skip_space(p);
    return p->at == p->end ? RC_OK : fail_at(p, p->at, "text goes on after the value", err);
}

enum rc json_parse(struct str text, enum json_duplicates duplicates, struct arena *arena,
                   struct json **ret_json, struct err *err)
{
    const char *at = text.at ? text.at : "";
    struct parser p = { .at = at,
                        .end = at + text.len,
                        .line_start = at,
                        .line = 1,
                        .duplicates = duplicates,
                        .builder = { .arena = arena } };
    enum rc rc = read_text(&p, err);

    if (!rc)
        rc = json_builder_end(&p.builder, ret_json, err);
    json_builder_release(&p.builder);
    return rc;
}
