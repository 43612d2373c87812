#include "factory/evaluate/scores.h"

#include <string.h>

enum { SET_COUNTS = 4 };

static size_t n_counts(size_t n_classes, bool is_set)
{
    return n_classes * (is_set ? SET_COUNTS : n_classes + 1);
}

enum rc evaluate_tally_init(size_t n_classes, bool is_set, struct arena *arena,
                            struct evaluate_tally *ret_tally, struct err *err)
{
    size_t max = is_set ? EVALUATE_MEMBERS_MAX : EVALUATE_CLASSES_MAX;

    if (n_classes > max)
        return err_set(err, RC_LIMIT, "%zu classes, at most %zu", n_classes, max);

    uint64_t *counts = arena_array(arena, uint64_t, n_counts(n_classes, is_set) + 1);

    if (!counts)
        return arena_fail(arena, err, "counts of labels");
    *ret_tally =
        (struct evaluate_tally){ .n_classes = n_classes, .is_set = is_set, .counts = counts };
    return RC_OK;
}

/* No answer has no label, and agrees with nothing: not with the empty set either. */
static void add_set(struct evaluate_tally *tally, uint32_t truth, uint32_t answer)
{
    bool answered = answer != EVALUATE_NO_ANSWER;
    int n_labels = __builtin_popcount(truth) + (answered ? __builtin_popcount(answer) : 0);
    int n_both = answered ? __builtin_popcount(truth & answer) : 0;

    ASSERT(truth >> tally->n_classes == 0 && (!answered || answer >> tally->n_classes == 0));
    for (size_t k = 0; k < tally->n_classes; k++) {
        uint64_t *counts = tally->counts + SET_COUNTS * k;

        counts[0] += truth >> k & 1;
        counts[1] += answered && (answer >> k & 1);
        counts[2] += answered && (truth & answer) >> k & 1;
        counts[3] += answered && !((truth | answer) >> k & 1);
    }
    if (answered)
        tally->set_f1 += n_labels ? 2.0 * n_both / n_labels : 1.0;
}

void evaluate_tally_add(struct evaluate_tally *tally, uint32_t truth, uint32_t answer)
{
    size_t k = tally->n_classes;

    tally->n_rows++;
    tally->n_answered += answer != EVALUATE_NO_ANSWER;
    tally->n_right += truth == answer;
    if (tally->is_set) {
        add_set(tally, truth, answer);
        return;
    }
    ASSERT(truth < k && (answer < k || answer == EVALUATE_NO_ANSWER));
    tally->counts[truth * (k + 1) + (answer < k ? answer : k)]++;
}

void evaluate_tally_clear(struct evaluate_tally *tally)
{
    memset(tally->counts, 0, n_counts(tally->n_classes, tally->is_set) * sizeof(*tally->counts));
    tally->n_rows = tally->n_answered = tally->n_right = 0;
    tally->set_f1 = 0.0;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

static struct evaluate_class count_class(const struct evaluate_tally *tally, size_t class)
{
    size_t k = tally->n_classes;
    const uint64_t *set = tally->counts + SET_COUNTS * class;
    struct evaluate_class c = { 0 };

    if (tally->is_set)
        return (struct evaluate_class){ .n_rows = set[0], .n_answers = set[1], .n_right = set[2] };
    c.n_right = tally->counts[class * (k + 1) + class];
    for (size_t other = 0; other < k; other++) {
        c.n_rows += tally->counts[class * (k + 1) + other];
        c.n_answers += tally->counts[other * (k + 1) + class];
    }
    c.n_rows += tally->counts[class * (k + 1) + k];
    return c;
}

struct evaluate_class evaluate_class_of(const struct evaluate_tally *tally, size_t class)
{
    struct evaluate_class c = count_class(tally, class);

    c.precision = share(c.n_right, c.n_answers);
    c.recall = share(c.n_right, c.n_rows);
    c.f1 = share(2 * c.n_right, c.n_rows + c.n_answers);
    return c;
}

static double mean_f1(const struct evaluate_tally *tally)
{
    double sum = 0.0;
    size_t n = 0;

    for (size_t i = 0; i < tally->n_classes; i++) {
        struct evaluate_class c = evaluate_class_of(tally, i);

        sum += c.f1;
        n += c.n_rows + c.n_answers > 0;
    }
    return n ? sum / (double)n : 0.0;
}

static double mean_recall(const struct evaluate_tally *tally)
{
    double sum = 0.0;
    size_t n = 0;

    for (size_t i = 0; i < tally->n_classes; i++) {
        struct evaluate_class c = evaluate_class_of(tally, i);

        sum += c.recall;
        n += c.n_rows > 0;
    }
    return n ? sum / (double)n : 0.0;
}

static double kappa(const struct evaluate_tally *tally)
{
    double rows = (double)tally->n_rows, answered = (double)tally->n_answered;
    double agreed = 0.0, chance = 0.0;

    if (tally->n_rows == 0)
        return 0.0;
    for (size_t i = 0; i < tally->n_classes; i++) {
        struct evaluate_class c = evaluate_class_of(tally, i);
        double truth = (double)c.n_rows, answer = (double)c.n_answers, right = (double)c.n_right;

        agreed += right;
        chance += truth * answer / rows;
        if (tally->is_set) {
            agreed += (double)tally->counts[SET_COUNTS * i + 3];
            chance += (rows - truth) * (answered - answer) / rows;
        }
    }
    double all = tally->is_set ? rows * (double)tally->n_classes : rows;

    return chance < all ? (agreed - chance) / (all - chance) : 0.0;
}

double evaluate_score(const struct evaluate_tally *tally, enum evaluate_metric metric)
{
    switch (metric) {
    case EVALUATE_ACCURACY: return share(tally->n_right, tally->n_rows);
    case EVALUATE_BALANCED_ACCURACY: ASSERT(!tally->is_set); return mean_recall(tally);
    case EVALUATE_MACRO_F1: return mean_f1(tally);
    case EVALUATE_SET_F1:
        ASSERT(tally->is_set);
        return tally->n_rows ? tally->set_f1 / (double)tally->n_rows : 0.0;
    case EVALUATE_KAPPA: return kappa(tally);
    }
    return 0.0;
}
