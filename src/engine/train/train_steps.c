/*
 * train_steps.c - the optimiser's loop.
 *
 * Everything random is a function of the seed and of the step (train_plan.h). After each epoch the
 * validation rows are scored, the best values kept, and a checkpoint is written; the header of the
 * checkpoint is the loop's only state.
 */
#include "engine/train/train_internal.h"

#include "base/failpoint.h"
#include "base/macros.h"
#include "engine/train/train_random.h"

#include <math.h>
#include <string.h>

enum { STREAM_DROPOUT = 1 }; /* of random numbers below the seed; 0 is the plan's */

struct loop {
    struct trainer *t;
    struct train_plan plan;
    uint32_t *words; /* distinct words of the batch */
    size_t n_words;
    uint8_t *has_word; /* (V,) */
    float weights[TRAIN_FIELDS_MAX];
    int64_t begun_us;
    size_t begun_step, begun_tokens;
};

/* Each field's mean is over the batch's rows that have its label. */
static void weigh_fields(struct loop *loop, size_t first, size_t end)
{
    for (size_t f = 0; f < loop->t->net.heads.n_fields; f++) {
        size_t n = 0;

        for (size_t i = first; i < end; i++)
            n += loop->t->job->train.at[loop->plan.order[i]].labels[f] != TRAIN_NO_LABEL;
        loop->weights[f] = n ? 1.0f / (float)n : 0.0f;
    }
}

/* Lists the batch's words and clears their gradients: they alone are added to. */
static void gather_words(struct loop *loop, size_t first, size_t end)
{
    struct trainer *t = loop->t;
    size_t width = t->net.layout->config.width;
    float *gradients =
        t->gradients + t->net.layout->tensors[bert_tensor_index(BERT_WORDS, 0)].offset;

    for (size_t i = 0; i < loop->n_words; i++)
        loop->has_word[loop->words[i]] = 0;
    loop->n_words = 0;
    for (size_t i = first; i < end; i++) {
        const struct train_row *row = &t->job->train.at[loop->plan.order[i]];

        for (size_t j = 0; j < row->n_tokens; j++) {
            uint32_t word = t->words.number[row->tokens[j]];

            if (loop->has_word[word])
                continue;
            loop->has_word[word] = 1;
            loop->words[loop->n_words++] = word;
            memset(gradients + word * width, 0, width * sizeof(*gradients));
        }
    }
}

static bool trains_words(const struct trainer *t)
{
    return t->options->method == TRAIN_FULL && t->net.frozen_layers == 0;
}

/* The batch's loss and all gradients. */
static double differentiate(struct loop *loop, size_t first, size_t end)
{
    struct trainer *t = loop->t;
    enum train_parts parts =
        t->options->method == TRAIN_LORA ? TRAIN_PARTS_LINEAR : TRAIN_PARTS_ALL;
    uint64_t key = train_random(t->options->seed, STREAM_DROPOUT);
    double loss = 0.0;

    weigh_fields(loop, first, end);
    if (trains_words(t))
        gather_words(loop, first, end);
    t->pack.weights = loop->weights;
    for (size_t at = first; at < end;) {
        size_t n = trainer_pack(t, &t->train, loop->plan.order, at, end, true);

        t->net.random_key =
            train_random(key, t->checkpoint.header->step * TRAIN_BATCH_ROWS_MAX + (at - first));
        loss += train_network_pass(&t->net, &t->memory, &t->pack, t->host->pool);
        train_network_gradients(&t->net, &t->memory, &t->pack, parts, at > first, t->gradients,
                                t->host->pool);
        at += n;
    }
    if (t->options->method == TRAIN_LORA)
        lora_gradients(&t->lora, t->net.gemm, t->values, t->gradients, t->host->pool);
    return loss;
}

static enum rc step(struct loop *loop, struct err *err)
{
    struct trainer *t = loop->t;
    const struct train_options *o = t->options;
    struct checkpoint_header *state = t->checkpoint.header;
    size_t k = state->step;
    struct train_span span = train_plan_batch(&loop->plan, k);
    double factor = train_plan_rate(&loop->plan, o->schedule, o->warmup, k);
    const struct adamw_rates rates = {
        .rate = (float)(factor * (double)o->rate),
        .head_rate = (float)(factor * (double)o->head_rate),
        .decay = o->weight_decay,
        .clip = o->clip,
        .t = k + 1,
    };

    double loss = differentiate(loop, span.first, span.end);
    const struct adamw_rows words = {
        t->net.layout->tensors[bert_tensor_index(BERT_WORDS, 0)].offset,
        t->net.layout->config.width, loop->words, loop->n_words
    };
    double length = adamw_step(&t->adamw, t->net.ops, t->values, t->gradients,
                               trains_words(t) ? &words : NULL, &rates, t->host->pool);
    if (!isfinite(loss) || !isfinite(length))
        return err_set(err, RC_INVALID,
                       "step %zu: the loss is no number any more; lower the learning rates", k);
    if (o->method == TRAIN_LORA)
        lora_merge(&t->lora, t->net.gemm, t->job->start, t->values, t->host->pool);

    state->loss = k == 0 ? loss : 0.98 * state->loss + 0.02 * loss;
    state->tokens += span.tokens;
    state->step++;
    FAILPOINT("train.after_step");
    return RC_OK;
}

static size_t trained_bytes(const struct trainer *t)
{
    return (t->n_values - t->first_trained) * sizeof(float);
}

static enum rc save(struct trainer *t, struct err *err)
{
    if (!t->host->checkpoint_path)
        return RC_OK;
    memcpy(t->checkpoint.values, t->values + t->first_trained, trained_bytes(t));
    FAILPOINT("train.before_checkpoint");
    enum rc rc = checkpoint_save(&t->checkpoint, t->host->checkpoint_path, err);
    FAILPOINT("train.after_checkpoint");
    return rc;
}

/* After an epoch, and after the last step. */
static enum rc judge(struct trainer *t, struct err *err)
{
    struct checkpoint_header *state = t->checkpoint.header;
    double score = NAN;

    if (t->job->valid.n > 0) {
        enum rc rc = trainer_evaluate(t, &score, err);
        if (rc)
            return rc;
    }
    state->epochs_since_best++;
    if (state->best_step == 0 || t->job->valid.n == 0 || score > state->best_score) {
        state->best_step = state->step;
        state->best_score = score;
        state->epochs_since_best = 0;
        memcpy(t->checkpoint.best, t->values + t->first_trained, trained_bytes(t));
    }
    return RC_OK;
}

static enum rc report(const struct loop *loop, struct err *err)
{
    const struct trainer *t = loop->t;
    const struct checkpoint_header *state = t->checkpoint.header;
    double seconds =
        (double)(t->host->clock.monotonic_us(t->host->clock.self) - loop->begun_us) / 1e6;
    size_t steps = state->step - loop->begun_step;
    const struct train_progress progress = {
        .phase = TRAIN_PHASE_STEPS,
        .done = state->step,
        .total = loop->plan.n_steps,
        .epoch = loop->plan.epoch,
        .loss = state->loss,
        .score = state->best_step ? state->best_score : NAN,
        .tokens_per_s =
            seconds > 0.0 ? (double)(state->tokens - loop->begun_tokens) / seconds : NAN,
        .seconds_left = seconds / (double)steps * (double)(loop->plan.n_steps - state->step),
    };

    return trainer_report(t, &progress, err);
}

/* One step and what follows from its number. */
static enum rc advance(struct loop *loop, struct err *err)
{
    struct trainer *t = loop->t;
    struct checkpoint_header *state = t->checkpoint.header;
    enum rc rc = step(loop, err);
    struct err ignored;

    if (rc)
        return rc;
    bool last = state->step == loop->plan.n_steps, epoch = state->step % loop->plan.batches == 0;
    if (last || epoch)
        rc = judge(t, err);
    if (rc) /* no save: the last checkpoint is before this step, which is taken again */
        return rc;
    state->ended =
        last || (t->options->patience > 0 && state->epochs_since_best >= t->options->patience);
    if (last || epoch ||
        (t->options->checkpoint_steps && state->step % t->options->checkpoint_steps == 0))
        rc = save(t, err);
    if (rc)
        return rc;
    rc = report(loop, err);
    if (rc == RC_CANCELLED)
        IGNORE_RC(save(
            t, &ignored)); /* a kindness: without it the steps since the last are taken again */
    return rc;
}

static enum rc loop_init(struct trainer *t, struct loop *loop, struct err *err)
{
    const struct train_rows *rows = &t->job->train;
    const struct train_options *o = t->options;
    size_t vocabulary = t->net.layout->config.n_words;
    uint32_t *n_tokens = arena_array(t->arena, uint32_t, rows->n);

    *loop = (struct loop){
        .t = t,
        .plan = { rows->n, o->batch_rows, o->seed, .n_tokens = n_tokens },
        .words = arena_array(t->arena, uint32_t, vocabulary),
        .has_word = arena_array(t->arena, uint8_t, vocabulary),
        .begun_us = t->host->clock.monotonic_us(t->host->clock.self),
        .begun_step = t->checkpoint.header->step,
        .begun_tokens = t->checkpoint.header->tokens,
    };
    if (!n_tokens || !loop->words || !loop->has_word)
        return arena_fail(t->arena, err, "the plan of the steps");
    for (size_t i = 0; i < rows->n; i++)
        n_tokens[i] = (uint32_t)rows->at[i].n_tokens;
    return train_plan_init(&loop->plan, o->epochs, o->budget_tokens, t->arena, err);
}

enum rc trainer_steps(struct trainer *t, struct err *err)
{
    struct loop loop;
    enum rc rc = loop_init(t, &loop, err);

    t->net.dropout = t->options->dropout;
    while (!rc && !t->checkpoint.header->ended)
        rc = advance(&loop, err);
    if (rc)
        return rc;
    memcpy(t->values + t->first_trained, t->checkpoint.best, trained_bytes(t));
    if (t->options->method == TRAIN_LORA)
        lora_merge(&t->lora, t->net.gemm, t->job->start, t->values, t->host->pool);
    return RC_OK;
}
