#include "orchestrate/run.h"

#include "base/mem.h"
#include "orchestrate/run_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const char *run_status_name(enum run_status status)
{
    switch (status) {
    case RUN_RUNNING: return "running";
    case RUN_SUCCEEDED: return "succeeded";
    case RUN_FAILED: return "failed";
    case RUN_STOPPED: return "stopped";
    case RUN_CANCELLED: return "cancelled";
    }
    assert_fail("status is an enum run_status", __FILE__, __LINE__);
}

const char *run_event_name(enum run_event_kind kind)
{
    switch (kind) {
    case RUN_EVENT_STARTED: return "started";
    case RUN_EVENT_BEGUN: return "begun";
    case RUN_EVENT_DONE: return "done";
    case RUN_EVENT_FAILED: return "failed";
    case RUN_EVENT_EXPIRED: return "expired";
    case RUN_EVENT_CANCELLED: return "cancelled";
    case RUN_EVENT_ENDED: return "ended";
    case RUN_EVENT_TOLD: return "told";
    }
    assert_fail("kind is an enum run_event_kind", __FILE__, __LINE__);
}

enum rc run_new(const struct spec_flow *flow, const char *id, struct run **ret_run, struct err *err)
{
    CLEANUP(run_freep) struct run *run = mem_alloc(sizeof(*run));

    if (!run)
        return err_set(err, RC_NOMEM, "run");
    ASSERT(*id && strlen(id) <= RUN_ID_MAX);
    run->flow = flow;
    snprintf(run->id, sizeof(run->id), "%s", id);
    run->steps = mem_array(flow->n_steps, sizeof(*run->steps));
    run->values = mem_array(flow->n_names, sizeof(*run->values));
    if (!run->steps || !run->values)
        return err_set(err, RC_NOMEM, "run");
    *ret_run = TAKE(run);
    return RC_OK;
}

void run_free(struct run *run)
{
    if (!run)
        return;
    for (size_t i = 0; run->steps && i < run->flow->n_steps; i++)
        run_drop(&run->steps[i].items);
    for (size_t i = 0; run->values && i < run->flow->n_names; i++)
        run_drop(&run->values[i]);
    run_drop(&run->end);
    mem_free(run->steps);
    mem_free(run->values);
    mem_free(run->visits);
    mem_free(run);
}

/* ---- events */

static enum rc parse_body(struct str body, struct arena *arena, struct json **ret_json,
                          struct err *err)
{
    arena_init(arena, RUN_WORK_BYTES_MAX);
    enum rc rc = json_parse(body, JSON_DUPLICATES_REFUSED, arena, ret_json, err);
    if (rc == RC_INVALID)
        return err_set(err, RC_CORRUPT, "run: the body of an event is no JSON");
    return rc;
}

static enum rc find_deadline(struct run *run, struct err *err)
{
    struct feel_value value;
    struct arena arena;

    if (!run->flow->deadline.feel)
        return RC_OK;
    arena_init(&arena, RUN_WORK_BYTES_MAX);
    enum rc rc = run_eval(run, run->flow->deadline.feel, &arena, &value, err);
    if (!rc && !run_to_ms(&value, &run->due_ms))
        rc = err_set(err, RC_INVALID, "'due' gives %s for this input, expected date and time",
                     feel_kind_name(value.kind));
    arena_release(&arena);
    return rc;
}

static enum rc start(struct run *run, const struct run_event *event, struct err *err)
{
    struct spec_target first = { SPEC_TO_STEP, 0 };

    if (event->body.len > RUN_BODY_MAX)
        return err_set(err, RC_INVALID, "the input has more than %d bytes", RUN_BODY_MAX);
    run->started_ms = run->last_ms = event->at_ms;
    enum rc rc = run_keep(run_value_of(run, STR("input")), event->body, 0, err);
    if (!rc)
        rc = find_deadline(run, err);
    return rc ? rc : run_go(run, first, err);
}

static void begin(struct run *run)
{
    const struct spec_step *step = run->flow->steps[run->at];
    struct run_step *state = &run->steps[run->at];

    if (state->tries == 0)
        state->asked_ms = run->last_ms;
    state->attempts++;
    state->tries++;
    run->phase = RUN_IS_BEGUN;
    if (step->kind == SPEC_WAIT)
        run->until_ms = run->last_ms + step->wait_ms;
}

static void pause_run(struct run *run, int64_t delay_ms)
{
    run->phase = RUN_IS_PAUSED;
    run->until_ms = run->last_ms + delay_ms;
}

/* A poll goes on until its condition holds. */
static enum rc go_on(struct run *run, const struct spec_step *step, struct err *err)
{
    struct run_step *state = &run->steps[step->index];
    enum feel_truth truth = FEEL_TRUE;
    struct err failure;

    state->rounds++;
    state->tries = 0;
    if (step->poll.condition.feel) {
        enum rc rc = run_test(run, step->poll.condition.feel, &truth, &failure);

        if (rc == RC_NOMEM) {
            *err = failure;
            return rc;
        }
        if (rc)
            return run_raise(run, step->index, STR("expression"), str_of(failure.message), err);
    }
    if (truth == FEEL_TRUE)
        return run_go(run, step->next, err);
    if (truth == FEEL_UNDETERMINED)
        return run_raise(run, step->index, STR("expression"),
                         STR("'until' is neither true nor false"), err);
    if (state->rounds >= step->poll.rounds)
        return run_raise(run, step->index, STR("timeout"), STR("the poll is out of rounds"), err);
    pause_run(run, step->poll.every_ms);
    return RC_OK;
}

static enum rc keep_answer(struct run *run, const struct spec_step *step, struct str body,
                           struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct json *json;
    uint64_t closed;
    enum rc rc = parse_body(body, &arena, &json, err);
    const struct json *output = rc ? NULL : json_find(json, "output");

    if (rc)
        return rc;
    if (!output || output->type != JSON_OBJECT)
        return err_set(err, RC_CORRUPT, "run: a result without output");
    buf_init(&text, RUN_BODY_MAX);
    json_append(&text, output);
    rc = buf_rc(&text, "an answer", err);
    if (!rc)
        rc = run_hash_closed(&step->interface->output, output, &closed, err);
    return rc ? rc : run_keep(run_value_of(run, step->name.text), buf_str(&text), closed, err);
}

static enum rc finish_attempt(struct run *run, const struct run_event *event, struct err *err)
{
    const struct spec_step *step = run->flow->steps[run->at];
    enum rc rc = RC_OK;

    if (step->kind == SPEC_CALL)
        rc = keep_answer(run, step, event->body, err);
    return rc ? rc : go_on(run, step, err);
}

/* Uniform in [0.5, 1), by the attempt. */
static double jitter(const struct run *run, const struct run_event *event)
{
    uint64_t hash = run_hash(RUN_HASH_START, run->id, strlen(run->id));

    hash = run_hash(hash, &event->step, sizeof(event->step));
    hash = run_hash(hash, &event->visit, sizeof(event->visit));
    hash = run_hash(hash, &event->attempt, sizeof(event->attempt));
    return 0.5 + (double)(hash >> 11) * 0x1p-54;
}

static int64_t retry_delay(const struct run *run, const struct spec_retry *retry,
                           const struct run_event *event)
{
    double factor = pow(retry->backoff, (double)run->steps[event->step].tries - 1);
    double delay = fmin((double)retry->delay_ms * factor, (double)retry->max_delay_ms);

    return (int64_t)(delay * jitter(run, event)) + 1;
}

static bool is_transient(struct str type)
{
    return str_is(type, "unavailable") || str_is(type, "timeout");
}

static enum rc fail_attempt(struct run *run, const struct run_event *event, struct err *err)
{
    const struct spec_step *step = run->flow->steps[run->at];
    CLEANUP(arena_release) struct arena arena;
    struct json *json;
    enum rc rc = parse_body(event->body, &arena, &json, err);
    const struct json *type = rc ? NULL : json_find(json, "type");
    const struct json *detail = rc ? NULL : json_find(json, "detail");

    if (rc)
        return rc;
    if (!type || type->type != JSON_STRING || !detail || detail->type != JSON_STRING)
        return err_set(err, RC_CORRUPT, "run: a failure without type and detail");
    if (is_transient(type->text) && run->steps[run->at].tries < step->retry.attempts) {
        pause_run(run, retry_delay(run, &step->retry, event));
        return RC_OK;
    }
    return run_raise(run, run->at, type->text, detail->text, err);
}

bool run_expects(const struct run *run, const struct run_event *event)
{
    const struct run_step *state = run->at < run->flow->n_steps ? &run->steps[run->at] : NULL;
    bool open =
        run->phase == RUN_IS_READY || run->phase == RUN_IS_BEGUN || run->phase == RUN_IS_PAUSED;
    bool here = open && event->step == run->at && event->visit == state->visits;

    switch (event->kind) {
    case RUN_EVENT_STARTED: return run->phase == RUN_IS_NEW;
    case RUN_EVENT_BEGUN:
        return here && run->phase != RUN_IS_BEGUN && event->attempt == state->attempts + 1;
    case RUN_EVENT_DONE:
        return here && run->phase == RUN_IS_BEGUN && event->attempt == state->attempts;
    case RUN_EVENT_FAILED:
        return here && run->phase == RUN_IS_BEGUN && event->attempt == state->attempts &&
               run->flow->steps[run->at]->kind == SPEC_CALL;
    case RUN_EVENT_EXPIRED:
    case RUN_EVENT_CANCELLED: return open;
    case RUN_EVENT_ENDED: return run->phase == RUN_IS_ENDING;
    case RUN_EVENT_TOLD: return run->phase == RUN_IS_ENDED && !run->told;
    }
    assert_fail("kind is an enum run_event_kind", __FILE__, __LINE__);
}

static enum rc apply(struct run *run, const struct run_event *event, struct err *err)
{
    switch (event->kind) {
    case RUN_EVENT_STARTED: return start(run, event, err);
    case RUN_EVENT_BEGUN: begin(run); return RC_OK;
    case RUN_EVENT_DONE: return finish_attempt(run, event, err);
    case RUN_EVENT_FAILED: return fail_attempt(run, event, err);
    case RUN_EVENT_EXPIRED:
        return run_stop(run, RUN_STOPPED, "budget", "more time than the budget has", err);
    case RUN_EVENT_CANCELLED: return run_stop(run, RUN_CANCELLED, "", "", err);
    case RUN_EVENT_ENDED: run->phase = RUN_IS_ENDED; return RC_OK;
    case RUN_EVENT_TOLD: run->told = true; return RC_OK;
    }
    assert_fail("kind is an enum run_event_kind", __FILE__, __LINE__);
}

enum rc run_apply(struct run *run, const struct run_event *event, struct err *err)
{
    if (!run_expects(run, event))
        return err_set(err, RC_CONFLICT, "run %s has gone on: '%s' is not what it waits for",
                       run->id, run_event_name(event->kind));
    run->last_ms = event->at_ms;
    run->n_events++;
    return apply(run, event, err);
}

/* ---- what to do */

static void record(const struct run *run, enum run_event_kind kind, int64_t now_ms,
                   struct run_action *action)
{
    const struct run_step *state = &run->steps[run->at];
    bool of_step = kind == RUN_EVENT_BEGUN || kind == RUN_EVENT_DONE;

    action->kind = RUN_RECORD;
    action->event = (struct run_event){ .kind = kind, .at_ms = now_ms };
    if (of_step) {
        action->event.step = run->at;
        action->event.visit = state->visits;
        action->event.attempt = state->attempts + (kind == RUN_EVENT_BEGUN);
    }
    if (kind == RUN_EVENT_ENDED)
        action->event.body = run_end(run);
}

/* A visit and a round are at most 10000 (spec/flow_table.c). */
_Static_assert(RUN_ID_MAX + SPEC_NAME_MAX + 3 + 2 * 5 <= RUN_KEY_MAX, "a call's key fits");

static void call(const struct run *run, struct run_action *action)
{
    const struct run_step *state = &run->steps[run->at];

    action->kind = RUN_CALL;
    action->step = run->flow->steps[run->at];
    action->visit = state->visits;
    action->attempt = state->attempts;
    snprintf(action->key, sizeof(action->key), "%s/%.*s/%" PRId64 "/%" PRId64, run->id,
             STR_ARG(action->step->name.text), state->visits, state->rounds + 1);
}

/* A step that is under way. */
static void next_of_step(const struct run *run, int64_t now_ms, struct run_action *action)
{
    bool is_call = run->flow->steps[run->at]->kind == SPEC_CALL;
    int64_t end_ms = run->started_ms + run->flow->budgets.time_ms;

    action->until_ms = end_ms;
    if (now_ms >= end_ms)
        record(run, RUN_EVENT_EXPIRED, now_ms, action);
    else if (run->phase == RUN_IS_READY)
        record(run, RUN_EVENT_BEGUN, now_ms, action);
    else if (run->phase == RUN_IS_BEGUN && is_call)
        call(run, action);
    else if (now_ms >= run->until_ms)
        record(run, run->phase == RUN_IS_PAUSED ? RUN_EVENT_BEGUN : RUN_EVENT_DONE, now_ms, action);
    else {
        action->kind = RUN_SLEEP;
        action->until_ms = run->until_ms < end_ms ? run->until_ms : end_ms;
    }
}

void run_next(const struct run *run, int64_t now_ms, struct run_action *ret_action)
{
    *ret_action = (struct run_action){ .kind = RUN_REST };
    switch (run->phase) {
    case RUN_IS_NEW: return;
    case RUN_IS_READY:
    case RUN_IS_BEGUN:
    case RUN_IS_PAUSED: next_of_step(run, now_ms, ret_action); return;
    case RUN_IS_ENDING: record(run, RUN_EVENT_ENDED, now_ms, ret_action); return;
    case RUN_IS_ENDED:
        if (run->flow->webhook.line > 0 && !run->told)
            ret_action->kind = RUN_TELL;
        return;
    }
}

/* ---- what crosses */

/* All attempts of a round have one key, so they ask the same: now() in the input is the time of the
 * first of them. */
enum rc run_append_input(const struct run *run, struct buf *out, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct run asking = *run;

    ASSERT(run->phase == RUN_IS_BEGUN && run->flow->steps[run->at]->kind == SPEC_CALL);
    arena_init(&arena, RUN_WORK_BYTES_MAX);
    asking.last_ms = run->steps[run->at].asked_ms;
    return run_append_given(&asking, &run->flow->steps[run->at]->input, &arena, out, err);
}

/* What the contract does not let cross is dropped, should the owner have sent it; so is a derived
 * field that is null. */
static void append_crossing(struct json_writer *w, const struct schema *schema,
                            const struct json *output)
{
    json_begin_object(w);
    for (size_t i = 0; i < output->n; i++) {
        if (!schema_find(schema, output->members[i].key) ||
            output->members[i].value.type == JSON_NULL)
            continue;
        json_key_str(w, output->members[i].key);
        json_value(w, &output->members[i].value);
    }
    json_end_object(w);
}

static enum rc check_output(const struct schema *schema, struct str output, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct problems problems;
    struct json *json;

    arena_init(&arena, RUN_WORK_BYTES_MAX);
    problem_init(&problems, &arena);
    enum rc rc = json_parse(output, JSON_DUPLICATES_REFUSED, &arena, &json, err);
    if (!rc)
        rc = schema_validate(schema, json, "output", &problems, err);
    if (!rc && problems.n_errors)
        rc = err_set(err, RC_INVALID, "the answer breaks its contract: %.150s",
                     problems.items[0].message);
    return rc;
}

enum rc run_append_result(const struct run *run, const struct json *output, struct str decision,
                          struct str version, struct buf *out, struct err *err)
{
    const struct schema *schema = &run->flow->steps[run->at]->interface->output;
    CLEANUP(buf_releasep) struct buf crossing = { 0 };
    struct json_writer w;

    if (output->type != JSON_OBJECT)
        return err_set(err, RC_INVALID, "the answer has no output");
    buf_init(&crossing, RUN_BODY_MAX / 2);
    json_writer_init(&w, &crossing);
    append_crossing(&w, schema, output);
    enum rc rc = buf_rc(&crossing, "an answer", err);
    if (!rc)
        rc = check_output(schema, buf_str(&crossing), err);
    if (rc)
        return rc;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "output");
    json_raw(&w, buf_str(&crossing));
    json_key(&w, "decision");
    json_string(&w, decision);
    json_key(&w, "version");
    json_string(&w, version);
    json_end_object(&w);
    return buf_rc(out, "an answer", err);
}

void run_append_failure(struct buf *out, const char *type, struct str detail, struct str decision)
{
    struct json_writer w;

    if (detail.len > RUN_DETAIL_MAX)
        detail.len = RUN_DETAIL_MAX;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "type");
    json_text(&w, type);
    json_key(&w, "detail");
    json_string(&w, detail);
    if (decision.at) {
        json_key(&w, "decision");
        json_string(&w, decision);
    }
    json_end_object(&w);
}

/* ---- what is known */

enum run_status run_status(const struct run *run)
{
    return run->status;
}

bool run_has_ended(const struct run *run)
{
    return run->phase == RUN_IS_ENDED;
}

bool run_is_told(const struct run *run)
{
    return run->told;
}

const char *run_id(const struct run *run)
{
    return run->id;
}

const struct spec_flow *run_flow(const struct run *run)
{
    return run->flow;
}

int64_t run_due_ms(const struct run *run)
{
    return run->due_ms;
}

int64_t run_n_events(const struct run *run)
{
    return run->n_events;
}

int64_t run_hops_left(const struct run *run)
{
    return run->flow->budgets.hops - run->n_hops;
}

int64_t run_time_left_ms(const struct run *run, int64_t now_ms)
{
    return run->started_ms + run->flow->budgets.time_ms - now_ms;
}

struct str run_end(const struct run *run)
{
    return (struct str){ run->end.at, run->end.len };
}

const struct run_visit *run_visits(const struct run *run, size_t *ret_n)
{
    *ret_n = run->n_visits;
    return run->visits;
}

size_t run_bytes(const struct run *run)
{
    size_t bytes = sizeof(*run) + run->end.len + run->visits_capacity * sizeof(*run->visits) +
                   run->flow->n_steps * sizeof(*run->steps) +
                   run->flow->n_names * sizeof(*run->values);

    for (size_t i = 0; i < run->flow->n_names; i++)
        bytes += run->values[i].len;
    for (size_t i = 0; i < run->flow->n_steps; i++)
        bytes += run->steps[i].items.len;
    return bytes;
}
