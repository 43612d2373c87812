/*
 * train_plan.h - which rows a training step reads, and how fast it learns: functions of the seed
 * and of the step alone, so that a run resumes at any step without saving an order or a generator.
 *
 * Step k reads batch k modulo the batches of an epoch. Each epoch has its own order of rows.
 */
#ifndef ENGINE_TRAIN_PLAN_H
#define ENGINE_TRAIN_PLAN_H

#include "base/arena.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum train_schedule { TRAIN_SCHEDULE_LINEAR, TRAIN_SCHEDULE_COSINE };

struct train_plan {
    size_t n_rows, batch_rows;
    uint64_t seed;
    const uint32_t *n_tokens; /* (n_rows,): of each row; borrowed */
    size_t batches;           /* of an epoch */
    size_t n_steps;           /* in all; at least 1 */
    uint32_t *order;          /* (n_rows,): the rows of `epoch` in its order */
    size_t epoch;
};

/* A batch: rows order[first..end). */
struct train_span {
    size_t first, end;
    size_t tokens;
};

/* The steps that the epochs or the budget of tokens (0: none) allow. RC_NOMEM. */
MUST_CHECK enum rc train_plan_init(struct train_plan *plan, size_t epochs, size_t budget_tokens,
                                   struct arena *arena, struct err *err);

/* The batch of step k; plan->order is then its epoch's. */
struct train_span train_plan_batch(struct train_plan *plan, size_t k);

/* Factor of the learning rates at step k: up during the first warmup (in [0, 1)) of the steps, then
 * down to nearly 0 at the last. */
double train_plan_rate(const struct train_plan *plan, enum train_schedule schedule, float warmup,
                       size_t k);

#endif
