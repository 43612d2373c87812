#include "base/crypto.h"

#include "base/mem.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

void sha256_init(struct sha256 *h)
{
    EVP_MD_CTX *context = mem_fault_hit() ? NULL : EVP_MD_CTX_new();

    if (context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        context = NULL;
    }
    h->context = context;
}

void sha256_update(struct sha256 *h, const void *bytes, size_t len)
{
    if (h->context && EVP_DigestUpdate(h->context, bytes, len) != 1)
        sha256_release(h);
}

void sha256_release(struct sha256 *h)
{
    EVP_MD_CTX_free(h->context);
    h->context = NULL;
}

static void write_hex(const uint8_t raw[SHA256_BYTES], struct digest *digest)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < SHA256_BYTES; i++) {
        digest->hex[2 * i] = digits[raw[i] >> 4];
        digest->hex[2 * i + 1] = digits[raw[i] & 15];
    }
    digest->hex[SHA256_HEX_LEN] = '\0';
}

enum rc sha256_end(struct sha256 *h, struct digest *ret_digest, struct err *err)
{
    uint8_t raw[SHA256_BYTES];
    bool ended = h->context && EVP_DigestFinal_ex(h->context, raw, NULL) == 1;

    sha256_release(h);
    if (!ended)
        return err_set(err, RC_NOMEM, "SHA-256");
    write_hex(raw, ret_digest);
    return RC_OK;
}

enum rc sha256_of(const void *bytes, size_t len, struct digest *ret_digest, struct err *err)
{
    struct sha256 h;

    sha256_init(&h);
    sha256_update(&h, bytes, len);
    return sha256_end(&h, ret_digest, err);
}

bool digest_parse(struct str text, struct digest *ret_digest)
{
    if (text.len != SHA256_HEX_LEN)
        return false;
    for (size_t i = 0; i < SHA256_HEX_LEN; i++) {
        char c = text.at[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    memcpy(ret_digest->hex, text.at, SHA256_HEX_LEN);
    ret_digest->hex[SHA256_HEX_LEN] = '\0';
    return true;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->hex, b->hex, SHA256_HEX_LEN) == 0;
}

void random_bytes(void *bytes, size_t len)
{
    uint8_t *at = bytes;

    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);

        ASSERT(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
