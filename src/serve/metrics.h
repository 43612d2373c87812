/*
 * metrics.h - what the service counts, and its Prometheus text (exposition format 0.0.4).
 *
 *   shoal_requests_total{status="200"}                      every HTTP request by its answer
 *   shoal_request_seconds{_bucket,_sum,_count}              from the head's arrival to the answer
 *   shoal_decisions_total{slm="...",outcome="answered"}     or "abstained", "repeated", "failed"
 *   shoal_batch_rows{_bucket,_sum,_count}                   rows decided together
 *   shoal_requests_waiting, shoal_connections               gauges
 *
 * The coordinator has those of requests and its own (coordinator_metrics.c). Labels are bounded:
 * statuses we send, SLMs the team serves. Any thread may count.
 */
#ifndef SERVE_METRICS_H
#define SERVE_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>
#include <stdint.h>

enum {
    METRICS_SLMS_MAX = 256,
    METRICS_NAME_MAX = 64, /* bytes of an SLM's name; longer ones are cut */
    METRICS_BUCKETS_MAX = 16,
    METRICS_STATUS_MIN = 100,
    METRICS_STATUS_MAX = 599,
};

enum metrics_outcome {
    METRICS_ANSWERED,
    METRICS_ABSTAINED,
    METRICS_REPEATED, /* the key was known: the stored answer was given again */
    METRICS_FAILED,
    METRICS_OUTCOMES
};

struct metrics_histogram {
    _Atomic uint64_t buckets[METRICS_BUCKETS_MAX + 1]; /* not cumulative; the last one: above all */
    _Atomic uint64_t sum;
};

struct metrics_slm {
    char name[METRICS_NAME_MAX + 1];
    _Atomic uint64_t decisions[METRICS_OUTCOMES];
};

struct metrics {
    _Atomic uint64_t requests[METRICS_STATUS_MAX - METRICS_STATUS_MIN + 1];
    struct metrics_histogram seconds; /* sum in microseconds */
    struct metrics_histogram rows;
    _Atomic size_t n_slms;
    struct metrics_slm slms[METRICS_SLMS_MAX];
};

/* All zero is a fresh struct metrics. */

void metrics_count_request(struct metrics *m, int status, uint64_t duration_us);
void metrics_count_batch(struct metrics *m, size_t n_rows);

/* One thread adds SLMs. Beyond METRICS_SLMS_MAX they are not counted: the index is then
 * METRICS_SLMS_MAX, which metrics_count_decision() ignores. */
size_t metrics_add_slm(struct metrics *m, const char *name);
void metrics_count_decision(struct metrics *m, size_t slm, enum metrics_outcome outcome);

void metrics_append_head(struct buf *out, const char *name, const char *type, const char *help);
/* What every server counts: requests, their time, the gauges. */
void metrics_append_requests(struct metrics *m, size_t n_waiting, size_t n_connections,
                             struct buf *out);
/* Those, and a team's decisions. */
void metrics_append(struct metrics *m, size_t n_waiting, size_t n_connections, struct buf *out);

#endif
