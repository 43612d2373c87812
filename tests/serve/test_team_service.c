/* The team's service as an application and as its owner see it. */
#include "tests/serve/service_fixture.h"

#include "serve/authorize.h"

#include <stdatomic.h>

/* The value of a text member of the answer, as "name":"value". */
static void copy_member(const char *answer, const char *name, size_t size, char *ret_value)
{
    char pattern[64];

    snprintf(pattern, sizeof(pattern), "\"%s\":\"", name);
    const char *at = strstr(answer, pattern);
    if (!at)
        fail_msg("no %s in '%s'", name, answer);
    at += strlen(pattern);
    size_t len = strcspn(at, "\"");
    assert_true(len < size);
    memcpy(ret_value, at, len);
    ret_value[len] = '\0';
}

/* The same; static. */
static const char *member(const char *answer, const char *name)
{
    static char value[256];

    copy_member(answer, name, sizeof(value), value);
    return value;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in '%s'", part, text);
}

static void assert_status(const char *answer, int status)
{
    if (status_of(answer) != status)
        fail_msg("want %d, got '%s'", status, answer);
}

static void a_decision_has_an_output_reasons_and_a_version(void **state)
{
    struct service_fixture *f = *state;

    const char *answer = fixture_decide(f, URGENT);
    assert_status(answer, 200);
    assert_contains(answer, "{\"id\":\"dec_");
    assert_contains(answer, "\"output\":{\"priority\":\"high\",\"due\":\"2025-11-24T20:00:00Z\"}");
    assert_contains(answer, "\"confidence\":{\"priority\":0.");
    assert_contains(answer, "\"abstained\":null,\"facts\":{\"large\":false},\"rules\":[{\"id\":"
                            "\"R1\",\"result\":\"holds\",\"text\":\"large orders are of high "
                            "priority\"}]");
    assert_string_equal(member(answer, "version"), f->versions[0].hex);
    assert_contains(answer, "\"model_ms\":");

    assert_contains(fixture_decide(f, CALM), "{\"priority\":\"low\"");
    /* the rule overrules the model */
    assert_contains(fixture_decide(f, "{\"input\":{\"text\":\"thank you, a question\","
                                      "\"total\":1000}}"),
                    "{\"priority\":\"high\"");
}

static void a_decision_can_be_read_again(void **state)
{
    struct service_fixture *f = *state;
    char path[64], id[RECORD_ID_LEN + 1];

    copy_member(fixture_decide(f, URGENT), "id", sizeof(id), id);
    snprintf(path, sizeof(path), "/v1/decisions/%s", id);
    const char *answer = fixture_ask(f, "GET", path, "", "");
    assert_status(answer, 200);
    assert_string_equal(member(answer, "id"), id);
    assert_contains(answer, "\"slm\":\"triage\",\"input\":{\"text\":\"refund my money now, this is "
                            "urgent\"},\"recorded_at\":\"2025-11-24T16:00:00.000Z\","
                            "\"principal\":\"shop\",\"engine_build\":\"tests\",\"tables\":{},"
                            "\"feedback\":[]}");
}

static void what_is_not_there_and_what_is_not_ours_look_the_same(void **state)
{
    static const char *const paths[] = {
        "/v1/decisions/dec_000000000000000000000000aa",
        "/v1/decisions/1'OR'1'='1",
        "/v1/decisions/%25",
        "/v1/decisions/DEC_",
        "/v1/decisions/x;y",
    };
    struct service_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const char *answer = fixture_ask(f, "GET", paths[i], "", "");
        assert_status(answer, 404);
        assert_contains(answer, "{\"error\":{\"code\":\"not_found\",\"message\":\"no decision '");
    }
    assert_status(fixture_ask(f, "POST", "/v1/slms/other/decisions", "", URGENT), 404);
    assert_status(fixture_ask(f, "POST", "/v1/slms/finance%2ftriage/decisions", "", URGENT), 404);
}

static void every_problem_of_a_request_is_named(void **state)
{
    struct service_fixture *f = *state;

    const char *answer =
        fixture_decide(f, "{\"input\":{\"text\":7,\"total\":-1,\"colour\":\"red\"},\"x\":1}");
    assert_status(answer, 400);
    assert_contains(answer, "unknown member 'x'");
    assert_contains(answer, "text: found number, expected string");
    assert_contains(answer, "total");
    assert_contains(answer, "colour");
    assert_contains(answer, "\"line\":1,\"column\":");

    assert_status(fixture_decide(f, "{\"input\":{}}"), 400);
    assert_status(fixture_decide(f, ""), 400);
    assert_status(fixture_decide(f, "{\"input\":{\"text\":\"\\ud800\"}}"), 400);
}

static void keys_are_asked_for_before_anything_else(void **state)
{
    struct service_fixture *f = *state;
    char good[PRINCIPAL_KEY_LEN + 1];

    memcpy(good, f->key, sizeof(good));
    assert_contains(fixture_ask(f, "GET", "/v1/slms", "", ""), "\"slm\":\"triage\"");
    f->key[20] = f->key[20] == 'a' ? 'b' : 'a';
    assert_status(fixture_ask(f, "GET", "/v1/slms", "", ""), 401);
    assert_status(fixture_ask(f, "GET", "/v1/decisions/none", "", ""), 401);
    assert_status(fixture_decide(f, "{"), 401);
    f->key[0] = '\0';
    assert_status(fixture_ask(f, "GET", "/metrics", "", ""), 401);
    assert_status(fixture_ask(f, "GET", "/live", "", ""), 200);
    assert_status(fixture_ask(f, "GET", "/ready", "", ""), 200);
    memcpy(f->key, good, sizeof(good));
    assert_status(fixture_ask(f, "GET", "/v1/slms", "Authorization: Bearer x\r\n", ""), 400);
}

static void a_flow_sends_and_reads_what_its_contract_names(void **state)
{
    static const char decisions[] = "/v1/slms/triage/decisions";
    static const char total[] = "{\"input\":{\"text\":\"a question\",\"total\":5}}";
    struct service_fixture *f = *state;
    struct buf answer;

    assert_ok(
        fixture_admin(f, "principal_create", "{\"name\":\"c\",\"scopes\":[\"flow\"]}", &answer),
        &f->err);
    copy_member(answer.at, "key", sizeof(f->key), f->key);
    buf_release(&answer);

    const char *said =
        fixture_ask(f, "POST", decisions, "Shoal-Flow: dispute\r\nIdempotency-Key: k\r\n", URGENT);
    assert_status(said, 200);
    assert_contains(said, "{\"id\":\"dec_");
    assert_contains(said, "\"output\":{\"priority\":\"high\"},\"abstained\":null,\"version\":\"");
    assert_null(strstr(said, "due"));
    assert_null(strstr(said, "facts"));
    assert_contains(
        fixture_ask(f, "POST", decisions, "Shoal-Flow: dispute\r\nIdempotency-Key: k\r\n", URGENT),
        "\"output\":{\"priority\":\"high\"},\"abstained\"");

    said = fixture_ask(f, "POST", decisions, "Shoal-Flow: dispute\r\n", total);
    assert_status(said, 403);
    assert_contains(said, "the contract with flow 'dispute' does not let in 'total'");
    said = fixture_ask(f, "POST", decisions, "Shoal-Flow: other\r\n", URGENT);
    assert_status(said, 403);
    assert_contains(said, "no contract with flow 'other'");
    assert_status(fixture_decide(f, URGENT), 403); /* the key is for flows */
    assert_status(fixture_ask(f, "POST", "/v1/chat/completions", "", "{}"), 403);
    assert_status(fixture_ask(f, "GET", "/v1/decisions/x", "", ""), 403);
}

static void a_key_does_what_its_scopes_say_until_it_is_revoked(void **state)
{
    struct service_fixture *f = *state;
    struct buf answer;
    char key_id[PRINCIPAL_KEY_ID_LEN + 1], arguments[64];

    assert_ok(
        fixture_admin(f, "principal_create", "{\"name\":\"bot\",\"scopes\":[\"decide\"]}", &answer),
        &f->err);
    copy_member(answer.at, "key", sizeof(f->key), f->key);
    buf_release(&answer);
    assert_status(fixture_decide(f, URGENT), 200);
    assert_status(fixture_ask(f, "GET", "/v1/slms", "", ""), 403);
    assert_status(fixture_ask(f, "POST", "/v1/decisions/x/feedback", "", "{}"), 403);

    memcpy(key_id, f->key + 5, PRINCIPAL_KEY_ID_LEN);
    key_id[PRINCIPAL_KEY_ID_LEN] = '\0';
    snprintf(arguments, sizeof(arguments), "{\"key_id\":\"%s\"}", key_id);
    assert_ok(fixture_admin(f, "principal_revoke", arguments, &answer), &f->err);
    buf_release(&answer);
    assert_status(fixture_decide(f, URGENT), 401);
}

static void who_asks_when_the_keys_cannot_be_read_is_not_told_where_our_files_are(void **state)
{
    struct service_fixture *f = *state;
    struct http_request request = { .n_headers = 1 };
    struct http_exchange x = { .request = &request };
    struct clock clock = clock_system();
    struct serve_authorizer authorizer;
    struct principal principal;
    struct record *record;
    char path[TEMP_PATH_MAX], header[100];
    size_t n_unread = 0;

    snprintf(header, sizeof(header), "Bearer %s", f->key);
    request.headers[0] = (struct http_header){ STR("authorization"), str_of(header) };
    assert_ok(record_open(temp_path(&f->dir, "other.db", path), clock, &record, &f->err), &f->err);
    serve_authorizer_init(&authorizer, record, clock);
    FOR_EACH_FAILING_ALLOC (nth) {
        int status =
            serve_admit_key(&x, &authorizer, PRINCIPAL_READ, "unauthenticated", &principal);
        if (status == 503) {
            n_unread++;
            buf_append_char(&x.body, '\0');
            assert_true(x.body.failed || !strstr(x.body.at, f->dir.path));
        } else {
            assert_int_equal(status, 401);
        }
        buf_release(&x.body);
    }
    assert_true(n_unread > 0);
    record_close(record);
}

/* ---- a key that is revoked under load */

enum { ASKERS = 8, REFUSALS = 50 };

struct asker {
    struct service_fixture *f;
    bool keeps;                   /* its connection; a refusal leaves it open, too */
    atomic_bool *revoked;         /* the command has returned */
    atomic_uint n_before;         /* let in before the revocation */
    unsigned n_let_in, n_refused; /* let in after it; refused */
    pthread_t thread;
};

/* Asks for decisions until it was refused often enough. */
static void *keep_asking(void *argument)
{
    struct asker *a = argument;
    char request[500], answer[4096];
    int fd = -1;

    snprintf(request, sizeof(request),
             "POST /v1/slms/triage/decisions HTTP/1.1\r\nHost: a\r\n%sAuthorization: Bearer "
             "%s\r\nContent-Length: %zu\r\n\r\n%s",
             a->keeps ? "" : "Connection: close\r\n", a->f->key, strlen(URGENT), URGENT);
    while (a->n_refused < REFUSALS && a->n_let_in == 0) {
        bool was_revoked = atomic_load(a->revoked); /* before it is sent */
        fd = fd < 0 ? dial_port(a->f->port) : fd;
        say(fd, request);
        hear_answer(answer, sizeof(answer), fd);
        if (!a->keeps || strstr(answer, "Connection: close")) {
            close(fd);
            fd = -1;
        }
        bool is_in = status_of(answer) == 200;
        a->n_before += !was_revoked && is_in;
        a->n_let_in += was_revoked && is_in;
        a->n_refused += status_of(answer) == 401;
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void a_key_that_was_revoked_lets_nobody_in_however_many_ask(void **state)
{
    struct service_fixture *f = *state;
    struct asker askers[ASKERS];
    atomic_bool revoked = false;
    struct buf answer;
    char arguments[64];

    for (size_t i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){ .f = f, .keeps = i % 2, .revoked = &revoked };
        assert_int_equal(pthread_create(&askers[i].thread, NULL, keep_asking, &askers[i]), 0);
    }
    for (size_t i = 0; i < ASKERS; i++)
        while (atomic_load(&askers[i].n_before) < 10)
            usleep(1000);
    snprintf(arguments, sizeof(arguments), "{\"key_id\":\"%.*s\"}", PRINCIPAL_KEY_ID_LEN,
             f->key + strlen("slm1_"));
    assert_ok(fixture_admin(f, "principal_revoke", arguments, &answer), &f->err);
    revoked = true;
    buf_release(&answer);
    for (size_t i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].n_let_in, 0);
        assert_int_equal(askers[i].n_refused, REFUSALS);
    }
}

static void one_key_is_one_decision(void **state)
{
    struct service_fixture *f = *state;
    char first[2048];

    snprintf(first, sizeof(first), "%s",
             body_of(fixture_ask(f, "POST", "/v1/slms/triage/decisions",
                                 "Idempotency-Key: mail-7\r\n", URGENT)));
    f->now_ms += 1000;
    const char *again =
        fixture_ask(f, "POST", "/v1/slms/triage/decisions", "Idempotency-Key: mail-7\r\n", URGENT);
    assert_string_equal(body_of(again), first);
    assert_status(
        fixture_ask(f, "POST", "/v1/slms/triage/decisions", "Idempotency-Key: mail-7\r\n", CALM),
        409);
    assert_contains(fixture_decide(f, URGENT), "\"due\":\"2025-11-24T20:00:01Z\"");
}

static void feedback_is_checked_against_the_output_and_exported_as_rows(void **state)
{
    struct service_fixture *f = *state;
    char id[RECORD_ID_LEN + 1], path[80], arguments[1024], file[TEMP_PATH_MAX];
    struct buf answer;
    struct str rows;

    copy_member(fixture_decide(f, URGENT), "id", sizeof(id), id);
    snprintf(path, sizeof(path), "/v1/decisions/%s/feedback", id);
    assert_status(fixture_ask(f, "POST", path, "", "{\"output\":{\"priority\":\"highest\"}}"), 400);
    assert_status(fixture_ask(f, "POST", path, "", "{\"output\":{}}"), 400);
    assert_status(fixture_ask(f, "POST", path, "", "{\"verdict\":\"wrong\"}"), 201);
    assert_contains(fixture_ask(f, "POST", path, "",
                                "{\"output\":{\"priority\":\"low\"},\"comment\":\"joke\"}"),
                    "{\"id\":\"fbk_");
    assert_status(
        fixture_ask(f, "POST", "/v1/decisions/dec_none/feedback", "", "{\"verdict\":\"right\"}"),
        404);

    snprintf(arguments, sizeof(arguments), "{\"slm\":\"triage\",\"path\":\"%s\"}",
             temp_path(&f->dir, "rows.jsonl", file));
    assert_ok(fixture_admin(f, "feedback_export", arguments, &answer), &f->err);
    assert_contains(answer.at, "\"rows\":1,\"without_output\":0");
    buf_release(&answer);
    assert_ok(fs_read_file(file, 1 << 20, &f->arena, &rows, &f->err), &f->err);
    assert_contains(rows.at, "\"output\":{\"priority\":\"low\"}}\n");
}

static void a_promotion_and_a_rollback_take_effect_at_once(void **state)
{
    struct service_fixture *f = *state;
    struct buf answer;

    assert_contains(fixture_decide(f, URGENT), "{\"priority\":\"high\"");
    assert_ok(fixture_admin(f, "promote",
                            "{\"slm\":\"triage\",\"ref\":\"@2\",\"alias\":\"production\","
                            "\"why\":\"better\"}",
                            &answer),
              &f->err);
    assert_contains(answer.at, "\"number\":2");
    buf_release(&answer);
    const char *now = fixture_decide(f, URGENT);
    assert_contains(now, "{\"priority\":\"low\"");
    assert_string_equal(member(now, "version"), f->versions[1].hex);

    assert_ok(fixture_admin(f, "rollback",
                            "{\"slm\":\"triage\",\"alias\":\"production\",\"why\":\"worse\"}",
                            &answer),
              &f->err);
    buf_release(&answer);
    assert_contains(fixture_decide(f, URGENT), "{\"priority\":\"high\"");

    assert_ok(fixture_admin(f, "history", "{\"slm\":\"triage\",\"alias\":\"production\"}", &answer),
              &f->err);
    assert_contains(answer.at, "\"rollback\":true,\"principal\":\"os:");
    assert_contains(answer.at, "\"why\":\"better\"");
    buf_release(&answer);
}

static void a_rejected_version_is_not_promoted(void **state)
{
    struct service_fixture *f = *state;
    struct buf answer;

    enum rc rc = fixture_admin(f, "promote",
                               "{\"slm\":\"triage\",\"ref\":\"@3\",\"alias\":\"production\","
                               "\"why\":\"hope\"}",
                               &answer);
    assert_int_equal(rc, RC_STATE);
    buf_release(&answer);
    assert_contains(fixture_decide(f, URGENT), "{\"priority\":\"high\"");
}

static void a_replay_gives_the_same_bytes_with_every_kernel(void **state)
{
    struct service_fixture *f = *state;
    char id[RECORD_ID_LEN + 1], arguments[128];
    struct buf answer;

    copy_member(fixture_decide(f, URGENT), "id", sizeof(id), id);
    f->now_ms += 3600 * 1000;
    for (enum cpu cpu = CPU_SCALAR; cpu <= cpu_best(); cpu++) {
        snprintf(arguments, sizeof(arguments), "{\"id\":\"%s\",\"cpu\":\"%s\"}", id, cpu_name(cpu));
        assert_ok(fixture_admin(f, "replay", arguments, &answer), &f->err);
        assert_contains(answer.at, "{\"same\":true");
        buf_release(&answer);
    }
}

static void the_owner_is_answered_alike_with_and_without_the_service(void **state)
{
    static const struct {
        const char *operation, *arguments;
    } calls[] = {
        { "list", "{}" },
        { "show", "{\"slm\":\"triage\",\"ref\":\"production\"}" },
        { "history", "{\"slm\":\"triage\",\"alias\":\"production\"}" },
        { "principal_list", "{}" },
        { "show", "{\"slm\":\"triage\",\"ref\":\"@9\"}" },
        { "show", "{\"slm\":\"triage\"}" },
        { "nonsense", "{}" },
        { "promote", "{\"slm\":\"triage\",\"ref\":\"@3\",\"alias\":\"production\",\"why\":\"x\"}" },
    };
    struct service_fixture *f = *state;
    struct buf answers[ARRAY_LEN(calls)], direct;
    struct err errors[ARRAY_LEN(calls)];

    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        f->err = (struct err){ 0 };
        (void)!fixture_admin(f, calls[i].operation, calls[i].arguments, &answers[i]);
        errors[i] = f->err;
    }
    fixture_stop(f);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        f->err = (struct err){ 0 };
        (void)!fixture_admin(f, calls[i].operation, calls[i].arguments, &direct);
        assert_int_equal(f->err.code, errors[i].code);
        assert_string_equal(f->err.message, errors[i].message);
        if (!f->err.code)
            assert_string_equal(direct.at, answers[i].at);
        buf_release(&direct);
        buf_release(&answers[i]);
    }
}

static void a_second_owner_is_told_that_the_files_are_in_use(void **state)
{
    struct service_fixture *f = *state;
    struct team_service_config config = fixture_config(f);
    struct team_service *second;

    assert_int_equal(team_service_open(&config, &second, &f->err), RC_BUSY);
}

/* A clock that stands still, and the way into the service's thread: the next time it is asked for
 * a duration there, the nth allocation from then on fails. */
struct failing_clock {
    int64_t now_ms;
    _Atomic long nth; /* ARMED: nothing to do */
    _Atomic int fired;
};

enum { ARMED = -2, FAULTS_MAX = 500 };

static int64_t standing_ms(void *self)
{
    return ((struct failing_clock *)self)->now_ms;
}

static int64_t arming_us(void *self)
{
    struct failing_clock *clock = self;
    long nth = atomic_exchange(&clock->nth, ARMED);

    if (nth != ARMED)
        clock->fired = mem_fault_at(nth);
    return 0;
}

static int set_up_failing(void **state)
{
    static struct failing_clock clock;
    struct service_fixture *f = test_calloc(1, sizeof(*f));

    fixture_make_workspace(f);
    clock = (struct failing_clock){ .now_ms = f->now_ms, .nth = ARMED };
    f->team.clock = (struct clock){ standing_ms, arming_us, &clock };
    fixture_start(f);
    *state = f;
    return 0;
}

static void a_request_without_memory_is_refused_and_the_service_goes_on(void **state)
{
    struct service_fixture *f = *state;
    struct failing_clock *clock = f->team.clock.self;
    size_t n_refused = 0;
    int fired = 1;

    for (long nth = 0; fired > 0; nth++) {
        assert_true(nth < FAULTS_MAX);
        clock->nth = nth;
        const char *answer = fixture_decide(f, URGENT);
        if (status_of(answer) == 500) { /* while it was being stored */
            assert_contains(answer, "\"code\":\"outcome_unknown\"");
            n_refused++;
        } else if (status_of(answer) != 200) {
            assert_status(answer, 503);
            assert_contains(answer, "\"code\":\"no_memory\"");
            n_refused++;
        }
        clock->nth = -1;
        fixture_decide(f, CALM); /* what is still to fail may hit it, too */
        fired = clock->fired;
        answer = fixture_decide(f, URGENT);
        assert_status(answer, 200);
        assert_contains(answer, "\"output\":{\"priority\":\"high\"");
    }
    assert_true(n_refused > 5);
}

int main(void)
{
#define SERVICE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(a_decision_has_an_output_reasons_and_a_version),
        SERVICE_TEST(a_decision_can_be_read_again),
        SERVICE_TEST(what_is_not_there_and_what_is_not_ours_look_the_same),
        SERVICE_TEST(every_problem_of_a_request_is_named),
        SERVICE_TEST(keys_are_asked_for_before_anything_else),
        SERVICE_TEST(a_flow_sends_and_reads_what_its_contract_names),
        SERVICE_TEST(a_key_does_what_its_scopes_say_until_it_is_revoked),
        SERVICE_TEST(who_asks_when_the_keys_cannot_be_read_is_not_told_where_our_files_are),
        SERVICE_TEST(a_key_that_was_revoked_lets_nobody_in_however_many_ask),
        SERVICE_TEST(one_key_is_one_decision),
        SERVICE_TEST(feedback_is_checked_against_the_output_and_exported_as_rows),
        SERVICE_TEST(a_promotion_and_a_rollback_take_effect_at_once),
        SERVICE_TEST(a_rejected_version_is_not_promoted),
        SERVICE_TEST(a_replay_gives_the_same_bytes_with_every_kernel),
        SERVICE_TEST(the_owner_is_answered_alike_with_and_without_the_service),
        SERVICE_TEST(a_second_owner_is_told_that_the_files_are_in_use),
        cmocka_unit_test_setup_teardown(a_request_without_memory_is_refused_and_the_service_goes_on,
                                        set_up_failing, fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
