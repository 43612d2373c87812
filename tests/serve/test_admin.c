/* The admin operations on files that this process has open: arguments, and every failing
 * allocation. */
#include "tests/serve/service_fixture.h"

static enum rc call(struct service_fixture *f, struct serve_team *team, const char *operation,
                    const char *arguments, struct buf *answer)
{
    struct arena arena;

    arena_init(&arena, ADMIN_ARENA_BYTES_MAX);
    buf_init(answer, ADMIN_ANSWER_BYTES_MAX);
    enum rc rc = admin_call(team, operation, str_of(arguments), geteuid(), &arena, answer, &f->err);
    arena_release(&arena);
    return rc;
}

static void arguments_that_are_wrong_are_named(void **state)
{
    static const struct {
        const char *operation, *arguments;
        enum rc rc;
        const char *message;
    } cases[] = {
        /* clang-format off */
        { "delete", "{}", RC_NOT_FOUND, "no operation 'delete'" },
        { "list", "[]", RC_INVALID, "list: expected an object" },
        { "list", "{\"slm\":7}", RC_INVALID, "list: slm: expected string, got number" },
        { "list", "{", RC_INVALID, "body: line 1" },
        { "show", "{\"slm\":\"triage\"}", RC_INVALID, "show: 'ref' is missing" },
        { "show", "{\"slm\":\"triage\",\"reff\":\"@1\",\"ref\":\"@1\"}", RC_INVALID, "unknown member 'reff', did you mean 'ref'?" },
        { "show", "{\"slm\":\"../triage\",\"ref\":\"@1\"}", RC_INVALID, "" },
        { "show", "{\"slm\":\"triage\",\"ref\":\"@1\",\"key\":\"slm1_x\"}", RC_DENIED, "" },
        { "promote", "{\"slm\":\"triage\",\"ref\":\"@3\",\"alias\":\"production\",\"why\":\"x\"}", RC_STATE, "" },
        { "promote", "{\"slm\":\"triage\",\"ref\":\"@9\",\"alias\":\"production\",\"why\":\"x\"}", RC_NOT_FOUND, "" },
        { "rollback", "{\"slm\":\"triage\",\"alias\":\"production\",\"why\":\"x\"}", RC_STATE, "" },
        { "rollback", "{\"slm\":\"triage\",\"alias\":\"production\",\"why\":\"x\",\"expected\":\"ab\"}", RC_INVALID, "expected: is no digest" },
        { "replay", "{\"id\":\"dec_x\"}", RC_NOT_FOUND, "" },
        { "replay", "{\"id\":\"dec_x\",\"cpu\":\"z80\"}", RC_INVALID, "cpu: expected scalar" },
        { "feedback_export", "{\"slm\":\"triage\",\"path\":\"rows.jsonl\"}", RC_INVALID, "path: expected an absolute path" },
        { "principal_create", "{\"name\":\"x\",\"scopes\":[\"root\"]}", RC_INVALID, "scopes: expected decide" },
        { "principal_create", "{\"name\":\"x\",\"scopes\":[]}", RC_INVALID, "" },
        { "principal_create", "{\"name\":\"x\",\"scopes\":[\"read\"],\"expires_ms\":1.5}", RC_INVALID, "expires_ms: expected" },
        { "principal_revoke", "{\"key_id\":\"none\"}", RC_NOT_FOUND, "" },
        { "register", "{\"manifest\":{},\"verdict\":\"accepted\",\"reasons\":[]}", RC_INVALID, "manifest: expected" },
        { "register", "{\"manifest\":{},\"verdict\":\"fine\",\"reasons\":[]}", RC_INVALID, "verdict: expected" },
        /* clang-format on */
    };
    struct service_fixture *f = *state;
    struct serve_team *team;

    assert_ok(serve_team_open(&f->team, &team, &f->err), &f->err);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf answer;
        enum rc rc = call(f, team, cases[i].operation, cases[i].arguments, &answer);
        if (rc != cases[i].rc || !strstr(f->err.message, cases[i].message))
            fail_msg("%s %s: %s, '%s'", cases[i].operation, cases[i].arguments, rc_name(rc),
                     f->err.message);
        buf_release(&answer);
    }
    serve_team_close(team);
}

static void an_admins_key_names_who_did_it_and_another_key_may_not(void **state)
{
    struct service_fixture *f = *state;
    struct serve_team *team;
    char arguments[512], weak[PRINCIPAL_KEY_LEN + 1];
    struct buf answer;

    assert_ok(serve_team_open(&f->team, &team, &f->err), &f->err);
    assert_ok(
        principal_create(team->record, "bot", PRINCIPAL_DECIDE, PRINCIPAL_ALL, 0, weak, &f->err),
        &f->err);
    snprintf(arguments, sizeof(arguments),
             "{\"slm\":\"triage\",\"ref\":\"@2\",\"alias\":\"candidate\",\"why\":\"w\",\"key\":"
             "\"%s\"}",
             weak);
    assert_int_equal(call(f, team, "promote", arguments, &answer), RC_DENIED);
    buf_release(&answer);
    snprintf(arguments, sizeof(arguments),
             "{\"slm\":\"triage\",\"ref\":\"@2\",\"alias\":\"candidate\",\"why\":\"w\",\"key\":"
             "\"%s\"}",
             f->key);
    assert_ok(call(f, team, "promote", arguments, &answer), &f->err);
    buf_release(&answer);
    assert_ok(call(f, team, "history", "{\"slm\":\"triage\",\"alias\":\"candidate\"}", &answer),
              &f->err);
    assert_non_null(strstr(answer.at, "\"principal\":\"shop\""));
    buf_release(&answer);
    serve_team_close(team);
}

static void an_admins_key_makes_no_key_that_may_more(void **state)
{
    struct service_fixture *f = *state;
    struct serve_team *team;
    char arguments[512], admin[PRINCIPAL_KEY_LEN + 1];
    struct buf answer;

    assert_ok(serve_team_open(&f->team, &team, &f->err), &f->err);
    assert_ok(
        principal_create(team->record, "ops", PRINCIPAL_ADMIN, PRINCIPAL_ALL, 0, admin, &f->err),
        &f->err);
    snprintf(arguments, sizeof(arguments),
             "{\"name\":\"x\",\"scopes\":[\"admin\",\"decide\"],\"key\":\"%s\"}", admin);
    assert_int_equal(call(f, team, "principal_create", arguments, &answer), RC_DENIED);
    buf_release(&answer);
    snprintf(arguments, sizeof(arguments), "{\"name\":\"x\",\"scopes\":[\"admin\"],\"key\":\"%s\"}",
             admin);
    assert_ok(call(f, team, "principal_create", arguments, &answer), &f->err);
    buf_release(&answer);
    serve_team_close(team);
}

static void a_manifest_is_registered_once_and_another_teams_is_refused(void **state)
{
    struct service_fixture *f = *state;
    struct serve_team *team;
    struct manifest manifest;
    struct buf arguments, answer;

    assert_ok(serve_team_open(&f->team, &team, &f->err), &f->err);
    assert_ok(
        registry_find_manifest(team->registry, &f->versions[0], &f->arena, &manifest, &f->err),
        &f->err);
    for (size_t i = 0; i < 3; i++) {
        if (i == 2)
            manifest.team = "finance";
        manifest.created_by = "somebody else";
        buf_init(&arguments, 1 << 16);
        buf_append_text(&arguments, "{\"verdict\":\"accepted\",\"reasons\":[],\"manifest\":");
        assert_ok(manifest_encode(&manifest, &arguments, &f->err), &f->err);
        buf_append_char(&arguments, '}');
        enum rc rc = call(f, team, "register", arguments.at, &answer);
        assert_int_equal(rc, i < 2 ? RC_OK : RC_INVALID);
        if (i < 2)
            assert_non_null(strstr(answer.at, "\"number\":4}"));
        buf_release(&answer);
        buf_release(&arguments);
    }
    serve_team_close(team);
}

static void every_failing_allocation_is_reported(void **state)
{
    static const struct {
        const char *operation, *arguments;
    } calls[] = {
        { "list", "{}" },
        { "show", "{\"slm\":\"triage\",\"ref\":\"production\"}" },
        { "history", "{\"slm\":\"triage\",\"alias\":\"production\"}" },
        { "principal_list", "{}" },
        { "promote", "{\"slm\":\"triage\",\"ref\":\"@2\",\"alias\":\"candidate\",\"why\":\"x\"}" },
    };
    struct service_fixture *f = *state;
    struct serve_team *team;
    enum rc rc = RC_OK;

    assert_ok(serve_team_open(&f->team, &team, &f->err), &f->err);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        FOR_EACH_FAILING_ALLOC (nth) {
            struct buf answer;
            rc = call(f, team, calls[i].operation, calls[i].arguments, &answer);
            if (rc != RC_OK && rc != RC_NOMEM)
                fail_msg("%s, allocation %ld: %s, %s", calls[i].operation, nth, rc_name(rc),
                         f->err.message);
            buf_release(&answer);
        }
        assert_int_equal(rc, RC_OK);
    }
    serve_team_close(team);
}

static void opening_a_team_survives_every_failing_allocation(void **state)
{
    struct service_fixture *f = *state;
    enum rc rc = RC_OK;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct serve_team *team = NULL;
        rc = serve_team_open(&f->team, &team, &f->err);
        if (rc != RC_OK && rc != RC_NOMEM)
            fail_msg("allocation %ld: %s", nth, f->err.message);
        serve_team_close(team);
    }
    assert_int_equal(rc, RC_OK);
}

static int set_up(void **state)
{
    struct service_fixture *f = test_calloc(1, sizeof(*f));

    fixture_make_workspace(f);
    *state = f;
    return 0;
}

int main(void)
{
#define ADMIN_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        ADMIN_TEST(arguments_that_are_wrong_are_named),
        ADMIN_TEST(an_admins_key_names_who_did_it_and_another_key_may_not),
        ADMIN_TEST(an_admins_key_makes_no_key_that_may_more),
        ADMIN_TEST(a_manifest_is_registered_once_and_another_teams_is_refused),
        ADMIN_TEST(every_failing_allocation_is_reported),
        ADMIN_TEST(opening_a_team_survives_every_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
