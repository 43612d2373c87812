/* feel_json.c - values as text and as JSON, and values out of JSON. */
#include "base/json.h"
#include "base/utf8.h"
#include "expr/feel_internal.h"
#include "expr/feel_lexer.h"

/* ---- text ---- */

static void append_literal(struct buf *out, const struct feel_value *v);

static void append_number(struct buf *out, struct decimal number)
{
    char text[DECIMAL_TEXT_MAX + 1];
    size_t len = decimal_format(number, text);

    buf_append(out, text, len);
}

static void append_moment(struct buf *out, const struct feel_value *v)
{
    if (v->kind != FEEL_TIME)
        feel_append_date(out, &v->moment);
    if (v->kind == FEEL_DATE_TIME)
        buf_append_char(out, 'T');
    if (v->kind != FEEL_DATE)
        feel_append_time(out, &v->moment);
}

static void append_range(struct buf *out, const struct feel_range *range)
{
    if (!range->has_low || !range->has_high) {
        const char *op = range->relation == FEEL_RANGE_EQUAL       ? "="
                         : range->relation == FEEL_RANGE_NOT_EQUAL ? "!="
                         : range->has_low                          ? ">"
                                                                   : "<";

        buf_append_text(out, op);
        buf_append_text(out, range->low_closed || range->high_closed ? "=" : "");
        append_literal(out, range->has_low ? &range->low : &range->high);
        return;
    }
    buf_append_char(out, range->low_closed ? '[' : '(');
    append_literal(out, &range->low);
    buf_append_text(out, "..");
    append_literal(out, &range->high);
    buf_append_char(out, range->high_closed ? ']' : ')');
}

static void append_context(struct buf *out, const struct feel_value *v)
{
    buf_append_char(out, '{');
    for (size_t i = 0; i < v->context.n; i++) {
        const struct feel_entry *entry = &v->context.entries[i];

        buf_append_text(out, i ? ", " : "");
        if (feel_is_identifier(entry->key))
            buf_append_str(out, entry->key);
        else
            json_append_string(out, entry->key);
        buf_append_text(out, ": ");
        append_literal(out, &entry->value);
    }
    buf_append_char(out, '}');
}

static void append_plain(struct buf *out, const struct feel_value *v)
{
    switch (v->kind) {
    case FEEL_NULL: buf_append_text(out, "null"); return;
    case FEEL_BOOLEAN: buf_append_text(out, v->boolean ? "true" : "false"); return;
    case FEEL_NUMBER: append_number(out, v->number); return;
    case FEEL_STRING: buf_append_str(out, v->string); return;
    case FEEL_DATE:
    case FEEL_TIME:
    case FEEL_DATE_TIME: append_moment(out, v); return;
    case FEEL_DAYS_DURATION:
    case FEEL_MONTHS_DURATION: feel_append_duration(out, v); return;
    case FEEL_LIST:
        buf_append_char(out, '[');
        for (size_t i = 0; i < v->list.n; i++) {
            buf_append_text(out, i ? ", " : "");
            append_literal(out, &v->list.items[i]);
        }
        buf_append_char(out, ']');
        return;
    case FEEL_CONTEXT: append_context(out, v); return;
    case FEEL_RANGE: append_range(out, v->range); return;
    case FEEL_FUNCTION: buf_append_text(out, "function"); return;
    case FEEL_ANY: return;
    }
}

/* Inside another value: strings quoted, temporal values as at-literals. */
static void append_literal(struct buf *out, const struct feel_value *v)
{
    if (out->failed)
        return; /* a heavy value is not walked on for nothing */
    if (v->kind == FEEL_STRING) {
        json_append_string(out, v->string);
    } else if (v->kind >= FEEL_DATE && v->kind <= FEEL_MONTHS_DURATION) {
        buf_append_text(out, "@\"");
        append_plain(out, v);
        buf_append_char(out, '"');
    } else {
        append_plain(out, v);
    }
}

void feel_append_text(struct buf *out, const struct feel_value *v)
{
    append_plain(out, v);
}

/* ---- to JSON ---- */

void feel_append_json(struct buf *out, const struct feel_value *v)
{
    if (out->failed)
        return;
    switch (v->kind) {
    case FEEL_NULL:
    case FEEL_BOOLEAN:
    case FEEL_NUMBER: append_plain(out, v); return;
    case FEEL_STRING: json_append_string(out, v->string); return;
    case FEEL_DATE:
    case FEEL_TIME:
    case FEEL_DATE_TIME:
    case FEEL_DAYS_DURATION:
    case FEEL_MONTHS_DURATION:
        buf_append_char(out, '"');
        append_plain(out, v);
        buf_append_char(out, '"');
        return;
    case FEEL_LIST:
        for (size_t i = 0; i < v->list.n; i++) {
            buf_append_char(out, i ? ',' : '[');
            feel_append_json(out, &v->list.items[i]);
        }
        buf_append_text(out, v->list.n ? "]" : "[]");
        return;
    case FEEL_CONTEXT:
        for (size_t i = 0; i < v->context.n; i++) {
            buf_append_char(out, i ? ',' : '{');
            json_append_string(out, v->context.entries[i].key);
            buf_append_char(out, ':');
            feel_append_json(out, &v->context.entries[i].value);
        }
        buf_append_text(out, v->context.n ? "}" : "{}");
        return;
    case FEEL_RANGE:
    case FEEL_FUNCTION: {
        CLEANUP(buf_releasep) struct buf text;

        buf_init(&text, out->limit);
        append_plain(&text, v);
        json_append_string(out, buf_str(&text));
        if (text.failed)
            out->failed = text.failed;
        return;
    }
    case FEEL_ANY: return;
    }
}

/* ---- from JSON ---- */

static const struct feel_type any_type = { .kind = FEEL_ANY, .optional = true, .open = true };

static enum rc misfit(const struct json *json, const struct feel_type *type, struct err *err)
{
    return err_set(err, RC_INVALID, "line %u, column %u: expected %s, found %s", json->line,
                   json->column, feel_kind_name(type->kind), json_type_name(json->type));
}

static enum rc temporal_from_json(const struct json *json, const struct feel_type *type,
                                  struct arena *arena, struct feel_value *ret, struct err *err)
{
    struct feel_value v = { .kind = type->kind };
    char *copy = arena_strndup(arena, json->text.at ? json->text.at : "", json->text.len);
    struct str text = { copy, json->text.len };
    bool ok;

    if (!copy)
        return arena_fail(arena, err, "input value");
    if (type->kind == FEEL_DATE)
        ok = feel_parse_date(text, &v.moment);
    else if (type->kind == FEEL_TIME)
        ok = feel_parse_time(text, &v.moment);
    else if (type->kind == FEEL_DATE_TIME)
        ok = feel_parse_date_time(text, false, &v.moment);
    else
        ok = feel_parse_duration(text, &v) && v.kind == type->kind;
    if (!ok)
        return err_set(err, RC_INVALID, "line %u, column %u: '%.*s' is no %s", json->line,
                       json->column, (int)(text.len < 60 ? text.len : 60), text.at,
                       feel_kind_name(type->kind));
    *ret = v;
    return RC_OK;
}

static enum rc string_from_json(const struct json *json, const struct feel_type *type,
                                struct arena *arena, struct feel_value *ret, struct err *err)
{
    if (type->kind >= FEEL_DATE && type->kind <= FEEL_MONTHS_DURATION)
        return temporal_from_json(json, type, arena, ret, err);
    if (type->kind != FEEL_STRING && type->kind != FEEL_ANY)
        return misfit(json, type, err);
    char *copy = arena_strndup(arena, json->text.at ? json->text.at : "", json->text.len);
    if (!copy)
        return arena_fail(arena, err, "input value");
    *ret = feel_string((struct str){ copy, json->text.len });
    return RC_OK;
}

static enum rc list_from_json(const struct json *json, const struct feel_type *type,
                              struct arena *arena, struct feel_value *ret, struct err *err)
{
    struct feel_value *items = arena_array(arena, struct feel_value, json->n + 1);

    if (!items)
        return arena_fail(arena, err, "input list");
    for (size_t i = 0; i < json->n; i++) {
        enum rc rc = feel_from_json(&json->items[i], type->item ? type->item : &any_type, arena,
                                    &items[i], err);

        if (rc)
            return rc;
    }
    *ret = feel_list(items, json->n);
    return RC_OK;
}

static const struct feel_type *field_type(const struct feel_type *type, struct str name)
{
    for (size_t i = 0; i < type->n_fields; i++)
        if (str_equal(type->fields[i].name, name))
            return &type->fields[i].type;
    return type->kind == FEEL_ANY || type->open ? &any_type : NULL;
}

static enum rc require_fields(const struct json *json, const struct feel_type *type,
                              struct err *err)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct feel_field *field = &type->fields[i];
        bool there = field->type.optional;

        for (size_t m = 0; m < json->n && !there; m++)
            there = str_equal(json->members[m].key, field->name);
        if (!there)
            return err_set(err, RC_INVALID, "line %u, column %u: '%.*s' is missing", json->line,
                           json->column, STR_ARG(field->name));
    }
    return RC_OK;
}

static enum rc context_from_json(const struct json *json, const struct feel_type *type,
                                 struct arena *arena, struct feel_value *ret, struct err *err)
{
    struct feel_entry *entries = arena_array(arena, struct feel_entry, json->n + 1);

    if (!entries)
        return arena_fail(arena, err, "input context");
    for (size_t i = 0; i < json->n; i++) {
        const struct json_member *member = &json->members[i];
        const struct feel_type *declared = field_type(type, member->key);
        char *key = arena_strndup(arena, member->key.at ? member->key.at : "", member->key.len);

        if (!key)
            return arena_fail(arena, err, "input context");
        if (!declared)
            return err_set(err, RC_INVALID, "line %u, column %u: unknown field '%.*s'",
                           member->line, member->column,
                           (int)(member->key.len < 60 ? member->key.len : 60), key);
        entries[i].key = (struct str){ key, member->key.len };
        enum rc rc = feel_from_json(&member->value, declared, arena, &entries[i].value, err);
        if (rc)
            return err_context(err, "'%.*s'", (int)(member->key.len < 60 ? member->key.len : 60),
                               key);
    }
    *ret = feel_context(entries, json->n);
    return require_fields(json, type, err);
}

enum rc feel_from_json(const struct json *json, const struct feel_type *type, struct arena *arena,
                       struct feel_value *ret, struct err *err)
{
    bool any = type->kind == FEEL_ANY;

    switch (json->type) {
    case JSON_NULL:
        if (!type->optional && !any && type->kind != FEEL_NULL)
            return misfit(json, type, err);
        *ret = (struct feel_value){ .kind = FEEL_NULL };
        return RC_OK;
    case JSON_BOOL:
        if (!any && type->kind != FEEL_BOOLEAN)
            return misfit(json, type, err);
        *ret = feel_boolean(json->boolean);
        return RC_OK;
    case JSON_NUMBER: {
        struct feel_value v = { .kind = FEEL_NUMBER };

        if ((!any && type->kind != FEEL_NUMBER) || !decimal_parse(json->text, &v.number))
            return misfit(json, type, err);
        *ret = v;
        return RC_OK;
    }
    case JSON_STRING: return string_from_json(json, type, arena, ret, err);
    case JSON_ARRAY:
        return any || type->kind == FEEL_LIST ? list_from_json(json, type, arena, ret, err)
                                              : misfit(json, type, err);
    case JSON_OBJECT:
        return any || type->kind == FEEL_CONTEXT ? context_from_json(json, type, arena, ret, err)
                                                 : misfit(json, type, err);
    }
    assert_fail("json->type is an enum json_type", __FILE__, __LINE__);
}
