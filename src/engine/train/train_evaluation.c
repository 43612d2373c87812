/* train_evaluation.c - rows through the network without gradients: features, and the score. */
#include "engine/train/train_internal.h"

#include "base/macros.h"

#include <math.h>
#include <string.h>

size_t trainer_pack(struct trainer *t, const struct train_row *rows, const uint32_t *order,
                    size_t first, size_t n, bool with_labels)
{
    size_t n_fields = t->net.heads.n_fields;
    struct train_batch *pack = &t->pack;

    *pack = (struct train_batch){ .tokens = t->pack_tokens,
                                  .starts = t->pack_starts,
                                  .labels = with_labels ? t->pack_labels : NULL,
                                  .weights = pack->weights };
    for (size_t i = first; i < n && pack->n_rows < t->memory.rows_max; i++) {
        const struct train_row *row = &rows[order ? order[i] : i];

        if (pack->n_tokens + row->n_tokens > t->memory.tokens_max)
            break;
        for (size_t j = 0; j < row->n_tokens; j++)
            t->pack_tokens[pack->n_tokens + j] = (int32_t)t->words.number[row->tokens[j]];
        memcpy(t->pack_labels + pack->n_rows * n_fields, row->labels,
               n_fields * sizeof(*row->labels));
        pack->n_tokens += row->n_tokens;
        t->pack_starts[++pack->n_rows] = pack->n_tokens;
    }
    ASSERT(pack->n_rows > 0);
    return pack->n_rows;
}

enum rc trainer_report(const struct trainer *t, const struct train_progress *progress,
                       struct err *err)
{
    if (t->host->progress && !t->host->progress(t->host->progress_context, progress))
        return err_set(err, RC_CANCELLED, "training was stopped");
    return RC_OK;
}

/* Passes of all rows; report is what the progress says besides. seen may look at the memory. */
struct sweep {
    struct train_progress report;
    void (*seen)(struct trainer *t, void *context, const struct train_row *rows, size_t first,
                 size_t n);
    void *context;
};

static enum rc sweep_rows(struct trainer *t, const struct train_rows *rows, struct sweep *sweep,
                          struct err *err)
{
    int64_t begun = t->host->clock.monotonic_us(t->host->clock.self);
    float dropout = t->net.dropout;
    size_t tokens = 0, n;
    enum rc rc = RC_OK;

    t->net.dropout = 0.0f;
    for (size_t first = 0; first < rows->n && !rc; first += n) {
        n = trainer_pack(t, rows->at, NULL, first, rows->n, false);
        train_network_pass(&t->net, &t->memory, &t->pack, t->host->pool);
        sweep->seen(t, sweep->context, rows->at + first, first, n);

        double seconds = (double)(t->host->clock.monotonic_us(t->host->clock.self) - begun) / 1e6;
        tokens += t->pack.n_tokens;
        sweep->report.done = first + n;
        sweep->report.total = rows->n;
        sweep->report.tokens_per_s = seconds > 0.0 ? (double)tokens / seconds : NAN;
        sweep->report.seconds_left = seconds / (double)(first + n) * (double)(rows->n - first - n);
        rc = trainer_report(t, &sweep->report, err);
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

enum rc trainer_features(struct trainer *t, const struct train_rows *rows, float *features,
                         struct err *err)
{
    struct sweep sweep = {
        .report = { .phase = TRAIN_PHASE_FEATURES, .loss = NAN, .score = NAN },
        .seen = keep_features,
        .context = features,
    };

    return sweep_rows(t, rows, &sweep, err);
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
    enum rc rc = sweep_rows(t, &t->job->valid, &sweep, err);
    if (!rc)
        *ret_score = train_score_macro_f1(&t->score);
    return rc;
}
