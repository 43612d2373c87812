/* train_steps.c - a step of the encoder's training, and its score. Everything random is a function
 * of the seed and of the step. */
#include "engine/train/train_internal.h"

#include "engine/train/train_random.h"

#include <math.h>
#include <string.h>

enum { STREAM_DROPOUT = 1 }; /* of random numbers below the seed; 0 is the plan's */

struct steps {
    struct trainer *t;
    struct train_loop loop;
    uint32_t *words; /* distinct words of the batch */
    size_t n_words;
    uint8_t *has_word; /* (V,) */
    float weights[TRAIN_FIELDS_MAX];
};

/* Each field's mean is over the batch's rows that have its label. */
static void weigh_fields(struct steps *steps, size_t first, size_t end)
{
    for (size_t f = 0; f < steps->t->net.heads.n_fields; f++) {
        size_t n = 0;

        for (size_t i = first; i < end; i++)
            n += steps->t->job->train.at[steps->loop.plan.order[i]].labels[f] != TRAIN_NO_LABEL;
        steps->weights[f] = n ? 1.0f / (float)n : 0.0f;
    }
}

/* Lists the batch's words and clears their gradients: they alone are added to. */
static void gather_words(struct steps *steps, size_t first, size_t end)
{
    struct trainer *t = steps->t;
    size_t width = t->net.layout->config.width;
    float *gradients =
        t->gradients + t->net.layout->tensors[bert_tensor_index(BERT_WORDS, 0)].offset;

    for (size_t i = 0; i < steps->n_words; i++)
        steps->has_word[steps->words[i]] = 0;
    steps->n_words = 0;
    for (size_t i = first; i < end; i++) {
        const struct train_row *row = &t->job->train.at[steps->loop.plan.order[i]];

        for (size_t j = 0; j < row->n_tokens; j++) {
            uint32_t word = t->words.number[row->tokens[j]];

            if (steps->has_word[word])
                continue;
            steps->has_word[word] = 1;
            steps->words[steps->n_words++] = word;
            memset(gradients + word * width, 0, width * sizeof(*gradients));
        }
    }
}

static bool trains_words(const struct trainer *t)
{
    return t->options->method == TRAIN_FULL && t->net.frozen_layers == 0;
}

/* The batch's loss and all gradients. */
static double differentiate(struct steps *steps, size_t k, size_t first, size_t end)
{
    struct trainer *t = steps->t;
    enum train_parts parts =
        t->options->method == TRAIN_LORA ? TRAIN_PARTS_LINEAR : TRAIN_PARTS_ALL;
    uint64_t key = train_random(t->options->seed, STREAM_DROPOUT);
    double loss = 0.0;

    weigh_fields(steps, first, end);
    if (trains_words(t))
        gather_words(steps, first, end);
    t->pack.weights = steps->weights;
    for (size_t at = first; at < end;) {
        size_t n = trainer_pack(t, &t->train, steps->loop.plan.order, at, end, true);

        t->net.random_key = train_random(key, k * TRAIN_BATCH_ROWS_MAX + (at - first));
        loss += train_network_pass(&t->net, &t->memory, &t->pack, t->host->pool);
        train_network_gradients(&t->net, &t->memory, &t->pack, parts, at > first, t->gradients,
                                t->host->pool);
        at += n;
    }
    if (t->options->method == TRAIN_LORA)
        lora_gradients(&t->lora, t->net.gemm, t->values, t->gradients, t->host->pool);
    return loss;
}

static void merge(struct trainer *t)
{
    if (t->options->method == TRAIN_LORA)
        lora_merge(&t->lora, t->net.gemm, t->job->start, t->values, t->host->pool);
}

static double step(void *self, size_t k, struct train_span span, double factor)
{
    struct steps *steps = self;
    struct trainer *t = steps->t;
    const struct train_options *o = t->options;
    const struct adamw_rates rates = {
        .rate = (float)(factor * (double)o->rate),
        .head_rate = (float)(factor * (double)o->head_rate),
        .decay = o->weight_decay,
        .clip = o->clip,
        .t = k + 1,
    };

    double loss = differentiate(steps, k, span.first, span.end);
    const struct adamw_rows words = {
        t->net.layout->tensors[bert_tensor_index(BERT_WORDS, 0)].offset,
        t->net.layout->config.width, steps->words, steps->n_words
    };
    double length = adamw_step(&t->adamw, t->net.ops, t->values, t->gradients,
                               trains_words(t) ? &words : NULL, &rates, t->host->pool);
    if (!isfinite(length))
        return NAN;
    merge(t);
    return loss;
}

static enum rc score(void *self, double *ret_score, struct err *err)
{
    struct steps *steps = self;

    return trainer_evaluate(steps->t, ret_score, err);
}

static enum rc steps_init(struct trainer *t, struct steps *steps, struct err *err)
{
    const struct train_rows *rows = &t->job->train;
    const struct train_options *o = t->options;
    size_t vocabulary = t->net.layout->config.n_words;
    uint32_t *n_tokens = arena_array(t->arena, uint32_t, rows->n);

    *steps = (struct steps){
        .t = t,
        .loop = { .host = t->host,
                  .checkpoint = &t->checkpoint,
                  .plan = { rows->n, o->batch_rows, o->seed, .n_tokens = n_tokens },
                  .schedule = o->schedule,
                  .warmup = o->warmup,
                  .patience = o->patience,
                  .checkpoint_steps = o->checkpoint_steps,
                  .values = t->values + t->first_trained,
                  .has_valid = t->job->valid.n > 0,
                  .self = steps,
                  .step = step,
                  .score = score },
        .words = arena_array(t->arena, uint32_t, vocabulary),
        .has_word = arena_array(t->arena, uint8_t, vocabulary),
    };
    if (!n_tokens || !steps->words || !steps->has_word)
        return arena_fail(t->arena, err, "the plan of the steps");
    for (size_t i = 0; i < rows->n; i++)
        n_tokens[i] = (uint32_t)rows->at[i].n_tokens;
    return train_plan_init(&steps->loop.plan, o->epochs, o->budget_tokens, t->arena, err);
}

enum rc trainer_steps(struct trainer *t, struct err *err)
{
    struct steps steps;
    bool found = false;
    enum rc rc = steps_init(t, &steps, err);

    if (!rc)
        rc = train_loop_load(&steps.loop, &found, err);
    if (!rc && found)
        merge(t);
    else if (!rc)
        rc = trainer_start_head(t, err);
    t->net.dropout = t->options->dropout;
    if (!rc)
        rc = train_loop_run(&steps.loop, err);
    if (rc)
        return rc;
    memcpy(t->values + t->first_trained, t->checkpoint.best,
           (t->n_values - t->first_trained) * sizeof(float));
    merge(t);
    return RC_OK;
}
