/* run_internal.h - what the files of a run share. */
#ifndef ORCHESTRATE_RUN_INTERNAL_H
#define ORCHESTRATE_RUN_INTERNAL_H

#include "orchestrate/run.h"

enum run_phase {
    RUN_IS_NEW,
    RUN_IS_READY,
    RUN_IS_BEGUN,
    RUN_IS_PAUSED,
    RUN_IS_ENDING,
    RUN_IS_ENDED
};

/* A value as JSON text, on the heap; at NULL: none yet. */
struct run_value {
    char *at;
    size_t len;
    uint64_t closed; /* hash of what is closed in it */
};

struct run_step {
    int64_t visits;
    int64_t attempts;       /* of this visit */
    int64_t tries;          /* attempts of this round of a poll */
    int64_t rounds;         /* of this visit that are done */
    int64_t asked_ms;       /* the first attempt of this round */
    struct run_value items; /* of a for: the list */
    size_t index, n_items;
};

struct run {
    const struct spec_flow *flow;
    char id[RUN_ID_MAX + 1];
    enum run_phase phase;
    enum run_status status;
    bool told;
    size_t at; /* the step; meaningless when ending */
    int64_t started_ms, due_ms, last_ms;
    int64_t until_ms; /* RUN_IS_PAUSED, and a wait that has begun */
    int64_t n_events, n_hops;
    struct str last_team;     /* empty: no call yet */
    struct run_step *steps;   /* (n_steps,) */
    struct run_value *values; /* (n_names,) as in flow->names */
    size_t n_visits, visits_capacity;
    struct run_visit *visits;
    struct run_value end; /* body of the ended event */
};

/* ---- run_eval.c */

/* Evaluates an expression over the values. What it gives lies in the arena. RC_INVALID: beyond the
 * limits of an expression; RC_NOMEM. */
MUST_CHECK enum rc run_eval(const struct run *run, const struct feel *feel, struct arena *arena,
                            struct feel_value *ret, struct err *err);
/* The truth of a condition. As run_eval(). */
MUST_CHECK enum rc run_test(const struct run *run, const struct feel *feel,
                            enum feel_truth *ret_truth, struct err *err);
/* Writes a template with its expressions worked out. As run_eval(). */
MUST_CHECK enum rc run_append_template(const struct run *run, const struct spec_template *t,
                                       struct arena *arena, struct buf *out, struct err *err);
/* The same without members that are null: a field that is absent is null to FEEL, and an SLM takes
 * no null for a field. */
MUST_CHECK enum rc run_append_given(const struct run *run, const struct spec_template *t,
                                    struct arena *arena, struct buf *out, struct err *err);

/* Keeps a copy of the text. closed: hash of what counts in a fingerprint. RC_NOMEM. */
MUST_CHECK enum rc run_keep(struct run_value *value, struct str text, uint64_t closed,
                            struct err *err);
void run_drop(struct run_value *value);

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
enum { RUN_HASH_BYTES = 8 };
#define RUN_HASH_START 0xcbf29ce484222325u
uint64_t run_hash(uint64_t hash, const void *bytes, size_t len);

/* Of the closed fields of an object, by its schema. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc run_hash_closed(const struct schema *schema, const struct json *v,
                                   uint64_t *ret_hash, struct err *err);

/* The value of a name; asserts that the name is one of the flow's. */
struct run_value *run_value_of(struct run *run, struct str name);

/* Unix ms of a date and time; one without zone counts as UTC. false: any other kind. */
bool run_to_ms(const struct feel_value *v, int64_t *ret_ms);

/* ---- run_walk.c: from step to step until something outside is needed */

/* Goes to a target. RC_NOMEM. */
MUST_CHECK enum rc run_go(struct run *run, struct spec_target target, struct err *err);

/* An error at a step: the catch around it takes it, or the run fails. RC_NOMEM. */
MUST_CHECK enum rc run_raise(struct run *run, size_t step, struct str type, struct str detail,
                             struct err *err);

/* Ends with a status other than succeeded and failed. RC_NOMEM. */
MUST_CHECK enum rc run_stop(struct run *run, enum run_status status, const char *type,
                            const char *detail, struct err *err);

#endif
