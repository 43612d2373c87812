/*
 * str.h - borrowed text: a pointer and a length, not NUL-terminated.
 *
 * Functions that take a struct str never keep it beyond the call, unless an arena argument says
 * that they copy.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *at; /* may be NULL when len is 0 */
    size_t len;     /* bytes */
};

/* For printf: "%.*s", STR_ARG(s). Lengths beyond INT_MAX never reach a message (limits). */
#define STR_ARG(s)   (int)(s).len, ((s).at ? (s).at : "")
#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })

static inline struct str str_of(const char *text)
{
    return (struct str){ text, text ? strlen(text) : 0 };
}

/* One past the last byte. (NULL + 0 is undefined in C, and an empty str may have no memory.) */
static inline const char *str_end(struct str text)
{
    return text.len ? text.at + text.len : text.at;
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool str_is(struct str a, const char *text)
{
    return str_equal(a, str_of(text));
}

/* Lower-case letters, digits and '-', that not first: what names a folder and stands in an address.
 */
static inline bool str_is_slug(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(c == '-' && i > 0))
            return false;
    }
    return text.len > 0;
}

/* Byte order, shorter first on a common prefix: negative, 0, positive. */
static inline int str_compare(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.at, b.at, common) : 0;

    if (order)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static inline bool str_starts_with(struct str a, const char *prefix)
{
    struct str p = str_of(prefix);

    return a.len >= p.len && (p.len == 0 || memcmp(a.at, p.at, p.len) == 0);
}

#endif
