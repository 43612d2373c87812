/* decide_text.c - open fields: what may be written into them, what is, and what that means. */
#include "base/utf8.h"
#include "decide/decide_internal.h"

/* Texts and numbers of an input, as they stand in it. sources NULL: only counted. */
static void add_sources(const struct json *v, struct str *sources, size_t *n)
{
    if (v->type == JSON_STRING || v->type == JSON_NUMBER) {
        if (sources)
            sources[*n] = v->text;
        ++*n;
    }
    for (size_t i = 0; i < v->n; i++)
        add_sources(v->type == JSON_OBJECT ? &v->members[i].value : &v->items[i], sources, n);
}

static enum rc read_copies(const struct spec *spec, const struct json *input, struct arena *arena,
                           struct copies *ret_copies, struct err *err)
{
    const struct schema *last = spec->open[spec->n_open - 1].schema; /* of a text */
    size_t n = 0;

    add_sources(input, NULL, &n);
    struct str *sources = arena_array(arena, struct str, n);
    if (!sources)
        return arena_fail(arena, err, "what may be copied");
    n = 0;
    add_sources(input, sources, &n);
    return copies_new(sources, n, last->own_words, last->n_own_words, arena, ret_copies, err);
}

/* ---- what may be written ---- */

static bool is_within(const struct schema *schema, const struct feel_value *value)
{
    if (value->kind != FEEL_NUMBER)
        return true;
    return !(schema->type == SCHEMA_INTEGER && !decimal_is_integer(value->number)) &&
           !(schema->has_minimum && decimal_compare(value->number, schema->minimum) < 0) &&
           !(schema->has_maximum && decimal_compare(value->number, schema->maximum) > 0);
}

/* Those that the field may have. */
static void keep_within(const struct schema *schema, struct found *found)
{
    size_t n = 0;

    for (size_t i = 0; i < found->n; i++)
        if (is_within(schema, &found->values[i])) {
            found->texts[n] = found->texts[i];
            found->values[n++] = found->values[i];
        }
    found->n = n;
}

static enum rc fill_field(const struct spec_open *open, struct str sources, struct arena *arena,
                          struct found *found, struct form_field *field, struct err *err)
{
    enum rc rc = RC_OK;

    *field = (struct form_field){ .name = open->name, .optional = open->optional };
    switch (open->kind) {
    case SPEC_OPEN_TEXT: field->kind = FORM_TEXT; return RC_OK;
    case SPEC_OPEN_SPAN:
        field->kind = FORM_SPAN;
        field->min_length = open->schema->min_length;
        field->max_length = open->schema->max_length;
        return RC_OK;
    case SPEC_OPEN_CHOICE:
        field->n_items = open->schema->n_labels;
        field->items = open->schema->labels;
        return RC_OK;
    case SPEC_OPEN_NUMBER: rc = found_numbers(sources, arena, found, err); break;
    case SPEC_OPEN_DATE: rc = found_dates(sources, arena, found, err); break;
    }
    if (rc)
        return rc;
    keep_within(open->schema, found);
    field->n_items = found->n;
    field->items = found->texts;
    return RC_OK;
}

enum rc decide_form(const struct spec *spec, const struct json *input, struct arena *arena,
                    const struct decide_form **ret_form, struct err *err)
{
    struct decide_form *f = arena_new(arena, struct decide_form);
    struct form_field *fields = arena_array(arena, struct form_field, spec->n_open);
    struct found *found = arena_array(arena, struct found, spec->n_open);

    if (!f || !fields || !found)
        return arena_fail(arena, err, "what may be written");
    enum rc rc = read_copies(spec, input, arena, &f->copies, err);
    /* Each token that is tried is looked for in it. */
    if (rc == RC_OK && f->copies.text.len > DECIDE_SHOWN_BYTES_MAX)
        return err_set(err, RC_LIMIT, "%zu bytes of input to copy from, at most %d",
                       f->copies.text.len, DECIDE_SHOWN_BYTES_MAX);
    for (size_t i = 0; i < spec->n_open && rc == RC_OK; i++)
        rc = fill_field(&spec->open[i], f->copies.text, arena, &found[i], &fields[i], err);
    if (rc)
        return rc;
    f->form = (struct form){ spec->n_open, fields, &f->copies };
    f->found = found;
    *ret_form = f;
    return RC_OK;
}

static const char *kind_name(enum spec_open_kind kind)
{
    switch (kind) {
    case SPEC_OPEN_NUMBER: return "number";
    case SPEC_OPEN_DATE: return "date";
    case SPEC_OPEN_SPAN: return "words";
    case SPEC_OPEN_CHOICE: return "label";
    case SPEC_OPEN_TEXT: return "text";
    }
    assert_fail("kind is an enum spec_open_kind", __FILE__, __LINE__);
}

enum rc decide_lacks(const struct spec *spec, const struct decide_form *form, struct arena *arena,
                     struct decide_result *result, struct err *err)
{
    CLEANUP(buf_releasep) struct buf why = { 0 };

    for (size_t i = 0; i < spec->n_open; i++) {
        const struct spec_open *field = &spec->open[i];

        if (field->optional || !form_lacks(&form->form, i))
            continue;
        buf_init(&why, DECIDE_SHOWN_BYTES_MAX);
        buf_printf(&why, "the input has no %s for '%.*s'", kind_name(field->kind),
                   STR_ARG(field->name));
        result->verdict = DECIDE_NOTHING_TO_COPY;
        return decide_copy_reason(&why, arena, result, err);
    }
    return RC_OK;
}

/* ---- what is written ---- */

static struct str word_around(struct str text, size_t at)
{
    size_t begin = at, end = at;

    while (begin > 0 && text.at[begin - 1] != ' ')
        begin--;
    while (end < text.len && text.at[end] != ' ')
        end++;
    return (struct str){ text.at + begin, end - begin };
}

/* Says in *why what is wrong with a text; nothing when it is fit. */
static void judge_text(const struct spec_open *field, const struct decide_form *form,
                       struct str text, struct buf *why)
{
    size_t length = utf8_valid(text) ? utf8_count(text) : 0, at;

    if (length < field->schema->min_length || length > field->schema->max_length)
        buf_printf(why, "'%.*s' has %zu characters, expected %zu to %zu", STR_ARG(field->name),
                   length, field->schema->min_length, field->schema->max_length);
    else if (!copies_check(&form->copies, text, &at))
        buf_printf(why, "'%.*s' has '%.*s', which its input has not like that",
                   STR_ARG(field->name), STR_ARG(word_around(text, at)));
}

/* The value of one field, or in *why what is wrong with what is written there. */
static struct feel_value read_value(const struct spec_open *field, const struct decide_form *form,
                                    size_t at, struct str text, struct buf *why)
{
    const struct found *found = &form->found[at];

    if (!text.at && field->optional)
        return (struct feel_value){ .kind = FEEL_NULL };
    if (field->kind == SPEC_OPEN_TEXT) {
        judge_text(field, form, text, why);
        return feel_string(text);
    }
    if (!text.at || !form_takes(&form->form, at, text)) {
        buf_printf(why, "'%.*s' is '%.*s', which is no %s of its input", STR_ARG(field->name),
                   STR_ARG(text), kind_name(field->kind));
        return (struct feel_value){ .kind = FEEL_NULL };
    }
    for (size_t i = 0; i < found->n; i++)
        if (str_equal(found->texts[i], text))
            return found->values[i];
    return feel_string(text);
}

enum rc decide_texts(const struct decider *decider, const struct decide_row *asked,
                     struct decide_state *state, struct arena *arena, struct decide_result *result,
                     struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    CLEANUP(buf_releasep) struct buf why = { 0 };

    if (!spec_writes(spec))
        return RC_OK;
    if (!asked->texts)
        return err_set(err, RC_STATE, "nothing was written into '%.*s'",
                       STR_ARG(spec->open[0].name));
    enum rc rc = state->form ? RC_OK : decide_form(spec, asked->input, arena, &state->form, err);
    struct feel_value *values = arena_array(arena, struct feel_value, spec->n_open);
    if (rc || !values)
        return rc ? rc : arena_fail(arena, err, "what is written");
    buf_init(&why, DECIDE_SHOWN_BYTES_MAX);
    result->texts = asked->texts;
    result->values = values;
    for (size_t i = 0; i < spec->n_open; i++) {
        values[i] = read_value(&spec->open[i], state->form, i, asked->texts[i], &why);
        rc = buf_rc(&why, "what is wrong with what is written", err);
        if (rc)
            return rc;
        if (why.len > 0) {
            result->verdict = DECIDE_TEXT_REFUSED;
            return decide_copy_reason(&why, arena, result, err);
        }
        decide_scope_add(&state->scope, spec->open[i].name, values[i]);
    }
    return RC_OK;
}

/* ---- what should be written ---- */

/* Blanks made one, none at the ends: as the sources are (copies.h). */
static enum rc make_blanks_one(struct str text, struct arena *arena, struct str *ret_text,
                               struct err *err)
{
    char *kept = arena_array(arena, char, text.len + 1);
    size_t n = 0;

    if (!kept)
        return arena_fail(arena, err, "what should be written");
    for (size_t i = 0; i < text.len; i++) {
        bool is_blank = (unsigned char)text.at[i] <= ' ';

        if (!is_blank || (n > 0 && kept[n - 1] != ' '))
            kept[n++] = is_blank ? ' ' : text.at[i];
    }
    n -= n > 0 && kept[n - 1] == ' ';
    *ret_text = (struct str){ kept, n };
    return RC_OK;
}

/* Is `one` the text with its blanks made one? */
static bool is_but_for_blanks(struct str one, struct str text)
{
    bool pending = false;
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.at[i] <= ' ') {
            pending = n > 0;
            continue;
        }
        if (pending && (n == one.len || one.at[n++] != ' '))
            return false;
        if (n == one.len || one.at[n++] != text.at[i])
            return false;
        pending = false;
    }
    return n == one.len;
}

bool decide_agrees(const struct spec_open *field, const struct feel_value *answer, struct str value)
{
    struct feel_value parsed;
    struct decimal number;

    if (!value.at || answer->kind == FEEL_NULL)
        return !value.at && answer->kind == FEEL_NULL;
    switch (field->kind) {
    case SPEC_OPEN_NUMBER:
        return decimal_parse(value, &number) && decimal_compare(number, answer->number) == 0;
    case SPEC_OPEN_DATE:
        return feel_parse_temporal(value, &parsed) && feel_equal(answer, &parsed) == FEEL_TRUE;
    case SPEC_OPEN_SPAN: return is_but_for_blanks(answer->string, value);
    case SPEC_OPEN_CHOICE:
    case SPEC_OPEN_TEXT: return str_equal(answer->string, value);
    }
    assert_fail("kind is an enum spec_open_kind", __FILE__, __LINE__);
}

/* As it stands in the input. */
static enum rc find_written(const struct spec_open *field, const struct decide_form *form,
                            size_t at, struct str value, struct arena *arena,
                            struct str *ret_written, struct err *err)
{
    const struct found *found = &form->found[at];
    enum rc rc = RC_OK;

    *ret_written = value;
    if (field->kind == SPEC_OPEN_TEXT || (!value.at && field->optional))
        return RC_OK;
    if (field->kind == SPEC_OPEN_SPAN)
        rc = make_blanks_one(value, arena, ret_written, err);
    for (size_t i = 0; i < found->n; i++)
        if (decide_agrees(field, &found->values[i], value)) {
            *ret_written = found->texts[i];
            return RC_OK;
        }
    if (rc == RC_OK && (!value.at || !form_takes(&form->form, at, *ret_written)))
        return err_set(err, RC_NOT_FOUND, "the input has no '%.*s' for '%.*s'", STR_ARG(value),
                       STR_ARG(field->name));
    return rc;
}

static enum rc append_draft(const struct spec *spec, const struct json *input,
                            const struct str *values, struct arena *scratch, struct buf *text,
                            struct err *err)
{
    const struct decide_form *form;
    enum rc rc = decide_form(spec, input, scratch, &form, err);

    for (size_t i = 0; i < spec->n_open && rc == RC_OK; i++) {
        struct str written;

        rc = find_written(&spec->open[i], form, i, values[i], scratch, &written, err);
        if (rc == RC_OK && !spec_is_text(spec))
            buf_printf(text, "%s%.*s:%s", i ? "\n" : "", STR_ARG(spec->open[i].name),
                       written.at ? " " : "");
        if (rc == RC_OK)
            buf_append_str(text, written);
    }
    return rc ? rc : buf_rc(text, "what should be written", err);
}

enum rc decide_draft(const struct decider *decider, const struct json *input,
                     const struct str *values, struct arena *arena, struct str *ret_text,
                     struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct arena scratch;

    buf_init(&text, DECIDE_SHOWN_BYTES_MAX);
    arena_init(&scratch, DECIDE_ROW_BYTES_MAX);
    enum rc rc = append_draft(decider->parts.spec, input, values, &scratch, &text, err);
    arena_release(&scratch);
    if (rc)
        return rc;
    char *kept = arena_strndup(arena, text.at ? text.at : "", text.len);
    *ret_text = (struct str){ kept, text.len };
    return kept ? RC_OK : arena_fail(arena, err, "what should be written");
}
