/*
 * Cuts the power at random moments of a workload and looks at what is left (power_vfs.h).
 *
 *   test_power_cut [CUTS [SEED]]     cuts per database, 200 unless said; a quarter for each weaker
 * setting
 */
#include "tests/store/power_vfs.h"
#include "tests/store/workload.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { STEPS = 360, STEPS_PER_OPEN = 150, CUTS_MAX = 100000 };

static size_t n_cuts_full = 200;
static uint64_t seed = 1;

struct result {
    size_t n_cuts, n_lost,
        n_broken; /* n_broken: does not open, is damaged, or not in whole steps */
};

static struct {
    struct workload w;         /* that is cut */
    struct workload inspector; /* that looks at what is left */
    struct temp_dir dir;
    char run_dir[TEMP_PATH_MAX];
    size_t *cuts; /* (n,) operations at which to cut, ascending */
    size_t n, next;
    size_t acknowledged; /* steps of w */
    struct result result;
} plan;

/* Opens what a cut left, with the product's code, as after a restart. */
static void inspect(const char *path)
{
    struct workload *w = &plan.inspector;
    struct err err = { 0 };
    size_t n = 0;

    enum rc rc = w->kind->open(w, path, &err);
    if (!rc)
        rc = w->kind->present(w, &n, &err);
    workload_close(w);
    bool is_broken = rc || n > plan.acknowledged + 1, is_lost = n < plan.acknowledged;
    plan.result.n_cuts++;
    plan.result.n_broken += is_broken;
    plan.result.n_lost += !is_broken && is_lost;
    if (!power.synchronous && (is_broken || is_lost))
        fail_msg("cut %zu, seed %" PRIu64 ": %zu acknowledged, %zu there %s", plan.next, seed,
                 plan.acknowledged, n, err.message);
}

/* Called in the middle of the workload's operations; what is looked at is another database. */
static void cut_if_planned(size_t op)
{
    struct power_control running = power;

    power.before_op = NULL;
    for (; plan.next < plan.n && plan.cuts[plan.next] <= op; plan.next++) {
        struct temp_dir left;
        char path[TEMP_PATH_MAX];

        temp_dir_make(&left);
        power_cut(plan.run_dir, left.path, seed * 1000003 + plan.next);
        inspect(temp_path(&left, "test.db", path));
        power_forget(left.path);
        temp_dir_remove(&left);
    }
    power = running;
}

/* The steps, with a clean close and a new open now and then. Gives the number of operations. */
static size_t run(const char *dir_name)
{
    struct workload *w = &plan.w;
    char path[TEMP_PATH_MAX];
    struct err err;

    temp_path(&plan.dir, dir_name, plan.run_dir);
    assert_int_equal(mkdir(plan.run_dir, 0700), 0);
    snprintf(path, sizeof(path), "%.400s/test.db", plan.run_dir);
    for (size_t i = 0; i < STEPS; i++) {
        if (i % STEPS_PER_OPEN == 0) {
            workload_close(w);
            assert_ok(w->kind->open(w, path, &err), &err);
        }
        assert_ok(w->kind->step(w, i, &err), &err);
        plan.acknowledged = i + 1;
    }
    workload_close(w);
    return power.n_ops;
}

static int ascending(const void *a, const void *b)
{
    size_t first = *(const size_t *)a, second = *(const size_t *)b;

    return first < second ? -1 : first > second;
}

static struct result cut_and_inspect(const struct workload_kind *kind, const char *synchronous,
                                     size_t n_cuts)
{
    uint64_t random = seed;

    memset(&plan, 0, sizeof(plan));
    power.synchronous = synchronous;
    temp_dir_make(&plan.dir);
    workload_init(&plan.w, kind);
    workload_init(&plan.inspector, kind);

    power_reset();
    size_t n_ops = run("counted");
    plan.cuts = test_calloc(n_cuts, sizeof(*plan.cuts));
    for (plan.n = 0; plan.n < n_cuts; plan.n++)
        plan.cuts[plan.n] = power_random(&random) % n_ops;
    qsort(plan.cuts, plan.n, sizeof(*plan.cuts), ascending);

    power_reset();
    plan.acknowledged = 0;
    power.before_op = cut_if_planned;
    run("cut");
    power_reset();

    workload_release(&plan.inspector);
    workload_release(&plan.w);
    temp_dir_remove(&plan.dir);
    test_free(plan.cuts);
    printf("# %s, synchronous=%s: %zu cuts in %zu operations, %zu lost something acknowledged, %zu"
           " broken\n",
           kind->name, synchronous ? synchronous : "full", plan.result.n_cuts, n_ops,
           plan.result.n_lost, plan.result.n_broken);
    return plan.result;
}

static void nothing_acknowledged_is_lost_at_a_power_cut(void **state)
{
    (void)state;
    for (size_t k = 0; k < WORKLOAD_KINDS; k++) {
        struct result result = cut_and_inspect(&workload_kinds[k], NULL, n_cuts_full);

        assert_true(result.n_cuts > n_cuts_full * 9 / 10);
        assert_int_equal(result.n_lost, 0);
        assert_int_equal(result.n_broken, 0);
    }
}

/* That they do shows that the test can tell. */
static void weaker_settings_are_seen_to_lose(void **state)
{
    static const char *const weaker[] = { "0" /* off */, "1" /* normal */ };
    size_t n_cuts = n_cuts_full / 4;
    (void)state;

    for (size_t s = 0; s < ARRAY_LEN(weaker); s++) {
        for (size_t k = 0; k < WORKLOAD_KINDS; k++) {
            struct result result = cut_and_inspect(&workload_kinds[k], weaker[s], n_cuts);

            assert_true(result.n_lost + result.n_broken > n_cuts / 4);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_at_a_power_cut),
        cmocka_unit_test(weaker_settings_are_seen_to_lose),
    };

    if (argc > 1)
        n_cuts_full = strtoul(argv[1], NULL, 10) % CUTS_MAX;
    if (argc > 2)
        seed = strtoul(argv[2], NULL, 10) | 1;
    power_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
