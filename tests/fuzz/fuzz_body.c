/* Whatever the body, it is read or refused within the arena, and a decision that is read has an
 * input. */
#include "serve/body.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str text = { (const char *)bytes, size };
    struct body_decision decision;
    struct body_feedback feedback;
    struct problems problems;
    struct arena arena;
    struct err err;

    arena_init(&arena, 8 << 20);
    problem_init(&problems, &arena);
    if (body_read_decision(text, STR("key"), &arena, &decision, &problems, &err) == RC_OK &&
        problems.n_errors == 0)
        ASSERT(decision.input && decision.input->type == JSON_OBJECT && decision.key.len > 0);
    problem_init(&problems, &arena);
    if (body_read_feedback(text, &arena, &feedback, &problems, &err) == RC_OK &&
        problems.n_errors == 0)
        ASSERT(!feedback.output == (feedback.verdict != BODY_NO_VERDICT));
    arena_release(&arena);
    return 0;
}
