/*
 * schema.h - typed input and output: the subset of JSON Schema 2020-12 that docs/spec.md lists.
 *
 *   json --schema_read--> struct schema --schema_type--> what FEEL sees
 *                               |--schema_validate--> problems of a value, all of them
 *                               |--schema_to_value--> FEEL value, decimals exact, defaults filled
 * in
 *
 * An object has exactly its properties: others are refused (additionalProperties is false).
 */
#ifndef SPEC_SCHEMA_H
#define SPEC_SCHEMA_H

#include "base/json.h"
#include "expr/feel.h"
#include "spec/problem.h"

enum {
    SCHEMA_DEPTH_MAX = 16,
    SCHEMA_TEXT_MAX = 1 << 20, /* characters of a string without maxLength */
    SCHEMA_ITEMS_MAX = 10000,  /* of an array without maxItems */
    SCHEMA_LABELS_MAX = 4096,  /* of an enum */
    SCHEMA_PROPERTIES_MAX = 1000,
};

enum schema_type {
    SCHEMA_STRING,
    SCHEMA_NUMBER,
    SCHEMA_INTEGER,
    SCHEMA_BOOLEAN,
    SCHEMA_ARRAY,
    SCHEMA_OBJECT,
};

enum schema_format {
    SCHEMA_FORMAT_NONE,
    SCHEMA_FORMAT_DATE,
    SCHEMA_FORMAT_DATE_TIME,
    SCHEMA_FORMAT_TEXT,   /* of an output field: written by the model, not chosen */
    SCHEMA_FORMAT_COPIED, /* likewise: a piece, or a number, of the input */
};

struct schema {
    enum schema_type type;
    enum schema_format format; /* of a string; SCHEMA_FORMAT_COPIED of numbers too */
    uint32_t line, column;
    struct str description;
    size_t n_labels; /* enum: strings, no two equal; 0: none */
    const struct str *labels;
    size_t n_own_words; /* of a text: what it may say without a source (engine/write/copies.h) */
    const struct str *own_words;
    bool has_minimum, has_maximum;
    struct decimal minimum, maximum;
    size_t min_length, max_length; /* characters */
    size_t min_items, max_items;
    bool unique_items;          /* a set: the items have an enum, and none appears twice */
    const struct schema *items; /* SCHEMA_ARRAY */
    size_t n_properties;        /* SCHEMA_OBJECT */
    struct schema_property *properties;
    const struct json *fallback; /* default; NULL: none */
};

struct schema_property {
    struct str name; /* an identifier: letter or '_', then letters, digits, '_' */
    uint32_t line, column;
    bool required;
    struct schema schema;
};

/* Reads a schema out of a tree; what is wrong with it goes to problems, and *ret_schema is then
 * usable but may lack parts. The schema borrows from json. RC_NOMEM, RC_LIMIT. */
MUST_CHECK enum rc schema_read(const struct json *json, const char *file, struct arena *arena,
                               struct problems *problems, struct schema *ret_schema,
                               struct err *err);

/* NULL when the object has no such property. */
const struct schema_property *schema_find(const struct schema *object, struct str name);

/* Adds a problem for each thing in v that the schema does not allow: line and column are v's, the
 * message begins with the path ("lines[2].amount: ..."). RC_OK also when there are problems. */
MUST_CHECK enum rc schema_validate(const struct schema *schema, const struct json *v,
                                   const char *file, struct problems *problems, struct err *err);

/* The FEEL value of a valid v; absent properties get their default or null. v may be NULL (absent).
 * RC_INVALID only when v is not valid; RC_NOMEM, RC_LIMIT. */
MUST_CHECK enum rc schema_to_value(const struct schema *schema, const struct json *v,
                                   struct arena *arena, struct feel_value *ret_value,
                                   struct err *err);

/* The type FEEL sees. A property that is not required and has no default is optional. */
MUST_CHECK enum rc schema_feel_type(const struct schema *schema, struct arena *arena,
                                    struct feel_type *ret_type, struct err *err);

const char *schema_type_name(enum schema_type type); /* "string", ... */

#endif
