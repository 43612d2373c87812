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

/* A cut that was made: what had been acknowledged by then. */
struct cut {
    size_t op;
    size_t acknowledged;
    bool is_made;
};

static struct {
    struct temp_dir dir;
    char run_dir[TEMP_PATH_MAX]; /* where the workload runs that is cut */
    struct cut *cuts;            /* (n,), by op */
    size_t n, next;
    size_t acknowledged;
} plan;

static void cut_path(size_t index, const char *name, char path[TEMP_PATH_MAX])
{
    snprintf(path, TEMP_PATH_MAX, "%s/cut-%zu%s%s", plan.dir.path, index, *name ? "/" : "", name);
}

static void cut_if_planned(size_t op)
{
    char path[TEMP_PATH_MAX];

    while (plan.next < plan.n && plan.cuts[plan.next].op <= op) {
        struct cut *cut = &plan.cuts[plan.next];

        cut_path(plan.next, "", path);
        assert_int_equal(mkdir(path, 0700), 0);
        power_cut(plan.run_dir, path, seed * 1000003 + plan.next);
        cut->acknowledged = plan.acknowledged;
        cut->is_made = true;
        plan.next++;
    }
}

/* The steps, with a clean close and a new open now and then. Gives the number of operations. */
static size_t run(struct workload *w, const char *path)
{
    struct err err;

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

static int by_op(const void *a, const void *b)
{
    size_t op_a = ((const struct cut *)a)->op, op_b = ((const struct cut *)b)->op;

    return op_a < op_b ? -1 : op_a > op_b;
}

struct result {
    size_t n_cuts, n_lost,
        n_broken; /* n_broken: does not open, is damaged, or not in whole steps */
};

/* Opens what a cut left, with the product's code, as after a restart. */
static void inspect(struct workload *w, size_t index, struct result *result)
{
    const struct cut *cut = &plan.cuts[index];
    char path[TEMP_PATH_MAX];
    struct err err;
    size_t n = 0;

    cut_path(index, "test.db", path);
    enum rc rc = w->kind->open(w, path, &err);
    if (!rc)
        rc = w->kind->present(w, &n, &err);
    if (rc == RC_OK && n <= cut->acknowledged + 1) {
        result->n_lost += n < cut->acknowledged;
    } else {
        result->n_broken++;
        snprintf(err.message + strlen(err.message), sizeof(err.message) - strlen(err.message),
                 " (cut %zu, seed %" PRIu64 ", %zu acknowledged, %zu there)", index, seed,
                 cut->acknowledged, n);
        if (!power.synchronous)
            fail_msg("%s", err.message);
    }
    if (!power.synchronous && n < cut->acknowledged)
        fail_msg("cut %zu, seed %" PRIu64 ": %zu acknowledged, %zu there", index, seed,
                 cut->acknowledged, n);
    workload_close(w);
    result->n_cuts += cut->is_made;
}

static struct result cut_and_inspect(const struct workload_kind *kind, const char *synchronous,
                                     size_t n_cuts)
{
    char first[TEMP_PATH_MAX], second[TEMP_PATH_MAX];
    struct result result = { 0 };
    struct workload w;
    uint64_t random = seed;

    temp_dir_make(&plan.dir);
    assert_int_equal(mkdir(temp_path(&plan.dir, "count", first), 0700), 0);
    assert_int_equal(mkdir(temp_path(&plan.dir, "run", plan.run_dir), 0700), 0);
    temp_path(&plan.dir, "count/test.db", first);
    temp_path(&plan.dir, "run/test.db", second);
    power.synchronous = synchronous;
    workload_init(&w, kind);

    power_reset();
    size_t n_ops = run(&w, first);
    plan.cuts = test_calloc(n_cuts, sizeof(*plan.cuts));
    for (plan.n = 0; plan.n < n_cuts; plan.n++)
        plan.cuts[plan.n].op = power_random(&random) % n_ops;
    qsort(plan.cuts, plan.n, sizeof(*plan.cuts), by_op);

    power_reset();
    plan.next = plan.acknowledged = 0;
    power.before_op = cut_if_planned;
    run(&w, second);
    power_reset();
    for (size_t i = 0; i < plan.next; i++)
        inspect(&w, i, &result);

    power_reset();
    workload_release(&w);
    test_free(plan.cuts);
    temp_dir_remove(&plan.dir);
    printf("# %s, synchronous=%s: %zu cuts in %zu operations, %zu lost something acknowledged, %zu"
           " broken\n",
           kind->name, synchronous ? synchronous : "full", result.n_cuts, n_ops, result.n_lost,
           result.n_broken);
    return result;
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
