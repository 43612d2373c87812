#include "tests/support/digest.h"

#include "base/macros.h"
#include "engine/train/train_ops.h"
#include "tests/engine/train/tiny_network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 3, COLUMNS_MAX = 400, VALUES = ROWS * COLUMNS_MAX, ARRAYS = 4 };

/* Four arrays in which an operation finds its arguments and leaves its results, each with a guard
 * value behind it. */
struct bench {
    float at[ARRAYS][VALUES + 1];
    float sums[2][COLUMNS_MAX + 1];
    double dot;
};

static void bench_init(struct bench *b)
{
    uint32_t state = 11;

    for (size_t a = 0; a < ARRAYS; a++)
        for (size_t i = 0; i <= VALUES; i++)
            b->at[a][i] = 3.0f * tiny_random(&state);
    for (size_t i = 0; i <= VALUES; i++)
        b->at[3][i] = fabsf(b->at[3][i]); /* a second moment is not negative */
    memset(b->sums, 0, sizeof(b->sums));
    b->dot = 0.0;
}

static struct train_norm norm_of(const struct bench *b)
{
    return (struct train_norm){ .bias = b->at[2],
                                .residual = b->at[3],
                                .dropout = train_dropout_of(0.3f, 77),
                                .first = 1000,
                                .gain = b->at[2] + 1,
                                .shift = b->at[2] + 2,
                                .eps = 1e-12f };
}

static void run_gelu(const struct train_ops *ops, struct bench *b, size_t n)
{
    ops->bias_gelu(b->at[1], b->at[0], b->at[2], ROWS, n);
    ops->gelu_backward(b->at[3], b->at[2], ROWS * n);
}

static void run_norm(const struct train_ops *ops, struct bench *b, size_t n)
{
    struct train_norm norm = norm_of(b);

    if (n < 3) /* the normalisation of one value is 0 / 0, of two a sign */
        return;
    ops->norm(b->at[1], b->at[0], b->sums[0], &norm, ROWS, n);
}

static void run_norm_backward(const struct train_ops *ops, struct bench *b, size_t n)
{
    static const float rstd[ROWS] = { 0.5f, 1.0f, 2.0f };
    struct train_norm norm = norm_of(b);

    ops->norm_backward(b->at[0], b->at[1], rstd, &norm, b->sums[0], b->sums[1], ROWS, n);
}

static void run_softmax(const struct train_ops *ops, struct bench *b, size_t n)
{
    ops->softmax(b->at[0], n, 0.7f, ROWS, n);
    ops->softmax_backward(b->at[1], b->at[0], n, 0.7f, ROWS, n);
}

/* A wider stride: what lies behind n does not count. */
static void run_wide_softmax(const struct train_ops *ops, struct bench *b, size_t n)
{
    size_t stride = (n + TRAIN_LANES - 1) / TRAIN_LANES * TRAIN_LANES;

    if (n % 3 == 0)
        b->at[0][n] = NAN;
    ops->softmax(b->at[0], stride, 0.7f, ROWS, n);
    ops->softmax_backward(b->at[1], b->at[0], stride, 0.7f, ROWS, n);
    for (size_t i = 0; i < ROWS; i++) {
        double sum = 0.0;

        for (size_t j = 0; j < n; j++)
            sum += (double)b->at[0][i * stride + j];
        assert_true(fabs(sum - 1.0) < 1e-5);
    }
}

static void run_sums(const struct train_ops *ops, struct bench *b, size_t n)
{
    struct train_dropout dropout = train_dropout_of(0.5f, 123);

    ops->add_bias(b->at[0], n, b->at[2], ROWS, n);
    ops->column_sums(b->sums[0], b->at[3], n, ROWS, n);
    ops->add(b->at[1], b->at[2], -0.5f, n);
    ops->drop(b->at[3], &dropout, 5, ROWS * n);
    b->dot = ops->dot(b->at[2], b->at[2], ROWS * n);
}

static void run_adamw(const struct train_ops *ops, struct bench *b, size_t n)
{
    static const struct train_adamw p = { 0.9f, 0.999f, 0.01f, 1.5f, 1e-8f, 0.99f, 0.5f };

    ops->adamw(b->at[0], b->at[1], b->at[3], b->at[2], &p, n);
}

static const struct {
    const char *name;
    void (*run)(const struct train_ops *ops, struct bench *b, size_t n);
} operations[] = {
    { "gelu", run_gelu },
    { "norm", run_norm },
    { "norm_backward", run_norm_backward },
    { "softmax", run_softmax },
    { "wide softmax", run_wide_softmax },
    { "sums", run_sums },
    { "adamw", run_adamw },
};

static void every_row_gives_the_bytes_of_the_scalar_one(void **state)
{
    static const size_t columns[] = { 1, 2, 7, 8, 15, 16, 17, 33, 77, 384, COLUMNS_MAX };
    static struct bench want, got;
    struct sha256 h;
    (void)state;

    sha256_init(&h);
    for (size_t o = 0; o < ARRAY_LEN(operations); o++) {
        for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
            bench_init(&want);
            operations[o].run(train_ops_for(CPU_SCALAR), &want, columns[c]);
            sha256_update(&h, want.at, sizeof(want.at));
            sha256_update(&h, want.sums, sizeof(want.sums));
            sha256_update(&h, &want.dot, sizeof(want.dot));
            for (enum cpu cpu = CPU_SCALAR; cpu <= cpu_best(); cpu++) {
                bench_init(&got);
                operations[o].run(train_ops_for(cpu), &got, columns[c]);
                if (memcmp(&got, &want, sizeof(got)) != 0)
                    fail_msg("%s %s, %zu columns", cpu_name(cpu), operations[o].name, columns[c]);
            }
        }
    }
    assert_digest(&h, "f2297766d2fdf15511ecc86679cc4fec7d24805880618840fbb5e70cc0019541",
                  "all results");
}

static void gelu_and_its_slope_are_those_of_erf(void **state)
{
    const struct train_ops *ops = train_ops_for(cpu_best());
    (void)state;

    for (double x = -12.0; x <= 12.0; x += 0.01) {
        float in = (float)x, y, bias = 0.0f, slope = (float)x, one = 1.0f;
        double phi = 0.5 * erfc(-x / sqrt(2.0)),
               density = exp(-0.5 * x * x) / sqrt(2.0 * 3.14159265358979);

        ops->bias_gelu(&y, &in, &bias, 1, 1);
        ops->gelu_backward(&slope, &one, 1);
        if (fabs((double)y - x * phi) > 1e-6 || fabs((double)slope - (phi + x * density)) > 1e-6)
            fail_msg("x = %g: %g and %g, want %g and %g", x, (double)y, (double)slope, x * phi,
                     phi + x * density);
    }
}

static void dropout_keeps_its_share_and_its_mean(void **state)
{
    enum { N = 200000 };
    const struct train_ops *ops = train_ops_for(cpu_best());
    struct train_dropout dropout = train_dropout_of(0.1f, 42), other = train_dropout_of(0.1f, 43);
    float *x = mem_array(2 * N, sizeof(float)), *y = x + N;
    size_t kept = 0, both = 0;
    (void)state;

    assert_non_null(x);
    for (size_t i = 0; i < N; i++)
        x[i] = y[i] = 1.0f;
    ops->drop(x, &dropout, 0, N);
    ops->drop(y, &other, 0, N);
    for (size_t i = 0; i < N; i++) {
        assert_true(x[i] == 0.0f || fabsf(x[i] - 1.0f / 0.9f) < 1e-6f);
        kept += x[i] > 0.0f;
        both += x[i] > 0.0f && y[i] > 0.0f;
    }
    assert_true(fabs((double)kept / N - 0.9) < 0.005);
    assert_true(fabs((double)both / N - 0.81) < 0.005); /* keys are independent */
    mem_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_gives_the_bytes_of_the_scalar_one),
        cmocka_unit_test(gelu_and_its_slope_are_those_of_erf),
        cmocka_unit_test(dropout_keeps_its_share_and_its_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
