#include "tests/support/temp.h"

#include "serve/scribe.h"

enum { JOBS = 20, THREADS = 3 };

struct job {
    struct scribe_job job; /* first */
    pthread_t ran_on;
    int tasks[THREADS];
    size_t finished; /* as the how manieth */
};

static size_t n_finished;

static void run_task(void *context, size_t task, size_t worker)
{
    struct job *j = context;

    (void)worker;
    j->tasks[task]++;
}

static void run(struct scribe_job *job, struct pool *pool)
{
    struct job *j = (struct job *)job;

    j->ran_on = pthread_self();
    pool_run(pool, THREADS, run_task, j);
}

static void finish(struct scribe_job *job)
{
    ((struct job *)job)->finished = ++n_finished;
}

static void jobs_run_beside_the_worker_and_come_back_in_their_order(void **state)
{
    static struct job jobs[JOBS];
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
    struct scribe scribe;
    struct err err;
    (void)state;

    scribe_init(&scribe, &mutex, &wake, THREADS);
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i].job = (struct scribe_job){ .run = run, .finish = finish };
        assert_ok(scribe_give(&scribe, &jobs[i].job, &err), &err);
    }
    pthread_mutex_lock(&mutex);
    while (scribe.n_out > 0) {
        struct scribe_job *done = scribe_take(&scribe);

        if (done)
            done->finish(done);
        else
            pthread_cond_wait(&wake, &mutex);
    }
    pthread_mutex_unlock(&mutex);
    scribe_close(&scribe);
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].finished, i + 1);
        assert_false(pthread_equal(jobs[i].ran_on, pthread_self()));
        for (size_t t = 0; t < THREADS; t++)
            assert_int_equal(jobs[i].tasks[t], 1);
    }
}

static void without_memory_the_job_stays_with_who_gave_it(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
    struct job job = { .job = { .run = run, .finish = finish } };
    struct scribe scribe;
    struct err err;
    (void)state;

    scribe_init(&scribe, &mutex, &wake, THREADS);
    mem_fault_at(0);
    assert_int_equal(scribe_give(&scribe, &job.job, &err), RC_NOMEM);
    mem_fault_at(-1);
    assert_int_equal(scribe.n_out, 0);
    scribe_close(&scribe);
}

static void one_that_was_never_needed_has_no_threads(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
    struct scribe scribe;
    (void)state;

    scribe_init(&scribe, &mutex, &wake, THREADS);
    assert_null(scribe_take(&scribe));
    assert_null(scribe.pool);
    scribe_close(&scribe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_run_beside_the_worker_and_come_back_in_their_order),
        cmocka_unit_test(without_memory_the_job_stays_with_who_gave_it),
        cmocka_unit_test(one_that_was_never_needed_has_no_threads),
    };
    return cmocka_run_group_tests_name("serve/scribe", tests, NULL, NULL);
}
