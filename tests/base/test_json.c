#include "tests/base/peer_jansson.h"
#include "tests/support/data.h"

#include "base/json.h"

#include <dirent.h>
#include <math.h>

enum { ARENA_BYTES = 4 << 20 };

static enum rc parse(struct arena *arena, struct str text, struct json **ret, struct err *err)
{
    arena_init(arena, ARENA_BYTES);
    return json_parse(text, JSON_DUPLICATES_REFUSED, arena, ret, err);
}

static void values_keep_their_text_and_their_place(void **state)
{
    struct arena arena;
    struct json *v;
    struct err err;
    (void)state;

    assert_int_equal(
        parse(&arena, STR("{\"total\": 10.50,\n  \"lines\": [true, \"a\\u00e9\\ud83d\\ude00\"]}"),
              &v, &err),
        RC_OK);
    const struct json *total = json_find(v, "total");
    const struct json *lines = json_find(v, "lines");
    assert_true(str_is(total->text, "10.50"));
    assert_int_equal(total->line, 1);
    assert_int_equal(total->column, 11);
    assert_int_equal(v->members[1].line, 2);
    assert_int_equal(v->members[1].column, 3);
    assert_int_equal(lines->n, 2);
    assert_int_equal(lines->items[1].column, 19);
    assert_true(str_is(lines->items[1].text, "a\xC3\xA9\xF0\x9F\x98\x80"));
    assert_null(json_find(v, "net"));
    assert_null(json_find(total, "net"));
    arena_release(&arena);
}

static void broken_texts_are_refused_with_line_and_column(void **state)
{
    static const struct {
        const char *text, *message;
        enum rc code;
    } cases[] = {
        { "", "line 1, column 1: text ends, expected a value", RC_INVALID },
        { "\xEF\xBB\xBF{}", "line 1, column 1: expected a value", RC_INVALID },
        { "[1,\n 2,]", "line 2, column 4: expected a value", RC_INVALID },
        { "[1 2]", "line 1, column 4: expected ',' or ']'", RC_INVALID },
        { "{\"a\":1 \"b\":2}", "line 1, column 8: expected ',' or '}'", RC_INVALID },
        { "{\"a\" 1}", "line 1, column 6: expected ':' after the key", RC_INVALID },
        { "{\"a\":1,}", "line 1, column 8: expected a key in double quotes", RC_INVALID },
        { "{\"a\":1,\n\"b\":2,\"a\":3}", "line 2, column 7: duplicate key 'a'", RC_INVALID },
        { "01", "line 1, column 2: text goes on after the value", RC_INVALID },
        { "-", "line 1, column 2: expected a digit", RC_INVALID },
        { "1.", "line 1, column 3: expected a digit after the decimal point", RC_INVALID },
        { "1e+", "line 1, column 4: expected a digit in the exponent", RC_INVALID },
        { "\"a", "line 1, column 1: string has no closing quote", RC_INVALID },
        { "\"a\tb\"", "line 1, column 3: control character in a string, expected an escape",
          RC_INVALID },
        { "\"\xC0\x80\"", "line 1, column 2: invalid UTF-8", RC_INVALID },
        { "\"\\x\"", "line 1, column 2: unknown escape in a string", RC_INVALID },
        { "\"\\", "line 1, column 2: text ends inside a string", RC_INVALID },
        { "\"\\u12g4\"", "line 1, column 2: expected four hex digits after \\u", RC_INVALID },
        { "\"\\udc00\"", "line 1, column 2: lone surrogate", RC_INVALID },
        { "\"\\ud800\\u0041\"", "line 1, column 2: lone surrogate", RC_INVALID },
        { "\"\\udc00\\udc00\"", "line 1, column 2: lone surrogate", RC_INVALID },
        { "\"\x1f\"", "line 1, column 2: control character in a string, expected an escape",
          RC_INVALID },
        { "nul", "line 1, column 1: expected a value", RC_INVALID },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct json *v = NULL;
        struct err err = { 0 };

        assert_int_equal(parse(&arena, str_of(cases[i].text), &v, &err), cases[i].code);
        assert_string_equal(err.message, cases[i].message);
        assert_null(v);
        arena_release(&arena);
    }
}

static void depth_number_length_and_memory_are_limited(void **state)
{
    static char deep[2 * JSON_DEPTH_MAX + 3], digits[JSON_NUMBER_LEN_MAX + 2];
    struct arena arena;
    struct json *v;
    struct err err;
    (void)state;

    memset(deep, '[', JSON_DEPTH_MAX);
    memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_int_equal(parse(&arena, str_of(deep), &v, &err), RC_OK);
    arena_release(&arena);
    memset(deep, '[', JSON_DEPTH_MAX + 1);
    assert_int_equal(parse(&arena, str_of(deep), &v, &err), RC_LIMIT);
    assert_string_equal(err.message, "line 1, column 129: nested deeper than 128");
    arena_release(&arena);

    memset(digits, '7', JSON_NUMBER_LEN_MAX + 1);
    assert_int_equal(parse(&arena, str_of(digits), &v, &err), RC_LIMIT);
    arena_release(&arena);

    arena_init(&arena, 1000);
    assert_int_equal(json_parse(STR("[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"),
                                JSON_DUPLICATES_REFUSED, &arena, &v, &err),
                     RC_LIMIT);
    arena_release(&arena);
}

static void a_hundred_thousand_keys_are_checked_for_duplicates(void **state)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct arena arena;
    struct json *v;
    struct err err;
    (void)state;

    buf_init(&text, 8 << 20);
    for (int i = 0; i < 100000; i++)
        buf_printf(&text, "%c\"k%d\":%d", i ? ',' : '{', i, i);
    buf_append_text(&text, ",\"k5\":0}");
    arena_init(&arena, 64 << 20);
    assert_int_equal(json_parse(buf_str(&text), JSON_DUPLICATES_REFUSED, &arena, &v, &err),
                     RC_INVALID);
    assert_non_null(strstr(err.message, "duplicate key 'k5'"));
    arena_reset(&arena);
    assert_int_equal(json_parse(buf_str(&text), JSON_DUPLICATES_KEPT, &arena, &v, &err), RC_OK);
    assert_int_equal(v->n, 100001);
    arena_release(&arena);
}

static void numbers_convert_only_when_exact(void **state)
{
    static const struct {
        const char *text;
        bool is_i64;
        int64_t i64;
    } cases[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775808", false, 0 },
        { "1.0", true, 1 },
        { "1.50e1", true, 15 },
        { "120e-1", true, 12 },
        { "1e18", true, 1000000000000000000 },
        { "1e19", false, 0 },
        { "0.5", false, 0 },
        { "1e-1", false, 0 },
        { "0e999999999999999999", true, 0 },
        { "1e999999999999999999", false, 0 },
        { "1e-999999999999999999", false, 0 },
        { "-100.00", true, -100 },
    };
    double d = 7;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json v = { .type = JSON_NUMBER, .text = str_of(cases[i].text) };
        int64_t got = 7;

        if (json_to_i64(&v, &got) != cases[i].is_i64 || (cases[i].is_i64 && got != cases[i].i64) ||
            (!cases[i].is_i64 && got != 7))
            fail_msg("%s gave %lld", cases[i].text, (long long)got);
    }
    assert_true(json_to_double(&(struct json){ .type = JSON_NUMBER, .text = STR("0.1") }, &d));
    assert_true(d == 0.1);
    assert_false(json_to_double(&(struct json){ .type = JSON_NUMBER, .text = STR("1e400") }, &d));
    assert_false(json_to_double(&(struct json){ .type = JSON_STRING, .text = STR("1") }, &d));
    assert_true(d == 0.1);
}

static void trees_are_written_as_read_and_canonically(void **state)
{
    const char *text = "{\"b\":[1.0,null,{\"z\":\"\\u0001\\n/\\\"\",\"a\":[]}],\"a\":{},\"\":-1e5}";
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct arena arena;
    struct json *v;
    struct err err;
    (void)state;

    buf_init(&out, 1000);
    assert_int_equal(parse(&arena, str_of(text), &v, &err), RC_OK);
    json_append(&out, v);
    assert_string_equal(out.at, text);
    buf_reset(&out);
    json_append_canonical(&out, v);
    assert_string_equal(
        out.at, "{\"\":-1e5,\"a\":{},\"b\":[1.0,null,{\"a\":[],\"z\":\"\\u0001\\n/\\\"\"}]}");
    buf_reset(&out);
    json_append_string(&out, STR("a\xFFz"));
    assert_string_equal(out.at, "\"a\xEF\xBF\xBDz\"");
    arena_release(&arena);
}

static void the_writer_places_commas(void **state)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct json_writer w;
    (void)state;

    buf_init(&out, 1000);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "a");
    json_begin_array(&w);
    json_i64(&w, INT64_MIN);
    json_double(&w, 0.1);
    json_double(&w, 1.0 / 3);
    json_double(&w, (double)INFINITY);
    json_bool(&w, true);
    json_begin_object(&w);
    json_end_object(&w);
    json_text(&w, NULL);
    json_end_array(&w);
    json_key(&w, "b");
    json_text(&w, "x");
    json_key(&w, "c");
    json_raw(&w, STR("[1]"));
    json_end_object(&w);
    assert_string_equal(out.at, "{\"a\":[-9223372036854775808,0.1,0.3333333333333333,null,true,{},"
                                "null],\"b\":\"x\",\"c\":[1]}");
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        CLEANUP(buf_releasep) struct buf out = { 0 };
        struct arena arena;
        struct json *v;
        struct err err = { 0 };

        buf_init(&out, 1000);
        rc = parse(&arena, STR("{\"b\":[1,\"x\",{}],\"a\":{\"k\":null,\"j\":true}}"), &v, &err);
        if (!rc) {
            json_append_canonical(&out, v);
            rc = buf_rc(&out, "text", &err);
        }
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

/* The i_ files ("implementation may accept or reject"): docs/json.md says why for each group. */
static const char *const refused_i_files[] = {
    "i_object_key_lone_2nd_surrogate.json",
    "i_string_1st_surrogate_but_2nd_missing.json",
    "i_string_1st_valid_surrogate_2nd_invalid.json",
    "i_string_UTF-16LE_with_BOM.json",
    "i_string_UTF-8_invalid_sequence.json",
    "i_string_UTF8_surrogate_U+D800.json",
    "i_string_incomplete_surrogate_and_escape_valid.json",
    "i_string_incomplete_surrogate_pair.json",
    "i_string_incomplete_surrogates_escape_valid.json",
    "i_string_invalid_lonely_surrogate.json",
    "i_string_invalid_surrogate.json",
    "i_string_invalid_utf-8.json",
    "i_string_inverted_surrogates_U+1D11E.json",
    "i_string_iso_latin_1.json",
    "i_string_lone_second_surrogate.json",
    "i_string_lone_utf8_continuation_byte.json",
    "i_string_not_in_unicode_range.json",
    "i_string_overlong_sequence_2_bytes.json",
    "i_string_overlong_sequence_6_bytes.json",
    "i_string_overlong_sequence_6_bytes_null.json",
    "i_string_truncated-utf-8.json",
    "i_string_utf16BE_no_BOM.json",
    "i_string_utf16LE_no_BOM.json",
    "i_structure_500_nested_arrays.json",
    "i_structure_UTF-8_BOM_empty_object.json",
};

static bool must_accept(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(refused_i_files); i++)
        if (strcmp(refused_i_files[i], name) == 0)
            return false;
    return name[0] != 'n';
}

/* What jansson takes we take and the other way round, but for what the two define differently. */
static void compare_with_jansson(const char *name, struct str text, bool accepted)
{
    static const char *const differ[] = {
        "number", /* jansson refuses what overflows an int64 or a double */
        "nested", /* its depth limit is 2048 */
        "nul",    "u0000",  "U+0000", "null_byte", /* it has no NUL in keys */
        "utf16",  "UTF-16", "BOM",
    };
    bool theirs = peer_jansson_accepts(text.at, text.len);
    bool may_differ = false;

    for (size_t i = 0; i < ARRAY_LEN(differ); i++)
        may_differ |= strstr(name, differ[i]) != NULL;
    if (theirs != accepted && !may_differ)
        fail_msg("%s: we %s, jansson %s", name, accepted ? "accept" : "refuse",
                 theirs ? "accepts" : "refuses");
}

static void the_json_test_suite_is_exact(void **state)
{
    char path[4096], dir_path[4096];
    size_t n = 0;
    (void)state;

    DIR *dir = opendir(test_data_path("json-test-suite", dir_path));
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        static char text[1 << 20];
        struct arena arena;
        struct json *v;
        struct err err = { 0 };

        if (!strstr(entry->d_name, ".json"))
            continue;
        snprintf(path, sizeof(path), "%.3000s/%s", dir_path, entry->d_name);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        size_t len = fread(text, 1, sizeof(text), f);
        fclose(f);

        arena_init(&arena, 64 << 20);
        enum rc rc = json_parse((struct str){ text, len }, JSON_DUPLICATES_KEPT, &arena, &v, &err);
        if ((rc == RC_OK) != must_accept(entry->d_name))
            fail_msg("%s: %s", entry->d_name, rc ? err.message : "accepted");
        compare_with_jansson(entry->d_name, (struct str){ text, len }, rc == RC_OK);
        arena_release(&arena);
        n++;
    }
    closedir(dir);
    assert_in_range(n, 300, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_keep_their_text_and_their_place),
        cmocka_unit_test(broken_texts_are_refused_with_line_and_column),
        cmocka_unit_test(depth_number_length_and_memory_are_limited),
        cmocka_unit_test(a_hundred_thousand_keys_are_checked_for_duplicates),
        cmocka_unit_test(numbers_convert_only_when_exact),
        cmocka_unit_test(trees_are_written_as_read_and_canonically),
        cmocka_unit_test(the_writer_places_commas),
        cmocka_unit_test(every_failing_allocation_is_reported),
        cmocka_unit_test(the_json_test_suite_is_exact),
    };
    return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
