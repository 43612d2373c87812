#include "engine/train/train_score.h"

#include <string.h>

enum rc train_score_init(const struct train_heads *heads, struct arena *arena,
                         struct train_score *ret_score, struct err *err)
{
    struct train_score score = { .heads = heads };

    score.labelled = arena_array(arena, size_t, heads->n_classes);
    score.answered = arena_array(arena, size_t, heads->n_classes);
    score.right = arena_array(arena, size_t, heads->n_classes);
    if (!score.labelled || !score.answered || !score.right)
        return arena_fail(arena, err, "score");
    *ret_score = score;
    return RC_OK;
}

void train_score_reset(struct train_score *score)
{
    memset(score->labelled, 0, score->heads->n_classes * sizeof(*score->labelled));
    memset(score->answered, 0, score->heads->n_classes * sizeof(*score->answered));
    memset(score->right, 0, score->heads->n_classes * sizeof(*score->right));
}

static void add_label(struct train_score *score, const float *logits, size_t field, size_t label)
{
    size_t answer = score->heads->first[field];

    label += answer;
    for (size_t c = answer + 1; c < score->heads->first[field + 1]; c++)
        if (logits[c] > logits[answer])
            answer = c;
    score->labelled[label]++;
    score->answered[answer]++;
    score->right[answer] += answer == label;
}

static void add_set(struct train_score *score, const float *logits, size_t field, size_t set)
{
    size_t first = score->heads->first[field];

    for (size_t c = first; c < score->heads->first[field + 1]; c++) {
        bool is_in = set >> (c - first) & 1, answer = logits[c] > 0.0f;

        score->labelled[c] += is_in;
        score->answered[c] += answer;
        score->right[c] += is_in && answer;
    }
}

void train_score_add(struct train_score *score, const float *logits, const int32_t *labels,
                     size_t n_rows)
{
    const struct train_heads *heads = score->heads;

    for (size_t r = 0; r < n_rows; r++, logits += heads->n_classes, labels += heads->n_fields)
        for (size_t f = 0; f < heads->n_fields; f++)
            if (labels[f] != TRAIN_NO_LABEL)
                (heads->is_set[f] ? add_set : add_label)(score, logits, f, (size_t)labels[f]);
}

double train_score_macro_f1(const struct train_score *score)
{
    const struct train_heads *heads = score->heads;
    double sum = 0.0;
    size_t n_fields = 0;

    for (size_t f = 0; f < heads->n_fields; f++) {
        double field = 0.0;
        size_t n = 0;

        for (size_t c = heads->first[f]; c < heads->first[f + 1]; c++) {
            size_t both = score->labelled[c] + score->answered[c];

            if (both > 0)
                field += 2.0 * (double)score->right[c] / (double)both;
            n += both > 0;
        }
        sum += n ? field / (double)n : 0.0;
        n_fields += n > 0;
    }
    return n_fields ? sum / (double)n_fields : 0.0;
}
