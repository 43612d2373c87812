/*
 * record.h - what one team's service remembers: principals and their keys, decisions, feedback.
 *
 * One file per team, owned by one process; a struct record may be used by all its threads. What is
 * read back lives in the arena that the call was given.
 */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include "base/clock.h"
#include "base/err.h"

enum {
    RECORD_ID_LEN = 30,  /* "dec_" or "fbk_", 10 digits of time, 16 random: sorts by time */
    RECORD_SLM_MAX = 64, /* bytes, as all of these */
    RECORD_PRINCIPAL_MAX = 128,
    RECORD_IDEMPOTENCY_KEY_MAX = 255,
    RECORD_LIST_MAX = 1000, /* rows of one list */
};

struct record;

/* RC_OK; RC_BUSY: another process owns the file; otherwise as store_open(). */
MUST_CHECK enum rc record_open(const char *path, struct clock clock, struct record **ret_record,
                               struct err *err);
void record_close(struct record *record); /* accepts NULL */
DEFINE_FREEP(struct record, record_close)

#endif
