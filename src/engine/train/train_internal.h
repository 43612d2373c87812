/* train_internal.h - one training run: what its files share. */
#ifndef ENGINE_TRAIN_INTERNAL_H
#define ENGINE_TRAIN_INTERNAL_H

#include "engine/train/adamw.h"
#include "engine/train/lora.h"
#include "engine/train/train.h"
#include "engine/train/train_loop.h"
#include "engine/train/train_score.h"

enum {
    TRAIN_PACK_TOKENS = 2048, /* of one pass: about 150 KB each for MiniLM */
    TRAIN_PACK_ROWS = 256,    /* of one pass without gradients */
};

/*
 * The words of the rows, numbered anew: 0 to n - 1. A run knows no others, so that a base's 30,522
 * word rows, of which a team's texts have a tenth, cost neither memory nor bytes of a checkpoint.
 * The others keep the values of the start, and come back with the result.
 */
struct train_words {
    size_t n;
    uint32_t *id;     /* (n,): in the base's vocabulary, ascending */
    uint32_t *number; /* (V,): where id[number] is the word; else not defined */
};

/* Rows as the run reads them. */
struct train_set {
    const struct train_rows *rows;
    const float *
        *lower; /* (rows.n,): outputs of the frozen layers, see train_batch; NULL: not kept */
};

/* The flat values are three neighbours: the network, the heads, and with LoRA its A and B. What is
 * trained is a range at their end: all, without the frozen layers, or without the network. */
struct trainer {
    const struct train_job *job;
    const struct train_options *options;
    const struct train_host *host;
    struct arena *arena; /* of everything below */

    struct train_words words;
    struct bert_layout layout; /* the base's, with words.n words */
    struct train_network net;
    struct train_memory memory;
    struct train_set train, valid;
    struct lora lora;
    float *values;    /* (n_values,) */
    float *gradients; /* (n_values,); NULL for TRAIN_FROZEN */
    size_t n_values;
    size_t first_trained; /* to the end of n_values */
    struct adamw adamw;
    struct checkpoint checkpoint;
    struct train_score score;
    double frozen_score; /* of the head before any step; NaN without validation rows */

    struct train_batch pack;  /* the arrays that packs are built in */
    int32_t *pack_tokens;     /* (tokens_max,) */
    size_t *pack_starts;      /* (rows_max + 1,) */
    const float **pack_lower; /* (rows_max,) */
    int32_t *pack_labels;     /* (rows_max, n_fields) */
};

/* Which words the rows have, and the layout with those alone. */
MUST_CHECK enum rc trainer_words(struct trainer *t, struct err *err);
/* Between the base's weights and the run's, (layout.n_values,) each. */
void trainer_gather_weights(const struct trainer *t, const struct bert *from, float *values);
void trainer_scatter_weights(const struct trainer *t, const float *values, float *all);

/* Packs as many of the rows order[first..n) as fit, at least one; order NULL: rows first..n
 * themselves. labels NULL when not wanted. Returns how many. */
size_t trainer_pack(struct trainer *t, const struct train_set *set, const uint32_t *order,
                    size_t first, size_t n, bool with_labels);

/* Computes what frozen layers make of the rows, once, if the options give the memory. RC_CANCELLED,
 * RC_NOMEM. */
MUST_CHECK enum rc trainer_keep_lower(struct trainer *t, struct err *err);

/* f of all rows, (n, C), by the network as it stands. RC_CANCELLED. */
MUST_CHECK enum rc trainer_features(struct trainer *t, const struct train_set *set, float *features,
                                    struct err *err);

/* Macro-F1 of the network as it stands on the validation rows. RC_CANCELLED. */
MUST_CHECK enum rc trainer_evaluate(struct trainer *t, double *ret_score, struct err *err);

/* The head that steps start from, into the values; its score into frozen_score. */
MUST_CHECK enum rc trainer_start_head(struct trainer *t, struct err *err);

/* AdamW from the checkpoint when there is one, else from a new head, to the end; the best values
 * are then in the values. */
MUST_CHECK enum rc trainer_steps(struct trainer *t, struct err *err);

#endif
