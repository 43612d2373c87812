/* dies.h - does work in a child process, which dies at a failpoint. */
#ifndef TESTS_SUPPORT_DIES_H
#define TESTS_SUPPORT_DIES_H

#include "tests/support/test.h"

#include "base/failpoint.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

/* True if it died there, false if run() succeeded before; the test is skipped in a build without
 * failpoints, and fails when run() does. point: as failpoint_arm() has it. */
static inline bool dies_at(const char *point, enum rc (*run)(void *context, struct err *err),
                           void *context)
{
    struct err err = { 0 };
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        if (failpoint_arm(point, NULL, &err))
            _exit(3);
        _exit(run(context, &err) ? 4 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
        skip();
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        fail_msg("%s: exit %d", point, WEXITSTATUS(status));
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

#endif
