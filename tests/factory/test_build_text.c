/*
 * test_build_text.c - builds of an SLM that writes: accepted, rejected, resumed, judged again,
 * challenged. The base is tiny and knows nothing; it is taught to write "fine.".
 */
#include "factory/bundle.h"
#include "tests/factory/build_case.h"
#include "tests/factory/tiny_decoder.h"

#define GATES                                                                                      \
    "gates: [{metric: first_attempt, min: 0.95, above: prompted}, {metric: rule_violations, max: " \
    "0}]\n"

static void write_rows(struct build_case *c, const char *split, size_t n, const char *reply)
{
    static const char *const words[] = { "hello", "parcel", "invoice", "where",
                                         "my",    "chair",  "late",    "please" };
    struct buf text;
    struct err err = { 0 };
    char path[128];
    uint32_t seed = (uint32_t)strlen(split);

    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&text, "{\"id\":\"%s-%zu\",\"input\":{\"text\":\"", split, i);
        for (size_t w = 0; w < 4; w++)
            buf_printf(&text, "%s ", words[build_case_random(&seed) % ARRAY_LEN(words)]);
        buf_printf(&text, "%s %zu\"},\"output\":{\"reply\":\"%s\"}}\n", split, i, reply);
    }
    snprintf(path, sizeof(path), "%s/%s.jsonl", c->dir, split);
    assert_int_equal(fs_write_atomic(path, text.at, text.len, 0600, &err), RC_OK);
    buf_release(&text);
}

#define LORA "candidates: [lora], " /* the base is then a floor alone */

/* A desk that answers "fine."; `rule` is what an answer must be, `more` ends the spec. */
static void write_case(struct build_case *c, const char *candidates, const char *rule,
                       const char *more)
{
    struct buf text;
    struct err err = { 0 };

    tiny_decoder_give(c->bases_dir);
    buf_init(&text, 1 << 16);
    buf_printf(
        &text,
        "slm: triage\n"
        "description: Say fine\n"
        "base: tiny\n"
        "input: {type: object, required: [text], properties: {text: {type: string}}}\n"
        "output: {type: object, properties: {reply: {type: string, format: text, maxLength: 20}}}\n"
        "rules:\n"
        "  - {name: R1, must: '%s', text: What an answer is.}\n"
        "data:\n"
        "  - {path: train.jsonl, split: train}\n"
        "  - {path: validation.jsonl, split: validation}\n"
        "  - {path: test.jsonl, split: test}\n"
        "training: {%sepochs: 6, batch: 4, learning_rate: 0.01, rank: 8}\n%s",
        rule, candidates, more);
    assert_int_equal(fs_write_atomic(c->spec_path, text.at, text.len, 0600, &err), RC_OK);
    buf_release(&text);
    write_rows(c, "train", 32, "fine.");
    write_rows(c, "validation", 6, "fine.");
    write_rows(c, "test", 12, "fine.");
}

static void run(struct build_case *c, struct build_result *ret_result)
{
    struct err err = { 0 };

    if (build_case_run(c, ret_result, &err))
        fail_msg("%s%s%s", err.message, c->problems.n_errors ? ": " : "",
                 c->problems.n_errors ? c->problems.items[0].message : "");
}

static struct str read_report(struct build_case *c, const struct build_result *result,
                              struct json **ret_json)
{
    struct str text;
    struct err err = { 0 };

    assert_int_equal(artifact_read(c->artifacts, &result->report, 1 << 20, &c->arena, &text, &err),
                     RC_OK);
    assert_int_equal(json_parse(text, JSON_DUPLICATES_REFUSED, &c->arena, ret_json, &err), RC_OK);
    return text;
}

static double number_of(const struct json *object, const char *key)
{
    double value = -1.0;

    assert_true(json_find(object, key) && json_to_double(json_find(object, key), &value));
    return value;
}

static struct digest adapter_of(struct build_case *c, const struct build_result *result)
{
    struct manifest manifest;
    struct err err = { 0 };

    assert_int_equal(
        registry_find_manifest(c->registry, &result->version, &c->arena, &manifest, &err), RC_OK);
    return manifest.adapter;
}

static void what_was_taught_is_written_and_reported_beside_the_base(void **state)
{
    struct build_case c;
    struct build_result result;
    struct json *report;
    struct buf text;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    write_case(&c, "", "reply = \"fine.\"", GATES);
    run(&c, &result);
    if (!result.accepted)
        fail_msg("%s", result.reasons[0]);
    assert_string_equal(result.candidate, "lora");

    struct str json = read_report(&c, &result, &report);
    const struct json *written = json_find(json_find(report, "test"), "text");
    assert_true(number_of(written, "first_attempt") == 1.0);
    assert_true(number_of(json_find(json_find(written, "floors"), "prompted"), "first_attempt") ==
                0.0);
    assert_int_equal(json_find(written, "rows")->n, 12);
    const struct json *row = &json_find(written, "rows")->items[0];
    assert_true(str_is(json_find(row, "text")->text, "fine."));
    assert_true(str_is(json_find(row, "written")->text, "fine."));
    assert_true(number_of(json_find(json_find(report, "candidates"), "lora"), "loss_per_token") <
                1.0);

    buf_init(&text, 1 << 20);
    assert_int_equal(build_append_report(&text, json, &err), RC_OK);
    assert_non_null(strstr(text.at, "desk/triage  ACCEPTED  (lora)"));
    assert_non_null(strstr(text.at, "prompted            0.000"));
    buf_release(&text);
    build_case_close(&c);
}

static void what_breaks_the_rules_is_never_answered_and_the_version_rejected(void **state)
{
    struct build_case c;
    struct build_result result;
    struct json *report;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    write_case(&c, "", "reply = \"no.\"", GATES);
    run(&c, &result);
    assert_false(result.accepted);
    assert_non_null(strstr(result.reasons[0], "first_attempt is 0"));
    read_report(&c, &result, &report);
    const struct json *test = json_find(report, "test");
    assert_true(number_of(test, "coverage") == 0.0 && number_of(test, "rule_violations") == 0.0);
    const struct json *row = &json_find(json_find(test, "text"), "rows")->items[0];
    assert_int_equal(json_find(row, "text")->type, JSON_NULL);
    assert_true(json_find(row, "reason")->text.len > 0);
    assert_int_equal(
        registry_promote(c.registry, "desk/triage", "@1", "production", "anna", "", &err),
        RC_STATE);
    build_case_close(&c);
}

static void a_change_of_rules_keeps_the_weights(void **state)
{
    struct build_case c;
    struct build_result first, second;
    struct json *report;
    (void)state;

    build_case_open(&c);
    write_case(&c, "", "reply = \"no.\"", "");
    run(&c, &first);
    c.n_fits = 0;
    write_case(&c, "", "contains(reply, \"fine\")", "");
    run(&c, &second);
    assert_int_equal(c.n_fits, 0);
    assert_true(second.accepted);
    read_report(&c, &second, &report);
    assert_true(number_of(json_find(json_find(report, "candidates"), "lora"), "loss_per_token") <
                1.0);
    build_case_close(&c);
}

static void a_killed_training_ends_with_the_same_weights(void **state)
{
    struct build_case whole, killed;
    struct build_result result;
    struct digest want, got;
    (void)state;

#ifndef SHOAL_FAILPOINTS
    skip();
#endif
    build_case_open(&whole);
    write_case(&whole, LORA, "reply = \"fine.\"", "");
    run(&whole, &result);
    want = adapter_of(&whole, &result);

    build_case_open(&killed);
    write_case(&killed, LORA, "reply = \"fine.\"", "");
    build_case_close_registry(&killed);
    assert_true(dies_at("train.after_checkpoint=crash@2", build_case_run_anew, &killed));
    build_case_reopen(&killed);
    killed.n_fits = 0;
    run(&killed, &result);
    assert_true(killed.n_fits > 0 && killed.n_fits < whole.n_fits);
    got = adapter_of(&killed, &result);
    assert_true(digest_equal(&want, &got));
    build_case_close(&whole);
    build_case_close(&killed);
}

static void the_precision_of_a_spec_is_what_it_trains_in(void **state)
{
    struct build_case c;
    struct build_result result;
    struct manifest in_f32, in_bf16;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    write_case(&c, LORA, "reply = \"fine.\"", GATES);
    run(&c, &result);
    assert_int_equal(registry_find_manifest(c.registry, &result.version, &c.arena, &in_f32, &err),
                     RC_OK);
    c.n_fits = 0;
    write_case(&c, LORA "precision: bf16, ", "reply = \"fine.\"", GATES);
    run(&c, &result);
    assert_true(c.n_fits > 0 && result.accepted);
    assert_int_equal(registry_find_manifest(c.registry, &result.version, &c.arena, &in_bf16, &err),
                     RC_OK);
    assert_false(digest_equal(&in_f32.adapter, &in_bf16.adapter));
    build_case_close(&c);
}

static void a_challenger_starts_from_production_and_is_held_against_it(void **state)
{
    struct build_case c;
    struct build_result first, second;
    struct manifest manifest;
    struct json *report;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    write_case(&c, "", "reply = \"fine.\"", GATES);
    run(&c, &first);
    size_t n_fits = c.n_fits;
    assert_int_equal(
        registry_promote(c.registry, "desk/triage", "@1", "production", "anna", "first", &err),
        RC_OK);
    c.options.feedback = STR("{\"id\":\"dec_1\",\"input\":{\"text\":\"is it well\"},\"output\":{"
                             "\"reply\":\"fine.\"}}\n");
    c.n_fits = 0;
    run(&c, &second);
    assert_int_equal(second.number, 2);
    assert_true(c.n_fits > 0 && c.n_fits < n_fits); /* challenger_epochs of the epochs */
    assert_int_equal(registry_find_manifest(c.registry, &second.version, &c.arena, &manifest, &err),
                     RC_OK);
    assert_true(digest_equal(&manifest.parent, &first.version));
    read_report(&c, &second, &report);
    const struct json *floors = json_find(json_find(json_find(report, "test"), "text"), "floors");
    assert_true(number_of(json_find(floors, "production"), "first_attempt") == 1.0);
    build_case_close(&c);
}

static void a_version_is_judged_again_where_it_is_imported(void **state)
{
    struct build_case from, to;
    struct build_result made, result;
    struct bundle bundle;
    struct json *report;
    struct buf bytes;
    struct err err = { 0 };
    (void)state;

    build_case_open(&from);
    write_case(&from, LORA, "reply = \"fine.\"", GATES);
    run(&from, &made);
    assert_true(made.accepted);
    buf_init(&bytes, 64 << 20);
    assert_int_equal(bundle_write(from.artifacts, &made.version, &bytes, &err), RC_OK);

    build_case_open(&to);
    tiny_decoder_give(to.bases_dir);
    to.options.clock = clock_fixed(&to.now_ms);
    to.options.progress_context = &to;
    if (bundle_read(buf_str(&bytes), &to.arena, &bundle, &err))
        fail_msg("%s", err.message);
    to.stops_in_rows = true;
    assert_int_equal(build_import(&to.options, &bundle, &to.arena, &result, &err), RC_CANCELLED);
    assert_string_equal(to.rows, "verdict lora 10/12;");
    to.stops_in_rows = false;
    to.rows[0] = '\0';
    if (build_import(&to.options, &bundle, &to.arena, &result, &err))
        fail_msg("%s", err.message);
    assert_string_equal(to.rows, "verdict lora 10/12;verdict lora 12/12;"
                                 "verdict prompted 10/12;verdict prompted 12/12;");
    assert_true(result.accepted);
    assert_string_equal(result.candidate, "lora");
    read_report(&to, &result, &report);
    const struct json *floors = json_find(json_find(json_find(report, "test"), "text"), "floors");
    assert_true(number_of(json_find(floors, "prompted"), "first_attempt") == 0.0);
    buf_release(&bytes);
    build_case_close(&from);
    build_case_close(&to);
}

static void a_base_that_chooses_cannot_write(void **state)
{
    struct build_case c;
    struct build_result result;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    write_case(&c, "", "reply = \"fine.\"", "");
    build_case_write(&c, "base: tiny\n", 40, 0);
    assert_int_equal(build_case_run(&c, &result, &err), RC_INVALID);
    assert_non_null(strstr(err.message, "it writes, and the output is no text"));
    build_case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_taught_is_written_and_reported_beside_the_base),
        cmocka_unit_test(what_breaks_the_rules_is_never_answered_and_the_version_rejected),
        cmocka_unit_test(a_change_of_rules_keeps_the_weights),
        cmocka_unit_test(a_killed_training_ends_with_the_same_weights),
        cmocka_unit_test(the_precision_of_a_spec_is_what_it_trains_in),
        cmocka_unit_test(a_challenger_starts_from_production_and_is_held_against_it),
        cmocka_unit_test(a_version_is_judged_again_where_it_is_imported),
        cmocka_unit_test(a_base_that_chooses_cannot_write),
    };

    return cmocka_run_group_tests_name("build of a text", tests, NULL, NULL);
}
