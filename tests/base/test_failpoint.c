#include "tests/support/test.h"

#include "base/failpoint.h"
#include "base/macros.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How often a child passes the point before it dies; 10 when it lives. */
static int passages_until_death(const char *spec)
{
    int fds[2], status, n = 0;
    struct err err;
    char byte;

    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        if (failpoint_arm(spec, NULL, &err))
            _exit(1);
        for (int i = 0; i < 10; i++) {
            failpoint_pass("store.before_commit");
            if (write(fds[1], "x", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    close(fds[1]);
    while (read(fds[0], &byte, 1) == 1)
        n++;
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (n < 10)
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return n;
}

static void the_process_dies_at_the_named_passage(void **state)
{
    (void)state;
    assert_int_equal(passages_until_death("store.before_commit=crash"), 0);
    assert_int_equal(passages_until_death("store.before_commit=crash@4"), 3);
    assert_int_equal(passages_until_death("store.before=crash"), 10);
    assert_int_equal(passages_until_death("store.before_commit=sleep:1"), 10);
}

static void other_forms_are_refused(void **state)
{
    static const char *const bad[] = { "",         "x",         "=crash",    "x=",
                                       "x=crash@", "x=crash@0", "x=crash@z", "x=crashes",
                                       "x=sleep:", "x=sleep" };
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (failpoint_arm(bad[i], NULL, &err) != RC_INVALID)
            fail_msg("'%s' was accepted", bad[i]);
}

static void the_log_lists_each_passage(void **state)
{
    char path[] = "/tmp/shoal-failpoint-XXXXXX", text[100] = "";
    struct err err;
    (void)state;

    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(failpoint_arm(NULL, path, &err), RC_OK);
    failpoint_pass("a");
    failpoint_pass("b.c");
    assert_int_equal(read(fd, text, sizeof(text) - 1), 6);
    assert_string_equal(text, "a\nb.c\n");
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_dies_at_the_named_passage),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(the_log_lists_each_passage),
    };
    return cmocka_run_group_tests_name("base/failpoint", tests, NULL, NULL);
}
