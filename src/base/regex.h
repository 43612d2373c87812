/*
 * regex.h - bounded regular expressions over UTF-8.
 *
 * Wraps PCRE2 (regex.c is the one file that includes it). Matching is interpreted, with limits on
 * backtracking and memory, so that no pattern and no subject can hang it: what would take longer is
 * RC_LIMIT.
 */
#ifndef BASE_REGEX_H
#define BASE_REGEX_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

enum {
    REGEX_PATTERN_MAX = 16 << 10, /* bytes */
    REGEX_GROUPS_MAX = 64,
    REGEX_MATCH_STEPS_MAX = 50000,
    REGEX_HEAP_KIB_MAX = 4096,
};

enum {
    REGEX_CASELESS = 1,
    REGEX_MULTILINE = 2, /* ^ and $ at every line */
    REGEX_DOT_ALL = 4,   /* . matches line ends */
    REGEX_LITERAL = 8,   /* no character of the pattern is special */
};

struct regex; /* compiled */

/* Both texts are UTF-8. RC_INVALID: "offset 3: unmatched closing parenthesis"; RC_LIMIT: longer
 * than REGEX_PATTERN_MAX or more than REGEX_GROUPS_MAX groups; RC_NOMEM. */
MUST_CHECK enum rc regex_open(struct str pattern, unsigned flags, struct regex **ret_regex,
                              struct err *err);
void regex_close(struct regex *regex); /* accepts NULL */
DEFINE_FREEP(struct regex, regex_close)

struct regex_match {
    bool found;
    size_t n_groups;                         /* the whole match, group 0, included */
    struct str groups[REGEX_GROUPS_MAX + 1]; /* in the subject; at NULL: took no part */
};

/* The first match at or after offset `from`. RC_LIMIT: too much backtracking; RC_NOMEM. */
MUST_CHECK enum rc regex_find(const struct regex *regex, struct str subject, size_t from,
                              struct regex_match *ret, struct err *err);

#endif
