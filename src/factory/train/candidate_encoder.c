/* candidate_encoder.c - heads on the frozen base, and the base tuned with them (engine/train). */
#include "engine/train/train_adapter.h"
#include "factory/train/candidate_internal.h"

static const size_t TRAINING_BYTES = (size_t)12 << 30;

static bool pass_on(void *context, const struct train_progress *p)
{
    static const char *const phases[] = { "features", "heads", "steps", "evaluation" };
    const struct candidate_job *job = context;
    struct build_progress progress = { .stage = job->stage,
                                       .what = phases[p->phase],
                                       .done = p->done,
                                       .total = p->total,
                                       .loss = p->loss,
                                       .score = p->score,
                                       .seconds_left = p->seconds_left };

    return !job->progress || job->progress(job->progress_context, &progress);
}

/* Texts as token ids. A text over the base's positions cannot be decided, so it does not train. */
static enum rc tokenize(const struct candidate_job *job, const struct candidate_rows *rows,
                        struct arena *arena, struct train_rows *ret_rows, struct err *err)
{
    size_t n_positions = job->base->bert.layout.config.n_positions, n = 0;
    size_t n_fields = job->spec->n_fields;
    struct train_row *at = arena_array(arena, struct train_row, rows->n + 1);
    int32_t *labels = arena_array(arena, int32_t, n_fields * rows->n + 1);
    int32_t *ids = arena_array(arena, int32_t, n_positions);

    if (!at || !labels || !ids)
        return arena_fail(arena, err, "tokens");
    for (size_t i = 0; i < rows->n; i++) {
        size_t n_ids;
        enum rc rc =
            wordpiece_encode(job->base->wordpiece, rows->texts[i], n_positions, ids, &n_ids, err);

        if (rc == RC_LIMIT)
            continue;
        if (rc)
            return rc;
        int32_t *tokens = arena_array(arena, int32_t, n_ids);
        if (!tokens)
            return arena_fail(arena, err, "tokens");
        memcpy(tokens, ids, n_ids * sizeof(*ids));
        for (size_t f = 0; f < n_fields; f++)
            labels[n * n_fields + f] = (int32_t)rows->labels[f * rows->n + i];
        at[n] = (struct train_row){ tokens, n_ids, labels + n * n_fields };
        n++;
    }
    *ret_rows = (struct train_rows){ at, n };
    return RC_OK;
}

static enum rc write_adapter(const struct candidate_job *job, const struct train_result *result,
                             struct arena *arena, struct buf *out, struct err *err)
{
    bool frozen = result->method == TRAIN_FROZEN;
    struct safetensors_tensor *tensors;
    struct adapter adapter = { 0 };
    size_t n;
    enum rc rc =
        candidate_adapter(job, frozen ? ADAPTER_FROZEN : ADAPTER_FINETUNED, arena, &adapter, err);

    if (rc)
        return rc;
    adapter.lora_alpha = result->method == TRAIN_LORA ? result->lora_alpha : 0.0f;
    rc =
        train_adapter_tensors(result, &job->base->bert, adapter.n_labels, arena, &tensors, &n, err);
    if (rc)
        return rc;
    return adapter_append(out, &adapter, tensors, n, err);
}

/* Production's weights, when it has an encoder and the method can go on from them. */
static enum rc start_from_production(const struct candidate_job *job, size_t n_labels,
                                     const struct train_options *options, struct arena *arena,
                                     struct train_start *start, struct train_job *task,
                                     struct err *err)
{
    struct err why;

    if (!job->start || job->start->kind == ADAPTER_LINEAR || options->method == TRAIN_FROZEN)
        return RC_OK;
    enum rc rc = train_start_open(&job->base->bert, job->start->file, job->start->lora_alpha,
                                  n_labels, options, arena, start, &why);
    if (rc == RC_STATE)
        return RC_OK; /* another method: from the base */
    if (rc) {
        *err = why;
        return rc;
    }
    task->start = &start->bert;
    task->start_head = start->head;
    task->start_lora = start->lora;
    return RC_OK;
}

static struct train_options options_of(const struct spec_training *t, enum train_method method)
{
    struct train_options o = train_options_default(method);

    o.seed = (uint64_t)t->seed;
    if (method == TRAIN_FROZEN)
        return o;
    o.epochs = (size_t)t->epochs;
    o.batch_rows = (size_t)t->batch;
    o.budget_tokens = (size_t)t->budget_tokens;
    o.rate = (float)t->learning_rate;
    o.head_rate = (float)t->head_learning_rate;
    o.weight_decay = (float)t->weight_decay;
    o.warmup = (float)t->warm_up;
    o.checkpoint_steps = 200; /* besides one per epoch */
    if (method == TRAIN_FULL)
        o.frozen_layers = (size_t)t->frozen_layers;
    if (method == TRAIN_LORA) {
        o.lora_rank = (size_t)t->rank;
        o.lora_alpha = 2.0f * (float)t->rank;
    }
    return o;
}

static enum rc train(const struct candidate_job *job, enum train_method method, struct arena *arena,
                     struct buf *out, struct err *err)
{
    size_t n_classes[SPEC_FIELDS_MAX], n_labels = 0;
    bool is_set[SPEC_FIELDS_MAX];
    struct train_options options = options_of(&job->spec->training, method);
    struct train_host host = { .cpu = job->cpu,
                               .pool = job->pool,
                               .clock = job->clock,
                               .progress = pass_on,
                               .progress_context = (void *)(uintptr_t)job };
    struct train_job task = { .start = &job->base->bert,
                              .n_classes = n_classes,
                              .is_set = is_set,
                              .n_fields = job->spec->n_fields };
    struct train_result result;
    struct train_start start;

    for (size_t f = 0; f < job->spec->n_fields; f++) {
        n_labels += n_classes[f] = job->spec->fields[f].n_labels;
        is_set[f] = job->spec->fields[f].is_set;
    }
    if (method != TRAIN_FROZEN)
        host.checkpoint_path = job->checkpoint_path;
    enum rc rc = start_from_production(job, n_labels, &options, arena, &start, &task, err);
    if (rc == RC_OK && task.start_head)
        options.epochs = (size_t)job->spec->training.challenger_epochs;
    if (rc == RC_OK)
        rc = tokenize(job, &job->train, arena, &task.train, err);
    if (rc == RC_OK)
        rc = tokenize(job, &job->valid, arena, &task.valid, err);
    if (rc == RC_OK && task.train.n == 0)
        rc = err_set(err, RC_INVALID, "no training row fits the base's positions");
    if (rc == RC_OK)
        rc = train_run(&task, &options, &host, arena, &result, err);
    if (rc)
        return rc;
    return write_adapter(job, &result, arena, out, err);
}

static enum rc train_and_release(const struct candidate_job *job, enum train_method method,
                                 struct buf *out, struct err *err)
{
    struct arena arena;

    arena_init(&arena, TRAINING_BYTES);
    enum rc rc = train(job, method, &arena, out, err);
    arena_release(&arena);
    return rc;
}

enum rc candidate_frozen(const struct candidate_job *job, struct buf *out, struct err *err)
{
    return train_and_release(job, TRAIN_FROZEN, out, err);
}

enum rc candidate_finetuned(const struct candidate_job *job, struct buf *out, struct err *err)
{
    bool lora = job->spec->training.method == SPEC_METHOD_LORA;

    return train_and_release(job, lora ? TRAIN_LORA : TRAIN_FULL, out, err);
}
