/*
 * test_build_base.c - a build with every candidate on the real base: frozen, fine-tuned, blended.
 */
#include "tests/factory/build_case.h"

#include <unistd.h>

#define ALL "training: {candidates: [linear, frozen, finetuned, blend], epochs: 1, batch: 16}\n"

static void append_file(struct buf *json, const char *folder, const char *name)
{
    struct fs_map map = { 0 };
    struct digest digest;
    struct err err = { 0 };
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(fs_map_open(path, &map, &err), RC_OK);
    assert_int_equal(sha256_of(map.at, map.len, &digest, &err), RC_OK);
    buf_printf(json, "\"%s\":{\"bytes\":%zu,\"sha256\":\"%s\"}", name, map.len, digest.hex);
    fs_map_close(&map);
}

/* The base under its name, as `shoal pull` leaves it. */
static void give_base(struct build_case *c)
{
    char folder[4096], path[4096];
    struct buf json;
    struct err err = { 0 };

    path_below("SHOAL_TEST_BASE", "", folder);
    assert_int_equal(fs_make_dirs(c->bases_dir, &err), RC_OK);
    snprintf(path, sizeof(path), "%s/all-minilm-l6-v2", c->bases_dir);
    assert_int_equal(symlink(folder, path), 0);
    buf_init(&json, 1 << 16);
    buf_append_text(&json, "{\"architecture\":\"bert\",\"files\":{");
    append_file(&json, folder, "config.json");
    buf_append_char(&json, ',');
    append_file(&json, folder, "model.safetensors");
    buf_append_char(&json, ',');
    append_file(&json, folder, "vocab.txt");
    buf_append_text(&json, "},\"name\":\"all-minilm-l6-v2\"}");
    snprintf(path, sizeof(path), "%s/all-minilm-l6-v2.json", c->bases_dir);
    assert_int_equal(fs_write_atomic(path, json.at, json.len, 0600, &err), RC_OK);
    buf_release(&json);
}

static const struct json *candidate_of(const struct json *report, const char *name)
{
    const struct json *found = json_find(json_find(report, "candidates"), name);

    if (!found)
        fail_msg("no candidate '%s'", name);
    return found;
}

static void all_candidates_are_made_judged_and_can_be_used_again(void **state)
{
    struct build_case c;
    struct build_result result, again;
    struct str text;
    struct json *report;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    give_base(&c);
    build_case_write(&c, ALL, 80, 0);
    if (build_case_run(&c, &result, &err))
        fail_msg("%s", err.message);
    assert_int_equal(artifact_read(c.artifacts, &result.report, 1 << 20, &c.arena, &text, &err),
                     RC_OK);
    assert_int_equal(json_parse(text, JSON_DUPLICATES_REFUSED, &c.arena, &report, &err), RC_OK);
    candidate_of(report, "linear");
    candidate_of(report, "frozen");
    candidate_of(report, "finetuned");
    candidate_of(report, "blend");

    /* A rule of its own changes no weight. */
    c.n_fits = 0;
    build_case_write(&c, ALL "derived: {team: 'if urgent then \"night\" else \"day\"'}\n", 80, 0);
    if (build_case_run(&c, &again, &err))
        fail_msg("%s", err.message);
    assert_int_equal(c.n_fits, 0);
    assert_int_equal(again.number, 2);
    build_case_close(&c);
}

/* A candidate that goes on from production's weights is the version to beat. */
static void a_challenger_starts_from_production(void **state)
{
    struct build_case c;
    struct build_result first, second;
    struct manifest manifest;
    struct err err = { 0 };
    (void)state;

    build_case_open(&c);
    give_base(&c);
    build_case_write(&c, "training: {candidates: [finetuned], epochs: 1, batch: 16}\n", 120, 0);
    if (build_case_run(&c, &first, &err))
        fail_msg("%s", err.message);
    if (!first.accepted)
        fail_msg("%s", first.reasons[0]);
    assert_string_equal(first.candidate, "finetuned");
    assert_int_equal(
        registry_promote(c.registry, "desk/triage", "@1", "production", "anna", "first", &err),
        RC_OK);
    c.options.feedback =
        STR("{\"id\":\"dec_1\",\"input\":{\"text\":\"the invoice is doubled once more\","
            "\"vip\":false},\"output\":{\"kind\":\"bill\",\"urgent\":false}}\n");
    if (build_case_run(&c, &second, &err))
        fail_msg("%s", err.message);
    assert_int_equal(second.number, 2);
    assert_int_equal(registry_find_manifest(c.registry, &second.version, &c.arena, &manifest, &err),
                     RC_OK);
    assert_true(digest_equal(&manifest.parent, &first.version));
    build_case_close(&c);
}

#define FINETUNED "training: {candidates: [finetuned], epochs: 2, batch: 16}\n"

static struct digest adapter_of(struct build_case *c, const struct build_result *result)
{
    struct manifest manifest;
    struct err err = { 0 };

    assert_int_equal(
        registry_find_manifest(c->registry, &result->version, &c->arena, &manifest, &err), RC_OK);
    return manifest.adapter;
}

/* Killed behind its first checkpoint, training goes on from there: the same bytes in the end. */
static void a_killed_training_ends_with_the_same_weights(void **state)
{
    struct build_case whole, killed;
    struct build_result result;
    struct digest want, got;
    struct err err = { 0 };
    (void)state;

#ifndef SHOAL_FAILPOINTS
    skip();
#endif
    build_case_open(&whole);
    give_base(&whole);
    build_case_write(&whole, FINETUNED, 60, 0);
    if (build_case_run(&whole, &result, &err))
        fail_msg("%s", err.message);
    want = adapter_of(&whole, &result);

    build_case_open(&killed);
    give_base(&killed);
    build_case_write(&killed, FINETUNED, 60, 0);
    build_case_close_registry(&killed);
    assert_true(dies_at("train.after_checkpoint=crash", build_case_run_anew, &killed));
    build_case_reopen(&killed);
    if (build_case_run(&killed, &result, &err))
        fail_msg("%s", err.message);
    got = adapter_of(&killed, &result);
    assert_true(digest_equal(&want, &got));
    build_case_close(&whole);
    build_case_close(&killed);
}

static struct digest version_of(enum cpu cpu, struct pool *pool)
{
    struct build_case c;
    struct build_result result;
    struct err err = { 0 };

    build_case_open(&c);
    give_base(&c);
    build_case_write(&c, ALL, 60, 0);
    kernels_init(&c.kernels, cpu);
    c.options.pool = pool;
    if (build_case_run(&c, &result, &err))
        fail_msg("%s", err.message);
    build_case_close(&c);
    return result.version;
}

/* Weights, calibration, report: the digest of a version has them all. */
static void a_build_repeated_on_another_cpu_with_other_threads_is_the_same_version(void **state)
{
    enum cpu older = cpu_best() < CPU_AVX2 ? CPU_SCALAR : CPU_AVX2;
    struct pool *pool;
    struct err err = { 0 };
    (void)state;

    assert_int_equal(pool_new(3, &pool, &err), RC_OK);
    struct digest one = version_of(older, NULL), other = version_of(cpu_best(), pool);
    assert_string_equal(one.hex, other.hex);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_candidates_are_made_judged_and_can_be_used_again),
        cmocka_unit_test(a_challenger_starts_from_production),
        cmocka_unit_test(a_build_repeated_on_another_cpu_with_other_threads_is_the_same_version),
        cmocka_unit_test(a_killed_training_ends_with_the_same_weights),
    };

    return cmocka_run_group_tests_name("build on the base", tests, NULL, NULL);
}
