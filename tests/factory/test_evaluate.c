/*
 * test_evaluate.c - scores, intervals and calibration against scikit-learn and scipy
 * (tools/golden/evaluate.py).
 */
#include "base/fs.h"
#include "base/json.h"
#include "factory/evaluate/calibration.h"
#include "factory/evaluate/intervals.h"
#include "factory/evaluate/scores.h"
#include "tests/support/data.h"
#include "tests/support/test.h"

#include <math.h>

enum { ROWS = 240, CLASSES = 5 };

static struct golden {
    struct arena arena;
    struct json *json;
    uint32_t truth[ROWS], a[ROWS], b[ROWS];
    float log_probs[ROWS * CLASSES];
    double confidence[ROWS];
    bool right[ROWS];
} golden;

static double number(const struct json *v)
{
    double value = NAN;

    assert_non_null(v);
    assert_true(json_to_double(v, &value));
    return value;
}

static const struct json *item(const char *key, size_t i)
{
    return &json_find(golden.json, key)->items[i];
}

static int read_golden(void **state)
{
    char path[4096];
    struct str text;
    struct err err = { 0 };
    (void)state;

    arena_init(&golden.arena, 64 << 20);
    test_source_path("tests/golden/evaluate.json", path);
    assert_int_equal(fs_read_file(path, 1 << 20, &golden.arena, &text, &err), RC_OK);
    assert_int_equal(json_parse(text, JSON_DUPLICATES_REFUSED, &golden.arena, &golden.json, &err),
                     RC_OK);
    assert_int_equal(json_find(golden.json, "truth")->n, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        golden.truth[i] = (uint32_t)number(item("truth", i));
        golden.a[i] = (uint32_t)number(item("a", i));
        golden.b[i] = (uint32_t)number(item("b", i));
        for (size_t k = 0; k < CLASSES; k++)
            golden.log_probs[i * CLASSES + k] = (float)number(&item("log_probs", i)->items[k]);
        golden.confidence[i] = exp((double)golden.log_probs[i * CLASSES + golden.a[i]]);
        golden.right[i] = golden.a[i] == golden.truth[i];
    }
    return 0;
}

static int release_golden(void **state)
{
    (void)state;
    arena_release(&golden.arena);
    return 0;
}

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("got %.9g, want %.9g", got, want);
}

static void scores_are_those_of_scikit_learn(void **state)
{
    struct evaluate_tally confusion;
    struct err err = { 0 };
    (void)state;

    assert_int_equal(evaluate_tally_init(CLASSES, false, &golden.arena, &confusion, &err), RC_OK);
    for (size_t i = 0; i < ROWS; i++)
        evaluate_tally_add(&confusion, golden.truth[i], golden.a[i]);
    for (size_t k = 0; k < CLASSES; k++) {
        struct evaluate_class c = evaluate_class_of(&confusion, k);

        assert_near(c.precision, number(item("precision", k)), 1e-12);
        assert_near(c.recall, number(item("recall", k)), 1e-12);
        assert_near(c.f1, number(item("f1", k)), 1e-12);
        assert_int_equal(c.n_rows, (uint64_t)number(item("support", k)));
        for (size_t answer = 0; answer < CLASSES; answer++)
            assert_int_equal(confusion.counts[k * (CLASSES + 1) + answer],
                             (uint64_t)number(&item("confusion", k)->items[answer]));
    }
    assert_near(evaluate_score(&confusion, EVALUATE_ACCURACY),
                number(json_find(golden.json, "accuracy")), 1e-12);
    assert_near(evaluate_score(&confusion, EVALUATE_MACRO_F1),
                number(json_find(golden.json, "macro_f1")), 1e-12);
    assert_near(evaluate_score(&confusion, EVALUATE_KAPPA), number(json_find(golden.json, "kappa")),
                1e-12);
}

static void a_declined_row_counts_as_wrong(void **state)
{
    struct evaluate_tally confusion;
    struct err err = { 0 };
    (void)state;

    assert_int_equal(evaluate_tally_init(2, false, &golden.arena, &confusion, &err), RC_OK);
    assert_near(evaluate_score(&confusion, EVALUATE_ACCURACY), 0.0, 0.0);
    assert_near(evaluate_score(&confusion, EVALUATE_MACRO_F1), 0.0, 0.0);
    evaluate_tally_add(&confusion, 0, 0);
    evaluate_tally_add(&confusion, 1, 1);
    evaluate_tally_add(&confusion, 1, EVALUATE_NO_ANSWER);
    assert_near(evaluate_score(&confusion, EVALUATE_ACCURACY), 2.0 / 3.0, 1e-12);
    assert_near(evaluate_class_of(&confusion, 1).recall, 0.5, 1e-12);
    assert_near(evaluate_class_of(&confusion, 1).precision, 1.0, 1e-12);
    assert_int_equal(
        evaluate_tally_init(EVALUATE_CLASSES_MAX + 1, false, &golden.arena, &confusion, &err),
        RC_LIMIT);
}

static void sets_score_as_in_scikit_learn(void **state)
{
    struct evaluate_tally tally;
    struct err err = { 0 };
    (void)state;

    assert_int_equal(evaluate_tally_init(CLASSES, true, &golden.arena, &tally, &err), RC_OK);
    for (size_t i = 0; i < ROWS; i++)
        evaluate_tally_add(&tally, (uint32_t)number(item("set_truth", i)),
                           (uint32_t)number(item("set_answers", i)));
    assert_near(evaluate_score(&tally, EVALUATE_ACCURACY),
                number(json_find(golden.json, "set_accuracy")), 1e-12);
    assert_near(evaluate_score(&tally, EVALUATE_SET_F1), number(json_find(golden.json, "set_f1")),
                1e-12);
    assert_near(evaluate_score(&tally, EVALUATE_MACRO_F1),
                number(json_find(golden.json, "set_macro_f1")), 1e-12);
}

/* By hand; the last row has no answer, which is not the empty set. */
static void sets_are_scored_by_row_and_by_label(void **state)
{
    static const uint32_t truth[] = { 0, 0x3, 0x4, 0x1, 0x1 };
    static const uint32_t answers[] = { 0, 0x1, 0x5, 0x2, EVALUATE_NO_ANSWER };
    struct evaluate_tally tally;
    struct err err = { 0 };
    (void)state;

    assert_int_equal(evaluate_tally_init(4, true, &golden.arena, &tally, &err), RC_OK);
    assert_near(evaluate_score(&tally, EVALUATE_SET_F1), 0.0, 0.0);
    assert_near(evaluate_score(&tally, EVALUATE_KAPPA), 0.0, 0.0);
    for (size_t round = 0; round < 2; round++) { /* the second after a clear */
        evaluate_tally_clear(&tally);
        for (size_t i = 0; i < ARRAY_LEN(truth); i++)
            evaluate_tally_add(&tally, truth[i], answers[i]);
    }
    assert_near(evaluate_score(&tally, EVALUATE_ACCURACY), 1.0 / 5.0, 1e-12);
    assert_near(evaluate_score(&tally, EVALUATE_SET_F1),
                (1.0 + 2.0 / 3.0 + 2.0 / 3.0 + 0.0 + 0.0) / 5.0, 1e-12);
    /* label 0: in 3 rows, 2 answers, 1 right; 1: 1, 1, 0; 2: 1, 1, 1; 3 does not occur */
    assert_near(evaluate_class_of(&tally, 0).precision, 0.5, 1e-12);
    assert_near(evaluate_class_of(&tally, 0).recall, 1.0 / 3.0, 1e-12);
    assert_near(evaluate_score(&tally, EVALUATE_MACRO_F1), (2.0 / 5.0 + 0.0 + 1.0) / 3.0, 1e-12);
    assert_int_equal(evaluate_tally_init(32, true, &golden.arena, &tally, &err), RC_LIMIT);
}

static void answers_that_do_not_look_at_the_input_have_a_kappa_of_zero(void **state)
{
    struct evaluate_tally constant, drawn, right;
    uint32_t seed = 7;
    struct err err = { 0 };
    (void)state;

    assert_int_equal(evaluate_tally_init(5, true, &golden.arena, &constant, &err), RC_OK);
    assert_int_equal(evaluate_tally_init(5, true, &golden.arena, &drawn, &err), RC_OK);
    assert_int_equal(evaluate_tally_init(5, true, &golden.arena, &right, &err), RC_OK);
    for (size_t i = 0; i < 20000; i++) {
        uint32_t truth, answer;

        seed = seed * 1664525u + 1013904223u;
        truth = seed >> 20 & seed >> 12 & 31;
        seed = seed * 1664525u + 1013904223u;
        answer = seed >> 20 & seed >> 12 & 31;
        evaluate_tally_add(&constant, truth, 4);
        evaluate_tally_add(&drawn, truth, answer);
        evaluate_tally_add(&right, truth, truth);
    }
    assert_near(evaluate_score(&constant, EVALUATE_KAPPA), 0.0, 1e-12);
    assert_near(evaluate_score(&drawn, EVALUATE_KAPPA), 0.0, 0.01);
    assert_near(evaluate_score(&right, EVALUATE_KAPPA), 1.0, 1e-12);
}

static void balanced_accuracy_is_the_mean_recall_of_what_occurs(void **state)
{
    struct evaluate_tally tally;
    struct err err = { 0 };
    (void)state;

    assert_int_equal(evaluate_tally_init(CLASSES, false, &golden.arena, &tally, &err), RC_OK);
    for (size_t i = 0; i < ROWS; i++)
        evaluate_tally_add(&tally, golden.truth[i], golden.a[i]);
    /* class 4 is never true */
    assert_near(evaluate_score(&tally, EVALUATE_BALANCED_ACCURACY),
                number(json_find(golden.json, "balanced_accuracy")), 1e-12);
}

static void bounds_of_a_share_are_those_of_scipy(void **state)
{
    const struct json *shares = json_find(golden.json, "shares");
    (void)state;

    for (size_t i = 0; i < shares->n; i++) {
        size_t k = (size_t)number(json_find(&shares->items[i], "successes"));
        size_t n = (size_t)number(json_find(&shares->items[i], "n"));
        const struct json *wilson = json_find(&shares->items[i], "wilson");

        assert_near(evaluate_wilson(k, n).low, number(&wilson->items[0]), 1e-9);
        assert_near(evaluate_wilson(k, n).high, number(&wilson->items[1]), 1e-9);
        assert_near(evaluate_lower_bound(k, n, 0.05),
                    number(json_find(&shares->items[i], "lower_bound")), 1e-9);
    }
}

/* Both sides draw 2,000 samples of their own: ends of the intervals differ by a few thousandths. */
static void bootstrap_intervals_agree_with_scipy(void **state)
{
    struct evaluate_rows rows = { ROWS, CLASSES, false, golden.truth, golden.a, golden.b };
    struct evaluate_interval interval, again;
    struct evaluate_pair pair;
    struct err err = { 0 };
    (void)state;

    assert_int_equal(
        evaluate_bootstrap(&rows, EVALUATE_MACRO_F1, 1, &golden.arena, &interval, &err), RC_OK);
    assert_near(interval.low, number(item("macro_f1_interval", 0)), 0.012);
    assert_near(interval.high, number(item("macro_f1_interval", 1)), 0.012);
    assert_int_equal(evaluate_bootstrap(&rows, EVALUATE_MACRO_F1, 1, &golden.arena, &again, &err),
                     RC_OK);
    assert_memory_equal(&interval, &again, sizeof(interval));

    assert_int_equal(evaluate_compare(&rows, EVALUATE_MACRO_F1, 1, &golden.arena, &pair, &err),
                     RC_OK);
    assert_near(pair.difference, number(json_find(golden.json, "macro_f1_gain")), 1e-12);
    assert_near(pair.interval.low, number(item("macro_f1_gain_interval", 0)), 0.012);
    assert_near(pair.interval.high, number(item("macro_f1_gain_interval", 1)), 0.012);
    assert_int_equal(pair.n_only_a, (size_t)number(json_find(golden.json, "only_a")));
    assert_int_equal(pair.n_only_b, (size_t)number(json_find(golden.json, "only_b")));
    assert_near(pair.p_value, number(json_find(golden.json, "mcnemar")), 1e-9);
}

static void a_set_of_answers_is_not_better_than_itself(void **state)
{
    struct evaluate_rows rows = { ROWS, CLASSES, false, golden.truth, golden.a, golden.a };
    struct evaluate_pair pair;
    struct err err = { 0 };
    (void)state;

    assert_int_equal(evaluate_compare(&rows, EVALUATE_ACCURACY, 3, &golden.arena, &pair, &err),
                     RC_OK);
    assert_near(pair.difference, 0.0, 0.0);
    assert_near(pair.interval.low, 0.0, 0.0);
    assert_near(pair.interval.high, 0.0, 0.0);
    assert_near(pair.p_value, 1.0, 0.0);
}

static void the_calibration_error_is_that_of_numpy(void **state)
{
    struct evaluate_bin bins[EVALUATE_BINS];
    static const double ends[] = { 0.0, 1.0, 1.0 / 15.0 };
    static const bool right[] = { false, true, true };
    size_t n = 0;
    (void)state;

    assert_near(evaluate_ece(golden.confidence, golden.right, ROWS, bins),
                number(json_find(golden.json, "ece")), 1e-4);
    for (size_t b = 0; b < EVALUATE_BINS; b++)
        n += bins[b].n;
    assert_int_equal(n, ROWS);
    evaluate_ece(ends, right, 3, bins);
    assert_int_equal(bins[0].n, 2);
    assert_int_equal(bins[EVALUATE_BINS - 1].n_right, 1);
    assert_near(evaluate_ece(ends, right, 0, bins), 0.0, 0.0);
}

static void the_temperature_is_that_of_scipy(void **state)
{
    static float masked[ROWS * CLASSES];
    static const float excluded[] = { 0.0f, -INFINITY };
    static const uint32_t truth[] = { 1 };
    (void)state;

    double t = evaluate_temperature(golden.log_probs, golden.truth, ROWS, CLASSES);

    assert_near(t, number(json_find(golden.json, "temperature")), 1e-3);
    /* A class that is never true and excluded everywhere changes T, and no NaN comes out. */
    memcpy(masked, golden.log_probs, sizeof(masked));
    for (size_t i = 0; i < ROWS; i++)
        masked[i * CLASSES + 4] = -INFINITY;
    double without = evaluate_temperature(masked, golden.truth, ROWS, CLASSES);

    assert_true(without > 0.05 && without < 20.0 && without != t);
    assert_near(evaluate_temperature(excluded, truth, 1, 2), 1.0, 0.0);
}

/* Log odds of two classes: what is known of the truth, times `sharpness`, and noise. */
static void make_odds(const uint32_t *truth, double known, double sharpness, uint32_t seed,
                      float *scores)
{
    for (size_t i = 0; i < ROWS; i++) {
        double noise = 0.0, sign = truth[i] ? -1.0 : 1.0;

        for (size_t k = 0; k < 4; k++) { /* nearly normal */
            seed = seed * 1664525u + 1013904223u;
            noise += (double)(seed >> 8) / 8388608.0 - 1.0;
        }
        scores[2 * i] = (float)(sharpness * (sign * known + noise));
        scores[2 * i + 1] = 0.0f;
    }
}

static void a_blend_takes_from_each_model_what_it_knows(void **state)
{
    static float good[2 * ROWS], better[2 * ROWS], noise[2 * ROWS], mixed[2 * ROWS];
    static uint32_t truth[ROWS];
    (void)state;

    for (size_t i = 0; i < ROWS; i++)
        truth[i] = i % 2;
    make_odds(truth, 1.0, 1.0, 1, good);
    make_odds(truth, 2.0, 1.0, 2, better);
    make_odds(truth, 0.0, 1.0, 3, noise);
    assert_true(evaluate_share(good, noise, truth, ROWS, 2, mixed) < 0.15);
    assert_true(evaluate_share(noise, good, truth, ROWS, 2, mixed) > 0.85);
    double share = evaluate_share(good, better, truth, ROWS, 2, mixed);
    assert_true(share > 0.55 && share < 0.78); /* evidence adds up: 1 to 2 */
    make_odds(truth, 1.0, 5.0, 1, good);       /* a model that is too sure of itself gets less */
    assert_true(evaluate_share(good, better, truth, ROWS, 2, mixed) > share + 0.15);
}

/* n answers; those below `cut` are right half of the time, the others always. */
static void make_answers(size_t n, size_t cut, double *confidence, bool *right)
{
    for (size_t i = 0; i < n; i++) {
        confidence[i] = (double)(i + 1) / (double)(n + 1);
        right[i] = i >= cut || i % 2 == 0;
    }
}

static void a_threshold_keeps_the_precision_it_promises(void **state)
{
    double confidence[1000];
    bool right[1000];
    struct evaluate_threshold t;
    struct err err = { 0 };
    (void)state;

    make_answers(1000, 300, confidence, right);
    assert_int_equal(
        evaluate_threshold_for(confidence, right, 1000, 0.95, 0.05, &golden.arena, &t, &err),
        RC_OK);
    assert_true(t.reached && t.guaranteed);
    assert_true(t.precision_low >= 0.95 && t.precision >= t.precision_low);
    assert_true(t.coverage > 0.6 && t.coverage < 0.8);
    size_t n_given = 0;
    for (size_t i = 0; i < 1000; i++)
        n_given += confidence[i] >= t.confidence;
    assert_near((double)n_given / 1000.0, t.coverage, 1e-12);
}

static void a_precision_no_threshold_can_promise_is_said_so(void **state)
{
    double confidence[20];
    bool right[20];
    struct evaluate_threshold t;
    struct err err = { 0 };
    (void)state;

    make_answers(20, 10, confidence, right); /* ten are right in a row, but 20 rows prove no 0.99 */
    assert_int_equal(
        evaluate_threshold_for(confidence, right, 20, 0.99, 0.05, &golden.arena, &t, &err), RC_OK);
    assert_true(t.reached);
    assert_false(t.guaranteed);
    assert_near(t.coverage, 0.5, 1e-12);
    for (size_t i = 0; i < 20; i++)
        right[i] = false;
    assert_int_equal(
        evaluate_threshold_for(confidence, right, 20, 0.99, 0.05, &golden.arena, &t, &err), RC_OK);
    assert_false(t.reached);
    assert_int_equal(
        evaluate_threshold_for(confidence, right, 0, 0.5, 0.05, &golden.arena, &t, &err), RC_OK);
    assert_false(t.reached);
}

static void equal_confidences_are_given_or_declined_together(void **state)
{
    double confidence[100];
    bool right[100];
    struct evaluate_threshold t;
    struct err err = { 0 };
    (void)state;

    for (size_t i = 0; i < 100; i++) {
        confidence[i] = i < 50 ? 0.5 : 0.9;
        right[i] = i >= 50;
    }
    assert_int_equal(
        evaluate_threshold_for(confidence, right, 100, 0.8, 0.05, &golden.arena, &t, &err), RC_OK);
    assert_true(t.reached);
    assert_near(t.confidence, 0.9, 0.0);
    assert_near(t.coverage, 0.5, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_scikit_learn),
        cmocka_unit_test(a_declined_row_counts_as_wrong),
        cmocka_unit_test(sets_score_as_in_scikit_learn),
        cmocka_unit_test(sets_are_scored_by_row_and_by_label),
        cmocka_unit_test(answers_that_do_not_look_at_the_input_have_a_kappa_of_zero),
        cmocka_unit_test(balanced_accuracy_is_the_mean_recall_of_what_occurs),
        cmocka_unit_test(bounds_of_a_share_are_those_of_scipy),
        cmocka_unit_test(bootstrap_intervals_agree_with_scipy),
        cmocka_unit_test(a_set_of_answers_is_not_better_than_itself),
        cmocka_unit_test(the_calibration_error_is_that_of_numpy),
        cmocka_unit_test(the_temperature_is_that_of_scipy),
        cmocka_unit_test(a_blend_takes_from_each_model_what_it_knows),
        cmocka_unit_test(a_threshold_keeps_the_precision_it_promises),
        cmocka_unit_test(a_precision_no_threshold_can_promise_is_said_so),
        cmocka_unit_test(equal_confidences_are_given_or_declined_together),
    };

    return cmocka_run_group_tests_name("evaluate", tests, read_golden, release_golden);
}
