#include "base/fs.h"

#include "base/failpoint.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TREE_DEPTH_MAX = 64 };

/* The error of the system call that just failed. */
static enum rc fail(const char *verb, const char *path, struct err *err)
{
    int cause = errno;
    enum rc code = RC_IO;

    if (cause == ENOENT || cause == ENOTDIR)
        code = RC_NOT_FOUND;
    else if (cause == ENOSPC || cause == EDQUOT)
        code = RC_FULL;
    return err_set(err, code, "%s '%.150s': %s", verb, path, strerrordesc_np(cause));
}

static void close_fdp(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static void close_dirp(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

char *fs_join(struct arena *arena, const char *dir, const char *name)
{
    size_t dir_len = strlen(dir), name_len = strlen(name);
    char *path = arena_array(arena, char, dir_len + name_len + 2);

    if (path)
        snprintf(path, dir_len + name_len + 2, "%s/%s", dir, name);
    return path;
}

/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
static enum rc open_regular(const char *path, int *ret_fd, struct stat *ret_stat, struct err *err)
{
    CLEANUP(close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return fail("open", path, err);
    if (fstat(fd, ret_stat) != 0)
        return fail("stat", path, err);
    if (!S_ISREG(ret_stat->st_mode))
        return err_set(err, RC_IO, "open '%.150s': not a regular file", path);
    *ret_fd = fd;
    fd = -1;
    return RC_OK;
}

enum rc fs_read_file(const char *path, size_t limit_bytes, struct arena *arena,
                     struct str *ret_text, struct err *err)
{
    CLEANUP(close_fdp) int fd = -1;
    struct stat st = { 0 };
    enum rc rc = open_regular(path, &fd, &st, err);

    if (rc)
        return rc;
    if ((uint64_t)st.st_size > limit_bytes)
        return err_set(err, RC_LIMIT, "'%.150s' has %lld bytes, at most %zu", path,
                       (long long)st.st_size, limit_bytes);

    size_t size = (size_t)st.st_size, len = 0;
    char *text = arena_array(arena, char, size + 1);
    if (!text)
        return arena_fail(arena, err, path);
    while (len < size) {
        ssize_t got = read(fd, text + len, size - len);
        if (got < 0 && errno != EINTR)
            return fail("read", path, err);
        if (got == 0)
            break; /* it was cut meanwhile */
        if (got > 0)
            len += (size_t)got;
    }
    text[len] = '\0';
    *ret_text = (struct str){ text, len };
    return RC_OK;
}

static enum rc write_all(int fd, const char *path, const void *bytes, size_t len, struct err *err)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t written = write(fd, at, len);
        if (written < 0 && errno != EINTR)
            return fail("write", path, err);
        if (written > 0) {
            at += written;
            len -= (size_t)written;
        }
    }
    return RC_OK;
}

/* Fills and syncs the temporary. After a failed fsync the kernel may have dropped the pages: a
 * second one could succeed without them, so there is none. */
static enum rc write_temporary(int fd, const char *path, const void *bytes, size_t len,
                               unsigned mode, struct err *err)
{
    FAILPOINT("fs.created");
    enum rc rc = write_all(fd, path, bytes, len, err);
    if (rc)
        return rc;
    if (fchmod(fd, mode) != 0)
        return fail("chmod", path, err);
    FAILPOINT("fs.written");
    return fsync(fd) == 0 ? RC_OK : fail("sync", path, err);
}

/* The folder part of path, "." when it has none. */
static void parent_of(const char *path, char dir[FS_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;

    if (!slash)
        snprintf(dir, FS_PATH_MAX, ".");
    else
        snprintf(dir, FS_PATH_MAX, "%.*s", len ? (int)len : 1, path);
}

/* One that was removed before it was locked was taken for a dead writer's: *ret_is_gone. */
static enum rc lock_temporary(int fd, const char *path, bool *ret_is_gone, struct err *err)
{
    struct stat status;

    if (flock(fd, LOCK_EX) != 0)
        return fail("lock", path, err);
    if (fstat(fd, &status) != 0)
        return fail("stat", path, err);
    *ret_is_gone = status.st_nlink == 0;
    return RC_OK;
}

enum rc fs_open_temporary(const char *prefix, char ret_path[FS_PATH_MAX], int *ret_fd,
                          struct err *err)
{
    bool is_gone = true;

    while (is_gone) {
        CLEANUP(close_fdp) int fd = -1;
        int path_len = snprintf(ret_path, FS_PATH_MAX, "%s.tmp-XXXXXX", prefix);

        if (path_len >= FS_PATH_MAX)
            return err_set(err, RC_LIMIT, "path of %d bytes, at most %d", path_len,
                           FS_PATH_MAX - 1);
        fd = mkostemp(ret_path, O_CLOEXEC);
        if (fd < 0)
            return fail("create", ret_path, err);
        enum rc rc = lock_temporary(fd, ret_path, &is_gone, err);
        if (rc) {
            unlink(ret_path);
            return rc;
        }
        if (!is_gone) {
            *ret_fd = fd;
            fd = -1;
        }
    }
    return RC_OK;
}

enum rc fs_write_atomic(const char *path, const void *bytes, size_t len, unsigned mode,
                        struct err *err)
{
    CLEANUP(close_fdp) int fd = -1;
    char temporary[FS_PATH_MAX], dir[FS_PATH_MAX];
    enum rc rc = fs_open_temporary(path, temporary, &fd, err);

    if (rc)
        return rc;
    rc = write_temporary(fd, path, bytes, len, mode, err);
    if (!rc) {
        FAILPOINT("fs.synced");
        if (rename(temporary, path) != 0)
            rc = fail("rename to", path, err);
    }
    if (rc) {
        unlink(temporary); /* best effort: fs_remove_temporaries() finds it too */
        return rc;
    }
    FAILPOINT("fs.renamed");
    parent_of(path, dir);
    return fs_sync_dir(dir, err);
}

enum rc fs_sync_dir(const char *path, struct err *err)
{
    CLEANUP(close_fdp) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return fail("open", path, err);
    return fsync(fd) == 0 ? RC_OK : fail("sync", path, err);
}

/* What root makes in another user's folder is that user's, so that both can go on working there. */
static enum rc give_to_owner_of(const char *parent, const char *path, struct err *err)
{
    struct stat st;

    if (geteuid() != 0 || stat(parent, &st) != 0 || st.st_uid == 0)
        return RC_OK;
    return lchown(path, st.st_uid, st.st_gid) == 0 ? RC_OK : fail("give away", path, err);
}

/* Makes one folder below an existing one, durably. */
static enum rc make_dir(const char *path, struct err *err)
{
    char parent[FS_PATH_MAX];
    struct stat st;

    if (mkdir(path, 0777) == 0) {
        parent_of(path, parent);
        enum rc rc = give_to_owner_of(parent, path, err);
        return rc ? rc : fs_sync_dir(parent, err);
    }
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return RC_OK;
    return fail("make folder", path, err);
}

enum rc fs_make_dirs(const char *path, struct err *err)
{
    char prefix[FS_PATH_MAX];
    size_t len = strlen(path);

    if (len >= FS_PATH_MAX)
        return err_set(err, RC_LIMIT, "path of %zu bytes, at most %d", len, FS_PATH_MAX - 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(prefix, path, i);
        prefix[i] = '\0';
        if (prefix[i - 1] == '/')
            continue; /* "a//b" */
        enum rc rc = make_dir(prefix, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

enum rc fs_remove(const char *path, struct err *err)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return RC_OK;
    return fail("remove", path, err);
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Removes what the folder dir_fd (consumed) holds. The recursion is on folders, TREE_DEPTH_MAX. */
static enum rc remove_entries(int dir_fd, const char *path, int depth, struct err *err)
{
    CLEANUP(close_dirp) DIR *dir = fdopendir(dir_fd);

    if (!dir) {
        close(dir_fd);
        return fail("open", path, err);
    }
    if (depth > TREE_DEPTH_MAX)
        return err_set(err, RC_LIMIT, "'%.150s' has folders deeper than %d", path, TREE_DEPTH_MAX);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (is_dot(entry->d_name))
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 || errno == ENOENT)
            continue;
        if (errno != EISDIR)
            return fail("remove below", path, err);
        int child =
            openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child < 0)
            return fail("open below", path, err);
        enum rc rc = remove_entries(child, path, depth + 1, err);
        if (rc)
            return rc;
        if (unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) != 0)
            return fail("remove below", path, err);
    }
    return RC_OK;
}

enum rc fs_remove_tree(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return RC_OK;
    if (fd < 0)
        return fail("open", path, err);
    enum rc rc = remove_entries(fd, path, 0, err);
    if (rc)
        return rc;
    return rmdir(path) == 0 ? RC_OK : fail("remove", path, err);
}

static enum rc remove_unless_locked(int dir_fd, const char *name, struct err *err)
{
    CLEANUP(close_fdp) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
        return RC_OK; /* it is gone, it is no file of ours, or its writer lives */
    return unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT ? RC_OK : fail("remove", name, err);
}

enum rc fs_remove_temporaries(const char *path, struct err *err)
{
    CLEANUP(close_dirp) DIR *dir = opendir(path);
    enum rc rc = RC_OK;

    if (!dir)
        return fail("open", path, err);
    for (struct dirent *entry; !rc && (entry = readdir(dir));)
        if (strstr(entry->d_name, ".tmp-"))
            rc = remove_unless_locked(dirfd(dir), entry->d_name, err);
    return rc;
}

bool fs_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

enum rc fs_map_open(const char *path, struct fs_map *ret_map, struct err *err)
{
    CLEANUP(close_fdp) int fd = -1;
    struct stat st = { 0 };
    enum rc rc = open_regular(path, &fd, &st, err);

    if (rc)
        return rc;
    if (st.st_size == 0) {
        *ret_map = (struct fs_map){ 0 };
        return RC_OK;
    }
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return fail("map", path, err);
    *ret_map = (struct fs_map){ at, (size_t)st.st_size };
    return RC_OK;
}

void fs_map_close(struct fs_map *map)
{
    if (map->at)
        munmap((void *)(uintptr_t)map->at, map->len);
    *map = (struct fs_map){ 0 };
}

enum rc fs_lock_open(const char *path, struct fs_lock *ret_lock, struct err *err)
{
    CLEANUP(close_fdp) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char pid[32];

    if (fd < 0)
        return fail("open", path, err);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return fail("lock", path, err);
        ssize_t len = pread(fd, pid, sizeof(pid), 0);
        return err_set(err, RC_BUSY, "'%.150s' is locked by process %.*s", path,
                       len > 1 ? (int)len - 1 : 1, len > 1 ? pid : "?");
    }
    int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len)
        return fail("write", path, err);
    ret_lock->fd = fd;
    fd = -1;
    return RC_OK;
}

void fs_lock_close(struct fs_lock *lock)
{
    close_fdp(&lock->fd);
    lock->fd = -1;
}
