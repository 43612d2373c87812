#include "serve/chat_request.h"

static const struct json *member(const struct json *v, const char *name)
{
    const struct json *found = json_find(v, name);

    return found && found->type != JSON_NULL ? found : NULL;
}

static enum rc check_content(const struct json *content, size_t message, struct err *err)
{
    if (!content || content->type == JSON_STRING)
        return RC_OK;
    if (content->type != JSON_ARRAY)
        return err_set(err, RC_INVALID, "messages[%zu]: content is text or a list of parts",
                       message);
    for (size_t i = 0; i < content->n; i++) {
        const struct json *type = member(&content->items[i], "type");
        if (!type || type->type != JSON_STRING)
            return err_set(err, RC_INVALID, "messages[%zu]: part %zu has no type", message, i);
    }
    return RC_OK;
}

static enum rc check_messages(const struct json *messages, struct err *err)
{
    static const char *const roles[] = { "system",    "developer", "user",
                                         "assistant", "tool",      "function" };

    if (!messages || messages->type != JSON_ARRAY || messages->n == 0)
        return err_set(err, RC_INVALID, "messages: expected a list of at least one message");
    for (size_t i = 0; i < messages->n; i++) {
        const struct json *role = member(&messages->items[i], "role");
        size_t k = 0;
        while (role && role->type == JSON_STRING && k < ARRAY_LEN(roles) &&
               !str_is(role->text, roles[k]))
            k++;
        if (!role || role->type != JSON_STRING || k == ARRAY_LEN(roles))
            return err_set(err, RC_INVALID, "messages[%zu]: no role, or one that does not exist",
                           i);
        enum rc rc = check_content(member(&messages->items[i], "content"), i, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static enum rc read_bool(const struct json *body, const char *name, bool *ret, struct err *err)
{
    const struct json *v = member(body, name);

    if (v && v->type != JSON_BOOL)
        return err_set(err, RC_INVALID, "%s: expected true or false", name);
    *ret = v && v->boolean;
    return RC_OK;
}

/* The members that each are one number: what they may be. */
static enum rc check_numbers(const struct json *body, const char **ret_param, struct err *err)
{
    static const struct {
        const char *name;
        double min, max;
    } numbers[] = {
        { "temperature", 0, 2 },
        { "top_p", 0, 1 },
        { "presence_penalty", -2, 2 },
        { "frequency_penalty", -2, 2 },
    };
    double value;

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const struct json *v = member(body, numbers[i].name);
        *ret_param = numbers[i].name;
        if (v && (!json_to_double(v, &value) || value < numbers[i].min || value > numbers[i].max))
            return err_set(err, RC_INVALID, "%s: expected a number from %g to %g", numbers[i].name,
                           numbers[i].min, numbers[i].max);
    }
    return RC_OK;
}

/* The newer name counts when both are given. */
static enum rc read_limit(const struct json *body, size_t *ret_limit, const char **ret_param,
                          struct err *err)
{
    static const char *const names[] = { "max_tokens", "max_completion_tokens" };
    int64_t limit;

    *ret_limit = SIZE_MAX;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct json *v = member(body, names[i]);
        *ret_param = names[i];
        if (v && (!json_to_i64(v, &limit) || limit < 1))
            return err_set(err, RC_INVALID, "%s: expected a number from 1", names[i]);
        if (v)
            *ret_limit = (size_t)limit;
    }
    return RC_OK;
}

static enum rc refuse_what_we_do_not_do(const struct json *body, const char **ret_param,
                                        struct err *err)
{
    const struct json *n = member(body, "n"), *choice = member(body, "tool_choice");
    bool logprobs = false;
    int64_t count = 1;

    *ret_param = "n";
    if (n && (!json_to_i64(n, &count) || count != 1))
        return err_set(err, RC_UNSUPPORTED, "n: an SLM gives one answer to an input");
    *ret_param = "logprobs";
    enum rc rc = read_bool(body, "logprobs", &logprobs, err);
    if (rc)
        return rc;
    if (logprobs)
        return err_set(err, RC_UNSUPPORTED,
                       "logprobs: see the confidence of POST /v1/slms/{slm}/decisions");
    *ret_param = "tool_choice";
    if (choice && !(choice->type == JSON_STRING &&
                    (str_is(choice->text, "auto") || str_is(choice->text, "none"))))
        return err_set(err, RC_UNSUPPORTED,
                       "tool_choice: an SLM answers and calls no tools; ask for a json_schema");
    return RC_OK;
}

static enum rc read_format(const struct json *body, struct chat_request *request, struct err *err)
{
    const struct json *format = member(body, "response_format");
    const struct json *type = format ? member(format, "type") : NULL;
    const struct json *schema = NULL;

    if (!format)
        return RC_OK;
    if (!type || type->type != JSON_STRING)
        return err_set(err, RC_INVALID, "response_format: expected an object with a type");
    if (str_is(type->text, "json_schema")) {
        const struct json *named = member(format, "json_schema");
        schema = named ? member(named, "schema") : NULL;
        if (!schema)
            return err_set(err, RC_INVALID, "response_format: json_schema.schema is missing");
    } else if (str_is(type->text, "json_object")) {
        schema = member(format, "schema"); /* llama.cpp's way, which some clients have */
    } else if (!str_is(type->text, "text")) {
        return err_set(err, RC_INVALID,
                       "response_format: type is text, json_object or json_schema");
    }
    if (schema && schema->type != JSON_OBJECT)
        return err_set(err, RC_INVALID, "response_format: the schema is no object");
    request->schema = schema;
    return RC_OK;
}

static enum rc read_stream(const struct json *body, struct chat_request *request,
                           const char **ret_param, struct err *err)
{
    const struct json *options = member(body, "stream_options");

    *ret_param = "stream";
    enum rc rc = read_bool(body, "stream", &request->stream, err);
    if (rc || !options)
        return rc;
    *ret_param = "stream_options";
    if (options->type != JSON_OBJECT)
        return err_set(err, RC_INVALID, "stream_options: expected an object");
    return read_bool(options, "include_usage", &request->include_usage, err);
}

static enum rc read_members(const struct json *body, struct chat_request *request,
                            const char **ret_param, struct err *err)
{
    const struct json *model = member(body, "model");

    *ret_param = "model";
    if (!model || model->type != JSON_STRING)
        return err_set(err, RC_INVALID, "model: expected the name of an SLM");
    request->model = model->text;
    *ret_param = "messages";
    request->messages = member(body, "messages");
    enum rc rc = check_messages(request->messages, err);
    if (!rc)
        rc = check_numbers(body, ret_param, err);
    if (!rc)
        rc = read_limit(body, &request->max_tokens, ret_param, err);
    if (!rc)
        rc = refuse_what_we_do_not_do(body, ret_param, err);
    if (!rc)
        rc = read_stream(body, request, ret_param, err);
    if (rc)
        return rc;
    *ret_param = "response_format";
    return read_format(body, request, err);
}

enum rc chat_read(struct str text, struct arena *arena, struct chat_request *ret_request,
                  const char **ret_param, struct err *err)
{
    struct chat_request request = { 0 };
    struct json *body;

    *ret_param = NULL;
    enum rc rc = json_parse(text, JSON_DUPLICATES_REFUSED, arena, &body, err);
    if (rc)
        return err_context(err, "body");
    if (body->type != JSON_OBJECT)
        return err_set(err, RC_INVALID, "body: expected an object");
    rc = read_members(body, &request, ret_param, err);
    if (!rc)
        *ret_request = request;
    return rc;
}

/* ---- does the output fit what is asked for? */

static bool has_output(const struct spec *spec, struct str name)
{
    bool found = schema_find(&spec->output, name) != NULL;

    for (size_t i = 0; i < spec->n_derived && !found; i++)
        found = str_equal(spec->derived[i].name.text, name);
    return found;
}

static bool is_among(const struct json *items, struct str text)
{
    for (size_t i = 0; i < items->n; i++)
        if (items->items[i].type == JSON_STRING && str_equal(items->items[i].text, text))
            return true;
    return false;
}

static bool has_type(const struct schema *ours, const struct json *type)
{
    bool counts = ours->type == SCHEMA_INTEGER && str_is(type->text, "number");

    return type->type != JSON_STRING || counts || str_is(type->text, schema_type_name(ours->type));
}

/* The type must be ours, and an enumeration must hold every label that may come; so must that of a
 * set's items. */
static enum rc check_property(struct str name, const struct schema *ours, const struct json *theirs,
                              struct err *err)
{
    const struct json *type = json_find(theirs, "type"), *words = json_find(theirs, "enum");

    if (type && !has_type(ours, type))
        return err_set(err, RC_INVALID, "Invalid schema for response_format: '%.*s' is of type %s",
                       STR_ARG(name), schema_type_name(ours->type));
    if (ours->items && json_find(theirs, "items"))
        return check_property(name, ours->items, json_find(theirs, "items"), err);
    if (!words || words->type != JSON_ARRAY)
        return RC_OK;
    for (size_t i = 0; i < ours->n_labels; i++)
        if (!is_among(words, ours->labels[i]))
            return err_set(err, RC_INVALID,
                           "Invalid schema for response_format: '%.*s' can be '%.*s' too",
                           STR_ARG(name), STR_ARG(ours->labels[i]));
    return RC_OK;
}

enum rc chat_check_schema(const struct chat_request *request, const struct spec *spec,
                          struct err *err)
{
    const struct json *properties =
        request->schema ? json_find(request->schema, "properties") : NULL;
    const struct json *required = request->schema ? json_find(request->schema, "required") : NULL;
    enum rc rc = RC_OK;

    for (size_t i = 0; required && required->type == JSON_ARRAY && i < required->n; i++)
        if (!has_output(spec, required->items[i].text))
            return err_set(err, RC_INVALID,
                           "Invalid schema for response_format: the SLM has no output '%.*s'",
                           STR_ARG(required->items[i].text));
    if (!properties || properties->type != JSON_OBJECT)
        return RC_OK;
    for (size_t i = 0; i < properties->n && !rc; i++) {
        const struct schema_property *ours = schema_find(&spec->output, properties->members[i].key);
        if (ours)
            rc = check_property(ours->name, &ours->schema, &properties->members[i].value, err);
    }
    return rc;
}
