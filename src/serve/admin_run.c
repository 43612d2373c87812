/* admin_run.c - one operation, here or by the service that has the files. */
#include "net/http_client.h"
#include "serve/admin.h"

#include <stdio.h>
#include <unistd.h>

/* The code of an error body's name; RC_UNAVAILABLE for what is none of ours. */
static enum rc code_of(struct str name)
{
    for (enum rc code = RC_INVALID; code <= RC_NOMEM; code++)
        if (str_is(name, rc_name(code)))
            return code;
    return RC_UNAVAILABLE;
}

static enum rc read_error(int status, struct str body, struct arena *arena, struct err *err)
{
    struct json *parsed;

    if (json_parse(body, JSON_DUPLICATES_REFUSED, arena, &parsed, err))
        return err_set(err, RC_UNAVAILABLE, "the service answered %d", status);
    const struct json *error = json_find(parsed, "error");
    const struct json *code = error ? json_find(error, "code") : NULL;
    const struct json *message = error ? json_find(error, "message") : NULL;
    if (!code || code->type != JSON_STRING || !message || message->type != JSON_STRING)
        return err_set(err, RC_UNAVAILABLE, "the service answered %d", status);
    return err_set(err, code_of(code->text), "%.*s", STR_ARG(message->text));
}

/* busy: the error of opening the files, which stands when nobody listens either. */
static enum rc ask_service(const struct serve_team_config *config, const char *operation,
                           struct str arguments, const struct err *busy, struct arena *arena,
                           struct buf *answer, struct err *err)
{
    const char *socket = serve_team_path(config->workspace, config->team, "admin.sock", arena);
    struct buf body;
    char path[64];
    int status;

    if (!socket)
        return arena_fail(arena, err, "path of the socket");
    snprintf(path, sizeof(path), "/admin/%.40s", operation);
    buf_init(&body, ADMIN_ANSWER_BYTES_MAX);
    enum rc rc = http_client_call(socket, "POST", path, arguments, &status, &body, err);
    if (rc == RC_NOT_FOUND) {
        *err = *busy;
        rc = busy->code;
    } else if (!rc && status != 200) {
        rc = read_error(status, buf_str(&body), arena, err);
    } else if (!rc) {
        buf_append_str(answer, buf_str(&body));
        rc = buf_rc(answer, "answer", err);
    }
    buf_release(&body);
    return rc;
}

enum rc admin_run(const struct serve_team_config *config, const char *operation,
                  struct str arguments, struct buf *answer, struct err *err)
{
    CLEANUP(serve_team_closep) struct serve_team *team = NULL;
    struct arena arena;
    struct err opening;

    arena_init(&arena, ADMIN_ARENA_BYTES_MAX);
    enum rc rc = serve_team_open(config, &team, &opening);
    if (!rc)
        rc = admin_call(team, operation, arguments, geteuid(), &arena, answer, err);
    else if (rc == RC_BUSY)
        rc = ask_service(config, operation, arguments, &opening, &arena, answer, err);
    else
        *err = opening;
    arena_release(&arena);
    return rc;
}
