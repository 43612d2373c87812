#include "tests/support/test.h"

#include "serve/body.h"

#include <stdio.h>

struct fixture {
    struct arena arena;
    struct problems problems;
    struct err err;
    struct buf text;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){ 0 };
    arena_init(&f->arena, 1 << 20);
    problem_init(&f->problems, &f->arena);
    buf_init(&f->text, 1 << 16);
}

static void finish(struct fixture *f)
{
    buf_release(&f->text);
    arena_release(&f->arena);
}

static void a_decision_has_an_input_and_perhaps_a_key(void **state)
{
    struct body_decision d;
    struct fixture f;
    (void)state;

    begin(&f);
    assert_int_equal(body_read_decision(STR("{\"input\":{\"b\":1,\"a\":2}}"), (struct str){ 0 },
                                        &f.arena, &d, &f.problems, &f.err),
                     RC_OK);
    assert_int_equal(f.problems.n_errors, 0);
    assert_int_equal(d.input->n, 2);
    assert_null(d.key.at);

    struct digest first = d.input_digest; /* order and blanks do not matter, values do */
    assert_int_equal(
        body_read_decision(STR("{\"idempotency_key\":\"k 1\",\"input\": {\"a\":2,\"b\":1}}"),
                           STR("k 1"), &f.arena, &d, &f.problems, &f.err),
        RC_OK);
    assert_true(digest_equal(&first, &d.input_digest));
    assert_true(str_is(d.key, "k 1"));
    assert_int_equal(body_read_decision(STR("{\"input\":{\"a\":2,\"b\":2}}"), STR("h"), &f.arena,
                                        &d, &f.problems, &f.err),
                     RC_OK);
    assert_false(digest_equal(&first, &d.input_digest));
    assert_true(str_is(d.key, "h"));
    assert_int_equal(f.problems.n_errors, 0);
    finish(&f);
}

static void everything_wrong_with_a_decision_is_reported(void **state)
{
    static const struct {
        const char *name, *body, *key;
        enum rc rc;
        const char *want; /* in the problems, or in the error */
    } cases[] = {
        /* clang-format off */
        { "H15 empty", "", NULL, RC_INVALID, "body: line 1" },
        { "H15 nul", "nul", NULL, RC_INVALID, "body: line 1, column 1" },
        { "H15 duplicate key", "{\"input\":{\"a\":1,\"a\":2}}", NULL, RC_INVALID, "'a'" },
        { "H15 trailing comma", "{\"input\":{},}", NULL, RC_INVALID, "body: line 1" },
        { "H15 lone surrogate", "{\"input\":{\"a\":\"\\ud800\"}}", NULL, RC_INVALID, "surrogate" },
        { "not an object", "[]", NULL, RC_OK, "body:1:1: error: expected an object" },
        { "no input", "{}", NULL, RC_OK, "'input' is missing" },
        { "input of another type", "{\"input\":[]}", NULL, RC_OK, "input: expected object, got array" },
        { "unknown member", "{\"input\":{},\"inputs\":1}", NULL, RC_OK, "unknown member 'inputs', did you mean 'input'?" },
        { "H32 mass assignment", "{\"input\":{},\"team\":\"b\"}", NULL, RC_OK, "unknown member 'team'" },
        { "all at once", "{\n \"x\":1,\n \"idempotency_key\":7}", NULL, RC_OK, "body:3:20: error: idempotency_key: expected string" },
        { "empty key", "{\"input\":{}}", "", RC_OK, "idempotency key: expected 1 to 128" },
        { "key with a newline", "{\"input\":{},\"idempotency_key\":\"a\\nb\"}", NULL, RC_OK, "idempotency key: expected" },
        { "two keys", "{\"input\":{},\"idempotency_key\":\"a\"}", "b", RC_OK, "differs from the header" },
        /* clang-format on */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct body_decision d;
        struct fixture f;
        begin(&f);
        enum rc rc = body_read_decision(str_of(cases[i].body), str_of(cases[i].key), &f.arena, &d,
                                        &f.problems, &f.err);
        problem_append_text(&f.text, &f.problems);
        const char *got = rc ? f.err.message : f.text.at ? f.text.at : "";
        if (rc != cases[i].rc || !strstr(got, cases[i].want))
            fail_msg("%s: %s, '%s'", cases[i].name, rc_name(rc), got);
        finish(&f);
    }
}

static void a_feedback_is_an_output_or_a_verdict(void **state)
{
    static const struct {
        const char *body, *want; /* NULL: fine */
    } cases[] = {
        { "{\"output\":{\"priority\":\"high\"},\"comment\":\"angry\"}", NULL },
        { "{\"verdict\":\"right\"}", NULL },
        { "{\"verdict\":\"wrong\"}", NULL },
        { "{}", "expected either 'output' or 'verdict'" },
        { "{\"output\":{},\"verdict\":\"right\"}", "expected either" },
        { "{\"verdict\":\"maybe\"}", "verdict: expected 'right' or 'wrong'" },
        { "{\"verdict\":\"right\",\"rating\":5}", "unknown member 'rating'" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct body_feedback feedback;
        struct fixture f;
        begin(&f);
        assert_int_equal(
            body_read_feedback(str_of(cases[i].body), &f.arena, &feedback, &f.problems, &f.err),
            RC_OK);
        problem_append_text(&f.text, &f.problems);
        if (cases[i].want ? !f.text.at || !strstr(f.text.at, cases[i].want) : f.problems.n_errors)
            fail_msg("%s: '%s'", cases[i].body, f.text.at ? f.text.at : "");
        finish(&f);
    }
}

static void a_long_comment_is_refused(void **state)
{
    char body[5000];
    struct body_feedback feedback;
    struct fixture f;
    (void)state;

    begin(&f);
    snprintf(body, sizeof(body), "{\"verdict\":\"right\",\"comment\":\"%0*d\"}",
             BODY_COMMENT_BYTES_MAX + 1, 0);
    assert_int_equal(body_read_feedback(str_of(body), &f.arena, &feedback, &f.problems, &f.err),
                     RC_OK);
    assert_int_equal(f.problems.n_errors, 1);
    finish(&f);
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct body_decision d;
        struct fixture f;
        begin(&f);
        rc = body_read_decision(STR("{\"input\":{\"a\":1},\"x\":2}"), STR("k"), &f.arena, &d,
                                &f.problems, &f.err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        finish(&f);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decision_has_an_input_and_perhaps_a_key),
        cmocka_unit_test(everything_wrong_with_a_decision_is_reported),
        cmocka_unit_test(a_feedback_is_an_output_or_a_verdict),
        cmocka_unit_test(a_long_comment_is_refused),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
