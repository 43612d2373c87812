/* candidate_lora.c - of an output that is written: the base as it is, and with LoRA (engine/train).
 */
#include "engine/author.h"
#include "engine/train/llama_adapter.h"
#include "engine/train/llama_train.h"
#include "factory/train/candidate_internal.h"

static const size_t TRAINING_BYTES = (size_t)12 << 30;

enum { CHECKPOINT_STEPS = 25 /* besides one per epoch: a minute or two of work */ };

static bool pass_on(void *context, const struct train_progress *p)
{
    const struct candidate_job *job = context;
    struct build_progress progress = { .stage = job->stage,
                                       .what = "steps",
                                       .done = p->done,
                                       .total = p->total,
                                       .loss = p->loss,
                                       .score = p->score,
                                       .seconds_left = p->seconds_left };

    return !job->progress || job->progress(job->progress_context, &progress);
}

/* The ids of a prompt and of what was written, which end with the model's own end. RC_LIMIT: more
 * than a text of this model has. */
static enum rc tokenize_row(const struct candidate_job *job, const struct candidate_rows *rows,
                            size_t i, struct arena *arena, struct llama_row *ret_row,
                            struct err *err)
{
    const struct bpe *bpe = job->decoder->bpe;
    struct author_prompt prompt;
    size_t n_written = 0, most = AUTHOR_WRITTEN_MAX;
    enum rc rc =
        author_prompt(bpe, job->spec->description.text, rows->texts[i], arena, &prompt, err);

    if (rc)
        return rc;
    int32_t *ids = arena_array(arena, int32_t, prompt.n_ids + most + 1);
    if (!ids)
        return arena_fail(arena, err, "tokens");
    memcpy(ids, prompt.ids, prompt.n_ids * sizeof(*ids));
    rc = bpe_encode(bpe, rows->written[i], most, ids + prompt.n_ids, &n_written, err);
    if (rc)
        return rc;
    ids[prompt.n_ids + n_written] = bpe_end(bpe);
    *ret_row = (struct llama_row){ ids, prompt.n_ids + n_written + 1, prompt.n_ids };
    if (ret_row->n_tokens > AUTHOR_TOKENS_MAX ||
        ret_row->n_tokens > job->decoder->llama.config.n_positions)
        return err_set(err, RC_LIMIT, "a row of %zu tokens", ret_row->n_tokens);
    return RC_OK;
}

/* What is too long to be answered does not train. */
static enum rc tokenize(const struct candidate_job *job, const struct candidate_rows *rows,
                        struct arena *arena, struct llama_rows *ret_rows, struct err *err)
{
    struct llama_row *at = arena_array(arena, struct llama_row, rows->n + 1);
    size_t n = 0;

    if (!at)
        return arena_fail(arena, err, "tokens");
    for (size_t i = 0; i < rows->n; i++) {
        enum rc rc = tokenize_row(job, rows, i, arena, &at[n], err);

        if (rc && rc != RC_LIMIT)
            return rc;
        n += rc == RC_OK;
    }
    *ret_rows = (struct llama_rows){ at, n };
    return RC_OK;
}

static struct llama_options options_of(const struct spec_training *t)
{
    struct llama_options o = llama_options_default();

    o.epochs = (size_t)t->epochs;
    o.batch_rows = (size_t)t->batch;
    o.budget_tokens = (size_t)t->budget_tokens;
    o.checkpoint_steps = CHECKPOINT_STEPS;
    o.rate = (float)t->learning_rate;
    o.weight_decay = (float)t->weight_decay;
    o.warmup = (float)t->warm_up;
    o.rank = (size_t)t->rank;
    o.alpha = 2.0f * (float)t->rank;
    o.seed = (uint64_t)t->seed;
    o.precision = t->precision == SPEC_BF16 ? LLAMA_BF16 : LLAMA_F32;
    return o;
}

/* Production's matrices, when it has such of this size. */
static enum rc start_from_production(const struct candidate_job *job, struct arena *arena,
                                     struct llama_options *options, struct llama_job *task,
                                     struct err *err)
{
    struct llama_lora lora;
    const float *values;

    if (!job->start || job->start->kind != ADAPTER_LORA)
        return RC_OK;
    enum rc rc =
        llama_adapter_read(job->start, &job->decoder->llama.config, arena, &lora, &values, err);
    if (rc || lora.rank != options->rank || lora.alpha != options->alpha)
        return rc;
    task->start = values;
    options->epochs = (size_t)job->spec->training.challenger_epochs;
    return RC_OK;
}

static enum rc train(const struct candidate_job *job, struct arena *arena, struct buf *out,
                     double *ret_loss, struct err *err)
{
    struct llama_options options = options_of(&job->spec->training);
    struct train_host host = { .cpu = job->cpu,
                               .pool = job->pool,
                               .clock = job->clock,
                               .checkpoint_path = job->checkpoint_path,
                               .progress = pass_on,
                               .progress_context = (void *)(uintptr_t)job };
    struct llama_job task = { 0 };
    struct llama_result result;
    struct llama base;
    enum rc rc = start_from_production(job, arena, &options, &task, err);

    task.base = &base;
    if (rc == RC_OK)
        rc = tokenize(job, &job->train, arena, &task.train, err);
    if (rc == RC_OK)
        rc = tokenize(job, &job->valid, arena, &task.valid, err);
    if (rc == RC_OK && task.train.n == 0)
        rc = err_set(err, RC_INVALID, "no training row fits the base's positions");
    if (rc == RC_OK)
        rc = llama_dequantise(&job->decoder->llama, arena, &base, err);
    if (rc == RC_OK)
        rc = llama_train(&task, &options, &host, arena, &result, err);
    if (rc)
        return rc;
    const struct llama_lora lora = { &base.config, options.rank, options.alpha };
    *ret_loss = result.loss;
    return llama_adapter_append(out, &job->decoder->digest, &lora, result.values, arena, err);
}

enum rc candidate_lora(const struct candidate_job *job, struct buf *out, double *ret_loss,
                       struct err *err)
{
    struct arena arena;

    arena_init(&arena, TRAINING_BYTES);
    enum rc rc = train(job, &arena, out, ret_loss, err);
    arena_release(&arena);
    return rc;
}

enum rc candidate_prompted(const struct candidate_job *job, struct buf *out, struct err *err)
{
    const struct adapter adapter = { .kind = ADAPTER_PROMPTED, .base = job->decoder->digest };

    return adapter_append(out, &adapter, NULL, 0, err);
}
