/* candidate_linear.c - hashed n-grams and a logistic regression per field, C chosen per field. */
#include "base/exact_math.h"
#include "engine/linear/linear_fit.h"
#include "factory/evaluate/scores.h"
#include "factory/train/candidate_internal.h"

#include <math.h>

static const size_t SCRATCH_BYTES = (size_t)4 << 30;
static const double STRENGTHS[] = { 0.3, 1.0, 3.0, 10.0, 30.0, 100.0 }; /* C; warm starts upwards */

/* One linear model under way. */
struct tuning {
    const struct candidate_job *job;
    struct arena arena;
    struct linear_vocabulary vocabulary;
    struct linear_matrix matrix;
    struct linear_features *valid; /* (n_valid,) */
};

/* ln(1 + e^x) */
static double softplus(double x)
{
    return isnan(x) ? x : fmax(x, 0.0) + exact_ln(1.0 + exact_exp(-fabs(x)));
}

/* -ln p of the truth. */
static double loss_of(const struct linear_head *head, const float *scores, uint32_t truth)
{
    double loss = 0.0;

    if (!head->is_set)
        return -(double)scores[truth];
    for (size_t k = 0; k < head->n_classes; k++)
        loss += softplus(truth >> k & 1 ? -(double)scores[k] : (double)scores[k]);
    return loss;
}

/* The likeliest label, the first of equals; of a set the labels that are likelier in than out. */
static uint32_t best_of(const struct linear_head *head, const float *scores)
{
    uint32_t best = 0;

    for (uint32_t k = 0; k < head->n_classes; k++) {
        if (head->is_set)
            best |= (uint32_t)(scores[k] > 0.0f) << k;
        else if (scores[k] > scores[best])
            best = k;
    }
    return best;
}

/* Macro-F1 of a head on the validation rows, and the log loss that decides between equals. */
static enum rc score_head(struct tuning *t, const struct linear_head *head, size_t field,
                          double *ret_f1, double *ret_loss, struct err *err)
{
    const struct candidate_rows *valid = &t->job->valid;
    struct evaluate_tally tally;
    struct arena scratch;
    double loss = 0.0;

    arena_init(&scratch, 512 << 20);
    float *scores = arena_array(&scratch, float, head->n_classes);
    enum rc rc = scores ? evaluate_tally_init(head->n_classes, head->is_set, &scratch, &tally, err)
                        : arena_fail(&scratch, err, "scores");

    for (size_t i = 0; i < valid->n && rc == RC_OK; i++) {
        uint32_t truth = valid->labels[field * valid->n + i];

        linear_scores(head, &t->valid[i], scores);
        evaluate_tally_add(&tally, truth, best_of(head, scores));
        loss += loss_of(head, scores, truth);
    }
    if (rc == RC_OK) {
        *ret_f1 = evaluate_score(&tally, EVALUATE_MACRO_F1);
        *ret_loss = loss;
    }
    arena_release(&scratch);
    return rc;
}

/* The head with the C that validation likes best. */
static enum rc tune_head(struct tuning *t, size_t field, struct linear_head *best, struct err *err)
{
    const struct candidate_job *job = t->job;
    size_t n_classes = job->spec->fields[field].n_labels;
    size_t n_weights = t->vocabulary.n_features * n_classes;
    struct linear_head head;
    double best_f1 = -1.0, best_loss = INFINITY;
    enum rc rc = linear_head_init(t->vocabulary.n_features, n_classes, &t->arena, &head, err);

    if (rc == RC_OK)
        rc = linear_head_init(t->vocabulary.n_features, n_classes, &t->arena, best, err);
    head.is_set = best->is_set = job->spec->fields[field].is_set;
    for (size_t i = 0; i < ARRAY_LEN(STRENGTHS) && rc == RC_OK; i++) {
        struct linear_fit options = { .c = STRENGTHS[i], .pool = job->pool };
        double f1 = 0.0, loss = 0.0;

        if (!candidate_report(job, "fits", field * ARRAY_LEN(STRENGTHS) + i,
                              job->spec->n_fields * ARRAY_LEN(STRENGTHS)))
            return err_set(err, RC_CANCELLED, "stopped");
        rc = linear_fit(&t->matrix, job->train.labels + field * job->train.n, &options, &head, err);
        if (rc == RC_OK)
            rc = score_head(t, &head, field, &f1, &loss, err);
        if (rc || f1 < best_f1 || (f1 <= best_f1 && loss >= best_loss))
            continue;
        best_f1 = f1;
        best_loss = loss;
        memcpy(best->weights, head.weights, n_weights * sizeof(*head.weights));
        memcpy(best->bias, head.bias, n_classes * sizeof(*head.bias));
    }
    return rc;
}

static enum rc read_rows(struct tuning *t, struct err *err)
{
    const struct candidate_job *job = t->job;
    struct arena scratch;

    arena_init(&scratch, SCRATCH_BYTES);
    enum rc rc = linear_vocabulary_count(job->train.texts, job->train.n, LINEAR_FEATURES_MAX,
                                         &scratch, &t->arena, &t->vocabulary, err);
    arena_release(&scratch);
    if (rc == RC_OK)
        rc = linear_matrix_build(&t->vocabulary, job->train.texts, job->train.n, &t->arena,
                                 &t->matrix, err);
    t->valid = arena_array(&t->arena, struct linear_features, job->valid.n + 1);
    if (!t->valid)
        return arena_fail(&t->arena, err, "validation rows");
    for (size_t i = 0; i < job->valid.n && rc == RC_OK; i++)
        rc = linear_featurize(&t->vocabulary, job->valid.texts[i], &t->arena, &t->valid[i], err);
    return rc;
}

static enum rc make_linear(struct tuning *t, struct buf *out, struct err *err)
{
    const struct candidate_job *job = t->job;
    struct linear_head heads[SPEC_FIELDS_MAX];
    struct adapter adapter;
    struct safetensors_tensor *tensors = NULL;
    size_t n_tensors = 0;
    enum rc rc = read_rows(t, err);

    for (size_t f = 0; f < job->spec->n_fields && rc == RC_OK; f++)
        rc = tune_head(t, f, &heads[f], err);
    if (rc)
        return rc;

    struct linear_model model = { t->vocabulary, job->spec->n_fields, heads };

    rc = candidate_adapter(job, ADAPTER_LINEAR, &t->arena, &adapter, err);
    if (rc == RC_OK)
        rc = linear_tensors(&model, &t->arena, &tensors, &n_tensors, err);
    if (rc == RC_OK)
        rc = adapter_append(out, &adapter, tensors, n_tensors, err);
    return rc;
}

enum rc candidate_linear(const struct candidate_job *job, struct buf *out, struct err *err)
{
    struct tuning tuning = { .job = job };

    arena_init(&tuning.arena, SCRATCH_BYTES);
    enum rc rc = make_linear(&tuning, out, err);
    arena_release(&tuning.arena);
    return rc;
}
