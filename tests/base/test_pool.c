#include "tests/support/test.h"

#include "base/pool.h"

enum { TASKS = 1000 };

struct tally {
    unsigned char done[TASKS]; /* times each task ran */
    size_t n_workers;
    _Atomic int strangers; /* tasks that ran as a worker the pool has not */
};

static void count_task(void *context, size_t task, size_t worker)
{
    struct tally *t = context;

    t->done[task]++;
    if (worker >= t->n_workers)
        t->strangers++;
}

static void every_task_runs_exactly_once(void **state)
{
    static const size_t n_workers[] = { 1, 2, 7 };
    static const size_t n_tasks[] = { 0, 1, 2, 3, TASKS };
    (void)state;

    for (size_t w = 0; w < ARRAY_LEN(n_workers); w++) {
        CLEANUP(pool_freep) struct pool *pool = NULL;
        struct err err;

        assert_int_equal(pool_new(n_workers[w], &pool, &err), RC_OK);
        assert_int_equal(pool_n_workers(pool), n_workers[w]);
        for (size_t n = 0; n < ARRAY_LEN(n_tasks) * 20; n++) {
            struct tally t = { .n_workers = n_workers[w] };
            size_t count = n_tasks[n % ARRAY_LEN(n_tasks)];

            pool_run(pool, count, count_task, &t);
            for (size_t i = 0; i < TASKS; i++)
                assert_int_equal(t.done[i], i < count ? 1 : 0);
            assert_int_equal(t.strangers, 0);
        }
    }
}

static void without_a_pool_the_caller_does_the_tasks(void **state)
{
    struct tally t = { .n_workers = 1 };
    (void)state;

    pool_run(NULL, TASKS, count_task, &t);
    for (size_t i = 0; i < TASKS; i++)
        assert_int_equal(t.done[i], 1);
    assert_int_equal(t.strangers, 0);
    assert_int_equal(pool_n_workers(NULL), 1);
}

static void a_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        CLEANUP(pool_freep) struct pool *pool = NULL;
        struct err err;

        rc = pool_new(2, &pool, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_exactly_once),
        cmocka_unit_test(without_a_pool_the_caller_does_the_tasks),
        cmocka_unit_test(a_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
