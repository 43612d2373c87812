/* Linked with --wrap, so that each of the system calls below can be made to fail. */
#include "tests/support/test.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fsync_errno, rename_errno, write_errno, n_fsyncs;
static size_t write_max = SIZE_MAX; /* short writes */

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);

int __wrap_fsync(int fd)
{
    n_fsyncs++;
    errno = fsync_errno;
    return fsync_errno ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    errno = rename_errno;
    return rename_errno ? -1 : __real_rename(from, to);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    static bool interrupt;

    errno = write_errno;
    if (write_errno)
        return -1;
    if (write_max < SIZE_MAX) {
        interrupt = !interrupt;
        errno = EINTR;
        if (interrupt)
            return -1;
    }
    return __real_write(fd, bytes, len < write_max ? len : write_max);
}

struct fixture {
    char dir[64], path[128];
    struct arena arena;
    struct err err;
};

static int set_up(void **state)
{
    static struct fixture f;

    snprintf(f.dir, sizeof(f.dir), "/tmp/shoal-fs-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    snprintf(f.path, sizeof(f.path), "%s/file", f.dir);
    arena_init(&f.arena, 1 << 20);
    fsync_errno = rename_errno = write_errno = n_fsyncs = 0;
    write_max = SIZE_MAX;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    fsync_errno = rename_errno = write_errno = 0;
    arena_release(&f->arena);
    return (int)fs_remove_tree(f->dir, &f->err);
}

static void assert_content(struct fixture *f, const char *expected)
{
    struct str text;

    assert_int_equal(fs_read_file(f->path, 1000, &f->arena, &text, &f->err), RC_OK);
    assert_string_equal(text.at, expected);
}

static void a_file_is_written_whole_and_synced_with_its_folder(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    write_max = 3;
    assert_int_equal(fs_write_atomic(f->path, "hello world", 11, 0640, &f->err), RC_OK);
    assert_int_equal(n_fsyncs, 2);
    assert_content(f, "hello world");
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(fs_write_atomic(f->path, "", 0, 0600, &f->err), RC_OK);
    assert_content(f, "");
}

static void every_failing_call_keeps_the_old_file_and_leaves_no_temporary(void **state)
{
    static const struct {
        int *which;
        int cause;
        enum rc code;
    } cases[] = {
        { &write_errno, ENOSPC, RC_FULL }, { &write_errno, EIO, RC_IO },
        { &fsync_errno, EIO, RC_IO },      { &fsync_errno, EDQUOT, RC_FULL },
        { &rename_errno, EIO, RC_IO },     { &rename_errno, ENOSPC, RC_FULL },
    };
    struct fixture *f = *state;

    assert_int_equal(fs_write_atomic(f->path, "old", 3, 0600, &f->err), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        n_fsyncs = 0;
        *cases[i].which = cases[i].cause;
        assert_int_equal(fs_write_atomic(f->path, "new", 3, 0600, &f->err), cases[i].code);
        *cases[i].which = 0;
        assert_true(n_fsyncs <= 1); /* a failed fsync is never tried again */
        assert_content(f, "old");
        assert_int_equal(fs_remove(f->path, &f->err), RC_OK);
        assert_int_equal(rmdir(f->dir), 0); /* nothing else is in it */
        assert_int_equal(fs_make_dirs(f->dir, &f->err), RC_OK);
        assert_int_equal(fs_write_atomic(f->path, "old", 3, 0600, &f->err), RC_OK);
    }
}

static void only_regular_files_within_the_limit_are_read(void **state)
{
    struct fixture *f = *state;
    struct fs_map map;
    struct str text;
    char fifo[160];

    assert_int_equal(fs_read_file(f->path, 10, &f->arena, &text, &f->err), RC_NOT_FOUND);
    assert_int_equal(fs_write_atomic(f->path, "0123456789x", 11, 0600, &f->err), RC_OK);
    assert_int_equal(fs_read_file(f->path, 10, &f->arena, &text, &f->err), RC_LIMIT);
    assert_int_equal(fs_read_file(f->dir, 10, &f->arena, &text, &f->err), RC_IO);
    snprintf(fifo, sizeof(fifo), "%s/fifo", f->dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(fs_read_file(fifo, 10, &f->arena, &text, &f->err), RC_IO);
    assert_int_equal(fs_map_open(fifo, &map, &f->err), RC_IO);
    assert_int_equal(fs_map_open(f->path, &map, &f->err), RC_OK);
    assert_memory_equal(map.at, "0123456789x", 11);
    fs_map_close(&map);
    fs_map_close(&map);
    assert_int_equal(fs_write_atomic(f->path, "", 0, 0600, &f->err), RC_OK);
    assert_int_equal(fs_map_open(f->path, &map, &f->err), RC_OK);
    assert_null(map.at);
}

static void folders_are_made_and_removed_without_following_links(void **state)
{
    struct fixture *f = *state;
    char deep[160], link[160], inner[200];

    assert_int_equal(fs_write_atomic(f->path, "kept", 4, 0600, &f->err), RC_OK);
    snprintf(deep, sizeof(deep), "%s/a//b/c/", f->dir);
    assert_int_equal(fs_make_dirs(deep, &f->err), RC_OK);
    assert_int_equal(fs_make_dirs(deep, &f->err), RC_OK);
    snprintf(inner, sizeof(inner), "%s/file/x", f->dir);
    assert_int_equal(fs_make_dirs(inner, &f->err), RC_IO);
    snprintf(link, sizeof(link), "%s/a/b/link", f->dir);
    assert_int_equal(symlink(f->dir, link), 0);
    snprintf(deep, sizeof(deep), "%s/a", f->dir);
    assert_int_equal(fs_remove_tree(deep, &f->err), RC_OK);
    assert_false(fs_exists(deep));
    assert_content(f, "kept");
    assert_int_equal(fs_remove_tree(deep, &f->err), RC_OK);
    assert_int_equal(symlink(f->dir, deep), 0);
    assert_int_not_equal(fs_remove_tree(deep, &f->err), RC_OK);
    assert_content(f, "kept");
    assert_int_equal(fs_remove(deep, &f->err), RC_OK);
}

static void temporaries_of_a_crash_are_removed(void **state)
{
    struct fixture *f = *state;
    char temporary[160];

    snprintf(temporary, sizeof(temporary), "%s/file.tmp-Ab12Cd", f->dir);
    assert_int_equal(fs_write_atomic(f->path, "kept", 4, 0600, &f->err), RC_OK);
    close(open(temporary, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(fs_remove_temporaries(f->dir, &f->err), RC_OK);
    assert_false(fs_exists(temporary));
    assert_content(f, "kept");
}

static void a_temporary_whose_writer_lives_stays(void **state)
{
    struct fixture *f = *state;
    char path[FS_PATH_MAX];
    int fd;

    assert_int_equal(fs_open_temporary(f->path, path, &fd, &f->err), RC_OK);
    assert_int_equal(fs_remove_temporaries(f->dir, &f->err), RC_OK);
    assert_true(fs_exists(path));
    close(fd);
    assert_int_equal(fs_remove_temporaries(f->dir, &f->err), RC_OK);
    assert_false(fs_exists(path));
}

static void a_lock_has_one_holder_and_names_it(void **state)
{
    struct fixture *f = *state;
    struct fs_lock first = { -1 }, second = { -1 };
    char pid[32];

    assert_int_equal(fs_lock_open(f->path, &first, &f->err), RC_OK);
    assert_int_equal(fs_lock_open(f->path, &second, &f->err), RC_BUSY);
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_non_null(strstr(f->err.message, pid));
    assert_int_equal(second.fd, -1);
    fs_lock_close(&first);
    fs_lock_close(&first);
    assert_int_equal(fs_lock_open(f->path, &second, &f->err), RC_OK);
    fs_lock_close(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        FS_TEST(a_file_is_written_whole_and_synced_with_its_folder),
        FS_TEST(every_failing_call_keeps_the_old_file_and_leaves_no_temporary),
        FS_TEST(only_regular_files_within_the_limit_are_read),
        FS_TEST(folders_are_made_and_removed_without_following_links),
        FS_TEST(temporaries_of_a_crash_are_removed),
        FS_TEST(a_temporary_whose_writer_lives_stays),
        FS_TEST(a_lock_has_one_holder_and_names_it),
    };
    return cmocka_run_group_tests_name("base/fs", tests, NULL, NULL);
}
