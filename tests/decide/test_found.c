#include "tests/support/temp.h"

#include "decide/found.h"

typedef enum rc find_fn(struct str text, struct arena *arena, struct found *ret_found,
                        struct err *err);

/* "9.00=9 1,5=1.5": as it stands, and what it means. */
static void check(find_fn *find, const char *text, const char *expected)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct arena arena;
    struct found found;
    struct err err;

    arena_init(&arena, 4 << 20);
    buf_init(&out, 1 << 16);
    assert_ok(find(str_of(text), &arena, &found, &err), &err);
    for (size_t i = 0; i < found.n; i++) {
        buf_printf(&out, "%s%.*s=", i ? " " : "", STR_ARG(found.texts[i]));
        feel_append_text(&out, &found.values[i]);
    }
    if (strcmp(out.at ? out.at : "", expected) != 0)
        fail_msg("%s: found %s, expected %s", text, out.at ? out.at : "nothing", expected);
    arena_release(&arena);
}

static void numbers_are_found_as_they_stand_and_as_they_are_meant(void **state)
{
    static const char *const cases[][2] = {
        { "1234 0 0.50 7.5", "1234=1234 0=0 0.50=0.5 7.5=7.5" },
        { "12,5 12,50 0,125 1234,567", "12,5=12.5 12,50=12.5 0,125=0.125 1234,567=1234.567" },
        { "1,234 1,234,567.80 12,345.6", "1,234=1234 1,234,567.80=1234567.8 12,345.6=12345.6" },
        { "1.234,50 1.234.567 1.234", "1.234,50=1234.5 1.234.567=1234567 1.234=1.234" },
        { "RM9.00 TOTAL:9.10 $9.20 9.30SR 2kg 6% (8.40) \xE2\x82\xAC"
          "5.60",
          "9.00=9 9.10=9.1 9.20=9.2 9.30=9.3 2=2 6=6 8.40=8.4 5.60=5.6" },
        { "-5 -$6 $-7 x -8.", "-5=-5 -6=-6 -7=-7 -8=-8" },
        { "9,00\xC2\xA0\xE2\x82\xAC and 3.", "9,00=9 3=3" },
        { "99999999999999999999999999999999.99", "99999999999999999999999999999999.99="
                                                 "99999999999999999999999999999999.99" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(found_numbers, cases[i][0], cases[i][1]);
}

static void what_is_not_surely_one_number_is_none(void **state)
{
    static const char *const texts[] = {
        "25/12/2018 2018-12-25 25.12.2018 12:30 03-7729 10-12",
        "INV-7 A4B5 1e5 12x30 7_8 5/pc #9 3-pack v1.2.3",
        "1,23,456 12,34.5 1.23.456,7 1,234.5.6 1..2 1,,2 12.345,678,9",
        "007 00.50 012,5 .5 RM.50 ,5 9.00- USD-5.00 5'000 1'234.50",
        "1\xC2\xA0"
        "234 1\xE2\x80\xAF"
        "234,5", /* no-break blanks that group */
        "\xE2\x88\x92"
        "5 \xE2\x88\x92$5", /* a minus of typography */
        "\xD9\xA3"
        "5 5\xD9\xA3 \xEF\xBC\x95 5\xEF\xBC\x8E"
        "0",                                   /* digits of other scripts */
        "12345678901234567890123456789012345", /* 35 digits */
        "1\xE2\x80\x93"
        "5 2\xC3\x97"
        "3 \xFF"
        "5 5\xFF", /* a dash, a sign, no UTF-8 */
        "",
        ".,:-'#_/",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        check(found_numbers, texts[i], "");
}

static void dates_are_found_in_the_documented_forms(void **state)
{
    static const char *const cases[][2] = {
        { "2018-12-25 2018/1/5 2018.12.25 20181225",
          "2018-12-25=2018-12-25 2018/1/5=2018-01-05 2018.12.25=2018-12-25 20181225=2018-12-25" },
        { "25/12/2018 25-12-18 5.1.18, 12/25/2018",
          "25/12/2018=2018-12-25 25-12-18=2018-12-25 5.1.18=2018-01-05 12/25/2018=2018-12-25" },
        { "25 Dec 2018; 25-DEC-18 25Dec2018 2 December 2026",
          "25 Dec 2018=2018-12-25 25-DEC-18=2018-12-25 25Dec2018=2018-12-25 2 December "
          "2026=2026-12-02" },
        { "Dec 25, 2018 december 5 2018", "Dec 25, 2018=2018-12-25 december 5 2018=2018-12-05" },
        { "DATE:25/12/2018 (25/12/2018) 2018-12-25T10:00 25/12/2018 10:30",
          "25/12/2018=2018-12-25 25/12/2018=2018-12-25 2018-12-25=2018-12-25 "
          "25/12/2018=2018-12-25" },
        { "29/02/2020", "29/02/2020=2020-02-29" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(found_dates, cases[i][0], cases[i][1]);
}

static void what_is_no_day_or_part_of_more_is_no_date(void **state)
{
    static const char *const texts[] = {
        "29/02/2019 31.4.2018 32/1/2018 0/1/2018 13/13/2018 2018-13-01 2018-00-10",
        "1/2/3/2018 125/12/2018 25/12/20180 25/12/2018/1 25/12/2018-26/12/2018",
        "25/12-2018 25-12/2018 25/12 12/2018 25 Dec x25/12/2018 25/12/2018x",
        "25 Decem 2018 25 Dec 201 Dec 2018 20189999 12345678 18000101",
        "\xC3\xA4"
        "25/12/2018 25/12/2018\xC3\xA4 \xD9\xA2"
        "5/12/2018",
        "",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        check(found_dates, texts[i], "");
}

static void more_than_the_limit_is_refused(void **state)
{
    static char text[4 * FOUND_MAX];
    struct arena arena;
    struct found found;
    struct err err;
    (void)state;

    arena_init(&arena, 4 << 20);
    memset(text, ' ', sizeof(text) - 1);
    for (size_t i = 0; i < FOUND_MAX; i++)
        text[2 * i] = '7';
    assert_ok(found_numbers(str_of(text), &arena, &found, &err), &err);
    assert_int_equal(found.n, FOUND_MAX);
    text[2 * FOUND_MAX] = '7';
    assert_int_equal(found_numbers(str_of(text), &arena, &found, &err), RC_LIMIT);
    arena_release(&arena);
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_NOMEM;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct arena arena;
        struct found found;
        struct err err;

        arena_init(&arena, 4 << 20);
        rc = found_numbers(STR("1 2 3"), &arena, &found, &err);
        if (rc == RC_OK)
            rc = found_dates(STR("25/12/2018"), &arena, &found, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_found_as_they_stand_and_as_they_are_meant),
        cmocka_unit_test(what_is_not_surely_one_number_is_none),
        cmocka_unit_test(dates_are_found_in_the_documented_forms),
        cmocka_unit_test(what_is_no_day_or_part_of_more_is_no_date),
        cmocka_unit_test(more_than_the_limit_is_refused),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("decide/found", tests, NULL, NULL);
}
