#include "expr/feel.h"
#include "expr/feel_ast.h"
#include "tests/support/test.h"

static void a_broken_text_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text;
        enum rc rc;
        const char *message;
    } cases[] = {
        { "", RC_INVALID, "line 1, column 1: expected a value, found the end" },
        { "1 +", RC_INVALID, "line 1, column 4: expected a value, found the end" },
        { "1 2", RC_INVALID, "line 1, column 3: expected an operator or the end, found '2'" },
        { "a\n  + )", RC_INVALID, "line 2, column 5: expected a value, found ')'" },
        { "\"abc", RC_INVALID, "line 1, column 1: text without closing quote" },
        { "`abc", RC_INVALID, "line 1, column 1: text without closing quote" },
        { "``", RC_INVALID,
          "line 1, column 1: expected a name between the backquotes, found '``'" },
        { "[1, 2", RC_INVALID, "line 1, column 6: expected ']', found the end" },
        { "{a 1}", RC_INVALID, "line 1, column 2: expected a key and ':', found 'a'" },
        { "{a: 1, a: 2}", RC_INVALID, "line 1, column 8: key 'a' a second time" },
        { "if a then b", RC_INVALID, "line 1, column 12: expected 'else', found the end" },
        { "for x of y return x", RC_INVALID, "line 1, column 7: expected 'in', found 'of'" },
        { "f(a: 1, 2)", RC_INVALID,
          "line 1, column 9: expected a parameter name and ':', found '2'" },
        { "f(a: 1, a: 2)", RC_INVALID,
          "line 1, column 9: expected another parameter name, found 'a'" },
        { "a instance of money", RC_INVALID, "line 1, column 15: expected a type, found 'money'" },
        { "[1..2", RC_INVALID,
          "line 1, column 6: expected ']', ')' or '[' at the end of the range, found the end" },
        { "@\"soon\"", RC_INVALID,
          "line 1, column 1: expected a date, time or duration after '@', found '@\"soon\"'" },
        { "\"\\ud83d\"", RC_INVALID, "line 1, column 1: broken escape '\\ud83d'" },
        { "a # b", RC_INVALID, "line 1, column 3: expected an operator or the end, found '# b'" },
        { "\xff", RC_INVALID, "expression is not UTF-8" },
        { "1e999999", RC_INVALID,
          "line 1, column 1: expected a number that decimal128 can hold, found '1e999999'" },
        { "function(a) external {}", RC_UNSUPPORTED,
          "line 1, column 1: external functions are not supported" },
        { "function(a, a) 1", RC_INVALID,
          "line 1, column 14: expected parameters of different names, found ')'" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct feel *feel;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        enum rc rc = feel_parse(str_of(cases[i].text), &arena, &feel, &err);
        if (rc != cases[i].rc || strcmp(err.message, cases[i].message) != 0)
            fail_msg("%s: %d %s", cases[i].text, rc, err.message);
        arena_release(&arena);
    }
}

static void deep_nesting_of_every_kind_ends_at_the_limit(void **state)
{
    static const char *const openings[] = {
        "(",          "[",      "{a:",  "-",         "f(",          "1+(",
        "if 1 then ", "x in (", "[1..", "for x in ", "function() ", "a instance of list<",
        "a["
    };
    static char text[FEEL_TEXT_MAX + 1];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(openings); i++) {
        size_t step = strlen(openings[i]), len = 0;
        struct arena arena;
        struct feel *feel;
        struct err err;

        for (; len + step < sizeof(text); len += step)
            memcpy(text + len, openings[i], step);
        arena_init(&arena, 16 << 20);
        enum rc rc = feel_parse((struct str){ text, len }, &arena, &feel, &err);
        if (rc != RC_LIMIT && rc != RC_INVALID)
            fail_msg("%s: %d", openings[i], rc);
        arena_release(&arena);
    }
}

static void a_chain_of_operators_is_as_deep_as_its_tree(void **state)
{
    static char text[FEEL_TEXT_MAX];
    struct arena arena;
    struct feel *feel;
    struct err err;
    (void)state;

    for (size_t i = 0; i < 2000; i++)
        memcpy(text + 2 * i, "1+", 2);
    arena_init(&arena, 16 << 20);
    assert_int_equal(feel_parse((struct str){ text, 2 * 150 + 1 }, &arena, &feel, &err), RC_OK);
    assert_int_equal(feel->root->height, 151);
    assert_int_equal(feel_parse((struct str){ text, 2 * 300 + 1 }, &arena, &feel, &err), RC_LIMIT);
    arena_release(&arena);
}

static void a_text_over_the_limit_is_refused(void **state)
{
    static char text[FEEL_TEXT_MAX + 1];
    struct arena arena;
    struct feel *feel;
    struct err err;
    (void)state;

    memset(text, ' ', sizeof(text));
    text[0] = '1';
    arena_init(&arena, 1 << 20);
    assert_int_equal(feel_parse((struct str){ text, FEEL_TEXT_MAX }, &arena, &feel, &err), RC_OK);
    assert_int_equal(feel_parse((struct str){ text, sizeof(text) }, &arena, &feel, &err), RC_LIMIT);
    arena_release(&arena);
}

static void every_failing_allocation_of_a_parse_is_reported(void **state)
{
    static const char text[] =
        "if some x in [1, 2], y in 1..3 satisfies x > `y z` then f(a: 1, b: \"x\") else {k: "
        "function(p: list<number>) p[1].q instance of context<a: number, b: string>, l: [1..2), "
        "m: date and time(@\"2020-01-01T00:00:00\") between 1 and 2, n: 3 in (< 4, >= 5)}";
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct arena arena;
        struct feel *feel;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        rc = feel_parse(STR(text), &arena, &feel, &err);
        if (rc != RC_OK && rc != RC_NOMEM)
            fail_msg("%s", err.message);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_text_is_refused_with_its_place),
        cmocka_unit_test(deep_nesting_of_every_kind_ends_at_the_limit),
        cmocka_unit_test(a_chain_of_operators_is_as_deep_as_its_tree),
        cmocka_unit_test(a_text_over_the_limit_is_refused),
        cmocka_unit_test(every_failing_allocation_of_a_parse_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
