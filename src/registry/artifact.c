#include "registry/artifact.h"

#include "base/failpoint.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_ROOM = 96 }; /* "/sha256/ab/" and 64 digits, or the name of a temporary */

struct artifact_store {
    char dir[FS_PATH_MAX - NAME_ROOM]; /* "<root>/sha256" */
};

struct artifact_writer {
    const struct artifact_store *store;
    int fd;
    struct sha256 hash;
    char path[FS_PATH_MAX]; /* of the temporary; empty once it is gone */
};

/* The error of the system call that just failed. */
static enum rc fail(const char *verb, const char *path, struct err *err)
{
    int cause = errno;

    return err_set(err, cause == ENOSPC || cause == EDQUOT ? RC_FULL : RC_IO, "%s '%.150s': %s",
                   verb, path, strerrordesc_np(cause));
}

static void shard_path(const struct artifact_store *store, const struct digest *digest,
                       char path[FS_PATH_MAX])
{
    snprintf(path, FS_PATH_MAX, "%s/%.2s", store->dir, digest->hex);
}

void artifact_path(const struct artifact_store *store, const struct digest *digest,
                   char ret_path[FS_PATH_MAX])
{
    snprintf(ret_path, FS_PATH_MAX, "%s/%.2s/%s", store->dir, digest->hex, digest->hex);
}

bool artifact_exists(const struct artifact_store *store, const struct digest *digest)
{
    char path[FS_PATH_MAX];

    artifact_path(store, digest, path);
    return fs_exists(path);
}

enum rc artifact_store_open(const char *root, struct artifact_store **ret_store, struct err *err)
{
    CLEANUP(artifact_store_closep) struct artifact_store *store = mem_alloc(sizeof(*store));

    if (!store)
        return err_set(err, RC_NOMEM, "open artifacts '%.150s'", root);
    if (snprintf(store->dir, sizeof(store->dir), "%s/sha256", root) >= (int)sizeof(store->dir))
        return err_set(err, RC_LIMIT, "a path of %zu bytes for artifacts", strlen(root));

    enum rc rc = fs_make_dirs(store->dir, err);
    if (rc)
        return rc;
    rc = fs_remove_temporaries(store->dir, err);
    if (rc)
        return rc;

    *ret_store = TAKE(store);
    return RC_OK;
}

void artifact_store_close(struct artifact_store *store)
{
    mem_free(store);
}

/* Writing */

enum rc artifact_begin(struct artifact_store *store, struct artifact_writer **ret_writer,
                       struct err *err)
{
    CLEANUP(artifact_dropp) struct artifact_writer *writer = mem_alloc(sizeof(*writer));

    if (!writer)
        return err_set(err, RC_NOMEM, "begin an artifact");
    writer->store = store;
    writer->fd = -1;
    sha256_init(&writer->hash);
    char incoming[FS_PATH_MAX];
    snprintf(incoming, sizeof(incoming), "%s/incoming", store->dir);
    enum rc rc = fs_open_temporary(incoming, writer->path, &writer->fd, err);
    if (rc) {
        writer->path[0] = '\0';
        return rc;
    }

    *ret_writer = TAKE(writer);
    return RC_OK;
}

enum rc artifact_write(struct artifact_writer *writer, const void *bytes, size_t len,
                       struct err *err)
{
    const char *at = bytes;
    size_t left = len;

    while (left > 0) {
        ssize_t written = write(writer->fd, at, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail("write", writer->path, err);
        at += written;
        left -= (size_t)written;
    }
    sha256_update(&writer->hash, bytes, len);
    return RC_OK;
}

/* Maps a file and says what its bytes hash to. */
static enum rc map_and_hash(const char *path, struct fs_map *ret_map, struct digest *ret_digest,
                            struct err *err)
{
    struct fs_map map;

    enum rc rc = fs_map_open(path, &map, err);
    if (rc)
        return rc;
    rc = sha256_of(map.at, map.len, ret_digest, err);
    if (rc) {
        fs_map_close(&map);
        return rc;
    }
    *ret_map = map;
    return RC_OK;
}

/* What is on the disk, against what was written: a disk that lies is caught before the rename. */
static enum rc read_back(const struct artifact_writer *writer, const struct digest *expected,
                         struct err *err)
{
    struct fs_map map;
    struct digest found;

    enum rc rc = map_and_hash(writer->path, &map, &found, err);
    if (rc)
        return rc;
    fs_map_close(&map);
    if (!digest_equal(&found, expected))
        return err_set(err, RC_IO, "'%.100s' reads back as %.12s, written was %.12s", writer->path,
                       found.hex, expected->hex);
    return RC_OK;
}

static enum rc rename_into_place(struct artifact_writer *writer, const struct digest *digest,
                                 struct err *err)
{
    char shard[FS_PATH_MAX], path[FS_PATH_MAX];

    shard_path(writer->store, digest, shard);
    artifact_path(writer->store, digest, path);
    enum rc rc = fs_make_dirs(shard, err);
    if (rc)
        return rc;
    FAILPOINT("artifact.before_rename");
    if (rename(writer->path, path) != 0)
        return fail("rename to", path, err);
    writer->path[0] = '\0';
    FAILPOINT("artifact.before_folder_sync");
    rc = fs_sync_dir(shard, err);
    if (rc)
        return rc;
    return fs_sync_dir(writer->store->dir, err); /* the shard may be new */
}

static enum rc finish(struct artifact_writer *writer, struct digest *ret_digest, struct err *err)
{
    FAILPOINT("artifact.before_mode");
    if (fchmod(writer->fd, 0444) != 0)
        return fail("chmod", writer->path, err);
    FAILPOINT("artifact.before_sync");
    if (fsync(writer->fd) != 0)
        return fail("fsync", writer->path, err);

    enum rc rc = sha256_end(&writer->hash, ret_digest, err);
    if (rc)
        return rc;
    FAILPOINT("artifact.before_read_back");
    rc = read_back(writer, ret_digest, err);
    if (rc)
        return rc;
    rc = rename_into_place(writer, ret_digest, err);
    FAILPOINT("artifact.before_return");
    return rc;
}

enum rc artifact_commit(struct artifact_writer *writer, struct digest *ret_digest, struct err *err)
{
    struct digest digest;

    enum rc rc = finish(writer, &digest, err);
    artifact_drop(writer);
    if (rc)
        return rc;
    *ret_digest = digest;
    return RC_OK;
}

void artifact_drop(struct artifact_writer *writer)
{
    if (!writer)
        return;
    sha256_release(&writer->hash);
    if (writer->path[0] && writer->fd >= 0)
        unlink(writer->path); /* best effort: the next open removes it */
    if (writer->fd >= 0)
        close(writer->fd);
    mem_free(writer);
}

enum rc artifact_put(struct artifact_store *store, const void *bytes, size_t len,
                     struct digest *ret_digest, struct err *err)
{
    CLEANUP(artifact_dropp) struct artifact_writer *writer = NULL;

    enum rc rc = artifact_begin(store, &writer, err);
    if (rc)
        return rc;
    rc = artifact_write(writer, bytes, len, err);
    if (rc)
        return rc;
    return artifact_commit(TAKE(writer), ret_digest, err);
}

/* Reading */

static enum rc check_kind(const char *path, const struct digest *digest, struct err *err)
{
    struct stat status;

    if (lstat(path, &status) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return err_set(err, RC_NOT_FOUND, "no artifact sha256:%s", digest->hex);
        return fail("open", path, err);
    }
    if (!S_ISREG(status.st_mode))
        return err_set(err, RC_CORRUPT, "artifact sha256:%s is not a regular file", digest->hex);
    return RC_OK;
}

enum rc artifact_map(const struct artifact_store *store, const struct digest *digest,
                     struct fs_map *ret_map, struct err *err)
{
    char path[FS_PATH_MAX];
    struct fs_map map;
    struct digest found;

    artifact_path(store, digest, path);
    enum rc rc = check_kind(path, digest, err);
    if (rc)
        return rc;
    rc = map_and_hash(path, &map, &found, err);
    if (rc)
        return rc;
    if (!digest_equal(&found, digest)) {
        size_t len = map.len;
        fs_map_close(&map);
        return err_set(err, RC_CORRUPT,
                       "artifact sha256:%s is damaged: its %zu bytes have the digest %.12s...",
                       digest->hex, len, found.hex);
    }
    *ret_map = map;
    return RC_OK;
}

enum rc artifact_read(const struct artifact_store *store, const struct digest *digest,
                      size_t limit_bytes, struct arena *arena, struct str *ret_text,
                      struct err *err)
{
    struct fs_map map;

    enum rc rc = artifact_map(store, digest, &map, err);
    if (rc)
        return rc;
    if (map.len > limit_bytes) {
        rc = err_set(err, RC_LIMIT, "artifact sha256:%s has %zu bytes, at most %zu", digest->hex,
                     map.len, limit_bytes);
    } else {
        char *copy = arena_strndup(arena, map.at ? (const char *)map.at : "", map.len);
        if (copy)
            *ret_text = (struct str){ copy, map.len };
        else
            rc = arena_fail(arena, err, "artifact");
    }
    fs_map_close(&map);
    return rc;
}
