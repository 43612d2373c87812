/*
 * csv.h - strict CSV (RFC 4180) with a header row.
 *
 * Lines end in LF or CRLF, a byte order mark is skipped, fields may be quoted and then hold commas,
 * quotes (doubled) and line breaks. Refused with the line: a row with more or fewer fields than the
 * header, a quote inside an unquoted field, text after a closing quote, a quote that is never
 * closed, a carriage return alone, bytes that are not UTF-8, NUL, an empty or repeated column name.
 */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum { CSV_COLUMNS_MAX = 4096 };

struct csv {
    const char *at, *end; /* the rest of the text, borrowed */
    uint32_t line;        /* of the next row, from 1 */
    size_t n_columns;
    const struct str *columns; /* (n_columns,), in the arena */
};

struct csv_row {
    uint32_t line;            /* where it begins */
    const struct str *fields; /* (n_columns,), in the arena */
};

/* Reads the header. text stays borrowed until the last csv_next().
 * RC_INVALID "line 1: ...", RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc csv_open(struct str text, struct arena *arena, struct csv *ret_csv,
                            struct err *err);

/* RC_OK, with *ret_has_row false at the end of the text; otherwise as csv_open(). */
MUST_CHECK enum rc csv_next(struct csv *csv, struct arena *arena, bool *ret_has_row,
                            struct csv_row *ret_row, struct err *err);

#endif
