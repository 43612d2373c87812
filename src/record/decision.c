#include "record/decision.h"

#include "base/failpoint.h"
#include "record/record_internal.h"

static enum rc check_decision(const struct decision *d, struct err *err)
{
    const struct {
        const char *what, *text;
        size_t min, max;
    } texts[] = {
        { "slm", d->slm, 1, RECORD_SLM_MAX },
        { "principal", d->principal, 1, RECORD_PRINCIPAL_MAX },
        { "engine build", d->engine_build, 1, DECISION_BUILD_MAX },
        { "abstained", d->abstained, 0, DECISION_REASON_MAX },
        { "idempotency key", d->idempotency_key, d->idempotency_key ? 1 : 0,
          RECORD_IDEMPOTENCY_KEY_MAX },
    };
    const struct {
        const char *what;
        struct str json;
        size_t max;
    } jsons[] = {
        { "input", d->input, DECISION_INPUT_MAX },
        { "answer", d->answer, DECISION_ANSWER_MAX },
        { "tables", d->tables, DECISION_TABLES_MAX },
    };
    enum rc rc = RC_OK;

    for (size_t i = 0; !rc && i < ARRAY_LEN(texts); i++)
        rc = record_check_text(texts[i].what, texts[i].text, texts[i].min, texts[i].max, err);
    for (size_t i = 0; !rc && i < ARRAY_LEN(jsons); i++)
        rc = record_check_object(jsons[i].what, jsons[i].json, jsons[i].max, err);
    return rc;
}

#define DECISION_COLUMNS                                                            \
    "id, slm, version, input, answer, abstained, tables, engine_build, principal, " \
    "idempotency_key,"                                                              \
    " request, recorded_ms, model_ms"

static enum rc read_decision(const struct store_rows *rows, struct arena *arena, void *item,
                             struct err *err)
{
    struct decision *d = item;
    struct {
        size_t column;
        const char **text;
    } texts[] = { { 1, &d->slm },
                  { 5, &d->abstained },
                  { 7, &d->engine_build },
                  { 8, &d->principal },
                  { 9, &d->idempotency_key } };
    struct {
        size_t column;
        struct str *json;
    } jsons[] = { { 3, &d->input }, { 4, &d->answer }, { 6, &d->tables } };

    d->recorded_ms = store_column_i64(rows, 11);
    d->model_ms = store_column_double(rows, 12);
    enum rc rc = record_read_chars(rows, 0, d->id, sizeof(d->id), err);
    if (!rc)
        rc = record_read_digest(rows, 2, &d->version, err);
    if (!rc)
        rc = record_read_digest(rows, 10, &d->request, err);
    for (size_t i = 0; !rc && i < ARRAY_LEN(texts); i++)
        rc = record_copy_text(rows, texts[i].column, arena, texts[i].text, err);
    for (size_t i = 0; !rc && i < ARRAY_LEN(jsons); i++)
        rc = store_column_copy(rows, jsons[i].column, arena, jsons[i].json, err);
    return rc;
}

static enum rc select_by_key(struct store_tx *tx, const char *principal, const char *slm,
                             const char *key, struct arena *arena, bool *ret_found,
                             struct decision *ret_decision, struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;
    struct decision decision = { 0 };

    enum rc rc = store_select_one(
        tx,
        "select " DECISION_COLUMNS " from decision where principal = ?"
        " and slm = ? and idempotency_key = ?",
        STORE_ARGS(store_text(principal), store_text(slm), store_text(key)), &rows, err);
    if (rc)
        return rc;
    *ret_found = rows != NULL;
    if (!rows)
        return RC_OK;
    rc = read_decision(rows, arena, &decision, err);
    if (rc)
        return rc;
    *ret_decision = decision;
    return RC_OK;
}

static enum rc insert_decision(struct store_tx *tx, const struct decision *d, struct err *err)
{
    return store_exec(tx,
                      "insert into decision (" DECISION_COLUMNS ")"
                      " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      STORE_ARGS(store_text(d->id), store_text(d->slm), store_text(d->version.hex),
                                 store_str(d->input), store_str(d->answer),
                                 store_text(d->abstained), store_str(d->tables),
                                 store_text(d->engine_build), store_text(d->principal),
                                 store_text(d->idempotency_key), store_text(d->request.hex),
                                 store_i64(d->recorded_ms), store_double(d->model_ms)),
                      err);
}

/* The key is looked up here, inside the transaction, although the service has done so before the
 * work: two requests with one key may have been under way together. */
static enum rc add_one(struct store_tx *tx, struct decision *d, struct arena *arena,
                       struct decision_outcome *outcome, struct err *err)
{
    bool found = false;

    if (d->idempotency_key) {
        enum rc rc = select_by_key(tx, d->principal, d->slm, d->idempotency_key, arena, &found,
                                   &outcome->earlier, err);
        if (rc)
            return rc;
    }
    if (found) {
        outcome->fate = digest_equal(&outcome->earlier.request, &d->request) ? DECISION_REPEATED
                                                                             : DECISION_CONFLICT;
        return RC_OK;
    }
    outcome->fate = DECISION_STORED;
    record_make_id("dec", d->recorded_ms, d->id);
    return insert_decision(tx, d, err);
}

enum rc decision_add(struct record *record, struct decision *decisions, size_t n,
                     struct arena *arena, struct decision_outcome *outcomes, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;

    if (n > DECISION_BATCH_MAX)
        return err_set(err, RC_LIMIT, "%zu decisions at once, at most %d", n, DECISION_BATCH_MAX);
    for (size_t i = 0; i < n; i++) {
        enum rc rc = check_decision(&decisions[i], err);
        if (rc)
            return err_context(err, "decision %zu", i);
    }
    enum rc rc = store_begin(record->store, &tx, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++) {
        rc = add_one(tx, &decisions[i], arena, &outcomes[i], err);
        if (rc)
            return err_context(err, "decision %zu", i);
    }
    FAILPOINT("record.before_decision_commit");
    rc = store_commit(TAKE(tx), err);
    FAILPOINT("record.after_decision_commit");
    return rc;
}

enum rc decision_find(struct record *record, const char *id, struct arena *arena,
                      struct decision *ret_decision, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;
    struct decision decision = { 0 };

    enum rc rc = store_begin_read(record->store, &tx, err);
    if (rc)
        return rc;
    rc = store_select_one(tx, "select " DECISION_COLUMNS " from decision where id = ?",
                          STORE_ARGS(store_text(id)), &rows, err);
    if (rc)
        return rc;
    if (!rows)
        return err_set(err, RC_NOT_FOUND, "no decision '%.40s'", id);
    rc = read_decision(rows, arena, &decision, err);
    if (rc)
        return rc;
    *ret_decision = decision;
    return RC_OK;
}

enum rc decision_find_by_key(struct record *record, const char *principal, const char *slm,
                             const char *idempotency_key, const struct digest *request,
                             struct arena *arena, bool *ret_found, struct decision *ret_decision,
                             struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    struct decision decision = { 0 };
    bool found;

    enum rc rc = store_begin_read(record->store, &tx, err);
    if (rc)
        return rc;
    rc = select_by_key(tx, principal, slm, idempotency_key, arena, &found, &decision, err);
    if (rc)
        return rc;
    if (found && !digest_equal(&decision.request, request))
        return err_set(err, RC_CONFLICT, "idempotency key '%.100s' was used for another request",
                       idempotency_key);
    *ret_found = found;
    if (found)
        *ret_decision = decision;
    return RC_OK;
}

static enum rc find_seq(struct store_tx *tx, const char *id, int64_t *ret_seq, struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;

    enum rc rc = store_select_one(tx, "select seq from decision where id = ?",
                                  STORE_ARGS(store_text(id)), &rows, err);
    if (rc)
        return rc;
    if (!rows)
        return err_set(err, RC_NOT_FOUND, "no decision '%.40s'", id);
    *ret_seq = store_column_i64(rows, 0);
    return RC_OK;
}

enum rc decision_list(struct record *record, const char *slm, const char *before_id, size_t limit,
                      struct arena *arena, struct decision **ret_decisions, size_t *ret_n,
                      struct err *err)
{
    static const char of_all[] =
        "select " DECISION_COLUMNS " from decision where seq < ? order by seq desc limit ?";
    static const char of_slm[] = "select " DECISION_COLUMNS " from decision"
                                 " where seq < ? and slm = ? order by seq desc limit ?";
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    int64_t before = INT64_MAX;
    void *items;

    if (limit == 0 || limit > RECORD_LIST_MAX)
        return err_set(err, RC_INVALID, "a list of %zu, expected 1 to %d", limit, RECORD_LIST_MAX);
    enum rc rc = store_begin_read(record->store, &tx, err);
    if (rc)
        return rc;
    if (before_id) {
        rc = find_seq(tx, before_id, &before, err);
        if (rc)
            return rc;
    }
    struct store_value at = store_i64(before), n = store_i64((int64_t)limit);
    rc = slm ? store_select_all(tx, of_slm, STORE_ARGS(at, store_text(slm), n), read_decision,
                                sizeof(**ret_decisions), limit, arena, &items, ret_n, err)
             : store_select_all(tx, of_all, STORE_ARGS(at, n), read_decision,
                                sizeof(**ret_decisions), limit, arena, &items, ret_n, err);
    if (rc)
        return rc;
    *ret_decisions = items;
    return RC_OK;
}
