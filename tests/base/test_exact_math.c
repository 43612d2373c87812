#include "tests/support/test.h"

#include "base/exact_math.h"

#include <math.h>

static void ln_and_exp_agree_with_libm_to_a_few_units_in_the_last_place(void **state)
{
    (void)state;

    for (int i = -6999; i < 6999; i++) {
        double x = i / 10.0, y = exp(x);

        if (fabs(exact_exp(x) - y) > 4e-16 * y + 1e-320)
            fail_msg("exp(%g): got %.17g, want %.17g", x, exact_exp(x), y);
        if (fabs(exact_ln(y) - log(y)) > 4e-16 * fmax(1.0, fabs(log(y))))
            fail_msg("ln(%g): got %.17g, want %.17g", y, exact_ln(y), log(y));
    }
}

static void sine_and_cosine_agree_with_libm_to_a_few_units_in_the_last_place(void **state)
{
    (void)state;

    for (int i = 0; i < 20000; i++) {
        double x = i < 10000 ? i / 1000.0 : (i - 10000) * 52.4287, s, c;

        exact_sin_cos(x, &s, &c);
        if (fabs(s - sin(x)) > 3e-16 || fabs(c - cos(x)) > 3e-16)
            fail_msg("at %g: got %.17g and %.17g, want %.17g and %.17g", x, s, c, sin(x), cos(x));
    }
}

static void values_are_the_same_bytes_everywhere(void **state)
{
    (void)state;

    /* Made by this code: whatever the compiler or the CPU, these stay. */
    assert_true(exact_exp(1.0) == 0x1.5bf0a8b14576ap+1);
    assert_true(exact_exp(-0.1) == 0x1.cf46d99d52b3ap-1);
    assert_true(exact_exp(-701.0) == 0.0);
    assert_true(exact_ln(1.0) == 0.0);
    assert_true(exact_ln(10.0) == 0x1.26bb1bbb55516p+1);
    double s, c;
    exact_sin_cos(1000.0, &s, &c);
    assert_true(s == 0x1.a75cc150a206cp-1 && c == 0x1.1ff026793f1bbp-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ln_and_exp_agree_with_libm_to_a_few_units_in_the_last_place),
        cmocka_unit_test(sine_and_cosine_agree_with_libm_to_a_few_units_in_the_last_place),
        cmocka_unit_test(values_are_the_same_bytes_everywhere),
    };
    return cmocka_run_group_tests_name("base/exact_math", tests, NULL, NULL);
}
