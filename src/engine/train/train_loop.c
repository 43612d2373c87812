#include "engine/train/train_loop.h"

#include "base/failpoint.h"
#include "base/macros.h"

#include <math.h>
#include <string.h>

static size_t values_bytes(const struct train_loop *loop)
{
    return loop->checkpoint->header->n_values * sizeof(float);
}

enum rc train_report(const struct train_host *host, const struct train_progress *progress,
                     struct err *err)
{
    if (host->progress && !host->progress(host->progress_context, progress))
        return err_set(err, RC_CANCELLED, "training was stopped");
    return RC_OK;
}

enum rc train_loop_load(struct train_loop *loop, bool *ret_found, struct err *err)
{
    enum rc rc = RC_NOT_FOUND;

    if (loop->host->checkpoint_path)
        rc = checkpoint_load(loop->checkpoint, loop->host->checkpoint_path, err);
    if (rc && rc != RC_NOT_FOUND)
        return rc;
    *ret_found = rc == RC_OK;
    if (*ret_found)
        memcpy(loop->values, loop->checkpoint->values, values_bytes(loop));
    return RC_OK;
}

static enum rc step(struct train_loop *loop, struct err *err)
{
    struct checkpoint_header *state = loop->checkpoint->header;
    size_t k = state->step;
    struct train_span span = train_plan_batch(&loop->plan, k);
    double factor = train_plan_rate(&loop->plan, loop->schedule, loop->warmup, k);
    double loss = loop->step(loop->self, k, span, factor);

    if (!isfinite(loss))
        return err_set(err, RC_INVALID,
                       "step %zu: the loss is no number any more; lower the learning rates", k);
    state->loss = k == 0 ? loss : 0.98 * state->loss + 0.02 * loss;
    state->tokens += span.tokens;
    state->step++;
    FAILPOINT("train.after_step");
    return RC_OK;
}

static enum rc save(struct train_loop *loop, struct err *err)
{
    if (!loop->host->checkpoint_path)
        return RC_OK;
    memcpy(loop->checkpoint->values, loop->values, values_bytes(loop));
    FAILPOINT("train.before_checkpoint");
    enum rc rc = checkpoint_save(loop->checkpoint, loop->host->checkpoint_path, err);
    FAILPOINT("train.after_checkpoint");
    return rc;
}

/* After an epoch, and after the last step. */
static enum rc judge(struct train_loop *loop, struct err *err)
{
    struct checkpoint_header *state = loop->checkpoint->header;
    double score = NAN;
    enum rc rc = loop->has_valid ? loop->score(loop->self, &score, err) : RC_OK;

    if (rc)
        return rc;
    state->epochs_since_best++;
    if (state->best_step == 0 || !loop->has_valid || score > state->best_score) {
        state->best_step = state->step;
        state->best_score = score;
        state->epochs_since_best = 0;
        memcpy(loop->checkpoint->best, loop->values, values_bytes(loop));
    }
    return RC_OK;
}

static enum rc report(const struct train_loop *loop, struct err *err)
{
    const struct checkpoint_header *state = loop->checkpoint->header;
    const struct clock *clock = &loop->host->clock;
    double seconds = (double)(clock->monotonic_us(clock->self) - loop->begun_us) / 1e6;
    const struct train_progress progress = {
        .phase = TRAIN_PHASE_STEPS,
        .done = state->step,
        .total = loop->plan.n_steps,
        .epoch = loop->plan.epoch,
        .loss = state->loss,
        .score = state->best_step ? state->best_score : NAN,
        .tokens_per_s =
            seconds > 0.0 ? (double)(state->tokens - loop->begun_tokens) / seconds : NAN,
        .seconds_left = seconds / (double)(state->step - loop->begun_step) *
                        (double)(loop->plan.n_steps - state->step),
    };

    return train_report(loop->host, &progress, err);
}

/* One step and what follows from its number. */
static enum rc advance(struct train_loop *loop, struct err *err)
{
    struct checkpoint_header *state = loop->checkpoint->header;
    enum rc rc = step(loop, err);
    struct err ignored;

    if (rc)
        return rc;
    bool last = state->step == loop->plan.n_steps, epoch = state->step % loop->plan.batches == 0;
    if (last || epoch)
        rc = judge(loop, err);
    if (rc) /* no save: the last checkpoint is before this step, which is taken again */
        return rc;
    state->ended = last || (loop->patience > 0 && state->epochs_since_best >= loop->patience);
    if (last || epoch || (loop->checkpoint_steps && state->step % loop->checkpoint_steps == 0))
        rc = save(loop, err);
    if (rc)
        return rc;
    rc = report(loop, err);
    if (rc == RC_CANCELLED) /* a kindness: without it the steps since the last are taken again */
        IGNORE_RC(save(loop, &ignored));
    return rc;
}

enum rc train_loop_run(struct train_loop *loop, struct err *err)
{
    const struct checkpoint_header *state = loop->checkpoint->header;
    enum rc rc = RC_OK;

    loop->begun_us = loop->host->clock.monotonic_us(loop->host->clock.self);
    loop->begun_step = state->step;
    loop->begun_tokens = state->tokens;
    while (!rc && !state->ended)
        rc = advance(loop, err);
    return rc;
}
