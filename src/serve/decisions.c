/* decisions.c - decisions for a batch of inputs, of POST /v1/slms/{slm}/decisions or of the chat
 * API, and GET /v1/decisions/{id}. */
#include "base/failpoint.h"
#include "base/mem.h"
#include "record/decision.h"
#include "record/feedback.h"
#include "serve/body.h"
#include "serve/chat_answer.h"
#include "serve/contract.h"
#include "serve/team_service_internal.h"

#include <math.h>

/* One request of the batch. */
struct row {
    struct http_exchange *x; /* NULL: answered already */
    struct body_decision body;
    struct buf input, answer;             /* as stored */
    const char *key;                      /* NUL-terminated; NULL: none */
    const struct spec_contract *contract; /* NULL: asked by no flow */
};

struct batch {
    struct scribe_job job; /* first: of a batch that the scribe runs */
    struct team_service *service;
    struct serve_slm slm; /* as it was when the batch began; its version is held */
    struct arena arena;
    int64_t now_ms;
    double model_ms;
    enum rc rc; /* what failed all of it */
    struct err err;
    struct row *rows; /* (n,) */
    size_t n;
    struct decide_row *inputs; /* (n,) of those still open, dense; (n_open,) */
    struct decide_result *results;
    struct row **open; /* (n_open,) the row of each input */
    struct decision *decisions;
    struct decision_outcome *outcomes;
    size_t n_open;
    struct buf tables;
};

/* NULL: it came over the decisions API. */
static const struct chat_request *chat_of(const struct http_exchange *x)
{
    return x->route->kind == SERVE_CHAT ? &serve_caller_of(x)->chat : NULL;
}

static void answer_exchange_error(struct team_service *service, struct http_exchange *x,
                                  const struct err *err)
{
    if (chat_of(x))
        serve_answer_chat_error(service, x, "messages", err);
    else
        serve_answer_error(service, x, err);
}

static void answer_error(struct batch *b, struct row *row, const struct err *err)
{
    answer_exchange_error(b->service, row->x, err);
    row->x = NULL;
}

static void answer_problems(struct row *row, const struct problems *problems)
{
    if (chat_of(row->x))
        serve_answer_chat_problems(row->x, problems);
    else
        serve_answer_problems(row->x, problems);
    row->x = NULL;
}

/* {"id":...,<the answer's members>,"version":...,"model_ms":...: the object is left open. */
static void append_decision(struct json_writer *w, const struct decision *d)
{
    json_begin_object(w);
    json_key(w, "id");
    json_text(w, d->id);
    ASSERT(d->answer.len > 2 && d->answer.at[0] == '{');
    buf_append_char(w->out, ',');
    buf_append(w->out, d->answer.at + 1, d->answer.len - 2);
    json_key(w, "version");
    json_text(w, d->version.hex);
    json_key(w, "model_ms");
    json_double(w, d->model_ms);
}

static void answer_decision(struct batch *b, struct row *row, const struct decision *d)
{
    const struct chat_request *chat = chat_of(row->x);
    struct http_exchange *x = row->x;
    struct json_writer w;
    struct err err;

    if (chat && chat_append_answer(chat, d, &x->arena, &x->body, &err)) {
        answer_error(b, row, &err);
        return;
    }
    if (row->contract &&
        serve_contract_append_answer(&x->body, row->contract, d, &x->arena, &err)) {
        answer_error(b, row, &err);
        return;
    }
    if (chat && chat->stream)
        x->content_type = "text/event-stream";
    if (!chat && !row->contract) {
        json_writer_init(&w, &x->body);
        append_decision(&w, d);
        json_end_object(&w);
    }
    http_answer(x, 200);
    row->x = NULL;
}

static const char *slm_name(const struct batch *b)
{
    return b->slm.name;
}

static const char *principal_of(const struct http_exchange *x)
{
    return serve_caller_of(x)->principal.name;
}

/* Every problem of the body and of the input is found at once. */
static enum rc read_body(struct row *row, const struct schema *schema, struct problems *problems,
                         struct err *err)
{
    const struct http_exchange *x = row->x;

    enum rc rc =
        body_read_decision(x->request->body, http_request_header(x->request, "idempotency-key"),
                           &row->x->arena, &row->body, problems, err);
    if (!rc && problems->n_errors && row->body.input)
        rc = schema_validate(schema, row->body.input, BODY_FILE, problems, err);
    return rc;
}

static enum rc read_messages(struct row *row, const struct schema *schema,
                             struct problems *problems, struct err *err)
{
    const struct http_exchange *x = row->x;
    const struct json *input = NULL;

    enum rc rc = chat_find_input(chat_of(x), schema, &row->x->arena, &input, problems, err);
    if (rc || problems->n_errors)
        return rc;
    return body_take_input(input, http_request_header(x->request, "idempotency-key"), &row->body,
                           problems, err);
}

static enum rc read_row(struct batch *b, struct row *row, struct problems *problems,
                        struct err *err)
{
    const struct schema *schema = &version_spec(b->slm.version)->input;
    struct http_exchange *x = row->x;

    enum rc rc = chat_of(x) ? read_messages(row, schema, problems, err)
                            : read_body(row, schema, problems, err);
    if (!rc && problems->n_errors == 0 && !chat_of(x))
        rc = serve_contract_admit(version_spec(b->slm.version), &serve_caller_of(x)->principal,
                                  http_request_header(x->request, SERVE_FLOW_HEADER),
                                  row->body.input, &row->contract, err);
    if (rc || problems->n_errors)
        return rc;
    if (row->body.key.at) {
        row->key = arena_strndup(&x->arena, row->body.key.at, row->body.key.len);
        if (!row->key)
            return arena_fail(&x->arena, err, "idempotency key");
    }
    buf_init(&row->input, DECISION_INPUT_MAX);
    json_append(&row->input, row->body.input);
    return buf_rc(&row->input, "input", err);
}

/* Answers the row with what its key stands for, if the key is known. */
static enum rc repeat_row(struct batch *b, struct row *row, struct err *err)
{
    struct decision earlier;
    bool found = false;

    if (!row->key)
        return RC_OK;
    enum rc rc =
        decision_find_by_key(b->service->team->record, principal_of(row->x), slm_name(b), row->key,
                             &row->body.input_digest, &b->arena, &found, &earlier, err);
    if (!rc && found) {
        metrics_count_decision(&b->service->metrics, b->slm.metrics_index, METRICS_REPEATED);
        answer_decision(b, row, &earlier);
    }
    return rc;
}

static void open_row(struct batch *b, struct row *row)
{
    struct problems problems;
    struct err err;

    problem_init(&problems, &row->x->arena);
    enum rc rc = read_row(b, row, &problems, &err);
    if (!rc && problems.n_errors) {
        answer_problems(row, &problems);
        return;
    }
    if (!rc)
        rc = repeat_row(b, row, &err);
    if (rc) {
        answer_error(b, row, &err);
        return;
    }
    if (row->x) {
        b->inputs[b->n_open] = (struct decide_row){ .input = row->body.input, .now_ms = b->now_ms };
        b->open[b->n_open++] = row;
    }
}

static void answer_refused(struct batch *b, struct row *row, const struct decide_result *result)
{
    if (result->refused)
        answer_problems(row, result->refused);
    else
        answer_error(b, row, &result->refusal);
}

/* Fills the decision of a result; false when its row was refused and has been answered. */
static bool make_decision(struct batch *b, size_t i)
{
    const struct decide_result *result = &b->results[i];
    struct row *row = b->open[i];
    struct err err;

    if (result->verdict == DECIDE_REFUSED) {
        answer_refused(b, row, result);
        return false;
    }
    buf_init(&row->answer, DECISION_ANSWER_MAX);
    buf_append_char(&row->answer, '{');
    decide_append_answer(&row->answer, version_decider(b->slm.version), result);
    buf_append_char(&row->answer, '}');
    if (buf_rc(&row->answer, "answer", &err)) {
        answer_error(b, row, &err);
        return false;
    }
    b->decisions[i] = (struct decision){
        .slm = slm_name(b),
        .version = *version_digest(b->slm.version),
        .input = buf_str(&row->input),
        .answer = buf_str(&row->answer),
        .abstained =
            result->verdict == DECIDE_ANSWERED ? NULL : decide_verdict_name(result->verdict),
        .tables = buf_str(&b->tables),
        .engine_build = b->service->team->config.engine_build,
        .principal = principal_of(row->x),
        .idempotency_key = row->key,
        .request = row->body.input_digest,
        .recorded_ms = b->now_ms,
        .model_ms = round(b->model_ms * 1000) / 1000,
    };
    return true;
}

/* Drops the rows that make_decision() has answered. */
static void make_decisions(struct batch *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n_open; i++) {
        if (!make_decision(b, i))
            continue;
        b->open[n] = b->open[i];
        b->decisions[n++] = b->decisions[i];
    }
    b->n_open = n;
}

static void answer_stored(struct batch *b, size_t i)
{
    struct metrics *metrics = &b->service->metrics;
    size_t slm = b->slm.metrics_index;
    struct err err;

    switch (b->outcomes[i].fate) {
    case DECISION_STORED:
        metrics_count_decision(metrics, slm,
                               b->decisions[i].abstained ? METRICS_ABSTAINED : METRICS_ANSWERED);
        answer_decision(b, b->open[i], &b->decisions[i]);
        return;
    case DECISION_REPEATED: /* the same key twice in this batch */
        metrics_count_decision(metrics, slm, METRICS_REPEATED);
        answer_decision(b, b->open[i], &b->outcomes[i].earlier);
        return;
    case DECISION_CONFLICT:
        err_set(&err, RC_CONFLICT, "the idempotency key was used for another request");
        answer_error(b, b->open[i], &err);
        return;
    }
}

/* Stores n decisions from `first` on in one transaction and answers them. */
static void store_decisions(struct batch *b, size_t first, size_t n)
{
    struct err err;

    enum rc rc = decision_add(b->service->team->record, b->decisions + first, n, &b->arena,
                              b->outcomes + first, &err);
    if (n > 1 && (rc == RC_LIMIT || rc == RC_INVALID)) {
        /* one of them is at fault: the others must not suffer for it */
        for (size_t i = 0; i < n; i++)
            store_decisions(b, first + i, 1);
        return;
    }
    if (!rc)
        FAILPOINT("serve.committed");
    atomic_store(&b->service->store_failed, rc == RC_IO || rc == RC_FULL);
    for (size_t i = first; i < first + n; i++) {
        if (rc) {
            metrics_count_decision(&b->service->metrics, b->slm.metrics_index, METRICS_FAILED);
            answer_error(b, b->open[i], &err);
        } else {
            answer_stored(b, i);
        }
    }
}

static enum rc begin_batch(struct batch *b, struct http_exchange **exchanges, struct err *err)
{
    const struct manifest *manifest = version_manifest(b->slm.version);
    struct json_writer w;

    b->rows = arena_array(&b->arena, struct row, b->n);
    for (size_t i = 0; b->rows && i < b->n; i++)
        b->rows[i].x = exchanges[i];
    b->inputs = arena_array(&b->arena, struct decide_row, b->n);
    b->results = arena_array(&b->arena, struct decide_result, b->n);
    b->open = arena_array(&b->arena, struct row *, b->n);
    b->decisions = arena_array(&b->arena, struct decision, b->n);
    b->outcomes = arena_array(&b->arena, struct decision_outcome, b->n);
    if (!b->rows || !b->inputs || !b->results || !b->open || !b->decisions || !b->outcomes)
        return arena_fail(&b->arena, err, "batch");

    buf_init(&b->tables, DECISION_TABLES_MAX);
    json_writer_init(&w, &b->tables);
    json_begin_object(&w);
    for (size_t i = 0; i < manifest->n_tables; i++) {
        json_key(&w, manifest->tables[i].name);
        json_text(&w, manifest->tables[i].digest.hex);
    }
    json_end_object(&w);
    return buf_rc(&b->tables, "tables", err);
}

static bool is_anyone_waiting(const struct batch *b)
{
    for (size_t i = 0; i < b->n_open; i++)
        if (!atomic_load(&b->open[i]->x->cancelled))
            return true;
    return false;
}

/* The model's part, on the worker's thread or on the scribe's. */
static void run_batch(struct scribe_job *job, struct pool *pool)
{
    struct batch *b = (struct batch *)job;
    const struct clock *clock = &b->service->config.team.clock;
    int64_t started_us = clock->monotonic_us(clock->self);

    b->rc = is_anyone_waiting(b) ? decide_rows(version_decider(b->slm.version), b->inputs,
                                               b->n_open, pool, &b->arena, b->results, &b->err)
                                 : err_set(&b->err, RC_CANCELLED, "nobody waits for it any more");
    b->model_ms = (double)(clock->monotonic_us(clock->self) - started_us) / 1000.0;
}

static void release_batch(struct batch *b)
{
    for (size_t i = 0; b->rows && i < b->n; i++) {
        buf_release(&b->rows[i].input);
        buf_release(&b->rows[i].answer);
    }
    buf_release(&b->tables);
    version_close(b->slm.version);
    arena_release(&b->arena);
    mem_free(b);
}

/* Stores and answers what run_batch() has decided. */
static void finish_batch(struct scribe_job *job)
{
    struct batch *b = (struct batch *)job;

    if (!b->rc && b->n_open > 0) {
        FAILPOINT("serve.decided");
        metrics_count_batch(&b->service->metrics, b->n_open);
        make_decisions(b);
        if (b->n_open)
            store_decisions(b, 0, b->n_open);
    }
    for (size_t i = 0; b->rc && i < b->n; i++)
        if (b->rows[i].x)
            answer_error(b, &b->rows[i], &b->err);
    release_batch(b);
    FAILPOINT("serve.answered");
}

/* NULL: there is no memory for a batch. */
static struct batch *new_batch(struct team_service *service, const struct serve_slm *slm,
                               struct http_exchange **exchanges, size_t n, struct err *err)
{
    const struct clock *clock = &service->config.team.clock;
    struct batch *b = mem_alloc(sizeof(*b));

    if (!b) {
        err_set(err, RC_NOMEM, "batch");
        return NULL;
    }
    *b = (struct batch){ .job = { .run = run_batch, .finish = finish_batch },
                         .service = service,
                         .slm = *slm,
                         .n = n,
                         .now_ms = clock->now_ms(clock->self) };
    version_hold(b->slm.version);
    arena_init(&b->arena, SERVE_BATCH_ARENA_BYTES_MAX);
    if (begin_batch(b, exchanges, err)) {
        release_batch(b);
        return NULL;
    }
    return b;
}

static void decide_together(struct team_service *service, const struct serve_slm *slm,
                            struct http_exchange **exchanges, size_t n)
{
    struct err err;

    FAILPOINT("serve.received");
    struct batch *b = new_batch(service, slm, exchanges, n, &err);
    for (size_t i = 0; !b && i < n; i++)
        answer_exchange_error(service, exchanges[i], &err);
    if (!b)
        return;
    for (size_t i = 0; i < n; i++)
        open_row(b, &b->rows[i]);
    bool is_written = b->n_open > 0 && version_spec(slm->version)->n_open > 0;
    if (is_written && scribe_give(&service->scribe, &b->job, &err) == RC_OK)
        return;
    if (b->n_open > 0)
        run_batch(&b->job, service->pool);
    finish_batch(&b->job);
}

/* Texts are written a thread each: more of them together would only answer the first ones later. */
void serve_decide_with(struct team_service *service, const struct serve_slm *slm,
                       struct http_exchange **exchanges, size_t n)
{
    size_t n_most = version_spec(slm->version)->n_open > 0 ? pool_n_workers(service->pool) : n;

    for (size_t first = 0; first < n; first += n_most)
        decide_together(service, slm, exchanges + first, n - first < n_most ? n - first : n_most);
}

void serve_decide(struct team_service *service, struct http_exchange **exchanges, size_t n)
{
    const struct serve_slm *slm = serve_slm_table_find(&service->slms, exchanges[0]->params[0]);
    struct err err;

    if (slm) {
        serve_decide_with(service, slm, exchanges, n);
        return;
    }
    err_set(&err, RC_NOT_FOUND, "no such SLM, or it has no version in production");
    for (size_t i = 0; i < n; i++)
        serve_answer_error(service, exchanges[i], &err);
}

static void append_feedback(struct json_writer *w, const struct feedback *f)
{
    char time[CLOCK_TEXT_LEN + 1];

    json_begin_object(w);
    json_key(w, "id");
    json_text(w, f->id);
    if (f->kind == FEEDBACK_OUTPUT) {
        json_key(w, "output");
        json_raw(w, f->output);
    } else {
        json_key(w, "verdict");
        json_text(w, f->is_right ? "right" : "wrong");
    }
    json_key(w, "comment");
    json_text(w, f->comment);
    json_key(w, "principal");
    json_text(w, f->principal);
    json_key(w, "recorded_at");
    clock_format(f->recorded_ms, time);
    json_text(w, time);
    json_end_object(w);
}

static void append_record(struct json_writer *w, const struct decision *d,
                          const struct feedback *feedback, size_t n_feedback)
{
    char time[CLOCK_TEXT_LEN + 1];

    append_decision(w, d);
    json_key(w, "slm");
    json_text(w, d->slm);
    json_key(w, "input");
    json_raw(w, d->input);
    json_key(w, "recorded_at");
    clock_format(d->recorded_ms, time);
    json_text(w, time);
    json_key(w, "principal");
    json_text(w, d->principal);
    json_key(w, "engine_build");
    json_text(w, d->engine_build);
    json_key(w, "tables");
    json_raw(w, d->tables);
    json_key(w, "feedback");
    json_begin_array(w);
    for (size_t i = 0; i < n_feedback; i++)
        append_feedback(w, &feedback[i]);
    json_end_array(w);
    json_end_object(w);
}

void serve_show_decision(struct team_service *service, struct http_exchange *x)
{
    const char *id = arena_strndup(&x->arena, x->params[0].at, x->params[0].len);
    struct feedback *feedback;
    struct decision decision;
    struct json_writer w;
    struct err err;
    size_t n_feedback;

    enum rc rc = id ? RC_OK : arena_fail(&x->arena, &err, "decision");
    if (!rc)
        rc = decision_find(service->team->record, id, &x->arena, &decision, &err);
    if (!rc)
        rc = feedback_list(service->team->record, id, &x->arena, &feedback, &n_feedback, &err);
    if (rc) {
        serve_answer_error(service, x, &err);
        return;
    }
    json_writer_init(&w, &x->body);
    append_record(&w, &decision, feedback, n_feedback);
    http_answer(x, 200);
}
