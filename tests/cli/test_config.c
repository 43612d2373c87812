#include "tests/support/temp.h"

#include "cli/config.h"

#include <unistd.h>

struct fixture {
    struct temp_dir dir;
    struct arena arena;
    struct config config;
    struct err err;
};

static const char *const variables[] = { "SHOAL_WORKSPACE", "SHOAL_HOME", "SHOAL_SHARE",
                                         "SHOAL_CPU",       "SHOAL_KEY",  "SHOAL_THREADS",
                                         "SHOAL_JSON",      "HOME" };

static int set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        unsetenv(variables[i]);
    temp_dir_make(&f.dir);
    arena_init(&f.arena, 1 << 20);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(chdir("/"), 0);
    arena_release(&f->arena);
    temp_dir_remove(&f->dir);
    return 0;
}

static enum rc set_flag(struct fixture *f, const char *flag, const char *value)
{
    int row = config_find(str_of(flag));

    assert_true(row >= 0);
    return config_set(&f->config, row, value, &f->arena, &f->err);
}

static void the_later_of_default_environment_and_flag_wins(void **state)
{
    struct fixture *f = *state;
    int threads = config_find(STR("threads")), cpu = config_find(STR("cpu"));

    assert_ok(config_init(&f->arena, &f->config, &f->err), &f->err);
    assert_true(f->config.threads >= 1);
    assert_string_equal(f->config.cpu, "auto");
    assert_int_equal(f->config.sources[threads], CONFIG_DEFAULT);

    setenv("SHOAL_THREADS", "3", 1);
    setenv("SHOAL_CPU", "", 1); /* as if it were not set */
    assert_ok(config_init(&f->arena, &f->config, &f->err), &f->err);
    assert_int_equal(f->config.threads, 3);
    assert_int_equal(f->config.sources[threads], CONFIG_ENVIRONMENT);
    assert_int_equal(f->config.sources[cpu], CONFIG_DEFAULT);

    assert_ok(set_flag(f, "threads", "256"), &f->err);
    assert_int_equal(f->config.threads, 256);
    assert_int_equal(f->config.sources[threads], CONFIG_FLAG);
    assert_ok(set_flag(f, "json", NULL), &f->err);
    assert_true(f->config.json);
}

static void a_value_that_its_row_does_not_accept_is_refused_and_changes_nothing(void **state)
{
    static const struct {
        const char *flag, *value, *message;
    } cases[] = {
        { "threads", "0", "--threads '0': expected a number from 1 to 256" },
        { "threads", "257", "--threads '257': expected" },
        { "threads", "99999999999999999999", "expected a number" },
        { "threads", "2x", "--threads '2x': expected" },
        { "threads", "", "expected a number" },
        { "cpu", "sse", "--cpu 'sse': expected auto|scalar|avx2|avx512|vnni" },
        { "cpu", "avx", "--cpu 'avx': expected" },
        { "cpu", "avx2|avx512", "--cpu 'avx2|avx512': expected" },
        { "cpu", "", "--cpu '': expected" },
        { "json", "yes", "--json 'yes': expected 0 or 1" },
        { "home", "", "--home is empty" },
    };
    struct fixture *f = *state;

    assert_ok(config_init(&f->arena, &f->config, &f->err), &f->err);
    struct config before = f->config;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(set_flag(f, cases[i].flag, cases[i].value), RC_INVALID);
        if (!strstr(f->err.message, cases[i].message))
            fail_msg("case %zu: %s", i, f->err.message);
        assert_memory_equal(&f->config, &before, sizeof(before));
    }
    setenv("SHOAL_THREADS", "many", 1);
    assert_int_equal(config_init(&f->arena, &f->config, &f->err), RC_INVALID);
    assert_non_null(strstr(f->err.message, "SHOAL_THREADS 'many'"));
}

static void a_secret_has_no_flag_and_is_not_shown(void **state)
{
    struct fixture *f = *state;
    CLEANUP(buf_releasep) struct buf values = { 0 }, json = { 0 };
    struct json_writer writer;

    setenv("SHOAL_KEY", "slm1_hush", 1);
    assert_ok(config_init(&f->arena, &f->config, &f->err), &f->err);
    assert_string_equal(f->config.key, "slm1_hush");
    assert_int_equal(config_find(STR("key")), -1);
    assert_int_equal(config_find(STR("no-such-flag")), -1);

    buf_init(&values, 1 << 16);
    buf_init(&json, 1 << 16);
    config_append_values(&f->config, &values);
    json_writer_init(&writer, &json);
    config_append_json(&f->config, &writer);
    assert_non_null(strstr(values.at, "(set)"));
    assert_null(strstr(values.at, "hush"));
    assert_null(strstr(json.at, "hush"));
}

static void what_is_not_given_comes_from_the_home_and_the_current_folder(void **state)
{
    struct fixture *f = *state;
    char inner[TEMP_PATH_MAX], file[TEMP_PATH_MAX], home[TEMP_PATH_MAX], folder[FS_PATH_MAX];
    static const char yaml[] = "organisation: a shop\nteams:\n  support: {description: answers}\n";

    setenv("HOME", f->dir.path, 1);
    assert_ok(fs_make_dirs(temp_path(&f->dir, "support/triage", inner), &f->err), &f->err);
    assert_int_equal(chdir(inner), 0);
    assert_ok(config_init(&f->arena, &f->config, &f->err), &f->err);
    assert_ok(config_finish(&f->config, &f->arena, &f->err), &f->err);
    assert_null(f->config.workspace); /* not an error: only some commands need one */
    assert_string_equal(f->config.home, temp_path(&f->dir, ".shoal", home));

    assert_ok(
        fs_write_atomic(temp_path(&f->dir, "shoal.yaml", file), yaml, strlen(yaml), 0600, &f->err),
        &f->err);
    assert_ok(config_finish(&f->config, &f->arena, &f->err), &f->err);
    assert_int_equal(chdir(f->config.workspace), 0);
    assert_non_null(getcwd(folder, sizeof(folder)));
    assert_string_equal(folder, f->dir.path);

    assert_ok(set_flag(f, "workspace", "/elsewhere"), &f->err);
    assert_ok(config_finish(&f->config, &f->arena, &f->err), &f->err);
    assert_string_equal(f->config.workspace, "/elsewhere");
}

static void every_failing_allocation_is_reported(void **state)
{
    struct fixture *f = *state;
    enum rc rc = RC_OK;

    setenv("HOME", f->dir.path, 1);
    setenv("SHOAL_CPU", "scalar", 1);
    FOR_EACH_FAILING_ALLOC (nth) {
        arena_release(&f->arena);
        arena_init(&f->arena, 1 << 20);
        rc = config_init(&f->arena, &f->config, &f->err);
        if (!rc)
            rc = config_finish(&f->config, &f->arena, &f->err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_later_of_default_environment_and_flag_wins),
        TEST(a_value_that_its_row_does_not_accept_is_refused_and_changes_nothing),
        TEST(a_secret_has_no_flag_and_is_not_shown),
        TEST(what_is_not_given_comes_from_the_home_and_the_current_folder),
        TEST(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("cli/config", tests, NULL, NULL);
}
