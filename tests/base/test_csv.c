#include "tests/support/test.h"

#include "base/csv.h"

#include <stdio.h>

enum { ARENA_BYTES = 1 << 20 };

/* All rows as "line:field|field;" text, or the error's message. */
static enum rc read_all(const char *text, char *out, size_t size)
{
    struct arena arena;
    struct csv csv;
    struct csv_row row;
    struct err err = { 0 };
    bool has_row = true;
    size_t len = 0;

    arena_init(&arena, ARENA_BYTES);
    out[0] = '\0';
    enum rc rc = csv_open(str_of(text), &arena, &csv, &err);
    while (!rc && has_row) {
        rc = csv_next(&csv, &arena, &has_row, &row, &err);
        if (rc || !has_row)
            break;
        len += (size_t)snprintf(out + len, size - len, "%u:", row.line);
        for (size_t i = 0; i < csv.n_columns; i++)
            len += (size_t)snprintf(out + len, size - len, "%.*s%s", STR_ARG(row.fields[i]),
                                    i + 1 < csv.n_columns ? "|" : ";");
    }
    if (rc)
        snprintf(out, size, "%s", err.message);
    arena_release(&arena);
    return rc;
}

static void rows_are_read_with_their_line(void **state)
{
    static const struct {
        const char *text, *rows;
    } cases[] = {
        { "a,b\n1,2\n3,4\n", "2:1|2;3:3|4;" },
        { "a,b\r\n1,2\r\n3,4", "2:1|2;3:3|4;" },
        { "\xEF\xBB\xBF"
          "a\n\n",
          "2:;" },
        { "a,b\n\"x,\"\"y\"\"\nz\",\"\"\n,\n", "2:x,\"y\"\nz|;4:|;" },
        { "\"a,\n1\",b\n1,2\n", "3:1|2;" },
        { "a,b\n", "" },
        { "a", "" },
        { "a,b\n\xC3\xA9, x \n", "2:\xC3\xA9| x ;" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[1000];
        if (read_all(cases[i].text, out, sizeof(out)) || strcmp(out, cases[i].rows) != 0)
            fail_msg("'%s' gave '%s'", cases[i].text, out);
    }
}

static void broken_files_are_refused_with_the_line(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "", "line 1: no header, expected column names" },
        { "a,\n", "line 1: column 2 has no name" },
        { "a,b,a\n", "line 1: column 'a' appears twice" },
        { "a,b\n1,2\n3\n", "line 3: too few fields, expected 2" },
        { "a,b\n1,2,3\n", "line 2: too many fields, expected 2" },
        { "a,b\n1,2\n\n", "line 3: too few fields, expected 2" },
        { "a\nx\"y\n", "line 2: quote inside an unquoted field" },
        { "a\n\"x\ny\"z\n", "line 3: text after a closing quote, expected ',' or the end of the "
                            "line" },
        { "a\n1\n\"x\n", "line 3: quoted field is never closed" },
        { "a\n\"\"\"\n", "line 2: quoted field is never closed" },
        { "a\n1\r2\n", "line 2: carriage return without a line feed" },
        { "a\n\xFF\n", "line 2: invalid UTF-8" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[1000];
        if (read_all(cases[i].text, out, sizeof(out)) != RC_INVALID ||
            strcmp(out, cases[i].message) != 0)
            fail_msg("'%s' gave '%s'", cases[i].text, out);
    }
}

static void nul_bytes_and_too_many_columns_are_refused(void **state)
{
    static char wide[2 * CSV_COLUMNS_MAX + 2];
    struct arena arena;
    struct csv csv;
    struct err err;
    (void)state;

    arena_init(&arena, ARENA_BYTES);
    assert_int_equal(csv_open((struct str){ "a\0b", 3 }, &arena, &csv, &err), RC_INVALID);
    memset(wide, ',', CSV_COLUMNS_MAX);
    assert_int_equal(csv_open(str_of(wide), &arena, &csv, &err), RC_LIMIT);
    arena_release(&arena);
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        char out[100];
        rc = read_all("a,b\n\"x\",2\n", out, sizeof(out));
        assert_true(rc == RC_OK || rc == RC_NOMEM);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_with_their_line),
        cmocka_unit_test(broken_files_are_refused_with_the_line),
        cmocka_unit_test(nul_bytes_and_too_many_columns_are_refused),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("base/csv", tests, NULL, NULL);
}
