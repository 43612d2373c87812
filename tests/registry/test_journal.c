#include "tests/support/temp.h"

#include "registry/journal.h"

#include <string.h>

struct fixture {
    struct temp_dir dir;
    char path[TEMP_PATH_MAX];
    struct journal *journal;
    struct arena arena;
    int64_t now_ms;
    struct digest inputs, other_inputs;
    struct err err;
};

static void open_journal(struct fixture *f)
{
    assert_ok(journal_open(f->path, clock_fixed(&f->now_ms), &f->journal, &f->err), &f->err);
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    temp_dir_make(&f->dir);
    temp_path(&f->dir, "journal.db", f->path);
    arena_init(&f->arena, 16 << 20);
    f->now_ms = 1000;
    assert_ok(sha256_of("a", 1, &f->inputs, &f->err), &f->err);
    assert_ok(sha256_of("b", 1, &f->other_inputs, &f->err), &f->err);
    open_journal(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    journal_close(f->journal);
    arena_release(&f->arena);
    temp_dir_remove(&f->dir);
    test_free(f);
    return 0;
}

static struct journal_step begin(struct fixture *f, const char *name)
{
    struct journal_step step;

    assert_ok(journal_begin(f->journal, name, &f->inputs, &f->arena, &step, &f->err), &f->err);
    return step;
}

static struct journal_step finish(struct fixture *f, const char *name, const char *result)
{
    struct journal_step step;

    assert_ok(journal_finish(f->journal, name, str_of(result), &f->arena, &step, &f->err), &f->err);
    return step;
}

static void a_step_is_begun_then_finished_with_a_result(void **state)
{
    struct fixture *f = *state;
    struct journal_step step;

    assert_int_equal(journal_find(f->journal, "train", &f->arena, &step, &f->err), RC_NOT_FOUND);
    step = begin(f, "train");
    assert_int_equal(step.state, JOURNAL_BEGUN);
    assert_int_equal(step.n_begun, 1);
    assert_int_equal(step.begun_ms, 1000);
    assert_int_equal(step.result.len, 0);
    f->now_ms = 3000;
    step = finish(f, "train", "{\"loss\":0.5}");
    assert_int_equal(step.state, JOURNAL_FINISHED);

    journal_close(f->journal);
    f->journal = NULL;
    open_journal(f);
    assert_ok(journal_find(f->journal, "train", &f->arena, &step, &f->err), &f->err);
    assert_int_equal(step.state, JOURNAL_FINISHED);
    assert_true(str_is(step.result, "{\"loss\":0.5}"));
    assert_true(digest_equal(&step.inputs, &f->inputs));
    assert_int_equal(step.begun_ms, 1000);
    assert_int_equal(step.finished_ms, 3000);
}

static void the_first_result_of_a_step_stands(void **state)
{
    struct fixture *f = *state;

    begin(f, "train");
    finish(f, "train", "{\"loss\":0.5}");
    f->now_ms = 9000;
    assert_true(str_is(finish(f, "train", "{\"loss\":0.4}").result, "{\"loss\":0.5}"));
    struct journal_step again = begin(f, "train");
    assert_int_equal(again.state, JOURNAL_FINISHED);
    assert_true(str_is(again.result, "{\"loss\":0.5}"));
    assert_int_equal(again.n_begun, 1);
    assert_int_equal(again.finished_ms, 1000);
}

static void a_step_without_a_result_is_begun_again(void **state)
{
    struct fixture *f = *state;

    begin(f, "train");
    f->now_ms = 2000;
    struct journal_step again = begin(f, "train");
    assert_int_equal(again.state, JOURNAL_BEGUN);
    assert_int_equal(again.n_begun, 2);
    assert_int_equal(again.begun_ms, 2000);
}

static void a_step_on_other_inputs_is_refused(void **state)
{
    struct fixture *f = *state;
    struct journal_step step;

    begin(f, "train");
    assert_int_equal(
        journal_begin(f->journal, "train", &f->other_inputs, &f->arena, &step, &f->err),
        RC_CONFLICT);
    assert_non_null(strstr(f->err.message, "'train' was begun on other inputs"));
}

static void what_breaks_a_rule_is_refused(void **state)
{
    static char long_name[JOURNAL_NAME_MAX + 2], *long_result;
    struct fixture *f = *state;
    struct journal_step step;

    memset(long_name, 'n', JOURNAL_NAME_MAX + 1);
    assert_int_equal(journal_begin(f->journal, "", &f->inputs, &f->arena, &step, &f->err),
                     RC_INVALID);
    assert_int_equal(journal_begin(f->journal, long_name, &f->inputs, &f->arena, &step, &f->err),
                     RC_INVALID);
    assert_int_equal(journal_finish(f->journal, "train", STR("{}"), &f->arena, &step, &f->err),
                     RC_STATE);
    begin(f, "train");
    assert_int_equal(journal_finish(f->journal, "train", STR("{"), &f->arena, &step, &f->err),
                     RC_INVALID);
    assert_int_equal(journal_finish(f->journal, "train", STR(""), &f->arena, &step, &f->err),
                     RC_INVALID);
    long_result = arena_array(&f->arena, char, JOURNAL_RESULT_MAX + 1);
    assert_non_null(long_result);
    memset(long_result, ' ', JOURNAL_RESULT_MAX + 1);
    assert_int_equal(journal_finish(f->journal, "train",
                                    (struct str){ long_result, JOURNAL_RESULT_MAX + 1 }, &f->arena,
                                    &step, &f->err),
                     RC_LIMIT);
    assert_int_equal(begin(f, "train").state, JOURNAL_BEGUN);
}

static void steps_are_listed_in_the_order_they_were_begun(void **state)
{
    static const char *const names[] = { "data", "train '; drop table step; --", "evaluate" };
    struct fixture *f = *state;
    struct journal_step *steps;
    size_t n;

    for (size_t i = 0; i < 3; i++)
        begin(f, names[i]);
    begin(f, names[0]);
    finish(f, names[1], "[]");
    assert_ok(journal_list(f->journal, &f->arena, &steps, &n, &f->err), &f->err);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(steps[i].name, names[i]);
        assert_int_equal(steps[i].state, i == 1 ? JOURNAL_FINISHED : JOURNAL_BEGUN);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_step_is_begun_then_finished_with_a_result),
        TEST(the_first_result_of_a_step_stands),
        TEST(a_step_without_a_result_is_begun_again),
        TEST(a_step_on_other_inputs_is_refused),
        TEST(what_breaks_a_rule_is_refused),
        TEST(steps_are_listed_in_the_order_they_were_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
