#include "tests/support/test.h"

#include "tests/engine/train/bert_reference.h"
#include "tests/engine/train/tiny_network.h"

#include <stdio.h>

static struct train_memory memory_of(struct tiny_network *tiny, size_t n_ranges, bool training)
{
    struct train_memory memory;
    struct err err;

    assert_int_equal(
        train_memory_init(&tiny->net, 32, 8, n_ranges, training, &tiny->arena, &memory, &err),
        RC_OK);
    return memory;
}

static double pass_and_gradients(struct tiny_network *tiny, struct train_memory *memory)
{
    double loss = train_network_pass(&tiny->net, memory, &tiny_batch, NULL);

    memset(tiny->gradients, 0, tiny->n_values * sizeof(float));
    train_network_gradients(&tiny->net, memory, &tiny_batch, TRAIN_PARTS_ALL, false,
                            tiny->gradients, NULL);
    return loss;
}

static double *doubles_of(const struct tiny_network *tiny)
{
    double *values = mem_array(tiny->n_values, sizeof(double));

    assert_non_null(values);
    for (size_t i = 0; i < tiny->n_values; i++)
        values[i] = (double)tiny->values[i];
    return values;
}

static void every_kernel_row_has_the_loss_and_the_logits_of_the_reference(void **state)
{
    struct tiny_network tiny;
    (void)state;

    tiny_network_init(&tiny);
    struct train_memory memory = memory_of(&tiny, 2, true), forward = memory_of(&tiny, 3, false);
    double *values = doubles_of(&tiny);
    struct bert_reference ref = { &tiny.layout, &tiny.net.heads, values };
    struct train_batch unlabelled = tiny_batch;

    unlabelled.labels = NULL;
    for (enum cpu cpu = CPU_SCALAR; cpu <= cpu_best(); cpu++) {
        tiny.net.gemm = gemm_for(cpu);
        tiny.net.ops = train_ops_for(cpu);
        double loss = train_network_pass(&tiny.net, &memory, &tiny_batch, NULL),
               want = ref_loss(&ref, &tiny_batch);
        if (fabs(loss - want) > 1e-5)
            fail_msg("%s: loss %.8f, want %.8f", cpu_name(cpu), loss, want);

        train_network_pass(&tiny.net, &forward, &unlabelled, NULL);
        for (size_t r = 0; r < TINY_ROWS; r++) {
            double z[REF_CLASSES_MAX];
            ref_logits(&ref, tiny_tokens + tiny_starts[r], tiny_starts[r + 1] - tiny_starts[r], z);
            for (size_t c = 0; c < 5; c++)
                if (fabs((double)forward.logits[r * 5 + c] - z[c]) > 2e-5)
                    fail_msg("%s: row %zu, class %zu: %g, want %g", cpu_name(cpu), r, c,
                             (double)forward.logits[r * 5 + c], z[c]);
        }
    }
    mem_free(values);
    arena_release(&tiny.arena);
}

/* Name of the tensor that holds flat value i, for messages. */
static const char *tensor_at(const struct tiny_network *tiny, size_t i)
{
    for (size_t t = 0; t < tiny->layout.n_tensors; t++)
        if (i - tiny->layout.tensors[t].offset < tiny->layout.tensors[t].n_values)
            return tiny->layout.tensors[t].name;
    return i < tiny->net.heads.bias ? "head weight" : "head bias";
}

/* Every 29th value: at least one of each tensor. */
static void check_gradients(bool is_set)
{
    const double step = 1e-5;
    struct tiny_network tiny;

    tiny_network_init(&tiny);
    tiny.net.heads.is_set[0] = is_set; /* its labels 0, 1, 2 are then {}, {0}, {1} */
    struct train_memory memory = memory_of(&tiny, 2, true);
    double *values = doubles_of(&tiny);
    struct bert_reference ref = { &tiny.layout, &tiny.net.heads, values };

    double loss = pass_and_gradients(&tiny, &memory);
    assert_true(fabs(loss - ref_loss(&ref, &tiny_batch)) < 1e-5);
    for (size_t i = 0; i < tiny.n_values; i += 29) {
        double value = values[i];

        values[i] = value + step;
        double above = ref_loss(&ref, &tiny_batch);
        values[i] = value - step;
        double below = ref_loss(&ref, &tiny_batch);
        values[i] = value;
        double slope = (above - below) / (2.0 * step);
        if (fabs((double)tiny.gradients[i] - slope) > 2e-5 + 1e-4 * fabs(slope))
            fail_msg("%s, value %zu: gradient %.8f, slope %.8f", tensor_at(&tiny, i), i,
                     (double)tiny.gradients[i], slope);
    }
    mem_free(values);
    arena_release(&tiny.arena);
}

static void every_gradient_is_the_slope_of_the_reference(void **state)
{
    (void)state;
    check_gradients(false);
}

static void with_a_set_every_gradient_is_the_slope_of_the_reference(void **state)
{
    (void)state;
    check_gradients(true);
}

/* Along its own gradient g the loss rises by |g| per unit. */
static void with_dropout_the_loss_rises_along_its_gradient_by_its_length(void **state)
{
    const float step = 4e-3f;
    struct tiny_network tiny;
    double squares = 0.0;
    (void)state;

    tiny_network_init(&tiny);
    struct train_memory memory = memory_of(&tiny, 2, true);

    tiny.net.dropout = 0.25f;
    tiny.net.random_key = 99;
    double loss = pass_and_gradients(&tiny, &memory);
    for (size_t i = 0; i < tiny.n_values; i++)
        squares += (double)tiny.gradients[i] * (double)tiny.gradients[i];
    float scale = step / (float)sqrt(squares);

    for (size_t i = 0; i < tiny.n_values; i++)
        tiny.values[i] += scale * tiny.gradients[i];
    double above = train_network_pass(&tiny.net, &memory, &tiny_batch, NULL);
    for (size_t i = 0; i < tiny.n_values; i++)
        tiny.values[i] -= 2.0f * scale * tiny.gradients[i];
    double below = train_network_pass(&tiny.net, &memory, &tiny_batch, NULL);
    double slope = (above - below) / (2.0 * (double)step);

    if (fabs(slope / sqrt(squares) - 1.0) > 0.01)
        fail_msg("slope %.6f, length of the gradient %.6f", slope, sqrt(squares));
    tiny.net.random_key = 100;
    assert_true(fabs(train_network_pass(&tiny.net, &memory, &tiny_batch, NULL) - loss) > 1e-3);
    arena_release(&tiny.arena);
}

static void the_pool_and_its_size_do_not_change_a_bit(void **state)
{
    struct tiny_network tiny;
    struct pool *pool;
    struct err err;
    (void)state;

    tiny_network_init(&tiny);
    tiny.net.dropout = 0.1f;
    struct train_memory memory = memory_of(&tiny, 3, true);
    float *alone = mem_array(tiny.n_values, sizeof(float));
    assert_non_null(alone);
    double loss = pass_and_gradients(&tiny, &memory);
    memcpy(alone, tiny.gradients, tiny.n_values * sizeof(float));

    assert_int_equal(pool_new(3, &pool, &err), RC_OK);
    for (int repeat = 0; repeat < 20; repeat++) {
        assert_true(train_network_pass(&tiny.net, &memory, &tiny_batch, pool) == loss);
        memset(tiny.gradients, 0, tiny.n_values * sizeof(float));
        train_network_gradients(&tiny.net, &memory, &tiny_batch, TRAIN_PARTS_ALL, false,
                                tiny.gradients, pool);
        assert_memory_equal(alone, tiny.gradients, tiny.n_values * sizeof(float));
    }
    pool_free(pool);
    mem_free(alone);
    arena_release(&tiny.arena);
}

/* Rows in two packs give the gradients of one, up to rounding. */
static void gradients_of_two_packs_add_up(void **state)
{
    struct tiny_network tiny;
    (void)state;

    tiny_network_init(&tiny);
    struct train_memory memory = memory_of(&tiny, 1, true);
    float *whole = mem_array(tiny.n_values, sizeof(float));
    size_t later_starts[] = { 0, 8, 10, 13 };
    struct train_batch first = tiny_batch, second = {
        .n_rows = 3,
        .n_tokens = 13,
        .tokens = tiny_tokens + 6,
        .starts = later_starts,
        .labels = tiny_labels + 4,
        .weights = tiny_weights,
    };

    assert_non_null(whole);
    first.n_rows = 2;
    first.n_tokens = 6;
    pass_and_gradients(&tiny, &memory);
    memcpy(whole, tiny.gradients, tiny.n_values * sizeof(float));

    memset(tiny.gradients, 0, tiny.n_values * sizeof(float));
    train_network_pass(&tiny.net, &memory, &first, NULL);
    train_network_gradients(&tiny.net, &memory, &first, TRAIN_PARTS_ALL, false, tiny.gradients,
                            NULL);
    train_network_pass(&tiny.net, &memory, &second, NULL);
    train_network_gradients(&tiny.net, &memory, &second, TRAIN_PARTS_ALL, true, tiny.gradients,
                            NULL);
    for (size_t i = 0; i < tiny.n_values; i++)
        if (fabsf(tiny.gradients[i] - whole[i]) > 1e-5f)
            fail_msg("%s, value %zu: %g in two packs, %g in one", tensor_at(&tiny, i), i,
                     (double)tiny.gradients[i], (double)whole[i]);
    mem_free(whole);
    arena_release(&tiny.arena);
}

/* What the layers above a frozen one learn does not depend on whether it is frozen. */
static void a_frozen_layer_has_no_gradient_and_changes_no_other(void **state)
{
    struct tiny_network tiny;
    (void)state;

    tiny_network_init(&tiny);
    struct train_memory memory = memory_of(&tiny, 2, true);
    size_t first = tiny.layout.tensors[bert_tensor_index(BERT_LAYER_SLOTS, 1)].offset;
    float *all = mem_array(tiny.n_values, sizeof(float));

    assert_non_null(all);
    double loss = pass_and_gradients(&tiny, &memory);
    memcpy(all, tiny.gradients, tiny.n_values * sizeof(float));

    tiny.net.frozen_layers = 1;
    memory = memory_of(&tiny, 2, true);
    assert_true(pass_and_gradients(&tiny, &memory) == loss);
    for (size_t i = 0; i < first; i++)
        assert_true(tiny.gradients[i] == 0.0f);
    assert_memory_equal(tiny.gradients + first, all + first,
                        (tiny.n_values - first) * sizeof(float));
    mem_free(all);
    arena_release(&tiny.arena);
}

/* With dropout too: it is none of the frozen layers'. */
static void outputs_of_frozen_layers_may_be_kept(void **state)
{
    struct tiny_network tiny;
    const float *lower[TINY_ROWS];
    struct train_batch batch = tiny_batch;
    (void)state;

    tiny_network_init(&tiny);
    tiny.net.frozen_layers = 1;
    tiny.net.dropout = 0.25f;
    struct train_memory memory = memory_of(&tiny, 2, true), forward = memory_of(&tiny, 3, false);
    double loss = pass_and_gradients(&tiny, &memory);

    batch.labels = NULL;
    train_network_lower(&tiny.net, &forward, &batch, NULL);
    for (size_t r = 0; r < TINY_ROWS; r++)
        lower[r] = forward.layers[1].input + tiny_starts[r] * tiny_config.width;
    batch.labels = tiny_labels;
    batch.lower = lower;
    assert_true(train_network_pass(&tiny.net, &memory, &batch, NULL) == loss);
    arena_release(&tiny.arena);
}

static void every_failing_allocation_is_reported(void **state)
{
    struct tiny_network tiny;
    enum rc rc = RC_OK;
    (void)state;

    tiny_network_init(&tiny);
    FOR_EACH_FAILING_ALLOC (nth) {
        struct train_memory memory;
        struct arena arena;
        struct err err = { 0 };

        arena_init(&arena, 8 << 20);
        rc = train_memory_init(&tiny.net, 32, 8, 2, true, &arena, &memory, &err);
        assert_true(rc == RC_OK || (rc == RC_NOMEM && err.code == rc));
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
    arena_release(&tiny.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_row_has_the_loss_and_the_logits_of_the_reference),
        cmocka_unit_test(every_gradient_is_the_slope_of_the_reference),
        cmocka_unit_test(with_a_set_every_gradient_is_the_slope_of_the_reference),
        cmocka_unit_test(with_dropout_the_loss_rises_along_its_gradient_by_its_length),
        cmocka_unit_test(the_pool_and_its_size_do_not_change_a_bit),
        cmocka_unit_test(gradients_of_two_packs_add_up),
        cmocka_unit_test(a_frozen_layer_has_no_gradient_and_changes_no_other),
        cmocka_unit_test(outputs_of_frozen_layers_may_be_kept),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
