#include "tests/support/test.h"

#include "base/clock.h"
#include "base/macros.h"

static void times_are_written_as_rfc_3339(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { -1, "1969-12-31T23:59:59.999Z" },
        { 1777800600007, "2026-05-03T09:30:00.007Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" },
        { INT64_MAX, "9999-12-31T23:59:59.999Z" },
        { INT64_MIN, "0000-01-01T00:00:00.000Z" },
    };
    char text[CLOCK_TEXT_LEN + 1];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        clock_format(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void what_was_written_is_read(void **state)
{
    static const char *const others[] = { "",
                                          "1970-01-01T00:00:00Z",
                                          "1970-01-01T00:00:00.000+",
                                          "1970-02-30T00:00:00.000Z",
                                          "1970-01-01 00:00:00.000Z",
                                          "1970-01-01T00:00:00.0x0Z",
                                          " 970-01-01T00:00:00.000Z" };
    static const int64_t times[] = { 0, -1, 1777800600007, 253402300799999 };
    char text[CLOCK_TEXT_LEN + 1];
    int64_t ms;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        clock_format(times[i], text);
        assert_true(clock_parse(str_of(text), &ms));
        assert_int_equal(ms, times[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(clock_parse(str_of(others[i]), &ms));
}

static void a_fixed_clock_moves_only_when_told(void **state)
{
    int64_t now_ms = 5;
    struct clock fixed = clock_fixed(&now_ms), system = clock_system();
    (void)state;

    assert_int_equal(fixed.now_ms(fixed.self), 5);
    now_ms = 7;
    assert_int_equal(fixed.now_ms(fixed.self), 7);
    assert_int_equal(fixed.monotonic_us(fixed.self), 7000);
    assert_true(system.now_ms(system.self) > 1700000000000);
    int64_t before = system.monotonic_us(system.self);
    assert_true(system.monotonic_us(system.self) >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_as_rfc_3339),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(a_fixed_clock_moves_only_when_told),
    };
    return cmocka_run_group_tests_name("base/clock", tests, NULL, NULL);
}
