#include "tests/record/record_fixture.h"

#include "base/buf.h"

static struct feedback a_verdict(const struct decision *d, bool is_right)
{
    struct feedback feedback = { .kind = FEEDBACK_VERDICT,
                                 .is_right = is_right,
                                 .principal = "anna",
                                 .request = fixture_digest(is_right ? "right" : "wrong") };

    memcpy(feedback.decision_id, d->id, sizeof(d->id));
    return feedback;
}

static struct feedback an_output(const struct decision *d, const char *json, const char *key)
{
    struct feedback feedback = { .kind = FEEDBACK_OUTPUT,
                                 .output = str_of(json),
                                 .principal = "anna",
                                 .idempotency_key = key,
                                 .request = fixture_digest(json) };

    memcpy(feedback.decision_id, d->id, sizeof(d->id));
    return feedback;
}

static struct decision stored_decision(struct record_fixture *f, const char *input)
{
    struct decision d = fixture_decision(input, NULL);

    assert_int_equal(fixture_add(f, &d), DECISION_STORED);
    return d;
}

static void add(struct record_fixture *f, struct feedback feedback)
{
    assert_ok(feedback_add(f->record, &feedback, &f->err), &f->err);
}

static void feedback_is_read_back_as_it_was_given(void **state)
{
    struct record_fixture *f = *state;
    struct decision d = stored_decision(f, "{}");
    struct feedback given = an_output(&d, "{\"priority\":\"low\"}", "k1"), *list;
    size_t n;

    given.comment = "the customer said '; drop table feedback; --";
    add(f, given);
    f->now_ms += 5;
    add(f, a_verdict(&d, false));
    record_fixture_reopen(f);

    assert_ok(feedback_list(f->record, d.id, &f->arena, &list, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(strlen(list[0].id), RECORD_ID_LEN);
    assert_memory_equal(list[0].id, "fbk_", 4);
    assert_string_equal(list[0].decision_id, d.id);
    assert_int_equal(list[0].kind, FEEDBACK_OUTPUT);
    assert_true(str_equal(list[0].output, given.output));
    assert_string_equal(list[0].comment, given.comment);
    assert_string_equal(list[0].principal, "anna");
    assert_string_equal(list[0].idempotency_key, "k1");
    assert_int_equal(list[0].recorded_ms, f->now_ms - 5);
    assert_int_equal(list[1].kind, FEEDBACK_VERDICT);
    assert_false(list[1].is_right);
    assert_null(list[1].comment);
    assert_int_equal(list[1].recorded_ms, f->now_ms);
}

static void feedback_with_a_key_is_stored_once(void **state)
{
    struct record_fixture *f = *state;
    struct decision d = stored_decision(f, "{}"), other = stored_decision(f, "{}");
    struct feedback first = an_output(&d, "{\"a\":1}", "key"), again = first, *list;
    size_t n;

    assert_ok(feedback_add(f->record, &first, &f->err), &f->err);
    f->now_ms += 1000;
    assert_ok(feedback_add(f->record, &again, &f->err), &f->err);
    assert_string_equal(again.id, first.id);
    assert_int_equal(again.recorded_ms, f->now_ms - 1000);

    struct feedback changed = an_output(&d, "{\"a\":2}", "key");
    assert_int_equal(feedback_add(f->record, &changed, &f->err), RC_CONFLICT);
    struct feedback elsewhere = an_output(&other, "{\"a\":2}", "key");
    assert_ok(feedback_add(f->record, &elsewhere, &f->err), &f->err);
    assert_ok(feedback_list(f->record, d.id, &f->arena, &list, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
}

static void feedback_that_breaks_a_rule_is_refused(void **state)
{
    static char comment[FEEDBACK_COMMENT_MAX + 2], json[FEEDBACK_OUTPUT_MAX + 2];
    struct record_fixture *f = *state;
    struct decision d = stored_decision(f, "{}"), unknown = { .id = "dec_unknown" };
    struct feedback good = an_output(&d, "{}", NULL), *list;
    size_t n;

    memset(comment, 'c', sizeof(comment) - 1);
    memset(json, ' ', sizeof(json) - 1);
    struct feedback cases[] = {
        an_output(&unknown, "{}", NULL),
        an_output(&d, "[]", NULL),
        an_output(&d, "{", NULL),
        an_output(&d, "", NULL),
        an_output(&d, "{\"a\":1,\"a\":2}", NULL),
        an_output(&d, json, NULL),
        an_output(&d, "{}", ""),
        good,
        good,
    };
    const enum rc rcs[] = { RC_NOT_FOUND, RC_INVALID, RC_INVALID, RC_INVALID, RC_INVALID,
                            RC_LIMIT,     RC_INVALID, RC_LIMIT,   RC_INVALID };
    cases[7].comment = comment;
    cases[8].comment = "\xff";
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum rc rc = feedback_add(f->record, &cases[i], &f->err);
        if (rc != rcs[i])
            fail_msg("case %zu: %s: %s", i, rc_name(rc), f->err.message);
    }
    assert_ok(feedback_list(f->record, d.id, &f->arena, &list, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
}

static enum rc append_line(void *self, struct str json, struct err *err)
{
    struct buf *lines = self;

    buf_append_str(lines, json);
    buf_append_char(lines, '\n');
    return buf_rc(lines, "lines", err);
}

static void the_export_joins_the_last_feedback_with_the_input(void **state)
{
    struct record_fixture *f = *state;
    struct decision corrected = stored_decision(f, "{\n \"text\": \"a\\n\u00e9\"\n}");
    struct decision right = stored_decision(f, "{\"text\":\"b\"}");
    struct decision wrong = stored_decision(f, "{\"text\":\"c\"}");
    struct decision silent = stored_decision(f, "{\"text\":\"d\"}");
    struct decision abstained = fixture_decision("{\"text\":\"e\"}", NULL);
    struct decision other_slm = fixture_decision("{\"text\":\"f\"}", NULL);
    struct feedback_counts counts;
    CLEANUP(buf_release) struct buf lines;
    char expected[512];

    (void)silent;
    abstained.answer = STR("{\"output\":null,\"abstained\":{\"reason\":\"low_confidence\"}}");
    assert_int_equal(fixture_add(f, &abstained), DECISION_STORED);
    other_slm.slm = "reply-draft";
    assert_int_equal(fixture_add(f, &other_slm), DECISION_STORED);
    add(f, an_output(&corrected, "{\"priority\":\"low\"}", NULL));
    add(f, a_verdict(&wrong, true));
    add(f, a_verdict(&right, true));
    add(f, a_verdict(&abstained, true));
    add(f, a_verdict(&other_slm, true));
    add(f, an_output(&corrected, "{\n\"priority\":\t\"medium\"}", NULL));
    add(f, a_verdict(&wrong, false));

    buf_init(&lines, 1 << 16);
    assert_ok(feedback_export(f->record, "ticket-triage", append_line, &lines, &counts, &f->err),
              &f->err);
    snprintf(expected, sizeof(expected),
             "{\"id\":\"%s\",\"input\":{\"text\":\"b\"},\"output\":{\"priority\":\"high\"}}\n"
             "{\"id\":\"%s\",\"input\":{\"text\":\"a\\n\u00e9\"},"
             "\"output\":{\"priority\":\"medium\"}}\n",
             right.id, corrected.id);
    assert_string_equal(lines.at, expected);
    assert_int_equal(counts.n_rows, 2);
    assert_int_equal(counts.n_without_output, 2);
}

static enum rc count_line(void *self, struct str json, struct err *err)
{
    size_t *left = self;

    (void)json;
    if ((*left)-- == 0)
        return err_set(err, RC_FULL, "no more room");
    return RC_OK;
}

static void the_export_goes_on_over_pages_and_ends_when_its_taker_fails(void **state)
{
    struct record_fixture *f = *state;
    struct decision d = stored_decision(f, "{}"), batch[321];
    struct decision_outcome outcomes[321];
    struct feedback_counts counts;
    size_t left = 1000;

    for (size_t i = 0; i < 321; i++)
        batch[i] = fixture_decision("{}", NULL);
    assert_ok(decision_add(f->record, batch, 321, &f->arena, outcomes, &f->err), &f->err);
    for (size_t i = 0; i < 321; i++)
        add(f, a_verdict(&batch[i], true));
    add(f, a_verdict(&d, true));
    assert_ok(feedback_export(f->record, "ticket-triage", count_line, &left, &counts, &f->err),
              &f->err);
    assert_int_equal(counts.n_rows, 322);
    assert_int_equal(left, 1000 - 322);
    left = 7;
    assert_int_equal(
        feedback_export(f->record, "ticket-triage", count_line, &left, &counts, &f->err), RC_FULL);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, record_fixture_set_up, record_fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(feedback_is_read_back_as_it_was_given),
        TEST(feedback_with_a_key_is_stored_once),
        TEST(feedback_that_breaks_a_rule_is_refused),
        TEST(the_export_joins_the_last_feedback_with_the_input),
        TEST(the_export_goes_on_over_pages_and_ends_when_its_taker_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
