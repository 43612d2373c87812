#include "record/record.h"

#include "base/crypto.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "record/record_internal.h"

/* seq gives the order of arrival, which a clock that jumps cannot change. */
static const char create_all[] =
    "create table principal ("
    "  key_id text primary key,"
    "  name text not null,"
    "  secret_hash text not null,"
    "  scopes integer not null,"
    "  created_ms integer not null,"
    "  expires_ms integer not null,"
    "  revoked_ms integer not null"
    ") strict;"

    "create table decision ("
    "  seq integer primary key,"
    "  id text not null unique,"
    "  slm text not null,"
    "  version text not null,"
    "  input text not null,"
    "  answer text not null,"
    "  abstained text,"
    "  tables text not null,"
    "  engine_build text not null,"
    "  principal text not null,"
    "  idempotency_key text,"
    "  request text not null,"
    "  recorded_ms integer not null,"
    "  model_ms real not null"
    ") strict;"
    "create unique index decision_by_key on decision (principal, slm, idempotency_key)"
    "  where idempotency_key is not null;"
    "create index decision_by_slm on decision (slm, seq);"

    "create table feedback ("
    "  seq integer primary key,"
    "  id text not null unique,"
    "  decision_id text not null references decision (id),"
    "  output text,"
    "  is_right integer,"
    "  comment text,"
    "  principal text not null,"
    "  idempotency_key text,"
    "  request text not null,"
    "  recorded_ms integer not null,"
    "  check ((output is null) <> (is_right is null))"
    ") strict;"
    "create unique index feedback_by_key on feedback (principal, decision_id, idempotency_key)"
    "  where idempotency_key is not null;"
    "create index feedback_by_decision on feedback (decision_id, seq);";

static const char *const migrations[] = { create_all };

const struct store_schema record_schema = { "record", 0x53484c44 /* "SHLD" */, migrations,
                                            ARRAY_LEN(migrations) };

enum rc record_open(const char *path, struct clock clock, struct record **ret_record,
                    struct err *err)
{
    CLEANUP(record_closep) struct record *record = mem_alloc(sizeof(*record));

    if (!record)
        return err_set(err, RC_NOMEM, "open record");
    record->clock = clock;
    enum rc rc = store_open(path, &record_schema, &record->store, err);
    if (rc)
        return rc;

    *ret_record = TAKE(record);
    return RC_OK;
}

void record_close(struct record *record)
{
    if (!record)
        return;
    store_close(record->store);
    mem_free(record);
}

/* Crockford's base 32: no letter that could be read as a digit, sorts like the numbers. */
static const char base32[] = "0123456789abcdefghjkmnpqrstvwxyz";

void record_make_id(const char prefix[3], int64_t now_ms, char id[RECORD_ID_LEN + 1])
{
    enum { TIME_AT = 4, TIME_LEN = 10, RANDOM_AT = TIME_AT + TIME_LEN };
    uint8_t noise[RECORD_ID_LEN - RANDOM_AT];

    memcpy(id, prefix, 3);
    id[3] = '_';
    for (int i = TIME_LEN - 1; i >= 0; i--, now_ms >>= 5)
        id[TIME_AT + i] = base32[now_ms & 31];
    random_bytes(noise, sizeof(noise));
    for (size_t i = 0; i < sizeof(noise); i++)
        id[RANDOM_AT + i] = base32[noise[i] & 31];
    id[RECORD_ID_LEN] = '\0';
}

enum rc record_check_text(const char *what, const char *text, size_t min, size_t max,
                          struct err *err)
{
    struct str t = str_of(text);

    if (t.len < min)
        return err_set(err, RC_INVALID, "%s of %zu bytes, expected at least %zu", what, t.len, min);
    if (t.len > max)
        return err_set(err, RC_LIMIT, "%s of %zu bytes, at most %zu", what, t.len, max);
    if (t.len && !utf8_valid(t))
        return err_set(err, RC_INVALID, "%s is not UTF-8", what);
    return RC_OK;
}

enum rc record_check_object(const char *what, struct str json, size_t max, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct json *parsed;

    arena_init(&arena,
               (max + 1024) * 80); /* the densest text, "[0,0,...", takes some 40 per byte */
    if (json.len > max)
        return err_set(err, RC_LIMIT, "%s of %zu bytes, at most %zu", what, json.len, max);
    enum rc rc = json_parse(json, JSON_DUPLICATES_REFUSED, &arena, &parsed, err);
    if (rc)
        return err_context(err, "%s", what);
    if (parsed->type != JSON_OBJECT)
        return err_set(err, RC_INVALID, "%s is %s, expected an object", what,
                       json_type_name(parsed->type));
    return RC_OK;
}

enum rc record_copy_text(const struct store_rows *rows, size_t column, struct arena *arena,
                         const char **ret_text, struct err *err)
{
    struct str text;
    enum rc rc = store_column_copy(rows, column, arena, &text, err);

    if (rc)
        return rc;
    *ret_text = text.at;
    return RC_OK;
}

enum rc record_read_digest(const struct store_rows *rows, size_t column, struct digest *ret_digest,
                           struct err *err)
{
    if (!digest_parse(store_column_str(rows, column), ret_digest))
        return err_set(err, RC_CORRUPT, "record: column %zu holds no digest", column);
    return RC_OK;
}

enum rc record_read_chars(const struct store_rows *rows, size_t column, char *ret_text, size_t size,
                          struct err *err)
{
    struct str text = store_column_str(rows, column);

    if (text.len >= size)
        return err_set(err, RC_CORRUPT, "record: column %zu holds %zu bytes, at most %zu", column,
                       text.len, size - 1);
    if (text.len)
        memcpy(ret_text, text.at, text.len);
    ret_text[text.len] = '\0';
    return RC_OK;
}
