#include "tests/support/test.h"

#include "serve/http/http_parser.h"

#include <stdio.h>

enum { BODY_BYTES_MAX = 64, REQUEST_BYTES_MAX = 128 << 10 };

#define HOST    "Host: a\r\n"
#define LINE    "GET / HTTP/1.1\r\n" HOST
#define POST    "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

/* Feeds all of it in pieces of `step` bytes; returns how many bytes were used. */
static size_t feed(struct http_parser *p, const char *bytes, size_t len, size_t step)
{
    size_t used = 0;

    while (used < len && p->phase < HTTP_COMPLETE) {
        size_t piece = len - used < step ? len - used : step, at = 0;
        while (at < piece && p->phase < HTTP_COMPLETE)
            at += http_parser_feed(p, bytes + used + at, piece - at);
        used += at;
    }
    return used;
}

struct refused {
    const char *name;
    int status;
    const char *text;
    size_t len; /* 0: strlen(text) */
};

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct refused refused[] = {
    /* clang-format off */
    { "H02 obs-fold", 400, LINE "X: a\r\n b\r\n\r\n", 0 },
    { "H02 NUL in a field", 400, BYTES(LINE "X: a\0b\r\n\r\n") },
    { "H02 DEL in a field", 400, LINE "X: a\x7f\r\n\r\n", 0 },
    { "H02 blank before the colon", 400, LINE "X : a\r\n\r\n", 0 },
    { "H02 empty field name", 400, LINE ": a\r\n\r\n", 0 },
    { "H02 field without a colon", 400, LINE "novalue\r\n\r\n", 0 },
    { "H02 UTF-8 in a field name", 400, LINE "\xc3\xa9: a\r\n\r\n", 0 },
    { "H03 bare LF everywhere", 400, "GET / HTTP/1.1\nHost: a\n\n", 0 },
    { "H03 bare LF after the request line", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n", 0 },
    { "H03 bare CR in a value", 400, LINE "X: a\rb\r\n\r\n", 0 },
    { "H03 CR CR LF", 400, LINE "X: a\r\r\n\r\n", 0 },
    { "H03 empty line first", 400, "\r\n" LINE "\r\n", 0 },
    { "H04 CL and TE", 400, POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0 },
    { "H04 two equal CLs", 400, POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 0 },
    { "H04 two different CLs", 400, POST "Content-Length: 3\r\ncontent-length: 4\r\n\r\nabc", 0 },
    { "H04 CL list", 400, POST "Content-Length: 3, 3\r\n\r\nabc", 0 },
    { "H04 CL +5", 400, POST "Content-Length: +5\r\n\r\nabcde", 0 },
    { "H04 CL 0x5", 400, POST "Content-Length: 0x5\r\n\r\nabcde", 0 },
    { "H04 CL -1", 400, POST "Content-Length: -1\r\n\r\n", 0 },
    { "H04 CL '5 5'", 400, POST "Content-Length: 5 5\r\n\r\nabcde", 0 },
    { "H04 CL empty", 400, POST "Content-Length:\r\n\r\n", 0 },
    { "H04 CL 2^64", 413, POST "Content-Length: 18446744073709551616\r\n\r\n", 0 },
    { "H04 CL 2^64+1 is not 1", 413, POST "Content-Length: 18446744073709551617\r\n\r\na", 0 },
    { "H05 TE chunked, identity", 400, POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 0 },
    { "H05 TE xchunked", 400, POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0 },
    { "H05 TE empty", 400, POST "Transfer-Encoding:\r\n\r\n", 0 },
    { "H05 TE gzip, chunked", 501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0 },
    { "H05 two TEs", 400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0 },
    { "H05 TE in HTTP/1.0", 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0 },
    { "H05 chunk size ffffffffffffffff", 413, CHUNKED "ffffffffffffffff\r\nabc", 0 },
    { "H05 chunk size 2^64+3 is not 3", 413, CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n", 0 },
    { "H05 chunk size -1", 400, CHUNKED "-1\r\n", 0 },
    { "H05 chunk size 0x3", 400, CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", 0 },
    { "H05 chunk size with a blank before", 400, CHUNKED " 3\r\nabc\r\n0\r\n\r\n", 0 },
    { "H05 no chunk size", 400, CHUNKED "\r\nabc", 0 },
    { "H05 chunk longer than its size", 400, CHUNKED "3\r\nabcd\r\n0\r\n\r\n", 0 },
    { "H05 bare LF after a chunk size", 400, CHUNKED "3\nabc\r\n0\r\n\r\n", 0 },
    { "H05 bare LF after a chunk", 400, CHUNKED "3\r\nabc\n0\r\n\r\n", 0 },
    { "H05 NUL in a chunk extension", 400, BYTES(CHUNKED "3;a\0\r\nabc\r\n0\r\n\r\n") },
    { "H05 trailer without a colon", 400, CHUNKED "0\r\nnovalue\r\n\r\n", 0 },
    { "H06 too long by one, CL", 413, POST "Content-Length: 65\r\n\r\n", 0 },
    { "H06 too long by one, one chunk", 413, CHUNKED "41\r\n", 0 },
    { "H06 too long by one, second chunk", 413, CHUNKED
      "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n1\r\n", 0 },
    { "H07 unknown expectation", 417, POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", 0 },
    { "H08 HTTP/0.9", 400, "GET /\r\n\r\n", 0 },
    { "H08 HTTP/2.0", 505, "GET / HTTP/2.0\r\n" HOST "\r\n", 0 },
    { "H08 HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0 },
    { "H08 TLS hello", 400, BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") },
    { "H08 lower-case http", 400, "GET / http/1.1\r\n" HOST "\r\n", 0 },
    { "H08 HTTP/1.10", 400, "GET / HTTP/1.10\r\n" HOST "\r\n", 0 },
    { "H08 two blanks", 400, "GET  / HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H08 tab for a blank", 400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H08 blank behind the version", 400, "GET / HTTP/1.1 \r\n" HOST "\r\n", 0 },
    { "H08 method is no token", 400, "G@T / HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H09 CONNECT", 400, "CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H09 OPTIONS *", 400, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 //host", 400, "GET //evil/x HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 https target", 400, "GET https://evil/ HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 http target without a path", 400, "GET http://evil HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 http target without a host", 400, "GET http:///x HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 ..", 400, "GET /a/../b HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 .. at the end", 400, "GET /a/.. HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 %2e%2e%2f", 400, "GET /a/%2e%2e%2fb HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 %2e%2e/", 400, "GET /a/%2e%2E/b HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 %5c", 400, "GET /a%5cb HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 %00", 400, "GET /a%00b HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 %0d%0a", 400, "GET /a%0d%0ab HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 %zz", 400, "GET /a%zz HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 % cut short", 400, "GET /a%2 HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 overlong UTF-8", 400, "GET /%c0%af HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 UTF-8", 400, "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 empty segment", 400, "GET /a//b HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 trailing slash", 400, "GET /a/ HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H10 relative", 400, "GET a HTTP/1.1\r\n" HOST "\r\n", 0 },
    { "H11 no Host", 400, "GET / HTTP/1.1\r\n\r\n", 0 },
    { "H11 empty Host", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0 },
    { "H11 two Hosts", 400, LINE HOST "\r\n", 0 },
    { "H13 gzip body", 415, POST "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 0 },
    { "H29 -1 ms left", 400, LINE "Shoal-Time-Left-Ms: -1\r\n\r\n", 0 },
    { "H29 1e18 ms left", 400, LINE "Shoal-Time-Left-Ms: 1e18\r\n\r\n", 0 },
    { "H29 10^9 ms left", 400, LINE "Shoal-Time-Left-Ms: 1000000000\r\n\r\n", 0 },
    { "H29 2^32 ms left", 400, LINE "Shoal-Time-Left-Ms: 4294967296\r\n\r\n", 0 },
    { "H29 empty time", 400, LINE "Shoal-Time-Left-Ms:\r\n\r\n", 0 },
    { "H29 two times", 400, LINE "Shoal-Time-Left-Ms: 1\r\nShoal-Time-Left-Ms: 2\r\n\r\n", 0 },
    { "H14 two Authorizations", 400, LINE "Authorization: a\r\nAuthorization: b\r\n\r\n", 0 },
    /* clang-format on */
};

static void hostile_requests_are_refused_with_their_status_however_they_are_cut(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        const struct refused *r = &refused[i];
        size_t len = r->len ? r->len : strlen(r->text), first_used = 0;
        for (size_t step = len; step > 0; step = step > 7 ? 7 : step - 1) {
            struct http_parser p;
            http_parser_init(&p, BODY_BYTES_MAX);
            size_t used = feed(&p, r->text, len, step);
            if (step == len)
                first_used = used;
            if (p.phase != HTTP_REFUSED || p.status != r->status || used != first_used)
                fail_msg("%s, in pieces of %zu: phase %d, status %d, %zu bytes used", r->name, step,
                         p.phase, p.phase == HTTP_REFUSED ? p.status : 0, used);
            assert_non_null(p.reason);
            http_parser_release(&p);
        }
    }
}

struct taken {
    const char *name, *text, *method, *path, *query, *body;
    bool keep_alive;
    size_t left_over; /* bytes of the next request */
};

static const struct taken taken[] = {
    /* clang-format off */
    { "smallest", LINE "\r\n", "GET", "/", "", "", true, 0 },
    { "path and query", "GET /v1/slms/a-b_c?limit=3&x=/../ HTTP/1.1\r\n" HOST "\r\n", "GET", "/v1/slms/a-b_c",
      "limit=3&x=/../", "", true, 0 },
    { "decoded once", "GET /a%2db%252f HTTP/1.1\r\n" HOST "\r\n", "GET", "/a-b%2f", "", "", true, 0 },
    { "H10 absolute target", "GET http://b/x?y HTTP/1.1\r\n" HOST "\r\n", "GET", "/x", "y", "", true, 0 },
    { "H10 ..; is a name", "GET /..;/x HTTP/1.1\r\n" HOST "\r\n", "GET", "/..;/x", "", "", true, 0 },
    { "HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "GET", "/", "", "", false, 0 },
    { "H08 HTTP/1.2 is spoken to as 1.1", "GET / HTTP/1.2\r\n" HOST "\r\n", "GET", "/", "", "", true, 0 },
    { "close", LINE "Connection: x, Close\r\n\r\n", "GET", "/", "", "", false, 0 },
    { "body", POST "Content-Length: 3\r\n\r\nabc", "POST", "/", "", "abc", true, 0 },
    { "body of the largest size", POST "Content-Length: 64\r\n\r\n"
      "0123456789012345678901234567890123456789012345678901234567890123", "POST", "/", "",
      "0123456789012345678901234567890123456789012345678901234567890123", true, 0 },
    { "empty body", POST "Content-Length: 0\r\n\r\n", "POST", "/", "", "", true, 0 },
    { "leading zeros", POST "Content-Length: 0003\r\n\r\nabc", "POST", "/", "", "abc", true, 0 },
    { "chunks", CHUNKED "3\r\nabc\r\n02;x=\"y\"\r\nde\r\n0\r\n\r\n", "POST", "/", "", "abcde", true, 0 },
    { "H05 trailers are dropped", CHUNKED "1\r\na\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\n", "POST", "/", "", "a",
      true, 0 },
    { "H09 pipelined", LINE "\r\n" LINE "\r\n", "GET", "/", "", "", true, 27 },
    { "H09 pipelined behind a body", POST "Content-Length: 1\r\n\r\naGET", "POST", "/", "", "a", true, 3 },
    { "H27 obs-text in a value", LINE "X-Request-Id: \xff\r\n\r\n", "GET", "/", "", "", true, 0 },
    /* clang-format on */
};

static void proper_requests_are_taken_however_they_are_cut(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        const struct taken *t = &taken[i];
        size_t len = strlen(t->text);
        for (size_t step = len; step > 0; step--) {
            struct http_parser p;
            http_parser_init(&p, BODY_BYTES_MAX);
            size_t used = feed(&p, t->text, len, step);
            if (p.phase != HTTP_COMPLETE)
                fail_msg("%s, in pieces of %zu: phase %d, %s", t->name, step, p.phase,
                         p.reason ? p.reason : "");
            if (!str_is(p.request.method, t->method) || !str_is(p.request.path, t->path) ||
                !str_is(p.request.query, t->query) || !str_is(p.request.body, t->body) ||
                p.request.keep_alive != t->keep_alive || len - used != t->left_over)
                fail_msg("%s, in pieces of %zu: '%.*s' '%.*s' '%.*s' '%.*s' %d, %zu left", t->name,
                         step, STR_ARG(p.request.method), STR_ARG(p.request.path),
                         STR_ARG(p.request.query), STR_ARG(p.request.body), p.request.keep_alive,
                         len - used);
            http_parser_release(&p);
        }
    }
}

static void fields_are_found_by_their_lower_case_name_and_trimmed(void **state)
{
    const char text[] = LINE "X-One: \t a b \t\r\nX-Two:\r\nx-one: second\r\n\r\n";
    struct http_parser p;
    (void)state;

    http_parser_init(&p, BODY_BYTES_MAX);
    feed(&p, text, strlen(text), 5);
    assert_int_equal(p.phase, HTTP_COMPLETE);
    assert_true(str_is(http_request_header(&p.request, "x-one"), "a b"));
    assert_non_null(http_request_header(&p.request, "x-two").at);
    assert_int_equal(http_request_header(&p.request, "x-two").len, 0);
    assert_null(http_request_header(&p.request, "x-three").at);
    http_parser_release(&p);
}

/* A request line of line_bytes and n_fields more fields of field_bytes each. */
static size_t make_request(char *text, size_t line_bytes, size_t n_fields, size_t field_bytes)
{
    size_t fixed = strlen("GET / HTTP/1.1");
    size_t len = (size_t)sprintf(text, "GET /%0*d HTTP/1.1\r\n" HOST, (int)(line_bytes - fixed), 0);

    for (size_t i = 0; i < n_fields; i++)
        len += (size_t)sprintf(text + len, "X: %0*d\r\n", (int)(field_bytes - 3), 0);
    return len + (size_t)sprintf(text + len, "\r\n");
}

static void limits_of_the_head_are_reached_exactly(void **state)
{
    static const struct {
        size_t line_bytes, n_fields, field_bytes;
        int status; /* 0: taken */
    } cases[] = {
        { HTTP_LINE_BYTES_MAX, 0, 0, 0 },
        { HTTP_LINE_BYTES_MAX + 1, 0, 0, 414 },
        { 20, HTTP_HEADERS_MAX - 1, 10, 0 },
        { 20, HTTP_HEADERS_MAX, 10, 431 },
        { 20, 1000, 10, 431 },
        { 20, 1, HTTP_HEAD_BYTES_MAX - 21 - 8 - 1, 0 },
        { 20, 1, HTTP_HEAD_BYTES_MAX - 21 - 8 + 1, 431 },
    };
    char *text = mem_alloc(REQUEST_BYTES_MAX);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_parser p;
        size_t len =
            make_request(text, cases[i].line_bytes, cases[i].n_fields, cases[i].field_bytes);
        assert_true(len < REQUEST_BYTES_MAX);
        http_parser_init(&p, BODY_BYTES_MAX);
        feed(&p, text, len, 1000);
        if (p.phase != (cases[i].status ? HTTP_REFUSED : HTTP_COMPLETE) ||
            (cases[i].status && p.status != cases[i].status))
            fail_msg("case %zu: phase %d, status %d", i, p.phase, p.status);
        http_parser_release(&p);
    }
    mem_free(text);
}

static void endless_lines_of_a_chunked_body_are_refused(void **state)
{
    struct http_parser p;
    (void)state;

    http_parser_init(&p, BODY_BYTES_MAX);
    feed(&p, CHUNKED "1;", sizeof(CHUNKED "1;") - 1, 100);
    for (size_t i = 0; i < HTTP_CHUNK_LINE_BYTES_MAX; i++)
        feed(&p, "x", 1, 1);
    assert_int_equal(p.phase, HTTP_REFUSED);
    assert_int_equal(p.status, 400);
    http_parser_reset(&p);

    feed(&p, CHUNKED "0\r\n", sizeof(CHUNKED "0\r\n") - 1, 100);
    for (size_t i = 0; i <= HTTP_HEADERS_MAX; i++)
        feed(&p, "a: b\r\n", 6, 6);
    assert_int_equal(p.phase, HTTP_REFUSED);
    assert_int_equal(p.status, 431);
    http_parser_release(&p);
}

static void what_is_cut_short_stays_incomplete(void **state)
{
    const char text[] = CHUNKED "3\r\nabc\r\n0\r\nX: y\r\n\r\n";
    (void)state;

    for (size_t len = 0; len < strlen(text); len++) {
        struct http_parser p;
        http_parser_init(&p, BODY_BYTES_MAX);
        assert_int_equal(feed(&p, text, len, 3), len);
        assert_true(p.phase < HTTP_COMPLETE);
        http_parser_release(&p);
    }
}

static void feeding_stops_behind_the_head_so_that_the_server_can_act(void **state)
{
    const char text[] = POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc";
    struct http_parser p;
    (void)state;

    http_parser_init(&p, BODY_BYTES_MAX);
    assert_int_equal(http_parser_feed(&p, text, strlen(text)), strlen(text) - 3);
    assert_int_equal(p.phase, HTTP_BODY);
    assert_true(p.request.expects_100 && p.request.has_body);
    assert_int_equal(http_parser_feed(&p, text + strlen(text) - 3, 3), 3);
    assert_int_equal(p.phase, HTTP_COMPLETE);
    http_parser_release(&p);
}

static void every_failing_allocation_is_refused_with_503(void **state)
{
    const char text[] = CHUNKED "3\r\nabc\r\n0\r\nX: y\r\n\r\n";
    struct http_parser p = { 0 };
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        http_parser_release(&p);
        http_parser_init(&p, BODY_BYTES_MAX);
        feed(&p, text, strlen(text), 7);
        assert_true(p.phase == HTTP_COMPLETE || (p.phase == HTTP_REFUSED && p.status == 503));
    }
    assert_int_equal(p.phase, HTTP_COMPLETE);
    http_parser_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_requests_are_refused_with_their_status_however_they_are_cut),
        cmocka_unit_test(proper_requests_are_taken_however_they_are_cut),
        cmocka_unit_test(fields_are_found_by_their_lower_case_name_and_trimmed),
        cmocka_unit_test(limits_of_the_head_are_reached_exactly),
        cmocka_unit_test(endless_lines_of_a_chunked_body_are_refused),
        cmocka_unit_test(what_is_cut_short_stays_incomplete),
        cmocka_unit_test(feeding_stops_behind_the_head_so_that_the_server_can_act),
        cmocka_unit_test(every_failing_allocation_is_refused_with_503),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
