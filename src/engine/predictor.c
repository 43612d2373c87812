#include "engine/predictor.h"

#include "base/exact_math.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/predictor_internal.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum {
    PREDICTOR_ARENA_BYTES = 1 << 30,
    SESSION_ARENA_BYTES = 1 << 30,
    CHUNK_TEXTS = 128, /* scored at a time, so that a session's memory has a bound */
    LINEAR_ARENA_BYTES = 128 * LINEAR_TEXT_BYTES_MAX,
};

/* What one running predictor_run() needs. */
struct predictor_session {
    struct predictor_session *next; /* idle ones */
    struct arena arena;
    size_t n_workers;

    struct encoder_session *encoder;
    int32_t *ids;                /* (CHUNK_TEXTS, n_positions) */
    struct encoder_text *tokens; /* (CHUNK_TEXTS,) */
    float *vectors;              /* (CHUNK_TEXTS, C) */
    float *linear_scores;        /* (n_workers, K) */
    struct arena *linear_arenas; /* (n_workers,): a text's features */
    struct err *errs;            /* (CHUNK_TEXTS,): of a text, code RC_OK when none */
};

struct predictor_sessions {
    pthread_mutex_t lock; /* guards idle */
    struct predictor_session *idle;
};

/* A chunk on its way. */
struct chunk {
    const struct predictor *predictor;
    struct predictor_session *session;
    const struct str *texts; /* (n,) */
    size_t n;
    float *scores; /* (n, K); logits of the encoder part first */
};

static void free_session(struct predictor_session *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->linear_arenas && i < s->n_workers; i++)
        arena_release(&s->linear_arenas[i]);
    arena_release(&s->arena);
    mem_free(s);
}

static enum rc init_session(const struct predictor *p, struct predictor_session *s, struct err *err)
{
    size_t n_labels = p->adapter->n_labels;

    s->errs = arena_array(&s->arena, struct err, CHUNK_TEXTS);
    if (!s->errs)
        return arena_fail(&s->arena, err, "session");
    if (p->linear) {
        s->linear_scores = arena_array(&s->arena, float, s->n_workers *n_labels);
        s->linear_arenas = arena_array(&s->arena, struct arena, s->n_workers);
        if (!s->linear_scores || !s->linear_arenas)
            return arena_fail(&s->arena, err, "session");
        for (size_t i = 0; i < s->n_workers; i++)
            arena_init(&s->linear_arenas[i], LINEAR_ARENA_BYTES);
    }
    if (!p->encoder)
        return RC_OK;
    s->ids = arena_array(&s->arena, int32_t, CHUNK_TEXTS * encoder_positions(p->encoder));
    s->tokens = arena_array(&s->arena, struct encoder_text, CHUNK_TEXTS);
    s->vectors = arena_alloc(&s->arena, CHUNK_TEXTS * encoder_width(p->encoder), sizeof(float), 64);
    if (!s->ids || !s->tokens || !s->vectors)
        return arena_fail(&s->arena, err, "session");
    return encoder_session_new(p->encoder, &p->kernels, s->n_workers, &s->arena, &s->encoder, err);
}

static enum rc new_session(const struct predictor *p, size_t n_workers,
                           struct predictor_session **ret_session, struct err *err)
{
    struct predictor_session *s = mem_alloc(sizeof(*s));

    if (!s)
        return err_set(err, RC_NOMEM, "session");
    arena_init(&s->arena, SESSION_ARENA_BYTES);
    s->n_workers = n_workers;
    enum rc rc = init_session(p, s, err);
    if (rc) {
        free_session(s);
        return rc;
    }
    *ret_session = s;
    return RC_OK;
}

/* An idle session for as many workers, or a new one. */
static enum rc take_session(const struct predictor *p, size_t n_workers,
                            struct predictor_session **ret_session, struct err *err)
{
    struct predictor_session **at, *found = NULL;

    pthread_mutex_lock(&p->sessions->lock);
    for (at = &p->sessions->idle; *at && !found;) {
        if ((*at)->n_workers >= n_workers) {
            found = *at;
            *at = found->next;
        } else {
            at = &(*at)->next;
        }
    }
    pthread_mutex_unlock(&p->sessions->lock);
    if (!found)
        return new_session(p, n_workers, ret_session, err);
    *ret_session = found;
    return RC_OK;
}

static void return_session(const struct predictor *p, struct predictor_session *s)
{
    pthread_mutex_lock(&p->sessions->lock);
    s->next = p->sessions->idle;
    p->sessions->idle = s;
    pthread_mutex_unlock(&p->sessions->lock);
}

static enum rc open_adapter(struct predictor *p, const struct encoder_base *base,
                            const uint8_t *bytes, size_t size, struct err *err)
{
    p->sessions = mem_alloc(sizeof(*p->sessions));
    if (!p->sessions)
        return err_set(err, RC_NOMEM, "predictor");
    pthread_mutex_init(&p->sessions->lock, NULL);

    enum rc rc = adapter_parse(bytes, size, &p->arena, &p->adapter, err);
    if (rc)
        return rc;
    rc = predictor_read_parts(p, base, err);
    return rc ? err_context(err, "adapter") : RC_OK;
}

enum rc predictor_open(const struct encoder_base *base, const uint8_t *bytes, size_t size,
                       const struct kernels *kernels, struct predictor **ret_predictor,
                       struct err *err)
{
    CLEANUP(predictor_closep) struct predictor *p = mem_alloc(sizeof(*p));

    if (!p)
        return err_set(err, RC_NOMEM, "predictor");
    arena_init(&p->arena, PREDICTOR_ARENA_BYTES);
    p->kernels = *kernels;
    enum rc rc = open_adapter(p, base, bytes, size, err);
    if (rc)
        return rc;
    *ret_predictor = TAKE(p);
    return RC_OK;
}

void predictor_close(struct predictor *p)
{
    if (!p)
        return;
    if (p->sessions) {
        for (struct predictor_session *s = p->sessions->idle, *next; s; s = next) {
            next = s->next;
            free_session(s);
        }
        pthread_mutex_destroy(&p->sessions->lock);
        mem_free(p->sessions);
    }
    arena_release(&p->arena);
    mem_free(p);
}

const struct adapter *predictor_adapter(const struct predictor *predictor)
{
    return predictor->adapter;
}

enum rc predictor_check(const struct predictor *p, struct str text, struct err *err)
{
    size_t n_ids;

    if (p->linear && text.len > LINEAR_TEXT_BYTES_MAX)
        return err_set(err, RC_LIMIT, "text has %zu bytes, at most %d allowed", text.len,
                       LINEAR_TEXT_BYTES_MAX);
    if (p->linear && !utf8_valid(text))
        return err_set(err, RC_INVALID, "text is not UTF-8");
    if (!p->encoder)
        return RC_OK;
    enum rc rc = wordpiece_count(p->base->wordpiece, text, &n_ids, err);
    if (!rc && n_ids > encoder_positions(p->encoder))
        rc = err_set(err, RC_LIMIT, "text has %zu tokens, at most %zu allowed", n_ids,
                     encoder_positions(p->encoder));
    return rc;
}

/* Logits (n_labels,) of one field become log-softmax, in place. */
static void normalise_logits(float *z, size_t n_labels)
{
    float highest = z[0];
    double sum = 0.0;

    for (size_t i = 1; i < n_labels; i++)
        highest = z[i] > highest ? z[i] : highest;
    for (size_t i = 0; i < n_labels; i++)
        sum += exact_exp((double)z[i] - (double)highest);
    double log_sum = exact_ln(sum);
    for (size_t i = 0; i < n_labels; i++)
        z[i] = (float)((double)z[i] - (double)highest - log_sum);
}

static enum rc finish_encoder(const struct predictor *p, float *scores, struct err *err)
{
    for (size_t i = 0; i < p->adapter->n_labels; i++)
        if (!isfinite(scores[i]))
            return err_set(err, RC_CORRUPT, "a score is not finite: the weights are no model");
    for (size_t f = 0; f < p->adapter->n_fields; f++)
        if (!p->adapter->fields[f].is_set)
            normalise_logits(scores + p->adapter->fields[f].first, p->adapter->fields[f].n_labels);
    return RC_OK;
}

/* Log probabilities (of a set: log odds) weighed by the shares of the parts; finite unless the
 * weights are no model. */
static enum rc blend(float *scores, const float *linear, const struct adapter_field *field,
                     double share, struct err *err)
{
    for (size_t i = 0; i < field->n_labels; i++) {
        scores[i] = (float)((1.0 - share) * (double)scores[i] + share * (double)linear[i]);
        if (!isfinite(scores[i]))
            return err_set(err, RC_CORRUPT, "a score is not finite: the weights are no model");
    }
    if (!field->is_set)
        normalise_logits(scores, field->n_labels);
    return RC_OK;
}

static enum rc score_linear(const struct predictor *p, struct str text, struct arena *arena,
                            float *scores, struct err *err)
{
    struct linear_features features;
    enum rc rc = utf8_valid(text) ? RC_OK : err_set(err, RC_INVALID, "text is not UTF-8");

    if (!rc)
        rc = linear_featurize(&p->linear->vocabulary, text, arena, &features, err);

    for (size_t f = 0; f < p->adapter->n_fields && !rc; f++)
        linear_scores(&p->linear->heads[f], &features, scores + p->adapter->fields[f].first);
    arena_reset(arena);
    return rc;
}

/* One text of a chunk, from the encoder's logits, where there are any, to scores. */
static void finish_text(void *context, size_t task, size_t worker)
{
    const struct chunk *c = context;
    const struct predictor *p = c->predictor;
    struct predictor_session *s = c->session;
    struct err *err = &s->errs[task];
    size_t n_labels = p->adapter->n_labels;
    float *scores = c->scores + task * n_labels;
    enum rc rc = p->encoder ? finish_encoder(p, scores, err) : RC_OK;

    if (!rc && p->linear) {
        float *linear = p->encoder ? s->linear_scores + worker * n_labels : scores;

        rc = score_linear(p, c->texts[task], &s->linear_arenas[worker], linear, err);
        for (size_t f = 0; !rc && p->encoder && f < p->adapter->n_fields; f++) {
            const struct adapter_field *field = &p->adapter->fields[f];

            rc = blend(scores + field->first, linear + field->first, field,
                       (double)p->blend_share[f], err);
        }
    }
    err->code = rc;
}

static enum rc run_encoder(const struct chunk *c, size_t first, struct pool *pool, struct err *err)
{
    const struct predictor *p = c->predictor;
    struct predictor_session *s = c->session;
    size_t width = encoder_width(p->encoder), n_positions = encoder_positions(p->encoder);

    for (size_t i = 0; i < c->n; i++) {
        int32_t *ids = s->ids + i * n_positions;
        enum rc rc = wordpiece_encode(p->base->wordpiece, c->texts[i], n_positions, ids,
                                      &s->tokens[i].n_ids, err);
        if (rc)
            return err_context(err, "text %zu", first + i);
        s->tokens[i].ids = ids;
    }
    encoder_run(s->encoder, pool, s->tokens, c->n, s->vectors);
    for (size_t i = 0; i < c->n * width; i++)
        s->vectors[i] *= PREDICTOR_FEATURE_SCALE;
    p->kernels.linear_f32(c->scores, s->vectors, p->head_weights, p->head_bias, c->n,
                          p->adapter->n_labels, width);
    return RC_OK;
}

static enum rc run_chunk(struct chunk *c, size_t first, struct pool *pool, struct err *err)
{
    if (c->predictor->encoder) {
        enum rc rc = run_encoder(c, first, pool, err);
        if (rc)
            return rc;
    }
    /* log-softmax alone is not worth a wake-up */
    pool_run(c->predictor->linear ? pool : NULL, c->n, finish_text, c);
    for (size_t i = 0; i < c->n; i++) {
        if (c->session->errs[i].code) {
            *err = c->session->errs[i];
            return err_context(err, "text %zu", first + i);
        }
    }
    return RC_OK;
}

enum rc predictor_run(const struct predictor *p, const struct str *texts, size_t n_texts,
                      struct pool *pool, float *ret_scores, struct err *err)
{
    struct predictor_session *session = NULL;
    enum rc rc = take_session(p, pool_n_workers(pool), &session, err);

    if (rc)
        return rc;
    for (size_t first = 0; first < n_texts && !rc; first += CHUNK_TEXTS) {
        struct chunk chunk = {
            .predictor = p,
            .session = session,
            .texts = texts + first,
            .n = n_texts - first < CHUNK_TEXTS ? n_texts - first : CHUNK_TEXTS,
            .scores = ret_scores + first * p->adapter->n_labels,
        };
        rc = run_chunk(&chunk, first, pool, err);
    }
    return_session(p, session);
    return rc;
}
