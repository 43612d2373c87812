/*
 * scribe.h - the thread beside the worker on which SLMs that write do so: a text takes seconds, and
 * the worker's other decisions milliseconds.
 *
 *   worker --scribe_give--> queue --> scribe: job->run() --> done --scribe_take--> worker:
 * job->finish()
 *
 * Only run() is the scribe's: what it touches is the job's own and what is immutable. Everything
 * that is stored or answered stays with the worker. The scribe has threads of its own for its jobs,
 * one job at a time in the order they came, and starts them at the first.
 */
#ifndef SERVE_SCRIBE_H
#define SERVE_SCRIBE_H

#include "base/err.h"
#include "base/pool.h"

#include <pthread.h>
#include <stdbool.h>

struct scribe_job {
    struct scribe_job *next;
    void (*run)(struct scribe_job *job, struct pool *pool);
    void (*finish)(struct scribe_job *job); /* and frees it */
};

struct scribe {
    pthread_mutex_t *mutex;  /* the worker's: guards all below */
    pthread_cond_t *wake;    /* the worker's: a job is done */
    pthread_cond_t has_jobs; /* the scribe's */
    struct scribe_job *queue, **queue_end, *done, **done_end;
    size_t n_out; /* jobs given and not taken back */
    bool closed;

    size_t n_threads;
    struct pool *pool;
    pthread_t thread;
    bool runs;
};

/* mutex and wake are borrowed. */
void scribe_init(struct scribe *scribe, pthread_mutex_t *mutex, pthread_cond_t *wake,
                 size_t n_threads);

/* By the worker, without the mutex. RC_UNAVAILABLE, RC_NOMEM: the threads cannot be started, and
 * the job is still the caller's. */
MUST_CHECK enum rc scribe_give(struct scribe *scribe, struct scribe_job *job, struct err *err);

/* By the worker, with the mutex: the job that has been done the longest, or NULL. */
struct scribe_job *scribe_take(struct scribe *scribe);

void scribe_close(struct scribe *scribe); /* when all jobs were taken back */

#endif
