/* slm.yaml with every default, its digests, and the JSON Schema of the format. */
#include "spec/spec_keys_internal.h"

#include <stdio.h>

#include <string.h>

enum { RENDER_BYTES_MAX = 4 * SPEC_BYTES_MAX };

/* `show` and `candidates` are the keys whose defaults depend on the rest of the spec. */
static void render_dependent(struct json_writer *w, const struct spec_key *key, void *context)
{
    const struct spec *spec = context;
    bool is_shown = strcmp(key->name, "show") == 0;

    if (!is_shown && strcmp(key->name, "candidates") != 0)
        return;
    json_key(w, key->name);
    json_begin_array(w);
    for (size_t i = 0; is_shown && i < spec->n_shown; i++)
        json_string(w, spec->shown[i].text);
    for (size_t i = 0; !is_shown && i < spec->training.n_candidates; i++)
        json_text(w, key->words[spec->training.candidates[i]]);
    json_end_array(w);
}

enum rc spec_render(const struct spec *spec, struct arena *arena, struct json **ret_tree,
                    struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct json_writer w;

    buf_init(&text, RENDER_BYTES_MAX);
    json_writer_init(&w, &text);
    spec_keys_render(&w, &spec_slm_section, spec->source, render_dependent,
                     (void *)(uintptr_t)spec);
    enum rc rc = buf_rc(&text, "rendered spec", err);
    return rc ? rc : json_parse(buf_str(&text), JSON_DUPLICATES_REFUSED, arena, ret_tree, err);
}

static bool reads_name(const struct spec_fact *fact, struct str name)
{
    for (size_t i = 0; i < fact->n_reads; i++)
        if (str_equal(fact->reads[i], name))
            return true;
    return false;
}

/* Marks the shown facts and the facts they are computed from; facts read only those above them. */
static void mark_needed(const struct spec *spec, bool *needed)
{
    for (size_t i = spec->n_facts; i-- > 0;) {
        needed[i] |= spec->facts[i].shown;
        for (size_t j = 0; j < i; j++)
            needed[j] |= needed[i] && reads_name(&spec->facts[i], spec->facts[j].name.text);
    }
}

static void append_member(struct buf *out, const char *section, struct str name,
                          const struct json *value)
{
    buf_printf(out, "%s.%.*s=", section, STR_ARG(name));
    if (value)
        json_append(out, value);
    buf_append_char(out, '\n');
}

/* Order counts: that of the output fields and their values numbers what the heads learn. */
static void append_training_parts(struct buf *out, const struct spec *spec, const struct json *tree,
                                  const bool *needed)
{
    static const char *const whole[] = { "base", "input", "output",  "show",
                                         "data", "split", "training" };

    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        append_member(out, "spec", str_of(whole[i]), json_find(tree, whole[i]));
    if (spec_writes(spec)) /* it is what the model is told */
        append_member(out, "spec", STR("description"), json_find(tree, "description"));
    for (size_t i = 0; i < spec->n_facts; i++)
        if (needed[i])
            append_member(out, "facts", spec->facts[i].name.text,
                          &json_find(tree, "facts")->members[i].value);
    for (size_t t = 0; t < spec->n_tables; t++) {
        bool read = false;

        for (size_t i = 0; i < spec->n_facts; i++)
            read |= needed[i] && reads_name(&spec->facts[i], spec->tables[t].name.text);
        if (read)
            append_member(out, "tables", spec->tables[t].name.text,
                          &json_find(tree, "tables")->members[t].value);
    }
}

static enum rc digest_parts(const struct spec *spec, struct arena *arena,
                            struct spec_digests *ret_digests, struct err *err)
{
    CLEANUP(buf_releasep) struct buf all = { 0 }, training = { 0 };
    struct spec_digests digests;
    struct json *tree;
    enum rc rc = spec_render(spec, arena, &tree, err);

    if (rc)
        return rc;
    bool *needed = arena_array(arena, bool, spec->n_facts);
    if (!needed)
        return arena_fail(arena, err, "digest");
    mark_needed(spec, needed);
    buf_init(&all, RENDER_BYTES_MAX);
    buf_init(&training, RENDER_BYTES_MAX);
    json_append(&all, tree);
    append_training_parts(&training, spec, tree, needed);
    rc = buf_rc(&all, "rendered spec", err);
    if (!rc)
        rc = buf_rc(&training, "rendered spec", err);
    if (!rc)
        rc = sha256_of(all.at, all.len, &digests.all, err);
    if (!rc)
        rc = sha256_of(training.at, training.len, &digests.training, err);
    if (!rc)
        *ret_digests = digests;
    return rc;
}

enum rc spec_digests(const struct spec *spec, struct spec_digests *ret_digests, struct err *err)
{
    struct arena arena;

    arena_init(&arena, (size_t)64 << 20);
    enum rc rc = digest_parts(spec, &arena, ret_digests, err);
    arena_release(&arena);
    return rc;
}

static void append_words(struct json_writer *w, const char *const *words)
{
    json_key(w, "enum");
    json_begin_array(w);
    for (size_t i = 0; words[i]; i++)
        json_text(w, words[i]);
    json_end_array(w);
}

static void append_type(struct json_writer *w, const char *type)
{
    json_key(w, "type");
    json_text(w, type);
}

static void append_range(struct json_writer *w, const struct spec_key *key)
{
    json_key(w, "minimum");
    json_double(w, key->min);
    json_key(w, "maximum");
    json_double(w, key->max);
}

static void append_reference(struct json_writer *w, const char *definition)
{
    char path[64];

    snprintf(path, sizeof(path), "#/$defs/%s", definition);
    json_key(w, "$ref");
    json_text(w, path);
}

static void append_steps(struct json_writer *w, const struct spec_section *section)
{
    append_type(w, "array");
    json_key(w, "minItems");
    json_i64(w, 1);
    json_key(w, "items");
    json_begin_object(w);
    append_type(w, "object");
    json_key(w, "minProperties");
    json_i64(w, 1);
    json_key(w, "maxProperties");
    json_i64(w, 1);
    json_key(w, "additionalProperties");
    json_begin_object(w);
    append_reference(w, section->definition);
    json_end_object(w);
    json_end_object(w);
}

/* The keywords that say what a value of the key may be. */
static void append_key_schema(struct json_writer *w, const struct spec_key *key)
{
    switch (key->kind) {
    case KEY_TEXT:
    case KEY_EXPRESSION:
    case KEY_PATH:
        append_type(w, "string");
        json_key(w, "minLength");
        json_i64(w, 1);
        return;
    case KEY_NAME:
        append_type(w, "string");
        json_key(w, "pattern");
        json_text(w, "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$");
        return;
    case KEY_INTEGER:
        append_type(w, "integer");
        append_range(w, key);
        return;
    case KEY_NUMBER:
        append_type(w, "number");
        append_range(w, key);
        return;
    case KEY_WORD: append_words(w, key->words); return;
    case KEY_WORDS:
        append_type(w, "array");
        json_key(w, "minItems");
        json_i64(w, 1);
        json_key(w, "uniqueItems");
        json_bool(w, true);
        json_key(w, "items");
        json_begin_object(w);
        append_words(w, key->words);
        json_end_object(w);
        return;
    case KEY_NAMES:
        append_type(w, "array");
        json_key(w, "items");
        json_raw(w, STR("{\"type\":\"string\"}"));
        return;
    case KEY_PAIRS:
        append_type(w, "object");
        json_key(w, "additionalProperties");
        json_raw(w, STR("{\"type\":\"string\",\"minLength\":1}"));
        return;
    case KEY_SECTIONS:
        append_type(w, "array");
        json_key(w, "items");
        spec_keys_append_schema(w, key->section);
        return;
    case KEY_NAMED:
        append_type(w, "object");
        json_key(w, "additionalProperties");
        spec_keys_append_schema(w, key->section);
        return;
    case KEY_SECTION:
        json_key(w, "allOf");
        json_begin_array(w);
        spec_keys_append_schema(w, key->section);
        json_end_array(w);
        return;
    case KEY_SCHEMA: append_reference(w, "schema"); return;
    case KEY_DURATION:
        append_type(w, "string");
        json_key(w, "pattern");
        json_text(w, "^P");
        return;
    case KEY_TREE: append_type(w, "object"); return;
    case KEY_STEPS: append_steps(w, key->section); return;
    }
    assert_fail("kind is an enum spec_key_kind", __FILE__, __LINE__);
}

static void append_key(struct json_writer *w, const struct spec_key *key)
{
    json_begin_object(w);
    json_key(w, "description");
    json_text(w, key->help);
    if (key->fallback) {
        json_key(w, "default");
        json_raw(w, str_of(key->fallback));
    }
    append_key_schema(w, key);
    json_end_object(w);
}

static void append_required(struct json_writer *w, const struct spec_section *section)
{
    json_key(w, "required");
    json_begin_array(w);
    for (size_t i = 0; i < section->n_keys; i++)
        if (section->keys[i].required)
            json_text(w, section->keys[i].name);
    json_end_array(w);
}

static void append_section(struct json_writer *w, const struct spec_section *section)
{
    append_type(w, "object");
    json_key(w, "additionalProperties");
    json_bool(w, false);
    append_required(w, section);
    json_key(w, "properties");
    json_begin_object(w);
    for (size_t i = 0; i < section->n_keys; i++) {
        json_key(w, section->keys[i].name);
        append_key(w, &section->keys[i]);
    }
    json_end_object(w);
}

void spec_keys_append_schema(struct json_writer *w, const struct spec_section *section)
{
    json_begin_object(w);
    append_section(w, section);
    json_end_object(w);
}

void spec_keys_append_file_schema(struct buf *out, const char *title,
                                  const struct spec_section *section,
                                  const struct spec_section *const *definitions,
                                  size_t n_definitions)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "$schema");
    json_text(&w, "https://json-schema.org/draft/2020-12/schema");
    json_key(&w, "title");
    json_text(&w, title);
    append_section(&w, section);
    json_key(&w, "$defs");
    json_begin_object(&w);
    json_key(&w, "schema");
    schema_append_definition(&w);
    for (size_t i = 0; i < n_definitions; i++) {
        json_key(&w, definitions[i]->definition);
        spec_keys_append_schema(&w, definitions[i]);
    }
    json_end_object(&w);
    json_end_object(&w);
}

void spec_append_json_schema(struct buf *out)
{
    spec_keys_append_file_schema(out, "Shoal: slm.yaml", &spec_slm_section, NULL, 0);
}
