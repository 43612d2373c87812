/* Processes that end, hang and say things, under a supervisor in a process of its own. */
#include "tests/support/temp.h"

#include "base/json.h"
#include "swarm/supervisor.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAY_ADDRESS "echo team a: http://127.0.0.1:7; "

struct fixture {
    struct temp_dir dir;
    char state[TEMP_PATH_MAX];
    const char *logs[2];
    const char *arguments[2][4];
    struct supervisor_process processes[2];
    struct supervisor_config config;
    pid_t supervisor;
    struct arena paths, arena;
    struct err err;
};

static const char *const environment[] = { "PATH=/usr/bin:/bin", NULL };

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    temp_dir_make(&f->dir);
    arena_init(&f->arena, 16 << 20);
    arena_init(&f->paths, 1 << 20);
    temp_path(&f->dir, "state.json", f->state);
    f->config = (struct supervisor_config){
        .processes = f->processes,
        .state = f->state,
        .log = { .clock = clock_system(), .level = LOG_LEVEL_ERROR, .fd = 2 },
        .stop_ms = SUPERVISOR_STOP_MS,
    };
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->supervisor > 0) {
        kill(f->supervisor, SIGKILL);
        waitpid(f->supervisor, NULL, 0);
    }
    arena_release(&f->arena);
    arena_release(&f->paths);
    temp_dir_remove(&f->dir);
    test_free(f);
    return 0;
}

/* A shell script as the next process. */
static void add(struct fixture *f, const char *name, const char *script)
{
    size_t i = f->config.n++;

    static const char *const files[] = { "0.log", "1.log" };

    f->logs[i] = fs_join(&f->paths, f->dir.path, files[i]);
    assert_non_null(f->logs[i]);
    f->arguments[i][0] = "/bin/sh";
    f->arguments[i][1] = "-c";
    f->arguments[i][2] = script;
    f->processes[i] = (struct supervisor_process){ .name = name,
                                                   .arguments = f->arguments[i],
                                                   .environment = environment,
                                                   .user = ACCOUNT_OURS,
                                                   .log = f->logs[i] };
}

static void start(struct fixture *f)
{
    f->supervisor = fork();
    if (f->supervisor == 0) {
        struct err err;
        _exit((int)supervisor_run(&f->config, &err));
    }
    assert_true(f->supervisor > 0);
}

static int stop(struct fixture *f)
{
    int status;

    kill(f->supervisor, SIGTERM);
    waitpid(f->supervisor, &status, 0);
    f->supervisor = 0;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A member of the n-th process's state; NULL while there is no state. */
static const struct json *member(struct fixture *f, size_t n, const char *name)
{
    struct json *state;
    struct str text;

    if (fs_read_file(f->state, 1 << 20, &f->arena, &text, &f->err) ||
        json_parse(text, JSON_DUPLICATES_REFUSED, &f->arena, &state, &f->err))
        return NULL;
    const struct json *processes = json_find(state, "processes");
    return processes && n < processes->n ? json_find(&processes->items[n], name) : NULL;
}

static bool is_member(struct fixture *f, size_t n, const char *name, const char *value)
{
    const struct json *found = member(f, n, name);

    return found && found->type == JSON_STRING && str_is(found->text, value);
}

static void wait_for_state(struct fixture *f, size_t n, const char *name, const char *value)
{
    for (; !is_member(f, n, name, value); usleep(5000))
        arena_reset(&f->arena);
}

static int64_t number(struct fixture *f, size_t n, const char *name)
{
    const struct json *found = member(f, n, name);
    int64_t value = -1;

    assert_true(found && json_to_i64(found, &value));
    return value;
}

static struct str log_of(struct fixture *f, size_t n)
{
    struct str text;

    assert_ok(fs_read_file(f->logs[n], 1 << 20, &f->arena, &text, &f->err), &f->err);
    return text;
}

/* Ended, if only in part: somebody else's zombie. */
static bool is_gone(pid_t pid)
{
    char path[64], state = 'Z';

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return true;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    fclose(file);
    return state == 'Z';
}

static void a_process_runs_once_it_said_its_address_and_stops_with_us(void **state)
{
    struct fixture *f = *state;

    add(f, "a", "echo hello; echo oops >&2; " SAY_ADDRESS "exec sleep 1000");
    add(f, "b", "exec sleep 1000");
    start(f);
    wait_for_state(f, 0, "state", "running");
    wait_for_state(f, 0, "address", "http://127.0.0.1:7");
    assert_true(is_member(f, 1, "state", "starting"));
    pid_t pid = (pid_t)number(f, 0, "pid");
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(stop(f), RC_OK);
    assert_true(is_gone(pid));
    assert_false(fs_exists(f->state));
    const char *log = log_of(f, 0).at;
    assert_true(strstr(log, "hello\n") && strstr(log, "oops\n"));
}

static void what_ends_starts_again_and_it_is_told_how_it_ended(void **state)
{
    struct fixture *f = *state;

    add(f, "a", SAY_ADDRESS "exec sleep 1000");
    start(f);
    wait_for_state(f, 0, "state", "running");
    kill((pid_t)number(f, 0, "pid"), SIGKILL);
    wait_for_state(f, 0, "ended", "was killed by signal 9");
    wait_for_state(f, 0, "state", "running");
    assert_int_equal(number(f, 0, "starts"), 2);
    assert_int_equal(stop(f), RC_OK);
}

static void one_that_fails_at_once_waits_longer_each_time_and_disturbs_no_other(void **state)
{
    struct fixture *f = *state;

    add(f, "a", "echo $(($(date +%s%N) / 1000000)) starts; exit 3");
    add(f, "b", SAY_ADDRESS "exec sleep 1000");
    start(f);
    wait_for_state(f, 0, "ended", "ended with status 3");
    while (number(f, 0, "starts") < 4)
        usleep(5000);
    assert_int_equal(number(f, 1, "starts"), 1);
    assert_int_equal(stop(f), RC_OK);

    long long at[4];
    assert_int_equal(
        sscanf(log_of(f, 0).at, "%lld starts %lld starts %lld starts", &at[0], &at[1], &at[2]), 3);
    assert_true(at[1] - at[0] >= SUPERVISOR_BACKOFF_FIRST_MS);
    assert_true(at[2] - at[1] >= 2 * SUPERVISOR_BACKOFF_FIRST_MS);
}

static void a_program_that_does_not_exist_is_named_in_its_log(void **state)
{
    struct fixture *f = *state;

    add(f, "a", "");
    f->arguments[0][0] = "/no/such/program";
    start(f);
    wait_for_state(f, 0, "ended", "ended with status 127");
    assert_int_equal(stop(f), RC_OK);
    assert_non_null(strstr(log_of(f, 0).at, "cannot run '/no/such/program'"));
}

static void one_that_does_not_stop_is_killed(void **state)
{
    struct fixture *f = *state;

    add(f, "a", "trap '' TERM; " SAY_ADDRESS "while :; do sleep 1000; done");
    f->config.stop_ms = 100;
    start(f);
    wait_for_state(f, 0, "state", "running");
    assert_int_equal(stop(f), RC_TIMEOUT);
}

static void the_processes_do_not_outlive_a_supervisor_that_is_killed(void **state)
{
    struct fixture *f = *state;

    add(f, "a", SAY_ADDRESS "exec sleep 1000");
    start(f);
    wait_for_state(f, 0, "state", "running");
    pid_t pid = (pid_t)number(f, 0, "pid");
    kill(f->supervisor, SIGKILL);
    waitpid(f->supervisor, NULL, 0);
    f->supervisor = 0;
    while (!is_gone(pid))
        usleep(5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_process_runs_once_it_said_its_address_and_stops_with_us),
        TEST(what_ends_starts_again_and_it_is_told_how_it_ended),
        TEST(one_that_fails_at_once_waits_longer_each_time_and_disturbs_no_other),
        TEST(a_program_that_does_not_exist_is_named_in_its_log),
        TEST(one_that_does_not_stop_is_killed),
        TEST(the_processes_do_not_outlive_a_supervisor_that_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
