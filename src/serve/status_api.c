/* status_api.c - what is served, how it is doing, and what an error looks like. */
#include "serve/http/http_status.h"
#include "serve/team_service_internal.h"

#include <stdio.h>
#include <sys/statvfs.h>

enum { DISK_FREE_PERCENT_MIN = 5 };

const struct problem *serve_first_error(const struct problems *problems)
{
    static const struct problem other = { .code = "invalid",
                                          .message = "the request is not valid" };

    for (size_t i = 0; i < problems->n; i++)
        if (problems->items[i].severity == PROBLEM_ERROR)
            return &problems->items[i];
    return &other;
}

void serve_answer_problems(struct http_exchange *x, const struct problems *problems)
{
    CLEANUP(buf_releasep) struct buf list = { 0 };
    int status = http_status_of(RC_INVALID);
    struct json_writer w;

    buf_init(&list, HTTP_ANSWER_BYTES_MAX);
    json_writer_init(&w, &x->body);
    json_begin_object(&w);
    json_key(&w, "error");
    json_begin_object(&w);
    json_key(&w, "code");
    json_text(&w, rc_name(RC_INVALID));
    json_key(&w, "message");
    json_text(&w, serve_first_error(problems)->message);
    json_key(&w, "type");
    json_text(&w, http_error_type(status));
    json_key(&w, "param");
    json_null(&w);
    json_key(&w, "problems");
    problem_append_json(&list, problems);
    json_raw(&w, buf_str(&list));
    json_end_object(&w);
    json_end_object(&w);
    http_answer(x, status);
}

void serve_shown_error(struct team_service *service, const struct http_exchange *x,
                       const struct err *err, struct err *ret_shown)
{
    *ret_shown = *err;
    if (http_status_of(err->code) < 500)
        return;
    /* the sentence may name our files: it is for the log */
    log_printf(&service->config.log, LOG_LEVEL_ERROR, "%s %s: %s (%s:%d)", x->route->method,
               x->route->path, err->message, err->file, err->line);
    snprintf(ret_shown->message, sizeof(ret_shown->message), "the service could not do it: %s",
             rc_name(err->code));
}

void serve_answer_error(struct team_service *service, struct http_exchange *x,
                        const struct err *err)
{
    struct err shown;

    serve_shown_error(service, x, err, &shown);
    http_answer_error(x, &shown);
}

static void append_fields(struct json_writer *w, const struct spec *spec)
{
    json_key(w, "fields");
    json_begin_array(w);
    for (size_t i = 0; i < spec->n_fields; i++) {
        const struct spec_field *field = &spec->fields[i];
        json_begin_object(w);
        json_key(w, "name");
        json_string(w, field->name);
        json_key(w, "labels");
        json_begin_array(w);
        for (size_t k = 0; k < field->n_labels; k++)
            json_string(w, field->labels[k].text);
        json_end_array(w);
        if (field->is_set) { /* the answer is a list of labels */
            json_key(w, "set");
            json_bool(w, true);
        }
        json_end_object(w);
    }
    json_end_array(w);
}

void serve_list_slms(struct team_service *service, struct http_exchange *x)
{
    struct json_writer w;

    json_writer_init(&w, &x->body);
    json_begin_object(&w);
    json_key(&w, "slms");
    json_begin_array(&w);
    for (size_t i = 0; i < service->slms.n; i++) {
        const struct serve_slm *slm = &service->slms.at[i];
        const struct spec *spec = version_spec(slm->version);
        json_begin_object(&w);
        json_key(&w, "slm");
        json_text(&w, slm->name);
        json_key(&w, "description");
        json_string(&w, spec->description.text);
        json_key(&w, "number");
        json_i64(&w, slm->number);
        json_key(&w, "version");
        json_text(&w, version_digest(slm->version)->hex);
        append_fields(&w, spec);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    http_answer(x, 200);
}

static bool disk_has_room(const struct team_service *service)
{
    struct statvfs disk;

    return statvfs(service->config.team.workspace, &disk) == 0 &&
           disk.f_bavail >= disk.f_blocks / 100 * DISK_FREE_PERCENT_MIN;
}

/* The first reason not to send requests here; NULL: ready. */
static const char *not_ready(struct team_service *service)
{
    if (http_server_draining(service->http))
        return "draining";
    if (atomic_load(&service->n_slms) == 0)
        return "no_version_in_production";
    if (atomic_load(&service->swap_failed))
        return "version_did_not_open";
    if (atomic_load(&service->store_failed))
        return "store_not_writable";
    if (!disk_has_room(service))
        return "disk_almost_full";
    return NULL;
}

void serve_live(struct http_exchange *x, void *service)
{
    (void)service;
    buf_append_text(&x->body, "{\"status\":\"live\"}");
    http_answer(x, 200);
}

void serve_health(struct http_exchange *x, void *self)
{
    struct team_service *service = self;
    const char *reason = not_ready(service);
    struct json_writer w;

    json_writer_init(&w, &x->body);
    json_begin_object(&w);
    json_key(&w, "status");
    json_text(&w, reason ? "not_ready" : "ready");
    json_key(&w, "reason");
    json_text(&w, reason);
    json_key(&w, "slms");
    json_i64(&w, (int64_t)atomic_load(&service->n_slms));
    json_end_object(&w);
    http_answer(x, reason ? 503 : 200);
}

void serve_metrics(struct http_exchange *x, void *self)
{
    struct team_service *service = self;

    x->content_type = "text/plain; version=0.0.4; charset=utf-8";
    /* all but this one */
    metrics_append(&service->metrics, http_server_n_exchanges(service->http) - 1,
                   http_server_n_connections(service->http), &x->body);
    http_answer(x, 200);
}
