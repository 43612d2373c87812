/* http_reply.h - one HTTP/1.1 answer of a service of ours, out of bytes that we do not trust. */
#ifndef SERVE_HTTP_REPLY_H
#define SERVE_HTTP_REPLY_H

#include "base/str.h"

enum { HTTP_REPLY_HEAD_BYTES_MAX = 8 << 10, HTTP_REPLY_BODY_BYTES_MAX = 4 << 20 };

enum http_reply_state { HTTP_REPLY_MORE, HTTP_REPLY_WHOLE, HTTP_REPLY_BROKEN };

struct http_reply {
    int status; /* 200 to 599 */
    bool keep_alive;
    struct str body; /* borrowed from the bytes */
    size_t len;      /* of head and body */
};

/* Stricter than RFC 9112: exactly one Content-Length and no other framing, lines end in CRLF.
 * *ret is set when the answer is whole. */
enum http_reply_state http_reply_read(struct str bytes, struct http_reply *ret);

#endif
