#include "tests/support/digest.h"

#include "base/macros.h"
#include "engine/kernels/gemm.h"

#include <math.h>
#include <string.h>

enum { SIZE_MAX_TESTED = 420, GUARD = 8 };

static float *numbers(size_t n, uint32_t seed)
{
    float *x = mem_array(n, sizeof(float));

    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
    }
    return x;
}

/* One product by a row and by the definition, the columns between the rows of C guarded. */
static void compare(struct sha256 *h, enum cpu cpu, struct gemm g)
{
    size_t n_c = g.m * g.c_stride + GUARD;
    float *want = numbers(n_c, 3), *got = numbers(n_c, 3);

    g.c = want;
    gemm_scalar(&g);
    g.c = got;
    gemm_for(cpu)(&g);
    if (memcmp(got, want, n_c * sizeof(*got)) != 0)
        fail_msg("%s (%zu, %zu, %zu) a %s b %s %s", cpu_name(cpu), g.m, g.n, g.depth,
                 g.a.column == 1 ? "plain" : "transposed", g.b.column == 1 ? "plain" : "transposed",
                 g.accumulate ? "added" : "written");
    if (cpu == CPU_SCALAR)
        sha256_update(h, want, n_c * sizeof(*want));
    mem_free(want);
    mem_free(got);
}

static void every_row_gives_the_bytes_of_the_definition(void **state)
{
    static const size_t sizes[][3] = { { 1, 1, 1 },     { 3, 5, 2 },      { 8, 48, 192 },
                                       { 9, 49, 193 },  { 4, 24, 16 },    { 14, 32, 14 },
                                       { 17, 23, 400 }, { 7, 77, 32 },    { 33, 96, 385 },
                                       { 1, 384, 77 },  { 129, 50, 100 }, { 0, 4, 4 },
                                       { 2, 900, 8 },   { 5, 32, 200 },   { 6, 16, 9 } };
    float *a = numbers(SIZE_MAX_TESTED * SIZE_MAX_TESTED, 1),
          *b = numbers(SIZE_MAX_TESTED * SIZE_MAX_TESTED, 2);
    struct sha256 h;
    (void)state;

    sha256_init(&h);
    for (enum cpu cpu = CPU_SCALAR; cpu <= cpu_best(); cpu++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            size_t m = sizes[i][0], n = sizes[i][1], depth = sizes[i][2];
            for (unsigned form = 0; form < 8; form++)
                compare(&h, cpu,
                        (struct gemm){
                            .m = m,
                            .n = n,
                            .depth = depth,
                            .a = form & 1 ? gemm_transposed(a, m + 3) : gemm_plain(a, depth + 1),
                            .b = form & 2 ? gemm_transposed(b, depth + 2) : gemm_plain(b, n + 4),
                            .c_stride = n + (form & 1 ? 0 : 3),
                            .accumulate = form & 4,
                        });
        }
    }
    assert_digest(&h, "75f49af5162ebfea7d9c37cbe4e8053106c1bc83f3f99ec420aa813a6920f21d",
                  "all products");
    mem_free(a);
    mem_free(b);
}

/* The definition beside the sum in f64. */
static void the_definition_is_the_product(void **state)
{
    enum { M = 3, N = 4, DEPTH = 400 };
    float *a = numbers(M * DEPTH, 1), *b = numbers(DEPTH * N, 2), c[M * N], more[M * N];
    (void)state;

    gemm_scalar(&(struct gemm){ M, N, DEPTH, gemm_plain(a, DEPTH), gemm_plain(b, N), c, N, false });
    memcpy(more, c, sizeof(c));
    gemm_scalar(
        &(struct gemm){ M, N, DEPTH, gemm_plain(a, DEPTH), gemm_plain(b, N), more, N, true });
    for (size_t i = 0; i < M * N; i++) {
        double want = 0.0;

        for (size_t k = 0; k < DEPTH; k++)
            want += (double)a[i / N * DEPTH + k] * (double)b[k * N + i % N];
        assert_true(fabs((double)c[i] - want) < 2e-5);
        assert_true(fabs((double)more[i] - 2.0 * want) < 4e-5);
    }
    mem_free(a);
    mem_free(b);
}

/* An element's bytes are the same whatever else is computed beside it. */
static void an_element_does_not_depend_on_the_rows_and_columns_beside_it(void **state)
{
    enum { M = 21, N = 70, DEPTH = 300 };
    float *a = numbers(M * DEPTH, 1), *b = numbers(DEPTH * N, 2), whole[M * N], part[M * N];
    gemm_fn *multiply = gemm_for(cpu_best());
    (void)state;

    multiply(
        &(struct gemm){ M, N, DEPTH, gemm_plain(a, DEPTH), gemm_plain(b, N), whole, N, false });
    for (size_t i = 0; i < M; i += 3)
        for (size_t j = 0; j < N; j += 5)
            for (size_t n = 1; i + n <= M && j + 5 * n <= N; n += 4) {
                multiply(&(struct gemm){ n, 5 * n, DEPTH, gemm_plain(a + i * DEPTH, DEPTH),
                                         gemm_plain(b + j, N), part, N, false });
                for (size_t r = 0; r < n; r++)
                    assert_memory_equal(part + r * N, whole + (i + r) * N + j,
                                        5 * n * sizeof(float));
            }
    mem_free(a);
    mem_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_gives_the_bytes_of_the_definition),
        cmocka_unit_test(the_definition_is_the_product),
        cmocka_unit_test(an_element_does_not_depend_on_the_rows_and_columns_beside_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
