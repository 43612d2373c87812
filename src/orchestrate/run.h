/*
 * run.h - one run of a flow. Its state is a function of its events and of nothing else:
 *
 *      events --run_apply--> state --run_next--> what to do: record an event, call, sleep, rest
 *        ^                                          |
 *        +---------- run_journal.h <----------------+
 *
 *   (1) What run_next() wants recorded is durable before it is applied, and applied before
 *       run_next() is asked again: nothing happens that the journal does not announce.
 *   (2) Only what comes from outside is an event: the start, an attempt begun, its result, the end
 *       of a budget of time, a cancellation. Steps that only compute (switch, set, for, try, raise)
 *       follow from those, so that no event can contradict them.
 *   (3) A result belongs to (step, visit, attempt); the first one stands, later ones are refused.
 *   (4) Calls carry the key run/step/visit/round. A call that is repeated because its answer was
 *       lost is the same decision at its owner.
 *   (5) Nothing here reads a clock or a random number. now() is the time of the last event, in the
 *       input of a call that of its first attempt: repeated under its key, it asks the same. The
 *       jitter of a retry comes from the run's id.
 *
 *   READY --begun--> BEGUN --done----------------> the next step
 *     ^                |  +---failed, for good---> the catch around it, or ENDING
 *     |                +--failed, for now--+
 *     +--after a while-- PAUSED <----------+--- done, but a poll goes on
 *   anything --expired, cancelled, budget, loop--> ENDING --ended--> ENDED
 */
#ifndef ORCHESTRATE_RUN_H
#define ORCHESTRATE_RUN_H

#include "spec/flow.h"

enum {
    RUN_ID_MAX = 32,               /* bytes */
    RUN_TYPE_MAX = SPEC_NAME_MAX,  /* of an error's type */
    RUN_DETAIL_MAX = 200,          /* of its sentence */
    RUN_BODY_MAX = 1 << 20,        /* of an event, and of one value */
    RUN_KEY_MAX = 128,             /* of the idempotency key of a call: what a team takes */
    RUN_WORK_BYTES_MAX = 64 << 20, /* for working out one step */
};

enum run_status { RUN_RUNNING, RUN_SUCCEEDED, RUN_FAILED, RUN_STOPPED, RUN_CANCELLED };
const char *run_status_name(enum run_status status); /* "running", ... */

enum run_event_kind {
    RUN_EVENT_STARTED,   /* body: the input */
    RUN_EVENT_BEGUN,     /* an attempt of a call, or a wait */
    RUN_EVENT_DONE,      /* of a call: {"output": {...}, "decision": id, "version": digest} */
    RUN_EVENT_FAILED,    /* an attempt: {"type": "timeout", "detail": "..."} */
    RUN_EVENT_EXPIRED,   /* the budget of time has ended */
    RUN_EVENT_CANCELLED, /* {"by": principal} */
    RUN_EVENT_ENDED,     /* {"status", "output", "error"} */
    RUN_EVENT_TOLD,      /* the webhook has taken it */
};
const char *run_event_name(enum run_event_kind kind); /* "started", ... */

struct run_event {
    enum run_event_kind kind;
    size_t step;            /* of begun, done, failed */
    int64_t visit, attempt; /* of these, from 1 */
    int64_t at_ms;
    struct str body; /* JSON; empty: none */
};

/* One step that the run was at, in order. */
struct run_visit {
    size_t step;
    int64_t number;       /* of the step, from 1 */
    int64_t index;        /* of the innermost `for` around it; -1: none */
    int64_t at_ms;        /* of the event that led there */
    uint64_t fingerprint; /* of all that is closed */
};

struct run;

/**
 * A run without events.
 *
 * @param flow  in, borrowed
 * @param id    1 to RUN_ID_MAX bytes, copied
 */
MUST_CHECK enum rc run_new(const struct spec_flow *flow, const char *id, struct run **ret_run,
                           struct err *err);
void run_free(struct run *run); /* accepts NULL */
DEFINE_FREEP(struct run, run_free)

/**
 * Adds one event to the state.
 *
 * @return RC_OK
 *         RC_CONFLICT  not what the run waits for: it has gone on; the state is as before
 *         RC_INVALID   of a start: the deadline gives no time, or the input is too big
 *         RC_CORRUPT   its body is none of ours
 *         RC_NOMEM     the state is lost: make it anew from the events
 */
MUST_CHECK enum rc run_apply(struct run *run, const struct run_event *event, struct err *err);

/* Would run_apply() take it? */
bool run_expects(const struct run *run, const struct run_event *event);

enum run_action_kind {
    RUN_RECORD, /* `event` */
    RUN_CALL,   /* the attempt that has begun is to be made, unless it is being made */
    RUN_SLEEP,  /* until `until_ms` */
    RUN_TELL,   /* the end is to be told to the webhook */
    RUN_REST,   /* nothing is left */
};

struct run_action {
    enum run_action_kind kind;
    struct run_event event; /* RUN_RECORD; its body is borrowed from the run */
    int64_t until_ms;       /* RUN_SLEEP, RUN_CALL: ask again at this time, if nothing happens */
    const struct spec_step *step; /* RUN_CALL */
    int64_t visit, attempt;
    char key[RUN_KEY_MAX + 1]; /* the call's idempotency key */
};

/* What is to be done now. Pure: asked twice it says the same. */
void run_next(const struct run *run, int64_t now_ms, struct run_action *ret_action);

/* The input of the call that has begun, appended as JSON. RC_INVALID: it cannot be made of what
 * is there, which is a failed attempt of type "expression"; RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc run_append_input(const struct run *run, struct buf *out, struct err *err);

/* The body of a done event: of the answer's output only what the contract lets cross. RC_INVALID:
 * the output is not what the contract promises; RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc run_append_result(const struct run *run, const struct json *output,
                                     struct str decision, struct str version, struct buf *out,
                                     struct err *err);

/* The body of a failed event; the detail is cut at RUN_DETAIL_MAX. decision: that of an SLM which
 * abstained; at NULL: none. */
void run_append_failure(struct buf *out, const char *type, struct str detail, struct str decision);

enum run_status run_status(const struct run *run);
bool run_has_ended(const struct run *run); /* recorded, not only found */
bool run_is_told(const struct run *run);
const char *run_id(const struct run *run);
const struct spec_flow *run_flow(const struct run *run);
int64_t run_due_ms(const struct run *run); /* 0: none */
int64_t run_n_events(const struct run *run);
int64_t run_hops_left(const struct run *run);
int64_t run_time_left_ms(const struct run *run, int64_t now_ms);
struct str run_end(const struct run *run); /* the body of its ended event; empty before */
const struct run_visit *run_visits(const struct run *run, size_t *ret_n);
size_t run_bytes(const struct run *run); /* memory it holds */

#endif
