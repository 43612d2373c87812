/*
 * store.h - the database, seen by the rest of the platform.
 *
 * One interface; the driver is store_sqlite.c, the only file that knows the library. A second
 * driver implements these functions and brings its own dialect of each schema.
 *
 * What a caller may rely on (tests/store):
 *   (1) After store_commit() returned RC_OK the transaction survives kill -9 and loss of power.
 *   (2) A transaction is seen whole or not at all, whatever fails.
 *   (3) A file has one owning process; a second one is told RC_BUSY at store_open().
 *   (4) After an fsync failed nothing is written any more: the operating system may have dropped
 *       pages it reported as written. Reading goes on; the next open recovers from the log.
 *
 * Transactions of one store are serial: store_begin() waits until the transaction of another thread
 * has ended. A thread holds at most one transaction of a store.
 *
 * SQL is always a literal of ours with `?` for each value. There is no way to pass SQL and values
 * in one text.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    STORE_VALUE_BYTES_MAX = 16 << 20, /* one text or blob, and one whole row */
    STORE_STEPS_MAX =
        500 * 1000, /* of 1000 instructions of its machine: one statement, a second or so */
};

struct store;
struct store_tx;
struct store_rows;

/* What a file holds. Schema version v is what migrations[0..v-1] made, each in one transaction. */
struct store_schema {
    const char *name;        /* "registry": for messages */
    uint32_t application_id; /* stamped into the file; a file with another one is refused */
    const char *const *migrations;
    size_t n_migrations;
};

/**
 * Opens the file as its only owner, creates it (mode 0600) or migrates it to the newest version.
 * After an unclean exit the whole file is checked first.
 *
 * @param schema  borrowed until store_close()
 *
 * @return RC_OK
 *         RC_BUSY         another process owns the file
 *         RC_CORRUPT      no database, another application's, or damaged
 *         RC_UNSUPPORTED  its schema is newer than this build
 *         RC_IO, RC_FULL, RC_NOMEM
 */
MUST_CHECK enum rc store_open(const char *path, const struct store_schema *schema,
                              struct store **ret_store, struct err *err);
void store_close(struct store *store); /* accepts NULL; no transaction may be open */
DEFINE_FREEP(struct store, store_close)

/* RC_IO when writing has stopped (promise 4 above). */
MUST_CHECK enum rc store_begin(struct store *store, struct store_tx **ret_tx, struct err *err);

/* For reading only; ended by store_rollback(). */
MUST_CHECK enum rc store_begin_read(struct store *store, struct store_tx **ret_tx, struct err *err);

/**
 * Consumes tx, whatever the outcome.
 *
 * @return RC_OK       durable
 *         RC_FULL     the disk is full, nothing of the transaction happened
 *         RC_UNKNOWN  it may or may not have happened: read back, or repeat with an idempotency key
 */
MUST_CHECK enum rc store_commit(struct store_tx *tx, struct err *err);
void store_rollback(struct store_tx *tx); /* consumes tx; accepts NULL; cannot fail */
DEFINE_FREEP(struct store_tx, store_rollback)

/* A value for one `?`. Text and blobs are borrowed for the call. */
enum store_type { STORE_NULL, STORE_I64, STORE_DOUBLE, STORE_TEXT, STORE_BLOB };

struct store_value {
    enum store_type type;
    int64_t i64;
    double number;
    struct str bytes;
};

struct store_args {
    const struct store_value *at;
    size_t n;
};

/* store_exec(tx, "update t set a = ? where b = ?", STORE_ARGS(store_i64(a), store_text(b)), err) */
#define STORE_ARGS(...)                                                \
    ((struct store_args){ (const struct store_value[]){ __VA_ARGS__ }, \
                          ARRAY_LEN(((const struct store_value[]){ __VA_ARGS__ })) })
#define STORE_NO_ARGS ((struct store_args){ NULL, 0 })

static inline struct store_value store_null(void)
{
    return (struct store_value){ .type = STORE_NULL };
}

static inline struct store_value store_i64(int64_t value)
{
    return (struct store_value){ .type = STORE_I64, .i64 = value };
}

static inline struct store_value store_double(double value)
{
    return (struct store_value){ .type = STORE_DOUBLE, .number = value };
}

static inline struct store_value store_str(struct str text) /* at NULL: null */
{
    return (struct store_value){ .type = text.at ? STORE_TEXT : STORE_NULL, .bytes = text };
}

static inline struct store_value store_text(const char *text) /* NULL: null */
{
    return store_str(str_of(text));
}

static inline struct store_value store_blob(const void *bytes, size_t len)
{
    return (struct store_value){ .type = STORE_BLOB, .bytes = { bytes, len } };
}

/**
 * Runs one statement that gives no rows.
 *
 * @return RC_OK
 *         RC_EXISTS   a row with this key is already there
 *         RC_INVALID  a constraint of the schema refuses the values
 *         RC_STATE    a trigger of the schema refuses the change; the message is its sentence
 *         RC_LIMIT    a value too long, or the statement ran out of fuel
 *         RC_FULL, RC_IO, RC_CORRUPT, RC_NOMEM
 */
MUST_CHECK enum rc store_exec(struct store_tx *tx, const char *sql, struct store_args args,
                              struct err *err);

/* Starts one query. The rows are freed before the transaction ends, and read on the same thread. */
MUST_CHECK enum rc store_select(struct store_tx *tx, const char *sql, struct store_args args,
                                struct store_rows **ret_rows, struct err *err);

/* Moves to the next row; *ret_has_row is false after the last one. */
MUST_CHECK enum rc store_next(struct store_rows *rows, bool *ret_has_row, struct err *err);
void store_rows_free(struct store_rows *rows); /* accepts NULL */
DEFINE_FREEP(struct store_rows, store_rows_free)

/* store_select() and its first row; *ret_rows is NULL when there is none. store_next() moves to the
 * second row. */
MUST_CHECK enum rc store_select_one(struct store_tx *tx, const char *sql, struct store_args args,
                                    struct store_rows **ret_rows, struct err *err);

/* Fills one item from the current row; texts are copied into the arena. */
typedef enum rc store_row_fn(const struct store_rows *rows, struct arena *arena, void *item,
                             struct err *err);

/**
 * Runs a query and reads its rows into an array; what comes after n_max rows is not read.
 *
 * @param read_row   called for each row with the next item, zeroed
 * @param arena      owns *ret_items
 * @param ret_items  out, (*ret_n,) items of item_size bytes; not NULL when empty
 */
MUST_CHECK enum rc store_select_all(struct store_tx *tx, const char *sql, struct store_args args,
                                    store_row_fn *read_row, size_t item_size, size_t n_max,
                                    struct arena *arena, void **ret_items, size_t *ret_n,
                                    struct err *err);

/* The value in column `index` (from 0) of the current row. A null reads as 0 and as an empty text.
 */
bool store_column_is_null(const struct store_rows *rows, size_t index);
int64_t store_column_i64(const struct store_rows *rows, size_t index);
double store_column_double(const struct store_rows *rows, size_t index);
/* Text or blob; borrowed until the next store_next() or store_rows_free(). at is NULL for a null.
 */
struct str store_column_str(const struct store_rows *rows, size_t index);
/* A copy in the arena, NUL-terminated; RC_LIMIT or RC_NOMEM when it does not fit. */
MUST_CHECK enum rc store_column_copy(const struct store_rows *rows, size_t index,
                                     struct arena *arena, struct str *ret_text, struct err *err);

#endif
