/*
 * What a flow's key gets out of a team's service while the team's own work goes on beside it, often
 * in the same batch: of the team's words, none but the fields of its contract.
 *
 *   test_contract [N]   with N answers instead of 2000
 */
#include "tests/serve/service_fixture.h"

#include <stdatomic.h>

static size_t n_answers = 2000;

/* Words that the team's own requests and answers are full of, and its specs. */
static const char *const canaries[] = {
    "canary",     "large", "orders are", "confidence", "\"facts\"",   "\"rules\"",
    "suggestion", "due",   "rows.jsonl", "threshold",  "temperature", "\"input\"",
};

struct own_work {
    const struct service_fixture *f;
    char key[PRINCIPAL_KEY_LEN + 1]; /* with every scope */
    atomic_bool ends;
    atomic_size_t n;
    pthread_t thread;
};

static void ask_on(int fd, const char *key, const char *method, const char *path, const char *more,
                   const char *body, char *answer, size_t size)
{
    char request[2048];

    snprintf(
        request, sizeof(request),
        "%s %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Length: %zu\r\n%s\r\n%s",
        method, path, key, strlen(body), more, body);
    say(fd, request);
    hear_answer(answer, size, fd);
}

/* Decides inputs that are canaries, under the idempotency keys that the flow uses, too, and
 * corrects them. */
static void *work(void *argument)
{
    struct own_work *own = argument;
    char answer[8192], more[80], body[300], path[120], id[40];
    int fd = dial_port(own->f->port);

    for (size_t i = 0; !atomic_load(&own->ends); i++) {
        snprintf(more, sizeof(more), "Idempotency-Key: %zu\r\n", i);
        snprintf(body, sizeof(body), "{\"input\":{\"text\":\"canary %zu refund\",\"total\":%zu}}",
                 i, i % 2000);
        ask_on(fd, own->key, "POST", "/v1/slms/triage/decisions", more, body, answer,
               sizeof(answer));
        assert_int_equal(status_of(answer), 200);
        assert_int_equal(sscanf(body_of(answer), "{\"id\":\"%39[^\"]\"", id), 1);
        snprintf(path, sizeof(path), "/v1/decisions/%s/feedback", id);
        ask_on(fd, own->key, "POST", path, "", "{\"verdict\":\"right\",\"comment\":\"canary\"}",
               answer, sizeof(answer));
        assert_int_equal(status_of(answer), 201);
        atomic_fetch_add(&own->n, 1);
    }
    close(fd);
    return NULL;
}

/* Everything that there is to ask for, in every way; {} is an id. */
static const struct attempt {
    const char *method, *path, *more, *body;
} attempts[] = {
    { "POST", "/v1/slms/triage/decisions", "Shoal-Flow: dispute\r\n", URGENT },
    { "POST", "/v1/slms/triage/decisions", "Shoal-Flow: dispute\r\n", CALM },
    { "POST", "/v1/slms/triage/decisions", "Shoal-Flow: dispute\r\n",
      "{\"input\":{\"text\":\"a\",\"total\":5}}" },
    { "POST", "/v1/slms/triage/decisions", "Shoal-Flow: other\r\n", URGENT },
    { "POST", "/v1/slms/triage/decisions", "", URGENT },
    { "POST", "/v1/slms/triage/decisions", "Shoal-Flow: dispute\r\n", "{\"input\":{}}" },
    { "POST", "/v1/slms/triage/decisions", "Shoal-Flow: dispute\r\n", "{\"input\":" },
    { "POST", "/v1/slms/none/decisions", "Shoal-Flow: dispute\r\n", URGENT },
    { "POST", "/v1/chat/completions", "Shoal-Flow: dispute\r\n",
      "{\"model\":\"triage\",\"messages\":[{\"role\":\"user\",\"content\":\"refund\"}]}" },
    { "GET", "/v1/decisions/{}", "", "" },
    { "GET", "/v1/decisions/{}", "Shoal-Flow: dispute\r\n", "" },
    { "POST", "/v1/decisions/{}/feedback", "Shoal-Flow: dispute\r\n", "{\"verdict\":\"right\"}" },
    { "GET", "/v1/slms", "Shoal-Flow: dispute\r\n", "" },
    { "GET", "/v1/models", "", "" },
    { "GET", "/v1/models/support%2Ftriage", "", "" },
    { "GET", "/metrics", "", "" },
    { "POST", "/admin/decision", "", "{\"id\":\"{}\"}" },
};

static void put_id(const char *path, const char *id, char out[200])
{
    const char *at = strstr(path, "{}");

    snprintf(out, 200, "%.*s%s%s", at ? (int)(at - path) : (int)strlen(path), path, at ? id : "",
             at ? at + 2 : "");
}

static void assert_no_canary(const struct attempt *a, const char *answer)
{
    for (size_t i = 0; i < ARRAY_LEN(canaries); i++)
        if (strstr(answer, canaries[i]) && status_of(answer) != 400)
            fail_msg("%s %s: '%s' is in %s", a->method, a->path, canaries[i], answer);
    if (strstr(answer, canaries[0])) /* a 400 says what the request lacks by its name, no more */
        fail_msg("%s %s: %s", a->method, a->path, answer);
}

/* The status and the body without what is random in them. */
static void assert_same_refusal(const struct attempt *a, const char *left, const char *right)
{
    assert_int_equal(status_of(left), status_of(right));
    if (strcmp(body_of(left), body_of(right)) != 0)
        fail_msg("%s %s: '%s' and '%s'", a->method, a->path, left, right);
}

static void own_decision(const struct own_work *own, char id[40])
{
    char answer[8192];
    int fd = dial_port(own->f->port);

    ask_on(fd, own->key, "POST", "/v1/slms/triage/decisions", "",
           "{\"input\":{\"text\":\"canary\",\"total\":1}}", answer, sizeof(answer));
    assert_int_equal(sscanf(body_of(answer), "{\"id\":\"%39[^\"]\"", id), 1);
    close(fd);
}

static void make_flow_key(struct service_fixture *f)
{
    struct buf answer;

    assert_ok(
        fixture_admin(f, "principal_create", "{\"name\":\"c\",\"scopes\":[\"flow\"]}", &answer),
        &f->err);
    const char *at = strstr(answer.at, "slm1_");
    assert_non_null(at);
    memcpy(f->key, at, PRINCIPAL_KEY_LEN);
    buf_release(&answer);
}

static void a_flow_gets_no_word_of_the_team_but_its_contracts_fields(void **state)
{
    struct service_fixture *f = *state;
    struct own_work own = { .f = f };
    char answer[8192], other[8192], path[200], more[200], id[40];
    size_t n = n_answers / ARRAY_LEN(attempts) * ARRAY_LEN(attempts), n_answered = 0;

    memcpy(own.key, f->key, sizeof(own.key));
    make_flow_key(f);
    own_decision(&own, id);
    assert_int_equal(pthread_create(&own.thread, NULL, work, &own), 0);
    for (size_t i = 0; i < n; i++) {
        const struct attempt *a = &attempts[i % ARRAY_LEN(attempts)];
        int fd = dial_port(f->port); /* a refusal ends a connection */

        snprintf(more, sizeof(more), "%sIdempotency-Key: %zu\r\n", a->more, i);
        put_id(a->path, id, path);
        ask_on(fd, f->key, a->method, path, more, a->body, answer, sizeof(answer));
        close(fd);
        assert_no_canary(a, answer);
        n_answered += status_of(answer) == 200;
        if (!strstr(a->path, "{}"))
            continue;
        fd = dial_port(f->port);
        put_id(a->path, "dec_00000000000000000000000000", path); /* which is nobody's */
        ask_on(fd, f->key, a->method, path, more, a->body, other, sizeof(other));
        close(fd);
        assert_same_refusal(a, answer, other);
    }
    atomic_store(&own.ends, true);
    pthread_join(own.thread, NULL);
    assert_true(own.n > 0);
    assert_int_equal(n_answered, n / ARRAY_LEN(attempts) * 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_flow_gets_no_word_of_the_team_but_its_contracts_fields,
                                        fixture_set_up, fixture_tear_down),
    };

    if (argc > 1)
        n_answers = strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
