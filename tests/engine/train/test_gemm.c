#include "tests/support/test.h"

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

/* One product by `kernel` and by the definition, the columns between the rows of C guarded. */
static void compare(const struct gemm_kernel *kernel, struct gemm g)
{
    size_t n_c = g.m * g.c_stride + GUARD;
    float *want = numbers(n_c, 3), *got = numbers(n_c, 3);

    g.c = want;
    gemm_scalar(&g);
    g.c = got;
    kernel->run(&g);
    for (size_t i = 0; i < n_c; i++) {
        bool inside = i < g.m * g.c_stride && i % g.c_stride < g.n;
        float tolerance = inside ? 1e-5f * (1.0f + sqrtf((float)g.depth)) : 0.0f;

        if (fabsf(got[i] - want[i]) > tolerance)
            fail_msg("%s (%zu, %zu, %zu) a %s b %s %s: value %zu is %g, want %g", kernel->name, g.m,
                     g.n, g.depth, g.a.column == 1 ? "plain" : "transposed",
                     g.b.column == 1 ? "plain" : "transposed", g.accumulate ? "added" : "written",
                     i, (double)got[i], (double)want[i]);
    }
    mem_free(want);
    mem_free(got);
}

static void every_kernel_agrees_with_the_definition(void **state)
{
    static const char *kernels[] = { "avx2", "avx512", "dnnl" };
    static const size_t sizes[][3] = { { 1, 1, 1 },     { 3, 5, 2 },      { 8, 48, 192 },
                                       { 9, 49, 193 },  { 4, 24, 16 },    { 14, 32, 14 },
                                       { 17, 23, 400 }, { 7, 77, 32 },    { 33, 96, 385 },
                                       { 1, 384, 77 },  { 129, 50, 100 }, { 0, 4, 4 } };
    float *a = numbers(SIZE_MAX_TESTED * SIZE_MAX_TESTED, 1),
          *b = numbers(SIZE_MAX_TESTED * SIZE_MAX_TESTED, 2);
    (void)state;

    for (size_t k = 0; k < ARRAY_LEN(kernels); k++) {
        const struct gemm_kernel *kernel = gemm_kernel_named(kernels[k]);
        for (size_t i = 0; i < ARRAY_LEN(sizes) && kernel; i++) {
            size_t m = sizes[i][0], n = sizes[i][1], depth = sizes[i][2];
            for (unsigned form = 0; form < 8; form++)
                compare(kernel,
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
    mem_free(a);
    mem_free(b);
}

static void the_best_kernel_is_known_by_its_name(void **state)
{
    const struct gemm_kernel *best = gemm_kernel_best();
    (void)state;

    assert_ptr_equal(gemm_kernel_named(best->name), best);
    assert_null(gemm_kernel_named("mmx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_agrees_with_the_definition),
        cmocka_unit_test(the_best_kernel_is_known_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
