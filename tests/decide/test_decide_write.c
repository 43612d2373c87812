/* An SLM that writes, with a decoder that says what the test wants (tiny_gguf.h). */
#include "tests/engine/tiny_gguf.h"
#include "tests/support/temp.h"

#include "decide/decide.h"

static const struct digest base_digest = {
    "4a5f0e1e6ee8d7bb66fe6cf5c0d1ba8d7b0e67a2b42e3b3f0d7a5a0a5d3c2b1a"
};

/* "Dear Ilse. We refund!", and when it must not go on with "We": "Dear Ilse. They wait!" */
static const struct tiny_step refunding[] = {
    { "\n", "Dear", NULL },     { "Dear", " Ilse", " you" }, { " Ilse", ".", NULL },
    { " you", ".", NULL },      { ".", " We", " They" },     { " We", " refund", NULL },
    { " They", " wait", NULL }, { " refund", "!", NULL },    { " wait", "!", NULL },
    { "!", NULL, NULL },
};
static const struct tiny_step endless[] = {
    { "\n", "no", NULL }, { "no", " and", NULL }, { " and", " no", NULL }, { " no", " and", NULL }
};

static const struct tiny_step hesitating[] = { { "\n", "so", NULL },
                                               { "so", " so", "!" },
                                               { " so", " and", "!" },
                                               { " and", " so", "!" },
                                               { "!", NULL, NULL } };

static const char spec_text[] =
    "slm: reply\n"
    "description: Answer.\n"
    "input:\n"
    "  type: object\n"
    "  required: [customer]\n"
    "  properties: {customer: {type: string}}\n"
    "output:\n"
    "  type: object\n"
    "  properties: {reply: {type: string, format: text, maxLength: 60}}\n"
    "data: [{path: rows.jsonl}]\n"
    "rules:\n";
static const char no_rule[] = "- {name: any, must: 'reply != \"\"', text: Says something.}\n";
static const char no_refund[] =
    "- {name: greeting, must: 'contains(reply, customer)', text: Greets.}\n"
    "- {name: no_refund, must: 'not(contains(reply, \"refund\"))', text: Promises nothing.}\n";
static const char sorry[] =
    "- {name: sorry, must: 'contains(reply, \"sorry\")', text: Is sorry.}\n";

struct desk {
    struct temp_dir dir;
    struct arena arena;
    struct kernels kernels;
    struct decoder_base *base;
    struct buf adapter;
    struct author *author;
    struct spec *spec;
    struct decider *decider;
    struct err err;
};

static void open_author(struct desk *d, const struct tiny_step *steps, size_t n, enum cpu cpu)
{
    const struct adapter prompted = { .kind = ADAPTER_PROMPTED, .base = base_digest };
    CLEANUP(buf_releasep) struct buf file = { 0 };
    char path[TEMP_PATH_MAX];

    temp_dir_make(&d->dir);
    kernels_init(&d->kernels, cpu);
    buf_init(&file, TINY_GGUF_BYTES_MAX);
    tiny_says_append(&file, steps, n, 0.0f);
    assert_ok(
        fs_write_atomic(temp_path(&d->dir, "model.gguf", path), file.at, file.len, 0600, &d->err),
        &d->err);
    assert_ok(decoder_base_open(path, &d->base, &d->err), &d->err);
    d->base->digest = base_digest;
    buf_init(&d->adapter, 1 << 20);
    assert_ok(adapter_append(&d->adapter, &prompted, NULL, 0, &d->err), &d->err);
    assert_ok(author_open(d->base, (const uint8_t *)d->adapter.at, d->adapter.len, STR("Answer."),
                          &d->kernels, &d->author, &d->err),
              &d->err);
}

static void open_desk_on(struct desk *d, const struct tiny_step *steps, size_t n, const char *rules,
                         enum cpu cpu)
{
    struct problems problems;
    char text[2048];

    *d = (struct desk){ 0 };
    arena_init(&d->arena, 64 << 20);
    problem_init(&problems, &d->arena);
    snprintf(text, sizeof(text), "%s%s", spec_text, rules);
    assert_ok(spec_parse(str_of(text), "s", &d->arena, &d->spec, &problems, &d->err), &d->err);
    if (!d->spec)
        fail_msg("%s", problems.items[0].message);
    open_author(d, steps, n, cpu);
    const struct decide_parts parts = { .spec = d->spec, .author = d->author };
    assert_ok(decide_open(&parts, &d->arena, &d->decider, &d->err), &d->err);
}

static void open_desk(struct desk *d, const char *rules)
{
    open_desk_on(d, refunding, ARRAY_LEN(refunding), rules, cpu_best());
}

static void close_desk(struct desk *d)
{
    author_close(d->author);
    decoder_base_close(d->base);
    buf_release(&d->adapter);
    arena_release(&d->arena);
    temp_dir_remove(&d->dir);
}

static const struct json *input_of(struct desk *d, const char *customer)
{
    char text[200];
    struct json *input;

    snprintf(text, sizeof(text), "{\"customer\":\"%s\"}", customer);
    assert_ok(json_parse((struct str){ arena_strndup(&d->arena, text, strlen(text)), strlen(text) },
                         JSON_DUPLICATES_REFUSED, &d->arena, &input, &d->err),
              &d->err);
    return input;
}

static struct decide_result decide(struct desk *d, const char *customer)
{
    const struct decide_row row = { .input = input_of(d, customer) };
    struct decide_result result;

    assert_ok(decide_rows(d->decider, &row, 1, NULL, &d->arena, &result, &d->err), &d->err);
    return result;
}

static const char *answer_of(struct desk *d, const struct decide_result *result)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };

    buf_init(&out, 1 << 16);
    decide_append_answer(&out, d->decider, result);
    return arena_strndup(&d->arena, out.at, out.len);
}

static void a_text_that_keeps_the_rules_is_the_answer_at_once(void **state)
{
    struct desk d;
    (void)state;

    open_desk(&d, no_rule);
    struct decide_result result = decide(&d, "Ilse");
    assert_string_equal(answer_of(&d, &result),
                        "\"output\":{\"reply\":\"Dear Ilse. We refund!\"},\"confidence\":{},"
                        "\"abstained\":null,\"facts\":{},\"rules\":[{\"id\":\"any\","
                        "\"result\":\"holds\",\"text\":\"Says something.\"}],\"attempt\":1");
    result = decide(&d, "Jo"); /* no Ilse to copy */
    assert_string_equal(result.texts[0].at, "Dear you. We refund!");
    close_desk(&d);
}

static void one_that_breaks_a_rule_is_written_again_from_where_it_did(void **state)
{
    struct desk d;
    (void)state;

    open_desk(&d, no_refund);
    struct decide_result result = decide(&d, "Ilse");
    assert_int_equal(result.verdict, DECIDE_ANSWERED);
    assert_string_equal(result.texts[0].at, "Dear Ilse. They wait!");
    assert_int_equal(result.attempt, 2);
    assert_non_null(strstr(answer_of(&d, &result), "\"attempt\":2"));
    close_desk(&d);
}

static void after_two_texts_it_abstains_with_the_rule(void **state)
{
    struct desk d;
    (void)state;

    open_desk(&d, sorry);
    struct decide_result result = decide(&d, "Ilse");
    assert_int_equal(result.verdict, DECIDE_RULES_CONFLICT);
    assert_string_equal(result.reason.at, "the text breaks 'sorry'");
    assert_int_equal(result.attempt, 2);
    assert_memory_equal(answer_of(&d, &result), "\"output\":null,", 14);
    close_desk(&d);
}

static void a_text_without_an_end_is_none(void **state)
{
    struct desk d;
    (void)state;

    open_desk_on(&d, endless, ARRAY_LEN(endless), no_rule, cpu_best());
    struct decide_result result = decide(&d, "Ilse");
    assert_int_equal(result.verdict, DECIDE_TEXT_REFUSED);
    assert_string_equal(result.reason.at, "'reply' did not end within 60 tokens");
    assert_int_equal(result.attempt, 2);
    close_desk(&d);

    open_desk_on(&d, hesitating, ARRAY_LEN(hesitating), no_rule, cpu_best());
    result = decide(&d, "Ilse"); /* the best token has no end, the draw has */
    assert_int_equal(result.verdict, DECIDE_ANSWERED);
    assert_int_equal(result.attempt, 2);
    close_desk(&d);
}

/* What a floor of so many tokens answers to Ilse. */
static struct decide_result decide_as_floor(struct desk *d, size_t n_tokens)
{
    const struct decide_parts parts = { .spec = d->spec,
                                        .author = d->author,
                                        .floor_tokens_max = n_tokens };

    assert_ok(decide_open(&parts, &d->arena, &d->decider, &d->err), &d->err);
    return decide(d, "Ilse");
}

static void a_floor_has_one_attempt_and_the_tokens_it_is_given(void **state)
{
    struct desk d;
    size_t n = 1;
    char reason[80];
    (void)state;

    open_desk(&d, no_rule);
    for (; n < 60 && decide_as_floor(&d, n).verdict == DECIDE_TEXT_REFUSED; n++) {
        struct decide_result result = decide_as_floor(&d, n);

        snprintf(reason, sizeof(reason), "'reply' did not end within %zu tokens", n);
        assert_string_equal(result.reason.at, reason);
        assert_int_equal(result.attempt, 1);
    }
    assert_true(n > 1 && n < 60);
    struct decide_result result = decide_as_floor(&d, n); /* as many as the text has */
    assert_string_equal(result.texts[0].at, "Dear Ilse. We refund!");
    close_desk(&d);

    open_desk_on(&d, hesitating, ARRAY_LEN(hesitating), no_rule, cpu_best());
    result = decide_as_floor(&d, 60); /* the draw would have an end */
    assert_int_equal(result.verdict, DECIDE_TEXT_REFUSED);
    assert_int_equal(result.attempt, 1);
    close_desk(&d);
}

static void rows_together_on_any_cpu_get_what_each_gets_alone(void **state)
{
    static const char *const customers[] = { "Ilse", "Jo", "Ilse B", "They", "ilse" };
    struct decide_row rows[ARRAY_LEN(customers)];
    struct decide_result results[ARRAY_LEN(customers)];
    struct desk d, scalar;
    struct pool *pool;
    (void)state;

    open_desk(&d, no_refund);
    open_desk_on(&scalar, refunding, ARRAY_LEN(refunding), no_refund, CPU_SCALAR);
    assert_ok(pool_new(3, &pool, &d.err), &d.err);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        rows[i] = (struct decide_row){ .input = input_of(&d, customers[i]) };
    assert_ok(decide_rows(d.decider, rows, ARRAY_LEN(rows), pool, &d.arena, results, &d.err),
              &d.err);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct decide_result alone = decide(&scalar, customers[i]);

        assert_string_equal(answer_of(&d, &results[i]), answer_of(&scalar, &alone));
    }
    pool_free(pool);
    close_desk(&scalar);
    close_desk(&d);
}

static void an_input_that_is_too_long_to_write_from_is_refused(void **state)
{
    char customer[TINY_POSITIONS + 1];
    struct desk d;
    (void)state;

    open_desk(&d, no_rule);
    memset(customer, '!', TINY_POSITIONS);
    customer[TINY_POSITIONS] = '\0';
    struct decide_row rows[] = { { .input = input_of(&d, "Ilse") }, { 0 } };
    char *text = arena_array(&d.arena, char, TINY_POSITIONS + 32);
    struct json *input;
    sprintf(text, "{\"customer\":\"%s\"}", customer);
    assert_ok(json_parse(str_of(text), JSON_DUPLICATES_REFUSED, &d.arena, &input, &d.err), &d.err);
    rows[1].input = input;
    struct decide_result results[2];
    assert_ok(decide_rows(d.decider, rows, 2, NULL, &d.arena, results, &d.err), &d.err);
    assert_int_equal(results[0].verdict, DECIDE_ANSWERED);
    assert_int_equal(results[1].verdict, DECIDE_REFUSED);
    assert_int_equal(results[1].refusal.code, RC_LIMIT);
    close_desk(&d);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    enum rc rc = RC_NOMEM;
    struct desk d;
    (void)state;

    open_desk(&d, no_refund);
    const struct decide_row row = { .input = input_of(&d, "Ilse") };
    FOR_EACH_FAILING_ALLOC (nth) {
        struct decide_result result;
        struct arena arena;

        arena_init(&arena, 4 << 20);
        rc = decide_rows(d.decider, &row, 1, NULL, &arena, &result, &d.err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        if (rc == RC_OK)
            assert_int_equal(result.verdict, DECIDE_ANSWERED);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
    close_desk(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_that_keeps_the_rules_is_the_answer_at_once),
        cmocka_unit_test(one_that_breaks_a_rule_is_written_again_from_where_it_did),
        cmocka_unit_test(after_two_texts_it_abstains_with_the_rule),
        cmocka_unit_test(a_text_without_an_end_is_none),
        cmocka_unit_test(a_floor_has_one_attempt_and_the_tokens_it_is_given),
        cmocka_unit_test(rows_together_on_any_cpu_get_what_each_gets_alone),
        cmocka_unit_test(an_input_that_is_too_long_to_write_from_is_refused),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests_name("decide/write", tests, NULL, NULL);
}
