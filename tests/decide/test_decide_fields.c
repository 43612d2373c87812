/* Open fields that are copied: written by a decoder that says what the test wants, or given. */
#include "tests/engine/tiny_gguf.h"
#include "tests/support/temp.h"

#include "decide/decide.h"

static const struct digest base_digest = {
    "4a5f0e1e6ee8d7bb66fe6cf5c0d1ba8d7b0e67a2b42e3b3f0d7a5a0a5d3c2b1a"
};

/* It would say 12.50 of 25/12/2018, whatever it reads. */
static const struct tiny_step steps[] = {
    { "\n", "total:", NULL },    { "total:", " 12.50", " 9.00" },   { " 12.50", "\nday:", NULL },
    { " 9.00", "\nday:", NULL }, { "\nday:", " 25/12/2018", NULL }, { " 25/12/2018", NULL, NULL },
};

static const char spec_text[] =
    "slm: receipt\n"
    "description: Read.\n"
    "input: {type: object, required: [text], properties: {text: {type: string}}}\n"
    "output:\n"
    "  type: object\n"
    "  required: [total]\n"
    "  properties:\n"
    "    total: {type: number, format: copied, minimum: 1}\n"
    "    day: {type: string, format: date}\n"
    "data: [{path: rows.jsonl}]\n"
    "rules:\n"
    "  - {name: small, must: 'total < 13', text: It is no more.}\n"
    "  - {name: past, when: 'day != null', must: 'day < date(\"2026-01-01\")', text: It was.}\n";

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

static void open_author(struct desk *d, enum cpu cpu)
{
    const struct adapter prompted = { .kind = ADAPTER_PROMPTED, .base = base_digest };
    CLEANUP(buf_releasep) struct buf file = { 0 };
    char path[TEMP_PATH_MAX];

    temp_dir_make(&d->dir);
    kernels_init(&d->kernels, cpu);
    buf_init(&file, TINY_GGUF_BYTES_MAX);
    tiny_says_append(&file, steps, ARRAY_LEN(steps), 0.0f);
    assert_ok(
        fs_write_atomic(temp_path(&d->dir, "model.gguf", path), file.at, file.len, 0600, &d->err),
        &d->err);
    assert_ok(decoder_base_open(path, &d->base, &d->err), &d->err);
    d->base->digest = base_digest;
    buf_init(&d->adapter, 1 << 20);
    assert_ok(adapter_append(&d->adapter, &prompted, NULL, 0, &d->err), &d->err);
    assert_ok(author_open(d->base, (const uint8_t *)d->adapter.at, d->adapter.len, STR("Read."),
                          &d->kernels, &d->author, &d->err),
              &d->err);
}

static void open_desk_of(struct desk *d, const char *text, enum cpu cpu)
{
    struct problems problems;

    *d = (struct desk){ 0 };
    arena_init(&d->arena, 64 << 20);
    problem_init(&problems, &d->arena);
    assert_ok(spec_parse(str_of(text), "s", &d->arena, &d->spec, &problems, &d->err), &d->err);
    if (!d->spec)
        fail_msg("%s", problems.items[0].message);
    open_author(d, cpu);
    const struct decide_parts parts = { .spec = d->spec, .author = d->author };
    assert_ok(decide_open(&parts, &d->arena, &d->decider, &d->err), &d->err);
}

static void open_desk(struct desk *d)
{
    open_desk_of(d, spec_text, cpu_best());
}

static void close_desk(struct desk *d)
{
    author_close(d->author);
    decoder_base_close(d->base);
    buf_release(&d->adapter);
    arena_release(&d->arena);
    temp_dir_remove(&d->dir);
}

static const struct json *input_of(struct desk *d, const char *text)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct json *input;

    buf_init(&out, 1 << 17);
    buf_append_text(&out, "{\"text\":");
    json_append_string(&out, str_of(text));
    buf_append_char(&out, '}');
    char *kept = arena_strndup(&d->arena, out.at, out.len);
    assert_non_null(kept);
    assert_ok(json_parse((struct str){ kept, out.len }, JSON_DUPLICATES_REFUSED, &d->arena, &input,
                         &d->err),
              &d->err);
    return input;
}

static struct decide_result decide(struct desk *d, const char *text, const struct str *texts)
{
    const struct decide_row row = { .input = input_of(d, text), .texts = texts };
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

static void expect_begins(const char *text, const char *beginning)
{
    if (strncmp(text, beginning, strlen(beginning)) != 0)
        fail_msg("%s\ndoes not begin with\n%s", text, beginning);
}

static void what_stands_in_the_input_is_the_answer_in_one_form(void **state)
{
    struct desk d;
    (void)state;

    open_desk(&d);
    struct decide_result result = decide(&d, "Due: 12.50, or 9.00, on 25/12/2018", NULL);
    expect_begins(answer_of(&d, &result),
                  "\"output\":{\"total\":12.5,\"day\":\"2018-12-25\"},\"confidence\":{},"
                  "\"abstained\":null");
    assert_int_equal(result.attempt, 1);
    close_desk(&d);
}

static void what_does_not_is_never_written(void **state)
{
    struct desk d;
    (void)state;

    open_desk(&d);
    struct decide_result result = decide(&d, "Due: RM9.00 (no day, 125/12/2018)", NULL);
    expect_begins(answer_of(&d, &result), "\"output\":{\"total\":9},"); /* and no day */
    assert_null(result.texts[1].at);
    result = decide(&d, "112.50 9.00 25/12/20189", NULL);
    expect_begins(answer_of(&d, &result), "\"output\":{\"total\":9},");
    close_desk(&d);
}

static void an_input_without_a_value_for_a_required_field_is_not_written_from(void **state)
{
    struct desk d;
    (void)state;

    open_desk(&d);
    struct decide_result result = decide(&d, "On 25/12/2018: -12.50, or 0.50", NULL);
    assert_int_equal(result.verdict, DECIDE_NOTHING_TO_COPY);
    expect_begins(answer_of(&d, &result),
                  "\"output\":null,\"confidence\":{},\"abstained\":{\"reason\":\"nothing_to_copy\","
                  "\"text\":\"the input has no number for 'total'\",\"suggestion\":null}");
    assert_int_equal(result.attempt, 0);
    close_desk(&d);
}

static void what_breaks_a_rule_is_drawn_once_more(void **state)
{
    struct desk d;
    char text[sizeof(spec_text)];
    (void)state;

    strcpy(text, spec_text);
    memcpy(strstr(text, "< 13"), "< 10", 4);
    open_desk_of(&d, text, cpu_best());
    struct decide_result result;
    size_t n_answered = 0;
    for (int i = 0; i < 40; i++) { /* an input's seed is its own */
        char receipt[64];

        snprintf(receipt, sizeof(receipt), "12.50 or 9.00: row%d", i);
        result = decide(&d, receipt, NULL);
        assert_int_equal(result.attempt, 2);
        if (result.verdict == DECIDE_ANSWERED)
            expect_begins(answer_of(&d, &result), "\"output\":{\"total\":9}");
        else
            assert_string_equal(result.reason.at, "what is written breaks 'small'");
        n_answered += result.verdict == DECIDE_ANSWERED;
    }
    assert_in_range(n_answered, 1, 39);
    result = decide(&d, "12.50 alone", NULL);
    assert_int_equal(result.verdict, DECIDE_RULES_CONFLICT);
    assert_string_equal(result.reason.at, "what is written breaks 'small'");
    result = decide(&d, "9.00 of 2 May 2027", (struct str[]){ STR("9.00"), STR("2 May 2027") });
    assert_string_equal(result.reason.at, "what is written breaks 'past'");
    close_desk(&d);
}

static void given_values_are_held_against_the_input(void **state)
{
    static const struct {
        const char *text, *total, *day, *expected;
    } cases[] = {
        { "1,2.50 7,25 2018-12-25", "7,25", "2018-12-25", NULL },
        { "7,25", "7,25", NULL, NULL },
        { "7,25", "7.25", NULL, "'total' is '7.25', which is no number of its input" },
        { "7,25", "7,2", NULL, "'total' is '7,2', which is no number of its input" },
        { "0,25", "0,25", NULL, "'total' is '0,25', which is no number of its input" },
        { "7,25", NULL, NULL, "'total' is '', which is no number of its input" },
        { "7 2018-12-25", "7", "2018-12-2", "'day' is '2018-12-2', which is no date of its input" },
    };
    struct desk d;
    (void)state;

    open_desk(&d);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct str texts[] = { str_of(cases[i].total), str_of(cases[i].day) };
        struct decide_result result = decide(&d, cases[i].text, texts);

        if ((result.verdict == DECIDE_ANSWERED) != (cases[i].expected == NULL))
            fail_msg("%s: %s", cases[i].text, decide_verdict_name(result.verdict));
        if (cases[i].expected)
            assert_string_equal(result.reason.at, cases[i].expected);
    }
    close_desk(&d);
}

static void an_input_that_is_too_long_to_copy_from_is_refused(void **state)
{
    static char text[DECIDE_SHOWN_BYTES_MAX + 1];
    const struct str texts[] = { STR("7"), { 0 } };
    struct desk d;
    (void)state;

    open_desk(&d);
    memset(text, 'x', DECIDE_SHOWN_BYTES_MAX);
    memcpy(text, "7 ", 2);
    struct decide_result result = decide(&d, text, texts);
    assert_int_equal(result.verdict, DECIDE_REFUSED);
    assert_string_equal(result.refusal.message, "65537 bytes of input to copy from, at most 65536");
    text[DECIDE_SHOWN_BYTES_MAX - 1] = '\0';
    result = decide(&d, text, texts);
    assert_int_equal(result.verdict, DECIDE_ANSWERED);
    close_desk(&d);
}

static const char mixed_text[] =
    "slm: mixed\n"
    "description: Read.\n"
    "input: {type: object, properties: {text: {type: string}, lines: {type: array, items: {type: "
    "string}}}}\n"
    "output:\n"
    "  type: object\n"
    "  required: [who]\n"
    "  properties:\n"
    "    who: {type: string, format: copied, maxLength: 20}\n"
    "    count: {type: integer, format: copied}\n"
    "    kind: {enum: [paid, paid late]}\n"
    "    note: {type: string, format: text, maxLength: 30, ownWords: [I]}\n"
    "data: [{path: rows.jsonl}]\n";

static void several_kinds_stand_beside_each_other_and_a_text(void **state)
{
    static const struct {
        const char *who, *count, *kind, *note, *expected;
    } cases[] = {
        { "Ana Lima", "1,200", "paid late", "So I paid 1,200.",
          "\"output\":{\"who\":\"Ana Lima\",\"count\":1200,\"kind\":\"paid late\",\"note\":\"So I "
          "paid 1,200.\"}," },
        { "Ana Lima", NULL, "paid", "", "\"output\":{\"who\":\"Ana Lima\",\"kind\":\"paid\"," },
        { "Lima 1,200", NULL, "paid", "", "\"output\":{\"who\":\"Lima 1,200\"," },
        { "Ana Li", NULL, "paid", "", "\"output\":null" },
        { "Ana Lima", "1.5", "paid", "", "\"output\":null" },
        { "Ana Lima", NULL, "late", "", "\"output\":null" },
        { "Ana Lima", NULL, NULL, "", "\"output\":null" },
        { "Ana Lima", NULL, "paid", "So we paid 1,201.", "\"output\":null" },
        { "Ana Lima", NULL, "paid", "It is more than thirty letters", "\"output\":{" },
        { "Ana Lima", NULL, "paid", "It is more than thirty letters.", "\"output\":null" },
    };
    struct desk d;
    (void)state;

    open_desk_of(&d, mixed_text, cpu_best());
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct str texts[] = { str_of(cases[i].who), str_of(cases[i].count),
                                     str_of(cases[i].kind), str_of(cases[i].note) };
        struct decide_result result = decide(&d, "Ana  Lima 1,200 1.5", texts);

        expect_begins(answer_of(&d, &result), cases[i].expected);
    }
    close_desk(&d);
}

static void what_the_data_has_is_written_as_the_input_has_it(void **state)
{
    static const struct {
        const char *who, *count, *kind, *note, *expected;
    } cases[] = {
        { "Ana\n Lima", "1200.0", "paid", "So.",
          "who: Ana Lima\ncount: 1,200\nkind: paid\nnote: So." },
        { "Ana Lima", NULL, "paid", "", "who: Ana Lima\ncount:\nkind: paid\nnote: " },
        { "Ana Lim", NULL, "paid", "", NULL },
        { "Ana Lima", "1201", "paid", "", NULL },
        { "Ana Lima", "1.5", "paid", "", NULL },
        { NULL, NULL, "paid", "", NULL },
    };
    struct desk d;
    (void)state;

    open_desk_of(&d, mixed_text, cpu_best());
    const struct json *input = input_of(&d, "Ana  Lima 1,200 1.5");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct str values[] = { str_of(cases[i].who), str_of(cases[i].count),
                                      str_of(cases[i].kind), str_of(cases[i].note) };
        struct str text;
        enum rc rc = decide_draft(d.decider, input, values, &d.arena, &text, &d.err);

        assert_int_equal(rc, cases[i].expected ? RC_OK : RC_NOT_FOUND);
        if (cases[i].expected)
            assert_string_equal(text.at, cases[i].expected);
    }
    close_desk(&d);
}

static void an_answer_agrees_with_the_data_by_its_value(void **state)
{
    const struct spec_open number = { .kind = SPEC_OPEN_NUMBER }, date = { .kind = SPEC_OPEN_DATE },
                           span = { .kind = SPEC_OPEN_SPAN };
    struct feel_value nothing = { .kind = FEEL_NULL }, nine = feel_number(9),
                      words = feel_string(STR("Ana Lima")), day;
    (void)state;

    assert_true(feel_parse_temporal(STR("2018-12-25"), &day));
    assert_true(decide_agrees(&number, &nine, STR("9.00")));
    assert_false(decide_agrees(&number, &nine, STR("9.01")));
    assert_true(decide_agrees(&date, &day, STR("2018-12-25")));
    assert_false(decide_agrees(&date, &day, STR("2018-12-26")));
    assert_true(decide_agrees(&span, &words, STR(" Ana\n\tLima ")));
    assert_false(decide_agrees(&span, &words, STR("AnaLima")));
    assert_false(decide_agrees(&span, &words, STR("Ana Lima B")));
    assert_true(decide_agrees(&number, &nothing, (struct str){ 0 }));
    assert_false(decide_agrees(&number, &nothing, STR("9")));
    assert_false(decide_agrees(&number, &nine, (struct str){ 0 }));
}

static void every_cpu_writes_the_same(void **state)
{
    struct desk d, scalar;
    (void)state;

    open_desk(&d);
    open_desk_of(&scalar, spec_text, CPU_SCALAR);
    struct decide_result a = decide(&d, "12.50 of 25/12/2018", NULL),
                         b = decide(&scalar, "12.50 of 25/12/2018", NULL);
    assert_string_equal(answer_of(&d, &a), answer_of(&scalar, &b));
    close_desk(&scalar);
    close_desk(&d);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    enum rc rc = RC_NOMEM;
    struct desk d;
    (void)state;

    open_desk(&d);
    const struct decide_row row = { .input = input_of(&d, "12.50 of 25/12/2018") };
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
        cmocka_unit_test(what_stands_in_the_input_is_the_answer_in_one_form),
        cmocka_unit_test(what_does_not_is_never_written),
        cmocka_unit_test(an_input_without_a_value_for_a_required_field_is_not_written_from),
        cmocka_unit_test(what_breaks_a_rule_is_drawn_once_more),
        cmocka_unit_test(given_values_are_held_against_the_input),
        cmocka_unit_test(an_input_that_is_too_long_to_copy_from_is_refused),
        cmocka_unit_test(several_kinds_stand_beside_each_other_and_a_text),
        cmocka_unit_test(what_the_data_has_is_written_as_the_input_has_it),
        cmocka_unit_test(an_answer_agrees_with_the_data_by_its_value),
        cmocka_unit_test(every_cpu_writes_the_same),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests_name("decide/fields", tests, NULL, NULL);
}
