#include "tests/support/test.h"

#include "base/macros.h"
#include "engine/model/sampler.h"

#include <math.h>

static void without_temperature_the_best_is_taken_the_first_of_equals(void **state)
{
    const float logits[] = { 1.0f, 3.0f, NAN, 3.0f, -INFINITY };
    const float odd_first[] = { NAN, -2.0f, -1.0f };
    struct sampler sampler = { 0 };
    (void)state;

    assert_int_equal(sampler_pick(&sampler, logits, ARRAY_LEN(logits)), 1);
    assert_int_equal(sampler_pick(&sampler, odd_first, ARRAY_LEN(odd_first)), 2);
    assert_int_equal(sampler.state, 0); /* nothing was drawn */
}

static void draws_follow_the_probabilities(void **state)
{
    enum { N = 20000 };
    const float logits[] = { 0.0f, 2.0f, -100.0f, 1.0f };
    size_t counts[4] = { 0 };
    double weights[4], sum = 0.0;
    struct sampler sampler = { .temperature = 0.5, .state = 42 };
    (void)state;

    for (size_t i = 0; i < 4; i++)
        sum += weights[i] = exp((double)logits[i] / sampler.temperature);
    for (size_t i = 0; i < N; i++)
        counts[sampler_pick(&sampler, logits, 4)]++;
    for (size_t i = 0; i < 4; i++) {
        double p = weights[i] / sum;
        if (fabs((double)counts[i] / N - p) > 4 * sqrt(p / N) + 1e-9)
            fail_msg("token %zu: %zu of %d, expected %g", i, counts[i], N, p * N);
    }
}

static void the_same_seed_draws_the_same_tokens(void **state)
{
    static const size_t want[] = {
        1, 0, 2, 1, 1, 0, 1, 1, 0, 1
    }; /* made by this code: they stay */
    const float logits[] = { 0.1f, 0.2f, 0.3f };
    struct sampler sampler = { .temperature = 1.0, .state = 7 };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        size_t got = sampler_pick(&sampler, logits, 3);
        if (got != want[i])
            fail_msg("draw %zu is %zu, not %zu", i, got, want[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_temperature_the_best_is_taken_the_first_of_equals),
        cmocka_unit_test(draws_follow_the_probabilities),
        cmocka_unit_test(the_same_seed_draws_the_same_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
