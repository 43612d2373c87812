/* json_internal.h - what json_parse.c and json_write.c share. */
#ifndef BASE_JSON_INTERNAL_H
#define BASE_JSON_INTERNAL_H

#include "base/json.h"

/* The members of an object by key bytes, equal keys in source order: (n,), for mem_free(); NULL
 * when out of memory. Sorting, because no choice of keys makes it slow, as it can a hash table. */
const struct json_member **json_sorted_members(const struct json *object);

#endif
