/*
 * test_build.c - whole builds of a small SLM: accepted, rejected, resumed, made again, challenged.
 *
 * The rows are made of words that tell the label, with enough noise that nothing is perfect; the
 * linear candidate learns them in a moment. Builds with the real base are in test_build_base.c.
 */
#include "tests/factory/build_case.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_build_ends_as_an_accepted_version_with_a_report(void **state)
{
    struct build_case c;
    struct build_result result;
    struct registry_version version;
    struct str report;
    struct json *json;
    struct buf text;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    build_case_write(&c, LINEAR_ONLY, 240, 0);
    if (build_case_run(&c, &result, &err))
        fail_msg("%s", err.message);
    if (!result.accepted)
        fail_msg("%s", result.reasons[0]);
    assert_int_equal(result.number, 1);
    assert_string_equal(result.candidate, "linear");
    assert_int_equal(
        registry_find_version(c.registry, "desk/triage", "@1", &c.arena, &version, &err), RC_OK);
    assert_int_equal(version.verdict, REGISTRY_ACCEPTED);
    assert_true(digest_equal(&version.digest, &result.version));

    assert_int_equal(artifact_read(c.artifacts, &result.report, 1 << 20, &c.arena, &report, &err),
                     RC_OK);
    assert_int_equal(json_parse(report, JSON_DUPLICATES_REFUSED, &c.arena, &json, &err), RC_OK);
    const struct json *kind = json_find(json_find(json_find(json, "test"), "fields"), "kind");
    assert_non_null(json_find(json_find(kind, "floors"), "majority"));
    assert_non_null(json_find(json_find(kind, "floors"), "rules"));
    assert_non_null(json_find(json_find(kind, "floors"), "linear"));
    buf_init(&text, 1 << 20);
    if (build_append_report(&text, report, &err))
        fail_msg("%s", err.message);
    assert_non_null(strstr(text.at, "desk/triage  ACCEPTED  (linear)"));
    assert_non_null(strstr(text.at, "majority"));
    buf_release(&text);
    build_case_close(&c);
}

static void the_version_answers_as_it_was_judged(void **state)
{
    struct build_case c;
    struct build_result result;
    struct version_sources sources;
    struct version *version;
    struct arena arena;
    struct json *input;
    struct decide_result answer;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    build_case_write(&c, LINEAR_ONLY, 240, 0);
    assert_int_equal(build_case_run(&c, &result, &err), RC_OK);
    sources = (struct version_sources){ c.artifacts, c.options.bases_dir, &c.kernels };
    if (version_open(&sources, &result.version, &version, &err))
        fail_msg("%s", err.message);
    arena_init(&arena, 64 << 20);
    assert_int_equal(json_parse(STR("{\"text\":\"the invoice shows a wrong amount\",\"vip\":true}"),
                                JSON_DUPLICATES_REFUSED, &arena, &input, &err),
                     RC_OK);
    struct decide_row row = { .input = input, .now_ms = 0 };
    assert_int_equal(decide_rows(version_decider(version), &row, 1, NULL, &arena, &answer, &err),
                     RC_OK);
    size_t labels[SPEC_FIELDS_MAX];
    assert_true(answer.has_best);
    spec_values_of(version_spec(version), answer.best, labels);
    assert_int_equal(labels[0], 0); /* bill */
    assert_int_equal(labels[1], 1); /* the must-rule: a VIP is urgent */
    arena_release(&arena);
    version_close(version);
    build_case_close(&c);
}

static void the_same_build_again_is_the_same_version(void **state)
{
    struct build_case c;
    struct build_result first, second;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    build_case_write(&c, LINEAR_ONLY, 240, 0);
    assert_int_equal(build_case_run(&c, &first, &err), RC_OK);
    c.n_reused = 0;
    c.now_ms += 1000000;
    assert_int_equal(build_case_run(&c, &second, &err), RC_OK);
    assert_true(digest_equal(&first.version, &second.version));
    assert_int_equal(second.number, 1);
    assert_int_equal(c.n_reused, c.n_stages);
    build_case_close(&c);
}

static void a_gate_that_is_missed_rejects_with_the_reason(void **state)
{
    struct build_case c;
    struct build_result result;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    build_case_write(&c, LINEAR_ONLY "gates: [{metric: macro_f1, field: kind, min: 0.999}]\n", 240,
                     0);
    assert_int_equal(build_case_run(&c, &result, &err), RC_OK);
    assert_false(result.accepted);
    assert_int_equal(result.n_reasons, 1);
    assert_non_null(strstr(result.reasons[0], "macro_f1 of kind is 0."));
    assert_non_null(strstr(result.reasons[0], "at least 0.999 asked"));
    assert_int_equal(
        registry_promote(c.registry, "desk/triage", "@1", "production", "anna", "", &err),
        RC_STATE);
    build_case_close(&c);
}

static void what_is_not_better_than_no_model_is_rejected(void **state)
{
    struct build_case c;
    struct build_result result;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    build_case_write(&c, LINEAR_ONLY, 240, 100); /* all labels at random */
    assert_int_equal(build_case_run(&c, &result, &err), RC_OK);
    assert_false(result.accepted);
    assert_non_null(strstr(result.reasons[0], "against majority"));
    build_case_close(&c);
}

static void a_change_of_rules_keeps_the_weights(void **state)
{
    struct build_case c;
    struct build_result first, second;
    struct manifest a, b;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    build_case_write(&c, LINEAR_ONLY, 240, 0);
    assert_int_equal(build_case_run(&c, &first, &err), RC_OK);
    c.n_fits = 0;
    build_case_write(&c, LINEAR_ONLY "derived: {team: 'if urgent then \"night\" else \"day\"'}\n",
                     240, 0);
    assert_int_equal(build_case_run(&c, &second, &err), RC_OK);
    assert_int_equal(c.n_fits, 0);
    assert_int_equal(second.number, 2);
    assert_int_equal(registry_find_manifest(c.registry, &first.version, &c.arena, &a, &err), RC_OK);
    assert_int_equal(registry_find_manifest(c.registry, &second.version, &c.arena, &b, &err),
                     RC_OK);
    assert_true(digest_equal(&a.adapter, &b.adapter));
    assert_true(digest_equal(&a.dataset, &b.dataset));
    assert_false(digest_equal(&a.spec, &b.spec));
    build_case_close(&c);
}

static void a_challenger_is_held_against_production(void **state)
{
    struct build_case c;
    struct build_result first, second;
    struct registry_version version;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    build_case_write(&c, LINEAR_ONLY MARGIN, 240, 0);
    assert_int_equal(build_case_run(&c, &first, &err), RC_OK);
    assert_int_equal(
        registry_promote(c.registry, "desk/triage", "@1", "production", "anna", "first", &err),
        RC_OK);

    /* more rows: accepted, and a person promotes it */
    c.options.feedback =
        STR("{\"id\":\"dec_1\",\"input\":{\"text\":\"the invoice is doubled once "
            "more\",\"vip\":false},\"output\":{\"kind\":\"bill\",\"urgent\":false}}\n");
    assert_int_equal(build_case_run(&c, &second, &err), RC_OK);
    if (!second.accepted)
        fail_msg("%s", second.reasons[0]);
    assert_int_equal(second.number, 2);
    assert_int_equal(
        registry_promote(c.registry, "desk/triage", "@2", "production", "anna", "more rows", &err),
        RC_OK);

    /* worse training rows: refused by the margin */
    c.options.feedback = (struct str){ 0 };
    build_case_write(&c, LINEAR_ONLY MARGIN, 240, 45);
    assert_int_equal(build_case_run(&c, &second, &err), RC_OK);
    assert_false(second.accepted);
    bool named = false;
    for (size_t i = 0; i < second.n_reasons; i++)
        named = named || strstr(second.reasons[i], "against production");
    assert_true(named);
    assert_int_equal(
        registry_find_version(c.registry, "desk/triage", "production", &c.arena, &version, &err),
        RC_OK);
    assert_int_equal(version.number, 2);
    build_case_close(&c);
}

static void a_margin_against_a_production_of_other_labels_is_said_to_be_unchecked(void **state)
{
    struct build_case c;
    struct build_result result;
    struct str report;
    struct buf text;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    build_case_write(&c, LINEAR_ONLY MARGIN, 240, 0);
    assert_int_equal(build_case_run(&c, &result, &err), RC_OK);
    assert_int_equal(
        registry_promote(c.registry, "desk/triage", "@1", "production", "anna", "first", &err),
        RC_OK);

    build_case_write_labels(&c, "[bill, ship, other, praise]", LINEAR_ONLY MARGIN, 240, 0);
    assert_int_equal(build_case_run(&c, &result, &err), RC_OK);
    assert_true(result.accepted);
    assert_int_equal(result.n_reasons, 3); /* one for each field */
    assert_string_equal(result.reasons[0], "all gates that could be checked are met");
    assert_non_null(strstr(result.reasons[1], "not compared with production, which has other "));
    assert_int_equal(artifact_read(c.artifacts, &result.report, 1 << 20, &c.arena, &report, &err),
                     RC_OK);
    buf_init(&text, 1 << 20);
    assert_int_equal(build_append_report(&text, report, &err), RC_OK);
    assert_non_null(strstr(text.at, "  – macro_f1 of urgent is "));
    buf_release(&text);
    build_case_close(&c);
}

static void a_spec_with_errors_is_refused_with_all_of_them(void **state)
{
    struct build_case c;
    struct build_result result;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    build_case_write(&c, "colour: red\nfacts: {x: nothing + 1}\n", 240, 0);
    assert_int_equal(build_case_run(&c, &result, &err), RC_INVALID);
    assert_true(c.problems.n_errors >= 2);
    build_case_close(&c);
}

static void a_build_stops_when_asked_and_goes_on(void **state)
{
    struct build_case c;
    struct build_result result;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    build_case_write(&c, LINEAR_ONLY, 240, 0);
    c.stop_at = "validate.linear";
    assert_int_equal(build_case_run(&c, &result, &err), RC_CANCELLED);
    c.stop_at = NULL;
    c.n_fits = 0;
    assert_int_equal(build_case_run(&c, &result, &err), RC_OK);
    assert_int_equal(c.n_fits, 0); /* what was trained stays trained */
    assert_true(result.accepted);
    build_case_close(&c);
}

static void list_failpoints(struct build_case *c, struct str *ret_text)
{
    char path[256];
    struct err err = { 0 };
    pid_t pid = fork();

    snprintf(path, sizeof(path), "%s/points.log", c->dir);
    if (pid == 0) {
        struct build_result result;

        build_case_reopen(c);
        if (failpoint_arm(NULL, path, &err) || build_case_run(c, &result, &err))
            _exit(3);
        _exit(0);
    }
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(fs_read_file(path, 1 << 20, &c->arena, ret_text, &err), RC_OK);
}

/* How often the name stood in the lines before `end`, this one included. */
static size_t count_passage(struct str log, struct str name, const char *end)
{
    size_t n = 0;

    for (const char *at = log.at; at <= end; at += strcspn(at, "\n") + 1)
        n += strncmp(at, name.at, name.len) == 0 && at[name.len] == '\n';
    return n;
}

static void killed_anywhere_it_goes_on_and_nothing_happens_twice(void **state)
{
    struct build_case listed;
    struct str log = { 0 };
    size_t n_died = 0, n_versions;
    (void)state;

#ifndef SHOAL_FAILPOINTS
    skip();
#endif
    build_case_open(&listed);
    build_case_write(&listed, LINEAR_ONLY, 40, 0);
    build_case_close_registry(&listed);
    list_failpoints(&listed, &log);
    for (const char *at = log.at; at < log.at + log.len; at += strcspn(at, "\n") + 1) {
        struct str name = { at, strcspn(at, "\n") };
        struct build_case c;
        struct build_result result;
        struct registry_version *versions;
        struct err err = { 0 };
        char point[200];

        snprintf(point, sizeof(point), "%.*s=crash@%zu", STR_ARG(name),
                 count_passage(log, name, at));
        build_case_open(&c);
        build_case_write(&c, LINEAR_ONLY, 40, 0);
        build_case_close_registry(&c);
        n_died += dies_at(point, build_case_run_anew, &c);
        build_case_reopen(&c);
        if (build_case_run(&c, &result, &err))
            fail_msg("after %s: %s", point, err.message);
        assert_int_equal(
            registry_list(c.registry, "desk/triage", &c.arena, &versions, &n_versions, &err),
            RC_OK);
        if (n_versions != 1)
            fail_msg("after %s: %zu versions", point, n_versions);
        build_case_close(&c);
    }
    assert_true(n_died >= 20);
    build_case_close(&listed);
}

/* kill -9 at 50 moments nobody chose: whatever is lost, the next start finds its way. */
static void killed_at_random_moments_it_goes_on_too(void **state)
{
    struct build_case c;
    struct build_result result;
    struct registry_version *versions;
    struct err err = { 0 };
    uint32_t seed = 20261123;
    size_t n_versions;
    (void)state;

    for (size_t round = 0; round < 10; round++) {
        build_case_open(&c);
        build_case_write(&c, LINEAR_ONLY, 40, 0);
        build_case_close_registry(&c);
        for (size_t kill_at = 0; kill_at < 5; kill_at++) {
            pid_t pid = fork();

            if (pid == 0) {
                build_case_reopen(&c);
                _exit(build_case_run(&c, &result, &err) ? 3 : 0);
            }
            int status = 0;

            usleep(build_case_random(&seed) % 400000);
            assert_int_equal(kill(pid, SIGKILL), 0);
            assert_int_equal(waitpid(pid, &status, 0), pid);
            assert_false(WIFEXITED(status) && WEXITSTATUS(status) != 0);
        }
        build_case_reopen(&c);
        if (build_case_run(&c, &result, &err))
            fail_msg("round %zu: %s", round, err.message);
        assert_int_equal(
            registry_list(c.registry, "desk/triage", &c.arena, &versions, &n_versions, &err),
            RC_OK);
        assert_int_equal(n_versions, 1);
        build_case_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_build_ends_as_an_accepted_version_with_a_report),
        cmocka_unit_test(the_version_answers_as_it_was_judged),
        cmocka_unit_test(the_same_build_again_is_the_same_version),
        cmocka_unit_test(a_gate_that_is_missed_rejects_with_the_reason),
        cmocka_unit_test(what_is_not_better_than_no_model_is_rejected),
        cmocka_unit_test(a_change_of_rules_keeps_the_weights),
        cmocka_unit_test(a_challenger_is_held_against_production),
        cmocka_unit_test(a_margin_against_a_production_of_other_labels_is_said_to_be_unchecked),
        cmocka_unit_test(a_spec_with_errors_is_refused_with_all_of_them),
        cmocka_unit_test(a_build_stops_when_asked_and_goes_on),
        cmocka_unit_test(killed_anywhere_it_goes_on_and_nothing_happens_twice),
        cmocka_unit_test(killed_at_random_moments_it_goes_on_too),
    };

    return cmocka_run_group_tests_name("build", tests, NULL, NULL);
}
