/* record_internal.h - shared by the files of this folder and by the tests of its database. */
#ifndef RECORD_RECORD_INTERNAL_H
#define RECORD_RECORD_INTERNAL_H

#include "record/record.h"
#include "store/store.h"

struct record {
    struct store *store;
    struct clock clock;
};

extern const struct store_schema record_schema;

static inline int64_t record_now_ms(const struct record *record)
{
    return record->clock.now_ms(record->clock.self);
}

/* "dec", now: an id that sorts by time and cannot be guessed (80 random bits). */
void record_make_id(const char prefix[3], int64_t now_ms, char id[RECORD_ID_LEN + 1]);

/* A text of min to max bytes of UTF-8. RC_INVALID, RC_LIMIT. text may be NULL when min is 0. */
MUST_CHECK enum rc record_check_text(const char *what, const char *text, size_t min, size_t max,
                                     struct err *err);

/* RC_LIMIT: longer than max; RC_INVALID: not one JSON object. */
MUST_CHECK enum rc record_check_object(const char *what, struct str json, size_t max,
                                       struct err *err);

/* A column's text in the arena; NULL for a null. */
MUST_CHECK enum rc record_copy_text(const struct store_rows *rows, size_t column,
                                    struct arena *arena, const char **ret_text, struct err *err);

/* RC_CORRUPT when the column holds anything but a digest. */
MUST_CHECK enum rc record_read_digest(const struct store_rows *rows, size_t column,
                                      struct digest *ret_digest, struct err *err);

/* RC_CORRUPT when the text does not fit. */
MUST_CHECK enum rc record_read_chars(const struct store_rows *rows, size_t column, char *ret_text,
                                     size_t size, struct err *err);

#endif
