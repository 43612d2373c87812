/*
 * authorize.h - whose key is this, and may they? For the server's thread, which must not wait for
 * the disk: keys that were good are remembered until any key is revoked.
 */
#ifndef SERVE_AUTHORIZE_H
#define SERVE_AUTHORIZE_H

#include "base/clock.h"
#include "base/crypto.h"
#include "record/principal.h"

#include <stdatomic.h>

enum { SERVE_KEYS_REMEMBERED = 64 };

struct serve_key {
    struct digest digest; /* of the whole key; hex[0] == '\0': unused */
    unsigned generation;
    struct principal principal;
};

struct serve_authorizer {
    struct record *record; /* borrowed */
    struct clock clock;
    atomic_uint generation; /* what was remembered in an earlier one does not count */
    struct serve_key keys[SERVE_KEYS_REMEMBERED];
};

void serve_authorizer_init(struct serve_authorizer *a, struct record *record, struct clock clock);

/* From its return on a revoked key is refused. Any thread. */
void serve_authorizer_forget(struct serve_authorizer *a);

/**
 * @param header  value of the field Authorization, "Bearer slm1_..."; at NULL: there was none
 *
 * @return RC_OK
 *         RC_DENIED  no header, or no key that is good: nothing says which
 *         RC_IO, RC_CORRUPT, RC_NOMEM
 */
MUST_CHECK enum rc serve_authenticate(struct serve_authorizer *a, struct str header,
                                      struct principal *ret_principal, struct err *err);

#endif
