#include "tests/support/test.h"

#include "serve/metrics.h"

#include <stdio.h>

static struct metrics metrics;

static void counters_are_written_as_prometheus_reads_them(void **state)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    (void)state;

    buf_init(&out, 1 << 20);
    memset(&metrics, 0, sizeof(metrics));
    size_t triage = metrics_add_slm(&metrics, "ticket-triage");
    assert_int_equal(metrics_add_slm(&metrics, "ticket-triage"), triage);
    metrics_count_request(&metrics, 200, 1000); /* the bound belongs to its bucket */
    metrics_count_request(&metrics, 200, 1001);
    metrics_count_request(&metrics, 503, 9000000); /* beyond all bounds */
    metrics_count_decision(&metrics, triage, METRICS_ANSWERED);
    metrics_count_decision(&metrics, triage, METRICS_ABSTAINED);
    metrics_count_batch(&metrics, 3);
    metrics_append(&metrics, 5, 7, &out);

    static const char *const want[] = {
        "shoal_requests_total{status=\"200\"} 2\n",
        "shoal_requests_total{status=\"503\"} 1\n",
        "# TYPE shoal_request_seconds histogram\n",
        "shoal_request_seconds_bucket{le=\"0.001\"} 1\n",
        "shoal_request_seconds_bucket{le=\"0.0025\"} 2\n",
        "shoal_request_seconds_bucket{le=\"5\"} 2\n",
        "shoal_request_seconds_bucket{le=\"+Inf\"} 3\n",
        "shoal_request_seconds_sum 9.002001\n",
        "shoal_request_seconds_count 3\n",
        "shoal_decisions_total{slm=\"ticket-triage\",outcome=\"answered\"} 1\n",
        "shoal_decisions_total{slm=\"ticket-triage\",outcome=\"abstained\"} 1\n",
        "shoal_decisions_total{slm=\"ticket-triage\",outcome=\"failed\"} 0\n",
        "shoal_batch_rows_bucket{le=\"2\"} 0\n",
        "shoal_batch_rows_bucket{le=\"4\"} 1\n",
        "shoal_batch_rows_sum 3\n",
        "shoal_requests_waiting 5\n",
        "shoal_connections 7\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        if (!strstr(out.at, want[i]))
            fail_msg("'%s' is not in:\n%s", want[i], out.at);
}

static void labels_stay_bounded_whatever_is_added(void **state)
{
    char name[100];
    (void)state;

    memset(&metrics, 0, sizeof(metrics));
    for (int i = 0; i < METRICS_SLMS_MAX; i++) {
        snprintf(name, sizeof(name), "slm-%d", i);
        assert_int_equal(metrics_add_slm(&metrics, name), i);
    }
    size_t beyond = metrics_add_slm(&metrics, "one-more");
    assert_int_equal(beyond, METRICS_SLMS_MAX);
    metrics_count_decision(&metrics, beyond, METRICS_ANSWERED);
    assert_int_equal(atomic_load(&metrics.n_slms), METRICS_SLMS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_are_written_as_prometheus_reads_them),
        cmocka_unit_test(labels_stay_bounded_whatever_is_added),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
