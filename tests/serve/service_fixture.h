/*
 * service_fixture.h - a workspace in a folder of its own with one team and one SLM, whose versions
 * are tiny linear models trained on the spot, and the team's service on a thread.
 */
#ifndef TESTS_SERVE_SERVICE_FIXTURE_H
#define TESTS_SERVE_SERVICE_FIXTURE_H

#include "tests/serve/raw_client.h"
#include "tests/support/temp.h"

#include "engine/linear/linear_fit.h"
#include "engine/predictor.h"
#include "record/decision.h"
#include "record/principal.h"
#include "serve/admin.h"
#include "serve/team_service.h"

#include <pthread.h>

#define FIXTURE_SPEC                                                                           \
    "slm: triage\n"                                                                            \
    "description: tests\n"                                                                     \
    "input:\n"                                                                                 \
    "  type: object\n"                                                                         \
    "  required: [text]\n"                                                                     \
    "  properties:\n"                                                                          \
    "    text: {type: string, maxLength: 2000}\n"                                              \
    "    total: {type: number, minimum: 0}\n"                                                  \
    "output:\n"                                                                                \
    "  type: object\n"                                                                         \
    "  required: [priority]\n"                                                                 \
    "  properties:\n"                                                                          \
    "    priority: {type: string, enum: [low, high]}\n"                                        \
    "facts:\n"                                                                                 \
    "  large: total != null and total >= 1000\n"                                               \
    "rules:\n"                                                                                 \
    "  - name: R1\n"                                                                           \
    "    text: large orders are of high priority\n"                                            \
    "    must: not(large) or priority = \"high\"\n"                                            \
    "derived:\n"                                                                               \
    "  due: now() + (if priority = \"high\" then duration(\"PT4H\") else duration(\"P2D\"))\n" \
    "show: [text]\n"                                                                           \
    "data:\n"                                                                                  \
    "  - path: rows.jsonl\n"                                                                   \
    "contracts:\n"                                                                             \
    "  - {flow: dispute, send: [text], read: [priority]}\n"

#define URGENT "{\"input\":{\"text\":\"refund my money now, this is urgent\"}}"
#define CALM   "{\"input\":{\"text\":\"thank you, a question about colours\"}}"

struct service_fixture {
    struct temp_dir dir;
    int64_t now_ms;
    struct serve_team_config team;
    struct http_server_config http;
    size_t n_threads;
    struct team_service *service;
    unsigned port;
    pthread_t thread;
    enum rc result;
    char key[PRINCIPAL_KEY_LEN + 1];
    struct digest versions[2]; /* the second answers the other way round */
    struct arena arena;
    struct err err;
};

static inline struct digest fixture_adapter(struct service_fixture *f, struct artifact_store *store,
                                            bool reversed)
{
    static const char *const texts[] = {
        "refund my money now, urgent",
        "urgent: money is gone, refund",
        "now! this is urgent",
        "I want my money back, refund",
        "thank you for the parcel",
        "a question about colours",
        "which colours are there, thank you",
        "just a question",
    };
    static struct str labels[] = { { "low", 3 }, { "high", 4 } };
    static struct adapter_field field = { { "priority", 8 }, false, 2, labels, 0 };
    struct linear_fit options = { .c = 10.0 };
    struct linear_matrix matrix;
    struct linear_head head;
    struct linear_model model = { .n_heads = 1, .heads = &head };
    struct safetensors_tensor *tensors;
    struct str rows[ARRAY_LEN(texts)];
    uint32_t truth[ARRAY_LEN(texts)];
    struct digest digest;
    struct arena scratch;
    struct buf bytes;
    size_t n;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        rows[i] = str_of(texts[i]);
        truth[i] = (i < 4) != reversed;
    }
    arena_init(&scratch, 64 << 20);
    buf_init(&bytes, 16 << 20);
    assert_ok(linear_vocabulary_count(rows, ARRAY_LEN(texts), 1000, &scratch, &f->arena,
                                      &model.vocabulary, &f->err),
              &f->err);
    assert_ok(
        linear_matrix_build(&model.vocabulary, rows, ARRAY_LEN(texts), &scratch, &matrix, &f->err),
        &f->err);
    assert_ok(linear_head_init(model.vocabulary.n_features, 2, &f->arena, &head, &f->err), &f->err);
    assert_ok(linear_fit(&matrix, truth, &options, &head, &f->err), &f->err);
    assert_ok(linear_tensors(&model, &scratch, &tensors, &n, &f->err), &f->err);
    struct adapter adapter = { .kind = ADAPTER_LINEAR, .n_fields = 1, .fields = &field };
    assert_ok(adapter_append(&bytes, &adapter, tensors, n, &f->err), &f->err);
    assert_ok(artifact_put(store, bytes.at, bytes.len, &digest, &f->err), &f->err);
    buf_release(&bytes);
    arena_release(&scratch);
    return digest;
}

/* Registers version @1, @2, ...; returns its digest. */
static inline struct digest fixture_register(struct service_fixture *f, struct serve_team *team,
                                             bool reversed, enum registry_verdict verdict)
{
    static const char *const reasons[] = { "a gate was missed" };
    struct digest digest;
    int64_t number;
    struct manifest manifest = { .team = "support",
                                 .slm = "triage",
                                 .calibration =
                                     STR("{\"priority\":{\"temperature\":1,\"threshold\":0}}"),
                                 .engine_build = "tests",
                                 .created_by = "tests",
                                 .created_ms = f->now_ms + (verdict == REGISTRY_REJECTED) };

    manifest.adapter = fixture_adapter(f, team->artifacts, reversed);
    assert_ok(
        artifact_put(team->artifacts, FIXTURE_SPEC, strlen(FIXTURE_SPEC), &manifest.spec, &f->err),
        &f->err);
    assert_ok(artifact_put(team->artifacts, "rows", 4, &manifest.dataset, &f->err), &f->err);
    assert_ok(artifact_put(team->artifacts, "{}", 2, &manifest.report, &f->err), &f->err);
    assert_ok(registry_register(team->registry, &manifest, verdict, reasons,
                                verdict == REGISTRY_REJECTED, &digest, &number, &f->err),
              &f->err);
    return digest;
}

/* Two accepted versions, a rejected one (@3), the first in production, and a key for everything. */
static inline void fixture_make_workspace(struct service_fixture *f)
{
    struct serve_team *team;

    temp_dir_make(&f->dir);
    arena_init(&f->arena, 64 << 20);
    f->now_ms = 1764000000000;
    f->http = http_server_config_default();
    f->http.drain_listen_ms = 0;
    f->n_threads = 2;
    f->team = (struct serve_team_config){ .workspace = f->dir.path,
                                          .team = "support",
                                          .home = f->dir.path,
                                          .engine_build = "tests",
                                          .cpu = cpu_best(),
                                          .clock = clock_fixed(&f->now_ms) };
    assert_ok(serve_team_open(&f->team, &team, &f->err), &f->err);
    f->versions[0] = fixture_register(f, team, false, REGISTRY_ACCEPTED);
    f->versions[1] = fixture_register(f, team, true, REGISTRY_ACCEPTED);
    fixture_register(f, team, false, REGISTRY_REJECTED);
    assert_ok(registry_promote(team->registry, "support/triage", "@1", "production", "tests",
                               "the first", &f->err),
              &f->err);
    assert_ok(principal_create(team->record, "shop", 15, PRINCIPAL_ALL, 0, f->key, &f->err),
              &f->err);
    serve_team_close(team);
}

static inline struct team_service_config fixture_config(const struct service_fixture *f)
{
    return (struct team_service_config){
        .team = f->team,
        .http = f->http,
        .host = "127.0.0.1",
        .n_threads = f->n_threads,
        .log = { .clock = f->team.clock, .level = LOG_LEVEL_ERROR, .fd = 2 },
    };
}

static inline void *fixture_serve(void *fixture)
{
    struct service_fixture *f = fixture;
    struct err ignored;

    f->result = team_service_run(f->service, &ignored);
    return NULL;
}

static inline void fixture_start(struct service_fixture *f)
{
    struct team_service_config config = fixture_config(f);

    assert_ok(team_service_open(&config, &f->service, &f->err), &f->err);
    f->port = team_service_port(f->service);
    assert_int_equal(pthread_create(&f->thread, NULL, fixture_serve, f), 0);
}

static inline void fixture_stop(struct service_fixture *f)
{
    team_service_stop(f->service);
    pthread_join(f->thread, NULL);
    team_service_close(f->service);
    f->service = NULL;
    assert_int_equal(f->result, RC_OK);
}

static inline int fixture_set_up(void **state)
{
    struct service_fixture *f = test_calloc(1, sizeof(*f));

    fixture_make_workspace(f);
    fixture_start(f);
    *state = f;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    struct service_fixture *f = *state;

    if (f->service)
        fixture_stop(f);
    temp_dir_remove(&f->dir);
    arena_release(&f->arena);
    test_free(f);
    return 0;
}

/* One request on a connection of its own with the fixture's key; more: header lines. The answer is
 * static, until the next one. */
static inline const char *fixture_ask(const struct service_fixture *f, const char *method,
                                      const char *path, const char *more, const char *body)
{
    static char request[ANSWER_MAX];
    int fd = dial_port(f->port);

    snprintf(request, sizeof(request),
             "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer %s\r\n"
             "Content-Length: %zu\r\n%s\r\n%s",
             method, path, f->key, strlen(body), more, body);
    say(fd, request);
    const char *answer = hear(fd, NULL);
    close(fd);
    return answer;
}

static inline const char *fixture_decide(const struct service_fixture *f, const char *body)
{
    return fixture_ask(f, "POST", "/v1/slms/triage/decisions", "", body);
}

/* Over the admin socket, whichever service it is. */
static inline enum rc fixture_admin(struct service_fixture *f, const char *operation,
                                    const char *arguments, struct buf *answer)
{
    buf_init(answer, ADMIN_ANSWER_BYTES_MAX);
    return admin_run(&f->team, operation, str_of(arguments), answer, &f->err);
}

#endif
