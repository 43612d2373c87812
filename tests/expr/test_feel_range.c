/* The range functions on the examples of the standard's table of them, and on their mirror images.
 */
#include "expr/feel.h"
#include "tests/support/test.h"

static enum feel_truth truth_of(const char *text)
{
    struct feel_limits limits = feel_limits_default();
    struct feel_diagnostics diagnostics;
    struct feel_value v;
    struct arena arena;
    struct feel *feel;
    struct err err;

    arena_init(&arena, 1 << 20);
    if (feel_parse(str_of(text), &arena, &feel, &err) ||
        feel_eval(feel, NULL, &limits, 0, &arena, &v, &diagnostics, &err))
        fail_msg("%s: %s", text, err.message);
    enum feel_truth truth = feel_truth(&v);
    arena_release(&arena);
    return truth;
}

static void expect(const char *const *texts, size_t n, enum feel_truth want)
{
    for (size_t i = 0; i < n; i++)
        if (truth_of(texts[i]) != want)
            fail_msg("%s", texts[i]);
}

static void these_relations_hold(void **state)
{
    static const char *const texts[] = {
        "before(1, 10)",
        "before(1, (1..10])",
        "before(1, [5..10])",
        "before([1..10), 10)",
        "before([1..10], 15)",
        "before([1..10], [15..20])",
        "before([1..10), [10..20])",
        "before([1..10], (10..20])",
        "after(10, 5)",
        "after(12, [1..10])",
        "after(10, [1..10))",
        "after([11..20], 10)",
        "after((11..20], 11)",
        "after([11..20], [1..10])",
        "after([11..20], [1..11))",
        "after((11..20], [1..11])",
        "meets([1..5], [5..10])",
        "met by([5..10], [1..5])",
        "overlaps([1..5], [3..8])",
        "overlaps([3..8], [1..5])",
        "overlaps([1..8], [3..5])",
        "overlaps([3..5], [1..8])",
        "overlaps([1..5], [5..8])",
        "overlaps([5..8], [1..5])",
        "overlaps before([1..5], [3..8])",
        "overlaps before([1..5], [5..8])",
        "overlaps before([1..5), (1..5])",
        "overlaps before([1..5], (1..5])",
        "overlaps after([3..8], [1..5])",
        "overlaps after([5..8], [1..5])",
        "overlaps after((1..5], [1..5))",
        "overlaps after((1..5], [1..5])",
        "finishes(10, [1..10])",
        "finishes([5..10], [1..10])",
        "finishes([5..10), [1..10))",
        "finishes([1..10], [1..10])",
        "finishes((1..10], [1..10])",
        "finished by([1..10], 10)",
        "finished by([1..10], [5..10])",
        "finished by([1..10), [5..10))",
        "finished by([1..10], [1..10])",
        "finished by([1..10], (1..10])",
        "includes([1..10], 5)",
        "includes([1..10], 1)",
        "includes([1..10], 10)",
        "includes([1..10], [4..6])",
        "includes([1..10], [1..5])",
        "includes((1..10], (1..5])",
        "includes([1..10], (1..10))",
        "includes([1..10), [5..10))",
        "includes([1..10], [1..10])",
        "during(5, [1..10])",
        "during(1, [1..10])",
        "during([4..6], [1..10])",
        "during((1..5], (1..10])",
        "during((1..10), [1..10])",
        "starts(1, [1..10])",
        "starts([1..5], [1..10])",
        "starts((1..5], (1..10])",
        "starts([1..10], [1..10])",
        "starts([1..10), [1..10])",
        "starts((1..10), (1..10))",
        "started by([1..10], 1)",
        "started by([1..10], [1..5])",
        "started by((1..10], (1..5])",
        "started by([1..10], [1..10))",
        "coincides(5, 5)",
        "coincides([1..5], [1..5])",
        "before(@\"2026-01-01\", @\"2026-01-02\")",
    };
    (void)state;

    expect(texts, ARRAY_LEN(texts), FEEL_TRUE);
}

static void these_relations_do_not_hold(void **state)
{
    static const char *const texts[] = {
        "before(10, 1)",
        "before(1, [1..10])",
        "before([1..10], 10)",
        "before([1..10], [10..20])",
        "after(5, 10)",
        "after(10, [1..10])",
        "after([11..20], 12)",
        "after([11..20], 11)",
        "after([1..10], [11..20])",
        "meets([1..5), [5..10])",
        "meets([1..5], (5..10])",
        "meets([1..5], [6..10])",
        "met by([5..10], [1..5))",
        "met by((5..10], [1..5])",
        "met by([6..10], [1..5])",
        "overlaps([1..5], [6..8])",
        "overlaps([6..8], [1..5])",
        "overlaps([1..5], (5..8])",
        "overlaps([1..5), [5..8])",
        "overlaps([1..5), (5..8])",
        "overlaps((5..8], [1..5])",
        "overlaps([5..8], [1..5))",
        "overlaps before([1..5], [6..8])",
        "overlaps before([1..5], (5..8])",
        "overlaps before([1..5), [5..8])",
        "overlaps before([1..5), [1..5])",
        "overlaps before([1..5], [1..5])",
        "overlaps before([3..8], [1..5])",
        "overlaps before([1..9], [3..8])",
        "overlaps after([6..8], [1..5])",
        "overlaps after((5..8], [1..5])",
        "overlaps after([5..8], [1..5))",
        "overlaps after([1..5], [1..5))",
        "overlaps after([1..5], [1..5])",
        "overlaps after([3..8], [1..9])",
        "finishes(10, [1..10))",
        "finishes([5..10), [1..10])",
        "finishes([1..10], [5..10])",
        "finished by([1..10), 10)",
        "finished by([1..10], [5..10))",
        "finished by([5..10], [1..10])",
        "includes([1..10], 12)",
        "includes((1..10], 1)",
        "includes([1..10), 10)",
        "includes([4..6], [1..10])",
        "includes((1..10], [1..5])",
        "during(12, [1..10])",
        "during(1, (1..10])",
        "during(10, [1..10))",
        "during([1..10], [4..6])",
        "starts(1, (1..10])",
        "starts(2, [1..10])",
        "starts((1..5], [1..10])",
        "starts([1..5], (1..10])",
        "starts([1..10], [1..5])",
        "started by((1..10], 1)",
        "started by([1..10], 2)",
        "started by([1..10], (1..5])",
        "started by([1..5], [1..10])",
        "coincides(3, 4)",
        "coincides((1..5), [1..5])",
        "coincides([1..5], [1..6])",
        "coincides([0..5], [1..5])",
    };
    (void)state;

    expect(texts, ARRAY_LEN(texts), FEEL_FALSE);
}

static void ends_without_an_order_have_no_relation(void **state)
{
    static const char *const texts[] = { "before(1, \"a\")", "meets([1..2], [\"a\"..\"b\"])",
                                         "includes([1..null], 2)", "coincides([1..2], (< 2))" };
    (void)state;

    expect(texts, ARRAY_LEN(texts), FEEL_UNDETERMINED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(these_relations_hold),
        cmocka_unit_test(these_relations_do_not_hold),
        cmocka_unit_test(ends_without_an_order_have_no_relation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
