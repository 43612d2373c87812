#include "tests/support/test.h"

#include "base/buf.h"

static void text_is_appended_and_terminated(void **state)
{
    CLEANUP(buf_releasep) struct buf b = { 0 };
    (void)state;

    buf_init(&b, 100);
    buf_append_text(&b, "rows: ");
    buf_printf(&b, "%d", 12);
    buf_append_char(&b, '\n');
    assert_string_equal(b.at, "rows: 12\n");
    assert_int_equal(b.len, 9);
}

static void the_limit_is_reached_exactly_and_the_error_sticks(void **state)
{
    CLEANUP(buf_releasep) struct buf b = { 0 };
    struct err err = { 0 };
    (void)state;

    buf_init(&b, 4);
    buf_append_text(&b, "abcd");
    assert_int_equal(buf_rc(&b, "reply", &err), RC_OK);
    buf_append_text(&b, "e");
    buf_append_text(&b, "");
    assert_int_equal(buf_rc(&b, "reply", &err), RC_LIMIT);
    assert_string_equal(err.message, "reply exceeds 4 bytes");
    assert_string_equal(b.at, "abcd");
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        CLEANUP(buf_releasep) struct buf b = { 0 };
        struct err err = { 0 };

        buf_init(&b, 1000);
        for (int i = 0; i < 100; i++)
            buf_printf(&b, "%03d", i);
        rc = buf_rc(&b, "reply", &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_appended_and_terminated),
        cmocka_unit_test(the_limit_is_reached_exactly_and_the_error_sticks),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
