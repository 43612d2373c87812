/* chat_input.c - which part of the messages is the input? */
#include "serve/chat_request.h"

/* Where an object begins and ends in a text. */
struct span {
    const char *from, *end;
};

/* The last objects of a text, in the order they end: an inner one before the one around it. */
struct spans {
    size_t n; /* that were found; those before the last CHAT_OBJECTS_MAX are forgotten */
    struct span at[CHAT_OBJECTS_MAX];
};

/* Quotes count inside braces alone: prose has apostrophes and inches. */
static void find_spans(struct str text, struct spans *spans)
{
    const char *open[JSON_DEPTH_MAX];
    size_t depth = 0;
    bool quoted = false;

    spans->n = 0;
    for (const char *at = text.at; at < str_end(text); at++) {
        if (quoted && *at == '\\' && at + 1 < str_end(text)) {
            at++;
        } else if (depth > 0 && *at == '"') {
            quoted = !quoted;
        } else if (!quoted && *at == '{' && depth < JSON_DEPTH_MAX) {
            open[depth++] = at;
        } else if (!quoted && *at == '}' && depth > 0) {
            spans->at[spans->n++ % CHAT_OBJECTS_MAX] = (struct span){ open[--depth], at + 1 };
        }
    }
}

/* What is being looked for. */
struct search {
    const struct schema *schema;
    struct arena *arena;
    size_t n_tried;
    bool has_object;
    const struct json *input;  /* NULL: none yet */
    struct problems *problems; /* of the first object */
};

static bool is_user(const struct json *message)
{
    return str_is(json_find(message, "role")->text, "user");
}

/* The text of a message: its content, or the text parts of it, a line each. */
static enum rc text_of(const struct json *message, struct arena *arena, struct str *ret_text,
                       struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    const struct json *content = json_find(message, "content");
    const char *copy;

    *ret_text = STR("");
    if (content && content->type == JSON_STRING)
        *ret_text = content->text;
    if (!content || content->type != JSON_ARRAY)
        return RC_OK;
    buf_init(&text, arena->limit);
    for (size_t i = 0; i < content->n; i++) {
        const struct json *part = json_find(&content->items[i], "text");
        if (!part || part->type != JSON_STRING)
            return err_set(err, RC_INVALID, "messages: an SLM reads text, and no other part");
        buf_append_text(&text, i ? "\n" : "");
        buf_append_str(&text, part->text);
    }
    enum rc rc = buf_rc(&text, "messages", err);
    if (rc)
        return rc;
    copy = arena_strndup(arena, text.len ? text.at : "", text.len);
    if (!copy)
        return arena_fail(arena, err, "messages");
    *ret_text = (struct str){ copy, text.len };
    return RC_OK;
}

static enum rc try_span(struct search *s, struct span span, struct err *err)
{
    struct problems problems;
    struct json *object;
    struct err no_json;

    s->n_tried++;
    enum rc rc = json_parse((struct str){ span.from, (size_t)(span.end - span.from) },
                            JSON_DUPLICATES_REFUSED, s->arena, &object, &no_json);
    if (rc == RC_INVALID)
        return RC_OK; /* braces, but no JSON */
    if (rc) {
        *err = no_json;
        return rc;
    }
    problem_init(&problems, s->arena);
    rc = schema_validate(s->schema, object, "messages", &problems, err);
    if (rc)
        return rc;
    if (problems.n_errors == 0)
        s->input = object;
    if (s->input || !s->has_object)
        *s->problems = problems;
    s->has_object = true;
    return RC_OK;
}

static enum rc try_text(struct search *s, struct str text, struct err *err)
{
    struct spans spans;
    enum rc rc = RC_OK;

    find_spans(text, &spans);
    for (size_t i = spans.n; i > 0 && spans.n - i < CHAT_OBJECTS_MAX; i--) {
        if (rc || s->input || s->n_tried == CHAT_OBJECTS_MAX)
            break;
        rc = try_span(s, spans.at[(i - 1) % CHAT_OBJECTS_MAX], err);
    }
    return rc;
}

/* The property that a text alone is an input for; NULL: there is none. */
static const struct schema_property *text_property(const struct schema *schema)
{
    const struct schema_property *only = NULL;

    for (size_t i = 0; i < schema->n_properties; i++) {
        const struct schema_property *p = &schema->properties[i];
        if (p->required && only)
            return NULL;
        if (p->required)
            only = p;
    }
    bool is_text = only && only->schema.type == SCHEMA_STRING && only->schema.n_labels == 0 &&
                   only->schema.format == SCHEMA_FORMAT_NONE;
    return is_text ? only : NULL;
}

static enum rc take_text(struct search *s, const struct schema_property *property, struct str text,
                         struct err *err)
{
    struct json *object = arena_new(s->arena, struct json);
    struct json_member *only = arena_new(s->arena, struct json_member);

    if (!object || !only)
        return arena_fail(s->arena, err, "input");
    only->key = property->name;
    only->value.type = JSON_STRING;
    only->value.text = text;
    object->type = JSON_OBJECT;
    object->n = 1;
    object->members = only;
    problem_init(s->problems, s->arena);
    s->input = object;
    return schema_validate(s->schema, object, "messages", s->problems, err);
}

enum rc chat_find_input(const struct chat_request *request, const struct schema *schema,
                        struct arena *arena, const struct json **ret_input,
                        struct problems *problems, struct err *err)
{
    struct search s = { .schema = schema, .arena = arena, .problems = problems };
    const struct schema_property *property = text_property(schema);
    struct str last = { 0 }, text;
    enum rc rc = RC_OK;

    for (size_t i = request->messages->n; i > 0 && !rc && !s.input; i--) {
        const struct json *message = &request->messages->items[i - 1];
        if (!is_user(message))
            continue;
        rc = text_of(message, arena, &text, err);
        if (!rc && !last.at)
            last = text;
        if (!rc)
            rc = try_text(&s, text, err);
    }
    if (!rc && !s.input && !last.at)
        rc = err_set(err, RC_INVALID, "messages: none is of the user");
    else if (!rc && !s.input && property && !str_starts_with(last, "{"))
        rc = take_text(&s, property, last, err);
    else if (!rc && !s.has_object)
        rc = err_set(err, RC_INVALID,
                     "messages: the SLM's input is a JSON object, and none is in them");
    if (!rc)
        *ret_input = s.input;
    return rc;
}
