/*
 * journal.h - which steps of a build have been begun and what they gave, in a file of the build.
 *
 *   (1) journal_begin() is durable before the step has any effect, journal_finish() before anybody
 *       relies on its result: a build that is killed goes on where it was.
 *   (2) The first result of a step stands. A step that is run again, because its end was not
 *       recorded, is given what was recorded first and drops its own.
 *   (3) A step is recorded with the digest of what it works on. A step that is begun again on other
 *       inputs is refused: that would be another build.
 *
 * Used by one process at a time, by any of its threads.
 */
#ifndef REGISTRY_JOURNAL_H
#define REGISTRY_JOURNAL_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"

enum {
    JOURNAL_NAME_MAX = 128,       /* bytes of a step's name */
    JOURNAL_RESULT_MAX = 1 << 20, /* bytes of a result */
    JOURNAL_STEPS_MAX = 10000,    /* of one list */
};

enum journal_state { JOURNAL_BEGUN, JOURNAL_FINISHED };

struct journal_step {
    const char *name;
    enum journal_state state;
    struct digest inputs;
    struct str result;             /* JSON; empty until finished */
    int64_t n_begun;               /* how often it was begun */
    int64_t begun_ms, finished_ms; /* of the last begin; 0 until finished */
};

struct journal;

/* As store_open(); RC_BUSY: another process runs this build. */
MUST_CHECK enum rc journal_open(const char *path, struct clock clock, struct journal **ret_journal,
                                struct err *err);
void journal_close(struct journal *journal); /* accepts NULL */
DEFINE_FREEP(struct journal, journal_close)

/**
 * Records that a step begins.
 *
 * @param inputs    digest of what the step works on
 * @param ret_step  out, in the arena; when its state is JOURNAL_FINISHED the step is not to be run
 *                  again: use the result
 *
 * @return RC_OK
 *         RC_CONFLICT  the step was begun before on other inputs
 *         RC_INVALID   the name is empty or too long
 *         RC_FULL, RC_IO, RC_UNKNOWN (repeat it), RC_NOMEM
 */
MUST_CHECK enum rc journal_begin(struct journal *journal, const char *name,
                                 const struct digest *inputs, struct arena *arena,
                                 struct journal_step *ret_step, struct err *err);

/**
 * Records the result of a step that was begun, unless it has one.
 *
 * @param result    one JSON text, at most JOURNAL_RESULT_MAX bytes
 * @param ret_step  out, in the arena, with the result that stands
 *
 * @return RC_OK; RC_STATE: never begun; RC_INVALID: no JSON; RC_LIMIT; as journal_begin()
 */
MUST_CHECK enum rc journal_finish(struct journal *journal, const char *name, struct str result,
                                  struct arena *arena, struct journal_step *ret_step,
                                  struct err *err);

/* RC_NOT_FOUND: never begun. */
MUST_CHECK enum rc journal_find(struct journal *journal, const char *name, struct arena *arena,
                                struct journal_step *ret_step, struct err *err);

/* All steps in the order in which they were first begun. */
MUST_CHECK enum rc journal_list(struct journal *journal, struct arena *arena,
                                struct journal_step **ret_steps, size_t *ret_n, struct err *err);

#endif
