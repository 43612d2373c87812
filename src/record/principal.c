#include "record/principal.h"

#include "base/crypto.h"
#include "record/record_internal.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    KEY_ID_AT = 5,
    SECRET_AT = KEY_ID_AT + PRINCIPAL_KEY_ID_LEN + 1,
    CRC_AT = SECRET_AT + PRINCIPAL_SECRET_LEN + 1,
};

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* IEEE 802.3, reflected, as in zlib: "123456789" gives cbf43926. */
static uint32_t crc32_of(const char *bytes, size_t len)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < len; i++) {
        crc ^= (uint8_t)bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void fill_random(char *text, size_t len)
{
    while (len > 0) {
        uint8_t byte;

        random_bytes(&byte, 1);
        byte &= 63;
        if (byte >= 62) /* taking the remainder would prefer two digits */
            continue;
        *text++ = base62[byte];
        len--;
    }
}

static void make_key(char key[PRINCIPAL_KEY_LEN + 1])
{
    memcpy(key, "slm1_", KEY_ID_AT);
    fill_random(key + KEY_ID_AT, PRINCIPAL_KEY_ID_LEN);
    key[SECRET_AT - 1] = '_';
    fill_random(key + SECRET_AT, PRINCIPAL_SECRET_LEN);
    key[CRC_AT - 1] = '_';
    snprintf(key + CRC_AT, 9, "%08" PRIx32, crc32_of(key, CRC_AT - 1));
}

/* Whether the text has the form of a key, its CRC included. */
static bool is_key(struct str key)
{
    char crc[9];

    if (key.len != PRINCIPAL_KEY_LEN || !str_starts_with(key, "slm1_") ||
        key.at[SECRET_AT - 1] != '_' || key.at[CRC_AT - 1] != '_')
        return false;
    for (size_t i = KEY_ID_AT; i < CRC_AT - 1; i++)
        if (i != SECRET_AT - 1 && (!key.at[i] || !strchr(base62, key.at[i])))
            return false;
    snprintf(crc, sizeof(crc), "%08" PRIx32, crc32_of(key.at, CRC_AT - 1));
    return memcmp(crc, key.at + CRC_AT, 8) == 0;
}

static enum rc check_new(const char *name, unsigned scopes, unsigned maker, int64_t expires_ms,
                         int64_t now_ms, struct err *err)
{
    enum rc rc = record_check_text("principal", name, 1, RECORD_PRINCIPAL_MAX, err);

    if (rc)
        return rc;
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return err_set(err, RC_INVALID, "principal: a name has no control characters");
    if (scopes == 0 || scopes & ~(unsigned)PRINCIPAL_ALL)
        return err_set(err, RC_INVALID, "principal '%s': no scopes, or unknown ones", name);
    if (scopes & ~maker)
        return err_set(err, RC_DENIED, "principal '%s': scopes beyond those of who makes the key",
                       name);
    if (expires_ms < 0 || (expires_ms && expires_ms <= now_ms))
        return err_set(err, RC_INVALID, "principal '%s': the key would have expired already", name);
    return RC_OK;
}

static enum rc insert(struct store_tx *tx, const char *key, const char *name, unsigned scopes,
                      int64_t created_ms, int64_t expires_ms, struct err *err)
{
    struct digest hash;

    enum rc rc = sha256_of(key + SECRET_AT, PRINCIPAL_SECRET_LEN, &hash, err);
    if (rc)
        return rc;
    return store_exec(tx,
                      "insert into principal (key_id, name, secret_hash, scopes, created_ms,"
                      " expires_ms, revoked_ms) values (?, ?, ?, ?, ?, ?, 0)",
                      STORE_ARGS(store_str((struct str){ key + KEY_ID_AT, PRINCIPAL_KEY_ID_LEN }),
                                 store_text(name), store_text(hash.hex), store_i64(scopes),
                                 store_i64(created_ms), store_i64(expires_ms)),
                      err);
}

enum rc principal_create(struct record *record, const char *name, unsigned scopes, unsigned maker,
                         int64_t expires_ms, char ret_key[PRINCIPAL_KEY_LEN + 1], struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    int64_t now_ms = record_now_ms(record);
    char key[PRINCIPAL_KEY_LEN + 1];

    enum rc rc = check_new(name, scopes, maker, expires_ms, now_ms, err);
    if (rc)
        return rc;
    make_key(key);
    rc = store_begin(record->store, &tx, err);
    if (rc)
        return rc;
    rc = insert(tx, key, name, scopes, now_ms, expires_ms, err);
    if (rc)
        return rc;
    rc = store_commit(TAKE(tx), err);
    if (rc)
        return rc;
    memcpy(ret_key, key, sizeof(key));
    return RC_OK;
}

#define PRINCIPAL_COLUMNS "name, key_id, scopes, created_ms, expires_ms, revoked_ms"

static enum rc read_principal(const struct store_rows *rows, struct arena *arena, void *item,
                              struct err *err)
{
    struct principal *p = item;

    (void)arena;
    p->scopes = (unsigned)store_column_i64(rows, 2) & PRINCIPAL_ALL;
    p->created_ms = store_column_i64(rows, 3);
    p->expires_ms = store_column_i64(rows, 4);
    p->revoked_ms = store_column_i64(rows, 5);
    enum rc rc = record_read_chars(rows, 0, p->name, sizeof(p->name), err);
    if (rc)
        return rc;
    return record_read_chars(rows, 1, p->key_id, sizeof(p->key_id), err);
}

/* The row of a key id; an unknown one leaves the hash all zeros, which no secret has. */
static enum rc find_principal(struct record *record, struct str key_id, struct principal *principal,
                              struct digest *hash, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;

    memset(hash, 0, sizeof(*hash));
    enum rc rc = store_begin_read(record->store, &tx, err);
    if (rc)
        return rc;
    rc = store_select_one(tx,
                          "select " PRINCIPAL_COLUMNS ", secret_hash from principal"
                          " where key_id = ?",
                          STORE_ARGS(store_str(key_id)), &rows, err);
    if (rc || !rows)
        return rc;
    rc = record_read_digest(rows, 6, hash, err);
    if (rc)
        return rc;
    return read_principal(rows, NULL, principal, err);
}

enum rc principal_authenticate(struct record *record, struct str key,
                               struct principal *ret_principal, struct err *err)
{
    struct principal principal = { 0 };
    struct digest hash, expected;
    int64_t now_ms = record_now_ms(record);

    if (!is_key(key))
        return err_set(err, RC_DENIED, "that is no key");
    enum rc rc = sha256_of(key.at + SECRET_AT, PRINCIPAL_SECRET_LEN, &hash, err);
    if (rc)
        return rc;
    rc = find_principal(record, (struct str){ key.at + KEY_ID_AT, PRINCIPAL_KEY_ID_LEN },
                        &principal, &expected, err);
    if (rc)
        return rc;
    if (!crypto_equal(hash.hex, expected.hex, SHA256_HEX_LEN))
        return err_set(err, RC_DENIED, "unknown key");
    /* Only who holds the secret learns this. */
    if (principal.revoked_ms)
        return err_set(err, RC_DENIED, "key %s was revoked", principal.key_id);
    if (principal.expires_ms && principal.expires_ms <= now_ms)
        return err_set(err, RC_DENIED, "key %s has expired", principal.key_id);
    *ret_principal = principal;
    return RC_OK;
}

/* Whether the key is there, revoked or not. */
static enum rc check_key_id(struct store_tx *tx, const char *key_id, struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;

    enum rc rc = store_select_one(tx, "select 1 from principal where key_id = ?",
                                  STORE_ARGS(store_text(key_id)), &rows, err);
    if (rc)
        return rc;
    if (!rows)
        return err_set(err, RC_NOT_FOUND, "no key '%.20s'", key_id);
    return RC_OK;
}

enum rc principal_revoke(struct record *record, const char *key_id, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;

    enum rc rc = store_begin(record->store, &tx, err);
    if (rc)
        return rc;
    rc = check_key_id(tx, key_id, err);
    if (rc)
        return rc;
    rc = store_exec(tx, "update principal set revoked_ms = ? where key_id = ? and revoked_ms = 0",
                    STORE_ARGS(store_i64(record_now_ms(record)), store_text(key_id)), err);
    if (rc)
        return rc;
    return store_commit(TAKE(tx), err);
}

enum rc principal_list(struct record *record, struct arena *arena,
                       struct principal **ret_principals, size_t *ret_n, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    void *items;

    enum rc rc = store_begin_read(record->store, &tx, err);
    if (rc)
        return rc;
    rc = store_select_all(tx, "select " PRINCIPAL_COLUMNS " from principal order by rowid desc",
                          STORE_NO_ARGS, read_principal, sizeof(**ret_principals), RECORD_LIST_MAX,
                          arena, &items, ret_n, err);
    if (rc)
        return rc;
    *ret_principals = items;
    return RC_OK;
}
