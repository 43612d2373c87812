/*
 * The service is killed (kill -9, by itself) at every persistent effect of a decision, a feedback
 * and a promotion, and at random moments under load. The next start goes on: what was acknowledged
 * is there, what is sent again with its key happens once.
 */
#include "tests/serve/service_fixture.h"

#include "base/failpoint.h"
#include "record/feedback.h"

#include <signal.h>
#include <sys/wait.h>

#define KEYED "Idempotency-Key: k-1\r\n"

/* A service in a process of its own; returns its pid, f->port is set. */
static pid_t spawn(struct service_fixture *f, const char *failpoint)
{
    int channel[2];

    assert_int_equal(pipe(channel), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct team_service_config config = fixture_config(f);
        struct err err;

        close(channel[0]);
        if (failpoint_arm(failpoint, NULL, &err) || team_service_open(&config, &f->service, &err))
            _exit(99);
        unsigned port = team_service_port(f->service);
        if (write(channel[1], &port, sizeof(port)) != sizeof(port))
            _exit(98);
        _exit(team_service_run(f->service, &err) ? 97 : 0);
    }
    close(channel[1]);
    f->port = 0;
    ssize_t n = read(channel[0], &f->port, sizeof(f->port));
    close(channel[0]);
    if (n != sizeof(f->port))
        fail_msg("the service did not start with %s", failpoint ? failpoint : "nothing");
    return pid;
}

static void assert_killed(pid_t pid, const char *failpoint)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s was not passed", failpoint);
}

static void finish(pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* How many decisions there are, and the id of the newest. */
static size_t count_decisions(struct service_fixture *f, char id[RECORD_ID_LEN + 1])
{
    struct decision *decisions;
    struct serve_team *team;
    size_t n;

    assert_ok(serve_team_open(&f->team, &team, &f->err), &f->err);
    assert_ok(decision_list(team->record, NULL, NULL, 1000, &f->arena, &decisions, &n, &f->err),
              &f->err);
    if (n)
        memcpy(id, decisions[0].id, RECORD_ID_LEN + 1);
    serve_team_close(team);
    return n;
}

static void a_decision_killed_anywhere_happens_once_when_it_is_sent_again(void **state)
{
    static const char *const failpoints[] = {
        "serve.received=crash",
        "serve.decided=crash",
        "record.before_decision_commit=crash",
        "record.after_decision_commit=crash",
        "serve.committed=crash",
        "serve.answered=crash",
    };
    struct service_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(failpoints); i++) {
        char key[64], first[2048], id[RECORD_ID_LEN + 1], path[64];
        snprintf(key, sizeof(key), "Idempotency-Key: k-%zu\r\n", i);
        pid_t pid = spawn(f, failpoints[i]);
        snprintf(first, sizeof(first), "%s",
                 body_of(fixture_ask(f, "POST", "/v1/slms/triage/decisions", key, URGENT)));
        assert_killed(pid, failpoints[i]);
        assert_true(count_decisions(f, id) <= i + 1);

        pid = spawn(f, NULL);
        const char *again =
            body_of(fixture_ask(f, "POST", "/v1/slms/triage/decisions", key, URGENT));
        if (strncmp(again, "{\"id\":\"dec_", 11) != 0)
            fail_msg("%s: '%s'", failpoints[i], again);
        if (first[0]) /* it was acknowledged */
            assert_string_equal(again, first);
        sscanf(again, "{\"id\":\"%30[^\"]", id);
        snprintf(path, sizeof(path), "/v1/decisions/%s", id);
        assert_int_equal(status_of(fixture_ask(f, "GET", path, "", "")), 200);
        finish(pid);
        assert_int_equal(count_decisions(f, id), i + 1);
    }
}

static void feedback_killed_anywhere_is_stored_once_when_it_is_sent_again(void **state)
{
    static const char *const failpoints[] = {
        "record.before_feedback_commit=crash",
        "record.after_feedback_commit=crash",
        "serve.feedback_stored=crash",
    };
    struct service_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(failpoints); i++) {
        char id[RECORD_ID_LEN + 1], path[80];
        struct feedback *feedback;
        struct serve_team *team;
        size_t n;

        pid_t pid = spawn(f, failpoints[i]);
        assert_int_equal(sscanf(body_of(fixture_decide(f, URGENT)), "{\"id\":\"%30[^\"]", id), 1);
        snprintf(path, sizeof(path), "/v1/decisions/%s/feedback", id);
        fixture_ask(f, "POST", path, KEYED, "{\"verdict\":\"right\"}");
        assert_killed(pid, failpoints[i]);

        pid = spawn(f, NULL);
        assert_int_equal(status_of(fixture_ask(f, "POST", path, KEYED, "{\"verdict\":\"right\"}")),
                         201);
        finish(pid);
        assert_ok(serve_team_open(&f->team, &team, &f->err), &f->err);
        assert_ok(feedback_list(team->record, id, &f->arena, &feedback, &n, &f->err), &f->err);
        serve_team_close(team);
        assert_int_equal(n, 1);
    }
}

static void a_promotion_killed_anywhere_is_made_or_not_and_can_be_repeated(void **state)
{
    static const char *const failpoints[] = {
        "registry.before_alias_commit=crash",
        "registry.after_alias_commit=crash",
    };
    static const char arguments[] =
        "{\"slm\":\"triage\",\"ref\":\"@2\",\"alias\":\"production\",\"why\":\"better\"}";
    struct service_fixture *f = *state;
    struct buf answer;

    for (size_t i = 0; i < ARRAY_LEN(failpoints); i++) {
        pid_t pid = spawn(f, failpoints[i]);
        assert_int_not_equal(fixture_admin(f, "promote", arguments, &answer), RC_OK);
        buf_release(&answer);
        assert_killed(pid, failpoints[i]);

        pid = spawn(f, NULL);
        assert_ok(fixture_admin(f, "promote", arguments, &answer), &f->err);
        buf_release(&answer);
        assert_non_null(strstr(fixture_decide(f, URGENT), "{\"priority\":\"low\""));
        assert_ok(
            fixture_admin(f, "history", "{\"slm\":\"triage\",\"alias\":\"production\"}", &answer),
            &f->err);
        assert_non_null(strstr(answer.at, "\"seq\":2"));
        assert_null(strstr(answer.at, i == 0 ? "\"seq\":3" : "\"seq\":5")); /* one row each */
        buf_release(&answer);
        assert_ok(fixture_admin(f, "rollback",
                                "{\"slm\":\"triage\",\"alias\":\"production\",\"why\":\"again\"}",
                                &answer),
                  &f->err);
        buf_release(&answer);
        finish(pid);
    }
}

/* Asks with a new key each time and notes the ids of what was acknowledged. */
struct asker {
    const struct service_fixture *f;
    int fd; /* connected before the service can be killed */
    size_t round, first;
    char ids[256][RECORD_ID_LEN + 1];
    size_t n_ids;
    pthread_t thread;
};

static void *ask_until_it_dies(void *argument)
{
    struct asker *a = argument;
    char request[1024], answer[2048];

    for (size_t i = 0; a->n_ids < ARRAY_LEN(a->ids); i++) {
        snprintf(request, sizeof(request),
                 "POST /v1/slms/triage/decisions HTTP/1.1\r\nHost: a\r\nIdempotency-Key: "
                 "r%zu-%zu-%zu\r\nAuthorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n%s",
                 a->round, a->first, i, a->f->key, strlen(URGENT), URGENT);
        say(a->fd, request);
        hear_answer(answer, sizeof(answer), a->fd);
        if (sscanf(body_of(answer), "{\"id\":\"%30[^\"]", a->ids[a->n_ids]) != 1)
            break;
        a->n_ids++;
    }
    close(a->fd);
    return NULL;
}

static void nothing_acknowledged_is_lost_at_random_moments(void **state)
{
    enum { ROUNDS = 50, ASKERS = 4 };
    struct service_fixture *f = *state;
    static struct asker askers[ASKERS];
    unsigned seed = 11;
    size_t n_acknowledged = 0;

    for (size_t round = 0; round < ROUNDS; round++) {
        pid_t pid = spawn(f, NULL);
        for (size_t i = 0; i < ASKERS; i++) {
            askers[i] = (struct asker){ f, .fd = dial_port(f->port), .round = round, .first = i };
            assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_until_it_dies, &askers[i]),
                             0);
        }
        seed = seed * 1664525u + 1013904223u;
        usleep(1000 + seed % 40000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        for (size_t i = 0; i < ASKERS; i++)
            pthread_join(askers[i].thread, NULL);

        struct serve_team *team;
        struct arena arena;
        arena_init(&arena, 64 << 20);
        assert_ok(serve_team_open(&f->team, &team, &f->err), &f->err);
        for (size_t i = 0; i < ASKERS; i++)
            for (size_t k = 0; k < askers[i].n_ids; k++, n_acknowledged++) {
                struct decision decision;
                if (decision_find(team->record, askers[i].ids[k], &arena, &decision, &f->err))
                    fail_msg("round %zu: %s", round, f->err.message);
            }
        serve_team_close(team);
        arena_release(&arena);
    }
    assert_true(n_acknowledged > ROUNDS);
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
#define CRASH_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CRASH_TEST(a_decision_killed_anywhere_happens_once_when_it_is_sent_again),
        CRASH_TEST(feedback_killed_anywhere_is_stored_once_when_it_is_sent_again),
        CRASH_TEST(a_promotion_killed_anywhere_is_made_or_not_and_can_be_repeated),
        CRASH_TEST(nothing_acknowledged_is_lost_at_random_moments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
