/* team_service_internal.h - what the files of the service share. */
#ifndef SERVE_TEAM_SERVICE_INTERNAL_H
#define SERVE_TEAM_SERVICE_INTERNAL_H

#include "serve/authorize.h"
#include "serve/chat_request.h"
#include "serve/metrics.h"
#include "serve/scribe.h"
#include "serve/slm_table.h"
#include "serve/team_service.h"
#include "spec/problem.h"

#include <pthread.h>

struct team_service {
    struct team_service_config config;
    struct http_server *http;
    struct http_routes public_routes, admin_routes;
    unsigned port;
    struct serve_authorizer authorizer; /* the server's thread; forget() any */
    struct metrics metrics;

    /* The queue from the server's thread to the worker; mutex guards the four. */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct http_exchange *first, **end;
    bool closed;
    pthread_t worker;
    bool worker_runs;

    struct scribe scribe; /* its jobs come back to the worker */

    /* The worker's. */
    struct serve_team *team;
    struct serve_slm_table slms;
    struct pool *pool;

    /* The worker writes, the server's thread reads. */
    atomic_size_t n_slms;     /* that answer */
    atomic_bool swap_failed;  /* an alias names a version that did not open */
    atomic_bool store_failed; /* the last write did not succeed */
};

/* http_exchange.context: who asks. */
struct serve_caller {
    struct principal principal;
    struct chat_request chat; /* SERVE_CHAT: what was asked, once it is read */
};

static inline struct serve_caller *serve_caller_of(const struct http_exchange *x)
{
    return x->context;
}

/* What a route's request needs of the worker: http_route.kind. */
enum serve_kind {
    SERVE_NOTHING,
    SERVE_DECIDE,
    SERVE_CHAT,
    SERVE_LIST_MODELS,
    SERVE_SHOW_MODEL,
    SERVE_LIST_SLMS,
    SERVE_SHOW_DECISION,
    SERVE_TAKE_FEEDBACK,
    SERVE_ADMIN,
};

/* Each answers every exchange it is given, or has it answered; on the worker's thread. */
void serve_decide(struct team_service *service, struct http_exchange **exchanges, size_t n);
void serve_chat(struct team_service *service, struct http_exchange **exchanges, size_t n);
void serve_list_models(struct team_service *service, struct http_exchange *x);
void serve_show_model(struct team_service *service, struct http_exchange *x);
void serve_show_decision(struct team_service *service, struct http_exchange *x);
void serve_list_slms(struct team_service *service, struct http_exchange *x);
void serve_take_feedback(struct team_service *service, struct http_exchange *x);
void serve_admin(struct team_service *service, struct http_exchange *x);

/* Decides inputs for one SLM, of the decisions API or of the chat API, and answers each in the form
 * of its route; those of an SLM that writes later, when the scribe is done. */
void serve_decide_with(struct team_service *service, const struct serve_slm *slm,
                       struct http_exchange **exchanges, size_t n);

/* serve_answer_error() and serve_answer_problems() as the chat API has them. param: the member at
 * fault; NULL: none. */
void serve_answer_chat_error(struct team_service *service, struct http_exchange *x,
                             const char *param, const struct err *err);
void serve_answer_chat_problems(struct http_exchange *x, const struct problems *problems);

/* The first error of a list that has one. */
const struct problem *serve_first_error(const struct problems *problems);

/* Answers 400 with {"error":{"code":"invalid","message":"...","problems":[...]}}. */
void serve_answer_problems(struct http_exchange *x, const struct problems *problems);

/* What the client may read of an error: of one that is ours the code alone, and it is logged,
 * without anything that was received. */
void serve_shown_error(struct team_service *service, const struct http_exchange *x,
                       const struct err *err, struct err *ret_shown);
void serve_answer_error(struct team_service *service, struct http_exchange *x,
                        const struct err *err);

/* On the server's thread. */
void serve_live(struct http_exchange *x, void *service);
void serve_health(struct http_exchange *x, void *service);
void serve_metrics(struct http_exchange *x, void *service);

#endif
