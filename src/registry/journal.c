#include "registry/journal.h"

#include "base/failpoint.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/registry_internal.h"

static const char *const migrations[] = {
    "create table step ("
    "  number integer primary key,"
    "  name text not null unique,"
    "  inputs text not null,"
    "  result text," /* null: begun, not finished */
    "  n_begun integer not null,"
    "  begun_ms integer not null,"
    "  finished_ms integer"
    ") strict;"

    "create trigger step_result before update of result on step"
    "  when old.result is not null begin"
    "  select raise(abort, 'the first result of a step stands');"
    "end;",
};

const struct store_schema journal_schema = { "journal", 0x53484c4a /* "SHLJ" */, migrations,
                                             ARRAY_LEN(migrations) };

struct journal {
    struct store *store;
    struct clock clock;
};

enum rc journal_open(const char *path, struct clock clock, struct journal **ret_journal,
                     struct err *err)
{
    CLEANUP(journal_closep) struct journal *journal = mem_alloc(sizeof(*journal));

    if (!journal)
        return err_set(err, RC_NOMEM, "open journal");
    journal->clock = clock;
    enum rc rc = store_open(path, &journal_schema, &journal->store, err);
    if (rc)
        return rc;

    *ret_journal = TAKE(journal);
    return RC_OK;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    store_close(journal->store);
    mem_free(journal);
}

#define STEP_COLUMNS "name, inputs, result, n_begun, begun_ms, finished_ms"

static enum rc read_step(const struct store_rows *rows, struct arena *arena, void *item,
                         struct err *err)
{
    struct journal_step *step = item;
    struct str name;

    enum rc rc = store_column_copy(rows, 0, arena, &name, err);
    if (rc)
        return rc;
    if (!digest_parse(store_column_str(rows, 1), &step->inputs))
        return err_set(err, RC_CORRUPT, "journal: step '%.64s' has no inputs", name.at);
    rc = store_column_copy(rows, 2, arena, &step->result, err);
    if (rc)
        return rc;
    step->name = name.at;
    step->state = step->result.at ? JOURNAL_FINISHED : JOURNAL_BEGUN;
    step->n_begun = store_column_i64(rows, 3);
    step->begun_ms = store_column_i64(rows, 4);
    step->finished_ms = store_column_i64(rows, 5);
    return RC_OK;
}

/* *ret_found is false when the step was never begun. */
static enum rc select_step(struct store_tx *tx, const char *name, struct arena *arena,
                           bool *ret_found, struct journal_step *step, struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;

    *step = (struct journal_step){ 0 };
    enum rc rc = store_select_one(tx, "select " STEP_COLUMNS " from step where name = ?",
                                  STORE_ARGS(store_text(name)), &rows, err);
    if (rc)
        return rc;
    *ret_found = rows != NULL;
    return rows ? read_step(rows, arena, step, err) : RC_OK;
}

static enum rc begin_step(struct store_tx *tx, const char *name, const struct digest *inputs,
                          int64_t now_ms, struct arena *arena, struct journal_step *step,
                          struct err *err)
{
    bool found = false;

    enum rc rc = select_step(tx, name, arena, &found, step, err);
    if (rc)
        return rc;
    if (!found)
        return store_exec(
            tx, "insert into step (name, inputs, n_begun, begun_ms) values (?, ?, 1, ?)",
            STORE_ARGS(store_text(name), store_text(inputs->hex), store_i64(now_ms)), err);
    if (!digest_equal(&step->inputs, inputs))
        return err_set(err, RC_CONFLICT, "journal: step '%.100s' was begun on other inputs", name);
    if (step->state == JOURNAL_FINISHED)
        return RC_OK;
    return store_exec(tx, "update step set n_begun = n_begun + 1, begun_ms = ? where name = ?",
                      STORE_ARGS(store_i64(now_ms), store_text(name)), err);
}

enum rc journal_begin(struct journal *journal, const char *name, const struct digest *inputs,
                      struct arena *arena, struct journal_step *ret_step, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    struct journal_step step;
    bool found = false;

    if (!*name || strlen(name) > JOURNAL_NAME_MAX)
        return err_set(err, RC_INVALID, "journal: a step's name of %zu bytes, expected 1 to %d",
                       strlen(name), JOURNAL_NAME_MAX);
    enum rc rc = store_begin(journal->store, &tx, err);
    if (rc)
        return rc;
    rc =
        begin_step(tx, name, inputs, journal->clock.now_ms(journal->clock.self), arena, &step, err);
    if (rc)
        return rc;
    rc = select_step(tx, name, arena, &found, &step, err);
    if (rc)
        return rc;
    FAILPOINT("journal.before_begin_commit");
    rc = store_commit(TAKE(tx), err);
    if (rc)
        return rc;
    FAILPOINT("journal.after_begin_commit");
    *ret_step = step;
    return RC_OK;
}

static enum rc check_result(struct str result, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct json *json;

    arena_init(&arena, 64 * (size_t)JOURNAL_RESULT_MAX);
    if (result.len > JOURNAL_RESULT_MAX)
        return err_set(err, RC_LIMIT, "journal: a result of %zu bytes, at most %d", result.len,
                       JOURNAL_RESULT_MAX);
    enum rc rc = json_parse(result, JSON_DUPLICATES_REFUSED, &arena, &json, err);
    return rc ? err_context(err, "journal: result") : RC_OK;
}

enum rc journal_finish(struct journal *journal, const char *name, struct str result,
                       struct arena *arena, struct journal_step *ret_step, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    struct journal_step step;
    bool found = false;

    enum rc rc = check_result(result, err);
    if (rc)
        return rc;
    rc = store_begin(journal->store, &tx, err);
    if (rc)
        return rc;
    rc = store_exec(
        tx, "update step set result = ?, finished_ms = ? where name = ? and result is null",
        STORE_ARGS(store_str(result), store_i64(journal->clock.now_ms(journal->clock.self)),
                   store_text(name)),
        err);
    if (rc)
        return rc;
    rc = select_step(tx, name, arena, &found, &step, err);
    if (rc)
        return rc;
    if (!found)
        return err_set(err, RC_STATE, "journal: step '%.100s' was never begun", name);
    FAILPOINT("journal.before_finish_commit");
    rc = store_commit(TAKE(tx), err);
    if (rc)
        return rc;
    FAILPOINT("journal.after_finish_commit");
    *ret_step = step;
    return RC_OK;
}

enum rc journal_find(struct journal *journal, const char *name, struct arena *arena,
                     struct journal_step *ret_step, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    struct journal_step step;
    bool found = false;

    enum rc rc = store_begin_read(journal->store, &tx, err);
    if (rc)
        return rc;
    rc = select_step(tx, name, arena, &found, &step, err);
    if (rc)
        return rc;
    if (!found)
        return err_set(err, RC_NOT_FOUND, "journal: step '%.100s' was never begun", name);
    *ret_step = step;
    return RC_OK;
}

enum rc journal_list(struct journal *journal, struct arena *arena, struct journal_step **ret_steps,
                     size_t *ret_n, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    void *items;

    enum rc rc = store_begin_read(journal->store, &tx, err);
    if (rc)
        return rc;
    rc = store_select_all(tx, "select " STEP_COLUMNS " from step order by number", STORE_NO_ARGS,
                          read_step, sizeof(**ret_steps), JOURNAL_STEPS_MAX, arena, &items, ret_n,
                          err);
    if (rc)
        return rc;
    *ret_steps = items;
    return RC_OK;
}
