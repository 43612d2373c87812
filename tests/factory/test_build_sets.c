/*
 * test_build_sets.c - whole builds of an SLM that answers a set of reasons, with slices.
 *
 * A row's text has a telling word for each of its reasons; one reason follows from a rule alone.
 * The hard rows tell a reason by two words in a row, which one of them alone does not mean.
 */
#include "tests/factory/build_case.h"

static const char set_spec[] =
    "slm: check\n"
    "input:\n"
    "  type: object\n"
    "  required: [text, dear]\n"
    "  properties: {text: {type: string}, dear: {type: boolean}}\n"
    "output:\n"
    "  type: object\n"
    "  properties:\n"
    "    decision: {enum: [approved, rejected]}\n"
    "    reasons: {type: array, uniqueItems: true, items: {enum: [price, vendor, terms, notes]}}\n"
    "show: [text]\n"
    "rules:\n"
    "  - {name: R1, must: '(decision = \"rejected\") = (count(reasons) > 0)', text: why}\n"
    "  - {name: R2, must: 'dear = list contains(reasons, \"price\")', text: dear}\n"
    "data:\n"
    "  - {path: train.jsonl, split: train}\n"
    "  - {path: validation.jsonl, split: validation}\n"
    "  - {path: test.jsonl, split: test}\n"
    "slices:\n"
    "  hard: tags.kind = \"hard\"\n"
    "  dear: input.dear and output.decision = \"rejected\"\n"
    "  empty: tags.kind = \"nothing\"\n" LINEAR_ONLY;

static void write_rows(struct build_case *c, const char *split, size_t n, uint32_t seed)
{
    static const char *const words[] = { "stranger", "overdue", "cancelled" };
    static const char *const fillers[] = { "toner", "paper", "desk", "lamp", "chair", "cable" };
    CLEANUP(buf_releasep) struct buf text = { .limit = 4 << 20 };
    struct err err = { 0 };
    char path[128];

    for (size_t i = 0; i < n; i++) {
        bool dear = build_case_random(&seed) % 4 == 0, hard = build_case_random(&seed) % 3 == 0;
        const char *separator = "";
        unsigned reasons = dear;

        buf_printf(&text, "{\"id\":\"%s-%zu\",\"input\":{\"dear\":%s,\"text\":\"%zu", split, i,
                   dear ? "true" : "false", i);
        for (unsigned r = 1; r < 4; r++) {
            bool has =
                (build_case_random(&seed) % 4 == 0) != (r == 2); /* terms mostly, others seldom */
            const char *hint = hard && !has ? "not a" : hard ? "a" : "";

            reasons |= (unsigned)has << r;
            if (has || (hard && r == 3))
                buf_printf(&text, " %s %s", hint, words[r - 1]);
            buf_printf(&text, " %s", fillers[build_case_random(&seed) % ARRAY_LEN(fillers)]);
        }
        buf_printf(&text, "\"},\"output\":{\"decision\":\"%s\",\"reasons\":[",
                   reasons ? "rejected" : "approved");
        for (unsigned r = 4; r-- > 0;) { /* not in the enumeration's order */
            static const char *const names[] = { "price", "vendor", "terms", "notes" };

            if (reasons >> r & 1) {
                buf_printf(&text, "%s\"%s\"", separator, names[r]);
                separator = ",";
            }
        }
        buf_printf(&text, "]},\"tags\":{\"kind\":\"%s\"}}\n", hard ? "hard" : "plain");
    }
    snprintf(path, sizeof(path), "%s/%s.jsonl", c->dir, split);
    assert_int_equal(fs_write_atomic(path, text.at, text.len, 0600, &err), RC_OK);
}

static void write_case(struct build_case *c, const char *more)
{
    CLEANUP(buf_releasep) struct buf text = { .limit = 1 << 16 };
    struct err err = { 0 };

    c->options.slm = "check";
    buf_append_text(&text, set_spec);
    buf_append_text(&text, more);
    assert_int_equal(fs_write_atomic(c->spec_path, text.at, text.len, 0600, &err), RC_OK);
    write_rows(c, "train", 400, 1);
    write_rows(c, "validation", 150, 2);
    write_rows(c, "test", 200, 3);
}

static double number(const struct json *v, const char *key)
{
    double value = -1.0;

    if (!json_find(v, key) || !json_to_double(json_find(v, key), &value))
        fail_msg("no number '%s'", key);
    return value;
}

/* The test part of the report, and the whole as text for people. */
static const struct json *read_report(struct build_case *c, const struct build_result *result,
                                      struct buf *text)
{
    struct json *json = NULL;
    struct str report;
    struct err err = { 0 };

    assert_int_equal(
        artifact_read(c->artifacts, &result->report, 1 << 20, &c->arena, &report, &err), RC_OK);
    assert_int_equal(json_parse(report, JSON_DUPLICATES_REFUSED, &c->arena, &json, &err), RC_OK);
    assert_int_equal(build_append_report(text, report, &err), RC_OK);
    return json_find(json, "test");
}

static void the_report_has_scores_of_sets_and_of_slices(void **state)
{
    CLEANUP(buf_releasep) struct buf text = { .limit = 1 << 20 };
    struct build_case c;
    struct build_result result;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    write_case(&c, "gates:\n"
                   "  - {metric: set_f1, min: 0.9, above: rules}\n"
                   "  - {metric: accuracy, field: reasons, slice: dear, above: majority}\n"
                   "  - {metric: balanced_accuracy, slice: hard, min: 0.8}\n");
    if (build_case_run(&c, &result, &err))
        fail_msg("%s", err.message);
    if (!result.accepted)
        fail_msg("%s", result.reasons[0]);

    const struct json *test = read_report(&c, &result, &text);
    const struct json *reasons = json_find(json_find(test, "fields"), "reasons");
    const struct json *rules = json_find(json_find(reasons, "floors"), "rules");
    const struct json *majority = json_find(json_find(reasons, "floors"), "majority");
    assert_true(number(reasons, "set_f1") > 0.9);
    assert_true(number(reasons, "set_f1") >= number(reasons, "accuracy"));
    /* rules only: the terms, as most have, and the price where it is dear; the majority: terms */
    assert_true(number(rules, "accuracy") > 0.33 && number(rules, "accuracy") < 0.5);
    assert_true(number(majority, "accuracy") > 0.25 && number(majority, "accuracy") < 0.4);
    assert_true(number(rules, "set_f1") > number(majority, "set_f1"));
    assert_true(number(rules, "gain") > 0.05);
    assert_int_equal(json_find(reasons, "classes")->n, 4);
    assert_null(json_find(reasons, "confusion"));
    assert_true(number(test, "rule_violations") == 0.0);

    const struct json *slices = json_find(test, "slices");
    const struct json *hard = json_find(slices, "hard"), *dear = json_find(slices, "dear");
    double n_hard = number(hard, "rows"), n_dear = number(dear, "rows");
    assert_true(n_hard > 30 && n_hard < 100 && n_dear > 20 && n_dear < 90);
    assert_true(number(json_find(slices, "empty"), "rows") == 0.0);
    /* every dear row is rejected, whatever the model says */
    const struct json *decision = json_find(json_find(dear, "fields"), "decision");
    assert_true(number(decision, "accuracy") == 1.0);
    assert_true(number(json_find(json_find(decision, "floors"), "rules"), "accuracy") == 1.0);
    assert_non_null(strstr(text.at, "slice hard: "));
    assert_non_null(strstr(text.at, "set-F1"));
    build_case_close(&c);
}

static void a_gate_on_a_slice_looks_at_its_rows_alone(void **state)
{
    struct build_case c;
    struct build_result result;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    write_case(&c, "gates:\n"
                   "  - {metric: accuracy, field: decision, slice: dear, min: 1, max: 1}\n"
                   "  - {metric: accuracy, field: reasons, slice: hard, max: 0.5}\n"
                   "  - {metric: accuracy, field: decision, slice: empty, min: 0}\n");
    assert_int_equal(build_case_run(&c, &result, &err), RC_OK);
    assert_false(result.accepted);
    assert_int_equal(result.n_reasons, 2);
    assert_non_null(strstr(result.reasons[0], "accuracy of reasons in slice hard is "));
    assert_string_equal(result.reasons[1],
                        "accuracy of decision in slice empty is 0, but no row is in the slice");
    build_case_close(&c);
}

static void the_version_answers_sets_and_learns_from_feedback(void **state)
{
    struct build_case c;
    struct build_result result, challenger;
    struct version_sources sources;
    struct version *version;
    struct json *input;
    struct decide_result answer;
    CLEANUP(buf_releasep) struct buf output = { .limit = 1 << 16 };
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    write_case(&c, "gates: [{metric: set_f1, not_worse_margin: 0.05}]\n");
    assert_int_equal(build_case_run(&c, &result, &err), RC_OK);
    sources = (struct version_sources){ c.artifacts, c.options.bases_dir, &c.kernels };
    assert_int_equal(version_open(&sources, &result.version, &version, &err), RC_OK);
    assert_int_equal(
        json_parse(STR("{\"text\":\"7 a stranger desk lamp a cancelled\",\"dear\":true}"),
                   JSON_DUPLICATES_REFUSED, &c.arena, &input, &err),
        RC_OK);
    struct decide_row row = { .input = input };
    assert_int_equal(decide_rows(version_decider(version), &row, 1, NULL, &c.arena, &answer, &err),
                     RC_OK);
    decide_append_output(&output, version_decider(version), &answer);
    assert_string_equal(output.at,
                        "{\"decision\":\"rejected\",\"reasons\":[\"price\",\"vendor\",\"notes\"]}");
    version_close(version);

    assert_int_equal(
        registry_promote(c.registry, "desk/check", "@1", "production", "anna", "", &err), RC_OK);
    c.options.feedback = STR("{\"id\":\"f1\",\"input\":{\"text\":\"overdue again\",\"dear\":false},"
                             "\"output\":{\"reasons\":[\"terms\"],\"decision\":\"rejected\"}}\n");
    if (build_case_run(&c, &challenger, &err))
        fail_msg("%s", err.message);
    assert_int_equal(challenger.number, 2);
    assert_true(challenger.accepted);
    output.len = 0;
    const struct json *test = read_report(&c, &challenger, &output);
    const struct json *reasons = json_find(json_find(test, "fields"), "reasons");
    assert_non_null(json_find(json_find(json_find(reasons, "floors"), "production"), "set_f1"));
    build_case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_report_has_scores_of_sets_and_of_slices),
        cmocka_unit_test(a_gate_on_a_slice_looks_at_its_rows_alone),
        cmocka_unit_test(the_version_answers_sets_and_learns_from_feedback),
    };
    return cmocka_run_group_tests_name("factory/builds with sets", tests, NULL, NULL);
}
