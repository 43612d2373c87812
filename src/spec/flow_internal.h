/* flow_internal.h - what the files that read flow.yaml share. */
#ifndef SPEC_FLOW_INTERNAL_H
#define SPEC_FLOW_INTERNAL_H

#include "spec/flow.h"
#include "spec/spec_keys_internal.h"

/* Numbers the steps and works out their kinds, parents and targets. RC_NOMEM, RC_LIMIT. */
MUST_CHECK enum rc spec_flow_order(struct spec_reading *r, struct spec_flow *flow, struct err *err);

/* Which steps may run after which. Row `from`: (n_steps,), whether a path leads there. */
struct spec_paths {
    size_t n;
    bool *reaches; /* (n, n) */
    bool *ends;    /* (n,) whether a path leads to the end */
};

MUST_CHECK enum rc spec_flow_find_paths(const struct spec_flow *flow, struct arena *arena,
                                        struct spec_paths *ret_paths, struct err *err);

/* Steps that nothing leads to, and steps that lead to no end. */
void spec_flow_check_paths(struct spec_reading *r, const struct spec_flow *flow,
                           const struct spec_paths *paths);

/* Is the step `inner` inside the for, or in this part of the try, at `outer`? */
bool spec_step_is_in(const struct spec_flow *flow, size_t inner, size_t outer,
                     enum spec_step_part part);

/* Names, expressions, their types, and what contracts say of them. RC_NOMEM, RC_LIMIT. */
MUST_CHECK enum rc spec_flow_check_values(struct spec_reading *r, struct spec_flow *flow,
                                          const struct spec_paths *paths, struct err *err);

#endif
