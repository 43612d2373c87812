#include "cli/flow_view.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "cli/answer_view.h"
#include "cli/version_view.h"

#include <inttypes.h>

enum {
    LINE_WIDTH = 100,
    BAR_WIDTH = 3,
    MARK_WIDTH = 2,
    NAME_WIDTH_MAX = 18,
    VALUE_BYTES_MAX = 1 << 20,
};

#define NO_STEP SIZE_MAX

static int64_t integer(const struct json *v, const char *key)
{
    int64_t value = 0;
    const struct json *member = json_find(v, key);

    return member && json_to_i64(member, &value) ? value : 0;
}

struct view {
    struct buf *out;
    const struct json *steps;
    flow_view_decision_fn *decision;
    void *context;
};

/* Is a later step a sibling at this depth, before the tree goes back above it? */
static bool goes_on(const struct view *v, size_t from, int64_t depth)
{
    for (size_t i = from + 1; i < v->steps->n; i++) {
        int64_t other = integer(&v->steps->items[i], "depth");

        if (other < depth)
            return false;
        if (other == depth)
            return true;
    }
    return false;
}

static void pad(struct buf *out, size_t n)
{
    for (size_t i = 0; i < n && !out->failed; i++)
        buf_append_char(out, ' ');
}

/* Begins a line of what belongs to the step at `at` (NO_STEP: to the run): the bars of the tree,
 * then blanks up to the column. */
static void begin_line(const struct view *v, size_t at, size_t column)
{
    int64_t depth = at == NO_STEP ? 0 : integer(&v->steps->items[at], "depth") + 1;

    for (int64_t d = 0; d < depth; d++)
        buf_append_text(v->out, goes_on(v, at, d) ? "│  " : "   ");
    pad(v->out, column - BAR_WIDTH * (size_t)depth);
}

/* ---- values, wrapped */

/* One value as running text, without its empty parts. */
static void append_value(struct buf *out, const struct json *v)
{
    bool is_object = v->type == JSON_OBJECT;

    if (!is_object && v->type != JSON_ARRAY) {
        answer_view_append_value(out, v);
        return;
    }
    for (size_t i = 0; i < v->n; i++) {
        buf_append_text(out, i ? ", " : "");
        if (is_object)
            buf_printf(out, "%.*s ", STR_ARG(v->members[i].key));
        append_value(out, is_object ? &v->members[i].value : &v->items[i]);
    }
    if (v->n == 0)
        buf_append_text(out, "none");
}

/* Takes the next word of an escaped text. *ret_breaks: the text has a new line before it. */
static struct str take_word(struct str *rest, bool *ret_breaks)
{
    struct str word;

    *ret_breaks = false;
    while (str_starts_with(*rest, " ") || str_starts_with(*rest, "\\n")) {
        size_t skip = rest->at[0] == ' ' ? 1 : 2;

        *ret_breaks |= skip == 2;
        *rest = (struct str){ rest->at + skip, rest->len - skip };
    }
    word = (struct str){ rest->at, 0 };
    while (rest->len > 0 && rest->at[0] != ' ' && !str_starts_with(*rest, "\\n")) {
        size_t skip = rest->at[0] == '\\' && rest->len > 1 ? 2 : 1;

        *rest = (struct str){ rest->at + skip, rest->len - skip };
        word.len += skip;
    }
    return word;
}

static void append_word(struct buf *out, struct str word)
{
    for (size_t i = 0; i < word.len; i++)
        if (word.at[i] != '\\' || i + 1 == word.len || word.at[i + 1] != '"')
            buf_append_char(out, word.at[i]);
}

/* The text from this column on; the line has got there. */
static void append_wrapped(const struct view *v, size_t at, size_t column, struct str text)
{
    size_t used = column;
    bool breaks;

    for (;;) {
        struct str word = take_word(&text, &breaks);
        size_t width = utf8_count(word);

        if (word.len == 0)
            break;
        if (used > column && (breaks || used + 1 + width > LINE_WIDTH)) {
            buf_append_char(v->out, '\n');
            begin_line(v, at, column);
            used = column;
        } else if (used > column) {
            buf_append_char(v->out, ' ');
            used++;
        }
        append_word(v->out, word);
        used += width;
    }
    buf_append_char(v->out, '\n');
}

static bool is_empty(const struct json *v)
{
    return v->type == JSON_NULL || (v->type == JSON_STRING && v->text.len == 0);
}

static size_t name_width(const struct json *object)
{
    size_t width = 0;

    for (size_t i = 0; i < object->n; i++) {
        size_t len = utf8_count(object->members[i].key);

        if (len > width && !is_empty(&object->members[i].value))
            width = len;
    }
    return width < NAME_WIDTH_MAX ? width : NAME_WIDTH_MAX;
}

/* A line or more per member that says something, the first one behind the mark. */
static void append_fields(const struct view *v, size_t at, size_t column, const char *mark,
                          const struct json *object)
{
    size_t width = name_width(object);

    for (size_t i = 0; i < object->n; i++) {
        const struct json_member *m = &object->members[i];
        struct buf text;

        if (is_empty(&m->value))
            continue;
        begin_line(v, at, column);
        buf_printf(v->out, "%s %.*s", mark, STR_ARG(m->key));
        mark = " ";
        if (m->value.type == JSON_OBJECT) {
            buf_append_char(v->out, '\n');
            append_fields(v, at, column + MARK_WIDTH, " ", &m->value);
            continue;
        }
        size_t len = utf8_count(m->key);
        pad(v->out, 2 + (len < width ? width - len : 0));
        buf_init(&text, VALUE_BYTES_MAX);
        append_value(&text, &m->value);
        append_wrapped(v, at, column + MARK_WIDTH + (len > width ? len : width) + 2,
                       buf_str(&text));
        buf_release(&text);
    }
}

/* ---- steps */

static void append_note(const struct view *v, size_t at, const char *mark, struct str text)
{
    size_t column = BAR_WIDTH * (size_t)(integer(&v->steps->items[at], "depth") + 1);

    begin_line(v, at, column);
    buf_printf(v->out, "%s ", mark);
    append_wrapped(v, at, column + MARK_WIDTH, text);
}

static void append_side(const struct view *v, size_t at, const char *mark, const struct json *side)
{
    size_t column = BAR_WIDTH * (size_t)(integer(&v->steps->items[at], "depth") + 1);

    if (side && side->type == JSON_OBJECT)
        append_fields(v, at, column, mark, side);
}

static void append_error(const struct view *v, size_t at, const struct json *attempt,
                         const struct json *decision)
{
    const struct json *error = json_find(attempt, "error"), *detail = json_find(error, "detail");
    struct str why =
        version_view_text(json_find(json_find(decision, "answer"), "abstained"), "text");
    struct buf text;

    buf_init(&text, VALUE_BYTES_MAX);
    if (integer(attempt, "attempt") > 1)
        buf_printf(&text, "attempt %" PRId64 ", ", integer(attempt, "attempt"));
    buf_append_str(&text, version_view_text(error, "type"));
    if (why.len > 0 || (detail && !is_empty(detail))) {
        buf_append_text(&text, ": ");
        if (why.len > 0)
            buf_append_str(&text, why);
        else
            append_value(&text, detail);
    }
    append_note(v, at, "✗", buf_str(&text));
    buf_release(&text);
}

/* Why a step is not shown, in its place. */
static void append_unseen(const struct view *v, size_t at, const struct err *why)
{
    struct buf text;

    buf_init(&text, VALUE_BYTES_MAX);
    buf_printf(&text, "(%s: %s)", why->code == RC_DENIED ? "not yours to see" : "not to be had",
               why->message);
    append_note(v, at, " ", buf_str(&text));
    buf_release(&text);
}

static void append_attempt(const struct view *v, size_t at, const struct json *attempt)
{
    const struct json *answer = json_find(attempt, "answer"), *error = json_find(attempt, "error");
    struct str id = version_view_text(answer ? answer : error, "decision");
    struct json *decision = NULL;
    struct err why;

    if (id.len > 0) {
        struct str slm = version_view_text(&v->steps->items[at], "slm");

        if (v->decision(v->context, slm, id, &decision, &why))
            append_unseen(v, at, &why);
        append_side(v, at, "←", json_find(decision, "input"));
        append_side(v, at, "→", json_find(json_find(decision, "answer"), "output"));
    }
    if (error)
        append_error(v, at, attempt, decision);
    if (!answer && !error)
        append_note(v, at, "…", STR("under way"));
}

/* "  26 ms  dec_..." of the attempt that ended the step. */
static void append_timing(const struct view *v, const struct json *attempts)
{
    const struct json *last = attempts && attempts->n ? &attempts->items[attempts->n - 1] : NULL;
    const struct json *answer = json_find(last, "answer");
    struct str id = version_view_text(answer ? answer : json_find(last, "error"), "decision");
    int64_t begun, ended;

    if (!clock_parse(version_view_text(last, "begun_at"), &begun) ||
        !clock_parse(version_view_text(last, "ended_at"), &ended))
        return;
    buf_printf(v->out, "  %" PRId64 " ms", ended - begun);
    if (id.len > 0)
        buf_printf(v->out, "  %.*s", STR_ARG(id));
}

static void append_step(const struct view *v, size_t at)
{
    const struct json *step = &v->steps->items[at], *attempts = json_find(step, "attempts");
    int64_t depth = integer(step, "depth"), visit = integer(step, "visit");
    struct str slm = version_view_text(step, "slm");

    for (int64_t d = 0; d < depth; d++)
        buf_append_text(v->out, goes_on(v, at, d) ? "│  " : "   ");
    buf_printf(v->out, "%s%.*s", goes_on(v, at, depth) ? "├─ " : "└─ ",
               STR_ARG(version_view_text(step, "step")));
    if (json_find(step, "index"))
        buf_printf(v->out, "[%" PRId64 "]", integer(step, "index"));
    else if (visit > 1)
        buf_printf(v->out, " (visit %" PRId64 ")", visit);
    buf_append_text(v->out, "  ");
    buf_append_str(v->out, slm.len ? slm : version_view_text(step, "kind"));
    append_timing(v, attempts);
    buf_append_char(v->out, '\n');
    for (size_t i = 0; slm.len && attempts && i < attempts->n; i++)
        append_attempt(v, at, &attempts->items[i]);
}

/* ---- runs */

static void append_head(struct buf *out, const struct json *run)
{
    const struct json *overdue = json_find(run, "overdue");
    struct str due = version_view_text(run, "due_at");
    int64_t begun, ended;

    buf_printf(out, "%.*s  %.*s  %.*s", STR_ARG(version_view_text(run, "id")),
               STR_ARG(version_view_text(run, "flow")), STR_ARG(version_view_text(run, "status")));
    if (clock_parse(version_view_text(run, "created_at"), &begun) &&
        clock_parse(version_view_text(run, "ended_at"), &ended))
        buf_printf(out, " in %" PRId64 ".%01" PRId64 " s", (ended - begun) / 1000,
                   (ended - begun) % 1000 / 100);
    if (due.len)
        buf_printf(out, "  due %.*s%s", STR_ARG(due),
                   overdue && overdue->boolean ? " (overdue)" : "");
    buf_append_char(out, '\n');
}

void flow_view_append_run(struct buf *out, const struct json *run, flow_view_decision_fn *decision,
                          void *context)
{
    static const struct json none = { .type = JSON_ARRAY };
    const struct json *output = json_find(run, "output"), *error = json_find(run, "error");
    const struct json *steps = json_find(run, "steps");
    struct view view = { out, steps ? steps : &none, decision, context };

    append_head(out, run);
    for (size_t i = 0; i < view.steps->n; i++)
        append_step(&view, i);
    if (output && output->type == JSON_OBJECT)
        append_fields(&view, NO_STEP, 0, "=", output);
    if (error && error->type == JSON_OBJECT)
        append_fields(&view, NO_STEP, 0, "✗", error);
}

void flow_view_append_list(struct buf *out, const struct json *answer)
{
    const struct json *runs = json_find(answer, "runs");

    for (size_t i = 0; runs && runs->type == JSON_ARRAY && i < runs->n; i++) {
        const struct json *run = &runs->items[i];

        buf_printf(out, "%.*s  ", STR_ARG(version_view_text(run, "created_at")));
        append_head(out, run);
    }
    if (!runs || runs->n == 0)
        buf_append_text(out, "no runs");
}
