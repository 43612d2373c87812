/* flow_view.h - runs of flows (the answers of serve/coordinator.h) as a person reads them. */
#ifndef CLI_FLOW_VIEW_H
#define CLI_FLOW_VIEW_H

#include "base/buf.h"
#include "base/json.h"

/* A decision as its team has it, for one attempt of a run; NULL: not ours to see. */
typedef const struct json *flow_view_decision_fn(void *context, struct str slm, struct str id);

/*
 *   run_0199...  billing-dispute  succeeded  1.2 s
 *   |-- triage           support/ticket-triage
 *   |   |   in   subject: Charged twice, body: ...
 *   |   `-- out  issue_type: billing, priority: high
 *   |-- each 0           finance/invoice-check, attempt 2 after unavailable
 *   ...
 *   output  decision: rejected
 */
void flow_view_append_run(struct buf *out, const struct json *run, flow_view_decision_fn *decision,
                          void *context);

/* A line per run. */
void flow_view_append_list(struct buf *out, const struct json *answer);

#endif
