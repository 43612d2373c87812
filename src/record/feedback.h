/*
 * feedback.h - what people say about decisions, and the dataset rows that come of it.
 */
#ifndef RECORD_FEEDBACK_H
#define RECORD_FEEDBACK_H

#include "base/arena.h"
#include "base/crypto.h"
#include "record/record.h"

enum {
    FEEDBACK_OUTPUT_MAX = 64 << 10, /* bytes */
    FEEDBACK_COMMENT_MAX = 10000,
};

enum feedback_kind {
    FEEDBACK_OUTPUT,  /* the true output */
    FEEDBACK_VERDICT, /* whether the decision's output was right */
};

struct feedback {
    char id[RECORD_ID_LEN + 1]; /* given by feedback_add() */
    char decision_id[RECORD_ID_LEN + 1];
    enum feedback_kind kind;
    struct str output;   /* FEEDBACK_OUTPUT: a JSON object */
    bool is_right;       /* FEEDBACK_VERDICT */
    const char *comment; /* NULL: none */
    const char *principal;
    const char *idempotency_key; /* NULL: none */
    struct digest request;       /* of the body, as the principal sent it */
    int64_t recorded_ms;         /* given by feedback_add() */
};

/**
 * Stores feedback, or finds what was stored under the same idempotency key.
 *
 * @param feedback    in/out: id and recorded_ms are set; those of the first time when repeated
 *
 * @return RC_OK         survives loss of power
 *         RC_NOT_FOUND  no such decision
 *         RC_CONFLICT   the key was used for other feedback on this decision
 *         RC_INVALID    the output is no JSON object, a text is not UTF-8
 *         RC_LIMIT      a text is too long
 *         RC_UNKNOWN (repeat it with its key), RC_FULL, RC_IO, RC_NOMEM
 */
MUST_CHECK enum rc feedback_add(struct record *record, struct feedback *feedback, struct err *err);

/* Of one decision, the oldest first, RECORD_LIST_MAX at most. */
MUST_CHECK enum rc feedback_list(struct record *record, const char *decision_id,
                                 struct arena *arena, struct feedback **ret_feedback, size_t *ret_n,
                                 struct err *err);

/* Takes one line of the export, without its line feed. */
typedef enum rc feedback_row_fn(void *self, struct str json, struct err *err);

struct feedback_counts {
    size_t n_rows;           /* exported */
    size_t n_without_output; /* the last word was "wrong", or "right" about an abstention */
};

/**
 * Gives each decision of an SLM that has feedback as one dataset row, in the order of the feedback:
 *
 *   {"id":"dec_...","input":{...},"output":{...}}
 *
 * The output is the one a person gave, or the decision's own when a person found it right. The last
 * feedback on a decision counts.
 *
 * Rows that come while the export runs may be in it or not. A failure of row_fn ends it.
 */
MUST_CHECK enum rc feedback_export(struct record *record, const char *slm, feedback_row_fn *row_fn,
                                   void *self, struct feedback_counts *ret_counts, struct err *err);

#endif
