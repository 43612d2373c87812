/*
 * scores.h - how often answers agree with the truth: accuracy, per-class scores, macro-F1.
 *
 * Rows are labels in [0, K); EVALUATE_NO_ANSWER stands for a declined row, which counts as wrong.
 */
#ifndef FACTORY_SCORES_H
#define FACTORY_SCORES_H

#include "base/arena.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { EVALUATE_CLASSES_MAX = 4096 };
#define EVALUATE_NO_ANSWER UINT32_MAX

/* counts[truth * (K + 1) + answer]; the last column: no answer. */
struct evaluate_confusion {
    size_t n_classes; /* K */
    uint64_t *counts; /* (K, K + 1) */
};

struct evaluate_class {
    uint64_t n_rows, n_answers, n_right; /* of this class */
    double precision, recall, f1;        /* 0 where there is nothing to divide by */
};

enum evaluate_metric { EVALUATE_ACCURACY, EVALUATE_MACRO_F1, EVALUATE_KAPPA };

/* RC_LIMIT: more than EVALUATE_CLASSES_MAX classes; RC_NOMEM. */
MUST_CHECK enum rc evaluate_confusion_init(size_t n_classes, struct arena *arena,
                                           struct evaluate_confusion *ret_confusion,
                                           struct err *err);
void evaluate_confusion_add(struct evaluate_confusion *confusion, uint32_t truth, uint32_t answer);
void evaluate_confusion_clear(struct evaluate_confusion *confusion);

struct evaluate_class evaluate_class_of(const struct evaluate_confusion *confusion, size_t class);

/* Accuracy: right / rows. Macro-F1: the mean of F1 over the classes that occur in the truth or in
 * the answers, as scikit-learn's f1_score(average="macro"). Kappa (Cohen 1960): the agreement
 * beyond what chance gives to answers with these frequencies; 0 for whoever does not look at the
 * input, be the answers constant or drawn. 0 of no rows. */
double evaluate_score(const struct evaluate_confusion *confusion, enum evaluate_metric metric);

#endif
