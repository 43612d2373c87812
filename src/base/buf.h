/*
 * buf.h - a byte buffer that grows up to a limit, with a sticky error.
 *
 * Append as much as needed, check buf_rc() once. After the first failure nothing more is appended.
 * The content is always NUL-terminated (the NUL is not counted in len).
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

struct buf {
    char *at; /* NULL until the first append */
    size_t len, capacity, limit;
    enum rc failed; /* RC_OK, RC_LIMIT or RC_NOMEM */
};

void buf_init(struct buf *b, size_t limit_bytes);
void buf_release(struct buf *b); /* safe on a zeroed buf */
void buf_reset(struct buf *b);   /* empty, error cleared, memory kept */

void buf_append(struct buf *b, const void *bytes, size_t len);
void buf_append_str(struct buf *b, struct str text);
void buf_append_text(struct buf *b, const char *text);
void buf_append_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* RC_OK, or the first failure with "<what> exceeds N bytes" in *err. */
MUST_CHECK enum rc buf_rc(const struct buf *b, const char *what, struct err *err);
struct str buf_str(const struct buf *b); /* borrowed, until the next append */

static inline void buf_releasep(struct buf *b)
{
    buf_release(b);
}

#endif
