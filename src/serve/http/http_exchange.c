/* http_exchange.c - one request with its answer, from both sides of the hand-over. */
#include "base/mem.h"
#include "serve/http/http_server_internal.h"
#include "serve/http/http_status.h"

enum { ERROR_BODY_BYTES_MAX = 4096 };

void http_exchange_free(struct http_exchange *x)
{
    if (!x)
        return;
    http_parser_release(&x->parser);
    buf_release(&x->body);
    arena_release(&x->arena);
    mem_free(x);
}

struct http_exchange *http_exchange_new(struct http_connection *c)
{
    struct http_exchange *x = mem_alloc(sizeof(*x));

    if (!x)
        return NULL;
    http_parser_init(&x->parser, c->server->config.body_bytes_max);
    arena_init(&x->arena, HTTP_EXCHANGE_ARENA_BYTES_MAX);
    buf_init(&x->body, HTTP_ANSWER_BYTES_MAX);
    x->request = &x->parser.request;
    x->content_type = "application/json";
    x->server = c->server;
    x->connection = c;
    x->has_peer = c->has_peer;
    x->peer_uid = c->peer_uid;
    x->received_us = uv_hrtime() / 1000;
    return x;
}

void http_exchange_set_error(struct http_exchange *x, int status, const char *code,
                             const char *message)
{
    buf_release(&x->body);
    buf_init(&x->body, ERROR_BODY_BYTES_MAX);
    x->content_type = "application/json";
    http_error_body(&x->body, &(struct http_error){ status, code, message, NULL });
}

void http_answer(struct http_exchange *x, int status)
{
    struct http_server *server = x->server;

    x->status = status;
    if (x->body.failed) {
        x->status = x->body.failed == RC_NOMEM ? 503 : 500;
        http_exchange_set_error(x, x->status, rc_name(x->body.failed),
                                "the answer does not fit into memory");
    }
    uv_mutex_lock(&server->mutex);
    x->next = NULL;
    *server->answered_end = x;
    server->answered_end = &x->next;
    if (server->loop_is_open)
        uv_async_send(&server->wake);
    uv_mutex_unlock(&server->mutex);
}

uint64_t http_exchange_age_us(const struct http_exchange *x)
{
    return uv_hrtime() / 1000 - x->received_us;
}

int http_error(struct http_exchange *x, const struct err *err)
{
    int status = http_status_of(err->code);

    http_exchange_set_error(x, status, rc_name(err->code), err->message);
    if ((status == 429 || status == 503) && x->retry_after_s == 0)
        x->retry_after_s = 1;
    x->retry_is_useless = err->code == RC_STATE || err->code == RC_EXISTS ||
                          err->code == RC_CORRUPT || err->code == RC_UNSUPPORTED;
    return status;
}

void http_answer_error(struct http_exchange *x, const struct err *err)
{
    http_answer(x, http_error(x, err));
}
