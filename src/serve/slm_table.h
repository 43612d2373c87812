/*
 * slm_table.h - the versions that the service answers with: one per SLM that has `production`.
 *
 * Belongs to the service's worker thread: a swap happens between two batches, so whatever is in
 * flight finishes on the version it began with.
 */
#ifndef SERVE_SLM_TABLE_H
#define SERVE_SLM_TABLE_H

#include "base/log.h"
#include "serve/metrics.h"
#include "serve/team.h"

struct serve_slm {
    char name[MANIFEST_NAME_MAX + 1]; /* without the team */
    int64_t number;                   /* of the version */
    struct version *version;
    size_t metrics_index;
};

struct serve_slm_table {
    struct serve_slm at[METRICS_SLMS_MAX];
    size_t n;
};

/**
 * Makes the table what the registry's aliases say. A version that does not open is logged, and what
 * was served before stays.
 *
 * @return RC_OK      every production alias is served
 *         otherwise  why the last of those that are not is not
 */
MUST_CHECK enum rc serve_slm_table_refresh(struct serve_slm_table *table, struct serve_team *team,
                                           struct metrics *metrics, const struct log *log,
                                           struct err *err);
void serve_slm_table_release(struct serve_slm_table *table);

const struct serve_slm *serve_slm_table_find(const struct serve_slm_table *table, struct str name);

#endif
