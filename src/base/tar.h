/*
 * tar.h - archives of named files in memory: POSIX ustar, in one form only.
 *
 * Regular files with mode 0644, without owners and times, so that equal content is equal bytes and
 * `tar tf` shows them. What tar_next() accepts is what tar_append() and tar_end() write, to the
 * bit.
 */
#ifndef BASE_TAR_H
#define BASE_TAR_H

#include "base/buf.h"

enum {
    TAR_BLOCK_BYTES = 512,
    TAR_NAME_MAX = 100, /* bytes */
};

struct tar_entry {
    struct str name, bytes; /* borrowed from the archive */
};

/* 1 to TAR_NAME_MAX bytes, no control character; relative and without "..": safe to unpack. */
bool tar_name_is_valid(struct str name);

/* Appends one file. RC_INVALID: the name; RC_LIMIT (out's limit, or 8 GiB), RC_NOMEM. */
MUST_CHECK enum rc tar_append(struct buf *out, struct str name, struct str bytes, struct err *err);

/* Ends the archive; see buf_rc(). */
void tar_end(struct buf *out);

/**
 * Reads the next file; the bytes need not be trusted.
 *
 * @param rest        in: what was not read yet, first the whole archive; out: moved on
 * @param ret_is_end  out: the archive ended, there is no entry
 *
 * @return RC_OK; RC_CORRUPT: not what tar_append() and tar_end() write
 */
MUST_CHECK enum rc tar_next(struct str *rest, struct tar_entry *ret_entry, bool *ret_is_end,
                            struct err *err);

#endif
