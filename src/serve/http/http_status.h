/* http_status.h - result codes as HTTP statuses, and the one shape of an error's body. */
#ifndef SERVE_HTTP_STATUS_H
#define SERVE_HTTP_STATUS_H

#include "base/buf.h"
#include "base/err.h"

int http_status_of(enum rc code);
const char *http_status_text(int status); /* "Not Found"; "" for what we never send */

/*
 * {"error":{"code":"not_found","message":"...","type":"invalid_request_error","param":null}}: the
 * shape that clients of OpenAI's API read, for every answer of ours.
 */
struct http_error {
    int status; /* decides the type */
    const char *code;
    const char *message;
    const char *param; /* the member at fault; NULL: none, or unknown */
};

void http_error_body(struct buf *body, const struct http_error *error);

/* "invalid_request_error", "authentication_error", ... */
const char *http_error_type(int status);

#endif
