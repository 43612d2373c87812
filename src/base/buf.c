#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

void buf_init(struct buf *b, size_t limit_bytes)
{
    *b = (struct buf){ .limit = limit_bytes };
}

void buf_release(struct buf *b)
{
    mem_free(b->at);
    *b = (struct buf){ 0 };
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = RC_OK;
    if (b->at)
        b->at[0] = '\0';
}

/* Makes room for len more bytes and the NUL; sets `failed` and returns false when it cannot. */
static bool make_room(struct buf *b, size_t len)
{
    if (b->failed)
        return false;
    if (len > b->limit - b->len) {
        b->failed = RC_LIMIT;
        return false;
    }
    if (b->at && len < b->capacity - b->len)
        return true;

    size_t wanted = b->len + len + 1;
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < wanted && !__builtin_mul_overflow(capacity, (size_t)2, &capacity))
        ;
    char *grown = capacity >= wanted ? mem_alloc(capacity) : NULL;
    if (!grown) {
        b->failed = RC_NOMEM;
        return false;
    }
    if (b->at)
        memcpy(grown, b->at, b->len);
    mem_free(b->at);
    b->at = grown;
    b->capacity = capacity;
    return true;
}

void buf_append(struct buf *b, const void *bytes, size_t len)
{
    if (!make_room(b, len))
        return;
    if (len)
        memcpy(b->at + b->len, bytes, len);
    b->len += len;
    b->at[b->len] = '\0';
}

void buf_append_str(struct buf *b, struct str text)
{
    buf_append(b, text.at, text.len);
}

void buf_append_text(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_append_char(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list measure, print;

    va_start(measure, fmt);
    va_copy(print, measure);
    int len = vsnprintf(NULL, 0, fmt, measure);
    va_end(measure);
    ASSERT(len >= 0);
    if (make_room(b, (size_t)len)) {
        vsnprintf(b->at + b->len, (size_t)len + 1, fmt, print);
        b->len += (size_t)len;
    }
    va_end(print);
}

enum rc buf_rc(const struct buf *b, const char *what, struct err *err)
{
    if (b->failed == RC_LIMIT)
        return err_set(err, RC_LIMIT, "%s exceeds %zu bytes", what, b->limit);
    if (b->failed)
        return err_set(err, RC_NOMEM, "%s", what);
    return RC_OK;
}

struct str buf_str(const struct buf *b)
{
    return (struct str){ b->at ? b->at : "", b->len };
}
