#include "tests/support/test.h"

#include "base/macros.h"
#include "serve/http/http_reply.h"

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *name, *text;
    enum http_reply_state state;
} cases[] = {
    { "nothing", "", HTTP_REPLY_MORE },
    { "half a head", OK "Content-Length: 2\r\n", HTTP_REPLY_MORE },
    { "half a body", OK "Content-Length: 2\r\n\r\na", HTTP_REPLY_MORE },
    { "whole", OK "Content-Length: 2\r\n\r\nab", HTTP_REPLY_WHOLE },
    { "no reason", "HTTP/1.1 204\r\ncontent-length: 0\r\n\r\n", HTTP_REPLY_WHOLE },
    { "another protocol", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP_REPLY_BROKEN },
    { "a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", HTTP_REPLY_BROKEN },
    { "a status that is none", "HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n", HTTP_REPLY_BROKEN },
    { "interim", "HTTP/1.1 100 Continue\r\n\r\n", HTTP_REPLY_BROKEN },
    { "no length", OK "\r\n", HTTP_REPLY_BROKEN },
    { "two lengths", OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", HTTP_REPLY_BROKEN },
    { "a negative length", OK "Content-Length: -1\r\n\r\n", HTTP_REPLY_BROKEN },
    { "a length in words", OK "Content-Length: 0x5\r\n\r\n", HTTP_REPLY_BROKEN },
    { "an empty length", OK "Content-Length:\r\n\r\n", HTTP_REPLY_BROKEN },
    { "too long", OK "Content-Length: 999999999\r\n\r\n", HTTP_REPLY_BROKEN },
    { "longer still", OK "Content-Length: 18446744073709551617\r\n\r\n", HTTP_REPLY_BROKEN },
    { "chunks", OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", HTTP_REPLY_BROKEN },
    { "a field without a name", OK ": x\r\nContent-Length: 0\r\n\r\n", HTTP_REPLY_BROKEN },
    { "a line without a colon", OK "x\r\nContent-Length: 0\r\n\r\n", HTTP_REPLY_BROKEN },
};

static void only_answers_with_one_framing_are_read(void **state)
{
    struct http_reply reply;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (http_reply_read(str_of(cases[i].text), &reply) != cases[i].state)
            fail_msg("%s", cases[i].name);
}

static void an_answer_has_status_body_and_length(void **state)
{
    static const char text[] = OK "Content-Length:\t2 \r\nConnection: Close\r\n\r\nabHTTP/1.1";
    struct http_reply reply;
    (void)state;

    assert_int_equal(http_reply_read(STR(text), &reply), HTTP_REPLY_WHOLE);
    assert_int_equal(reply.status, 200);
    assert_true(str_is(reply.body, "ab"));
    assert_int_equal(reply.len, sizeof(text) - 1 - strlen("HTTP/1.1"));
    assert_false(reply.keep_alive);
}

static void a_head_has_a_limit(void **state)
{
    static char text[HTTP_REPLY_HEAD_BYTES_MAX + 2];
    struct http_reply reply;
    (void)state;

    memset(text, 'a', sizeof(text));
    assert_int_equal(http_reply_read((struct str){ text, HTTP_REPLY_HEAD_BYTES_MAX }, &reply),
                     HTTP_REPLY_MORE);
    assert_int_equal(http_reply_read((struct str){ text, HTTP_REPLY_HEAD_BYTES_MAX + 1 }, &reply),
                     HTTP_REPLY_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_answers_with_one_framing_are_read),
        cmocka_unit_test(an_answer_has_status_body_and_length),
        cmocka_unit_test(a_head_has_a_limit),
    };

    return cmocka_run_group_tests_name("serve/http reply", tests, NULL, NULL);
}
