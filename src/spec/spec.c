#include "spec/spec.h"

#include "base/fs.h"
#include "base/yaml.h"
#include "spec/spec_keys_internal.h"

#include <stdio.h>

bool spec_split_place(const char *message, unsigned *ret_line, unsigned *ret_column,
                      const char **ret_what)
{
    int skipped = 0;

    if (sscanf(message, "line %u, column %u: %n", ret_line, ret_column, &skipped) != 2 || !skipped)
        return false;
    *ret_what = message + skipped;
    return true;
}

enum rc spec_read_yaml(struct spec_reading *r, struct json **ret_tree, struct err *err)
{
    struct err failure = { 0 };
    unsigned line, column;
    const char *what;
    enum rc rc = yaml_parse(r->source, r->arena, ret_tree, &failure);

    if (rc == RC_OK)
        return RC_OK;
    *ret_tree = NULL;
    if (rc == RC_INVALID && spec_split_place(failure.message, &line, &column, &what)) {
        problem_add(r->problems, PROBLEM_ERROR, "yaml", r->file, line, column, "%s", what);
        return RC_OK;
    }
    *err = failure;
    return err_context(err, "%s", r->file);
}

/* The folder of the file: "." when the path has none. */
static const char *folder_of(const char *path, struct arena *arena)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return ".";
    return arena_strndup(arena, path, slash == path ? 1 : (size_t)(slash - path));
}

/* It is a part of addresses. What is no name of anything was told already. */
static void check_name(struct spec_reading *r, const struct spec *spec)
{
    if (spec_is_name(spec->name.text) && !str_is_slug(spec->name.text))
        SPEC_WRONG(r, &spec->name, "name", "'%.*s' is no name of an SLM: " SPEC_SLUG,
                   STR_ARG(spec->name.text));
}

static enum rc check_whole(struct spec_reading *r, struct spec *spec, struct err *err)
{
    check_name(r, spec);
    enum rc rc = spec_check_fields(r, spec, err);

    if (!rc)
        rc = spec_check_expressions(r, spec, err);
    if (!rc)
        rc = spec_check_build(r, spec, err);
    if (rc)
        return rc;
    spec_check_contracts(r, spec);
    return problem_rc(r->problems, err);
}

enum rc spec_parse(struct str text, const char *path, struct arena *arena, struct spec **ret_spec,
                   struct problems *problems, struct err *err)
{
    struct spec_reading r = { .file = path, .arena = arena, .problems = problems, .source = text };
    struct spec *spec = arena_new(arena, struct spec);
    size_t n_errors_before = problems->n_errors;
    struct json *tree;

    if (!spec)
        return arena_fail(arena, err, path);
    if (text.len > SPEC_BYTES_MAX)
        return err_set(err, RC_LIMIT, "%.150s has %zu bytes, at most %d", path, text.len,
                       SPEC_BYTES_MAX);
    enum rc rc = spec_read_yaml(&r, &tree, err);
    if (rc || !tree)
        return rc ? rc : problem_rc(problems, err);

    spec->file = path;
    spec->dir = folder_of(path, arena);
    if (!spec->dir)
        return arena_fail(arena, err, path);
    spec->source = tree;
    rc = spec_keys_read(&r, &spec_slm_section, tree, spec, err);
    if (!rc)
        rc = check_whole(&r, spec, err);
    if (!rc && problems->n_errors == n_errors_before)
        *ret_spec = spec;
    return rc;
}

enum rc spec_read(const char *path, struct arena *arena, struct spec **ret_spec,
                  struct problems *problems, struct err *err)
{
    char *kept = arena_strndup(arena, path, strlen(path));
    struct str text;

    if (!kept)
        return arena_fail(arena, err, path);
    enum rc rc = fs_read_file(kept, SPEC_BYTES_MAX, arena, &text, err);
    return rc ? rc : spec_parse(text, kept, arena, ret_spec, problems, err);
}

bool spec_lists(const struct spec_text *names, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(names[i].text, name))
            return true;
    return false;
}

const struct spec_contract *spec_find_contract(const struct spec *spec, struct str flow)
{
    for (size_t i = 0; i < spec->n_contracts; i++)
        if (str_equal(spec->contracts[i].flow.text, flow))
            return &spec->contracts[i];
    return NULL;
}

void spec_values_of(const struct spec *spec, size_t joint, size_t *values)
{
    ASSERT(joint < spec->n_joint);
    for (size_t i = spec->n_fields; i-- > 0;) {
        values[i] = joint % spec->fields[i].n_values;
        joint /= spec->fields[i].n_values;
    }
}

size_t spec_joint_of(const struct spec *spec, const size_t *values)
{
    size_t joint = 0;

    for (size_t i = 0; i < spec->n_fields; i++) {
        ASSERT(values[i] < spec->fields[i].n_values);
        joint = joint * spec->fields[i].n_values + values[i];
    }
    return joint;
}

static bool find_label(const struct spec_field *field, const struct json *v, size_t *ret_label)
{
    int64_t integer;

    for (size_t i = 0; i < field->n_labels; i++) {
        const struct feel_value *label = &field->labels[i].value;
        bool equal = false;

        if (label->kind == FEEL_STRING)
            equal = v->type == JSON_STRING && str_equal(v->text, label->string);
        else if (label->kind == FEEL_BOOLEAN)
            equal = v->type == JSON_BOOL && v->boolean == label->boolean;
        else if (label->kind == FEEL_NUMBER && json_to_i64(v, &integer))
            equal = decimal_compare(label->number, decimal_from_i64(integer)) == 0;
        if (equal) {
            *ret_label = i;
            return true;
        }
    }
    return false;
}

bool spec_find_value(const struct spec_field *field, const struct json *v, size_t *ret_value)
{
    size_t set = 0;

    if (!field->is_set)
        return find_label(field, v, ret_value);
    if (v->type != JSON_ARRAY)
        return false;
    for (size_t i = 0; i < v->n; i++) {
        size_t label;

        if (!find_label(field, &v->items[i], &label) || set >> label & 1)
            return false;
        set |= (size_t)1 << label;
    }
    *ret_value = set;
    return spec_value_is_allowed(field, set);
}

struct feel_value spec_feel_value(const struct spec_field *field, size_t value,
                                  struct feel_value *room)
{
    size_t n = 0;

    ASSERT(value < field->n_values);
    if (!field->is_set)
        return field->labels[value].value;
    for (size_t i = 0; i < field->n_labels; i++)
        if (value >> i & 1)
            room[n++] = field->labels[i].value;
    return feel_list(room, n);
}

bool spec_value_has(const struct spec_field *field, size_t value, size_t label)
{
    return field->is_set ? value >> label & 1 : value == label;
}

bool spec_value_is_allowed(const struct spec_field *field, size_t value)
{
    size_t n_members = (size_t)__builtin_popcountl(value);

    return !field->is_set ||
           (n_members >= field->schema->min_items && n_members <= field->schema->max_items);
}

/* Runs of white space and control characters become one blank, at either end nothing. */
static void append_on_one_line(struct buf *out, struct str text)
{
    bool pending = false;
    size_t start = out->len;

    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.at[i] <= ' ' || text.at[i] == 0x7F) {
            pending = true;
            continue;
        }
        if (pending && out->len > start)
            buf_append_char(out, ' ');
        pending = false;
        buf_append_char(out, text.at[i]);
    }
}

static void append_shown_value(struct buf *out, const struct feel_value *value, bool is_inside);

static void append_shown_list(struct buf *out, const struct feel_value *list, bool is_inside)
{
    buf_append_text(out, is_inside ? "(" : "");
    for (size_t i = 0; i < list->list.n; i++) {
        bool is_list = list->list.items[i].kind == FEEL_LIST;

        buf_append_text(out, i ? "; " : "");
        append_shown_value(out, &list->list.items[i], is_list);
    }
    buf_append_text(out, is_inside ? ")" : "");
}

static void append_shown_context(struct buf *out, const struct feel_value *context, bool is_inside)
{
    const char *separator = "";

    buf_append_text(out, is_inside ? "(" : "");
    for (size_t i = 0; i < context->context.n; i++) {
        const struct feel_entry *entry = &context->context.entries[i];

        if (entry->value.kind == FEEL_NULL)
            continue;
        buf_append_text(out, separator);
        append_on_one_line(out, entry->key);
        buf_append_text(out, ": ");
        append_shown_value(out, &entry->value, true);
        separator = ", ";
    }
    buf_append_text(out, is_inside ? ")" : "");
}

/* Recursion: on the value's nesting, at most FEEL_NESTING_MAX. */
static void append_shown_value(struct buf *out, const struct feel_value *value, bool is_inside)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };

    switch (value->kind) {
    case FEEL_STRING: append_on_one_line(out, value->string); return;
    case FEEL_LIST: append_shown_list(out, value, is_inside); return;
    case FEEL_CONTEXT: append_shown_context(out, value, is_inside); return;
    case FEEL_NULL:
    case FEEL_BOOLEAN:
    case FEEL_NUMBER:
    case FEEL_DATE:
    case FEEL_TIME:
    case FEEL_DATE_TIME:
    case FEEL_DAYS_DURATION:
    case FEEL_MONTHS_DURATION:
    case FEEL_RANGE:
    case FEEL_FUNCTION:
    case FEEL_ANY: break;
    }
    buf_init(&text, out->limit);
    feel_append_text(&text, value);
    append_on_one_line(out, buf_str(&text));
    if (text.failed && !out->failed)
        out->failed = text.failed;
}

/* Where a value stands: "findings.done". */
struct shown_path {
    const struct shown_path *above; /* NULL at the top */
    struct str name;
};

static void append_path(struct buf *out, const struct shown_path *path)
{
    if (path->above) {
        append_path(out, path->above);
        buf_append_char(out, '.');
    }
    append_on_one_line(out, path->name);
}

/* Recursion: on the value's nesting, at most FEEL_NESTING_MAX. */
static void append_leaves(struct buf *out, const struct shown_path *path,
                          const struct feel_value *value)
{
    bool is_list = value->kind == FEEL_LIST;

    if (value->kind == FEEL_NULL || (is_list && value->list.n == 0))
        return;
    if (value->kind == FEEL_CONTEXT) {
        for (size_t i = 0; i < value->context.n; i++) {
            const struct shown_path below = { path, value->context.entries[i].key };

            append_leaves(out, &below, &value->context.entries[i].value);
        }
        return;
    }
    append_path(out, path);
    buf_append_text(out, ": ");
    for (size_t i = 0; is_list && i < value->list.n; i++) {
        buf_append_text(out, i ? ", " : "");
        append_shown_value(out, &value->list.items[i], true);
    }
    if (!is_list)
        append_shown_value(out, value, false);
    buf_append_char(out, '\n');
}

void spec_append_shown(struct buf *out, const struct spec *spec, const struct feel_value *input,
                       const struct feel_value *facts)
{
    for (size_t i = 0; i < spec->n_shown; i++) {
        struct str name = spec->shown[i].text;
        const struct feel_value *value = feel_find(input, name);

        if (!value)
            value = feel_find(facts, name);
        if (!value || value->kind == FEEL_NULL)
            continue;
        if (spec->n_open > 0) {
            append_leaves(out, &(struct shown_path){ NULL, name }, value);
            continue;
        }
        buf_append_str(out, name);
        buf_append_text(out, ": ");
        append_shown_value(out, value, false);
        buf_append_char(out, '\n');
    }
}
