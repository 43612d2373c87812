/* The server is a thread of the test that gives one written answer to each connection. */
#include "tests/support/temp.h"

#include "net/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWERS_MAX = 3, REQUEST_MAX = 4096 };

struct fixture {
    struct temp_dir dir;
    char path[TEMP_PATH_MAX], socket[TEMP_PATH_MAX], url[64];
    int listener;
    pthread_t thread;
    size_t n_answers;
    const char *answers[ANSWERS_MAX];
    char requests[ANSWERS_MAX][REQUEST_MAX];
    uint64_t progress_done, progress_total;
    struct arena arena;
    struct err err;
};

static int set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    f.listener = -1;
    temp_dir_make(&f.dir);
    temp_path(&f.dir, "model.bin", f.path);
    temp_path(&f.dir, "s", f.socket);
    arena_init(&f.arena, 1 << 20);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    arena_release(&f->arena);
    temp_dir_remove(&f->dir);
    return 0;
}

/* The head, and as much of a body as Content-Length says. */
static void read_request(int fd, char request[REQUEST_MAX])
{
    size_t len = 0, want = SIZE_MAX;

    while (len < want && len < REQUEST_MAX - 1) {
        ssize_t n = read(fd, request + len, REQUEST_MAX - 1 - len);
        if (n <= 0)
            return;
        len += (size_t)n;
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        const char *length = strstr(request, "Content-Length: ");
        if (end)
            want = (size_t)(end + 4 - request) + (length ? strtoul(length + 16, NULL, 10) : 0);
    }
}

static void *answer_all(void *context)
{
    struct fixture *f = context;

    for (size_t i = 0; i < f->n_answers; i++) {
        int fd = accept(f->listener, NULL, NULL);
        size_t len = strlen(f->answers[i]);

        if (fd < 0)
            break;
        read_request(fd, f->requests[i]);
        for (size_t done = 0; done < len;) {
            ssize_t n = send(fd, f->answers[i] + done, len - done, MSG_NOSIGNAL);
            if (n <= 0)
                break;
            done += (size_t)n;
        }
        close(fd);
    }
    return NULL;
}

static void listen_for(struct fixture *f, const char *const *answers, size_t n)
{
    f->n_answers = n;
    memcpy(f->answers, answers, n * sizeof(*answers));
    assert_int_equal(listen(f->listener, ANSWERS_MAX), 0);
    assert_int_equal(pthread_create(&f->thread, NULL, answer_all, f), 0);
}

static void stop(struct fixture *f)
{
    shutdown(f->listener, SHUT_RDWR); /* ends a waiting accept() */
    pthread_join(f->thread, NULL);
    close(f->listener);
}

static void serve(struct fixture *f, const char *const *answers, size_t n)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&at, &len), 0);
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d/model.bin", ntohs(at.sin_port));
    listen_for(f, answers, n);
}

static void remember_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    struct fixture *f = context;

    f->progress_done = done_bytes;
    f->progress_total = total_bytes;
}

static enum rc get_url(struct fixture *f, const char *url)
{
    const struct http_client_download download = { .url = url,
                                                   .path = f->path,
                                                   .limit_bytes = 20,
                                                   .progress = remember_progress,
                                                   .progress_context = f };

    return http_client_get(&download, &f->err);
}

static enum rc get(struct fixture *f, const char *const *answers, size_t n)
{
    serve(f, answers, n);
    enum rc rc = get_url(f, f->url);
    stop(f);
    return rc;
}

static void assert_file(struct fixture *f, const char *expected)
{
    struct str text;

    assert_ok(fs_read_file(f->path, 1000, &f->arena, &text, &f->err), &f->err);
    if (!str_is(text, expected))
        fail_msg("'%.*s'", STR_ARG(text));
}

#define WHOLE  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"v1\"\r\n\r\n0123456789"
#define BROKEN "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"v1\"\r\n\r\n0123"
#define REST                                                                      \
    "HTTP/1.1 206 Partial Content\r\nContent-Length: 6\r\nContent-Range: bytes 4" \
    "-9/10\r\nETag: \"v1\"\r\n\r\n456789"

static void a_whole_file_comes_with_its_progress(void **state)
{
    struct fixture *f = *state;

    assert_ok(get(f, (const char *[]){ WHOLE }, 1), &f->err);
    assert_file(f, "0123456789");
    assert_int_equal(f->progress_done, 10);
    assert_int_equal(f->progress_total, 10);
    assert_memory_equal(f->requests[0], "GET /model.bin HTTP/1.1\r\n", 25);
}

static void a_download_that_was_broken_off_asks_for_the_rest_of_the_same_version(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f, (const char *[]){ BROKEN }, 1), RC_UNAVAILABLE);
    assert_file(f, "0123");
    assert_ok(get(f, (const char *[]){ REST }, 1), &f->err);
    assert_file(f, "0123456789");
    assert_non_null(strstr(f->requests[0], "Range: bytes=4-\r\n"));
    assert_non_null(strstr(f->requests[0], "If-Range: \"v1\"\r\n"));
}

static void another_version_or_no_rest_means_starting_again(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f, (const char *[]){ BROKEN }, 1), RC_UNAVAILABLE);
    assert_ok(get(f, (const char *[]){ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew" }, 1),
              &f->err);
    assert_file(f, "new");

    assert_ok(http_client_forget(f->path, &f->err), &f->err);
    assert_int_equal(get(f, (const char *[]){ BROKEN }, 1), RC_UNAVAILABLE);
    assert_ok(get(f,
                  (const char *[]){ "HTTP/1.1 416 Range Not Satisfiable\r\n"
                                    "Content-Length: 0\r\nConnection: close\r\n\r\n",
                                    WHOLE },
                  2),
              &f->err);
    assert_file(f, "0123456789");
    assert_null(strstr(f->requests[1], "Range:"));
}

static void a_rest_that_begins_elsewhere_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f, (const char *[]){ BROKEN }, 1), RC_UNAVAILABLE);
    assert_int_equal(get(f,
                         (const char *[]){ "HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\n"
                                           "Content-Range: bytes 6-9/10\r\n\r\n6789" },
                         1),
                     RC_UNAVAILABLE);
    assert_file(f, "0123");
}

static void an_empty_file_is_a_file(void **state)
{
    struct fixture *f = *state;

    assert_ok(get(f, (const char *[]){ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }, 1),
              &f->err);
    assert_file(f, "");
}

static void what_the_server_refuses_has_its_code_and_leaves_nothing(void **state)
{
    static const struct {
        const char *answer;
        enum rc rc;
    } cases[] = {
        { "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", RC_NOT_FOUND },
        { "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", RC_NOT_FOUND },
        { "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", RC_DENIED },
        { "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", RC_DENIED },
        { "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", RC_UNAVAILABLE },
        { "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n", RC_LIMIT },
        { "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
          RC_INVALID },
        { "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
          RC_INVALID },
        { "", RC_UNAVAILABLE },
        { "no http\r\n\r\n", RC_INVALID }, /* HTTP/0.9: a protocol that is not allowed */
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum rc rc = get(f, &cases[i].answer, 1);
        if (rc != cases[i].rc)
            fail_msg("case %zu: %s, %s", i, rc_name(rc), f->err.message);
        assert_false(fs_exists(f->path));
    }
}

/* Without a length the limit ends it in the middle. */
static void a_file_without_end_is_cut_off_at_the_limit(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f,
                         (const char *[]){ "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
                                           "0123456789012345678901234567890123456789" },
                         1),
                     RC_LIMIT);
    assert_non_null(strstr(f->err.message, "longer than 20 bytes"));
}

static void places_that_are_not_allowed_are_not_asked(void **state)
{
    static const char *const urls[] = { "",
                                        "nonsense",
                                        "ftp://127.0.0.1/x",
                                        "file:///etc/passwd",
                                        "http://example.com/x",
                                        "http://127.0.0.1.example.com/x",
                                        "http://localhost.example.com/x" };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        enum rc rc = get_url(f, urls[i]);
        if (rc != RC_INVALID)
            fail_msg("%s: %s", urls[i], rc_name(rc));
        assert_false(fs_exists(f->path));
    }
}

static void serve_socket(struct fixture *f, const char *const *answers, size_t n)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    assert_true(strlen(f->socket) < sizeof(at.sun_path));
    memcpy(at.sun_path, f->socket, strlen(f->socket));
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    listen_for(f, answers, n);
}

static void a_call_over_a_socket_answers_with_any_status(void **state)
{
    struct fixture *f = *state;
    CLEANUP(buf_releasep) struct buf out = { 0 };
    int status = 0;

    buf_init(&out, 100);
    serve_socket(f,
                 (const char *[]){ "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}",
                                   "HTTP/1.1 204 No Content\r\n\r\n" },
                 2);
    assert_ok(http_client_call(f->socket, "POST", "/admin/list", STR("{\"slm\":1}"), &status, &out,
                               &f->err),
              &f->err);
    assert_int_equal(status, 409);
    assert_string_equal(out.at, "{}");
    assert_memory_equal(f->requests[0], "POST /admin/list HTTP/1.1\r\n", 27);
    assert_non_null(strstr(f->requests[0], "\r\n\r\n{\"slm\":1}"));

    assert_ok(
        http_client_call(f->socket, "GET", "/health", (struct str){ 0 }, &status, &out, &f->err),
        &f->err);
    assert_int_equal(status, 204);
    stop(f);
}

static void a_call_that_is_not_answered_says_whether_it_may_have_happened(void **state)
{
    struct fixture *f = *state;
    CLEANUP(buf_releasep) struct buf out = { 0 };
    int status = -1;

    buf_init(&out, 4);
    assert_int_equal(
        http_client_call(f->socket, "GET", "/", (struct str){ 0 }, &status, &out, &f->err),
        RC_NOT_FOUND);
    serve_socket(f, (const char *[]){ "", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345" }, 2);
    assert_int_equal(
        http_client_call(f->socket, "GET", "/", (struct str){ 0 }, &status, &out, &f->err),
        RC_UNAVAILABLE);
    assert_int_equal(
        http_client_call(f->socket, "GET", "/", (struct str){ 0 }, &status, &out, &f->err),
        RC_LIMIT);
    assert_int_equal(status, -1);
    stop(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_whole_file_comes_with_its_progress),
        TEST(a_download_that_was_broken_off_asks_for_the_rest_of_the_same_version),
        TEST(another_version_or_no_rest_means_starting_again),
        TEST(a_rest_that_begins_elsewhere_is_refused),
        TEST(an_empty_file_is_a_file),
        TEST(what_the_server_refuses_has_its_code_and_leaves_nothing),
        TEST(a_file_without_end_is_cut_off_at_the_limit),
        TEST(places_that_are_not_allowed_are_not_asked),
        TEST(a_call_over_a_socket_answers_with_any_status),
        TEST(a_call_that_is_not_answered_says_whether_it_may_have_happened),
    };
    return cmocka_run_group_tests_name("net/http_client", tests, NULL, NULL);
}
