/*
 * llama_train.h - from texts to a LoRA adapter of a decoder.
 *
 * A row is a text whose tokens from n_prompt on are to be learned: the loss is the mean of -log
 * p(token) over the answers' tokens of a batch. Everything is trained with AdamW on A and B; the
 * base stays as it is.
 *
 * Determinism: as train.h says. The result is a function of the job and the options, bit for bit,
 * on the same build, kernel rows and number of threads; an interrupted run that goes on from its
 * checkpoint gives the same bytes.
 */
#ifndef ENGINE_TRAIN_LLAMA_TRAIN_H
#define ENGINE_TRAIN_LLAMA_TRAIN_H

#include "engine/train/llama_network.h"
#include "engine/train/train.h"

struct llama_rows {
    const struct llama_row *at;
    size_t n;
};

/* What to learn; all borrowed. */
struct llama_job {
    const struct llama *base;
    struct llama_rows train; /* at least one */
    struct llama_rows valid; /* may be empty: then the last values are kept */
    const float *start;      /* A and B of production (llama_lora_n_values(),); NULL: new ones */
};

/* Of the products with the base (llama_network.h). Each trains on any CPU; bf16 is meant for those
 * with AVX512_BF16, and takes 4 more bytes of memory per weight. */
enum llama_precision { LLAMA_F32, LLAMA_BF16 };

struct llama_options {
    enum train_schedule schedule;
    size_t epochs;           /* 1 to TRAIN_EPOCHS_MAX */
    size_t batch_rows;       /* 1 to TRAIN_BATCH_ROWS_MAX */
    size_t budget_tokens;    /* of training passes; 0: no limit */
    size_t patience;         /* epochs without a better validation loss; 0: never stop early */
    size_t checkpoint_steps; /* between checkpoints, besides one per epoch; 0: none besides */
    float rate;              /* learning rate, > 0 */
    float warmup;            /* share of the steps, in [0, 1) */
    float weight_decay, clip;
    size_t rank; /* 1 to LLAMA_LORA_RANK_MAX */
    float alpha;
    uint64_t seed;
    enum llama_precision precision;
};

struct llama_options llama_options_default(void);

struct llama_result {
    const float *values; /* A and B, in the order of llama_lora.h */
    size_t n_values;
    double loss;          /* per answer token of the validation rows; NaN without them */
    size_t steps, tokens; /* taken in all */
    size_t best_step;     /* whose values these are */
};

/**
 * Trains. Removes nothing: the checkpoint stays until the caller deletes it. Of the progress,
 * `score` is minus the best validation loss so far.
 *
 * @param arena  owns the result
 * @return as train_run()
 *
 * Blocks for minutes to hours. Thread-safe for distinct pools and arenas.
 */
MUST_CHECK enum rc llama_train(const struct llama_job *job, const struct llama_options *options,
                               const struct train_host *host, struct arena *arena,
                               struct llama_result *ret_result, struct err *err);

#endif
