#include "tests/support/test.h"

#include "base/fs.h"
#include "base/macros.h"
#include "engine/train/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 5, FILE_BYTES = 256 + 16 * VALUES + 64 };

struct place {
    char folder[64], path[128];
};

static void place_init(struct place *p)
{
    snprintf(p->folder, sizeof(p->folder), "/tmp/shoal-checkpoint-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof(p->path), "%s/c", p->folder);
}

static void place_release(struct place *p)
{
    struct err err;

    assert_int_equal(fs_remove_tree(p->folder, &err), RC_OK);
}

static struct digest fingerprint(const char *of)
{
    struct digest digest;
    struct err err;

    assert_int_equal(sha256_of(of, strlen(of), &digest, &err), RC_OK);
    return digest;
}

static struct checkpoint new_checkpoint(struct arena *arena, const char *of, size_t n_values)
{
    struct digest digest = fingerprint(of);
    struct checkpoint c;
    struct err err;

    assert_int_equal(checkpoint_init(&digest, n_values, arena, &c, &err), RC_OK);
    return c;
}

static void what_was_saved_is_loaded(void **state)
{
    struct place place;
    struct arena arena;
    struct err err;
    (void)state;

    place_init(&place);
    arena_init(&arena, 1 << 16);
    struct checkpoint saved = new_checkpoint(&arena, "job", VALUES),
                      loaded = new_checkpoint(&arena, "job", VALUES);
    saved.header->step = 7;
    saved.header->best_score = 0.25;
    for (size_t i = 0; i < VALUES; i++) {
        saved.values[i] = 1.0f + (float)i;
        saved.m[i] = 10.0f + (float)i;
        saved.v[i] = 20.0f + (float)i;
        saved.best[i] = 30.0f + (float)i;
    }
    assert_int_equal(checkpoint_load(&loaded, place.path, &err), RC_NOT_FOUND);
    assert_int_equal(checkpoint_save(&saved, place.path, &err), RC_OK);
    assert_int_equal(checkpoint_load(&loaded, place.path, &err), RC_OK);
    assert_memory_equal(loaded.header, saved.header, sizeof(*saved.header));
    assert_memory_equal(loaded.values, saved.values, 4 * VALUES * sizeof(float));
    arena_release(&arena);
    place_release(&place);
}

/* Every bit of the file counts, and so does its end. */
static void a_damaged_file_is_refused_and_changes_nothing(void **state)
{
    struct place place;
    struct arena arena;
    struct str file;
    struct err err;
    char damaged[FILE_BYTES];
    (void)state;

    place_init(&place);
    arena_init(&arena, 1 << 20);
    struct checkpoint saved = new_checkpoint(&arena, "job", VALUES),
                      loaded = new_checkpoint(&arena, "job", VALUES);
    assert_int_equal(checkpoint_save(&saved, place.path, &err), RC_OK);
    assert_int_equal(fs_read_file(place.path, 1 << 20, &arena, &file, &err), RC_OK);
    assert_int_equal(file.len, FILE_BYTES);
    for (size_t i = 0; i < FILE_BYTES; i++) {
        bool of_identity = i >= 8 && i < 80; /* format and fingerprint: not damaged but another's */

        memcpy(damaged, file.at, FILE_BYTES);
        damaged[i] ^= 4;
        assert_int_equal(fs_write_atomic(place.path, damaged, FILE_BYTES, 0600, &err), RC_OK);
        assert_int_equal(checkpoint_load(&loaded, place.path, &err),
                         of_identity ? RC_STATE : RC_CORRUPT);
        if (i % 16 == 0) {
            assert_int_equal(fs_write_atomic(place.path, file.at, i, 0600, &err), RC_OK);
            assert_int_equal(checkpoint_load(&loaded, place.path, &err), RC_CORRUPT);
        }
        assert_int_equal(loaded.header->step, 0);
    }
    arena_release(&arena);
    place_release(&place);
}

static void a_file_of_another_job_or_size_is_refused(void **state)
{
    struct place place;
    struct arena arena;
    struct err err;
    (void)state;

    place_init(&place);
    arena_init(&arena, 1 << 16);
    struct checkpoint saved = new_checkpoint(&arena, "job", VALUES),
                      other = new_checkpoint(&arena, "other", VALUES);
    struct checkpoint longer = new_checkpoint(&arena, "job", VALUES + 1);
    assert_int_equal(checkpoint_save(&saved, place.path, &err), RC_OK);
    assert_int_equal(checkpoint_load(&other, place.path, &err), RC_STATE);
    assert_non_null(strstr(err.message, "of other rows, options, weights or another build"));
    assert_int_equal(checkpoint_load(&longer, place.path, &err), RC_CORRUPT);
    arena_release(&arena);
    place_release(&place);
}

static void every_failing_allocation_is_reported(void **state)
{
    struct digest digest = fingerprint("job");
    struct place place;
    enum rc rc = RC_OK;
    (void)state;

    place_init(&place);
    FOR_EACH_FAILING_ALLOC (nth) {
        struct checkpoint c;
        struct arena arena;
        struct err err = { 0 };

        arena_init(&arena, 1 << 16);
        rc = checkpoint_init(&digest, VALUES, &arena, &c, &err);
        if (!rc)
            rc = checkpoint_save(&c, place.path, &err);
        if (!rc)
            rc = checkpoint_load(&c, place.path, &err);
        assert_true(rc == RC_OK || (rc == RC_NOMEM && err.code == rc));
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
    place_release(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_saved_is_loaded),
        cmocka_unit_test(a_damaged_file_is_refused_and_changes_nothing),
        cmocka_unit_test(a_file_of_another_job_or_size_is_refused),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
