#include "base/utf8.h"
#include "base/yaml_internal.h"

/* Characters that YAML does not allow outside escapes, or that it reads as a line break. */
static bool needs_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF ||
           c == 0xFFFE || c == 0xFFFF;
}

/* May the text stand without quotes in block style? Careful rather than complete. */
static bool can_be_plain(struct str text)
{
    const char *end = str_end(text);
    char first = text.len ? text.at[0] : '\0', last = text.len ? end[-1] : '\0';
    bool begins_well = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') ||
                       (first >= '0' && first <= '9') || first == '_' || first == '/' ||
                       first == '(' || (uint8_t)first >= 0x80;
    uint32_t c = 0, before;

    if (!begins_well || last == ' ' || last == ':' || yaml_plain_of(text) != YAML_PLAIN_TEXT)
        return false;
    for (const char *at = text.at; at < end;) {
        before = c;
        at += utf8_decode(at, end, &c);
        if (needs_escape(c) || (before == ':' && c == ' ') || (before == ' ' && c == '#'))
            return false;
    }
    return true;
}

static void append_quoted(struct buf *out, struct str text)
{
    const char *end = str_end(text);
    uint32_t c = 0;

    buf_append_char(out, '"');
    for (const char *at = text.at; at < end;) {
        size_t len = utf8_decode(at, end, &c);

        ASSERT(len > 0); /* a tree holds valid UTF-8 only */
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", (char)c);
        else if (c == '\n')
            buf_append_text(out, "\\n");
        else if (needs_escape(c))
            buf_printf(out, "\\u%04x", c);
        else
            buf_append(out, at, len);
        at += len;
    }
    buf_append_char(out, '"');
}

static void append_text(struct buf *out, struct str text)
{
    if (can_be_plain(text))
        buf_append_str(out, text);
    else
        append_quoted(out, text);
}

static void append_scalar(struct buf *out, const struct json *v)
{
    switch (v->type) {
    case JSON_NULL: buf_append_text(out, "null"); return;
    case JSON_BOOL: buf_append_text(out, v->boolean ? "true" : "false"); return;
    case JSON_NUMBER: buf_append_str(out, v->text); return;
    case JSON_STRING: append_text(out, v->text); return;
    case JSON_ARRAY: buf_append_text(out, "[]"); return;
    case JSON_OBJECT: buf_append_text(out, "{}"); return;
    }
    assert_fail("type is an enum json_type", __FILE__, __LINE__);
}

static bool is_block(const struct json *v)
{
    return (v->type == JSON_ARRAY || v->type == JSON_OBJECT) && v->n > 0;
}

/* Writes the items or members of v, each on lines of its own; the first follows what is already on
 * the line when `inline_first`. The recursion is bounded by JSON_DEPTH_MAX. */
static void append_block(struct buf *out, const struct json *v, int depth, bool inline_first)
{
    ASSERT(depth <= JSON_DEPTH_MAX);
    for (size_t i = 0; i < v->n; i++) {
        bool is_item = v->type == JSON_ARRAY;
        const struct json *value = is_item ? &v->items[i] : &v->members[i].value;

        if (i > 0 || !inline_first)
            buf_printf(out, "%*s", 2 * depth, "");
        if (is_item) {
            buf_append_text(out, "- ");
        } else {
            append_text(out, v->members[i].key);
            buf_append_text(out, is_block(value) ? ":\n" : ": ");
        }
        if (is_block(value)) {
            append_block(out, value, depth + 1, is_item);
        } else {
            append_scalar(out, value);
            buf_append_char(out, '\n');
        }
    }
}

void yaml_append(struct buf *out, const struct json *v)
{
    if (is_block(v)) {
        append_block(out, v, 0, false);
        return;
    }
    append_scalar(out, v);
    buf_append_char(out, '\n');
}
