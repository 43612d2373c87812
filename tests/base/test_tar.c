/* test_tar.c - archives in one form; that others read them is in tests/e2e/story_bundle.py. */
#include "base/tar.h"

#include "base/mem.h"
#include "tests/support/test.h"

#include <stdio.h>

static void write_two(struct buf *out)
{
    struct err err = { 0 };

    buf_init(out, 1 << 16);
    assert_int_equal(tar_append(out, STR("a.txt"), STR("hello"), &err), RC_OK);
    assert_int_equal(tar_append(out, STR("tables/b"), STR(""), &err), RC_OK);
    tar_end(out);
    assert_int_equal(out->failed, RC_OK);
}

/* Reads to the end; how many files there were. */
static enum rc read_all(struct str rest, size_t *ret_n, struct err *err)
{
    struct tar_entry entry;
    bool is_end = false;

    *ret_n = 0;
    for (;;) {
        enum rc rc = tar_next(&rest, &entry, &is_end, err);
        if (rc || is_end)
            return rc;
        ++*ret_n;
    }
}

static void files_are_read_as_they_were_written(void **state)
{
    struct buf archive;
    struct tar_entry entry;
    struct err err = { 0 };
    bool is_end;
    (void)state;

    write_two(&archive);
    assert_int_equal(archive.len, (1 + 1 + 1 + 2) * TAR_BLOCK_BYTES);
    struct str rest = buf_str(&archive);
    assert_int_equal(tar_next(&rest, &entry, &is_end, &err), RC_OK);
    assert_true(str_is(entry.name, "a.txt") && str_is(entry.bytes, "hello"));
    assert_int_equal(tar_next(&rest, &entry, &is_end, &err), RC_OK);
    assert_true(str_is(entry.name, "tables/b") && entry.bytes.len == 0);
    assert_int_equal(tar_next(&rest, &entry, &is_end, &err), RC_OK);
    assert_true(is_end);
    buf_release(&archive);
}

static void the_same_files_are_the_same_bytes(void **state)
{
    struct buf a, b;
    (void)state;

    write_two(&a);
    write_two(&b);
    assert_true(str_equal(buf_str(&a), buf_str(&b)));
    buf_release(&a);
    buf_release(&b);
}

static void a_bit_that_differs_outside_of_names_and_contents_is_refused(void **state)
{
    struct buf archive;
    struct err err = { 0 };
    size_t n;
    (void)state;

    write_two(&archive);
    for (size_t bit = 0; bit < 8 * archive.len; bit++) {
        size_t at = bit / 8;

        if (at >= TAR_BLOCK_BYTES && at < TAR_BLOCK_BYTES + sizeof("hello") - 1)
            continue; /* the content; the checksum of a header covers its name */
        archive.at[at] ^= (char)(1 << bit % 8);
        if (read_all(buf_str(&archive), &n, &err) == RC_OK)
            fail_msg("bit %zu", bit);
        archive.at[at] ^= (char)(1 << bit % 8);
    }
    assert_int_equal(read_all(buf_str(&archive), &n, &err), RC_OK);
    assert_int_equal(n, 2);
    buf_release(&archive);
}

static void an_archive_that_is_cut_off_or_goes_on_is_refused(void **state)
{
    struct buf archive;
    struct err err = { 0 };
    size_t n;
    (void)state;

    write_two(&archive);
    for (size_t len = 0; len < archive.len; len++) {
        char *copy = mem_alloc(len + 1); /* so that a sanitizer sees one byte too far */

        assert_non_null(copy);
        memcpy(copy, archive.at, len);
        assert_int_equal(read_all((struct str){ copy, len }, &n, &err), RC_CORRUPT);
        mem_free(copy);
    }
    buf_append_char(&archive, '\0');
    assert_int_equal(read_all(buf_str(&archive), &n, &err), RC_CORRUPT);
    buf_release(&archive);
}

/* P2. Nothing is allocated at all: entries are borrowed. */
static void a_file_that_says_it_is_larger_than_the_archive_is_refused(void **state)
{
    static const char *const sizes[] = { "00000010000", "07777777777", "77777777777" };
    struct buf archive;
    struct err err = { 0 };
    size_t n;
    (void)state;

    write_two(&archive);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        unsigned sum = 0;

        memcpy(archive.at + 124, sizes[i], 11);
        memset(archive.at + 148, ' ', 8);
        for (size_t at = 0; at < TAR_BLOCK_BYTES; at++)
            sum += (unsigned char)archive.at[at];
        snprintf(archive.at + 148, 8, "%06o", sum); /* then NUL and the space that stands there */
        assert_int_equal(read_all(buf_str(&archive), &n, &err), RC_CORRUPT);
        if (!strstr(err.message, "the archive ends inside 'a.txt'"))
            fail_msg("%s: %s", sizes[i], err.message);
    }
    buf_release(&archive);
}

static void names_that_lead_out_of_the_folder_are_refused(void **state)
{
    static const char *const good[] = { "a", "tables/vendor master", "a..b", "..a", "\xc3\xa4" };
    static const char *const bad[] = { "",      "/a",   "../a", "a/../b", "a/..", ".",
                                       "a/./b", "a//b", "a/",   "a\\b",   "a\nb" };
    struct buf out;
    struct err err = { 0 };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(tar_name_is_valid(str_of(good[i])));
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(tar_append(&out, str_of(bad[i]), STR("x"), &err), RC_INVALID);
    assert_int_equal(out.len, 0);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_as_they_were_written),
        cmocka_unit_test(the_same_files_are_the_same_bytes),
        cmocka_unit_test(a_bit_that_differs_outside_of_names_and_contents_is_refused),
        cmocka_unit_test(an_archive_that_is_cut_off_or_goes_on_is_refused),
        cmocka_unit_test(a_file_that_says_it_is_larger_than_the_archive_is_refused),
        cmocka_unit_test(names_that_lead_out_of_the_folder_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
