/* Linked with --wrap, so that each of the system calls below can be made to fail and is counted. */
#include "tests/support/temp.h"

#include "registry/artifact.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* One letter per call that the power cut cares about, in the order in which they came. */
static char order[64];
static size_t n_order;
static long calls_until_failure = -1; /* -1: none fails */
static int failure;

static bool fails(char letter)
{
    if (letter && n_order < sizeof(order) - 1)
        order[n_order++] = letter;
    if (calls_until_failure < 0 || calls_until_failure-- > 0)
        return false;
    errno = failure;
    return true;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails('\0') ? -1 : __real_open(path, flags, mode);
}

int __wrap_fsync(int fd)
{
    struct stat status;

    assert_int_equal(fstat(fd, &status), 0);
    return fails(S_ISDIR(status.st_mode) ? 'd' : 'f') ? -1 : __real_fsync(fd);
}

int __wrap_fchmod(int fd, mode_t mode)
{
    return fails('\0') ? -1 : __real_fchmod(fd, mode);
}

int __wrap_rename(const char *from, const char *to)
{
    return fails('r') ? -1 : __real_rename(from, to);
}

/* Short writes: what is asked for comes in pieces. */
ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    return fails('w') ? -1 : __real_write(fd, bytes, len > 3 ? len - 3 : len);
}

struct fixture {
    struct temp_dir dir;
    struct artifact_store *store;
    struct arena arena;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    calls_until_failure = -1;
    n_order = 0;
    temp_dir_make(&f->dir);
    arena_init(&f->arena, 1 << 20);
    assert_ok(artifact_store_open(f->dir.path, &f->store, &f->err), &f->err);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    artifact_store_close(f->store);
    arena_release(&f->arena);
    temp_dir_remove(&f->dir);
    test_free(f);
    return 0;
}

static struct digest put(struct fixture *f, const char *text)
{
    struct digest digest;

    assert_ok(artifact_put(f->store, text, strlen(text), &digest, &f->err), &f->err);
    return digest;
}

static enum rc read_text(struct fixture *f, const struct digest *digest, struct str *ret_text)
{
    return artifact_read(f->store, digest, 1 << 16, &f->arena, ret_text, &f->err);
}

static size_t n_files(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        n += entry->d_type == DT_REG;
    closedir(dir);
    return n;
}

static size_t n_temporaries(const struct fixture *f)
{
    char path[TEMP_PATH_MAX];

    return n_files(temp_path(&f->dir, "sha256", path));
}

static void what_was_put_is_read_back_under_its_sha256(void **state)
{
    struct fixture *f = *state;
    struct digest digest = put(f, "abc");
    char path[FS_PATH_MAX];
    struct stat status;
    struct fs_map map;
    struct str text;

    assert_string_equal(digest.hex,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_ok(read_text(f, &digest, &text), &f->err);
    assert_true(str_is(text, "abc"));
    assert_ok(artifact_map(f->store, &digest, &map, &f->err), &f->err);
    assert_int_equal(map.len, 3);
    fs_map_close(&map);
    artifact_path(f->store, &digest, path);
    assert_non_null(strstr(path, "/sha256/ba/ba7816bf"));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0444);
    assert_true(artifact_exists(f->store, &digest));
    assert_int_equal(n_temporaries(f), 0);
}

static void an_empty_artifact_is_an_artifact(void **state)
{
    struct fixture *f = *state;
    struct digest digest;
    struct str text;

    assert_ok(artifact_put(f->store, NULL, 0, &digest, &f->err), &f->err);
    assert_ok(read_text(f, &digest, &text), &f->err);
    assert_int_equal(text.len, 0);
}

static void content_in_pieces_has_the_digest_of_the_whole(void **state)
{
    struct fixture *f = *state;
    struct artifact_writer *writer;
    struct digest whole = put(f, "abcdefghij"), pieces;

    assert_ok(artifact_begin(f->store, &writer, &f->err), &f->err);
    assert_ok(artifact_write(writer, "abcdef", 6, &f->err), &f->err);
    assert_ok(artifact_write(writer, "", 0, &f->err), &f->err);
    assert_ok(artifact_write(writer, "ghij", 4, &f->err), &f->err);
    assert_ok(artifact_commit(writer, &pieces, &f->err), &f->err);
    assert_true(digest_equal(&whole, &pieces));
}

static void a_dropped_writer_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct artifact_writer *writer;

    assert_ok(artifact_begin(f->store, &writer, &f->err), &f->err);
    assert_ok(artifact_write(writer, "abc", 3, &f->err), &f->err);
    assert_int_equal(n_temporaries(f), 1);
    artifact_drop(writer);
    assert_int_equal(n_temporaries(f), 0);
}

static void the_file_is_synced_before_the_rename_and_the_folders_after_it(void **state)
{
    struct fixture *f = *state;

    put(f, "abc");
    n_order = 0;
    put(f, "abc"); /* again, now that its folder is there */
    order[n_order] = '\0';
    assert_string_equal(order, "wfrdd");
}

static void two_writers_of_the_same_content_both_succeed(void **state)
{
    struct fixture *f = *state;
    struct artifact_writer *a, *b;
    struct digest of_a, of_b;

    assert_ok(artifact_begin(f->store, &a, &f->err), &f->err);
    assert_ok(artifact_begin(f->store, &b, &f->err), &f->err);
    assert_ok(artifact_write(a, "abc", 3, &f->err), &f->err);
    assert_ok(artifact_write(b, "abc", 3, &f->err), &f->err);
    assert_ok(artifact_commit(b, &of_b, &f->err), &f->err);
    assert_ok(artifact_commit(a, &of_a, &f->err), &f->err);
    assert_true(digest_equal(&of_a, &of_b));
}

/* Ways in which a file stops being what its name says (B11). */

static void make_writable(const char *path)
{
    assert_int_equal(chmod(path, 0600), 0);
}

static void overwrite(const char *path, const char *text)
{
    make_writable(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void is_missing(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void is_too_long(const char *path)
{
    overwrite(path, "abcd");
}

static void is_cut(const char *path)
{
    overwrite(path, "ab");
}

static void is_empty(const char *path)
{
    overwrite(path, "");
}

static void has_a_wrong_byte(const char *path)
{
    overwrite(path, "abd");
}

static void is_a_symbolic_link(const char *path)
{
    char target[FS_PATH_MAX + 8];

    snprintf(target, sizeof(target), "%s-real", path);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
}

static void is_a_folder(const char *path)
{
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void is_a_fifo(const char *path)
{
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void broken_artifacts_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *name;
        void (*breaks)(const char *path);
        enum rc rc;
        const char *message;
    } cases[] = {
        { "missing", is_missing, RC_NOT_FOUND, "no artifact sha256:ba7816bf" },
        { "too long", is_too_long, RC_CORRUPT,
          "is damaged: its 4 bytes have the digest 88d4266fd4e6" },
        { "cut", is_cut, RC_CORRUPT, "is damaged: its 2 bytes" },
        { "empty", is_empty, RC_CORRUPT, "is damaged: its 0 bytes" },
        { "wrong byte", has_a_wrong_byte, RC_CORRUPT, "is damaged: its 3 bytes" },
        { "symbolic link", is_a_symbolic_link, RC_CORRUPT, "is not a regular file" },
        { "folder", is_a_folder, RC_CORRUPT, "is not a regular file" },
        { "fifo", is_a_fifo, RC_CORRUPT, "is not a regular file" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct digest digest = put(f, "abc");
        char path[FS_PATH_MAX];
        struct fs_map map;
        struct str text;
        struct err err;

        artifact_path(f->store, &digest, path);
        cases[i].breaks(path);
        enum rc rc = artifact_map(f->store, &digest, &map, &f->err);
        if (rc != cases[i].rc || !strstr(f->err.message, cases[i].message))
            fail_msg("%s: %s: %s", cases[i].name, rc_name(rc), f->err.message);
        assert_int_equal(read_text(f, &digest, &text), cases[i].rc);
        /* Putting it again repairs whatever a rename can replace. */
        if (cases[i].breaks == is_a_folder) {
            assert_int_equal(artifact_put(f->store, "abc", 3, &digest, &f->err), RC_IO);
            assert_int_equal(rmdir(path), 0);
        }
        put(f, "abc");
        assert_ok(read_text(f, &digest, &text), &f->err);
        assert_ok(fs_remove(path, &err), &err);
    }
}

static void a_hard_link_is_as_good_as_its_bytes(void **state)
{
    struct fixture *f = *state;
    struct digest digest = put(f, "abc");
    char path[FS_PATH_MAX], other[TEMP_PATH_MAX];
    struct str text;

    artifact_path(f->store, &digest, path);
    assert_int_equal(link(path, temp_path(&f->dir, "other", other)), 0);
    assert_ok(read_text(f, &digest, &text), &f->err);
}

static void an_artifact_over_the_limit_is_not_read(void **state)
{
    struct fixture *f = *state;
    struct digest digest = put(f, "abc");
    struct str text;

    assert_ok(artifact_read(f->store, &digest, 3, &f->arena, &text, &f->err), &f->err);
    assert_int_equal(artifact_read(f->store, &digest, 2, &f->arena, &text, &f->err), RC_LIMIT);
    assert_non_null(strstr(f->err.message, "has 3 bytes, at most 2"));
}

static void temporaries_of_dead_writers_are_removed_and_others_kept(void **state)
{
    struct fixture *f = *state;
    struct artifact_writer *alive;
    struct artifact_store *second;
    struct digest digest;

    pid_t child = fork();
    if (child == 0) {
        struct artifact_writer *theirs;
        struct err err;

        _exit(artifact_begin(f->store, &theirs, &err) || artifact_write(theirs, "x", 1, &err));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_ok(artifact_begin(f->store, &alive, &f->err), &f->err);
    assert_int_equal(n_temporaries(f), 2);

    assert_ok(artifact_store_open(f->dir.path, &second, &f->err), &f->err);
    assert_int_equal(n_temporaries(f), 1);
    artifact_store_close(second);
    assert_ok(artifact_commit(alive, &digest, &f->err), &f->err);
}

/* errno and the code it must come out as. */
static void each_failing_system_call_is_reported_and_leaves_nothing_half(void **state)
{
    static const struct {
        int failure;
        enum rc rc;
    } cases[] = { { ENOSPC, RC_FULL }, { EDQUOT, RC_FULL }, { EIO, RC_IO } };
    struct fixture *f = *state;
    struct digest digest;
    struct str text;

    assert_true(digest_parse(
        STR("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), &digest));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum rc rc = RC_IO;

        for (long nth = 0; rc; nth++) {
            struct digest got;

            failure = cases[i].failure;
            calls_until_failure = nth;
            rc = artifact_put(f->store, "abc", 3, &got, &f->err);
            calls_until_failure = -1;
            if (rc && rc != cases[i].rc)
                fail_msg("call %ld: %s: %s", nth, rc_name(rc), f->err.message);
            assert_int_equal(n_temporaries(f), 0);
            enum rc found = read_text(f, &digest, &text);
            if (found == RC_OK)
                assert_true(str_is(text, "abc"));
            else
                assert_int_equal(found, RC_NOT_FOUND);
            if (rc == RC_OK)
                assert_int_equal(found, RC_OK);
            assert_true(nth < 100);
        }
        char path[FS_PATH_MAX];
        artifact_path(f->store, &digest, path);
        assert_int_equal(unlink(path), 0);
    }
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    struct fixture *f = *state;
    enum rc rc = RC_OK;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct artifact_store *store = NULL;
        struct arena arena;
        struct digest digest;
        struct str text;
        struct err err;

        arena_init(&arena, 1 << 16);
        rc = artifact_store_open(f->dir.path, &store, &err);
        if (rc == RC_OK)
            rc = artifact_put(store, "abc", 3, &digest, &err);
        if (rc == RC_OK)
            rc = artifact_read(store, &digest, 10, &arena, &text, &err);
        artifact_store_close(store);
        arena_release(&arena);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_put_is_read_back_under_its_sha256),
        TEST(an_empty_artifact_is_an_artifact),
        TEST(content_in_pieces_has_the_digest_of_the_whole),
        TEST(a_dropped_writer_leaves_nothing),
        TEST(the_file_is_synced_before_the_rename_and_the_folders_after_it),
        TEST(two_writers_of_the_same_content_both_succeed),
        TEST(broken_artifacts_are_refused_with_a_reason),
        TEST(a_hard_link_is_as_good_as_its_bytes),
        TEST(an_artifact_over_the_limit_is_not_read),
        TEST(temporaries_of_dead_writers_are_removed_and_others_kept),
        TEST(each_failing_system_call_is_reported_and_leaves_nothing_half),
        TEST(every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
