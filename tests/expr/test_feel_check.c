#include "expr/feel.h"
#include "tests/support/test.h"

#include <stdio.h>

/* The input every check here is made against:
 * {id: string, total: number, note: string?, due: date?, paid: boolean,
 *  lines: list<context<amount: number, tax: number?>>, vendor: context<country: string>?} */
static const struct feel_field line_fields[] = {
    { { "amount", 6 }, { .kind = FEEL_NUMBER } },
    { { "tax", 3 }, { .kind = FEEL_NUMBER, .optional = true } },
};
static const struct feel_type line_type = { .kind = FEEL_CONTEXT,
                                            .n_fields = 2,
                                            .fields = line_fields };
static const struct feel_field vendor_fields[] = { { { "country", 7 }, { .kind = FEEL_STRING } } };
static const struct feel_field input_fields[] = {
    { { "id", 2 }, { .kind = FEEL_STRING } },
    { { "total", 5 }, { .kind = FEEL_NUMBER } },
    { { "note", 4 }, { .kind = FEEL_STRING, .optional = true } },
    { { "due", 3 }, { .kind = FEEL_DATE, .optional = true } },
    { { "paid", 4 }, { .kind = FEEL_BOOLEAN } },
    { { "lines", 5 }, { .kind = FEEL_LIST, .item = &line_type } },
    { { "vendor", 6 },
      { .kind = FEEL_CONTEXT, .optional = true, .n_fields = 1, .fields = vendor_fields } },
};
static const struct feel_type input_type = { .kind = FEEL_CONTEXT,
                                             .n_fields = ARRAY_LEN(input_fields),
                                             .fields = input_fields };

static struct feel_report check(const char *text, struct arena *arena)
{
    struct feel_report report;
    struct feel *feel;
    struct err err;

    if (feel_parse(str_of(text), arena, &feel, &err))
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(feel_check(feel, &input_type, arena, &report, &err), RC_OK);
    return report;
}

static void a_wrong_expression_has_its_problem_and_place(void **state)
{
    static const struct {
        const char *text, *problem;
        uint32_t column;
    } cases[] = {
        { "totl > 3", "unknown name 'totl'; did you mean 'total'?", 1 },
        { "1 + zzzzzz", "unknown name 'zzzzzz'", 5 },
        { "total > \"3\"", "cannot compare number > string", 7 },
        { "total = \"3\"", "cannot compare number = string", 7 },
        { "id + total", "cannot compute string + number", 4 },
        { "lines.amuont", "unknown name 'amuont'; did you mean 'amount'?", 7 },
        { "vendor.country.code", "string has no 'code'", 16 },
        { "due.hour", "date has no 'hour'", 5 },
        { "paid and total", "and needs a boolean, not number", 10 },
        { "if total then 1 else 2", "'if' needs a boolean, not number", 4 },
        { "every l in lines satisfies l.amount", "'satisfies' needs a boolean, not number", 30 },
        { "substring(id)", "substring(): argument 'start position' is missing", 1 },
        { "substring(id, paid)", "substring(): 'start position' cannot be boolean", 1 },
        { "round up(n: total, digits: 2)", "round up() has no parameter 'digits'", 1 },
        { "abs(total, 2)", "abs() takes no argument number 2", 1 },
        { "lenght(id)", "unknown function 'lenght'", 1 },
        { "date(\"2017-13-10\")", "'2017-13-10' is no date", 6 },
        { "lines[id].amount", "a filter is boolean or number, not string", 7 },
        { "id in (1, \"a\")", "cannot find string in number", 8 },
        { "total in [\"a\"..\"c\"]", "cannot find number in range", 10 },
        { "total between 1 and due", "cannot compare number with date", 21 },
        { "-id", "cannot negate string", 1 },
        { "total(3)", "unknown function 'total'", 1 },
        { "3(4)", "cannot call number", 1 },
        { "[1..\"a\"]", "a range from number to string", 1 },
        { "sum(for l in lines return l.amount * l.name)", "unknown name 'name'", 40 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;

        arena_init(&arena, 1 << 20);
        struct feel_report report = check(cases[i].text, &arena);
        if (report.n_problems != 1)
            fail_msg("%s: %zu problems: %s", cases[i].text, report.n_problems,
                     report.n_problems ? report.problems[0].message : "");
        assert_string_equal(report.problems[0].message, cases[i].problem);
        if (report.problems[0].column != cases[i].column || report.problems[0].line != 1)
            fail_msg("%s: column %u", cases[i].text, report.problems[0].column);
        arena_release(&arena);
    }
}

static void a_right_expression_has_its_type(void **state)
{
    static const struct {
        const char *text, *type;
    } cases[] = {
        { "total * 0.19", "number" },
        { "note", "string?" },
        { "lines", "list<context<amount: number, tax: number?>>" },
        { "lines.amount", "list<number>" },
        { "lines.tax", "list<number?>" },
        { "lines[amount > 10].amount", "list<number>" },
        { "lines[1].amount", "number" },
        { "sum(lines.amount)", "number" },
        { "max(lines.amount)", "number" },
        { "if paid then id else note", "string?" },
        { "if paid then 1 else \"a\"", "any" },
        { "due + duration(\"P3D\")", "any?" },
        { "due + @\"P3D\"", "date?" },
        { "@\"2020-01-01\" - due", "days and time duration?" },
        { "some l in lines satisfies l.amount > 3", "boolean" },
        { "for l in lines return l.amount * 2", "list<number>" },
        { "{a: total, b: note}", "context<a: number, b: string?>" },
        { "vendor.country", "string?" },
        { "date(2020, 1, 2).weekday", "number" },
        { "split(id, \"-\")", "list<string>" },
        { "abs([total])", "number" },
        { "reverse(total)", "list" },
        { "[1..3]", "range<number>" },
        { "{f: function(n: number) if n = 0 then 1 else n * f(n - 1)}.f(5)", "any?" },
        { "count(lines) > 0 and total in [1..10]", "boolean" },
        { "now() - duration(\"PT1H\")", "any" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_releasep) struct buf type = { 0 };
        struct arena arena;

        arena_init(&arena, 1 << 20);
        buf_init(&type, 1024);
        struct feel_report report = check(cases[i].text, &arena);
        if (report.n_problems)
            fail_msg("%s: %s", cases[i].text, report.problems[0].message);
        feel_append_type(&type, &report.type);
        if (strcmp(type.at, cases[i].type) != 0)
            fail_msg("%s: %s, expected %s", cases[i].text, type.at, cases[i].type);
        arena_release(&arena);
    }
}

static void the_input_paths_read_are_listed_once_each(void **state)
{
    static const char *const want[] = { "lines.amount", "lines", "total", "vendor.country" };
    struct arena arena;
    (void)state;

    arena_init(&arena, 1 << 20);
    struct feel_report report =
        check("every l in lines[amount > 1] satisfies l.amount < total and total > 2 and "
              "vendor.country = \"DE\" and (for x in [1] return x) = [1]",
              &arena);
    assert_int_equal(report.n_problems, 0);
    assert_int_equal(report.n_paths, ARRAY_LEN(want));
    for (size_t i = 0; i < report.n_paths; i++) {
        char text[64] = "";

        for (size_t n = 0; n < report.paths[i].n; n++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s", n ? "." : "",
                     STR_ARG(report.paths[i].names[n]));
        bool found = false;
        for (size_t w = 0; w < ARRAY_LEN(want); w++)
            found = found || strcmp(want[w], text) == 0;
        if (!found)
            fail_msg("'%s' is not read", text);
    }
    arena_release(&arena);
}

static void an_absent_input_leaves_exactly_these_expressions_undetermined(void **state)
{
    static const struct {
        const char *text, *absent;
        bool may;
    } cases[] = {
        { "total > 3", "total", true },
        { "total > 3", "note", false },
        { "note = null", "note", false },
        { "note = null or string length(note) < 9", "note", false },
        { "note != null and string length(note) < 9", "note", false },
        { "string length(note) < 9", "note", true },
        { "paid or total > 3", "total", true },
        { "false and total > 3", "total", false },
        { "if total > 3 then 1 else 2", "total", false },
        { "if paid then total else 2", "total", true },
        { "note in (\"a\", \"b\")", "note", false },
        { "total in [1..3]", "total", true },
        { "sum(lines.tax) > 1", "lines.tax", true },
        { "sum(lines.amount) > 1", "lines.tax", false },
        { "every l in lines satisfies l.amount > 0", "lines", true },
        { "vendor.country = \"DE\"", "vendor", false },
        { "vendor.country < \"DE\"", "vendor", true },
        { "upper case(vendor.country)", "vendor.country", true },
        { "is(note, \"x\")", "note", false },
        { "count(lines[tax > 1]) = 0", "lines.tax", false },
        { "count(lines[tax > 1]) > 0", "lines", true },
        { "not(total > 3)", "total", true },
        { "if id = null then note else id", "note", false },
        { "if false and paid then total else 2", "total", false },
        { "if true or paid then 2 else total", "total", false },
        { "note instance of string", "note", false },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str names[2] = { str_of(cases[i].absent) };
        const char *dot = strchr(cases[i].absent, '.');
        struct feel_path absent = { .n = dot ? 2 : 1, .names = names };
        struct arena arena;
        struct feel *feel;
        struct err err;
        bool may;

        if (dot) {
            names[0].len = (size_t)(dot - cases[i].absent);
            names[1] = str_of(dot + 1);
        }
        arena_init(&arena, 1 << 20);
        assert_int_equal(feel_parse(str_of(cases[i].text), &arena, &feel, &err), RC_OK);
        assert_int_equal(feel_may_be_null_without(feel, &input_type, &absent, &arena, &may, &err),
                         RC_OK);
        if (may != cases[i].may)
            fail_msg("%s without %s: %d", cases[i].text, cases[i].absent, may);
        arena_release(&arena);
    }
}

static void what_may_fail_and_what_reads_the_time_is_said(void **state)
{
    struct arena arena;
    (void)state;

    arena_init(&arena, 1 << 20);
    assert_true(check("total / 3", &arena).may_fail);
    assert_true(check("date(id)", &arena).may_fail);
    assert_false(check("total * 3 > 4", &arena).may_fail);
    assert_true(check("due < today()", &arena).reads_now);
    assert_false(check("due < @\"2020-01-01\"", &arena).reads_now);
    arena_release(&arena);
}

static void every_failing_allocation_of_a_check_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct arena arena;
        struct feel_report report;
        struct feel *feel;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        rc = feel_parse(STR("sum(for l in lines[tax > 1] return {a: l.amount}.a) > count([1, 2])"),
                        &arena, &feel, &err);
        if (!rc)
            rc = feel_check(feel, &input_type, &arena, &report, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_expression_has_its_problem_and_place),
        cmocka_unit_test(a_right_expression_has_its_type),
        cmocka_unit_test(the_input_paths_read_are_listed_once_each),
        cmocka_unit_test(an_absent_input_leaves_exactly_these_expressions_undetermined),
        cmocka_unit_test(what_may_fail_and_what_reads_the_time_is_said),
        cmocka_unit_test(every_failing_allocation_of_a_check_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
