#include "serve/http/http_status.h"

#include "base/json.h"

int http_status_of(enum rc code)
{
    switch (code) {
    case RC_OK: return 200;
    case RC_INVALID: return 400;
    case RC_DENIED: return 403;
    case RC_NOT_FOUND: return 404;
    case RC_EXISTS: return 409;
    case RC_STATE: return 409;
    case RC_CONFLICT: return 409;
    case RC_LIMIT: return 413;
    case RC_BUSY: return 429;      /* with Retry-After */
    case RC_CANCELLED: return 499; /* not in the RFC; nginx's code for "client left" */
    case RC_CORRUPT: return 500;   /* our files, not the client's body: that is RC_INVALID */
    case RC_IO: return 500;
    case RC_UNKNOWN: return 500;
    case RC_UNSUPPORTED: return 501;
    case RC_UNAVAILABLE: return 503;
    case RC_NOMEM: return 503;
    case RC_TIMEOUT: return 504;
    case RC_FULL: return 507;
    }
    assert_fail("code is an enum rc", __FILE__, __LINE__);
}

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" },
        { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 499, "Client Closed Request" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
        { 507, "Insufficient Storage" },
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "";
}

const char *http_error_type(int status)
{
    if (status >= 500)
        return "server_error";
    if (status == 401)
        return "authentication_error";
    if (status == 403)
        return "permission_error";
    return status == 429 ? "rate_limit_error" : "invalid_request_error";
}

void http_error_body(struct buf *body, const struct http_error *error)
{
    struct json_writer w;

    json_writer_init(&w, body);
    json_begin_object(&w);
    json_key(&w, "error");
    json_begin_object(&w);
    json_key(&w, "code");
    json_text(&w, error->code);
    json_key(&w, "message");
    json_text(&w, error->message);
    json_key(&w, "type");
    json_text(&w, http_error_type(error->status));
    json_key(&w, "param");
    json_text(&w, error->param);
    json_end_object(&w);
    json_end_object(&w);
}
