/*
 * Makes the n-th operation on the disk fail, for every n, under each of our databases: nothing
 * acknowledged is lost, an error says the truth, doing a step again is safe (power_vfs.h).
 */
#include "tests/store/power_vfs.h"
#include "tests/store/workload.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum {
    STEPS = 6,
    STEPS_TO_CHECKPOINT = 400,
    N_MAX = 2000, /* operations of six steps: the loop over them must end */
};

/* One run against a failing disk. */
struct attempt {
    struct workload w;
    struct temp_dir dir;
    char path[TEMP_PATH_MAX];
    struct err err;
    enum rc rc; /* of the first step that failed, or of opening */
    bool is_open;
    size_t acknowledged; /* steps */
};

static void begin(struct attempt *a, const struct workload_kind *kind)
{
    power_reset();
    memset(a, 0, sizeof(*a));
    workload_init(&a->w, kind);
    temp_dir_make(&a->dir);
    temp_path(&a->dir, "test.db", a->path);
}

static void end(struct attempt *a)
{
    workload_release(&a->w);
    temp_dir_remove(&a->dir);
    power_reset();
}

static void run(struct attempt *a, size_t n_steps)
{
    a->rc = a->w.kind->open(&a->w, a->path, &a->err);
    a->is_open = a->rc == RC_OK;
    while (!a->rc && a->acknowledged < n_steps) {
        a->rc = a->w.kind->step(&a->w, a->acknowledged, &a->err);
        a->acknowledged += a->rc == RC_OK;
    }
}

static void assert_honest(struct attempt *a, size_t n_present, const char *when)
{
    size_t most = a->acknowledged + (a->rc == RC_UNKNOWN && a->is_open);

    if (n_present < a->acknowledged || n_present > most)
        fail_msg(
            "%s, %s, fail_at %zu of %zu ops: %zu steps acknowledged, then %s (%s); %zu are there",
            a->w.kind->name, when, power.fail_at, power.n_ops, a->acknowledged, rc_name(a->rc),
            a->err.message, n_present);
}

static size_t present(struct attempt *a)
{
    size_t n = 0;

    assert_ok(a->w.kind->present(&a->w, &n, &a->err), &a->err);
    return n;
}

static void reopen(struct attempt *a)
{
    workload_close(&a->w);
    assert_ok(a->w.kind->open(&a->w, a->path, &a->err), &a->err);
}

/* What would be there if the power were cut now, in a few of the ways it can be. */
static void inspect_cuts(struct attempt *a)
{
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct workload w;
        char path[TEMP_PATH_MAX];
        struct err err;
        size_t n = 0;

        workload_init(&w, a->w.kind);
        power_cut(a->dir.path, w.dir.path, seed);
        assert_ok(w.kind->open(&w, temp_path(&w.dir, "test.db", path), &err), &err);
        assert_ok(w.kind->present(&w, &n, &err), &err);
        assert_honest(a, n, "after a cut");
        workload_release(&w);
    }
}

/* Does what failed again, and the rest: at the end each step is there once. */
static void go_on(struct attempt *a)
{
    for (size_t i = a->acknowledged; i < STEPS; i++)
        assert_ok(a->w.kind->step(&a->w, i, &a->err), &a->err);
    assert_int_equal(present(a), STEPS);
}

static bool is_expected(const struct attempt *a)
{
    return a->rc == RC_OK || a->rc == RC_IO || a->rc == RC_UNKNOWN;
}

/* Gives the number of places where something failed. */
static size_t fail_each(const struct workload_kind *kind, size_t n_failing)
{
    for (size_t nth = 0; nth < N_MAX; nth++) {
        struct attempt a;

        begin(&a, kind);
        power.fault = POWER_FAULT_IO;
        power.fail_at = nth;
        power.n_failing = n_failing;
        run(&a, STEPS);
        if (a.rc == RC_OK)
            workload_close(&a.w); /* operations of closing fail too */
        bool was_hit = power.n_failed > 0;
        power.fault = POWER_FAULT_NONE;
        if (!is_expected(&a))
            fail_msg("%s, operation %zu: %s: %s", kind->name, nth, rc_name(a.rc), a.err.message);

        inspect_cuts(&a);
        reopen(&a);
        assert_honest(&a, present(&a), "after a restart");
        go_on(&a);
        end(&a);
        if (!was_hit)
            return nth;
    }
    fail_msg("%s: no end of operations", kind->name);
    return 0;
}

static void each_operation_that_fails_once_is_reported_and_nothing_is_lost(void **state)
{
    (void)state;
    for (size_t k = 0; k < WORKLOAD_KINDS; k++)
        printf("# %s: %zu operations failed once\n", workload_kinds[k].name,
               fail_each(&workload_kinds[k], 1));
}

static void each_operation_that_fails_for_good_is_reported_and_nothing_is_lost(void **state)
{
    (void)state;
    for (size_t k = 0; k < WORKLOAD_KINDS; k++)
        printf("# %s: %zu operations failed for good\n", workload_kinds[k].name,
               fail_each(&workload_kinds[k], SIZE_MAX));
}

static void after_a_failed_fsync_nothing_is_written_and_reading_goes_on(void **state)
{
    (void)state;
    for (size_t k = 0; k < WORKLOAD_KINDS; k++) {
        for (size_t nth = 0;; nth++) {
            struct attempt a;

            begin(&a, &workload_kinds[k]);
            power.fault = POWER_FAULT_FSYNC;
            power.fail_at = nth;
            power.n_failing = 1; /* the next fsync would say that all is well */
            run(&a, STEPS);
            bool was_hit = power.n_failed > 0;
            if (was_hit && a.is_open) {
                size_t n_writes = power.n_writes, n_syncs = power.n_syncs;
                struct err err;

                assert_int_equal(a.rc, RC_UNKNOWN);
                assert_int_equal(a.w.kind->step(&a.w, a.acknowledged, &err), RC_IO);
                assert_non_null(strstr(err.message, "writing has stopped"));
                assert_int_equal(present(&a), a.acknowledged);
                workload_close(&a.w);
                assert_int_equal(power.n_writes, n_writes);
                assert_int_equal(power.n_syncs, n_syncs);
            }
            inspect_cuts(&a);
            reopen(&a);
            assert_honest(&a, present(&a), "after a restart");
            go_on(&a);
            end(&a);
            if (!was_hit)
                break;
        }
    }
}

/* The library drops the error of a checkpoint that follows a commit; ours must not. */
static void a_failed_fsync_of_a_checkpoint_stops_the_writing_too(void **state)
{
    struct attempt a;
    size_t n_syncs = 0, step = 0;
    (void)state;

    begin(&a, &workload_kinds[1]);
    assert_ok(a.w.kind->open(&a.w, a.path, &a.err), &a.err);
    do {
        n_syncs = power.n_syncs;
        assert_ok(a.w.kind->step(&a.w, step, &a.err), &a.err);
        step++;
    } while (step < STEPS_TO_CHECKPOINT && power.n_syncs - n_syncs < 3);
    assert_in_range(step, 100, STEPS_TO_CHECKPOINT - 1); /* it synced the log, the log, the file */
    end(&a);

    for (size_t nth = n_syncs + 1; nth < n_syncs + 3; nth++) {
        begin(&a, &workload_kinds[1]);
        power.fault = POWER_FAULT_FSYNC;
        power.fail_at = nth;
        power.n_failing = 1;
        run(&a, STEPS_TO_CHECKPOINT);
        assert_int_equal(power.n_failed, 1);
        assert_int_equal(a.rc, RC_IO);
        assert_non_null(strstr(a.err.message, "writing has stopped"));
        assert_int_equal(a.acknowledged, step); /* the step itself was durable before */
        inspect_cuts(&a);
        reopen(&a);
        assert_int_equal(present(&a), a.acknowledged);
        end(&a);
    }
}

static void a_full_disk_is_said_and_what_it_refused_is_absent(void **state)
{
    (void)state;
    for (size_t k = 0; k < WORKLOAD_KINDS; k++) {
        size_t n_full = 0;

        for (size_t nth = 0;; nth++) {
            struct attempt a;

            begin(&a, &workload_kinds[k]);
            power.fault = POWER_FAULT_FULL;
            power.fail_at = nth;
            power.n_failing = SIZE_MAX;
            run(&a, STEPS);
            if (a.rc && a.rc != RC_FULL)
                fail_msg("%s: %s: %s", a.w.kind->name, rc_name(a.rc), a.err.message);
            bool was_hit = power.n_failed > 0;
            n_full += a.rc == RC_FULL;
            if (a.is_open)
                assert_int_equal(present(&a), a.acknowledged); /* reading goes on */
            power.fault = POWER_FAULT_NONE;                    /* there is room again */
            inspect_cuts(&a);
            if (a.is_open)
                go_on(&a); /* no restart is needed */
            reopen(&a);
            assert_int_equal(present(&a), a.is_open ? STEPS : 0);
            end(&a);
            if (!was_hit)
                break;
        }
        assert_true(n_full > STEPS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_that_fails_once_is_reported_and_nothing_is_lost),
        cmocka_unit_test(each_operation_that_fails_for_good_is_reported_and_nothing_is_lost),
        cmocka_unit_test(after_a_failed_fsync_nothing_is_written_and_reading_goes_on),
        cmocka_unit_test(a_failed_fsync_of_a_checkpoint_stops_the_writing_too),
        cmocka_unit_test(a_full_disk_is_said_and_what_it_refused_is_absent),
    };

    power_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
