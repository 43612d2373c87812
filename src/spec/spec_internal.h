/* spec_internal.h - what the files of this folder share. */
#ifndef SPEC_SPEC_INTERNAL_H
#define SPEC_SPEC_INTERNAL_H

#include "spec/problem.h"
#include "spec/spec.h"

#include <stdbool.h>

/* One file being read: problems are added, not returned. */
struct spec_reading {
    const char *file;
    struct arena *arena;
    struct problems *problems;
    struct str source; /* the file's text, to place what is wrong inside an expression */
    unsigned depth;    /* of nested schemas */
};

/* `at` is anything with line and column: a value, a member, a spec_text. */
#define SPEC_WRONG(reading, at, code, ...)                                               \
    problem_add((reading)->problems, PROBLEM_ERROR, (code), (reading)->file, (at)->line, \
                (at)->column, __VA_ARGS__)

/* Letter or '_', then letters, digits, '_'; at most SPEC_NAME_MAX bytes: what FEEL reads as a name.
 */
bool spec_is_identifier(struct str name);
/* The same with '-' inside allowed: names of rules, slices, steps. */
bool spec_is_name(struct str name);
/* Names of teams and SLMs, str_is_slug(), in words. */
#define SPEC_SLUG "lower-case letters, digits and '-'"

/* ", did you mean" over the names of an object's properties. */
const char *spec_suggest_property(const struct schema *object, struct str name,
                                  struct arena *arena);

/* The JSON Schema of what schema_read() takes, to stand at #/$defs/schema. */
void schema_append_definition(struct json_writer *w);

/* Where a message "line 3, column 7: what" points; false when it has no place. */
bool spec_split_place(const char *message, unsigned *ret_line, unsigned *ret_column,
                      const char **ret_what);

/* What a column's type word means to FEEL. */
enum feel_kind spec_column_kind(struct str type);

/* The tree of r->source; NULL, with a problem, when it is no YAML. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc spec_read_yaml(struct spec_reading *r, struct json **ret_tree, struct err *err);

/* The next three fill in what the tables cannot: each adds problems, RC_NOMEM or RC_LIMIT. */
MUST_CHECK enum rc spec_check_fields(struct spec_reading *r, struct spec *spec, struct err *err);
MUST_CHECK enum rc spec_check_expressions(struct spec_reading *r, struct spec *spec,
                                          struct err *err);
/* Data, split, training, gates. */
MUST_CHECK enum rc spec_check_build(struct spec_reading *r, struct spec *spec, struct err *err);
void spec_check_contracts(struct spec_reading *r, const struct spec *spec);

/* Adds a problem at a character of an expression: line and column are the expression's own, from 1;
 * `text` is the scalar that holds it, from its beginning. */
void spec_wrong_inside(struct spec_reading *r, const struct spec_text *text, const char *code,
                       uint32_t line, uint32_t column, const char *fmt, ...) PRINTF_LIKE(6, 7);

#endif
