/*
 * body.h - JSON bodies of requests: exactly the members a table names, every problem reported.
 */
#ifndef SERVE_BODY_H
#define SERVE_BODY_H

#include "base/crypto.h"
#include "base/json.h"
#include "spec/problem.h"

enum {
    BODY_KEY_BYTES_MAX = 128,      /* idempotency key: printable ASCII */
    BODY_COMMENT_BYTES_MAX = 4000, /* of a feedback */
    BODY_MEMBERS_MAX = 16,
};

#define BODY_FILE "body" /* what problems call the place */

struct body_member {
    const char *name;
    enum json_type type;
    bool required;
};

/**
 * Parses text and picks the members of its object.
 *
 * @param values  out, (n_members,) in the table's order; NULL: absent, or null where null is not
 *                asked for
 *
 * @return RC_OK, also when problems were found: not an object, a member missing, unknown or of
 *         another type
 *         RC_INVALID  no JSON, a member twice
 *         RC_LIMIT    too deep, or more than the arena may hold
 *         RC_NOMEM
 */
MUST_CHECK enum rc body_read(struct str text, const struct body_member *members, size_t n_members,
                             struct arena *arena, const struct json **values,
                             struct problems *problems, struct err *err);

/* {"input": {...}, "idempotency_key": "..."} */
struct body_decision {
    const struct json *input;   /* an object; NULL only when there are problems */
    struct str key;             /* at NULL: none */
    struct digest input_digest; /* of the input's canonical form */
};

/* The decision for an input that was found elsewhere; header_key: value of the field
 * Idempotency-Key, at NULL when absent. */
MUST_CHECK enum rc body_take_input(const struct json *input, struct str header_key,
                                   struct body_decision *ret_decision, struct problems *problems,
                                   struct err *err);

/* header_key may repeat the body's. */
MUST_CHECK enum rc body_read_decision(struct str text, struct str header_key, struct arena *arena,
                                      struct body_decision *ret_decision, struct problems *problems,
                                      struct err *err);

/* {"output": {...}} or {"verdict": "right"|"wrong"}, each with an optional "comment". */
struct body_feedback {
    const struct json *output; /* NULL: a verdict */
    enum { BODY_NO_VERDICT, BODY_RIGHT, BODY_WRONG } verdict;
    struct str comment; /* at NULL: none */
};

MUST_CHECK enum rc body_read_feedback(struct str text, struct arena *arena,
                                      struct body_feedback *ret_feedback, struct problems *problems,
                                      struct err *err);

#endif
