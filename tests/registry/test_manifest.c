#include "tests/support/test.h"

#include "registry/manifest.h"

#include <string.h>

#define D "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define E "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* The text of a manifest with the given members in the place of the usual ones. */
#define TEXT_OF(calibration, created, format, parent, tables, more)                          \
    "{\"adapter\":\"" D "\",\"base\":\"" D "\",\"calibration\":" calibration                 \
    ",\"created_by\":\"anna\",\"created_ms\":" created ",\"dataset\":\"" D                   \
    "\",\"engine_build\":\"b1\",\"format\":" format ",\"parent\":" parent ",\"report\":\"" D \
    "\",\"slm\":\"ticket-triage\",\"spec\":\"" E "\",\"tables\":" tables                     \
    ",\"team\":\"support\"" more "}"
#define TEXT \
    TEXT_OF("{\"a\":[1,2.50]}", "1764000000000", "1", "null", "{\"vendors\":\"" E "\"}", "")

static void a_manifest_is_read_as_it_was_written(void **state)
{
    CLEANUP(arena_release) struct arena arena;
    CLEANUP(buf_release) struct buf out;
    struct manifest m;
    struct err err;
    (void)state;

    arena_init(&arena, 1 << 20);
    buf_init(&out, MANIFEST_BYTES_MAX);
    assert_int_equal(manifest_parse(STR(TEXT), &arena, &m, &err), RC_OK);
    assert_string_equal(m.team, "support");
    assert_string_equal(m.slm, "ticket-triage");
    assert_string_equal(m.spec.hex, E);
    assert_string_equal(m.parent.hex, "");
    assert_int_equal(m.n_tables, 1);
    assert_string_equal(m.tables[0].name, "vendors");
    assert_string_equal(m.tables[0].digest.hex, E);
    assert_true(str_is(m.calibration, "{\"a\":[1,2.50]}"));
    assert_string_equal(m.engine_build, "b1");
    assert_string_equal(m.created_by, "anna");
    assert_int_equal(m.created_ms, 1764000000000);

    assert_int_equal(manifest_encode(&m, &out, &err), RC_OK);
    assert_true(str_is(buf_str(&out), TEXT));
}

static void broken_manifests_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *text;
        enum rc rc;
        const char *message;
    } cases[] = {
        { "", RC_CORRUPT, "manifest: " },
        { "{", RC_CORRUPT, "manifest: line 1" },
        { "[]", RC_CORRUPT, "'format' is missing, expected number" },
        { "{}", RC_CORRUPT, "'format' is missing" },
        { "null", RC_CORRUPT, "'format' is missing" },
        { TEXT " ", RC_CORRUPT, "not in canonical form" },
        { TEXT_OF("{\"b\":1,\"a\":1}", "1", "1", "null", "{}", ""), RC_CORRUPT,
          "not in canonical" },
        { TEXT_OF("{}", "1.0", "1", "null", "{}", ""), RC_CORRUPT, "not in canonical form" },
        { TEXT_OF("{}", "1", "2", "null", "{}", ""), RC_UNSUPPORTED,
          "format 2, this build knows 1" },
        { TEXT_OF("{}", "1", "\"1\"", "null", "{}", ""), RC_CORRUPT, "'format' is string" },
        { TEXT_OF("{}", "1", "1.5", "null", "{}", ""), RC_CORRUPT, "no whole number" },
        { TEXT_OF("{}", "1e400", "1", "null", "{}", ""), RC_CORRUPT, "'created_ms' is no whole" },
        { TEXT_OF("{}", "9223372036854775808", "1", "null", "{}", ""), RC_CORRUPT,
          "no whole number" },
        { TEXT_OF("[]", "1", "1", "null", "{}", ""), RC_CORRUPT, "'calibration' is array" },
        { TEXT_OF("{}", "1", "1", "7", "{}", ""), RC_CORRUPT, "'parent' is number" },
        { TEXT_OF("{}", "1", "1", "\"BA7816\"", "{}", ""), RC_CORRUPT, "'parent' is no SHA-256" },
        { TEXT_OF("{}", "1", "1", "\"sha256:" D "\"", "{}", ""), RC_CORRUPT, "is no SHA-256" },
        { TEXT_OF("{}", "1", "1", "\"../../../etc/passwd\"", "{}", ""), RC_CORRUPT, "no SHA-256" },
        { TEXT_OF("{}", "1", "1", "null", "[]", ""), RC_CORRUPT, "'tables' is array" },
        { TEXT_OF("{}", "1", "1", "null", "{\"v\":1}", ""), RC_CORRUPT, "'v' is number" },
        { TEXT_OF("{}", "1", "1", "null", "{\"\":\"" D "\"}", ""), RC_CORRUPT, "table name of 0" },
        { TEXT_OF("{}", "1", "1", "null", "{\"v\":\"" D "\",\"v\":\"" D "\"}", ""), RC_CORRUPT,
          "manifest: line 1" },
        { TEXT_OF("{}", "1", "1", "null", "{}", ",\"zz\":1"), RC_CORRUPT, "1 unknown members" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena_release) struct arena arena;
        struct manifest m;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        enum rc rc = manifest_parse(str_of(cases[i].text), &arena, &m, &err);
        if (rc != cases[i].rc || !strstr(err.message, cases[i].message))
            fail_msg("case %zu: %s: %s", i, rc_name(rc), err.message);
    }
}

static void a_manifest_that_breaks_a_rule_is_not_written(void **state)
{
    static char long_text[MANIFEST_TEXT_MAX + 2];
    static struct manifest_table tables[MANIFEST_TABLES_MAX + 1];
    const struct manifest good = { .team = "support",
                                   .slm = "ticket-triage",
                                   .calibration = STR("{}"),
                                   .engine_build = "b1",
                                   .created_by = "anna" };
    struct manifest cases[] = { good, good, good, good, good, good, good, good, good };
    const enum rc rcs[] = { RC_OK,      RC_INVALID, RC_INVALID, RC_INVALID, RC_INVALID,
                            RC_INVALID, RC_INVALID, RC_INVALID, RC_INVALID };
    (void)state;

    memset(long_text, 'x', sizeof(long_text) - 1);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        tables[i].name = "same";
    cases[1].team = "Support";
    cases[2].slm = "-triage";
    cases[3].created_by = long_text;
    cases[4].engine_build = long_text;
    cases[5].calibration = STR("{\"a\":}");
    cases[6].calibration = STR("[1]");
    cases[7].tables = tables;
    cases[7].n_tables = 2; /* twice the same name */
    cases[8].tables = tables;
    cases[8].n_tables = MANIFEST_TABLES_MAX + 1;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out;
        struct err err = { 0 };

        buf_init(&out, MANIFEST_BYTES_MAX);
        enum rc rc = manifest_encode(&cases[i], &out, &err);
        if (rc != rcs[i])
            fail_msg("case %zu: %s: %s", i, rc_name(rc), err.message);
    }
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct arena arena;
        struct buf out;
        struct manifest m;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        buf_init(&out, MANIFEST_BYTES_MAX);
        rc = manifest_parse(STR(TEXT), &arena, &m, &err);
        if (rc == RC_OK)
            rc = manifest_encode(&m, &out, &err);
        arena_release(&arena);
        buf_release(&out);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_is_read_as_it_was_written),
        cmocka_unit_test(broken_manifests_are_refused_with_a_reason),
        cmocka_unit_test(a_manifest_that_breaks_a_rule_is_not_written),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
