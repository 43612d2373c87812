#include "base/regex.h"
#include "tests/support/test.h"

static void the_first_match_and_its_groups_are_found(void **state)
{
    CLEANUP(regex_closep) struct regex *regex = NULL;
    struct regex_match match;
    struct err err;
    (void)state;

    assert_int_equal(regex_open(STR("(\\d+)-(x)?(\\w)"), 0, &regex, &err), RC_OK);
    assert_int_equal(regex_find(regex, STR("ab 12-c 3-d"), 0, &match, &err), RC_OK);
    assert_true(match.found);
    assert_int_equal(match.n_groups, 4);
    assert_true(str_is(match.groups[0], "12-c"));
    assert_true(str_is(match.groups[1], "12"));
    assert_null(match.groups[2].at);
    assert_int_equal(regex_find(regex, STR("ab 12-c 3-d"), 7, &match, &err), RC_OK);
    assert_true(str_is(match.groups[0], "3-d"));
    assert_int_equal(regex_find(regex, STR("none"), 0, &match, &err), RC_OK);
    assert_false(match.found);
    assert_int_equal(regex_find(regex, (struct str){ 0 }, 0, &match, &err), RC_OK);
    assert_false(match.found);
}

static void flags_change_what_matches(void **state)
{
    static const struct {
        const char *pattern, *subject;
        unsigned flags;
        bool found;
    } cases[] = {
        { "ABC", "xabc", REGEX_CASELESS, true },
        { "ABC", "xabc", 0, false },
        { "^b", "a\nb", REGEX_MULTILINE, true },
        { "^b", "a\nb", 0, false },
        { "a$", "a\n", 0, false },
        { "a.b", "a\nb", REGEX_DOT_ALL, true },
        { "a.b", "a\rb", 0, false },
        { "a.b", "a.b", REGEX_LITERAL, true },
        { "a.b", "axb", REGEX_LITERAL, false },
        { "^.$", "\xc3\xa4", 0, true },
        { "k", "\xe2\x84\xaa", REGEX_CASELESS, true },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(regex_closep) struct regex *regex = NULL;
        struct regex_match match;
        struct err err;

        assert_int_equal(regex_open(str_of(cases[i].pattern), cases[i].flags, &regex, &err), RC_OK);
        assert_int_equal(regex_find(regex, str_of(cases[i].subject), 0, &match, &err), RC_OK);
        if (match.found != cases[i].found)
            fail_msg("%s in %s", cases[i].pattern, cases[i].subject);
    }
}

static void a_pattern_that_backtracks_for_ever_is_stopped(void **state)
{
    CLEANUP(regex_closep) struct regex *regex = NULL;
    struct regex_match match;
    struct err err;
    (void)state;

    assert_int_equal(regex_open(STR("^(a|aa)+$"), 0, &regex, &err), RC_OK);
    assert_int_equal(regex_find(regex, STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
                                0, &match, &err),
                     RC_LIMIT);
}

static void a_broken_pattern_is_refused_with_its_place(void **state)
{
    static char long_pattern[REGEX_PATTERN_MAX + 1];
    char groups[2 * (REGEX_GROUPS_MAX + 1) + 1];
    struct regex *regex;
    struct err err;
    (void)state;

    assert_int_equal(regex_open(STR("ab)"), 0, &regex, &err), RC_INVALID);
    assert_string_equal(err.message, "offset 2: unmatched closing parenthesis");
    memset(long_pattern, 'a', sizeof(long_pattern));
    assert_int_equal(
        regex_open((struct str){ long_pattern, sizeof(long_pattern) }, 0, &regex, &err), RC_LIMIT);
    for (size_t i = 0; i < sizeof(groups) - 1; i++)
        groups[i] = i % 2 ? ')' : '(';
    assert_int_equal(regex_open((struct str){ groups, sizeof(groups) - 1 }, 0, &regex, &err),
                     RC_LIMIT);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        CLEANUP(regex_closep) struct regex *regex = NULL;
        struct regex_match match;
        struct err err = { 0 };

        rc = regex_open(STR("(a|b)+[x-z]"), REGEX_CASELESS, &regex, &err);
        if (!rc)
            rc = regex_find(regex, STR("ababy"), 0, &match, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_match_and_its_groups_are_found),
        cmocka_unit_test(flags_change_what_matches),
        cmocka_unit_test(a_pattern_that_backtracks_for_ever_is_stopped),
        cmocka_unit_test(a_broken_pattern_is_refused_with_its_place),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
