/* An answer as a person reads it at a terminal. */
#include "tests/support/test.h"

#include "cli/answer_view.h"

static void assert_view(const char *answer, const char *want)
{
    CLEANUP(buf_releasep) struct buf out = { .limit = 1 << 16 };
    struct arena arena;
    struct json *v;
    struct err err = { 0 };

    arena_init(&arena, 1 << 20);
    assert_int_equal(json_parse(str_of(answer), JSON_DUPLICATES_REFUSED, &arena, &v, &err), RC_OK);
    answer_view_append(&out, v);
    assert_string_equal(out.at, want);
    arena_release(&arena);
}

static void fields_stand_with_their_confidence_and_sets_as_their_members(void **state)
{
    (void)state;
    assert_view("{\"output\":{\"decision\":\"rejected\",\"reasons\":[\"price\",\"terms\"],\"n\":2},"
                "\"confidence\":{\"decision\":0.9812,\"reasons\":0.7000},\"abstained\":null,"
                "\"facts\":{\"known\":true},\"rules\":[]}",
                "decision      rejected              confidence 0.9812\n"
                "reasons       price, terms          confidence 0.7000\n"
                "n             2\n"
                "facts   known = true\n");
    assert_view("{\"output\":{\"reasons\":[]},\"confidence\":{\"reasons\":1.0},\"abstained\":null}",
                "reasons       none                  confidence 1.0\n");
}

static void a_suggestion_is_no_answer(void **state)
{
    (void)state;
    assert_view("{\"output\":null,\"confidence\":{},\"abstained\":{\"reason\":\"low_confidence\","
                "\"text\":\"too\\u001b[31m low\",\"suggestion\":{\"reasons\":[\"a\\nb\"]}}}",
                "abstained: low_confidence\n  too\\u001b[31m low\nsuggestion, not an answer:\n"
                "reasons       a\\nb\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_stand_with_their_confidence_and_sets_as_their_members),
        cmocka_unit_test(a_suggestion_is_no_answer),
    };
    return cmocka_run_group_tests_name("cli/answer_view", tests, NULL, NULL);
}
