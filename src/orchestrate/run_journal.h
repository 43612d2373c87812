/*
 * run_journal.h - the events of all runs in one file, and the definitions they are pinned to.
 *
 *   (1) Events are added and read, never changed: the schema refuses it in any SQLite shell.
 *   (2) An attempt has one result. A second one does not get in, whoever writes it.
 *   (3) One idempotency key of one principal for one flow is one run, whatever is retried.
 *   (4) A run names its definition by digest, and the definition stays.
 *
 * Used by one process at a time, by any of its threads.
 */
#ifndef ORCHESTRATE_RUN_JOURNAL_H
#define ORCHESTRATE_RUN_JOURNAL_H

#include "base/crypto.h"
#include "orchestrate/run.h"

enum {
    RUN_JOURNAL_LIST_MAX = 1000,
    RUN_JOURNAL_OPEN_MAX = 100000, /* runs that have not ended */
    RUN_JOURNAL_EVENTS_MAX = 100000,
    RUN_JOURNAL_KEY_MAX = 128, /* of an idempotency key, bytes */
};

struct run_journal;

/* As store_open(). */
MUST_CHECK enum rc run_journal_open(const char *path, struct run_journal **ret_journal,
                                    struct err *err);
void run_journal_close(struct run_journal *journal); /* accepts NULL */
DEFINE_FREEP(struct run_journal, run_journal_close)

/* What a start records beside its event. */
struct run_start {
    const char *flow;
    struct digest definition; /* kept before */
    const char *principal;
    const char *key;       /* idempotency key; NULL: none */
    struct digest request; /* of the input */
    int64_t due_ms;        /* 0: none */
    bool tells;            /* a webhook is to be told of the end */
};

struct run_write {
    const char *run;
    const struct run_event *event;
    int64_t number;                /* of the event, from 0 */
    const struct run_start *start; /* NULL but for RUN_EVENT_STARTED */
    enum run_status status;        /* after the event */

    /* out */
    enum run_fate {
        RUN_WRITTEN,
        RUN_REPEATED, /* a start: its key began `known` before */
        RUN_MISUSED,  /* a start: its key began another request */
    } fate;
    char known[RUN_ID_MAX + 1];
};

/* Keeps a definition by its digest; fine when it is there. */
MUST_CHECK enum rc run_journal_keep(struct run_journal *journal, const struct digest *digest,
                                    struct str definition, struct err *err);
/* RC_NOT_FOUND. */
MUST_CHECK enum rc run_journal_definition(struct run_journal *journal, const struct digest *digest,
                                          struct arena *arena, struct str *ret_definition,
                                          struct err *err);

/**
 * Records events in one transaction.
 *
 * @param writes  in/out, (n,): those of one run in order
 *
 * @return RC_OK        all are durable but starts that are repeated or misused
 *         RC_EXISTS    an event of that number, or a result of that attempt, is there
 *         RC_UNKNOWN   all or none: read back
 *         RC_FULL, RC_IO, RC_NOMEM
 */
MUST_CHECK enum rc run_journal_write(struct run_journal *journal, struct run_write *writes,
                                     size_t n, struct err *err);

struct run_row {
    const char *id, *flow, *principal;
    struct digest definition;
    enum run_status status;
    bool told;
    int64_t created_ms, due_ms, ended_ms; /* 0: none, not yet */
};

/* RC_NOT_FOUND. */
MUST_CHECK enum rc run_journal_find(struct run_journal *journal, const char *id,
                                    struct arena *arena, struct run_row *ret_row, struct err *err);

struct run_filter {
    const char *flow;   /* NULL: all */
    const char *status; /* NULL: all */
    int64_t overdue_ms; /* > 0: due before this time, and running */
    size_t limit;       /* 1 to RUN_JOURNAL_LIST_MAX */
};

/* The newest first. */
MUST_CHECK enum rc run_journal_list(struct run_journal *journal, const struct run_filter *filter,
                                    struct arena *arena, struct run_row **ret_rows, size_t *ret_n,
                                    struct err *err);

/* Runs that have not ended, or that a webhook has not been told of, the oldest first. */
MUST_CHECK enum rc run_journal_unfinished(struct run_journal *journal, struct arena *arena,
                                          struct run_row **ret_rows, size_t *ret_n,
                                          struct err *err);

/* The events of a run from number `from` on, in order. RC_NOT_FOUND: no such run. */
MUST_CHECK enum rc run_journal_events(struct run_journal *journal, const char *id, int64_t from,
                                      struct arena *arena, struct run_event **ret_events,
                                      size_t *ret_n, struct err *err);

#endif
