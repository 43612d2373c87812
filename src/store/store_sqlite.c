/*
 * store_sqlite.c - the store on an embedded database file.
 *
 * Settings, each for a reason:
 *   journal_mode=WAL, synchronous=FULL   the cheapest pair that loses nothing at a power cut
 *   locking_mode=EXCLUSIVE               one owner; also one connection, which the WAL-reset bug of
 *                                        versions before 3.51.3 needs two of
 *   own checkpoints                      the library's automatic ones drop the error of a failed
 *                                        fsync; ours stop the writing
 *   defensive, trusted_schema off, cell_size_check on, no ATTACH
 *                                        a damaged or hostile file cannot make us do more than read
 *
 * A thread owns the connection from begin to commit or rollback (store->owner). `tx`, `rows` and
 * the statements live inside struct store: beginning, querying and ending allocate nothing of ours.
 */
#include "store/store.h"

#include "base/failpoint.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STATEMENTS_MAX = 64,     /* kept prepared; also how many may be in use at once */
    CHECKPOINT_PAGES = 1000, /* of 4 KiB in the log before they are moved into the file */
    STEP_INSTRUCTIONS = 1000,
};

/* A prepared statement, kept for its SQL text. As struct store_rows it is a query under way. */
struct store_rows {
    struct store *store;
    const char *sql; /* a literal; NULL: the slot is empty */
    sqlite3_stmt *statement;
    bool in_use;
};

struct store_tx {
    struct store *store;
    bool reads_only;
};

struct store {
    sqlite3 *db;
    const struct store_schema *schema;
    pthread_mutex_t owner; /* held from begin to commit or rollback; guards everything below */
    struct store_tx tx;
    struct store_rows statements[STATEMENTS_MAX];
    size_t next_evicted;
    int log_pages;   /* in the write-ahead log after the last commit */
    long steps_left; /* of the statement that runs */
    bool limits_steps;
    bool writes_stopped;
    char path[FS_PATH_MAX];
};

/* Memory of the library: a block is preceded by its size, because it asks for it back. */

enum { BLOCK_HEADER = 16 };

static int block_size(void *block)
{
    return block ? (int)*(size_t *)((char *)block - BLOCK_HEADER) : 0;
}

static void *block_new(int size)
{
    char *memory = mem_alloc((size_t)size + BLOCK_HEADER);

    if (!memory)
        return NULL;
    *(size_t *)memory = (size_t)size;
    return memory + BLOCK_HEADER;
}

static void block_free(void *block)
{
    if (block)
        mem_free((char *)block - BLOCK_HEADER);
}

static void *block_resize(void *block, int size)
{
    void *resized = block_new(size);

    if (!resized)
        return NULL;
    int kept = block_size(block) < size ? block_size(block) : size;
    memcpy(resized, block, (size_t)kept);
    block_free(block);
    return resized;
}

static int block_round_up(int size)
{
    return (size + 7) & ~7;
}

static int memory_start(void *self)
{
    (void)self;
    return SQLITE_OK;
}

static void memory_stop(void *self)
{
    (void)self;
}

static void configure(void)
{
    static const sqlite3_mem_methods memory = { block_new,      block_free,
                                                block_resize,   block_size,
                                                block_round_up, memory_start,
                                                memory_stop,    NULL };

    ASSERT(sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) == SQLITE_OK);
    ASSERT(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
}

/* The library takes its allocator once per process, before anything else is asked of it. */
void store_configure_library(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, configure);
}

/* Errors */

static bool is_sync_failure(int code)
{
    return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
}

static enum rc rc_of_constraint(int code)
{
    if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
        code == SQLITE_CONSTRAINT_ROWID)
        return RC_EXISTS;
    if (code == SQLITE_CONSTRAINT_TRIGGER)
        return RC_STATE;
    return RC_INVALID;
}

/* By the library's extended result code. */
static enum rc rc_of(int code)
{
    if (code == SQLITE_IOERR_NOMEM)
        return RC_NOMEM;
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT: return rc_of_constraint(code);
    case SQLITE_NOMEM: return RC_NOMEM;
    case SQLITE_BUSY: return RC_BUSY;
    case SQLITE_FULL: return RC_FULL;
    case SQLITE_TOOBIG: return RC_LIMIT;
    case SQLITE_INTERRUPT: return RC_LIMIT;
    case SQLITE_CANTOPEN: return RC_IO;
    case SQLITE_READONLY: return RC_IO;
    case SQLITE_IOERR: return RC_IO;
    default:
        return RC_CORRUPT; /* our SQL is fixed: an error in it means another schema in the file */
    }
}

static enum rc fail(struct store *store, int code, struct err *err)
{
    const char *message = store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(code);
    enum rc rc = rc_of(code);

    if (is_sync_failure(code))
        store->writes_stopped = true;
    if (rc == RC_STATE) /* the schema's own sentence */
        return err_set(err, rc, "%s", message);
    if (rc == RC_BUSY)
        return err_set(err, rc, "'%.150s' is in use by another process", store->path);
    if (code == SQLITE_INTERRUPT)
        return err_set(err, rc, "%s database: a statement ran too long", store->schema->name);
    return err_set(err, rc, "%s database '%.100s': %s", store->schema->name, store->path, message);
}

/* Statements */

static void forget_statement(struct store_rows *rows)
{
    sqlite3_finalize(rows->statement);
    *rows = (struct store_rows){ 0 };
}

/* The kept statement with this text, else an empty slot; NULL when all are in use. */
static struct store_rows *statement_slot(struct store *store, const char *sql)
{
    struct store_rows *empty = NULL;

    for (size_t i = 0; i < STATEMENTS_MAX; i++) {
        struct store_rows *rows = &store->statements[i];
        if (rows->in_use)
            continue;
        if (rows->sql && strcmp(rows->sql, sql) == 0)
            return rows;
        if (!rows->sql)
            empty = rows;
    }
    for (size_t i = 0; !empty && i < STATEMENTS_MAX; i++) {
        struct store_rows *oldest = &store->statements[store->next_evicted++ % STATEMENTS_MAX];
        if (oldest->in_use)
            continue;
        forget_statement(oldest);
        empty = oldest;
    }
    return empty;
}

static int bind_value(sqlite3_stmt *statement, int index, const struct store_value *value)
{
    const char *bytes = value->bytes.at ? value->bytes.at : "";

    switch (value->type) {
    case STORE_NULL: return sqlite3_bind_null(statement, index);
    case STORE_I64: return sqlite3_bind_int64(statement, index, value->i64);
    case STORE_DOUBLE: return sqlite3_bind_double(statement, index, value->number);
    case STORE_TEXT:
        return sqlite3_bind_text64(statement, index, bytes, value->bytes.len, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case STORE_BLOB:
        return sqlite3_bind_blob64(statement, index, bytes, value->bytes.len, SQLITE_STATIC);
    }
    assert_fail("value->type is an enum store_type", __FILE__, __LINE__);
}

void store_rows_free(struct store_rows *rows)
{
    if (!rows)
        return;
    sqlite3_reset(rows->statement);
    sqlite3_clear_bindings(rows->statement);
    rows->in_use = false;
}

enum rc store_select(struct store_tx *tx, const char *sql, struct store_args args,
                     struct store_rows **ret_rows, struct err *err)
{
    struct store *store = tx->store;

    /* After some failures the library has rolled back by itself; what followed would be a
     * transaction of its own. */
    if (sqlite3_get_autocommit(store->db))
        return err_set(err, RC_STATE, "%s database: the transaction has failed before",
                       store->schema->name);

    struct store_rows *rows = statement_slot(store, sql);
    if (!rows)
        return err_set(err, RC_LIMIT, "%s database: more than %d queries at once",
                       store->schema->name, STATEMENTS_MAX);
    if (!rows->sql) {
        int code = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                      &rows->statement, NULL);
        if (code)
            return fail(store, code, err);
        *rows = (struct store_rows){ .store = store, .sql = sql, .statement = rows->statement };
    }
    ASSERT((size_t)sqlite3_bind_parameter_count(rows->statement) == args.n);
    ASSERT(!tx->reads_only || sqlite3_stmt_readonly(rows->statement));

    for (size_t i = 0; i < args.n; i++) {
        int code = bind_value(rows->statement, (int)i + 1, &args.at[i]);
        if (code) {
            enum rc rc = fail(store, code, err);
            store_rows_free(rows);
            return rc;
        }
    }
    store->steps_left = STORE_STEPS_MAX;
    rows->in_use = true;
    *ret_rows = rows;
    return RC_OK;
}

enum rc store_next(struct store_rows *rows, bool *ret_has_row, struct err *err)
{
    int code = sqlite3_step(rows->statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return fail(rows->store, code, err);
    *ret_has_row = code == SQLITE_ROW;
    return RC_OK;
}

enum rc store_select_one(struct store_tx *tx, const char *sql, struct store_args args,
                         struct store_rows **ret_rows, struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;
    bool has_row = false;

    enum rc rc = store_select(tx, sql, args, &rows, err);
    if (rc)
        return rc;

    rc = store_next(rows, &has_row, err);
    if (rc)
        return rc;

    *ret_rows = has_row ? TAKE(rows) : NULL;
    return RC_OK;
}

enum rc store_exec(struct store_tx *tx, const char *sql, struct store_args args, struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;
    bool has_row = false;

    enum rc rc = store_select(tx, sql, args, &rows, err);
    if (rc)
        return rc;

    rc = store_next(rows, &has_row, err);
    if (rc)
        return rc;
    ASSERT(!has_row);
    return RC_OK;
}

bool store_column_is_null(const struct store_rows *rows, size_t index)
{
    return sqlite3_column_type(rows->statement, (int)index) == SQLITE_NULL;
}

int64_t store_column_i64(const struct store_rows *rows, size_t index)
{
    return sqlite3_column_int64(rows->statement, (int)index);
}

double store_column_double(const struct store_rows *rows, size_t index)
{
    return sqlite3_column_double(rows->statement, (int)index);
}

struct str store_column_str(const struct store_rows *rows, size_t index)
{
    ASSERT((int)index < sqlite3_column_count(rows->statement));
    if (store_column_is_null(rows, index))
        return (struct str){ NULL, 0 };

    const char *bytes = sqlite3_column_blob(rows->statement, (int)index);
    size_t len = (size_t)sqlite3_column_bytes(rows->statement, (int)index);
    return (struct str){ bytes ? bytes : "", bytes ? len : 0 };
}

enum rc store_column_copy(const struct store_rows *rows, size_t index, struct arena *arena,
                          struct str *ret_text, struct err *err)
{
    struct str text = store_column_str(rows, index);

    if (text.at) {
        text.at = arena_strndup(arena, text.at, text.len);
        if (!text.at)
            return arena_fail(arena, err, "a stored value");
    }
    *ret_text = text;
    return RC_OK;
}

/* Transactions */

static void release_tx(struct store_tx *tx)
{
    struct store *store = tx->store;

    for (size_t i = 0; i < STATEMENTS_MAX; i++)
        ASSERT(!store->statements[i].in_use); /* a query outlives its transaction */
    ASSERT(pthread_mutex_unlock(&store->owner) == 0);
}

static void roll_back(struct store *store)
{
    /* In WAL mode this changes memory only. It fails when there is no memory to parse it with: then
     * the next begin does it. */
    if (!sqlite3_get_autocommit(store->db))
        (void)sqlite3_exec(store->db, "rollback", NULL, NULL, NULL);
}

static enum rc begin(struct store *store, bool reads_only, struct store_tx **ret_tx,
                     struct err *err)
{
    ASSERT(pthread_mutex_lock(&store->owner) == 0); /* EDEADLK: this thread holds one already */
    roll_back(store);

    if (store->writes_stopped && !reads_only) {
        pthread_mutex_unlock(&store->owner);
        return err_set(err, RC_IO,
                       "'%.100s': writing has stopped after a failed fsync; restart to recover",
                       store->path);
    }
    int code = sqlite3_exec(store->db, reads_only ? "begin" : "begin immediate", NULL, NULL, NULL);
    if (code) {
        enum rc rc = fail(store, code, err);
        pthread_mutex_unlock(&store->owner);
        return rc;
    }
    store->tx = (struct store_tx){ store, reads_only };
    *ret_tx = &store->tx;
    return RC_OK;
}

enum rc store_begin(struct store *store, struct store_tx **ret_tx, struct err *err)
{
    return begin(store, false, ret_tx, err);
}

enum rc store_begin_read(struct store *store, struct store_tx **ret_tx, struct err *err)
{
    return begin(store, true, ret_tx, err);
}

void store_rollback(struct store_tx *tx)
{
    if (!tx)
        return;
    roll_back(tx->store);
    release_tx(tx);
}

/* Called by the library after each commit into the log. */
static int note_log_pages(void *self, sqlite3 *db, const char *name, int pages)
{
    struct store *store = self;

    (void)db;
    (void)name;
    store->log_pages = pages;
    return SQLITE_OK;
}

/* Moves the log into the file. A failure loses nothing: the log keeps what it has, the next commit
 * tries again; but not after a failed fsync. */
static void checkpoint(struct store *store)
{
    if (store->log_pages < CHECKPOINT_PAGES)
        return;
    int code = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (is_sync_failure(code))
        store->writes_stopped = true;
    if (code == SQLITE_OK)
        store->log_pages = 0;
}

/*
 * A full disk is known to leave the transaction out: only writes that make the file longer meet it,
 * so the commit record, which comes last, is not there in full. After any other failure, a failed
 * fsync above all, the record may or may not reach the disk.
 */
static enum rc fail_commit(struct store *store, int code, struct err *err)
{
    enum rc rc = fail(store, code, err);

    if (rc == RC_FULL)
        return rc;
    return err_set(err, RC_UNKNOWN,
                   "%s database '%.80s': the commit may or may not have happened: %s",
                   store->schema->name, store->path, sqlite3_errmsg(store->db));
}

static enum rc commit(struct store *store, struct err *err)
{
    int code = sqlite3_exec(store->db, "commit", NULL, NULL, NULL);
    if (code) {
        enum rc rc = fail_commit(store, code, err);
        roll_back(store);
        return rc;
    }
    checkpoint(store);
    return RC_OK;
}

enum rc store_commit(struct store_tx *tx, struct err *err)
{
    struct store *store = tx->store;
    enum rc rc;

    if (sqlite3_get_autocommit(store->db))
        rc = err_set(err, RC_STATE, "%s database: the transaction has failed before",
                     store->schema->name);
    else
        rc = commit(store, err);
    release_tx(tx);
    return rc;
}

/* Opening */

static int spend_step(void *self)
{
    struct store *store = self;

    return store->limits_steps &&
           store->steps_left-- <= 0; /* not 0: the statement is interrupted */
}

static enum rc run(struct store *store, const char *sql, struct err *err)
{
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

    return code ? fail(store, code, err) : RC_OK;
}

/* Runs a query of which the first row is wanted; the caller finalizes it by end_query(). */
static enum rc begin_query(struct store *store, const char *sql, sqlite3_stmt **ret_statement,
                           struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret_statement = statement;
        return RC_OK;
    }
    enum rc rc = code == SQLITE_DONE ? err_set(err, RC_CORRUPT, "%s gives no row", sql)
                                     : fail(store, code, err);
    sqlite3_finalize(statement);
    return rc;
}

/* To the end: a pragma gives its row before it commits what it changes. */
static enum rc end_query(struct store *store, sqlite3_stmt *statement, struct err *err)
{
    int code = sqlite3_step(statement);
    enum rc rc = code == SQLITE_ROW || code == SQLITE_DONE ? RC_OK : fail(store, code, err);

    sqlite3_finalize(statement);
    return rc;
}

/* At most `size` bytes with the NUL; what is longer is cut. */
static enum rc query_text(struct store *store, const char *sql, char *ret_text, size_t size,
                          struct err *err)
{
    sqlite3_stmt *statement = NULL;
    enum rc rc = begin_query(store, sql, &statement, err);

    if (rc)
        return rc;
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    if (!text) {
        sqlite3_finalize(statement);
        return err_set(err, RC_NOMEM, "%s", sql);
    }
    snprintf(ret_text, size, "%s", text);
    return end_query(store, statement, err);
}

static enum rc query_i64(struct store *store, const char *sql, int64_t *ret_value, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    enum rc rc = begin_query(store, sql, &statement, err);

    if (rc)
        return rc;
    *ret_value = sqlite3_column_int64(statement, 0);
    return end_query(store, statement, err);
}

static bool is_longer_than_0(const char *path, const char *suffix)
{
    char name[FS_PATH_MAX + 16];
    struct stat status;

    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, &status) == 0 && status.st_size > 0;
}

/* The library would make the file readable for everybody. O_EXCL: closing a descriptor of a file
 * that is open already would drop the locks on it. */
static enum rc create_private_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno != EEXIST)
        return err_set(err, errno == ENOSPC ? RC_FULL : RC_IO, "create '%.150s': %s", path,
                       strerrordesc_np(errno));
    if (fd >= 0)
        close(fd);
    return RC_OK;
}

static enum rc connect_file(struct store *store, struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

    store_configure_library();
    int code = sqlite3_open_v2(store->path, &store->db, flags, NULL);
    if (code)
        return fail(store, code, err);

    sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, STORE_VALUE_BYTES_MAX);
    sqlite3_limit(store->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(store->db, SQLITE_LIMIT_TRIGGER_DEPTH, 4);
    sqlite3_progress_handler(store->db, STEP_INSTRUCTIONS, spend_step, store);
    sqlite3_wal_hook(store->db, note_log_pages, store);

    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    return run(store,
               "pragma cell_size_check = on; pragma temp_store = memory;"
               "pragma locking_mode = exclusive",
               err);
}

/* Takes the file's lock, because it reads. Whether it is ours is known before anything is written.
 */
static enum rc check_identity(struct store *store, int64_t *ret_version, struct err *err)
{
    int64_t application_id, version, objects;

    enum rc rc = query_i64(store, "pragma application_id", &application_id, err);
    if (rc)
        return rc;
    rc = query_i64(store, "pragma user_version", &version, err);
    if (rc)
        return rc;
    rc = query_i64(store, "select count(*) from sqlite_schema", &objects, err);
    if (rc)
        return rc;

    bool is_new = application_id == 0 && version == 0 && objects == 0;
    if (!is_new && application_id != (int64_t)store->schema->application_id)
        return err_set(err, RC_CORRUPT, "'%.150s' is not a %s database", store->path,
                       store->schema->name);
    if (version < 0 || (size_t)version > store->schema->n_migrations)
        return err_set(err, RC_UNSUPPORTED,
                       "'%.100s' has schema version %" PRId64
                       " of %s, this build knows %zu: use a newer shoal",
                       store->path, version, store->schema->name, store->schema->n_migrations);
    *ret_version = version;
    return RC_OK;
}

static enum rc choose_journal(struct store *store, struct err *err)
{
    char mode[16];

    enum rc rc = query_text(store, "pragma journal_mode = wal", mode, sizeof(mode), err);
    if (rc)
        return rc;
    if (strcmp(mode, "wal") != 0)
        return err_set(err, RC_UNSUPPORTED,
                       "'%.100s': no write-ahead log here, journal mode is '%s'", store->path,
                       mode);
    return run(store, "pragma synchronous = full", err);
}

static enum rc check_integrity(struct store *store, struct err *err)
{
    char first[128];

    enum rc rc = query_text(store, "pragma integrity_check(1)", first, sizeof(first), err);
    if (rc)
        return rc;
    if (strcmp(first, "ok") != 0)
        return err_set(err, RC_CORRUPT, "%s database '%.100s' is damaged: %s", store->schema->name,
                       store->path, first);
    return RC_OK;
}

static enum rc migrate_one(struct store *store, size_t version, struct err *err)
{
    char stamp[128];

    snprintf(stamp, sizeof(stamp), "pragma application_id = %" PRIu32 "; pragma user_version = %zu",
             store->schema->application_id, version + 1);
    enum rc rc = run(store, "begin immediate", err);
    if (rc)
        return rc;

    rc = run(store, store->schema->migrations[version], err);
    if (rc == RC_OK)
        rc = run(store, stamp, err);
    FAILPOINT("store.before_migration_commit");
    if (rc == RC_OK)
        rc = commit(store, err);
    roll_back(store);
    return rc ? err_context(err, "schema version %zu", version + 1) : RC_OK;
}

static enum rc open_file(struct store *store, struct err *err)
{
    bool was_unclean =
        is_longer_than_0(store->path, "-wal") || is_longer_than_0(store->path, "-journal");
    int64_t version = 0;

    enum rc rc = create_private_file(store->path, err);
    if (rc)
        return rc;
    rc = connect_file(store, err);
    if (rc)
        return rc;
    rc = check_identity(store, &version, err);
    if (rc)
        return rc;
    rc = choose_journal(store, err);
    if (rc)
        return rc;
    if (was_unclean) {
        rc = check_integrity(store, err);
        if (rc)
            return rc;
    }
    for (size_t v = (size_t)version; v < store->schema->n_migrations; v++) {
        rc = migrate_one(store, v, err);
        if (rc)
            return rc;
    }
    store->limits_steps = true;
    return RC_OK;
}

static enum rc new_store(const char *path, const struct store_schema *schema,
                         struct store **ret_store, struct err *err)
{
    pthread_mutexattr_t attributes;

    ASSERT(path[0] != '\0' && path[0] != ':'); /* the library's names for files in memory */
    if (strlen(path) >= FS_PATH_MAX)
        return err_set(err, RC_LIMIT, "a path of %zu bytes, at most %d", strlen(path),
                       FS_PATH_MAX - 1);

    struct store *store = mem_alloc(sizeof(*store));
    if (!store)
        return err_set(err, RC_NOMEM, "open '%.150s'", path);
    store->schema = schema;
    memcpy(store->path, path, strlen(path) + 1);

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&store->owner, &attributes);
    pthread_mutexattr_destroy(&attributes);
    *ret_store = store;
    return RC_OK;
}

enum rc store_open(const char *path, const struct store_schema *schema, struct store **ret_store,
                   struct err *err)
{
    CLEANUP(store_closep) struct store *store = NULL;

    enum rc rc = new_store(path, schema, &store, err);
    if (rc)
        return rc;
    rc = open_file(store, err);
    if (rc)
        return rc;

    *ret_store = TAKE(store);
    return RC_OK;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < STATEMENTS_MAX; i++) {
        ASSERT(!store->statements[i].in_use);
        forget_statement(&store->statements[i]);
    }
    /* Closing moves the log into the file; after a failed fsync that is left to the next open. */
    if (store->writes_stopped)
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    ASSERT(sqlite3_close(store->db) == SQLITE_OK); /* SQLITE_BUSY: a statement is left */
    ASSERT(pthread_mutex_destroy(&store->owner) == 0);
    mem_free(store);
}
