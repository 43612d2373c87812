/*
 * json.h - strict JSON (RFC 8259), read into a tree and written from one.
 *
 * Why ours: every value keeps its line and column, and a number keeps its text, so that decimals
 * stay exact and errors name a place. Nothing here recurses on the depth of the input.
 *
 * Refused although other parsers let it pass: invalid UTF-8, lone surrogates (\uD800), a byte order
 * mark, anything after the value. \u0000 is accepted inside strings (struct str carries the
 * length).
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 128, JSON_NUMBER_LEN_MAX = 1000 };

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_type type;
    uint32_t line, column; /* of the first byte, from 1, column in bytes; 0: made by the program */
    bool boolean;
    struct str text;             /* JSON_STRING: decoded UTF-8; JSON_NUMBER: its source text */
    size_t n;                    /* items or members */
    struct json *items;          /* JSON_ARRAY: (n,) */
    struct json_member *members; /* JSON_OBJECT: (n,), in source order */
};

struct json_member {
    struct str key;
    uint32_t line, column;
    struct json value;
};

enum json_duplicates { JSON_DUPLICATES_REFUSED, JSON_DUPLICATES_KEPT };

/**
 * Parses exactly one JSON text.
 *
 * @param text   in, borrowed; the tree points into the arena only, never into text
 * @param arena  owns the tree; its limit bounds what a text can make us build
 *
 * @return RC_OK
 *         RC_INVALID  not JSON, or a duplicate key when refused; the message begins
 *                     "line 3, column 7: "
 *         RC_LIMIT    deeper than JSON_DEPTH_MAX, a number longer than JSON_NUMBER_LEN_MAX, or
 *                     more than the arena may hold
 *         RC_NOMEM
 *
 * The duplicate check sorts: n log n whatever the keys, where a hash table could be attacked.
 */
MUST_CHECK enum rc json_parse(struct str text, enum json_duplicates duplicates, struct arena *arena,
                              struct json **ret_json, struct err *err);

/* NULL when v is no object or has no such member. */
const struct json *json_find(const struct json *v, const char *key);
const struct json *json_find_str(const struct json *v, struct str key);

/* Exact conversions: false (and *ret untouched) unless v is a number that is exactly such a value.
 */
bool json_to_i64(const struct json *v, int64_t *ret);
bool json_to_double(const struct json *v, double *ret); /* nearest double; false on overflow */

const char *json_type_name(enum json_type type); /* "null", "boolean", "number", ... */

/* Writes v compactly: members in their order, numbers as their text, strings with the shortest
 * escapes. */
void json_append(struct buf *out, const struct json *v);

/* Canonical form for digests: members sorted by key bytes, otherwise as json_append(). */
void json_append_canonical(struct buf *out, const struct json *v);

/* A quoted and escaped JSON string; bytes that are not UTF-8 become U+FFFD. */
void json_append_string(struct buf *out, struct str text);

/*
 * Streaming writer: commas and nesting are kept by the writer; errors are the buf's (sticky).
 *   json_begin_object(&w); json_key(&w, "id"); json_string(&w, id); json_end_object(&w);
 */
struct json_writer {
    struct buf *out;
    unsigned depth;
    bool needs_comma[JSON_DEPTH_MAX];
    bool after_key;
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_key_str(struct json_writer *w, struct str key);
void json_string(struct json_writer *w, struct str text);
void json_text(struct json_writer *w, const char *text); /* NULL writes null */
void json_i64(struct json_writer *w, int64_t value);
void json_double(struct json_writer *w,
                 double value); /* shortest that reads back; NaN, Inf write null */
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);
void json_value(struct json_writer *w, const struct json *v); /* a whole tree */
void json_raw(struct json_writer *w, struct str json_text);   /* text that is JSON already */

#endif
