/* coordinator_view.c - a run as JSON: what it is, and the trace of its steps. The journal is played
 * once more to see which steps the run was at. */
#include "serve/coordinator_internal.h"

#include <inttypes.h>

static void put_time(struct json_writer *w, const char *name, int64_t at_ms)
{
    char text[CLOCK_TEXT_LEN + 1];

    json_key(w, name);
    if (at_ms == 0) {
        json_null(w);
        return;
    }
    clock_format(at_ms, text);
    json_text(w, text);
}

void coordinator_append_row(struct json_writer *w, const struct run_row *row, int64_t now_ms)
{
    json_key(w, "id");
    json_text(w, row->id);
    json_key(w, "flow");
    json_text(w, row->flow);
    json_key(w, "status");
    json_text(w, run_status_name(row->status));
    json_key(w, "principal");
    json_text(w, row->principal);
    put_time(w, "created_at", row->created_ms);
    put_time(w, "ended_at", row->ended_ms);
    put_time(w, "due_at", row->due_ms);
    json_key(w, "overdue");
    json_bool(w, row->due_ms > 0 && (row->ended_ms ? row->ended_ms : now_ms) > row->due_ms);
}

/* "call", "switch", ... */
static const char *kind_name(enum spec_step_kind kind)
{
    switch (kind) {
    case SPEC_CALL: return "call";
    case SPEC_SWITCH: return "switch";
    case SPEC_SET: return "set";
    case SPEC_FOR: return "for";
    case SPEC_TRY: return "try";
    case SPEC_WAIT: return "wait";
    case SPEC_RAISE: return "raise";
    }
    assert_fail("kind is an enum spec_step_kind", __FILE__, __LINE__);
}

static int64_t depth_of(const struct spec_flow *flow, const struct spec_step *step)
{
    int64_t depth = 0;

    for (; step->parent != SPEC_FLOW_INDEX_NONE; step = flow->steps[step->parent])
        depth++;
    return depth;
}

struct history {
    struct run_event *events;
    size_t n;
};

/* The attempt's result, which follows its beginning; NULL: none yet. */
static const struct run_event *result_of(const struct history *h, size_t begun)
{
    const struct run_event *b = &h->events[begun];

    for (size_t i = begun + 1; i < h->n; i++) {
        const struct run_event *e = &h->events[i];

        if ((e->kind == RUN_EVENT_DONE || e->kind == RUN_EVENT_FAILED) && e->step == b->step &&
            e->visit == b->visit && e->attempt == b->attempt)
            return e;
    }
    return NULL;
}

static void append_attempt(struct json_writer *w, const struct run_event *begun,
                           const struct run_event *result)
{
    json_begin_object(w);
    json_key(w, "attempt");
    json_i64(w, begun->attempt);
    put_time(w, "begun_at", begun->at_ms);
    put_time(w, "ended_at", result ? result->at_ms : 0);
    json_key(w, "result");
    json_text(w, result ? run_event_name(result->kind) : NULL);
    if (result && result->body.len > 0) {
        json_key(w, result->kind == RUN_EVENT_DONE ? "answer" : "error");
        json_raw(w, result->body);
    }
    json_end_object(w);
}

static void append_attempts(struct json_writer *w, const struct history *h,
                            const struct run_visit *visit)
{
    json_key(w, "attempts");
    json_begin_array(w);
    for (size_t i = 0; i < h->n; i++) {
        const struct run_event *e = &h->events[i];

        if (e->kind == RUN_EVENT_BEGUN && e->step == visit->step && e->visit == visit->number)
            append_attempt(w, e, result_of(h, i));
    }
    json_end_array(w);
}

static void append_visit(struct json_writer *w, const struct spec_flow *flow,
                         const struct history *h, const struct run_visit *visit)
{
    const struct spec_step *step = flow->steps[visit->step];

    json_begin_object(w);
    json_key(w, "step");
    json_string(w, step->name.text);
    json_key(w, "kind");
    json_text(w, kind_name(step->kind));
    json_key(w, "visit");
    json_i64(w, visit->number);
    json_key(w, "depth");
    json_i64(w, depth_of(flow, step));
    if (visit->index >= 0) {
        json_key(w, "index");
        json_i64(w, visit->index);
    }
    put_time(w, "at", visit->at_ms);
    if (step->kind == SPEC_CALL) {
        json_key(w, "slm");
        json_string(w, step->with.slm.text);
    }
    if (step->kind == SPEC_CALL || step->kind == SPEC_WAIT)
        append_attempts(w, h, visit);
    json_end_object(w);
}

/* The members of the ended event behind its status: output, error. */
static enum rc append_end(struct json_writer *w, const struct run *run, struct arena *arena,
                          struct err *err)
{
    struct json *end;

    if (!run_has_ended(run))
        return RC_OK;
    enum rc rc = json_parse(run_end(run), JSON_DUPLICATES_REFUSED, arena, &end, err);
    for (size_t i = 0; !rc && i < end->n; i++) {
        if (str_is(end->members[i].key, "status"))
            continue;
        json_key_str(w, end->members[i].key);
        json_value(w, &end->members[i].value);
    }
    return rc;
}

static enum rc append_played(struct coordinator *c, const struct run_row *row, struct run *run,
                             const struct history *h, struct arena *arena, struct buf *out,
                             struct err *err)
{
    const struct run_visit *visits;
    struct json_writer w;
    enum rc rc = RC_OK;
    size_t n;

    for (size_t i = 0; !rc && i < h->n; i++)
        rc = run_apply(run, &h->events[i], err);
    if (rc)
        return rc;
    json_writer_init(&w, out);
    json_begin_object(&w);
    coordinator_append_row(&w, row, coordinator_now_ms(c));
    json_key(&w, "definition");
    json_text(&w, row->definition.hex);
    rc = append_end(&w, run, arena, err);
    if (rc)
        return rc;
    json_key(&w, "steps");
    json_begin_array(&w);
    visits = run_visits(run, &n);
    for (size_t i = 0; i < n; i++)
        append_visit(&w, run_flow(run), h, &visits[i]);
    json_end_array(&w);
    json_end_object(&w);
    return buf_rc(out, "run", err);
}

enum rc coordinator_append_run(struct coordinator *c, const struct run_row *row,
                               struct arena *arena, struct buf *out, struct err *err)
{
    struct coordinator_definition *definition;
    CLEANUP(run_freep) struct run *run = NULL;
    struct history history;
    enum rc rc = coordinator_load_definition(c, &row->definition, &definition, err);

    if (!rc)
        rc = run_journal_events(c->journal, row->id, 0, arena, &history.events, &history.n, err);
    if (!rc)
        rc = run_new(definition->flow, row->id, &run, err);
    return rc ? rc : append_played(c, row, run, &history, arena, out, err);
}

void coordinator_append_event(struct buf *out, int64_t number, const struct run_event *event,
                              const struct spec_flow *flow)
{
    bool of_step = event->kind == RUN_EVENT_BEGUN || event->kind == RUN_EVENT_DONE ||
                   event->kind == RUN_EVENT_FAILED;
    struct json_writer w;

    buf_printf(out, "id: %" PRId64 "\nevent: %s\ndata: ", number, run_event_name(event->kind));
    json_writer_init(&w, out);
    json_begin_object(&w);
    put_time(&w, "at", event->at_ms);
    if (of_step && event->step < flow->n_steps) {
        json_key(&w, "step");
        json_string(&w, flow->steps[event->step]->name.text);
        json_key(&w, "visit");
        json_i64(&w, event->visit);
        json_key(&w, "attempt");
        json_i64(&w, event->attempt);
    }
    if (event->body.len > 0) {
        json_key(&w, "body");
        json_raw(&w, event->body);
    }
    json_end_object(&w);
    buf_append_text(out, "\n\n");
}
