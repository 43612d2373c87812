#include "tests/support/test.h"

#include "base/macros.h"
#include "engine/train/train_adapter.h"
#include "tests/engine/train/tiny_job.h"

#include <math.h>

/* What a run gave, written as a file and parsed again. */
static struct safetensors *file_of(const struct train_result *result, const struct tiny_job *j,
                                   struct arena *arena)
{
    struct safetensors_tensor *tensors;
    struct safetensors *file;
    struct buf out;
    size_t n;
    struct err err;

    buf_init(&out, 1 << 20);
    assert_int_equal(train_adapter_tensors(result, &j->bert, 5, arena, &tensors, &n, &err), RC_OK);
    safetensors_append(&out, NULL, 0, tensors, n);
    assert_int_equal(buf_rc(&out, "adapter", &err), RC_OK);
    uint8_t *bytes = arena_alloc(arena, out.len, 1, 64);
    assert_non_null(bytes);
    memcpy(bytes, out.at, out.len);
    assert_int_equal(safetensors_parse(bytes, out.len, arena, &file, &err), RC_OK);
    buf_release(&out);
    return file;
}

static void what_a_run_gave_is_what_the_next_starts_from(void **state)
{
    static const enum train_method methods[] = { TRAIN_FROZEN, TRAIN_FULL, TRAIN_LORA };
    static const size_t n_tensors[] = { 2, 2 + 37, 2 + 24 };
    (void)state;

    for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
        struct tiny_job j;
        struct arena arena;
        struct train_start start;
        struct err err = { 0 };

        tiny_job_init(&j, methods[m]);
        struct train_result result = run(&j, &arena);
        struct safetensors *file = file_of(&result, &j, &arena);
        assert_int_equal(file->n_tensors, n_tensors[m]);

        /* Merged, whatever the method was, into the weights that the run ended with. */
        j.options.method = TRAIN_FULL;
        if (train_start_open(&j.bert, file, result.lora_alpha, 5, &j.options, &arena, &start, &err))
            fail_msg("%s", err.message);
        assert_memory_equal(start.head, result.head_weight, 5 * 33 * sizeof(float));
        assert_null(start.lora);
        for (size_t i = 0; i < j.tiny.layout.n_tensors; i++) {
            const struct bert_tensor *t = &j.tiny.layout.tensors[i];
            const float *want = result.weights ? result.weights + t->offset : j.bert.values[i];

            assert_memory_equal(start.bert.values[i], want, t->n_values * sizeof(float));
        }
        arena_release(&arena);
        tiny_job_release(&j);
    }
}

static void tensors_that_are_the_base_s_are_not_written(void **state)
{
    struct tiny_job j;
    struct arena arena;
    (void)state;

    tiny_job_init(&j, TRAIN_FULL);
    j.options.frozen_layers = 1;
    struct train_result result = run(&j, &arena);
    struct safetensors *file = file_of(&result, &j, &arena);

    assert_int_equal(file->n_tensors, 2 + 16);
    assert_non_null(safetensors_find(file, "encoder.layer.1.output.dense.weight"));
    assert_null(safetensors_find(file, "encoder.layer.0.output.dense.weight"));
    arena_release(&arena);
    tiny_job_release(&j);
}

static void lora_goes_on_with_its_own_matrices_or_not_at_all(void **state)
{
    struct tiny_job j;
    struct arena arena;
    struct train_start start;
    struct err err = { 0 };
    (void)state;

    tiny_job_init(&j, TRAIN_LORA);
    struct train_result result = run(&j, &arena);
    struct safetensors *file = file_of(&result, &j, &arena);
    struct lora lora = { &j.tiny.layout, 4, 32.0f, 0 };

    assert_int_equal(train_start_open(&j.bert, file, 32.0f, 5, &j.options, &arena, &start, &err),
                     RC_OK);
    assert_memory_equal(start.lora, result.lora, lora_n_values(&lora) * sizeof(float));
    assert_ptr_equal(start.bert.values, j.bert.values);
    j.options.lora_rank = 8;
    assert_int_equal(train_start_open(&j.bert, file, 32.0f, 5, &j.options, &arena, &start, &err),
                     RC_STATE);
    assert_string_equal(err.message,
                        "start from an adapter: LoRA of rank 4 and alpha 32, the run has 8 and 32");
    arena_release(&arena);
    tiny_job_release(&j);

    tiny_job_init(&j, TRAIN_FULL);
    result = run(&j, &arena);
    file = file_of(&result, &j, &arena);
    j.options.method = TRAIN_LORA;
    assert_int_equal(train_start_open(&j.bert, file, 0.0f, 5, &j.options, &arena, &start, &err),
                     RC_STATE);
    arena_release(&arena);
    tiny_job_release(&j);
}

static void files_of_another_shape_are_refused(void **state)
{
    struct tiny_job j;
    struct arena arena;
    struct train_start start;
    struct err err = { 0 };
    (void)state;

    tiny_job_init(&j, TRAIN_LORA);
    struct train_result result = run(&j, &arena);
    struct safetensors *file = file_of(&result, &j, &arena);

    assert_int_equal(train_start_open(&j.bert, file, 32.0f, 6, &j.options, &arena, &start, &err),
                     RC_CORRUPT);
    assert_string_equal(err.message,
                        "start from an adapter: tensor 'heads.weight' is not F32 of shape (6, 32)");
    file->n_tensors--; /* the last one goes: some B */
    assert_int_equal(train_start_open(&j.bert, file, 32.0f, 5, &j.options, &arena, &start, &err),
                     RC_CORRUPT);
    assert_non_null(strstr(err.message, "is missing"));
    arena_release(&arena);
    tiny_job_release(&j);
}

static void every_failing_allocation_is_reported(void **state)
{
    struct tiny_job j;
    struct arena result_arena;
    enum rc rc = RC_OK;
    (void)state;

    tiny_job_init(&j, TRAIN_LORA);
    struct train_result result = run(&j, &result_arena);
    struct safetensors *file = file_of(&result, &j, &result_arena);

    for (int method = TRAIN_FULL; method <= TRAIN_LORA; method++) {
        j.options.method = (enum train_method)method;
        FOR_EACH_FAILING_ALLOC (nth) {
            struct safetensors_tensor *tensors;
            struct train_start start;
            struct arena arena;
            struct err err = { 0 };
            size_t n;

            arena_init(&arena, 1 << 20);
            rc = train_adapter_tensors(&result, &j.bert, 5, &arena, &tensors, &n, &err);
            if (!rc)
                rc = train_start_open(&j.bert, file, 32.0f, 5, &j.options, &arena, &start, &err);
            assert_true(rc == RC_OK || (rc == RC_NOMEM && err.code == rc));
            arena_release(&arena);
        }
        assert_int_equal(rc, RC_OK);
    }
    arena_release(&result_arena);
    tiny_job_release(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_run_gave_is_what_the_next_starts_from),
        cmocka_unit_test(tensors_that_are_the_base_s_are_not_written),
        cmocka_unit_test(lora_goes_on_with_its_own_matrices_or_not_at_all),
        cmocka_unit_test(files_of_another_shape_are_refused),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
