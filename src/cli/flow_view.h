/* flow_view.h - runs of flows (the answers of serve/coordinator.h) as a person reads them. */
#ifndef CLI_FLOW_VIEW_H
#define CLI_FLOW_VIEW_H

#include "base/buf.h"
#include "base/json.h"

/* A decision as its team has it, for one attempt of a run. RC_DENIED: not for the viewer; any other
 * failure: not to be had. Both are said in its place. */
typedef enum rc flow_view_decision_fn(void *context, struct str slm, struct str id,
                                      struct json **ret_decision, struct err *err);

/*
 * The trace: what went into each call and came out of it, then the output.
 *
 *   run_0199...  billing-dispute  succeeded in 1.2 s
 *   ├─ triage  support/ticket-triage  16 ms  dec_01m8...
 *   │  ← subject     Charged twice
 *   │    body        ...
 *   │  → issue_type  billing
 *   └─ ask_finance  try
 *      └─ check_invoice  finance/invoice-check  26 ms  dec_01m8...
 *           (not yours to see: the key is not valid)
 *   = decision  rejected
 */
void flow_view_append_run(struct buf *out, const struct json *run, flow_view_decision_fn *decision,
                          void *context);

/* A line per run. */
void flow_view_append_list(struct buf *out, const struct json *answer);

#endif
