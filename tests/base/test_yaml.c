#include "tests/support/test.h"

#include "base/yaml.h"

enum { ARENA_BYTES = 4 << 20 };

static void assert_reads_as(const char *yaml, const char *json)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct arena arena;
    struct json *v;
    struct err err = { 0 };

    arena_init(&arena, ARENA_BYTES);
    buf_init(&out, 10000);
    if (yaml_parse(str_of(yaml), &arena, &v, &err))
        fail_msg("%s: %s", yaml, err.message);
    json_append(&out, v);
    assert_string_equal(out.at, json);
    arena_release(&arena);
}

static void plain_scalars_follow_the_core_schema(void **state)
{
    (void)state;
    assert_reads_as("[null, Null, NULL, ~, ]", "[null,null,null,null]");
    assert_reads_as("a:\nb: ''", "{\"a\":null,\"b\":\"\"}");
    assert_reads_as("[true, True, FALSE, yes, no, on, off, y, n, NO]",
                    "[true,true,false,\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"NO\"]");
    assert_reads_as("[0.10, -0, 1e3, 12, -1.5E-2]", "[0.10,-0,1e3,12,-1.5E-2]");
    assert_reads_as("[1.2.3, 2024-01-01, 1_000, 12:30, 0x, 0xg, 1e, e1, -, 0o8, +]",
                    "[\"1.2.3\",\"2024-01-01\",\"1_000\",\"12:30\",\"0x\",\"0xg\",\"1e\",\"e1\","
                    "\"-\",\"0o8\",\"+\"]");
    assert_reads_as("['1', \"true\", '']", "[\"1\",\"true\",\"\"]");
    assert_reads_as("{1: a, true: b, ~: c}", "{\"1\":\"a\",\"true\":\"b\",\"~\":\"c\"}");
}

static void block_and_flow_style_give_one_tree(void **state)
{
    (void)state;
    assert_reads_as("# settings\nrules:\n- name: r1 # first\n  must: a > 1\n- {name: r2}\n"
                    "text: |\n  two\n  lines\nfold: >-\n  a\n  b\n",
                    "{\"rules\":[{\"name\":\"r1\",\"must\":\"a > 1\"},{\"name\":\"r2\"}],"
                    "\"text\":\"two\\nlines\\n\",\"fold\":\"a b\"}");
    assert_reads_as("--- x\n...\n", "\"x\"");
}

static void keys_and_values_keep_their_place(void **state)
{
    struct arena arena;
    struct json *v;
    struct err err;
    (void)state;

    arena_init(&arena, ARENA_BYTES);
    assert_int_equal(yaml_parse(STR("a: 1\nlist:\n  - x\n  - k: v\n"), &arena, &v, &err), RC_OK);
    const struct json *list = json_find(v, "list");
    assert_int_equal(v->members[1].line, 2);
    assert_int_equal(v->members[1].column, 1);
    assert_int_equal(list->items[0].line, 3);
    assert_int_equal(list->items[0].column, 5);
    assert_int_equal(list->items[1].members[0].value.line, 4);
    assert_int_equal(list->items[1].members[0].value.column, 8);
    arena_release(&arena);
}

static void what_we_do_not_take_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *message;
        enum rc code;
    } cases[] = {
        { "", "line 1, column 1: no document, expected one", RC_INVALID },
        { "# only\n", "line 1, column 1: no document, expected one", RC_INVALID },
        { "a: 1\n---\nb: 2\n", "line 2, column 1: a second document, expected one", RC_INVALID },
        { "a: &x 1\n",
          "line 1, column 4: anchors are not supported: write the value where it is "
          "needed",
          RC_INVALID },
        { "a: *x\n", "line 1, column 4: aliases are not supported: write the value again",
          RC_INVALID },
        { "a: !!str 1\n", "line 1, column 4: tags are not supported", RC_INVALID },
        { "a: ! 1\n", "line 1, column 4: tags are not supported", RC_INVALID },
        { "a: !!map {}\n", "line 1, column 4: tags are not supported", RC_INVALID },
        { "- &b [1]\n",
          "line 1, column 3: anchors are not supported: write the value where it is "
          "needed",
          RC_INVALID },
        { "%YAML 1.2\n---\na\n", "line 1, column 1: directives are not supported", RC_INVALID },
        { "a: 1\nb: 2\na: 3\n", "line 3, column 1: duplicate key 'a'", RC_INVALID },
        { "{\"a\": 1, a: 2}", "line 1, column 10: duplicate key 'a'", RC_INVALID },
        { "? [a]\n: 1\n", "line 1, column 3: a key must be text", RC_INVALID },
        { "a: +1\n", "line 1, column 4: number is not written as in JSON: write it so, or quote it",
          RC_INVALID },
        { "a: 0x1F\n",
          "line 1, column 4: number is not written as in JSON: write it so, or quote it",
          RC_INVALID },
        { "a: 007\n",
          "line 1, column 4: number is not written as in JSON: write it so, or quote it",
          RC_INVALID },
        { "a: .5\n", "line 1, column 4: number is not written as in JSON: write it so, or quote it",
          RC_INVALID },
        { "a: 1.\n", "line 1, column 4: number is not written as in JSON: write it so, or quote it",
          RC_INVALID },
        { "a: -.inf\n",
          "line 1, column 4: number is not written as in JSON: write it so, or quote it",
          RC_INVALID },
        { "a: [1, 2\n", "line 2, column 1: did not find expected ',' or ']'", RC_INVALID },
        { "a:\n\t- b\n", "line 2, column 1: found character that cannot start any token",
          RC_INVALID },
        { "a: 1\n b: 2\n", "line 2, column 3: mapping values are not allowed in this context",
          RC_INVALID },
        { "a: \xFF\n", "line 1, column 4: invalid UTF-8", RC_INVALID },
        { "\xFF\xFE"
          "a",
          "line 1, column 1: invalid UTF-8", RC_INVALID },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct json *v = NULL;
        struct err err = { 0 };

        arena_init(&arena, ARENA_BYTES);
        enum rc rc = yaml_parse(str_of(cases[i].text), &arena, &v, &err);
        if (rc != cases[i].code || strcmp(err.message, cases[i].message) != 0)
            fail_msg("'%s': %s: %s", cases[i].text, rc_name(rc), err.message);
        arena_release(&arena);
    }
}

static void depth_size_and_key_length_are_limited(void **state)
{
    static char deep[JSON_DEPTH_MAX + 2], big[YAML_BYTES_MAX + 1], key[YAML_KEY_LEN_MAX + 5];
    struct arena arena;
    struct json *v;
    struct err err;
    (void)state;

    arena_init(&arena, ARENA_BYTES);
    memset(deep, '[', JSON_DEPTH_MAX + 1);
    assert_int_equal(yaml_parse(str_of(deep), &arena, &v, &err), RC_LIMIT);
    memset(big, 'a', sizeof(big));
    assert_int_equal(yaml_parse((struct str){ big, sizeof(big) }, &arena, &v, &err), RC_LIMIT);
    memset(key, 'k', YAML_KEY_LEN_MAX + 1);
    memcpy(key + YAML_KEY_LEN_MAX + 1, ": 1", 4);
    assert_int_equal(yaml_parse(str_of(key), &arena, &v, &err), RC_LIMIT);
    arena_release(&arena);
}

static void a_written_tree_reads_back(void **state)
{
    static const char json[] =
        "{\"name\":\"triage\",\"no\":\"no\",\"n\":0.10,\"t\":\"true\",\"v\":\"1.0\",\"e\":\"\","
        "\"must\":\"a > 1 and b = \\\"x\\\"\",\"c\":\"a: b\",\"h\":\"a #b\",\"s\":\" a \","
        "\"l\":[1,[2,[]],{\"a\":{},\"b\":[\"x\",{\"y\":null}]}],\"dash\":\"- a\","
        "\"multi\":\"a\\nb\",\"odd\":\"\\u0001\\u007f\xC2\x85\xEF\xBB\xBF\xF0\x9F\x98\x80\","
        "\"q\":\"\\\\\",\"colon\":\"a:\",\"star\":\"*a\",\"\":true,\"null\":null}";
    CLEANUP(buf_releasep) struct buf yaml = { 0 }, back = { 0 };
    struct arena arena;
    struct json *v, *again;
    struct err err;
    (void)state;

    arena_init(&arena, ARENA_BYTES);
    buf_init(&yaml, 10000);
    buf_init(&back, 10000);
    assert_int_equal(json_parse(STR(json), JSON_DUPLICATES_REFUSED, &arena, &v, &err), RC_OK);
    yaml_append(&yaml, v);
    if (yaml_parse(buf_str(&yaml), &arena, &again, &err))
        fail_msg("%s\n%s", err.message, yaml.at);
    json_append(&back, again);
    buf_reset(&yaml);
    json_append(&yaml, v);
    assert_string_equal(back.at, yaml.at);
    arena_release(&arena);
}

static void rendering_is_readable(void **state)
{
    CLEANUP(buf_releasep) struct buf yaml = { 0 };
    struct arena arena;
    struct json *v;
    struct err err;
    (void)state;

    arena_init(&arena, ARENA_BYTES);
    buf_init(&yaml, 10000);
    assert_int_equal(
        json_parse(STR("{\"rules\":[{\"must\":\"a > 1\",\"t\":[]},\"x\"],\"no\":\"1\"}"),
                   JSON_DUPLICATES_REFUSED, &arena, &v, &err),
        RC_OK);
    yaml_append(&yaml, v);
    assert_string_equal(yaml.at, "rules:\n  - must: a > 1\n    t: []\n  - x\nno: \"1\"\n");
    arena_release(&arena);
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct arena arena;
        struct json *v;
        struct err err = { 0 };

        arena_init(&arena, ARENA_BYTES);
        rc = yaml_parse(STR("a: [1, x, {b: c}]\nd:\n  e: 2\n  f: \"g\"\n"), &arena, &v, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_scalars_follow_the_core_schema),
        cmocka_unit_test(block_and_flow_style_give_one_tree),
        cmocka_unit_test(keys_and_values_keep_their_place),
        cmocka_unit_test(what_we_do_not_take_is_refused_with_its_place),
        cmocka_unit_test(depth_size_and_key_length_are_limited),
        cmocka_unit_test(a_written_tree_reads_back),
        cmocka_unit_test(rendering_is_readable),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("base/yaml", tests, NULL, NULL);
}
