/* The HTTP server over real sockets: hostile, slow, leaving and too many clients. */
#include "tests/serve/raw_client.h"
#include "tests/support/test.h"

#include "serve/http/http_server.h"
#include "serve/http/http_status.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- a server on a thread of its own, with one handler for each thing a handler can do */

struct fixture {
    struct http_server *server;
    unsigned port;
    pthread_t thread;
    enum rc result;
    atomic_int n_answered, last_status;
    pthread_mutex_t mutex; /* guards held */
    struct http_exchange *held[512];
    size_t n_held;
    bool deny;
};

static void echo(struct http_exchange *x, void *self)
{
    (void)self;
    buf_append_str(&x->body, x->request->method);
    buf_append_text(&x->body, " ");
    buf_append_str(&x->body, x->request->path);
    buf_append_text(&x->body, " ");
    buf_append_str(&x->body, x->request->body);
    http_answer(x, 200);
}

static void *answer_after_a_while(void *exchange)
{
    usleep(20000);
    echo(exchange, NULL);
    return NULL;
}

static void later(struct http_exchange *x, void *self)
{
    pthread_t thread;

    (void)self;
    assert_int_equal(pthread_create(&thread, NULL, answer_after_a_while, x), 0);
    pthread_detach(thread);
}

static void hold(struct http_exchange *x, void *self)
{
    struct fixture *f = self;

    pthread_mutex_lock(&f->mutex);
    f->held[f->n_held++] = x;
    pthread_mutex_unlock(&f->mutex);
}

static void health(struct http_exchange *x, void *self)
{
    (void)self;
    http_answer(x, http_server_draining(x->server) ? 503 : 200);
}

static void peer(struct http_exchange *x, void *self)
{
    (void)self;
    buf_printf(&x->body, "%d %u", x->has_peer, (unsigned)x->peer_uid);
    http_answer(x, 200);
}

static void large(struct http_exchange *x, void *self)
{
    (void)self;
    for (size_t i = 0; i < 12 << 10; i++)
        buf_printf(&x->body, "%01023d\n", 0);
    http_answer(x, 200);
}

static void too_large(struct http_exchange *x, void *self)
{
    (void)self;
    while (!x->body.failed)
        buf_printf(&x->body, "%01023d\n", 0);
    http_answer(x, 200);
}

static const struct http_route routes[] = {
    { "GET", "/echo", echo, 0, false },          { "POST", "/echo", echo, 0, false },
    { "POST", "/echo/{}", echo, 0, false },      { "GET", "/later", later, 0, false },
    { "GET", "/hold", hold, 0, false },          { "GET", "/health", health, 0, true },
    { "GET", "/peer", peer, 0, false },          { "GET", "/large", large, 0, false },
    { "GET", "/toolarge", too_large, 0, false },
};

static int admit(struct http_exchange *x, void *self)
{
    struct fixture *f = self;

    if (!f->deny || x->route->always)
        return 0;
    http_error_body(&x->body, &(struct http_error){ 401, "unauthenticated", "no key", NULL });
    return 401;
}

static void count_answer(const struct http_exchange *x, int status, void *self)
{
    struct fixture *f = self;

    assert_non_null(x->server); /* it is still there */
    atomic_store(&f->last_status, status);
    atomic_fetch_add(&f->n_answered, 1);
}

static void *serve(void *fixture)
{
    struct fixture *f = fixture;
    struct err ignored;

    f->result = http_server_run(f->server, &ignored);
    return NULL;
}

static struct http_routes table;

static struct http_server_config patient(void)
{
    struct http_server_config config = http_server_config_default();

    config.body_bytes_max = 4096;
    config.drain_listen_ms = 50;
    return config;
}

static void start(struct fixture *f, struct http_server_config config)
{
    struct err err = { 0 };

    *f = (struct fixture){ 0 };
    pthread_mutex_init(&f->mutex, NULL);
    table = (struct http_routes){ routes, ARRAY_LEN(routes), f, admit, count_answer };
    assert_int_equal(http_server_open(&config, &f->server, &err), RC_OK);
    assert_int_equal(http_server_listen_tcp(f->server, "127.0.0.1", 0, &table, &f->port, &err),
                     RC_OK);
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
}

static enum rc stop(struct fixture *f)
{
    http_server_stop(f->server);
    pthread_join(f->thread, NULL);
    http_server_close(f->server);
    pthread_mutex_destroy(&f->mutex);
    return f->result;
}

static int dial(const struct fixture *f)
{
    return dial_port(f->port);
}

/* Says text on a connection of its own and hears all of the answer; the server must close. */
static const char *ask(const struct fixture *f, const char *text)
{
    int fd = dial(f);

    say(fd, text);
    const char *answer = hear(fd, NULL);
    close(fd);
    return answer;
}

#define HOST  "Host: a\r\n"
#define CLOSE HOST "Connection: close\r\n\r\n"

static void it_still_answers(const struct fixture *f)
{
    assert_non_null(strstr(ask(f, "GET /echo HTTP/1.1\r\n" CLOSE), "\r\n\r\nGET /echo "));
}

static void wait_until(const atomic_int *value, int at_least)
{
    for (int ms = 0; atomic_load(value) < at_least; ms++) {
        if (ms > PATIENCE_MS)
            fail_msg("still %d, not %d", atomic_load(value), at_least);
        usleep(1000);
    }
}

static struct http_exchange *wait_for_held(struct fixture *f, size_t n)
{
    for (int ms = 0; ms < PATIENCE_MS; ms++, usleep(1000)) {
        pthread_mutex_lock(&f->mutex);
        struct http_exchange *x = f->n_held >= n ? f->held[n - 1] : NULL;
        pthread_mutex_unlock(&f->mutex);
        if (x)
            return x;
    }
    fail_msg("the handler was not called %zu times", n);
    return NULL;
}

/* ---- tests */

static void hostile_requests_get_their_status_and_the_connection_is_closed(void **state)
{
    static const struct {
        const char *name, *text;
        int status;
    } cases[] = {
        /* clang-format off */
        { "H02 obs-fold", "GET /echo HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400 },
        { "H02 blank before the colon", "GET /echo HTTP/1.1\r\n" HOST "X : a\r\n\r\n", 400 },
        { "H03 bare LF", "GET /echo HTTP/1.1\nHost: a\n\n", 400 },
        { "H03 bare CR", "GET /echo HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400 },
        { "H04 CL and TE", "POST /echo HTTP/1.1\r\n" HOST
          "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
        { "H04 two equal CLs", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400 },
        { "H04 two CLs", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400 },
        { "H04 CL +5", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nabcde", 400 },
        { "H04 CL 2^64", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n", 413 },
        { "H05 chunked, identity", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n", 400 },
        { "H05 xchunked", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 400 },
        { "H05 chunk size f*16", "POST /echo HTTP/1.1\r\n" HOST
          "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 413 },
        { "H05 chunk size -1", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400 },
        { "H06 by CL", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4097\r\n\r\n", 413 },
        { "H06 by chunks", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1001\r\n", 413 },
        { "H07 413 instead of 100", "POST /echo HTTP/1.1\r\n" HOST
          "Expect: 100-continue\r\nContent-Length: 4097\r\n\r\n", 413 },
        { "H08 HTTP/0.9", "GET /echo\r\n", 0 }, /* the head never ends: see the slow clients */
        { "H08 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
        { "H08 TLS hello", "\x16\x03\x01\x02", 400 },
        { "H09 CONNECT", "CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", 400 },
        { "H09 TRACE", "TRACE /echo HTTP/1.1\r\n" CLOSE, 405 },
        { "H09 upgrade is not taken up", "GET /echo HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n"
          HOST "\r\n", 200 },
        { "H10 absolute target", "GET http://evil/echo HTTP/1.1\r\n" CLOSE, 200 },
        { "H10 //host", "GET //evil/echo HTTP/1.1\r\n" CLOSE, 400 },
        { "H10 %2e%2e%2f", "GET /%2e%2e%2fecho HTTP/1.1\r\n" CLOSE, 400 },
        { "H10 %00", "GET /echo%00 HTTP/1.1\r\n" CLOSE, 400 },
        { "H10 ..;/", "GET /..;/echo HTTP/1.1\r\n" CLOSE, 404 },
        { "H10 double encoding", "GET /%252e%252e/echo HTTP/1.1\r\n" CLOSE, 404 },
        { "H10 overlong UTF-8", "GET /%c0%ae%c0%ae/echo HTTP/1.1\r\n" CLOSE, 400 },
        { "H11 no Host", "GET /echo HTTP/1.1\r\n\r\n", 400 },
        { "H11 two Hosts", "GET /echo HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
        { "H13 gzip", "POST /echo HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na", 415 },
        { "H14 two Authorizations", "GET /echo HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b\r\n" CLOSE, 400 },
        { "no such path", "GET /none HTTP/1.1\r\n" CLOSE, 404 },
        { "param does not match two segments", "POST /echo/a/b HTTP/1.1\r\n" CLOSE, 404 },
        { "answer over its limit", "GET /toolarge HTTP/1.1\r\n" CLOSE, 500 },
        /* clang-format on */
    };
    struct http_server_config config = patient();
    struct fixture f;
    (void)state;

    config.head_ms = 300;
    start(&f, config);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *answer = ask(&f, cases[i].text);
        int want = cases[i].status ? cases[i].status : 408;
        if (status_of(answer) != want)
            fail_msg("%s: want %d, got '%s'", cases[i].name, want, answer);
        if (want != 200 && !strstr(answer, "\r\n\r\n{\"error\":{\"code\":\""))
            fail_msg("%s: no error body in '%s'", cases[i].name, answer);
    }
    it_still_answers(&f);
    assert_int_equal(stop(&f), RC_OK);
}

static void an_unknown_method_is_told_the_known_ones(void **state)
{
    struct fixture f;
    (void)state;

    start(&f, patient());
    const char *answer = ask(&f, "PUT /echo HTTP/1.1\r\n" CLOSE);
    assert_int_equal(status_of(answer), 405);
    assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD, POST\r\n"));
    stop(&f);
}

/* A body behind it would be read as the next answer of the connection. */
static void head_is_answered_as_get_without_its_body(void **state)
{
    static const char *const PATHS[] = { "/echo", "/nothing", "/echo/1" };
    static const int STATUSES[] = { 200, 404, 405 };
    struct fixture f;
    char request[64];
    (void)state;

    start(&f, patient());
    int fd = dial(&f);
    for (size_t i = 0; i < 3; i++) {
        snprintf(request, sizeof(request), "HEAD %s HTTP/1.1\r\n" HOST "\r\n", PATHS[i]);
        say(fd, request);
        const char *answer = hear(fd, "\r\n\r\n");
        assert_int_equal(status_of(answer), STATUSES[i]);
        assert_null(strstr(answer, "Content-Length: 0\r\n"));
        assert_string_equal(body_of(answer), "");
    }
    say(fd, "GET /echo HTTP/1.1\r\n" CLOSE);
    const char *answer = hear(fd, NULL);
    assert_int_equal(status_of(answer), 200);
    assert_string_equal(body_of(answer), "GET /echo ");
    close(fd);
    stop(&f);
}

static void a_connection_is_kept_and_pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture f;
    (void)state;

    start(&f, patient());
    int fd = dial(&f);
    say(fd, "POST /echo/1 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
    assert_non_null(strstr(hear(fd, "abc"), "POST /echo/1 abc"));
    say(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n"
            "POST /echo/2 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
            "POST /echo/3 HTTP/1.1\r\nContent-Length: 1\r\n" CLOSE "y");
    const char *answers = hear(fd, NULL);
    const char *first = strstr(answers, "GET /later "), *second = strstr(answers, "/echo/2 x");
    const char *third = strstr(answers, "/echo/3 y");
    assert_true(first && second && third && first < second && second < third);
    close(fd);
    assert_int_equal(stop(&f), RC_OK);
}

static void ten_thousand_pipelined_requests_do_no_harm(void **state)
{
    struct fixture f;
    (void)state;

    start(&f, patient());
    int fd = dial(&f);
    for (int i = 0; i < 10000; i++)
        say(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(status_of(hear(fd, "GET /later ")), 200);
    close(fd);
    it_still_answers(&f);
    assert_int_equal(stop(&f), RC_OK);
}

static void a_body_is_asked_for_when_the_client_waits_for_that(void **state)
{
    struct fixture f;
    (void)state;

    start(&f, patient());
    int fd = dial(&f);
    say(fd, "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" CLOSE);
    assert_string_equal(hear(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "ab");
    assert_non_null(strstr(hear(fd, NULL), "POST /echo ab"));
    close(fd);
    stop(&f);
}

static void a_request_is_refused_before_its_body_is_read(void **state)
{
    struct fixture f;
    (void)state;

    start(&f, patient());
    f.deny = true;
    const char *answer =
        ask(&f, "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" HOST "\r\n");
    assert_int_equal(status_of(answer), 401);
    assert_non_null(strstr(answer, "\r\nWWW-Authenticate: Bearer\r\n"));
    assert_non_null(strstr(answer, "{\"error\":{\"code\":\"unauthenticated\""));
    stop(&f);
}

static void slow_clients_are_ended_by_the_deadline_of_their_state(void **state)
{
    struct http_server_config config = patient();
    struct fixture f;
    (void)state;

    config.head_ms = config.body_gap_ms = config.idle_ms = config.write_ms = 200;
    start(&f, config);
    assert_string_equal(ask(&f, ""), ""); /* says nothing: closed */
    assert_int_equal(status_of(ask(&f, "GET /ec")), 408);
    assert_int_equal(
        status_of(ask(&f, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na")), 408);

    int idle = dial(&f);
    say(idle, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(status_of(hear(idle, NULL)), 200); /* and then it is closed */
    close(idle);

    int drip = dial(&f); /* one byte at a time does not renew the deadline of the head */
    const char *head = "GET /echo HTTP/1.1\r\nHost: a-long-name";
    for (size_t i = 0; i < strlen(head); i++, usleep(20000))
        say(drip, (char[]){ head[i], '\0' });
    assert_int_equal(status_of(hear(drip, NULL)), 408);
    close(drip);

    int before = atomic_load(&f.n_answered);
    int deaf = dial(&f); /* 12 MiB are more than the sockets' buffers take */
    say(deaf, "GET /large HTTP/1.1\r\n" HOST "\r\n");
    wait_until(&f.n_answered, before + 1);
    assert_int_equal(atomic_load(&f.last_status), 499);
    close(deaf);
    it_still_answers(&f);
    stop(&f);
}

static void the_whole_body_has_a_deadline_too(void **state)
{
    struct http_server_config config = patient();
    struct fixture f;
    (void)state;

    config.body_ms = 300;
    start(&f, config);
    int fd = dial(&f);
    say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4000\r\n\r\n");
    for (int i = 0; i < 30; i++, usleep(20000))
        say(fd, "x");
    assert_int_equal(status_of(hear(fd, NULL)), 408);
    close(fd);
    stop(&f);
}

static void a_client_that_leaves_cancels_its_request(void **state)
{
    static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    struct fixture f;
    (void)state;

    start(&f, patient());
    for (size_t way = 0; way < 3; way++) {
        int fd = dial(&f);
        say(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        struct http_exchange *x = wait_for_held(&f, way + 1);
        assert_false(atomic_load(&x->cancelled));

        if (way == 1)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        if (way == 2)
            shutdown(fd, SHUT_WR); /* half-closed counts as left: decision 0003 */
        else
            close(fd);
        for (int ms = 0; !atomic_load(&x->cancelled); ms++, usleep(1000))
            if (ms > PATIENCE_MS)
                fail_msg("way %zu: not noticed", way);
        if (way == 2)
            close(fd);
        assert_int_equal(atomic_load(&f.last_status), 499);
        http_answer(x, 200);
    }
    it_still_answers(&f);
    assert_int_equal(stop(&f), RC_OK);
}

static void a_client_that_says_no_more_while_it_is_answered_gets_its_answer(void **state)
{
    static char bytes[64 << 10];
    struct fixture f;
    size_t total = 0;
    (void)state;

    start(&f, patient());
    int before = atomic_load(&f.n_answered);
    int fd = dial(&f);
    say(fd, "GET /large HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(recv(fd, bytes, 1, MSG_PEEK), 1); /* the answer is being written */
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    usleep(50000);
    for (ssize_t n; (n = read(fd, bytes, sizeof(bytes))) > 0;)
        total += (size_t)n;
    assert_in_range(total, 12 << 20, (12 << 20) + 1000);
    close(fd);
    wait_until(&f.n_answered, before + 1);
    assert_int_equal(atomic_load(&f.last_status), 200);
    it_still_answers(&f);
    stop(&f);
}

static void an_answer_that_takes_too_long_becomes_504_and_is_cancelled(void **state)
{
    struct http_server_config config = patient();
    struct fixture f;
    (void)state;

    config.answer_ms = 100;
    start(&f, config);
    assert_int_equal(status_of(ask(&f, "GET /hold HTTP/1.1\r\n" HOST "\r\n")), 504);
    struct http_exchange *x = wait_for_held(&f, 1);
    assert_true(atomic_load(&x->cancelled));
    http_answer(x, 200);
    it_still_answers(&f);
    assert_int_equal(stop(&f), RC_OK);
}

static void a_client_that_says_how_long_it_waits_gets_its_504_then(void **state)
{
    struct fixture f;
    (void)state;

    start(&f, patient());
    const char *answer = ask(&f, "GET /hold HTTP/1.1\r\n" HOST "Shoal-Time-Left-Ms: 50\r\n\r\n");
    assert_int_equal(status_of(answer), 504);
    assert_non_null(strstr(answer, "{\"error\":{\"code\":\"timeout\""));
    struct http_exchange *x = wait_for_held(&f, 1);
    assert_true(atomic_load(&x->cancelled));
    http_answer(x, 200);

    /* no time at all: the handler does not see it */
    answer = ask(&f, "GET /echo HTTP/1.1\r\nShoal-Time-Left-Ms: 0\r\n" CLOSE);
    assert_int_equal(status_of(answer), 504);
    answer = ask(&f, "GET /echo HTTP/1.1\r\nShoal-Time-Left-Ms: 999999999\r\n" CLOSE);
    assert_int_equal(status_of(answer), 200);
    assert_int_equal(stop(&f), RC_OK);
}

static void a_full_server_says_so_at_once_and_its_health_still_answers(void **state)
{
    struct http_server_config config = patient();
    struct fixture f;
    int fds[2];
    (void)state;

    config.exchanges_max = 2;
    start(&f, config);
    for (size_t i = 0; i < 2; i++) {
        fds[i] = dial(&f);
        say(fds[i], "GET /hold HTTP/1.1\r\n" CLOSE);
        wait_for_held(&f, i + 1);
    }
    const char *answer = ask(&f, "GET /hold HTTP/1.1\r\n" CLOSE);
    assert_int_equal(status_of(answer), 503);
    assert_non_null(strstr(answer, "\r\nRetry-After: 1\r\n"));
    assert_non_null(strstr(answer, "{\"error\":{\"code\":\"busy\""));
    assert_int_equal(status_of(ask(&f, "GET /health HTTP/1.1\r\n" CLOSE)), 200);

    for (size_t i = 0; i < 2; i++) {
        http_answer(f.held[i], 200);
        assert_int_equal(status_of(hear(fds[i], NULL)), 200);
        close(fds[i]);
    }
    it_still_answers(&f);
    assert_int_equal(stop(&f), RC_OK);
}

static void a_thousand_slow_clients_do_not_keep_others_from_being_answered(void **state)
{
    enum { SLOW = 1000 };
    struct fixture f;
    int *fds = mem_array(SLOW, sizeof(*fds));
    (void)state;

    start(&f, patient());
    for (size_t i = 0; i < SLOW; i++) {
        fds[i] = dial(&f);
        say(fds[i],
            i % 2 ? "GET /ec" : "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\na");
    }
    for (int i = 0; i < 20; i++)
        it_still_answers(&f);
    for (size_t i = 0; i < SLOW; i++)
        close(fds[i]);
    mem_free(fds);
    assert_int_equal(stop(&f), RC_OK);
}

static void one_connection_too_many_is_turned_away(void **state)
{
    struct http_server_config config = patient();
    struct fixture f;
    int fds[3];
    (void)state;

    config.connections_max = 3;
    start(&f, config);
    for (size_t i = 0; i < 3; i++) {
        fds[i] = dial(&f);
        say(fds[i], "GET /echo HTTP/1.1\r\n" HOST "\r\n");
        hear(fds[i], "GET /echo ");
    }
    assert_int_equal(status_of(ask(&f, "")), 503);
    for (size_t i = 0; i < 3; i++)
        close(fds[i]);
    for (int ms = 0; status_of(ask(&f, "GET /echo HTTP/1.1\r\n" CLOSE)) != 200; ms++, usleep(1000))
        assert_true(ms < PATIENCE_MS);
    stop(&f);
}

static void stopping_finishes_what_was_taken_and_refuses_what_is_new(void **state)
{
    struct http_server_config config = patient();
    struct fixture f;
    (void)state;

    config.drain_listen_ms = 1000;
    start(&f, config);
    int fd = dial(&f);
    say(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    struct http_exchange *x = wait_for_held(&f, 1);
    http_server_stop(f.server);
    while (!http_server_draining(f.server))
        usleep(1000);
    assert_int_equal(status_of(ask(&f, "GET /health HTTP/1.1\r\n" CLOSE)), 503);
    const char *answer = ask(&f, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(status_of(answer), 503);
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));

    http_answer(x, 200);
    answer = hear(fd, NULL);
    assert_int_equal(status_of(answer), 200);
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    close(fd);
    pthread_join(f.thread, NULL);
    assert_int_equal(f.result, RC_OK);
    http_server_close(f.server);
}

static void stopping_twice_cuts_and_says_so(void **state)
{
    struct fixture f;
    (void)state;

    start(&f, patient());
    int fd = dial(&f);
    say(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    struct http_exchange *x = wait_for_held(&f, 1);
    http_server_stop(f.server);
    while (!http_server_draining(f.server))
        usleep(1000);
    http_server_stop(f.server);
    pthread_join(f.thread, NULL);
    assert_int_equal(f.result, RC_TIMEOUT);
    assert_true(atomic_load(&x->cancelled));
    http_answer(x, 200); /* a handler may finish late */
    http_server_close(f.server);
    close(fd);
}

static void a_unix_socket_is_private_and_names_its_peer(void **state)
{
    char path[] = "/tmp/shoal-test-XXXXXX", socket_path[64];
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct http_server_config config = patient();
    struct fixture f = { 0 };
    struct err err = { 0 };
    struct stat status;
    char want[32];
    (void)state;

    assert_non_null(mkdtemp(path));
    snprintf(socket_path, sizeof(socket_path), "%s/admin.sock", path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0); /* what a killed server leaves */
    assert_int_equal(bind(stale, (struct sockaddr *)&address, sizeof(address)), 0);
    close(stale);

    pthread_mutex_init(&f.mutex, NULL);
    table = (struct http_routes){ routes, ARRAY_LEN(routes), &f, NULL, NULL };
    assert_int_equal(http_server_open(&config, &f.server, &err), RC_OK);
    assert_int_equal(http_server_listen_unix(f.server, socket_path, &table, &err), RC_OK);
    assert_int_equal(pthread_create(&f.thread, NULL, serve, &f), 0);
    assert_int_equal(stat(socket_path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);

    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    say(fd, "GET /peer HTTP/1.1\r\n" CLOSE);
    snprintf(want, sizeof(want), "\r\n\r\n1 %u", (unsigned)getuid());
    assert_non_null(strstr(hear(fd, NULL), want));
    close(fd);
    assert_int_equal(stop(&f), RC_OK);
    assert_int_not_equal(stat(socket_path, &status), 0);
    rmdir(path);
}

static void addresses_that_cannot_be_listened_on_are_reported(void **state)
{
    struct fixture f;
    struct err err = { 0 };
    char path[200];
    (void)state;

    start(&f, patient());
    struct http_server *second;
    struct http_server_config config = patient();
    assert_int_equal(http_server_open(&config, &second, &err), RC_OK);
    assert_int_equal(http_server_listen_tcp(second, "127.0.0.1", f.port, &table, NULL, &err),
                     RC_EXISTS);
    assert_int_equal(http_server_listen_tcp(second, "example.org", 0, &table, NULL, &err),
                     RC_INVALID);
    assert_int_equal(http_server_listen_tcp(second, "127.0.0.1", 65536, &table, NULL, &err),
                     RC_INVALID);
    snprintf(path, sizeof(path), "/tmp/%0150d", 0);
    assert_int_equal(http_server_listen_unix(second, path, &table, &err), RC_LIMIT);
    http_server_close(second);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_requests_get_their_status_and_the_connection_is_closed),
        cmocka_unit_test(an_unknown_method_is_told_the_known_ones),
        cmocka_unit_test(head_is_answered_as_get_without_its_body),
        cmocka_unit_test(a_connection_is_kept_and_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(ten_thousand_pipelined_requests_do_no_harm),
        cmocka_unit_test(a_body_is_asked_for_when_the_client_waits_for_that),
        cmocka_unit_test(a_request_is_refused_before_its_body_is_read),
        cmocka_unit_test(slow_clients_are_ended_by_the_deadline_of_their_state),
        cmocka_unit_test(the_whole_body_has_a_deadline_too),
        cmocka_unit_test(a_client_that_leaves_cancels_its_request),
        cmocka_unit_test(a_client_that_says_no_more_while_it_is_answered_gets_its_answer),
        cmocka_unit_test(an_answer_that_takes_too_long_becomes_504_and_is_cancelled),
        cmocka_unit_test(a_client_that_says_how_long_it_waits_gets_its_504_then),
        cmocka_unit_test(a_full_server_says_so_at_once_and_its_health_still_answers),
        cmocka_unit_test(a_thousand_slow_clients_do_not_keep_others_from_being_answered),
        cmocka_unit_test(one_connection_too_many_is_turned_away),
        cmocka_unit_test(stopping_finishes_what_was_taken_and_refuses_what_is_new),
        cmocka_unit_test(stopping_twice_cuts_and_says_so),
        cmocka_unit_test(a_unix_socket_is_private_and_names_its_peer),
        cmocka_unit_test(addresses_that_cannot_be_listened_on_are_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
