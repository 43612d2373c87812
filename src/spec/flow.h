/*
 * flow.h - flow.yaml: steps that SLMs of several teams do together. docs/flow.md describes every
 * key for those who write it.
 *
 *   text --spec_flow_parse--> struct spec_flow + all problems
 *                                |--spec_flow_pin----> one JSON text, the definition of a run
 *   that text --spec_flow_unpin--> the same struct spec_flow
 *
 * A pinned flow holds the types of what its contracts let cross, so that a run needs no spec of a
 * team, and goes on as it began when a flow.yaml or a contract changes.
 *
 * Order. Steps are numbered as they stand in the file, those inside a `for` or `try` behind it. A
 * run is at one step at a time. Where it goes from there is a struct spec_target, worked out here.
 *
 * Names. An expression sees `input`, the steps that may have run before (a call's name is the
 * answer that crossed), variables of `set`, and inside a `for` or `catch` what that declares. They
 * share one space of names.
 */
#ifndef SPEC_FLOW_H
#define SPEC_FLOW_H

#include "spec/spec.h"

enum {
    SPEC_FLOW_STEPS_MAX = 200,
    SPEC_FLOW_BYTES_MAX = 1 << 20, /* of a pinned one */
    SPEC_FLOW_INDEX_NONE = SPEC_FLOW_STEPS_MAX + 1,
};

/* A value as written: constants, with expressions where a text is "${ ... }". */
struct spec_template {
    const struct json *json; /* as written; with n == 0 and no feel: the value */
    const struct feel *feel; /* not NULL: an expression */
    struct feel_type type;   /* of the expression */
    bool is_closed;          /* its values are a closed set: an enumeration, true and false, ... */
    size_t n;                /* of the members or items, when one of them has an expression */
    struct spec_template *items;
};

enum spec_target_kind {
    SPEC_TO_STEP,
    SPEC_TO_ROUND, /* the next round of the `for` at `step` */
    SPEC_TO_END,
};

struct spec_target {
    enum spec_target_kind kind;
    size_t step;
};

struct spec_with {
    struct spec_text slm; /* "support/ticket-triage" */
    const struct json *input;
};

struct spec_case {
    struct spec_text name, when, then; /* no `when`: the rest */
    struct spec_template condition;
    struct spec_target target;
};

struct spec_loop {
    struct spec_text each, at, in; /* at: name of the index, from 0; may be empty */
    struct spec_template items;
};

struct spec_catch {
    size_t n_errors; /* 0: all */
    struct spec_text *errors;
    struct spec_text as; /* name of {type, step, detail}; may be empty */
    size_t n_steps;
    struct spec_step *steps;
};

struct spec_error {
    struct spec_text type, detail; /* of a raise */
};

struct spec_raise {
    struct spec_error error;
};

/* A transient failure is tried again after delay * backoff^(attempt - 1), at most max_delay. */
struct spec_retry {
    int64_t attempts; /* in all */
    int64_t delay_ms, max_delay_ms;
    double backoff;
};

/* The call is repeated until the condition holds: no loop, because it is declared. */
struct spec_poll {
    struct spec_text until; /* empty: no poll */
    int64_t every_ms, rounds;
    struct spec_template condition;
};

enum spec_step_kind {
    SPEC_CALL,
    SPEC_SWITCH,
    SPEC_SET,
    SPEC_FOR,
    SPEC_TRY,
    SPEC_WAIT,
    SPEC_RAISE,
};

/* Where a step stands in its parent. */
enum spec_step_part { SPEC_IN_BODY, SPEC_IN_TRIED, SPEC_IN_CATCH };

struct spec_step {
    struct spec_text name;

    /* as written */
    struct spec_text call; /* "slm" */
    struct spec_with with;
    size_t n_cases;
    struct spec_case *cases;
    const struct json *set;
    struct spec_loop loop;
    size_t n_steps; /* `do` of a for */
    struct spec_step *steps;
    size_t n_tried;
    struct spec_step *tried;
    struct spec_catch caught;
    bool has_wait;
    int64_t wait_ms;
    struct spec_raise raise;
    struct spec_text then;
    struct spec_retry retry;
    int64_t timeout_ms; /* of one attempt */
    struct spec_poll poll;

    /* worked out */
    enum spec_step_kind kind;
    size_t index, parent; /* SPEC_FLOW_INDEX_NONE: at the top */
    enum spec_step_part part;
    struct spec_target next;
    const struct spec_interface *interface; /* of a call */
    struct spec_template input;             /* of a call */
    struct spec_template values;            /* of a set */
};

/* What of one SLM the contract with the flow lets cross. */
struct spec_interface {
    struct str slm, team; /* "support/ticket-triage", "support" */
    struct schema input;  /* of a parsed flow: all fields */
    struct schema output; /* with derived fields; of a parsed flow: all */
    const struct json *input_source, *output_source;
    const struct spec_contract *contract; /* NULL: none (a problem), or a pinned flow */
};

enum spec_name_kind {
    SPEC_NAME_INPUT,
    SPEC_NAME_STEP,     /* a call's answer */
    SPEC_NAME_VARIABLE, /* of a set */
    SPEC_NAME_EACH,
    SPEC_NAME_AT,
    SPEC_NAME_ERROR,
};

struct spec_name {
    enum spec_name_kind kind;
    struct str name;
    size_t step; /* that gives it; of a variable the first */
    struct feel_type type;
    bool is_closed;              /* a variable with a closed set of values */
    const struct schema *schema; /* of input and a step: NULL otherwise */
};

struct spec_budgets {
    int64_t steps;  /* visits in all */
    int64_t visits; /* of one step */
    int64_t hops;   /* from one team to another */
    int64_t time_ms;
};

struct spec_flow {
    const char *file;
    struct spec_text name, description, due, webhook;
    struct schema input;
    const struct json *output, *on_budget; /* on_budget: NULL without */
    struct spec_budgets budgets;
    size_t n_top; /* steps of `do` */
    struct spec_step *top;

    size_t n_steps;
    struct spec_step **steps; /* all, by index */
    size_t n_names;
    const struct spec_name *names;
    size_t n_interfaces;
    const struct spec_interface *interfaces;
    struct spec_template result, best, deadline; /* of output, on_budget, due */
    const struct json *source;
};

/* An SLM of the workspace; spec is NULL when its slm.yaml has errors. */
struct spec_member {
    struct str slm; /* "support/ticket-triage" */
    const struct spec *spec;
};

/**
 * Reads a flow.yaml and finds everything that is wrong with it, what contracts forbid included.
 *
 * @param members   in, (n_members,): the SLMs that it may name; borrowed, as long as the flow
 * @param ret_flow  out, in the arena; set only when problems holds no new error
 *
 * @return as spec_parse()
 */
MUST_CHECK enum rc spec_flow_parse(struct str text, const char *path,
                                   const struct spec_member *members, size_t n_members,
                                   struct arena *arena, struct spec_flow **ret_flow,
                                   struct problems *problems, struct err *err);
MUST_CHECK enum rc spec_flow_read(const char *path, const struct spec_member *members,
                                  size_t n_members, struct arena *arena,
                                  struct spec_flow **ret_flow, struct problems *problems,
                                  struct err *err);

/* Appends the definition of a parsed flow, canonical: equal flows give equal bytes. */
void spec_flow_pin(struct buf *out, const struct spec_flow *flow);

/* RC_CORRUPT: no pinned flow; RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc spec_flow_unpin(struct str text, struct arena *arena,
                                   struct spec_flow **ret_flow, struct err *err);

/* Closed: an enumeration, a boolean, a bounded integer, or a set of an enumeration. */
bool spec_is_closed(const struct schema *schema);

/* The JSON Schema of flow.yaml. */
void spec_flow_append_json_schema(struct buf *out);

#endif
