#include "tests/support/test.h"

#include "base/macros.h"
#include "engine/kernels/cpu.h"
#include "engine/kernels/gemm_bf16.h"

#include <float.h>
#include <math.h>

enum { GUARD = 8 };

static uint32_t draw_state = 1;

static uint32_t draw(void)
{
    draw_state = draw_state * 1664525u + 1013904223u;
    return draw_state >> 8;
}

static float bits(uint32_t u)
{
    float x;

    memcpy(&x, &u, sizeof(x));
    return x;
}

/* Finite numbers of either sign with exponents from `least` on, 16 of them. */
static float number(uint32_t least)
{
    return bits((draw() & 1) << 31 | (least + draw() % 16) << 23 | (draw() & 0x7fffff));
}

static void rounding_is_to_the_nearest_even(void **state)
{
    static const struct {
        uint32_t x;
        uint16_t want;
    } cases[] = {
        { 0x3f800000, 0x3f80 }, { 0x3f808000, 0x3f80 }, /* a tie, down to the even */
        { 0x3f818000, 0x3f82 },                         /* a tie, up to the even */
        { 0x3f808001, 0x3f81 }, { 0x3f817fff, 0x3f81 }, { 0xbf808001, 0xbf81 },
        { 0x80000000, 0x8000 }, { 0x7f7fffff, 0x7f80 }, /* too large: infinite */
        { 0x7f7f7fff, 0x7f7f }, { 0x7f800000, 0x7f80 }, { 0xff800000, 0xff80 },
        { 0x7f800001, 0x7fc0 }, { 0xffffffff, 0xffff }, /* no numbers, and stay so */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (gemm_bf16_of(bits(cases[i].x)) != cases[i].want)
            fail_msg("%08x: %04x, want %04x", cases[i].x, gemm_bf16_of(bits(cases[i].x)),
                     cases[i].want);
}

/* c + the products of two pairs, by one row. */
static float pairs_by(const struct gemm_bf16_kernel *kernel, float c, const float a[4],
                      const float b[4])
{
    uint16_t panel[4 * GEMM_BF16_PANEL], rounded[4];
    const struct gemm_bf16_weights weights = { 4, 1, panel };

    for (size_t k = 0; k < 4; k++)
        rounded[k] = gemm_bf16_of(a[k]);
    gemm_bf16_pack(gemm_plain(b, 1), 4, 1, panel);
    kernel->run(&(struct gemm_bf16){ 1, rounded, &weights, &c, 1, true });
    return c;
}

/* What two VDPBF16PS and the addition to C give, by the rules in Intel's manual. */
static void pairs_are_added_by_the_rules_of_the_instruction(void **state)
{
    static const char *names[] = { "scalar", "avx2", "avx512", "avx512_bf16" };
    static const struct {
        const char *what;
        float c, a[4], b[4], want;
    } cases[] = {
        { "all products", 1.0f, { 1, 2, 3, 4 }, { 1, 2, 3, 4 }, 31.0f },
        { "the odd k first, then the even, each rounded",
          0.0f,
          { 0x1p12f, 0, 2, 1 },
          { 0x1p12f, 0, 1, 1 },
          0x1.000002p24f }, /* otherwise 2^24 + 4 */
        { "each product rounded away",
          0.0f,
          { 1, 0, 0x1p-12f, 0x1p-12f },
          { 1, 0, 0x1p-12f, 0x1p-12f },
          1.0f }, /* as one sum: 1 + 2^-23 */
        { "C last", 0x1p24f, { 1, 0, 0, 1 }, { 1, 0, 0, 1 }, 0x1.000002p24f },
        { "a denormal operand is 0", 0.0f, { 0x1p-130f }, { 0x1p100f }, 0.0f },
        { "a denormal C is 0", 0x1p-130f, { 0 }, { 0 }, 0.0f },
        { "a denormal result is 0 of its sign, and is then added to -0",
          -0.0f,
          { 0, 0, -0x1p-70f },
          { 0, 0, 0x1p-70f },
          -0.0f },
        { "what rounds to the least normal number is not denormal",
          0.0f,
          { 0x1p-63f, 0, -0x1p-76f },
          { 0x1p-63f, 0, 0x1p-75f },
          FLT_MIN },
        { "what only the grid of denormals rounds to it is",
          0.0f,
          { 0x1p-63f, 0, -0x1p-75f },
          { 0x1p-63f, 0, 0x1p-75f },
          0.0f },
        { "infinite", 1.0f, { 0x1p127f, 1 }, { 4, 1 }, INFINITY },
    };
    (void)state;

    for (size_t n = 0; n < ARRAY_LEN(names); n++) {
        const struct gemm_bf16_kernel *kernel = gemm_bf16_kernel_named(names[n]);

        for (size_t i = 0; i < ARRAY_LEN(cases) && kernel; i++) {
            float got = pairs_by(kernel, cases[i].c, cases[i].a, cases[i].b);

            if (memcmp(&got, &cases[i].want, sizeof(got)) != 0)
                fail_msg("%s, %s: %a, want %a", kernel->name, cases[i].what, (double)got,
                         (double)cases[i].want);
        }
    }
}

/* One shape with operands of a size. */
struct shape {
    size_t m, n, depth;
    uint32_t least; /* exponent */
};

/* The operands of a product, and what C was. */
struct operands {
    struct gemm_bf16_weights b;
    float *b_values; /* (depth, n), what was packed */
    uint16_t *a, *panels;
    float *c;
    size_t n_c, c_stride;
};

static struct operands operands_of(const struct shape *s, bool transposed)
{
    struct operands o = { .c_stride = s->n + 3 };
    size_t n_panels = gemm_bf16_panels_len(s->depth, s->n);

    o.n_c = s->m * o.c_stride + GUARD;
    o.b_values = mem_array(s->depth * s->n, sizeof(float));
    o.a = mem_array(s->m * s->depth + 1, sizeof(uint16_t));
    o.panels = mem_array(n_panels, sizeof(uint16_t));
    o.c = mem_array(o.n_c, sizeof(float));
    assert_true(o.b_values && o.a && o.panels && o.c);
    for (size_t i = 0; i < s->depth * s->n; i++)
        o.b_values[i] = number(s->least);
    for (size_t i = 0; i < s->m * s->depth; i++)
        o.a[i] = gemm_bf16_of(number(s->least));
    for (size_t i = 0; i < o.n_c; i++)
        o.c[i] = number(2 * s->least > 127 ? 2 * s->least - 127 : 0);
    gemm_bf16_pack(transposed ? gemm_transposed(o.b_values, s->depth)
                              : gemm_plain(o.b_values, s->n),
                   s->depth, s->n, o.panels);
    o.b = (struct gemm_bf16_weights){ s->depth, s->n, o.panels };
    return o;
}

static void operands_free(struct operands *o)
{
    mem_free(o->b_values);
    mem_free(o->a);
    mem_free(o->panels);
    mem_free(o->c);
}

/* C (n_c,) by one row. */
static float *product_by(gemm_bf16_fn *run, const struct operands *o, size_t m, bool accumulate)
{
    float *c = mem_array(o->n_c, sizeof(float));

    assert_non_null(c);
    memcpy(c, o->c, o->n_c * sizeof(float));
    run(&(struct gemm_bf16){ m, o->a, &o->b, c, o->c_stride, accumulate });
    return c;
}

static const struct shape shapes[] = {
    { 1, 1, 2, 120 },     { 3, 5, 4, 120 },     { 8, 48, 192, 120 }, { 9, 49, 194, 120 },
    { 17, 23, 400, 120 }, { 33, 96, 386, 120 }, { 1, 384, 78, 120 }, { 0, 4, 4, 120 },
    { 12, 72, 384, 120 }, { 5, 60, 200, 54 }, /* products around the least normal number */
    { 6, 50, 40, 0 },                         /* denormal operands among them */
    { 6, 50, 40, 184 },                       /* products that grow infinite */
};

static void compare(const struct gemm_bf16_kernel *kernel, const struct shape *s, unsigned form)
{
    struct operands o = operands_of(s, form & 1);
    float *want = product_by(gemm_bf16_scalar, &o, s->m, form & 2);
    float *got = product_by(kernel->run, &o, s->m, form & 2);

    for (size_t i = 0; i < o.n_c; i++)
        if (memcmp(&got[i], &want[i], sizeof(float)) != 0 && !(isnan(got[i]) && isnan(want[i])))
            fail_msg("%s (%zu, %zu, %zu) from 2^%d, form %u: value %zu is %a, want %a",
                     kernel->name, s->m, s->n, s->depth, (int)s->least - 127, form, i,
                     (double)got[i], (double)want[i]);
    mem_free(want);
    mem_free(got);
    operands_free(&o);
}

static void every_row_has_the_bytes_of_the_definition(void **state)
{
    static const char *names[] = { "avx2", "avx512", "avx512_bf16" };
    (void)state;

    for (size_t n = 0; n < ARRAY_LEN(names); n++) {
        const struct gemm_bf16_kernel *kernel = gemm_bf16_kernel_named(names[n]);

        if (!kernel)
            print_message("# row %s: not on this CPU, not tested\n", names[n]);
        for (size_t i = 0; i < ARRAY_LEN(shapes) && kernel; i++)
            for (unsigned form = 0; form < 4; form++)
                compare(kernel, &shapes[i], form);
    }
}

static void a_product_is_that_of_the_rounded_values(void **state)
{
    const struct shape s = { 7, 50, 300, 120 };
    (void)state;

    for (unsigned form = 0; form < 4; form++) {
        struct operands o = operands_of(&s, form & 1);
        float *got = product_by(gemm_bf16_scalar, &o, s.m, form & 2);

        for (size_t i = 0; i < s.m; i++) {
            for (size_t j = 0; j < s.n; j++) {
                double sum = form & 2 ? (double)o.c[i * o.c_stride + j] : 0.0, size = fabs(sum);

                for (size_t k = 0; k < s.depth; k++) {
                    float b = o.b_values[form & 1 ? j * s.depth + k : k * s.n + j];
                    double product = (double)bits((uint32_t)o.a[i * s.depth + k] << 16) *
                                     (double)bits((uint32_t)gemm_bf16_of(b) << 16);

                    sum += product;
                    size += fabs(product);
                }
                if (fabs((double)got[i * o.c_stride + j] - sum) > 1e-6 * size)
                    fail_msg("form %u, (%zu, %zu): %g, want %g", form, i, j,
                             (double)got[i * o.c_stride + j], sum);
            }
        }
        mem_free(got);
        operands_free(&o);
    }
}

static void the_best_row_is_known_by_its_name(void **state)
{
    const struct gemm_bf16_kernel *best = gemm_bf16_kernel_best();
    (void)state;

    assert_ptr_equal(gemm_bf16_kernel_named(best->name), best);
    assert_true(cpu_has_bf16() == (gemm_bf16_kernel_named("avx512_bf16") != NULL));
    assert_true(cpu_has_fast_bf16() == (strcmp(best->name, "avx512_bf16") == 0));
    assert_null(gemm_bf16_kernel_named("amx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding_is_to_the_nearest_even),
        cmocka_unit_test(pairs_are_added_by_the_rules_of_the_instruction),
        cmocka_unit_test(every_row_has_the_bytes_of_the_definition),
        cmocka_unit_test(a_product_is_that_of_the_rounded_values),
        cmocka_unit_test(the_best_row_is_known_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
