/* feel_case.c - upper case() and lower case(): Unicode's simple mappings, by code point. */
#include "base/utf8.h"
#include "expr/feel_internal.h"

#include <utf8proc.h>

typedef utf8proc_int32_t map_fn(utf8proc_int32_t c);

static enum rc map_case(struct feel_evaluation *ev, struct str text, map_fn *map,
                        struct feel_value *ret)
{
    const char *end = str_end(text);
    char *out = arena_array(ev->arena, char, 2 * text.len + UTF8_BYTES_MAX);
    size_t len = 0, taken;
    uint32_t c;

    if (!out)
        return arena_fail(ev->arena, ev->err, "string");
    for (const char *at = text.at; at < end; at += taken) {
        taken = utf8_decode(at, end, &c);
        if (taken == 0)
            break;
        len += utf8_encode((uint32_t)map((utf8proc_int32_t)c), out + len);
    }
    *ret = feel_string((struct str){ out, len });
    return feel_spend(ev, text.len / 16);
}

enum rc feel_builtin_upper_case(struct feel_evaluation *ev, const struct feel_value *args,
                                struct feel_value *ret)
{
    return map_case(ev, args[0].string, utf8proc_toupper, ret);
}

enum rc feel_builtin_lower_case(struct feel_evaluation *ev, const struct feel_value *args,
                                struct feel_value *ret)
{
    return map_case(ev, args[0].string, utf8proc_tolower, ret);
}
