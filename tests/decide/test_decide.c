#include "tests/support/test.h"

#include "base/exact_math.h"
#include "decide/decide.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char spec_text[] =
    "slm: desk\n"
    "input:\n"
    "  type: object\n"
    "  required: [text, tier]\n"
    "  properties:\n"
    "    text: {type: string, maxLength: 1000}\n"
    "    tier: {type: string, enum: [standard, business]}\n"
    "    total: {type: number, minimum: 0}\n"
    "output:\n"
    "  type: object\n"
    "  required: [kind, level]\n"
    "  properties:\n"
    "    kind: {type: string, enum: [bill, parcel, other]}\n"
    "    level: {type: string, enum: [low, normal, high]}\n"
    "facts:\n"
    "  large: if total = null then false else total >= 1000\n"
    "  shout: upper case(text) = text\n"
    "rules:\n"
    "  - name: R1\n"
    "    text: business is never low\n"
    "    must: tier != \"business\" or level != \"low\"\n"
    "  - name: R2\n"
    "    text: large bills and parcels are high\n"
    "    when: large and kind in (\"bill\", \"parcel\")\n"
    "    must: level = \"high\"\n"
    "  - name: R3\n"
    "    text: what is cheap is seldom high\n"
    "    should: total >= 10 or level != \"high\"\n"
    "derived:\n"
    "  due: now() + (if level = \"high\" then duration(\"PT4H\") else duration(\"P1D\"))\n"
    "data:\n"
    "  - path: rows.jsonl\n";

struct desk {
    struct arena arena;
    struct spec *spec;
    struct decide_calibration calibration[2];
    struct decider *decider;
};

static void open_text(struct desk *desk, const char *text)
{
    struct problems problems;
    struct err err = { 0 };

    arena_init(&desk->arena, 64 << 20);
    problem_init(&problems, &desk->arena);
    assert_int_equal(
        spec_parse(str_of(text), "slm.yaml", &desk->arena, &desk->spec, &problems, &err), RC_OK);
    if (problems.n_errors > 0)
        fail_msg("line %" PRIu32 ": %s", problems.items[0].line, problems.items[0].message);
    for (size_t f = 0; f < 2; f++)
        desk->calibration[f] = (struct decide_calibration){ .temperature = 1.0 };
    struct decide_parts parts = { .spec = desk->spec, .calibration = desk->calibration };
    assert_int_equal(decide_open(&parts, &desk->arena, &desk->decider, &err), RC_OK);
}

static void open_desk(struct desk *desk)
{
    open_text(desk, spec_text);
}

static void close_desk(struct desk *desk)
{
    arena_release(&desk->arena);
}

static const struct json *parse(struct desk *desk, const char *text)
{
    struct json *v;
    struct err err = { 0 };

    assert_int_equal(json_parse(str_of(text), JSON_DUPLICATES_REFUSED, &desk->arena, &v, &err),
                     RC_OK);
    return v;
}

/* ln of the probabilities of bill, parcel, other, low, normal, high. */
static const float sure_bill_low[6] = { -0.105361f, -2.995732f, -2.995732f,
                                        -0.223144f, -2.302585f, -2.302585f };

static struct decide_result decide_one(struct desk *desk, const char *input, const float *scores)
{
    struct decide_row row = { .input = parse(desk, input),
                              .now_ms = 1764000000000, /* 2025-11-24T16:00:00Z */
                              .scores = scores };
    struct decide_result result;
    struct err err = { 0 };

    assert_int_equal(decide_rows(desk->decider, &row, 1, NULL, &desk->arena, &result, &err), RC_OK);
    return result;
}

static void assert_answer(struct desk *desk, const struct decide_result *result, const char *want)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };

    buf_init(&text, 1 << 20);
    decide_append_answer(&text, desk->decider, result);
    assert_string_equal(text.at, want);
}

static void the_likeliest_assignment_is_the_answer(void **state)
{
    struct desk desk;
    (void)state;

    open_desk(&desk);
    struct decide_result result =
        decide_one(&desk, "{\"text\":\"hello\",\"tier\":\"standard\"}", sure_bill_low);
    assert_answer(
        &desk, &result,
        "\"output\":{\"kind\":\"bill\",\"level\":\"low\","
        "\"due\":\"2025-11-25T16:00:00Z\"},"
        "\"confidence\":{\"kind\":0.9000,\"level\":0.8000},\"abstained\":null,"
        "\"facts\":{\"large\":false,\"shout\":false},"
        "\"rules\":[{\"id\":\"R1\",\"result\":\"holds\",\"text\":\"business is never low\"},"
        "{\"id\":\"R2\",\"result\":\"does_not_apply\","
        "\"text\":\"large bills and parcels are high\"},"
        "{\"id\":\"R3\",\"result\":\"holds\",\"text\":\"what is cheap is seldom high\"}]");
    close_desk(&desk);
}

static void a_must_rule_strikes_out_what_breaks_it_and_confidence_follows(void **state)
{
    struct desk desk;
    (void)state;

    open_desk(&desk);
    struct decide_result result =
        decide_one(&desk, "{\"text\":\"hello\",\"tier\":\"business\"}", sure_bill_low);
    assert_int_equal(result.verdict, DECIDE_ANSWERED);
    assert_int_equal(result.best, 0 * 3 + 1); /* bill, normal: the first of two equals */
    assert_true(fabs(result.confidence[0] - 0.9) < 1e-6);
    assert_true(fabs(result.confidence[1] - 0.5) < 1e-6);

    result = decide_one(&desk, "{\"text\":\"hello\",\"tier\":\"standard\",\"total\":1000.00}",
                        sure_bill_low);
    /* Left: bill and parcel with high (0.9 + 0.05) * 0.1, other with anything 0.05. */
    assert_int_equal(result.best, 0 * 3 + 2);
    assert_true(fabs(result.confidence[0] - 0.09 / 0.145) < 1e-6);
    assert_true(fabs(result.confidence[1] - (0.095 + 0.005) / 0.145) < 1e-6);
    assert_int_equal(result.rules[1], DECIDE_RULE_HOLDS);
    close_desk(&desk);
}

static void a_broken_should_rule_is_reported_and_the_answer_stands(void **state)
{
    static const float high[6] = { -0.1f, -3.0f, -3.0f, -3.0f, -3.0f, -0.1f };
    struct desk desk;
    (void)state;

    open_desk(&desk);
    struct decide_result result =
        decide_one(&desk, "{\"text\":\"hello\",\"tier\":\"standard\",\"total\":5}", high);
    assert_int_equal(result.verdict, DECIDE_ANSWERED);
    assert_int_equal(result.rules[2], DECIDE_RULE_BROKEN);
    close_desk(&desk);
}

static void rules_that_leave_nothing_abstain_and_are_named(void **state)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct desk desk;
    (void)state;

    buf_init(&text, sizeof(spec_text) + 200);
    buf_append_text(&text, spec_text);
    buf_append_text(&text, "show: [text]\n");
    /* R4 forbids what R2 demands. */
    char *rules = strstr(text.at, "derived:");
    CLEANUP(buf_releasep) struct buf whole = { 0 };
    buf_init(&whole, 4096);
    buf_append(&whole, text.at, (size_t)(rules - text.at));
    buf_append_text(&whole, "  - name: R4\n    text: shouting is never high\n"
                            "    must: not(shout) or level != \"high\"\n"
                            "  - name: R5\n    text: shouting about money only\n"
                            "    must: not(shout) or kind != \"other\"\n");
    buf_append_text(&whole, rules);

    open_text(&desk, whole.at);
    struct decide_result result = decide_one(
        &desk, "{\"text\":\"HELLO\",\"tier\":\"standard\",\"total\":2000}", sure_bill_low);
    assert_int_equal(result.verdict, DECIDE_RULES_CONFLICT);
    assert_false(result.has_best);
    assert_string_equal(result.reason.at,
                        "no answer satisfies every must-rule; the likeliest breaks 'R2'");
    close_desk(&desk);
}

static void what_is_undetermined_abstains(void **state)
{
    static const char undetermined[] =
        "slm: desk\n"
        "input: {type: object, properties: {total: {type: number}, days: {type: number}}}\n"
        "output: {type: object, required: [level], properties: {level: {type: string, enum: [low, "
        "high]}}}\n"
        "facts: {dear: total > 100}\n"
        "rules: [{name: R1, text: late is high, must: days < 3 or level = \"high\"}]\n"
        "data: [{path: rows.jsonl}]\n";
    static const float low[2] = { -0.1f, -2.4f }, high[2] = { -2.4f, -0.1f };
    struct desk desk;
    (void)state;

    open_text(&desk, undetermined);
    struct decide_result result = decide_one(&desk, "{\"days\":1}", low);
    assert_int_equal(result.verdict, DECIDE_FACT_UNDETERMINED);
    assert_non_null(strstr(result.reason.at, "the fact 'dear' is undetermined"));

    result = decide_one(&desk, "{\"total\":50}", low);
    assert_int_equal(result.verdict, DECIDE_RULE_UNDETERMINED);
    assert_string_equal(result.reason.at, "the rule 'R1' is undetermined on this input");
    assert_true(result.has_best); /* the suggestion */

    /* null or true is true: with high the rule holds whatever the days are. */
    result = decide_one(&desk, "{\"total\":50}", high);
    assert_int_equal(result.verdict, DECIDE_ANSWERED);
    close_desk(&desk);
}

static void low_confidence_abstains_with_a_suggestion(void **state)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct desk desk;
    (void)state;

    open_desk(&desk);
    desk.calibration[1].threshold = 0.85;
    struct decide_result result =
        decide_one(&desk, "{\"text\":\"hello\",\"tier\":\"standard\"}", sure_bill_low);
    assert_int_equal(result.verdict, DECIDE_LOW_CONFIDENCE);
    assert_string_equal(result.reason.at, "the confidence of 'level' is 0.8000, below 0.8500");
    buf_init(&text, 1 << 16);
    decide_append_answer(&text, desk.decider, &result);
    assert_non_null(strstr(text.at, "\"output\":null,"));
    assert_non_null(strstr(text.at, "\"suggestion\":{\"kind\":\"bill\",\"level\":\"low\","));
    close_desk(&desk);
}

static void temperature_changes_confidence_and_not_the_answer(void **state)
{
    struct desk desk;
    (void)state;

    open_desk(&desk);
    desk.calibration[0].temperature = 2.0;
    struct decide_result result =
        decide_one(&desk, "{\"text\":\"hello\",\"tier\":\"standard\"}", sure_bill_low);
    double root = sqrt(0.9) / (sqrt(0.9) + 2.0 * sqrt(0.05));
    assert_int_equal(result.best, 0);
    assert_true(fabs(result.confidence[0] - root) < 1e-6);
    close_desk(&desk);
}

static void an_invalid_row_is_refused_with_all_its_errors_and_the_others_are_answered(void **state)
{
    struct desk desk;
    struct decide_result results[3];
    struct err err = { 0 };
    (void)state;

    open_desk(&desk);
    const struct json *good = parse(&desk, "{\"text\":\"hello\",\"tier\":\"standard\"}");
    const struct json *bad = parse(&desk, "{\"text\":7,\"tier\":\"gold\",\"size\":1}");
    struct decide_row rows[3] = { { .input = good, .scores = sure_bill_low },
                                  { .input = bad },
                                  { .input = good, .scores = sure_bill_low } };
    assert_int_equal(decide_rows(desk.decider, rows, 3, NULL, &desk.arena, results, &err), RC_OK);
    assert_int_equal(results[0].verdict, DECIDE_ANSWERED);
    assert_int_equal(results[1].verdict, DECIDE_REFUSED);
    assert_int_equal(results[1].refusal.code, RC_INVALID);
    assert_int_equal(results[1].refused->n_errors, 3);
    assert_int_equal(results[2].verdict, DECIDE_ANSWERED);
    close_desk(&desk);
}

/* The same by brute force, from the words of decide.h: no tables, no shortcuts. */
static bool breaks_a_rule(const char *tier, bool large, size_t kind, size_t level)
{
    return (strcmp(tier, "business") == 0 && level == 0) || (large && kind < 2 && level != 2);
}

static void answers_never_break_a_rule_and_equal_those_of_brute_force(void **state)
{
    struct desk desk;
    uint32_t seed = 20261123;
    (void)state;

    open_desk(&desk);
    for (int i = 0; i < 300; i++) {
        float scores[6];
        double p[6], total = 0.0, best = -1.0, kind_share[3] = { 0 };
        size_t want = 0;
        char input[100];

        for (size_t k = 0; k < 6; k++) {
            seed = seed * 1664525u + 1013904223u;
            scores[k] = -(float)(seed >> 8) / (float)(1 << 22);
        }
        for (size_t f = 0; f < 2; f++) {
            double sum = 0.0;
            for (size_t k = 0; k < 3; k++)
                sum += p[3 * f + k] = exact_exp((double)scores[3 * f + k]);
            for (size_t k = 0; k < 3; k++)
                p[3 * f + k] /= sum;
        }
        const char *tier = seed & 0x10000 ? "business" : "standard";
        bool large = seed & 0x20000;
        for (size_t joint = 0; joint < 9; joint++) {
            double probability = p[joint / 3] * p[3 + joint % 3];

            if (breaks_a_rule(tier, large, joint / 3, joint % 3))
                continue;
            total += probability;
            kind_share[joint / 3] += probability;
            if (probability > best) {
                best = probability;
                want = joint;
            }
        }
        snprintf(input, sizeof(input), "{\"text\":\"hi\",\"tier\":\"%s\",\"total\":%d}", tier,
                 large ? 5000 : 20);
        struct decide_result result = decide_one(&desk, input, scores);
        assert_int_equal(result.verdict, DECIDE_ANSWERED);
        assert_int_equal(result.best, want);
        assert_true(fabs(result.confidence[0] - kind_share[want / 3] / total) < 1e-9);
    }
    close_desk(&desk);
}

static const char set_text[] =
    "slm: check\n"
    "input: {type: object, properties: {dear: {type: boolean}}, required: [dear]}\n"
    "output:\n"
    "  type: object\n"
    "  properties:\n"
    "    decision: {enum: [approved, rejected]}\n"
    "    reasons: {type: array, uniqueItems: true, maxItems: 3,\n"
    "              items: {enum: [price, vendor, terms, notes]}}\n"
    "rules:\n"
    "  - {name: R1, must: '(decision = \"rejected\") = (count(reasons) > 0)', text: why}\n"
    "  - {name: R2, when: dear, must: 'list contains(reasons, \"price\")', text: price}\n"
    "derived:\n"
    "  n: count(reasons)\n"
    "data: [{path: rows.jsonl}]\n";

static void a_set_is_answered_as_the_best_set_that_the_rules_allow(void **state)
{
    /* p of price, vendor, terms, notes: 0.2, 0.9, 0.6, 0.1 */
    const float scores[6] = { (float)log(0.7), (float)log(0.3), (float)log(0.25),
                              (float)log(9.0), (float)log(1.5), (float)log(1.0 / 9.0) };
    struct desk desk;
    (void)state;

    open_text(&desk, set_text);
    struct decide_result result = decide_one(&desk, "{\"dear\":false}", scores);
    /* rejected for [vendor, terms]: 0.3 x 0.8 x 0.9 x 0.6 x 0.9 = 0.11664; approved for nothing:
     * 0.7 x 0.8 x 0.1 x 0.4 x 0.9 = 0.02016; left: that and 0.3 (1 - 0.0288 - all four 0.0108) */
    double left = 0.02016 + 0.3 * (1.0 - 0.0288 - 0.0108);
    CLEANUP(buf_releasep) struct buf want = { 0 };
    buf_init(&want, 1000);
    buf_printf(&want,
               "\"output\":{\"decision\":\"rejected\",\"reasons\":[\"vendor\",\"terms\"],\"n\":2},"
               "\"confidence\":{\"decision\":%.4f,\"reasons\":%.4f},\"abstained\":null,"
               "\"facts\":{},\"rules\":[{\"id\":\"R1\",\"result\":\"holds\",\"text\":\"why\"},"
               "{\"id\":\"R2\",\"result\":\"does_not_apply\",\"text\":\"price\"}]",
               1.0 - 0.02016 / left, 0.11664 / left);
    assert_answer(&desk, &result, want.at);
    result = decide_one(&desk, "{\"dear\":true}", scores);
    size_t values[2];
    spec_values_of(desk.spec, result.best, values);
    assert_int_equal(values[0], 1);
    assert_int_equal(values[1], 1 | 2 | 4);
    close_desk(&desk);
}

static bool is_allowed(bool dear, size_t decision, size_t set)
{
    return __builtin_popcountl(set) <= 3 && (decision == 1) == (set != 0) && (!dear || set & 1);
}

static void answers_with_sets_equal_those_of_brute_force(void **state)
{
    struct desk desk;
    uint32_t seed = 20261124;
    (void)state;

    open_text(&desk, set_text);
    for (int i = 0; i < 300; i++) {
        bool dear = i % 3 == 0;
        float scores[6];
        double p[6], left = 0.0, best = -1.0, share[2] = { 0 }, best_joint = 0.0;
        size_t want = 0;

        for (size_t k = 0; k < 6; k++) {
            seed = seed * 1664525u + 1013904223u;
            scores[k] = (float)(seed >> 8) / (float)(1 << 21) - 4.0f;
            p[k] = 1.0 / (1.0 + exp(-(double)scores[k] / 1.5));
        }
        p[0] = exp((double)scores[0]) / (exp((double)scores[0]) + exp((double)scores[1]));
        p[1] = 1.0 - p[0];
        desk.calibration[1].temperature = 1.5;
        for (size_t joint = 0; joint < 32; joint++) {
            double probability = p[joint / 16];

            for (size_t k = 0; k < 4; k++)
                probability *= joint % 16 >> k & 1 ? p[2 + k] : 1.0 - p[2 + k];
            if (!is_allowed(dear, joint / 16, joint % 16))
                continue;
            left += probability;
            share[joint / 16] += probability;
            if (probability > best) {
                best = best_joint = probability;
                want = joint;
            }
        }
        struct decide_result result =
            decide_one(&desk, dear ? "{\"dear\":true}" : "{\"dear\":false}", scores);
        assert_int_equal(result.verdict, DECIDE_ANSWERED);
        assert_int_equal(result.best, want);
        assert_true(fabs(result.confidence[0] - share[want / 16] / left) < 2e-6);
        assert_true(fabs(result.confidence[1] - best_joint / left) < 2e-6);
    }
    close_desk(&desk);
}

static void a_large_space_is_searched_from_the_top(void **state)
{
    static const char large_text[] =
        "slm: check\n"
        "input: {type: object, properties: {dear: {type: boolean}}, required: [dear]}\n"
        "output:\n"
        "  type: object\n"
        "  properties:\n"
        "    urgent: {type: boolean}\n"
        "    s: {type: array, uniqueItems: true, items: {enum: [a, b, c, d, e, f, g, h, i, j, k, "
        "l, "
        "m, n, o]}}\n"
        "rules:\n"
        "  - {name: R1, must: count(s) != 1 or urgent, text: one}\n"
        "  - {name: R2, must: count(s) < 15, text: not all}\n"
        "data: [{path: rows.jsonl}]\n";
    float scores[17];
    size_t values[2];
    struct desk desk;
    (void)state;

    open_text(&desk, large_text);
    assert_int_equal(desk.spec->n_joint, 65536);
    for (size_t k = 0; k < 17; k++)
        scores[k] = k < 2 ? (float)log(0.5) : k == 16 ? 3.0f : -3.0f;
    struct decide_result result = decide_one(&desk, "{\"dear\":true}", scores);
    spec_values_of(desk.spec, result.best, values);
    assert_int_equal(values[0], 1);
    assert_int_equal(values[1], 1 << 14);
    for (size_t k = 2; k < 17; k++)
        scores[k] = 3.0f + (float)k / 100.0f;
    result = decide_one(&desk, "{\"dear\":true}", scores);
    spec_values_of(desk.spec, result.best, values);
    assert_int_equal(values[1], (1 << 15) - 2);
    close_desk(&desk);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    struct desk desk;
    enum rc rc = RC_OK;
    (void)state;

    open_desk(&desk);
    const struct json *input =
        parse(&desk, "{\"text\":\"hello\",\"tier\":\"standard\",\"total\":1000}");
    FOR_EACH_FAILING_ALLOC (nth) {
        struct decide_parts parts = { .spec = desk.spec, .calibration = desk.calibration };
        struct decide_row row = { .input = input, .scores = sure_bill_low };
        struct decide_result result;
        struct decider *decider;
        struct arena arena;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        rc = decide_open(&parts, &arena, &decider, &err);
        if (rc == RC_OK)
            rc = decide_rows(decider, &row, 1, NULL, &arena, &result, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        if (rc == RC_OK)
            assert_int_equal(result.verdict, DECIDE_ANSWERED);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
    close_desk(&desk);
}

static void facts_that_are_given_are_not_computed_again(void **state)
{
    struct decide_result result;
    struct desk desk;
    struct err err = { 0 };
    (void)state;

    open_desk(&desk);
    const char *large = "{\"text\":\"hello\",\"tier\":\"standard\",\"total\":2000}";
    const char *small = "{\"text\":\"hello\",\"tier\":\"standard\",\"total\":20}";
    struct decide_result of_large = decide_one(&desk, large, sure_bill_low);
    struct decide_result of_small = decide_one(&desk, small, sure_bill_low);
    struct decide_row row = { .input = parse(&desk, small),
                              .scores = sure_bill_low,
                              .facts = &of_large.facts };

    assert_int_equal(decide_rows(desk.decider, &row, 1, NULL, &desk.arena, &result, &err), RC_OK);
    assert_int_not_equal(of_small.best, of_large.best);
    assert_int_equal(result.best, of_large.best);
    assert_int_equal(result.facts.context.n, 2);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_likeliest_assignment_is_the_answer),
        cmocka_unit_test(a_must_rule_strikes_out_what_breaks_it_and_confidence_follows),
        cmocka_unit_test(a_broken_should_rule_is_reported_and_the_answer_stands),
        cmocka_unit_test(rules_that_leave_nothing_abstain_and_are_named),
        cmocka_unit_test(facts_that_are_given_are_not_computed_again),
        cmocka_unit_test(what_is_undetermined_abstains),
        cmocka_unit_test(low_confidence_abstains_with_a_suggestion),
        cmocka_unit_test(temperature_changes_confidence_and_not_the_answer),
        cmocka_unit_test(an_invalid_row_is_refused_with_all_its_errors_and_the_others_are_answered),
        cmocka_unit_test(answers_never_break_a_rule_and_equal_those_of_brute_force),
        cmocka_unit_test(a_set_is_answered_as_the_best_set_that_the_rules_allow),
        cmocka_unit_test(answers_with_sets_equal_those_of_brute_force),
        cmocka_unit_test(a_large_space_is_searched_from_the_top),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests_name("decide/decide", tests, NULL, NULL);
}
