/* The wheels are zip archives written here byte by byte: stored members, no compression. */
#include "tests/support/test.h"

#include "base/buf.h"
#include "net/wheel.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct zip_entry {
    const char *name, *text;
    uint32_t crc32; /* of text; 0: wrong on purpose */
};

static void append_u16(struct buf *b, unsigned value)
{
    buf_append_char(b, (char)(value & 0xff));
    buf_append_char(b, (char)(value >> 8 & 0xff));
}

static void append_u32(struct buf *b, size_t value)
{
    append_u16(b, (unsigned)(value & 0xffff));
    append_u16(b, (unsigned)(value >> 16 & 0xffff));
}

/* What the local header and the directory have in common. */
static void append_common(struct buf *b, const struct zip_entry *e)
{
    append_u16(b, 20); /* version needed */
    append_u16(b, 0);  /* flags */
    append_u16(b, 0);  /* stored */
    append_u32(b, 0);  /* time, date */
    append_u32(b, e->crc32);
    append_u32(b, strlen(e->text));
    append_u32(b, strlen(e->text));
    append_u16(b, (unsigned)strlen(e->name));
    append_u16(b, 0); /* extra */
}

/* A descriptor of a file in memory with the archive. */
static int zip_of(const struct zip_entry *entries, size_t n)
{
    size_t offsets[8], directory;
    struct buf b;
    int fd = memfd_create("wheel", MFD_CLOEXEC);

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        offsets[i] = b.len;
        buf_append(&b, "PK\3\4", 4);
        append_common(&b, &entries[i]);
        buf_append_text(&b, entries[i].name);
        buf_append_text(&b, entries[i].text);
    }
    directory = b.len;
    for (size_t i = 0; i < n; i++) {
        buf_append(&b, "PK\1\2", 4);
        append_u16(&b, 20);
        append_common(&b, &entries[i]);
        append_u16(&b, 0); /* comment */
        append_u16(&b, 0); /* disk */
        append_u16(&b, 0);
        append_u32(&b, 0);
        append_u32(&b, offsets[i]);
        buf_append_text(&b, entries[i].name);
    }
    size_t end = b.len;
    buf_append(&b, "PK\5\6", 4);
    append_u32(&b, 0);
    append_u16(&b, (unsigned)n);
    append_u16(&b, (unsigned)n);
    append_u32(&b, end - directory);
    append_u32(&b, directory);
    append_u16(&b, 0);
    assert_int_equal(write(fd, b.at, b.len), b.len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    buf_release(&b);
    return fd;
}

static enum rc collect(void *context, size_t index, const void *bytes, size_t len, struct err *err)
{
    struct buf *out = context;

    buf_append(&out[index], bytes, len);
    return buf_rc(&out[index], "member", err);
}

#define HELLO                                \
    {                                        \
        "pkg/hello.txt", "hello", 0x3610a686 \
    }
#define WORLD                                \
    {                                        \
        "pkg/world.txt", "world", 0x3a771143 \
    }

static const struct wheel_member wanted[] = { { "pkg/world.txt", 5 }, { "pkg/hello.txt", 5 } };

static enum rc read_entries(const struct zip_entry *entries, size_t n, struct buf *out,
                            struct err *err)
{
    int fd = zip_of(entries, n);
    enum rc rc = wheel_read(fd, wanted, ARRAY_LEN(wanted), collect, out, err);

    close(fd);
    return rc;
}

static void wanted_members_are_handed_out_and_others_are_not(void **state)
{
    const struct zip_entry entries[] = { HELLO, { "../evil", "x", 0 }, WORLD };
    struct buf out[2];
    struct err err = { 0 };
    (void)state;

    buf_init(&out[0], 100);
    buf_init(&out[1], 100);
    assert_int_equal(read_entries(entries, ARRAY_LEN(entries), out, &err), RC_OK);
    assert_true(str_is(buf_str(&out[0]), "world"));
    assert_true(str_is(buf_str(&out[1]), "hello"));
    buf_release(&out[0]);
    buf_release(&out[1]);
}

static void broken_wheels_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *name;
        struct zip_entry entries[3];
        size_t n;
        enum rc rc;
        const char *message;
    } cases[] = {
        { "missing", { HELLO }, 1, RC_NOT_FOUND, "the wheel has no member 'pkg/world.txt'" },
        { "twice",
          { HELLO, HELLO, WORLD },
          3,
          RC_CORRUPT,
          "member 'pkg/hello.txt' is there twice" },
        { "too long",
          { HELLO, { "pkg/world.txt", "world!", 0x718498e8 } },
          2,
          RC_LIMIT,
          "member 'pkg/world.txt' is longer than 5 bytes" },
        { "wrong checksum",
          { HELLO, { "pkg/world.txt", "world", 1 } },
          2,
          RC_CORRUPT,
          "no readable" },
        { "a folder", { { "pkg/hello.txt/", "", 0 }, WORLD }, 2, RC_NOT_FOUND, "'pkg/hello.txt'" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out[2];
        struct err err = { 0 };

        buf_init(&out[0], 100);
        buf_init(&out[1], 100);
        assert_int_equal(read_entries(cases[i].entries, cases[i].n, out, &err), cases[i].rc);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s: '%s'", cases[i].name, err.message);
        buf_release(&out[0]);
        buf_release(&out[1]);
    }
}

static void a_file_that_is_no_zip_is_refused(void **state)
{
    int fd = memfd_create("wheel", MFD_CLOEXEC);
    struct err err = { 0 };
    (void)state;

    assert_int_equal(write(fd, "PK? no", 6), 6);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(wheel_read(fd, wanted, ARRAY_LEN(wanted), collect, NULL, &err), RC_CORRUPT);
    close(fd);
}

static enum rc refuse(void *context, size_t index, const void *bytes, size_t len, struct err *err)
{
    (void)context;
    (void)index;
    (void)bytes;
    (void)len;
    return err_set(err, RC_FULL, "no room");
}

static void what_the_receiver_refuses_ends_the_reading(void **state)
{
    const struct zip_entry entries[] = { HELLO, WORLD };
    int fd = zip_of(entries, 2);
    struct err err = { 0 };
    (void)state;

    assert_int_equal(wheel_read(fd, wanted, ARRAY_LEN(wanted), refuse, NULL, &err), RC_FULL);
    assert_string_equal(err.message, "no room");
    close(fd);
}

static void every_failing_allocation_is_reported(void **state)
{
    const struct zip_entry entries[] = { HELLO, WORLD };
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct buf out[2];
        struct err err = { 0 };
        int fd;

        mem_fault_at(-1);
        fd = zip_of(entries, 2);
        mem_fault_at(nth);
        buf_init(&out[0], 100);
        buf_init(&out[1], 100);
        rc = wheel_read(fd, wanted, ARRAY_LEN(wanted), collect, out, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        buf_release(&out[0]);
        buf_release(&out[1]);
        close(fd);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wanted_members_are_handed_out_and_others_are_not),
        cmocka_unit_test(broken_wheels_are_refused_with_a_reason),
        cmocka_unit_test(a_file_that_is_no_zip_is_refused),
        cmocka_unit_test(what_the_receiver_refuses_ends_the_reading),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
