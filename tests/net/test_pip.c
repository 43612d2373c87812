/* pip is an outside program: here a script of that name on PATH stands in for it. */
#include "tests/support/temp.h"

#include "net/pip.h"

#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    struct temp_dir dir;
    char bin[TEMP_PATH_MAX], wheels[TEMP_PATH_MAX];
    struct buf log;
    uint64_t progress_bytes;
    struct err err;
};

static int set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    temp_dir_make(&f.dir);
    assert_ok(fs_make_dirs(temp_path(&f.dir, "bin", f.bin), &f.err), &f.err);
    assert_ok(fs_make_dirs(temp_path(&f.dir, "wheels", f.wheels), &f.err), &f.err);
    setenv("PATH", f.bin, 1);
    buf_init(&f.log, PIP_LOG_BYTES_MAX);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    buf_release(&f->log);
    temp_dir_remove(&f->dir);
    return 0;
}

/* The script finds the folder of the wheel in $TMPDIR, as pip does. */
static void give_program(struct fixture *f, const char *name, const char *script)
{
    char path[TEMP_PATH_MAX + 16], text[1000];

    snprintf(path, sizeof(path), "%s/%s", f->bin, name);
    snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
    assert_ok(fs_write_atomic(path, text, strlen(text), 0700, &f->err), &f->err);
}

static void count_progress(void *context, uint64_t done_bytes)
{
    struct fixture *f = context;

    if (done_bytes > f->progress_bytes)
        f->progress_bytes = done_bytes;
}

static enum rc get(struct fixture *f, const char *package, const char *version, int64_t stall_ms,
                   int *ret_fd)
{
    const struct pip_download download = { .package = package,
                                           .version = version,
                                           .dir = f->wheels,
                                           .stall_timeout_ms = stall_ms,
                                           .limit_bytes = 1000,
                                           .progress = count_progress,
                                           .progress_context = f };

    buf_reset(&f->log);
    return pip_get(&download, ret_fd, &f->log, &f->err);
}

static enum rc refused(struct fixture *f, const char *script, const char *message)
{
    int fd = -1;

    give_program(f, "pip", script);
    enum rc rc = get(f, "tiny", "1.0", 60000, &fd);
    assert_int_equal(fd, -1);
    if (!strstr(f->err.message, message))
        fail_msg("%s", f->err.message);
    return rc;
}

static void a_wheel_is_had_by_a_list_of_arguments_and_not_by_a_shell(void **state)
{
    struct fixture *f = *state;
    char text[8] = "";
    int fd;

    give_program(f, "pip",
                 "echo \"$*\"; echo careful >&2; printf wheel > \"$TMPDIR/tiny-1.0.whl\"");
    assert_ok(get(f, "tiny", "1.0", 60000, &fd), &f->err);
    assert_int_equal(read(fd, text, sizeof(text)), 5);
    assert_string_equal(text, "wheel");
    close(fd);
    assert_non_null(strstr(f->log.at, "download --no-deps --only-binary=:all: "));
    assert_non_null(strstr(f->log.at, "tiny==1.0\n"));
    assert_non_null(strstr(f->log.at, "careful\n"));
}

static void python_is_asked_for_its_pip_where_there_is_no_other(void **state)
{
    struct fixture *f = *state;
    int fd;

    assert_int_equal(get(f, "tiny", "1.0", 60000, &fd), RC_NOT_FOUND);
    give_program(f, "python3", "echo \"$*\"; printf wheel > \"$TMPDIR/tiny-1.0.whl\"");
    assert_ok(get(f, "tiny", "1.0", 60000, &fd), &f->err);
    close(fd);
    assert_memory_equal(f->log.at, "-m pip download ", 16);
}

static void names_that_could_be_options_or_paths_start_nothing(void **state)
{
    static const char *const wrong[] = { "", "-r", "a b", "a;b", "a/b", "a[b]", "\xc3\xa9" };
    struct fixture *f = *state;
    char too_long[PIP_NAME_MAX + 2];
    int fd;

    memset(too_long, 'a', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    give_program(f, "pip", "echo started");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(get(f, wrong[i], "1.0", 60000, &fd), RC_INVALID);
        assert_int_equal(get(f, "tiny", wrong[i], 60000, &fd), RC_INVALID);
    }
    assert_int_equal(get(f, too_long, "1.0", 60000, &fd), RC_INVALID);
    assert_int_equal(f->log.len, 0);
}

static void a_pip_that_fails_is_heard(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(refused(f, "echo no such package; exit 3", "failed with status 3"),
                     RC_UNAVAILABLE);
    assert_non_null(strstr(f->log.at, "no such package"));
    assert_int_equal(refused(f, "kill -9 $$", "failed"), RC_UNAVAILABLE);
    assert_int_equal(refused(f, "exit 0", "left no wheel of tiny"), RC_CORRUPT);
}

static void a_wheel_over_the_limit_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(refused(f, "printf '%01001d' 7 > \"$TMPDIR/tiny.whl\"", "longer than 1000"),
                     RC_LIMIT);
}

/* Links could lead out of the folder. */
static void a_link_is_no_wheel(void **state)
{
    struct fixture *f = *state;
    char path[TEMP_PATH_MAX + 16];

    snprintf(path, sizeof(path), "%s/tiny.whl", f->wheels);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(refused(f, "exit 0", "left no wheel"), RC_CORRUPT);
}

static void a_pip_that_writes_without_end_is_stopped(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        refused(f, "while :; do echo more >> \"$TMPDIR/part\"; done", "wrote more than 1000 bytes"),
        RC_LIMIT);
    assert_true(f->progress_bytes > 0);
}

static void a_pip_that_does_not_move_is_stopped(void **state)
{
    struct fixture *f = *state;
    int fd;

    give_program(f, "pip", "while :; do :; done");
    assert_int_equal(get(f, "tiny", "1.0", 1, &fd), RC_TIMEOUT);
}

static void of_a_long_log_the_end_is_kept(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(refused(f,
                             "i=0; while [ $i -lt 3000 ]; do echo 'a line of what pip says'; "
                             "i=$((i + 1)); done; echo the end; exit 1",
                             "failed with status 1"),
                     RC_UNAVAILABLE);
    assert_true(f->log.len <= PIP_LOG_BYTES_MAX);
    assert_non_null(strstr(f->log.at, "the end\n"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_wheel_is_had_by_a_list_of_arguments_and_not_by_a_shell),
        TEST(python_is_asked_for_its_pip_where_there_is_no_other),
        TEST(names_that_could_be_options_or_paths_start_nothing),
        TEST(a_pip_that_fails_is_heard),
        TEST(a_wheel_over_the_limit_is_refused),
        TEST(a_link_is_no_wheel),
        TEST(a_pip_that_writes_without_end_is_stopped),
        TEST(a_pip_that_does_not_move_is_stopped),
        TEST(of_a_long_log_the_end_is_kept),
    };
    return cmocka_run_group_tests_name("net/pip", tests, NULL, NULL);
}
