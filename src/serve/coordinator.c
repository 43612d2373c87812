#include "serve/coordinator.h"

#include "base/mem.h"
#include "serve/admin.h"
#include "serve/coordinator_internal.h"
#include "serve/http/http_status.h"
#include "spec/workspace.h"

#include <stdio.h>
#include <time.h>

enum { TEAMS_BYTES_MAX = 1 << 20, TEAMS_MAX = 1000 };

int64_t coordinator_now_ms(const struct coordinator *c)
{
    return c->config.team.clock.now_ms(c->config.team.clock.self);
}

/* ---- from the server's thread to the worker */

static void enqueue(struct http_exchange *x, void *self)
{
    struct coordinator *c = self;

    x->next = NULL;
    pthread_mutex_lock(&c->mutex);
    *c->exchanges_end = x;
    c->exchanges_end = &x->next;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->mutex);
}

/* What has come in since the last time. */
struct news {
    struct http_exchange *exchanges;
    struct http_call *calls;
    struct coordinator_hook *hooks;
};

static bool has_news(const struct coordinator *c)
{
    return c->exchanges || c->calls_done || c->hooks_done || c->closed;
}

static void wait_until(struct coordinator *c, int64_t at_ms)
{
    struct timespec at = { .tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000 };

    if (at_ms == INT64_MAX)
        pthread_cond_wait(&c->wake, &c->mutex);
    else
        pthread_cond_timedwait(&c->wake, &c->mutex, &at);
}

/* Waits for something to do; false: the coordinator closes. */
static bool take_news(struct coordinator *c, struct news *news)
{
    pthread_mutex_lock(&c->mutex);
    while (!has_news(c) && coordinator_now_ms(c) < c->next_wake_ms)
        wait_until(c, c->next_wake_ms);
    *news = (struct news){ c->exchanges, c->calls_done, c->hooks_done };
    c->exchanges = NULL;
    c->exchanges_end = &c->exchanges;
    c->calls_done = NULL;
    c->calls_done_end = &c->calls_done;
    c->hooks_done = NULL;
    bool goes_on = !c->closed;
    pthread_mutex_unlock(&c->mutex);
    return goes_on;
}

static void handle_exchange(struct coordinator *c, struct http_exchange *x)
{
    if (atomic_load(&x->cancelled) && x->route->kind != COORDINATOR_START)
        http_answer(x, http_status_of(RC_CANCELLED));
    else
        coordinator_handle(c, x);
}

static void handle_news(struct coordinator *c, const struct news *news)
{
    for (struct http_call *call = news->calls, *next; call; call = next) {
        next = call->next;
        coordinator_end_call(c, call);
    }
    for (struct coordinator_hook *hook = news->hooks, *next; hook; hook = next) {
        next = hook->next;
        coordinator_end_hook(c, hook);
    }
    coordinator_advance(c); /* a run has one event at a time: results before cancellations */
    for (struct http_exchange *x = news->exchanges, *next; x; x = next) {
        next = x->next;
        handle_exchange(c, x);
        if (x->route->kind == COORDINATOR_CANCEL)
            coordinator_advance(c);
    }
}

static void *work(void *self)
{
    struct coordinator *c = self;
    struct news news;

    coordinator_advance(c);
    while (take_news(c, &news)) {
        handle_news(c, &news);
        coordinator_wake_due(c, coordinator_now_ms(c));
        coordinator_advance(c);
        coordinator_serve_watchers(c, coordinator_now_ms(c));
    }
    handle_news(c, &news); /* what was taken is answered */
    coordinator_advance(c);
    for (size_t i = 0; i < COORDINATOR_WATCHERS_MAX; i++)
        if (c->watchers[i].exchange)
            http_answer(c->watchers[i].exchange, http_status_of(RC_UNAVAILABLE));
    return NULL;
}

/* ---- who may */

static void live(struct http_exchange *x, void *self)
{
    (void)self;
    buf_append_text(&x->body, "{\"status\":\"live\"}");
    http_answer(x, 200);
}

static void ready(struct http_exchange *x, void *self)
{
    const struct coordinator *c = self;
    bool drains = http_server_draining(c->http);

    buf_append_text(&x->body, drains ? "{\"status\":\"draining\"}" : "{\"status\":\"ready\"}");
    http_answer(x, drains ? 503 : 200);
}

/* What the server's thread knows; the worker adds its own. */
static void measure(struct http_exchange *x, void *self)
{
    struct coordinator *c = self;

    x->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_append_requests(&c->metrics, http_server_n_exchanges(c->http) - 1,
                            http_server_n_connections(c->http), &x->body);
    enqueue(x, self);
}

static unsigned scope_of(const struct http_exchange *x)
{
    bool changes = x->route->kind == COORDINATOR_START || x->route->kind == COORDINATOR_CANCEL;

    return changes ? PRINCIPAL_FLOW : PRINCIPAL_READ;
}

static int admit_public(struct http_exchange *x, void *self)
{
    struct coordinator *c = self;
    struct err err;

    if (x->route->always)
        return 0;
    struct principal *principal = arena_new(&x->arena, struct principal);
    if (!principal) {
        arena_fail(&x->arena, &err, "principal");
        return http_error(x, &err);
    }
    x->context = principal;
    return serve_admit_key(x, &c->authorizer, scope_of(x), "unauthenticated", principal);
}

static int admit_admin(struct http_exchange *x, void *self)
{
    (void)self;
    return serve_admit_owner(x, "coordinator");
}

static void count_answer(const struct http_exchange *x, int status, void *self)
{
    struct coordinator *c = self;

    metrics_count_request(&c->metrics, status, http_exchange_age_us(x));
}

/* The last one is for the admin socket alone. */
static const struct http_route routes[] = {
    { "POST", "/v1/flows/{}/runs", enqueue, COORDINATOR_START, false },
    { "GET", "/v1/flows", enqueue, COORDINATOR_FLOWS, false },
    { "GET", "/v1/runs", enqueue, COORDINATOR_LIST, false },
    { "GET", "/v1/runs/{}", enqueue, COORDINATOR_SHOW, false },
    { "GET", "/v1/runs/{}/events", enqueue, COORDINATOR_EVENTS, false },
    { "POST", "/v1/runs/{}/cancel", enqueue, COORDINATOR_CANCEL, false },
    { "GET", "/metrics", measure, COORDINATOR_METRICS, false },
    { "GET", "/live", live, COORDINATOR_NOTHING, true },
    { "GET", "/ready", ready, COORDINATOR_NOTHING, true },
    { "GET", "/health", ready, COORDINATOR_NOTHING, true },
    { "POST", "/admin/{}", enqueue, COORDINATOR_ADMIN, false },
};

static enum rc listen_on(struct coordinator *c, struct err *err)
{
    const char *socket =
        serve_team_path(c->config.team.workspace, SERVE_COORDINATOR, "admin.sock", &c->arena);

    if (!socket)
        return arena_fail(&c->arena, err, "admin socket");
    c->public_routes =
        (struct http_routes){ routes, ARRAY_LEN(routes) - 1, c, admit_public, count_answer };
    c->admin_routes =
        (struct http_routes){ routes, ARRAY_LEN(routes), c, admit_admin, count_answer };
    enum rc rc = http_server_listen_unix(c->http, socket, &c->admin_routes, err);
    return rc ? rc
              : http_server_listen_tcp(c->http, c->config.host, c->config.port, &c->public_routes,
                                       &c->port, err);
}

/* ---- where the teams are */

static enum rc open_link(struct coordinator *c, const struct json_member *m, struct err *err)
{
    const struct json *url = json_find(&m->value, "url"), *key = json_find(&m->value, "key");
    struct coordinator_team_link link = { 0 };

    if (!url || url->type != JSON_STRING || !key || key->type != JSON_STRING)
        return err_set(err, RC_INVALID, "team '%.*s': expected url and key", STR_ARG(m->key));
    const char *address = arena_strndup(&c->arena, url->text.at, url->text.len);
    link.name = arena_strndup(&c->arena, m->key.at, m->key.len);
    link.key = arena_strndup(&c->arena, key->text.at, key->text.len);
    if (!address || !link.name || !link.key)
        return arena_fail(&c->arena, err, "teams");
    enum rc rc = http_caller_new(c->http, address, COORDINATOR_CALLS_PER_TEAM, &link.caller, err);
    if (!rc)
        c->links[c->n_links++] = link;
    return rc;
}

static enum rc open_links(struct coordinator *c, struct err *err)
{
    const char *path = serve_team_path(c->config.team.workspace, SERVE_COORDINATOR,
                                       SERVE_COORDINATOR_TEAMS, &c->arena);
    struct json *teams;
    struct str text;

    if (!path)
        return arena_fail(&c->arena, err, "teams");
    enum rc rc = fs_read_file(path, TEAMS_BYTES_MAX, &c->arena, &text, err);
    if (!rc)
        rc = json_parse(text, JSON_DUPLICATES_REFUSED, &c->arena, &teams, err);
    if (!rc && (teams->type != JSON_OBJECT || teams->n > TEAMS_MAX))
        rc = err_set(err, RC_INVALID, "expected an object of at most %d teams", TEAMS_MAX);
    if (!rc) {
        c->links = arena_array(&c->arena, struct coordinator_team_link, teams->n);
        rc = c->links ? RC_OK : arena_fail(&c->arena, err, "teams");
    }
    for (size_t i = 0; !rc && i < teams->n; i++)
        rc = open_link(c, &teams->members[i], err);
    return rc ? err_context(err, "%s", path) : RC_OK;
}

/* ---- the flows of the workspace */

static enum rc pin_flow(struct coordinator *c, const struct spec_flow *flow,
                        const struct coordinator_definition **ret, struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct coordinator_definition *definition = NULL;
    struct digest digest;

    buf_init(&text, SPEC_FLOW_BYTES_MAX);
    spec_flow_pin(&text, flow);
    enum rc rc = buf_rc(&text, "definition", err);
    if (!rc)
        rc = sha256_of(text.at, text.len, &digest, err);
    if (!rc)
        rc = run_journal_keep(c->journal, &digest, buf_str(&text), err);
    if (!rc)
        rc = coordinator_load_definition(c, &digest, &definition, err);
    *ret = definition;
    return rc;
}

/* file: what it is called; NULL: as the problem has it, with its path on this machine. */
static enum rc first_problem(const struct problems *problems, const char *file, struct err *err)
{
    for (size_t i = 0; i < problems->n; i++) {
        const struct problem *p = &problems->items[i];

        if (p->severity == PROBLEM_ERROR)
            return err_set(err, RC_INVALID, "%.100s:%u:%u: %.120s", file ? file : p->file, p->line,
                           p->column, p->message);
    }
    return RC_OK;
}

/* An SLM whose spec has errors is a member without a spec. */
static enum rc check_calls(const struct spec_flow *flow, struct err *err)
{
    for (size_t i = 0; i < flow->n_steps; i++) {
        const struct spec_step *step = flow->steps[i];

        if (step->kind == SPEC_CALL && !step->interface)
            return err_set(err, RC_INVALID, "%.*s, which it calls, has errors",
                           STR_ARG(step->with.slm.text));
    }
    return RC_OK;
}

/* Its problems are told to who wants to start it: they do not say where the workspace is. */
static enum rc read_definition(struct coordinator *c, const char *name, const char *path,
                               const struct spec_member *members, size_t n_members,
                               struct arena *arena, const struct coordinator_definition **ret,
                               struct err *err)
{
    struct spec_flow *flow = NULL;
    struct problems problems;
    char file[ERR_MESSAGE_MAX];

    snprintf(file, sizeof(file), SPEC_FLOWS_FOLDER "/%.80s/flow.yaml", name);
    problem_init(&problems, arena);
    enum rc rc = spec_flow_read(path, members, n_members, arena, &flow, &problems, err);
    if (!rc)
        rc = first_problem(&problems, file, err);
    if (!rc)
        rc = check_calls(flow, err);
    return rc ? rc : pin_flow(c, flow, ret, err);
}

/* A flow with errors is refused when somebody wants to start it: the others, and the runs that are
 * pinned to what it was, go on. */
static enum rc read_flow(struct coordinator *c, const char *name, const char *path,
                         const struct spec_member *members, size_t n_members, struct arena *arena,
                         struct err *err)
{
    struct coordinator_flow *flow = &c->flows[c->n_flows];

    flow->name = arena_strndup(&c->arena, name, strlen(name));
    if (!flow->name)
        return arena_fail(&c->arena, err, "name of a flow");
    enum rc rc = read_definition(c, name, path, members, n_members, arena, &flow->definition, err);
    if (rc && rc != RC_INVALID)
        return rc;
    c->n_flows++;
    if (rc) {
        flow->problem = *err;
        log_printf(&c->config.log, LOG_LEVEL_ERROR, "flow %s has errors: %s", name, err->message);
    }
    return RC_OK;
}

static enum rc read_flows(struct coordinator *c, struct arena *arena, struct err *err)
{
    struct spec_workspace *workspace = NULL;
    struct spec_member *members = NULL;
    const char *const *names;
    struct problems problems;
    size_t n_members = 0, n = 0;

    problem_init(&problems, arena);
    enum rc rc = spec_workspace_read(c->config.team.workspace, arena, &workspace, &problems, err);
    if (!rc)
        rc = first_problem(&problems, NULL, err);
    if (!rc)
        rc = spec_workspace_members(workspace, arena, &n_members, &members, &problems, err);
    if (!rc)
        rc = spec_workspace_flows(workspace, arena, &n, &names, err);
    if (!rc) {
        c->flows = arena_array(&c->arena, struct coordinator_flow, n);
        rc = c->flows ? RC_OK : arena_fail(&c->arena, err, "flows");
    }
    for (size_t i = 0; !rc && i < n; i++) {
        const char *path = spec_workspace_flow_path(workspace, str_of(names[i]), arena);

        rc = path ? read_flow(c, names[i], path, members, n_members, arena, err)
                  : arena_fail(arena, err, "path of a flow");
    }
    return rc;
}

/* ---- life */

static enum rc open_files(struct coordinator *c, struct err *err)
{
    struct arena arena;
    enum rc rc = serve_team_open(&c->config.team, &c->team, err);

    if (rc)
        return rc;
    c->config.team = c->team->config; /* the copies */
    const char *path =
        serve_team_path(c->config.team.workspace, SERVE_COORDINATOR, "runs.db", &c->arena);
    if (!path)
        return arena_fail(&c->arena, err, "runs.db");
    rc = run_journal_open(path, &c->journal, err);
    arena_init(&arena, COORDINATOR_ARENA_BYTES_MAX);
    if (!rc)
        rc = read_flows(c, &arena, err);
    arena_release(&arena);
    if (!rc)
        rc = coordinator_recover(c, err);
    return rc;
}

static enum rc open_parts(struct coordinator *c, struct err *err)
{
    enum rc rc = open_files(c, err);

    if (!rc)
        rc = http_server_open(&c->config.http, &c->http, err);
    if (!rc)
        rc = open_links(c, err);
    if (rc)
        return rc;
    serve_authorizer_init(&c->authorizer, c->team->record, c->config.team.clock);
    rc = listen_on(c, err);
    return rc ? rc : coordinator_start_teller(c, err);
}

enum rc coordinator_open(const struct coordinator_config *config, struct coordinator **ret,
                         struct err *err)
{
    CLEANUP(coordinator_closep) struct coordinator *c = mem_alloc(sizeof(*c));

    if (!c)
        return err_set(err, RC_NOMEM, "coordinator");
    c->config = *config;
    c->exchanges_end = &c->exchanges;
    c->calls_done_end = &c->calls_done;
    c->hooks_end = &c->hooks;
    c->next_wake_ms = INT64_MAX;
    arena_init(&c->arena, COORDINATOR_ARENA_BYTES_MAX);
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->wake, NULL);
    pthread_mutex_init(&c->hook_mutex, NULL);
    pthread_cond_init(&c->hook_wake, NULL);

    enum rc rc = open_parts(c, err);
    if (rc)
        return err_context(err, "coordinator");
    if (pthread_create(&c->worker, NULL, work, c))
        return err_set(err, RC_UNAVAILABLE, "the system gives no thread");
    c->worker_runs = true;
    *ret = TAKE(c);
    return RC_OK;
}

enum rc coordinator_run(struct coordinator *c, struct err *err)
{
    return http_server_run(c->http, err);
}

unsigned coordinator_port(const struct coordinator *c)
{
    return c->port;
}

static void stop_worker(struct coordinator *c)
{
    if (!c->worker_runs)
        return;
    pthread_mutex_lock(&c->mutex);
    c->closed = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->mutex);
    pthread_join(c->worker, NULL);
}

static void release_runs(struct coordinator *c)
{
    for (size_t b = 0; b < COORDINATOR_BUCKETS; b++) {
        while (c->runs[b]) {
            c->runs[b]->is_ready = false;
            c->runs[b]->exchange = NULL;
            coordinator_remove(c, c->runs[b]);
        }
    }
    while (c->definitions) {
        struct coordinator_definition *d = c->definitions;

        c->definitions = d->next;
        arena_release(&d->arena);
        mem_free(d);
    }
}

void coordinator_close(struct coordinator *c)
{
    if (!c)
        return;
    stop_worker(c);
    coordinator_stop_teller(c);
    http_server_close(c->http);
    coordinator_free_calls(c);
    for (size_t i = 0; i < c->n_links; i++)
        http_caller_free(c->links[i].caller);
    release_runs(c);
    run_journal_close(c->journal);
    serve_team_close(c->team);
    arena_release(&c->arena);
    pthread_cond_destroy(&c->hook_wake);
    pthread_mutex_destroy(&c->hook_mutex);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->mutex);
    mem_free(c);
}
