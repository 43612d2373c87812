#include "tests/support/test.h"

#include "spec/table.h"

#include <stdio.h>

static struct spec_column columns[] = {
    { .name = { .text = { "id", 2 } }, .type = { .text = { "string", 6 } } },
    { .name = { .text = { "rate", 4 } }, .type = { .text = { "number", 6 } } },
    { .name = { .text = { "since", 5 } }, .type = { .text = { "date", 4 } } },
    { .name = { .text = { "open", 4 } }, .type = { .text = { "boolean", 7 } } },
};

static struct spec_table vendors(enum spec_format format, const char *key)
{
    return (struct spec_table){ .name = { .text = STR("vendors") },
                                .key = { .text = str_of(key) },
                                .format = format,
                                .n_columns = ARRAY_LEN(columns),
                                .columns = columns };
}

/* The rows as JSON, or the error's message. */
static enum rc parse(enum spec_format format, const char *key, const char *text, char *out,
                     size_t size)
{
    CLEANUP(buf_releasep) struct buf json = { 0 };
    struct spec_table table = vendors(format, key);
    struct arena arena;
    struct table loaded;
    struct err err = { 0 };

    arena_init(&arena, 1 << 20);
    buf_init(&json, size - 1);
    enum rc rc = table_parse(&table, str_of(text), &arena, &loaded, &err);
    if (!rc)
        feel_append_json(&json, &loaded.rows);
    if (!rc)
        rc = buf_rc(&json, "json", &err);
    snprintf(out, size, "%s", rc ? err.message : json.at);
    arena_release(&arena);
    return rc;
}

static void csv_and_jsonl_give_the_same_typed_rows(void **state)
{
    const char *rows = "[{\"id\":\"v1\",\"rate\":0.19,\"since\":\"2020-02-29\",\"open\":true},"
                       "{\"id\":\"v2\",\"rate\":null,\"since\":null,\"open\":false}]";
    char out[1000];
    (void)state;

    assert_int_equal(parse(SPEC_CSV, "id",
                           "note,open,id,rate,since\nx,true,v1,0.190,2020-02-29\n,false,v2,,\n",
                           out, sizeof(out)),
                     RC_OK);
    assert_string_equal(out, rows);
    assert_int_equal(parse(SPEC_JSONL, "id",
                           "{\"id\":\"v1\",\"rate\":0.190,\"since\":\"2020-02-29\",\"open\":true}\n"
                           "{\"id\":\"v2\",\"rate\":null,\"open\":false,\"note\":[]}",
                           out, sizeof(out)),
                     RC_OK);
    assert_string_equal(out, rows);
}

static void broken_tables_are_refused_with_the_line(void **state)
{
    static const struct {
        enum spec_format format;
        const char *key, *text, *message;
    } cases[] = {
        { SPEC_CSV, "", "id,rate,since\n", "line 1: column 'open' is missing" },
        { SPEC_CSV, "", "id,rate,since,open\nv,1.2.3,,\n",
          "line 2: column 'rate': '1.2.3' is no number" },
        { SPEC_CSV, "", "id,rate,since,open\nv,,2021-02-29,\n",
          "line 2: column 'since': '2021-02-29' is no date" },
        { SPEC_CSV, "", "id,rate,since,open\nv,,,yes\n",
          "line 2: column 'open': 'yes' is no boolean" },
        { SPEC_CSV, "id", "id,rate,since,open\na,,,\nb,,,\na,,,\n",
          "line 4: the key of line 2 again" },
        { SPEC_CSV, "rate", "id,rate,since,open\na,1,,\nb,1.0,,\n",
          "line 3: the key of line 2 again" },
        { SPEC_CSV, "id", "id,rate,since,open\n,,,\n", "line 2: the key is empty" },
        { SPEC_CSV, "", "id,rate,since,open\na,1\n", "line 2: too few fields, expected 4" },
        { SPEC_JSONL, "", "{\"rate\":1}\n[]\n", "line 2: found array, expected an object" },
        { SPEC_JSONL, "", "{\"rate\":\"1\"}\n",
          "line 1: column 'rate': found string, expected number" },
        { SPEC_JSONL, "", "{\"rate\":1\n", "line 1: line 1, column 10: expected ',' or '}'" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[300], expected[300];

        snprintf(expected, sizeof(expected), "table 'vendors': %s", cases[i].message);
        assert_int_equal(parse(cases[i].format, cases[i].key, cases[i].text, out, sizeof(out)),
                         RC_INVALID);
        assert_string_equal(out, expected);
    }
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        char out[1000];
        rc = parse(SPEC_CSV, "id", "id,rate,since,open\na,1,2020-01-01,true\nb,,,\n", out,
                   sizeof(out));
        assert_true(rc == RC_OK || rc == RC_NOMEM);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_and_jsonl_give_the_same_typed_rows),
        cmocka_unit_test(broken_tables_are_refused_with_the_line),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("spec/table", tests, NULL, NULL);
}
