#include "tests/support/data.h"
#include "tests/support/dies.h"
#include "tests/support/digest.h"

#include "tests/engine/train/tiny_job.h"

#include <math.h>
#include <stdio.h>

/* Stops at a given step, and keeps the last loss. */
struct watch {
    size_t stop_at; /* 0: never */
    double loss;
};

static bool watch_progress(void *context, const struct train_progress *progress)
{
    struct watch *watch = context;

    if (progress->phase != TRAIN_PHASE_STEPS)
        return true;
    watch->loss = progress->loss;
    return watch->stop_at == 0 || progress->done < watch->stop_at;
}

static void one_batch_is_overfitted(void **state)
{
    static const enum train_method methods[] = { TRAIN_FULL, TRAIN_LORA };
    (void)state;

    for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
        struct tiny_job j;
        struct watch watch = { 0 };
        struct arena arena;

        tiny_job_init(&j, methods[m]);
        j.job.train.n = 4;
        j.job.valid.n = 0;
        j.options.epochs = 400;
        j.options.dropout = 0.0f;
        j.options.head_start = TRAIN_HEAD_CENTROIDS;
        j.host.progress = watch_progress;
        j.host.progress_context = &watch;
        struct train_result result = run(&j, &arena);
        if (!(watch.loss < 0.01))
            fail_msg("method %d: loss %g", (int)methods[m], watch.loss);
        assert_int_equal(result.steps, 400);
        assert_int_equal(result.best_step, 400);
        assert_true(isnan(result.score));
        arena_release(&arena);
        tiny_job_release(&j);
    }
}

/* The losses of each step, from the running loss of the progress. */
struct losses {
    double running, of_step[10];
    size_t n;
};

static bool note_loss(void *context, const struct train_progress *progress)
{
    struct losses *l = context;

    if (progress->phase == TRAIN_PHASE_STEPS && l->n < ARRAY_LEN(l->of_step)) {
        double running = progress->loss;

        l->of_step[l->n] = l->n ? (running - 0.98 * l->running) / 0.02 : running;
        l->running = running;
        l->n++;
    }
    return true;
}

/* The rows, labels and weights of tiny_network.h, as tools/golden/train_losses.py has them. */
static void train_like_pytorch(enum train_method method, struct losses *losses)
{
    struct tiny_job j;
    struct arena arena;

    tiny_job_init(&j, method);
    for (size_t r = 0; r < TINY_ROWS; r++)
        j.rows[r] =
            (struct train_row){ tiny_tokens + tiny_starts[r], tiny_starts[r + 1] - tiny_starts[r],
                                tiny_labels + r * TINY_FIELDS };
    j.job.train.n = TINY_ROWS;
    j.job.valid.n = 0;
    j.job.start_head = j.tiny.values + j.tiny.net.heads.weight;
    j.options.epochs = 10;
    j.options.batch_rows = TINY_ROWS;
    j.options.rate = 1e-2f;
    j.options.head_rate = 2e-2f;
    j.options.warmup = 0.2f;
    j.options.dropout = 0.0f;
    j.host.progress = note_loss;
    j.host.progress_context = losses;
    run(&j, &arena);
    arena_release(&arena);
    tiny_job_release(&j);
}

static void ten_losses_are_those_of_pytorch_and_peft(void **state)
{
    char path[4096], line[200], name[16];
    struct losses full = { 0 }, lora = { 0 };
    size_t n_full = 0, n_lora = 0;
    double want;
    (void)state;

    train_like_pytorch(TRAIN_FULL, &full);
    train_like_pytorch(TRAIN_LORA, &lora);
    FILE *golden = fopen(test_source_path("tests/golden/train_losses.txt", path), "r");
    assert_non_null(golden);
    while (fgets(line, sizeof(line), golden)) {
        if (sscanf(line, "%15s %lf", name, &want) != 2 || name[0] == '#')
            continue;
        bool is_full = strcmp(name, "full") == 0;
        size_t k = is_full ? n_full++ : n_lora++;

        assert_true(k < 10);
        double got = is_full ? full.of_step[k] : lora.of_step[k];
        if (fabs(got - want) > 1e-4)
            fail_msg("%s, step %zu: loss %.7f, want %.7f", name, k, got, want);
    }
    fclose(golden);
    assert_int_equal(n_full, 10);
    assert_int_equal(n_lora, 10);
}

static void a_run_stopped_after_any_step_resumes_to_the_same_bytes(void **state)
{
    static const enum train_method methods[] = { TRAIN_FULL, TRAIN_LORA, TRAIN_FULL };
    static const size_t frozen_layers[] = { 0, 0, 1 };
    struct pool *pool;
    struct err err = { 0 };
    (void)state;

    assert_int_equal(pool_new(2, &pool, &err), RC_OK);
    for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
        struct tiny_job j;
        struct arena whole_arena, arena;

        tiny_job_init(&j, methods[m]);
        j.options.frozen_layers = frozen_layers[m];
        j.host.pool = pool;
        struct train_result whole = run(&j, &whole_arena);
        assert_true(whole.steps == 12);
        j.host.checkpoint_path = j.path;
        for (size_t stop = 1; stop < 12; stop++) {
            struct watch watch = { .stop_at = stop };
            struct train_result result;

            j.host.progress = watch_progress;
            j.host.progress_context = &watch;
            arena_init(&arena, 64 << 20);
            assert_int_equal(train_run(&j.job, &j.options, &j.host, &arena, &result, &err),
                             RC_CANCELLED);
            arena_release(&arena);
            watch.stop_at = 0;
            result = run(&j, &arena);
            assert_memory_equal(result.weights, whole.weights,
                                n_weights(&j, &whole) * sizeof(float));
            assert_true(result.score == whole.score && result.best_step == whole.best_step);
            assert_true(result.tokens == whole.tokens);
            arena_release(&arena);
            assert_int_equal(fs_remove(j.path, &err), RC_OK);
        }
        arena_release(&whole_arena);
        tiny_job_release(&j);
    }
    pool_free(pool);
}

/* The weights of five kinds of runs: every candidate of an encoder. */
static void hash_runs(struct sha256 *h, enum cpu cpu, struct pool *pool)
{
    static const enum train_method methods[] = { TRAIN_FROZEN, TRAIN_FROZEN, TRAIN_FULL, TRAIN_FULL,
                                                 TRAIN_LORA };

    for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
        struct train_result result;
        struct tiny_job j;
        struct arena arena;

        tiny_job_init(&j, methods[m]);
        j.options.head_start = m == 1 ? TRAIN_HEAD_CENTROIDS : TRAIN_HEAD_REGRESSION;
        j.options.schedule = m == 2 ? TRAIN_SCHEDULE_COSINE : TRAIN_SCHEDULE_LINEAR;
        j.options.frozen_layers = m == 3;
        j.host.cpu = cpu;
        j.host.pool = pool;
        result = run(&j, &arena);
        size_t n = n_weights(&j, &result);
        if (result.weights)
            sha256_update(h, result.weights, n * sizeof(float));
        else
            sha256_update(h, result.head_weight, (n - j.tiny.net.heads.weight) * sizeof(float));
        arena_release(&arena);
        tiny_job_release(&j);
    }
}

/* The constant is the same for every compiler, which no run of one program can show: the CI has
 * two. */
static void weights_have_the_same_bytes_on_every_cpu_with_every_number_of_threads(void **state)
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
            hash_runs(&h, cpu, pool);
            snprintf(what, sizeof(what), "%s, %zu threads", cpu_name(cpu), n_threads);
            assert_digest(&h, "140dba514a9c300daee6cd4493ec352a1852c955b814d8e6ce10f89ab2f4f343",
                          what);
            pool_free(pool);
        }
    }
}

/* Half of the steps with the scalar row and one thread, the others with the best and three. */
static void a_checkpoint_goes_on_on_another_cpu_with_other_threads(void **state)
{
    struct watch watch = { .stop_at = 6 };
    struct train_result result;
    struct arena whole_arena, arena;
    struct tiny_job j;
    struct err err;
    (void)state;

    tiny_job_init(&j, TRAIN_FULL);
    struct train_result whole = run(&j, &whole_arena);
    j.host.checkpoint_path = j.path;
    j.host.progress = watch_progress;
    j.host.progress_context = &watch;
    j.host.cpu = CPU_SCALAR;
    arena_init(&arena, 64 << 20);
    assert_int_equal(train_run(&j.job, &j.options, &j.host, &arena, &result, &err), RC_CANCELLED);
    arena_release(&arena);

    watch.stop_at = 0;
    j.host.cpu = cpu_best();
    assert_int_equal(pool_new(3, &j.host.pool, &err), RC_OK);
    result = run(&j, &arena);
    assert_memory_equal(result.weights, whole.weights, n_weights(&j, &whole) * sizeof(float));
    arena_release(&arena);
    arena_release(&whole_arena);
    pool_free(j.host.pool);
    tiny_job_release(&j);
}

static enum rc run_once(void *tiny, struct err *err)
{
    struct tiny_job *j = tiny;
    struct train_result result;
    struct arena arena;

    arena_init(&arena, 64 << 20);
    enum rc rc = train_run(&j->job, &j->options, &j->host, &arena, &result, err);
    arena_release(&arena);
    return rc;
}

static void a_killed_run_resumes_to_the_same_bytes(void **state)
{
    static const char *places[] = { "train.after_step", "train.before_checkpoint",
                                    "train.after_checkpoint" };
    struct tiny_job j;
    struct arena whole_arena, arena;
    (void)state;

    tiny_job_init(&j, TRAIN_FULL);
    struct train_result whole = run(&j, &whole_arena);

    j.host.checkpoint_path = j.path;
    j.options.checkpoint_steps = 3; /* changes no weight */
    for (size_t p = 0; p < ARRAY_LEN(places); p++) {
        size_t deaths = 0;

        for (size_t passage = 1; passage < 100; passage++) {
            char failpoint[64];
            struct err err;

            snprintf(failpoint, sizeof(failpoint), "%s=crash@%zu", places[p], passage);
            bool died = dies_at(failpoint, run_once, &j);
            struct train_result result = run(&j, &arena);
            assert_memory_equal(result.weights, whole.weights,
                                n_weights(&j, &whole) * sizeof(float));
            arena_release(&arena);
            assert_int_equal(fs_remove(j.path, &err), RC_OK);
            deaths += died;
            if (!died)
                break;
        }
        if (deaths < 3)
            fail_msg("%s was passed %zu times", places[p], deaths);
    }
    arena_release(&whole_arena);
    tiny_job_release(&j);
}

static void a_checkpoint_of_another_job_is_refused(void **state)
{
    struct tiny_job j;
    struct train_result result;
    struct arena arena;
    struct err err;
    (void)state;

    tiny_job_init(&j, TRAIN_FULL);
    j.host.checkpoint_path = j.path;
    run(&j, &arena);
    j.options.seed++;
    assert_int_equal(train_run(&j.job, &j.options, &j.host, &arena, &result, &err), RC_STATE);
    j.options.seed--;
    j.labels[0] = (j.labels[0] + 1) % 3;
    assert_int_equal(train_run(&j.job, &j.options, &j.host, &arena, &result, &err), RC_STATE);
    arena_release(&arena);
    tiny_job_release(&j);
}

static void a_budget_of_tokens_ends_the_schedule_where_it_ends(void **state)
{
    struct tiny_job j;
    struct arena arena;
    size_t tokens = 0;
    (void)state;

    tiny_job_init(&j, TRAIN_FULL);
    for (size_t r = 0; r < ROWS; r++)
        tokens += j.rows[r].n_tokens;
    j.options.budget_tokens = tokens + tokens / 2;
    struct train_result result = run(&j, &arena);
    assert_true(result.tokens <= j.options.budget_tokens && result.steps > 4 && result.steps < 8);
    arena_release(&arena);

    j.options.budget_tokens = 1;
    result = run(&j, &arena);
    assert_int_equal(result.steps, 1);
    arena_release(&arena);
    tiny_job_release(&j);
}

static void patience_stops_a_run_that_gets_no_better(void **state)
{
    struct tiny_job j;
    struct arena arena;
    (void)state;

    tiny_job_init(&j, TRAIN_FULL);
    j.options.epochs = 50;
    j.options.patience = 3;
    j.options.rate = 1e-9f;
    j.options.head_rate = 1e-9f;
    struct train_result result = run(&j, &arena);
    assert_int_equal(result.best_step, 4);
    assert_int_equal(result.steps, 16);
    arena_release(&arena);
    tiny_job_release(&j);
}

static void a_set_is_learnt_by_a_frozen_base_and_by_a_trained_one(void **state)
{
    static const bool is_set[TINY_FIELDS] = { true, false };
    static const enum train_method methods[] = { TRAIN_FROZEN, TRAIN_FULL, TRAIN_LORA };
    (void)state;

    for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
        struct tiny_job j;
        struct arena arena;

        tiny_job_init(&j, methods[m]);
        j.job.is_set = is_set;
        j.job.valid = j.job.train;
        for (size_t r = 0; r < ROWS; r++) /* of the first word: is it odd, is it low, both, none */
            j.labels[r * TINY_FIELDS] =
                j.tokens[r * 8] % 2 | (j.tokens[r * 8] < 12) << 1 | (r == 0) << 2;
        j.options.epochs = 40;
        j.options.patience = 0;
        j.options.dropout = 0.0f;
        double score = run(&j, &arena).score;
        if (!(score > (methods[m] == TRAIN_FROZEN ? 0.5 : 0.9)))
            fail_msg("method %d: macro-F1 %.3f", (int)methods[m], score);
        arena_release(&arena);
        tiny_job_release(&j);
    }
}

static void words_that_no_row_has_keep_their_weights(void **state)
{
    struct tiny_job j;
    struct arena arena;
    bool seen[TINY_WORDS] = { false };
    (void)state;

    tiny_job_init(&j, TRAIN_FULL);
    j.job.train.n = 3;
    for (size_t r = 0; r < 3; r++)
        for (size_t i = 0; i < j.rows[r].n_tokens; i++)
            seen[j.rows[r].tokens[i]] = true;
    struct train_result result = run(&j, &arena);
    for (size_t word = 0; word < TINY_WORDS; word++) {
        bool same =
            memcmp(result.weights + word * 32, j.tiny.values + word * 32, 32 * sizeof(float)) == 0;

        assert_true(same != seen[word]);
    }
    arena_release(&arena);
    tiny_job_release(&j);
}

static void frozen_layers_keep_their_weights_and_all_others_learn(void **state)
{
    struct tiny_job j;
    struct arena arena;
    (void)state;

    tiny_job_init(&j, TRAIN_FULL);
    j.options.frozen_layers = 1;
    struct train_result result = run(&j, &arena);
    for (size_t i = 0; i < j.tiny.layout.n_tensors; i++) {
        const struct bert_tensor *t = &j.tiny.layout.tensors[i];
        bool same = memcmp(result.weights + t->offset, j.tiny.values + t->offset,
                           t->n_values * sizeof(float)) == 0;

        assert_true(same == (t->layer == 0));
    }
    arena_release(&arena);
    tiny_job_release(&j);
}

static void frozen_outputs_kept_or_computed_each_time_give_the_same_bytes(void **state)
{
    struct tiny_job j;
    struct arena kept_arena, arena;
    (void)state;

    tiny_job_init(&j, TRAIN_FULL);
    j.options.frozen_layers = 1;
    struct train_result kept = run(&j, &kept_arena);
    j.options.cache_bytes = 0;
    struct train_result computed = run(&j, &arena);
    assert_memory_equal(kept.weights, computed.weights, n_weights(&j, &kept) * sizeof(float));
    arena_release(&kept_arena);
    arena_release(&arena);
    tiny_job_release(&j);
}

/* A run that starts from production's head and weights begins with production's score. */
static void a_run_goes_on_from_what_another_gave(void **state)
{
    struct tiny_job j;
    struct arena first_arena, arena;
    (void)state;

    tiny_job_init(&j, TRAIN_LORA);
    struct train_result first = run(&j, &first_arena);

    j.job.start_head = first.head_weight;
    j.job.start_lora = first.lora;
    j.options.rate = 1e-9f;
    j.options.head_rate = 1e-9f;
    struct train_result second = run(&j, &arena);
    for (size_t i = 0; i < j.tiny.n_values; i++)
        if (fabsf(second.weights[i] - first.weights[i]) > 1e-5f)
            fail_msg("value %zu: %g after %g", i, (double)second.weights[i],
                     (double)first.weights[i]);
    arena_release(&first_arena);
    arena_release(&arena);
    tiny_job_release(&j);
}

static void wrong_jobs_are_refused_with_their_place(void **state)
{
    struct tiny_job j;
    struct train_result result;
    struct arena arena;
    struct err err;
    (void)state;

    tiny_job_init(&j, TRAIN_FULL);
    arena_init(&arena, 64 << 20);
#define REFUSED(message_expected)                                                       \
    do {                                                                                \
        assert_int_equal(train_run(&j.job, &j.options, &j.host, &arena, &result, &err), \
                         RC_INVALID);                                                   \
        assert_string_equal(err.message, "training: " message_expected);                \
    } while (0)
    j.tokens[2 * 8 + 1] = TINY_WORDS;
    REFUSED("training row 2: token 24, expected below 24");
    j.tokens[2 * 8 + 1] = -1;
    REFUSED("training row 2: token -1, expected below 24");
    j.tokens[2 * 8 + 1] = 1;
    j.labels[(ROWS + 1) * TINY_FIELDS + 1] = 2;
    REFUSED("validation row 1: field 1 has class 2, expected below 2");
    j.job.is_set = (const bool[]){ true, true };
    j.labels[(ROWS + 1) * TINY_FIELDS + 1] = 4;
    REFUSED("validation row 1: field 1 has class 4, expected below 4");
    j.job.is_set = NULL;
    j.labels[(ROWS + 1) * TINY_FIELDS + 1] = 0;
    j.rows[4].n_tokens = 9;
    REFUSED("training row 4: 9 tokens, expected 1 to 8");
    j.rows[4].n_tokens = 2;
    j.options.rate = NAN;
    REFUSED("learning rates nan and 0.01, expected both above 0");
    j.options.rate = 1e-2f;
    j.options.batch_rows = 0;
    REFUSED("batches of 0 rows, expected 1 to 1024");
    j.options.batch_rows = 4;
    j.options.frozen_layers = 2;
    REFUSED("2 frozen layers, expected less than the base's 2");
    j.options.method = TRAIN_LORA;
    REFUSED("2 frozen layers, but LoRA changes no layer's own weights");
    j.options.method = TRAIN_FULL;
    j.options.frozen_layers = 0;
    j.job.train.n = 0;
    REFUSED("field 0 has no labelled row");
    j.job.train.n = ROWS;
    j.options.rate = 1e30f;
    j.options.clip = 0.0f;
    assert_int_equal(train_run(&j.job, &j.options, &j.host, &arena, &result, &err), RC_INVALID);
    assert_non_null(strstr(err.message, "the loss is no number any more"));
    arena_release(&arena);
    tiny_job_release(&j);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    struct tiny_job j;
    enum rc rc = RC_OK;
    (void)state;

    tiny_job_init(&j, TRAIN_LORA);
    j.options.epochs = 1;
    j.job.train.n = 4;
    FOR_EACH_FAILING_ALLOC (nth) {
        struct train_result result;
        struct arena arena;
        struct err err = { 0 };

        arena_init(&arena, 64 << 20);
        rc = train_run(&j.job, &j.options, &j.host, &arena, &result, &err);
        assert_true(rc == RC_OK || (rc == RC_NOMEM && err.code == rc));
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
    tiny_job_release(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_batch_is_overfitted),
        cmocka_unit_test(ten_losses_are_those_of_pytorch_and_peft),
        cmocka_unit_test(a_run_stopped_after_any_step_resumes_to_the_same_bytes),
        cmocka_unit_test(weights_have_the_same_bytes_on_every_cpu_with_every_number_of_threads),
        cmocka_unit_test(a_checkpoint_goes_on_on_another_cpu_with_other_threads),
        cmocka_unit_test(a_killed_run_resumes_to_the_same_bytes),
        cmocka_unit_test(a_checkpoint_of_another_job_is_refused),
        cmocka_unit_test(a_budget_of_tokens_ends_the_schedule_where_it_ends),
        cmocka_unit_test(patience_stops_a_run_that_gets_no_better),
        cmocka_unit_test(a_set_is_learnt_by_a_frozen_base_and_by_a_trained_one),
        cmocka_unit_test(words_that_no_row_has_keep_their_weights),
        cmocka_unit_test(frozen_layers_keep_their_weights_and_all_others_learn),
        cmocka_unit_test(frozen_outputs_kept_or_computed_each_time_give_the_same_bytes),
        cmocka_unit_test(a_run_goes_on_from_what_another_gave),
        cmocka_unit_test(wrong_jobs_are_refused_with_their_place),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
