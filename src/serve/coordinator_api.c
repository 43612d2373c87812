/* coordinator_api.c - the coordinator's requests, on the worker's thread. */
#include "base/mem.h"
#include "serve/admin.h"
#include "serve/body.h"
#include "serve/coordinator_internal.h"
#include "serve/http/http_status.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIST_DEFAULT = 50, EVENT_NUMBER_DIGITS_MAX = 9 };

void coordinator_answer_error(struct coordinator *c, struct http_exchange *x, const struct err *err)
{
    struct err shown = *err;

    if (http_status_of(err->code) >= 500) {
        log_printf(&c->config.log, LOG_LEVEL_ERROR, "%s %s: %s", x->route->method, x->route->path,
                   err->message);
        snprintf(shown.message, sizeof(shown.message), "the coordinator could not do it: %s",
                 rc_name(err->code));
    }
    http_answer_error(x, &shown);
}

void coordinator_answer_run(struct http_exchange *x, const char *id, enum run_status status,
                            int http_status)
{
    struct json_writer w;

    json_writer_init(&w, &x->body);
    json_begin_object(&w);
    json_key(&w, "id");
    json_text(&w, id);
    json_key(&w, "status");
    json_text(&w, run_status_name(status));
    json_end_object(&w);
    http_answer(x, http_status);
}

/* The principal of the key, or the user behind the socket: "os:NAME". NULL: no memory. */
static const char *principal_of(struct http_exchange *x)
{
    char name[RECORD_PRINCIPAL_MAX + 1];

    if (x->context)
        return ((const struct principal *)x->context)->name;
    const struct passwd *user = getpwuid(x->peer_uid);
    int len = user ? snprintf(name, sizeof(name), "os:%s", user->pw_name)
                   : snprintf(name, sizeof(name), "os:%u", (unsigned)x->peer_uid);
    return arena_strndup(&x->arena, name, (size_t)len);
}

/* ---- starting */

static enum rc find_flow(const struct coordinator *c, struct str name,
                         const struct coordinator_definition **ret, struct err *err)
{
    for (size_t i = 0; i < c->n_flows; i++) {
        const struct coordinator_flow *flow = &c->flows[i];

        if (!str_is(name, flow->name))
            continue;
        *ret = flow->definition;
        return flow->definition ? RC_OK
                                : err_set(err, RC_STATE,
                                          "the flow had errors when the coordinator "
                                          "started: %.180s",
                                          flow->problem.message);
    }
    return err_set(err, RC_NOT_FOUND, "no such flow when the coordinator started");
}

/* "run_", milliseconds and 64 random bits in hex: sorts by time and cannot be guessed. */
static void make_id(int64_t now_ms, char id[RUN_ID_MAX + 1])
{
    uint64_t random;

    random_bytes(&random, sizeof(random));
    snprintf(id, RUN_ID_MAX + 1, "run_%011" PRIx64 "%016" PRIx64, (uint64_t)now_ms & 0xfffffffffff,
             random);
}

static void answer_problems(struct http_exchange *x, const struct problems *problems)
{
    CLEANUP(buf_releasep) struct buf list = { 0 };
    struct json_writer w;

    buf_init(&list, HTTP_ANSWER_BYTES_MAX);
    problem_append_json(&list, problems);
    json_writer_init(&w, &x->body);
    json_begin_object(&w);
    json_key(&w, "error");
    json_begin_object(&w);
    json_key(&w, "code");
    json_text(&w, rc_name(RC_INVALID));
    json_key(&w, "message");
    json_text(&w, problems->items[0].message);
    json_key(&w, "problems");
    json_raw(&w, buf_str(&list));
    json_end_object(&w);
    json_end_object(&w);
    http_answer(x, http_status_of(RC_INVALID));
}

/* A run that has its start, but is in no table yet. */
static enum rc make_run(struct coordinator *c, const struct coordinator_definition *d,
                        struct str input, struct run_event *event, struct run **ret_run,
                        struct err *err)
{
    CLEANUP(run_freep) struct run *run = NULL;
    char id[RUN_ID_MAX + 1];
    int64_t now_ms = coordinator_now_ms(c);

    make_id(now_ms, id);
    *event = (struct run_event){ .kind = RUN_EVENT_STARTED, .at_ms = now_ms, .body = input };
    enum rc rc = run_new(d->flow, id, &run, err);
    if (!rc)
        rc = run_apply(run, event, err);
    if (rc)
        return rc;
    *ret_run = TAKE(run);
    return RC_OK;
}

static enum rc begin_run(struct coordinator *c, struct http_exchange *x,
                         const struct coordinator_definition *d, const struct body_decision *body,
                         struct err *err)
{
    CLEANUP(run_freep) struct run *run = NULL;
    CLEANUP(buf_releasep) struct buf input = { 0 };
    const char *key = body->key.at ? arena_strndup(&x->arena, body->key.at, body->key.len) : NULL;
    const char *flow = arena_strndup(&x->arena, d->flow->name.text.at, d->flow->name.text.len);
    const char *principal = principal_of(x);
    struct coordinator_run *r;
    struct run_event event;

    if (!flow || !principal || (body->key.at && !key))
        return arena_fail(&x->arena, err, "run");
    buf_init(&input, RUN_BODY_MAX);
    json_append(&input, body->input);
    enum rc rc = buf_rc(&input, "input", err);
    if (!rc)
        rc = make_run(c, d, buf_str(&input), &event, &run, err);
    if (!rc)
        rc = coordinator_add(c, run, &r, err);
    if (rc)
        return rc;
    run = NULL; /* the table's */
    r->body = input;
    input = (struct buf){ 0 };
    r->pending = event;
    r->has_pending = r->is_applied = true;
    r->exchange = x;
    r->start = (struct run_start){ .flow = flow,
                                   .definition = d->digest,
                                   .principal = principal,
                                   .key = key,
                                   .request = body->input_digest,
                                   .due_ms = run_due_ms(r->run),
                                   .tells = d->flow->webhook.line > 0 };
    coordinator_touch(c, r);
    return RC_OK;
}

static void start(struct coordinator *c, struct http_exchange *x)
{
    const struct coordinator_definition *d = NULL;
    struct body_decision body = { 0 };
    struct problems problems;
    struct err err;
    enum rc rc = find_flow(c, x->params[0], &d, &err);

    problem_init(&problems, &x->arena);
    if (!rc)
        rc =
            body_read_decision(x->request->body, http_request_header(x->request, "idempotency-key"),
                               &x->arena, &body, &problems, &err);
    if (!rc && problems.n_errors == 0)
        rc = schema_validate(&d->flow->input, body.input, BODY_FILE, &problems, &err);
    if (!rc && problems.n_errors > 0) {
        answer_problems(x, &problems);
        return;
    }
    if (!rc)
        rc = begin_run(c, x, d, &body, &err);
    if (rc)
        coordinator_answer_error(c, x, &err);
}

/* ---- cancelling */

static void cancel(struct coordinator *c, struct http_exchange *x)
{
    const char *id = arena_strndup(&x->arena, x->params[0].at, x->params[0].len);
    struct coordinator_run *r = id ? coordinator_find(c, id) : NULL;
    const char *principal = principal_of(x);
    struct run_row row;
    struct err err;

    if (!id || !principal) {
        arena_fail(&x->arena, &err, "run");
        coordinator_answer_error(c, x, &err);
        return;
    }
    struct run_event event = { .kind = RUN_EVENT_CANCELLED, .at_ms = coordinator_now_ms(c) };
    if (r && !r->exchange && run_expects(r->run, &event)) {
        buf_init(&r->body, RUN_BODY_MAX);
        buf_append_text(&r->body, "{\"by\":");
        json_append_string(&r->body, str_of(principal));
        buf_append_char(&r->body, '}');
        if (buf_rc(&r->body, "cancellation", &err)) {
            buf_release(&r->body);
            coordinator_answer_error(c, x, &err);
            return;
        }
        r->pending = event;
        r->has_pending = true;
        r->exchange = x;
        coordinator_touch(c, r);
        return;
    }
    enum rc rc = run_journal_find(c->journal, id, &x->arena, &row, &err);
    if (!rc)
        rc = err_set(&err, RC_STATE, "the run has ended");
    coordinator_answer_error(c, x, &err);
}

/* ---- reading */

/* The value of a parameter of the query, as it stands there; at NULL: absent. */
static struct str parameter(const struct http_exchange *x, const char *name)
{
    struct str query = x->request->query;
    size_t len = strlen(name);

    for (size_t at = 0; at < query.len;) {
        const char *amp = memchr(query.at + at, '&', query.len - at);
        size_t end = amp ? (size_t)(amp - query.at) : query.len;

        if (end - at > len && memcmp(query.at + at, name, len) == 0 && query.at[at + len] == '=')
            return (struct str){ query.at + at + len + 1, end - at - len - 1 };
        at = end + 1;
    }
    return (struct str){ 0 };
}

static const char *parameter_text(struct http_exchange *x, const char *name)
{
    struct str value = parameter(x, name);

    return value.at ? arena_strndup(&x->arena, value.at, value.len) : NULL;
}

static void list(struct coordinator *c, struct http_exchange *x)
{
    int64_t now_ms = coordinator_now_ms(c);
    struct run_filter filter = { .flow = parameter_text(x, "flow"),
                                 .status = parameter_text(x, "status"),
                                 .overdue_ms = str_is(parameter(x, "overdue"), "true") ? now_ms : 0,
                                 .limit = LIST_DEFAULT };
    struct run_row *rows;
    struct json_writer w;
    struct err err;
    size_t n;

    if (run_journal_list(c->journal, &filter, &x->arena, &rows, &n, &err)) {
        coordinator_answer_error(c, x, &err);
        return;
    }
    json_writer_init(&w, &x->body);
    json_begin_object(&w);
    json_key(&w, "runs");
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&w);
        coordinator_append_row(&w, &rows[i], now_ms);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    http_answer(x, 200);
}

static void append_flow(struct json_writer *w, const struct coordinator_flow *flow)
{
    const struct coordinator_definition *d = flow->definition;

    json_begin_object(w);
    json_key(w, "flow");
    json_text(w, flow->name);
    json_key(w, "description");
    json_string(w, d ? d->flow->description.text : STR(""));
    json_key(w, "definition");
    json_text(w, d ? d->digest.hex : NULL);
    json_key(w, "error");
    json_text(w, d ? NULL : flow->problem.message);
    json_end_object(w);
}

static void list_flows(struct coordinator *c, struct http_exchange *x)
{
    struct json_writer w;

    json_writer_init(&w, &x->body);
    json_begin_object(&w);
    json_key(&w, "flows");
    json_begin_array(&w);
    for (size_t i = 0; i < c->n_flows; i++) {
        append_flow(&w, &c->flows[i]);
    }
    json_end_array(&w);
    json_end_object(&w);
    http_answer(x, 200);
}

static void show(struct coordinator *c, struct http_exchange *x)
{
    const char *id = arena_strndup(&x->arena, x->params[0].at, x->params[0].len);
    struct run_row row;
    struct err err;
    enum rc rc = id ? run_journal_find(c->journal, id, &x->arena, &row, &err)
                    : arena_fail(&x->arena, &err, "run");

    if (!rc)
        rc = coordinator_append_run(c, &row, &x->arena, &x->body, &err);
    if (rc)
        coordinator_answer_error(c, x, &err);
    else
        http_answer(x, 200);
}

/* ---- events */

/* One past Last-Event-ID; 0 without it, or when it is no number of ours. */
static int64_t first_event(const struct http_exchange *x)
{
    struct str last = http_request_header(x->request, "last-event-id");
    int64_t number = 0;

    if (last.len == 0 || last.len > EVENT_NUMBER_DIGITS_MAX)
        return 0;
    for (size_t i = 0; i < last.len; i++) {
        if (last.at[i] < '0' || last.at[i] > '9')
            return 0;
        number = number * 10 + (last.at[i] - '0');
    }
    return number + 1;
}

/* What there is, and the client comes back for more with Last-Event-ID: the protocol's own way to
 * go on. 204 tells it to stay away: nothing will follow. */
static enum rc answer_events(struct coordinator *c, struct http_exchange *x, const char *id,
                             int64_t from, struct err *err)
{
    struct coordinator_definition *definition;
    struct run_event *events;
    struct run_row row;
    size_t n;
    enum rc rc = run_journal_find(c->journal, id, &x->arena, &row, err);

    if (!rc)
        rc = coordinator_load_definition(c, &row.definition, &definition, err);
    if (!rc)
        rc = run_journal_events(c->journal, id, from, &x->arena, &events, &n, err);
    if (rc)
        return rc;
    if (n == 0 && row.status != RUN_RUNNING) {
        http_answer(x, 204);
        return RC_OK;
    }
    x->content_type = "text/event-stream";
    buf_append_text(&x->body, "retry: 100\n\n");
    for (size_t i = 0; i < n; i++)
        coordinator_append_event(&x->body, from + (int64_t)i, &events[i], definition->flow);
    http_answer(x, 200);
    return RC_OK;
}

static void answer_watch(struct coordinator *c, struct http_exchange *x, const char *id,
                         int64_t from)
{
    struct err err;

    if (answer_events(c, x, id, from, &err))
        coordinator_answer_error(c, x, &err);
}

/* Waits, if nothing has happened behind `from` yet. */
static void watch(struct coordinator *c, struct http_exchange *x)
{
    const char *id = arena_strndup(&x->arena, x->params[0].at, x->params[0].len);
    const struct coordinator_run *r = id ? coordinator_find(c, id) : NULL;
    struct coordinator_watcher *w = c->watchers, *end = w + COORDINATOR_WATCHERS_MAX;
    int64_t from = first_event(x);
    struct err err;

    if (!id) {
        arena_fail(&x->arena, &err, "run");
        coordinator_answer_error(c, x, &err);
        return;
    }
    while (w < end && w->exchange)
        w++;
    if (!r || run_n_events(r->run) > from || w == end) {
        answer_watch(c, x, id, from);
        return;
    }
    *w = (struct coordinator_watcher){ .exchange = x,
                                       .from = from,
                                       .until_ms = coordinator_now_ms(c) + COORDINATOR_WATCH_MS };
    memcpy(w->run, run_id(r->run), strlen(run_id(r->run)) + 1);
    coordinator_serve_watchers(c, coordinator_now_ms(c));
}

void coordinator_serve_watchers(struct coordinator *c, int64_t now_ms)
{
    for (size_t i = 0; i < COORDINATOR_WATCHERS_MAX; i++) {
        struct coordinator_watcher *w = &c->watchers[i];
        const struct coordinator_run *r = w->exchange ? coordinator_find(c, w->run) : NULL;

        if (!w->exchange)
            continue;
        if (r && run_n_events(r->run) <= w->from && now_ms < w->until_ms &&
            !atomic_load(&w->exchange->cancelled) && !http_server_draining(c->http)) {
            if (now_ms + COORDINATOR_WATCH_LOOK_MS < c->next_wake_ms)
                c->next_wake_ms = now_ms + COORDINATOR_WATCH_LOOK_MS;
            continue;
        }
        answer_watch(c, w->exchange, w->run, w->from);
        w->exchange = NULL;
    }
}

static void measure(struct coordinator *c, struct http_exchange *x)
{
    coordinator_append_metrics(c, &x->body);
    http_answer(x, 200);
}

/* ---- keys */

static void administer(struct coordinator *c, struct http_exchange *x)
{
    const char *operation = arena_strndup(&x->arena, x->params[0].at, x->params[0].len);
    struct arena arena;
    struct err err;

    arena_init(&arena, ADMIN_ARENA_BYTES_MAX);
    enum rc rc = operation ? RC_OK : arena_fail(&x->arena, &err, "operation");
    if (!rc)
        rc = admin_call(c->team, operation, x->request->body, x->peer_uid, &arena, &x->body, &err);
    if (operation && admin_changes_keys(operation))
        serve_authorizer_forget(&c->authorizer);
    arena_release(&arena);
    if (rc)
        http_answer_error(x, &err);
    else
        http_answer(x, 200);
}

void coordinator_handle(struct coordinator *c, struct http_exchange *x)
{
    switch ((enum coordinator_kind)x->route->kind) {
    case COORDINATOR_START: start(c, x); return;
    case COORDINATOR_CANCEL: cancel(c, x); return;
    case COORDINATOR_METRICS: measure(c, x); return;
    case COORDINATOR_FLOWS: list_flows(c, x); return;
    case COORDINATOR_LIST: list(c, x); return;
    case COORDINATOR_SHOW: show(c, x); return;
    case COORDINATOR_EVENTS: watch(c, x); return;
    case COORDINATOR_ADMIN: administer(c, x); return;
    case COORDINATOR_NOTHING: break;
    }
    assert_fail("the route is work for the worker", __FILE__, __LINE__);
}
