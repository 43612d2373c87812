/* http_status.h - result codes as HTTP statuses, and the one shape of an error's body. */
#ifndef SERVE_HTTP_STATUS_H
#define SERVE_HTTP_STATUS_H

#include "base/buf.h"
#include "base/err.h"

int http_status_of(enum rc code);
const char *http_status_text(int status); /* "Not Found"; "" for what we never send */

/* {"error":{"code":"not_found","message":"..."}} */
void http_error_body(struct buf *body, const char *code, const char *message);

#endif
