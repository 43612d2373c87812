/* http_server_internal.h - what the three files of the server share. The only includer of libuv. */
#ifndef SERVE_HTTP_SERVER_INTERNAL_H
#define SERVE_HTTP_SERVER_INTERNAL_H

#include "serve/http/http_server.h"

#include <uv.h>

enum { HTTP_READ_BYTES = 64 << 10, HTTP_ANSWER_HEAD_BYTES = 512 };

enum http_state {
    HTTP_STATE_HEAD,
    HTTP_STATE_BODY,
    HTTP_STATE_WORKING,
    HTTP_STATE_ANSWERING,
    HTTP_STATE_IDLE,
    HTTP_STATE_LINGERING,
    HTTP_STATE_CLOSING
};

struct http_listener {
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
    enum http_state state;
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
    char answer_head[HTTP_ANSWER_HEAD_BYTES];
};

struct http_server {
    struct http_server_config config;
    uv_loop_t loop;
    uv_async_t wake;
    uv_signal_t signals[2];
    uv_timer_t drain_timer, listen_timer;
    struct http_listener listeners[HTTP_LISTENERS_MAX];
    size_t n_listeners;
    struct http_connection *connections;
    size_t n_connections, n_working;
    atomic_bool draining, stop_asked;
    bool listening, cut;
    bool accept_is_due; /* there was no memory for a connection; tried again when one closes */
    char *read_buffer;  /* (HTTP_READ_BYTES,) libuv fills it and calls back before the next read */

    uv_mutex_t mutex; /* guards the two below */
    struct http_exchange *answered_first, **answered_end;
    bool loop_is_open;
};

/* http_exchange.c */
struct http_exchange *http_exchange_new(struct http_connection *c); /* NULL: no memory */
void http_exchange_free(struct http_exchange *x);                   /* accepts NULL */
/* Makes the error x's body, in place of what was there. */
void http_exchange_set_error(struct http_exchange *x, int status, const char *code,
                             const char *message);

/* http_connection.c */
struct http_connection *http_connection_new(struct http_listener *listener); /* NULL: no memory */
void http_connection_start(struct http_connection *c);     /* accepted: reads requests */
void http_connection_turn_away(struct http_connection *c); /* accepted: one too many */
void http_connection_answer(struct http_connection *c);    /* c->exchange is answered: sends it */
/* Gives up whatever goes on. An exchange that a handler has stays with the handler. */
void http_connection_close(struct http_connection *c);

/* http_server.c */
void http_server_end_if_drained(struct http_server *server);
void http_server_accept_due(struct http_server *server); /* memory was given back */

#endif
