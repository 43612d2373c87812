#include "tests/support/test.h"

#include "spec/schema.h"

struct fixture {
    struct arena arena;
    struct problems problems;
    struct schema schema;
    struct buf out;
    struct err err;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){ 0 };
    arena_init(&f.arena, 8 << 20);
    problem_init(&f.problems, &f.arena);
    buf_init(&f.out, 100000);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    buf_release(&f->out);
    arena_release(&f->arena);
    return 0;
}

static struct json *json_of(struct fixture *f, const char *text)
{
    struct json *v;

    if (json_parse(str_of(text), JSON_DUPLICATES_REFUSED, &f->arena, &v, &f->err))
        fail_msg("%s: %s", text, f->err.message);
    return v;
}

/* Reads a schema; returns the problems as text. */
static const char *read_schema(struct fixture *f, const char *text)
{
    problem_init(&f->problems, &f->arena);
    assert_int_equal(
        schema_read(json_of(f, text), "s", &f->arena, &f->problems, &f->schema, &f->err), RC_OK);
    buf_reset(&f->out);
    problem_append_text(&f->out, &f->problems);
    return f->out.at ? f->out.at : "";
}

static const char *validate(struct fixture *f, const char *text)
{
    problem_init(&f->problems, &f->arena);
    assert_int_equal(schema_validate(&f->schema, json_of(f, text), "in", &f->problems, &f->err),
                     RC_OK);
    buf_reset(&f->out);
    problem_append_text(&f->out, &f->problems);
    return f->out.at ? f->out.at : "";
}

static const char order[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"lines\",\"paid\"],\"properties\":{"
    "\"id\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":4},"
    "\"tier\":{\"enum\":[\"standard\",\"business\"],\"default\":\"standard\"},"
    "\"total\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1e6},"
    "\"due\":{\"type\":\"string\",\"format\":\"date\"},"
    "\"at\":{\"type\":\"string\",\"format\":\"date-time\"},"
    "\"paid\":{\"type\":\"boolean\"},"
    "\"lines\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":2,\"items\":{\"type\":\"object\","
    "\"required\":[\"n\"],\"properties\":{\"n\":{\"type\":\"integer\"}}}}}}";

static void broken_schemas_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *schema, *problems;
    } cases[] = {
        { "[]", "s:1:1: error: schema: found array, expected {type: ...} [type]\n" },
        { "{}", "s:1:1: error: schema has no 'type' [missing]\n" },
        { "{\"type\":\"text\"}", "s:1:9: error: 'type' must be one of string, number, integer, "
                                 "boolean, array, object [value]\n" },
        { "{\"type\":\"string\",\"maxLenght\":3}",
          "s:1:18: error: unknown keyword 'maxLenght' of a schema, did you mean 'maxLength'? "
          "[unknown_key]\n" },
        { "{\"type\":\"string\",\"minimum\":3}",
          "s:1:18: error: 'minimum' does not apply to type string [unknown_key]\n" },
        { "{\"enum\":[]}", "s:1:9: error: 'enum' has 0 values, expected 1 to 4096 [range]\n" },
        { "{\"enum\":[\"a\",1,\"a\",\"\"]}",
          "s:1:14: error: value of 'enum': found number, expected text (quote it) [type]\n"
          "s:1:16: error: value 'a' of 'enum' appears twice [duplicate]\n"
          "s:1:20: error: value of 'enum': found an empty text, expected text (quote it) "
          "[type]\n" },
        { "{\"type\":\"integer\",\"minimum\":0.5}",
          "s:1:29: error: 'minimum' of an integer is 0.5, expected an integer [type]\n" },
        { "{\"type\":\"number\",\"minimum\":3,\"maximum\":2}",
          "s:1:1: error: 'minimum' is above 'maximum' [range]\n" },
        { "{\"type\":\"string\",\"format\":\"email\"}",
          "s:1:27: error: 'format' is 'email', expected date, date-time, text or copied "
          "[value]\n" },
        { "{\"type\":\"string\",\"minLength\":-1}",
          "s:1:30: error: 'minLength' must be an integer from 0 to 1048576 [range]\n" },
        { "{\"type\":\"string\",\"ownWords\":[\"I\"]}",
          "s:1:1: error: 'ownWords' is for 'format: text' [value]\n" },
        { "{\"type\":\"string\",\"format\":\"text\",\"ownWords\":[\"I\",2,\"I\"]}",
          "s:1:50: error: value of 'ownWords': found number, expected text (quote it) [type]\n"
          "s:1:52: error: value 'I' of 'ownWords' appears twice [duplicate]\n" },
        { "{\"enum\":[\"a\"],\"format\":\"text\"}",
          "s:1:1: error: 'format: text' is not for an 'enum' [value]\n" },
        { "{\"type\":\"array\"}", "s:1:1: error: array has no 'items' [missing]\n" },
        { "{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"type\":\"string\"}}",
          "s:1:1: error: 'uniqueItems' is for items with an 'enum': a set of them [value]\n" },
        { "{\"type\":\"object\"}", "s:1:1: error: object has no 'properties' [missing]\n" },
        { "{\"type\":\"object\",\"properties\":{\"a b\":{\"type\":\"boolean\"}},"
          "\"required\":[\"c\"],\"additionalProperties\":true}",
          "s:1:32: error: property 'a b' is no plain name: letters, digits and '_', at most 64 "
          "[name]\n"
          "s:1:98: error: 'additionalProperties' must be false: an input has exactly its "
          "properties [value]\n"
          "s:1:70: error: 'required' names 'c', which is no property [unknown_name]\n" },
        { "{\"type\":\"integer\",\"default\":\"x\"}",
          "s:1:29: error: found string, expected integer [type]\n" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(read_schema(f, cases[i].schema), cases[i].problems);
}

static void a_schema_is_nested_at_most_sixteen_deep(void **state)
{
    struct fixture *f = *state;
    CLEANUP(buf_releasep) struct buf text = { 0 };

    buf_init(&text, 10000);
    for (int i = 0; i < SCHEMA_DEPTH_MAX; i++)
        buf_append_text(&text, "{\"type\":\"array\",\"items\":");
    buf_append_text(&text, "{\"type\":\"boolean\"}");
    for (int i = 0; i < SCHEMA_DEPTH_MAX; i++)
        buf_append_char(&text, '}');
    assert_non_null(strstr(read_schema(f, text.at), "schema is nested deeper than 16"));
}

static void all_that_is_wrong_with_a_value_is_found(void **state)
{
    static const struct {
        const char *value, *problems;
    } cases[] = {
        { "{\"id\":\"ab\",\"paid\":true,\"lines\":[{\"n\":1}]}", "" },
        { "{\"id\":\"a\",\"paid\":0,\"lines\":[],\"totl\":1}",
          "in:1:7: error: id: text of 1 characters, expected at least 2 [length]\n"
          "in:1:18: error: paid: found number, expected boolean [type]\n"
          "in:1:28: error: lines: 0 items, expected at least 1 [length]\n"
          "in:1:31: error: unknown field 'totl', did you mean 'total'? [unknown_key]\n" },
        { "{\"id\":\"\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\",\n\"paid\":true,\"tier\":\"busines\","
          "\"lines\":[{\"n\":1},{\"n\":1.5},{}]}",
          "in:2:20: error: tier: 'busines' is none of standard, business, did you mean "
          "'business'? [enum]\n"
          "in:2:38: error: lines: 3 items, expected at most 2 [too_long]\n"
          "in:2:52: error: lines[1].n: 1.5 is no integer [type]\n"
          "in:2:57: error: lines[2]: field 'n' is missing [missing]\n" },
        { "{\"id\":\"ab\",\"paid\":true,\"lines\":[{\"n\":1}],\"total\":-0.01,"
          "\"due\":\"2026-02-30\",\"at\":\"2026-02-03T10:00:00\"}",
          "in:1:50: error: total: -0.01 is below the minimum 0 [range]\n"
          "in:1:62: error: due: '2026-02-30' is no date (2026-05-03) [format]\n"
          "in:1:80: error: at: '2026-02-03T10:00:00' is no date-time (2026-05-03T09:30:00Z) "
          "[format]\n" },
        { "{\"total\":null}",
          "in:1:10: error: total: found null, expected number (leave the field out when there "
          "is none) [type]\n"
          "in:1:1: error: field 'id' is missing [missing]\n"
          "in:1:1: error: field 'paid' is missing [missing]\n"
          "in:1:1: error: field 'lines' is missing [missing]\n" },
        { "{\"id\":\"ab\",\"paid\":true,\"lines\":[{\"n\":12345678901234567890123456789012345}],"
          "\"total\":1000000.01}",
          "in:1:38: error: lines[0].n: number '12345678901234567890123456789012345' needs more "
          "than "
          "34 digits or is out of range [range]\n"
          "in:1:84: error: total: 1000000.01 is above the maximum 1000000 [range]\n" },
        { "[]", "in:1:1: error: found array, expected object [type]\n" },
    };
    struct fixture *f = *state;

    assert_string_equal(read_schema(f, order), "");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(validate(f, cases[i].value), cases[i].problems);
}

static void a_member_of_a_set_appears_once(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(read_schema(f, "{\"type\":\"array\",\"uniqueItems\":true,"
                                       "\"items\":{\"enum\":[\"a\",\"b\",\"c\"]}}"),
                        "");
    assert_string_equal(validate(f, "[\"c\",\"a\"]"), "");
    assert_string_equal(validate(f, "[\"a\",\"b\",\"a\"]"),
                        "in:1:10: error: 'a' appears twice [duplicate]\n");
    assert_string_equal(
        validate(f, "[\"a\",\"b\",\"c\",\"c\"]"),
        "in:1:1: error: 4 items of a set, there are 3 different ones [duplicate]\n");
}

static void values_are_exact_and_defaults_filled_in(void **state)
{
    struct fixture *f = *state;
    struct feel_value value;

    assert_string_equal(read_schema(f, order), "");
    assert_int_equal(
        schema_to_value(&f->schema,
                        json_of(f, "{\"lines\":[{\"n\":7}],\"total\":0.10,\"paid\":false,"
                                   "\"id\":\"ab\",\"due\":\"2026-05-03\"}"),
                        &f->arena, &value, &f->err),
        RC_OK);
    buf_reset(&f->out);
    feel_append_json(&f->out, &value);
    assert_string_equal(f->out.at,
                        "{\"id\":\"ab\",\"tier\":\"standard\",\"total\":0.1,\"due\":"
                        "\"2026-05-03\",\"at\":null,\"paid\":false,\"lines\":[{\"n\":7}]}");
    assert_int_equal(feel_find(&value, STR("due"))->kind, FEEL_DATE);
    assert_int_equal(
        schema_to_value(&f->schema, json_of(f, "{\"id\":7}"), &f->arena, &value, &f->err),
        RC_INVALID);
}

static void feel_sees_the_declared_types(void **state)
{
    struct fixture *f = *state;
    struct feel_type type;

    assert_string_equal(read_schema(f, order), "");
    assert_int_equal(schema_feel_type(&f->schema, &f->arena, &type, &f->err), RC_OK);
    buf_reset(&f->out);
    feel_append_type(&f->out, &type);
    assert_string_equal(
        f->out.at, "context<id: string, tier: string, total: number?, due: date?, at: date and "
                   "time?, paid: boolean, lines: list<context<n: number>>>");
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct problems problems;
        struct schema schema;
        struct feel_value value;
        struct feel_type type;
        struct arena arena;
        struct json *text, *v;
        struct err err = { 0 };

        arena_init(&arena, 8 << 20);
        problem_init(&problems, &arena);
        rc = json_parse(STR(order), JSON_DUPLICATES_REFUSED, &arena, &text, &err);
        if (!rc)
            rc = json_parse(STR("{\"id\":\"x\",\"lines\":[{\"n\":1}],\"due\":\"2026-05-03\"}"),
                            JSON_DUPLICATES_REFUSED, &arena, &v, &err);
        if (!rc)
            rc = schema_read(text, "s", &arena, &problems, &schema, &err);
        if (!rc)
            rc = schema_validate(&schema, v, "in", &problems, &err);
        if (!rc)
            rc = schema_to_value(&schema, v, &arena, &value, &err);
        if (!rc)
            rc = schema_feel_type(&schema, &arena, &type, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
#define SCHEMA_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SCHEMA_TEST(broken_schemas_are_refused_with_their_place),
        SCHEMA_TEST(a_schema_is_nested_at_most_sixteen_deep),
        SCHEMA_TEST(all_that_is_wrong_with_a_value_is_found),
        SCHEMA_TEST(a_member_of_a_set_appears_once),
        SCHEMA_TEST(values_are_exact_and_defaults_filled_in),
        SCHEMA_TEST(feel_sees_the_declared_types),
        SCHEMA_TEST(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("spec/schema", tests, NULL, NULL);
}
