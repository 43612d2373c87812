#include "base/failpoint.h"

#include "base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NAME_MAX_LEN = 100 };

/* Set once by failpoint_arm() before other threads start, then only read (but for the counter). */
static struct {
    char name[NAME_MAX_LEN + 1]; /* empty: not armed */
    bool crashes;
    long sleep_ms;
    long at_passage; /* from 1 */
    int log_fd;      /* -1: none */
    atomic_long n_passed;
} armed = { .log_fd = -1 };

#ifdef SHOAL_FAILPOINTS

static bool parse_count(const char *text, long *ret_count)
{
    char *end;
    long count = strtol(text, &end, 10);

    if (end == text || *end || count < 1 || count > INT_MAX)
        return false;
    *ret_count = count;
    return true;
}

static bool parse_action(const char *action)
{
    armed.at_passage = 1;
    armed.crashes = strncmp(action, "crash", 5) == 0;
    if (armed.crashes)
        return action[5] == '\0' ||
               (action[5] == '@' && parse_count(action + 6, &armed.at_passage));
    return strncmp(action, "sleep:", 6) == 0 && parse_count(action + 6, &armed.sleep_ms);
}

enum rc failpoint_arm(const char *spec, const char *log_path, struct err *err)
{
    const char *equals = spec ? strchr(spec, '=') : NULL;

    if (spec) {
        size_t len = equals ? (size_t)(equals - spec) : 0;

        if (len == 0 || len > NAME_MAX_LEN || !parse_action(equals + 1))
            return err_set(err, RC_INVALID,
                           "failpoint '%.100s': expected NAME=crash, NAME=crash@N or NAME=sleep:MS",
                           spec);
        memcpy(armed.name, spec, len);
        armed.name[len] = '\0';
        armed.n_passed = 0;
    }
    if (log_path) {
        armed.log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (armed.log_fd < 0)
            return err_set(err, RC_IO, "open '%.150s'", log_path);
    }
    return RC_OK;
}

#else

enum rc failpoint_arm(const char *spec, const char *log_path, struct err *err)
{
    if (!spec && !log_path)
        return RC_OK;
    return err_set(err, RC_UNSUPPORTED, "this build has no failpoints");
}

#endif

static void log_passage(const char *name)
{
    char line[NAME_MAX_LEN + 2];
    int len = snprintf(line, sizeof(line), "%.*s\n", NAME_MAX_LEN, name);

    ASSERT(write(armed.log_fd, line, (size_t)len) == len);
}

void failpoint_pass(const char *name)
{
    if (armed.log_fd >= 0)
        log_passage(name);
    if (strcmp(armed.name, name) != 0)
        return;
    if (armed.crashes) {
        if (atomic_fetch_add(&armed.n_passed, 1) + 1 == armed.at_passage) {
            kill(getpid(), SIGKILL);
            for (;;)
                pause();
        }
        return;
    }
    struct timespec wait = { armed.sleep_ms / 1000, armed.sleep_ms % 1000 * 1000000 };
    nanosleep(&wait, NULL);
}
