#include "tests/registry/registry_fixture.h"

#include <inttypes.h>
#include <unistd.h>

static struct registry_version found(struct registry_fixture *f, const char *ref)
{
    struct registry_version version;

    assert_ok(registry_find_version(f->registry, SLM, ref, &f->arena, &version, &f->err), &f->err);
    return version;
}

static void promote(struct registry_fixture *f, const char *ref, const char *alias)
{
    assert_ok(registry_promote(f->registry, SLM, ref, alias, "anna", "because", &f->err), &f->err);
}

static void versions_are_numbered_per_slm(void **state)
{
    struct registry_fixture *f = *state;
    struct manifest other = fixture_manifest(f, "build 1");
    struct registry_version *list;
    struct digest digest;
    int64_t number;
    size_t n;

    fixture_version(f, "build 1", REGISTRY_ACCEPTED);
    fixture_version(f, "build 2", REGISTRY_REJECTED);
    other.slm = "reply-draft";
    assert_ok(registry_register(f->registry, &other, REGISTRY_ACCEPTED, NULL, 0, &digest, &number,
                                &f->err),
              &f->err);
    assert_int_equal(number, 1);

    assert_ok(registry_list(f->registry, SLM, &f->arena, &list, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(list[0].number, 2);
    assert_int_equal(list[0].verdict, REGISTRY_REJECTED);
    assert_int_equal(list[0].n_reasons, 1);
    assert_string_equal(list[0].reasons[0], "macro-F1 0.71 is below the gate 0.80");
    assert_int_equal(list[1].number, 1);
    assert_int_equal(list[1].verdict, REGISTRY_ACCEPTED);
    assert_int_equal(list[1].n_reasons, 0);
    assert_string_equal(list[1].created_by, "anna");
    assert_int_equal(list[1].created_ms, f->now_ms);
    assert_ok(registry_list(f->registry, NULL, &f->arena, &list, &n, &f->err), &f->err);
    assert_int_equal(n, 3);
    assert_string_equal(list[0].slm, "support/reply-draft");
}

static void a_version_is_registered_once(void **state)
{
    static const char *const other_reasons[] = { "another reason" };
    struct registry_fixture *f = *state;
    struct manifest manifest = fixture_manifest(f, "build 1");
    struct digest first, again;
    int64_t number;

    first = fixture_version(f, "build 1", REGISTRY_REJECTED);
    fixture_version(f, "build 2", REGISTRY_ACCEPTED);
    again = fixture_version(f, "build 1", REGISTRY_REJECTED);
    assert_true(digest_equal(&first, &again));
    assert_int_equal(found(f, "@1").verdict, REGISTRY_REJECTED);
    assert_int_equal(registry_register(f->registry, &manifest, REGISTRY_ACCEPTED, NULL, 0, &again,
                                       &number, &f->err),
                     RC_CONFLICT);
    assert_int_equal(registry_register(f->registry, &manifest, REGISTRY_REJECTED, other_reasons, 1,
                                       &again, &number, &f->err),
                     RC_CONFLICT);
    assert_non_null(strstr(f->err.message, "is registered with another verdict"));
}

static void a_version_is_found_by_number_digest_and_alias(void **state)
{
    struct registry_fixture *f = *state;
    struct digest digest = fixture_version(f, "build 1", REGISTRY_ACCEPTED);
    char prefix[SHA256_HEX_LEN + 1];

    fixture_version(f, "build 2", REGISTRY_ACCEPTED);
    promote(f, "@1", "production");
    registry_close(f->registry);
    f->registry = NULL;
    registry_fixture_open(f);
    assert_string_equal(found(f, "@1").digest.hex, digest.hex);
    assert_string_equal(found(f, "production").digest.hex, digest.hex);
    for (int len = REGISTRY_PREFIX_MIN; len <= SHA256_HEX_LEN; len++) {
        snprintf(prefix, sizeof(prefix), "%.*s", len, digest.hex);
        assert_int_equal(found(f, prefix).number, 1);
    }
    assert_string_equal(found(f, "@2").slm, SLM);
}

static void what_is_no_reference_or_refers_to_nothing_is_refused(void **state)
{
    static const struct {
        const char *slm, *ref;
        enum rc rc;
        const char *message;
    } cases[] = {
        { SLM, "@2", RC_NOT_FOUND, "has no version '@2'" },
        { SLM, "@0", RC_NOT_FOUND, "has no version" },
        { SLM, "@", RC_INVALID, "is no version, expected" },
        { SLM, "@-1", RC_INVALID, "is no version" },
        { SLM, "@99999999999999999999", RC_INVALID, "is no version" },
        { SLM, "production", RC_NOT_FOUND, "has no version 'production'" },
        { SLM, "00000000", RC_NOT_FOUND, "has no version" },
        { SLM, "0000000", RC_INVALID, "is no version" },
        { SLM, "", RC_INVALID, "is no version" },
        { SLM, "' or 1=1 --", RC_INVALID, "is no version" },
        { SLM, "Production", RC_INVALID, "is no version" },
        { SLM, "%", RC_INVALID, "is no version" },
        { "support/other", "@1", RC_NOT_FOUND, "support/other has no version" },
        { "support", "@1", RC_INVALID, "is no slm, expected team/name" },
        { "support/", "@1", RC_INVALID, "is no slm" },
        { "/ticket-triage", "@1", RC_INVALID, "is no slm" },
        { "support/a/b", "@1", RC_INVALID, "is no slm" },
        { "support/Ticket", "@1", RC_INVALID, "is no slm" },
        { "../support/x", "@1", RC_INVALID, "is no slm" },
    };
    struct registry_fixture *f = *state;
    struct registry_version version;

    fixture_version(f, "build 1", REGISTRY_ACCEPTED);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum rc rc = registry_find_version(f->registry, cases[i].slm, cases[i].ref, &f->arena,
                                           &version, &f->err);
        if (rc != cases[i].rc || !strstr(f->err.message, cases[i].message))
            fail_msg("%s %s: %s: %s", cases[i].slm, cases[i].ref, rc_name(rc), f->err.message);
    }
}

static void a_rejected_version_is_not_promoted_to_production(void **state)
{
    struct registry_fixture *f = *state;

    fixture_version(f, "build 1", REGISTRY_REJECTED);
    assert_int_equal(registry_promote(f->registry, SLM, "@1", "production", "anna", "", &f->err),
                     RC_STATE);
    assert_non_null(strstr(f->err.message, "a rejected version cannot have the alias production"));
    promote(f, "@1", "candidate");
    assert_int_equal(found(f, "candidate").number, 1);
}

static void a_promotion_writes_who_when_and_why(void **state)
{
    struct registry_fixture *f = *state;
    struct digest one = fixture_version(f, "build 1", REGISTRY_ACCEPTED);
    struct digest two = fixture_version(f, "build 2", REGISTRY_ACCEPTED);
    struct registry_change *changes;
    struct registry_alias *aliases;
    size_t n;

    promote(f, "@1", "production");
    f->now_ms += 60000;
    assert_ok(registry_promote(f->registry, SLM, "@2", "production", "bert", "it's \"better\"; --",
                               &f->err),
              &f->err);
    f->now_ms += 60000;
    promote(f, "@2", "production"); /* has it already */

    assert_ok(registry_history(f->registry, SLM, "production", &f->arena, &changes, &n, &f->err),
              &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(changes[0].seq, 2);
    assert_true(digest_equal(&changes[0].from, &one));
    assert_true(digest_equal(&changes[0].to, &two));
    assert_string_equal(changes[0].principal, "bert");
    assert_string_equal(changes[0].why, "it's \"better\"; --");
    assert_int_equal(changes[0].at_ms, f->now_ms - 60000);
    assert_false(changes[0].is_rollback);
    assert_int_equal(changes[1].seq, 1);
    assert_string_equal(changes[1].from.hex, "");
    assert_true(digest_equal(&changes[1].to, &one));

    promote(f, "@1", "candidate");
    assert_ok(registry_list_aliases(f->registry, SLM, &f->arena, &aliases, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_string_equal(aliases[0].name, "candidate");
    assert_int_equal(aliases[0].number, 1);
    assert_string_equal(aliases[1].name, "production");
    assert_int_equal(aliases[1].number, 2);
}

static void a_change_that_breaks_a_rule_is_refused(void **state)
{
    static char long_text[REGISTRY_WHY_MAX + 2];
    memset(long_text, 'w', REGISTRY_WHY_MAX + 1);
    const struct {
        const char *slm, *alias, *principal, *why;
    } cases[] = {
        { "ticket-triage", "production", "anna", "" },
        { SLM, "Production", "anna", "" },
        { SLM, "", "anna", "" },
        { SLM, "1st", "anna", "" },
        { SLM, "deadbeef", "anna", "" },
        { SLM, "a b", "anna", "" },
        { SLM, "production", "", "" },
        { SLM, "production", long_text, "" },
        { SLM, "production", "anna", long_text },
        { SLM, "production", "anna", "\xff" },
        { SLM, "production", "\xc0\xaf", "" },
    };
    struct registry_fixture *f = *state;
    struct registry_alias *aliases;
    struct digest digest;
    size_t n;

    fixture_version(f, "build 1", REGISTRY_ACCEPTED);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (registry_promote(f->registry, cases[i].slm, "@1", cases[i].alias, cases[i].principal,
                             cases[i].why, &f->err) != RC_INVALID)
            fail_msg("promote, case %zu", i);
        if (registry_rollback(f->registry, cases[i].slm, cases[i].alias, NULL, cases[i].principal,
                              cases[i].why, &digest, &f->err) != RC_INVALID)
            fail_msg("rollback, case %zu", i);
    }
    assert_ok(registry_list_aliases(f->registry, NULL, &f->arena, &aliases, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
}

static enum rc rollback(struct registry_fixture *f, const struct digest *expected,
                        int64_t *ret_number)
{
    struct digest digest;

    enum rc rc = registry_rollback(f->registry, SLM, "production", expected, "anna", "broken",
                                   &digest, &f->err);
    if (rc == RC_OK) {
        struct registry_version now = found(f, "production");
        assert_true(digest_equal(&now.digest, &digest));
        *ret_number = now.number;
    }
    return rc;
}

static void a_rollback_goes_back_one_version_each_time(void **state)
{
    struct registry_fixture *f = *state;
    struct registry_change *changes;
    int64_t number = 0;
    size_t n;

    for (int i = 1; i <= 4; i++) {
        char build[16];
        snprintf(build, sizeof(build), "build %d", i);
        fixture_version(f, build, REGISTRY_ACCEPTED);
    }
    assert_int_equal(rollback(f, NULL, &number), RC_NOT_FOUND);
    promote(f, "@1", "production");
    assert_int_equal(rollback(f, NULL, &number), RC_STATE);
    assert_non_null(strstr(f->err.message, "has no earlier version"));
    promote(f, "@2", "production");
    promote(f, "@3", "production");
    assert_int_equal(rollback(f, NULL, &number), RC_OK);
    assert_int_equal(number, 2);
    promote(f, "@4", "production"); /* 1 2 4 */
    assert_int_equal(rollback(f, NULL, &number), RC_OK);
    assert_int_equal(number, 2);
    assert_int_equal(rollback(f, NULL, &number), RC_OK);
    assert_int_equal(number, 1);
    assert_int_equal(rollback(f, NULL, &number), RC_STATE);

    assert_ok(registry_history(f->registry, SLM, "production", &f->arena, &changes, &n, &f->err),
              &f->err);
    assert_int_equal(n, 7);
    assert_true(changes[0].is_rollback);
    assert_string_equal(changes[0].why, "broken");
}

static void a_repeated_rollback_with_its_expectation_is_not_done_twice(void **state)
{
    struct registry_fixture *f = *state;
    struct digest two;
    int64_t number = 0;

    fixture_version(f, "build 1", REGISTRY_ACCEPTED);
    two = fixture_version(f, "build 2", REGISTRY_ACCEPTED);
    fixture_version(f, "build 3", REGISTRY_ACCEPTED);
    promote(f, "@3", "production");
    promote(f, "@1", "production");
    promote(f, "@2", "production");
    assert_int_equal(rollback(f, &two, &number), RC_OK);
    assert_int_equal(number, 1);
    assert_int_equal(rollback(f, &two, &number), RC_CONFLICT);
    assert_int_equal(found(f, "production").number, 1);
}

static void the_lineage_goes_from_a_version_to_its_first_ancestor(void **state)
{
    struct registry_fixture *f = *state;
    struct manifest child = fixture_manifest(f, "build 2");
    struct registry_ancestor *chain;
    struct digest digest;
    int64_t number;
    size_t n;

    child.parent = fixture_version(f, "build 1", REGISTRY_ACCEPTED);
    struct manifest_table table = { "vendors", fixture_part(f, "id,name\n") };
    child.tables = &table;
    child.n_tables = 1;
    assert_ok(registry_register(f->registry, &child, REGISTRY_ACCEPTED, NULL, 0, &digest, &number,
                                &f->err),
              &f->err);
    assert_ok(registry_lineage(f->registry, SLM, "@2", &f->arena, &chain, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(chain[0].version.number, 2);
    assert_true(digest_equal(&chain[0].manifest.spec, &child.spec));
    assert_true(digest_equal(&chain[0].manifest.dataset, &child.dataset));
    assert_true(digest_equal(&chain[0].manifest.base, &child.base));
    assert_string_equal(chain[0].manifest.engine_build, "build 2");
    assert_string_equal(chain[0].manifest.tables[0].name, "vendors");
    assert_int_equal(chain[1].version.number, 1);
    assert_string_equal(chain[1].manifest.parent.hex, "");

    char path[FS_PATH_MAX];
    artifact_path(f->artifacts, &child.parent, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(registry_lineage(f->registry, SLM, "@2", &f->arena, &chain, &n, &f->err),
                     RC_NOT_FOUND);
}

static void a_version_with_a_missing_part_is_not_registered(void **state)
{
    struct registry_fixture *f = *state;
    struct digest missing, digest;
    struct registry_version *list;
    int64_t number;
    size_t n;

    assert_ok(sha256_of("nowhere", 7, &missing, &f->err), &f->err);
    for (int part = 0; part < 7; part++) {
        struct manifest m = fixture_manifest(f, "build 1");
        struct manifest_table table = { "vendors", missing };
        struct digest *parts[] = { &m.spec, &m.dataset, &m.base, &m.adapter, &m.report, &m.parent };
        if (part < 6) {
            *parts[part] = missing;
        } else {
            m.tables = &table;
            m.n_tables = 1;
        }
        if (registry_register(f->registry, &m, REGISTRY_ACCEPTED, NULL, 0, &digest, &number,
                              &f->err) != RC_NOT_FOUND)
            fail_msg("part %d", part);
    }
    assert_ok(registry_list(f->registry, NULL, &f->arena, &list, &n, &f->err), &f->err);
    assert_int_equal(n, 0);
}

static void reasons_have_limits(void **state)
{
    static char long_reason[REGISTRY_REASON_MAX + 2];
    const char *many[REGISTRY_REASONS_MAX + 1];
    struct registry_fixture *f = *state;
    struct manifest m = fixture_manifest(f, "build 1");
    struct digest digest;
    int64_t number;
    const struct {
        const char *reason;
        size_t n;
        enum rc rc;
    } cases[] = {
        { "fine", 0, RC_INVALID }, /* rejected without a reason */
        { "fine", REGISTRY_REASONS_MAX + 1, RC_INVALID },
        { "", 1, RC_INVALID },
        { long_reason, 1, RC_INVALID },
        { "\xff", 1, RC_INVALID },
        { "\x01\x02 control characters take six bytes each", REGISTRY_REASONS_MAX, RC_OK },
    };

    memset(long_reason, 'r', REGISTRY_REASON_MAX + 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t k = 0; k < ARRAY_LEN(many); k++)
            many[k] = cases[i].reason;
        enum rc rc = registry_register(f->registry, &m, REGISTRY_REJECTED, many, cases[i].n,
                                       &digest, &number, &f->err);
        if (rc != cases[i].rc)
            fail_msg("case %zu: %s: %s", i, rc_name(rc), rc ? f->err.message : "");
    }
    assert_string_equal(found(f, "@1").reasons[63], cases[5].reason);
}

static void every_failing_allocation_is_reported_and_registers_once(void **state)
{
    struct registry_fixture *f = *state;
    struct manifest m = fixture_manifest(f, "build 1");
    struct registry_version *list;
    enum rc rc = RC_OK;
    size_t n;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct arena arena;
        struct registry_ancestor *chain;
        struct digest digest;
        struct err err;
        int64_t number;

        arena_init(&arena, 1 << 20);
        rc = registry_register(f->registry, &m, REGISTRY_ACCEPTED, NULL, 0, &digest, &number, &err);
        if (rc == RC_OK)
            rc = registry_promote(f->registry, SLM, digest.hex, "production", "anna", "", &err);
        if (rc == RC_OK)
            rc = registry_lineage(f->registry, SLM, "production", &arena, &chain, &n, &err);
        arena_release(&arena);
        if (rc && rc != RC_NOMEM && rc != RC_UNKNOWN)
            fail_msg("allocation %ld: %s: %s", nth, rc_name(rc), err.message);
    }
    assert_int_equal(rc, RC_OK);
    assert_ok(registry_list(f->registry, NULL, &f->arena, &list, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, registry_fixture_set_up, registry_fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(versions_are_numbered_per_slm),
        TEST(a_version_is_registered_once),
        TEST(a_version_is_found_by_number_digest_and_alias),
        TEST(what_is_no_reference_or_refers_to_nothing_is_refused),
        TEST(a_rejected_version_is_not_promoted_to_production),
        TEST(a_promotion_writes_who_when_and_why),
        TEST(a_change_that_breaks_a_rule_is_refused),
        TEST(a_rollback_goes_back_one_version_each_time),
        TEST(a_repeated_rollback_with_its_expectation_is_not_done_twice),
        TEST(the_lineage_goes_from_a_version_to_its_first_ancestor),
        TEST(a_version_with_a_missing_part_is_not_registered),
        TEST(reasons_have_limits),
        TEST(every_failing_allocation_is_reported_and_registers_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
