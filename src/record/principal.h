/*
 * principal.h - who may do what with a team's service: people and programs, each with keys.
 *
 * A key is   slm1_<key id, 12>_<secret, 43>_<CRC-32 of all before, 8 hex>
 *
 * with id and secret in random base-62 digits (256 bits in the secret). The file holds the id and
 * the SHA-256 of the secret: who reads it cannot make a request. A key of random bits needs no slow
 * hash. A principal may have several keys, so that one can be replaced without a pause. The CRC
 * tells a mistyped key from a wrong one and lets secret scanners recognise ours.
 */
#ifndef RECORD_PRINCIPAL_H
#define RECORD_PRINCIPAL_H

#include "base/arena.h"
#include "base/str.h"
#include "record/record.h"

#include <stddef.h>
#include <stdint.h>

enum {
    PRINCIPAL_KEY_ID_LEN = 12,
    PRINCIPAL_SECRET_LEN = 43,
    PRINCIPAL_KEY_LEN = 5 + PRINCIPAL_KEY_ID_LEN + 1 + PRINCIPAL_SECRET_LEN + 1 + 8,
};

enum principal_scope {
    PRINCIPAL_DECIDE = 1,
    PRINCIPAL_FEEDBACK = 2,
    PRINCIPAL_READ = 4,
    PRINCIPAL_ADMIN = 8,
    PRINCIPAL_FLOW = 16, /* of a team: decide, under a flow's contract; of the coordinator: runs */
    PRINCIPAL_ALL = 31,
};

struct principal {
    char name[RECORD_PRINCIPAL_MAX + 1];
    char key_id[PRINCIPAL_KEY_ID_LEN + 1];
    unsigned scopes; /* of PRINCIPAL_*, or-ed */
    int64_t created_ms;
    int64_t expires_ms; /* 0: never */
    int64_t revoked_ms; /* 0: not */
};

/**
 * Makes a key for a principal.
 *
 * @param name        1 to RECORD_PRINCIPAL_MAX bytes of UTF-8, no control characters
 * @param scopes      at least one
 * @param maker       scopes of who makes it: nobody gives what they do not have; PRINCIPAL_ALL for
 *                    the owner of the files
 * @param expires_ms  0: never
 * @param ret_key     out: the only time that the key is seen
 *
 * @return RC_OK
 *         RC_INVALID  name, scopes or a time that has passed
 *         RC_DENIED   scopes beyond the maker's
 *         RC_FULL, RC_IO, RC_UNKNOWN
 */
MUST_CHECK enum rc principal_create(struct record *record, const char *name, unsigned scopes,
                                    unsigned maker, int64_t expires_ms,
                                    char ret_key[PRINCIPAL_KEY_LEN + 1], struct err *err);

/**
 * Says whose key this is. The comparison takes the same time whatever differs.
 *
 * @return RC_OK; RC_DENIED: malformed, unknown, expired or revoked; RC_IO, RC_CORRUPT, RC_NOMEM
 */
MUST_CHECK enum rc principal_authenticate(struct record *record, struct str key,
                                          struct principal *ret_principal, struct err *err);

/* From its return on the key is refused. Revoking again changes nothing. RC_NOT_FOUND. */
MUST_CHECK enum rc principal_revoke(struct record *record, const char *key_id, struct err *err);

/* All keys, the newest first, RECORD_LIST_MAX at most. */
MUST_CHECK enum rc principal_list(struct record *record, struct arena *arena,
                                  struct principal **ret_principals, size_t *ret_n,
                                  struct err *err);

#endif
