/*
 * http_caller.h - requests to one other service, made on a server's thread without waiting: a few
 * connections that are kept, and a queue.
 *
 *   http_call_start(), any thread --> queue --> a connection --> call->done(), the server's thread
 *
 * A request is written once to a connection that has answered before, and once more to a new one
 * if the old one turns out to be closed without a byte of an answer: requests must be safe to
 * repeat (ours carry an idempotency key). The time of a call begins when a connection takes it.
 */
#ifndef SERVE_HTTP_CALLER_H
#define SERVE_HTTP_CALLER_H

#include "base/buf.h"
#include "serve/http/http_server.h"

enum { HTTP_CALLER_CONNECTIONS_MAX = 64 };

struct http_call {
    struct buf request; /* in: head and body; the maker's again in done() */
    unsigned timeout_ms;
    void (*done)(struct http_call *call); /* called once, unless the server ends before */
    void *self;

    /* out */
    enum rc rc; /* RC_OK; RC_UNAVAILABLE: no connection, or no whole answer; RC_TIMEOUT */
    int status;
    struct buf body;

    struct http_call *next; /* for the queue of whoever has it */
};

struct http_caller;

/**
 * @param url            "http://127.0.0.1:8081" (an IP address), or "unix:/path/of.sock"
 * @param n_connections  1 to HTTP_CALLER_CONNECTIONS_MAX
 *
 * Before http_server_run(). RC_INVALID: no such URL; RC_IO, RC_NOMEM.
 */
MUST_CHECK enum rc http_caller_new(struct http_server *server, const char *url,
                                   size_t n_connections, struct http_caller **ret_caller,
                                   struct err *err);
/* After http_server_close(), which closes the connections; calls that are not done are their
 * maker's. Accepts NULL. */
void http_caller_free(struct http_caller *caller);

void http_call_start(struct http_caller *caller, struct http_call *call);

#endif
