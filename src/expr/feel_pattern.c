#include "expr/feel_pattern.h"

enum { CLASS_NESTING_MAX = 8 };

struct pattern {
    struct str text;
    size_t at;
    struct buf *out;
    struct err *err;
};

bool feel_pattern_flags(struct str flags, unsigned *ret_flags, bool *ret_ignore_blanks)
{
    *ret_flags = 0;
    *ret_ignore_blanks = false;
    for (size_t i = 0; i < flags.len; i++) {
        switch (flags.at[i]) {
        case 's': *ret_flags |= REGEX_DOT_ALL; break;
        case 'm': *ret_flags |= REGEX_MULTILINE; break;
        case 'i': *ret_flags |= REGEX_CASELESS; break;
        case 'q': *ret_flags |= REGEX_LITERAL; break;
        case 'x': *ret_ignore_blanks = true; break;
        default: return false;
        }
    }
    return true;
}

static enum rc refuse(const struct pattern *p, const char *what)
{
    return err_set(p->err, RC_INVALID, "offset %zu: %s", p->at, what);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool at_char(const struct pattern *p, size_t ahead, char c)
{
    return p->at + ahead < p->text.len && p->text.at[p->at + ahead] == c;
}

/* The name in braces. */
static enum rc read_property(struct pattern *p, char name[40])
{
    size_t n = 0;

    if (!at_char(p, 0, '{'))
        return refuse(p, "expected '{' after \\p");
    for (p->at++; p->at < p->text.len && p->text.at[p->at] != '}'; p->at++) {
        if (n == 39)
            return refuse(p, "property name too long");
        name[n++] = p->text.at[p->at];
    }
    if (p->at == p->text.len)
        return refuse(p, "'}' is missing");
    p->at++;
    name[n] = '\0';
    return RC_OK;
}

static enum rc translate_property(struct pattern *p, bool in_class)
{
    bool negated = p->text.at[p->at] == 'P';
    char name[40];

    p->at++;
    enum rc rc = read_property(p, name);
    if (rc)
        return rc;
    if (strcmp(name, "IsBasicLatin") == 0 && !in_class) {
        buf_append_text(p->out, negated ? "[^\\x00-\\x7F]" : "[\\x00-\\x7F]");
        return RC_OK;
    }
    if (strcmp(name, "IsBasicLatin") == 0) {
        buf_append_text(p->out, negated ? "\\x{80}-\\x{10FFFF}" : "\\x00-\\x7F");
        return RC_OK;
    }
    if (strncmp(name, "Is", 2) == 0)
        return err_set(p->err, RC_UNSUPPORTED, "the Unicode block %s is not supported", name);
    if (strlen(name) < 1 || strlen(name) > 2)
        return refuse(p, "expected a Unicode category");
    buf_printf(p->out, "\\%c{%s}", negated ? 'P' : 'p', name);
    return RC_OK;
}

static enum rc translate_escape(struct pattern *p, bool in_class)
{
    if (p->at + 1 >= p->text.len)
        return refuse(p, "'\\' at the end");
    char c = p->text.at[++p->at];
    if (c == 'p' || c == 'P')
        return translate_property(p, in_class);
    if (c == 'i' || c == 'I' || c == 'c' || c == 'C')
        return err_set(p->err, RC_UNSUPPORTED, "\\%c is not supported", c);
    bool reference = c >= '1' && c <= '9' && !in_class;
    if (!reference && (!c || !strchr("nrt\\|.?*+(){}-[]^$sSdDwW", c)))
        return refuse(p, "unknown escape");
    buf_append_char(p->out, '\\');
    buf_append_char(p->out, c);
    p->at++;
    return RC_OK;
}

/* Up to "]" or "-[" of a subtraction, into out. */
static enum rc translate_members(struct pattern *p, struct buf *out)
{
    struct buf *outer = p->out;
    enum rc rc = RC_OK;
    size_t start = p->at;

    p->out = out;
    while (!rc && p->at < p->text.len && !at_char(p, 0, ']') &&
           !(at_char(p, 0, '-') && at_char(p, 1, '['))) {
        char c = p->text.at[p->at];

        if (c == '\\') {
            rc = translate_escape(p, true);
        } else if (c == '[') {
            rc = refuse(p, "'[' inside a class");
        } else {
            if (p->at == start && c == '^')
                buf_append_char(out, '\\');
            buf_append_char(out, c);
            p->at++;
        }
    }
    p->out = outer;
    return rc;
}

/* [members-[subtracted]] is (?:(?![subtracted])[members]). */
static enum rc translate_class(struct pattern *p, unsigned depth)
{
    CLEANUP(buf_releasep) struct buf members = { 0 };
    bool negated;
    enum rc rc;

    if (depth == CLASS_NESTING_MAX)
        return refuse(p, "classes nested too deeply");
    buf_init(&members, p->out->limit);
    p->at++;
    negated = at_char(p, 0, '^');
    p->at += negated;
    rc = translate_members(p, &members);
    if (!rc)
        rc = buf_rc(&members, "pattern", p->err);
    if (rc)
        return rc;
    if (members.len == 0)
        return refuse(p, "an empty class");

    bool subtracts = at_char(p, 0, '-');
    if (subtracts) {
        p->at++;
        buf_append_text(p->out, "(?:(?!");
        rc = translate_class(p, depth + 1);
        if (rc)
            return rc;
        buf_append_char(p->out, ')');
    }
    if (!at_char(p, 0, ']'))
        return refuse(p, "']' is missing");
    p->at++;
    buf_append_text(p->out, negated ? "[^" : "[");
    buf_append_str(p->out, buf_str(&members));
    buf_append_text(p->out, subtracts ? "])" : "]");
    return RC_OK;
}

static enum rc translate(struct str pattern, struct buf *out, struct err *err)
{
    struct pattern p = { .text = pattern, .out = out, .err = err };

    while (p.at < pattern.len) {
        char c = pattern.at[p.at];
        enum rc rc = RC_OK;

        if (c == '\\')
            rc = translate_escape(&p, false);
        else if (c == '[')
            rc = translate_class(&p, 0);
        else if (c == '(' && at_char(&p, 1, '?') && !at_char(&p, 2, ':'))
            rc = refuse(&p, "no such group");
        else if (c == '(' && at_char(&p, 1, '*'))
            rc = refuse(&p, "nothing to repeat");
        else
            buf_append_char(out, pattern.at[p.at++]);
        if (rc)
            return rc;
    }
    return buf_rc(out, "pattern", err);
}

/* Blanks go first, before the pattern has any meaning: "hello\\ sworld" is hello\sworld. Those in a
 * class stay. */
static void append_without_blanks(struct buf *out, struct str pattern)
{
    size_t depth = 0;

    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.at[i];

        if (c == '\\' && i + 1 < pattern.len && !is_blank(pattern.at[i + 1])) {
            buf_append_char(out, c);
            c = pattern.at[++i];
        } else if (c == '[') {
            depth++;
        } else if (c == ']' && depth > 0) {
            depth--;
        }
        if (depth > 0 || !is_blank(c))
            buf_append_char(out, c);
    }
}

enum rc feel_pattern_translate(struct str pattern, bool ignore_blanks, struct buf *out,
                               struct err *err)
{
    CLEANUP(buf_releasep) struct buf compact = { 0 };

    if (!ignore_blanks)
        return translate(pattern, out, err);
    buf_init(&compact, out->limit);
    append_without_blanks(&compact, pattern);
    enum rc rc = buf_rc(&compact, "pattern", err);
    return rc ? rc : translate(buf_str(&compact), out, err);
}
