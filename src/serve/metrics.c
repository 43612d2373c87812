#include "serve/metrics.h"

#include <inttypes.h>
#include <stdio.h>

/* Upper bounds, inclusive, in microseconds and in rows; 0 ends a list. */
static const uint64_t latency_us[METRICS_BUCKETS_MAX + 1] = {
    1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000,
};
static const uint64_t batch_rows[METRICS_BUCKETS_MAX + 1] = { 1, 2, 4, 8, 16, 32, 64, 128 };

static void observe(struct metrics_histogram *h, const uint64_t *bounds, uint64_t value)
{
    size_t i = 0;

    while (bounds[i] && value > bounds[i])
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
}

void metrics_count_request(struct metrics *m, int status, uint64_t duration_us)
{
    ASSERT(status >= METRICS_STATUS_MIN && status <= METRICS_STATUS_MAX);
    atomic_fetch_add_explicit(&m->requests[status - METRICS_STATUS_MIN], 1, memory_order_relaxed);
    observe(&m->seconds, latency_us, duration_us);
}

void metrics_count_batch(struct metrics *m, size_t n_rows)
{
    observe(&m->rows, batch_rows, n_rows);
}

size_t metrics_add_slm(struct metrics *m, const char *name)
{
    size_t n = atomic_load(&m->n_slms);

    for (size_t i = 0; i < n; i++)
        if (strncmp(m->slms[i].name, name, METRICS_NAME_MAX) == 0)
            return i;
    if (n == METRICS_SLMS_MAX)
        return METRICS_SLMS_MAX;
    snprintf(m->slms[n].name, sizeof(m->slms[n].name), "%s", name);
    atomic_store(&m->n_slms, n + 1); /* the name is there before it is counted */
    return n;
}

void metrics_count_decision(struct metrics *m, size_t slm, enum metrics_outcome outcome)
{
    if (slm < METRICS_SLMS_MAX)
        atomic_fetch_add_explicit(&m->slms[slm].decisions[outcome], 1, memory_order_relaxed);
}

static const char *outcome_name(enum metrics_outcome outcome)
{
    switch (outcome) {
    case METRICS_ANSWERED: return "answered";
    case METRICS_ABSTAINED: return "abstained";
    case METRICS_REPEATED: return "repeated";
    case METRICS_FAILED: return "failed";
    case METRICS_OUTCOMES: break;
    }
    assert_fail("outcome is an outcome", __FILE__, __LINE__);
}

void metrics_append_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* scale: one unit of the metric in the units that were observed. */
static void append_histogram(struct buf *out, const char *name, const char *help,
                             struct metrics_histogram *h, const uint64_t *bounds, double scale)
{
    uint64_t total = 0;

    metrics_append_head(out, name, "histogram", help);
    for (size_t i = 0; bounds[i]; i++) {
        total += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, (double)bounds[i] / scale,
                   total);
        if (!bounds[i + 1])
            total += atomic_load_explicit(&h->buckets[i + 1], memory_order_relaxed);
    }
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, total);
    buf_printf(out, "%s_sum %.9g\n", name, (double)atomic_load(&h->sum) / scale);
    buf_printf(out, "%s_count %" PRIu64 "\n", name, total);
}

static void append_gauge(struct buf *out, const char *name, const char *help, size_t value)
{
    metrics_append_head(out, name, "gauge", help);
    buf_printf(out, "%s %zu\n", name, value);
}

static void append_decisions(struct metrics *m, struct buf *out)
{
    size_t n_slms = atomic_load(&m->n_slms);

    metrics_append_head(out, "shoal_decisions_total", "counter", "Decisions by SLM and outcome.");
    for (size_t i = 0; i < n_slms; i++)
        for (enum metrics_outcome o = 0; o < METRICS_OUTCOMES; o++)
            buf_printf(out, "shoal_decisions_total{slm=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
                       m->slms[i].name, outcome_name(o), atomic_load(&m->slms[i].decisions[o]));
}

void metrics_append_requests(struct metrics *m, size_t n_waiting, size_t n_connections,
                             struct buf *out)
{
    metrics_append_head(out, "shoal_requests_total", "counter", "HTTP requests by status.");
    for (int status = METRICS_STATUS_MIN; status <= METRICS_STATUS_MAX; status++) {
        uint64_t n = atomic_load(&m->requests[status - METRICS_STATUS_MIN]);
        if (n)
            buf_printf(out, "shoal_requests_total{status=\"%d\"} %" PRIu64 "\n", status, n);
    }
    append_histogram(out, "shoal_request_seconds", "From the head's arrival to the answer.",
                     &m->seconds, latency_us, 1e6);
    append_gauge(out, "shoal_requests_waiting", "Requests taken and not answered.", n_waiting);
    append_gauge(out, "shoal_connections", "Open connections.", n_connections);
}

void metrics_append(struct metrics *m, size_t n_waiting, size_t n_connections, struct buf *out)
{
    metrics_append_requests(m, n_waiting, n_connections, out);
    append_decisions(m, out);
    append_histogram(out, "shoal_batch_rows", "Rows decided together.", &m->rows, batch_rows, 1);
}
