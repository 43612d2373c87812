#include "serve/http/http_caller.h"

#include "base/mem.h"
#include "serve/http/http_reply.h"
#include "serve/http/http_server_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

enum line_state { LINE_CLOSED, LINE_CONNECTING, LINE_WAITING, LINE_IDLE, LINE_CLOSING };

/* One connection. */
struct line {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    unsigned n_handles;
    enum line_state state;
    bool has_answered; /* an earlier call: the peer may have closed it since */
    bool is_writing;   /* the request's memory is still in use */
    struct http_caller *caller;
    struct http_call *call; /* connecting, waiting */
    struct buf in;
};

struct http_caller {
    struct http_server *server;
    uv_async_t wake;
    bool is_unix;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct sockaddr_storage address;
    struct http_call *given, **given_end; /* under the server's mutex */
    struct http_call *queue, **queue_end; /* the server's thread */
    size_t n_lines;
    struct line lines[];
};

static void pump(struct http_caller *caller);

static void put_last(struct http_call ***end, struct http_call *call)
{
    call->next = NULL;
    **end = call;
    *end = &call->next;
}

static void put_first(struct http_caller *caller, struct http_call *call)
{
    call->next = caller->queue;
    if (!caller->queue)
        caller->queue_end = &call->next;
    caller->queue = call;
}

static void on_closed(uv_handle_t *handle)
{
    struct line *line = handle->data;

    if (--line->n_handles > 0)
        return;
    buf_release(&line->in);
    line->state = LINE_CLOSED;
    pump(line->caller);
}

static void close_line(struct line *line)
{
    if (line->state == LINE_CLOSING)
        return;
    line->state = LINE_CLOSING;
    uv_close(&line->socket.handle, on_closed);
    uv_close((uv_handle_t *)&line->timer, on_closed);
}

static void finish(struct line *line, enum rc rc)
{
    struct http_call *call = line->call;

    line->call = NULL;
    call->rc = rc;
    call->done(call);
}

static void give_up(struct line *line, enum rc rc)
{
    finish(line, rc);
    close_line(line);
}

static void on_deadline(uv_timer_t *timer)
{
    give_up(timer->data, RC_TIMEOUT);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct line *line = handle->data;

    (void)suggested;
    *buf = uv_buf_init(line->caller->server->read_buffer, HTTP_READ_BYTES);
}

/* A peer may answer before it has read the whole request: the rest of it, the maker's memory again
 * behind done(), must not be sent any more. */
static void take_reply(struct line *line, const struct http_reply *reply)
{
    struct http_call *call = line->call;
    bool keeps = reply->keep_alive && reply->len == line->in.len && !line->is_writing;

    uv_timer_stop(&line->timer);
    call->status = reply->status;
    buf_init(&call->body, HTTP_REPLY_BODY_BYTES_MAX);
    buf_append_str(&call->body, reply->body);
    enum rc rc = call->body.failed ? RC_UNAVAILABLE : RC_OK;
    buf_release(&line->in);
    line->has_answered = true;
    if (keeps)
        line->state = LINE_IDLE;
    finish(line, rc);
    if (keeps)
        pump(line->caller);
    else
        close_line(line);
}

/* An idle connection has nothing to say: its peer has closed it, or is no service of ours. */
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct line *line = stream->data;
    struct http_reply reply;

    if (n == 0 || line->state == LINE_CLOSING)
        return;
    if (line->state == LINE_IDLE) {
        close_line(line);
        return;
    }
    if (n < 0 && line->has_answered && line->in.len == 0) {
        put_first(line->caller, line->call);
        line->call = NULL;
        close_line(line);
        return;
    }
    if (n > 0)
        buf_append(&line->in, bytes->base, (size_t)n);
    enum http_reply_state state =
        n < 0 || line->in.failed ? HTTP_REPLY_BROKEN : http_reply_read(buf_str(&line->in), &reply);
    if (state == HTTP_REPLY_WHOLE)
        take_reply(line, &reply);
    else if (state == HTTP_REPLY_BROKEN)
        give_up(line, RC_UNAVAILABLE);
}

/* What a failed write means is seen by the read. */
static void on_written(uv_write_t *write, int status)
{
    struct line *line = write->data;

    (void)status;
    line->is_writing = false;
}

static void send_call(struct line *line)
{
    uv_buf_t bytes = uv_buf_init(line->call->request.at, (unsigned)line->call->request.len);

    line->state = LINE_WAITING;
    buf_init(&line->in, HTTP_REPLY_HEAD_BYTES_MAX + HTTP_REPLY_BODY_BYTES_MAX);
    uv_timer_start(&line->timer, on_deadline, line->call->timeout_ms, 0);
    line->write.data = line;
    line->is_writing = true;
    if (uv_write(&line->write, &line->socket.stream, &bytes, 1, on_written) < 0)
        give_up(line, RC_UNAVAILABLE);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct line *line = connect->data;

    if (line->state == LINE_CLOSING || status == UV_ECANCELED) /* the server ends */
        return;
    if (status < 0 || uv_read_start(&line->socket.stream, on_alloc, on_read) < 0)
        give_up(line, RC_UNAVAILABLE);
    else
        send_call(line);
}

static void connect_line(struct line *line)
{
    struct http_caller *caller = line->caller;
    uv_loop_t *loop = &caller->server->loop;

    uv_timer_init(loop, &line->timer);
    line->timer.data = line;
    line->state = LINE_CONNECTING;
    line->has_answered = false;
    line->n_handles = 2;
    line->connect.data = line;
    if (caller->is_unix)
        uv_pipe_init(loop, &line->socket.pipe, 0);
    else
        uv_tcp_init(loop, &line->socket.tcp);
    line->socket.handle.data = line;
    uv_timer_start(&line->timer, on_deadline, line->call->timeout_ms, 0);
    if (caller->is_unix)
        uv_pipe_connect(&line->connect, &line->socket.pipe, caller->path, on_connected);
    else if (uv_tcp_connect(&line->connect, &line->socket.tcp,
                            (const struct sockaddr *)&caller->address, on_connected) < 0)
        give_up(line, RC_UNAVAILABLE);
}

static struct line *find_line(struct http_caller *caller, enum line_state state)
{
    for (size_t i = 0; i < caller->n_lines; i++)
        if (caller->lines[i].state == state)
            return &caller->lines[i];
    return NULL;
}

static void pump(struct http_caller *caller)
{
    while (caller->queue && caller->server->loop_is_open) {
        struct line *idle = find_line(caller, LINE_IDLE);
        struct line *line = idle ? idle : find_line(caller, LINE_CLOSED);

        if (!line)
            return;
        line->call = caller->queue;
        caller->queue = line->call->next;
        if (!caller->queue)
            caller->queue_end = &caller->queue;
        if (idle)
            send_call(line);
        else
            connect_line(line);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct http_caller *caller = wake->data;
    struct http_server *server = caller->server;

    uv_mutex_lock(&server->mutex);
    struct http_call *call = caller->given, *next;
    caller->given = NULL;
    caller->given_end = &caller->given;
    uv_mutex_unlock(&server->mutex);
    for (; call; call = next) {
        next = call->next;
        put_last(&caller->queue_end, call);
    }
    pump(caller);
}

void http_call_start(struct http_caller *caller, struct http_call *call)
{
    struct http_server *server = caller->server;

    uv_mutex_lock(&server->mutex);
    put_last(&caller->given_end, call);
    if (server->loop_is_open)
        uv_async_send(&caller->wake);
    uv_mutex_unlock(&server->mutex);
}

/* "http://127.0.0.1:8081", "http://[::1]:8081", "unix:/path" */
static bool read_url(struct http_caller *caller, const char *url)
{
    char host[64];
    const char *colon = strrchr(url, ':');
    char *end;

    caller->is_unix = strncmp(url, "unix:", 5) == 0;
    if (caller->is_unix)
        return snprintf(caller->path, sizeof(caller->path), "%s", url + 5) <
               (int)sizeof(caller->path);
    if (strncmp(url, "http://", 7) != 0 || colon < url + 8 || colon - url - 7 >= (int)sizeof(host))
        return false;
    long port = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || *end || port < 1 || port > UINT16_MAX)
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - url - 7), url + 7);
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        return uv_ip6_addr(host + 1, (int)port, (struct sockaddr_in6 *)&caller->address) == 0;
    }
    return uv_ip4_addr(host, (int)port, (struct sockaddr_in *)&caller->address) == 0;
}

enum rc http_caller_new(struct http_server *server, const char *url, size_t n_connections,
                        struct http_caller **ret_caller, struct err *err)
{
    ASSERT(n_connections >= 1 && n_connections <= HTTP_CALLER_CONNECTIONS_MAX);
    struct http_caller *caller =
        mem_alloc(sizeof(*caller) + n_connections * sizeof(caller->lines[0]));

    if (!caller)
        return err_set(err, RC_NOMEM, "http caller");
    caller->server = server;
    caller->n_lines = n_connections;
    caller->given_end = &caller->given;
    caller->queue_end = &caller->queue;
    for (size_t i = 0; i < n_connections; i++)
        caller->lines[i].caller = caller;
    if (!read_url(caller, url)) {
        mem_free(caller);
        return err_set(err, RC_INVALID, "'%.100s': expected http://IP:PORT or unix:PATH", url);
    }
    caller->wake.data = caller;
    if (uv_async_init(&server->loop, &caller->wake, on_wake)) {
        mem_free(caller);
        return err_set(err, RC_IO, "http caller");
    }
    *ret_caller = caller;
    return RC_OK;
}

void http_caller_free(struct http_caller *caller)
{
    if (!caller)
        return;
    for (size_t i = 0; i < caller->n_lines; i++)
        buf_release(&caller->lines[i].in);
    mem_free(caller);
}
