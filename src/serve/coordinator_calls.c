/* coordinator_calls.c - one attempt of a step: the request to the team's service, and what its
 * answer means. */
#include "base/failpoint.h"
#include "base/mem.h"
#include "serve/contract.h"
#include "serve/coordinator_internal.h"

#include <inttypes.h>

enum { REQUEST_BYTES_MAX = RUN_BODY_MAX + (8 << 10) };

static const struct coordinator_team_link *find_link(const struct coordinator *c, struct str team)
{
    for (size_t i = 0; i < c->n_links; i++)
        if (str_is(team, c->links[i].name))
            return &c->links[i];
    return NULL;
}

/* W3C trace context: one trace per run, one span per attempt. */
static enum rc append_traceparent(struct buf *out, const char *run, const struct run_action *action,
                                  struct err *err)
{
    CLEANUP(buf_releasep) struct buf span = { 0 };
    struct digest trace, of_span;
    enum rc rc = sha256_of(run, strlen(run), &trace, err);

    buf_init(&span, 2 * RUN_KEY_MAX);
    buf_printf(&span, "%s#%" PRId64, action->key, action->attempt);
    if (!rc)
        rc = buf_rc(&span, "span", err);
    if (!rc)
        rc = sha256_of(span.at, span.len, &of_span, err);
    if (!rc)
        buf_printf(out, "traceparent: 00-%.32s-%.16s-01\r\n", trace.hex, of_span.hex);
    return rc;
}

/* For how long the answer is of use: until the attempt or the run's budget ends. */
static int64_t time_left_ms(const struct coordinator *c, const struct coordinator_run *r,
                            const struct run_action *action)
{
    int64_t left_ms = run_time_left_ms(r->run, coordinator_now_ms(c));

    if (left_ms > action->step->timeout_ms)
        left_ms = action->step->timeout_ms;
    return left_ms > 0 ? left_ms : 0;
}

static enum rc write_request(const struct coordinator *c, const struct coordinator_run *r,
                             const struct run_action *action,
                             const struct coordinator_team_link *link, struct buf *out,
                             struct err *err)
{
    CLEANUP(buf_releasep) struct buf input = { 0 };
    struct str slm = action->step->with.slm.text;
    size_t skipped = strlen(link->name) + 1;

    buf_init(&input, RUN_BODY_MAX);
    enum rc rc = run_append_input(r->run, &input, err);
    if (rc)
        return rc;
    buf_printf(out,
               "POST /v1/slms/%.*s/decisions HTTP/1.1\r\nHost: shoal\r\n"
               "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\nIdempotency-Key: %s\r\nShoal-Flow: %.*s\r\n"
               "Shoal-Attempt: %" PRId64 "\r\nShoal-Hops-Left: %" PRId64
               "\r\nShoal-Time-Left-Ms: %" PRId64 "\r\n",
               (int)(slm.len - skipped), slm.at + skipped, link->key,
               input.len + strlen("{\"input\":}"), action->key,
               STR_ARG(run_flow(r->run)->name.text), action->attempt, run_hops_left(r->run),
               time_left_ms(c, r, action));
    rc = append_traceparent(out, run_id(r->run), action, err);
    buf_append_text(out, "\r\n{\"input\":");
    buf_append_str(out, buf_str(&input));
    buf_append_char(out, '}');
    return rc ? rc : buf_rc(out, "request", err);
}

/* The result of the attempt, in r->body, becomes the run's next event. Without memory for it the
 * attempt is made again later, under the same key. */
static void set_result(struct coordinator *c, struct coordinator_run *r, enum run_event_kind kind,
                       size_t step, int64_t visit, int64_t attempt)
{
    const struct run_event event = { .kind = kind,
                                     .step = step,
                                     .visit = visit,
                                     .attempt = attempt,
                                     .at_ms = coordinator_now_ms(c) };

    if (r->body.failed) {
        buf_release(&r->body);
        coordinator_wake_at(c, r, event.at_ms + COORDINATOR_TRY_AGAIN_MS);
        return;
    }
    r->pending = event;
    r->has_pending = run_expects(r->run, &event);
    if (!r->has_pending)
        buf_release(&r->body);
    coordinator_touch(c, r);
}

static void fail_attempt(struct coordinator *c, struct coordinator_run *r,
                         const struct run_action *action, const char *type, const char *detail)
{
    buf_init(&r->body, RUN_BODY_MAX);
    run_append_failure(&r->body, type, str_of(detail), (struct str){ 0 });
    set_result(c, r, RUN_EVENT_FAILED, action->step->index, action->visit, action->attempt);
}

/* The server's thread. */
static void on_done(struct http_call *http)
{
    struct coordinator *c = ((struct coordinator_call *)http)->coordinator;

    pthread_mutex_lock(&c->mutex);
    http->next = NULL;
    *c->calls_done_end = http;
    c->calls_done_end = &http->next;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->mutex);
}

static void free_call(struct coordinator *c, struct coordinator_call *call)
{
    *(call->previous ? &call->previous->next : &c->calls) = call->next;
    if (call->next)
        call->next->previous = call->previous;
    buf_release(&call->http.request);
    buf_release(&call->http.body);
    mem_free(call);
}

void coordinator_free_calls(struct coordinator *c)
{
    while (c->calls)
        free_call(c, c->calls);
}

static struct coordinator_call *new_call(struct coordinator *c, const struct coordinator_run *r,
                                         const struct run_action *action)
{
    struct coordinator_call *call = mem_alloc(sizeof(*call));

    if (!call)
        return NULL;
    call->coordinator = c;
    call->http.timeout_ms = (unsigned)action->step->timeout_ms;
    call->http.done = on_done;
    call->step = action->step->index;
    call->visit = action->visit;
    call->attempt = action->attempt;
    memcpy(call->run, run_id(r->run), strlen(run_id(r->run)) + 1);
    buf_init(&call->http.request, REQUEST_BYTES_MAX);
    call->next = c->calls;
    if (c->calls)
        c->calls->previous = call;
    c->calls = call;
    return call;
}

void coordinator_begin_call(struct coordinator *c, struct coordinator_run *r,
                            const struct run_action *action)
{
    const struct coordinator_team_link *link = find_link(c, action->step->interface->team);
    struct coordinator_call *call = link ? new_call(c, r, action) : NULL;
    struct err err;

    if (!call) {
        fail_attempt(c, r, action, "unavailable",
                     link ? "out of memory" : "the team has no address");
        return;
    }
    enum rc rc = write_request(c, r, action, link, &call->http.request, &err);
    if (rc) {
        free_call(c, call);
        fail_attempt(c, r, action, rc == RC_INVALID ? "expression" : "unavailable", err.message);
        return;
    }
    r->call = call;
    FAILPOINT("coordinator.before_call");
    http_call_start(link->caller, &call->http);
}

/* ---- what an answer means */

struct verdict {
    const char *type; /* of the failure; NULL: an output */
    struct str detail, decision, version;
    const struct json *output;
};

static struct str text_of(const struct json *v)
{
    return v && v->type == JSON_STRING ? v->text : (struct str){ 0 };
}

static struct verdict verdict_of_status(int status, const struct json *answer)
{
    if (status == 504)
        return (struct verdict){ .type = "timeout", .detail = STR("no answer in time") };
    bool passes = status == 404 || status == 408 || status == 429 || status >= 500;
    struct str detail = text_of(json_find(json_find(answer, "error"), "message"));

    return (struct verdict){ .type = passes ? "unavailable" : "refused",
                             .detail = detail.at ? detail : STR("the team's service refused") };
}

static struct verdict verdict_of(const struct http_call *http, struct arena *arena)
{
    struct verdict verdict = { .type = "unavailable", .detail = STR("no answer that is one") };
    struct json *answer;
    struct err ignored;

    if (http->rc == RC_TIMEOUT)
        return (struct verdict){ .type = "timeout", .detail = STR("no answer in time") };
    if (http->rc)
        return (struct verdict){ .type = "unavailable", .detail = STR("no connection") };
    if (json_parse(buf_str(&http->body), JSON_DUPLICATES_REFUSED, arena, &answer, &ignored))
        return verdict;
    if (http->status != 200)
        return verdict_of_status(http->status, answer);
    verdict.decision = text_of(json_find(answer, "id"));
    verdict.version = text_of(json_find(answer, "version"));
    if (text_of(json_find(answer, "abstained")).at) {
        verdict.type = "abstained";
        verdict.detail = text_of(json_find(answer, "abstained"));
        return verdict;
    }
    verdict.output = json_find(answer, "output");
    verdict.type = verdict.output ? NULL : verdict.type;
    return verdict;
}

static void take_answer(struct coordinator *c, struct coordinator_run *r,
                        const struct coordinator_call *call)
{
    struct verdict verdict;
    struct arena arena;
    struct err err;

    arena_init(&arena, COORDINATOR_ARENA_BYTES_MAX);
    verdict = verdict_of(&call->http, &arena);
    buf_init(&r->body, RUN_BODY_MAX);
    if (!verdict.type && run_append_result(r->run, verdict.output, verdict.decision,
                                           verdict.version, &r->body, &err)) {
        buf_reset(&r->body);
        verdict.type = err.code == RC_NOMEM ? "unavailable" : "refused";
        verdict.detail = str_of(err.message);
    }
    if (verdict.type)
        run_append_failure(&r->body, verdict.type, verdict.detail, verdict.decision);
    coordinator_count_call(c, run_flow(r->run)->steps[call->step]->interface->team, verdict.type);
    set_result(c, r, verdict.type ? RUN_EVENT_FAILED : RUN_EVENT_DONE, call->step, call->visit,
               call->attempt);
    arena_release(&arena);
}

/* A call whose run has gone on, or ended, is for nobody. */
void coordinator_end_call(struct coordinator *c, struct http_call *http)
{
    struct coordinator_call *call = (struct coordinator_call *)http;
    struct coordinator_run *r = coordinator_find(c, call->run);

    FAILPOINT("coordinator.after_call");
    if (r && r->call == call) {
        r->call = NULL;
        take_answer(c, r, call);
    }
    free_call(c, call);
}
