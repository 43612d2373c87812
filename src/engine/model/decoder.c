#include "engine/model/decoder.h"

#include "base/exact_math.h"

#include <stdio.h>
#include <string.h>

enum {
    SCRATCH_BYTES_MAX = 2040 << 20, /* one tensor as f32 */
    PARTS_MAX = 3,
};

struct layer {
    const float *attention_norm, *ff_norm; /* (C,) */
    struct dense qkv;                      /* (H + 2 G, D) from C */
    struct dense attention;                /* C from (H, D) */
    struct dense gate_up;                  /* (2, F) from C */
    struct dense down;                     /* C from F */
};

struct decoder {
    const struct llama_file *file;
    struct layer *layers;     /* (L,) */
    const float *output_norm; /* (C,) */
    struct dense head;        /* V from C */
};

struct decoder_session {
    const struct decoder *decoder;
    const struct kernels *kernels;
    size_t capacity;
    float *turns;                  /* (capacity, D): kernels_rope_fn */
    float *x;                      /* (M, C) */
    float *normed;                 /* (M, C) */
    float *wide;                   /* (M, max((H + 2 G) D, 2 F)) */
    float *narrow;                 /* (M, max(H D, F)) */
    float *added;                  /* (M, C): what a layer adds to x */
    float *scratch;                /* of attention */
    struct kernels_int8_rows rows; /* (M, max(C, F)) */
};

struct decoder_text {
    const struct decoder *decoder;
    size_t n_tokens, capacity; /* capacity: a multiple of 16 */
    float *keys, *values;      /* (L, G, capacity, D) each, as kernels_cache has them per layer */
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* ---- weights ---- */

/* A vector of the model, kept in the arena. */
static enum rc read_vector(const struct llama_file *file, enum llama_slot slot, size_t layer,
                           struct arena *arena, const float **ret_values, struct err *err)
{
    size_t rows, columns;

    llama_shape(&file->config, slot, &rows, &columns);
    float *values = arena_alloc(arena, rows, sizeof(float), 64);
    if (!values)
        return arena_fail(arena, err, "weights");
    llama_read_rows(file, slot, layer, 0, rows, values);
    *ret_values = values;
    return RC_OK;
}

/* n_parts tensors of one input as one layer: those of the slots from `first` on. */
static enum rc read_dense(const struct decoder_weights *weights, enum llama_slot first,
                          size_t n_parts, size_t layer, enum dense_precision precision,
                          const struct kernels *kernels, struct arena *arena, struct dense *dense,
                          struct err *err)
{
    struct dense_part parts[PARTS_MAX];
    char names[PARTS_MAX][96];
    const struct llama_file *file = weights->file;
    size_t columns = 0;
    struct arena scratch;
    enum rc rc = RC_OK;

    arena_init(&scratch, SCRATCH_BYTES_MAX);
    for (size_t p = 0; p < n_parts && !rc; p++) {
        enum llama_slot slot = (enum llama_slot)(first + p);
        struct str name = llama_tensor_name(file, slot, layer);
        size_t rows;

        llama_shape(&file->config, slot, &rows, &columns);
        float *values = arena_array(&scratch, float, rows *columns);
        if (!values) {
            rc = arena_fail(&scratch, err, "weights");
            break;
        }
        llama_read_rows(file, slot, layer, 0, rows, values);
        if (weights->lora && slot != LLAMA_WORDS)
            llama_lora_merge(weights->lora, weights->lora_values, slot, layer, values);
        snprintf(names[p], sizeof(names[p]), "%.*s", STR_ARG(name));
        parts[p] = (struct dense_part){ .name = names[p], .weights = values, .n_outputs = rows };
    }
    if (rc == RC_OK)
        rc = dense_init(dense, parts, n_parts, columns, precision, kernels, arena, err);
    arena_release(&scratch);
    return rc;
}

static enum rc read_layer(const struct decoder_weights *weights, size_t l,
                          enum dense_precision precision, const struct kernels *kernels,
                          struct arena *arena, struct layer *layer, struct err *err)
{
    const struct {
        enum llama_slot first;
        size_t n_parts;
        struct dense *dense;
    } parts[] = {
        { LLAMA_QUERY, 3, &layer->qkv },
        { LLAMA_ATTENTION, 1, &layer->attention },
        { LLAMA_GATE, 2, &layer->gate_up },
        { LLAMA_DOWN, 1, &layer->down },
    };
    enum rc rc =
        read_vector(weights->file, LLAMA_ATTENTION_NORM, l, arena, &layer->attention_norm, err);

    if (rc == RC_OK)
        rc = read_vector(weights->file, LLAMA_FF_NORM, l, arena, &layer->ff_norm, err);
    for (size_t i = 0; i < ARRAY_LEN(parts) && !rc; i++)
        rc = read_dense(weights, parts[i].first, parts[i].n_parts, l, precision, kernels, arena,
                        parts[i].dense, err);
    return rc;
}

enum rc decoder_new(const struct decoder_weights *weights, enum dense_precision precision,
                    const struct kernels *kernels, struct arena *arena,
                    struct decoder **ret_decoder, struct err *err)
{
    const struct llama_file *file = weights->file;
    struct decoder *d = arena_new(arena, struct decoder);
    enum rc rc = RC_OK;

    if (!d)
        return arena_fail(arena, err, "decoder");
    d->file = file;
    d->layers = arena_array(arena, struct layer, file->config.n_layers);
    if (!d->layers)
        return arena_fail(arena, err, "decoder");
    for (size_t l = 0; l < file->config.n_layers && !rc; l++)
        rc = read_layer(weights, l, precision, kernels, arena, &d->layers[l], err);
    if (rc == RC_OK)
        rc = read_vector(file, LLAMA_OUTPUT_NORM, 0, arena, &d->output_norm, err);
    if (rc == RC_OK)
        rc = read_dense(weights, LLAMA_WORDS, 1, 0, precision, kernels, arena, &d->head, err);
    if (rc == RC_OK)
        *ret_decoder = d;
    return rc;
}

const struct llama_config *decoder_config(const struct decoder *decoder)
{
    return &decoder->file->config;
}

/* ---- sessions and texts ---- */

/* Cosines and sines of each position. In double by our own code: libm's bytes depend on the CPU. */
static void compute_turns(const struct llama_config *c, size_t n_positions, float *turns)
{
    size_t half = c->head_width / 2;

    for (size_t d = 0; d < half; d++) {
        double exponent = -2.0 * (double)d / (double)c->head_width;
        double frequency = exact_exp(exponent * exact_ln((double)c->rope_base));

        for (size_t p = 0; p < n_positions; p++) {
            double sine, cosine;
            exact_sin_cos((double)p * frequency, &sine, &cosine);
            turns[p * c->head_width + d] = (float)cosine;
            turns[p * c->head_width + half + d] = (float)sine;
        }
    }
}

static size_t qkv_width(const struct llama_config *c)
{
    return (c->n_heads + 2 * c->n_kv_heads) * c->head_width;
}

enum rc decoder_session_new(const struct decoder *decoder, const struct kernels *kernels,
                            size_t capacity, struct arena *arena,
                            struct decoder_session **ret_session, struct err *err)
{
    const struct llama_config *c = &decoder->file->config;
    struct decoder_session *s = arena_new(arena, struct decoder_session);
    size_t m = DECODER_ROWS_MAX, n_wide = larger(qkv_width(c), 2 * c->ff_width);

    ASSERT(capacity >= 1 && capacity <= c->n_positions);
    if (!s)
        return arena_fail(arena, err, "decoder session");
    *s = (struct decoder_session){
        .decoder = decoder,
        .kernels = kernels,
        .capacity = capacity,
        .turns = arena_alloc(arena, capacity * c->head_width, sizeof(float), 64),
        .x = arena_alloc(arena, m * c->width, sizeof(float), 64),
        .normed = arena_alloc(arena, m * c->width, sizeof(float), 64),
        .wide = arena_alloc(arena, m * n_wide, sizeof(float), 64),
        .narrow = arena_alloc(arena, m * larger(c->width, c->ff_width), sizeof(float), 64),
        .added = arena_alloc(arena, m * c->width, sizeof(float), 64),
        .scratch =
            arena_alloc(arena, kernels_cached_floats(capacity + KERNELS_LANES), sizeof(float), 64),
    };
    if (!s->turns || !s->x || !s->normed || !s->wide || !s->narrow || !s->added || !s->scratch)
        return arena_fail(arena, err, "decoder session");
    enum rc rc = dense_rows_init(&s->rows, m, larger(c->width, c->ff_width), arena, err);
    if (rc)
        return rc;
    compute_turns(c, capacity, s->turns);
    *ret_session = s;
    return RC_OK;
}

enum rc decoder_text_new(const struct decoder *decoder, size_t capacity, struct arena *arena,
                         struct decoder_text **ret_text, struct err *err)
{
    const struct llama_config *c = &decoder->file->config;
    struct decoder_text *t = arena_new(arena, struct decoder_text);

    ASSERT(capacity >= 1 && capacity <= c->n_positions);
    if (!t)
        return arena_fail(arena, err, "text");
    t->decoder = decoder;
    t->capacity = (capacity + KERNELS_LANES - 1) / KERNELS_LANES * KERNELS_LANES;
    size_t n = c->n_layers * c->n_kv_heads * t->capacity * c->head_width;
    t->keys = arena_alloc(arena, n, sizeof(float), 64);
    t->values = arena_alloc(arena, n, sizeof(float), 64);
    if (!t->keys || !t->values)
        return arena_fail(arena, err, "text");
    *ret_text = t;
    return RC_OK;
}

size_t decoder_text_length(const struct decoder_text *text)
{
    return text->n_tokens;
}

size_t decoder_text_capacity(const struct decoder_text *text)
{
    return text->capacity;
}

void decoder_text_copy(struct decoder_text *text, const struct decoder_text *from, size_t n_tokens)
{
    const struct llama_config *c = &from->decoder->file->config;
    /* keys stand in groups of 16 tokens: the last one is copied whole */
    size_t n_keys = (n_tokens + KERNELS_LANES - 1) / KERNELS_LANES * KERNELS_LANES;

    ASSERT(text->decoder == from->decoder && n_tokens <= from->n_tokens &&
           n_tokens <= text->capacity);
    for (size_t head = 0; head < c->n_layers * c->n_kv_heads; head++) {
        size_t to_at = head * text->capacity * c->head_width;
        size_t from_at = head * from->capacity * c->head_width;

        memcpy(text->keys + to_at, from->keys + from_at, n_keys * c->head_width * sizeof(float));
        memcpy(text->values + to_at, from->values + from_at,
               n_tokens * c->head_width * sizeof(float));
    }
    text->n_tokens = n_tokens;
}

/* ---- runs ---- */

static void apply(struct decoder_session *s, const struct dense *dense, float *y, const float *x,
                  size_t n_rows)
{
    dense_apply(dense, s->kernels, &s->rows, y, x, n_rows);
}

static void attend(struct decoder_session *s, struct decoder_text *text, size_t l, size_t n_rows)
{
    const struct llama_config *c = &s->decoder->file->config;
    size_t n_layer = c->n_kv_heads * text->capacity * c->head_width;
    const struct kernels_cache cache = {
        .n_heads = c->n_heads,
        .n_kv_heads = c->n_kv_heads,
        .head_width = c->head_width,
        .capacity = text->capacity,
        .n_tokens = text->n_tokens,
        .keys = text->keys + l * n_layer,
        .values = text->values + l * n_layer,
    };

    s->kernels->rope(s->wide, s->turns + text->n_tokens * c->head_width, n_rows, qkv_width(c),
                     c->n_heads + c->n_kv_heads, c->head_width);
    s->kernels->attention_cached(s->narrow, s->wide, n_rows, &cache, s->scratch);
}

/* Up to DECODER_ROWS_MAX tokens through all layers; x is what the last one has not yet added to. */
static void run_layers(struct decoder_session *s, struct decoder_text *text, size_t n_rows)
{
    const struct llama_config *c = &s->decoder->file->config;
    const float *added = NULL;

    for (size_t l = 0; l < c->n_layers; l++) {
        const struct layer *layer = &s->decoder->layers[l];

        s->kernels->add_rmsnorm(s->normed, s->x, added, layer->attention_norm, c->norm_eps, n_rows,
                                c->width);
        apply(s, &layer->qkv, s->wide, s->normed, n_rows);
        attend(s, text, l, n_rows);
        apply(s, &layer->attention, s->added, s->narrow, n_rows);

        s->kernels->add_rmsnorm(s->normed, s->x, s->added, layer->ff_norm, c->norm_eps, n_rows,
                                c->width);
        apply(s, &layer->gate_up, s->wide, s->normed, n_rows);
        s->kernels->swiglu(s->narrow, s->wide, n_rows, c->ff_width);
        apply(s, &layer->down, s->added, s->narrow, n_rows);
        added = s->added;
    }
    text->n_tokens += n_rows;
}

void decoder_read(struct decoder_session *s, struct decoder_text *text, const int32_t *ids,
                  size_t n_ids, size_t n_states, float *ret_states)
{
    const struct llama_file *file = s->decoder->file;
    const struct llama_config *c = &file->config;

    ASSERT(text->decoder == s->decoder && n_states <= n_ids);
    ASSERT(n_ids <= text->capacity - text->n_tokens && text->n_tokens + n_ids <= s->capacity);
    for (size_t first = 0, n; first < n_ids; first += n) {
        n = n_ids - first < DECODER_ROWS_MAX ? n_ids - first : DECODER_ROWS_MAX;
        for (size_t i = 0; i < n; i++) {
            ASSERT(ids[first + i] >= 0 && (size_t)ids[first + i] < c->n_words);
            llama_read_rows(file, LLAMA_WORDS, 0, (size_t)ids[first + i], 1, s->x + i * c->width);
        }
        run_layers(s, text, n);

        size_t wanted = first + n + n_states > n_ids ? first + n + n_states - n_ids : 0;
        wanted = wanted < n ? wanted : n; /* of this run's last tokens */
        if (wanted == 0)
            continue;
        size_t skipped = (n - wanted) * c->width;
        s->kernels->add_rmsnorm(ret_states, s->x + skipped, s->added + skipped,
                                s->decoder->output_norm, c->norm_eps, wanted, c->width);
        ret_states += wanted * c->width;
    }
}

void decoder_logits(struct decoder_session *s, const float *states, size_t n_states,
                    float *ret_logits)
{
    const struct llama_config *c = &s->decoder->file->config;

    for (size_t first = 0, n; first < n_states; first += n) {
        n = n_states - first < DECODER_ROWS_MAX ? n_states - first : DECODER_ROWS_MAX;
        apply(s, &s->decoder->head, ret_logits + first * c->n_words, states + first * c->width, n);
    }
}
