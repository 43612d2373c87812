/*
 * http_server.h - an HTTP/1.1 server on TCP and UNIX sockets: one thread of libuv, limits and a
 * deadline for everything.
 *
 * A connection, and what ends each wait:
 *
 *   accepted -> HEAD -> BODY -> WORKING -> ANSWERING -> IDLE -> HEAD ...
 *
 *   HEAD       head_ms from its first byte (from accept for the first request): 408
 *   BODY       body_gap_ms between reads, body_ms in all: 408
 *   WORKING    the handler has the exchange; answer_ms, or less when the client says how long it
 *              waits (Shoal-Time-Left-Ms, from its head on): 504. Still read, so that a client
 *              that leaves is seen at once: exchange->cancelled
 *   ANSWERING  write_ms for the whole answer, then cut
 *   IDLE       idle_ms, then closed
 *
 * Invariants:
 *   (1) One exchange per connection at a time; pipelined requests wait, at most
 *       HTTP_PIPELINE_BYTES_MAX of them, and what comes beyond is dropped with the connection.
 *   (2) An exchange belongs to the handler from the call of the route's function until
 *       http_answer(), whatever becomes of its connection.
 *   (3) At most exchanges_max exchanges exist; the next request is answered 503 with Retry-After
 *       before its body is read. Routes marked `always` are exempt: health must answer.
 *   (4) Nothing received is logged.
 */
#ifndef SERVE_HTTP_SERVER_H
#define SERVE_HTTP_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "serve/http/http_parser.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    HTTP_PIPELINE_BYTES_MAX = 64 << 10,
    HTTP_ANSWER_BYTES_MAX = 16 << 20,
    HTTP_EXCHANGE_ARENA_BYTES_MAX = 32 << 20,
    HTTP_LISTENERS_MAX = 4,
    HTTP_PARAMS_MAX = 4,
};

struct http_server;

/* One request and its answer. The handler may use everything here until http_answer(). */
struct http_exchange {
    const struct http_request *request;
    struct str params[HTTP_PARAMS_MAX]; /* what the {} of the route's path matched, in order */
    struct arena arena;                 /* for the handler; released with the exchange */
    struct buf body;                    /* the answer's body */
    const char *content_type;           /* of the answer; "application/json" unless set */
    unsigned retry_after_s;             /* sent when > 0 */
    bool retry_is_useless;              /* sends x-should-retry: false */
    atomic_bool cancelled; /* nobody waits any more: the client left, or 504 was sent */
    bool has_peer;         /* came over a UNIX socket: peer_uid is the kernel's word */
    uid_t peer_uid;
    uint64_t received_us;           /* uv_hrtime when the head was complete */
    const struct http_route *route; /* NULL: none matched */
    void *context;                  /* the handler's own */
    struct http_exchange *next;     /* for the queue of whoever has it */

    /* the server's own */
    struct http_server *server;
    struct http_connection *connection; /* NULL once nobody waits; the server's thread alone */
    struct http_parser parser;
    int status;
    char allow[64]; /* of a 405 */
};

/* Runs on the server's thread: must not block. Answers now, or hands x to another thread. */
typedef void http_handler_fn(struct http_exchange *x, void *self);

struct http_route {
    const char *method;
    const char *path; /* "/v1/slms/{}/decisions": {} matches one segment */
    http_handler_fn *handle;
    int kind;    /* the handler's own: what this route is to it */
    bool always; /* also while draining and when exchanges_max are at work */
};

/* What one listener answers; borrowed, must outlive the server. */
struct http_routes {
    const struct http_route *at;
    size_t n;
    void *self; /* handed to every function of these routes */
    /* May be NULL. Called when the head is there, before the body is read: 0, or the status of the
     * refusal that it has written into x->body (http_error()). */
    int (*admit)(struct http_exchange *x, void *self);
    /* May be NULL. Called once per request: its answer was sent, or (499) the client has left; a
     * handler may still have x then. */
    void (*answered)(const struct http_exchange *x, int status, void *self);
};

struct http_server_config {
    size_t connections_max;
    size_t exchanges_max;
    size_t body_bytes_max;
    unsigned head_ms, body_gap_ms, body_ms, answer_ms, write_ms, idle_ms;
    unsigned drain_ms;        /* how long work in flight may take after a signal to stop */
    unsigned drain_listen_ms; /* how long new connections are still told that we are draining */
};

struct http_server_config http_server_config_default(void);

/* RC_NOMEM, RC_IO. */
MUST_CHECK enum rc http_server_open(const struct http_server_config *config,
                                    struct http_server **ret_server, struct err *err);

/**
 * Listens on a TCP address, or on a UNIX socket made with mode 0600.
 *
 * @param host      "127.0.0.1", "::1", "0.0.0.0": an address, no name
 * @param port      0: the system chooses
 * @param ret_port  out, the port; may be NULL
 * @param path      of the socket file, shorter than 108 bytes; a socket left by a dead process is
 *                  replaced: the caller's lock says that it is dead
 * @param routes    in, borrowed: must outlive the server
 *
 * @return RC_INVALID (no such address), RC_EXISTS (in use), RC_DENIED, RC_IO, RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc http_server_listen_tcp(struct http_server *server, const char *host,
                                          unsigned port, const struct http_routes *routes,
                                          unsigned *ret_port, struct err *err);
MUST_CHECK enum rc http_server_listen_unix(struct http_server *server, const char *path,
                                           const struct http_routes *routes, struct err *err);

/**
 * Serves until http_server_stop(), SIGTERM or SIGINT; then drains: new requests get 503, those in
 * flight finish, for at most drain_ms; a second signal ends that at once.
 *
 * @return RC_OK       every request that was taken has been answered
 *         RC_TIMEOUT  some were cut
 */
MUST_CHECK enum rc http_server_run(struct http_server *server, struct err *err);

void http_server_stop(struct http_server *server); /* any thread */
bool http_server_draining(const struct http_server *server);

/* After http_server_run(). No exchange may be with a handler any more. NULL is fine. */
void http_server_close(struct http_server *server);

size_t http_server_n_connections(const struct http_server *server);
size_t http_server_n_exchanges(const struct http_server *server);

/* Answers with x->body, once, from any thread. x is the server's again. */
void http_answer(struct http_exchange *x, int status);

/* Microseconds since the head of the request was complete. */
uint64_t http_exchange_age_us(const struct http_exchange *x);

/* Makes x->body {"error":{"code","message"}}, sets what else belongs to such an answer and returns
 * http_status_of(err->code). */
int http_error(struct http_exchange *x, const struct err *err);

/* http_answer(x, http_error(x, err)) */
void http_answer_error(struct http_exchange *x, const struct err *err);

DEFINE_FREEP(struct http_server, http_server_close)

#endif
