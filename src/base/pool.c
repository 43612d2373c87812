#include "base/pool.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

struct pool {
    size_t n_workers, n_threads; /* threads that were started: n_workers - 1 */
    pthread_t *threads;          /* (n_threads,) */

    pthread_mutex_t callers; /* held for a whole pool_run(); taken before lock */
    pthread_mutex_t lock;    /* guards all below */
    pthread_cond_t begun, ended;
    bool stopping;
    pool_task_fn *fn;
    void *context;
    size_t n_tasks, n_taken, n_done;
    size_t n_started; /* threads that have their worker index */
};

/* Takes tasks until none is left; called and left with the lock held. */
static void work(struct pool *p, size_t worker)
{
    while (p->n_taken < p->n_tasks) {
        size_t task = p->n_taken++;

        pthread_mutex_unlock(&p->lock);
        p->fn(p->context, task, worker);
        pthread_mutex_lock(&p->lock);
        if (++p->n_done == p->n_tasks)
            pthread_cond_signal(&p->ended);
    }
}

static void *run_worker(void *pool)
{
    struct pool *p = pool;

    pthread_mutex_lock(&p->lock);
    size_t worker = ++p->n_started;
    while (!p->stopping) {
        work(p, worker);
        pthread_cond_wait(&p->begun, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum rc pool_new(size_t n_workers, struct pool **ret_pool, struct err *err)
{
    ASSERT(n_workers >= 1 && n_workers <= POOL_WORKERS_MAX);

    struct pool *p = mem_alloc(sizeof(*p));
    if (!p)
        return err_set(err, RC_NOMEM, "thread pool");
    p->n_workers = n_workers;
    pthread_mutex_init(&p->callers, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->begun, NULL);
    pthread_cond_init(&p->ended, NULL);

    p->threads = mem_array(n_workers, sizeof(p->threads[0]));
    if (!p->threads) {
        pool_free(p);
        return err_set(err, RC_NOMEM, "thread pool");
    }
    for (; p->n_threads < n_workers - 1; p->n_threads++) {
        int failure = pthread_create(&p->threads[p->n_threads], NULL, run_worker, p);
        if (failure) {
            pool_free(p);
            return err_set(err, RC_UNAVAILABLE, "thread: %s", strerror(failure));
        }
    }
    *ret_pool = p;
    return RC_OK;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->begun);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);

    pthread_cond_destroy(&p->ended);
    pthread_cond_destroy(&p->begun);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->callers);
    mem_free(p->threads);
    mem_free(p);
}

size_t pool_n_workers(const struct pool *pool)
{
    return pool ? pool->n_workers : 1;
}

static void share(struct pool *p, size_t n_tasks, pool_task_fn *fn, void *context)
{
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->context = context;
    p->n_tasks = n_tasks;
    p->n_taken = 0;
    p->n_done = 0;
    pthread_cond_broadcast(&p->begun);
    work(p, 0);
    while (p->n_done < p->n_tasks)
        pthread_cond_wait(&p->ended, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void pool_run(struct pool *p, size_t n_tasks, pool_task_fn *fn, void *context)
{
    if (p)
        pthread_mutex_lock(&p->callers);
    if (p && p->n_threads > 0 && n_tasks > 1)
        share(p, n_tasks, fn, context);
    else
        for (size_t task = 0; task < n_tasks; task++) /* not worth a wake-up */
            fn(context, task, 0);
    if (p)
        pthread_mutex_unlock(&p->callers);
}
