/* digest.h - a pinned digest: what computes the same bytes everywhere is held to one constant,
 * which another compiler or processor has to meet too. */
#ifndef TESTS_SUPPORT_DIGEST_H
#define TESTS_SUPPORT_DIGEST_H

#include "base/crypto.h"
#include "tests/support/test.h"

/* Ends h, whose digest must be `want`, 64 hex digits. `what` names it in a failure. */
static inline void assert_digest(struct sha256 *h, const char *want, const char *what)
{
    struct digest digest;
    struct err err;

    assert_int_equal(sha256_end(h, &digest, &err), RC_OK);
    if (!str_is(str_of(digest.hex), want))
        fail_msg("%s: %s, want %s", what, digest.hex, want);
}

#endif
