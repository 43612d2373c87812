/*
 * Drives the real sqlite3 shell, with its default settings (foreign_keys and recursive_triggers
 * off), against a registry that our code made: what must never happen is forbidden by the file.
 */
#include "tests/registry/registry_fixture.h"

#include <stdlib.h>
#include <sys/wait.h>

enum { OUTPUT_MAX = 16 << 10 };

struct shell_fixture {
    struct registry_fixture *f;
    struct digest accepted, rejected, other; /* `other` is accepted too */
};

/* Runs sql in the shell; gives its exit status and everything it printed. */
static int shell(struct shell_fixture *s, const char *sql, char output[OUTPUT_MAX])
{
    char sql_path[TEMP_PATH_MAX], command[3 * TEMP_PATH_MAX];

    FILE *file = fopen(temp_path(&s->f->dir, "statement.sql", sql_path), "w");
    assert_non_null(file);
    fputs(sql, file);
    assert_int_equal(fclose(file), 0);
    snprintf(command, sizeof(command), "sqlite3 -batch -bail '%s' < '%s' 2>&1", s->f->path,
             sql_path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(output, 1, OUTPUT_MAX - 1, pipe);
    output[len] = '\0';
    return WEXITSTATUS(pclose(pipe));
}

static void dump(struct shell_fixture *s, char output[OUTPUT_MAX])
{
    assert_int_equal(shell(s,
                           "select * from version order by digest;"
                           "select * from alias_history order by slm, alias, seq;"
                           "select * from alias; pragma integrity_check;",
                           output),
                     0);
}

/* Two accepted versions and a rejected one; the first accepted one has `production`, the rejected
 * one `candidate`. Then our connection is closed: the shell has the file for itself. */
static int set_up(void **state)
{
    struct shell_fixture *s = test_calloc(1, sizeof(*s));
    char output[OUTPUT_MAX];
    void *registry_state;

    registry_fixture_set_up(&registry_state);
    s->f = registry_state;
    s->accepted = fixture_version(s->f, "build 1", REGISTRY_ACCEPTED);
    s->rejected = fixture_version(s->f, "build 2", REGISTRY_REJECTED);
    s->other = fixture_version(s->f, "build 3", REGISTRY_ACCEPTED);
    assert_ok(
        registry_promote(s->f->registry, SLM, "@1", "production", "anna", "first", &s->f->err),
        &s->f->err);
    assert_ok(registry_promote(s->f->registry, SLM, "@2", "candidate", "anna", "look", &s->f->err),
              &s->f->err);
    registry_close(s->f->registry);
    s->f->registry = NULL;
    assert_int_equal(shell(s, "pragma foreign_keys; pragma recursive_triggers;", output), 0);
    assert_string_equal(output, "0\n0\n");
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct shell_fixture *s = *state;
    void *registry_state = s->f;

    registry_fixture_tear_down(&registry_state);
    test_free(s);
    return 0;
}

/* Replaces %A, %R, %O by the digests of the accepted, the rejected and the other version. */
static void expand(const struct shell_fixture *s, const char *sql, char *out, size_t size)
{
    size_t len = 0;

    for (const char *at = sql; *at && len + SHA256_HEX_LEN < size; at++) {
        const struct digest *digest = at[0] != '%'   ? NULL
                                      : at[1] == 'A' ? &s->accepted
                                      : at[1] == 'R' ? &s->rejected
                                                     : &s->other;
        if (digest) {
            memcpy(out + len, digest->hex, SHA256_HEX_LEN);
            len += SHA256_HEX_LEN;
            at++;
        } else {
            out[len++] = *at;
        }
    }
    out[len] = '\0';
}

struct refused {
    const char *sql, *message;
};

static void assert_each_is_refused(struct shell_fixture *s, const struct refused *cases, size_t n)
{
    char before[OUTPUT_MAX], after[OUTPUT_MAX], output[OUTPUT_MAX], sql[2048];

    dump(s, before);
    for (size_t i = 0; i < n; i++) {
        expand(s, cases[i].sql, sql, sizeof(sql));
        int status = shell(s, sql, output);
        if (status == 0 || !strstr(output, cases[i].message))
            fail_msg("\"%s\" ended with %d: %s", cases[i].sql, status, output);
        dump(s, after);
        if (strcmp(before, after) != 0)
            fail_msg("\"%s\" changed the registry to: %s", cases[i].sql, after);
    }
}

#define HISTORY                                                                                    \
    "into alias_history (slm, alias, seq, from_digest, to_digest, is_rollback, principal, at_ms, " \
    "why)"                                                                                         \
    " values ('support/ticket-triage', "
#define VERSION \
    "into version (digest, slm, number, verdict, reasons, created_ms, created_by) values "

static void a_rejected_version_never_gets_the_alias_production(void **state)
{
    static const char rejected[] = "a rejected version cannot have the alias production";
    static const char view[] = "cannot modify alias because it is a view";
    static const char never[] = "the history of an alias never changes";
    static const char appended[] = "the history of an alias is appended to, without gaps";
    static const struct refused cases[] = {
        { "insert into alias values ('support/ticket-triage', 'production', '%R', 2, 1)", view },
        { "replace into alias values ('support/ticket-triage', 'production', '%R', 1, null)",
          view },
        { "update alias set digest = '%R' where name = 'production'", view },
        { "update or replace alias set name = 'production' where name = 'candidate'", view },
        { "delete from alias where name = 'production'", view },
        { "insert " HISTORY "'production', 2, '%A', '%R', 0, 'eve', 0, '')", rejected },
        { "insert or replace " HISTORY "'production', 2, '%A', '%R', 0, 'eve', 0, '')", rejected },
        { "insert or ignore " HISTORY "'production', 2, '%A', '%R', 0, 'eve', 0, '')", rejected },
        { "insert or rollback " HISTORY "'production', 2, '%A', '%R', 1, 'eve', 0, '')", rejected },
        { "replace " HISTORY "'production', 1, null, '%R', 0, 'eve', 0, '')", rejected },
        { "insert " HISTORY "'production', 2, '%A', '%R', 0, 'eve', 0, '')"
          " on conflict do update set to_digest = excluded.to_digest",
          rejected },
        { "insert " HISTORY "x'70726f64756374696f6e', 1, null, '%R', 0, 'eve', 0, '')",
          "cannot store BLOB value in TEXT column" },
        { "insert " HISTORY "'Production', 1, null, '%R', 0, 'eve', 0, '')",
          "an alias is a lower-case name" },
        { "insert " HISTORY "'production ', 1, null, '%R', 0, 'eve', 0, '')",
          "an alias is a lower-case name" },
        { "insert " HISTORY "null, 1, null, '%R', 0, 'eve', 0, '')", "NOT NULL constraint failed" },
        { "replace " HISTORY "'production', 1, null, '%O', 0, 'eve', 0, '')", appended },
        { "update alias_history set to_digest = '%R' where alias = 'production'", never },
        { "update or replace alias_history set alias = 'production' where alias = 'candidate'",
          never },
        { "update or ignore alias_history set why = 'better'", never },
        { "insert " HISTORY "'candidate', 2, '%R', '%O', 0, 'eve', 0, '');"
          "update alias_history set to_digest = '%R' where seq = 2",
          never },
        { "pragma ignore_check_constraints = on; pragma defer_foreign_keys = on;"
          "insert " HISTORY "'production', 2, '%A', '%R', 0, 'eve', 0, '')",
          rejected },
    };
    struct shell_fixture *s = *state;

    /* All but the last-but-one leave everything as it is; that one adds a legal row first. */
    assert_each_is_refused(s, cases, ARRAY_LEN(cases) - 2);
    assert_each_is_refused(s, cases + ARRAY_LEN(cases) - 1, 1);
    char output[OUTPUT_MAX], sql[2048];
    expand(s, cases[ARRAY_LEN(cases) - 2].sql, sql, sizeof(sql));
    assert_int_not_equal(shell(s, sql, output), 0);
    assert_non_null(strstr(output, never));
}

static void a_verdict_never_changes(void **state)
{
    static const char never[] = "a registered version never changes";
    static const struct refused cases[] = {
        { "update version set verdict = 'accepted' where digest = '%R'", never },
        { "update or replace version set verdict = 'accepted' where digest = '%R'", never },
        { "update or ignore version set verdict = 'accepted'", never },
        { "update version set digest = '%R' where digest = '%A'", never },
        { "update or replace version set digest = '%R' where digest = '%A'", never },
        { "update version set reasons = '[]' where digest = '%R'", never },
        { "replace " VERSION "('%R', 'support/ticket-triage', 2, 'accepted', '[]', 0, 'eve')",
          never },
        { "insert or replace " VERSION
          "('%R', 'support/ticket-triage', 9, 'accepted', '[]', 0, 'e')",
          never },
        { "insert or ignore " VERSION
          "('%R', 'support/ticket-triage', 4, 'accepted', '[]', 0, 'e')",
          never },
        { "insert " VERSION "('%R', 'support/ticket-triage', 4, 'accepted', '[]', 0, 'e')"
          " on conflict (digest) do update set verdict = 'accepted'",
          never },
        /* Another digest in the place of the rejected one. */
        { "replace " VERSION "('0000000000000000000000000000000000000000000000000000000000000000',"
          " 'support/ticket-triage', 2, 'accepted', '[]', 0, 'eve')",
          never },
        { "insert or replace into version (rowid, digest, slm, number, verdict, reasons, "
          "created_ms,"
          " created_by) values (2, 'x', 'support/ticket-triage', 9, 'accepted', '[]', 0, 'e')",
          "no column named rowid" },
        { "delete from version where digest = '%R'", "a registered version is never deleted" },
        { "delete from version", "a registered version is never deleted" },
        { "insert " VERSION "('0000000000000000000000000000000000000000000000000000000000000000',"
          " 'support/ticket-triage', 4, 'maybe', '[]', 0, 'eve')",
          "a verdict is accepted or rejected" },
        { "insert " VERSION "('0000000000000000000000000000000000000000000000000000000000000000',"
          " 'support/ticket-triage', 5, 'accepted', '[]', 0, 'eve')",
          "numbered without gaps" },
        { "insert " VERSION "('%RX', 'support/ticket-triage', 4, 'accepted', '[]', 0, 'eve')",
          "64 lower-case hex digits" },
    };

    assert_each_is_refused(*state, cases, ARRAY_LEN(cases));
}

static void the_history_of_an_alias_is_append_only_and_connected(void **state)
{
    static const struct refused cases[] = {
        { "delete from alias_history", "the history of an alias is never deleted" },
        { "delete from alias_history where alias = 'candidate'",
          "the history of an alias is never deleted" },
        { "update alias_history set principal = 'eve'", "the history of an alias never changes" },
        { "insert " HISTORY "'production', 3, '%A', '%O', 0, 'eve', 0, '')", "without gaps" },
        { "insert " HISTORY "'production', 1, null, '%O', 0, 'eve', 0, '')", "without gaps" },
        { "insert or replace " HISTORY "'production', 1, null, '%O', 0, 'eve', 0, '')",
          "without gaps" },
        { "insert " HISTORY "'production', 2, '%O', '%O', 0, 'eve', 0, '')",
          "starts from the version that has it" },
        { "insert " HISTORY "'production', 2, null, '%O', 0, 'eve', 0, '')",
          "starts from the version that has it" },
        { "insert " HISTORY "'fresh', 1, '%A', '%O', 0, 'eve', 0, '')",
          "starts from the version that has it" },
        { "insert " HISTORY "'production', 2, '%A',"
          " '0000000000000000000000000000000000000000000000000000000000000000', 0, 'eve', 0, '')",
          "a registered version of its own slm" },
        { "insert into alias_history (slm, alias, seq, to_digest, is_rollback, principal, at_ms, "
          "why)"
          " values ('finance/invoice-check', 'production', 1, '%A', 0, 'eve', 0, '')",
          "a registered version of its own slm" },
    };

    assert_each_is_refused(*state, cases, ARRAY_LEN(cases));
}

static void what_is_allowed_still_works_in_the_shell_and_in_ours(void **state)
{
    struct shell_fixture *s = *state;
    struct registry_fixture *f = s->f;
    struct registry_version version;
    char output[OUTPUT_MAX], sql[2048];

    expand(s, "insert " HISTORY "'production', 2, '%A', '%O', 0, 'shell', 0, 'by hand')", sql,
           sizeof(sql));
    if (shell(s, sql, output))
        fail_msg("%s", output);
    assert_int_equal(shell(s, "select digest from alias where name = 'production'", output), 0);
    assert_memory_equal(output, s->other.hex, SHA256_HEX_LEN);

    registry_fixture_open(f);
    assert_ok(registry_find_version(f->registry, SLM, "production", &f->arena, &version, &f->err),
              &f->err);
    assert_true(digest_equal(&version.digest, &s->other));
    assert_int_equal(registry_promote(f->registry, SLM, "@2", "production", "anna", "try", &f->err),
                     RC_STATE);
    assert_ok(registry_promote(f->registry, SLM, "@1", "production", "anna", "back", &f->err),
              &f->err);
    registry_close(f->registry);
    f->registry = NULL;
    assert_int_equal(
        shell(s, "select count(*) from alias_history where alias = 'production'", output), 0);
    assert_string_equal(output, "3\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_rejected_version_never_gets_the_alias_production),
        TEST(a_verdict_never_changes),
        TEST(the_history_of_an_alias_is_append_only_and_connected),
        TEST(what_is_allowed_still_works_in_the_shell_and_in_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
