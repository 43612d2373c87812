/*
 * Opens databases that something else has damaged: bits flipped, bytes overwritten, the end
 * missing, a log that is not theirs. Whatever they hold, reading them ends, with an answer or with
 * an error. (The library keeps no checksum of its pages: a bit flipped inside a text can go unseen.
 * What must not, the manifests and their parts, is named by digest.)
 */
#include "tests/store/power_vfs.h"
#include "tests/store/workload.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 24, PAGE = 4096, ROUNDS = 1200, FILE_MAX = 1 << 20 };

struct damage {
    struct workload w;
    struct temp_dir dir;
    char path[TEMP_PATH_MAX], log_path[TEMP_PATH_MAX];
    char intact[FILE_MAX], damaged[FILE_MAX];
    size_t len; /* bytes of the file */
    struct err err;
};

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static size_t read_file(const char *path, char bytes[FILE_MAX])
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    size_t len = fread(bytes, 1, FILE_MAX, file);
    assert_true(len < FILE_MAX);
    fclose(file);
    return len;
}

/* A database with some steps in it, closed. */
static struct damage *new_damage(const struct workload_kind *kind)
{
    struct damage *d = test_calloc(1, sizeof(*d));

    power_reset();
    workload_init(&d->w, kind);
    temp_dir_make(&d->dir);
    temp_path(&d->dir, "test.db", d->path);
    temp_path(&d->dir, "test.db-wal", d->log_path);
    assert_ok(kind->open(&d->w, d->path, &d->err), &d->err);
    for (size_t i = 0; i < STEPS; i++)
        assert_ok(kind->step(&d->w, i, &d->err), &d->err);
    workload_close(&d->w);
    d->len = read_file(d->path, d->intact);
    assert_true(d->len >= 3 * PAGE && d->len % PAGE == 0);
    return d;
}

static void free_damage(struct damage *d)
{
    workload_release(&d->w);
    temp_dir_remove(&d->dir);
    power_reset();
    test_free(d);
}

static enum rc open_and_read(struct damage *d)
{
    size_t n = 0;

    power_reset();
    d->err.message[0] = '\0';
    enum rc rc = d->w.kind->open(&d->w, d->path, &d->err);
    if (!rc)
        rc = d->w.kind->present(&d->w, &n, &d->err);
    workload_close(&d->w);
    unlink(d->log_path);
    if (rc)
        assert_true(d->err.message[0] != '\0');
    return rc;
}

/* A bit or a run of bytes, in a third of the cases in the first 100 bytes of a page. */
static void do_damage(struct damage *d, uint64_t *random)
{
    size_t at = power_random(random) % d->len;

    memcpy(d->damaged, d->intact, d->len);
    if (power_random(random) % 3 == 0)
        at = at / PAGE * PAGE + power_random(random) % 100;
    if (power_random(random) % 2)
        d->damaged[at] = (char)(d->damaged[at] ^ 1 << power_random(random) % 8);
    else
        memset(d->damaged + at, (int)(power_random(random) % 256),
               d->len - at < 16 ? d->len - at : 16);
    write_file(d->path, d->damaged, d->len);
}

static void whatever_bytes_are_changed_reading_ends(void **state)
{
    (void)state;
    for (size_t k = 0; k < WORKLOAD_KINDS; k++) {
        struct damage *d = new_damage(&workload_kinds[k]);
        uint64_t random = 17;
        size_t n_refused = 0;

        for (size_t round = 0; round < ROUNDS; round++) {
            do_damage(d, &random);
            n_refused += open_and_read(d) != RC_OK;
        }
        printf("# %s: %zu of %d damaged files refused\n", d->w.kind->name, n_refused, ROUNDS);
        assert_in_range(n_refused, ROUNDS / 20, ROUNDS - 1);
        free_damage(d);
    }
}

static void a_file_that_lost_its_end_is_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < WORKLOAD_KINDS; k++) {
        struct damage *d = new_damage(&workload_kinds[k]);

        for (size_t len = PAGE; len < d->len; len += PAGE) {
            write_file(d->path, d->intact, len);
            assert_int_equal(open_and_read(d), RC_CORRUPT);
            write_file(d->path, d->intact, len - 1);
            assert_int_equal(open_and_read(d), RC_CORRUPT);
        }
        write_file(d->path, d->intact, d->len);
        assert_int_equal(open_and_read(d), RC_OK);
        free_damage(d);
    }
}

static void a_log_of_noise_is_not_taken_for_ours(void **state)
{
    struct damage *d = new_damage(&workload_kinds[0]);
    uint64_t random = 5;
    (void)state;

    for (size_t i = 0; i < d->len; i++)
        d->damaged[i] = (char)power_random(&random);
    for (size_t len = 0; len < d->len; len += 997) {
        write_file(d->path, d->intact, d->len);
        write_file(d->log_path, d->damaged, len);
        assert_int_equal(open_and_read(d), RC_OK);
    }
    free_damage(d);
}

/* The log of a database of another kind, well formed, beside ours. */
static void a_log_of_another_database_is_refused(void **state)
{
    struct damage *d = new_damage(&workload_kinds[0]), *other = new_damage(&workload_kinds[1]);
    size_t len;
    (void)state;

    power_reset();
    assert_ok(other->w.kind->open(&other->w, other->path, &other->err), &other->err);
    assert_ok(other->w.kind->step(&other->w, STEPS, &other->err), &other->err);
    len = read_file(other->log_path, other->damaged);
    assert_true(len > PAGE);
    workload_close(&other->w);

    write_file(d->path, d->intact, d->len);
    write_file(d->log_path, other->damaged, len);
    assert_int_equal(open_and_read(d), RC_CORRUPT);
    free_damage(other);
    free_damage(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_bytes_are_changed_reading_ends),
        cmocka_unit_test(a_file_that_lost_its_end_is_refused),
        cmocka_unit_test(a_log_of_noise_is_not_taken_for_ours),
        cmocka_unit_test(a_log_of_another_database_is_refused),
    };

    power_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
