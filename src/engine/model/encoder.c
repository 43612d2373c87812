#include "engine/model/encoder.h"

#include <math.h>
#include <string.h>

enum {
    GROUPS_MAX = 256,
    PARTS_MAX = 3, /* of a layer: query, key and value */
};

struct layer {
    struct dense qkv, attention, up, down;
};

struct encoder {
    const struct bert *bert;
    struct layer *layers; /* (L,) */
};

/* The memory of one group on its way through the layers, n_positions tokens or more. */
struct worker {
    float *x;                      /* (T, C) */
    float *wide;                   /* (T, max(3C, F)): query, key, value; then the up projection */
    float *narrow;                 /* (T, C): what a linear layer adds to x */
    float *scratch;                /* of attention */
    struct kernels_int8_rows rows; /* (T, max(C, F)): a linear layer's input */
};

struct group {
    size_t first, end; /* texts */
};

struct encoder_session {
    const struct encoder *encoder;
    const struct kernels *kernels;
    size_t n_workers;
    struct worker *workers; /* (n_workers,) */
    struct group groups[GROUPS_MAX];

    const struct encoder_text *texts; /* of the current run */
    float *vectors;
};

/* n_parts linear layers of one shape as one: their weights are in the slots from `first` on, each
 * followed by its bias. */
static enum rc init_dense(const struct bert *bert, enum dense_precision precision,
                          enum bert_slot first, size_t n_parts, size_t layer,
                          const struct kernels *kernels, struct arena *arena, struct dense *dense,
                          struct err *err)
{
    const struct bert_tensor *tensors = bert->layout.tensors;
    size_t n_inputs = tensors[bert_tensor_index(first, layer)].shape[1];
    struct dense_part parts[PARTS_MAX];

    ASSERT(n_parts <= PARTS_MAX);
    for (size_t p = 0; p < n_parts; p++) {
        enum bert_slot weights = (enum bert_slot)(first + 2 * p);
        const struct bert_tensor *t = &tensors[bert_tensor_index(weights, layer)];
        parts[p] = (struct dense_part){ t->name, bert_values(bert, weights, layer),
                                        bert_values(bert, (enum bert_slot)(weights + 1), layer),
                                        t->shape[0] };
    }
    return dense_init(dense, parts, n_parts, n_inputs, precision, kernels, arena, err);
}

enum rc encoder_new(const struct bert *bert, enum dense_precision precision,
                    const struct kernels *kernels, struct arena *arena,
                    struct encoder **ret_encoder, struct err *err)
{
    struct encoder *e = arena_new(arena, struct encoder);
    size_t n_layers = bert->layout.config.n_layers;

    if (!e)
        return arena_fail(arena, err, "encoder");
    e->bert = bert;
    e->layers = arena_array(arena, struct layer, n_layers);
    if (!e->layers)
        return arena_fail(arena, err, "encoder");
    for (size_t l = 0; l < n_layers; l++) {
        struct layer *layer = &e->layers[l];
        const struct {
            enum bert_slot first;
            size_t n_parts;
            struct dense *dense;
        } parts[] = {
            { BERT_QUERY_WEIGHT, 3, &layer->qkv },
            { BERT_ATTENTION_WEIGHT, 1, &layer->attention },
            { BERT_UP_WEIGHT, 1, &layer->up },
            { BERT_DOWN_WEIGHT, 1, &layer->down },
        };
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            enum rc rc = init_dense(bert, precision, parts[i].first, parts[i].n_parts, l, kernels,
                                    arena, parts[i].dense, err);
            if (rc)
                return rc;
        }
    }
    *ret_encoder = e;
    return RC_OK;
}

size_t encoder_width(const struct encoder *encoder)
{
    return encoder->bert->layout.config.width;
}

size_t encoder_positions(const struct encoder *encoder)
{
    return encoder->bert->layout.config.n_positions;
}

size_t encoder_n_words(const struct encoder *encoder)
{
    return encoder->bert->layout.config.n_words;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* A group has at most this many tokens: one text of full length, or several short ones. */
static size_t group_tokens_max(const struct bert_config *c)
{
    return larger(c->n_positions, ENCODER_GROUP_TOKENS);
}

static enum rc init_worker(const struct bert_config *c, struct arena *arena, struct worker *w,
                           struct err *err)
{
    size_t n_tokens = group_tokens_max(c);
    size_t n_scratch = kernels_attention_floats(n_tokens, c->width / c->n_heads);

    w->x = arena_alloc(arena, n_tokens, c->width * sizeof(float), 64);
    w->wide = arena_alloc(arena, n_tokens, larger(3 * c->width, c->ff_width) * sizeof(float), 64);
    w->narrow = arena_alloc(arena, n_tokens, c->width * sizeof(float), 64);
    w->scratch = arena_alloc(arena, n_scratch, sizeof(float), 64);
    if (!w->x || !w->wide || !w->narrow || !w->scratch)
        return arena_fail(arena, err, "encoder session");
    return dense_rows_init(&w->rows, n_tokens, larger(c->width, c->ff_width), arena, err);
}

enum rc encoder_session_new(const struct encoder *encoder, const struct kernels *kernels,
                            size_t n_workers, struct arena *arena,
                            struct encoder_session **ret_session, struct err *err)
{
    struct encoder_session *s = arena_new(arena, struct encoder_session);

    if (!s)
        return arena_fail(arena, err, "encoder session");
    s->encoder = encoder;
    s->kernels = kernels;
    s->n_workers = n_workers;
    s->workers = arena_array(arena, struct worker, n_workers);
    if (!s->workers)
        return arena_fail(arena, err, "encoder session");
    for (size_t i = 0; i < n_workers; i++) {
        enum rc rc = init_worker(&encoder->bert->layout.config, arena, &s->workers[i], err);
        if (rc)
            return rc;
    }
    *ret_session = s;
    return RC_OK;
}

/* x += y, normalised with the gain in `slot` and the bias in the next. */
static void add_and_normalise(const struct encoder_session *s, float *x, const float *y,
                              enum bert_slot slot, size_t layer, size_t n_tokens)
{
    const struct bert *bert = s->encoder->bert;

    s->kernels->add_layernorm(x, x, y, bert_values(bert, slot, layer),
                              bert_values(bert, (enum bert_slot)(slot + 1), layer),
                              bert->layout.config.norm_eps, n_tokens, bert->layout.config.width);
}

static void embed(const struct encoder_session *s, struct worker *w, const struct group *g,
                  size_t n_tokens)
{
    const struct bert *bert = s->encoder->bert;
    const struct bert_config *config = &bert->layout.config;
    const float *words = bert_values(bert, BERT_WORDS, 0), *type = bert_values(bert, BERT_TYPES, 0);
    const float *positions = bert_values(bert, BERT_POSITIONS, 0);
    float *x = w->x, *y = w->narrow;

    for (size_t i = g->first; i < g->end; i++) {
        const struct encoder_text *text = &s->texts[i];

        for (size_t t = 0; t < text->n_ids; t++, x += config->width, y += config->width) {
            ASSERT(text->ids[t] >= 0 && (size_t)text->ids[t] < config->n_words);
            const float *word = words + (size_t)text->ids[t] * config->width;
            for (size_t c = 0; c < config->width; c++)
                x[c] = word[c] + type[c];
            memcpy(y, positions + t * config->width, config->width * sizeof(float));
        }
    }
    add_and_normalise(s, w->x, w->narrow, BERT_EMBEDDING_GAIN, 0, n_tokens);
}

static void attend(const struct encoder_session *s, struct worker *w, const struct group *g)
{
    const struct bert_config *config = &s->encoder->bert->layout.config;
    const float *qkv = w->wide;
    float *y = w->narrow;

    for (size_t i = g->first; i < g->end; i++) {
        size_t n_ids = s->texts[i].n_ids;

        s->kernels->attention(y, qkv, n_ids, config->n_heads, config->width / config->n_heads,
                              w->scratch);
        qkv += n_ids * 3 * config->width;
        y += n_ids * config->width;
    }
}

static void run_layer(const struct encoder_session *s, struct worker *w, const struct group *g,
                      size_t l, size_t n_tokens)
{
    const struct kernels *kernels = s->kernels;
    const struct layer *layer = &s->encoder->layers[l];

    dense_apply(&layer->qkv, kernels, &w->rows, w->wide, w->x, n_tokens);
    attend(s, w, g);
    dense_apply(&layer->attention, kernels, &w->rows, w->wide, w->narrow, n_tokens);
    add_and_normalise(s, w->x, w->wide, BERT_ATTENTION_NORM_GAIN, l, n_tokens);

    dense_apply(&layer->up, kernels, &w->rows, w->wide, w->x, n_tokens);
    kernels->gelu(w->wide, n_tokens * layer->up.int8.n_outputs);
    dense_apply(&layer->down, kernels, &w->rows, w->narrow, w->wide, n_tokens);
    add_and_normalise(s, w->x, w->narrow, BERT_DOWN_NORM_GAIN, l, n_tokens);
}

static void run_group(void *session, size_t task, size_t worker)
{
    const struct encoder_session *s = session;
    const struct bert_config *config = &s->encoder->bert->layout.config;
    const struct group *g = &s->groups[task];
    struct worker *w = &s->workers[worker];
    size_t n_tokens = 0;

    for (size_t i = g->first; i < g->end; i++)
        n_tokens += s->texts[i].n_ids;
    ASSERT(n_tokens <= group_tokens_max(config));

    embed(s, w, g, n_tokens);
    for (size_t l = 0; l < config->n_layers; l++)
        run_layer(s, w, g, l, n_tokens);

    const float *x = w->x;
    for (size_t i = g->first; i < g->end; i++) {
        s->kernels->unit_mean(s->vectors + i * config->width, x, s->texts[i].n_ids, config->width);
        x += s->texts[i].n_ids * config->width;
    }
}

/* Tokens of a group so that every worker gets an equal number of about equal groups. */
static size_t group_tokens(const struct encoder_session *s, size_t n_texts, size_t n_workers)
{
    size_t n_tokens = 0;

    for (size_t i = 0; i < n_texts; i++) {
        ASSERT(s->texts[i].n_ids >= 1 && s->texts[i].n_ids <= encoder_positions(s->encoder));
        n_tokens += s->texts[i].n_ids;
    }
    size_t n_rounds =
        (n_tokens + n_workers * ENCODER_GROUP_TOKENS - 1) / (n_workers * ENCODER_GROUP_TOKENS);
    return n_rounds ? (n_tokens + n_rounds * n_workers - 1) / (n_rounds * n_workers) : 0;
}

void encoder_run(struct encoder_session *s, struct pool *pool, const struct encoder_text *texts,
                 size_t n_texts, float *ret_vectors)
{
    size_t n_workers = pool_n_workers(pool);

    ASSERT(n_workers <= s->n_workers);
    s->texts = texts;
    s->vectors = ret_vectors;
    size_t tokens_max = group_tokens(s, n_texts, n_workers);

    for (size_t next = 0; next < n_texts;) {
        size_t n_groups = 0;

        while (next < n_texts && n_groups < GROUPS_MAX) {
            struct group *g = &s->groups[n_groups++];
            size_t n_tokens = 0;

            g->first = next;
            do
                n_tokens += texts[next++].n_ids;
            while (next < n_texts && n_tokens + texts[next].n_ids <= tokens_max);
            g->end = next;
        }
        pool_run(pool, n_groups, run_group, s);
    }
}
