/* train_head_start.c - a head for the encoder as it is: the frozen candidate, and where steps
 * begin. */
#include "engine/train/train_internal.h"

#include "base/macros.h"
#include "engine/train/train_logistic.h"

#include <math.h>
#include <string.h>

/* The usual strength, and one step to each side. The first wins ties. */
static const float strengths[] = { 10.0f, 1.0f, 100.0f };

/* Rows of one field that have a label. */
struct labelled {
    size_t n;
    float *features; /* (n, C), of unit length */
    int32_t *labels; /* (n,) */
};

static enum rc labelled_init(const struct trainer *t, const struct train_rows *rows,
                             const float *features, size_t field, struct arena *arena,
                             struct labelled *ret_labelled, struct err *err)
{
    size_t width = t->net.layout->config.width;
    struct labelled l = { 0 };

    l.features = arena_alloc(arena, rows->n * width, sizeof(float), 64);
    l.labels = arena_array(arena, int32_t, rows->n);
    if (!l.features || !l.labels)
        return arena_fail(arena, err, "features");
    for (size_t r = 0; r < rows->n; r++) {
        if (rows->at[r].labels[field] == TRAIN_NO_LABEL)
            continue;
        for (size_t j = 0; j < width; j++)
            l.features[l.n * width + j] = features[r * width + j] / TRAIN_FEATURE_SCALE;
        l.labels[l.n++] = rows->at[r].labels[field];
    }
    *ret_labelled = l;
    return RC_OK;
}

/* Macro-F1 of W u + b. */
static double score_of(const struct trainer *t, const struct labelled *valid, const float *solution,
                       size_t n_classes, struct train_score *score, float *logits)
{
    size_t width = t->net.layout->config.width;

    train_score_reset(score);
    t->net.gemm(&(struct gemm){ valid->n, n_classes, width, gemm_plain(valid->features, width),
                                gemm_transposed(solution, width), logits, n_classes, false });
    t->net.ops->add_bias(logits, n_classes, solution + n_classes * width, valid->n, n_classes);
    train_score_add(score, logits, valid->labels, valid->n);
    return train_score_macro_f1(score);
}

/* The regression whose strength scores best on the validation rows; each starts from the one
 * before. */
static enum rc regress(struct trainer *t, const struct labelled *train,
                       const struct labelled *valid, size_t n_classes, bool is_set, float *best,
                       struct arena *arena, struct err *err)
{
    size_t width = t->net.layout->config.width, n = n_classes * (width + 1);
    struct train_heads alone = {
        .n_fields = 1, .n_classes = n_classes, .first = { 0, n_classes }, .is_set = { is_set }
    };
    float *solution = arena_array(arena, float, n),
          *logits = arena_array(arena, float, valid->n *n_classes);
    double best_score = -1.0;
    struct train_score score;

    enum rc rc = train_score_init(&alone, arena, &score, err);
    if (rc)
        return rc;
    if (!solution || !logits)
        return arena_fail(arena, err, "logistic regression");
    for (size_t i = 0; i < (valid->n ? ARRAY_LEN(strengths) : 1); i++) {
        const struct train_logistic problem = { train->n,        width,         n_classes,
                                                train->features, train->labels, strengths[i],
                                                is_set,          t->net.gemm,   t->net.ops };
        struct arena scratch;

        arena_init(&scratch, arena->limit);
        rc = train_logistic_fit(&problem, solution, &scratch, t->host->pool, err);
        arena_release(&scratch);
        if (rc)
            return rc;
        double found = score_of(t, valid, solution, n_classes, &score, logits);
        if (found > best_score) {
            best_score = found;
            memcpy(best, solution, n * sizeof(*best));
        }
    }
    return RC_OK;
}

/* W[c] = 16 times the mean direction of class c, so that W u is 16 times a cosine; b = 0. */
static void centroids(const struct trainer *t, const struct labelled *train, size_t n_classes,
                      float *solution)
{
    size_t width = t->net.layout->config.width;

    memset(solution, 0, n_classes * (width + 1) * sizeof(*solution));
    for (size_t r = 0; r < train->n; r++)
        t->net.ops->add(solution + (size_t)train->labels[r] * width, train->features + r * width,
                        1.0f, width);
    for (size_t c = 0; c < n_classes; c++) {
        float *w = solution + c * width, length = (float)sqrt(t->net.ops->dot(w, w, width));

        for (size_t j = 0; j < width; j++)
            w[j] *= length > 0.0f ? TRAIN_FEATURE_SCALE / length : 0.0f;
    }
}

static enum rc start_field(struct trainer *t, size_t field, const float *train_features,
                           const float *valid_features, struct arena *arena, struct err *err)
{
    const struct train_heads *heads = &t->net.heads;
    size_t width = t->net.layout->config.width, first = heads->first[field],
           n = heads->first[field + 1] - first;
    float *solution = arena_array(arena, float, n *(width + 1));
    struct labelled train, valid;

    if (!solution)
        return arena_fail(arena, err, "head");
    enum rc rc = labelled_init(t, &t->job->train, train_features, field, arena, &train, err);
    if (!rc)
        rc = labelled_init(t, &t->job->valid, valid_features, field, arena, &valid, err);
    bool is_set = heads->is_set[field];
    bool regresses = is_set || t->options->head_start == TRAIN_HEAD_REGRESSION;
    if (!rc && regresses)
        rc = regress(t, &train, &valid, n, is_set, solution, arena, err);
    if (rc)
        return rc;
    if (!regresses)
        centroids(t, &train, n, solution);

    /* The solution is for directions u = f / 16. */
    for (size_t i = 0; i < n * width; i++)
        t->values[heads->weight + first * width + i] = solution[i] / TRAIN_FEATURE_SCALE;
    memcpy(t->values + heads->bias + first, solution + n * width, n * sizeof(float));
    return RC_OK;
}

static enum rc start_fields(struct trainer *t, struct arena *arena, struct err *err)
{
    size_t width = t->net.layout->config.width;
    float *train = arena_alloc(arena, t->job->train.n * width, sizeof(float), 64);
    float *valid = arena_alloc(arena, t->job->valid.n * width, sizeof(float), 64);

    if (!train || !valid)
        return arena_fail(arena, err, "features");
    enum rc rc = trainer_features(t, &t->train, train, err);
    if (!rc)
        rc = trainer_features(t, &t->valid, valid, err);
    for (size_t f = 0; f < t->net.heads.n_fields && !rc; f++) {
        const struct train_progress report = { .phase = TRAIN_PHASE_HEAD,
                                               .done = f,
                                               .total = t->net.heads.n_fields,
                                               .loss = NAN,
                                               .score = NAN,
                                               .tokens_per_s = NAN,
                                               .seconds_left = NAN };

        rc = train_report(t->host, &report, err);
        if (!rc)
            rc = start_field(t, f, train, valid, arena, err);
    }
    return rc;
}

enum rc trainer_start_head(struct trainer *t, struct err *err)
{
    size_t n_head = t->net.heads.n_classes * (t->net.layout->config.width + 1);
    enum rc rc = RC_OK;

    if (t->job->start_head) {
        memcpy(t->values + t->net.heads.weight, t->job->start_head, n_head * sizeof(float));
    } else {
        struct arena arena;

        arena_init(&arena, t->arena->limit);
        rc = start_fields(t, &arena, err);
        arena_release(&arena);
    }
    t->frozen_score = NAN;
    if (!rc && t->job->valid.n > 0)
        rc = trainer_evaluate(t, &t->frozen_score, err);
    return rc;
}
