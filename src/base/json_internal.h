/*
 * json_internal.h - what the readers of JSON and YAML share: building a tree without recursion.
 *
 * The values of all open containers lie on one stack, `pending`; closing a container moves its own
 * from there into an array of the right size in the arena. The value being read is always the slot
 * on top.
 */
#ifndef BASE_JSON_INTERNAL_H
#define BASE_JSON_INTERNAL_H

#include "base/json.h"

struct json_builder {
    struct arena *arena;
    struct json_member *pending;
    size_t n_pending, capacity, depth;
    struct {
        enum json_type type;
        size_t first; /* index in pending of its first item or member */
    } open[JSON_DEPTH_MAX];
};

MUST_CHECK enum rc json_builder_push(struct json_builder *b, struct err *err); /* an empty slot */
struct json_member *json_builder_slot(struct json_builder *b); /* valid until the next push */
enum json_type json_builder_in(const struct json_builder *b);  /* type of the innermost container */

/* The slot on top becomes an open container; its line and column are set. RC_LIMIT: too deep. */
MUST_CHECK enum rc json_builder_open(struct json_builder *b, enum json_type type, struct err *err);
/* RC_INVALID: a duplicate key. */
MUST_CHECK enum rc json_builder_close(struct json_builder *b, enum json_duplicates duplicates,
                                      struct err *err);
/* The one value left. */
MUST_CHECK enum rc json_builder_end(struct json_builder *b, struct json **ret_json,
                                    struct err *err);
void json_builder_release(struct json_builder *b);

/* The members of an object by key bytes, equal keys in source order: (n,), for mem_free(); NULL
 * when out of memory. */
const struct json_member **json_sorted_members(const struct json *object);

#endif
