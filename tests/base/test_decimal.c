#include "base/decimal.h"
#include "base/macros.h"
#include "tests/support/test.h"

static struct decimal parse(const char *text)
{
    struct decimal d;

    if (!decimal_parse(str_of(text), &d))
        fail_msg("'%s' is refused", text);
    return d;
}

static void expect(const char *what, bool ok, struct decimal d, const char *want)
{
    char text[DECIMAL_TEXT_MAX + 1] = "none";

    size_t len = ok ? decimal_format(d, text) : strlen(text);
    assert_int_equal(len, strlen(text));
    if (strcmp(text, want) != 0)
        fail_msg("%s: %s, expected %s", what, text, want);
}

static void a_text_reads_back_as_the_same_value(void **state)
{
    static const char *const cases[][2] = {
        { "0", "0" },
        { "-0", "0" },
        { "007.500", "7.5" },
        { ".5", "0.5" },
        { "5.", "5" },
        { "-12.30e1", "-123" },
        { "1e39", "1000000000000000000000000000000000000000" },
        { "1e40", "1E+40" },
        { "0.0000000000000000000000000000000000000001",
          "0.0000000000000000000000000000000000000001" },
        { "1.5e-41", "1.5E-41" },
        { "12345678901234567890123456789012345", "12345678901234567890123456789012340" },
        { "9.999999999999999999999999999999999e6144", "9.999999999999999999999999999999999E+6144" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[DECIMAL_TEXT_MAX + 1];
        struct decimal d = parse(cases[i][0]);

        expect(cases[i][0], true, d, cases[i][1]);
        decimal_format(d, text);
        assert_int_equal(decimal_compare(parse(text), d), 0);
    }
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const cases[] = { "",    ".",   "-",   "1e",  "1.2.3",   " 1",
                                         "1 ",  "0x1", "inf", "nan", "1e99999", "--1",
                                         "1,2", "e5",  "1e+", "+",   "1e6145" };
    char long_text[DECIMAL_PARSE_MAX + 2];
    struct decimal d;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (decimal_parse(str_of(cases[i]), &d))
            fail_msg("'%s' is taken", cases[i]);
    memset(long_text, '1', sizeof(long_text));
    assert_true(decimal_parse((struct str){ long_text, DECIMAL_PARSE_MAX }, &d));
    assert_false(decimal_parse((struct str){ long_text, DECIMAL_PARSE_MAX + 1 }, &d));
}

static void arithmetic_is_exact_to_34_digits(void **state)
{
    struct decimal r = { 0 }, zero = { 0 };
    (void)state;

    expect("0.1+0.2", decimal_add(parse("0.1"), parse("0.2"), &r), r, "0.3");
    expect("1-0.9", decimal_subtract(parse("1"), parse("0.9"), &r), r, "0.1");
    expect("0+5", decimal_add(zero, parse("5"), &r), r, "5");
    expect("1.1*1.1", decimal_multiply(parse("1.1"), parse("1.1"), &r), r, "1.21");
    expect("2/3", decimal_divide(parse("2"), parse("3"), &r), r,
           "0.6666666666666666666666666666666667");
    expect("1.1**3", decimal_power(parse("1.1"), parse("3"), &r), r, "1.331");
    expect("2**-2", decimal_power(parse("2"), parse("-2"), &r), r, "0.25");
    expect("-7 mod 3", decimal_modulo(parse("-7"), parse("3"), &r), r, "2");
    expect("7 mod -3", decimal_modulo(parse("7"), parse("-3"), &r), r, "-2");
    expect("sqrt 2", decimal_sqrt(parse("2"), &r), r, "1.414213562373095048801688724209698");
    expect("1/0", decimal_divide(parse("1"), zero, &r), r, "none");
    expect("sqrt -1", decimal_sqrt(parse("-1"), &r), r, "none");
    expect("log 0", decimal_log(zero, &r), r, "none");
    expect("10**7000", decimal_power(parse("10"), parse("7000"), &r), r, "none");
    expect("(-8)**0.5", decimal_power(parse("-8"), parse("0.5"), &r), r, "none");
}

static void every_rounding_goes_its_way(void **state)
{
    static const struct {
        const char *in;
        int scale;
        const char *out[7]; /* in the order of enum decimal_rounding */
    } cases[] = {
        { "2.5", 0, { "2", "3", "2", "3", "2", "2", "3" } },
        { "-2.5", 0, { "-2", "-3", "-2", "-3", "-2", "-3", "-2" } },
        { "3.5", 0, { "4", "4", "3", "4", "3", "3", "4" } },
        { "2.51", 1, { "2.5", "2.5", "2.5", "2.6", "2.5", "2.5", "2.6" } },
        { "1250", -2, { "1200", "1300", "1200", "1300", "1200", "1200", "1300" } },
        { "7", 3, { "7", "7", "7", "7", "7", "7", "7" } },
        { "-0.4", 0, { "0", "0", "0", "-1", "0", "-1", "0" } },
    };
    struct decimal r = { 0 };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int way = DECIMAL_HALF_EVEN; way <= DECIMAL_CEILING; way++)
            expect(
                cases[i].in,
                decimal_round(parse(cases[i].in), cases[i].scale, (enum decimal_rounding)way, &r),
                r, cases[i].out[way]);
    assert_false(decimal_round(parse("1"), DECIMAL_SCALE_MAX + 1, DECIMAL_UP, &r));
    assert_true(decimal_round(parse("5.5"), DECIMAL_SCALE_MAX, DECIMAL_UP, &r));
}

static void whole_numbers_convert_exactly(void **state)
{
    int64_t n = 0;
    (void)state;

    assert_true(decimal_to_i64(parse("-9223372036854775808"), &n) && n == INT64_MIN);
    assert_true(decimal_to_i64(parse("-2.9"), &n) && n == -2);
    assert_false(decimal_to_i64(parse("9223372036854775808"), &n));
    assert_true(decimal_is_integer(parse("2.000")));
    assert_false(decimal_is_integer(parse("2.001")));
    assert_int_equal(decimal_compare(decimal_from_i64(INT64_MAX), parse("9223372036854775807")), 0);
    assert_false(decimal_is_negative(decimal_negate(parse("0"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_reads_back_as_the_same_value),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(arithmetic_is_exact_to_34_digits),
        cmocka_unit_test(every_rounding_goes_its_way),
        cmocka_unit_test(whole_numbers_convert_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
