/* http_server.c - listening, waking up, draining; see the header. All but http_answer() and
 * http_server_stop() runs on the thread of http_server_run(). */
#include "serve/http/http_server.h"

#include "base/mem.h"
#include "serve/http/http_server_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 512 };

struct http_server_config http_server_config_default(void)
{
    return (struct http_server_config){
        .connections_max = 4000,
        .exchanges_max = 256,
        .body_bytes_max = 1 << 20,
        .head_ms = 10000,
        .body_gap_ms = 10000,
        .body_ms = 60000,
        .answer_ms = 60000,
        .write_ms = 10000,
        .idle_ms = 60000,
        .drain_ms = 25000,
        .drain_listen_ms = 1000,
    };
}

/* ---- listening */

static void on_connection(uv_stream_t *stream, int status)
{
    struct http_listener *listener = stream->data;
    struct http_server *server = listener->server;
    struct http_connection *c = status < 0 ? NULL : http_connection_new(listener);

    server->accept_is_due = status == 0 && !c;
    if (!c)
        return;
    if (uv_accept(stream, &c->socket.stream) < 0)
        http_connection_close(c);
    else if (server->n_connections > server->config.connections_max)
        http_connection_turn_away(c);
    else
        http_connection_start(c);
}

void http_server_accept_due(struct http_server *server)
{
    if (!server->accept_is_due || !server->listening)
        return;
    server->accept_is_due = false;
    for (size_t i = 0; i < server->n_listeners; i++)
        on_connection(&server->listeners[i].socket.stream, 0);
}

static enum rc listen_on(struct http_listener *listener, const char *where, struct err *err)
{
    int failed = uv_listen(&listener->socket.stream, BACKLOG, on_connection);

    if (failed == UV_EADDRINUSE)
        return err_set(err, RC_EXISTS, "listen on %s: the address is in use", where);
    if (failed == UV_EACCES)
        return err_set(err, RC_DENIED, "listen on %s: %s", where, uv_strerror(failed));
    if (failed)
        return err_set(err, RC_IO, "listen on %s: %s", where, uv_strerror(failed));
    listener->server->listening = true;
    return RC_OK;
}

static struct http_listener *new_listener(struct http_server *server,
                                          const struct http_routes *routes)
{
    ASSERT(server->n_listeners < HTTP_LISTENERS_MAX);
    struct http_listener *listener = &server->listeners[server->n_listeners++];

    *listener = (struct http_listener){ .server = server, .routes = routes };
    return listener;
}

enum rc http_server_listen_tcp(struct http_server *server, const char *host, unsigned port,
                               const struct http_routes *routes, unsigned *ret_port,
                               struct err *err)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage storage;
    } address;
    char where[128];
    int len = sizeof(address);

    snprintf(where, sizeof(where), "%s port %u", host, port);
    if (port > UINT16_MAX ||
        (uv_ip4_addr(host, (int)port, &address.v4) && uv_ip6_addr(host, (int)port, &address.v6)))
        return err_set(err, RC_INVALID, "listen on %s: expected an IP address and a port", where);

    struct http_listener *listener = new_listener(server, routes);
    uv_tcp_init(&server->loop, &listener->socket.tcp);
    listener->socket.handle.data = listener;
    int failed = uv_tcp_bind(&listener->socket.tcp, &address.any, 0);
    if (failed)
        return err_set(err, RC_IO, "listen on %s: %s", where, uv_strerror(failed));

    enum rc rc = listen_on(listener, where, err);
    if (rc)
        return rc;
    uv_tcp_getsockname(&listener->socket.tcp, &address.any, &len);
    if (ret_port) /* both families have the port at the same place */
        *ret_port = ntohs(address.v4.sin_port);
    return RC_OK;
}

enum rc http_server_listen_unix(struct http_server *server, const char *path,
                                const struct http_routes *routes, struct err *err)
{
    struct stat old;

    if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return err_set(err, RC_LIMIT, "listen on '%s': the path is over 107 bytes", path);
    if (lstat(path, &old) == 0 && S_ISSOCK(old.st_mode) && unlink(path) < 0)
        return err_set(err, RC_IO, "remove '%s': %s", path, strerror(errno));

    struct http_listener *listener = new_listener(server, routes);
    listener->is_unix = true;
    uv_pipe_init(&server->loop, &listener->socket.pipe, 0);
    listener->socket.handle.data = listener;
    int failed = uv_pipe_bind(&listener->socket.pipe, path);
    if (failed)
        return err_set(err, RC_IO, "listen on '%s': %s", path, uv_strerror(failed));
    /* nobody can connect before listen(2), so the mode is in force from the start */
    if (chmod(path, S_IRUSR | S_IWUSR) < 0)
        return err_set(err, RC_IO, "chmod '%s': %s", path, strerror(errno));
    return listen_on(listener, path, err);
}
/* ---- the server's life */

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Closes everything, which ends uv_run(). */
static void end(struct http_server *server)
{
    while (server->connections) {
        struct http_connection *c = server->connections;
        server->cut =
            server->cut || c->state == HTTP_STATE_WORKING || c->state == HTTP_STATE_ANSWERING;
        http_connection_close(c);
    }
    uv_mutex_lock(&server->mutex);
    server->loop_is_open = false;
    uv_mutex_unlock(&server->mutex);
    uv_walk(&server->loop, close_handle, NULL);
}

void http_server_end_if_drained(struct http_server *server)
{
    bool busy = server->listening || server->n_working > 0;

    if (!atomic_load(&server->draining))
        return;
    for (struct http_connection *c = server->connections; c && !busy; c = c->next)
        busy = c->state == HTTP_STATE_ANSWERING;
    if (!busy && server->loop_is_open)
        end(server);
}

static void on_drain_over(uv_timer_t *timer)
{
    struct http_server *server = timer->data;

    server->cut = server->n_working > 0;
    end(server);
}

static void on_listen_over(uv_timer_t *timer)
{
    struct http_server *server = timer->data;

    server->listening = false;
    for (size_t i = 0; i < server->n_listeners; i++)
        uv_close(&server->listeners[i].socket.handle, NULL);
    http_server_end_if_drained(server);
}

static void begin_drain(struct http_server *server)
{
    if (atomic_exchange(&server->draining, true)) {
        on_drain_over(&server->drain_timer); /* asked twice: at once */
        return;
    }
    uv_timer_start(&server->drain_timer, on_drain_over, server->config.drain_ms, 0);
    uv_timer_start(&server->listen_timer, on_listen_over, server->config.drain_listen_ms, 0);
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    begin_drain(signal->data);
}

static void on_wake(uv_async_t *wake)
{
    struct http_server *server = wake->data;

    uv_mutex_lock(&server->mutex);
    struct http_exchange *x = server->answered_first, *next;
    server->answered_first = NULL;
    server->answered_end = &server->answered_first;
    uv_mutex_unlock(&server->mutex);

    for (; x; x = next) {
        next = x->next;
        server->n_working--;
        if (x->connection)
            http_connection_answer(x->connection);
        else
            http_exchange_free(x);
    }
    if (atomic_exchange(&server->stop_asked, false))
        begin_drain(server);
    else
        http_server_end_if_drained(server);
}

static int open_handles(struct http_server *server)
{
    static const int numbers[] = { SIGTERM, SIGINT };
    int failed = uv_async_init(&server->loop, &server->wake, on_wake);

    if (failed)
        return failed;
    server->wake.data = server;
    server->loop_is_open = true;
    uv_timer_init(&server->loop, &server->drain_timer);
    uv_timer_init(&server->loop, &server->listen_timer);
    server->drain_timer.data = server->listen_timer.data = server;
    for (size_t i = 0; i < ARRAY_LEN(numbers) && !failed; i++) {
        failed = uv_signal_init(&server->loop, &server->signals[i]);
        server->signals[i].data = server;
        if (!failed)
            failed = uv_signal_start(&server->signals[i], on_signal, numbers[i]);
    }
    return failed;
}

/* As many files as the system lets us have: the default of 1,024 is fewer than our connections. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

enum rc http_server_open(const struct http_server_config *config, struct http_server **ret_server,
                         struct err *err)
{
    struct http_server *server = mem_alloc(sizeof(*server));
    char *read_buffer = mem_alloc(HTTP_READ_BYTES);

    if (!server || !read_buffer || uv_mutex_init(&server->mutex)) {
        mem_free(server);
        mem_free(read_buffer);
        return err_set(err, RC_NOMEM, "http server");
    }
    server->config = *config;
    server->read_buffer = read_buffer;
    server->answered_end = &server->answered_first;
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();

    int failed = uv_loop_init(&server->loop);
    if (failed) {
        uv_mutex_destroy(&server->mutex);
        mem_free(read_buffer);
        mem_free(server);
        return err_set(err, RC_IO, "http server: %s", uv_strerror(failed));
    }
    failed = open_handles(server);
    if (failed) {
        http_server_close(server);
        return err_set(err, RC_IO, "http server: %s", uv_strerror(failed));
    }
    *ret_server = server;
    return RC_OK;
}

enum rc http_server_run(struct http_server *server, struct err *err)
{
    uv_run(&server->loop, UV_RUN_DEFAULT);
    if (server->cut)
        return err_set(err, RC_TIMEOUT, "stopped before every request was answered");
    return RC_OK;
}

void http_server_stop(struct http_server *server)
{
    atomic_store(&server->stop_asked, true);
    uv_mutex_lock(&server->mutex);
    if (server->loop_is_open)
        uv_async_send(&server->wake);
    uv_mutex_unlock(&server->mutex);
}

bool http_server_draining(const struct http_server *server)
{
    return atomic_load(&server->draining);
}

size_t http_server_n_connections(const struct http_server *server)
{
    return server->n_connections;
}

size_t http_server_n_exchanges(const struct http_server *server)
{
    return server->n_working;
}

void http_server_close(struct http_server *server)
{
    if (!server)
        return;
    end(server);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&server->loop) == 0);
    for (struct http_exchange *x = server->answered_first, *next; x; x = next) {
        next = x->next;
        http_exchange_free(x);
    }
    uv_mutex_destroy(&server->mutex);
    mem_free(server->read_buffer);
    mem_free(server);
}
