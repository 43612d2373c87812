#include "engine/train/train_plan.h"

#include "base/exact_math.h"
#include "base/macros.h"
#include "engine/train/train_random.h"

enum { STREAM_ORDER = 0 }; /* of random numbers below the seed; dropout has 1 */

/* Fisher and Yates; the first draw of epoch e is number e * rows. */
static void shuffle(struct train_plan *plan, size_t epoch)
{
    size_t n = plan->n_rows;
    uint64_t key = train_random(plan->seed, STREAM_ORDER);

    plan->epoch = epoch;
    for (size_t i = 0; i < n; i++)
        plan->order[i] = (uint32_t)i;
    for (size_t i = n; i-- > 1;) {
        size_t j = (size_t)(train_random(key, epoch * n + i) % (i + 1));
        uint32_t other = plan->order[j];

        plan->order[j] = plan->order[i];
        plan->order[i] = other;
    }
}

struct train_span train_plan_batch(struct train_plan *plan, size_t k)
{
    size_t first = k % plan->batches * plan->batch_rows, end = first + plan->batch_rows;
    struct train_span span = { first, end < plan->n_rows ? end : plan->n_rows, 0 };

    if (plan->epoch != k / plan->batches)
        shuffle(plan, k / plan->batches);
    for (size_t i = span.first; i < span.end; i++)
        span.tokens += plan->n_tokens[plan->order[i]];
    return span;
}

enum rc train_plan_init(struct train_plan *plan, size_t epochs, size_t budget_tokens,
                        struct arena *arena, struct err *err)
{
    size_t tokens = 0;

    plan->order = arena_array(arena, uint32_t, plan->n_rows);
    if (!plan->order)
        return arena_fail(arena, err, "order of the rows");
    plan->batches = (plan->n_rows + plan->batch_rows - 1) / plan->batch_rows;
    plan->n_steps = epochs * plan->batches;
    plan->epoch = SIZE_MAX;
    for (size_t k = 0; k < plan->n_steps && budget_tokens > 0; k++) {
        tokens += train_plan_batch(plan, k).tokens;
        if (tokens > budget_tokens)
            plan->n_steps = k > 0 ? k : 1;
    }
    return RC_OK;
}

double train_plan_rate(const struct train_plan *plan, enum train_schedule schedule, float warmup,
                       size_t k)
{
    double sine, cosine;
    size_t rising = (size_t)((double)warmup * (double)plan->n_steps);

    if (k < rising)
        return (double)(k + 1) / (double)rising;
    double left = (double)(plan->n_steps - k) / (double)(plan->n_steps - rising);

    switch (schedule) {
    case TRAIN_SCHEDULE_LINEAR: return left;
    case TRAIN_SCHEDULE_COSINE:
        exact_sin_cos(left * 3.14159265358979323846, &sine, &cosine);
        return 0.5 - 0.5 * cosine;
    }
    assert_fail("a schedule", __FILE__, __LINE__);
}
