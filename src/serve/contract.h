/*
 * contract.h - what a flow may send to an SLM and read of it, as the SLM's own team enforces it.
 *
 * A request with the field Shoal-Flow comes for a flow. Whatever `shoal check` said of the flow,
 * here the spec of the version that answers has the word: fields that its contract does not name do
 * not come in, and do not go out. A key with the scope flow alone cannot leave the field out.
 */
#ifndef SERVE_CONTRACT_H
#define SERVE_CONTRACT_H

#include "record/decision.h"
#include "record/principal.h"
#include "spec/spec.h"

#define SERVE_FLOW_HEADER "shoal-flow"

/**
 * @param flow          value of the field; at NULL: it is absent
 * @param ret_contract  out; NULL: the request comes for no flow
 *
 * @return RC_OK
 *         RC_DENIED  no contract, a field that it does not let in, or a key that needs one
 */
MUST_CHECK enum rc serve_contract_admit(const struct spec *spec, const struct principal *principal,
                                        struct str flow, const struct json *input,
                                        const struct spec_contract **ret_contract, struct err *err);

/* {"id", "output": {what may be read} or null, "abstained": reason or null, "version"}. RC_CORRUPT:
 * the stored answer is none; RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc serve_contract_append_answer(struct buf *out,
                                                const struct spec_contract *contract,
                                                const struct decision *decision,
                                                struct arena *arena, struct err *err);

#endif
