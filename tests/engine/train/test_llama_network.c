#include "tests/support/test.h"

#include "tests/engine/train/llama_reference.h"
#include "tests/engine/train/tiny_llama.h"

#include <stdio.h>

static const double weight = 0.0625; /* of one answer token */

static double pass(struct tiny_llama *tiny, struct llama_memory *memory)
{
    const struct llama_row *rows[TINY_ROWS];

    for (size_t r = 0; r < TINY_ROWS; r++)
        rows[r] = &tiny_rows[r];
    return llama_network_pass(&tiny->net, memory, rows, TINY_ROWS, weight);
}

static double *doubles_of(const struct tiny_llama *tiny)
{
    double *values = mem_array(tiny->n_values, sizeof(double));

    assert_non_null(values);
    for (size_t i = 0; i < tiny->n_values; i++)
        values[i] = (double)tiny->values[i];
    return values;
}

static double reference_loss(const struct tiny_llama *tiny, const double *values)
{
    struct llama_reference ref = { &tiny->llama, &tiny->net.lora, values };
    double loss = 0.0;

    for (size_t r = 0; r < TINY_ROWS; r++)
        loss += weight * ref_loss(&ref, &tiny_rows[r]);
    return loss;
}

static void every_kernel_row_has_the_loss_of_the_reference(void **state)
{
    struct llama_memory forward;
    struct tiny_llama tiny;
    struct err err;
    (void)state;

    tiny_llama_init(&tiny);
    assert_int_equal(llama_memory_init(&tiny.net, 32, false, &tiny.arena, &forward, &err), RC_OK);
    double *values = doubles_of(&tiny), want = reference_loss(&tiny, values);

    for (enum cpu cpu = CPU_SCALAR; cpu <= cpu_best(); cpu++) {
        tiny.net.gemm = gemm_for(cpu);
        tiny.net.ops = train_ops_for(cpu);
        double loss = pass(&tiny, &tiny.memory), without_training = pass(&tiny, &forward);
        if (fabs(loss - want) > 1e-5 || fabs(without_training - want) > 1e-5)
            fail_msg("%s: loss %.8f, without training %.8f, want %.8f", cpu_name(cpu), loss,
                     without_training, want);
    }
    mem_free(values);
    arena_release(&tiny.arena);
}

/* Every 17th value: some of each A and B. */
static void every_gradient_is_the_slope_of_the_reference(void **state)
{
    const double step = 1e-5;
    struct tiny_llama tiny;
    (void)state;

    tiny_llama_init(&tiny);
    double *values = doubles_of(&tiny);

    pass(&tiny, &tiny.memory);
    for (size_t i = 0; i < tiny.n_values; i += 17) {
        double value = values[i];

        values[i] = value + step;
        double above = reference_loss(&tiny, values);
        values[i] = value - step;
        double below = reference_loss(&tiny, values);
        values[i] = value;
        double slope = (above - below) / (2.0 * step), got = (double)tiny.memory.gradients[i];
        if (fabs(got - slope) > 2e-5 + 1e-4 * fabs(slope))
            fail_msg("value %zu of %zu: gradient %.8f, slope %.8f", i, tiny.n_values, got, slope);
    }
    mem_free(values);
    arena_release(&tiny.arena);
}

static void gradients_of_two_calls_add_up(void **state)
{
    const struct llama_row *rows[TINY_ROWS];
    struct tiny_llama tiny;
    (void)state;

    tiny_llama_init(&tiny);
    float *whole = mem_array(tiny.n_values, sizeof(float));
    assert_non_null(whole);
    for (size_t r = 0; r < TINY_ROWS; r++)
        rows[r] = &tiny_rows[r];
    pass(&tiny, &tiny.memory);
    memcpy(whole, tiny.memory.gradients, tiny.n_values * sizeof(float));

    memset(tiny.memory.gradients, 0, tiny.n_values * sizeof(float));
    llama_network_pass(&tiny.net, &tiny.memory, rows, 2, weight);
    llama_network_pass(&tiny.net, &tiny.memory, rows + 2, TINY_ROWS - 2, weight);
    for (size_t i = 0; i < tiny.n_values; i++)
        if (fabsf(whole[i] - tiny.memory.gradients[i]) > 1e-5f)
            fail_msg("value %zu: %g, want %g", i, (double)tiny.memory.gradients[i],
                     (double)whole[i]);
    mem_free(whole);
    arena_release(&tiny.arena);
}

/* Attention stays within a row: a row's loss is the same beside other rows and alone. */
static void a_row_has_the_same_loss_beside_others_and_alone(void **state)
{
    const struct llama_row *rows[TINY_ROWS];
    struct tiny_llama tiny;
    double alone = 0.0;
    (void)state;

    tiny_llama_init(&tiny);
    for (size_t r = 0; r < TINY_ROWS; r++) {
        rows[r] = &tiny_rows[r];
        alone += llama_network_pass(&tiny.net, &tiny.memory, rows + r, 1, weight);
    }
    double together = llama_network_pass(&tiny.net, &tiny.memory, rows, TINY_ROWS, weight);
    assert_true(fabs(alone - together) < 1e-6);
    arena_release(&tiny.arena);
}

/* The tiny network, its base packed in bf16, and memory for it. */
static void tiny_bf16_init(struct tiny_llama *tiny, struct llama_bf16 *bf16)
{
    struct err err;

    tiny_llama_init(tiny);
    assert_int_equal(llama_bf16_pack(&tiny->llama, &tiny->arena, bf16, &err), RC_OK);
    tiny->net.bf16 = bf16;
    float *gradients = tiny->memory.gradients;
    assert_int_equal(llama_memory_init(&tiny->net, 32, true, &tiny->arena, &tiny->memory, &err),
                     RC_OK);
    tiny->memory.gradients = gradients;
}

static void a_pass_in_bf16_is_near_one_in_f32(void **state)
{
    struct tiny_llama tiny, exact;
    struct llama_bf16 bf16;
    double error = 0.0, size = 0.0;
    (void)state;

    tiny_llama_init(&exact);
    tiny_bf16_init(&tiny, &bf16);
    double want = pass(&exact, &exact.memory), got = pass(&tiny, &tiny.memory);
    if (fabs(got - want) > 5e-4 * want || got == want)
        fail_msg("loss %.8f, in f32 %.8f", got, want);
    for (size_t i = 0; i < tiny.n_values; i++) {
        double g = (double)exact.memory.gradients[i];

        error += ((double)tiny.memory.gradients[i] - g) * ((double)tiny.memory.gradients[i] - g);
        size += g * g;
    }
    if (!(sqrt(error / size) < 0.015))
        fail_msg("gradients differ by %.5f of their length", sqrt(error / size));
    arena_release(&tiny.arena);
    arena_release(&exact.arena);
}

static void a_pass_in_bf16_has_the_same_bytes_on_every_row(void **state)
{
    static const char *names[] = { "avx2", "avx512", "avx512_bf16" };
    struct tiny_llama tiny;
    struct llama_bf16 bf16;
    (void)state;

    tiny_bf16_init(&tiny, &bf16);
    size_t n_bytes = tiny.n_values * sizeof(float);
    float *want = mem_array(tiny.n_values, sizeof(float));
    assert_non_null(want);
    bf16.kernel = gemm_bf16_kernel_named("scalar");
    double loss = pass(&tiny, &tiny.memory);
    memcpy(want, tiny.memory.gradients, n_bytes);
    for (size_t n = 0; n < ARRAY_LEN(names); n++) {
        bf16.kernel = gemm_bf16_kernel_named(names[n]);
        if (!bf16.kernel)
            continue;
        memset(tiny.memory.gradients, 0, n_bytes);
        assert_true(pass(&tiny, &tiny.memory) == loss);
        assert_memory_equal(tiny.memory.gradients, want, n_bytes);
    }
    mem_free(want);
    arena_release(&tiny.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_row_has_the_loss_of_the_reference),
        cmocka_unit_test(every_gradient_is_the_slope_of_the_reference),
        cmocka_unit_test(gradients_of_two_calls_add_up),
        cmocka_unit_test(a_row_has_the_same_loss_beside_others_and_alone),
        cmocka_unit_test(a_pass_in_bf16_is_near_one_in_f32),
        cmocka_unit_test(a_pass_in_bf16_has_the_same_bytes_on_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
