/* decide_text.c - open fields: what was written, held against the input before any rule sees it. */
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

static struct str word_around(struct str text, size_t at)
{
    size_t begin = at, end = at;

    while (begin > 0 && text.at[begin - 1] != ' ')
        begin--;
    while (end < text.len && text.at[end] != ' ')
        end++;
    return (struct str){ text.at + begin, end - begin };
}

enum rc decide_copies(const struct spec_open *field, const struct json *input, struct arena *arena,
                      struct copies *ret_copies, struct err *err)
{
    size_t n = 0;

    add_sources(input, NULL, &n);
    struct str *sources = arena_array(arena, struct str, n);
    if (!sources)
        return arena_fail(arena, err, "sources of a text");
    n = 0;
    add_sources(input, sources, &n);
    return copies_new(sources, n, field->schema->own_words, field->schema->n_own_words, arena,
                      ret_copies, err);
}

/* Says in *why what is wrong with a text; nothing when it is fit. */
static enum rc judge_text(const struct spec_open *field, struct str text, const struct json *input,
                          struct arena *arena, struct buf *why, struct err *err)
{
    size_t length = utf8_valid(text) ? utf8_count(text) : 0, at;
    struct copies copies;

    if (length < field->schema->min_length || length > field->schema->max_length)
        buf_printf(why, "'%.*s' has %zu characters, expected %zu to %zu", STR_ARG(field->name),
                   length, field->schema->min_length, field->schema->max_length);
    enum rc rc = decide_copies(field, input, arena, &copies, err);
    if (rc == RC_OK && why->len == 0 && !copies_check(&copies, text, &at))
        buf_printf(why, "'%.*s' has '%.*s', which its input has not like that",
                   STR_ARG(field->name), STR_ARG(word_around(text, at)));
    return rc ? rc : buf_rc(why, "what is wrong with a text", err);
}

enum rc decide_texts(const struct decider *decider, const struct decide_row *asked,
                     struct decide_scope *scope, struct arena *arena, struct decide_result *result,
                     struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    CLEANUP(buf_releasep) struct buf why = { 0 };

    if (spec->n_open > 0 && !asked->texts)
        return err_set(err, RC_STATE, "nothing was written into '%.*s'",
                       STR_ARG(spec->open[0].name));
    buf_init(&why, DECIDE_SHOWN_BYTES_MAX);
    result->texts = asked->texts;
    for (size_t i = 0; i < spec->n_open; i++) {
        enum rc rc = judge_text(&spec->open[i], asked->texts[i], asked->input, arena, &why, err);

        if (rc)
            return rc;
        if (why.len > 0) {
            result->verdict = DECIDE_TEXT_REFUSED;
            return decide_copy_reason(&why, arena, result, err);
        }
        decide_scope_add(scope, spec->open[i].name, feel_string(asked->texts[i]));
    }
    return RC_OK;
}
