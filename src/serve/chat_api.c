/* chat_api.c - POST /v1/chat/completions for a batch, GET /v1/models, GET /v1/models/{id}. */
#include "serve/chat_request.h"
#include "serve/http/http_status.h"
#include "serve/team_service_internal.h"

#include <stdio.h>

#define TOO_LONG "context_length_exceeded"

/* Clients shorten a history and try again when the message has these words in it. */
static void say_too_long(struct err *err)
{
    struct err why = *err;

    snprintf(err->message, sizeof(err->message),
             "the input is longer than the maximum context length (" TOO_LONG "): %.150s",
             why.message);
}

static void answer(struct http_exchange *x, int status, const char *code, const char *param,
                   const char *message)
{
    buf_reset(&x->body);
    http_error_body(&x->body, &(struct http_error){ status, code, message, param });
    http_answer(x, status);
}

void serve_answer_chat_error(struct team_service *service, struct http_exchange *x,
                             const char *param, const struct err *err)
{
    struct err shown;

    if (err->code == RC_UNSUPPORTED) {
        answer(x, 400, "unsupported", param, err->message);
        return;
    }
    serve_shown_error(service, x, err, &shown);
    if (err->code == RC_LIMIT) {
        say_too_long(&shown);
        answer(x, 400, TOO_LONG, param, shown.message);
    } else if (err->code == RC_INVALID) {
        answer(x, 400, "invalid", param, shown.message);
    } else {
        http_answer_error(x, &shown);
    }
}

void serve_answer_chat_problems(struct http_exchange *x, const struct problems *problems)
{
    const struct problem *first = serve_first_error(problems);
    bool is_key = str_is(str_of(first->code), "idempotency_key");
    struct err err;

    err_set(&err, RC_INVALID, "%s", first->message);
    if (str_is(str_of(first->code), "too_long")) {
        say_too_long(&err);
        answer(x, 400, TOO_LONG, "messages", err.message);
    } else {
        answer(x, 400, first->code, is_key ? NULL : "messages", err.message);
    }
}

/* "triage", or "support/triage" as the list of models has it. */
static const struct serve_slm *find_model(const struct team_service *service, struct str name)
{
    const char *team = service->config.team.team;
    size_t len = strlen(team);

    if (str_starts_with(name, team) && name.len > len && name.at[len] == '/')
        name = (struct str){ name.at + len + 1, name.len - len - 1 };
    return serve_slm_table_find(&service->slms, name);
}

static void answer_no_model(struct http_exchange *x, struct str name)
{
    char message[ERR_MESSAGE_MAX];

    snprintf(message, sizeof(message),
             "model '%.*s': no such SLM, or it has no version in production",
             name.len < 100 ? (int)name.len : 100, name.at ? name.at : "");
    answer(x, 404, "model_not_found", "model", message);
}

/* Reads what was asked; NULL: it cannot be, and was answered. */
static const struct serve_slm *read_request(struct team_service *service, struct http_exchange *x)
{
    struct chat_request *request = &serve_caller_of(x)->chat;
    const char *param = NULL;
    struct err err;

    enum rc rc = chat_read(x->request->body, &x->arena, request, &param, &err);
    if (rc) {
        serve_answer_chat_error(service, x, param, &err);
        return NULL;
    }
    const struct serve_slm *slm = find_model(service, request->model);
    if (!slm) {
        answer_no_model(x, request->model);
        return NULL;
    }
    if (chat_check_schema(request, version_spec(slm->version), &err)) {
        serve_answer_chat_error(service, x, "response_format", &err);
        return NULL;
    }
    return slm;
}

void serve_chat(struct team_service *service, struct http_exchange **exchanges, size_t n)
{
    const struct serve_slm *slms[SERVE_BATCH_ROWS_MAX];
    struct http_exchange *together[SERVE_BATCH_ROWS_MAX];

    ASSERT(n <= SERVE_BATCH_ROWS_MAX);
    for (size_t i = 0; i < n; i++)
        slms[i] = read_request(service, exchanges[i]);
    for (size_t i = 0; i < n; i++) {
        const struct serve_slm *slm = slms[i];
        size_t n_together = 0;
        for (size_t k = i; slm && k < n; k++) {
            if (slms[k] != slm)
                continue;
            together[n_together++] = exchanges[k];
            slms[k] = NULL;
        }
        if (slm)
            serve_decide_with(service, slm, together, n_together);
    }
}

static void append_model(struct team_service *service, const struct serve_slm *slm,
                         struct json_writer *w)
{
    const char *team = service->config.team.team;
    char id[2 * MANIFEST_NAME_MAX + 2];

    snprintf(id, sizeof(id), "%s/%s", team, slm->name);
    json_begin_object(w);
    json_key(w, "id");
    json_text(w, id);
    json_key(w, "object");
    json_text(w, "model");
    json_key(w, "created");
    json_i64(w, version_manifest(slm->version)->created_ms / 1000);
    json_key(w, "owned_by");
    json_text(w, team);
    json_end_object(w);
}

void serve_list_models(struct team_service *service, struct http_exchange *x)
{
    struct json_writer w;

    json_writer_init(&w, &x->body);
    json_begin_object(&w);
    json_key(&w, "object");
    json_text(&w, "list");
    json_key(&w, "data");
    json_begin_array(&w);
    for (size_t i = 0; i < service->slms.n; i++)
        append_model(service, &service->slms.at[i], &w);
    json_end_array(&w);
    json_end_object(&w);
    http_answer(x, 200);
}

void serve_show_model(struct team_service *service, struct http_exchange *x)
{
    struct str name = x->params[0]; /* with the team: the rest of the path */
    struct json_writer w;

    name.len = (size_t)(str_end(x->request->path) - name.at);
    const struct serve_slm *slm = find_model(service, name);
    if (!slm) {
        answer_no_model(x, name);
        return;
    }
    json_writer_init(&w, &x->body);
    append_model(service, slm, &w);
    http_answer(x, 200);
}
