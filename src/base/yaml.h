/*
 * yaml.h - the part of YAML 1.2 that people write settings in, read into the tree of base/json.h,
 * so that one checker serves both. Wraps libyaml's event parser (base/yaml.c alone).
 *
 * Plain scalars are typed by the core schema: null, ~ and nothing; true, false (also True, TRUE);
 * numbers. `no` and `1.2.3` are text. A number keeps its text, as in JSON (0.10 stays 0.10). What
 * the core schema calls a number and JSON does not (+1, 0x1F, 0o7, .5, 1., 007, .inf) is refused:
 * quoted it is text. Quoted scalars and keys are always text.
 *
 * Refused, with line and column: anchors, aliases, tags, directives, duplicate keys, keys that are
 * no scalars, a second document, no document.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/json.h"

enum { YAML_BYTES_MAX = 1 << 20, YAML_KEY_LEN_MAX = 160 };

/**
 * @param text   in, borrowed; UTF-8
 * @param arena  owns the tree
 *
 * @return RC_OK; RC_INVALID, the message begins "line 3, column 7: " (columns count characters,
 * from 1); RC_LIMIT (longer than YAML_BYTES_MAX, deeper than JSON_DEPTH_MAX, a longer key, more
 *         than the arena may hold); RC_NOMEM
 */
MUST_CHECK enum rc yaml_parse(struct str text, struct arena *arena, struct json **ret_json,
                              struct err *err);

/* Writes v as YAML that yaml_parse() reads back to an equal tree: block style, two blanks per
 * level, text plain where it can be. Ends with a newline. */
void yaml_append(struct buf *out, const struct json *v);

#endif
