/*
 * chat_request.h - the body of POST /v1/chat/completions, as clients of OpenAI's API send it.
 *
 * A member that nobody knows is ignored and null counts as absent, as those clients rely on. A
 * member that asks for another answer than an SLM gives (n, logprobs, a forced tool, a schema that
 * its output cannot have) is refused: nothing that changes an answer is ignored in silence.
 * temperature, seed, stop and the like have no effect: an SLM's answer has no chance in it, and no
 * line break.
 */
#ifndef SERVE_CHAT_REQUEST_H
#define SERVE_CHAT_REQUEST_H

#include "base/json.h"
#include "spec/spec.h"

enum { CHAT_OBJECTS_MAX = 64 }; /* JSON objects in the messages that are tried as the input */

struct chat_request {
    struct str model;
    const struct json *messages; /* array of objects, each with a role that exists */
    bool stream, include_usage;
    size_t max_tokens;         /* of the answer, in chat_tokens(); SIZE_MAX: no limit */
    const struct json *schema; /* of response_format: an object; NULL: none */
};

/**
 * Reads a body.
 *
 * @param ret_param  out, on failure: the member at fault; NULL: the body as a whole
 *
 * @return RC_OK
 *         RC_INVALID      no JSON, a member missing or with a value that it cannot have
 *         RC_UNSUPPORTED  a member asks for what an SLM does not do
 *         RC_LIMIT        too deep, or more than the arena may hold
 *         RC_NOMEM
 */
MUST_CHECK enum rc chat_read(struct str body, struct arena *arena, struct chat_request *ret_request,
                             const char **ret_param, struct err *err);

/**
 * Finds the input among the user messages, which frameworks wrap into words of their own and of
 * other agents: the newest JSON object that fits, of the last message first and in it of the last
 * object first. When none fits, the schema has one required property that is free text, and the
 * last user message is no object itself, the input is that message.
 *
 * @param ret_input  out, set when problems is empty
 * @param problems   what is wrong with the newest object
 *
 * @return RC_OK       also with problems
 *         RC_INVALID  no user message, or no object in them; content that is no text
 *         RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc chat_find_input(const struct chat_request *request, const struct schema *schema,
                                   struct arena *arena, const struct json **ret_input,
                                   struct problems *problems, struct err *err);

/* Can the output of the SLM be what response_format asks for? RC_INVALID: no, and why not. What
 * stands deeper than the properties of the schema's object is not looked at. */
MUST_CHECK enum rc chat_check_schema(const struct chat_request *request, const struct spec *spec,
                                     struct err *err);

#endif
