/*
 * decision.h - answered inputs, kept so that each can be shown, explained and replayed.
 *
 * A decision is stored before its answer leaves the service. A request with an idempotency key is
 * answered once: the same key of the same principal for the same SLM with the same request gives
 * the stored decision, with another request a conflict.
 */
#ifndef RECORD_DECISION_H
#define RECORD_DECISION_H

#include "base/arena.h"
#include "base/crypto.h"
#include "record/record.h"

enum {
    DECISION_INPUT_MAX = 1 << 20, /* bytes, as all of these */
    DECISION_ANSWER_MAX = 4 << 20,
    DECISION_TABLES_MAX = 64 << 10,
    DECISION_REASON_MAX = 64,
    DECISION_BUILD_MAX = 256,
    DECISION_BATCH_MAX = 4096, /* decisions of one transaction */
};

struct decision {
    char id[RECORD_ID_LEN + 1]; /* given by decision_add() */
    const char *slm;            /* name without the team */
    struct digest version;
    struct str input;      /* JSON object */
    struct str answer;     /* JSON object: output, confidence, abstained, facts, rules */
    const char *abstained; /* its reason's code; NULL: answered */
    struct str tables;     /* JSON object: name to digest, of the reference tables used */
    const char *engine_build;
    const char *principal;
    const char *idempotency_key; /* NULL: none */
    struct digest request;       /* of what was asked, as the principal sent it */
    int64_t recorded_ms;         /* the time that expressions saw as now */
    double model_ms;
};

enum decision_fate {
    DECISION_STORED,
    DECISION_REPEATED, /* its key was answered before, see `earlier` */
    DECISION_CONFLICT, /* its key was used for another request */
};

struct decision_outcome {
    enum decision_fate fate;
    struct decision earlier; /* DECISION_REPEATED: what the key stands for; in the arena */
};

/**
 * Stores decisions in one transaction: one fsync for all.
 *
 * @param decisions  in/out, (n,): id is set where the fate is DECISION_STORED
 * @param n          0 to DECISION_BATCH_MAX
 * @param outcomes   out, (n,): one decision's key does not disturb the others
 *
 * @return RC_OK       those with DECISION_STORED survive loss of power
 *         RC_LIMIT    a text is too long (none is stored)
 *         RC_INVALID  input, answer or tables is no JSON object, or a name is empty (none is
 * stored) RC_UNKNOWN  all or none was stored; repeating those with a key is safe RC_FULL, RC_IO,
 * RC_NOMEM
 */
MUST_CHECK enum rc decision_add(struct record *record, struct decision *decisions, size_t n,
                                struct arena *arena, struct decision_outcome *outcomes,
                                struct err *err);

/* RC_NOT_FOUND. */
MUST_CHECK enum rc decision_find(struct record *record, const char *id, struct arena *arena,
                                 struct decision *ret_decision, struct err *err);

/**
 * Looks an idempotency key up before any work is done.
 *
 * @param ret_found  out: whether *ret_decision is set
 *
 * @return RC_OK; RC_CONFLICT: the key was used for another request
 */
MUST_CHECK enum rc decision_find_by_key(struct record *record, const char *principal,
                                        const char *slm, const char *idempotency_key,
                                        const struct digest *request, struct arena *arena,
                                        bool *ret_found, struct decision *ret_decision,
                                        struct err *err);

/**
 * Lists decisions, the newest first.
 *
 * @param slm        NULL: of all
 * @param before_id  NULL: from the newest; else those older than this one: the last of the page
 *                   before
 * @param limit      1 to RECORD_LIST_MAX
 *
 * @return RC_OK; RC_NOT_FOUND: no decision before_id; RC_LIMIT: the page is too big for the arena
 */
MUST_CHECK enum rc decision_list(struct record *record, const char *slm, const char *before_id,
                                 size_t limit, struct arena *arena, struct decision **ret_decisions,
                                 size_t *ret_n, struct err *err);

#endif
