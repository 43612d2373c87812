#include "serve/chat_answer.h"

enum { CONTENT_BYTES_MAX = 16 << 20 };

struct answer {
    const struct chat_request *request;
    const struct decision *decision;
    struct str content;
    const struct json *refusal; /* text; NULL: none */
    const char *finish_reason;
    size_t prompt_tokens, completion_tokens;
};

/* ---- tokens */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Behind the next token; at the end when there is none. */
static const char *skip_token(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    if (at < end && !is_word(*at))
        return at + 1;
    while (at < end && is_word(*at))
        at++;
    return at;
}

struct str chat_first_tokens(struct str text, size_t n)
{
    const char *at = text.at, *end = str_end(text);

    for (size_t i = 0; at < end && i < n; i++)
        at = skip_token(at, end);
    return (struct str){ text.at, (size_t)(at - text.at) };
}

size_t chat_tokens(struct str text)
{
    const char *end = str_end(text);
    size_t n = 0;

    for (const char *at = text.at; at < end; n++) {
        at = skip_token(at, end);
        n -= is_space(at[-1]); /* white space at the end is no token */
    }
    return n;
}

/* ---- what the answer says */

static bool is_asked_for(const struct chat_request *request, struct str name)
{
    const struct json *properties =
        request->schema ? json_find(request->schema, "properties") : NULL;

    if (!properties || properties->type != JSON_OBJECT)
        return true;
    for (size_t i = 0; i < properties->n; i++)
        if (str_equal(properties->members[i].key, name))
            return true;
    return false;
}

static void append_content(const struct chat_request *request, const struct json *output,
                           const struct json *abstained, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    if (output->type == JSON_NULL) {
        json_key(&w, "abstained");
        json_value(&w, abstained);
    }
    for (size_t i = 0; i < output->n; i++) {
        if (!is_asked_for(request, output->members[i].key))
            continue;
        json_key_str(&w, output->members[i].key);
        json_value(&w, &output->members[i].value);
    }
    json_end_object(&w);
}

static enum rc read_answer(struct answer *a, struct arena *arena, struct buf *content,
                           struct err *err)
{
    const struct json *output, *abstained;
    struct json *stored;

    enum rc rc = json_parse(a->decision->answer, JSON_DUPLICATES_KEPT, arena, &stored, err);
    if (rc == RC_LIMIT || rc == RC_NOMEM)
        return rc;
    output = rc ? NULL : json_find(stored, "output");
    abstained = rc ? NULL : json_find(stored, "abstained");
    if (!output || !abstained || (output->type != JSON_OBJECT && abstained->type != JSON_OBJECT))
        return err_set(err, RC_CORRUPT, "decision '%s' has no answer", a->decision->id);
    if (output->type == JSON_NULL)
        a->refusal = json_find(abstained, "text");
    append_content(a->request, output, abstained, content);
    return buf_rc(content, "content", err);
}

static void count_and_cut(struct answer *a, struct str content)
{
    a->content = chat_first_tokens(content, a->request->max_tokens);
    a->finish_reason = a->content.len < content.len ? "length" : "stop";
    a->prompt_tokens = chat_tokens(a->decision->input);
    a->completion_tokens = chat_tokens(a->content);
}

/* ---- how it is written */

/* What a completion and each event of a stream begin with; the object is left open. */
static void begin(const struct answer *a, const char *object, struct json_writer *w)
{
    json_begin_object(w);
    json_key(w, "id");
    json_text(w, a->decision->id);
    json_key(w, "object");
    json_text(w, object);
    json_key(w, "created");
    json_i64(w, a->decision->recorded_ms / 1000);
    json_key(w, "model");
    json_string(w, a->request->model);
    json_key(w, "system_fingerprint");
    json_text(w, a->decision->version.hex);
}

static void append_usage(const struct answer *a, struct json_writer *w)
{
    json_key(w, "usage");
    json_begin_object(w);
    json_key(w, "prompt_tokens");
    json_i64(w, (int64_t)a->prompt_tokens);
    json_key(w, "completion_tokens");
    json_i64(w, (int64_t)a->completion_tokens);
    json_key(w, "total_tokens");
    json_i64(w, (int64_t)(a->prompt_tokens + a->completion_tokens));
    json_end_object(w);
}

static void append_refusal(const struct answer *a, struct json_writer *w)
{
    json_key(w, "refusal");
    if (a->refusal)
        json_value(w, a->refusal);
    else
        json_null(w);
}

/* The part of a choice that differs is between the two. */
static void begin_choice(struct json_writer *w, const char *part)
{
    json_key(w, "choices");
    json_begin_array(w);
    json_begin_object(w);
    json_key(w, "index");
    json_i64(w, 0);
    json_key(w, part);
    json_begin_object(w);
}

static void end_choice(struct json_writer *w, const char *finish_reason)
{
    json_end_object(w);
    json_key(w, "logprobs");
    json_null(w);
    json_key(w, "finish_reason");
    json_text(w, finish_reason);
    json_end_object(w);
    json_end_array(w);
}

static void append_completion(const struct answer *a, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    begin(a, "chat.completion", &w);
    begin_choice(&w, "message");
    json_key(&w, "role");
    json_text(&w, "assistant");
    json_key(&w, "content");
    json_string(&w, a->content);
    append_refusal(a, &w);
    end_choice(&w, a->finish_reason);
    append_usage(a, &w);
    json_end_object(&w);
}

/* The delta of an event: the role comes first, then pieces of the content, at the end nothing. */
struct delta {
    bool is_first;
    struct str piece;
    const char *finish_reason;
};

static void append_event(const struct answer *a, const struct delta *delta, struct buf *out)
{
    struct json_writer w;

    buf_append_text(out, "data: ");
    json_writer_init(&w, out);
    begin(a, "chat.completion.chunk", &w);
    begin_choice(&w, "delta");
    if (delta->is_first) {
        json_key(&w, "role");
        json_text(&w, "assistant");
    }
    if (!delta->finish_reason) {
        json_key(&w, "content");
        json_string(&w, delta->piece);
    }
    if (delta->is_first && a->refusal)
        append_refusal(a, &w);
    end_choice(&w, delta->finish_reason);
    json_end_object(&w);
    buf_append_text(out, "\n\n");
}

static void append_usage_event(const struct answer *a, struct buf *out)
{
    struct json_writer w;

    buf_append_text(out, "data: ");
    json_writer_init(&w, out);
    begin(a, "chat.completion.chunk", &w);
    json_key(&w, "choices");
    json_begin_array(&w);
    json_end_array(&w);
    append_usage(a, &w);
    json_end_object(&w);
    buf_append_text(out, "\n\n");
}

static void append_stream(const struct answer *a, struct buf *out)
{
    struct str left = a->content;

    append_event(a, &(struct delta){ .is_first = true, .piece = STR("") }, out);
    while (left.len) {
        struct str piece = chat_first_tokens(left, CHAT_PIECE_TOKENS);
        append_event(a, &(struct delta){ .piece = piece }, out);
        left = (struct str){ left.at + piece.len, left.len - piece.len };
    }
    append_event(a, &(struct delta){ .finish_reason = a->finish_reason }, out);
    if (a->request->include_usage)
        append_usage_event(a, out);
    buf_append_text(out, "data: [DONE]\n\n");
}

enum rc chat_append_answer(const struct chat_request *request, const struct decision *decision,
                           struct arena *arena, struct buf *out, struct err *err)
{
    CLEANUP(buf_releasep) struct buf content = { 0 };
    struct answer a = { .request = request, .decision = decision };

    buf_init(&content, CONTENT_BYTES_MAX);
    enum rc rc = read_answer(&a, arena, &content, err);
    if (rc)
        return rc;
    count_and_cut(&a, buf_str(&content));
    if (request->stream)
        append_stream(&a, out);
    else
        append_completion(&a, out);
    return RC_OK;
}
