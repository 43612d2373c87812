/*
 * coordinator_runs.c - the runs that have not ended: what each is to do next, recorded for all of
 * them in one transaction before any of it is acted upon.
 */
#include "base/failpoint.h"
#include "base/mem.h"
#include "serve/coordinator_internal.h"

enum { BATCH_MAX = 512, EVENTS_ARENA_BYTES_MAX = 512 << 20 };

static uint32_t bucket_of(const char *id)
{
    uint32_t hash = 2166136261u;

    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 16777619u;
    return hash % COORDINATOR_BUCKETS;
}

struct coordinator_run *coordinator_find(struct coordinator *c, const char *id)
{
    struct coordinator_run *r = c->runs[bucket_of(id)];

    while (r && strcmp(run_id(r->run), id) != 0)
        r = r->next_in_bucket;
    return r;
}

enum rc coordinator_add(struct coordinator *c, struct run *run, struct coordinator_run **ret,
                        struct err *err)
{
    struct coordinator_run *r = mem_alloc(sizeof(*r));
    uint32_t bucket = bucket_of(run_id(run));

    if (!r)
        return err_set(err, RC_NOMEM, "run");
    r->run = run;
    r->next_in_bucket = c->runs[bucket];
    c->runs[bucket] = r;
    c->n_runs++;
    *ret = r;
    return RC_OK;
}

void coordinator_remove(struct coordinator *c, struct coordinator_run *r)
{
    struct coordinator_run **at = &c->runs[bucket_of(run_id(r->run))];

    ASSERT(!r->is_ready && !r->exchange);
    while (*at != r)
        at = &(*at)->next_in_bucket;
    *at = r->next_in_bucket;
    c->n_runs--;
    run_free(r->run);
    buf_release(&r->body);
    mem_free(r);
}

void coordinator_touch(struct coordinator *c, struct coordinator_run *r)
{
    if (r->is_ready)
        return;
    r->is_ready = true;
    r->next_ready = c->ready;
    c->ready = r;
}

void coordinator_wake_at(struct coordinator *c, struct coordinator_run *r, int64_t at_ms)
{
    r->wake_ms = at_ms;
    if (at_ms < c->next_wake_ms)
        c->next_wake_ms = at_ms;
}

void coordinator_wake_due(struct coordinator *c, int64_t now_ms)
{
    if (now_ms < c->next_wake_ms)
        return;
    c->next_wake_ms = INT64_MAX;
    for (size_t b = 0; b < COORDINATOR_BUCKETS; b++) {
        for (struct coordinator_run *r = c->runs[b]; r; r = r->next_in_bucket) {
            if (r->wake_ms > 0 && r->wake_ms <= now_ms) {
                r->wake_ms = 0;
                coordinator_touch(c, r);
            } else if (r->wake_ms > 0) {
                coordinator_wake_at(c, r, r->wake_ms);
            }
        }
    }
}

/* ---- definitions */

enum rc coordinator_load_definition(struct coordinator *c, const struct digest *digest,
                                    struct coordinator_definition **ret, struct err *err)
{
    struct coordinator_definition *d = c->definitions;
    struct str text;

    while (d && !digest_equal(&d->digest, digest))
        d = d->next;
    if (d) {
        *ret = d;
        return RC_OK;
    }
    d = mem_alloc(sizeof(*d));
    if (!d)
        return err_set(err, RC_NOMEM, "definition");
    arena_init(&d->arena, COORDINATOR_ARENA_BYTES_MAX);
    d->digest = *digest;
    enum rc rc = run_journal_definition(c->journal, digest, &d->arena, &text, err);
    if (!rc)
        rc = spec_flow_unpin(text, &d->arena, &d->flow, err);
    if (rc) {
        arena_release(&d->arena);
        mem_free(d);
        return rc;
    }
    d->next = c->definitions;
    c->definitions = d;
    *ret = d;
    return RC_OK;
}

/* ---- out of the journal */

static enum rc apply_events(struct coordinator *c, struct run *run, struct arena *arena,
                            struct err *err)
{
    struct run_event *events;
    size_t n;
    enum rc rc = run_journal_events(c->journal, run_id(run), 0, arena, &events, &n, err);

    for (size_t i = 0; !rc && i < n; i++)
        rc = run_apply(run, &events[i], err);
    return rc;
}

static enum rc read_run(struct coordinator *c, const char *id, const struct spec_flow *flow,
                        struct run **ret_run, struct err *err)
{
    CLEANUP(run_freep) struct run *run = NULL;
    struct arena arena;
    enum rc rc = run_new(flow, id, &run, err);

    arena_init(&arena, EVENTS_ARENA_BYTES_MAX);
    if (!rc)
        rc = apply_events(c, run, &arena, err);
    arena_release(&arena);
    if (rc)
        return err_context(err, "run %s", id);
    *ret_run = TAKE(run);
    return RC_OK;
}

static enum rc recover_run(struct coordinator *c, const struct run_row *row, struct err *err)
{
    struct coordinator_definition *definition;
    CLEANUP(run_freep) struct run *run = NULL;
    struct coordinator_run *r;
    enum rc rc = coordinator_load_definition(c, &row->definition, &definition, err);

    if (!rc)
        rc = read_run(c, row->id, definition->flow, &run, err);
    if (!rc)
        rc = coordinator_add(c, run, &r, err);
    if (rc)
        return rc;
    run = NULL; /* the table's */
    coordinator_touch(c, r);
    return RC_OK;
}

enum rc coordinator_recover(struct coordinator *c, struct err *err)
{
    struct run_row *rows;
    struct arena arena;
    size_t n = 0;

    arena_init(&arena, COORDINATOR_ARENA_BYTES_MAX);
    enum rc rc = run_journal_unfinished(c->journal, &arena, &rows, &n, err);
    for (size_t i = 0; !rc && i < n; i++)
        rc = recover_run(c, &rows[i], err);
    arena_release(&arena);
    if (!rc && n > 0)
        log_printf(&c->config.log, LOG_LEVEL_INFO, "%zu runs go on", n);
    return rc;
}

/* ---- recording */

/* A transaction that failed may have happened: what is known of its runs is what the journal says.
 * Until it can be read, they rest. */
static void forget(struct coordinator *c, struct coordinator_run *r)
{
    struct run *run;
    struct err err;

    if (read_run(c, run_id(r->run), run_flow(r->run), &run, &err) == RC_OK) {
        run_free(r->run);
        r->run = run;
    } else {
        log_printf(&c->config.log, LOG_LEVEL_ERROR, "%s", err.message);
    }
    r->call = NULL;
    coordinator_wake_at(c, r, coordinator_now_ms(c) + COORDINATOR_TRY_AGAIN_MS);
}

static void drop_pending(struct coordinator_run *r)
{
    buf_release(&r->body);
    r->has_pending = r->is_applied = false;
    r->exchange = NULL;
}

static void fail_batch(struct coordinator *c, struct coordinator_run **batch, size_t n,
                       const struct err *err)
{
    log_printf(&c->config.log, LOG_LEVEL_ERROR, "events: %s", err->message);
    for (size_t i = 0; i < n; i++) {
        struct coordinator_run *r = batch[i];
        bool is_start = r->pending.kind == RUN_EVENT_STARTED;

        if (r->exchange)
            coordinator_answer_error(c, r->exchange, err);
        drop_pending(r);
        if (is_start) /* not acknowledged; if it is there, the next start of the program finds it */
            coordinator_remove(c, r);
        else
            forget(c, r);
    }
}

/* What a start's key stands for is answered in its place. */
static void answer_known(struct coordinator *c, struct coordinator_run *r,
                         const struct run_write *write)
{
    struct http_exchange *x = r->exchange;
    struct run_row row = { .status = RUN_RUNNING };
    struct err err;

    drop_pending(r);
    coordinator_remove(c, r);
    if (write->fate == RUN_MISUSED) {
        err_set(&err, RC_CONFLICT, "the idempotency key was used for another request");
        coordinator_answer_error(c, x, &err);
        return;
    }
    if (run_journal_find(c->journal, write->known, &x->arena, &row, &err))
        coordinator_answer_error(c, x, &err);
    else
        coordinator_answer_run(x, write->known, row.status, 200);
}

static void finish_event(struct coordinator *c, struct coordinator_run *r,
                         const struct run_write *write)
{
    bool is_start = write->start != NULL;
    struct err err;

    if (write->fate != RUN_WRITTEN) {
        answer_known(c, r, write);
        return;
    }
    enum rc rc = r->is_applied ? RC_OK : run_apply(r->run, &r->pending, &err);
    c->n_started += is_start;
    c->n_ended[run_status(r->run)] += r->pending.kind == RUN_EVENT_ENDED;
    if (r->exchange)
        coordinator_answer_run(r->exchange, run_id(r->run), run_status(r->run),
                               is_start ? 202 : 200);
    drop_pending(r);
    if (rc) {
        log_printf(&c->config.log, LOG_LEVEL_ERROR, "run %s: %s", run_id(r->run), err.message);
        forget(c, r);
    } else {
        coordinator_touch(c, r);
    }
}

static void record_batch(struct coordinator *c, struct coordinator_run **batch, size_t n)
{
    struct run_write writes[BATCH_MAX];
    struct err err;

    for (size_t i = 0; i < n; i++) {
        struct coordinator_run *r = batch[i];

        if (r->body.at)
            r->pending.body = buf_str(&r->body);
        writes[i] = (struct run_write){ .run = run_id(r->run),
                                        .event = &r->pending,
                                        .number = run_n_events(r->run) - r->is_applied,
                                        .start = r->is_applied ? &r->start : NULL,
                                        .status = run_status(r->run) };
    }
    if (run_journal_write(c->journal, writes, n, &err)) {
        fail_batch(c, batch, n, &err);
        return;
    }
    for (size_t i = 0; i < n; i++)
        finish_event(c, batch[i], &writes[i]);
}

/* ---- acting */

/* Does what the run wants, or leaves its next event pending. */
static void act(struct coordinator *c, struct coordinator_run *r)
{
    struct run_action action;

    run_next(r->run, coordinator_now_ms(c), &action);
    switch (action.kind) {
    case RUN_RECORD:
        r->pending = action.event;
        r->has_pending = true;
        return;
    case RUN_CALL:
        coordinator_wake_at(c, r, action.until_ms);
        if (!r->call)
            coordinator_begin_call(c, r, &action);
        return;
    case RUN_SLEEP: coordinator_wake_at(c, r, action.until_ms); return;
    case RUN_TELL: coordinator_tell(c, r); return;
    case RUN_REST: coordinator_remove(c, r); return;
    }
}

/* A call that could not be made leaves a pending event at once. */
static bool is_pending_after(struct coordinator *c, struct coordinator_run *r)
{
    const char *id = run_id(r->run);
    char kept[RUN_ID_MAX + 1];

    if (r->has_pending)
        return true;
    memcpy(kept, id, strlen(id) + 1);
    act(c, r);
    r = coordinator_find(c, kept);
    return r && r->has_pending;
}

void coordinator_advance(struct coordinator *c)
{
    struct coordinator_run *batch[BATCH_MAX];

    while (c->ready) {
        size_t n = 0;

        while (c->ready && n < BATCH_MAX) {
            struct coordinator_run *r = c->ready;

            c->ready = r->next_ready;
            r->is_ready = false;
            if (!is_pending_after(c, r))
                continue;
            if (r->is_ready) { /* put back by the call that failed: it is in this batch */
                c->ready = r->next_ready;
                r->is_ready = false;
            }
            batch[n++] = r;
        }
        if (n > 0)
            record_batch(c, batch, n);
    }
}
