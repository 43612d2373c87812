/*
 * train_loop.h - the optimiser's loop, whatever is trained: steps in the plan's order, a score
 * after each epoch, the best values kept, a checkpoint, a report.
 *
 *   step, step, ... step | score, keep the best, save | step, ...
 *
 * The checkpoint is the loop's only state: a run that goes on from one takes the same steps.
 */
#ifndef ENGINE_TRAIN_LOOP_H
#define ENGINE_TRAIN_LOOP_H

#include "engine/train/checkpoint.h"
#include "engine/train/train.h"
#include "engine/train/train_plan.h"

/* All borrowed. */
struct train_loop {
    const struct train_host *host;
    struct checkpoint *checkpoint;
    struct train_plan plan; /* train_plan_init() was called */
    enum train_schedule schedule;
    float warmup;
    size_t patience, checkpoint_steps; /* as in struct train_options */
    float *values;                     /* what is trained, (checkpoint->header->n_values,) */
    bool has_valid;                    /* score() can be asked; else the last values are the best */

    void *self; /* handed to the two below */
    /* Takes step k (from 0) with the rows of the span and `factor` of the learning rates. Returns
     * the batch's loss, or something that is not finite when that or the gradients are not. */
    double (*step)(void *self, size_t k, struct train_span span, double factor);
    /* Of the values as they stand; more is better. */
    enum rc (*score)(void *self, double *ret_score, struct err *err);

    /* the loop's own */
    int64_t begun_us;
    size_t begun_step, begun_tokens;
};

/* The state of host->checkpoint_path, if there is one, into the checkpoint and the values. As
 * checkpoint_load(), but no file is RC_OK with *ret_found false. */
MUST_CHECK enum rc train_loop_load(struct train_loop *loop, bool *ret_found, struct err *err);

/* To the end; the best values are then checkpoint->best. RC_INVALID: the loss was no number any
 * more; RC_CANCELLED; as checkpoint_save() and score(). */
MUST_CHECK enum rc train_loop_run(struct train_loop *loop, struct err *err);

/* RC_CANCELLED when the host's progress function says so. */
MUST_CHECK enum rc train_report(const struct train_host *host,
                                const struct train_progress *progress, struct err *err);

#endif
