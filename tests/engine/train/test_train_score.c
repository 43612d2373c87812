#include "tests/support/test.h"

#include "base/macros.h"
#include "engine/train/train_score.h"

#include <math.h>

static const struct train_heads heads = { .n_fields = 2, .n_classes = 6, .first = { 0, 4, 6 } };

/* One logit of 1 for the answer of each field. */
static void add(struct train_score *score, const int32_t answers[2], const int32_t labels[2])
{
    float logits[6] = { 0 };

    logits[answers[0]] = 1.0f;
    logits[4 + answers[1]] = 1.0f;
    train_score_add(score, logits, labels, 1);
}

/* By hand. Field 0 has labels 0 0 1 2 and answers 0 1 1 0: F1 is 1/2, 2/3 and 0, class 3 does not
 * occur. Field 1 has one label, answered right; its other class does not occur. */
static void macro_f1_is_the_mean_over_the_classes_that_occur(void **state)
{
    struct train_score score;
    struct arena arena;
    struct err err;
    (void)state;

    arena_init(&arena, 1 << 16);
    assert_int_equal(train_score_init(&heads, &arena, &score, &err), RC_OK);
    assert_true(train_score_macro_f1(&score) == 0.0);
    add(&score, (int32_t[]){ 0, 1 }, (int32_t[]){ 0, TRAIN_NO_LABEL });
    add(&score, (int32_t[]){ 1, 1 }, (int32_t[]){ 0, 1 });
    add(&score, (int32_t[]){ 1, 0 }, (int32_t[]){ 1, TRAIN_NO_LABEL });
    add(&score, (int32_t[]){ 0, 0 }, (int32_t[]){ 2, TRAIN_NO_LABEL });
    double want = ((1.0 / 2.0 + 2.0 / 3.0 + 0.0) / 3.0 + 1.0) / 2.0;

    assert_true(fabs(train_score_macro_f1(&score) - want) < 1e-12);
    train_score_reset(&score);
    assert_true(train_score_macro_f1(&score) == 0.0);
    arena_release(&arena);
}

/* By hand. Sets {0,1}, {} and {1}, answers {0}, {2} and {1}: F1 of 0 is 1, of 1 is 2/3, of 2 is 0;
 * 3 does not occur. */
static void the_classes_of_a_set_are_counted_each(void **state)
{
    static const struct train_heads set = {
        .n_fields = 1, .n_classes = 4, .first = { 0, 4 }, .is_set = { true }
    };
    static const float logits[3 * 4] = { 1, 0, -1, -2, -1, -1, 0.5f, 0, -3, 2, 0, 0 };
    struct train_score score;
    struct arena arena;
    struct err err;
    (void)state;

    arena_init(&arena, 1 << 16);
    assert_int_equal(train_score_init(&set, &arena, &score, &err), RC_OK);
    train_score_add(&score, logits, (int32_t[]){ 3, 0, 2 }, 3);
    assert_true(fabs(train_score_macro_f1(&score) - (1.0 + 2.0 / 3.0 + 0.0) / 3.0) < 1e-12);
    arena_release(&arena);
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct train_score score;
        struct arena arena;
        struct err err = { 0 };

        arena_init(&arena, 1 << 16);
        rc = train_score_init(&heads, &arena, &score, &err);
        assert_true(rc == RC_OK || (rc == RC_NOMEM && err.code == rc));
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(macro_f1_is_the_mean_over_the_classes_that_occur),
        cmocka_unit_test(the_classes_of_a_set_are_counted_each),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
