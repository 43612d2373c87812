/*
 * pool.h - a fixed set of threads that share the tasks of one call.
 *
 *   pool_run(pool, n_tasks, fn, context)  calls fn(context, task, worker) once for each task in
 *                                         [0, n_tasks) and returns when all are done
 *
 * The caller works too, as worker 0; the others sleep between calls. Which worker gets which task
 * is not defined, so a result must not depend on it: `worker` is for choosing scratch memory only.
 * A call costs a wake-up (some 20 us per thread): hand out few and large tasks.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/err.h"

#include <stddef.h>

enum { POOL_WORKERS_MAX = 256 };

struct pool;

typedef void pool_task_fn(void *context, size_t task, size_t worker);

/* n_workers in [1, POOL_WORKERS_MAX], the caller included: 1 starts no thread. RC_NOMEM, or
 * RC_UNAVAILABLE: the system gives no more threads. */
MUST_CHECK enum rc pool_new(size_t n_workers, struct pool **ret_pool, struct err *err);
void pool_free(struct pool *pool); /* waits for the threads; NULL is fine */

size_t pool_n_workers(const struct pool *pool); /* worker < this; 1 for NULL */

/* Any thread may call, one call runs at a time (the next waits). Not from within a task. Without a
 * pool (NULL) the caller does all tasks, in order. */
void pool_run(struct pool *pool, size_t n_tasks, pool_task_fn *fn, void *context);

DEFINE_FREEP(struct pool, pool_free)

#endif
