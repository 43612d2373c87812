#include "spec/schema.h"

#include "base/utf8.h"
#include "spec/spec_internal.h"

#include <inttypes.h>

enum {
    STRING = 1 << SCHEMA_STRING,
    NUMERIC = 1 << SCHEMA_NUMBER | 1 << SCHEMA_INTEGER,
    ARRAY = 1 << SCHEMA_ARRAY,
    OBJECT = 1 << SCHEMA_OBJECT,
    ALL = STRING | NUMERIC | ARRAY | OBJECT | 1 << SCHEMA_BOOLEAN,
};

typedef enum rc keyword_fn(struct spec_reading *r, const struct json *v, struct schema *schema,
                           struct err *err);

struct keyword {
    const char *name;
    unsigned types; /* that it applies to */
    keyword_fn *read;
    const char *schema; /* JSON Schema of its value */
};

static enum rc read_schema(struct spec_reading *r, const struct json *v, struct schema *ret,
                           struct err *err);

const char *schema_type_name(enum schema_type type)
{
    switch (type) {
    case SCHEMA_STRING: return "string";
    case SCHEMA_NUMBER: return "number";
    case SCHEMA_INTEGER: return "integer";
    case SCHEMA_BOOLEAN: return "boolean";
    case SCHEMA_ARRAY: return "array";
    case SCHEMA_OBJECT: return "object";
    }
    assert_fail("type is an enum schema_type", __FILE__, __LINE__);
}

static bool expect(struct spec_reading *r, const struct json *v, enum json_type type,
                   const char *keyword)
{
    if (v->type == type)
        return true;
    SPEC_WRONG(r, v, "type", "'%s': found %s, expected %s", keyword, json_type_name(v->type),
               json_type_name(type));
    return false;
}

static enum rc skip_keyword(struct spec_reading *r, const struct json *v, struct schema *schema,
                            struct err *err)
{
    (void)r, (void)v, (void)schema, (void)err; /* read before the others */
    return RC_OK;
}

static enum rc read_description(struct spec_reading *r, const struct json *v, struct schema *schema,
                                struct err *err)
{
    (void)err;
    if (expect(r, v, JSON_STRING, "description"))
        schema->description = v->text;
    return RC_OK;
}

/* A list of texts, no two equal. */
static enum rc read_texts(struct spec_reading *r, const struct json *v, const char *keyword,
                          const struct str **ret_texts, size_t *ret_n, struct err *err)
{
    size_t n = 0;

    if (!expect(r, v, JSON_ARRAY, keyword))
        return RC_OK;
    if (v->n == 0 || v->n > SCHEMA_LABELS_MAX) {
        SPEC_WRONG(r, v, "range", "'%s' has %zu values, expected 1 to %d", keyword, v->n,
                   SCHEMA_LABELS_MAX);
        return RC_OK;
    }

    struct str *texts = arena_array(r->arena, struct str, v->n);
    if (!texts)
        return arena_fail(r->arena, err, keyword);
    for (size_t i = 0; i < v->n; i++) {
        const struct json *item = &v->items[i];

        if (item->type != JSON_STRING || item->text.len == 0) {
            SPEC_WRONG(r, item, "type", "value of '%s': found %s, expected text (quote it)",
                       keyword,
                       item->type == JSON_STRING ? "an empty text" : json_type_name(item->type));
            continue;
        }
        for (size_t j = 0; j < n; j++)
            if (str_equal(texts[j], item->text))
                SPEC_WRONG(r, item, "duplicate", "value '%.*s' of '%s' appears twice",
                           STR_ARG(item->text), keyword);
        texts[n++] = item->text;
    }
    *ret_texts = texts;
    *ret_n = n;
    return RC_OK;
}

static enum rc read_enum(struct spec_reading *r, const struct json *v, struct schema *schema,
                         struct err *err)
{
    return read_texts(r, v, "enum", &schema->labels, &schema->n_labels, err);
}

static enum rc read_own_words(struct spec_reading *r, const struct json *v, struct schema *schema,
                              struct err *err)
{
    return read_texts(r, v, "ownWords", &schema->own_words, &schema->n_own_words, err);
}

static bool read_bound(struct spec_reading *r, const struct json *v, const char *keyword,
                       const struct schema *schema, struct decimal *ret_bound)
{
    if (!expect(r, v, JSON_NUMBER, keyword))
        return false;
    if (!decimal_parse(v->text, ret_bound)) {
        SPEC_WRONG(r, v, "range", "'%s' is out of range", keyword);
        return false;
    }
    if (schema->type == SCHEMA_INTEGER && !decimal_is_integer(*ret_bound)) {
        SPEC_WRONG(r, v, "type", "'%s' of an integer is %.*s, expected an integer", keyword,
                   STR_ARG(v->text));
        return false;
    }
    return true;
}

static enum rc read_minimum(struct spec_reading *r, const struct json *v, struct schema *schema,
                            struct err *err)
{
    (void)err;
    schema->has_minimum = read_bound(r, v, "minimum", schema, &schema->minimum);
    return RC_OK;
}

static enum rc read_maximum(struct spec_reading *r, const struct json *v, struct schema *schema,
                            struct err *err)
{
    (void)err;
    schema->has_maximum = read_bound(r, v, "maximum", schema, &schema->maximum);
    return RC_OK;
}

/* A count in [0, max]. */
static void read_count(struct spec_reading *r, const struct json *v, const char *keyword,
                       size_t max, size_t *ret_count)
{
    int64_t count;

    if (!json_to_i64(v, &count) || count < 0 || (uint64_t)count > max)
        SPEC_WRONG(r, v, "range", "'%s' must be an integer from 0 to %zu", keyword, max);
    else
        *ret_count = (size_t)count;
}

static enum rc read_min_length(struct spec_reading *r, const struct json *v, struct schema *schema,
                               struct err *err)
{
    (void)err;
    read_count(r, v, "minLength", SCHEMA_TEXT_MAX, &schema->min_length);
    return RC_OK;
}

static enum rc read_max_length(struct spec_reading *r, const struct json *v, struct schema *schema,
                               struct err *err)
{
    (void)err;
    read_count(r, v, "maxLength", SCHEMA_TEXT_MAX, &schema->max_length);
    return RC_OK;
}

static enum rc read_min_items(struct spec_reading *r, const struct json *v, struct schema *schema,
                              struct err *err)
{
    (void)err;
    read_count(r, v, "minItems", SCHEMA_ITEMS_MAX, &schema->min_items);
    return RC_OK;
}

static enum rc read_max_items(struct spec_reading *r, const struct json *v, struct schema *schema,
                              struct err *err)
{
    (void)err;
    read_count(r, v, "maxItems", SCHEMA_ITEMS_MAX, &schema->max_items);
    return RC_OK;
}

static enum rc read_unique_items(struct spec_reading *r, const struct json *v,
                                 struct schema *schema, struct err *err)
{
    (void)err;
    if (expect(r, v, JSON_BOOL, "uniqueItems"))
        schema->unique_items = v->boolean;
    return RC_OK;
}

static enum rc read_format(struct spec_reading *r, const struct json *v, struct schema *schema,
                           struct err *err)
{
    (void)err;
    if (!expect(r, v, JSON_STRING, "format"))
        return RC_OK;
    if (str_is(v->text, "copied"))
        schema->format = SCHEMA_FORMAT_COPIED;
    else if (schema->type != SCHEMA_STRING)
        SPEC_WRONG(r, v, "value", "'format' of a number is '%.*s', expected copied",
                   STR_ARG(v->text));
    else if (str_is(v->text, "date"))
        schema->format = SCHEMA_FORMAT_DATE;
    else if (str_is(v->text, "date-time"))
        schema->format = SCHEMA_FORMAT_DATE_TIME;
    else if (str_is(v->text, "text"))
        schema->format = SCHEMA_FORMAT_TEXT;
    else
        SPEC_WRONG(r, v, "value", "'format' is '%.*s', expected date, date-time, text or copied",
                   STR_ARG(v->text));
    return RC_OK;
}

static enum rc read_items(struct spec_reading *r, const struct json *v, struct schema *schema,
                          struct err *err)
{
    struct schema *items = arena_new(r->arena, struct schema);

    if (!items)
        return arena_fail(r->arena, err, "schema");
    schema->items = items;
    return read_schema(r, v, items, err);
}

static enum rc read_properties(struct spec_reading *r, const struct json *v, struct schema *schema,
                               struct err *err)
{
    if (!expect(r, v, JSON_OBJECT, "properties"))
        return RC_OK;
    if (v->n > SCHEMA_PROPERTIES_MAX) {
        SPEC_WRONG(r, v, "limit", "%zu properties, at most %d", v->n, SCHEMA_PROPERTIES_MAX);
        return RC_OK;
    }

    struct schema_property *properties = arena_array(r->arena, struct schema_property, v->n);
    if (!properties)
        return arena_fail(r->arena, err, "schema");
    for (size_t i = 0; i < v->n; i++) {
        const struct json_member *m = &v->members[i];

        if (!spec_is_identifier(m->key))
            SPEC_WRONG(r, m, "name",
                       "property '%.*s' is no plain name: letters, digits and '_', at most %d",
                       STR_ARG(m->key), SPEC_NAME_MAX);
        properties[i].name = m->key;
        properties[i].line = m->line;
        properties[i].column = m->column;
        enum rc rc = read_schema(r, &m->value, &properties[i].schema, err);
        if (rc)
            return rc;
    }
    schema->n_properties = v->n;
    schema->properties = properties;
    return RC_OK;
}

static enum rc read_additional(struct spec_reading *r, const struct json *v, struct schema *schema,
                               struct err *err)
{
    (void)schema, (void)err;
    if (v->type != JSON_BOOL || v->boolean)
        SPEC_WRONG(r, v, "value",
                   "'additionalProperties' must be false: an input has exactly its properties");
    return RC_OK;
}

static enum rc read_default(struct spec_reading *r, const struct json *v, struct schema *schema,
                            struct err *err)
{
    (void)r, (void)err;
    schema->fallback = v; /* checked when all else is read */
    return RC_OK;
}

static const struct keyword keywords[] = {
    { "type", ALL, skip_keyword,
      "{\"enum\":[\"string\",\"number\",\"integer\",\"boolean\",\"array\",\"object\"]}" },
    { "description", ALL, read_description, "{\"type\":\"string\"}" },
    { "enum", STRING, read_enum,
      "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":1},\"minItems\":1,"
      "\"uniqueItems\":true}" },
    { "format", STRING | NUMERIC, read_format,
      "{\"enum\":[\"date\",\"date-time\",\"text\",\"copied\"]}" },
    { "ownWords", STRING, read_own_words,
      "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":1},\"minItems\":1,"
      "\"uniqueItems\":true}" },
    { "minLength", STRING, read_min_length, "{\"type\":\"integer\",\"minimum\":0}" },
    { "maxLength", STRING, read_max_length, "{\"type\":\"integer\",\"minimum\":0}" },
    { "minimum", NUMERIC, read_minimum, "{\"type\":\"number\"}" },
    { "maximum", NUMERIC, read_maximum, "{\"type\":\"number\"}" },
    { "items", ARRAY, read_items, "{\"$ref\":\"#/$defs/schema\"}" },
    { "minItems", ARRAY, read_min_items, "{\"type\":\"integer\",\"minimum\":0}" },
    { "maxItems", ARRAY, read_max_items, "{\"type\":\"integer\",\"minimum\":0}" },
    { "uniqueItems", ARRAY, read_unique_items, "{\"type\":\"boolean\"}" },
    { "properties", OBJECT, read_properties,
      "{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#/$defs/schema\"}}" },
    { "required", OBJECT, skip_keyword, "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}" },
    { "additionalProperties", OBJECT, read_additional, "{\"const\":false}" },
    { "default", ALL & ~OBJECT, read_default, "true" },
};

static const struct keyword *find_keyword(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (str_is(name, keywords[i].name))
            return &keywords[i];
    return NULL;
}

static void refuse_keyword(struct spec_reading *r, const struct json_member *m)
{
    struct str names[ARRAY_LEN(keywords)];

    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        names[i] = str_of(keywords[i].name);
    SPEC_WRONG(r, m, "unknown_key", "unknown keyword '%.*s' of a schema%s", STR_ARG(m->key),
               problem_suggest(m->key, names, ARRAY_LEN(names), r->arena));
}

/* False, with a problem, when the type is missing or unknown. `enum` alone means string. */
static bool read_type(struct spec_reading *r, const struct json *v, enum schema_type *ret_type)
{
    const struct json *type = json_find(v, "type");

    if (!type && json_find(v, "enum")) {
        *ret_type = SCHEMA_STRING;
        return true;
    }
    if (!type) {
        SPEC_WRONG(r, v, "missing", "schema has no 'type'");
        return false;
    }
    for (enum schema_type t = SCHEMA_STRING; t <= SCHEMA_OBJECT; t++) {
        if (type->type == JSON_STRING && str_is(type->text, schema_type_name(t))) {
            *ret_type = t;
            return true;
        }
    }
    SPEC_WRONG(r, type, "value",
               "'type' must be one of string, number, integer, boolean, array, object");
    return false;
}

static void mark_required(struct spec_reading *r, const struct json *v, struct schema *schema)
{
    const struct json *required = json_find(v, "required");

    if (!required || !expect(r, required, JSON_ARRAY, "required"))
        return;
    for (size_t i = 0; i < required->n; i++) {
        const struct json *name = &required->items[i];
        struct schema_property *property = NULL;

        if (!expect(r, name, JSON_STRING, "required"))
            continue;
        for (size_t j = 0; j < schema->n_properties; j++)
            if (str_equal(schema->properties[j].name, name->text))
                property = &schema->properties[j];
        if (property)
            property->required = true;
        else
            SPEC_WRONG(r, name, "unknown_name", "'required' names '%.*s', which is no property",
                       STR_ARG(name->text));
    }
}

static enum rc check_whole(struct spec_reading *r, const struct json *v, struct schema *schema,
                           struct err *err)
{
    if (schema->has_minimum && schema->has_maximum &&
        decimal_compare(schema->minimum, schema->maximum) > 0)
        SPEC_WRONG(r, v, "range", "'minimum' is above 'maximum'");
    if (schema->min_length > schema->max_length)
        SPEC_WRONG(r, v, "range", "'minLength' is above 'maxLength'");
    if (schema->min_items > schema->max_items)
        SPEC_WRONG(r, v, "range", "'minItems' is above 'maxItems'");
    if (schema->n_own_words > 0 && schema->format != SCHEMA_FORMAT_TEXT)
        SPEC_WRONG(r, v, "value", "'ownWords' is for 'format: text'");
    if (schema->n_labels > 0 && schema->format == SCHEMA_FORMAT_TEXT)
        SPEC_WRONG(r, v, "value", "'format: text' is not for an 'enum'");
    if (schema->n_labels > 0 && schema->format == SCHEMA_FORMAT_COPIED)
        SPEC_WRONG(r, v, "value", "'format: copied' is not for an 'enum'");
    if (schema->type == SCHEMA_ARRAY && !schema->items)
        SPEC_WRONG(r, v, "missing", "array has no 'items'");
    if (schema->unique_items && schema->items && schema->items->n_labels == 0)
        SPEC_WRONG(r, v, "value", "'uniqueItems' is for items with an 'enum': a set of them");
    if (schema->type == SCHEMA_OBJECT && !schema->properties)
        SPEC_WRONG(r, v, "missing", "object has no 'properties'");
    if (schema->fallback && !(schema->type == SCHEMA_ARRAY && !schema->items))
        return schema_validate(schema, schema->fallback, r->file, r->problems, err);
    return RC_OK;
}

static enum rc read_keywords(struct spec_reading *r, const struct json *v, struct schema *schema,
                             struct err *err)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct json_member *m = &v->members[i];
        const struct keyword *keyword = find_keyword(m->key);

        if (!keyword) {
            refuse_keyword(r, m);
            continue;
        }
        if (!(keyword->types >> schema->type & 1)) {
            SPEC_WRONG(r, m, "unknown_key", "'%s' does not apply to type %s", keyword->name,
                       schema_type_name(schema->type));
            continue;
        }
        enum rc rc = keyword->read(r, &m->value, schema, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

/* Recursion: on nested schemas, at most SCHEMA_DEPTH_MAX. */
static enum rc read_schema(struct spec_reading *r, const struct json *v, struct schema *ret,
                           struct err *err)
{
    *ret = (struct schema){ .line = v->line,
                            .column = v->column,
                            .max_length = SCHEMA_TEXT_MAX,
                            .max_items = SCHEMA_ITEMS_MAX };
    if (v->type != JSON_OBJECT) {
        SPEC_WRONG(r, v, "type", "schema: found %s, expected {type: ...}", json_type_name(v->type));
        return RC_OK;
    }
    if (!read_type(r, v, &ret->type))
        return RC_OK;
    if (r->depth == SCHEMA_DEPTH_MAX) {
        SPEC_WRONG(r, v, "limit", "schema is nested deeper than %d", SCHEMA_DEPTH_MAX);
        return RC_OK;
    }
    r->depth++;
    enum rc rc = read_keywords(r, v, ret, err);
    r->depth--;
    if (rc)
        return rc;
    mark_required(r, v, ret);
    return check_whole(r, v, ret, err);
}

enum rc schema_read(const struct json *json, const char *file, struct arena *arena,
                    struct problems *problems, struct schema *ret_schema, struct err *err)
{
    struct spec_reading r = { .file = file, .arena = arena, .problems = problems };

    return read_schema(&r, json, ret_schema, err);
}

const struct schema_property *schema_find(const struct schema *object, struct str name)
{
    for (size_t i = 0; i < object->n_properties; i++)
        if (str_equal(object->properties[i].name, name))
            return &object->properties[i];
    return NULL;
}

void schema_append_definition(struct json_writer *w)
{
    json_begin_object(w);
    json_key(w, "type");
    json_text(w, "object");
    json_key(w, "additionalProperties");
    json_bool(w, false);
    json_key(w, "properties");
    json_begin_object(w);
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
        json_key(w, keywords[i].name);
        json_raw(w, str_of(keywords[i].schema));
    }
    json_end_object(w);
    json_end_object(w);
}
