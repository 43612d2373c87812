#include "tests/support/temp.h"

#include "orchestrate/run_journal.h"

struct fixture {
    struct temp_dir dir;
    char path[TEMP_PATH_MAX];
    struct run_journal *journal;
    struct arena arena;
    struct digest definition, request;
    struct err err;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){ 0 };
    temp_dir_make(&f.dir);
    temp_path(&f.dir, "runs.db", f.path);
    arena_init(&f.arena, 16 << 20);
    assert_ok(run_journal_open(f.path, &f.journal, &f.err), &f.err);
    assert_ok(sha256_of("d", 1, &f.definition, &f.err), &f.err);
    assert_ok(sha256_of("r", 1, &f.request, &f.err), &f.err);
    assert_ok(run_journal_keep(f.journal, &f.definition, STR("{}"), &f.err), &f.err);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    run_journal_close(f->journal);
    arena_release(&f->arena);
    temp_dir_remove(&f->dir);
    return 0;
}

static enum rc start_run(struct fixture *f, const char *id, const char *key, int64_t due_ms,
                         struct run_write *write)
{
    struct run_event event = { .kind = RUN_EVENT_STARTED, .at_ms = 5, .body = STR("{}") };
    struct run_start start = { .flow = "f",
                               .definition = f->definition,
                               .principal = "p",
                               .key = key,
                               .request = f->request,
                               .due_ms = due_ms };

    *write = (struct run_write){ .run = id, .event = &event, .start = &start };
    return run_journal_write(f->journal, write, 1, &f->err);
}

static enum rc add_event(struct fixture *f, const char *id, int64_t number, struct run_event event,
                         enum run_status status)
{
    struct run_write write = { .run = id, .event = &event, .number = number, .status = status };

    return run_journal_write(f->journal, &write, 1, &f->err);
}

static void a_key_is_one_run(void **state)
{
    struct fixture *f = *state;
    struct run_write write;

    assert_ok(start_run(f, "run_1", "k", 0, &write), &f->err);
    assert_int_equal(write.fate, RUN_WRITTEN);
    assert_ok(start_run(f, "run_2", "k", 0, &write), &f->err);
    assert_int_equal(write.fate, RUN_REPEATED);
    assert_string_equal(write.known, "run_1");
    assert_ok(sha256_of("other", 5, &f->request, &f->err), &f->err);
    assert_ok(start_run(f, "run_2", "k", 0, &write), &f->err);
    assert_int_equal(write.fate, RUN_MISUSED);
    assert_ok(start_run(f, "run_3", NULL, 0, &write), &f->err);
    assert_int_equal(write.fate, RUN_WRITTEN);
}

static void an_attempt_has_one_result(void **state)
{
    struct fixture *f = *state;
    struct run_event done = { RUN_EVENT_DONE, 3, 1, 2, 9, STR("{\"output\":{}}") };
    struct run_event failed = { RUN_EVENT_FAILED, 3, 1, 2, 9, STR("{}") };
    struct run_write write;
    struct run_event *events;
    size_t n;

    assert_ok(start_run(f, "run_1", NULL, 0, &write), &f->err);
    assert_ok(add_event(f, "run_1", 1, done, RUN_RUNNING), &f->err);
    assert_int_equal(add_event(f, "run_1", 2, failed, RUN_RUNNING), RC_EXISTS);
    assert_int_equal(add_event(f, "run_1", 1, failed, RUN_RUNNING), RC_EXISTS);
    failed.attempt = 3;
    assert_ok(add_event(f, "run_1", 2, failed, RUN_RUNNING), &f->err);
    assert_ok(run_journal_events(f->journal, "run_1", 1, &f->arena, &events, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_int_equal(events[0].kind, RUN_EVENT_DONE);
    assert_int_equal(events[0].step, 3);
    assert_string_equal(events[0].body.at, "{\"output\":{}}");
    assert_int_equal(events[1].attempt, 3);
    assert_int_equal(run_journal_events(f->journal, "run_9", 0, &f->arena, &events, &n, &f->err),
                     RC_NOT_FOUND);
}

static void runs_that_have_not_ended_are_found_again(void **state)
{
    struct fixture *f = *state;
    struct run_event ended = { .kind = RUN_EVENT_ENDED, .at_ms = 40, .body = STR("{}") };
    struct run_write write;
    struct run_row *rows;
    size_t n;

    assert_ok(start_run(f, "run_1", NULL, 0, &write), &f->err);
    assert_ok(start_run(f, "run_2", NULL, 30, &write), &f->err);
    assert_ok(start_run(f, "run_3", NULL, 50, &write), &f->err);
    assert_ok(add_event(f, "run_1", 1, ended, RUN_SUCCEEDED), &f->err);
    run_journal_close(f->journal);
    f->journal = NULL;
    assert_ok(run_journal_open(f->path, &f->journal, &f->err), &f->err);

    assert_ok(run_journal_unfinished(f->journal, &f->arena, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 2);
    assert_string_equal(rows[0].id, "run_2");
    assert_true(digest_equal(&rows[0].definition, &f->definition));

    struct run_filter overdue = { .overdue_ms = 40, .limit = 10 };
    assert_ok(run_journal_list(f->journal, &overdue, &f->arena, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_string_equal(rows[0].id, "run_2");

    struct run_filter succeeded = { .flow = "f", .status = "succeeded", .limit = 10 };
    assert_ok(run_journal_list(f->journal, &succeeded, &f->arena, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].ended_ms, 40);
    assert_int_equal(rows[0].status, RUN_SUCCEEDED);

    struct run_filter newest = { .limit = 1 };
    assert_ok(run_journal_list(f->journal, &newest, &f->arena, &rows, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_string_equal(rows[0].id, "run_3");
}

static void a_run_that_has_ended_stays_so(void **state)
{
    struct fixture *f = *state;
    struct run_event ended = { .kind = RUN_EVENT_ENDED, .at_ms = 40, .body = STR("{}") };
    struct run_write write;

    assert_ok(start_run(f, "run_1", NULL, 0, &write), &f->err);
    assert_ok(add_event(f, "run_1", 1, ended, RUN_FAILED), &f->err);
    assert_int_equal(add_event(f, "run_1", 2, ended, RUN_SUCCEEDED), RC_STATE);
}

static void a_start_needs_a_definition_that_is_kept(void **state)
{
    struct fixture *f = *state;
    struct run_write write;
    struct str text;

    assert_ok(run_journal_definition(f->journal, &f->definition, &f->arena, &text, &f->err),
              &f->err);
    assert_string_equal(text.at, "{}");
    assert_ok(sha256_of("x", 1, &f->definition, &f->err), &f->err);
    assert_int_equal(run_journal_definition(f->journal, &f->definition, &f->arena, &text, &f->err),
                     RC_NOT_FOUND);
    assert_int_equal(start_run(f, "run_1", NULL, 0, &write), RC_INVALID);
}

#define JOURNAL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(a_key_is_one_run),
        JOURNAL_TEST(an_attempt_has_one_result),
        JOURNAL_TEST(runs_that_have_not_ended_are_found_again),
        JOURNAL_TEST(a_run_that_has_ended_stays_so),
        JOURNAL_TEST(a_start_needs_a_definition_that_is_kept),
    };

    return cmocka_run_group_tests_name("orchestrate/run journal", tests, NULL, NULL);
}
