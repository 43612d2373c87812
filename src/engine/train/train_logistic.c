#include "engine/train/train_logistic.h"

#include "base/exact_math.h"
#include "base/macros.h"
#include "engine/train/train_network.h"

#include <math.h>
#include <string.h>

enum {
    PAIRS = 10,
    ROUNDS_MAX = 500,
    HALVINGS_MAX = 30,
    ROWS_PER_TASK = 256,
    CLASSES_PER_TASK = 32
};

static const double gradient_tolerance = 1e-5, sufficient_decrease = 1e-4;

struct fit {
    const struct train_logistic *problem;
    struct pool *pool;
    size_t n;             /* unknowns: W and b */
    const float *at;      /* (n,): where the loss is asked for */
    float *gradient;      /* (n,) of the loss at `at` */
    float *probabilities; /* (rows, classes), then minus one-hot */
    double *losses;       /* per task */
    float *steps[PAIRS],
        *changes[PAIRS];    /* x' - x and g' - g, the newest at n_pairs - 1 modulo PAIRS */
    double products[PAIRS]; /* step . change */
    size_t n_pairs;
};

static size_t row_tasks(const struct train_logistic *p)
{
    return (p->n_rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK;
}

/* The losses of n logits (n, k), summed; they become p minus one-hot. */
static double label_losses(const struct train_logistic *p, float *z, size_t first, size_t n)
{
    double loss = 0.0;

    p->ops->softmax(z, p->n_classes, 1.0f, n, p->n_classes);
    for (size_t r = 0; r < n; r++, z += p->n_classes) {
        size_t label = (size_t)p->labels[first + r];

        loss -= exact_ln(fmax((double)z[label], 1e-37));
        z[label] -= 1.0f;
    }
    return loss;
}

static double set_losses(const struct train_logistic *p, float *z, size_t first, size_t n)
{
    double loss = 0.0;

    for (size_t r = 0; r < n; r++, z += p->n_classes)
        loss += train_set_cross_entropy(z, p->n_classes, p->labels[first + r], 1.0f);
    return loss;
}

static void forward_task(void *context, size_t task, size_t worker)
{
    const struct fit *fit = context;
    const struct train_logistic *p = fit->problem;
    size_t first = task * ROWS_PER_TASK, k = p->n_classes;
    size_t n = p->n_rows - first < ROWS_PER_TASK ? p->n_rows - first : ROWS_PER_TASK;
    float *z = fit->probabilities + first * k;
    (void)worker;

    p->gemm(&(struct gemm){ n, k, p->width, gemm_plain(p->features + first * p->width, p->width),
                            gemm_transposed(fit->at, p->width), z, k, false });
    p->ops->add_bias(z, k, fit->at + k * p->width, n, k);
    fit->losses[task] = p->is_set ? set_losses(p, z, first, n) : label_losses(p, z, first, n);
}

/* Some classes' rows of dW and db. */
static void gradient_task(void *context, size_t task, size_t worker)
{
    const struct fit *fit = context;
    const struct train_logistic *p = fit->problem;
    size_t first = task * CLASSES_PER_TASK, k = p->n_classes,
           n = k - first < CLASSES_PER_TASK ? k - first : CLASSES_PER_TASK;
    float *dw = fit->gradient + first * p->width, *db = fit->gradient + k * p->width + first;
    float mean = 1.0f / (float)p->n_rows, penalty = 1.0f / (p->c * (float)p->n_rows);
    const float *w = fit->at + first * p->width;
    (void)worker;

    p->gemm(&(struct gemm){ n, p->width, p->n_rows, gemm_transposed(fit->probabilities + first, k),
                            gemm_plain(p->features, p->width), dw, p->width, false });
    for (size_t i = 0; i < n * p->width; i++)
        dw[i] = mean * dw[i] + penalty * w[i];
    memset(db, 0, n * sizeof(*db));
    p->ops->column_sums(db, fit->probabilities + first, k, p->n_rows, n);
    for (size_t i = 0; i < n; i++)
        db[i] *= mean;
}

/* The loss at x; its gradient in fit->gradient. */
static double loss_at(struct fit *fit, const float *x)
{
    const struct train_logistic *p = fit->problem;
    double loss = 0.0;

    fit->at = x;
    pool_run(fit->pool, row_tasks(p), forward_task, fit);
    pool_run(fit->pool, (p->n_classes + CLASSES_PER_TASK - 1) / CLASSES_PER_TASK, gradient_task,
             fit);
    for (size_t i = 0; i < row_tasks(p); i++)
        loss += fit->losses[i];
    return (loss + p->ops->dot(x, x, p->n_classes * p->width) / (2.0 * (double)p->c)) /
           (double)p->n_rows;
}

/* direction = -H g by the two loops over the kept pairs; the diagonal start is the newest pair's.
 */
static void descend(const struct fit *fit, const float *gradient, float *direction)
{
    const struct train_ops *ops = fit->problem->ops;
    size_t kept = fit->n_pairs < PAIRS ? fit->n_pairs : PAIRS;
    double factors[PAIRS], scale = 1.0;

    for (size_t i = 0; i < fit->n; i++)
        direction[i] = -gradient[i];
    for (size_t i = 0; i < kept; i++) {
        size_t p = (fit->n_pairs - 1 - i) % PAIRS;

        factors[p] = ops->dot(fit->steps[p], direction, fit->n) / fit->products[p];
        ops->add(direction, fit->changes[p], (float)-factors[p], fit->n);
        if (i == 0)
            scale = fit->products[p] / ops->dot(fit->changes[p], fit->changes[p], fit->n);
    }
    for (size_t i = 0; i < fit->n; i++)
        direction[i] *= (float)scale;
    for (size_t i = kept; i-- > 0;) {
        size_t p = (fit->n_pairs - 1 - i) % PAIRS;
        double back = ops->dot(fit->changes[p], direction, fit->n) / fit->products[p];

        ops->add(direction, fit->steps[p], (float)(factors[p] - back), fit->n);
    }
}

/* Keeps a pair only if the loss curves upward along it, which keeps H positive definite. */
static void remember(struct fit *fit, const float *x, const float *next, const float *old_gradient)
{
    size_t p = fit->n_pairs % PAIRS;

    for (size_t i = 0; i < fit->n; i++) {
        fit->steps[p][i] = next[i] - x[i];
        fit->changes[p][i] = fit->gradient[i] - old_gradient[i];
    }
    fit->products[p] = fit->problem->ops->dot(fit->steps[p], fit->changes[p], fit->n);
    if (fit->products[p] > 1e-12 * fit->problem->ops->dot(fit->changes[p], fit->changes[p], fit->n))
        fit->n_pairs++;
}

static bool converged(const struct fit *fit)
{
    for (size_t i = 0; i < fit->n; i++)
        if (fabs((double)fit->gradient[i]) > gradient_tolerance)
            return false;
    return true;
}

static void minimise(struct fit *fit, float *x, float *next, float *direction, float *old_gradient)
{
    const struct train_ops *ops = fit->problem->ops;
    double loss = loss_at(fit, x);

    for (size_t round = 0; round < ROUNDS_MAX && !converged(fit); round++) {
        memcpy(old_gradient, fit->gradient, fit->n * sizeof(*old_gradient));
        descend(fit, old_gradient, direction);

        double slope = ops->dot(direction, old_gradient, fit->n), step = 1.0, found = INFINITY;
        for (size_t i = 0; i < HALVINGS_MAX; i++, step *= 0.5) {
            memcpy(next, x, fit->n * sizeof(*next));
            ops->add(next, direction, (float)step, fit->n);
            found = loss_at(fit, next);
            if (found <= loss + sufficient_decrease * step * slope)
                break;
        }
        if (!(found < loss)) /* as low as f32 can tell */
            return;
        remember(fit, x, next, old_gradient);
        memcpy(x, next, fit->n * sizeof(*x));
        loss = found;
    }
}

enum rc train_logistic_fit(const struct train_logistic *problem, float *solution,
                           struct arena *scratch, struct pool *pool, struct err *err)
{
    struct fit fit = { .problem = problem,
                       .pool = pool,
                       .n = problem->n_classes * (problem->width + 1) };
    float *vectors = arena_array(scratch, float, fit.n *(2 * PAIRS + 4));

    fit.probabilities = arena_array(scratch, float, problem->n_rows * problem->n_classes);
    fit.losses = arena_array(scratch, double, row_tasks(problem));
    if (!vectors || !fit.probabilities || !fit.losses)
        return arena_fail(scratch, err, "logistic regression");

    for (size_t i = 0; i < PAIRS; i++) {
        fit.steps[i] = vectors + 2 * i * fit.n;
        fit.changes[i] = fit.steps[i] + fit.n;
    }
    float *rest = vectors + 2 * PAIRS * fit.n;
    fit.gradient = rest + 3 * fit.n;
    minimise(&fit, solution, rest, rest + fit.n, rest + 2 * fit.n);
    return RC_OK;
}
