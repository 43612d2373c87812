/*
 * scores.h - how often answers agree with the truth: accuracy, per-class scores, macro-F1, set-F1.
 *
 * Rows are labels in [0, K), or sets of them: then bit k of a row says that label k is in the set.
 * EVALUATE_NO_ANSWER stands for a declined row, which counts as wrong.
 */
#ifndef FACTORY_SCORES_H
#define FACTORY_SCORES_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EVALUATE_CLASSES_MAX = 4096, EVALUATE_MEMBERS_MAX = 31 };
#define EVALUATE_NO_ANSWER UINT32_MAX

/* Rows counted. Of labels the confusion matrix, counts[truth * (K + 1) + answer], the last column
 * being no answer; of sets four counts a label: the rows whose truth has it, whose answer, whose
 * both, and those answered whose neither has it. */
struct evaluate_tally {
    size_t n_classes; /* K */
    bool is_set;
    uint64_t *counts;
    uint64_t n_rows, n_answered, n_right; /* n_right: the whole set */
    double set_f1;                        /* of sets: sum over the rows */
};

struct evaluate_class {
    uint64_t n_rows, n_answers, n_right; /* of this class */
    double precision, recall, f1;        /* 0 where there is nothing to divide by */
};

enum evaluate_metric {
    EVALUATE_ACCURACY,
    EVALUATE_BALANCED_ACCURACY, /* of labels alone */
    EVALUATE_MACRO_F1,
    EVALUATE_SET_F1, /* of sets alone */
    EVALUATE_KAPPA,
};

/* RC_LIMIT: more than EVALUATE_CLASSES_MAX classes, or EVALUATE_MEMBERS_MAX of sets; RC_NOMEM. */
MUST_CHECK enum rc evaluate_tally_init(size_t n_classes, bool is_set, struct arena *arena,
                                       struct evaluate_tally *ret_tally, struct err *err);
void evaluate_tally_add(struct evaluate_tally *tally, uint32_t truth, uint32_t answer);
void evaluate_tally_clear(struct evaluate_tally *tally);

struct evaluate_class evaluate_class_of(const struct evaluate_tally *tally, size_t class);

/*
 * A score of the rows, 0 of none.
 *   accuracy   right / rows; a set is right when all of it is
 *   balanced accuracy  the mean recall of the classes that occur in the truth
 *   macro-F1   the mean of F1 over the classes that occur in the truth or in the answers, as
 *              scikit-learn's f1_score(average="macro"), of sets too
 *   set-F1     the mean over rows of 2 |truth and answer| / (|truth| + |answer|), 1 when both are
 *              empty: scikit-learn's f1_score(average="samples", zero_division=1)
 *   kappa      Cohen 1960: the agreement beyond what chance gives to answers with these
 *              frequencies; 0 for whoever does not look at the input, be the answers constant or
 *              drawn. Of sets the agreement is that of the labels, each in or out.
 */
double evaluate_score(const struct evaluate_tally *tally, enum evaluate_metric metric);

#endif
