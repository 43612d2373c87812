#include "engine/write/form.h"

#include "base/macros.h"

#include <string.h>

/* ---- spans ---- */

static bool is_inside_character(struct str text, size_t at)
{
    return at < text.len && ((unsigned char)text.at[at] & 0xC0) == 0x80;
}

static bool may_begin_span(struct str text, size_t at)
{
    unsigned char c = (unsigned char)text.at[at];

    return c > ' ' && !is_inside_character(text, at) && copies_begins_word(text, text.at + at);
}

/* May a span that ends before `at` end there? */
static bool may_end_span(struct str text, size_t at)
{
    return (unsigned char)text.at[at - 1] > ' ' && !is_inside_character(text, at) &&
           copies_ends_word(text, text.at + at);
}

/* Has the piece from `begin` on an end that is at least `len` bytes away, on its line and within
 * the lengths of the field? */
static bool has_end(const struct form_field *field, struct str text, size_t begin, size_t len)
{
    size_t n_characters = 0;

    for (size_t at = begin; at < text.len && text.at[at] != '\n'; at++) {
        n_characters += !is_inside_character(text, at);
        if (n_characters > field->max_length)
            return false;
        if (at + 1 >= begin + len && n_characters >= field->min_length &&
            may_end_span(text, at + 1))
            return true;
    }
    return false;
}

/* The first place from `from` on where `written`, and then the byte `next`, stand as the beginning
 * of a span. */
static bool find_span(const struct form *form, size_t field, size_t from, struct str written,
                      char next, size_t *ret_at)
{
    const struct str text = form->copies->text;
    char first = written.len > 0 ? written.at[0] : next;

    while (from + written.len < text.len) {
        const char *found = memchr(text.at + from, first, text.len - written.len - from);

        if (!found)
            return false;
        size_t at = (size_t)(found - text.at);
        if (text.at[at + written.len] == next && memcmp(found, written.at, written.len) == 0 &&
            may_begin_span(text, at) && has_end(&form->fields[field], text, at, written.len + 1)) {
            *ret_at = at;
            return true;
        }
        from = at + 1;
    }
    return false;
}

static struct str span_of(const struct form *form, const struct form_state *s)
{
    return (struct str){ form->copies->text.at + s->first, s->len };
}

static bool feed_span(const struct form *form, struct form_state *s, char byte)
{
    if (byte == '\n' || !find_span(form, s->field, s->first, span_of(form, s), byte, &s->first))
        return false;
    s->len++;
    return true;
}

static size_t count_characters(struct str text)
{
    size_t n = 0;

    for (size_t at = 0; at < text.len; at++)
        n += !is_inside_character(text, at);
    return n;
}

/* Does what is written stand anywhere as a whole span? */
static bool ends_span(const struct form *form, const struct form_state *s)
{
    const struct str text = form->copies->text, written = span_of(form, s);

    if (s->len == 0 || count_characters(written) < form->fields[s->field].min_length)
        return false;
    for (size_t at = s->first; at + s->len <= text.len; at++)
        if (memcmp(text.at + at, written.at, s->len) == 0 && may_begin_span(text, at) &&
            may_end_span(text, at + s->len))
            return true;
    return false;
}

/* ---- lists ---- */

static bool begins_with(struct str item, struct str beginning, char next)
{
    return item.len > beginning.len && item.at[beginning.len] == next &&
           memcmp(item.at, beginning.at, beginning.len) == 0;
}

static bool feed_list(const struct form_field *field, struct form_state *s, char byte)
{
    const struct str written = { s->len > 0 ? field->items[s->first].at : "", s->len };

    for (; s->first < field->n_items; s->first++)
        if (begins_with(field->items[s->first], written, byte)) {
            s->len++;
            return true;
        }
    return false;
}

static bool ends_list(const struct form_field *field, const struct form_state *s)
{
    if (s->len == 0)
        return false;
    const struct str written = { field->items[s->first].at, s->len };
    for (size_t i = s->first; i < field->n_items; i++)
        if (str_equal(field->items[i], written))
            return true;
    return false;
}

/* ---- values ---- */

static bool feed_value(const struct form *form, struct form_state *s, char byte)
{
    const struct form_field *field = &form->fields[s->field];

    switch (field->kind) {
    case FORM_LIST: return feed_list(field, s, byte);
    case FORM_SPAN: return feed_span(form, s, byte);
    case FORM_TEXT: return copies_feed(form->copies, &s->copied, (struct str){ &byte, 1 });
    }
    assert_fail("kind is an enum form_kind", __FILE__, __LINE__);
}

static bool ends_value(const struct form *form, const struct form_state *s)
{
    const struct form_field *field = &form->fields[s->field];

    switch (field->kind) {
    case FORM_LIST: return ends_list(field, s);
    case FORM_SPAN: return ends_span(form, s);
    case FORM_TEXT: return copies_end(form->copies, &s->copied);
    }
    assert_fail("kind is an enum form_kind", __FILE__, __LINE__);
}

bool form_lacks(const struct form *form, size_t field)
{
    const struct form_field *f = &form->fields[field];

    if (f->kind == FORM_TEXT)
        return false;
    if (f->kind == FORM_LIST)
        return f->n_items == 0;
    for (size_t at = 0; at < form->copies->text.len; at++)
        if (may_begin_span(form->copies->text, at) && has_end(f, form->copies->text, at, 1))
            return false;
    return true;
}

bool form_takes(const struct form *form, size_t field, struct str value)
{
    struct form_state s = { .field = field, .in_value = true, .copied = copies_begin() };

    for (size_t i = 0; i < value.len; i++)
        if (!feed_value(form, &s, value.at[i]))
            return false;
    return ends_value(form, &s);
}

/* ---- the form ---- */

static bool is_bare(const struct form *form)
{
    return form->n_fields == 1 && form->fields[0].kind == FORM_TEXT;
}

struct form_state form_begin(const struct form *form)
{
    return (struct form_state){ .in_value = is_bare(form), .copied = copies_begin() };
}

/* A line's end before all fields but the first, the name, a colon. */
static size_t label_length(const struct form *form, size_t field)
{
    return (field > 0) + form->fields[field].name.len + 1;
}

static char label_byte(const struct form *form, size_t field, size_t at)
{
    struct str name = form->fields[field].name;

    if (field > 0 && at == 0)
        return '\n';
    at -= field > 0;
    return at < name.len ? name.at[at] : ':';
}

/* Does the label stand whole, and may the field be left like that? */
static bool is_left_empty(const struct form *form, const struct form_state *s)
{
    return !s->in_value && s->n_label == label_length(form, s->field) &&
           form->fields[s->field].optional;
}

static bool feed_byte(const struct form *form, struct form_state *s, char byte)
{
    bool ends_line = byte == '\n' && s->field + 1 < form->n_fields;

    if (!s->in_value && s->n_label < label_length(form, s->field))
        return label_byte(form, s->field, s->n_label++) == byte;
    if (!s->in_value && byte == ' ') {
        s->in_value = true;
        s->first = s->len = 0;
        return !form_lacks(form, s->field);
    }
    if (ends_line && (s->in_value ? ends_value(form, s) : is_left_empty(form, s))) {
        s->in_value = false;
        s->field++;
        s->n_label = 1;
        return true;
    }
    return s->in_value && feed_value(form, s, byte);
}

bool form_feed(const struct form *form, struct form_state *state, struct str piece)
{
    for (size_t i = 0; i < piece.len; i++)
        if (!feed_byte(form, state, piece.at[i]))
            return false;
    return true;
}

bool form_end(const struct form *form, const struct form_state *state)
{
    if (state->field + 1 < form->n_fields)
        return false;
    return state->in_value ? ends_value(form, state) : is_left_empty(form, state);
}

bool form_split(const struct form *form, struct str whole, struct str *ret_values)
{
    struct form_state s = form_begin(form);

    memset(ret_values, 0, form->n_fields * sizeof(*ret_values));
    if (s.in_value)
        ret_values[0].at = whole.at;
    for (size_t i = 0; i < whole.len; i++) {
        size_t field = s.field;
        bool was_in_value = s.in_value;

        if (!feed_byte(form, &s, whole.at[i]))
            return false;
        if (s.in_value && !was_in_value)
            ret_values[s.field].at = whole.at + i + 1;
        else if (s.in_value && s.field == field)
            ret_values[field].len++;
    }
    return form_end(form, &s);
}
