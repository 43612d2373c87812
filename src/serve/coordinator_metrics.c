/* coordinator_metrics.c - what the coordinator counts, as Prometheus text. Since its start; the
 * worker's thread. */
#include "serve/coordinator_internal.h"

#include <inttypes.h>

static const char *result_name(enum coordinator_result result)
{
    switch (result) {
    case COORDINATOR_ANSWERED: return "answered";
    case COORDINATOR_ABSTAINED: return "abstained";
    case COORDINATOR_REFUSED: return "refused";
    case COORDINATOR_TIMEOUT: return "timeout";
    case COORDINATOR_UNAVAILABLE: return "unavailable";
    case COORDINATOR_RESULTS: break;
    }
    assert_fail("result is a result", __FILE__, __LINE__);
}

void coordinator_count_call(struct coordinator *c, struct str team, const char *failure)
{
    enum coordinator_result result = COORDINATOR_ANSWERED;

    for (enum coordinator_result r = 0; failure && r < COORDINATOR_RESULTS; r++)
        if (strcmp(result_name(r), failure) == 0)
            result = r;
    for (size_t i = 0; i < c->n_links; i++)
        if (str_is(team, c->links[i].name))
            c->links[i].n_calls[result]++;
}

static void append_gauge(struct buf *out, const char *name, const char *help, size_t value)
{
    metrics_append_head(out, name, "gauge", help);
    buf_printf(out, "%s %zu\n", name, value);
}

static void append_runs(const struct coordinator *c, int64_t now_ms, struct buf *out)
{
    size_t n_running = 0, n_overdue = 0;

    for (size_t b = 0; b < COORDINATOR_BUCKETS; b++) {
        for (const struct coordinator_run *r = c->runs[b]; r; r = r->next_in_bucket) {
            bool runs = !run_has_ended(r->run);
            n_running += runs;
            n_overdue += runs && run_due_ms(r->run) > 0 && run_due_ms(r->run) < now_ms;
        }
    }
    metrics_append_head(out, "shoal_runs_started_total", "counter", "Runs that were taken.");
    buf_printf(out, "shoal_runs_started_total %" PRIu64 "\n", c->n_started);
    metrics_append_head(out, "shoal_runs_ended_total", "counter", "Runs that ended, by status.");
    for (enum run_status s = RUN_SUCCEEDED; s <= RUN_CANCELLED; s++)
        buf_printf(out, "shoal_runs_ended_total{status=\"%s\"} %" PRIu64 "\n", run_status_name(s),
                   c->n_ended[s]);
    append_gauge(out, "shoal_runs_running", "Runs that have not ended.", n_running);
    append_gauge(out, "shoal_runs_overdue", "Of these, past their due time.", n_overdue);
    append_gauge(out, "shoal_runs_untold", "Ended, and the webhook has not taken it yet.",
                 c->n_runs - n_running);
}

void coordinator_append_metrics(struct coordinator *c, struct buf *out)
{
    append_runs(c, coordinator_now_ms(c), out);
    metrics_append_head(out, "shoal_calls_total", "counter", "Attempts at a team, by result.");
    for (size_t i = 0; i < c->n_links; i++)
        for (enum coordinator_result r = 0; r < COORDINATOR_RESULTS; r++)
            buf_printf(out, "shoal_calls_total{team=\"%s\",result=\"%s\"} %" PRIu64 "\n",
                       c->links[i].name, result_name(r), c->links[i].n_calls[r]);
}
