/*
 * artifact.h - immutable files named by the SHA-256 of their content: bases, datasets, adapters,
 * tables, reports, manifests.
 *
 *   <root>/sha256/ab/abcd...64 hex digits     mode 0444, written once
 *   <root>/sha256/incoming.tmp-<16 hex>       being written; its writer holds a lock on it
 *
 * Writing: temporary, write, fsync, read back and compare the digest, rename, fsync of the folders;
 * a failpoint stands between each pair. When artifact_commit() has returned RC_OK the artifact
 * survives loss of power. Whatever happens before leaves a temporary, which the next
 * artifact_store_open() removes once its writer is gone.
 *
 * Reading: the bytes are hashed each time an artifact is opened; what does not match its name is
 * refused. A hard link is accepted (the bytes decide), a symbolic link is not.
 *
 * Several processes and threads may use one root. A struct artifact_store is immutable; a writer
 * belongs to one thread.
 */
#ifndef REGISTRY_ARTIFACT_H
#define REGISTRY_ARTIFACT_H

#include "base/crypto.h"
#include "base/fs.h"

struct artifact_store;
struct artifact_writer;

/* Makes the folders. RC_IO, RC_FULL, RC_LIMIT (path too long), RC_NOMEM. */
MUST_CHECK enum rc artifact_store_open(const char *root, struct artifact_store **ret_store,
                                       struct err *err);
void artifact_store_close(struct artifact_store *store); /* accepts NULL */
DEFINE_FREEP(struct artifact_store, artifact_store_close)

/* Stores bytes that are in memory. Storing the same bytes again changes nothing; a damaged artifact
 * of that name is replaced. RC_FULL, RC_IO, RC_NOMEM. */
MUST_CHECK enum rc artifact_put(struct artifact_store *store, const void *bytes, size_t len,
                                struct digest *ret_digest, struct err *err);

/* The same for content that comes in pieces; of any size, at constant memory. store is borrowed
 * until the writer is gone. */
MUST_CHECK enum rc artifact_begin(struct artifact_store *store, struct artifact_writer **ret_writer,
                                  struct err *err);
/* After a failure the writer can only be dropped. */
MUST_CHECK enum rc artifact_write(struct artifact_writer *writer, const void *bytes, size_t len,
                                  struct err *err);
/* Consumes writer, whatever the outcome. */
MUST_CHECK enum rc artifact_commit(struct artifact_writer *writer, struct digest *ret_digest,
                                   struct err *err);
void artifact_drop(struct artifact_writer *writer); /* keeps nothing; accepts NULL */
DEFINE_FREEP(struct artifact_writer, artifact_drop)

/**
 * Maps an artifact, read-only, after hashing it.
 *
 * @param ret_map  out, the caller's, fs_map_close()
 *
 * @return RC_OK
 *         RC_NOT_FOUND  no artifact of this digest
 *         RC_CORRUPT    its bytes have another digest, or it is no regular file
 *         RC_IO, RC_NOMEM
 */
MUST_CHECK enum rc artifact_map(const struct artifact_store *store, const struct digest *digest,
                                struct fs_map *ret_map, struct err *err);

/* The same, as a NUL-terminated copy in the arena; also RC_LIMIT (longer than limit_bytes). */
MUST_CHECK enum rc artifact_read(const struct artifact_store *store, const struct digest *digest,
                                 size_t limit_bytes, struct arena *arena, struct str *ret_text,
                                 struct err *err);

/* Whether a file of that name is there; says nothing about its bytes. */
bool artifact_exists(const struct artifact_store *store, const struct digest *digest);

/* The path of an artifact, whether it exists or not. */
void artifact_path(const struct artifact_store *store, const struct digest *digest,
                   char ret_path[FS_PATH_MAX]);

#endif
