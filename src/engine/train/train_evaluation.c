/* train_evaluation.c - rows through the network without gradients: features, and the score. */
#include "engine/train/train_internal.h"

#include "base/macros.h"

#include <math.h>
#include <string.h>

size_t trainer_pack(struct trainer *t, const struct train_set *set, const uint32_t *order,
                    size_t first, size_t n, bool with_labels)
{
    size_t n_fields = t->net.heads.n_fields;
    struct train_batch *pack = &t->pack;

    *pack = (struct train_batch){ .tokens = t->pack_tokens,
                                  .starts = t->pack_starts,
                                  .lower = set->lower ? t->pack_lower : NULL,
                                  .labels = with_labels ? t->pack_labels : NULL,
                                  .weights = pack->weights };
    for (size_t i = first; i < n && pack->n_rows < t->memory.rows_max; i++) {
        size_t r = order ? order[i] : i;
        const struct train_row *row = &set->rows->at[r];

        if (pack->n_tokens + row->n_tokens > t->memory.tokens_max)
            break;
        for (size_t j = 0; j < row->n_tokens; j++)
            t->pack_tokens[pack->n_tokens + j] = (int32_t)t->words.number[row->tokens[j]];
        memcpy(t->pack_labels + pack->n_rows * n_fields, row->labels,
               n_fields * sizeof(*row->labels));
        if (set->lower)
            t->pack_lower[pack->n_rows] = set->lower[r];
        pack->n_tokens += row->n_tokens;
        t->pack_starts[++pack->n_rows] = pack->n_tokens;
    }
    ASSERT(pack->n_rows > 0);
    return pack->n_rows;
}

/* Passes of all rows; report is what the progress says besides. seen may look at the memory. */
struct sweep {
    struct train_progress report;
    bool lower_only; /* the frozen layers alone */
    void (*seen)(struct trainer *t, void *context, const struct train_row *rows, size_t first,
                 size_t n);
    void *context;
};

static enum rc sweep_rows(struct trainer *t, const struct train_set *set, struct sweep *sweep,
                          struct err *err)
{
    const struct train_rows *rows = set->rows;
    int64_t begun = t->host->clock.monotonic_us(t->host->clock.self);
    float dropout = t->net.dropout;
    size_t tokens = 0, n;
    enum rc rc = RC_OK;

    t->net.dropout = 0.0f;
    for (size_t first = 0; first < rows->n && !rc; first += n) {
        n = trainer_pack(t, set, NULL, first, rows->n, false);
        if (sweep->lower_only)
            train_network_lower(&t->net, &t->memory, &t->pack, t->host->pool);
        else
            train_network_pass(&t->net, &t->memory, &t->pack, t->host->pool);
        sweep->seen(t, sweep->context, rows->at + first, first, n);

        double seconds = (double)(t->host->clock.monotonic_us(t->host->clock.self) - begun) / 1e6;
        tokens += t->pack.n_tokens;
        sweep->report.done = first + n;
        sweep->report.total = rows->n;
        sweep->report.tokens_per_s = seconds > 0.0 ? (double)tokens / seconds : NAN;
        sweep->report.seconds_left = seconds / (double)(first + n) * (double)(rows->n - first - n);
        rc = train_report(t->host, &sweep->report, err);
    }
    t->net.dropout = dropout;
    return rc;
}

static void keep_features(struct trainer *t, void *context, const struct train_row *rows,
                          size_t first, size_t n)
{
    size_t width = t->net.layout->config.width;
    float *features = context;
    (void)rows;

    memcpy(features + first * width, t->memory.features, n * width * sizeof(*features));
}

static size_t tokens_of(const struct train_rows *rows)
{
    size_t n = 0;

    for (size_t r = 0; r < rows->n; r++)
        n += rows->at[r].n_tokens;
    return n;
}

static void keep_lower(struct trainer *t, void *context, const struct train_row *rows, size_t first,
                       size_t n)
{
    size_t width = t->net.layout->config.width;
    const float *from = t->memory.layers[t->net.frozen_layers].input;
    float **to = context;

    for (size_t r = 0; r < n; r++)
        memcpy(to[first + r], from + t->pack.starts[r] * width,
               rows[r].n_tokens * width * sizeof(*from));
}

static enum rc keep_set(struct trainer *t, struct train_set *set, struct err *err)
{
    size_t width = t->net.layout->config.width, at = 0;
    float *all = arena_alloc(t->arena, tokens_of(set->rows) * width, sizeof(float), 64);
    float **lower = arena_array(t->arena, float *, set->rows->n + 1);
    struct sweep sweep = {
        .report = { .phase = TRAIN_PHASE_FEATURES, .loss = NAN, .score = NAN },
        .lower_only = true,
        .seen = keep_lower,
        .context = lower,
    };

    if (!all || !lower)
        return arena_fail(t->arena, err, "outputs of the frozen layers");
    for (size_t r = 0; r < set->rows->n; r++) {
        lower[r] = all + at * width;
        at += set->rows->at[r].n_tokens;
    }
    enum rc rc = sweep_rows(t, set, &sweep, err);
    set->lower = (const float **)lower;
    return rc;
}

enum rc trainer_keep_lower(struct trainer *t, struct err *err)
{
    size_t tokens = tokens_of(t->train.rows) + tokens_of(t->valid.rows);

    if (t->net.frozen_layers == 0 ||
        tokens > t->options->cache_bytes / (t->net.layout->config.width * sizeof(float)))
        return RC_OK;
    enum rc rc = keep_set(t, &t->train, err);
    return rc ? rc : keep_set(t, &t->valid, err);
}

enum rc trainer_features(struct trainer *t, const struct train_set *set, float *features,
                         struct err *err)
{
    struct sweep sweep = {
        .report = { .phase = TRAIN_PHASE_FEATURES, .loss = NAN, .score = NAN },
        .seen = keep_features,
        .context = features,
    };

    return sweep_rows(t, set, &sweep, err);
}

static void count_answers(struct trainer *t, void *context, const struct train_row *rows,
                          size_t first, size_t n)
{
    (void)context;
    (void)first;
    for (size_t r = 0; r < n; r++)
        train_score_add(&t->score, t->memory.logits + r * t->net.heads.n_classes, rows[r].labels,
                        1);
}

enum rc trainer_evaluate(struct trainer *t, double *ret_score, struct err *err)
{
    struct sweep sweep = {
        .report = { .phase = TRAIN_PHASE_EVALUATION,
                    .loss = t->checkpoint.header ? t->checkpoint.header->loss : NAN,
                    .score = t->checkpoint.header && t->checkpoint.header->best_step
                                 ? t->checkpoint.header->best_score
                                 : NAN },
        .seen = count_answers,
    };

    train_score_reset(&t->score);
    enum rc rc = sweep_rows(t, &t->valid, &sweep, err);
    if (!rc)
        *ret_score = train_score_macro_f1(&t->score);
    return rc;
}
