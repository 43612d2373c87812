/* tiny_job.h - a training job on the tiny network, in a folder of its own. */
#ifndef TESTS_ENGINE_TRAIN_TINY_JOB_H
#define TESTS_ENGINE_TRAIN_TINY_JOB_H

#include "base/fs.h"
#include "engine/train/lora.h"
#include "engine/train/train.h"
#include "tests/engine/train/tiny_network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 13, VALID_ROWS = 5 };

/* A job on the tiny network: rows of 2 to 8 random words whose labels depend on the first of them.
 */
struct tiny_job {
    struct tiny_network tiny;
    struct bert bert;
    struct train_row rows[ROWS + VALID_ROWS];
    int32_t tokens[(ROWS + VALID_ROWS) * 8], labels[(ROWS + VALID_ROWS) * TINY_FIELDS];
    struct train_job job;
    struct train_options options;
    struct train_host host;
    char folder[64], path[128];
};

static const size_t tiny_classes[TINY_FIELDS] = { 3, 2 };

static inline void tiny_job_init(struct tiny_job *j, enum train_method method)
{
    uint32_t state = 3;
    struct err err;

    tiny_network_init(&j->tiny);
    assert_int_equal(bert_of_flat(&j->tiny.layout, j->tiny.values, &j->tiny.arena, &j->bert, &err),
                     RC_OK);
    for (size_t r = 0; r < ROWS + VALID_ROWS; r++) {
        int32_t *tokens = j->tokens + r * 8, *labels = j->labels + r * TINY_FIELDS;
        size_t n = 2 + r % 7;

        for (size_t i = 0; i < n; i++)
            tokens[i] = (int32_t)((tiny_random(&state) + 1.0f) * 11.9f);
        labels[0] = tokens[0] % 3;
        labels[1] = r % 4 == 3 ? TRAIN_NO_LABEL : tokens[1] % 2;
        j->rows[r] = (struct train_row){ tokens, n, labels };
    }
    j->job = (struct train_job){
        .start = &j->bert,
        .n_classes = tiny_classes,
        .n_fields = TINY_FIELDS,
        .train = { j->rows, ROWS },
        .valid = { j->rows + ROWS, VALID_ROWS },
    };
    j->options = train_options_default(method);
    j->options.batch_rows = 4;
    j->options.lora_rank = 4;
    j->options.rate = 1e-2f;
    j->options.head_rate = 1e-2f;
    j->host = (struct train_host){ .cpu = cpu_best(), .clock = clock_system() };
    snprintf(j->folder, sizeof(j->folder), "/tmp/shoal-train-XXXXXX");
    assert_non_null(mkdtemp(j->folder));
    snprintf(j->path, sizeof(j->path), "%s/checkpoint", j->folder);
}

static inline void tiny_job_release(struct tiny_job *j)
{
    struct err err;

    assert_int_equal(fs_remove_tree(j->folder, &err), RC_OK);
    arena_release(&j->tiny.arena);
}

static inline struct train_result run(struct tiny_job *j, struct arena *arena)
{
    struct train_result result;
    struct err err = { 0 };

    arena_init(arena, 64 << 20);
    if (train_run(&j->job, &j->options, &j->host, arena, &result, &err))
        fail_msg("%s", err.message);
    return result;
}

static inline size_t n_weights(const struct tiny_job *j, const struct train_result *result)
{
    struct lora lora = { &j->tiny.layout, result->lora_rank, result->lora_alpha, 0 };

    return j->tiny.n_values + (result->method == TRAIN_LORA ? lora_n_values(&lora) : 0);
}

#endif
