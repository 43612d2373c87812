/*
 * linear_fit_files.c - fits the linear model on files, for bench/linear_vs_sklearn.py.
 *
 *   linear_fit_files TRAIN VAL TEST OUT     JSONL rows {"input": text, "output": label}
 *
 * Tunes C on VAL by accuracy, writes one predicted label per row of TEST to OUT and prints
 * {"c", "validation_accuracy", "features", "seconds"}.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/pool.h"
#include "engine/linear/linear_fit.h"

#include <stdio.h>

enum { CLASSES_MAX = 1000, ROWS_MAX = 100000 };

struct labels {
    struct str names[CLASSES_MAX];
    size_t n;
};

struct rows {
    struct str *texts;
    uint32_t *labels;
    size_t n;
};

static void fail(const struct err *err)
{
    fprintf(stderr, "linear_fit_files: %s\n", err->message);
    exit(1);
}

static uint32_t label_of(struct labels *labels, struct str name)
{
    for (size_t k = 0; k < labels->n; k++)
        if (str_equal(labels->names[k], name))
            return (uint32_t)k;
    ASSERT(labels->n < CLASSES_MAX);
    labels->names[labels->n] = name;
    return (uint32_t)labels->n++;
}

static struct rows read_rows(const char *path, struct labels *labels, struct arena *arena)
{
    struct rows rows = { arena_array(arena, struct str, ROWS_MAX),
                         arena_array(arena, uint32_t, ROWS_MAX), 0 };
    struct str text;
    struct err err = { 0 };

    if (fs_read_file(path, 1 << 30, arena, &text, &err))
        fail(&err);
    for (const char *at = text.at, *end = text.at + text.len; at < end && rows.n < ROWS_MAX;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct json *row;

        stop = stop ? stop : end;
        if (json_parse((struct str){ at, (size_t)(stop - at) }, JSON_DUPLICATES_REFUSED, arena,
                       &row, &err))
            fail(&err);
        rows.texts[rows.n] = json_find(row, "input")->text;
        rows.labels[rows.n++] = label_of(labels, json_find(row, "output")->text);
        at = stop + 1;
    }
    return rows;
}

static uint32_t predict(const struct linear_vocabulary *vocabulary, const struct linear_head *head,
                        struct str text)
{
    struct arena arena;
    struct linear_features features;
    float log_probs[CLASSES_MAX];
    struct err err = { 0 };
    uint32_t best = 0;

    arena_init(&arena, 64 << 20);
    if (linear_featurize(vocabulary, text, &arena, &features, &err))
        fail(&err);
    linear_scores(head, &features, log_probs);
    for (uint32_t k = 1; k < head->n_classes; k++)
        best = log_probs[k] > log_probs[best] ? k : best;
    arena_release(&arena);
    return best;
}

static double accuracy(const struct linear_vocabulary *vocabulary, const struct linear_head *head,
                       const struct rows *rows)
{
    size_t right = 0;

    for (size_t i = 0; i < rows->n; i++)
        right += predict(vocabulary, head, rows->texts[i]) == rows->labels[i];
    return (double)right / (double)rows->n;
}

int main(int argc, char **argv)
{
    static struct labels labels;
    static const double cs[] = { 1.0, 3.0, 10.0, 30.0, 100.0 };
    struct arena arena, scratch;
    struct err err = { 0 };
    struct linear_vocabulary vocabulary;
    struct linear_matrix matrix;
    struct linear_head head, best;
    struct pool *pool;
    double best_c = 0.0, best_accuracy = -1.0;

    if (argc != 5)
        return 2;
    arena_init(&arena, (size_t)4 << 30);
    arena_init(&scratch, (size_t)4 << 30);
    struct rows train = read_rows(argv[1], &labels, &arena);
    struct rows validation = read_rows(argv[2], &labels, &arena);
    struct rows test = read_rows(argv[3], &labels, &arena);
    struct clock clock = clock_system();
    int64_t started_us = clock.monotonic_us(clock.self);

    if (pool_new(2, &pool, &err) ||
        linear_vocabulary_count(train.texts, train.n, LINEAR_FEATURES_MAX, &scratch, &arena,
                                &vocabulary, &err) ||
        linear_matrix_build(&vocabulary, train.texts, train.n, &arena, &matrix, &err) ||
        linear_head_init(vocabulary.n_features, labels.n, &arena, &head, &err) ||
        linear_head_init(vocabulary.n_features, labels.n, &arena, &best, &err))
        fail(&err);
    for (size_t i = 0; i < ARRAY_LEN(cs); i++) {
        struct linear_fit options = { .c = cs[i], .pool = pool };

        if (linear_fit(&matrix, train.labels, &options, &head, &err))
            fail(&err);

        double a = accuracy(&vocabulary, &head, &validation);

        fprintf(stderr, "C %g: validation %.4f test %.4f (%.1f s)\n", cs[i], a,
                accuracy(&vocabulary, &head, &test),
                (double)(clock.monotonic_us(clock.self) - started_us) / 1e6);
        if (a > best_accuracy) {
            best_accuracy = a;
            best_c = cs[i];
            memcpy(best.weights, head.weights,
                   vocabulary.n_features * head.n_classes * sizeof(float));
            memcpy(best.bias, head.bias, head.n_classes * sizeof(float));
        }
    }
    double seconds = (double)(clock.monotonic_us(clock.self) - started_us) / 1e6;
    FILE *out = fopen(argv[4], "w");

    if (!out)
        return 1;
    for (size_t i = 0; i < test.n; i++)
        fprintf(out, "%.*s\n", STR_ARG(labels.names[predict(&vocabulary, &best, test.texts[i])]));
    fclose(out);
    printf("{\"c\": %g, \"validation_accuracy\": %.4f, \"features\": %zu, \"seconds\": %.1f}\n",
           best_c, best_accuracy, vocabulary.n_features, seconds);
    pool_free(pool);
    arena_release(&scratch);
    arena_release(&arena);
    return 0;
}
