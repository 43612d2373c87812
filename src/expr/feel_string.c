/* feel_string.c - functions on strings; positions count code points from 1. */
#include "base/utf8.h"
#include "expr/feel_internal.h"

enum rc feel_string_from_buf(struct feel_evaluation *ev, struct buf *b, struct feel_value *ret)
{
    enum rc rc = buf_rc(b, "string", ev->err);

    if (rc)
        return rc;
    char *copy = arena_strndup(ev->arena, b->at ? b->at : "", b->len);
    if (!copy)
        return arena_fail(ev->arena, ev->err, "string");
    *ret = feel_string((struct str){ copy, b->len });
    return feel_spend(ev, b->len / 16);
}

enum rc feel_builtin_string(struct feel_evaluation *ev, const struct feel_value *args,
                            struct feel_value *ret)
{
    CLEANUP(buf_releasep) struct buf b = { 0 };

    *ret = args[0];
    if (args[0].kind == FEEL_NULL || args[0].kind == FEEL_STRING)
        return RC_OK;
    buf_init(&b, ev->limits->string_bytes);
    feel_append_text(&b, &args[0]);
    return feel_string_from_buf(ev, &b, ret);
}

enum rc feel_builtin_string_length(struct feel_evaluation *ev, const struct feel_value *args,
                                   struct feel_value *ret)
{
    *ret = feel_number((int64_t)utf8_count(args[0].string));
    return feel_spend(ev, args[0].string.len / 16);
}

/* Offset of the n-th code point from 0; the length when there are not as many. */
static size_t offset_of(struct str text, size_t n)
{
    size_t at = 0;
    uint32_t c;

    for (; n > 0 && at < text.len; n--)
        at += utf8_decode(text.at + at, str_end(text), &c);
    return at;
}

enum rc feel_builtin_substring(struct feel_evaluation *ev, const struct feel_value *args,
                               struct feel_value *ret)
{
    struct str text = args[0].string;
    int64_t n = (int64_t)utf8_count(text), start, length = n;
    enum rc rc = feel_spend(ev, text.len / 16);

    if (rc)
        return rc;
    if (!decimal_to_i64(args[1].number, &start) || start == 0 || start > n || start < -n)
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "substring(): no such position in %lld",
                            (long long)n);
    if (args[2].kind == FEEL_NUMBER && !decimal_to_i64(args[2].number, &length))
        length = n;
    if (length < 1)
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "substring(): length below 1");

    size_t from = offset_of(text, (size_t)(start > 0 ? start - 1 : n + start));
    struct str rest = { text.at + from, text.len - from };
    *ret = feel_string((struct str){ rest.at, offset_of(rest, (size_t)(length < n ? length : n)) });
    return RC_OK;
}

/* Offset of the first match, or text.len + 1. */
static size_t find(struct str text, struct str match)
{
    if (match.len == 0)
        return 0;
    const char *at = text.len ? memmem(text.at, text.len, match.at, match.len) : NULL;
    return at ? (size_t)(at - text.at) : text.len + 1;
}

enum rc feel_builtin_substring_before(struct feel_evaluation *ev, const struct feel_value *args,
                                      struct feel_value *ret)
{
    size_t at = find(args[0].string, args[1].string);

    *ret = feel_string((struct str){ args[0].string.at, at > args[0].string.len ? 0 : at });
    return feel_spend(ev, args[0].string.len / 16);
}

enum rc feel_builtin_substring_after(struct feel_evaluation *ev, const struct feel_value *args,
                                     struct feel_value *ret)
{
    struct str text = args[0].string;
    size_t at = find(text, args[1].string);
    size_t end = at > text.len ? text.len : at + args[1].string.len;

    *ret = feel_string((struct str){ text.at + end, text.len - end });
    return feel_spend(ev, text.len / 16);
}

enum rc feel_builtin_contains(struct feel_evaluation *ev, const struct feel_value *args,
                              struct feel_value *ret)
{
    *ret = feel_boolean(find(args[0].string, args[1].string) <= args[0].string.len);
    return feel_spend(ev, args[0].string.len / 16);
}

static bool has_at(struct str text, size_t at, struct str part)
{
    return part.len == 0 || memcmp(text.at + at, part.at, part.len) == 0;
}

enum rc feel_builtin_starts_with(struct feel_evaluation *ev, const struct feel_value *args,
                                 struct feel_value *ret)
{
    struct str text = args[0].string, part = args[1].string;

    (void)ev;
    *ret = feel_boolean(part.len <= text.len && has_at(text, 0, part));
    return RC_OK;
}

enum rc feel_builtin_ends_with(struct feel_evaluation *ev, const struct feel_value *args,
                               struct feel_value *ret)
{
    struct str text = args[0].string, part = args[1].string;

    (void)ev;
    *ret = feel_boolean(part.len <= text.len && has_at(text, text.len - part.len, part));
    return RC_OK;
}

/* Nulls are left out. */
enum rc feel_builtin_string_join(struct feel_evaluation *ev, const struct feel_value *args,
                                 struct feel_value *ret)
{
    CLEANUP(buf_releasep) struct buf b = { 0 };
    bool first = true;

    buf_init(&b, ev->limits->string_bytes);
    for (size_t i = 0; i < args[0].list.n; i++) {
        const struct feel_value *item = &args[0].list.items[i];

        if (item->kind == FEEL_NULL)
            continue;
        if (item->kind != FEEL_STRING)
            return feel_is_null(ev, FEEL_REASON_TYPE, ret, "string join(): item %zu is %s", i + 1,
                                feel_kind_name(item->kind));
        if (!first && args[1].kind == FEEL_STRING)
            buf_append_str(&b, args[1].string);
        buf_append_str(&b, item->string);
        first = false;
    }
    return feel_string_from_buf(ev, &b, ret);
}
