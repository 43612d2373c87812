/*
 * test_build_fields.c - a build of an SLM that copies: its metrics, floors, gates and report. The
 * base is tiny and knows nothing; it is taught which of two numbers is meant.
 */
#include "factory/bundle.h"
#include "tests/factory/build_case.h"
#include "tests/factory/tiny_decoder.h"

#define GATES                                                                                   \
    "gates: [{metric: accuracy, field: total, min: 0.9, above: prompted}, {metric: precision, " \
    "field: day, min: 0.9}, {metric: coverage, min: 0.9}]\n"

/* The 7.00 is meant, wherever it stands. One training row cannot be learned. */
static void write_rows(struct build_case *c, const char *split, size_t n, const char *strange)
{
    static const char *const words[] = { "hello", "parcel", "invoice", "where" };
    struct buf text;
    struct err err = { 0 };
    char path[128];
    uint32_t seed = (uint32_t)strlen(split);

    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        bool is_first = build_case_random(&seed) % 2;
        const char *w = words[build_case_random(&seed) % ARRAY_LEN(words)];

        buf_printf(&text,
                   "{\"id\":\"%s-%zu\",\"input\":{\"text\":\"%s %s%zu: %s and %s of 3 May "
                   "2026\"},\"output\":{\"total\":7,\"day\":\"2026-05-03\"}}\n",
                   split, i, w, split, i, is_first ? "7.00" : "3.00", is_first ? "3.00" : "7.00");
    }
    buf_append_text(&text, strange);
    snprintf(path, sizeof(path), "%s/%s.jsonl", c->dir, split);
    assert_int_equal(fs_write_atomic(path, text.at, text.len, 0600, &err), RC_OK);
    buf_release(&text);
}

static void write_case(struct build_case *c)
{
    struct buf text;
    struct err err = { 0 };

    tiny_decoder_give(c->bases_dir);
    buf_init(&text, 1 << 16);
    buf_append_text(
        &text, "slm: triage\n"
               "description: Read\n"
               "base: tiny\n"
               "input: {type: object, required: [text], properties: {text: {type: string}}}\n"
               "output:\n"
               "  type: object\n"
               "  required: [total]\n"
               "  properties: {total: {type: number, format: copied}, day: {type: string, format: "
               "date}}\n"
               "slices: {hello: 'contains(input.text, \"hello\")'}\n"
               "data:\n"
               "  - {path: train.jsonl, split: train}\n"
               "  - {path: validation.jsonl, split: validation}\n"
               "  - {path: test.jsonl, split: test}\n"
               "training: {epochs: 6, batch: 4, learning_rate: 0.01, rank: 8}\n" GATES);
    assert_int_equal(fs_write_atomic(c->spec_path, text.at, text.len, 0600, &err), RC_OK);
    buf_release(&text);
    write_rows(c, "train", 32,
               "{\"id\":\"x\",\"input\":{\"text\":\"nothing of that kind\"},\"output\":{\"total\":"
               "5}}\n");
    write_rows(c, "validation", 6, "");
    write_rows(c, "test", 10,
               "{\"id\":\"x\",\"input\":{\"text\":\"a test of 8.00\"},\"output\":{\"total\":8}}\n"
               "{\"id\":\"y\",\"input\":{\"text\":\"a test of none\"},\"output\":{\"total\":8}}\n");
}

static double number_of(const struct json *object, const char *key)
{
    double value = -1.0;

    assert_true(object && json_find(object, key) && json_to_double(json_find(object, key), &value));
    return value;
}

static void what_is_copied_is_scored_field_by_field_beside_the_base(void **state)
{
    struct build_case c;
    struct build_result result;
    struct json *report;
    struct buf text;
    struct str json;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    write_case(&c);
    if (build_case_run(&c, &result, &err))
        fail_msg("%s%s", err.message, c.problems.n_errors ? c.problems.items[0].message : "");
    if (!result.accepted)
        fail_msg("%s", result.reasons[0]);
    assert_string_equal(result.candidate, "lora");
    assert_int_equal(artifact_read(c.artifacts, &result.report, 1 << 20, &c.arena, &json, &err),
                     RC_OK);
    assert_int_equal(json_parse(json, JSON_DUPLICATES_REFUSED, &c.arena, &report, &err), RC_OK);

    const struct json *test = json_find(report, "test"), *fields = json_find(test, "fields");
    const struct json *total = json_find(fields, "total"), *day = json_find(fields, "day");
    assert_true(fabs(number_of(total, "accuracy") - 11.0 / 12.0) < 1e-9);
    assert_true(number_of(total, "precision") == 1.0); /* of the row without a number it has none */
    assert_true(fabs(number_of(day, "accuracy") - 11.0 / 12.0) < 1e-9);
    assert_true(number_of(json_find(json_find(total, "floors"), "prompted"), "accuracy") < 0.7);
    const struct json *written = json_find(test, "written");
    assert_true(fabs(number_of(written, "first_attempt") - 11.0 / 12.0) < 1e-9);
    assert_int_equal(json_find(written, "rows")->n, 12);
    assert_non_null(json_find(json_find(json_find(test, "slices"), "hello"), "fields"));

    buf_init(&text, 1 << 20);
    assert_int_equal(build_append_report(&text, json, &err), RC_OK);
    assert_non_null(strstr(text.at, "desk/triage  ACCEPTED  (lora)"));
    assert_non_null(strstr(text.at, "\n1 training rows were left out"));
    assert_non_null(strstr(text.at, "total\n                        accuracy"));
    assert_non_null(strstr(text.at, "accuracy of all values together is 0.9167"));
    buf_release(&text);
    build_case_close(&c);
}

static void a_version_that_copies_travels_and_is_judged_again(void **state)
{
    struct build_case from, to;
    struct build_result made, result;
    struct bundle bundle;
    struct buf bytes;
    struct err err = { 0 };
    (void)state;

    build_case_open(&from);
    write_case(&from);
    assert_int_equal(build_case_run(&from, &made, &err), RC_OK);
    buf_init(&bytes, 64 << 20);
    assert_int_equal(bundle_write(from.artifacts, &made.version, &bytes, &err), RC_OK);

    build_case_open(&to);
    tiny_decoder_give(to.bases_dir);
    to.options.clock = clock_fixed(&to.now_ms);
    to.options.progress_context = &to;
    if (bundle_read(buf_str(&bytes), &to.arena, &bundle, &err) ||
        build_import(&to.options, &bundle, &to.arena, &result, &err))
        fail_msg("%s", err.message);
    assert_true(result.accepted);
    assert_string_equal(result.candidate, "lora");
    buf_release(&bytes);
    build_case_close(&from);
    build_case_close(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_copied_is_scored_field_by_field_beside_the_base),
        cmocka_unit_test(a_version_that_copies_travels_and_is_judged_again),
    };

    return cmocka_run_group_tests_name("build of copied fields", tests, NULL, NULL);
}
