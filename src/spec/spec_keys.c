#include "spec/spec_keys_internal.h"

#include <string.h>

_Static_assert(sizeof(enum spec_metric) == sizeof(unsigned), "KEY_WORD writes an unsigned");

enum { WORDS_MAX = 32 };

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool spec_is_identifier(struct str name)
{
    if (name.len == 0 || name.len > SPEC_NAME_MAX || !is_letter(name.at[0]))
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (!is_letter(name.at[i]) && !is_digit(name.at[i]))
            return false;
    return true;
}

bool spec_is_name(struct str name)
{
    if (name.len == 0 || name.len > SPEC_NAME_MAX || name.at[0] == '-')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_letter(name.at[i]) && !is_digit(name.at[i]) && name.at[i] != '-')
            return false;
    return true;
}

/* A count and the array after it, as struct spec has its lists. */
static void store_list(char *at, size_t n, void *items)
{
    memcpy(at, &n, sizeof(n));
    memcpy(at + sizeof(n), &items, sizeof(items));
}

static bool expect(struct spec_reading *r, const struct spec_key *key, const struct json *v,
                   enum json_type type, const char *expected)
{
    if (v->type == type && v->n > SPEC_LIST_MAX) {
        SPEC_WRONG(r, v, "limit", "'%s' has %zu entries, at most %d", key->name, v->n,
                   SPEC_LIST_MAX);
        return false;
    }
    if (v->type == type)
        return true;
    SPEC_WRONG(r, v, "type", "'%s': found %s, expected %s", key->name, json_type_name(v->type),
               expected);
    return false;
}

static struct spec_text text_of(const struct json *v)
{
    return (struct spec_text){ v->text, v->line, v->column };
}

/* Stays in the folder: not absolute, no "..". */
static bool is_inner_path(struct str path)
{
    if (path.len == 0 || path.at[0] == '/')
        return false;
    for (size_t i = 0; i + 1 < path.len; i++) {
        bool begins = i == 0 || path.at[i - 1] == '/';
        bool ends = i + 2 == path.len || path.at[i + 2] == '/';
        if (begins && ends && path.at[i] == '.' && path.at[i + 1] == '.')
            return false;
    }
    return memchr(path.at, '\0', path.len) == NULL;
}

static void read_text(struct spec_reading *r, const struct spec_key *key, const struct json *v,
                      char *at)
{
    struct spec_text text = text_of(v);

    if (!expect(r, key, v, JSON_STRING,
                key->kind == KEY_EXPRESSION ? "an expression as text (quote it)" : "a text"))
        return;
    if (v->text.len == 0)
        SPEC_WRONG(r, v, "value", "'%s' is empty", key->name);
    else if (key->kind == KEY_NAME && !spec_is_name(v->text))
        SPEC_WRONG(r, v, "name",
                   "'%.60s' is no name: letters, digits, '_' and '-', at most %d characters",
                   v->text.at, SPEC_NAME_MAX);
    else if (key->kind == KEY_PATH && !is_inner_path(v->text))
        SPEC_WRONG(r, v, "path", "'%.*s' must be a relative path without '..'", STR_ARG(v->text));
    memcpy(at, &text, sizeof(text));
}

static void read_integer(struct spec_reading *r, const struct spec_key *key, const struct json *v,
                         char *at)
{
    int64_t value;

    if (!expect(r, key, v, JSON_NUMBER, "an integer"))
        return;
    if (!json_to_i64(v, &value) || (double)value < key->min || (double)value > key->max)
        SPEC_WRONG(r, v, "range", "'%s' is %.*s, expected an integer from %.0f to %.0f", key->name,
                   STR_ARG(v->text), key->min, key->max);
    else
        memcpy(at, &value, sizeof(value));
}

static void read_number(struct spec_reading *r, const struct spec_key *key, const struct json *v,
                        char *base)
{
    const bool present = true;
    double value;

    if (!expect(r, key, v, JSON_NUMBER, "a number"))
        return;
    if (!json_to_double(v, &value) || value < key->min || value > key->max) {
        SPEC_WRONG(r, v, "range", "'%s' is %.*s, expected %g to %g", key->name, STR_ARG(v->text),
                   key->min, key->max);
        return;
    }
    memcpy(base + key->at, &value, sizeof(value));
    if (key->has_at)
        memcpy(base + key->has_at, &present, sizeof(present));
}

static void read_duration(struct spec_reading *r, const struct spec_key *key, const struct json *v,
                          char *base)
{
    const bool present = true;
    struct feel_value duration;
    struct decimal ms;
    int64_t value;

    if (!expect(r, key, v, JSON_STRING, "a duration like PT30S"))
        return;
    if (!feel_parse_temporal(v->text, &duration) || duration.kind != FEEL_DAYS_DURATION ||
        !decimal_multiply(duration.seconds, decimal_from_i64(1000), &ms) ||
        !decimal_to_i64(ms, &value) || (double)value < key->min * 1000 ||
        (double)value > key->max * 1000) {
        SPEC_WRONG(
            r, v, "range", "'%s' is '%.*s', expected a duration like PT30S, from %g to %g seconds",
            key->name, v->text.len > 60 ? 60 : (int)v->text.len, v->text.at, key->min, key->max);
        return;
    }
    memcpy(base + key->at, &value, sizeof(value));
    if (key->has_at)
        memcpy(base + key->has_at, &present, sizeof(present));
}

/* The index in words; the number of words, with a problem, when it is none of them. */
static unsigned find_word(struct spec_reading *r, const struct spec_key *key, const struct json *v)
{
    struct str words[WORDS_MAX];
    char list[300] = "";
    unsigned n = 0;

    for (; key->words[n]; n++) {
        words[n] = str_of(key->words[n]);
        if (v->type == JSON_STRING && str_equal(v->text, words[n]))
            return n;
        strncat(list, n ? ", " : "", sizeof(list) - strlen(list) - 1);
        strncat(list, key->words[n], sizeof(list) - strlen(list) - 1);
    }
    if (v->type == JSON_STRING)
        SPEC_WRONG(r, v, "value", "'%s' is '%.*s', expected one of %s%s", key->name,
                   v->text.len > 60 ? 60 : (int)v->text.len, v->text.at, list,
                   problem_suggest(v->text, words, n, r->arena));
    else
        SPEC_WRONG(r, v, "type", "'%s': found %s, expected one of %s", key->name,
                   json_type_name(v->type), list);
    return n;
}

static void read_word(struct spec_reading *r, const struct spec_key *key, const struct json *v,
                      char *at)
{
    unsigned word = find_word(r, key, v);

    if (key->words[word])
        memcpy(at, &word, sizeof(word));
}

static enum rc read_words(struct spec_reading *r, const struct spec_key *key, const struct json *v,
                          char *at, struct err *err)
{
    size_t n = 0;

    if (!expect(r, key, v, JSON_ARRAY, "a list"))
        return RC_OK;
    unsigned *words = arena_array(r->arena, unsigned, v->n);
    if (!words)
        return arena_fail(r->arena, err, key->name);
    for (size_t i = 0; i < v->n; i++) {
        unsigned word = find_word(r, key, &v->items[i]);
        bool twice = false;

        for (size_t j = 0; j < n; j++)
            twice |= words[j] == word;
        if (twice)
            SPEC_WRONG(r, &v->items[i], "duplicate", "'%s' appears twice", key->words[word]);
        else if (key->words[word])
            words[n++] = word;
    }
    if (v->n == 0)
        SPEC_WRONG(r, v, "value", "'%s' is empty, expected at least one", key->name);
    store_list(at, n, words);
    return RC_OK;
}

static enum rc read_names(struct spec_reading *r, const struct spec_key *key, const struct json *v,
                          char *at, struct err *err)
{
    size_t n = 0;

    if (!expect(r, key, v, JSON_ARRAY, "a list of names"))
        return RC_OK;
    struct spec_text *names = arena_array(r->arena, struct spec_text, v->n);
    if (!names)
        return arena_fail(r->arena, err, key->name);
    for (size_t i = 0; i < v->n; i++)
        if (expect(r, key, &v->items[i], JSON_STRING, "a list of names"))
            names[n++] = text_of(&v->items[i]);
    store_list(at, n, names);
    return RC_OK;
}

static enum rc read_pairs(struct spec_reading *r, const struct spec_key *key, const struct json *v,
                          char *at, struct err *err)
{
    if (!expect(r, key, v, JSON_OBJECT, "names with a text each"))
        return RC_OK;
    char *items = arena_alloc(r->arena, v->n, key->item_bytes, _Alignof(max_align_t));
    if (!items)
        return arena_fail(r->arena, err, key->name);
    for (size_t i = 0; i < v->n; i++) {
        const struct json_member *m = &v->members[i];
        struct spec_text pair[2] = { { m->key, m->line, m->column }, text_of(&m->value) };

        if (m->value.type != JSON_STRING || m->value.text.len == 0) {
            SPEC_WRONG(r, &m->value, "type", "'%.*s': found %s, expected text (quote it)",
                       STR_ARG(m->key),
                       m->value.type == JSON_STRING ? "nothing" : json_type_name(m->value.type));
            pair[1].text = (struct str){ 0 };
        }
        memcpy(items + i * key->item_bytes, pair, sizeof(pair));
    }
    store_list(at, v->n, items);
    return RC_OK;
}

/* A list of one "name: section" each: names in an order, which keys of an object would not have. */
static enum rc read_steps(struct spec_reading *r, const struct spec_key *key, const struct json *v,
                          char *at, struct err *err)
{
    size_t n = 0, bytes = key->section->bytes;

    if (!expect(r, key, v, JSON_ARRAY, "a list of '- name: ...'"))
        return RC_OK;
    if (v->n == 0)
        SPEC_WRONG(r, v, "value", "'%s' is empty, expected at least one", key->name);
    char *items = arena_alloc(r->arena, v->n, bytes, _Alignof(max_align_t));
    if (!items)
        return arena_fail(r->arena, err, key->name);
    for (size_t i = 0; i < v->n; i++) {
        const struct json *item = &v->items[i];

        if (item->type != JSON_OBJECT || item->n != 1) {
            SPEC_WRONG(r, item, "type", "%s: expected one name with keys below it",
                       key->section->what);
            continue;
        }
        const struct json_member *m = &item->members[0];
        struct spec_text name = { m->key, m->line, m->column };
        memcpy(items + n * bytes, &name, sizeof(name));
        enum rc rc = spec_keys_read(r, key->section, &m->value, items + n++ * bytes, err);
        if (rc)
            return rc;
    }
    store_list(at, n, items);
    return RC_OK;
}

/* A list of sections, or sections by name. */
static enum rc read_sections(struct spec_reading *r, const struct spec_key *key,
                             const struct json *v, char *at, struct err *err)
{
    bool named = key->kind == KEY_NAMED;
    size_t bytes = key->section->bytes;

    if (!expect(r, key, v, named ? JSON_OBJECT : JSON_ARRAY,
                named ? "names with keys below each" : "a list"))
        return RC_OK;
    char *items = arena_alloc(r->arena, v->n, bytes, _Alignof(max_align_t));
    if (!items)
        return arena_fail(r->arena, err, key->name);
    for (size_t i = 0; i < v->n; i++) {
        const struct json *item = named ? &v->members[i].value : &v->items[i];

        if (named) {
            const struct json_member *m = &v->members[i];
            struct spec_text name = { m->key, m->line, m->column };
            memcpy(items + i * bytes, &name, sizeof(name));
        }
        enum rc rc = spec_keys_read(r, key->section, item, items + i * bytes, err);
        if (rc)
            return rc;
    }
    store_list(at, v->n, items);
    return RC_OK;
}

static enum rc read_key(struct spec_reading *r, const struct spec_key *key, const struct json *v,
                        char *base, struct err *err)
{
    char *at = base + key->at;
    struct schema schema;
    enum rc rc;

    switch (key->kind) {
    case KEY_TEXT:
    case KEY_NAME:
    case KEY_EXPRESSION:
    case KEY_PATH: read_text(r, key, v, at); return RC_OK;
    case KEY_INTEGER: read_integer(r, key, v, at); return RC_OK;
    case KEY_NUMBER: read_number(r, key, v, base); return RC_OK;
    case KEY_WORD: read_word(r, key, v, at); return RC_OK;
    case KEY_WORDS: return read_words(r, key, v, at, err);
    case KEY_NAMES: return read_names(r, key, v, at, err);
    case KEY_PAIRS: return read_pairs(r, key, v, at, err);
    case KEY_SECTION: return spec_keys_read(r, key->section, v, at, err);
    case KEY_SECTIONS:
    case KEY_NAMED: return read_sections(r, key, v, at, err);
    case KEY_DURATION: read_duration(r, key, v, base); return RC_OK;
    case KEY_TREE:
        if (expect(r, key, v, JSON_OBJECT, "names with a value each"))
            memcpy(at, &v, sizeof(v));
        return RC_OK;
    case KEY_STEPS: return read_steps(r, key, v, at, err);
    case KEY_SCHEMA:
        rc = schema_read(v, r->file, r->arena, r->problems, &schema, err);
        memcpy(at, &schema, sizeof(schema));
        return rc;
    }
    assert_fail("kind is an enum spec_key_kind", __FILE__, __LINE__);
}

static void refuse_unknown(struct spec_reading *r, const struct spec_section *section,
                           const struct json *v)
{
    struct str names[WORDS_MAX];

    ASSERT(section->n_keys <= WORDS_MAX);
    for (size_t k = 0; k < section->n_keys; k++)
        names[k] = str_of(section->keys[k].name);
    for (size_t i = 0; i < v->n; i++) {
        const struct json_member *m = &v->members[i];
        bool known = false;

        for (size_t k = 0; k < section->n_keys; k++)
            known |= str_equal(m->key, names[k]);
        if (!known)
            SPEC_WRONG(r, m, "unknown_key", "unknown key '%.*s' of %s%s", STR_ARG(m->key),
                       section->what, problem_suggest(m->key, names, section->n_keys, r->arena));
    }
}

/* An absent key takes its default; a value of null is absent too ("facts:" with nothing below). */
static enum rc read_or_default(struct spec_reading *r, const struct spec_section *section,
                               const struct spec_key *key, const struct json *v, char *base,
                               struct err *err)
{
    const struct json *value = json_find(v, key->name);
    struct json *fallback;

    if (value && value->type != JSON_NULL)
        return read_key(r, key, value, base, err);
    if (key->required)
        SPEC_WRONG(r, value ? value : v, "missing", "%s has no '%s': %s", section->what, key->name,
                   key->help);
    if (!key->fallback)
        return RC_OK;
    enum rc rc =
        json_parse(str_of(key->fallback), JSON_DUPLICATES_REFUSED, r->arena, &fallback, err);
    return rc ? rc : read_key(r, key, fallback, base, err);
}

enum rc spec_keys_read(struct spec_reading *r, const struct spec_section *section,
                       const struct json *v, void *base, struct err *err)
{
    if (v->type != JSON_OBJECT && v->type != JSON_NULL) {
        SPEC_WRONG(r, v, "type", "%s: found %s, expected keys and values", section->what,
                   json_type_name(v->type));
        return RC_OK;
    }
    if (section->place_at) {
        struct spec_text place = { .line = v->line, .column = v->column };
        memcpy((char *)base + section->place_at, &place, sizeof(place));
    }
    refuse_unknown(r, section, v);
    for (size_t k = 0; k < section->n_keys; k++) {
        enum rc rc = read_or_default(r, section, &section->keys[k], v, base, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static void render_value(struct json_writer *w, const struct spec_key *key, const struct json *v)
{
    if (key->kind == KEY_SECTIONS) {
        json_begin_array(w);
        for (size_t i = 0; i < v->n; i++)
            spec_keys_render(w, key->section, &v->items[i], NULL, NULL);
        json_end_array(w);
    } else if (key->kind == KEY_NAMED) {
        json_begin_object(w);
        for (size_t i = 0; i < v->n; i++) {
            json_key_str(w, v->members[i].key);
            spec_keys_render(w, key->section, &v->members[i].value, NULL, NULL);
        }
        json_end_object(w);
    } else {
        json_value(w, v);
    }
}

void spec_keys_render(
    struct json_writer *w, const struct spec_section *section, const struct json *v,
    void (*rest)(struct json_writer *w, const struct spec_key *key, void *context), void *context)
{
    static const struct json empty = { .type = JSON_OBJECT };

    json_begin_object(w);
    for (size_t k = 0; k < section->n_keys; k++) {
        const struct spec_key *key = &section->keys[k];
        const struct json *value = json_find(v, key->name);
        bool present = value && value->type != JSON_NULL;

        if (!present && !key->fallback) {
            if (rest)
                rest(w, key, context);
            continue;
        }
        json_key(w, key->name);
        if (key->kind == KEY_SECTION)
            spec_keys_render(w, key->section, present ? value : &empty, rest, context);
        else if (present)
            render_value(w, key, value);
        else
            json_raw(w, str_of(key->fallback));
    }
    json_end_object(w);
}
