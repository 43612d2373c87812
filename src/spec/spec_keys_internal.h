/*
 * spec_keys_internal.h - the table of keys that a settings file may have, and what walks it.
 *
 * One table is the reader (with defaults, unknown keys and types), the rendering with every
 * default, and the JSON Schema for editors; so they cannot disagree.
 */
#ifndef SPEC_SPEC_KEYS_INTERNAL_H
#define SPEC_SPEC_KEYS_INTERNAL_H

#include "spec/spec_internal.h"

/* How the value is written, and what lies at `at` of the struct it is read into. */
enum spec_key_kind {
    KEY_TEXT,       /* struct spec_text */
    KEY_NAME,       /* struct spec_text, spec_is_name() */
    KEY_EXPRESSION, /* struct spec_text */
    KEY_PATH,       /* struct spec_text, relative and without ".." */
    KEY_INTEGER,    /* int64_t in [min, max] */
    KEY_NUMBER,     /* double in [min, max]; a bool at has_at when there is no default */
    KEY_WORD,       /* an enum: the index in words */
    KEY_WORDS,      /* size_t, enum *: no word twice */
    KEY_NAMES,      /* size_t, struct spec_text * */
    KEY_PAIRS,      /* size_t, T *: name: text; T begins with spec_text name, spec_text text */
    KEY_SECTION,    /* a struct */
    KEY_SECTIONS,   /* size_t, T *: a list of sections */
    KEY_NAMED,      /* size_t, T *: name: section; T begins with spec_text name */
    KEY_SCHEMA,     /* struct schema */
    KEY_DURATION, /* int64_t in ms, written "PT30S", in [min, max] seconds; has_at as KEY_NUMBER */
    KEY_TREE,     /* const struct json *: an object whose texts may be expressions in ${ } */
    KEY_STEPS,    /* size_t, T *: a list of one "name: section" each; T begins with spec_text name
                   */
};

struct spec_section;

struct spec_key {
    const char *name;
    enum spec_key_kind kind;
    size_t at;
    bool required;
    const char *fallback; /* JSON; NULL: none */
    double min, max;
    size_t has_at;            /* 0: none */
    const char *const *words; /* NULL-terminated */
    const struct spec_section *section;
    size_t item_bytes; /* KEY_PAIRS: sizeof(T) */
    const char *help;
};

struct spec_section {
    const char *what;       /* "a gate" */
    const char *definition; /* of a section inside itself: its name in $defs; else NULL */
    size_t bytes;           /* sizeof(T) */
    size_t place_at;        /* of a spec_text that gets the section's place; 0: none */
    size_t n_keys;
    const struct spec_key *keys;
};

extern const struct spec_section spec_slm_section;       /* struct spec */
extern const struct spec_section spec_workspace_section; /* struct spec_workspace */
extern const struct spec_section spec_flow_section;      /* struct spec_flow */

/* Reads v into the struct at `base`; what is wrong goes to r->problems. RC_NOMEM, RC_LIMIT. */
MUST_CHECK enum rc spec_keys_read(struct spec_reading *r, const struct spec_section *section,
                                  const struct json *v, void *base, struct err *err);

/* Writes the members of v with all defaults, in the order of the table. `rest` is asked for the
 * keys that are absent and have no default; NULL: they are left out. */
void spec_keys_render(
    struct json_writer *w, const struct spec_section *section, const struct json *v,
    void (*rest)(struct json_writer *w, const struct spec_key *key, void *context), void *context);

/* The JSON Schema of a section; that of a whole file has its title and these definitions. */
void spec_keys_append_schema(struct json_writer *w, const struct spec_section *section);
void spec_keys_append_file_schema(struct buf *out, const char *title,
                                  const struct spec_section *section,
                                  const struct spec_section *const *definitions,
                                  size_t n_definitions);

#endif
