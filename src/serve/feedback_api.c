/* feedback_api.c - POST /v1/decisions/{id}/feedback. */
#include "base/failpoint.h"
#include "record/decision.h"
#include "record/feedback.h"
#include "serve/body.h"
#include "serve/team_service_internal.h"

#include <stdio.h>

/* The output must be what the SLM, as it is served now, could have answered. */
static enum rc check_output(struct team_service *service, const struct decision *decision,
                            const struct json *output, struct problems *problems, struct err *err)
{
    const struct serve_slm *slm = serve_slm_table_find(&service->slms, str_of(decision->slm));

    if (!slm)
        return err_set(err, RC_STATE, "the SLM has no version in production to check against");
    return schema_validate(&version_spec(slm->version)->output, output, BODY_FILE, problems, err);
}

static enum rc fill_feedback(struct http_exchange *x, const struct body_feedback *body,
                             struct buf *output, struct feedback *feedback, struct err *err)
{
    struct str key = http_request_header(x->request, "idempotency-key");
    struct arena *arena = &x->arena;

    feedback->kind = body->output ? FEEDBACK_OUTPUT : FEEDBACK_VERDICT;
    feedback->is_right = body->verdict == BODY_RIGHT;
    feedback->principal = serve_caller_of(x)->principal.name;
    if (body->output)
        json_append(output, body->output);
    feedback->output = buf_str(output);
    feedback->comment =
        body->comment.at ? arena_strndup(arena, body->comment.at, body->comment.len) : NULL;
    feedback->idempotency_key = key.at ? arena_strndup(arena, key.at, key.len) : NULL;
    if ((body->comment.at && !feedback->comment) || (key.at && !feedback->idempotency_key))
        return arena_fail(arena, err, "feedback");

    enum rc rc = buf_rc(output, "output", err);
    if (rc)
        return rc;
    return sha256_of(x->request->body.at, x->request->body.len, &feedback->request, err);
}

static enum rc take(struct team_service *service, struct http_exchange *x,
                    struct problems *problems, struct buf *output, struct feedback *feedback,
                    struct err *err)
{
    struct body_feedback body;
    struct decision decision;
    const char *id = arena_strndup(&x->arena, x->params[0].at, x->params[0].len);

    if (!id)
        return arena_fail(&x->arena, err, "feedback");
    enum rc rc = decision_find(service->team->record, id, &x->arena, &decision, err);
    if (!rc)
        rc = body_read_feedback(x->request->body, &x->arena, &body, problems, err);
    if (!rc && problems->n_errors == 0 && body.output)
        rc = check_output(service, &decision, body.output, problems, err);
    if (rc || problems->n_errors)
        return rc;
    snprintf(feedback->decision_id, sizeof(feedback->decision_id), "%s", decision.id);
    rc = fill_feedback(x, &body, output, feedback, err);
    if (!rc)
        rc = feedback_add(service->team->record, feedback, err);
    return rc;
}

void serve_take_feedback(struct team_service *service, struct http_exchange *x)
{
    CLEANUP(buf_releasep) struct buf output = { 0 };
    struct feedback feedback = { 0 };
    struct problems problems;
    struct json_writer w;
    struct err err;

    problem_init(&problems, &x->arena);
    buf_init(&output, FEEDBACK_OUTPUT_MAX);
    enum rc rc = take(service, x, &problems, &output, &feedback, &err);
    if (rc) {
        serve_answer_error(service, x, &err);
        return;
    }
    if (problems.n_errors) {
        serve_answer_problems(x, &problems);
        return;
    }
    FAILPOINT("serve.feedback_stored");
    json_writer_init(&w, &x->body);
    json_begin_object(&w);
    json_key(&w, "id");
    json_text(&w, feedback.id);
    json_key(&w, "decision_id");
    json_text(&w, feedback.decision_id);
    json_end_object(&w);
    http_answer(x, 201);
}
