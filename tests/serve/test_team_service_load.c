/*
 * Many clients at once: the same request gives the same bytes whatever else is in its batch, an
 * abandoned request frees its place, and a key that comes twice at the same time is one decision.
 */
#include "tests/serve/service_fixture.h"

enum { CLIENTS_MAX = 32, ANSWER_BYTES = 2048 };

/* The rows differ in length and content, so that batches are mixed. */
static void write_body(char body[1024], size_t number)
{
    static const char *const words[] = { "refund", "money", "urgent", "parcel", "colours",
                                         "thank",  "you",   "now",    "a",      "question" };
    size_t len = (size_t)sprintf(body, "{\"input\":{\"text\":\"");

    for (size_t i = 0, seed = number * 7919 + 13; i < 1 + number % 29; i++, seed = seed * 31 + 7)
        len += (size_t)sprintf(body + len, "%s ", words[seed % ARRAY_LEN(words)]);
    sprintf(body + len, "\",\"total\":%zu}}", number * 37 % 1200);
}

/* Asks on a kept connection, which a refusal ends. The answer is the body without its id and what
 * is behind the version; "refused" after a 503. */
static void ask(const struct service_fixture *f, int *fd, const char *body,
                char answer[ANSWER_BYTES])
{
    char request[2048];

    if (*fd < 0)
        *fd = dial_port(f->port);
    snprintf(request, sizeof(request),
             "POST /v1/slms/triage/decisions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
             "%s\r\nContent-Length: %zu\r\n\r\n%s",
             f->key, strlen(body), body);
    say(*fd, request);
    hear_answer(answer, ANSWER_BYTES, *fd);
    if (status_of(answer) == 503) {
        close(*fd);
        *fd = -1;
        snprintf(answer, ANSWER_BYTES, "refused");
        return;
    }
    const char *from = strstr(answer, "\"output\":"), *end = strstr(answer, ",\"model_ms\":");
    if (status_of(answer) == 200 && from && end) {
        size_t len = (size_t)(end - from);
        memmove(answer, from, len);
        answer[len] = '\0';
    }
}

struct load {
    struct service_fixture *f;
    size_t n_clients, n_requests;
    char (*answers)[ANSWER_BYTES]; /* (n_requests,) */
};

struct client {
    struct load *load;
    size_t first;
    pthread_t thread;
};

static void *ask_every_nth(void *argument)
{
    struct client *client = argument;
    struct load *load = client->load;
    char body[1024];
    int fd = -1;

    for (size_t i = client->first; i < load->n_requests; i += load->n_clients) {
        write_body(body, i);
        ask(load->f, &fd, body, load->answers[i]);
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void run(struct load *load)
{
    struct client clients[CLIENTS_MAX];

    for (size_t i = 0; i < load->n_clients; i++) {
        clients[i] = (struct client){ .load = load, .first = i };
        assert_int_equal(pthread_create(&clients[i].thread, NULL, ask_every_nth, &clients[i]), 0);
    }
    for (size_t i = 0; i < load->n_clients; i++)
        pthread_join(clients[i].thread, NULL);
}

static size_t gauge(const struct service_fixture *f, const char *name)
{
    const char *at = strstr(fixture_ask(f, "GET", "/metrics", "", ""), name);
    size_t value = 0;

    if (!at || sscanf(at + strlen(name), " %zu", &value) != 1)
        fail_msg("no %s", name);
    return value;
}

static void the_same_request_gives_the_same_bytes_in_every_batch(void **state)
{
    static const struct {
        size_t n_clients, n_threads;
        enum cpu cpu;
    } runs[] = {
        { 1, 1, CPU_SCALAR },
        { 4, 2, CPU_AVX2 },
        { 32, 1, CPU_AVX512 },
        { 32, 2, CPU_VNNI },
    };
    struct service_fixture *f = *state;
    struct load load = { .f = f, .n_requests = 320 };
    char(*want)[ANSWER_BYTES] = mem_array(load.n_requests, ANSWER_BYTES);

    load.answers = mem_array(load.n_requests, ANSWER_BYTES);
    for (size_t r = 0; r < ARRAY_LEN(runs); r++) {
        fixture_stop(f);
        f->team.cpu = runs[r].cpu < cpu_best() ? runs[r].cpu : cpu_best();
        f->n_threads = runs[r].n_threads;
        fixture_start(f);
        load.n_clients = runs[r].n_clients;
        run(&load);
        for (size_t i = 0; r > 0 && i < load.n_requests; i++)
            if (strcmp(load.answers[i], want[i]) != 0)
                fail_msg("run %zu, request %zu: '%s', not '%s'", r, i, load.answers[i], want[i]);
        if (r == 0)
            memcpy(want, load.answers, load.n_requests * sizeof(*want));
        assert_non_null(strstr(want[0], "\"output\":{\"priority\":"));
    }
    /* 32 clients were batched: fewer batches than requests */
    assert_true(gauge(f, "shoal_batch_rows_count") < load.n_requests);
    assert_int_equal(gauge(f, "shoal_batch_rows_sum"), load.n_requests);
    mem_free(load.answers);
    mem_free(want);
}

static void *ask_with_the_key(void *argument)
{
    struct client *client = argument;
    char request[1024], *answer = client->load->answers[client->first];
    int fd = dial_port(client->load->f->port);

    snprintf(request, sizeof(request),
             "POST /v1/slms/triage/decisions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
             "Idempotency-Key: once\r\nAuthorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n%s",
             client->load->f->key, strlen(URGENT), URGENT);
    say(fd, request);
    hear_into(answer, ANSWER_BYTES, fd, NULL);
    close(fd);
    return NULL;
}

static void a_key_that_comes_from_many_at_once_is_one_decision(void **state)
{
    enum { N = 24 };
    struct service_fixture *f = *state;
    struct load load = { .f = f, .n_clients = N };
    struct client clients[N];

    load.answers = mem_array(N, ANSWER_BYTES);
    for (size_t i = 0; i < N; i++) {
        clients[i] = (struct client){ .load = &load, .first = i };
        assert_int_equal(pthread_create(&clients[i].thread, NULL, ask_with_the_key, &clients[i]),
                         0);
    }
    for (size_t i = 0; i < N; i++)
        pthread_join(clients[i].thread, NULL);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(status_of(load.answers[i]), 200);
        assert_string_equal(body_of(load.answers[i]), body_of(load.answers[0]));
    }
    mem_free(load.answers);
}

static void requests_that_were_abandoned_free_their_places(void **state)
{
    struct service_fixture *f = *state;
    char body[1024], request[2048];
    unsigned seed = 5;

    for (size_t i = 0; i < 400; i++) {
        int fd = dial_port(f->port);
        write_body(body, i);
        int len = snprintf(request, sizeof(request),
                           "POST /v1/slms/triage/decisions HTTP/1.1\r\nHost: a\r\nAuthorization: "
                           "Bearer %s\r\nContent-Length: %zu\r\n\r\n%s",
                           f->key, strlen(body), body);
        seed = seed * 1664525u + 1013904223u;
        request[seed % (unsigned)(len + 1)] = '\0'; /* cut anywhere, also nowhere */
        say(fd, request);
        if (seed & 1u << 20)
            usleep(200);
        close(fd);
    }
    for (int ms = 0;
         gauge(f, "\nshoal_requests_waiting") > 0 || gauge(f, "\nshoal_connections") > 1;
         ms++, usleep(1000))
        if (ms > PATIENCE_MS / 10)
            fail_msg("requests or connections are left over");
    assert_int_equal(status_of(fixture_decide(f, URGENT)), 200);
}

static void a_full_service_refuses_at_once_and_goes_on(void **state)
{
    struct service_fixture *f = *state;
    struct load load = { .f = f, .n_clients = 32, .n_requests = 640 };
    size_t n_refused = 0;

    fixture_stop(f);
    f->http.exchanges_max = 4;
    fixture_start(f);
    load.answers = mem_array(load.n_requests, ANSWER_BYTES);
    run(&load);
    for (size_t i = 0; i < load.n_requests; i++) {
        bool is_refused = strcmp(load.answers[i], "refused") == 0;
        assert_true(is_refused || strncmp(load.answers[i], "\"output\":", 9) == 0);
        n_refused += is_refused;
    }
    assert_true(n_refused < load.n_requests);
    assert_int_equal(gauge(f, "\nshoal_requests_waiting"), 0);
    assert_int_equal(status_of(fixture_decide(f, URGENT)), 200);
    mem_free(load.answers);
}

int main(void)
{
#define SERVICE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(the_same_request_gives_the_same_bytes_in_every_batch),
        SERVICE_TEST(a_key_that_comes_from_many_at_once_is_one_decision),
        SERVICE_TEST(requests_that_were_abandoned_free_their_places),
        SERVICE_TEST(a_full_service_refuses_at_once_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
