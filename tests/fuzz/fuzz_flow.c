/* Whatever the text, spec_flow_parse() returns inside the arena limit; a flow without errors is
 * pinned as a text that is read back as the same flow. */
#include "spec/flow.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char slm[] = "slm: s\n"
                          "input:\n"
                          "  type: object\n"
                          "  properties: {a: {type: string}, b: {type: number}}\n"
                          "output:\n"
                          "  type: object\n"
                          "  properties: {k: {enum: [x, y]}}\n"
                          "data: [{path: d.jsonl}]\n"
                          "contracts: [{flow: f, send: [a, b], read: [k]}]\n";

static void pin_and_read_again(const struct spec_flow *flow, struct arena *arena)
{
    CLEANUP(buf_releasep) struct buf pinned = { 0 };
    struct spec_flow *again;
    struct err err;

    buf_init(&pinned, SPEC_FLOW_BYTES_MAX);
    spec_flow_pin(&pinned, flow);
    if (pinned.failed)
        return;
    enum rc rc = spec_flow_unpin(buf_str(&pinned), arena, &again, &err);
    ASSERT(rc == RC_OK || rc == RC_LIMIT);
    if (rc == RC_OK)
        ASSERT(again->n_steps == flow->n_steps && again->n_names == flow->n_names);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct arena arena;
    struct problems problems;
    struct spec *spec = NULL;
    struct spec_flow *flow = NULL;
    struct err err;

    arena_init(&arena, 64 << 20);
    problem_init(&problems, &arena);
    if (spec_parse(STR(slm), "slm", &arena, &spec, &problems, &err) == RC_OK) {
        struct spec_member member = { STR("t/s"), spec };

        ASSERT(spec);
        if (spec_flow_parse((struct str){ (const char *)bytes, size }, "fuzz", &member, 1, &arena,
                            &flow, &problems, &err) == RC_OK) {
            ASSERT((flow != NULL) == (problems.n_errors == 0));
            if (flow)
                pin_and_read_again(flow, &arena);
        }
    }
    arena_release(&arena);
    return 0;
}
