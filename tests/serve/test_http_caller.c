/* Calls to a service that answers as it likes. */
#include "tests/serve/raw_client.h"
#include "tests/support/temp.h"

#include "serve/http/http_caller.h"

#include <pthread.h>
#include <semaphore.h>

enum { REQUEST_BYTES = 8 << 20, HEAD_READ = 1000 };

struct fixture {
    struct temp_dir dir;
    struct http_server *server;
    struct http_caller *caller;
    pthread_t thread;
    int listener;
    sem_t done;
};

static void *serve(void *fixture)
{
    struct fixture *f = fixture;
    struct err ignored;

    IGNORE_RC(http_server_run(f->server, &ignored));
    return NULL;
}

static int set_up(void **state)
{
    const struct http_server_config config = http_server_config_default();
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char path[TEMP_PATH_MAX], url[TEMP_PATH_MAX + 5];
    struct err err;

    temp_dir_make(&f->dir);
    temp_path(&f->dir, "peer.sock", path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", path);
    snprintf(url, sizeof(url), "unix:%s", path);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    assert_int_equal(sem_init(&f->done, 0, 0), 0);
    assert_ok(http_server_open(&config, &f->server, &err), &err);
    assert_ok(http_caller_new(f->server, url, 1, &f->caller, &err), &err);
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    http_server_stop(f->server);
    pthread_join(f->thread, NULL);
    http_server_close(f->server);
    http_caller_free(f->caller);
    close(f->listener);
    sem_destroy(&f->done);
    temp_dir_remove(&f->dir);
    test_free(f);
    return 0;
}

static int accept_call(const struct fixture *f)
{
    int fd = accept(f->listener, NULL, NULL);

    assert_true(fd >= 0);
    return fd;
}

/* The memory of the request goes to somebody who keeps a secret there. */
static void reuse_request(struct http_call *call)
{
    struct fixture *f = call->self;

    memset(call->request.at, 's', call->request.len);
    sem_post(&f->done);
}

static void begin_call(struct fixture *f, struct http_call *call, size_t len)
{
    *call = (struct http_call){ .timeout_ms = 60000, .done = reuse_request, .self = f };
    buf_init(&call->request, REQUEST_BYTES);
    for (size_t i = 0; i < len; i++)
        buf_append_char(&call->request, 'a');
    assert_int_equal(call->request.failed, 0);
    http_call_start(f->caller, call);
}

static void end_call(struct http_call *call)
{
    buf_release(&call->request);
    buf_release(&call->body);
}

/* Everything until the end; fails when there is a secret in it. */
static size_t read_to_the_end(int fd)
{
    static char bytes[64 << 10];
    size_t total = 0;
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        assert_null(memchr(bytes, 's', (size_t)n));
        total += (size_t)n;
    }
    return total;
}

static void an_answer_before_the_whole_request_ends_the_sending(void **state)
{
    struct fixture *f = *state;
    struct http_call call;
    char head[HEAD_READ];

    begin_call(f, &call, REQUEST_BYTES);
    int fd = accept_call(f);
    assert_int_equal(recv(fd, head, sizeof(head), MSG_WAITALL), HEAD_READ);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    sem_wait(&f->done);
    assert_int_equal(call.status, 200);
    assert_true(HEAD_READ + read_to_the_end(fd) < REQUEST_BYTES);
    close(fd);
    end_call(&call);
}

static void a_connection_is_kept_for_the_next_call(void **state)
{
    struct fixture *f = *state;
    struct http_call call;
    char request[HEAD_READ];
    int fd = -1;

    for (int i = 0; i < 3; i++) {
        begin_call(f, &call, HEAD_READ);
        if (i == 0)
            fd = accept_call(f);
        assert_int_equal(recv(fd, request, sizeof(request), MSG_WAITALL), HEAD_READ);
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        sem_wait(&f->done);
        assert_int_equal(call.rc, RC_OK);
        end_call(&call);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_before_the_whole_request_ends_the_sending, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_connection_is_kept_for_the_next_call, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
