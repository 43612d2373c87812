#include "serve/authorize.h"

#include "serve/http/http_status.h"

#include <strings.h>
#include <unistd.h>

void serve_authorizer_init(struct serve_authorizer *a, struct record *record, struct clock clock)
{
    *a = (struct serve_authorizer){ .record = record, .clock = clock };
}

void serve_authorizer_forget(struct serve_authorizer *a)
{
    atomic_fetch_add(&a->generation, 1);
}

static bool has_expired(const struct serve_authorizer *a, const struct principal *principal)
{
    return principal->expires_ms && a->clock.now_ms(a->clock.self) >= principal->expires_ms;
}

/* Where a key is remembered; another key of the same place displaces it. */
static struct serve_key *place_of(struct serve_authorizer *a, const struct digest *digest)
{
    unsigned hash = 0;

    for (size_t i = 0; i < 8; i++)
        hash = hash * 31 + (unsigned char)digest->hex[i];
    return &a->keys[hash % SERVE_KEYS_REMEMBERED];
}

enum rc serve_authenticate(struct serve_authorizer *a, struct str header,
                           struct principal *ret_principal, struct err *err)
{
    static const char scheme[] = "bearer ";
    unsigned generation = atomic_load(&a->generation);
    struct digest digest;

    if (header.len <= strlen(scheme) || strncasecmp(header.at, scheme, strlen(scheme)) != 0)
        return err_set(err, RC_DENIED, "expected the header Authorization: Bearer KEY");
    struct str key = { header.at + strlen(scheme), header.len - strlen(scheme) };
    if (key.len != PRINCIPAL_KEY_LEN)
        return err_set(err, RC_DENIED, "the key is not valid");

    enum rc rc = sha256_of(key.at, key.len, &digest, err);
    if (rc)
        return rc;
    struct serve_key *known = place_of(a, &digest);
    if (known->generation == generation && digest_equal(&known->digest, &digest) &&
        !has_expired(a, &known->principal)) {
        *ret_principal = known->principal;
        return RC_OK;
    }
    rc = principal_authenticate(a->record, key, ret_principal, err);
    if (rc == RC_DENIED) /* not even whether it exists */
        return err_set(err, RC_DENIED, "the key is not valid");
    if (rc)
        return rc;
    *known = (struct serve_key){ digest, generation, *ret_principal };
    return RC_OK;
}

int serve_admit_key(struct http_exchange *x, struct serve_authorizer *a, unsigned scopes,
                    const char *unauthenticated, struct principal *ret_principal)
{
    struct err err;
    enum rc rc = serve_authenticate(a, http_request_header(x->request, "authorization"),
                                    ret_principal, &err);

    if (rc == RC_DENIED) {
        http_error_body(&x->body, &(struct http_error){ 401, unauthenticated, err.message, NULL });
        return 401;
    }
    if (rc) /* the sentence may name our files */
        rc = err_set(&err, rc, "the keys could not be read: %s", rc_name(rc));
    else if (!(ret_principal->scopes & scopes))
        rc = err_set(&err, RC_DENIED, "the key lacks the scope that this needs");
    return rc ? http_error(x, &err) : 0;
}

int serve_admit_owner(struct http_exchange *x, const char *owner)
{
    struct err err;

    if (x->has_peer && (x->peer_uid == geteuid() || x->peer_uid == 0))
        return 0;
    err_set(&err, RC_DENIED, "the admin socket is for the %s's own user", owner);
    return http_error(x, &err);
}
