/*
 * http_client.h - downloads of large files over https, requests to our own services on this
 * machine, and webhooks. Wraps libcurl (net/http_client.c alone).
 *
 *   <path>           the bytes that are here so far
 *   <path>.version   the server's name for these bytes: its ETag, else its Last-Modified
 *
 * A download that was broken off goes on where it stopped, if the server still has the same bytes
 * (Range with If-Range); otherwise it starts again. What arrives is not trusted: the caller
 * compares its digest.
 *
 * https only, redirects too. Plain http is for loopback addresses, unless allowed.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    HTTP_CLIENT_REDIRECTS_MAX = 5,
    HTTP_CLIENT_CONNECT_TIMEOUT_S = 20,
    HTTP_CLIENT_STALL_TIMEOUT_S = 60, /* without a byte */
    HTTP_CLIENT_VERSION_MAX = 256,    /* bytes of an ETag that we keep */
    HTTP_CLIENT_URL_MAX = 2048,
    HTTP_CLIENT_CALL_TIMEOUT_S = 300,
    HTTP_CLIENT_POST_TIMEOUT_S = 30,
};

/* total_bytes 0: the server has not said. */
typedef void http_client_progress_fn(void *context, uint64_t done_bytes, uint64_t total_bytes);

struct http_client_download {
    const char *url, *path;
    uint64_t limit_bytes;              /* longer than that is refused */
    bool allow_http;                   /* from any host */
    http_client_progress_fn *progress; /* may be NULL */
    void *progress_context;
};

/**
 * @return RC_OK           the file at path is whole
 *         RC_INVALID      no URL, or a scheme that is not allowed
 *         RC_NOT_FOUND    404 or 410
 *         RC_DENIED       401 or 403
 *         RC_LIMIT        longer than limit_bytes
 *         RC_UNAVAILABLE  no connection, broken off, another status: trying again may work
 *         RC_TIMEOUT      no byte for HTTP_CLIENT_STALL_TIMEOUT_S
 *         RC_IO, RC_FULL, RC_NOMEM
 *
 * Blocks. After RC_UNAVAILABLE and RC_TIMEOUT what has arrived is kept for the next call.
 */
MUST_CHECK enum rc http_client_get(const struct http_client_download *download, struct err *err);

/**
 * One request to a service of ours over its UNIX socket.
 *
 * @param socket      path of the socket
 * @param body        JSON; at NULL: none
 * @param ret_status  out, the HTTP status, whatever it is
 * @param out         the answer's body is appended
 *
 * @return RC_OK
 *         RC_NOT_FOUND    nobody listens there: the request was not sent
 *         RC_UNAVAILABLE  the connection broke: it may or may not have happened
 *         RC_TIMEOUT, RC_LIMIT (out), RC_NOMEM
 */
MUST_CHECK enum rc http_client_call(const char *socket, const char *method, const char *path,
                                    struct str body, int *ret_status, struct buf *out,
                                    struct err *err);

/**
 * POSTs JSON to whoever listens there; redirects are not followed.
 *
 * @param key         sent as Idempotency-Key, so that a repetition can be known
 * @param ret_status  out, the HTTP status, whatever it is; the answer's body is dropped
 *
 * @return RC_OK; RC_INVALID: no URL, or a scheme that is not allowed; RC_UNAVAILABLE; RC_TIMEOUT:
 *         HTTP_CLIENT_POST_TIMEOUT_S have passed; RC_NOMEM
 */
MUST_CHECK enum rc http_client_post(const char *url, const char *key, struct str body,
                                    int *ret_status, struct err *err);

/* Removes the file and its version; fine when they are not there. */
MUST_CHECK enum rc http_client_forget(const char *path, struct err *err);

#endif
