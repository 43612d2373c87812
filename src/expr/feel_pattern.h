/*
 * feel_pattern.h - the regular expressions of XPath (which FEEL names) as those of PCRE2.
 *
 * XPath has less and a little more than PCRE2: no look-around, no \b, no inline flags, an error for
 * every unknown escape; but class subtraction [a-z-[aeiou]] and blocks \p{IsBasicLatin}.
 */
#ifndef EXPR_FEEL_PATTERN_H
#define EXPR_FEEL_PATTERN_H

#include "base/buf.h"
#include "base/regex.h"

/* Flags "smixq" to REGEX_ flags and *ret_ignore_blanks (x); false: another letter. */
bool feel_pattern_flags(struct str flags, unsigned *ret_flags, bool *ret_ignore_blanks);

/* Appends the translation. RC_INVALID: "offset 3: ..."; RC_UNSUPPORTED: a Unicode block other than
 * IsBasicLatin, or \i and \c. */
MUST_CHECK enum rc feel_pattern_translate(struct str pattern, bool ignore_blanks, struct buf *out,
                                          struct err *err);

#endif
