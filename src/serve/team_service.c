#include "serve/team_service_internal.h"

#include "base/mem.h"
#include "record/principal.h"
#include "serve/admin.h"
#include "serve/http/http_status.h"

#include <stdio.h>

/* ---- from the server's thread to the worker */

static void enqueue(struct http_exchange *x, void *self)
{
    struct team_service *service = self;

    x->next = NULL;
    pthread_mutex_lock(&service->mutex);
    *service->end = x;
    service->end = &x->next;
    pthread_cond_signal(&service->wake);
    pthread_mutex_unlock(&service->mutex);
}

static bool joins_batch(const struct http_exchange *first, const struct http_exchange *x)
{
    if (first->route->kind != x->route->kind)
        return false;
    return first->route->kind == SERVE_CHAT ||
           (first->route->kind == SERVE_DECIDE && str_equal(first->params[0], x->params[0]));
}

/* Takes the oldest request and those waiting behind it that can be decided with it. */
static size_t dequeue(struct team_service *service, struct http_exchange **batch)
{
    size_t n = 0;

    for (struct http_exchange **at = &service->first; *at && n < SERVE_BATCH_ROWS_MAX;) {
        struct http_exchange *x = *at;
        if (n > 0 && !joins_batch(batch[0], x)) {
            at = &x->next;
            continue;
        }
        batch[n++] = x;
        *at = x->next;
        if (!*at)
            service->end = at;
    }
    return n;
}

/* Waits for what the scribe has done or for requests, whichever is there; false: closed and empty.
 */
static bool wait_for_work(struct team_service *service, struct scribe_job **ret_done,
                          struct http_exchange **batch, size_t *ret_n)
{
    struct scribe *scribe = &service->scribe;

    pthread_mutex_lock(&service->mutex);
    while (!service->first && !scribe->done && !(service->closed && scribe->n_out == 0))
        pthread_cond_wait(&service->wake, &service->mutex);
    *ret_done = scribe_take(scribe);
    *ret_n = *ret_done ? 0 : dequeue(service, batch);
    pthread_mutex_unlock(&service->mutex);
    return *ret_done || *ret_n > 0;
}

/* Nobody waits for these any more: no work is done for them. */
static size_t drop_cancelled(struct http_exchange **batch, size_t n)
{
    size_t n_left = 0;

    for (size_t i = 0; i < n; i++) {
        if (atomic_load(&batch[i]->cancelled))
            http_answer(batch[i], http_status_of(RC_CANCELLED));
        else
            batch[n_left++] = batch[i];
    }
    return n_left;
}

static void work_on(struct team_service *service, struct http_exchange **batch, size_t n)
{
    switch ((enum serve_kind)batch[0]->route->kind) {
    case SERVE_DECIDE: serve_decide(service, batch, n); return;
    case SERVE_CHAT: serve_chat(service, batch, n); return;
    case SERVE_LIST_MODELS: serve_list_models(service, batch[0]); return;
    case SERVE_SHOW_MODEL: serve_show_model(service, batch[0]); return;
    case SERVE_LIST_SLMS: serve_list_slms(service, batch[0]); return;
    case SERVE_SHOW_DECISION: serve_show_decision(service, batch[0]); return;
    case SERVE_TAKE_FEEDBACK: serve_take_feedback(service, batch[0]); return;
    case SERVE_ADMIN: serve_admin(service, batch[0]); return;
    case SERVE_NOTHING: break;
    }
    assert_fail("the route is work for the worker", __FILE__, __LINE__);
}

static void *work(void *self)
{
    struct http_exchange *batch[SERVE_BATCH_ROWS_MAX];
    struct team_service *service = self;
    struct scribe_job *done;
    size_t n;

    while (wait_for_work(service, &done, batch, &n)) {
        if (done)
            done->finish(done);
        n = drop_cancelled(batch, n);
        if (n)
            work_on(service, batch, n);
    }
    return NULL;
}

/* ---- who may */

/* The chat API's clients know another word for it. */
static const char *unauthenticated_code(enum serve_kind kind)
{
    bool is_chat = kind == SERVE_CHAT || kind == SERVE_LIST_MODELS || kind == SERVE_SHOW_MODEL;

    return is_chat ? "invalid_api_key" : "unauthenticated";
}

static unsigned scope_of(enum serve_kind kind)
{
    switch (kind) {
    case SERVE_DECIDE: return PRINCIPAL_DECIDE | PRINCIPAL_FLOW; /* one of the two */
    case SERVE_CHAT: return PRINCIPAL_DECIDE;
    case SERVE_LIST_MODELS:
    case SERVE_SHOW_MODEL: return PRINCIPAL_DECIDE | PRINCIPAL_READ; /* one of the two */
    case SERVE_TAKE_FEEDBACK: return PRINCIPAL_FEEDBACK;
    case SERVE_LIST_SLMS:
    case SERVE_SHOW_DECISION:
    case SERVE_NOTHING: return PRINCIPAL_READ; /* /metrics */
    case SERVE_ADMIN: break;
    }
    assert_fail("the kind is one of the public routes", __FILE__, __LINE__);
}

static bool needs_no_key(const struct http_exchange *x)
{
    return x->route->always && x->route->handle != serve_metrics;
}

static int admit_public(struct http_exchange *x, void *self)
{
    struct team_service *service = self;
    struct err err;

    if (needs_no_key(x))
        return 0;
    struct serve_caller *caller = arena_new(&x->arena, struct serve_caller);
    if (!caller) {
        arena_fail(&x->arena, &err, "caller");
        return http_error(x, &err);
    }
    enum serve_kind kind = (enum serve_kind)x->route->kind;
    x->context = caller;
    return serve_admit_key(x, &service->authorizer, scope_of(kind), unauthenticated_code(kind),
                           &caller->principal);
}

static int admit_admin(struct http_exchange *x, void *self)
{
    (void)self;
    return serve_admit_owner(x, "service");
}

static void note_answered(const struct http_exchange *x, int status, void *self)
{
    struct team_service *service = self;

    metrics_count_request(&service->metrics, status, http_exchange_age_us(x));
}

/* ---- admin */

static void refresh_slms(struct team_service *service)
{
    struct err ignored; /* logged by the table */

    enum rc rc = serve_slm_table_refresh(&service->slms, service->team, &service->metrics,
                                         &service->config.log, &ignored);
    atomic_store(&service->swap_failed, rc != RC_OK);
    atomic_store(&service->n_slms, service->slms.n);
}

void serve_admin(struct team_service *service, struct http_exchange *x)
{
    const char *operation = arena_strndup(&x->arena, x->params[0].at, x->params[0].len);
    struct arena arena;
    struct err err;

    arena_init(&arena, ADMIN_ARENA_BYTES_MAX);
    enum rc rc = operation ? RC_OK : arena_fail(&x->arena, &err, "operation");
    if (!rc)
        rc = admin_call(service->team, operation, x->request->body, x->peer_uid, &arena, &x->body,
                        &err);
    /* also after a failure: RC_UNKNOWN may have happened */
    if (operation && admin_changes_keys(operation))
        serve_authorizer_forget(&service->authorizer);
    if (operation && admin_changes_versions(operation))
        refresh_slms(service);
    arena_release(&arena);
    if (rc)
        http_answer_error(x, &err); /* its owner may read the whole sentence */
    else
        http_answer(x, 200);
}

/* ---- life */

static const struct http_route public_routes[] = {
    { "POST", "/v1/slms/{}/decisions", enqueue, SERVE_DECIDE, false },
    { "POST", "/v1/chat/completions", enqueue, SERVE_CHAT, false },
    { "GET", "/v1/models", enqueue, SERVE_LIST_MODELS, false },
    { "GET", "/v1/models/{}", enqueue, SERVE_SHOW_MODEL, false },
    { "GET", "/v1/models/{}/{}", enqueue, SERVE_SHOW_MODEL, false },
    /* the same for those who left the /v1 out of the base URL */
    { "POST", "/chat/completions", enqueue, SERVE_CHAT, false },
    { "GET", "/models", enqueue, SERVE_LIST_MODELS, false },
    { "GET", "/models/{}", enqueue, SERVE_SHOW_MODEL, false },
    { "GET", "/models/{}/{}", enqueue, SERVE_SHOW_MODEL, false },
    { "GET", "/v1/slms", enqueue, SERVE_LIST_SLMS, false },
    { "GET", "/v1/decisions/{}", enqueue, SERVE_SHOW_DECISION, false },
    { "POST", "/v1/decisions/{}/feedback", enqueue, SERVE_TAKE_FEEDBACK, false },
    { "GET", "/live", serve_live, SERVE_NOTHING, true },
    { "GET", "/ready", serve_health, SERVE_NOTHING, true },
    { "GET", "/health", serve_health, SERVE_NOTHING, true },
    { "GET", "/metrics", serve_metrics, SERVE_NOTHING, true },
};

static const struct http_route admin_routes[] = {
    { "POST", "/admin/{}", enqueue, SERVE_ADMIN, false },
};

static enum rc listen_on(struct team_service *service, struct err *err)
{
    const char *socket =
        serve_team_path(service->team->config.workspace, service->team->config.team, "admin.sock",
                        &service->team->arena);

    if (!socket)
        return arena_fail(&service->team->arena, err, "admin socket");
    service->public_routes = (struct http_routes){ public_routes, ARRAY_LEN(public_routes), service,
                                                   admit_public, note_answered };
    service->admin_routes =
        (struct http_routes){ admin_routes, ARRAY_LEN(admin_routes), service, admit_admin, NULL };
    enum rc rc = http_server_listen_unix(service->http, socket, &service->admin_routes, err);
    if (!rc)
        rc = http_server_listen_tcp(service->http, service->config.host, service->config.port,
                                    &service->public_routes, &service->port, err);
    return rc;
}

static enum rc open_parts(struct team_service *service, struct err *err)
{
    enum rc rc = serve_team_open(&service->config.team, &service->team, err);

    if (!rc)
        rc = pool_new(service->config.n_threads, &service->pool, err);
    if (!rc)
        rc = http_server_open(&service->config.http, &service->http, err);
    if (rc)
        return rc;
    service->config.team = service->team->config; /* the copies */
    serve_authorizer_init(&service->authorizer, service->team->record, service->config.team.clock);
    refresh_slms(service);
    return listen_on(service, err);
}

enum rc team_service_open(const struct team_service_config *config,
                          struct team_service **ret_service, struct err *err)
{
    CLEANUP(team_service_closep) struct team_service *service = mem_alloc(sizeof(*service));

    if (!service)
        return err_set(err, RC_NOMEM, "team service");
    service->config = *config;
    service->end = &service->first;
    pthread_mutex_init(&service->mutex, NULL);
    pthread_cond_init(&service->wake, NULL);
    scribe_init(&service->scribe, &service->mutex, &service->wake, config->n_threads);

    enum rc rc = open_parts(service, err);
    if (rc)
        return rc;
    if (pthread_create(&service->worker, NULL, work, service))
        return err_set(err, RC_UNAVAILABLE, "the system gives no thread");
    service->worker_runs = true;
    *ret_service = TAKE(service);
    return RC_OK;
}

enum rc team_service_run(struct team_service *service, struct err *err)
{
    return http_server_run(service->http, err);
}

void team_service_stop(struct team_service *service)
{
    http_server_stop(service->http);
}

unsigned team_service_port(const struct team_service *service)
{
    return service->port;
}

/* Lets the worker finish what it has: its answers go to the server, which is closed behind it. */
static void stop_worker(struct team_service *service)
{
    if (!service->worker_runs)
        return;
    pthread_mutex_lock(&service->mutex);
    service->closed = true;
    pthread_cond_signal(&service->wake);
    pthread_mutex_unlock(&service->mutex);
    pthread_join(service->worker, NULL);
}

void team_service_close(struct team_service *service)
{
    if (!service)
        return;
    stop_worker(service);
    scribe_close(&service->scribe);
    http_server_close(service->http);
    serve_slm_table_release(&service->slms);
    pool_free(service->pool);
    serve_team_close(service->team);
    pthread_cond_destroy(&service->wake);
    pthread_mutex_destroy(&service->mutex);
    mem_free(service);
}
