#include "tests/record/record_fixture.h"

#include <inttypes.h>

static void a_decision_is_read_back_as_it_was_stored(void **state)
{
    struct record_fixture *f = *state;
    struct decision d = fixture_decision("{\"text\":\"'; drop table decision; --\"}", "k'1\""), got;

    d.abstained = "low_confidence";
    assert_int_equal(fixture_add(f, &d), DECISION_STORED);
    record_fixture_reopen(f);
    assert_ok(decision_find(f->record, d.id, &f->arena, &got, &f->err), &f->err);
    assert_string_equal(got.id, d.id);
    assert_string_equal(got.slm, d.slm);
    assert_true(digest_equal(&got.version, &d.version));
    assert_true(str_equal(got.input, d.input));
    assert_true(str_equal(got.answer, d.answer));
    assert_string_equal(got.abstained, "low_confidence");
    assert_true(str_equal(got.tables, d.tables));
    assert_string_equal(got.engine_build, d.engine_build);
    assert_string_equal(got.principal, d.principal);
    assert_string_equal(got.idempotency_key, "k'1\"");
    assert_true(digest_equal(&got.request, &d.request));
    assert_true(got.recorded_ms == d.recorded_ms);
    assert_true(got.model_ms == d.model_ms);

    struct decision plain = fixture_decision("{}", NULL);
    assert_int_equal(fixture_add(f, &plain), DECISION_STORED);
    assert_ok(decision_find(f->record, plain.id, &f->arena, &got, &f->err), &f->err);
    assert_null(got.abstained);
    assert_null(got.idempotency_key);
    assert_int_equal(decision_find(f->record, "dec_nothing", &f->arena, &got, &f->err),
                     RC_NOT_FOUND);
}

static void ids_sort_by_time_and_are_never_the_same(void **state)
{
    struct record_fixture *f = *state;
    char before[RECORD_ID_LEN + 1] = "";

    for (int64_t i = 0; i < 64; i++) {
        struct decision d = fixture_decision("{}", NULL);
        d.recorded_ms = i < 32 ? i : INT64_C(1) << (i - 16); /* up to the year 10889 */
        assert_int_equal(fixture_add(f, &d), DECISION_STORED);
        assert_int_equal(strlen(d.id), RECORD_ID_LEN);
        assert_memory_equal(d.id, "dec_", 4);
        assert_true(strcmp(before, d.id) < 0);
        memcpy(before, d.id, sizeof(before));
    }
}

static void a_key_is_answered_once(void **state)
{
    struct record_fixture *f = *state;
    struct decision first = fixture_decision("{\"a\":1}", "key"), got;
    struct decision_outcome outcome;
    bool found;

    assert_ok(decision_find_by_key(f->record, "shop", "ticket-triage", "key", &first.request,
                                   &f->arena, &found, &got, &f->err),
              &f->err);
    assert_false(found);
    assert_int_equal(fixture_add(f, &first), DECISION_STORED);

    struct decision same = fixture_decision("{\"a\":1}", "key");
    same.answer = STR("{\"output\":null}"); /* not what the client is given */
    assert_ok(decision_add(f->record, &same, 1, &f->arena, &outcome, &f->err), &f->err);
    assert_int_equal(outcome.fate, DECISION_REPEATED);
    assert_string_equal(outcome.earlier.id, first.id);
    assert_true(str_equal(outcome.earlier.answer, first.answer));
    assert_ok(decision_find_by_key(f->record, "shop", "ticket-triage", "key", &first.request,
                                   &f->arena, &found, &got, &f->err),
              &f->err);
    assert_true(found);
    assert_string_equal(got.id, first.id);

    struct decision other = fixture_decision("{\"a\":2}", "key");
    assert_int_equal(fixture_add(f, &other), DECISION_CONFLICT);
    assert_int_equal(decision_find_by_key(f->record, "shop", "ticket-triage", "key", &other.request,
                                          &f->arena, &found, &got, &f->err),
                     RC_CONFLICT);
    assert_non_null(strstr(f->err.message, "'key' was used for another request"));
}

static void a_key_belongs_to_one_principal_and_one_slm(void **state)
{
    struct record_fixture *f = *state;
    struct decision a = fixture_decision("{\"a\":1}", "key");
    struct decision b = fixture_decision("{\"a\":2}", "key");
    struct decision c = fixture_decision("{\"a\":3}", "key");

    b.principal = "warehouse";
    c.slm = "reply-draft";
    assert_int_equal(fixture_add(f, &a), DECISION_STORED);
    assert_int_equal(fixture_add(f, &b), DECISION_STORED);
    assert_int_equal(fixture_add(f, &c), DECISION_STORED);
}

static void a_batch_stores_what_it_can_and_says_what_became_of_each(void **state)
{
    struct record_fixture *f = *state;
    struct decision batch[5] = {
        fixture_decision("{\"a\":1}", "one"), fixture_decision("{\"a\":1}", "one"),
        fixture_decision("{\"a\":2}", "one"), fixture_decision("{\"a\":2}", NULL),
        fixture_decision("{\"a\":2}", NULL),
    };
    struct decision_outcome outcomes[5];
    struct decision *list;
    size_t n;

    assert_ok(decision_add(f->record, batch, 5, &f->arena, outcomes, &f->err), &f->err);
    assert_int_equal(outcomes[0].fate, DECISION_STORED);
    assert_int_equal(outcomes[1].fate, DECISION_REPEATED);
    assert_string_equal(outcomes[1].earlier.id, batch[0].id);
    assert_int_equal(outcomes[2].fate, DECISION_CONFLICT);
    assert_int_equal(outcomes[3].fate, DECISION_STORED);
    assert_int_equal(outcomes[4].fate, DECISION_STORED);
    assert_ok(decision_list(f->record, NULL, NULL, 10, &f->arena, &list, &n, &f->err), &f->err);
    assert_int_equal(n, 3);
    assert_ok(decision_add(f->record, NULL, 0, &f->arena, NULL, &f->err), &f->err);
}

static void texts_beyond_their_limits_are_refused_and_nothing_is_stored(void **state)
{
    static char long_text[RECORD_IDEMPOTENCY_KEY_MAX + 2], *json;
    struct record_fixture *f = *state;
    struct decision_outcome outcomes[2];
    struct decision *list;
    size_t n;

    memset(long_text, 'k', sizeof(long_text) - 1);
    json = arena_array(&f->arena, char, DECISION_ANSWER_MAX + 8);
    assert_non_null(json);
    memset(json, ' ', DECISION_ANSWER_MAX + 1);
    json[0] = '{';
    json[1] = '}';
    struct decision good = fixture_decision("{}", NULL);
    struct decision cases[] = { good, good, good, good, good, good, good, good, good, good, good };
    const enum rc rcs[] = { RC_LIMIT, RC_LIMIT,   RC_LIMIT,   RC_LIMIT,   RC_LIMIT,  RC_LIMIT,
                            RC_LIMIT, RC_INVALID, RC_INVALID, RC_INVALID, RC_INVALID };
    cases[0].idempotency_key = long_text;
    cases[1].principal = long_text;
    cases[2].slm = long_text;
    cases[3].input = (struct str){ json, DECISION_INPUT_MAX + 1 };
    cases[4].answer = (struct str){ json, DECISION_ANSWER_MAX + 1 };
    cases[5].tables = (struct str){ json, DECISION_TABLES_MAX + 1 };
    cases[6].abstained = long_text;
    cases[7].slm = "";
    cases[8].idempotency_key = "";
    cases[9].principal = "\xc3";
    cases[10].input = STR("{\"a\":");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct decision batch[2] = { good, cases[i] };

        enum rc rc = decision_add(f->record, batch, 2, &f->arena, outcomes, &f->err);
        if (rc != rcs[i])
            fail_msg("case %zu: %s: %s", i, rc_name(rc), f->err.message);
        assert_non_null(strstr(f->err.message, "decision 1: "));
    }
    assert_ok(decision_list(f->record, NULL, NULL, 10, &f->arena, &list, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
    good.input = (struct str){ json, DECISION_INPUT_MAX };
    good.answer = (struct str){ json, DECISION_ANSWER_MAX };
    assert_int_equal(fixture_add(f, &good), DECISION_STORED);
    assert_int_equal(
        decision_add(f->record, &good, DECISION_BATCH_MAX + 1, &f->arena, outcomes, &f->err),
        RC_LIMIT);
}

static void decisions_are_listed_page_by_page_from_the_newest(void **state)
{
    struct record_fixture *f = *state;
    struct decision batch[25], *page;
    struct decision_outcome outcomes[25];
    const char *before = NULL;
    size_t n, seen = 0;

    for (size_t i = 0; i < 25; i++) {
        batch[i] = fixture_decision("{}", NULL);
        batch[i].slm = i % 5 ? "ticket-triage" : "reply-draft";
        batch[i].recorded_ms = 1000 - (int64_t)i; /* the clock runs backwards: arrival counts */
    }
    assert_ok(decision_add(f->record, batch, 25, &f->arena, outcomes, &f->err), &f->err);
    do {
        assert_ok(decision_list(f->record, NULL, before, 10, &f->arena, &page, &n, &f->err),
                  &f->err);
        for (size_t i = 0; i < n; i++, seen++)
            assert_string_equal(page[i].id, batch[24 - seen].id);
        before = n ? page[n - 1].id : NULL;
    } while (n == 10);
    assert_int_equal(seen, 25);

    assert_ok(decision_list(f->record, "reply-draft", NULL, 1000, &f->arena, &page, &n, &f->err),
              &f->err);
    assert_int_equal(n, 5);
    assert_string_equal(page[0].id, batch[20].id);
    assert_ok(decision_list(f->record, "x' or '1'='1", NULL, 10, &f->arena, &page, &n, &f->err),
              &f->err);
    assert_int_equal(n, 0);
    assert_int_equal(decision_list(f->record, NULL, "dec_x", 10, &f->arena, &page, &n, &f->err),
                     RC_NOT_FOUND);
    assert_int_equal(decision_list(f->record, NULL, NULL, 0, &f->arena, &page, &n, &f->err),
                     RC_INVALID);
    assert_int_equal(decision_list(f->record, NULL, NULL, 1001, &f->arena, &page, &n, &f->err),
                     RC_INVALID);
}

static void every_failing_allocation_is_reported_and_stores_all_or_nothing(void **state)
{
    struct record_fixture *f = *state;
    enum rc rc = RC_OK;
    size_t n_stored = 0, n;
    struct decision batch[2] = { fixture_decision("{}", NULL), fixture_decision("{}", "key") };
    struct decision *list;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct decision_outcome outcomes[2];
        struct arena arena;
        struct err err;

        arena_init(&arena, 1 << 20);
        rc = decision_add(f->record, batch, 2, &arena, outcomes, &err);
        if (rc == RC_OK)
            n_stored += 1 + (outcomes[1].fate == DECISION_STORED);
        else if (rc != RC_NOMEM && rc != RC_UNKNOWN)
            fail_msg("allocation %ld: %s: %s", nth, rc_name(rc), err.message);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
    assert_ok(decision_list(f->record, NULL, NULL, 1000, &f->arena, &list, &n, &f->err), &f->err);
    assert_int_equal(n, n_stored);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, record_fixture_set_up, record_fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_decision_is_read_back_as_it_was_stored),
        TEST(ids_sort_by_time_and_are_never_the_same),
        TEST(a_key_is_answered_once),
        TEST(a_key_belongs_to_one_principal_and_one_slm),
        TEST(a_batch_stores_what_it_can_and_says_what_became_of_each),
        TEST(texts_beyond_their_limits_are_refused_and_nothing_is_stored),
        TEST(decisions_are_listed_page_by_page_from_the_newest),
        TEST(every_failing_allocation_is_reported_and_stores_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
