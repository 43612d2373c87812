/*
 * train_score.h - the metric that training stops on: macro-F1, the mean over fields.
 *
 * A field's macro-F1 is the mean of F1 over the classes that occur among its labels or answers, as
 * in scikit-learn's f1_score(average="macro"), of sets too. A field without labels does not count.
 */
#ifndef ENGINE_TRAIN_SCORE_H
#define ENGINE_TRAIN_SCORE_H

#include "base/arena.h"
#include "base/err.h"
#include "engine/train/train_network.h"

/* Counts per class (K,) over all fields. */
struct train_score {
    const struct train_heads *heads;
    size_t *labelled, *answered, *right; /* (K,) */
};

MUST_CHECK enum rc train_score_init(const struct train_heads *heads, struct arena *arena,
                                    struct train_score *ret_score, struct err *err);
void train_score_reset(struct train_score *score);

/* Adds rows: logits (n, K), labels (n, n_fields). The answer is the greatest logit, the first of
 * equals; of a set the classes whose logit is above 0. */
void train_score_add(struct train_score *score, const float *logits, const int32_t *labels,
                     size_t n_rows);

double train_score_macro_f1(const struct train_score *score); /* in [0, 1]; 0 without labels */

#endif
