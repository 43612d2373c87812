#include "orchestrate/run_journal.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "store/store.h"

static const char *const migrations[] = {
    "create table definition ("
    "  digest text primary key,"
    "  text text not null"
    ") strict;"

    "create table run ("
    "  number integer primary key,"
    "  id text not null unique,"
    "  flow text not null,"
    "  definition text not null references definition (digest),"
    "  principal text not null,"
    "  idempotency_key text,"
    "  request text not null,"
    "  status integer not null,"
    "  told integer not null," /* also when nobody is to be told */
    "  created_ms integer not null,"
    "  due_ms integer not null,"
    "  ended_ms integer not null default 0"
    ") strict;"
    "create unique index run_key on run (principal, flow, idempotency_key)"
    "  where idempotency_key is not null;"
    "create index run_open on run (status) where status = 0;"
    "create index run_untold on run (told) where told = 0;"

    "create table event ("
    "  run text not null references run (id),"
    "  number integer not null,"
    "  kind integer not null,"
    "  step integer not null,"
    "  visit integer not null,"
    "  attempt integer not null,"
    "  at_ms integer not null,"
    "  body text,"
    "  primary key (run, number)"
    ") strict, without rowid;"
    /* 2 and 3: done, failed */
    "create unique index event_result on event (run, step, visit, attempt) where kind in (2, 3);"

    "create trigger event_update before update on event begin"
    "  select raise(abort, 'events are never changed');"
    "end;"
    "create trigger event_delete before delete on event begin"
    "  select raise(abort, 'events are never removed');"
    "end;"
    "create trigger definition_update before update on definition begin"
    "  select raise(abort, 'definitions are never changed');"
    "end;"
    "create trigger run_ended before update of status on run when old.status <> 0 begin"
    "  select raise(abort, 'a run that has ended stays as it is');"
    "end;",
};

_Static_assert(RUN_RUNNING == 0 && RUN_EVENT_DONE == 2 && RUN_EVENT_FAILED == 3,
               "the schema names these numbers");

static const struct store_schema schema = { "run journal", 0x53484c52 /* "SHLR" */, migrations,
                                            ARRAY_LEN(migrations) };

struct run_journal {
    struct store *store;
};

enum rc run_journal_open(const char *path, struct run_journal **ret_journal, struct err *err)
{
    CLEANUP(run_journal_closep) struct run_journal *journal = mem_alloc(sizeof(*journal));

    if (!journal)
        return err_set(err, RC_NOMEM, "open run journal");
    enum rc rc = store_open(path, &schema, &journal->store, err);
    if (rc)
        return rc;
    *ret_journal = TAKE(journal);
    return RC_OK;
}

void run_journal_close(struct run_journal *journal)
{
    if (!journal)
        return;
    store_close(journal->store);
    mem_free(journal);
}

/* ---- definitions */

enum rc run_journal_keep(struct run_journal *journal, const struct digest *digest,
                         struct str definition, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    enum rc rc = store_begin(journal->store, &tx, err);

    if (!rc)
        rc = store_exec(tx,
                        "insert into definition (digest, text) values (?, ?)"
                        " on conflict (digest) do nothing",
                        STORE_ARGS(store_text(digest->hex), store_str(definition)), err);
    return rc ? rc : store_commit(TAKE(tx), err);
}

enum rc run_journal_definition(struct run_journal *journal, const struct digest *digest,
                               struct arena *arena, struct str *ret_definition, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;
    enum rc rc = store_begin_read(journal->store, &tx, err);

    if (!rc)
        rc = store_select_one(tx, "select text from definition where digest = ?",
                              STORE_ARGS(store_text(digest->hex)), &rows, err);
    if (rc)
        return rc;
    if (!rows)
        return err_set(err, RC_NOT_FOUND, "no definition %.12s", digest->hex);
    rc = store_column_copy(rows, 0, arena, ret_definition, err);
    store_rows_free(TAKE(rows));
    return rc;
}

/* ---- writing */

/* What the start's key stands for, if it was used; *ret_found says whether. */
static enum rc find_key(struct store_tx *tx, struct run_write *write, bool *ret_found,
                        struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;
    const struct run_start *start = write->start;

    *ret_found = false;
    if (!start->key)
        return RC_OK;
    enum rc rc = store_select_one(
        tx, "select id, request from run where principal = ? and flow = ? and idempotency_key = ?",
        STORE_ARGS(store_text(start->principal), store_text(start->flow), store_text(start->key)),
        &rows, err);
    if (rc || !rows)
        return rc;
    struct str id = store_column_str(rows, 0);
    ASSERT(id.len <= RUN_ID_MAX);
    memcpy(write->known, id.at, id.len);
    write->known[id.len] = '\0';
    write->fate =
        str_is(store_column_str(rows, 1), start->request.hex) ? RUN_REPEATED : RUN_MISUSED;
    *ret_found = true;
    return RC_OK;
}

static enum rc add_run(struct store_tx *tx, const struct run_write *write, struct err *err)
{
    const struct run_start *start = write->start;

    return store_exec(
        tx,
        "insert into run (id, flow, definition, principal, idempotency_key, request, status,"
        " told, created_ms, due_ms) values (?, ?, ?, ?, ?, ?, 0, ?, ?, ?)",
        STORE_ARGS(store_text(write->run), store_text(start->flow),
                   store_text(start->definition.hex), store_text(start->principal),
                   store_text(start->key), store_text(start->request.hex), store_i64(!start->tells),
                   store_i64(write->event->at_ms), store_i64(start->due_ms)),
        err);
}

static enum rc add_event(struct store_tx *tx, const struct run_write *write, struct err *err)
{
    const struct run_event *e = write->event;
    enum rc rc = store_exec(
        tx,
        "insert into event (run, number, kind, step, visit, attempt, at_ms, body)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
        STORE_ARGS(store_text(write->run), store_i64(write->number), store_i64(e->kind),
                   store_i64((int64_t)e->step), store_i64(e->visit), store_i64(e->attempt),
                   store_i64(e->at_ms), e->body.len ? store_str(e->body) : store_null()),
        err);

    if (rc)
        return rc;
    if (e->kind == RUN_EVENT_ENDED)
        return store_exec(
            tx, "update run set status = ?, ended_ms = ? where id = ?",
            STORE_ARGS(store_i64(write->status), store_i64(e->at_ms), store_text(write->run)), err);
    if (e->kind == RUN_EVENT_TOLD)
        return store_exec(tx, "update run set told = 1 where id = ?",
                          STORE_ARGS(store_text(write->run)), err);
    return RC_OK;
}

static enum rc add(struct store_tx *tx, struct run_write *write, struct err *err)
{
    bool known = false;
    enum rc rc = RC_OK;

    write->fate = RUN_WRITTEN;
    if (write->start) {
        ASSERT(write->event->kind == RUN_EVENT_STARTED);
        rc = find_key(tx, write, &known, err);
        if (rc || known)
            return rc;
        rc = add_run(tx, write, err);
    }
    return rc ? rc : add_event(tx, write, err);
}

enum rc run_journal_write(struct run_journal *journal, struct run_write *writes, size_t n,
                          struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    enum rc rc = store_begin(journal->store, &tx, err);

    for (size_t i = 0; !rc && i < n; i++)
        rc = add(tx, &writes[i], err);
    if (rc)
        return rc;
    FAILPOINT("runs.before_commit");
    rc = store_commit(TAKE(tx), err);
    if (rc)
        return rc;
    FAILPOINT("runs.after_commit");
    return RC_OK;
}

/* ---- reading */

#define RUN_COLUMNS "id, flow, principal, definition, status, told, created_ms, due_ms, ended_ms"

static enum rc read_row(const struct store_rows *rows, struct arena *arena, void *item,
                        struct err *err)
{
    struct str id, flow, principal;
    struct run_row *row = item;
    int64_t status = store_column_i64(rows, 4);
    enum rc rc = store_column_copy(rows, 0, arena, &id, err);

    if (!rc)
        rc = store_column_copy(rows, 1, arena, &flow, err);
    if (!rc)
        rc = store_column_copy(rows, 2, arena, &principal, err);
    if (rc)
        return rc;
    if (!digest_parse(store_column_str(rows, 3), &row->definition) || status < RUN_RUNNING ||
        status > RUN_CANCELLED)
        return err_set(err, RC_CORRUPT, "run journal: run '%s'", id.at);
    row->id = id.at;
    row->flow = flow.at;
    row->principal = principal.at;
    row->status = (enum run_status)status;
    row->told = store_column_i64(rows, 5) != 0;
    row->created_ms = store_column_i64(rows, 6);
    row->due_ms = store_column_i64(rows, 7);
    row->ended_ms = store_column_i64(rows, 8);
    return RC_OK;
}

enum rc run_journal_find(struct run_journal *journal, const char *id, struct arena *arena,
                         struct run_row *ret_row, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    void *items;
    size_t n;
    enum rc rc = store_begin_read(journal->store, &tx, err);

    if (!rc)
        rc = store_select_all(tx, "select " RUN_COLUMNS " from run where id = ?",
                              STORE_ARGS(store_text(id)), read_row, sizeof(*ret_row), 1, arena,
                              &items, &n, err);
    if (rc)
        return rc;
    if (n == 0)
        return err_set(err, RC_NOT_FOUND, "no run '%.60s'", id);
    *ret_row = *(struct run_row *)items;
    return RC_OK;
}

/* The number that the status with this name has in the file; -1: none has it. */
static int64_t status_number(const char *name)
{
    for (int status = RUN_RUNNING; status <= RUN_CANCELLED; status++)
        if (strcmp(run_status_name((enum run_status)status), name) == 0)
            return status;
    return -1;
}

enum rc run_journal_list(struct run_journal *journal, const struct run_filter *filter,
                         struct arena *arena, struct run_row **ret_rows, size_t *ret_n,
                         struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    void *items;
    enum rc rc = store_begin_read(journal->store, &tx, err);

    ASSERT(filter->limit >= 1 && filter->limit <= RUN_JOURNAL_LIST_MAX);
    if (!rc)
        rc = store_select_all(
            tx,
            "select " RUN_COLUMNS " from run where (?1 is null or flow = ?1)"
            " and (?2 is null or status = ?2)"
            " and (?3 = 0 or (status = 0 and due_ms > 0 and due_ms < ?3)) order by number desc",
            STORE_ARGS(store_text(filter->flow),
                       filter->status ? store_i64(status_number(filter->status)) : store_null(),
                       store_i64(filter->overdue_ms)),
            read_row, sizeof(**ret_rows), filter->limit, arena, &items, ret_n, err);
    if (!rc)
        *ret_rows = items;
    return rc;
}

enum rc run_journal_unfinished(struct run_journal *journal, struct arena *arena,
                               struct run_row **ret_rows, size_t *ret_n, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    void *items;
    enum rc rc = store_begin_read(journal->store, &tx, err);

    if (!rc)
        rc = store_select_all(
            tx, "select " RUN_COLUMNS " from run where status = 0 or told = 0 order by number",
            STORE_NO_ARGS, read_row, sizeof(**ret_rows), RUN_JOURNAL_OPEN_MAX, arena, &items, ret_n,
            err);
    if (!rc)
        *ret_rows = items;
    return rc;
}

static enum rc read_event(const struct store_rows *rows, struct arena *arena, void *item,
                          struct err *err)
{
    struct run_event *event = item;
    int64_t kind = store_column_i64(rows, 0), step = store_column_i64(rows, 1);

    if (kind < RUN_EVENT_STARTED || kind > RUN_EVENT_TOLD || step < 0 ||
        step >= SPEC_FLOW_STEPS_MAX)
        return err_set(err, RC_CORRUPT, "run journal: an event that is none");
    event->kind = (enum run_event_kind)kind;
    event->step = (size_t)step;
    event->visit = store_column_i64(rows, 2);
    event->attempt = store_column_i64(rows, 3);
    event->at_ms = store_column_i64(rows, 4);
    return store_column_copy(rows, 5, arena, &event->body, err);
}

enum rc run_journal_events(struct run_journal *journal, const char *id, int64_t from,
                           struct arena *arena, struct run_event **ret_events, size_t *ret_n,
                           struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    struct run_row row;
    void *items;
    enum rc rc = run_journal_find(journal, id, arena, &row, err);

    if (!rc)
        rc = store_begin_read(journal->store, &tx, err);
    if (!rc)
        rc = store_select_all(tx,
                              "select kind, step, visit, attempt, at_ms, body from event"
                              " where run = ? and number >= ? order by number",
                              STORE_ARGS(store_text(id), store_i64(from)), read_event,
                              sizeof(**ret_events), RUN_JOURNAL_EVENTS_MAX, arena, &items, ret_n,
                              err);
    if (!rc)
        *ret_events = items;
    return rc;
}
