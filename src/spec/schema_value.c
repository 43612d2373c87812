/* Values against a schema: what is wrong with them, what FEEL sees of them. */
#include "base/utf8.h"
#include "spec/spec_internal.h"

#include <stdio.h>

enum { PATH_MAX_LEN = 200, DIGITS_MAX = 34 };

struct checking {
    const char *file;
    struct problems *problems;
    char path[PATH_MAX_LEN + 1]; /* "lines[2].amount"; cut when longer */
};

/* Adds "path: message" at v. */
#define VALUE_WRONG(c, v, code, fmt, ...)                                                \
    problem_add((c)->problems, PROBLEM_ERROR, (code), (c)->file, (v)->line, (v)->column, \
                "%s%s" fmt, (c)->path, (c)->path[0] ? ": " : "" __VA_OPT__(, ) __VA_ARGS__)

static void check(struct checking *c, const struct schema *schema, const struct json *v);

/* Long texts are shortened in messages. */
static int shown_len(struct str text)
{
    return text.len > 60 ? 60 : (int)text.len;
}

static bool has_label(const struct schema *schema, struct str text)
{
    for (size_t i = 0; i < schema->n_labels; i++)
        if (str_equal(schema->labels[i], text))
            return true;
    return schema->n_labels == 0;
}

static void check_label(struct checking *c, const struct schema *schema, const struct json *v)
{
    char list[PROBLEM_MESSAGE_MAX / 2];
    size_t len = 0;

    for (size_t i = 0; i < schema->n_labels && len < sizeof(list); i++)
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%.*s", i ? ", " : "",
                                STR_ARG(schema->labels[i]));
    VALUE_WRONG(c, v, "enum", "'%.*s' is none of %s%s", shown_len(v->text), v->text.at, list,
                problem_suggest(v->text, schema->labels, schema->n_labels, c->problems->arena));
}

/* A date-time needs its offset (RFC 3339): without one it names no moment. */
static bool has_format(const struct schema *schema, struct str text)
{
    struct feel_value value;

    switch (schema->format) {
    case SCHEMA_FORMAT_NONE:
    case SCHEMA_FORMAT_COPIED:
    case SCHEMA_FORMAT_TEXT: return true;
    case SCHEMA_FORMAT_DATE: return feel_parse_temporal(text, &value) && value.kind == FEEL_DATE;
    case SCHEMA_FORMAT_DATE_TIME:
        return feel_parse_temporal(text, &value) && value.kind == FEEL_DATE_TIME &&
               value.moment.zone == FEEL_ZONE_OFFSET;
    }
    assert_fail("format is an enum schema_format", __FILE__, __LINE__);
}

static void check_string(struct checking *c, const struct schema *schema, const struct json *v)
{
    size_t length = utf8_count(v->text);

    if (!has_label(schema, v->text))
        check_label(c, schema, v);
    if (length < schema->min_length)
        VALUE_WRONG(c, v, "length", "text of %zu characters, expected at least %zu", length,
                    schema->min_length);
    if (length > schema->max_length)
        VALUE_WRONG(c, v, "too_long", "text of %zu characters, expected at most %zu", length,
                    schema->max_length);
    if (!has_format(schema, v->text))
        VALUE_WRONG(c, v, "format", "'%.*s' is no %s", shown_len(v->text), v->text.at,
                    schema->format == SCHEMA_FORMAT_DATE ? "date (2026-05-03)"
                                                         : "date-time (2026-05-03T09:30:00Z)");
}

/* Digits that count: without leading zeros, and without the exponent. */
static size_t significant_digits(struct str number)
{
    size_t n = 0;

    for (size_t i = 0; i < number.len && number.at[i] != 'e' && number.at[i] != 'E'; i++)
        n += (number.at[i] >= '1' && number.at[i] <= '9') || (number.at[i] == '0' && n > 0);
    return n;
}

static void check_number(struct checking *c, const struct schema *schema, const struct json *v)
{
    char bound[DECIMAL_TEXT_MAX + 1];
    struct decimal number;

    if (significant_digits(v->text) > DIGITS_MAX || !decimal_parse(v->text, &number)) {
        VALUE_WRONG(c, v, "range", "number '%.*s' needs more than %d digits or is out of range",
                    shown_len(v->text), v->text.at, DIGITS_MAX);
        return;
    }
    if (schema->type == SCHEMA_INTEGER && !decimal_is_integer(number))
        VALUE_WRONG(c, v, "type", "%.*s is no integer", shown_len(v->text), v->text.at);
    if (schema->has_minimum && decimal_compare(number, schema->minimum) < 0) {
        decimal_format(schema->minimum, bound);
        VALUE_WRONG(c, v, "range", "%.*s is below the minimum %s", shown_len(v->text), v->text.at,
                    bound);
    }
    if (schema->has_maximum && decimal_compare(number, schema->maximum) > 0) {
        decimal_format(schema->maximum, bound);
        VALUE_WRONG(c, v, "range", "%.*s is above the maximum %s", shown_len(v->text), v->text.at,
                    bound);
    }
}

/* Goes one step down the path; returns what leave() needs. */
static size_t enter_key(struct checking *c, struct str key)
{
    size_t len = strlen(c->path);

    snprintf(c->path + len, sizeof(c->path) - len, "%s%.*s", len ? "." : "", STR_ARG(key));
    return len;
}

static size_t enter_index(struct checking *c, size_t index)
{
    size_t len = strlen(c->path);

    snprintf(c->path + len, sizeof(c->path) - len, "[%zu]", index);
    return len;
}

static void leave(struct checking *c, size_t len)
{
    c->path[len] = '\0';
}

/* Of texts; what is no text is reported as that. */
static void check_unique(struct checking *c, const struct schema *schema, const struct json *v)
{
    if (v->n > schema->items->n_labels) { /* bounds the loops below */
        VALUE_WRONG(c, v, "duplicate", "%zu items of a set, there are %zu different ones", v->n,
                    schema->items->n_labels);
        return;
    }
    for (size_t i = 0; i < v->n && c->problems->n < PROBLEMS_MAX; i++)
        for (size_t j = 0; j < i; j++)
            if (v->items[i].type == JSON_STRING && v->items[j].type == JSON_STRING &&
                str_equal(v->items[i].text, v->items[j].text)) {
                VALUE_WRONG(c, &v->items[i], "duplicate", "'%.*s' appears twice",
                            shown_len(v->items[i].text), v->items[i].text.at);
                break;
            }
}

static void check_array(struct checking *c, const struct schema *schema, const struct json *v)
{
    if (schema->unique_items)
        check_unique(c, schema, v);
    if (v->n < schema->min_items)
        VALUE_WRONG(c, v, "length", "%zu items, expected at least %zu", v->n, schema->min_items);
    if (v->n > schema->max_items)
        VALUE_WRONG(c, v, "too_long", "%zu items, expected at most %zu", v->n, schema->max_items);
    for (size_t i = 0; i < v->n && c->problems->n < PROBLEMS_MAX; i++) {
        size_t len = enter_index(c, i);
        check(c, schema->items, &v->items[i]);
        leave(c, len);
    }
}

static void refuse_property(struct checking *c, const struct schema *schema,
                            const struct json_member *m)
{
    struct str names[64];
    size_t n = 0;

    for (size_t i = 0; i < schema->n_properties && n < ARRAY_LEN(names); i++)
        names[n++] = schema->properties[i].name;
    VALUE_WRONG(c, m, "unknown_key", "unknown field '%.*s'%s", shown_len(m->key), m->key.at,
                problem_suggest(m->key, names, n, c->problems->arena));
}

static void check_object(struct checking *c, const struct schema *schema, const struct json *v)
{
    for (size_t i = 0; i < v->n && c->problems->n < PROBLEMS_MAX; i++) {
        const struct schema_property *property = schema_find(schema, v->members[i].key);

        if (!property) {
            refuse_property(c, schema, &v->members[i]);
            continue;
        }
        size_t len = enter_key(c, property->name);
        check(c, &property->schema, &v->members[i].value);
        leave(c, len);
    }
    for (size_t i = 0; i < schema->n_properties; i++) {
        const struct schema_property *property = &schema->properties[i];
        if (property->required && !property->schema.fallback && !json_find_str(v, property->name))
            VALUE_WRONG(c, v, "missing", "field '%.*s' is missing", STR_ARG(property->name));
    }
}

static enum json_type json_type_of(const struct schema *schema)
{
    switch (schema->type) {
    case SCHEMA_STRING: return JSON_STRING;
    case SCHEMA_NUMBER: return JSON_NUMBER;
    case SCHEMA_INTEGER: return JSON_NUMBER;
    case SCHEMA_BOOLEAN: return JSON_BOOL;
    case SCHEMA_ARRAY: return JSON_ARRAY;
    case SCHEMA_OBJECT: return JSON_OBJECT;
    }
    assert_fail("type is an enum schema_type", __FILE__, __LINE__);
}

/* Recursion: on the schema, whose depth is bounded. */
static void check(struct checking *c, const struct schema *schema, const struct json *v)
{
    if (v->type != json_type_of(schema)) {
        VALUE_WRONG(c, v, "type", "found %s, expected %s%s", json_type_name(v->type),
                    schema_type_name(schema->type),
                    v->type == JSON_NULL ? " (leave the field out when there is none)" : "");
        return;
    }
    switch (schema->type) {
    case SCHEMA_STRING: check_string(c, schema, v); return;
    case SCHEMA_NUMBER:
    case SCHEMA_INTEGER: check_number(c, schema, v); return;
    case SCHEMA_BOOLEAN: return;
    case SCHEMA_ARRAY: check_array(c, schema, v); return;
    case SCHEMA_OBJECT: check_object(c, schema, v); return;
    }
    assert_fail("type is an enum schema_type", __FILE__, __LINE__);
}

enum rc schema_validate(const struct schema *schema, const struct json *v, const char *file,
                        struct problems *problems, struct err *err)
{
    struct checking c = { .file = file, .problems = problems };

    check(&c, schema, v);
    return problem_rc(problems, err);
}

static enum rc array_value(const struct schema *schema, const struct json *v, struct arena *arena,
                           struct feel_value *ret, struct err *err)
{
    struct feel_value *items = arena_array(arena, struct feel_value, v->n);

    if (!items)
        return arena_fail(arena, err, "input");
    for (size_t i = 0; i < v->n; i++) {
        enum rc rc = schema_to_value(schema->items, &v->items[i], arena, &items[i], err);
        if (rc)
            return rc;
    }
    *ret = feel_list(items, v->n);
    return RC_OK;
}

static enum rc object_value(const struct schema *schema, const struct json *v, struct arena *arena,
                            struct feel_value *ret, struct err *err)
{
    size_t n = schema->n_properties;
    struct feel_entry *entries = arena_array(arena, struct feel_entry, n);

    if (!entries)
        return arena_fail(arena, err, "input");
    for (size_t i = 0; i < n; i++) {
        const struct schema_property *property = &schema->properties[i];

        entries[i].key = property->name;
        enum rc rc = schema_to_value(&property->schema, json_find_str(v, property->name), arena,
                                     &entries[i].value, err);
        if (rc)
            return rc;
    }
    *ret = feel_context(entries, n);
    return RC_OK;
}

static enum feel_kind string_kind(enum schema_format format)
{
    switch (format) {
    case SCHEMA_FORMAT_NONE:
    case SCHEMA_FORMAT_COPIED:
    case SCHEMA_FORMAT_TEXT: return FEEL_STRING;
    case SCHEMA_FORMAT_DATE: return FEEL_DATE;
    case SCHEMA_FORMAT_DATE_TIME: return FEEL_DATE_TIME;
    }
    assert_fail("format is an enum schema_format", __FILE__, __LINE__);
}

static enum rc string_value(const struct schema *schema, const struct json *v, struct arena *arena,
                            struct feel_value *ret, struct err *err)
{
    char *copy = arena_strndup(arena, v->text.at, v->text.len);

    if (!copy)
        return arena_fail(arena, err, "input");
    *ret = feel_string((struct str){ copy, v->text.len });
    if (string_kind(schema->format) != FEEL_STRING && !feel_parse_temporal(ret->string, ret))
        return err_set(err, RC_INVALID, "'%.*s' is no %s", shown_len(v->text), v->text.at,
                       schema->format == SCHEMA_FORMAT_DATE ? "date" : "date-time");
    return RC_OK;
}

enum rc schema_to_value(const struct schema *schema, const struct json *v, struct arena *arena,
                        struct feel_value *ret_value, struct err *err)
{
    v = v ? v : schema->fallback;
    if (!v) {
        *ret_value = (struct feel_value){ .kind = FEEL_NULL };
        return RC_OK;
    }
    if (v->type != json_type_of(schema))
        return err_set(err, RC_INVALID, "found %s, expected %s", json_type_name(v->type),
                       schema_type_name(schema->type));
    switch (schema->type) {
    case SCHEMA_STRING: return string_value(schema, v, arena, ret_value, err);
    case SCHEMA_NUMBER:
    case SCHEMA_INTEGER:
        ret_value->kind = FEEL_NUMBER;
        if (!decimal_parse(v->text, &ret_value->number))
            return err_set(err, RC_INVALID, "number is out of range");
        return RC_OK;
    case SCHEMA_BOOLEAN: *ret_value = feel_boolean(v->boolean); return RC_OK;
    case SCHEMA_ARRAY: return array_value(schema, v, arena, ret_value, err);
    case SCHEMA_OBJECT: return object_value(schema, v, arena, ret_value, err);
    }
    assert_fail("type is an enum schema_type", __FILE__, __LINE__);
}

static enum rc object_type(const struct schema *schema, struct arena *arena,
                           struct feel_type *ret_type, struct err *err)
{
    size_t n = schema->n_properties;
    struct feel_field *fields = arena_array(arena, struct feel_field, n);

    if (!fields)
        return arena_fail(arena, err, "schema");
    for (size_t i = 0; i < n; i++) {
        const struct schema_property *property = &schema->properties[i];

        fields[i].name = property->name;
        enum rc rc = schema_feel_type(&property->schema, arena, &fields[i].type, err);
        if (rc)
            return rc;
        fields[i].type.optional = !property->required && !property->schema.fallback;
    }
    *ret_type = (struct feel_type){ .kind = FEEL_CONTEXT, .n_fields = n, .fields = fields };
    return RC_OK;
}

enum rc schema_feel_type(const struct schema *schema, struct arena *arena,
                         struct feel_type *ret_type, struct err *err)
{
    struct feel_type *item;

    switch (schema->type) {
    case SCHEMA_STRING:
        *ret_type = (struct feel_type){ .kind = string_kind(schema->format) };
        return RC_OK;
    case SCHEMA_NUMBER:
    case SCHEMA_INTEGER: *ret_type = (struct feel_type){ .kind = FEEL_NUMBER }; return RC_OK;
    case SCHEMA_BOOLEAN: *ret_type = (struct feel_type){ .kind = FEEL_BOOLEAN }; return RC_OK;
    case SCHEMA_OBJECT: return object_type(schema, arena, ret_type, err);
    case SCHEMA_ARRAY:
        item = arena_new(arena, struct feel_type);
        if (!item)
            return arena_fail(arena, err, "schema");
        *ret_type = (struct feel_type){ .kind = FEEL_LIST, .item = schema->items ? item : NULL };
        return schema->items ? schema_feel_type(schema->items, arena, item, err) : RC_OK;
    }
    assert_fail("type is an enum schema_type", __FILE__, __LINE__);
}
