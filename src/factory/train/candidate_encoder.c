/* candidate_encoder.c - heads on the frozen base, and the base tuned with them (engine/train). */
#include "engine/train/lora.h"
#include "engine/train/train.h"
#include "factory/train/candidate_internal.h"

#include <math.h>
#include <stdio.h>

enum { LORA_NAME_BYTES = 128 };

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

/* Production's heads as train_job wants them: weights, then biases. */
static enum rc copy_heads(const struct candidate_job *job, size_t n_labels, struct arena *arena,
                          const float **ret_heads, struct err *err)
{
    const struct safetensors *file = job->start->file;
    const struct safetensors_tensor *weight = safetensors_find(file, "heads.weight");
    const struct safetensors_tensor *bias = safetensors_find(file, "heads.bias");
    size_t width = job->base->bert.layout.config.width;

    *ret_heads = NULL;
    if (!weight || !bias)
        return RC_OK; /* a linear model: there are no heads to go on from */
    if (weight->n_bytes != n_labels * width * sizeof(float) ||
        bias->n_bytes != n_labels * sizeof(float))
        return err_set(err, RC_CORRUPT, "the heads of production have another shape");

    uint8_t *heads = arena_alloc(arena, n_labels * (width + 1), sizeof(float), sizeof(float));
    if (!heads)
        return arena_fail(arena, err, "heads");
    memcpy(heads, weight->bytes, weight->n_bytes);
    memcpy(heads + weight->n_bytes, bias->bytes, bias->n_bytes);
    *ret_heads = (const float *)(const void *)heads;
    return RC_OK;
}

static enum rc lora_tensors(const struct candidate_job *job, const struct train_result *result,
                            struct arena *arena, struct safetensors_tensor *tensors, size_t *ret_n,
                            struct err *err)
{
    struct lora lora = { &job->base->bert.layout, result->lora_rank, result->lora_alpha, 0 };
    size_t n_pairs = lora_n_pairs(&lora);
    char(*names)[LORA_NAME_BYTES] = arena_alloc(arena, 2 * n_pairs, LORA_NAME_BYTES, 1);

    if (!names)
        return arena_fail(arena, err, "names");
    for (size_t i = 0; i < n_pairs; i++) {
        struct lora_pair pair = lora_pair_at(&lora, i);
        size_t n_out = pair.tensor->shape[0], n_in = pair.tensor->shape[1], r = lora.rank;

        snprintf(names[2 * i], LORA_NAME_BYTES, "%s.lora_a", pair.tensor->name);
        snprintf(names[2 * i + 1], LORA_NAME_BYTES, "%s.lora_b", pair.tensor->name);
        tensors[2 * i] =
            (struct safetensors_tensor){ .name = str_of(names[2 * i]),
                                         .type = SAFETENSORS_F32,
                                         .rank = 2,
                                         .shape = { r, n_in },
                                         .bytes = (const uint8_t *)(result->lora + pair.a),
                                         .n_bytes = r * n_in * sizeof(float) };
        tensors[2 * i + 1] =
            (struct safetensors_tensor){ .name = str_of(names[2 * i + 1]),
                                         .type = SAFETENSORS_F32,
                                         .rank = 2,
                                         .shape = { n_out, r },
                                         .bytes = (const uint8_t *)(result->lora + pair.b),
                                         .n_bytes = n_out * r * sizeof(float) };
    }
    *ret_n = 2 * n_pairs;
    return RC_OK;
}

static size_t weight_tensors(const struct bert_layout *layout, const float *values,
                             struct safetensors_tensor *tensors)
{
    for (size_t i = 0; i < layout->n_tensors; i++) {
        const struct bert_tensor *t = &layout->tensors[i];

        tensors[i] =
            (struct safetensors_tensor){ .name = str_of(t->name),
                                         .type = SAFETENSORS_F32,
                                         .rank = t->rank,
                                         .shape = { t->shape[0], t->rank == 2 ? t->shape[1] : 0 },
                                         .bytes = (const uint8_t *)(values + t->offset),
                                         .n_bytes = t->n_values * sizeof(float) };
    }
    return layout->n_tensors;
}

static enum rc write_adapter(const struct candidate_job *job, const struct train_result *result,
                             struct arena *arena, struct buf *out, struct err *err)
{
    const struct bert_layout *layout = &job->base->bert.layout;
    size_t width = layout->config.width, n = 2, n_more = 0;
    struct safetensors_tensor *tensors =
        arena_array(arena, struct safetensors_tensor, 2 + 2 * layout->n_tensors);
    struct adapter adapter = { 0 };
    enum rc rc =
        candidate_adapter(job, result->method == TRAIN_FROZEN ? ADAPTER_FROZEN : ADAPTER_FINETUNED,
                          arena, &adapter, err);

    if (rc)
        return rc;
    if (!tensors)
        return arena_fail(arena, err, "adapter");
    tensors[0] = (struct safetensors_tensor){ .name = STR("heads.weight"),
                                              .type = SAFETENSORS_F32,
                                              .rank = 2,
                                              .shape = { adapter.n_labels, width },
                                              .bytes = (const uint8_t *)result->head_weight,
                                              .n_bytes = adapter.n_labels * width * sizeof(float) };
    tensors[1] = (struct safetensors_tensor){ .name = STR("heads.bias"),
                                              .type = SAFETENSORS_F32,
                                              .rank = 1,
                                              .shape = { adapter.n_labels },
                                              .bytes = (const uint8_t *)result->head_bias,
                                              .n_bytes = adapter.n_labels * sizeof(float) };
    if (result->method == TRAIN_FULL)
        n_more = weight_tensors(layout, result->weights, tensors + n);
    if (result->method == TRAIN_LORA) {
        adapter.lora_alpha = result->lora_alpha;
        rc = lora_tensors(job, result, arena, tensors + n, &n_more, err);
    }
    if (rc)
        return rc;
    return adapter_append(out, &adapter, tensors, n + n_more, err);
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
    o.checkpoint_steps = 50;
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
    struct train_options options = options_of(&job->spec->training, method);
    struct train_host host = { .pool = job->pool,
                               .clock = job->clock,
                               .progress = pass_on,
                               .progress_context = (void *)(uintptr_t)job };
    struct train_job task = { .start = &job->base->bert,
                              .n_classes = n_classes,
                              .n_fields = job->spec->n_fields };
    struct train_result result;
    struct bert start;
    enum rc rc = RC_OK;

    for (size_t f = 0; f < job->spec->n_fields; f++)
        n_labels += n_classes[f] = job->spec->fields[f].n_labels;
    if (method != TRAIN_FROZEN)
        host.checkpoint_path = job->checkpoint_path;
    if (job->start && method == TRAIN_FULL) {
        rc = bert_open(&job->base->bert.layout.config, job->start->file, &job->base->bert, arena,
                       &start, err);
        task.start = &start;
        if (rc == RC_OK)
            rc = copy_heads(job, n_labels, arena, &task.start_head, err);
    }
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
    bool lora = job->spec->training.method == SPEC_LORA;

    return train_and_release(job, lora ? TRAIN_LORA : TRAIN_FULL, out, err);
}
