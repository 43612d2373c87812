#include "base/json.h"
#include "expr/feel.h"
#include "tests/support/test.h"

static const int64_t new_year_2026_ms = 1767225600123;

static const char input[] = "{\"total\": 12.50, \"count\": 3, \"note\": null, \"id\": \"A-7\", "
                            "\"due date\": \"2026-02-28\","
                            " \"lines\": [{\"amount\": 1}, {\"amount\": 2.5, \"tax\": 0.5}]}";

static enum rc evaluate(const char *text, const struct feel_limits *limits, struct arena *arena,
                        struct feel_value *ret, struct feel_diagnostics *diagnostics,
                        struct err *err)
{
    static const struct feel_type any = { .kind = FEEL_ANY };
    struct feel_value context;
    struct json *json;
    struct feel *feel;
    enum rc rc = json_parse(STR(input), JSON_DUPLICATES_REFUSED, arena, &json, err);

    if (!rc)
        rc = feel_from_json(json, &any, arena, &context, err);
    if (!rc)
        rc = feel_parse(str_of(text), arena, &feel, err);
    if (!rc)
        rc = feel_eval(feel, &context, limits, new_year_2026_ms, arena, ret, diagnostics, err);
    return rc;
}

struct example {
    const char *text, *json;
};

static void expect_all(const struct example *examples, size_t n)
{
    struct feel_limits limits = feel_limits_default();

    for (size_t i = 0; i < n; i++) {
        CLEANUP(buf_releasep) struct buf json = { 0 };
        struct feel_diagnostics diagnostics;
        struct feel_value v;
        struct arena arena;
        struct err err;

        arena_init(&arena, 16 << 20);
        buf_init(&json, 1 << 16);
        if (evaluate(examples[i].text, &limits, &arena, &v, &diagnostics, &err))
            fail_msg("%s: %s", examples[i].text, err.message);
        feel_append_json(&json, &v);
        if (strcmp(json.at, examples[i].json) != 0)
            fail_msg("%s: %s, expected %s (%s)", examples[i].text, json.at, examples[i].json,
                     diagnostics.n ? diagnostics.items[0].message : "no reason");
        arena_release(&arena);
    }
}

static void expressions_have_their_values(void **state)
{
    static const struct example examples[] = {
        { "0.1 + 0.2 = 0.3", "true" },
        { "1 / 3", "0.3333333333333333333333333333333333" },
        { "-2 ** 2", "4" },
        { "total * 2", "25" },
        { "count(lines) + count", "5" }, /* a built-in name may be an input's too */
        { "`due date`", "\"2026-02-28\"" },
        { "date(`due date`) + duration(\"P1M\")", "\"2026-03-28\"" },
        { "sum(lines.amount)", "3.5" },
        { "lines[tax > 0].amount", "[2.5]" },
        { "lines[-1].amount", "2.5" },
        { "lines.tax", "[null,0.5]" },
        { "for i in 1..3, j in [10, 20] return i * j", "[10,20,20,40,30,60]" },
        { "{f: function(n) if n <= 1 then 1 else n * f(n - 1), r: f(20)}.r",
          "2432902008176640000" },
        { "sort([3, 1, 2])", "[1,2,3]" },
        { "sort(lines, function(a, b) a.amount > b.amount).amount", "[2.5,1]" },
        { "string([1, \"a\", @\"2020-01-01\", {k: null}])",
          "\"[1, \\\"a\\\", @\\\"2020-01-01\\\", {k: null}]\"" },
        { "now()", "\"2026-01-01T00:00:00.123Z\"" },
        { "today()", "\"2026-01-01\"" },
        { "7 in (1, [5..8], > 100)", "true" },
        { "7 in (? > 5 and ? < 9)", "true" },
        { "is(1, 1.0)", "true" },
        { "1 = 1.00", "true" },
        { "number(\"1,5\", \",\", \",\")", "null" },
        { "matches(\"\u00e9\", \"[\\P{IsBasicLatin}]\")", "true" },
        { "matches(\"e\", \"[x\\P{IsBasicLatin}]\")", "false" },
        { "matches(\"ex\", \"^[\\p{IsBasicLatin}]+$\")", "true" },
        { "[1, 2][if item = 1 then true else 1]", "null" },
        { "substring(\"abc\", -9)", "null" },
        { "substring(\"abc\", -3)", "\"abc\"" },
        { "date(\"123456789012345678901234567890-01-01\")", "null" },
        { "[\"a\", 1] = [3, 2]", "false" },
        { "replace(\"a\", \"a\", \"\\x\")", "null" },
        { "replace(\"a\", \"a\", \"\\$1\")", "\"$1\"" },
        { "upper case(\"\\u00e4\\u00df\")", "\"\xc3\x84\xe1\xba\x9e\"" },
        { "replace(\"2026-01\", \"(\\d+)-(\\d+)\", \"$2/$1\")", "\"01/2026\"" },
        { "split(\"a, b,c\", \",\\s*\")", "[\"a\",\"b\",\"c\"]" },
        { "[1..3]", "\"[1..3]\"" },
        { "function(x) x", "\"function\"" },
        { "@\"2024-01-31\" + @\"P1M\"", "\"2024-02-29\"" },
        { "@\"2026-03-29T01:30:00@Europe/Berlin\" + @\"PT1H\"",
          "\"2026-03-29T03:30:00@Europe/Berlin\"" },
        { "(@\"2050-07-01T00:00:00@Europe/Berlin\").time offset", "\"PT2H\"" },
        { "date and time(@\"2026-07-01T12:00:00Z\", \"America/New_York\")",
          "\"2026-07-01T08:00:00@America/New_York\"" },
        { "mode([1, 2, 2, 3, 3])", "[2,3]" },
        { "union([1, 2], [2, 3])", "[1,2,3]" },
        { "duplicate values([1, 2, 2, 2])", "[2]" },
        { "index of([1, null, 1], 1)", "[1,3]" },
        { "index of([1, null], null)", "[2]" },
        { "overlaps([1..5], [5..8])", "true" },
        { "overlaps([1..5), [5..8])", "false" },
        { "before([1..5), [5..8])", "true" },
        { "includes([1..5], 5)", "true" },
        { "during(5, [1..5))", "false" },
        { "meets([1..5], [5..8])", "true" },
        { "finished by([1..5], 5)", "true" },
        { "starts(1, [1..5])", "true" },
        { "coincides([1..2], [1..2])", "true" },
    };
    (void)state;

    expect_all(examples, ARRAY_LEN(examples));
}

/* The offsets are those of Python's zoneinfo on the same tables; 3,000 random ones were compared.
 */
static void a_zone_has_its_offset_in_its_table_and_beyond(void **state)
{
    static const struct example examples[] = {
        { "@\"1970-07-01T00:00:00@America/New_York\".time offset", "\"-PT4H\"" },
        { "@\"2100-07-01T00:00:00@America/New_York\".time offset", "\"-PT4H\"" },
        { "@\"2100-12-01T00:00:00@America/New_York\".time offset", "\"-PT5H\"" },
        { "@\"2060-07-01T00:00:00@Australia/Lord_Howe\".time offset", "\"PT10H30M\"" },
        { "@\"2060-12-01T00:00:00@Australia/Lord_Howe\".time offset", "\"PT11H\"" },
        { "@\"2050-07-01T00:00:00@Europe/Dublin\".time offset", "\"PT1H\"" },
        { "@\"2050-01-01T00:00:00@Europe/Dublin\".time offset", "\"PT0S\"" },
        { "@\"2050-01-01T00:00:00@Asia/Kolkata\".time offset", "\"PT5H30M\"" },
        { "@\"2026-10-25T02:30:00@Europe/Berlin\".time offset", "\"PT2H\"" }, /* twice: the first */
        { "@\"2026-03-29T12:00:00@Europe/Berlin\".time offset", "\"PT2H\"" },
        { "@\"2026-03-29T02:30:00@Europe/Berlin\".time offset", "\"PT1H\"" }, /* in no clock */
        { "time(\"10:00:00@Nowhere/City\")", "null" },
        { "time(\"10:00:00@../../etc/passwd\")", "null" },
    };
    (void)state;

    expect_all(examples, ARRAY_LEN(examples));
}

static void logic_is_three_valued(void **state)
{
    static const struct example examples[] = {
        { "note > 3 and false", "false" },
        { "note > 3 or true", "true" },
        { "note > 3 and true", "null" },
        { "not(note > 3)", "null" },
        { "note = null", "true" },
        { "note in (1, 2)", "false" },
        { "note in [1..2]", "null" },
        { "if note > 3 then 1 else 2", "2" },
        { "some x in [null, 3] satisfies x > 2", "true" },
        { "some x in [null, 3] satisfies x > 5", "null" },
        { "every x in [null, 3] satisfies x > 5", "false" },
        { "every x in [null, 3] satisfies x > 2", "null" },
        { "every x in [] satisfies x > 2", "true" },
    };
    (void)state;

    expect_all(examples, ARRAY_LEN(examples));
}

static void a_null_has_its_reason_and_place(void **state)
{
    static const struct {
        const char *text;
        enum feel_reason reason;
        uint32_t line, column;
        const char *message;
    } cases[] = {
        { "1 +\n missing", FEEL_REASON_NAME, 2, 2, "'missing' is not known or absent" },
        { "1 + \"a\"", FEEL_REASON_TYPE, 1, 3, "cannot compute number + string" },
        { "1 / 0", FEEL_REASON_VALUE, 1, 3, "division by zero has no number as its result" },
        { "note > 3", FEEL_REASON_TYPE, 1, 6, "cannot compare null > number" },
        { "lines[1].tax", FEEL_REASON_NAME, 1, 10, "no entry 'tax'" },
        { "lines[9]", FEEL_REASON_VALUE, 1, 6, "no item 9 in a list of 2" },
        { "date(\"2017-13-10\")", FEEL_REASON_VALUE, 1, 1, "'2017-13-10' is no date" },
        { "substring(\"a\")", FEEL_REASON_ARGUMENT, 1, 1,
          "substring(): argument 'start position' is missing" },
        { "sqrt(\"a\")", FEEL_REASON_TYPE, 1, 1, "sqrt(): 'number' cannot be string" },
        { "nothing(1)", FEEL_REASON_NAME, 1, 1, "no function 'nothing'" },
        { "matches(\"a\", \"(\")", FEEL_REASON_VALUE, 1, 1,
          "pattern: offset 1: missing closing parenthesis" },
        { "for x in \"a\"..\"b\" return x", FEEL_REASON_TYPE, 1, 13,
          "cannot iterate from string to string: whole numbers or dates, in order" },
    };
    struct feel_limits limits = feel_limits_default();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct feel_diagnostics d;
        struct feel_value v;
        struct arena arena;
        struct err err;

        arena_init(&arena, 1 << 20);
        assert_int_equal(evaluate(cases[i].text, &limits, &arena, &v, &d, &err), RC_OK);
        assert_int_equal(v.kind, FEEL_NULL);
        if (d.n == 0 || strcmp(d.items[0].message, cases[i].message) != 0 ||
            d.items[0].reason != cases[i].reason || d.items[0].line != cases[i].line ||
            d.items[0].column != cases[i].column)
            fail_msg("%s: line %u, column %u: %s", cases[i].text, d.items[0].line,
                     d.items[0].column, d.items[0].message);
        arena_release(&arena);
    }
}

static void every_limit_ends_an_evaluation(void **state)
{
    static const char *const endless[] = {
        "{f: function(n) f(n + 1), r: f(0)}.r",           /* depth */
        "for i in 1..1000000000 return i",                /* list length */
        "some i in 1..1000000000000 satisfies i < 0",     /* steps */
        "count(for i in 1..1000, j in 1..1000 return 1)", /* list length */
        "{d: function(s, n) if n = 0 then s else d(s + s, n - 1), r: d(\"abc\", 60)}.r",
        "for i in 1..300 return [partial[-1]]",              /* nesting of a value */
        "for i in 1..100 return [partial[-1], partial[-1]]", /* 2^100 parts */
        "matches(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\", \"^(a|aa)+$\")",
        "sort(for i in 1..90000 return i, function(a, b) sum(for k in 1..99 return k) > a)",
        "distinct values(for i in 1..50000 return i)",
    };
    struct feel_limits limits = feel_limits_default();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(endless); i++) {
        struct feel_diagnostics diagnostics;
        struct feel_value v;
        struct arena arena;
        struct err err;

        arena_init(&arena, 256 << 20);
        enum rc rc = evaluate(endless[i], &limits, &arena, &v, &diagnostics, &err);
        if (rc != RC_LIMIT)
            fail_msg("%s: %d", endless[i], rc);
        arena_release(&arena);
    }
}

static void a_string_is_never_longer_than_the_limit(void **state)
{
    static const struct {
        const char *text;
        enum rc rc;
    } cases[] = {
        { "\"12345\" + \"67890\"", RC_OK },
        { "\"12345\" + \"678901\"", RC_LIMIT },
        { "string join([\"12345\", \"67890\"], \"+\")", RC_LIMIT },
        { "string([1, 2, 3, 4, 5])", RC_LIMIT },
        { "replace(\"12345\", \"[0-9]\", \"abc\")", RC_LIMIT },
    };
    struct feel_limits limits = feel_limits_default();
    (void)state;

    limits.string_bytes = 10;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct feel_diagnostics diagnostics;
        struct feel_value v;
        struct arena arena;
        struct err err;

        arena_init(&arena, 1 << 20);
        enum rc rc = evaluate(cases[i].text, &limits, &arena, &v, &diagnostics, &err);
        if (rc != cases[i].rc)
            fail_msg("%s: %d", cases[i].text, rc);
        arena_release(&arena);
    }
}

static void a_value_is_converted_to_the_type_declared_or_null(void **state)
{
    static const struct feel_type number = { .kind = FEEL_NUMBER };
    static const struct {
        const char *text;
        struct feel_type type;
        const char *json;
    } cases[] = {
        { "[5]", { .kind = FEEL_NUMBER }, "5" },
        { "[5, 6]", { .kind = FEEL_NUMBER }, "null" },
        { "5", { .kind = FEEL_LIST, .item = &number }, "[5]" },
        { "\"a\"", { .kind = FEEL_LIST, .item = &number }, "null" },
        { "[1, \"a\"]", { .kind = FEEL_LIST, .item = &number }, "null" },
        { "@\"2026-01-02\"", { .kind = FEEL_DATE_TIME }, "\"2026-01-02T00:00:00Z\"" },
        { "\"5\"", { .kind = FEEL_NUMBER }, "null" },
        { "null", { .kind = FEEL_NUMBER }, "null" },
        { "[1, 2]", { .kind = FEEL_ANY }, "[1,2]" },
    };
    struct feel_limits limits = feel_limits_default();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_releasep) struct buf json = { 0 };
        struct feel_diagnostics diagnostics;
        struct feel_value v, converted;
        struct arena arena;
        struct err err;

        arena_init(&arena, 1 << 20);
        buf_init(&json, 1024);
        assert_int_equal(evaluate(cases[i].text, &limits, &arena, &v, &diagnostics, &err), RC_OK);
        assert_int_equal(feel_coerce(&v, &cases[i].type, &arena, &converted, &err), RC_OK);
        feel_append_json(&json, &converted);
        if (strcmp(json.at, cases[i].json) != 0)
            fail_msg("%s: %s", cases[i].text, json.at);
        arena_release(&arena);
    }
}

static void what_is_not_built_is_an_error_of_its_own(void **state)
{
    struct feel_limits limits = feel_limits_default();
    struct feel_diagnostics diagnostics;
    struct feel_value v;
    struct arena arena;
    struct err err;
    (void)state;

    arena_init(&arena, 1 << 20);
    assert_int_equal(
        evaluate("matches(\"a\", \"\\p{IsGreek}\")", &limits, &arena, &v, &diagnostics, &err),
        RC_UNSUPPORTED);
    assert_string_equal(err.message, "the Unicode block IsGreek is not supported");
    arena_release(&arena);
}

static void unary_tests_are_booleans_over_the_tested_value(void **state)
{
    static const struct {
        const char *tests;
        int64_t value;
        bool passes;
    } cases[] = {
        { "-", 5, true },       { "5", 5, true },
        { "< 5", 5, false },    { "< 5, 5", 5, true },
        { "[1..5)", 5, false }, { "not(1, 2)", 5, true },
        { "not(5)", 5, false }, { "? > 3 and ? < 6", 5, true },
        { "(1..9)", 5, true },  { ">= 4", 5, true },
    };
    struct feel_limits limits = feel_limits_default();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct feel_entry tested = { { "?", 1 }, feel_number(cases[i].value) };
        struct feel_value context = feel_context(&tested, 1), v;
        struct feel_diagnostics diagnostics;
        struct arena arena;
        struct feel *feel;
        struct err err;

        arena_init(&arena, 1 << 20);
        assert_int_equal(feel_parse_tests(str_of(cases[i].tests), &arena, &feel, &err), RC_OK);
        assert_int_equal(feel_eval(feel, &context, &limits, 0, &arena, &v, &diagnostics, &err),
                         RC_OK);
        if (feel_truth(&v) != (cases[i].passes ? FEEL_TRUE : FEEL_FALSE))
            fail_msg("%s: %d", cases[i].tests, v.kind);
        arena_release(&arena);
    }
}

static void json_becomes_values_as_the_type_declares(void **state)
{
    static const struct feel_type number = { .kind = FEEL_NUMBER };
    static const struct feel_field fields[] = {
        { { "day", 3 }, { .kind = FEEL_DATE } },
        { { "wait", 4 }, { .kind = FEEL_DAYS_DURATION, .optional = true } },
        { { "n", 1 }, { .kind = FEEL_LIST, .optional = true, .item = &number } },
    };
    static const struct feel_type type = { .kind = FEEL_CONTEXT, .n_fields = 3, .fields = fields };
    static const struct {
        const char *json, *message; /* NULL: reads back the same */
    } cases[] = {
        { "{\"day\":\"2026-01-02\",\"wait\":\"PT1H\",\"n\":[1,2.5]}", NULL },
        { "{\"day\":\"2026-01-02\",\"wait\":null}", NULL },
        { "{\"day\":\"2026-13-02\"}", "'day': line 1, column 8: '2026-13-02' is no date" },
        { "{\"wait\":\"PT1H\"}", "line 1, column 1: 'day' is missing" },
        { "{\"day\":null}", "'day': line 1, column 8: expected date, found null" },
        { "{\"day\":\"2026-01-02\",\"wait\":\"P1Y\"}",
          "'wait': line 1, column 28: 'P1Y' is no days and time duration" },
        { "{\"day\":\"2026-01-02\",\"x\":1}", "line 1, column 21: unknown field 'x'" },
        { "{\"day\":\"2026-01-02\",\"n\":[1,\"2\"]}",
          "'n': line 1, column 28: expected number, found string" },
        { "[]", "line 1, column 1: expected context, found array" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_releasep) struct buf text = { 0 };
        struct feel_value v;
        struct arena arena;
        struct json *json;
        struct err err;

        arena_init(&arena, 1 << 20);
        buf_init(&text, 1 << 12);
        assert_int_equal(
            json_parse(str_of(cases[i].json), JSON_DUPLICATES_REFUSED, &arena, &json, &err), RC_OK);
        enum rc rc = feel_from_json(json, &type, &arena, &v, &err);
        if (!rc)
            feel_append_json(&text, &v);
        const char *want = cases[i].message ? cases[i].message : cases[i].json;
        const char *got = rc ? err.message : text.at;
        if (strcmp(got, want) != 0 || (rc == RC_OK) != !cases[i].message)
            fail_msg("%s: %s", cases[i].json, got);
        arena_release(&arena);
    }
}

static void every_failing_allocation_of_an_evaluation_is_reported(void **state)
{
    static const char text[] =
        "{a: for i in 1..3 return i, b: sort(a, function(x, y) x > y), c: lines[amount > 1].tax, "
        "d: replace(id, \"[A-Z-[B]]\", \"x\"), e: context put({}, \"k\", string(b)), f: split(id, "
        "\"-\"), g: upper case(id) + \"z\", h: get entries(e), i: some x in a satisfies x in (1, "
        "[2..3]), j: range(\"[1..2]\"), k: union(a, b), l: median(a), m: flatten([a, [b]]), n: "
        "string join(f, \"+\")}";
    struct feel_limits limits = feel_limits_default();
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct feel_diagnostics diagnostics;
        struct feel_value v;
        struct arena arena;
        struct err err = { 0 };

        arena_init(&arena, 4 << 20);
        rc = evaluate(text, &limits, &arena, &v, &diagnostics, &err);
        if (rc != RC_OK && rc != RC_NOMEM)
            fail_msg("%s", err.message);
        if (rc == RC_OK)
            assert_string_equal(diagnostics.n ? diagnostics.items[0].message : "", "");
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_have_their_values),
        cmocka_unit_test(a_zone_has_its_offset_in_its_table_and_beyond),
        cmocka_unit_test(logic_is_three_valued),
        cmocka_unit_test(a_null_has_its_reason_and_place),
        cmocka_unit_test(every_limit_ends_an_evaluation),
        cmocka_unit_test(a_string_is_never_longer_than_the_limit),
        cmocka_unit_test(a_value_is_converted_to_the_type_declared_or_null),
        cmocka_unit_test(what_is_not_built_is_an_error_of_its_own),
        cmocka_unit_test(unary_tests_are_booleans_over_the_tested_value),
        cmocka_unit_test(json_becomes_values_as_the_type_declares),
        cmocka_unit_test(every_failing_allocation_of_an_evaluation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
