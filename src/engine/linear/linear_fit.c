#include "engine/linear/linear_fit.h"
#include "engine/linear/linear_internal.h"

#include "base/exact_math.h"
#include "base/mem.h"

#include <math.h>

enum {
    LANES = 8,        /* classes are padded to a multiple: the compiler can use vectors */
    HISTORY = 5,      /* pairs L-BFGS remembers */
    ROWS_PIECE = 256, /* rows of one task */
    PIECE = 1 << 16,  /* values of one task */
    BACKTRACKS_MAX = 20,
};

/* Everything of one fit; vectors are (F + 1, width): the last row is the bias. */
struct fit {
    const struct linear_matrix *x;
    const uint32_t *labels;
    struct pool *pool;
    size_t n_classes, width; /* K, and K padded */
    bool is_set;
    size_t n_labelled;
    size_t n;        /* values of a vector: (F + 1) * width */
    double penalty;  /* 1 / (C N) */
    float *errors;   /* (N, width) p - y, over N */
    double *losses;  /* (N,) */
    double *partial; /* sums of pieces */
    const float *w;  /* where the gradient is taken */
    float *gradient;
};

enum rc linear_head_init(size_t n_features, size_t n_classes, struct arena *arena,
                         struct linear_head *ret_head, struct err *err)
{
    ASSERT(n_classes >= 2 && n_classes <= LINEAR_CLASSES_MAX);
    float *weights = arena_array(arena, float, n_features *n_classes);
    float *bias = arena_array(arena, float, n_classes);

    if (!weights || !bias)
        return arena_fail(arena, err, "weights of the linear model");
    *ret_head = (struct linear_head){ .n_classes = n_classes, .weights = weights, .bias = bias };
    return RC_OK;
}

/* The transpose: for each feature the rows that have it, in order. */
static enum rc transpose(struct linear_matrix *m, struct arena *arena, struct err *err)
{
    size_t n_values = m->row_starts[m->n_rows];
    size_t *starts = arena_array(arena, size_t, m->n_features + 2);
    uint32_t *rows = arena_array(arena, uint32_t, n_values + 1);
    float *value = arena_array(arena, float, n_values + 1);

    if (!starts || !rows || !value)
        return arena_fail(arena, err, "rows by feature");
    for (size_t i = 0; i < n_values; i++)
        starts[m->index[i] + 2]++;
    for (size_t f = 2; f < m->n_features + 2; f++)
        starts[f] += starts[f - 1];
    for (size_t r = 0; r < m->n_rows; r++) {
        for (size_t i = m->row_starts[r]; i < m->row_starts[r + 1]; i++) {
            size_t at = starts[m->index[i] + 1]++; /* ends as the start of the next feature */

            rows[at] = (uint32_t)r;
            value[at] = m->value[i];
        }
    }
    m->feature_starts = starts;
    m->rows = rows;
    m->row_value = value;
    return RC_OK;
}

enum rc linear_matrix_build(const struct linear_vocabulary *vocabulary, const struct str *texts,
                            size_t n_texts, struct arena *arena, struct linear_matrix *ret_matrix,
                            struct err *err)
{
    struct linear_matrix m = { .n_rows = n_texts, .n_features = vocabulary->n_features };
    struct arena parts;
    struct linear_features *rows = arena_array(arena, struct linear_features, n_texts + 1);
    size_t *starts = arena_array(arena, size_t, n_texts + 1);
    enum rc rc = RC_OK;

    if (!rows || !starts)
        return arena_fail(arena, err, "rows");
    for (size_t r = 0; r < n_texts && rc == RC_OK; r++) {
        arena_init(&parts, 128 * (size_t)LINEAR_TEXT_BYTES_MAX + 4096);
        rc = linear_featurize(vocabulary, texts[r], &parts, &rows[r], err);
        if (rc == RC_OK) {
            uint32_t *index = arena_array(arena, uint32_t, rows[r].n + 1);
            float *value = arena_array(arena, float, rows[r].n + 1);

            if (index && value) {
                memcpy(index, rows[r].index, rows[r].n * sizeof(*index));
                memcpy(value, rows[r].value, rows[r].n * sizeof(*value));
                rows[r] = (struct linear_features){ rows[r].n, index, value };
                starts[r + 1] = starts[r] + rows[r].n;
            } else {
                rc = arena_fail(arena, err, "features");
            }
        }
        arena_release(&parts);
        if (rc)
            return err_context(err, "row %zu", r);
    }

    uint32_t *index = arena_array(arena, uint32_t, starts[n_texts] + 1);
    float *value = arena_array(arena, float, starts[n_texts] + 1);

    if (!index || !value)
        return arena_fail(arena, err, "features");
    for (size_t r = 0; r < n_texts; r++) {
        memcpy(index + starts[r], rows[r].index, rows[r].n * sizeof(*index));
        memcpy(value + starts[r], rows[r].value, rows[r].n * sizeof(*value));
    }
    m.row_starts = starts;
    m.index = index;
    m.value = value;
    rc = transpose(&m, arena, err);
    if (rc)
        return rc;
    *ret_matrix = m;
    return RC_OK;
}

/* y += a x over one padded row of classes. */
static void add_row(float *y, float a, const float *x, size_t width)
{
    for (size_t k = 0; k < width; k += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            y[k + lane] += a * x[k + lane];
}

/* Logits become p - y, times share; the loss -ln p(label). */
static double score_label(float *z, size_t n_classes, uint32_t label, float share)
{
    linear_log_softmax(z, n_classes, z);

    double loss = -(double)z[label];

    for (size_t k = 0; k < n_classes; k++)
        z[k] = (float)exact_exp((double)z[k]) * share;
    z[label] -= share;
    return loss;
}

/* The same of a set: each label on its own, in or out. */
static double score_set(float *z, size_t n_classes, uint32_t set, float share)
{
    double loss = 0.0;

    for (size_t k = 0; k < n_classes; k++) {
        bool is_in = set >> k & 1;
        double against = is_in ? -(double)z[k] : (double)z[k]; /* log odds of being wrong */
        double odds = exact_exp(-fabs(against));

        loss += (against > 0.0 ? against : 0.0) + exact_ln(1.0 + odds);
        double wrong = (against > 0.0 ? 1.0 : odds) / (1.0 + odds);
        z[k] = (float)(is_in ? -wrong : wrong) * share;
    }
    return loss;
}

/* Loss and error of one row. */
static void score_row(const struct fit *fit, size_t r)
{
    const struct linear_matrix *x = fit->x;
    float *z = fit->errors + r * fit->width;
    uint32_t label = fit->labels[r];
    float share = 1.0f / (float)fit->n_labelled;

    fit->losses[r] = 0.0;
    if (label == LINEAR_NO_LABEL) {
        memset(z, 0, fit->width * sizeof(*z));
        return;
    }
    memcpy(z, fit->w + x->n_features * fit->width, fit->width * sizeof(*z));
    for (size_t i = x->row_starts[r]; i < x->row_starts[r + 1]; i++)
        add_row(z, x->value[i], fit->w + x->index[i] * fit->width, fit->width);
    fit->losses[r] = fit->is_set ? score_set(z, fit->n_classes, label, share)
                                 : score_label(z, fit->n_classes, label, share);
}

static void score_piece(void *context, size_t piece, size_t worker)
{
    const struct fit *fit = context;
    size_t end = (piece + 1) * ROWS_PIECE;

    (void)worker;
    for (size_t r = piece * ROWS_PIECE; r < end && r < fit->x->n_rows; r++)
        score_row(fit, r);
}

/* The gradient of one piece of the features, and its part of |W|^2. */
static void gradient_piece(void *context, size_t piece, size_t worker)
{
    const struct fit *fit = context;
    const struct linear_matrix *x = fit->x;
    size_t width = fit->width, per_piece = PIECE / width + 1;
    double square = 0.0;

    (void)worker;
    for (size_t f = piece * per_piece; f < (piece + 1) * per_piece && f < x->n_features; f++) {
        const float *w = fit->w + f * width;
        float *g = fit->gradient + f * width;

        for (size_t k = 0; k < width; k++) {
            g[k] = (float)fit->penalty * w[k];
            square += (double)w[k] * (double)w[k];
        }
        for (size_t i = x->feature_starts[f]; i < x->feature_starts[f + 1]; i++)
            add_row(g, x->row_value[i], fit->errors + x->rows[i] * width, width);
    }
    fit->partial[piece] = square;
}

/* The objective at w and its gradient. */
static double objective(struct fit *fit, const float *w, float *gradient)
{
    const struct linear_matrix *x = fit->x;
    size_t per_piece = PIECE / fit->width + 1;
    size_t n_pieces = (x->n_features + per_piece - 1) / per_piece;
    float *bias = gradient + x->n_features * fit->width;
    double loss = 0.0, square = 0.0;

    fit->w = w;
    fit->gradient = gradient;
    pool_run(fit->pool, (x->n_rows + ROWS_PIECE - 1) / ROWS_PIECE, score_piece, fit);
    pool_run(fit->pool, n_pieces, gradient_piece, fit);
    memset(bias, 0, fit->width * sizeof(*bias));
    for (size_t r = 0; r < x->n_rows; r++) {
        loss += fit->losses[r];
        add_row(bias, 1.0f, fit->errors + r * fit->width, fit->width);
    }
    for (size_t p = 0; p < n_pieces; p++)
        square += fit->partial[p];
    return loss / (double)fit->n_labelled + 0.5 * fit->penalty * square;
}

/* One pass over vectors, cut into pieces. */
struct pass {
    float *y;
    const float *x;
    double factor;
    size_t n;
    double *partial;
};

static void dot_piece(void *context, size_t piece, size_t worker)
{
    const struct pass *pass = context;
    size_t from = piece * PIECE, to = from + PIECE < pass->n ? from + PIECE : pass->n;
    double lanes[LANES] = { 0.0 };

    (void)worker;
    for (size_t i = from; i < to; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += (double)pass->y[i + lane] * (double)pass->x[i + lane];
    pass->partial[piece] = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
                           ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

static void add_piece(void *context, size_t piece, size_t worker)
{
    const struct pass *pass = context;
    size_t from = piece * PIECE, to = from + PIECE < pass->n ? from + PIECE : pass->n;

    (void)worker;
    for (size_t i = from; i < to; i += LANES)
        add_row(pass->y + i, (float)pass->factor, pass->x + i, LANES);
}

static size_t count_pieces(size_t n)
{
    return (n + PIECE - 1) / PIECE;
}

static double dot(const struct fit *fit, float *y, const float *x)
{
    struct pass pass = { y, x, 0.0, fit->n, fit->partial };
    double sum = 0.0;

    pool_run(fit->pool, count_pieces(fit->n), dot_piece, &pass);
    for (size_t p = 0; p < count_pieces(fit->n); p++)
        sum += fit->partial[p];
    return sum;
}

/* y += factor * x */
static void add(const struct fit *fit, float *y, double factor, const float *x)
{
    struct pass pass = { y, x, factor, fit->n, NULL };

    pool_run(fit->pool, count_pieces(fit->n), add_piece, &pass);
}

/* The pairs L-BFGS remembers: s = step, y = change of the gradient; a ring. */
struct memory {
    float *s[HISTORY], *y[HISTORY];
    double rho[HISTORY]; /* 1 / (s, y) */
    size_t n_pairs;      /* made so far */
};

/* direction = -H gradient: the two loops of algorithm 7.4. */
static void find_direction(const struct fit *fit, const struct memory *memory,
                           const float *gradient, float *direction)
{
    size_t n_kept = memory->n_pairs < HISTORY ? memory->n_pairs : HISTORY;
    double alpha[HISTORY];

    memset(direction, 0, fit->n * sizeof(*direction));
    add(fit, direction, -1.0, gradient);
    for (size_t age = 0; age < n_kept; age++) {
        size_t at = (memory->n_pairs - 1 - age) % HISTORY;

        alpha[at] = memory->rho[at] * dot(fit, direction, memory->s[at]);
        add(fit, direction, -alpha[at], memory->y[at]);
    }
    if (n_kept > 0) {
        size_t last = (memory->n_pairs - 1) % HISTORY;
        double square = dot(fit, memory->y[last], memory->y[last]);
        double scale = 1.0 / (memory->rho[last] * square);

        add(fit, direction, scale - 1.0, direction);
    }
    for (size_t age = n_kept; age-- > 0;) {
        size_t at = (memory->n_pairs - 1 - age) % HISTORY;
        double beta = memory->rho[at] * dot(fit, direction, memory->y[at]);

        add(fit, direction, alpha[at] - beta, memory->s[at]);
    }
}

/* Where the search stands. */
struct point {
    float *w, *gradient;
    double value;
};

/* Halves the step until the value falls enough (Armijo, 1e-4); false: no step does. */
static bool search_line(struct fit *fit, const struct point *from, const float *direction,
                        double step, struct point *to)
{
    double slope = dot(fit, from->gradient, direction);

    for (size_t i = 0; i < BACKTRACKS_MAX; i++, step /= 2.0) {
        memcpy(to->w, from->w, fit->n * sizeof(*to->w));
        add(fit, to->w, step, direction);
        to->value = objective(fit, to->w, to->gradient);
        if (to->value <= from->value + 1e-4 * step * slope)
            return true;
    }
    return false;
}

/* Remembers the step from -> to; a pair without positive curvature (rounding) is left out. */
static void remember(const struct fit *fit, struct memory *memory, const struct point *from,
                     const struct point *to)
{
    size_t at = memory->n_pairs % HISTORY;

    memcpy(memory->s[at], to->w, fit->n * sizeof(float));
    add(fit, memory->s[at], -1.0, from->w);
    memcpy(memory->y[at], to->gradient, fit->n * sizeof(float));
    add(fit, memory->y[at], -1.0, from->gradient);

    double curvature = dot(fit, memory->s[at], memory->y[at]);

    if (curvature > 0.0) {
        memory->rho[at] = 1.0 / curvature;
        memory->n_pairs++;
    }
}

static void minimise(struct fit *fit, const struct linear_fit *options, struct memory *memory,
                     struct point *now, struct point *next, float *direction)
{
    size_t iterations_max = options->iterations_max ? options->iterations_max : 100;
    double gain_min = options->gain_min > 0.0 ? options->gain_min : 1e-5;

    now->value = objective(fit, now->w, now->gradient);
    for (size_t i = 0; i < iterations_max; i++) {
        double length = sqrt(dot(fit, now->gradient, now->gradient));

        if (length == 0.0)
            return;
        find_direction(fit, memory, now->gradient, direction);
        if (!search_line(fit, now, direction, memory->n_pairs ? 1.0 : 1.0 / length, next))
            return;
        remember(fit, memory, now, next);

        double gain = now->value - next->value;
        struct point before = *now;

        *now = *next;
        *next = before;
        if (gain <= gain_min * now->value)
            return;
    }
}

static void copy_in(const struct fit *fit, const struct linear_head *head, float *w)
{
    size_t k = fit->n_classes;

    for (size_t f = 0; f < fit->x->n_features; f++)
        memcpy(w + f * fit->width, head->weights + f * k, k * sizeof(*w));
    memcpy(w + fit->x->n_features * fit->width, head->bias, k * sizeof(*w));
}

static void copy_out(const struct fit *fit, const float *w, struct linear_head *head)
{
    size_t k = fit->n_classes;

    for (size_t f = 0; f < fit->x->n_features; f++)
        memcpy(head->weights + f * k, w + f * fit->width, k * sizeof(*w));
    memcpy(head->bias, w + fit->x->n_features * fit->width, k * sizeof(*w));
}

/* Cuts one allocation into the vectors of a fit. */
static float *take(float **left, size_t n)
{
    float *vector = *left;

    *left += n;
    return vector;
}

static void run(struct fit *fit, float *values, const struct linear_fit *options,
                struct linear_head *head)
{
    struct memory memory = { 0 };
    struct point now = { .w = take(&values, fit->n), .gradient = take(&values, fit->n) };
    struct point next = { .w = take(&values, fit->n), .gradient = take(&values, fit->n) };
    float *direction = take(&values, fit->n);

    for (size_t i = 0; i < HISTORY; i++) {
        memory.s[i] = take(&values, fit->n);
        memory.y[i] = take(&values, fit->n);
    }
    fit->errors = take(&values, fit->x->n_rows * fit->width);
    copy_in(fit, head, now.w);
    minimise(fit, options, &memory, &now, &next, direction);
    copy_out(fit, now.w, head);
}

enum rc linear_fit(const struct linear_matrix *matrix, const uint32_t *labels,
                   const struct linear_fit *options, struct linear_head *head, struct err *err)
{
    size_t width = (head->n_classes + LANES - 1) / LANES * LANES;
    struct fit fit = { .x = matrix,
                       .labels = labels,
                       .pool = options->pool,
                       .n_classes = head->n_classes,
                       .is_set = head->is_set,
                       .width = width,
                       .n = (matrix->n_features + 1) * width };
    size_t n_vectors = 5 + 2 * HISTORY;
    enum rc rc = RC_OK;

    ASSERT(!head->is_set || head->n_classes <= LINEAR_MEMBERS_MAX);
    for (size_t r = 0; r < matrix->n_rows; r++) {
        ASSERT(labels[r] == LINEAR_NO_LABEL ||
               (head->is_set ? labels[r] >> head->n_classes == 0 : labels[r] < head->n_classes));
        fit.n_labelled += labels[r] != LINEAR_NO_LABEL;
    }
    if (fit.n_labelled == 0)
        return err_set(err, RC_INVALID, "no row has a label");
    fit.penalty = 1.0 / (options->c * (double)fit.n_labelled);

    float *values = mem_array(n_vectors * fit.n + matrix->n_rows * width, sizeof(*values));

    fit.losses = mem_array(matrix->n_rows, sizeof(*fit.losses));
    fit.partial = mem_array(count_pieces(fit.n) + 1, sizeof(*fit.partial));
    if (values && fit.losses && fit.partial)
        run(&fit, values, options, head);
    else
        rc = err_set(err, RC_NOMEM, "logistic regression of %zu weights", fit.n);
    mem_free(values);
    mem_free(fit.losses);
    mem_free(fit.partial);
    return rc;
}
