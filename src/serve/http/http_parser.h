/*
 * http_parser.h - one HTTP/1.1 request out of a stream of bytes that we do not trust.
 *
 * RFC 9112 without its tolerances: lines end in CRLF and in nothing else; no folded fields, no
 * blank before a colon, no control characters; exactly one way to find the end of the body, so that
 * no proxy in front of us can see another request in the same bytes.
 *
 * Invariants:
 *   (1) The outcome is a function of the bytes alone: cut into pieces anywhere they give the same
 *       request or the same refusal (tests/fuzz/fuzz_http_parser.c).
 *   (2) Limits hold while reading, for every framing: what is stored never exceeds
 *       HTTP_HEAD_BYTES_MAX + body_bytes_max.
 *   (3) A refusal is final: the connection has to be closed, since the next request's start is
 *       unknown.
 */
#ifndef SERVE_HTTP_PARSER_H
#define SERVE_HTTP_PARSER_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    HTTP_LINE_BYTES_MAX = 8 << 10,   /* request line; beyond: 414 */
    HTTP_HEAD_BYTES_MAX = 32 << 10,  /* request line and fields; beyond: 431 */
    HTTP_HEADERS_MAX = 100,          /* fields, and trailer fields; beyond: 431 */
    HTTP_CHUNK_LINE_BYTES_MAX = 256, /* chunk size with extensions, or a trailer field */
    HTTP_TIME_LEFT_MS_MAX = 999999999
};

enum http_phase {
    HTTP_HEAD,
    HTTP_BODY, /* by Content-Length */
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_END, /* the CRLF after a chunk's data */
    HTTP_TRAILER,
    HTTP_COMPLETE,
    HTTP_REFUSED
};

struct http_header {
    struct str name;  /* lower case */
    struct str value; /* without blanks around it */
};

/* What was asked; texts are borrowed from the parser, valid until its reset or release. */
struct http_request {
    struct str method;
    struct str path;  /* decoded, printable ASCII, begins with '/', no empty, "." or ".." segment */
    struct str query; /* behind the '?', as received */
    bool keep_alive;  /* the client wants to send another request */
    bool has_body;    /* a body was announced */
    bool expects_100; /* Expect: 100-continue */
    unsigned time_left_ms; /* Shoal-Time-Left-Ms; HTTP_TIME_LEFT_MS_MAX when not said */
    size_t n_headers;
    struct http_header headers[HTTP_HEADERS_MAX];
    struct str body; /* set when complete */
};

struct http_parser {
    enum http_phase phase;
    struct http_request request; /* the head's fields are set once phase has left HTTP_HEAD */
    int status;                  /* HTTP_REFUSED: the answer's status */
    const char *reason;          /* HTTP_REFUSED: a sentence for the client */
    size_t body_bytes_max;
    size_t left; /* bytes of the body, or of the chunk, still to come */
    size_t n_lines, line_len;
    bool after_cr;
    struct buf head, body, line;
};

void http_parser_init(struct http_parser *p, size_t body_bytes_max);
void http_parser_reset(
    struct http_parser *p); /* ready for the next request; memory is given back */
void http_parser_release(struct http_parser *p); /* safe on a zeroed parser */

/**
 * Reads on.
 *
 * @param bytes  in, borrowed for the call
 * @param len    >= 0
 *
 * @return how many bytes were used. Stops behind the head (phase is then HTTP_BODY, HTTP_CHUNK_SIZE
 *         or HTTP_COMPLETE), behind the request (HTTP_COMPLETE) and at a refusal (HTTP_REFUSED);
 *         otherwise all are used. Out of memory is a refusal with status 503.
 *
 * Does not block. Time is linear in len.
 */
size_t http_parser_feed(struct http_parser *p, const char *bytes, size_t len);

/* The value of a field, or a str whose `at` is NULL; name in lower case. Fields that must not be
 * repeated were refused when they were; of others this is the first. */
struct str http_request_header(const struct http_request *request, const char *name);

#endif
