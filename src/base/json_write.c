#include "base/json_internal.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static void append_escaped(struct buf *out, uint32_t c, const char *bytes, size_t len)
{
    switch (c) {
    case '"': buf_append_text(out, "\\\""); return;
    case '\\': buf_append_text(out, "\\\\"); return;
    case '\b': buf_append_text(out, "\\b"); return;
    case '\f': buf_append_text(out, "\\f"); return;
    case '\n': buf_append_text(out, "\\n"); return;
    case '\r': buf_append_text(out, "\\r"); return;
    case '\t': buf_append_text(out, "\\t"); return;
    default:
        if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_append(out, bytes, len);
    }
}

void json_append_string(struct buf *out, struct str text)
{
    const char *end = str_end(text);

    buf_append_char(out, '"');
    for (const char *at = text.at; at < end;) {
        uint32_t c;
        size_t len = utf8_decode(at, end, &c);

        if (len > 0)
            append_escaped(out, c, at, len);
        else
            buf_append_text(out, "\xEF\xBF\xBD");
        at += len ? len : 1;
    }
    buf_append_char(out, '"');
}

static void append_scalar(struct buf *out, const struct json *v)
{
    switch (v->type) {
    case JSON_NULL: buf_append_text(out, "null"); return;
    case JSON_BOOL: buf_append_text(out, v->boolean ? "true" : "false"); return;
    case JSON_NUMBER: buf_append_str(out, v->text); return;
    case JSON_STRING: json_append_string(out, v->text); return;
    case JSON_ARRAY: buf_append_text(out, "[]"); return;
    case JSON_OBJECT: buf_append_text(out, "{}"); return;
    }
    assert_fail("type is an enum json_type", __FILE__, __LINE__);
}

/* A container being written. */
struct level {
    const struct json *v;
    const struct json_member **sorted; /* canonical objects only; owned */
    size_t next;
};

static void enter(struct level *level, struct buf *out, const struct json *v, bool canonical)
{
    *level = (struct level){ .v = v };
    buf_append_char(out, v->type == JSON_ARRAY ? '[' : '{');
    if (canonical && v->type == JSON_OBJECT) {
        level->sorted = json_sorted_members(v);
        if (!level->sorted && !out->failed)
            out->failed = RC_NOMEM;
    }
}

/* Writes comma and key; returns the value to write next. */
static const struct json *next_value(struct level *level, struct buf *out)
{
    size_t i = level->next++;

    if (i > 0)
        buf_append_char(out, ',');
    if (level->v->type == JSON_ARRAY)
        return &level->v->items[i];

    const struct json_member *m = level->sorted ? level->sorted[i] : &level->v->members[i];
    json_append_string(out, m->key);
    buf_append_char(out, ':');
    return &m->value;
}

static void append_tree(struct buf *out, const struct json *v, bool canonical)
{
    struct level levels[JSON_DEPTH_MAX];
    size_t depth = 0;

    for (const struct json *now = v; now;) {
        if (now->n > 0 && (now->type == JSON_ARRAY || now->type == JSON_OBJECT)) {
            ASSERT(depth < JSON_DEPTH_MAX);
            enter(&levels[depth++], out, now, canonical);
        } else {
            append_scalar(out, now);
        }
        while (depth > 0 && (levels[depth - 1].next == levels[depth - 1].v->n || out->failed)) {
            struct level *done = &levels[--depth];
            mem_free(done->sorted);
            buf_append_char(out, done->v->type == JSON_ARRAY ? ']' : '}');
        }
        now = depth > 0 ? next_value(&levels[depth - 1], out) : NULL;
    }
}

void json_append(struct buf *out, const struct json *v)
{
    append_tree(out, v, false);
}

void json_append_canonical(struct buf *out, const struct json *v)
{
    append_tree(out, v, true);
}

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){ .out = out };
}

/* The comma before an item; after a key none is due. */
static void begin_value(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth > 0) {
        if (w->needs_comma[w->depth - 1])
            buf_append_char(w->out, ',');
        w->needs_comma[w->depth - 1] = true;
    }
}

static void open_level(struct json_writer *w, char bracket)
{
    begin_value(w);
    ASSERT(w->depth < JSON_DEPTH_MAX);
    w->needs_comma[w->depth++] = false;
    buf_append_char(w->out, bracket);
}

static void close_level(struct json_writer *w, char bracket)
{
    ASSERT(w->depth > 0 && !w->after_key);
    w->depth--;
    buf_append_char(w->out, bracket);
}

void json_begin_object(struct json_writer *w)
{
    open_level(w, '{');
}

void json_end_object(struct json_writer *w)
{
    close_level(w, '}');
}

void json_begin_array(struct json_writer *w)
{
    open_level(w, '[');
}

void json_end_array(struct json_writer *w)
{
    close_level(w, ']');
}

void json_key_str(struct json_writer *w, struct str key)
{
    ASSERT(!w->after_key);
    begin_value(w);
    json_append_string(w->out, key);
    buf_append_char(w->out, ':');
    w->after_key = true;
}

void json_key(struct json_writer *w, const char *key)
{
    json_key_str(w, str_of(key));
}

void json_string(struct json_writer *w, struct str text)
{
    begin_value(w);
    json_append_string(w->out, text);
}

void json_text(struct json_writer *w, const char *text)
{
    if (text)
        json_string(w, str_of(text));
    else
        json_null(w);
}

void json_i64(struct json_writer *w, int64_t value)
{
    begin_value(w);
    buf_printf(w->out, "%" PRId64, value);
}

void json_double(struct json_writer *w, double value)
{
    char text[32];

    if (!isfinite(value)) {
        json_null(w);
        return;
    }
    /* %g drops trailing zeros, so fewer than 15 digits come out of 15 by themselves. */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    begin_value(w);
    buf_append_text(w->out, text);
}

void json_bool(struct json_writer *w, bool value)
{
    begin_value(w);
    buf_append_text(w->out, value ? "true" : "false");
}

void json_null(struct json_writer *w)
{
    begin_value(w);
    buf_append_text(w->out, "null");
}

void json_value(struct json_writer *w, const struct json *v)
{
    begin_value(w);
    json_append(w->out, v);
}

void json_raw(struct json_writer *w, struct str json_text)
{
    begin_value(w);
    buf_append_str(w->out, json_text);
}
