/* feel_regex.c - matches(), replace() and split(). */
#include "expr/feel_internal.h"
#include "expr/feel_pattern.h"

#include <stdio.h>

enum { COMPILE_STEPS = 250, FIND_STEPS = 20 };

/* *ret stays NULL, with *ret_value null and its reason, when the pattern is no expression. */
static enum rc open_pattern(struct feel_evaluation *ev, struct str pattern,
                            const struct feel_value *flags, struct regex **ret,
                            struct feel_value *ret_value)
{
    CLEANUP(buf_releasep) struct buf translated = { 0 };
    unsigned regex_flags;
    bool ignore_blanks;
    struct str letters = flags->kind == FEEL_STRING ? flags->string : STR("");
    struct err why;
    enum rc rc = feel_spend(ev, COMPILE_STEPS + pattern.len);

    if (rc)
        return rc;
    if (!feel_pattern_flags(letters, &regex_flags, &ignore_blanks))
        return feel_is_null(ev, FEEL_REASON_VALUE, ret_value, "flags are of s, m, i, x, q");
    buf_init(&translated, REGEX_PATTERN_MAX);
    if (regex_flags & REGEX_LITERAL)
        buf_append_str(&translated, pattern);
    else
        rc = feel_pattern_translate(pattern, ignore_blanks, &translated, &why);
    if (!rc)
        rc = buf_rc(&translated, "pattern", &why);
    if (!rc)
        rc = regex_open(buf_str(&translated), regex_flags, ret, &why);
    if (rc == RC_INVALID)
        return feel_is_null(ev, FEEL_REASON_VALUE, ret_value, "pattern: %.120s", why.message);
    if (rc)
        *ev->err = why;
    return rc;
}

static enum rc find(struct feel_evaluation *ev, const struct regex *regex, struct str subject,
                    size_t from, struct regex_match *ret)
{
    enum rc rc = feel_spend(ev, FIND_STEPS + (subject.len - from) / 64);

    return rc ? rc : regex_find(regex, subject, from, ret, ev->err);
}

enum rc feel_builtin_matches(struct feel_evaluation *ev, const struct feel_value *args,
                             struct feel_value *ret)
{
    CLEANUP(regex_closep) struct regex *regex = NULL;
    struct regex_match match;
    enum rc rc = open_pattern(ev, args[1].string, &args[2], &regex, ret);

    if (rc || !regex)
        return rc;
    rc = find(ev, regex, args[0].string, 0, &match);
    if (rc)
        return rc;
    *ret = feel_boolean(match.found);
    return RC_OK;
}

/* A pattern that matches the empty string would match everywhere: an error in XPath. */
static enum rc matches_empty(struct feel_evaluation *ev, const struct regex *regex, bool *ret,
                             struct feel_value *ret_value)
{
    struct regex_match match;
    enum rc rc = find(ev, regex, STR(""), 0, &match);

    *ret = !rc && match.found;
    if (*ret)
        return feel_is_null(ev, FEEL_REASON_VALUE, ret_value, "the pattern matches empty text");
    return rc;
}

/* ---- replace ---- */

/* $N is a group, \$ and \\ are themselves; false: anything else after '$' or '\'. */
static bool append_replacement(struct buf *out, struct str replacement,
                               const struct regex_match *match)
{
    for (size_t i = 0; i < replacement.len; i++) {
        char c = replacement.at[i];
        char next = i + 1 < replacement.len ? replacement.at[i + 1] : '\0';

        if (c == '\\') {
            if (next != '\\' && next != '$')
                return false;
            buf_append_char(out, next);
            i++;
        } else if (c == '$') {
            if (next < '0' || next > '9')
                return false;
            size_t group = (size_t)(next - '0');
            if (group < match->n_groups && match->groups[group].at)
                buf_append_str(out, match->groups[group]);
            i++;
        } else {
            buf_append_char(out, c);
        }
    }
    return true;
}

static enum rc replace_all(struct feel_evaluation *ev, const struct regex *regex,
                           const struct feel_value *args, bool literal, struct feel_value *ret)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct str subject = args[0].string;
    struct regex_match match;
    size_t at = 0;

    buf_init(&out, ev->limits->string_bytes);
    for (;;) {
        enum rc rc = find(ev, regex, subject, at, &match);

        if (rc)
            return rc;
        if (!match.found || match.groups[0].len == 0)
            break;
        size_t start = (size_t)(match.groups[0].at - subject.at);
        buf_append(&out, subject.at + at, start - at);
        if (literal)
            buf_append_str(&out, args[2].string);
        else if (!append_replacement(&out, args[2].string, &match))
            return feel_is_null(ev, FEEL_REASON_VALUE, ret,
                                "replace(): '$' needs a digit and '\\' a '$' or '\\' behind it");
        at = start + match.groups[0].len;
    }
    if (at < subject.len)
        buf_append(&out, subject.at + at, subject.len - at);
    return feel_string_from_buf(ev, &out, ret);
}

enum rc feel_builtin_replace(struct feel_evaluation *ev, const struct feel_value *args,
                             struct feel_value *ret)
{
    CLEANUP(regex_closep) struct regex *regex = NULL;
    bool literal = args[3].kind == FEEL_STRING && args[3].string.len &&
                   memchr(args[3].string.at, 'q', args[3].string.len);
    bool empty;
    enum rc rc = open_pattern(ev, args[1].string, &args[3], &regex, ret);

    if (rc || !regex)
        return rc;
    rc = matches_empty(ev, regex, &empty, ret);
    return rc || empty ? rc : replace_all(ev, regex, args, literal, ret);
}

/* ---- split ---- */

static enum rc split_all(struct feel_evaluation *ev, const struct regex *regex, struct str subject,
                         struct feel_value *ret)
{
    struct feel_list_builder parts = { .ev = ev };
    struct regex_match match;
    struct feel_value part = { 0 };
    size_t at = 0;

    for (;;) {
        enum rc rc = find(ev, regex, subject, at, &match);

        if (rc)
            return rc;
        bool last = !match.found || match.groups[0].len == 0;
        size_t end = last ? subject.len : (size_t)(match.groups[0].at - subject.at);
        part = feel_string((struct str){ subject.at + at, end - at });
        rc = feel_list_add(&parts, &part);
        if (rc)
            return rc;
        if (last)
            return feel_list_done(&parts, ret);
        at = end + match.groups[0].len;
    }
}

enum rc feel_builtin_split(struct feel_evaluation *ev, const struct feel_value *args,
                           struct feel_value *ret)
{
    static const struct feel_value no_flags = { .kind = FEEL_NULL };
    CLEANUP(regex_closep) struct regex *regex = NULL;
    bool empty;
    enum rc rc = open_pattern(ev, args[1].string, &no_flags, &regex, ret);

    if (rc || !regex)
        return rc;
    rc = matches_empty(ev, regex, &empty, ret);
    return rc || empty ? rc : split_all(ev, regex, args[0].string, ret);
}
