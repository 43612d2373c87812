#include "engine/train/adamw.h"

#include "base/macros.h"

#include <math.h>

enum { ROWS_PER_TASK = 64 };

static const float beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f;

static size_t parts_of(size_t n)
{
    return (n + ADAMW_PART_MAX - 1) / ADAMW_PART_MAX;
}

enum rc adamw_init(const struct adamw_part *tensors, size_t n_tensors, size_t first, size_t n,
                   struct arena *arena, struct adamw *ret_adamw, struct err *err)
{
    struct adamw a = { .first = first, .n = n };

    for (size_t i = 0; i < n_tensors; i++)
        a.n_parts += parts_of(tensors[i].n);
    a.parts = arena_array(arena, struct adamw_part, a.n_parts);
    a.squares = arena_array(arena, double, a.n_parts + 1);
    if (!a.parts || !a.squares)
        return arena_fail(arena, err, "optimiser");

    size_t p = 0;
    for (size_t i = 0; i < n_tensors; i++) {
        for (size_t at = 0; at < tensors[i].n; at += ADAMW_PART_MAX) {
            size_t left = tensors[i].n - at;

            a.parts[p] = tensors[i];
            a.parts[p].at += at;
            a.parts[p++].n = left < ADAMW_PART_MAX ? left : ADAMW_PART_MAX;
        }
        ASSERT(tensors[i].at >= first && tensors[i].at + tensors[i].n <= first + n);
    }
    *ret_adamw = a;
    return RC_OK;
}

struct step {
    const struct adamw *adamw;
    const struct train_ops *ops;
    float *values;
    const float *gradients;
    const struct adamw_rows *words;
    const struct adamw_rates *rates;
    float clipping; /* factor of the gradient */
};

static void measure_task(void *context, size_t task, size_t worker)
{
    const struct step *s = context;
    double squares = 0.0;
    (void)worker;

    if (task < s->adamw->n_parts) {
        const float *g = s->gradients + s->adamw->parts[task].at;

        squares = s->ops->dot(g, g, s->adamw->parts[task].n);
    } else {
        for (size_t i = 0; s->words && i < s->words->n; i++) {
            const float *g = s->gradients + s->words->at + s->words->at_row[i] * s->words->width;

            squares += s->ops->dot(g, g, s->words->width);
        }
    }
    s->adamw->squares[task] = squares;
}

/* In the order of the parts, so that the sum does not depend on the threads. */
static double gradient_length(const struct step *s, struct pool *pool)
{
    double squares = 0.0;

    pool_run(pool, s->adamw->n_parts + 1, measure_task, (void *)s);
    for (size_t i = 0; i <= s->adamw->n_parts; i++)
        squares += s->adamw->squares[i];
    return sqrt(squares);
}

/* x^t by products alone, which IEEE 754 fixes to the bit. */
static double power(double x, uint64_t t)
{
    double y = 1.0;

    for (; t > 0; t /= 2, x *= x)
        if (t % 2)
            y *= x;
    return y;
}

static void update(const struct step *s, size_t at, size_t n, bool decays, bool head)
{
    float rate = head ? s->rates->head_rate : s->rates->rate;
    const struct train_adamw p = {
        .beta1 = beta1,
        .beta2 = beta2,
        .rate = (float)((double)rate / (1.0 - power((double)beta1, s->rates->t))),
        .root_scale = (float)(1.0 / sqrt(1.0 - power((double)beta2, s->rates->t))),
        .eps = eps,
        .decay = decays ? 1.0f - rate * s->rates->decay : 1.0f,
        .gradient_scale = s->clipping,
    };
    size_t moment = at - s->adamw->first;

    s->ops->adamw(s->values + at, s->adamw->m + moment, s->adamw->v + moment, s->gradients + at, &p,
                  n);
}

static void update_task(void *context, size_t task, size_t worker)
{
    const struct step *s = context;
    (void)worker;

    if (task < s->adamw->n_parts) {
        const struct adamw_part *part = &s->adamw->parts[task];

        update(s, part->at, part->n, part->decays, part->head);
        return;
    }
    size_t first = (task - s->adamw->n_parts) * ROWS_PER_TASK;
    size_t end = first + ROWS_PER_TASK < s->words->n ? first + ROWS_PER_TASK : s->words->n;

    for (size_t i = first; i < end; i++)
        update(s, s->words->at + s->words->at_row[i] * s->words->width, s->words->width, true,
               false);
}

double adamw_step(struct adamw *adamw, const struct train_ops *ops, float *values,
                  const float *gradients, const struct adamw_rows *words,
                  const struct adamw_rates *rates, struct pool *pool)
{
    struct step step = { adamw, ops, values, gradients, words, rates, 1.0f };
    size_t row_tasks = words ? (words->n + ROWS_PER_TASK - 1) / ROWS_PER_TASK : 0;
    double length = gradient_length(&step, pool);

    if (!isfinite(length))
        return length;
    if (rates->clip > 0.0f)
        step.clipping = (float)fmin(1.0, (double)rates->clip / (length + 1e-6));
    pool_run(pool, adamw->n_parts + row_tasks, update_task, &step);
    return length;
}
