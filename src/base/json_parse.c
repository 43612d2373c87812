#include "base/json.h"

#include "base/json_internal.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>

/* An open container. The value it becomes waits in pending[first - 1]. */
struct frame {
    enum json_type type;
    size_t first; /* index in pending of its first item or member */
};

/*
 * The values of all open containers lie on one stack, `pending`; closing a container moves its own
 * from there into an array of the right size in the arena. The value being read is always
 * pending[n_pending - 1].value.
 */
struct parser {
    const char *at, *end, *line_start;
    uint32_t line;
    enum json_duplicates duplicates;
    struct arena *arena;
    struct json_member *pending;
    size_t n_pending, capacity;
    struct frame frames[JSON_DEPTH_MAX];
    size_t depth;
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

/* Pushes an empty slot for the next value. */
static enum rc push_slot(struct parser *p, struct err *err)
{
    if (p->n_pending > (p->arena->limit - p->arena->used) / sizeof(struct json))
        return err_set(err, RC_LIMIT, "JSON text exceeds %zu bytes of memory", p->arena->limit);
    if (p->n_pending == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 32;
        struct json_member *grown = mem_array(capacity, sizeof(*grown));

        if (!grown)
            return err_set(err, RC_NOMEM, "JSON text");
        if (p->n_pending)
            memcpy(grown, p->pending, p->n_pending * sizeof(*grown));
        mem_free(p->pending);
        p->pending = grown;
        p->capacity = capacity;
    }
    p->pending[p->n_pending++] = (struct json_member){ 0 };
    return RC_OK;
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
    char *text = arena_array(p->arena, char, raw_length(p) + 1);
    size_t len = 0;

    if (!text)
        return arena_fail(p->arena, err, "JSON text");
    while (!take(p, '"')) {
        const char *at = p->at;
        uint32_t c;

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
    char *text = arena_strndup(p->arena, start, len);
    if (!text)
        return arena_fail(p->arena, err, "JSON text");
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

static enum rc open_container(struct parser *p, enum json_type type, struct json *v,
                              struct err *err)
{
    if (p->depth == JSON_DEPTH_MAX)
        return err_set(err, RC_LIMIT, "line %u, column %u: nested deeper than %d", p->line,
                       column_of(p, p->at), JSON_DEPTH_MAX);
    p->at++;
    v->type = type;
    p->frames[p->depth++] = (struct frame){ type, p->n_pending };
    return RC_OK;
}

/* Reads a scalar whole, or the opening bracket of a container. */
static enum rc read_value(struct parser *p, bool *ret_opened, struct err *err)
{
    struct json *v = &p->pending[p->n_pending - 1].value;

    skip_space(p);
    v->line = p->line;
    v->column = column_of(p, p->at);
    *ret_opened = false;
    switch (p->at < p->end ? *p->at : '\0') {
    case '[': *ret_opened = true; return open_container(p, JSON_ARRAY, v, err);
    case '{': *ret_opened = true; return open_container(p, JSON_OBJECT, v, err);
    case '"': v->type = JSON_STRING; return read_string(p, &v->text, err);
    case '-': return read_number(p, v, err);
    default:
        if (p->at < p->end && *p->at >= '0' && *p->at <= '9')
            return read_number(p, v, err);
        return read_word(p, v, err);
    }
}

static int compare_keys(const void *a, const void *b)
{
    const struct json_member *left = *(const struct json_member *const *)a;
    const struct json_member *right = *(const struct json_member *const *)b;
    int order = str_compare(left->key, right->key);

    if (order)
        return order;
    return left < right ? -1 : left > right; /* equal keys stay in source order */
}

const struct json_member **json_sorted_members(const struct json *object)
{
    const struct json_member **sorted = mem_array(object->n, sizeof(const struct json_member *));

    if (!sorted)
        return NULL;
    for (size_t i = 0; i < object->n; i++)
        sorted[i] = &object->members[i];
    qsort(sorted, object->n, sizeof(*sorted), compare_keys);
    return sorted;
}

/* The first member, in source order, whose key an earlier member has; NULL when there is none. */
static enum rc find_duplicate(const struct json *object, const struct json_member **ret_duplicate,
                              struct err *err)
{
    const struct json_member **sorted = json_sorted_members(object);
    const struct json_member *found = NULL;

    if (!sorted)
        return err_set(err, RC_NOMEM, "JSON text");
    for (size_t i = 1; i < object->n; i++)
        if (str_equal(sorted[i - 1]->key, sorted[i]->key) && (!found || sorted[i] < found))
            found = sorted[i];
    mem_free(sorted);
    *ret_duplicate = found;
    return RC_OK;
}

static enum rc refuse_duplicates(const struct json *object, struct err *err)
{
    const struct json_member *duplicate = NULL;
    enum rc rc = find_duplicate(object, &duplicate, err);

    if (rc || !duplicate)
        return rc;
    return err_set(err, RC_INVALID, "line %u, column %u: duplicate key '%.*s'", duplicate->line,
                   duplicate->column, duplicate->key.len > 100 ? 100 : (int)duplicate->key.len,
                   duplicate->key.at);
}

/* Moves the pending values of the innermost container into the arena. */
static enum rc close_container(struct parser *p, struct err *err)
{
    struct frame frame = p->frames[--p->depth];
    struct json *v = &p->pending[frame.first - 1].value;
    const struct json_member *values = &p->pending[frame.first];

    v->n = p->n_pending - frame.first;
    p->n_pending = frame.first;
    if (frame.type == JSON_ARRAY) {
        v->items = arena_array(p->arena, struct json, v->n);
        if (!v->items)
            return arena_fail(p->arena, err, "JSON text");
        for (size_t i = 0; i < v->n; i++)
            v->items[i] = values[i].value;
        return RC_OK;
    }
    v->members = arena_array(p->arena, struct json_member, v->n);
    if (!v->members)
        return arena_fail(p->arena, err, "JSON text");
    if (v->n)
        memcpy(v->members, values, v->n * sizeof(*values));
    return p->duplicates == JSON_DUPLICATES_REFUSED && v->n > 1 ? refuse_duplicates(v, err) : RC_OK;
}

/* A slot for the next item, or for the next member with its key and colon read. */
static enum rc begin_element(struct parser *p, struct err *err)
{
    enum rc rc = push_slot(p, err);

    if (rc || p->frames[p->depth - 1].type == JSON_ARRAY)
        return rc;

    struct json_member *m = &p->pending[p->n_pending - 1];
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
    while (p->depth > 0) {
        bool in_array = p->frames[p->depth - 1].type == JSON_ARRAY;

        skip_space(p);
        if (take(p, in_array ? ']' : '}')) {
            enum rc rc = close_container(p, err);
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
    enum rc rc = push_slot(p, err);

    while (!rc) {
        rc = read_value(p, &opened, err);
        if (rc)
            return rc;
        rc = go_to_next_value(p, opened, err);
        if (!rc && p->depth == 0)
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
                        .arena = arena };
    enum rc rc = read_text(&p, err);

    if (!rc) {
        struct json *root = arena_new(arena, struct json);
        if (root) {
            *root = p.pending[0].value;
            *ret_json = root;
        } else {
            rc = arena_fail(arena, err, "JSON text");
        }
    }
    mem_free(p.pending);
    return rc;
}
