/* train_run.c - one training run: checks, memory, the start, the steps, the result. */
#include "engine/train/train_internal.h"

#include "base/macros.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const size_t memory_bytes_max = (size_t)16 << 30;

struct train_options train_options_default(enum train_method method)
{
    return (struct train_options){
        .method = method,
        .epochs = 3,
        .batch_rows = 32,
        .patience = 4, /* the first epochs behind the frozen head dip */
        .rate = method == TRAIN_LORA ? 1e-3f : 1e-4f,
        .head_rate = method == TRAIN_LORA ? 1e-3f : 5e-4f,
        .warmup = 0.1f,
        .weight_decay = 0.01f,
        .clip = 1.0f,
        .dropout = 0.1f,
        .cache_bytes = (size_t)2 << 30,
        .lora_rank = 16,
        .lora_alpha = 32.0f,
        .seed = 1,
    };
}

static bool within(float x, float low, float high)
{
    return x >= low && x < high; /* false for NaN */
}

static enum rc check_options(const struct train_options *o, struct err *err)
{
    if (o->epochs < 1 || o->epochs > TRAIN_EPOCHS_MAX)
        return err_set(err, RC_INVALID, "%zu epochs, expected 1 to %d", o->epochs,
                       TRAIN_EPOCHS_MAX);
    if (o->batch_rows < 1 || o->batch_rows > TRAIN_BATCH_ROWS_MAX)
        return err_set(err, RC_INVALID, "batches of %zu rows, expected 1 to %d", o->batch_rows,
                       TRAIN_BATCH_ROWS_MAX);
    if (!(o->rate > 0.0f) || !(o->head_rate > 0.0f) || !isfinite(o->rate) ||
        !isfinite(o->head_rate))
        return err_set(err, RC_INVALID, "learning rates %g and %g, expected both above 0",
                       (double)o->rate, (double)o->head_rate);
    if (!within(o->warmup, 0.0f, 1.0f) || !within(o->dropout, 0.0f, 1.0f))
        return err_set(err, RC_INVALID, "warm-up %g and dropout %g, expected from 0 to below 1",
                       (double)o->warmup, (double)o->dropout);
    if (!within(o->weight_decay, 0.0f, INFINITY) || !within(o->clip, 0.0f, INFINITY))
        return err_set(err, RC_INVALID, "weight decay %g and clipping %g, expected at least 0",
                       (double)o->weight_decay, (double)o->clip);
    if (o->frozen_layers > 0 && o->method == TRAIN_LORA)
        return err_set(err, RC_INVALID,
                       "%zu frozen layers, but LoRA changes no layer's own weights",
                       o->frozen_layers);
    if (o->method == TRAIN_LORA &&
        (o->lora_rank < 1 || o->lora_rank > LORA_RANK_MAX || !isfinite(o->lora_alpha)))
        return err_set(err, RC_INVALID, "LoRA of rank %zu, expected 1 to %d", o->lora_rank,
                       LORA_RANK_MAX);
    return RC_OK;
}

static bool is_set(const struct train_job *job, size_t field)
{
    return job->is_set && job->is_set[field];
}

static enum rc check_row(const struct train_job *job, const struct train_row *row, struct err *err)
{
    const struct bert_config *config = &job->start->layout.config;

    if (row->n_tokens < 1 || row->n_tokens > config->n_positions)
        return err_set(err, RC_INVALID, "%zu tokens, expected 1 to %zu", row->n_tokens,
                       config->n_positions);
    for (size_t i = 0; i < row->n_tokens; i++)
        if (row->tokens[i] < 0 || (size_t)row->tokens[i] >= config->n_words)
            return err_set(err, RC_INVALID, "token %" PRId32 ", expected below %zu", row->tokens[i],
                           config->n_words);
    for (size_t f = 0; f < job->n_fields; f++) {
        size_t n = is_set(job, f) ? (size_t)1 << job->n_classes[f] : job->n_classes[f];

        if (row->labels[f] != TRAIN_NO_LABEL && (row->labels[f] < 0 || (size_t)row->labels[f] >= n))
            return err_set(err, RC_INVALID, "field %zu has class %" PRId32 ", expected below %zu",
                           f, row->labels[f], n);
    }
    return RC_OK;
}

static enum rc check_rows(const struct train_job *job, const struct train_rows *rows,
                          const char *what, struct err *err)
{
    if (rows->n > TRAIN_ROWS_MAX)
        return err_set(err, RC_LIMIT, "%zu %s rows, at most %d allowed", rows->n, what,
                       TRAIN_ROWS_MAX);
    for (size_t r = 0; r < rows->n; r++) {
        enum rc rc = check_row(job, &rows->at[r], err);

        if (rc)
            return err_context(err, "%s row %zu", what, r);
    }
    return RC_OK;
}

/* A field without one labelled row cannot be learnt. */
static enum rc check_fields(const struct train_job *job, struct err *err)
{
    for (size_t f = 0; f < job->n_fields; f++) {
        size_t r = 0;

        while (r < job->train.n && job->train.at[r].labels[f] == TRAIN_NO_LABEL)
            r++;
        if (r == job->train.n)
            return err_set(err, RC_INVALID, "field %zu has no labelled row", f);
    }
    return RC_OK;
}

static enum rc heads_init(const struct train_job *job, struct train_heads *heads, struct err *err)
{
    *heads = (struct train_heads){ .n_fields = job->n_fields };
    if (job->n_fields < 1 || job->n_fields > TRAIN_FIELDS_MAX)
        return err_set(err, RC_INVALID, "%zu fields, expected 1 to %d", job->n_fields,
                       TRAIN_FIELDS_MAX);
    for (size_t f = 0; f < job->n_fields; f++) {
        if (is_set(job, f) && job->n_classes[f] > TRAIN_MEMBERS_MAX)
            return err_set(err, RC_INVALID, "field %zu is a set of %zu classes, at most %d", f,
                           job->n_classes[f], TRAIN_MEMBERS_MAX);
        if (job->n_classes[f] < 2 || job->n_classes[f] > TRAIN_CLASSES_MAX - heads->n_classes)
            return err_set(err, RC_INVALID,
                           "field %zu has %zu classes, expected at least 2 and %d of all fields", f,
                           job->n_classes[f], TRAIN_CLASSES_MAX);
        heads->is_set[f] = is_set(job, f);
        heads->n_classes += job->n_classes[f];
        heads->first[f + 1] = heads->n_classes;
    }
    return RC_OK;
}

static enum rc check(const struct trainer *t, struct err *err)
{
    size_t n_layers = t->job->start->layout.config.n_layers;
    enum rc rc = check_options(t->options, err);

    if (!rc && t->options->frozen_layers >= n_layers)
        rc = err_set(err, RC_INVALID, "%zu frozen layers, expected less than the base's %zu",
                     t->options->frozen_layers, n_layers);
    if (!rc)
        rc = check_rows(t->job, &t->job->train, "training", err);
    if (!rc)
        rc = check_rows(t->job, &t->job->valid, "validation", err);
    return rc ? rc : check_fields(t->job, err);
}

static size_t longest_row(const struct train_rows *rows)
{
    size_t longest = 0;

    for (size_t r = 0; r < rows->n; r++)
        longest = rows->at[r].n_tokens > longest ? rows->at[r].n_tokens : longest;
    return longest;
}

/* Memory for the packs: no more than the longest batch needs. */
static enum rc packs_init(struct trainer *t, struct err *err)
{
    size_t train = longest_row(&t->job->train), valid = longest_row(&t->job->valid);
    size_t longest = train > valid ? train : valid;
    size_t rows =
        t->options->batch_rows > TRAIN_PACK_ROWS ? t->options->batch_rows : TRAIN_PACK_ROWS;
    size_t tokens = rows * longest < TRAIN_PACK_TOKENS ? rows * longest : TRAIN_PACK_TOKENS;

    tokens = tokens > longest ? tokens : longest;
    enum rc rc = train_memory_init(&t->net, tokens, rows, pool_n_workers(t->host->pool),
                                   t->options->method != TRAIN_FROZEN, t->arena, &t->memory, err);
    if (rc)
        return rc;
    t->pack_tokens = arena_array(t->arena, int32_t, tokens);
    t->pack_starts = arena_array(t->arena, size_t, rows + 1);
    t->pack_lower = arena_array(t->arena, const float *, rows);
    t->pack_labels = arena_array(t->arena, int32_t, rows * t->job->n_fields);
    if (!t->pack_tokens || !t->pack_starts || !t->pack_lower || !t->pack_labels)
        return arena_fail(t->arena, err, "packed rows");
    return RC_OK;
}

/* Layers lie in their order behind the embeddings. */
static size_t first_trained(const struct trainer *t)
{
    size_t frozen = t->net.frozen_layers;

    return frozen ? t->layout.tensors[bert_tensor_index(BERT_LAYER_SLOTS, frozen)].offset : 0;
}

static enum rc values_init(struct trainer *t, struct err *err)
{
    struct train_heads *heads = &t->net.heads;

    heads->weight = t->layout.n_values;
    heads->bias = heads->weight + heads->n_classes * t->layout.config.width;
    size_t heads_end = heads->bias + heads->n_classes;

    t->lora =
        (struct lora){ t->net.layout, t->options->lora_rank, t->options->lora_alpha, heads_end };
    t->n_values = heads_end + (t->options->method == TRAIN_LORA ? lora_n_values(&t->lora) : 0);
    t->first_trained = t->options->method == TRAIN_LORA ? heads->weight : first_trained(t);
    t->values = arena_alloc(t->arena, t->n_values, sizeof(float), 64);
    if (t->options->method != TRAIN_FROZEN)
        t->gradients = arena_alloc(t->arena, t->n_values, sizeof(float), 64);
    if (!t->values || (!t->gradients && t->options->method != TRAIN_FROZEN))
        return arena_fail(t->arena, err, "weights");

    trainer_gather_weights(t, t->job->start, t->values);
    t->net.values = t->values;
    if (t->options->method == TRAIN_LORA && t->job->start_lora)
        memcpy(t->values + heads_end, t->job->start_lora, lora_n_values(&t->lora) * sizeof(float));
    else if (t->options->method == TRAIN_LORA)
        lora_start(&t->lora, t->options->seed, t->values);
    if (t->options->method == TRAIN_LORA)
        lora_merge(&t->lora, t->net.gemm, t->job->start, t->values, t->host->pool);
    return RC_OK;
}

/* What the optimiser changes: the heads, and the network (words apart, see adamw.h) or A and B. */
static enum rc optimiser_init(struct trainer *t, struct err *err)
{
    const struct train_heads *heads = &t->net.heads;
    const struct bert_layout *layout = t->net.layout;
    struct adamw_part *parts = arena_array(t->arena, struct adamw_part, layout->n_tensors + 2);
    size_t n = 0;

    if (!parts)
        return arena_fail(t->arena, err, "optimiser");
    parts[n++] = (struct adamw_part){ heads->weight, heads->bias - heads->weight, true, true };
    parts[n++] = (struct adamw_part){ heads->bias, heads->n_classes, false, true };
    if (t->options->method == TRAIN_LORA) {
        parts[n++] = (struct adamw_part){ t->lora.at, t->n_values - t->lora.at, true, false };
    } else {
        for (size_t i = 0; i < layout->n_tensors; i++) {
            const struct bert_tensor *tensor = &layout->tensors[i];

            if (tensor->slot != BERT_WORDS && tensor->offset >= t->first_trained)
                parts[n++] = (struct adamw_part){ tensor->offset, tensor->n_values,
                                                  tensor->rank == 2, false };
        }
    }
    enum rc rc = adamw_init(parts, n, t->first_trained, t->n_values - t->first_trained, t->arena,
                            &t->adamw, err);
    t->adamw.m = t->checkpoint.m;
    t->adamw.v = t->checkpoint.v;
    return rc;
}

static void hash_rows(struct sha256 *h, const struct train_job *job, const struct train_rows *rows)
{
    sha256_update(h, &rows->n, sizeof(rows->n));
    for (size_t r = 0; r < rows->n; r++) {
        sha256_update(h, &rows->at[r].n_tokens, sizeof(rows->at[r].n_tokens));
        sha256_update(h, rows->at[r].tokens, rows->at[r].n_tokens * sizeof(*rows->at[r].tokens));
        sha256_update(h, rows->at[r].labels, job->n_fields * sizeof(*rows->at[r].labels));
    }
}

/* All that the result depends on, as text where structs have padding. The values are those before
 * the head is found, which is a function of the rest. */
static enum rc fingerprint_of(const struct trainer *t, struct digest *ret_digest, struct err *err)
{
    const struct train_options *o = t->options;
    const struct bert_config *c = &t->net.layout->config;
    char text[512];
    struct sha256 h;

    int n = snprintf(
        text, sizeof(text),
        "shoal training 3\n%zu %zu %zu %zu %zu %zu %zu %a\n"
        "%d %d %d %zu %zu %zu %zu %zu %a %a %a %a %a %a %zu %a %" PRIu64 "\n%zu %zu %d %d",
        c->n_layers, c->width, c->n_heads, c->ff_width, c->n_words, c->n_positions, c->n_types,
        (double)c->norm_eps, (int)o->method, (int)o->head_start, (int)o->schedule, o->epochs,
        o->batch_rows, o->budget_tokens, o->patience, o->frozen_layers, (double)o->rate,
        (double)o->head_rate, (double)o->warmup, (double)o->weight_decay, (double)o->clip,
        (double)o->dropout, o->lora_rank, (double)o->lora_alpha, o->seed, t->job->n_fields,
        t->n_values, t->job->start_head != NULL, t->job->start_lora != NULL);
    ASSERT(n > 0 && (size_t)n < sizeof(text));
    sha256_init(&h);
    sha256_update(&h, text, (size_t)n);
    sha256_update(&h, t->job->n_classes, t->job->n_fields * sizeof(*t->job->n_classes));
    sha256_update(&h, t->net.heads.is_set, sizeof(t->net.heads.is_set));
    sha256_update(&h, t->values, t->n_values * sizeof(*t->values));
    if (t->job->start_head)
        sha256_update(&h, t->job->start_head,
                      (t->net.heads.bias + t->net.heads.n_classes - t->net.heads.weight) *
                          sizeof(float));
    hash_rows(&h, t->job, &t->job->train);
    hash_rows(&h, t->job, &t->job->valid);
    return sha256_end(&h, ret_digest, err);
}

static enum rc trainer_init(struct trainer *t, struct err *err)
{
    enum rc rc;

    t->net = (struct train_network){ .layout = &t->layout,
                                     .gemm = gemm_for(t->host->cpu),
                                     .ops = train_ops_for(t->host->cpu) };
    t->train.rows = &t->job->train;
    t->valid.rows = &t->job->valid;
    if (t->options->method == TRAIN_FULL)
        t->net.frozen_layers = t->options->frozen_layers;
    rc = heads_init(t->job, &t->net.heads, err);
    if (!rc)
        rc = check(t, err);
    if (!rc)
        rc = trainer_words(t, err);
    if (!rc)
        rc = values_init(t, err);
    if (!rc)
        rc = packs_init(t, err);
    if (!rc)
        rc = train_score_init(&t->net.heads, t->arena, &t->score, err);
    return rc;
}

static enum rc fine_tune(struct trainer *t, struct err *err)
{
    size_t n_trained = t->n_values - t->first_trained;
    struct digest fingerprint;

    enum rc rc = fingerprint_of(t, &fingerprint, err);
    if (!rc)
        rc = checkpoint_init(&fingerprint, n_trained, t->arena, &t->checkpoint, err);
    if (!rc)
        rc = optimiser_init(t, err);
    if (rc)
        return rc;

    rc = trainer_keep_lower(t, err);
    return rc ? rc : trainer_steps(t, err);
}

/* Copies what the caller keeps out of the run's memory. */
static enum rc take_result(const struct trainer *t, struct arena *arena,
                           struct train_result *ret_result, struct err *err)
{
    const struct train_heads *heads = &t->net.heads;
    bool frozen = t->options->method == TRAIN_FROZEN, lora = t->options->method == TRAIN_LORA;
    const struct checkpoint_header *state = t->checkpoint.header;
    size_t n_weights = frozen ? 0 : t->job->start->layout.n_values,
           n_more = t->n_values - heads->weight;
    float *weights = arena_alloc(arena, n_weights + n_more, sizeof(float), 64);

    if (!weights)
        return arena_fail(arena, err, "trained weights");
    float *head = weights + n_weights; /* the heads, and what LoRA has behind them */
    if (!frozen)
        trainer_scatter_weights(t, t->values, weights);
    memcpy(head, t->values + heads->weight, n_more * sizeof(*head));
    *ret_result = (struct train_result){
        .method = t->options->method,
        .head_weight = head,
        .head_bias = head + (heads->bias - heads->weight),
        .weights = frozen ? NULL : weights,
        .lora = lora ? head + (t->lora.at - heads->weight) : NULL,
        .lora_rank = lora ? t->lora.rank : 0,
        .lora_alpha = lora ? t->lora.alpha : 0.0f,
        .score = frozen ? t->frozen_score : state->best_score,
        .steps = frozen ? 0 : state->step,
        .tokens = frozen ? 0 : state->tokens,
        .best_step = frozen ? 0 : state->best_step,
    };
    return RC_OK;
}

enum rc train_run(const struct train_job *job, const struct train_options *options,
                  const struct train_host *host, struct arena *arena,
                  struct train_result *ret_result, struct err *err)
{
    struct arena own;
    struct trainer t = { .job = job, .options = options, .host = host, .arena = &own };

    arena_init(&own, memory_bytes_max);
    enum rc rc = trainer_init(&t, err);
    if (!rc)
        rc = options->method == TRAIN_FROZEN ? trainer_start_head(&t, err) : fine_tune(&t, err);
    if (!rc)
        rc = take_result(&t, arena, ret_result, err);
    arena_release(&own);
    return rc ? err_context(err, "training") : RC_OK;
}
