/* test_judge.c - answers to labelled rows whose scores are given: what calibration makes of them.
 */
#include "factory/evaluate/judge.h"
#include "tests/support/test.h"

#include <math.h>

enum { ROWS = 200 };

static const char spec_text[] =
    "slm: check\n"
    "input: {type: object, properties: {n: {type: integer}}, required: [n]}\n"
    "output:\n"
    "  type: object\n"
    "  properties:\n"
    "    reasons: {type: array, uniqueItems: true, items: {enum: [price, terms]}}\n"
    "slices:\n"
    "  late: tags.kind = \"late\" and input.n > 3\n"
    "  both: count(output.reasons) = 2\n"
    "data: [{path: rows.jsonl}]\n";

static const char ruled_text[] =
    "slm: check\n"
    "input: {type: object, properties: {n: {type: integer}}, required: [n]}\n"
    "output:\n"
    "  type: object\n"
    "  properties:\n"
    "    reasons: {type: array, uniqueItems: true, items: {enum: [price, terms]}}\n"
    "facts: {agreed: n > 3}\n"
    "rules:\n"
    "  - name: R1\n"
    "    text: agreed terms are no reason\n"
    "    when: agreed\n"
    "    must: not(list contains(reasons, \"terms\"))\n"
    "data: [{path: rows.jsonl}]\n";

struct desk {
    struct arena arena;
    struct spec *spec;
    struct judge_rows rows;
    struct judged *scores;
};

static const struct json *parse(struct desk *desk, const char *text)
{
    struct json *v;
    struct err err = { 0 };

    assert_int_equal(json_parse(str_of(text), JSON_DUPLICATES_REFUSED, &desk->arena, &v, &err),
                     RC_OK);
    return v;
}

static void open_desk_of(struct desk *desk, const char *text, const float *scores)
{
    struct problems problems;
    struct err err = { 0 };

    arena_init(&desk->arena, 64 << 20);
    problem_init(&problems, &desk->arena);
    assert_int_equal(
        spec_parse(str_of(text), "slm.yaml", &desk->arena, &desk->spec, &problems, &err), RC_OK);
    assert_int_equal(problems.n_errors, 0);
    desk->rows = (struct judge_rows){ .spec = desk->spec, .n = ROWS };
    desk->rows.rows = arena_array(&desk->arena, struct decide_row, ROWS);
    desk->rows.truth = arena_array(&desk->arena, uint32_t, ROWS);
    assert_non_null(desk->rows.rows);
    assert_non_null(desk->rows.truth);
    for (size_t i = 0; i < ROWS; i++)
        desk->rows.rows[i].input = parse(desk, "{\"n\":5}");
    assert_int_equal(judge_constant(&desk->rows, scores, &desk->arena, &desk->scores, &err), RC_OK);
}

static void open_desk(struct desk *desk, const float *scores)
{
    open_desk_of(desk, spec_text, scores);
}

/* Both labels have the odds e^a, and are in three of four sets: T makes e^(a / T) of it 3. */
static void the_temperature_makes_labels_as_likely_as_they_are(void **state)
{
    static const float scores[] = { 3.0f, 3.0f };
    struct decide_calibration calibration;
    struct desk desk;
    bool guaranteed;
    struct err err = { 0 };
    (void)state;

    open_desk(&desk, scores);
    for (size_t i = 0; i < ROWS; i++)
        desk.rows.truth[i] = i % 4 == 0 ? 1 : i % 4 == 1 ? 2 : 3;
    struct decide_parts parts = { .spec = desk.spec, .calibration = &calibration };
    assert_int_equal(judge_calibrate(&parts, &desk.rows, desk.scores, &desk.arena, &calibration,
                                     &guaranteed, &err),
                     RC_OK);
    if (fabs(calibration.temperature - 3.0 / log(3.0)) > 1e-3)
        fail_msg("temperature %g, want %g", calibration.temperature, 3.0 / log(3.0));
    arena_release(&desk.arena);
}

/* Price is right in three of four rows and terms, which the rule forbids, never: of all labels
 * seven in eight are as the model says, T = 3 / ln 7; of the answers under the rule only three in
 * four. */
static void under_must_rules_temperatures_fit_what_the_rules_leave(void **state)
{
    static const float scores[] = { 3.0f, -3.0f };
    struct decide_calibration calibration;
    struct desk desk;
    bool guaranteed;
    struct err err = { 0 };
    (void)state;

    open_desk_of(&desk, ruled_text, scores);
    for (size_t i = 0; i < ROWS; i++)
        desk.rows.truth[i] = i % 4 != 0;
    struct decide_parts parts = { .spec = desk.spec, .calibration = &calibration };
    assert_int_equal(judge_calibrate(&parts, &desk.rows, desk.scores, &desk.arena, &calibration,
                                     &guaranteed, &err),
                     RC_OK);
    if (fabs(calibration.temperature * log(3.0) / 3.0 - 1.0) > 0.01)
        fail_msg("temperature %g, want %g", calibration.temperature, 3.0 / log(3.0));
    arena_release(&desk.arena);
}

static void a_slice_sees_input_output_and_tags(void **state)
{
    static const float scores[] = { 0.0f, 0.0f };
    struct desk desk;
    bool is_in = true;
    struct err err = { 0 };
    (void)state;

    open_desk(&desk, scores);
    const struct json *five = parse(&desk, "{\"n\":5}"), *one = parse(&desk, "{\"n\":1}");
    const struct json *late = parse(&desk, "{\"kind\":\"late\",\"hours\":3}");
    const struct {
        const struct json *input, *tags;
        uint32_t value;
        bool late, both;
    } cases[] = { { five, late, 3, true, true },
                  { one, late, 2, false, false },
                  { five, NULL, 3, false, true } };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const bool want[] = { cases[i].late, cases[i].both };

        for (size_t s = 0; s < 2; s++) {
            assert_int_equal(judge_is_in_slice(desk.spec, &desk.spec->slices[s], cases[i].input,
                                               cases[i].tags, &cases[i].value, 0, &is_in, &err),
                             RC_OK);
            assert_int_equal(is_in, want[s]);
        }
    }
    arena_release(&desk.arena);
}

static void every_failing_allocation_is_reported(void **state)
{
    static const float scores[] = { 0.0f, 0.0f };
    bool in_slice[2 * ROWS] = { false };
    enum rc rc = RC_OK;
    struct desk desk;
    (void)state;

    open_desk(&desk, scores);
    in_slice[ROWS + 1] = true;
    desk.rows.in_slice = in_slice;
    const struct json *tags = parse(&desk, "{\"kind\":\"late\"}");
    FOR_EACH_FAILING_ALLOC (nth) {
        struct judge_rows rows;
        const struct judged *judged;
        struct arena arena;
        bool is_in;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        rc = judge_is_in_slice(desk.spec, &desk.spec->slices[0], desk.rows.rows[0].input, tags,
                               &desk.rows.truth[0], 0, &is_in, &err);
        if (rc == RC_OK)
            rc = judge_slice_rows(&desk.rows, 1, &arena, &rows, &err);
        if (rc == RC_OK)
            rc = judge_slice_answers(&desk.rows, 1, desk.scores, &arena, &judged, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        if (rc == RC_OK)
            assert_int_equal(judged->n, 1);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
    arena_release(&desk.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_temperature_makes_labels_as_likely_as_they_are),
        cmocka_unit_test(under_must_rules_temperatures_fit_what_the_rules_leave),
        cmocka_unit_test(a_slice_sees_input_output_and_tags),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("factory/judge", tests, NULL, NULL);
}
