/*
 * authorize.h - whose key is this, and may they? For the server's thread, which must not wait for
 * the disk: keys that were good are remembered until any key is revoked.
 */
#ifndef SERVE_AUTHORIZE_H
#define SERVE_AUTHORIZE_H

#include "base/clock.h"
#include "base/crypto.h"
#include "record/principal.h"
#include "serve/http/http_server.h"

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

/* Admission of a request by its key, which must have one of the scopes. 0: admitted, as
 * *ret_principal; else the status of the error that is now its answer. unauthenticated: the error's
 * code when the key is not good. */
int serve_admit_key(struct http_exchange *x, struct serve_authorizer *a, unsigned scopes,
                    const char *unauthenticated, struct principal *ret_principal);

/* Admission to an admin socket: its owner's user and root. The socket's mode keeps others out
 * already; this is the kernel's word on top of it. owner: "service", for the message. */
int serve_admit_owner(struct http_exchange *x, const char *owner);

#endif
