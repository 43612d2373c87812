/*
 * train.h - from labelled rows to the weights of an adapter.
 *
 *   rows -> features of the frozen encoder -> logistic head            TRAIN_FROZEN ends here
 *        -> AdamW on all weights or LoRA, from that head, epoch by epoch, the best one kept
 *
 * "Frozen first, then fine-tuning from its head" (LP-FT, Kumar et al. 2022, arXiv:2202.10054) is
 * what the defaults do, with the settings measured for MiniLM: all weights at 1e-4, heads at 5e-4,
 * batches of 32, 3 epochs, 10 % warm-up, linear decay to 0, clip 1, weight decay 0.01.
 *
 * The logits of a head are W f + b with f = 16 mean(x) / |mean(x)|, see train_network.h.
 *
 * Determinism: the result is a function of the job and the options, bit for bit: on every CPU, with
 * every number of threads, whatever compiled it. An interrupted run that goes on from its
 * checkpoint, there or on another machine, gives the same bytes. Budgets are tokens, never seconds.
 */
#ifndef ENGINE_TRAIN_H
#define ENGINE_TRAIN_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/pool.h"
#include "engine/model/bert.h"
#include "engine/train/train_network.h"
#include "engine/train/train_plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TRAIN_ROWS_MAX = 4 << 20,
    TRAIN_BATCH_ROWS_MAX = 1024,
    TRAIN_EPOCHS_MAX = 1000,
};

struct train_row {
    const int32_t *tokens; /* with [CLS] and [SEP]; each < n_words */
    size_t n_tokens;       /* 1 to n_positions */
    const int32_t *labels; /* (n_fields,): class, of a set a mask of them, or TRAIN_NO_LABEL */
};

struct train_rows {
    const struct train_row *at;
    size_t n;
};

/* What to learn; all borrowed. */
struct train_job {
    const struct bert *start; /* the base, or production's weights */
    const size_t *n_classes;  /* (n_fields,): each at least 2, of a set at most TRAIN_MEMBERS_MAX */
    const bool *is_set;       /* (n_fields,): a row has a set of the classes; NULL: of none */
    size_t n_fields;          /* 1 to TRAIN_FIELDS_MAX */
    struct train_rows train;  /* at least one row */
    struct train_rows
        valid; /* may be empty: then nothing stops early and the last weights are kept */
    const float *start_head; /* (K, C) and (K,) of production; NULL: found from the rows */
    const float *start_lora; /* A and B of production in the order of lora.h; NULL: new ones */
};

enum train_method { TRAIN_FROZEN, TRAIN_FULL, TRAIN_LORA };

enum train_head_start {
    TRAIN_HEAD_REGRESSION, /* logistic regression; its strength chosen on the validation rows */
    TRAIN_HEAD_CENTROIDS,  /* each class's mean direction: for about ten rows per class and less; of
                              a set the regression all the same */
};

struct train_options {
    enum train_method method;
    enum train_head_start head_start;
    enum train_schedule schedule;
    size_t epochs;        /* 1 to TRAIN_EPOCHS_MAX */
    size_t batch_rows;    /* 1 to TRAIN_BATCH_ROWS_MAX */
    size_t budget_tokens; /* of training passes; 0: no limit. The schedule ends where it ends */
    size_t patience; /* epochs without a better validation score before stopping; 0: never stop */
    size_t checkpoint_steps;  /* between checkpoints, besides one per epoch; 0: none besides */
    float rate, head_rate;    /* learning rates, > 0 */
    float warmup;             /* share of the steps, in [0, 1) */
    float weight_decay, clip; /* >= 0; clip 0: none */
    float dropout;            /* in [0, 1) */
    size_t frozen_layers; /* TRAIN_FULL: as many lower layers, and the embeddings, stay as they are
                             and see no dropout; below n_layers. 0: everything is trained */
    size_t cache_bytes;   /* what frozen layers make of the rows is computed once when it takes no
                             more than this, else at each pass; the result is the same */
    size_t lora_rank;     /* TRAIN_LORA: 1 to LORA_RANK_MAX */
    float lora_alpha;
    uint64_t seed;
};

struct train_options train_options_default(enum train_method method);

enum train_phase {
    TRAIN_PHASE_FEATURES,
    TRAIN_PHASE_HEAD,
    TRAIN_PHASE_STEPS,
    TRAIN_PHASE_EVALUATION
};

struct train_progress {
    enum train_phase phase;
    size_t done, total; /* rows, fields, steps, rows */
    size_t epoch;       /* from 0 */
    double loss;        /* mean over the last steps (weight 0.98 each); NaN before the first */
    double score;       /* best validation macro-F1 so far; NaN before the first evaluation */
    double tokens_per_s, seconds_left; /* of the phase; NaN when not known */
};

/* false: stop. What runs is then checkpointed and ends with RC_CANCELLED. */
typedef bool train_progress_fn(void *context, const struct train_progress *progress);

/* Where it runs; all borrowed. */
struct train_host {
    enum cpu cpu;                /* kernel row, at most cpu_best(); all give the same bytes */
    struct pool *pool;           /* NULL: the calling thread alone; so does any number of threads */
    struct clock clock;          /* for the progress alone */
    const char *checkpoint_path; /* NULL: none is read or written */
    train_progress_fn *progress; /* may be NULL */
    void *progress_context;
};

struct train_result {
    enum train_method method;
    const float *head_weight, *head_bias; /* (K, C), (K,) */
    const float *weights;                 /* flat, (layout.n_values,); NULL for TRAIN_FROZEN */
    const float *lora;                    /* TRAIN_LORA: A and B in the order of lora.h */
    size_t lora_rank;
    float lora_alpha;
    double score;         /* macro-F1 on the validation rows, mean over fields; NaN without rows */
    size_t steps, tokens; /* taken in all, up to the end of training */
    size_t best_step;     /* whose weights these are */
};

/**
 * Trains. Removes nothing: the checkpoint stays until the caller deletes it.
 *
 * @param arena       owns the result
 *
 * @return RC_OK
 *         RC_INVALID    a row, a label or an option breaks what is said above; or the loss was no
 *                       number any more (the rates are too high)
 *         RC_CANCELLED  progress said so
 *         RC_STATE      the checkpoint is of another job or other options
 *         RC_CORRUPT    the checkpoint's bytes are damaged
 *         RC_IO, RC_FULL, RC_LIMIT, RC_NOMEM
 *
 * Blocks for seconds to hours. Thread-safe for distinct pools and arenas.
 */
MUST_CHECK enum rc train_run(const struct train_job *job, const struct train_options *options,
                             const struct train_host *host, struct arena *arena,
                             struct train_result *ret_result, struct err *err);

#endif
