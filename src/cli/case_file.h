/*
 * case_file.h - the inputs of `shoal decide`: one JSON object, JSON lines, or CSV.
 *
 * A JSON object is the input itself, or {"id":...,"input":{...}} as in a dataset (its other members
 * are left aside). A CSV file has a header: the columns named like input fields are taken, typed as
 * the spec says, an empty field is absent; a column `id` names the row.
 */
#ifndef CLI_CASE_FILE_H
#define CLI_CASE_FILE_H

#include "base/arena.h"
#include "base/json.h"
#include "spec/spec.h"

enum { CASE_FILE_BYTES_MAX = 256 << 20, CASE_LINE_BYTES_MAX = 1 << 20 };

struct case_row {
    uint32_t line;            /* where it begins, from 1 */
    const struct json *id;    /* NULL: none */
    const struct json *input; /* NULL: the line is no case */
    struct err refusal;       /* why, then */
};

struct case_file {
    size_t n_rows;
    struct case_row *rows; /* (n_rows,) */
};

enum case_format { CASE_ONE, CASE_JSONL, CASE_CSV };

/* A broken line of JSON is a row without input, and the others are read all the same; a CSV file
 * that loses its shape is refused. RC_INVALID, RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc case_file_parse(struct str text, enum case_format format,
                                   const struct spec *spec, struct arena *arena,
                                   struct case_file *ret_file, struct err *err);

#endif
