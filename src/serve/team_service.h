/*
 * team_service.h - one team's SLMs behind HTTP: decisions, feedback, and an admin socket.
 *
 *   server's thread   reads requests, checks keys, queues      http/http_server.h
 *   worker thread     owns the team's files and models; takes everything that waits, decides the
 *                     rows of one SLM together, stores them in one transaction, then answers
 *
 *   POST /v1/slms/{slm}/decisions      scope decide     {"input": {...}, "idempotency_key": "..."}
 *   POST /v1/chat/completions          scope decide     as OpenAI's API has it: chat_request.h
 *   GET  /v1/models, /v1/models/{id}   scope decide or read
 *   GET  /v1/slms                      scope read
 *   GET  /v1/decisions/{id}            scope read
 *   POST /v1/decisions/{id}/feedback   scope feedback   {"output": {...}} or {"verdict": "right"}
 *   GET  /metrics                      scope read       Prometheus text
 *   GET  /live, /ready, /health        no key
 *   POST /admin/{operation}            on the admin socket alone, see admin.h
 *
 * What a client may rely on (tests/serve, tests/e2e):
 *   (1) A decision is durable before its answer is sent.
 *   (2) One idempotency key is one decision, whatever is retried or killed.
 *   (3) Same request, same bytes, id and model_ms apart, whatever else is in the batch.
 *   (4) What is not the team's answers like what does not exist.
 *   (5) After a promotion was answered, no new request is decided by the old version.
 */
#ifndef SERVE_TEAM_SERVICE_H
#define SERVE_TEAM_SERVICE_H

#include "base/log.h"
#include "serve/http/http_server.h"
#include "serve/team.h"

enum {
    SERVE_BATCH_ROWS_MAX = 64, /* rows decided together */
    SERVE_BATCH_ARENA_BYTES_MAX = 512 << 20,
};

struct team_service_config {
    struct serve_team_config team;
    struct http_server_config http;
    const char *host; /* address to listen on */
    unsigned port;    /* 0: the system chooses */
    size_t n_threads; /* of the model, the worker included; >= 1 */
    struct log log;
};

struct team_service;

/**
 * Opens the team's files and the versions in production, and listens.
 *
 * @return RC_OK
 *         RC_BUSY    another process has the team's files
 *         RC_EXISTS  the port is in use
 *         otherwise as serve_team_open() and http_server_listen_tcp()
 */
MUST_CHECK enum rc team_service_open(const struct team_service_config *config,
                                     struct team_service **ret_service, struct err *err);

/* Serves until SIGTERM, SIGINT or team_service_stop(); RC_TIMEOUT: some requests were cut. */
MUST_CHECK enum rc team_service_run(struct team_service *service, struct err *err);
void team_service_stop(struct team_service *service);  /* any thread */
void team_service_close(struct team_service *service); /* after run; accepts NULL */
DEFINE_FREEP(struct team_service, team_service_close)

unsigned team_service_port(const struct team_service *service);

#endif
