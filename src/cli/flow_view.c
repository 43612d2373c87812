#include "cli/flow_view.h"

#include "cli/answer_view.h"
#include "cli/version_view.h"

#include <inttypes.h>

static int64_t integer(const struct json *v, const char *key)
{
    int64_t value = 0;
    const struct json *member = json_find(v, key);

    return member && json_to_i64(member, &value) ? value : 0;
}

/* "name: value, name: value" of an object on one line. */
static void append_fields(struct buf *out, const struct json *object)
{
    if (!object || object->type != JSON_OBJECT) {
        buf_append_text(out, "-");
        return;
    }
    for (size_t i = 0; i < object->n; i++) {
        buf_printf(out, "%s%.*s: ", i ? ", " : "", STR_ARG(object->members[i].key));
        answer_view_append_value(out, &object->members[i].value);
    }
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

static void append_bars(const struct view *v, size_t at, int64_t depth)
{
    for (int64_t d = 0; d < depth; d++)
        buf_append_text(v->out, goes_on(v, at, d) ? "|   " : "    ");
}

static void append_line(const struct view *v, size_t at, const char *label)
{
    int64_t depth = integer(&v->steps->items[at], "depth");

    append_bars(v, at, depth + 1);
    buf_printf(v->out, "%s  ", label);
}

static void append_decision(const struct view *v, size_t at, struct str slm, struct str id)
{
    const struct json *decision = v->decision(v->context, slm, id);

    append_line(v, at, "in ");
    if (decision)
        append_fields(v->out, json_find(decision, "input"));
    else
        buf_append_text(v->out, "(not yours to see)");
    buf_append_char(v->out, '\n');
    if (!decision)
        return;
    append_line(v, at, "out");
    append_fields(v->out, json_find(json_find(decision, "answer"), "output"));
    buf_append_char(v->out, '\n');
}

static void append_attempt(const struct view *v, size_t at, const struct json *attempt)
{
    const struct json *step = &v->steps->items[at];
    const struct json *answer = json_find(attempt, "answer"), *error = json_find(attempt, "error");
    struct str id = version_view_text(answer ? answer : error, "decision");

    if (error) {
        append_line(v, at, "err");
        buf_printf(v->out, "attempt %" PRId64 ": %.*s: ", integer(attempt, "attempt"),
                   STR_ARG(version_view_text(error, "type")));
        answer_view_append_value(v->out, json_find(error, "detail"));
        buf_append_char(v->out, '\n');
    }
    if (id.len > 0)
        append_decision(v, at, version_view_text(step, "slm"), id);
    if (!answer && !error) {
        append_line(v, at, "...");
        buf_append_text(v->out, "under way\n");
    }
}

static void append_step(const struct view *v, size_t at)
{
    const struct json *step = &v->steps->items[at], *attempts = json_find(step, "attempts");
    int64_t depth = integer(step, "depth"), visit = integer(step, "visit");
    struct str slm = version_view_text(step, "slm");

    append_bars(v, at, depth);
    buf_printf(v->out, "%s%.*s", goes_on(v, at, depth) ? "|-- " : "`-- ",
               STR_ARG(version_view_text(step, "step")));
    if (json_find(step, "index"))
        buf_printf(v->out, "[%" PRId64 "]", integer(step, "index"));
    else if (visit > 1)
        buf_printf(v->out, " (visit %" PRId64 ")", visit);
    buf_append_text(v->out, "  ");
    buf_append_str(v->out, slm.len ? slm : version_view_text(step, "kind"));
    buf_append_char(v->out, '\n');
    for (size_t i = 0; slm.len && attempts && i < attempts->n; i++)
        append_attempt(v, at, &attempts->items[i]);
}

static void append_head(struct buf *out, const struct json *run)
{
    const struct json *overdue = json_find(run, "overdue");
    struct str due = version_view_text(run, "due_at");

    buf_printf(out, "%.*s  %.*s  %.*s", STR_ARG(version_view_text(run, "id")),
               STR_ARG(version_view_text(run, "flow")), STR_ARG(version_view_text(run, "status")));
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
    if (output) {
        buf_append_text(out, "output  ");
        append_fields(out, output);
        buf_append_char(out, '\n');
    }
    if (error) {
        buf_append_text(out, "error   ");
        append_fields(out, error);
        buf_append_char(out, '\n');
    }
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
