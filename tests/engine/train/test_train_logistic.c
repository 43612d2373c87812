#include "tests/support/data.h"
#include "tests/support/test.h"

#include "base/macros.h"
#include "engine/train/train_logistic.h"
#include "tests/engine/train/tiny_network.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = 90, WIDTH = 8, CLASSES = 4, UNKNOWNS = CLASSES * (WIDTH + 1) };

/* The rows of tools/golden/train_logistic.py. */
static void draw(float *features, int32_t *labels)
{
    uint32_t state = 5;

    for (size_t r = 0; r < ROWS; r++) {
        int32_t best = 0;

        for (size_t j = 0; j < WIDTH; j++)
            features[r * WIDTH + j] = tiny_random(&state);
        for (int32_t c = 1; c < CLASSES; c++)
            if (features[r * WIDTH + (size_t)c] > features[r * WIDTH + (size_t)best])
                best = c;
        labels[r] = r % 5 ? best : (best + 1) % CLASSES;
    }
}

static void fit(float c, const float *features, const int32_t *labels, float *solution)
{
    const struct train_logistic problem = { ROWS,
                                            WIDTH,
                                            CLASSES,
                                            features,
                                            labels,
                                            c,
                                            false,
                                            gemm_for(cpu_best()),
                                            train_ops_for(cpu_best()) };
    struct arena arena;
    struct err err;

    memset(solution, 0, UNKNOWNS * sizeof(*solution));
    arena_init(&arena, 1 << 20);
    assert_int_equal(train_logistic_fit(&problem, solution, &arena, NULL, &err), RC_OK);
    arena_release(&arena);
}

static double probability(const float *solution, const float *x, int32_t label)
{
    double z[CLASSES], sum = 0.0;

    for (size_t c = 0; c < CLASSES; c++) {
        z[c] = (double)solution[CLASSES * WIDTH + c];
        for (size_t j = 0; j < WIDTH; j++)
            z[c] += (double)solution[c * WIDTH + j] * (double)x[j];
        sum += exp(z[c]);
    }
    return exp(z[label]) / sum;
}

static void the_solution_is_that_of_scikit_learn(void **state)
{
    float features[ROWS * WIDTH], solution[UNKNOWNS];
    int32_t labels[ROWS];
    char path[4096], line[200];
    double c = 0.0, want, objective = 0.0, found = 0.0;
    size_t row = 0, problems = 0;
    (void)state;

    draw(features, labels);
    FILE *golden = fopen(test_source_path("tests/golden/train_logistic.txt", path), "r");
    assert_non_null(golden);
    while (fgets(line, sizeof(line), golden)) {
        if (sscanf(line, "c %lf %lf", &c, &objective) == 2) {
            fit((float)c, features, labels, solution);
            row = 0;
            found = 0.0;
            for (size_t i = 0; i < CLASSES * WIDTH; i++)
                found += (double)(solution[i] * solution[i]) / (2.0 * c * ROWS);
        } else if (sscanf(line, "p %lf", &want) == 1) {
            double p = probability(solution, features + row * WIDTH, labels[row]);

            if (fabs(p - want) > 1e-3)
                fail_msg("C %g, row %zu: probability %.6f, want %.6f", c, row, p, want);
            found -= log(p) / ROWS;
            if (++row == ROWS && fabs(found - objective) > 1e-6)
                fail_msg("C %g: objective %.8f, want %.8f", c, found, objective);
            problems += row == ROWS;
        }
    }
    fclose(golden);
    assert_int_equal(problems, 2);
}

/* Softmax of two classes has the odds of their difference, and twice the penalty: |w/2|^2 +
 * |w/2|^2.
 */
static void a_set_is_a_binary_regression_per_class(void **state)
{
    float features[ROWS * WIDTH], set[UNKNOWNS] = { 0 };
    int32_t labels[ROWS], sets[ROWS], in[ROWS];
    struct arena arena;
    struct err err;
    (void)state;

    draw(features, labels);
    for (size_t r = 0; r < ROWS; r++)
        sets[r] = (int32_t)(1u << labels[r] | (features[r * WIDTH] > 0.2f ? 8u : 0u));
    arena_init(&arena, 1 << 20);
    const struct train_logistic problem = { ROWS,
                                            WIDTH,
                                            CLASSES,
                                            features,
                                            sets,
                                            2.0f,
                                            true,
                                            gemm_for(cpu_best()),
                                            train_ops_for(cpu_best()) };
    assert_int_equal(train_logistic_fit(&problem, set, &arena, NULL, &err), RC_OK);
    for (size_t c = 0; c < CLASSES; c++) {
        const struct train_logistic binary = { ROWS,
                                               WIDTH,
                                               2,
                                               features,
                                               in,
                                               1.0f,
                                               false,
                                               gemm_for(cpu_best()),
                                               train_ops_for(cpu_best()) };
        float two[2 * (WIDTH + 1)] = { 0 };

        for (size_t r = 0; r < ROWS; r++)
            in[r] = sets[r] >> c & 1;
        assert_int_equal(train_logistic_fit(&binary, two, &arena, NULL, &err), RC_OK);
        for (size_t j = 0; j < WIDTH; j++)
            assert_true(fabsf(set[c * WIDTH + j] - (two[WIDTH + j] - two[j])) < 2e-3f);
        assert_true(fabsf(set[CLASSES * WIDTH + c] - (two[2 * WIDTH + 1] - two[2 * WIDTH])) <
                    2e-3f);
    }
    arena_release(&arena);
}

static void every_failing_allocation_is_reported(void **state)
{
    float features[ROWS * WIDTH], solution[UNKNOWNS] = { 0 };
    int32_t labels[ROWS];
    enum rc rc = RC_OK;
    (void)state;

    draw(features, labels);
    FOR_EACH_FAILING_ALLOC (nth) {
        const struct train_logistic problem = { ROWS,
                                                WIDTH,
                                                CLASSES,
                                                features,
                                                labels,
                                                1.0f,
                                                false,
                                                gemm_for(cpu_best()),
                                                train_ops_for(cpu_best()) };
        struct arena arena;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        rc = train_logistic_fit(&problem, solution, &arena, NULL, &err);
        assert_true(rc == RC_OK || (rc == RC_NOMEM && err.code == rc));
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_solution_is_that_of_scikit_learn),
        cmocka_unit_test(a_set_is_a_binary_regression_per_class),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
