/*
 * fs.h - files: read whole, write atomically, map read-only, lock.
 *
 * fs_write_atomic() is the one way a file comes into being: temporary in the same folder, write,
 * fsync, rename, fsync of the folder. A crash leaves the old file, the new file, or a temporary
 * "*.tmp-*", which its writer had locked: fs_remove_temporaries() removes those that nobody has
 * locked any more. A failpoint stands between each pair of steps:
 * fs.created, fs.written, fs.synced, fs.renamed (base/failpoint.h). A failed fsync is never tried
 * again; when that of the folder fails, the new file is there but may not outlive a power cut.
 */
#ifndef BASE_FS_H
#define BASE_FS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { FS_PATH_MAX = 4096 };

/* "dir/name" into the arena; NULL when it refuses. */
char *fs_join(struct arena *arena, const char *dir, const char *name);

/* RC_NOT_FOUND, RC_LIMIT (longer than limit_bytes), RC_IO, RC_NOMEM; the text is NUL-terminated in
 * the arena. Only regular files are read. */
MUST_CHECK enum rc fs_read_file(const char *path, size_t limit_bytes, struct arena *arena,
                                struct str *ret_text, struct err *err);

/* RC_IO, RC_FULL; mode is that of the new file, as in chmod(2). */
MUST_CHECK enum rc fs_write_atomic(const char *path, const void *bytes, size_t len, unsigned mode,
                                   struct err *err);

/* Makes the folder and its parents; fine when it exists. What root makes belongs to the owner of
 * the folder around it. */
MUST_CHECK enum rc fs_make_dirs(const char *path, struct err *err);
MUST_CHECK enum rc fs_sync_dir(const char *path, struct err *err);
MUST_CHECK enum rc fs_remove(const char *path,
                             struct err *err); /* a file; fine when it is not there */
MUST_CHECK enum rc fs_remove_tree(const char *path, struct err *err); /* never follows links */

/* Makes and locks "<prefix>.tmp-<6 letters>", mode 0600, for reading and writing. The caller closes
 * *ret_fd; both are set on RC_OK only. RC_IO, RC_FULL, RC_LIMIT (path). */
MUST_CHECK enum rc fs_open_temporary(const char *prefix, char ret_path[FS_PATH_MAX], int *ret_fd,
                                     struct err *err);
/* Temporaries of a folder whose writers died. */
MUST_CHECK enum rc fs_remove_temporaries(const char *dir, struct err *err);
bool fs_exists(const char *path);

/* A read-only mapping of a whole regular file. */
struct fs_map {
    const uint8_t *at; /* NULL for an empty file */
    size_t len;
};
MUST_CHECK enum rc fs_map_open(const char *path, struct fs_map *ret_map, struct err *err);
void fs_map_close(struct fs_map *map); /* safe on a zeroed one */

/* Exclusive lock of a file, held until close or death. RC_BUSY: another process holds it (its pid
 * is in the message when it wrote one). Creates the file. */
struct fs_lock {
    int fd; /* -1: not held */
};
MUST_CHECK enum rc fs_lock_open(const char *path, struct fs_lock *ret_lock, struct err *err);
void fs_lock_close(struct fs_lock *lock);

#endif
