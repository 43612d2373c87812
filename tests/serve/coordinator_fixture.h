/*
 * coordinator_fixture.h - a workspace with two teams, a flow over both, and the coordinator on a
 * thread. Both teams are one listener here, which answers what the test wants: what a coordinator
 * does with wrong answers, too.
 */
#ifndef TESTS_SERVE_COORDINATOR_FIXTURE_H
#define TESTS_SERVE_COORDINATOR_FIXTURE_H

#include "tests/serve/raw_client.h"
#include "tests/support/temp.h"

#include "base/fs.h"
#include "record/principal.h"
#include "serve/admin.h"
#include "serve/coordinator_internal.h"

#include <pthread.h>
#include <sys/stat.h>

#define FIXTURE_SLM(name, fields, send, read)                                      \
    "slm: " name "\ninput:\n  type: object\n  required: [text]\n  properties:\n"   \
    "    text: {type: string, maxLength: 400}\n    own: {type: string}\n"          \
    "output:\n  type: object\n  properties: " fields "\ndata: [{path: d.jsonl}]\n" \
    "contracts: [{flow: dispute, send: " send ", read: " read "}]\n"

#define FIXTURE_CALL(name, slm, text)                                                         \
    "  - " name ":\n      call: slm\n      with: {slm: " slm ", input: {text: '" text "'}}\n" \
    "      retry: {attempts: 20, delay: PT0.001S, max_delay: PT0.001S}\n"

#define FIXTURE_FLOW                                                                           \
    "flow: dispute\ninput:\n  type: object\n  required: [text]\n  properties:\n"               \
    "    text: {type: string, maxLength: 400}\nbudgets: {steps: 50, hops: 9, time: P300D}\n"   \
    "do:\n" FIXTURE_CALL("triage", "support/triage", "${ input.text }") FIXTURE_CALL(          \
        "check", "finance/check", "${ triage.issue }") "output: {issue: '${ triage.issue }', " \
                                                       "verdict: '${ check.verdict }'}\n"

#define FIXTURE_START "{\"input\":{\"text\":\"charged twice\"}}"

enum { REQUESTS_KEPT = 8, REQUEST_MAX = 8192 };

struct coordinator_fixture {
    struct temp_dir dir;
    struct coordinator_config config;
    struct coordinator *coordinator;
    pthread_t thread;
    enum rc result;
    char key[PRINCIPAL_KEY_LEN + 1];
    struct err err;

    /* the teams */
    int listener;
    unsigned port;
    pthread_t teams;
    void (*answer)(const struct coordinator_fixture *f, const char *request, char *body);
    _Atomic unsigned n_requests;
    char requests[REQUESTS_KEPT][REQUEST_MAX]; /* the last ones, by number modulo REQUESTS_KEPT */
};

/* What each team answers unless a test has another word. */
static inline void fixture_answer(const struct coordinator_fixture *f, const char *request,
                                  char *body)
{
    (void)f;
    sprintf(body, "{\"id\":\"dec_%s\",\"output\":{%s},\"abstained\":null,\"version\":\"v1\"}",
            strstr(request, "/triage/") ? "t" : "c",
            strstr(request, "/triage/") ? "\"issue\":\"billing\"" : "\"verdict\":\"approved\"");
}

static inline void fixture_answer_one(struct coordinator_fixture *f, int fd)
{
    char *request = f->requests[f->n_requests % REQUESTS_KEPT];
    char body[REQUEST_MAX], head[200];

    hear_answer(request, REQUEST_MAX, fd); /* by its Content-Length, like an answer */
    f->answer(f, request, body);
    f->n_requests++;
    snprintf(head, sizeof(head),
             "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", strlen(body));
    say(fd, head);
    say(fd, body);
    close(fd);
}

static inline void *fixture_be_teams(void *fixture)
{
    struct coordinator_fixture *f = fixture;
    int fd;

    while ((fd = accept(f->listener, NULL, NULL)) >= 0)
        fixture_answer_one(f, fd);
    return NULL;
}

static inline void fixture_listen(struct coordinator_fixture *f)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof(address);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(f->listener, 100), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&address, &len), 0);
    f->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&f->teams, NULL, fixture_be_teams, f), 0);
}

static inline void fixture_write(struct coordinator_fixture *f, const char *folder,
                                 const char *name, const char *text)
{
    char path[2 * TEMP_PATH_MAX], file[TEMP_PATH_MAX];

    temp_path(&f->dir, folder, file);
    assert_ok(fs_make_dirs(file, &f->err), &f->err);
    snprintf(path, sizeof(path), "%s/%s", file, name);
    assert_ok(fs_write_atomic(path, text, strlen(text), 0600, &f->err), &f->err);
}

static inline void fixture_make_workspace(struct coordinator_fixture *f)
{
    char teams[400];

    temp_dir_make(&f->dir);
    f->answer = fixture_answer;
    fixture_listen(f);
    fixture_write(f, ".", "shoal.yaml",
                  "organisation: a shop\nteams:\n  support: {description: a}\n"
                  "  finance: {description: b}\n");
    fixture_write(f, "support/triage", "slm.yaml",
                  FIXTURE_SLM("triage",
                              "{issue: {enum: [billing, other]}, urgent: {type: boolean}}",
                              "[text]", "[issue]"));
    fixture_write(
        f, "finance/check", "slm.yaml",
        FIXTURE_SLM("check", "{verdict: {enum: [approved, rejected]}}", "[text]", "[verdict]"));
    fixture_write(f, "flows/dispute", "flow.yaml", FIXTURE_FLOW);
    snprintf(teams, sizeof(teams),
             "{\"support\":{\"url\":\"http://127.0.0.1:%u\",\"key\":\"slm1_of-support\"},"
             "\"finance\":{\"url\":\"http://127.0.0.1:%u\",\"key\":\"slm1_of-finance\"}}",
             f->port, f->port);
    fixture_write(f, ".shoal/teams/coordinator", "teams.json", teams);
    f->config = (struct coordinator_config){
        .team = { .workspace = f->dir.path,
                  .team = SERVE_COORDINATOR,
                  .home = f->dir.path,
                  .engine_build = "tests",
                  .cpu = cpu_best(),
                  .clock = clock_system() },
        .http = http_server_config_default(),
        .host = "127.0.0.1",
        .log = { .clock = clock_system(), .level = LOG_LEVEL_ERROR, .fd = 2 },
    };
    f->config.http.drain_listen_ms = 0;
}

static inline void fixture_make_key(struct coordinator_fixture *f)
{
    struct serve_team *team;

    assert_ok(serve_team_open(&f->config.team, &team, &f->err), &f->err);
    assert_ok(principal_create(team->record, "shop", PRINCIPAL_FLOW | PRINCIPAL_READ, PRINCIPAL_ALL,
                               0, f->key, &f->err),
              &f->err);
    serve_team_close(team);
}

static inline void *fixture_coordinate(void *fixture)
{
    struct coordinator_fixture *f = fixture;
    struct err ignored;

    f->result = coordinator_run(f->coordinator, &ignored);
    return NULL;
}

static inline void fixture_start(struct coordinator_fixture *f)
{
    assert_ok(coordinator_open(&f->config, &f->coordinator, &f->err), &f->err);
    assert_int_equal(pthread_create(&f->thread, NULL, fixture_coordinate, f), 0);
}

static inline void fixture_stop(struct coordinator_fixture *f)
{
    http_server_stop(f->coordinator->http);
    pthread_join(f->thread, NULL);
    coordinator_close(f->coordinator);
    f->coordinator = NULL;
    assert_int_equal(f->result, RC_OK);
}

static inline int fixture_set_up(void **state)
{
    struct coordinator_fixture *f = test_calloc(1, sizeof(*f));

    fixture_make_workspace(f);
    fixture_make_key(f);
    fixture_start(f);
    *state = f;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    struct coordinator_fixture *f = *state;

    if (f->coordinator)
        fixture_stop(f);
    shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->teams, NULL);
    close(f->listener);
    temp_dir_remove(&f->dir);
    test_free(f);
    return 0;
}

/* One request on a connection of its own; more: header lines. The answer is static, until the next
 * one. */
static inline const char *fixture_ask(const struct coordinator_fixture *f, const char *method,
                                      const char *path, const char *more, const char *body)
{
    static char request[ANSWER_MAX];
    int fd = dial_port(coordinator_port(f->coordinator));

    snprintf(request, sizeof(request),
             "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer %s\r\n"
             "Content-Length: %zu\r\n%s\r\n%s",
             method, path, f->key, strlen(body), more, body);
    say(fd, request);
    const char *answer = hear(fd, NULL);
    close(fd);
    return answer;
}

/* Starts a run; false: it was refused. */
static inline bool fixture_start_run(const struct coordinator_fixture *f, char path[80])
{
    const char *answer = fixture_ask(f, "POST", "/v1/flows/dispute/runs", "", FIXTURE_START);
    char id[RUN_ID_MAX + 1];

    if (status_of(answer) != 202)
        return false;
    assert_int_equal(sscanf(body_of(answer), "{\"id\":\"%32[^\"]\"", id), 1);
    snprintf(path, 80, "/v1/runs/%s", id);
    return true;
}

/* The run as it is shown at its end. */
static inline const char *fixture_wait(const struct coordinator_fixture *f, const char *path)
{
    for (;;) {
        const char *shown = fixture_ask(f, "GET", path, "", "");
        if (status_of(shown) == 404)
            fail_msg("no run %s", path);
        if (status_of(shown) == 200 && !strstr(shown, "\"status\":\"running\""))
            return shown;
        if (f->config.team.clock.self) /* a clock that the test moves */
            *(_Atomic int64_t *)f->config.team.clock.self += 1000;
        usleep(1000);
    }
}

#endif
