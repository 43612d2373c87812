#include "tests/support/data.h"
#include "tests/support/dies.h"
#include "tests/support/digest.h"

#include "tests/engine/train/tiny_llama.h"

#include <math.h>
#include <stdio.h>

/* A job on the tiny decoder, in a folder of its own. */
struct tiny_run {
    struct tiny_llama tiny;
    struct llama_job job;
    struct llama_options options;
    struct train_host host;
    char folder[64], path[128];
};

static void tiny_run_init(struct tiny_run *j)
{
    tiny_llama_init(&j->tiny);
    j->job = (struct llama_job){
        .base = &j->tiny.llama,
        .train = { tiny_rows, TINY_ROWS },
        .valid = { tiny_rows + TINY_ROWS, TINY_VALID_ROWS },
    };
    j->options = llama_options_default();
    j->options.epochs = 4;
    j->options.batch_rows = 2;
    j->options.patience = 0;
    j->options.rate = 1e-2f;
    j->options.rank = TINY_RANK;
    j->options.alpha = 8.0f;
    j->host = (struct train_host){ .cpu = cpu_best(), .clock = clock_system() };
    snprintf(j->folder, sizeof(j->folder), "/tmp/shoal-llama-XXXXXX");
    assert_non_null(mkdtemp(j->folder));
    snprintf(j->path, sizeof(j->path), "%s/checkpoint", j->folder);
}

static void tiny_run_release(struct tiny_run *j)
{
    struct err err;

    assert_int_equal(fs_remove_tree(j->folder, &err), RC_OK);
    arena_release(&j->tiny.arena);
}

static struct llama_result run(struct tiny_run *j, struct arena *arena)
{
    struct llama_result result;
    struct err err;

    arena_init(arena, 64 << 20);
    if (llama_train(&j->job, &j->options, &j->host, arena, &result, &err))
        fail_msg("%s", err.message);
    return result;
}

/* Stops at a given step, and keeps the losses of the first ten. */
struct watch {
    size_t stop_at; /* 0: never */
    double running, of_step[10];
    size_t n;
};

static bool watch_progress(void *context, const struct train_progress *progress)
{
    struct watch *w = context;
    double running = progress->loss;

    if (w->n < ARRAY_LEN(w->of_step))
        w->of_step[w->n] = w->n ? (running - 0.98 * w->running) / 0.02 : running;
    w->n++;
    w->running = running;
    return w->stop_at == 0 || progress->done < w->stop_at;
}

static void watch(struct tiny_run *j, struct watch *w)
{
    j->host.progress = watch_progress;
    j->host.progress_context = w;
}

/* Ten steps of all rows, beside PEFT's losses in f32. */
static void compare_ten_losses(enum llama_precision precision, double tolerance)
{
    char path[4096], line[200];
    struct watch seen = { 0 };
    struct tiny_run j;
    struct arena arena;
    size_t n = 0;

    tiny_run_init(&j);
    watch(&j, &seen);
    j.job.valid.n = 0;
    j.options.precision = precision;
    j.options.epochs = 10;
    j.options.batch_rows = TINY_ROWS;
    j.options.warmup = 0.2f;
    run(&j, &arena);
    FILE *golden = fopen(test_source_path("tests/golden/llama_losses.txt", path), "r");
    assert_non_null(golden);
    while (fgets(line, sizeof(line), golden)) {
        if (line[0] == '#')
            continue;
        double want = strtod(line, NULL);
        assert_true(n < 10);
        if (fabs(seen.of_step[n] - want) > tolerance)
            fail_msg("step %zu: loss %.7f, want %.7f", n, seen.of_step[n], want);
        n++;
    }
    fclose(golden);
    assert_int_equal(n, 10);
    arena_release(&arena);
    tiny_run_release(&j);
}

static void ten_losses_are_those_of_peft(void **state)
{
    (void)state;

    compare_ten_losses(LLAMA_F32, 2e-4);
}

static void ten_losses_in_bf16_are_near_those_of_peft_in_f32(void **state)
{
    (void)state;

    compare_ten_losses(LLAMA_BF16, 5e-3);
}

/* To what the frozen word vectors allow: a logit is at most |rms(x)| |word|, about 7.4 here, which
 * beside 63 others leaves a loss of 0.036. */
static void one_batch_is_overfitted(void **state)
{
    struct watch seen = { 0 };
    struct tiny_run j;
    struct arena arena;
    (void)state;

    tiny_run_init(&j);
    watch(&j, &seen);
    j.job.train.n = 2;
    j.job.valid.n = 0;
    j.options.epochs = 400;
    struct llama_result result = run(&j, &arena);
    if (!(seen.running < 0.04))
        fail_msg("loss %g", seen.running);
    assert_int_equal(result.best_step, 400);
    assert_true(isnan(result.loss));
    arena_release(&arena);
    tiny_run_release(&j);
}

/* Stops a run of 12 steps after each of them; what goes on ends in the bytes of the whole run. */
static void resume_after_any_step(enum llama_precision precision)
{
    struct tiny_run j;
    struct arena whole_arena, arena;
    struct pool *pool;
    struct err err;

    assert_int_equal(pool_new(2, &pool, &err), RC_OK);
    tiny_run_init(&j);
    j.host.pool = pool;
    j.options.precision = precision;
    struct llama_result whole = run(&j, &whole_arena);
    assert_int_equal(whole.steps, 12);
    j.host.checkpoint_path = j.path;
    for (size_t stop = 1; stop < 12; stop++) {
        struct watch stopper = { .stop_at = stop };
        struct llama_result result;

        watch(&j, &stopper);
        arena_init(&arena, 64 << 20);
        assert_int_equal(llama_train(&j.job, &j.options, &j.host, &arena, &result, &err),
                         RC_CANCELLED);
        arena_release(&arena);
        stopper.stop_at = 0;
        result = run(&j, &arena);
        assert_memory_equal(result.values, whole.values, whole.n_values * sizeof(float));
        assert_true(result.loss == whole.loss && result.best_step == whole.best_step);
        assert_true(result.tokens == whole.tokens);
        arena_release(&arena);
        assert_int_equal(fs_remove(j.path, &err), RC_OK);
    }
    arena_release(&whole_arena);
    tiny_run_release(&j);
    pool_free(pool);
}

static void a_run_stopped_after_any_step_resumes_to_the_same_bytes(void **state)
{
    (void)state;

    resume_after_any_step(LLAMA_F32);
    resume_after_any_step(LLAMA_BF16);
}

static void hash_run(struct sha256 *h, enum cpu cpu, struct pool *pool,
                     enum llama_precision precision)
{
    struct tiny_run j;
    struct arena arena;

    tiny_run_init(&j);
    j.host.cpu = cpu;
    j.host.pool = pool;
    j.options.precision = precision;
    j.options.batch_rows = TINY_ROWS;
    struct llama_result result = run(&j, &arena);
    sha256_update(h, result.values, result.n_values * sizeof(float));
    sha256_update(h, &result.loss, sizeof(result.loss));
    arena_release(&arena);
    tiny_run_release(&j);
}

/* For every compiler too: see test_train_run.c. */
static void values_have_the_same_bytes_on_every_cpu_with_every_number_of_threads(void **state)
{
    struct err err;
    (void)state;

    for (enum cpu cpu = CPU_SCALAR; cpu <= cpu_best(); cpu++) {
        for (size_t n_threads = 1; n_threads <= 3; n_threads++) {
            struct sha256 h;
            struct pool *pool;
            char what[32];

            assert_int_equal(pool_new(n_threads, &pool, &err), RC_OK);
            sha256_init(&h);
            hash_run(&h, cpu, pool, LLAMA_F32);
            hash_run(&h, cpu, pool, LLAMA_BF16);
            snprintf(what, sizeof(what), "%s, %zu threads", cpu_name(cpu), n_threads);
            assert_digest(&h, "2f4a4eca69b19d7986953654a8fce942286e7838b8f090944e27db29090b83e7",
                          what);
            pool_free(pool);
        }
    }
}

/* Half of the steps with the scalar row and one thread, the others with the best and three. */
static void a_checkpoint_goes_on_on_another_cpu_with_other_threads(void **state)
{
    struct watch stopper = { .stop_at = 6 };
    struct arena whole_arena, arena;
    struct llama_result result;
    struct tiny_run j;
    struct err err;
    (void)state;

    tiny_run_init(&j);
    struct llama_result whole = run(&j, &whole_arena);
    j.host.checkpoint_path = j.path;
    j.host.cpu = CPU_SCALAR;
    watch(&j, &stopper);
    arena_init(&arena, 64 << 20);
    assert_int_equal(llama_train(&j.job, &j.options, &j.host, &arena, &result, &err), RC_CANCELLED);
    arena_release(&arena);

    stopper.stop_at = 0;
    j.host.cpu = cpu_best();
    assert_int_equal(pool_new(3, &j.host.pool, &err), RC_OK);
    result = run(&j, &arena);
    assert_memory_equal(result.values, whole.values, whole.n_values * sizeof(float));
    arena_release(&arena);
    arena_release(&whole_arena);
    pool_free(j.host.pool);
    tiny_run_release(&j);
}

static enum rc run_once(void *tiny, struct err *err)
{
    struct tiny_run *j = tiny;
    struct llama_result result;
    struct arena arena;

    arena_init(&arena, 64 << 20);
    enum rc rc = llama_train(&j->job, &j->options, &j->host, &arena, &result, err);
    arena_release(&arena);
    return rc;
}

static void a_killed_run_resumes_to_the_same_bytes(void **state)
{
    static const char *places[] = { "train.after_step=crash@5", "train.before_checkpoint=crash@2",
                                    "train.after_checkpoint=crash@3" };
    struct tiny_run j;
    struct arena whole_arena, arena;
    struct err err;
    (void)state;

    tiny_run_init(&j);
    struct llama_result whole = run(&j, &whole_arena);
    j.host.checkpoint_path = j.path;
    j.options.checkpoint_steps = 2; /* changes no value */
    for (size_t p = 0; p < ARRAY_LEN(places); p++) {
        assert_true(dies_at(places[p], run_once, &j));
        struct llama_result result = run(&j, &arena);
        assert_memory_equal(result.values, whole.values, whole.n_values * sizeof(float));
        arena_release(&arena);
        assert_int_equal(fs_remove(j.path, &err), RC_OK);
    }
    arena_release(&whole_arena);
    tiny_run_release(&j);
}

static void the_best_epoch_on_the_validation_rows_is_kept(void **state)
{
    struct tiny_run j;
    struct arena arena;
    (void)state;

    tiny_run_init(&j);
    j.options.epochs = 60;
    j.options.patience = 3;
    struct llama_result result = run(&j, &arena);
    assert_true(result.steps < 180 && result.best_step == result.steps - 9);
    assert_true(result.loss > 0.0);
    arena_release(&arena);
    tiny_run_release(&j);
}

/* A run that starts from production's values goes on where it was. */
static void a_run_goes_on_from_what_another_gave(void **state)
{
    struct watch first_seen = { 0 }, seen = { 0 };
    struct tiny_run j;
    struct arena first_arena, arena;
    (void)state;

    tiny_run_init(&j);
    watch(&j, &first_seen);
    j.job.valid.n = 0;
    j.options.batch_rows = TINY_ROWS;
    j.options.epochs = 10;
    struct llama_result first = run(&j, &first_arena);
    watch(&j, &seen);
    j.job.start = first.values;
    run(&j, &arena);
    assert_true(seen.of_step[0] < first_seen.of_step[9]);
    arena_release(&arena);
    arena_release(&first_arena);
    tiny_run_release(&j);
}

static void what_cannot_be_learned_is_refused(void **state)
{
    static const int32_t foreign[3] = { 1, 64, 2 };
    const struct llama_row bad[] = {
        { tiny_texts[0], 1, 1 },  /* nothing behind the prompt */
        { tiny_texts[0], 4, 4 },  /* the same */
        { tiny_texts[0], 4, 0 },  /* nothing before the answer */
        { tiny_texts[0], 17, 2 }, /* longer than the base allows */
        { foreign, 3, 1 },        /* a token that the base does not have */
    };
    struct tiny_run j;
    struct llama_result result;
    struct arena arena;
    struct err err;
    (void)state;

    tiny_run_init(&j);
    arena_init(&arena, 64 << 20);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        j.job.train = (struct llama_rows){ &bad[i], 1 };
        assert_int_equal(llama_train(&j.job, &j.options, &j.host, &arena, &result, &err),
                         RC_INVALID);
        assert_non_null(strstr(err.message, "training row 0"));
    }
    j.job.train = (struct llama_rows){ tiny_rows, 0 };
    assert_int_equal(llama_train(&j.job, &j.options, &j.host, &arena, &result, &err), RC_INVALID);
    j.job.train.n = 1;
    j.options.rank = 0;
    assert_int_equal(llama_train(&j.job, &j.options, &j.host, &arena, &result, &err), RC_INVALID);
    arena_release(&arena);
    tiny_run_release(&j);
}

static void a_checkpoint_of_another_job_is_refused(void **state)
{
    struct tiny_run j;
    struct llama_result result;
    struct arena arena;
    struct err err;
    (void)state;

    tiny_run_init(&j);
    j.host.checkpoint_path = j.path;
    run(&j, &arena);
    j.options.seed++;
    assert_int_equal(llama_train(&j.job, &j.options, &j.host, &arena, &result, &err), RC_STATE);
    j.options.seed--;
    j.options.precision = LLAMA_BF16;
    assert_int_equal(llama_train(&j.job, &j.options, &j.host, &arena, &result, &err), RC_STATE);
    j.options.precision = LLAMA_F32;
    j.job.train.n--;
    assert_int_equal(llama_train(&j.job, &j.options, &j.host, &arena, &result, &err), RC_STATE);
    arena_release(&arena);
    tiny_run_release(&j);
}

static void every_failing_allocation_is_an_error(void **state)
{
    struct tiny_run j;
    enum rc rc = RC_OK;
    (void)state;

    tiny_run_init(&j);
    j.options.epochs = 1;
    j.options.precision = LLAMA_BF16;
    FOR_EACH_FAILING_ALLOC (nth) {
        struct llama_result result;
        struct arena arena;
        struct err err = { 0 };

        arena_init(&arena, 64 << 20);
        rc = llama_train(&j.job, &j.options, &j.host, &arena, &result, &err);
        assert_true(rc == RC_OK || (rc == RC_NOMEM && err.code == rc));
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
    tiny_run_release(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_losses_are_those_of_peft),
        cmocka_unit_test(ten_losses_in_bf16_are_near_those_of_peft_in_f32),
        cmocka_unit_test(one_batch_is_overfitted),
        cmocka_unit_test(a_run_stopped_after_any_step_resumes_to_the_same_bytes),
        cmocka_unit_test(values_have_the_same_bytes_on_every_cpu_with_every_number_of_threads),
        cmocka_unit_test(a_checkpoint_goes_on_on_another_cpu_with_other_threads),
        cmocka_unit_test(a_killed_run_resumes_to_the_same_bytes),
        cmocka_unit_test(the_best_epoch_on_the_validation_rows_is_kept),
        cmocka_unit_test(a_run_goes_on_from_what_another_gave),
        cmocka_unit_test(what_cannot_be_learned_is_refused),
        cmocka_unit_test(a_checkpoint_of_another_job_is_refused),
        cmocka_unit_test(every_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
