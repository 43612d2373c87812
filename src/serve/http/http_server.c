/* http_server.c - see the header. Everything here but http_answer() and http_server_stop() runs on
 * the thread of http_server_run(). */
#include "serve/http/http_server.h"

#include "base/mem.h"
#include "serve/http/http_route.h"
#include "serve/http/http_status.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <uv.h>

enum {
    READ_BYTES = 64 << 10,
    LINGER_MS = 2000, /* after a refusal: time for the client to read it before the socket closes */
    BACKLOG = 512,
    ANSWER_HEAD_BYTES = 512,
    ERROR_BODY_BYTES_MAX = 4096,
};

enum state { HEAD, BODY, WORKING, ANSWERING, IDLE, LINGERING, CLOSING };

struct listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    struct http_server *server;
    const struct http_routes *routes;
    bool is_unix;
};

struct http_connection {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    uv_timer_t timer;
    unsigned n_handles; /* still open: the socket, the timer */
    uv_write_t write;
    uv_shutdown_t shutdown;
    enum state state;
    struct http_server *server;
    const struct http_routes *routes;
    struct http_connection *previous, *next;
    struct http_exchange *exchange; /* from the first byte until its answer is sent */
    struct buf pending;             /* pipelined requests */
    uint64_t body_deadline_ms;
    bool keep_alive;
    bool saw_end; /* the client will send no more */
    bool has_peer;
    uid_t peer_uid;
    char answer_head[ANSWER_HEAD_BYTES];
};

struct http_server {
    struct http_server_config config;
    uv_loop_t loop;
    uv_async_t wake;
    uv_signal_t signals[2];
    uv_timer_t drain_timer, listen_timer;
    struct listener listeners[HTTP_LISTENERS_MAX];
    size_t n_listeners;
    struct http_connection *connections;
    size_t n_connections, n_working;
    atomic_bool draining, stop_asked;
    bool listening, cut;
    bool accept_is_due; /* there was no memory for a connection; tried again when one closes */
    char
        *read_buffer; /* (READ_BYTES,) shared: libuv fills it and calls back before the next read */

    uv_mutex_t mutex; /* guards the two below */
    struct http_exchange *answered_first, **answered_end;
    bool loop_is_open;
};

static void read_on(struct http_connection *c, const char *bytes, size_t len);
static void take_pending(struct http_connection *c);
static void end_if_drained(struct http_server *server);
static void accept_due(struct http_server *server);

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

/* ---- exchanges */

static void free_exchange(struct http_exchange *x)
{
    if (!x)
        return;
    http_parser_release(&x->parser);
    buf_release(&x->body);
    arena_release(&x->arena);
    mem_free(x);
}

static struct http_exchange *new_exchange(struct http_connection *c)
{
    struct http_exchange *x = mem_alloc(sizeof(*x));

    if (!x)
        return NULL;
    http_parser_init(&x->parser, c->server->config.body_bytes_max);
    arena_init(&x->arena, HTTP_EXCHANGE_ARENA_BYTES_MAX);
    buf_init(&x->body, HTTP_ANSWER_BYTES_MAX);
    x->request = &x->parser.request;
    x->content_type = "application/json";
    x->server = c->server;
    x->connection = c;
    x->has_peer = c->has_peer;
    x->peer_uid = c->peer_uid;
    x->received_us = uv_hrtime() / 1000;
    return x;
}

static void replace_body(struct http_exchange *x, const char *code, const char *message)
{
    buf_release(&x->body);
    buf_init(&x->body, ERROR_BODY_BYTES_MAX);
    x->content_type = "application/json";
    http_error_body(&x->body, code, message);
}

void http_answer(struct http_exchange *x, int status)
{
    struct http_server *server = x->server;

    x->status = status;
    if (x->body.failed) {
        x->status = x->body.failed == RC_NOMEM ? 503 : 500;
        replace_body(x, rc_name(x->body.failed), "the answer does not fit into memory");
    }
    uv_mutex_lock(&server->mutex);
    x->next = NULL;
    *server->answered_end = x;
    server->answered_end = &x->next;
    if (server->loop_is_open)
        uv_async_send(&server->wake);
    uv_mutex_unlock(&server->mutex);
}

int http_error(struct http_exchange *x, const struct err *err)
{
    int status = http_status_of(err->code);

    replace_body(x, rc_name(err->code), err->message);
    if ((status == 429 || status == 503) && x->retry_after_s == 0)
        x->retry_after_s = 1;
    x->retry_is_useless = err->code == RC_STATE || err->code == RC_EXISTS ||
                          err->code == RC_CORRUPT || err->code == RC_UNSUPPORTED;
    return status;
}

void http_answer_error(struct http_exchange *x, const struct err *err)
{
    http_answer(x, http_error(x, err));
}

/* ---- connections */

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_connection *c = handle->data;

    if (--c->n_handles > 0)
        return;
    struct http_server *server = c->server;
    server->n_connections--;
    buf_release(&c->pending);
    mem_free(c);
    accept_due(server);
}

static void note_answered(struct http_connection *c, const struct http_exchange *x, int status)
{
    if (c->routes->answered)
        c->routes->answered(x, status, c->routes->self);
}

/* Takes the exchange away from a connection whose handler is still at work on it. */
static void abandon_exchange(struct http_connection *c)
{
    c->exchange->connection = NULL;
    atomic_store(&c->exchange->cancelled, true);
    c->exchange = NULL;
}

/* Gives up whatever goes on. An exchange that a handler has stays with the handler. */
static void close_connection(struct http_connection *c)
{
    if (c->state == CLOSING)
        return;
    if (c->state == WORKING || c->state == ANSWERING)
        note_answered(c, c->exchange, 499);
    if (c->state == WORKING)
        abandon_exchange(c);
    free_exchange(c->exchange);
    c->exchange = NULL;
    c->state = CLOSING;
    *(c->previous ? &c->previous->next : &c->server->connections) = c->next;
    if (c->next)
        c->next->previous = c->previous;
    uv_close(&c->socket.handle, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

static void on_deadline(uv_timer_t *timer);

static void enter(struct http_connection *c, enum state state, unsigned timeout_ms)
{
    c->state = state;
    uv_timer_start(&c->timer, on_deadline, timeout_ms, 0);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct http_connection *c = shutdown->data;

    if (status < 0 && c->state != CLOSING)
        close_connection(c);
}

/* The exchange is over: on to the next request, or to the end of the connection. */
static void on_written(uv_write_t *write, int status)
{
    struct http_connection *c = write->data;
    struct http_server *server = c->server;

    if (c->state != ANSWERING) /* closed meanwhile */
        return;
    if (status < 0) {
        close_connection(c);
        end_if_drained(server);
        return;
    }
    struct http_exchange *x = c->exchange;
    note_answered(c, x, x->status);
    c->exchange = NULL;
    free_exchange(x);
    if (c->saw_end) {
        close_connection(c);
    } else if (c->keep_alive) {
        enter(c, IDLE, server->config.idle_ms);
        take_pending(c);
    } else {
        enter(c, LINGERING, LINGER_MS);
        c->shutdown.data = c;
        if (uv_shutdown(&c->shutdown, &c->socket.stream, on_shutdown) < 0)
            close_connection(c);
    }
    end_if_drained(server);
}

static size_t write_head(struct http_connection *c, const struct http_exchange *x)
{
    char retry[32] = "";

    if (x->retry_after_s > 0)
        snprintf(retry, sizeof(retry), "Retry-After: %u\r\n", x->retry_after_s);
    int len = snprintf(c->answer_head, sizeof(c->answer_head),
                       "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                       "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                       "%s%s%s%s%s%s%s\r\n",
                       x->status, http_status_text(x->status), x->content_type, x->body.len,
                       x->status == 401 ? "WWW-Authenticate: Bearer\r\n" : "", retry,
                       x->retry_is_useless ? "x-should-retry: false\r\n" : "",
                       x->allow[0] ? "Allow: " : "", x->allow, x->allow[0] ? "\r\n" : "",
                       c->keep_alive ? "" : "Connection: close\r\n");
    ASSERT(len > 0 && len < ANSWER_HEAD_BYTES);
    return (size_t)len;
}

static void send_answer(struct http_connection *c)
{
    struct http_exchange *x = c->exchange;

    if (atomic_load(&c->server->draining))
        c->keep_alive = false;
    uv_buf_t parts[2] = { uv_buf_init(c->answer_head, (unsigned)write_head(c, x)),
                          uv_buf_init(x->body.at, (unsigned)x->body.len) };
    enter(c, ANSWERING, c->server->config.write_ms);
    c->write.data = c;
    if (uv_write(&c->write, &c->socket.stream, parts, x->body.len ? 2 : 1, on_written) < 0)
        close_connection(c);
}

/* Answers from here, without a handler. The connection goes on only if the request is complete. */
static void refuse(struct http_connection *c, int status, const char *code, const char *message)
{
    if (!c->exchange)
        c->exchange = new_exchange(c);
    if (!c->exchange) {
        close_connection(c);
        return;
    }
    struct http_exchange *x = c->exchange;
    x->status = status;
    c->keep_alive = x->parser.phase == HTTP_COMPLETE && x->request->keep_alive;
    if (status == 503 || status == 429)
        x->retry_after_s = 1;
    replace_body(x, code, message);
    send_answer(c);
}

static void on_deadline(uv_timer_t *timer)
{
    struct http_connection *c = timer->data;
    struct http_exchange *x = c->exchange;

    switch (c->state) {
    case HEAD:
    case BODY:
        if (x)
            refuse(c, 408, "timeout", "the request did not arrive in time");
        else
            close_connection(c);
        return;
    case WORKING:
        abandon_exchange(c);
        refuse(c, 504, "timeout", "no answer in time");
        return;
    case ANSWERING:
        c->server->cut = true;
        close_connection(c);
        end_if_drained(c->server);
        return;
    case IDLE:
    case LINGERING: close_connection(c); return;
    case CLOSING: return;
    }
}

/* ---- requests */

static const struct http_route *find_route(struct http_exchange *x,
                                           const struct http_routes *routes)
{
    size_t len = 0;

    for (size_t i = 0; i < routes->n; i++) {
        const struct http_route *route = &routes->at[i];
        if (!http_route_match(route->path, x->request->path, x->params, HTTP_PARAMS_MAX))
            continue;
        if (str_is(x->request->method, route->method))
            return route;
        len += (size_t)snprintf(x->allow + len, sizeof(x->allow) - len, "%s%s", len ? ", " : "",
                                route->method);
        ASSERT(len < sizeof(x->allow));
    }
    return NULL;
}

/* May this request be worked on? Otherwise it has been refused. */
static bool has_room(struct http_connection *c, const struct http_route *route)
{
    if (route->always)
        return true;
    if (atomic_load(&c->server->draining))
        refuse(c, 503, "unavailable", "the server is stopping");
    else if (c->server->n_working >= c->server->config.exchanges_max)
        refuse(c, 503, "busy", "the server is full");
    else
        return true;
    return false;
}

static void head_is_there(struct http_connection *c)
{
    struct http_exchange *x = c->exchange;

    x->received_us = uv_hrtime() / 1000;
    x->route = find_route(x, c->routes);
    if (x->route)
        x->allow[0] = '\0';
    if (!x->route && x->allow[0]) {
        refuse(c, 405, "method_not_allowed", "this path does not know the method");
        return;
    }
    if (!x->route) {
        refuse(c, 404, "not_found", "no such path");
        return;
    }
    if (!has_room(c, x->route))
        return;
    x->status = c->routes->admit ? c->routes->admit(x, c->routes->self) : 0;
    if (x->status) {
        c->keep_alive = x->parser.phase == HTTP_COMPLETE && x->request->keep_alive;
        send_answer(c);
        return;
    }
    if (x->parser.phase == HTTP_COMPLETE)
        return;
    c->body_deadline_ms = uv_now(&c->server->loop) + c->server->config.body_ms;
    enter(c, BODY, c->server->config.body_gap_ms);
    if (x->request->expects_100) {
        uv_buf_t go_on = uv_buf_init((char *)"HTTP/1.1 100 Continue\r\n\r\n", 25);
        /* 25 bytes into an empty socket buffer; a client that does not get them sends its body
         * anyway after a while (RFC 9110, 10.1.1) */
        (void)uv_try_write(&c->socket.stream, &go_on, 1);
    }
}

static void start_work(struct http_connection *c)
{
    struct http_exchange *x = c->exchange;

    if (!has_room(c, x->route))
        return;
    c->keep_alive = x->request->keep_alive;
    enter(c, WORKING, c->server->config.answer_ms);
    c->server->n_working++;
    x->route->handle(x, c->routes->self);
}

/* Input while the connection is at work: kept if it may be the next request. */
static void keep_pending(struct http_connection *c, const char *bytes, size_t len)
{
    if (c->state == LINGERING || c->state == CLOSING || !c->keep_alive)
        return;
    buf_append(&c->pending, bytes, len);
    if (c->pending.failed) {
        c->keep_alive = false;
        buf_release(&c->pending);
    }
}

/* What is not used is put back by read_on(). */
static void take_pending(struct http_connection *c)
{
    struct buf taken = c->pending;

    buf_init(&c->pending, HTTP_PIPELINE_BYTES_MAX);
    if (taken.len)
        read_on(c, taken.at, taken.len);
    buf_release(&taken);
}

static const char *code_of_refusal(int status)
{
    switch (status) {
    case 413:
    case 414:
    case 431: return rc_name(RC_LIMIT);
    case 501:
    case 505: return rc_name(RC_UNSUPPORTED);
    case 503: return rc_name(RC_NOMEM);
    default: return rc_name(RC_INVALID);
    }
}

static bool is_reading(const struct http_connection *c)
{
    return c->state == HEAD || c->state == BODY || c->state == IDLE;
}

static bool begin_request(struct http_connection *c)
{
    if (!c->exchange)
        c->exchange = new_exchange(c);
    if (c->state == IDLE)
        enter(c, HEAD, c->server->config.head_ms);
    return c->exchange != NULL;
}

static void read_on(struct http_connection *c, const char *bytes, size_t len)
{
    size_t used = 0;

    while (used < len && is_reading(c)) {
        if (!begin_request(c)) {
            close_connection(c);
            return;
        }
        struct http_parser *p = &c->exchange->parser;
        bool had_head = p->phase != HTTP_HEAD;
        used += http_parser_feed(p, bytes + used, len - used);
        if (p->phase == HTTP_REFUSED)
            refuse(c, p->status, code_of_refusal(p->status), p->reason);
        else if (!had_head && p->phase != HTTP_HEAD)
            head_is_there(c);
        if (is_reading(c) && c->exchange->parser.phase == HTTP_COMPLETE)
            start_work(c);
    }
    if (used < len)
        keep_pending(c, bytes + used, len - used);
}

/* ---- sockets */

static void on_memory_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct http_connection *c = handle->data;

    (void)suggested;
    *ret_buf = uv_buf_init(c->server->read_buffer, READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct http_connection *c = stream->data;
    struct http_server *server = c->server;

    if (n < 0 && n == UV_EOF && c->state == ANSWERING) {
        c->saw_end = true; /* it has asked all it wanted: let it have the answer */
        uv_read_stop(stream);
    } else if (n < 0) {
        close_connection(c);
        end_if_drained(server);
    } else if (n > 0) {
        read_on(c, buf->base, (size_t)n);
    }
    if (n > 0 && c->state == BODY) {
        uint64_t now = uv_now(&server->loop);
        uint64_t left = c->body_deadline_ms > now ? c->body_deadline_ms - now : 0;
        enter(c, BODY,
              left < server->config.body_gap_ms ? (unsigned)left : server->config.body_gap_ms);
    }
}

static void read_peer(struct http_connection *c)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    int fd;

    if (uv_fileno(&c->socket.handle, &fd) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0) {
        c->has_peer = true;
        c->peer_uid = peer.uid;
    }
}

static struct http_connection *new_connection(struct listener *listener)
{
    struct http_server *server = listener->server;
    struct http_connection *c = mem_alloc(sizeof(*c));

    if (!c)
        return NULL;
    if (listener->is_unix)
        uv_pipe_init(&server->loop, &c->socket.pipe, 0);
    else
        uv_tcp_init(&server->loop, &c->socket.tcp);
    uv_timer_init(&server->loop, &c->timer);
    c->n_handles = 2;
    c->socket.handle.data = c;
    c->timer.data = c;
    c->server = server;
    c->routes = listener->routes;
    buf_init(&c->pending, HTTP_PIPELINE_BYTES_MAX);
    c->next = server->connections;
    if (c->next)
        c->next->previous = c;
    server->connections = c;
    server->n_connections++;
    return c;
}

/* One connection too many gets its refusal without taking part in anything. */
static void turn_away(struct http_connection *c)
{
    static char text[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                         "Content-Length: 0\r\nConnection: close\r\n\r\n";
    uv_buf_t answer = uv_buf_init(text, sizeof(text) - 1);

    (void)uv_try_write(&c->socket.stream, &answer, 1); /* best effort */
    close_connection(c);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = stream->data;
    struct http_server *server = listener->server;
    struct http_connection *c = status < 0 ? NULL : new_connection(listener);

    server->accept_is_due = status == 0 && !c;
    if (!c)
        return;
    enter(c, HEAD, server->config.head_ms);
    if (uv_accept(stream, &c->socket.stream) < 0) {
        close_connection(c);
    } else if (server->n_connections > server->config.connections_max) {
        turn_away(c);
    } else {
        if (listener->is_unix)
            read_peer(c);
        else
            uv_tcp_nodelay(&c->socket.tcp, 1);
        if (uv_read_start(&c->socket.stream, on_memory_wanted, on_read) < 0)
            close_connection(c);
    }
}

static void accept_due(struct http_server *server)
{
    if (!server->accept_is_due || !server->listening)
        return;
    server->accept_is_due = false;
    for (size_t i = 0; i < server->n_listeners; i++)
        on_connection(&server->listeners[i].socket.stream, 0);
}

static enum rc listen_on(struct listener *listener, const char *where, struct err *err)
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

static struct listener *new_listener(struct http_server *server, const struct http_routes *routes)
{
    ASSERT(server->n_listeners < HTTP_LISTENERS_MAX);
    struct listener *listener = &server->listeners[server->n_listeners++];

    *listener = (struct listener){ .server = server, .routes = routes };
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

    struct listener *listener = new_listener(server, routes);
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

    struct listener *listener = new_listener(server, routes);
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
        server->cut = server->cut || c->state == WORKING || c->state == ANSWERING;
        close_connection(c);
    }
    uv_mutex_lock(&server->mutex);
    server->loop_is_open = false;
    uv_mutex_unlock(&server->mutex);
    uv_walk(&server->loop, close_handle, NULL);
}

static void end_if_drained(struct http_server *server)
{
    bool busy = server->listening || server->n_working > 0;

    if (!atomic_load(&server->draining))
        return;
    for (struct http_connection *c = server->connections; c && !busy; c = c->next)
        busy = c->state == ANSWERING;
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
    end_if_drained(server);
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
            send_answer(x->connection);
        else
            free_exchange(x);
    }
    if (atomic_exchange(&server->stop_asked, false))
        begin_drain(server);
    else
        end_if_drained(server);
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
    char *read_buffer = mem_alloc(READ_BYTES);

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
        free_exchange(x);
    }
    uv_mutex_destroy(&server->mutex);
    mem_free(server->read_buffer);
    mem_free(server);
}
