/*
 * run_case.h - two SLMs, flows over them, and a world that answers their calls.
 *
 * A case is driven without journal or clock: what run_next() wants recorded is applied, a call is
 * answered by the case's function, a sleep moves the time.
 */
#ifndef TESTS_ORCHESTRATE_RUN_CASE_H
#define TESTS_ORCHESTRATE_RUN_CASE_H

#include "tests/support/data.h"

#include "orchestrate/run.h"

static const char case_slm_a[] =
    "slm: a\n"
    "input: {type: object, properties: {text: {type: string}, n: {type: number}}}\n"
    "output:\n"
    "  type: object\n"
    "  properties: {kind: {enum: [x, y, z]}, level: {type: integer, minimum: 0, maximum: 9}}\n"
    "derived: {note: 'string(now())', amount: '1.5', marks: '\"x\"'}\n"
    "data: [{path: d.jsonl}]\n"
    "contracts: [{flow: f, send: [text, n], read: [kind, level, note, amount]}]\n";
static const char case_slm_b[] = "slm: b\n"
                                 "input: {type: object, properties: {kind: {enum: [x, y, z]}}}\n"
                                 "output: {type: object, properties: {ok: {type: boolean}}}\n"
                                 "data: [{path: d.jsonl}]\n"
                                 "contracts: [{flow: f, send: [kind], read: [ok]}]\n";

enum { CASE_START_MS = 1000000 };

struct run_case {
    struct arena arena;
    struct spec_flow *flow;
    struct run *run;
    struct buf text; /* of what the world answers */
    struct err err;
    int64_t now_ms;
    size_t n_calls;
    char log[4000]; /* "step/visit/round ..." of the calls made */
};

/* Writes the body of a done or failed event. */
typedef bool case_answer_fn(struct run_case *c, const struct run_action *call, struct str input);

static inline void case_parse(struct run_case *c, const char *text, struct spec **ret)
{
    struct problems problems;

    problem_init(&problems, &c->arena);
    if (spec_parse(str_of(text), "slm", &c->arena, ret, &problems, &c->err) || !*ret)
        fail_msg("%s", problems.n ? problems.items[0].message : c->err.message);
}

/* A pinned flow with the name f, from its keys behind `input`. */
static inline struct spec_flow *case_flow(struct run_case *c, const char *rest)
{
    CLEANUP(buf_releasep) struct buf text = { 0 }, pinned = { 0 };
    struct spec_member members[2] = { { STR("one/a"), NULL }, { STR("two/b"), NULL } };
    struct spec *a = NULL, *b = NULL;
    struct spec_flow *flow = NULL;
    struct problems problems;

    case_parse(c, case_slm_a, &a);
    case_parse(c, case_slm_b, &b);
    members[0].spec = a;
    members[1].spec = b;
    problem_init(&problems, &c->arena);
    buf_init(&text, 1 << 20);
    buf_init(&pinned, SPEC_FLOW_BYTES_MAX);
    buf_printf(&text,
               "flow: f\ninput: {type: object, properties: {n: {type: number}, when: {type: "
               "string, format: date-time}, list: {type: array, items: {type: number}}}}\n%s",
               rest);
    if (spec_flow_parse(buf_str(&text), "f", members, 2, &c->arena, &flow, &problems, &c->err) ||
        !flow)
        fail_msg("%u:%u %s", problems.n ? problems.items[0].line : 0,
                 problems.n ? problems.items[0].column : 0,
                 problems.n ? problems.items[0].message : c->err.message);
    spec_flow_pin(&pinned, flow);
    char *kept = arena_strndup(&c->arena, pinned.at, pinned.len);
    assert_non_null(kept);
    if (spec_flow_unpin(str_of(kept), &c->arena, &flow, &c->err))
        fail_msg("%s", c->err.message);
    return flow;
}

static inline void case_apply(struct run_case *c, const struct run_event *event)
{
    if (run_apply(c->run, event, &c->err))
        fail_msg("%s", c->err.message);
}

static inline void case_start(struct run_case *c, const char *flow, const char *input)
{
    struct run_event started = { .kind = RUN_EVENT_STARTED, .body = str_of(input) };

    arena_init(&c->arena, 64 << 20);
    buf_init(&c->text, RUN_BODY_MAX);
    c->now_ms = started.at_ms = CASE_START_MS;
    c->flow = case_flow(c, flow);
    if (run_new(c->flow, "run_1", &c->run, &c->err))
        fail_msg("%s", c->err.message);
    case_apply(c, &started);
}

static inline void case_end(struct run_case *c)
{
    run_free(c->run);
    buf_release(&c->text);
    arena_release(&c->arena);
}

/* {"output":...} as the owner would have it. */
static inline bool case_done(struct run_case *c, const char *output)
{
    struct json *json;

    assert_int_equal(json_parse(str_of(output), JSON_DUPLICATES_REFUSED, &c->arena, &json, &c->err),
                     RC_OK);
    if (run_append_result(c->run, json, STR("dec_1"), STR("v1"), &c->text, &c->err))
        fail_msg("%s", c->err.message);
    return true;
}

static inline bool case_failed(struct run_case *c, const char *type)
{
    run_append_failure(&c->text, type, STR("as the test has it"), (struct str){ 0 });
    return false;
}

static inline void case_call(struct run_case *c, const struct run_action *action,
                             case_answer_fn *answer)
{
    CLEANUP(buf_releasep) struct buf input = { 0 };
    struct run_event event = { .step = action->step->index,
                               .visit = action->visit,
                               .attempt = action->attempt };

    buf_init(&input, RUN_BODY_MAX);
    if (run_append_input(c->run, &input, &c->err))
        fail_msg("%s", c->err.message);
    c->n_calls++;
    strncat(c->log, strchr(action->key, '/') + 1, sizeof(c->log) - strlen(c->log) - 2);
    strncat(c->log, " ", sizeof(c->log) - strlen(c->log) - 1);
    c->now_ms += 10;
    event.at_ms = c->now_ms;
    buf_reset(&c->text);
    event.kind = answer(c, action, buf_str(&input)) ? RUN_EVENT_DONE : RUN_EVENT_FAILED;
    event.body = buf_str(&c->text);
    case_apply(c, &event);
}

/* One turn; false: the run rests, or waits for its webhook. */
static inline bool case_turn(struct run_case *c, case_answer_fn *answer)
{
    struct run_action action;

    run_next(c->run, c->now_ms, &action);
    switch (action.kind) {
    case RUN_RECORD: case_apply(c, &action.event); return true;
    case RUN_CALL: case_call(c, &action, answer); return true;
    case RUN_SLEEP: c->now_ms = action.until_ms; return true;
    case RUN_TELL:
    case RUN_REST: return false;
    }
    return false;
}

/* Runs the flow to its end and says how that was. */
static inline const char *case_run(struct run_case *c, const char *flow, const char *input,
                                   case_answer_fn *answer)
{
    case_start(c, flow, input);
    while (case_turn(c, answer))
        ;
    assert_true(run_has_ended(c->run));
    struct str end = run_end(c->run);
    return arena_strndup(&c->arena, end.at, end.len);
}

#endif
