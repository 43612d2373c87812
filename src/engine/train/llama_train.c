/*
 * llama_train.c - one run of a decoder's training: checks, memory, a step and its score.
 *
 * A batch is cut into ranges of rows of about the same number of tokens. Each is a task, takes its
 * rows in packs that fit its worker's memory, and has gradients of its own, which are then added in
 * the order of the ranges. The ranges do not depend on the threads, so neither does a bit of the
 * result.
 */
#include "engine/train/llama_train.h"

#include "base/macros.h"
#include "engine/train/adamw.h"
#include "engine/train/train_loop.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    PACK_TOKENS = 512, /* of a task at a time: about 350 MB for SmolLM2-135M */
    RANGES_MAX = 8,    /* of a batch; each has gradients, about 20 MB for SmolLM2-135M */
    SLICE = 1 << 16,   /* values of one task when they are added */
};

static const size_t memory_bytes_max = (size_t)16 << 30;

struct trainer {
    const struct llama_job *job;
    const struct llama_options *options;
    const struct train_host *host;
    struct arena *arena; /* of everything below */

    struct llama_network net;
    struct llama_bf16 bf16;                       /* LLAMA_BF16 */
    struct llama_memory memory[POOL_WORKERS_MAX]; /* of each worker */
    size_t n_ranges, n_values;
    float *gradients[RANGES_MAX]; /* (n_values,) of each range; then the batch's are the first */
    double losses[RANGES_MAX];
    float *values;
    struct adamw adamw;
    struct checkpoint checkpoint;
    struct train_loop loop;
    const struct llama_row **rows; /* of a batch, or all of the validation */
};

/* Rows to go through at once: a batch, or all validation rows. */
struct work {
    struct trainer *t;
    const struct llama_row **rows; /* (n,) */
    size_t n, n_tokens;
    double weight; /* of the loss of one answer token */
    bool training; /* the gradients too */
};

struct llama_options llama_options_default(void)
{
    return (struct llama_options){
        .epochs = 3,
        .batch_rows = 16,
        .patience = 2,
        .rate = 5e-4f,
        .warmup = 0.1f,
        .weight_decay = 0.01f,
        .clip = 1.0f,
        .rank = 16,
        .alpha = 32.0f,
        .seed = 1,
    };
}

static enum rc check_options(const struct llama_options *o, struct err *err)
{
    if (o->epochs < 1 || o->epochs > TRAIN_EPOCHS_MAX)
        return err_set(err, RC_INVALID, "%zu epochs, expected 1 to %d", o->epochs,
                       TRAIN_EPOCHS_MAX);
    if (o->batch_rows < 1 || o->batch_rows > TRAIN_BATCH_ROWS_MAX)
        return err_set(err, RC_INVALID, "batches of %zu rows, expected 1 to %d", o->batch_rows,
                       TRAIN_BATCH_ROWS_MAX);
    if (!(o->rate > 0.0f) || !isfinite(o->rate))
        return err_set(err, RC_INVALID, "learning rate %g, expected above 0", (double)o->rate);
    if (!(o->warmup >= 0.0f) || !(o->warmup < 1.0f))
        return err_set(err, RC_INVALID, "warm-up %g, expected from 0 to below 1",
                       (double)o->warmup);
    if (!(o->weight_decay >= 0.0f) || !(o->clip >= 0.0f))
        return err_set(err, RC_INVALID, "weight decay %g and clipping %g, expected at least 0",
                       (double)o->weight_decay, (double)o->clip);
    if (o->rank < 1 || o->rank > LLAMA_LORA_RANK_MAX || !isfinite(o->alpha))
        return err_set(err, RC_INVALID, "LoRA of rank %zu, expected 1 to %d", o->rank,
                       LLAMA_LORA_RANK_MAX);
    return RC_OK;
}

static enum rc check_row(const struct llama_config *config, const struct llama_row *row,
                         struct err *err)
{
    if (row->n_tokens < 2 || row->n_tokens > config->n_positions)
        return err_set(err, RC_INVALID, "%zu tokens, expected 2 to %zu", row->n_tokens,
                       config->n_positions);
    if (row->n_prompt < 1 || row->n_prompt >= row->n_tokens)
        return err_set(err, RC_INVALID, "a prompt of %zu tokens, expected 1 to %zu", row->n_prompt,
                       row->n_tokens - 1);
    for (size_t i = 0; i < row->n_tokens; i++)
        if (row->tokens[i] < 0 || (size_t)row->tokens[i] >= config->n_words)
            return err_set(err, RC_INVALID, "token %" PRId32 ", expected below %zu", row->tokens[i],
                           config->n_words);
    return RC_OK;
}

static enum rc check_rows(const struct llama_job *job, const struct llama_rows *rows,
                          const char *what, struct err *err)
{
    if (rows->n > TRAIN_ROWS_MAX)
        return err_set(err, RC_LIMIT, "%zu %s rows, at most %d allowed", rows->n, what,
                       TRAIN_ROWS_MAX);
    for (size_t r = 0; r < rows->n; r++) {
        enum rc rc = check_row(&job->base->config, &rows->at[r], err);

        if (rc)
            return err_context(err, "%s row %zu", what, r);
    }
    return RC_OK;
}

static enum rc check(const struct trainer *t, struct err *err)
{
    enum rc rc = check_options(t->options, err);

    if (!rc && t->job->train.n < 1)
        rc = err_set(err, RC_INVALID, "no training rows");
    if (!rc)
        rc = check_rows(t->job, &t->job->train, "training", err);
    return rc ? rc : check_rows(t->job, &t->job->valid, "validation", err);
}

static size_t longest_row(const struct llama_job *job)
{
    size_t longest = 0;

    for (size_t r = 0; r < job->train.n; r++)
        longest = job->train.at[r].n_tokens > longest ? job->train.at[r].n_tokens : longest;
    for (size_t r = 0; r < job->valid.n; r++)
        longest = job->valid.at[r].n_tokens > longest ? job->valid.at[r].n_tokens : longest;
    return longest;
}

/* The first row of range i: ranges have about the same number of tokens. */
static size_t range_first(const struct work *w, size_t i)
{
    size_t row = 0, before = 0;

    while (row < w->n && before * w->t->n_ranges < i * w->n_tokens)
        before += w->rows[row++]->n_tokens;
    return row;
}

static void run_range(void *context, size_t task, size_t worker)
{
    const struct work *w = context;
    struct llama_memory *memory = &w->t->memory[worker];
    size_t at = range_first(w, task), end = range_first(w, task + 1);
    double loss = 0.0;

    memory->training = w->training;
    memory->gradients = w->t->gradients[task];
    if (w->training)
        memset(memory->gradients, 0, w->t->n_values * sizeof(*memory->gradients));
    while (at < end) {
        size_t n = 0, tokens = 0;

        while (at + n < end && tokens + w->rows[at + n]->n_tokens <= memory->tokens_max)
            tokens += w->rows[at + n++]->n_tokens;
        loss += llama_network_pass(&w->t->net, memory, w->rows + at, n, w->weight);
        at += n;
    }
    w->t->losses[task] = loss;
}

/* The mean loss of the rows per answer token; training: and each range's gradients. */
static double run_rows(struct trainer *t, const struct llama_row **rows, size_t n, bool training)
{
    struct work w = { t, rows, n, 0, 0.0, training };
    size_t n_answers = 0;
    double loss = 0.0;

    for (size_t r = 0; r < n; r++) {
        w.n_tokens += rows[r]->n_tokens;
        n_answers += rows[r]->n_tokens - rows[r]->n_prompt;
    }
    w.weight = 1.0 / (double)n_answers;
    pool_run(t->host->pool, t->n_ranges, run_range, &w);
    for (size_t i = 0; i < t->n_ranges; i++)
        loss += t->losses[i];
    return loss;
}

static void add_slice(void *context, size_t slice, size_t worker)
{
    struct trainer *t = context;
    size_t at = slice * SLICE, n = t->n_values - at < SLICE ? t->n_values - at : SLICE;
    (void)worker;

    for (size_t i = 1; i < t->n_ranges; i++)
        t->net.ops->add(t->gradients[0] + at, t->gradients[i] + at, 1.0f, n);
}

/* Gradients of all ranges into the first's, in their order. */
static float *sum_gradients(struct trainer *t)
{
    pool_run(t->host->pool, (t->n_values + SLICE - 1) / SLICE, add_slice, t);
    return t->gradients[0];
}

static double step(void *self, size_t k, struct train_span span, double factor)
{
    struct trainer *t = self;
    const struct adamw_rates rates = {
        .rate = (float)(factor * (double)t->options->rate),
        .decay = t->options->weight_decay,
        .clip = t->options->clip,
        .t = k + 1,
    };

    for (size_t i = span.first; i < span.end; i++)
        t->rows[i - span.first] = &t->job->train.at[t->loop.plan.order[i]];
    double loss = run_rows(t, t->rows, span.end - span.first, true);
    double length =
        adamw_step(&t->adamw, t->net.ops, t->values, sum_gradients(t), NULL, &rates, t->host->pool);

    return isfinite(length) ? loss : NAN;
}

static enum rc score(void *self, double *ret_score, struct err *err)
{
    struct trainer *t = self;
    (void)err;

    for (size_t i = 0; i < t->job->valid.n; i++)
        t->rows[i] = &t->job->valid.at[i];
    *ret_score = -run_rows(t, t->rows, t->job->valid.n, false);
    return RC_OK;
}

static void hash_rows(struct sha256 *h, const struct llama_rows *rows)
{
    sha256_update(h, &rows->n, sizeof(rows->n));
    for (size_t r = 0; r < rows->n; r++) {
        sha256_update(h, &rows->at[r].n_tokens, sizeof(rows->at[r].n_tokens));
        sha256_update(h, &rows->at[r].n_prompt, sizeof(rows->at[r].n_prompt));
        sha256_update(h, rows->at[r].tokens, rows->at[r].n_tokens * sizeof(*rows->at[r].tokens));
    }
}

/* All that the result depends on; the values are those of the start. */
static enum rc fingerprint_of(const struct trainer *t, struct digest *ret_digest, struct err *err)
{
    const struct llama_options *o = t->options;
    const struct llama_config *c = &t->job->base->config;
    char text[512];
    struct sha256 h;

    int n =
        snprintf(text, sizeof(text),
                 "shoal decoder training 2\n%zu %zu %zu %zu %zu %zu %zu %a %a\n"
                 "%d %zu %zu %zu %zu %a %a %a %a %zu %a %" PRIu64,
                 c->n_layers, c->width, c->n_heads, c->n_kv_heads, c->head_width, c->ff_width,
                 c->n_words, (double)c->rope_base, (double)c->norm_eps, (int)o->schedule, o->epochs,
                 o->batch_rows, o->budget_tokens, o->patience, (double)o->rate, (double)o->warmup,
                 (double)o->weight_decay, (double)o->clip, o->rank, (double)o->alpha, o->seed);
    ASSERT(n > 0 && (size_t)n < sizeof(text));
    sha256_init(&h);
    sha256_update(&h, text, (size_t)n);
    if (o->precision == LLAMA_BF16)
        sha256_update(&h, "bf16", 4);
    for (size_t l = 0; l < c->n_layers; l++) {
        for (enum llama_slot s = l ? LLAMA_LAYER_SLOTS : 0; s < LLAMA_SLOTS_END; s++) {
            size_t rows, columns;

            llama_shape(c, s, &rows, &columns);
            sha256_update(&h, llama_values(t->job->base, s, l), rows * columns * sizeof(float));
        }
    }
    sha256_update(&h, t->values, t->n_values * sizeof(*t->values));
    hash_rows(&h, &t->job->train);
    hash_rows(&h, &t->job->valid);
    return sha256_end(&h, ret_digest, err);
}

static enum rc values_init(struct trainer *t, struct err *err)
{
    size_t positions = longest_row(t->job);
    float *turns =
        arena_alloc(t->arena, positions * t->job->base->config.head_width, sizeof(float), 64);

    t->net = (struct llama_network){
        .base = t->job->base,
        .lora = { &t->job->base->config, t->options->rank, t->options->alpha },
        .gemm = gemm_for(t->host->cpu),
        .ops = train_ops_for(t->host->cpu),
    };
    t->n_values = llama_lora_n_values(&t->net.lora);
    t->values = arena_alloc(t->arena, t->n_values, sizeof(float), 64);
    if (!turns || !t->values)
        return arena_fail(t->arena, err, "weights");
    llama_turns(&t->job->base->config, positions, turns);
    if (t->job->start)
        memcpy(t->values, t->job->start, t->n_values * sizeof(*t->values));
    else
        llama_lora_start(&t->net.lora, t->options->seed, t->values);
    t->net.turns = turns;
    t->net.values = t->values;
    if (t->options->precision == LLAMA_F32)
        return RC_OK;
    t->net.bf16 = &t->bf16;
    return llama_bf16_pack(t->job->base, t->arena, &t->bf16, err);
}

static enum rc memory_init(struct trainer *t, struct err *err)
{
    size_t longest = longest_row(t->job), batch = t->options->batch_rows * longest;
    size_t tokens = batch < PACK_TOKENS ? batch : PACK_TOKENS;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < pool_n_workers(t->host->pool) && !rc; i++)
        rc = llama_memory_init(&t->net, tokens > longest ? tokens : longest, true, t->arena,
                               &t->memory[i], err);
    t->n_ranges = t->options->batch_rows < RANGES_MAX ? t->options->batch_rows : RANGES_MAX;
    for (size_t i = 0; i < t->n_ranges && !rc; i++) {
        t->gradients[i] = arena_alloc(t->arena, t->n_values, sizeof(float), 64);
        if (!t->gradients[i])
            rc = arena_fail(t->arena, err, "gradients");
    }
    return rc;
}

static enum rc loop_init(struct trainer *t, struct err *err)
{
    const struct llama_rows *rows = &t->job->train;
    const struct llama_options *o = t->options;
    size_t n = t->job->valid.n > o->batch_rows ? t->job->valid.n : o->batch_rows;
    uint32_t *n_tokens = arena_array(t->arena, uint32_t, rows->n);

    t->rows = arena_array(t->arena, const struct llama_row *, n);
    if (!t->rows || !n_tokens)
        return arena_fail(t->arena, err, "the plan of the steps");
    for (size_t i = 0; i < rows->n; i++)
        n_tokens[i] = (uint32_t)rows->at[i].n_tokens;
    t->loop =
        (struct train_loop){ .host = t->host,
                             .checkpoint = &t->checkpoint,
                             .plan = { rows->n, o->batch_rows, o->seed, .n_tokens = n_tokens },
                             .schedule = o->schedule,
                             .warmup = o->warmup,
                             .patience = o->patience,
                             .checkpoint_steps = o->checkpoint_steps,
                             .values = t->values,
                             .has_valid = t->job->valid.n > 0,
                             .self = t,
                             .step = step,
                             .score = score };
    return train_plan_init(&t->loop.plan, o->epochs, o->budget_tokens, t->arena, err);
}

/* The state, from the checkpoint when there is one. */
static enum rc state_init(struct trainer *t, struct err *err)
{
    const struct adamw_part all = { 0, t->n_values, true, false };
    struct digest fingerprint;
    bool found;
    enum rc rc = fingerprint_of(t, &fingerprint, err);

    if (!rc)
        rc = checkpoint_init(&fingerprint, t->n_values, t->arena, &t->checkpoint, err);
    if (!rc)
        rc = adamw_init(&all, 1, 0, t->n_values, t->arena, &t->adamw, err);
    if (rc)
        return rc;
    t->adamw.m = t->checkpoint.m;
    t->adamw.v = t->checkpoint.v;
    return train_loop_load(&t->loop, &found, err);
}

static enum rc take_result(const struct trainer *t, struct arena *arena,
                           struct llama_result *ret_result, struct err *err)
{
    const struct checkpoint_header *state = t->checkpoint.header;
    float *values = arena_alloc(arena, t->n_values, sizeof(float), 64);

    if (!values)
        return arena_fail(arena, err, "trained values");
    memcpy(values, t->checkpoint.best, t->n_values * sizeof(*values));
    *ret_result = (struct llama_result){
        .values = values,
        .n_values = t->n_values,
        .loss = -state->best_score,
        .steps = state->step,
        .tokens = state->tokens,
        .best_step = state->best_step,
    };
    return RC_OK;
}

enum rc llama_train(const struct llama_job *job, const struct llama_options *options,
                    const struct train_host *host, struct arena *arena,
                    struct llama_result *ret_result, struct err *err)
{
    struct arena own;
    enum rc rc;

    arena_init(&own, memory_bytes_max);
    struct trainer *t = arena_new(&own, struct trainer);
    if (!t) {
        rc = arena_fail(&own, err, "training");
    } else {
        *t = (struct trainer){ .job = job, .options = options, .host = host, .arena = &own };
        rc = check(t, err);
        if (!rc)
            rc = values_init(t, err);
        if (!rc)
            rc = memory_init(t, err);
        if (!rc)
            rc = loop_init(t, err);
        if (!rc)
            rc = state_init(t, err);
        if (!rc)
            rc = train_loop_run(&t->loop, err);
        if (!rc)
            rc = take_result(t, arena, ret_result, err);
    }
    arena_release(&own);
    return rc ? err_context(err, "training") : RC_OK;
}
