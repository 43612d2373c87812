/*
 * The coordinator between clients and teams: what it asks of a team and what it takes from it,
 * whatever the team answers, and whatever memory there is.
 *
 *   test_coordinator [N]   in full: the contract test with N runs instead of 50, and each
 * allocation fails instead of every fourth from a random one on
 */
#include "tests/serve/coordinator_fixture.h"

#include <dirent.h>
#include <time.h>

static size_t n_runs = 50;
static bool is_long;

/* The first attempt of each step fails, so that failures are recorded, too. */
static void answer_at_the_second_attempt(const struct coordinator_fixture *f, const char *request,
                                         char *body)
{
    if (strstr(request, "Shoal-Attempt: 1\r\n"))
        strcpy(body, "<html>");
    else
        fixture_answer(f, request, body);
}

static void assert_said(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("'%s' is not in %s", line, text);
}

static const char *request_of(const struct coordinator_fixture *f, const char *path)
{
    for (size_t i = 0; i < REQUESTS_KEPT; i++)
        if (strstr(f->requests[i], path))
            return f->requests[i];
    fail_msg("no request %s", path);
    return NULL;
}

static void value_of(const char *request, const char *header, char value[100])
{
    const char *at = strstr(request, header);

    if (!at || sscanf(at + strlen(header), ": %99[^\r]", value) != 1)
        fail_msg("no %s in %s", header, request);
}

static void each_call_says_on_whose_behalf_it_comes_and_what_is_left(void **state)
{
    struct coordinator_fixture *f = *state;
    char path[80], first[100], second[100];

    assert_true(fixture_start_run(f, path));
    assert_non_null(strstr(fixture_wait(f, path), "\"verdict\":\"approved\""));
    const char *triage = request_of(f, "POST /v1/slms/triage/decisions");
    const char *check = request_of(f, "POST /v1/slms/check/decisions");

    value_of(triage, "Authorization", first);
    assert_string_equal(first, "Bearer slm1_of-support");
    value_of(check, "Authorization", first);
    assert_string_equal(first, "Bearer slm1_of-finance");
    value_of(triage, "Shoal-Flow", first);
    assert_string_equal(first, "dispute");
    value_of(check, "Shoal-Attempt", first);
    assert_string_equal(first, "1");
    value_of(triage, "Shoal-Hops-Left", first);
    value_of(check, "Shoal-Hops-Left", second);
    assert_int_equal(atoi(first) - atoi(second), 1);
    value_of(check, "Shoal-Time-Left-Ms", first);
    assert_true(atoll(first) > 0);
    value_of(triage, "Idempotency-Key", first);
    value_of(check, "Idempotency-Key", second);
    assert_int_equal(strncmp(first, path + strlen("/v1/runs/"), strlen(path) - 9), 0);
    assert_string_not_equal(first, second);
    value_of(triage, "traceparent", first);
    value_of(check, "traceparent", second);
    assert_int_equal(strncmp(first, second, strlen("00-") + 32), 0); /* one trace */
    assert_string_not_equal(first, second);                          /* two spans */
}

static void a_flow_with_errors_stops_nothing_but_its_own_starts(void **state)
{
    struct coordinator_fixture *f = *state;
    char path[80];

    fixture_stop(f);
    fixture_write(f, "support/half", "slm.yaml", "slm: half\n");
    fixture_write(
        f, "flows/half", "flow.yaml",
        "flow: half\ninput: {type: object, properties: {text: {type: string}}}\ndo:\n" FIXTURE_CALL(
            "a", "support/half", "${ input.text }") "output: {done: true}\n");
    fixture_write(f, "flows/wrong", "flow.yaml", "flow: wrong\nsteps: 7\n");
    f->config.log.level = LOG_LEVEL_ERROR;
    f->config.log.fd = -1; /* it says so there, too */
    fixture_start(f);

    assert_true(fixture_start_run(f, path));
    assert_non_null(strstr(fixture_wait(f, path), "\"status\":\"succeeded\""));
    const char *answer = fixture_ask(f, "POST", "/v1/flows/half/runs", "", FIXTURE_START);
    assert_int_equal(status_of(answer), 409);
    assert_said(answer, "support/half, which it calls, has errors");
    answer = fixture_ask(f, "POST", "/v1/flows/wrong/runs", "", FIXTURE_START);
    assert_int_equal(status_of(answer), 409);
    assert_said(answer, "started: flows/wrong/flow.yaml:2:1: unknown key 'steps'");
    assert_null(strstr(answer, f->dir.path));
    assert_int_equal(status_of(fixture_ask(f, "POST", "/v1/flows/no/runs", "", "{}")), 404);
    answer = fixture_ask(f, "GET", "/v1/flows", "", "");
    assert_non_null(
        strstr(answer, "{\"flow\":\"wrong\",\"description\":\"\",\"definition\":null,"));
    assert_null(strstr(answer, f->dir.path));
}

static void runs_and_calls_are_counted_as_prometheus_reads_them(void **state)
{
    struct coordinator_fixture *f = *state;
    char path[80];

    f->answer = answer_at_the_second_attempt;
    for (int i = 0; i < 3; i++) {
        assert_true(fixture_start_run(f, path));
        fixture_wait(f, path);
    }
    const char *text = fixture_ask(f, "GET", "/metrics", "", "");
    assert_non_null(strstr(text, "text/plain; version=0.0.4"));
    assert_said(text, "shoal_runs_started_total 3\n");
    assert_said(text, "shoal_runs_ended_total{status=\"succeeded\"} 3\n");
    assert_said(text, "shoal_runs_ended_total{status=\"failed\"} 0\n");
    assert_said(text, "shoal_runs_running 0\n");
    assert_said(text, "shoal_runs_overdue 0\n");
    assert_said(text, "shoal_calls_total{team=\"support\",result=\"answered\"} 3\n");
    assert_said(text, "shoal_calls_total{team=\"finance\",result=\"unavailable\"} 3\n");
    assert_said(text, "shoal_requests_total{status=\"202\"} 3\n");
    f->key[10] ^= 1;
    assert_int_equal(status_of(fixture_ask(f, "GET", "/metrics", "", "")), 401);
    assert_int_equal(status_of(fixture_ask(f, "GET", "/health", "", "")), 200);
}

/* ---- keys */

enum { ASKERS = 8 };

struct asker {
    struct coordinator_fixture *f;
    char key[PRINCIPAL_KEY_LEN + 1];
    atomic_bool *revoked;                   /* its revocation was answered */
    unsigned n_before, n_let_in, n_refused; /* answers; after the revocation: let in, refused */
    pthread_t thread;
};

/* Asks until it was refused a hundred times. */
static void *keep_asking(void *argument)
{
    struct asker *a = argument;
    char request[300], answer[ANSWER_MAX / 16];

    snprintf(request, sizeof(request),
             "GET /v1/flows HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer "
             "%s\r\n\r\n",
             a->key);
    while (a->n_refused < 100 && a->n_let_in == 0) {
        bool was_revoked = atomic_load(a->revoked); /* before it is sent */
        int fd = dial_port(coordinator_port(a->f->coordinator));
        say(fd, request);
        hear_into(answer, sizeof(answer), fd, NULL);
        close(fd);
        bool is_in = status_of(answer) == 200;
        a->n_before += !was_revoked && is_in;
        a->n_let_in += was_revoked && is_in;
        a->n_refused += status_of(answer) == 401;
    }
    return NULL;
}

static void a_key_that_was_revoked_lets_nobody_in_however_many_ask(void **state)
{
    struct coordinator_fixture *f = *state;
    struct asker askers[ASKERS];
    struct buf answer;
    atomic_bool revoked = false;
    char arguments[100];

    for (size_t i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){ .f = f, .revoked = &revoked };
        memcpy(askers[i].key, f->key, sizeof(f->key));
        assert_int_equal(pthread_create(&askers[i].thread, NULL, keep_asking, &askers[i]), 0);
    }
    usleep(50000);
    snprintf(arguments, sizeof(arguments), "{\"key_id\":\"%.*s\"}", PRINCIPAL_KEY_ID_LEN,
             f->key + strlen("slm1_"));
    buf_init(&answer, ADMIN_ANSWER_BYTES_MAX);
    assert_ok(admin_run(&f->config.team, "principal_revoke", str_of(arguments), &answer, &f->err),
              &f->err);
    revoked = true;
    buf_release(&answer);
    unsigned n_before = 0;
    for (size_t i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].n_let_in, 0);
        assert_true(askers[i].n_refused >= 100);
        n_before += askers[i].n_before;
    }
    assert_true(n_before > 0); /* it had let them in */
}

/* ---- contracts */

enum { CANARY_LEN = 24 };

/* In every answer of a team, everywhere but in the field that may cross. */
#define CANARY "canary-of-the-team-q7fz2"

static void answer_with_canaries(const struct coordinator_fixture *f, const char *request,
                                 char *body)
{
    static const char *const outputs[] = {
        "{%s,\"urgent\":true,\"note\":\"" CANARY "\"}",
        "{\"" CANARY "\":{\"a\":[\"" CANARY "\"]},%s}",
        "{%s,\"urgent\":\"" CANARY "\",\"facts\":{\"" CANARY "\":1}}",
    };
    static const char *const fields[] = { "\"issue\":\"billing\"", "\"verdict\":\"rejected\"" };
    char output[500];

    const char *format = outputs[f->n_requests % ARRAY_LEN(outputs)];
    const char *at = strstr(format, "%s");
    snprintf(output, sizeof(output), "%.*s%s%s", (int)(at - format), format,
             fields[strstr(request, "/check/") != NULL], at + 2);
    sprintf(body,
            "{\"id\":\"dec_1\",\"output\":%s,\"confidence\":{\"" CANARY
            "\":0.5},\"abstained\":null,"
            "\"facts\":{\"a\":\"" CANARY "\"},\"rules\":[{\"text\":\"" CANARY "\"}],"
            "\"version\":\"v1\",\"debug\":\"" CANARY "\"}",
            output);
}

static void assert_no_canary(const char *text, size_t len, const char *where)
{
    if (memmem(text, len, CANARY, CANARY_LEN))
        fail_msg("a canary in %s: %.200s", where, text);
}

/* In no file of the coordinator: journal, its log of pages, keys. */
static void assert_clean_folder(struct coordinator_fixture *f)
{
    char folder[TEMP_PATH_MAX], path[2 * TEMP_PATH_MAX];
    struct fs_map map;
    size_t n = 0;

    temp_path(&f->dir, ".shoal/teams/coordinator", folder);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_type != DT_REG)
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        assert_ok(fs_map_open(path, &map, &f->err), &f->err);
        if (map.len)
            assert_no_canary((const char *)map.at, map.len, path);
        fs_map_close(&map);
        n++;
    }
    closedir(dir);
    assert_true(n >= 4); /* runs.db, record.db, registry.db, teams.json */
}

static void what_a_team_says_beyond_its_contract_is_nowhere_to_be_found(void **state)
{
    static const char *const views[] = { "", "/events" };
    struct coordinator_fixture *f = *state;
    char path[80], view[100];

    f->answer = answer_with_canaries;
    for (size_t i = 0; i < n_runs; i++) {
        assert_true(fixture_start_run(f, path));
        const char *shown = fixture_wait(f, path);
        assert_non_null(strstr(shown, "\"verdict\":\"rejected\""));
        for (size_t v = 0; v < ARRAY_LEN(views); v++) {
            snprintf(view, sizeof(view), "%s%s", path, views[v]);
            shown = fixture_ask(f, "GET", view, "", "");
            assert_int_equal(status_of(shown), 200);
            assert_no_canary(shown, strlen(shown), view);
        }
    }
    const char *list = fixture_ask(f, "GET", "/v1/runs", "", "");
    assert_no_canary(list, strlen(list), "the list");
    assert_non_null(strstr(request_of(f, "/check/"), "billing")); /* what may cross did */
    for (size_t i = 0; i < REQUESTS_KEPT; i++)
        assert_no_canary(f->requests[i], strlen(f->requests[i]), "a call");
    fixture_stop(f);
    assert_clean_folder(f);
}

/* ---- memory */

/* Runs ahead of the true time as far as the test says, and is the way into the worker's thread: the
 * next time it is asked for the time there, the nth allocation from then on fails. */
struct failing_clock {
    _Atomic int64_t ahead_ms; /* the first member: fixture_wait() moves it */
    _Atomic long nth;         /* ARMED: nothing to do */
    _Atomic int fired;
    pthread_t others[2]; /* the test's thread and the server's */
};

enum { ARMED = -2, FAULTS_MAX = 3000 };

static int64_t arming_ms(void *self)
{
    struct failing_clock *clock = self;
    bool is_worker = !pthread_equal(pthread_self(), clock->others[0]) &&
                     !pthread_equal(pthread_self(), clock->others[1]);
    long nth = is_worker ? atomic_exchange(&clock->nth, ARMED) : ARMED;

    if (nth != ARMED)
        clock->fired = mem_fault_at(nth);
    return clock_system().now_ms(NULL) + clock->ahead_ms;
}

static int set_up_failing(void **state)
{
    static struct failing_clock clock;
    struct coordinator_fixture *f = test_calloc(1, sizeof(*f));

    clock = (struct failing_clock){ .nth = ARMED, .others = { pthread_self(), pthread_self() } };
    fixture_make_workspace(f);
    fixture_make_key(f);
    f->config.team.clock.now_ms = arming_ms;
    f->config.team.clock.self = &clock;
    f->config.log.fd = -1; /* it says that there is no memory, often */
    fixture_start(f);
    clock.others[1] = f->thread;
    *state = f;
    return 0;
}

/* Failures begin at the worker's next look at its clock, which any request makes it take. */
static void arm(const struct coordinator_fixture *f, struct failing_clock *clock, long nth)
{
    clock->nth = nth;
    while (clock->nth != ARMED)
        fixture_ask(f, "GET", "/v1/flows", "", "");
}

/* Lets the run make its calls, with hardly an allocation but its own. */
static void let_it_call(const struct coordinator_fixture *f, struct failing_clock *clock)
{
    unsigned want = f->n_requests + 4;

    for (size_t i = 0; i < 20 && f->n_requests < want; i++) {
        usleep(500);
        clock->ahead_ms += 2;
        fixture_ask(f, "GET", "/v1/flows", "", "");
    }
}

static void without_memory_a_run_is_refused_or_comes_to_its_end(void **state)
{
    struct coordinator_fixture *f = *state;
    struct failing_clock *clock = f->config.team.clock.self;
    size_t n_refused = 0, n_ended = 0;
    char path[80];
    int fired = 1;

    f->answer = answer_at_the_second_attempt;
    for (long nth = is_long ? 0 : time(NULL) % 4; fired > 0; nth += is_long ? 1 : 4) {
        assert_true(nth < FAULTS_MAX);
        arm(f, clock, nth);
        bool begun = fixture_start_run(f, path);
        n_refused += !begun;
        n_ended += begun;
        let_it_call(f, clock);
        if (begun && !strstr(fixture_wait(f, path), "\"status\":\"succeeded\""))
            fail_msg("allocation %ld: %s", nth, fixture_wait(f, path));
        arm(f, clock, -1);
        fired = clock->fired;
    }
    assert_true(n_refused > 1 && n_ended > 20);
}

int main(int argc, char **argv)
{
#define COORDINATOR_TEST(test) \
    cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        COORDINATOR_TEST(each_call_says_on_whose_behalf_it_comes_and_what_is_left),
        COORDINATOR_TEST(a_flow_with_errors_stops_nothing_but_its_own_starts),
        COORDINATOR_TEST(runs_and_calls_are_counted_as_prometheus_reads_them),
        COORDINATOR_TEST(a_key_that_was_revoked_lets_nobody_in_however_many_ask),
        COORDINATOR_TEST(what_a_team_says_beyond_its_contract_is_nowhere_to_be_found),
        cmocka_unit_test_setup_teardown(without_memory_a_run_is_refused_or_comes_to_its_end,
                                        set_up_failing, fixture_tear_down),
    };

    is_long = argc > 1;
    if (is_long)
        n_runs = strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
