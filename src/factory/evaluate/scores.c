#include "factory/evaluate/scores.h"

#include <string.h>

enum rc evaluate_confusion_init(size_t n_classes, struct arena *arena,
                                struct evaluate_confusion *ret_confusion, struct err *err)
{
    if (n_classes > EVALUATE_CLASSES_MAX)
        return err_set(err, RC_LIMIT, "%zu classes, at most %d", n_classes, EVALUATE_CLASSES_MAX);

    uint64_t *counts = arena_array(arena, uint64_t, n_classes * (n_classes + 1) + 1);

    if (!counts)
        return arena_fail(arena, err, "confusion matrix");
    *ret_confusion = (struct evaluate_confusion){ n_classes, counts };
    return RC_OK;
}

void evaluate_confusion_add(struct evaluate_confusion *confusion, uint32_t truth, uint32_t answer)
{
    size_t k = confusion->n_classes;

    ASSERT(truth < k && (answer < k || answer == EVALUATE_NO_ANSWER));
    confusion->counts[truth * (k + 1) + (answer < k ? answer : k)]++;
}

void evaluate_confusion_clear(struct evaluate_confusion *confusion)
{
    size_t k = confusion->n_classes;

    memset(confusion->counts, 0, k * (k + 1) * sizeof(*confusion->counts));
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

struct evaluate_class evaluate_class_of(const struct evaluate_confusion *confusion, size_t class)
{
    size_t k = confusion->n_classes;
    struct evaluate_class c = { .n_right = confusion->counts[class * (k + 1) + class] };

    for (size_t other = 0; other < k; other++) {
        c.n_rows += confusion->counts[class * (k + 1) + other];
        c.n_answers += confusion->counts[other * (k + 1) + class];
    }
    c.n_rows += confusion->counts[class * (k + 1) + k];
    c.precision = share(c.n_right, c.n_answers);
    c.recall = share(c.n_right, c.n_rows);
    c.f1 = share(2 * c.n_right, c.n_rows + c.n_answers);
    return c;
}

double evaluate_score(const struct evaluate_confusion *confusion, enum evaluate_metric metric)
{
    uint64_t n_rows = 0, n_right = 0;
    size_t n_present = 0;
    double sum = 0.0, chance = 0.0;

    for (size_t i = 0; i < confusion->n_classes; i++) {
        struct evaluate_class c = evaluate_class_of(confusion, i);

        n_rows += c.n_rows;
        n_right += c.n_right;
        n_present += c.n_rows + c.n_answers > 0;
        sum += c.f1;
        chance += (double)c.n_rows * (double)c.n_answers;
    }
    double agreed = share(n_right, n_rows);

    chance = n_rows ? chance / ((double)n_rows * (double)n_rows) : 1.0;
    switch (metric) {
    case EVALUATE_ACCURACY: return agreed;
    case EVALUATE_MACRO_F1: return n_present ? sum / (double)n_present : 0.0;
    case EVALUATE_KAPPA: return chance < 1.0 ? (agreed - chance) / (1.0 - chance) : 0.0;
    }
    return 0.0;
}
