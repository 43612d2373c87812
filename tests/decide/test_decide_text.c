/* Open fields: replies of examples/ecommerce/support/reply-draft held by the decider itself. */
#include "tests/support/data.h"

#include "base/fs.h"
#include "decide/decide.h"

static const char dir[] = "examples/ecommerce/support/reply-draft";

static const char ticket[] =
    "{\"subject\":\"Boots\",\"body\":\"Where is my money for the boots? 74.00 it was. Ilse\","
    "\"customer\":\"Ilse\",\"findings\":{\"order_number\":\"O-114478\",\"refund_amount\":\"34.00 "
    "EUR\","
    "\"refund_date\":\"28 November 2026\"}}";

static const char good_reply[] = "Dear Ilse, you asked about the boots of order O-114478, and you "
                                 "are right to ask. A refund of 34.00 "
                                 "EUR will be in your account by 28 November 2026. We are sorry "
                                 "for the wait, and we thank you for your "
                                 "patience with us in this matter.";

struct desk {
    struct arena arena; /* of the spec and the decider */
    struct arena row;
    struct spec *spec;
    struct decider *decider;
    struct err err;
};

static void open_desk(struct desk *d)
{
    struct problems problems;
    char name[200], path[4096];

    arena_init(&d->arena, 64 << 20);
    arena_init(&d->row, 64 << 20);
    problem_init(&problems, &d->arena);
    snprintf(name, sizeof(name), "%s/slm.yaml", dir);
    assert_int_equal(
        spec_read(test_source_path(name, path), &d->arena, &d->spec, &problems, &d->err), RC_OK);
    assert_non_null(d->spec);
    struct decide_parts parts = { .spec = d->spec };
    assert_int_equal(decide_open(&parts, &d->arena, &d->decider, &d->err), RC_OK);
}

static void close_desk(struct desk *d)
{
    arena_release(&d->row);
    arena_release(&d->arena);
}

static struct decide_result decide(struct desk *d, const struct json *input, const struct str *text)
{
    const struct decide_row row = { .input = input, .texts = text };
    struct decide_result result;

    if (decide_rows(d->decider, &row, 1, NULL, &d->row, &result, &d->err))
        fail_msg("%s", d->err.message);
    return result;
}

static struct decide_result reply(struct desk *d, const char *text)
{
    struct str *kept = arena_new(&d->row, struct str);
    struct json *input;

    assert_non_null(kept);
    *kept = str_of(text);
    assert_int_equal(json_parse(str_of(ticket), JSON_DUPLICATES_REFUSED, &d->row, &input, &d->err),
                     RC_OK);
    return decide(d, input, kept);
}

static void a_reply_that_keeps_its_promises_is_the_answer(void **state)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct desk d = { 0 };
    (void)state;

    open_desk(&d);
    struct decide_result result = reply(&d, good_reply);
    assert_int_equal(result.verdict, DECIDE_ANSWERED);
    buf_init(&out, 1 << 20);
    decide_append_output(&out, d.decider, &result);
    assert_memory_equal(out.at, "{\"reply\":\"Dear Ilse, ", 21);
    for (size_t r = 0; r < d.spec->n_rules; r++)
        assert_int_equal(result.rules[r], DECIDE_RULE_HOLDS);
    close_desk(&d);
}

/* good_reply with one passage replaced. */
static const char *changed(struct desk *d, const char *old, const char *new)
{
    const char *at = strstr(good_reply, old);
    char *text = arena_array(&d->row, char, sizeof(good_reply) + strlen(new));

    assert_true(at && text);
    sprintf(text, "%.*s%s%s", (int)(at - good_reply), good_reply, new, at + strlen(old));
    return text;
}

static void a_reply_that_does_not_is_none_and_says_why(void **state)
{
    static const struct {
        const char *old, *new;
        enum decide_verdict verdict;
        const char *reason;
    } cases[] = {
        { "refund of 34.00 EUR", "refund of 74.00", DECIDE_RULES_CONFLICT, "breaks 'refund'" },
        { "in your account by", "there by", DECIDE_RULES_CONFLICT, "breaks 'dates'" },
        { "We are sorry", "Our colleague is sorry", DECIDE_RULES_CONFLICT, "breaks 'person'" },
        { "We are sorry for the wait, and we thank you for your patience with us in this matter.",
          "", DECIDE_RULES_CONFLICT, "breaks 'length'" },
        { "34.00 EUR", "43.00 EUR", DECIDE_TEXT_REFUSED, "'reply' has '43.00'" },
        { "28 November 2026", "29 November 2026", DECIDE_TEXT_REFUSED, "'reply' has '29'" },
        { "We are sorry", "Our Mr Brown is sorry", DECIDE_TEXT_REFUSED, "'reply' has 'Mr'" },
    };
    struct desk d = { 0 };
    (void)state;

    open_desk(&d);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct decide_result result = reply(&d, changed(&d, cases[i].old, cases[i].new));

        if (result.verdict != cases[i].verdict)
            fail_msg("%s: %s", cases[i].new, decide_verdict_name(result.verdict));
        if (!strstr(result.reason.at, cases[i].reason))
            fail_msg("%s: %s", cases[i].new, result.reason.at);
        assert_false(result.has_best);
    }
    close_desk(&d);
}

static void a_text_has_the_length_of_its_schema_and_is_there(void **state)
{
    static char long_text[1000];
    struct desk d = { 0 };
    struct json *input;
    (void)state;

    open_desk(&d);
    memset(long_text, 'a', sizeof(long_text) - 1);
    struct decide_result result = reply(&d, long_text);
    assert_int_equal(result.verdict, DECIDE_TEXT_REFUSED);
    assert_string_equal(result.reason.at, "'reply' has 999 characters, expected 0 to 900");
    assert_int_equal(json_parse(str_of(ticket), JSON_DUPLICATES_REFUSED, &d.row, &input, &d.err),
                     RC_OK);
    result = decide(&d, input, NULL);
    assert_int_equal(result.verdict, DECIDE_REFUSED);
    assert_string_equal(result.refusal.message, "nothing was written into 'reply'");
    close_desk(&d);
}

static void every_reply_of_the_example_is_an_answer(void **state)
{
    static const char *const files[] = { "train", "validation", "test", "template_test" };
    struct desk d = { 0 };
    size_t n = 0;
    (void)state;

    open_desk(&d);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char name[200], path[4096];
        struct str text;

        snprintf(name, sizeof(name), "%s/data/%s.jsonl", dir, files[i]);
        assert_int_equal(
            fs_read_file(test_source_path(name, path), 8 << 20, &d.arena, &text, &d.err), RC_OK);
        for (const char *at = text.at, *newline; at < str_end(text); at = newline + 1, n++) {
            struct json *row;

            newline = memchr(at, '\n', (size_t)(str_end(text) - at));
            assert_int_equal(json_parse((struct str){ at, (size_t)(newline - at) },
                                        JSON_DUPLICATES_REFUSED, &d.row, &row, &d.err),
                             RC_OK);
            struct decide_result result = decide(
                &d, json_find(row, "input"), &json_find(json_find(row, "output"), "reply")->text);
            if (result.verdict != DECIDE_ANSWERED)
                fail_msg("%s of %s: %s", json_find(row, "id")->text.at, files[i], result.reason.at);
            arena_reset(&d.row);
        }
    }
    assert_int_equal(n, 410);
    close_desk(&d);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    struct desk d = { 0 };
    struct json *input;
    enum rc rc = RC_OK;
    (void)state;

    open_desk(&d);
    assert_int_equal(json_parse(str_of(ticket), JSON_DUPLICATES_REFUSED, &d.row, &input, &d.err),
                     RC_OK);
    const struct str text = str_of(changed(&d, "34.00 EUR", "43.00 EUR"));
    FOR_EACH_FAILING_ALLOC (nth) {
        const struct decide_row row = { .input = input, .texts = &text };
        struct decide_result result;
        struct arena arena;

        arena_init(&arena, 4 << 20);
        rc = decide_rows(d.decider, &row, 1, NULL, &arena, &result, &d.err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        if (rc == RC_OK)
            assert_int_equal(result.verdict, DECIDE_TEXT_REFUSED);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
    close_desk(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_that_keeps_its_promises_is_the_answer),
        cmocka_unit_test(a_reply_that_does_not_is_none_and_says_why),
        cmocka_unit_test(a_text_has_the_length_of_its_schema_and_is_there),
        cmocka_unit_test(every_reply_of_the_example_is_an_answer),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests_name("decide/text", tests, NULL, NULL);
}
