#include "tests/support/test.h"

#include "spec/problem.h"

static void problems_are_listed_as_text_and_json(void **state)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct problems problems;
    struct arena arena;
    struct err err;
    (void)state;

    arena_init(&arena, 1 << 20);
    buf_init(&out, 1000);
    problem_init(&problems, &arena);
    problem_add(&problems, PROBLEM_ERROR, "unknown_key", "slm.yaml", 3, 7, "unknown key '%s'",
                "fact");
    problem_add(&problems, PROBLEM_NOTE, "undetermined", "slm.yaml", 0, 0, "a \"note\"");
    assert_int_equal(problem_rc(&problems, &err), RC_OK);
    assert_int_equal(problems.n_errors, 1);
    problem_append_text(&out, &problems);
    assert_string_equal(out.at, "slm.yaml:3:7: error: unknown key 'fact' [unknown_key]\n"
                                "slm.yaml: note: a \"note\" [undetermined]\n");
    buf_reset(&out);
    problem_append_json(&out, &problems);
    assert_string_equal(
        out.at,
        "[{\"severity\":\"error\",\"code\":\"unknown_key\",\"file\":\"slm.yaml\",\"line\":3,"
        "\"column\":7,\"message\":\"unknown key 'fact'\"},{\"severity\":\"note\",\"code\":"
        "\"undetermined\",\"file\":\"slm.yaml\",\"line\":0,\"column\":0,\"message\":"
        "\"a \\\"note\\\"\"}]");
    arena_release(&arena);
}

static void more_than_the_limit_are_counted_but_not_kept(void **state)
{
    struct problems problems;
    struct arena arena;
    (void)state;

    arena_init(&arena, 1 << 20);
    problem_init(&problems, &arena);
    for (int i = 0; i < PROBLEMS_MAX + 50; i++)
        problem_add(&problems, PROBLEM_ERROR, "type", "f", 1, 1, "%d", i);
    assert_int_equal(problems.n, PROBLEMS_MAX);
    assert_int_equal(problems.n_errors, PROBLEMS_MAX + 50);
    arena_release(&arena);
}

static void near_words_are_suggested_and_far_ones_not(void **state)
{
    static const struct str words[] = { { "facts", 5 }, { "format", 6 }, { "description", 11 } };
    struct arena arena;
    (void)state;

    arena_init(&arena, 1 << 20);
    assert_string_equal(problem_suggest(STR("fact"), words, 3, &arena), ", did you mean 'facts'?");
    assert_string_equal(problem_suggest(STR("formt"), words, 3, &arena),
                        ", did you mean 'format'?");
    assert_string_equal(problem_suggest(STR("descripton"), words, 3, &arena),
                        ", did you mean 'description'?");
    assert_string_equal(problem_suggest(STR("rules"), words, 3, &arena), "");
    assert_string_equal(problem_suggest(STR("x"), words, 0, &arena), "");
    arena_release(&arena);
}

static void a_problem_that_cannot_be_kept_is_an_error(void **state)
{
    struct problems problems;
    struct arena arena;
    struct err err;
    (void)state;

    arena_init(&arena, 100);
    problem_init(&problems, &arena);
    problem_add(&problems, PROBLEM_ERROR, "type", "f", 1, 1, "x");
    assert_int_equal(problem_rc(&problems, &err), RC_LIMIT);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(problems_are_listed_as_text_and_json),
        cmocka_unit_test(more_than_the_limit_are_counted_but_not_kept),
        cmocka_unit_test(near_words_are_suggested_and_far_ones_not),
        cmocka_unit_test(a_problem_that_cannot_be_kept_is_an_error),
    };
    return cmocka_run_group_tests_name("spec/problem", tests, NULL, NULL);
}
