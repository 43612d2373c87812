/* version_view.h - the answers of serve/admin.h about versions, as a person reads them. */
#ifndef CLI_VERSION_VIEW_H
#define CLI_VERSION_VIEW_H

#include "base/buf.h"
#include "base/json.h"

/* The answer of `list`: a line per version, with its aliases. */
void version_view_append_list(struct buf *out, const char *team, const struct json *answer);

/*
 * The answer of `show`: the version, why it was accepted or not, and what it is made of as a tree:
 *
 *   @2 accepted  9f8a1c2d4e5f  2026-05-03T09:30:00.000Z  os:anna
 *   |-- spec     d4c3...
 *   |-- rows     77ab...
 *   `-- from     @1 accepted ...
 *       |-- spec ...
 */
void version_view_append_show(struct buf *out, const char *slm, const struct json *answer);

/* The answer of `history`: a line per change, newest first. */
void version_view_append_history(struct buf *out, const struct json *answer);

/* The text of a member, "" when it is none. */
struct str version_view_text(const struct json *v, const char *key);

#endif
