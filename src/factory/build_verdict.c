/* build_verdict.c - the one look at the test rows, and what follows from it. */
#include "factory/build_internal.h"

#include "base/failpoint.h"

/* What was missed, or that nothing was; and what could not be checked. */
static enum rc collect_reasons(struct build *b, const struct gate_report *gates,
                               const char ***ret_reasons, size_t *ret_n, struct err *err)
{
    const char **reasons = arena_array(&b->arena, const char *, gates->n + 2);
    size_t n = 0, n_met = 0;

    if (!reasons)
        return arena_fail(&b->arena, err, "reasons");
    for (size_t i = 0; i < gates->n; i++)
        n_met += gates->results[i].outcome == GATE_MET;
    if (gates->n_missed == 0)
        reasons[n++] =
            n_met == gates->n ? "all gates are met" : "all gates that could be checked are met";
    for (size_t i = 0; i < gates->n && n < REGISTRY_REASONS_MAX; i++)
        if (gates->results[i].outcome == GATE_MISSED)
            reasons[n++] = gates->results[i].text.at; /* ends in NUL */
    for (size_t i = 0; i < gates->n && n < REGISTRY_REASONS_MAX; i++)
        if (gates->results[i].outcome == GATE_UNCHECKED)
            reasons[n++] = gates->results[i].text.at;
    *ret_reasons = reasons;
    *ret_n = n;
    return RC_OK;
}

static enum rc store_report(struct build *b, const struct build_judgement *judgement,
                            struct digest *ret_digest, struct err *err)
{
    CLEANUP(buf_releasep) struct buf report = { .limit = BUILD_REPORT_BYTES_MAX };
    enum rc rc = build_report(b, judgement, &report, err);

    if (rc)
        return rc;
    return artifact_put(b->o->artifacts, report.at, report.len, ret_digest, err);
}

static enum rc run_verdict(struct build *b, enum spec_candidate kind, struct json_writer *result,
                           struct err *err)
{
    struct build_candidate *chosen = &b->candidates[b->chosen];
    struct judge_rows rows;
    struct judged *judged = NULL;
    struct gate_floors floors;
    struct gate_report gates;
    struct digest report;
    const char **reasons = NULL;
    size_t n_reasons = 0;
    enum rc rc = build_rows(b, SPEC_SPLIT_TEST, &rows, err);

    (void)kind;
    if (rc == RC_OK)
        rc = build_judge(b, chosen, &rows, NULL, &judged, err);
    if (rc == RC_OK)
        rc = build_floors(b, b->chosen, &rows, &floors, err);
    if (rc == RC_OK)
        rc = gate_check(&rows, judged, &floors, (uint64_t)b->spec->training.seed, &b->arena, &gates,
                        err);
    if (rc == RC_OK)
        rc = collect_reasons(b, &gates, &reasons, &n_reasons, err);
    if (rc)
        return rc;

    struct build_judgement judgement = { .rows = &rows,
                                         .judged = judged,
                                         .floors = &floors,
                                         .gates = &gates,
                                         .accepted = gates.n_missed == 0,
                                         .reasons = reasons,
                                         .n_reasons = n_reasons };

    rc = store_report(b, &judgement, &report, err);
    if (rc)
        return rc;
    FAILPOINT("build.report_stored");
    json_key(result, "report");
    json_text(result, report.hex);
    json_key(result, "accepted");
    json_bool(result, judgement.accepted);
    json_key(result, "reasons");
    json_begin_array(result);
    for (size_t i = 0; i < n_reasons; i++)
        json_text(result, reasons[i]);
    json_end_array(result);
    return RC_OK;
}

enum rc build_verdict(struct build *b, struct err *err)
{
    enum rc rc = build_stage(b, "verdict", b->chosen, run_verdict, &b->verdict, err);

    if (rc)
        return rc;
    if (!json_find(b->verdict, "accepted") || !json_find(b->verdict, "reasons"))
        return err_set(err, RC_CORRUPT, "the build's journal has no verdict");
    return RC_OK;
}
