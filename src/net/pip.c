#include "net/pip.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { POLL_MS = 100, DEPTH_MAX = 3, STATUS_NO_PROGRAM = 127, ARGUMENTS_MAX = 20 };

static bool is_plain(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._-";
    size_t len = strlen(text);

    return len > 0 && len <= PIP_NAME_MAX && text[0] != '-' && strspn(text, allowed) == len;
}

/* Bytes of all files below dir: pip writes the wheel somewhere in it, then moves it. */
static uint64_t bytes_below(const char *dir, int depth)
{
    uint64_t bytes = 0;
    DIR *d = opendir(dir);

    if (!d)
        return 0;
    for (int n = 0; n < PIP_FILES_MAX; n++) {
        const struct dirent *entry = readdir(d);
        char path[FS_PATH_MAX];
        struct stat st;

        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int len = snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (len >= (int)sizeof(path) || lstat(path, &st) != 0)
            continue;
        if (S_ISREG(st.st_mode))
            bytes += (uint64_t)st.st_size;
        else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            bytes += bytes_below(path, depth + 1);
    }
    closedir(d);
    return bytes;
}

static bool is_wheel(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcmp(name + len - 4, ".whl") == 0;
}

/* Opens the one wheel that lies directly in dir. */
static enum rc open_wheel(const struct pip_download *download, int *ret_fd, struct err *err)
{
    const struct dirent *entry;
    DIR *d = opendir(download->dir);
    int fd = -1;
    struct stat st;

    if (!d)
        return err_set(err, RC_IO, "open '%.150s': %s", download->dir, strerror(errno));
    while (fd < 0 && (entry = readdir(d)))
        if (is_wheel(entry->d_name))
            fd = openat(dirfd(d), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    closedir(d);
    if (fd < 0)
        return err_set(err, RC_CORRUPT, "pip left no wheel of %s", download->package);

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        (uint64_t)st.st_size > download->limit_bytes) {
        close(fd);
        return err_set(err, RC_LIMIT, "the wheel of %s is longer than %" PRIu64 " bytes",
                       download->package, download->limit_bytes);
    }
    *ret_fd = fd;
    return RC_OK;
}

/* The environment with TMPDIR set to our folder, so that pip's growing file can be watched.
 * (n + 2,) pointers, the strings borrowed; mem_free(). */
static char **environment_with(char *tmpdir)
{
    size_t n = 0, kept = 0;

    while (environ[n])
        n++;

    char **result = mem_array(n + 2, sizeof(*result));
    if (!result)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "TMPDIR=", 7) != 0)
            result[kept++] = environ[i];
    result[kept] = tmpdir;
    return result;
}

/* Starts the program, its outputs into out_fd. errno-style result of posix_spawnp(). */
static int spawn(const char *const argv[], int out_fd, char **environment, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    int failed = posix_spawn_file_actions_init(&actions);

    if (failed)
        return failed;
    failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&actions, out_fd, 2);
    if (!failed)
        failed = posix_spawnp(ret_pid, argv[0], &actions, NULL, (char *const *)argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* Reads what is there now; keeps the end when the log is full. false: end of the outputs. */
static bool drain(int fd, struct buf *log)
{
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof(bytes));

    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n == 0)
        return false;
    if (log->len + (size_t)n > log->limit)
        buf_reset(log);
    buf_append(log, bytes, (size_t)n);
    return true;
}

/* Waits until pip has closed its outputs, watching the folder grow. */
static enum rc watch(const struct pip_download *download, int fd, struct buf *log, struct err *err)
{
    struct clock clock = clock_system();
    int64_t moved_us = clock.monotonic_us(clock.self);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    uint64_t bytes = 0;

    for (;;) {
        int ready = poll(&p, 1, POLL_MS);
        int64_t now_us = clock.monotonic_us(clock.self);
        uint64_t now_bytes = bytes_below(download->dir, 0);

        if (ready > 0 && !drain(fd, log))
            return RC_OK;
        if (now_bytes != bytes || ready > 0)
            moved_us = now_us;
        bytes = now_bytes;
        if (download->progress)
            download->progress(download->progress_context, bytes);
        if (bytes > 2 * download->limit_bytes) /* twice: it may be copied, not moved */
            return err_set(err, RC_LIMIT, "pip wrote more than %" PRIu64 " bytes",
                           download->limit_bytes);
        if (now_us - moved_us > download->stall_timeout_ms * 1000)
            return err_set(err, RC_TIMEOUT, "pip has not moved for %" PRId64 " s",
                           download->stall_timeout_ms / 1000);
    }
}

static enum rc run(const struct pip_download *download, const char *const argv[], struct buf *log,
                   int *ret_status, struct err *err)
{
    char tmpdir[FS_PATH_MAX + sizeof("TMPDIR=")];
    int ends[2], failed, status = 0;
    pid_t pid = -1;
    enum rc rc;

    snprintf(tmpdir, sizeof(tmpdir), "TMPDIR=%s", download->dir);
    char **environment = environment_with(tmpdir);
    if (!environment)
        return err_set(err, RC_NOMEM, "pip");
    if (pipe2(ends, O_CLOEXEC) != 0) {
        mem_free(environment);
        return err_set(err, RC_IO, "pipe: %s", strerror(errno));
    }
    failed = spawn(argv, ends[1], environment, &pid);
    close(ends[1]);
    mem_free(environment);
    if (failed) {
        close(ends[0]);
        *ret_status = STATUS_NO_PROGRAM;
        return failed == ENOENT ? RC_OK
                                : err_set(err, RC_IO, "start %s: %s", argv[0], strerror(failed));
    }

    rc = watch(download, ends[0], log, err);
    close(ends[0]);
    if (rc)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    return rc;
}

enum rc pip_get(const struct pip_download *download, int *ret_fd, struct buf *log, struct err *err)
{
    static const char *const programs[][3] = { { "pip" }, { "python3", "-m", "pip" } };
    char what[2 * PIP_NAME_MAX + 3];
    int status = STATUS_NO_PROGRAM;

    if (!is_plain(download->package) || !is_plain(download->version))
        return err_set(err, RC_INVALID, "'%.80s==%.80s' is no package and version",
                       download->package, download->version);
    snprintf(what, sizeof(what), "%s==%s", download->package, download->version);

    for (size_t i = 0; i < ARRAY_LEN(programs) && status == STATUS_NO_PROGRAM; i++) {
        const char *argv[ARGUMENTS_MAX] = { 0 };
        const char *const rest[] = { "download",
                                     "--no-deps",
                                     "--only-binary=:all:",
                                     "--disable-pip-version-check",
                                     "--no-input",
                                     "--progress-bar=off",
                                     "-d",
                                     download->dir,
                                     what };
        size_t n = 0;
        enum rc rc;

        for (size_t j = 0; j < ARRAY_LEN(programs[i]) && programs[i][j]; j++)
            argv[n++] = programs[i][j];
        for (size_t j = 0; j < ARRAY_LEN(rest); j++)
            argv[n++] = rest[j];
        rc = run(download, argv, log, &status, err);
        if (rc)
            return rc;
    }
    if (status == STATUS_NO_PROGRAM)
        return err_set(err, RC_NOT_FOUND, "neither pip nor python3 -m pip can be started");
    if (status != 0)
        return err_set(err, RC_UNAVAILABLE, "pip download %s failed with status %d", what, status);
    return open_wheel(download, ret_fd, err);
}
