#include "tests/support/temp.h"

#include "store/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const migrations[] = {
    "create table note (id integer primary key, text text unique, number real, bytes blob) strict",
    "create trigger note_delete before delete on note begin"
    " select raise(abort, 'a note is never deleted'); end;"
    "create table child (note integer not null references note (id)) strict",
};
static const struct store_schema schema = { "note", 0x4e4f5445, migrations, 2 };

struct fixture {
    struct temp_dir dir;
    char path[TEMP_PATH_MAX];
    struct store *store;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    temp_dir_make(&f->dir);
    temp_path(&f->dir, "note.db", f->path);
    assert_ok(store_open(f->path, &schema, &f->store, &f->err), &f->err);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    temp_dir_remove(&f->dir);
    test_free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    assert_ok(store_open(f->path, &schema, &f->store, &f->err), &f->err);
}

static enum rc add(struct fixture *f, int64_t id, const char *text)
{
    struct store_tx *tx;
    enum rc rc;

    assert_ok(store_begin(f->store, &tx, &f->err), &f->err);
    rc = store_exec(tx, "insert into note (id, text) values (?, ?)",
                    STORE_ARGS(store_i64(id), store_text(text)), &f->err);
    if (rc)
        store_rollback(tx);
    else
        rc = store_commit(tx, &f->err);
    return rc;
}

static int64_t count(struct fixture *f)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;

    assert_ok(store_begin_read(f->store, &tx, &f->err), &f->err);
    assert_ok(store_select_one(tx, "select count(*) from note", STORE_NO_ARGS, &rows, &f->err),
              &f->err);
    return store_column_i64(rows, 0);
}

static void values_of_each_type_are_read_back_as_they_were_written(void **state)
{
    struct fixture *f = *state;
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;
    CLEANUP(arena_release) struct arena arena;
    static const char text[] = "a\0b'; drop table note; -- \xc3\xa9";
    struct str copy;
    bool has_row;

    arena_init(&arena, 1 << 16);
    assert_ok(store_begin(f->store, &tx, &f->err), &f->err);
    assert_ok(store_exec(tx, "insert into note values (?, ?, ?, ?)",
                         STORE_ARGS(store_i64(INT64_MIN), store_str((struct str){ text, 20 }),
                                    store_double(0.1), store_blob("\xff\x00", 2)),
                         &f->err),
              &f->err);
    assert_ok(store_exec(tx, "insert into note values (?, ?, ?, ?)",
                         STORE_ARGS(store_i64(INT64_MAX), store_text(NULL), store_null(),
                                    store_blob(NULL, 0)),
                         &f->err),
              &f->err);
    assert_ok(store_commit(TAKE(tx), &f->err), &f->err);
    reopen(f);

    assert_ok(store_begin_read(f->store, &tx, &f->err), &f->err);
    assert_ok(store_select(tx, "select * from note order by id", STORE_NO_ARGS, &rows, &f->err),
              &f->err);
    assert_ok(store_next(rows, &has_row, &f->err), &f->err);
    assert_true(has_row);
    assert_true(store_column_i64(rows, 0) == INT64_MIN);
    assert_int_equal(store_column_str(rows, 1).len, 20);
    assert_memory_equal(store_column_str(rows, 1).at, text, 20);
    assert_true(store_column_double(rows, 2) == 0.1);
    assert_int_equal(store_column_str(rows, 3).len, 2);
    assert_ok(store_column_copy(rows, 1, &arena, &copy, &f->err), &f->err);
    assert_memory_equal(copy.at, text, 20);

    assert_ok(store_next(rows, &has_row, &f->err), &f->err);
    assert_true(has_row);
    assert_true(store_column_i64(rows, 0) == INT64_MAX);
    assert_true(store_column_is_null(rows, 1));
    assert_null(store_column_str(rows, 1).at);
    assert_true(store_column_is_null(rows, 2));
    assert_false(store_column_is_null(rows, 3));
    assert_non_null(store_column_str(rows, 3).at);
    assert_ok(store_next(rows, &has_row, &f->err), &f->err);
    assert_false(has_row);
}

static void a_transaction_is_kept_by_commit_and_undone_by_rollback(void **state)
{
    struct fixture *f = *state;
    struct store_tx *tx;

    assert_int_equal(add(f, 1, "one"), RC_OK);
    assert_ok(store_begin(f->store, &tx, &f->err), &f->err);
    assert_ok(store_exec(tx, "insert into note (id) values (2)", STORE_NO_ARGS, &f->err), &f->err);
    store_rollback(tx);
    assert_int_equal(count(f), 1);
    reopen(f);
    assert_int_equal(count(f), 1);
}

static void a_refused_statement_says_by_its_code_what_was_wrong(void **state)
{
    static const struct {
        const char *sql;
        enum rc rc;
        const char *message;
    } cases[] = {
        { "insert into note (id) values (1)", RC_EXISTS, "UNIQUE constraint failed: note.id" },
        { "insert into note (id, text) values (2, 'one')", RC_EXISTS, "note.text" },
        { "delete from note", RC_STATE, "a note is never deleted" },
        { "insert into note (id, text) values (2, x'00')", RC_INVALID, "cannot store BLOB" },
        { "insert into child values (7)", RC_INVALID, "FOREIGN KEY" },
        { "insert into nowhere values (7)", RC_CORRUPT, "no such table: nowhere" },
        { "insert into note (text) values (zeroblob(20000000))", RC_LIMIT, "too big" },
    };
    struct fixture *f = *state;

    assert_int_equal(add(f, 1, "one"), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(store_rollbackp) struct store_tx *tx = NULL;

        assert_ok(store_begin(f->store, &tx, &f->err), &f->err);
        assert_int_equal(store_exec(tx, cases[i].sql, STORE_NO_ARGS, &f->err), cases[i].rc);
        if (!strstr(f->err.message, cases[i].message))
            fail_msg("'%s': %s", cases[i].sql, f->err.message);
    }
    assert_int_equal(count(f), 1);
}

static void a_statement_that_runs_too_long_is_stopped(void **state)
{
    struct fixture *f = *state;
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;

    assert_ok(store_begin(f->store, &tx, &f->err), &f->err);
    assert_int_equal(store_exec(tx,
                                "insert into note (id) with recursive n (i) as (select 1 union all"
                                " select i + 1 from n) select count(*) from n",
                                STORE_NO_ARGS, &f->err),
                     RC_LIMIT);
    assert_non_null(strstr(f->err.message, "ran too long"));
}

static void more_queries_at_once_than_there_are_slots_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store_rows *rows[65];
    struct store_tx *tx;
    size_t n = 0;
    enum rc rc = RC_OK;

    assert_ok(store_begin_read(f->store, &tx, &f->err), &f->err);
    while (rc == RC_OK && n < 65) {
        rc = store_select(tx, "select 1", STORE_NO_ARGS, &rows[n], &f->err);
        n += rc == RC_OK;
    }
    assert_int_equal(rc, RC_LIMIT);
    assert_int_equal(n, 64);
    while (n > 0)
        store_rows_free(rows[--n]);
    store_rollback(tx);
}

static void statements_beyond_the_kept_ones_take_the_place_of_others(void **state)
{
    static char sql[200][32];
    struct fixture *f = *state;
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;

    assert_ok(store_begin_read(f->store, &tx, &f->err), &f->err);
    for (int round = 0; round < 2; round++) {
        for (int64_t i = 0; i < 200; i++) {
            CLEANUP(store_rows_freep) struct store_rows *rows = NULL;

            snprintf(sql[i], sizeof(sql[i]), "select %" PRId64, i);
            assert_ok(store_select_one(tx, sql[i], STORE_NO_ARGS, &rows, &f->err), &f->err);
            assert_true(store_column_i64(rows, 0) == i);
        }
    }
}

static void two_statements_with_the_same_text_run_side_by_side(void **state)
{
    struct fixture *f = *state;
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    CLEANUP(store_rows_freep) struct store_rows *a = NULL, *b = NULL, *none = NULL;

    assert_int_equal(add(f, 1, "one"), RC_OK);
    assert_int_equal(add(f, 2, "two"), RC_OK);
    assert_ok(store_begin_read(f->store, &tx, &f->err), &f->err);
    static const char sql[] = "select text from note where id = ?";
    assert_ok(store_select_one(tx, sql, STORE_ARGS(store_i64(1)), &a, &f->err), &f->err);
    assert_ok(store_select_one(tx, sql, STORE_ARGS(store_i64(2)), &b, &f->err), &f->err);
    assert_true(str_is(store_column_str(a, 0), "one"));
    assert_true(str_is(store_column_str(b, 0), "two"));
    assert_ok(store_select_one(tx, sql, STORE_ARGS(store_i64(3)), &none, &f->err), &f->err);
    assert_null(none);
}

static enum rc read_id(const struct store_rows *rows, struct arena *arena, void *item,
                       struct err *err)
{
    (void)arena;
    (void)err;
    *(int64_t *)item = store_column_i64(rows, 0);
    return RC_OK;
}

static void select_all_reads_every_row_up_to_its_limit(void **state)
{
    struct fixture *f = *state;
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    CLEANUP(arena_release) struct arena arena;
    static const size_t limits[] = { 0, 1, 16, 99, 100, 101 };
    size_t n;
    void *items;

    arena_init(&arena, 1 << 16);
    assert_ok(store_begin_read(f->store, &tx, &f->err), &f->err);
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        assert_ok(store_select_all(tx,
                                   "with recursive n (i) as (select 0 union all select i + 1"
                                   " from n limit 100) select i from n",
                                   STORE_NO_ARGS, read_id, sizeof(int64_t), limits[i], &arena,
                                   &items, &n, &f->err),
                  &f->err);
        assert_int_equal(n, limits[i] < 100 ? limits[i] : 100);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(((int64_t *)items)[k], k);
    }
}

static void a_second_process_is_told_that_the_file_is_in_use(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(add(f, 1, "one"), RC_OK);
    pid_t child = fork();
    if (child == 0) {
        char command[2 * TEMP_PATH_MAX];
        /* A program of its own: a forked connection must not be touched. */
        snprintf(command, sizeof(command), "sqlite3 '%s' 'select 1 from note' 2>&1 | grep -q lock",
                 f->path);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(99);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_file_that_another_process_owns_is_refused_as_busy(void **state)
{
    struct fixture *f = *state;
    char other_path[TEMP_PATH_MAX];
    struct store *second;
    int ready[2], done[2];
    char byte = 0;

    temp_path(&f->dir, "other.db", other_path);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store *theirs;
        struct err err;

        close(done[1]);
        byte = (char)store_open(other_path, &schema, &theirs, &err);
        byte = (char)(write(ready[1], &byte, 1) + read(done[0], &byte, 1));
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, RC_OK);
    assert_int_equal(store_open(other_path, &schema, &second, &f->err), RC_BUSY);
    assert_non_null(strstr(f->err.message, "in use by another process"));
    close(done[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    /* The owner died without closing: the lock is gone, the content is there. */
    assert_ok(store_open(other_path, &schema, &second, &f->err), &f->err);
    store_close(second);
    for (int i = 0; i < 2; i++)
        close(ready[i]);
    close(done[0]);
}

static void the_file_is_private_to_its_user(void **state)
{
    struct fixture *f = *state;
    char log_path[TEMP_PATH_MAX];
    struct stat status;

    assert_int_equal(add(f, 1, "one"), RC_OK);
    temp_path(&f->dir, "note.db-wal", log_path);
    assert_int_equal(stat(f->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(log_path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void migrations_run_once_each_and_in_order(void **state)
{
    struct fixture *f = *state;
    struct store_schema first = schema;
    char path[TEMP_PATH_MAX];
    struct store *store;

    temp_path(&f->dir, "old.db", path);
    first.n_migrations = 1;
    assert_ok(store_open(path, &first, &store, &f->err), &f->err);
    store_close(store);
    assert_ok(store_open(path, &schema, &store, &f->err), &f->err);
    store_close(store);
    assert_ok(store_open(path, &schema, &store, &f->err), &f->err);
    store_close(store);

    assert_int_equal(store_open(path, &first, &store, &f->err), RC_UNSUPPORTED);
    assert_non_null(strstr(f->err.message, "has schema version 2 of note, this build knows 1"));
}

static void a_migration_that_fails_leaves_the_file_as_it_was(void **state)
{
    const char *const broken[] = { migrations[0], "create table other (id); create nonsense" };
    struct fixture *f = *state;
    struct store_schema bad = { "note", 0x4e4f5445, broken, 2 };
    char path[TEMP_PATH_MAX];
    struct store *store;

    temp_path(&f->dir, "half.db", path);
    assert_int_equal(store_open(path, &bad, &store, &f->err), RC_CORRUPT);
    assert_non_null(strstr(f->err.message, "schema version 2"));
    assert_ok(store_open(path, &schema, &store, &f->err), &f->err);
    store_close(store);
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void files_that_are_no_database_of_ours_are_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    struct store_schema other = schema;
    char path[TEMP_PATH_MAX], noise[8192];
    struct store *store;

    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)(i * 31 + i / 7);
    temp_path(&f->dir, "noise.db", path);
    write_file(path, noise, sizeof(noise));
    assert_int_equal(store_open(path, &schema, &store, &f->err), RC_CORRUPT);
    write_file(path, noise, 40);
    assert_int_equal(store_open(path, &schema, &store, &f->err), RC_CORRUPT);

    temp_path(&f->dir, "other.db", path);
    other.application_id = 7;
    assert_ok(store_open(path, &other, &store, &f->err), &f->err);
    store_close(store);
    assert_int_equal(store_open(path, &schema, &store, &f->err), RC_CORRUPT);
    assert_non_null(strstr(f->err.message, "is not a note database"));

    temp_path(&f->dir, "folder.db", path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(store_open(path, &schema, &store, &f->err), RC_IO);
    temp_path(&f->dir, "nowhere/note.db", path);
    assert_int_equal(store_open(path, &schema, &store, &f->err), RC_IO);

    temp_path(&f->dir, "empty.db", path); /* legal: what a crash while creating leaves */
    write_file(path, noise, 0);
    assert_ok(store_open(path, &schema, &store, &f->err), &f->err);
    store_close(store);
}

struct adder {
    struct fixture *f;
    int64_t first;
};

static void *add_fifty(void *argument)
{
    struct adder *adder = argument;

    for (int64_t i = 0; i < 50; i++) {
        struct store_tx *tx;
        struct err err;

        if (store_begin(adder->f->store, &tx, &err))
            return NULL;
        if (store_exec(tx, "insert into note (id) values (?)",
                       STORE_ARGS(store_i64(adder->first + i)), &err)) {
            store_rollback(tx);
            return NULL;
        }
        if (store_commit(tx, &err))
            return NULL;
    }
    return adder;
}

static void threads_take_turns(void **state)
{
    struct fixture *f = *state;
    struct adder adders[4];
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        adders[i] = (struct adder){ f, 1000 * i };
        assert_int_equal(pthread_create(&threads[i], NULL, add_fifty, &adders[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *result;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, &adders[i]);
    }
    assert_int_equal(count(f), 200);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    struct fixture *f = *state;
    char path[TEMP_PATH_MAX];
    enum rc rc = RC_OK;

    temp_path(&f->dir, "alloc.db", path);
    FOR_EACH_FAILING_ALLOC (nth) {
        struct store *store = NULL;
        struct store_tx *tx = NULL;
        struct err err;

        rc = store_open(path, &schema, &store, &err);
        if (rc == RC_OK)
            rc = store_begin(store, &tx, &err);
        if (rc == RC_OK)
            rc = store_exec(tx, "insert into note (text) values (?)", STORE_ARGS(store_text(NULL)),
                            &err);
        if (rc == RC_OK)
            rc = store_commit(TAKE(tx), &err);
        store_rollback(tx);
        store_close(store);
        if (rc && rc != RC_NOMEM && rc != RC_UNKNOWN)
            fail_msg("allocation %ld: %s: %s", nth, rc_name(rc), err.message);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(values_of_each_type_are_read_back_as_they_were_written),
        TEST(a_transaction_is_kept_by_commit_and_undone_by_rollback),
        TEST(a_refused_statement_says_by_its_code_what_was_wrong),
        TEST(a_statement_that_runs_too_long_is_stopped),
        TEST(more_queries_at_once_than_there_are_slots_are_refused),
        TEST(statements_beyond_the_kept_ones_take_the_place_of_others),
        TEST(two_statements_with_the_same_text_run_side_by_side),
        TEST(select_all_reads_every_row_up_to_its_limit),
        TEST(a_second_process_is_told_that_the_file_is_in_use),
        TEST(a_file_that_another_process_owns_is_refused_as_busy),
        TEST(the_file_is_private_to_its_user),
        TEST(migrations_run_once_each_and_in_order),
        TEST(a_migration_that_fails_leaves_the_file_as_it_was),
        TEST(files_that_are_no_database_of_ours_are_refused_and_left_alone),
        TEST(threads_take_turns),
        TEST(every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
