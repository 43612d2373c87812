#include "serve/scribe.h"

#include "base/failpoint.h"
#include "base/macros.h"

void scribe_init(struct scribe *scribe, pthread_mutex_t *mutex, pthread_cond_t *wake,
                 size_t n_threads)
{
    *scribe = (struct scribe){ .mutex = mutex, .wake = wake, .n_threads = n_threads };
    scribe->queue_end = &scribe->queue;
    scribe->done_end = &scribe->done;
    pthread_cond_init(&scribe->has_jobs, NULL);
}

static void append(struct scribe_job ***end, struct scribe_job *job)
{
    job->next = NULL;
    **end = job;
    *end = &job->next;
}

static struct scribe_job *take_first(struct scribe_job **first, struct scribe_job ***end)
{
    struct scribe_job *job = *first;

    if (!job)
        return NULL;
    *first = job->next;
    if (!*first)
        *end = first;
    return job;
}

static void *work(void *self)
{
    struct scribe *s = self;

    pthread_mutex_lock(s->mutex);
    for (;;) {
        struct scribe_job *job;

        while (!(job = take_first(&s->queue, &s->queue_end)) && !s->closed)
            pthread_cond_wait(&s->has_jobs, s->mutex);
        if (!job)
            break;
        pthread_mutex_unlock(s->mutex);
        FAILPOINT("serve.writing");
        job->run(job, s->pool);
        pthread_mutex_lock(s->mutex);
        append(&s->done_end, job);
        pthread_cond_signal(s->wake);
    }
    pthread_mutex_unlock(s->mutex);
    return NULL;
}

static enum rc start(struct scribe *s, struct err *err)
{
    enum rc rc = s->pool ? RC_OK : pool_new(s->n_threads, &s->pool, err);

    if (rc)
        return rc;
    if (pthread_create(&s->thread, NULL, work, s))
        return err_set(err, RC_UNAVAILABLE, "the system gives no thread to write on");
    s->runs = true;
    return RC_OK;
}

enum rc scribe_give(struct scribe *s, struct scribe_job *job, struct err *err)
{
    enum rc rc = s->runs ? RC_OK : start(s, err);

    if (rc)
        return rc;
    pthread_mutex_lock(s->mutex);
    append(&s->queue_end, job);
    s->n_out++;
    pthread_cond_signal(&s->has_jobs);
    pthread_mutex_unlock(s->mutex);
    return RC_OK;
}

struct scribe_job *scribe_take(struct scribe *s)
{
    struct scribe_job *job = take_first(&s->done, &s->done_end);

    s->n_out -= job != NULL;
    return job;
}

void scribe_close(struct scribe *s)
{
    ASSERT(s->n_out == 0);
    if (s->runs) {
        pthread_mutex_lock(s->mutex);
        s->closed = true;
        pthread_cond_signal(&s->has_jobs);
        pthread_mutex_unlock(s->mutex);
        pthread_join(s->thread, NULL);
    }
    pool_free(s->pool);
    pthread_cond_destroy(&s->has_jobs);
}
