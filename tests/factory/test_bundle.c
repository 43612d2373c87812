/* test_bundle.c - versions that leave one workspace and come into another. */
#include "factory/bundle.h"

#include "base/mem.h"
#include "base/tar.h"
#include "tests/factory/build_case.h"

/* A table with a name of its own, so that the bundle has one of each kind of part. */
#define WITH_TABLE \
    "tables: {vips: {path: vips.csv, key: name, columns: {name: string}}}\n" LINEAR_ONLY

static void write_file(const struct build_case *c, const char *name, struct str text)
{
    char path[256];
    struct err err = { 0 };

    snprintf(path, sizeof(path), "%s/%s", c->dir, name);
    assert_int_equal(fs_write_atomic(path, text.at, text.len, 0600, &err), RC_OK);
}

/* Builds a version and bundles it. */
static void make_bundle(struct build_case *c, const char *more, struct build_result *result,
                        struct buf *bytes)
{
    struct err err = { 0 };

    build_case_open(c);
    write_file(c, "vips.csv", STR("name\nAnna\n"));
    build_case_write(c, more, 240, 0);
    if (build_case_run(c, result, &err))
        fail_msg("%s", err.message);
    buf_init(bytes, 16 << 20);
    if (bundle_write(c->artifacts, &result->version, bytes, &err))
        fail_msg("%s", err.message);
}

static enum rc read_bundle(const struct buf *bytes, struct arena *arena, struct bundle **ret_bundle,
                           struct err *err)
{
    *ret_bundle = arena_new(arena, struct bundle);
    assert_non_null(*ret_bundle);
    return bundle_read(buf_str(bytes), arena, *ret_bundle, err);
}

static enum rc import(struct build_case *c, const struct bundle *bundle,
                      struct build_result *result, struct err *err)
{
    *result = (struct build_result){ 0 };
    c->n_stages = 0;
    c->n_reused = 0;
    c->options.clock = clock_fixed(&c->now_ms);
    c->options.progress_context = c;
    return build_import(&c->options, bundle, &c->arena, result, err);
}

static size_t count_artifacts(const struct build_case *c)
{
    char command[256];
    unsigned long n = 0;

    snprintf(command, sizeof(command), "find %s/artifacts -type f | wc -l", c->dir);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    assert_int_equal(fscanf(out, "%lu", &n), 1);
    pclose(out);
    return n;
}

static void a_version_is_the_same_bytes_each_time(void **state)
{
    struct build_case c;
    struct build_result result;
    struct buf bytes, again;
    struct err err = { 0 };
    (void)state;

    make_bundle(&c, WITH_TABLE, &result, &bytes);
    buf_init(&again, 16 << 20);
    assert_int_equal(bundle_write(c.artifacts, &result.version, &again, &err), RC_OK);
    assert_true(str_equal(buf_str(&bytes), buf_str(&again)));
    buf_release(&bytes);
    buf_release(&again);
    build_case_close(&c);
}

static void an_imported_version_is_judged_again_and_names_its_origin(void **state)
{
    struct build_case from, to;
    struct build_result made, result;
    struct manifest before, after;
    struct registry_version version;
    struct bundle *bundle;
    struct buf bytes;
    struct err err = { 0 };
    (void)state;

    make_bundle(&from, WITH_TABLE, &made, &bytes);
    build_case_open(&to);
    to.options.team = "hall";
    to.options.principal = "bert";
    to.now_ms += 86400000;
    if (read_bundle(&bytes, &to.arena, &bundle, &err) || import(&to, bundle, &result, &err))
        fail_msg("%s", err.message);
    assert_true(result.accepted);
    assert_int_equal(result.number, 1);
    assert_string_equal(result.candidate, "linear");
    if (registry_find_version(to.registry, "hall/triage", "@1", &to.arena, &version, &err) ||
        registry_find_manifest(to.registry, &version.digest, &to.arena, &after, &err) ||
        registry_find_manifest(from.registry, &made.version, &from.arena, &before, &err))
        fail_msg("%s", err.message);
    assert_string_equal(version.created_by, "bert");
    assert_true(version.created_ms == to.now_ms);
    assert_string_equal(after.origin.hex, made.version.hex);
    assert_string_equal(after.adapter.hex, before.adapter.hex);
    assert_string_equal(after.dataset.hex, before.dataset.hex);
    assert_string_equal(after.tables[0].digest.hex, before.tables[0].digest.hex);
    assert_string_not_equal(after.report.hex, before.report.hex);
    assert_true(str_equal(after.calibration, before.calibration));
    buf_release(&bytes);
    build_case_close(&from);
    build_case_close(&to);
}

/* The member of a report that must not depend on where it was made. */
static const struct json *measured(struct build_case *c, const struct build_result *result)
{
    struct str text;
    struct json *json;
    struct err err = { 0 };

    if (artifact_read(c->artifacts, &result->report, 1 << 20, &c->arena, &text, &err) ||
        json_parse(text, JSON_DUPLICATES_REFUSED, &c->arena, &json, &err))
        fail_msg("%s", err.message);
    return json_find(json, "test");
}

static void what_is_measured_here_is_what_was_measured_there(void **state)
{
    struct build_case from, to;
    struct build_result made, result;
    struct bundle *bundle;
    struct buf bytes, a, b;
    struct err err = { 0 };
    (void)state;

    make_bundle(&from, LINEAR_ONLY, &made, &bytes);
    build_case_open(&to);
    if (read_bundle(&bytes, &to.arena, &bundle, &err) || import(&to, bundle, &result, &err))
        fail_msg("%s", err.message);
    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    json_append_canonical(&a, measured(&from, &made));
    json_append_canonical(&b, measured(&to, &result));
    assert_true(a.len > 100 && str_equal(buf_str(&a), buf_str(&b)));
    buf_release(&a);
    buf_release(&b);
    buf_release(&bytes);
    build_case_close(&from);
    build_case_close(&to);
}

static void a_version_that_misses_its_gates_is_imported_as_rejected(void **state)
{
    struct build_case from, to;
    struct build_result made, result;
    struct bundle *bundle;
    struct buf bytes;
    struct err err = { 0 };
    (void)state;

    make_bundle(&from, "gates: [{metric: macro_f1, field: kind, min: 0.999}]\n" LINEAR_ONLY, &made,
                &bytes);
    assert_false(made.accepted);
    build_case_open(&to);
    if (read_bundle(&bytes, &to.arena, &bundle, &err) || import(&to, bundle, &result, &err))
        fail_msg("%s", err.message);
    assert_false(result.accepted);
    assert_int_equal(registry_promote(to.registry, "desk/triage", "@1", REGISTRY_PRODUCTION, "anna",
                                      "why not", &err),
                     RC_STATE);
    buf_release(&bytes);
    build_case_close(&from);
    build_case_close(&to);
}

static void a_bundle_imported_again_is_the_version_it_was(void **state)
{
    struct build_case from, to;
    struct build_result made, result, again;
    struct bundle *bundle;
    struct buf bytes;
    struct err err = { 0 };
    (void)state;

    make_bundle(&from, LINEAR_ONLY, &made, &bytes);
    build_case_open(&to);
    if (read_bundle(&bytes, &to.arena, &bundle, &err))
        fail_msg("%s", err.message);
    to.stop_at = "register"; /* Ctrl-C */
    assert_int_equal(import(&to, bundle, &result, &err), RC_CANCELLED);
    to.stop_at = NULL;
    if (import(&to, bundle, &result, &err))
        fail_msg("%s", err.message);
    assert_int_equal(to.n_reused, 2); /* start and verdict */
    assert_int_equal(registry_promote(to.registry, "desk/triage", "@1", REGISTRY_PRODUCTION, "anna",
                                      "imported", &err),
                     RC_OK);
    to.now_ms += 1000;
    if (import(&to, bundle, &again, &err))
        fail_msg("%s", err.message);
    assert_int_equal(again.number, 1);
    assert_string_equal(again.version.hex, result.version.hex);
    buf_release(&bytes);
    build_case_close(&from);
    build_case_close(&to);
}

static void a_bit_that_differs_anywhere_is_refused(void **state)
{
    struct build_case c;
    struct build_result made;
    struct arena arena;
    struct bundle *bundle;
    struct buf bytes;
    struct err err = { 0 };
    (void)state;

    make_bundle(&c, WITH_TABLE, &made, &bytes);
    arena_init(&arena, 64 << 20);
    assert_int_equal(read_bundle(&bytes, &arena, &bundle, &err), RC_OK);
    for (size_t i = 0; i < bytes.len; i += i < 4096 ? 1 : bytes.len / 256) {
        bytes.at[i] ^= 4;
        arena_reset(&arena);
        if (read_bundle(&bytes, &arena, &bundle, &err) == RC_OK)
            fail_msg("byte %zu of %zu", i, bytes.len);
        bytes.at[i] ^= 4;
    }
    arena_release(&arena);
    buf_release(&bytes);
    build_case_close(&c);
}

/* Whole and well-formed, with sums that agree, but other rows than the manifest names. */
static void a_part_that_was_exchanged_with_its_sum_is_refused(void **state)
{
    struct build_case c;
    struct build_result made;
    struct bundle *bundle;
    struct buf bytes, forged, sums;
    struct digest digest;
    struct err err = { 0 };
    (void)state;

    make_bundle(&c, LINEAR_ONLY, &made, &bytes);
    assert_int_equal(read_bundle(&bytes, &c.arena, &bundle, &err), RC_OK);
    buf_init(&forged, 16 << 20);
    buf_init(&sums, 1 << 16);
    bundle->parts[2].bytes.len -= 1; /* dataset.jsonl */
    for (size_t i = 0; i < bundle->n_parts; i++) {
        struct str part = bundle->parts[i].bytes;

        assert_int_equal(sha256_of(part.at, part.len, &digest, &err), RC_OK);
        buf_printf(&sums, "%s  %s\n", digest.hex, bundle->parts[i].name);
    }
    assert_int_equal(tar_append(&forged, STR("SHA256SUMS"), buf_str(&sums), &err), RC_OK);
    for (size_t i = 0; i < bundle->n_parts; i++)
        assert_int_equal(
            tar_append(&forged, str_of(bundle->parts[i].name), bundle->parts[i].bytes, &err),
            RC_OK);
    tar_end(&forged);
    assert_int_equal(read_bundle(&forged, &c.arena, &bundle, &err), RC_CORRUPT);
    buf_release(&bytes);
    buf_release(&forged);
    buf_release(&sums);
    build_case_close(&c);
}

/* Every digest is right, but the manifest's adapter is none the report knows. */
static void parts_that_do_not_belong_together_leave_nothing_behind(void **state)
{
    struct build_case from, to;
    struct build_result made, result;
    struct bundle *bundle;
    struct buf bytes;
    struct err err = { 0 };
    (void)state;

    make_bundle(&from, LINEAR_ONLY, &made, &bytes);
    build_case_open(&to);
    assert_int_equal(read_bundle(&bytes, &to.arena, &bundle, &err), RC_OK);
    bundle->manifest.adapter = bundle->manifest.spec;
    assert_int_equal(import(&to, bundle, &result, &err), RC_CORRUPT);
    assert_int_equal(count_artifacts(&to), 0);
    buf_release(&bytes);
    build_case_close(&from);
    build_case_close(&to);
}

static void a_version_that_no_build_made_is_not_exported(void **state)
{
    struct build_case c;
    struct manifest manifest = { .team = "desk",
                                 .slm = "triage",
                                 .calibration = STR("{}"),
                                 .engine_build = "x",
                                 .created_by = "anna" };
    struct digest digest;
    struct buf bytes;
    struct err err = { 0 };
    int64_t number;
    (void)state;

    build_case_open(&c);
    assert_int_equal(registry_register(c.registry, &manifest, REGISTRY_ACCEPTED, NULL, 0, &digest,
                                       &number, &err),
                     RC_OK);
    buf_init(&bytes, 1 << 20);
    assert_int_equal(bundle_write(c.artifacts, &digest, &bytes, &err), RC_UNSUPPORTED);
    buf_release(&bytes);
    build_case_close(&c);
}

static void a_failing_allocation_is_reported(void **state)
{
    struct build_case c;
    struct build_result made;
    struct arena arena;
    struct bundle *bundle;
    struct buf bytes;
    struct err err = { 0 };
    enum rc rc = RC_INVALID;
    (void)state;

    make_bundle(&c, LINEAR_ONLY, &made, &bytes);
    bundle = arena_new(&c.arena, struct bundle);
    assert_non_null(bundle);
    FOR_EACH_FAILING_ALLOC (nth) {
        arena_init(&arena, 64 << 20);
        rc = bundle_read(buf_str(&bytes), &arena, bundle, &err);
        arena_release(&arena);
        if (rc && rc != RC_NOMEM)
            fail_msg("%s", err.message);
    }
    assert_int_equal(rc, RC_OK);
    buf_release(&bytes);
    build_case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_the_same_bytes_each_time),
        cmocka_unit_test(an_imported_version_is_judged_again_and_names_its_origin),
        cmocka_unit_test(what_is_measured_here_is_what_was_measured_there),
        cmocka_unit_test(a_version_that_misses_its_gates_is_imported_as_rejected),
        cmocka_unit_test(a_bundle_imported_again_is_the_version_it_was),
        cmocka_unit_test(a_bit_that_differs_anywhere_is_refused),
        cmocka_unit_test(a_part_that_was_exchanged_with_its_sum_is_refused),
        cmocka_unit_test(parts_that_do_not_belong_together_leave_nothing_behind),
        cmocka_unit_test(a_version_that_no_build_made_is_not_exported),
        cmocka_unit_test(a_failing_allocation_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
