/* http_connection.c - one connection, from accept to close; the states are in http_server.h. */
#include "base/mem.h"
#include "serve/http/http_route.h"
#include "serve/http/http_server_internal.h"
#include "serve/http/http_status.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { LINGER_MS = 2000 }; /* for the client to read its answer before the socket closes */

static void read_on(struct http_connection *c, const char *bytes, size_t len);
static void take_pending(struct http_connection *c);

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_connection *c = handle->data;

    if (--c->n_handles > 0)
        return;
    struct http_server *server = c->server;
    server->n_connections--;
    buf_release(&c->pending);
    mem_free(c);
    http_server_accept_due(server);
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
void http_connection_close(struct http_connection *c)
{
    if (c->state == HTTP_STATE_CLOSING)
        return;
    if (c->state == HTTP_STATE_WORKING || c->state == HTTP_STATE_ANSWERING)
        note_answered(c, c->exchange, 499);
    if (c->state == HTTP_STATE_WORKING)
        abandon_exchange(c);
    http_exchange_free(c->exchange);
    c->exchange = NULL;
    c->state = HTTP_STATE_CLOSING;
    *(c->previous ? &c->previous->next : &c->server->connections) = c->next;
    if (c->next)
        c->next->previous = c->previous;
    uv_close(&c->socket.handle, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

static void on_deadline(uv_timer_t *timer);

static void enter(struct http_connection *c, enum http_state state, unsigned timeout_ms)
{
    c->state = state;
    uv_timer_start(&c->timer, on_deadline, timeout_ms, 0);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct http_connection *c = shutdown->data;

    if (status < 0 && c->state != HTTP_STATE_CLOSING)
        http_connection_close(c);
}

/* The exchange is over: on to the next request, or to the end of the connection. */
static void on_written(uv_write_t *write, int status)
{
    struct http_connection *c = write->data;
    struct http_server *server = c->server;

    if (c->state != HTTP_STATE_ANSWERING) /* closed meanwhile */
        return;
    if (status < 0) {
        http_connection_close(c);
        http_server_end_if_drained(server);
        return;
    }
    struct http_exchange *x = c->exchange;
    note_answered(c, x, x->status);
    c->exchange = NULL;
    c->state = HTTP_STATE_IDLE; /* for http_connection_close(): nobody's answer is cut */
    http_exchange_free(x);
    if (c->saw_end) {
        http_connection_close(c);
    } else if (c->keep_alive) {
        enter(c, HTTP_STATE_IDLE, server->config.idle_ms);
        take_pending(c);
    } else {
        enter(c, HTTP_STATE_LINGERING, LINGER_MS);
        c->shutdown.data = c;
        if (uv_shutdown(&c->shutdown, &c->socket.stream, on_shutdown) < 0)
            http_connection_close(c);
    }
    http_server_end_if_drained(server);
}

/* HEAD asks for the head that GET would get: whatever is answered, no body follows, since the
 * client would read it as the next answer (RFC 9110, 9.3.2). */
static bool is_head(const struct http_exchange *x)
{
    return str_is(x->request->method, "HEAD");
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
    ASSERT(len > 0 && len < HTTP_ANSWER_HEAD_BYTES);
    return (size_t)len;
}

void http_connection_answer(struct http_connection *c)
{
    struct http_exchange *x = c->exchange;

    if (atomic_load(&c->server->draining))
        c->keep_alive = false;
    uv_buf_t parts[2] = { uv_buf_init(c->answer_head, (unsigned)write_head(c, x)),
                          uv_buf_init(x->body.at, (unsigned)x->body.len) };
    bool has_body = x->body.len > 0 && !is_head(x);
    enter(c, HTTP_STATE_ANSWERING, c->server->config.write_ms);
    c->write.data = c;
    if (uv_write(&c->write, &c->socket.stream, parts, has_body ? 2 : 1, on_written) < 0)
        http_connection_close(c);
}

/* Answers from here, without a handler. The connection goes on only if the request is complete. */
static void refuse(struct http_connection *c, int status, const char *code, const char *message)
{
    if (!c->exchange)
        c->exchange = http_exchange_new(c);
    if (!c->exchange) {
        http_connection_close(c);
        return;
    }
    struct http_exchange *x = c->exchange;
    x->status = status;
    c->keep_alive = x->parser.phase == HTTP_COMPLETE && x->request->keep_alive;
    if (status == 503 || status == 429)
        x->retry_after_s = 1;
    http_exchange_set_error(x, status, code, message);
    http_connection_answer(c);
}

static void on_deadline(uv_timer_t *timer)
{
    struct http_connection *c = timer->data;
    struct http_exchange *x = c->exchange;

    switch (c->state) {
    case HTTP_STATE_HEAD:
    case HTTP_STATE_BODY:
        if (x)
            refuse(c, 408, "timeout", "the request did not arrive in time");
        else
            http_connection_close(c);
        return;
    case HTTP_STATE_WORKING:
        abandon_exchange(c);
        refuse(c, 504, "timeout", "no answer in time");
        return;
    case HTTP_STATE_ANSWERING:
        c->server->cut = c->server->cut || atomic_load(&c->server->draining);
        http_connection_close(c);
        http_server_end_if_drained(c->server);
        return;
    case HTTP_STATE_IDLE:
    case HTTP_STATE_LINGERING: http_connection_close(c); return;
    case HTTP_STATE_CLOSING: return;
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
        bool is_get = strcmp(route->method, "GET") == 0;
        if (str_is(x->request->method, route->method) || (is_get && is_head(x)))
            return route;
        len += (size_t)snprintf(x->allow + len, sizeof(x->allow) - len, "%s%s%s", len ? ", " : "",
                                route->method, is_get ? ", HEAD" : "");
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
        http_connection_answer(c);
        return;
    }
    if (x->parser.phase == HTTP_COMPLETE)
        return;
    c->body_deadline_ms = uv_now(&c->server->loop) + c->server->config.body_ms;
    enter(c, HTTP_STATE_BODY, c->server->config.body_gap_ms);
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
    unsigned answer_ms = c->server->config.answer_ms;
    uint64_t age_ms = http_exchange_age_us(x) / 1000;
    if (age_ms >= x->request->time_left_ms) {
        refuse(c, 504, "timeout", "no time is left for an answer");
        return;
    }
    uint64_t left_ms = x->request->time_left_ms - age_ms;
    c->keep_alive = x->request->keep_alive;
    enter(c, HTTP_STATE_WORKING, left_ms < answer_ms ? (unsigned)left_ms : answer_ms);
    c->server->n_working++;
    x->route->handle(x, c->routes->self);
}

/* Input while the connection is at work: kept if it may be the next request. */
static void keep_pending(struct http_connection *c, const char *bytes, size_t len)
{
    if (c->state == HTTP_STATE_LINGERING || c->state == HTTP_STATE_CLOSING || !c->keep_alive)
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
    return c->state == HTTP_STATE_HEAD || c->state == HTTP_STATE_BODY ||
           c->state == HTTP_STATE_IDLE;
}

static bool begin_request(struct http_connection *c)
{
    if (!c->exchange)
        c->exchange = http_exchange_new(c);
    if (c->state == HTTP_STATE_IDLE)
        enter(c, HTTP_STATE_HEAD, c->server->config.head_ms);
    return c->exchange != NULL;
}

static void read_on(struct http_connection *c, const char *bytes, size_t len)
{
    size_t used = 0;

    while (used < len && is_reading(c)) {
        if (!begin_request(c)) {
            http_connection_close(c);
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

static void on_memory_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct http_connection *c = handle->data;

    (void)suggested;
    *ret_buf = uv_buf_init(c->server->read_buffer, HTTP_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct http_connection *c = stream->data;
    struct http_server *server = c->server;

    if (n == UV_EOF && c->state == HTTP_STATE_ANSWERING) {
        c->saw_end = true; /* it has asked all it wanted: let it have the answer */
        uv_read_stop(stream);
    } else if (n < 0) {
        http_connection_close(c);
        http_server_end_if_drained(server);
    } else if (n > 0) {
        read_on(c, buf->base, (size_t)n);
    }
    if (n > 0 && c->state == HTTP_STATE_BODY) {
        uint64_t now = uv_now(&server->loop);
        uint64_t left = c->body_deadline_ms > now ? c->body_deadline_ms - now : 0;
        enter(c, HTTP_STATE_BODY,
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

struct http_connection *http_connection_new(struct http_listener *listener)
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
void http_connection_turn_away(struct http_connection *c)
{
    static char text[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                         "Content-Length: 0\r\nConnection: close\r\n\r\n";
    uv_buf_t answer = uv_buf_init(text, sizeof(text) - 1);

    (void)uv_try_write(&c->socket.stream, &answer, 1); /* best effort */
    http_connection_close(c);
}

void http_connection_start(struct http_connection *c)
{
    enter(c, HTTP_STATE_HEAD, c->server->config.head_ms);
    if (c->socket.handle.type == UV_NAMED_PIPE)
        read_peer(c);
    else
        uv_tcp_nodelay(&c->socket.tcp, 1);
    if (uv_read_start(&c->socket.stream, on_memory_wanted, on_read) < 0)
        http_connection_close(c);
}
