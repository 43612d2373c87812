/*
 * crypto.h - SHA-256, random bytes, comparison in constant time. Wraps OpenSSL's EVP (base/crypto.c
 * alone).
 */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_HEX_LEN = 64 };

/* Lower-case hex of a SHA-256, NUL-terminated: the name of an artifact. */
struct digest {
    char hex[SHA256_HEX_LEN + 1];
};

struct sha256 {
    void *context; /* OpenSSL's; NULL after an allocation failure, then end() fails */
};

void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, const void *bytes, size_t len);
MUST_CHECK enum rc sha256_end(struct sha256 *h, struct digest *ret_digest,
                              struct err *err); /* releases h */
void sha256_release(struct sha256 *h);          /* without a result */

MUST_CHECK enum rc sha256_of(const void *bytes, size_t len, struct digest *ret_digest,
                             struct err *err);

/* Exactly 64 lower-case hex digits, nothing else. */
bool digest_parse(struct str text, struct digest *ret_digest);
bool digest_equal(const struct digest *a, const struct digest *b);

/* From the operating system; aborts if it has none (nothing sensible can go on). */
void random_bytes(void *bytes, size_t len);
bool crypto_equal(const void *a, const void *b, size_t len); /* constant time */

#endif
