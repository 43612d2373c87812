/*
 * table.h - reference tables: small read-only files of the team (CSV or JSONL) that facts look
 * things up in, as FEEL lists of contexts: vendors[id = vendor_id][1].country
 */
#ifndef SPEC_TABLE_H
#define SPEC_TABLE_H

#include "base/crypto.h"
#include "spec/spec.h"

enum { TABLE_BYTES_MAX = 16 << 20, TABLE_ROWS_MAX = 100000 };

struct table {
    struct str name;
    struct digest digest;   /* of the file's bytes: what a decision records */
    struct feel_value rows; /* FEEL_LIST of FEEL_CONTEXT with the declared columns, in file order */
};

/**
 * Reads the table's file, below the folder of the spec.
 *
 * Columns of the file that the spec does not declare are left out; a declared column that the file
 * lacks, a value that does not fit its type, and a key that appears twice are refused. An empty
 * CSV field is null.
 *
 * @return RC_OK; RC_INVALID "data/vendors.csv: line 7: ..."; RC_NOT_FOUND, RC_IO, RC_LIMIT,
 * RC_NOMEM
 */
MUST_CHECK enum rc table_load(const struct spec *spec, const struct spec_table *table,
                              struct arena *arena, struct table *ret_table, struct err *err);

/* The same from text, `name` being what messages call it. */
MUST_CHECK enum rc table_parse(const struct spec_table *table, struct str text, struct arena *arena,
                               struct table *ret_table, struct err *err);

#endif
