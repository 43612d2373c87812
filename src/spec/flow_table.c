/* The keys of flow.yaml, and their JSON Schema. */
#include "spec/flow_internal.h"

#include <stddef.h>

enum { DAY_S = 24 * 60 * 60, YEAR_S = 366 * DAY_S };

#define SECTION(text, type, table)                                                         \
    {                                                                                      \
        .what = (text), .bytes = sizeof(type), .n_keys = ARRAY_LEN(table), .keys = (table) \
    }
#define LIST(type, member) (offsetof(type, member) - sizeof(size_t))

static const struct spec_section step_section;

static const struct spec_key with_keys[] = {
    { "slm", KEY_TEXT, offsetof(struct spec_with, slm), .required = true,
      .help = "TEAM/SLM that answers" },
    { "input", KEY_TREE, offsetof(struct spec_with, input), .required = true,
      .help = "its input: only fields that its contract with the flow lets in" },
};
static const struct spec_section with_section = SECTION("with", struct spec_with, with_keys);

static const struct spec_key case_keys[] = {
    { "when", KEY_EXPRESSION, offsetof(struct spec_case, when),
      .help = "${ condition }; absent in the last case: the rest" },
    { "then", KEY_TEXT, offsetof(struct spec_case, then), .required = true,
      .help = "a step of the same list, or continue, exit, end" },
};
static const struct spec_section case_section = { .what = "a case",
                                                  .definition = "case",
                                                  .bytes = sizeof(struct spec_case),
                                                  .n_keys = ARRAY_LEN(case_keys),
                                                  .keys = case_keys };

static const struct spec_key loop_keys[] = {
    { "each", KEY_NAME, offsetof(struct spec_loop, each), .required = true,
      .help = "name of the item inside" },
    { "in", KEY_EXPRESSION, offsetof(struct spec_loop, in), .required = true,
      .help = "${ list }, taken once, when the step begins" },
    { "at", KEY_NAME, offsetof(struct spec_loop, at), .help = "name of the index inside, from 0" },
};
static const struct spec_section loop_section = SECTION("for", struct spec_loop, loop_keys);

static const struct spec_key catch_keys[] = {
    { "errors", KEY_NAMES, LIST(struct spec_catch, errors),
      .help = "types that are caught; absent: all" },
    { "as", KEY_NAME, offsetof(struct spec_catch, as),
      .help = "name of the error inside: {type, step, detail}" },
    { "do", KEY_STEPS, LIST(struct spec_catch, steps), .section = &step_section,
      .help = "what is done then" },
};
static const struct spec_section catch_section = SECTION("catch", struct spec_catch, catch_keys);

static const struct spec_key error_keys[] = {
    { "type", KEY_NAME, offsetof(struct spec_error, type), .required = true,
      .help = "what catch.errors names" },
    { "detail", KEY_TEXT, offsetof(struct spec_error, detail), .help = "for people" },
};
static const struct spec_section error_section = SECTION("error", struct spec_error, error_keys);

static const struct spec_key raise_keys[] = {
    { "error", KEY_SECTION, offsetof(struct spec_raise, error), .required = true,
      .section = &error_section, .help = "the error" },
};
static const struct spec_section raise_section = SECTION("raise", struct spec_raise, raise_keys);

static const struct spec_key retry_keys[] = {
    { "attempts", KEY_INTEGER, offsetof(struct spec_retry, attempts), .fallback = "3", .min = 1,
      .max = 20, .help = "in all; only unavailable and timeout are tried again" },
    { "delay", KEY_DURATION, offsetof(struct spec_retry, delay_ms), .fallback = "\"PT1S\"",
      .min = 0.001, .max = DAY_S, .help = "before the second attempt" },
    { "backoff", KEY_NUMBER, offsetof(struct spec_retry, backoff), .fallback = "2", .min = 1.0,
      .max = 10.0, .help = "each delay is so many times the one before" },
    { "max_delay", KEY_DURATION, offsetof(struct spec_retry, max_delay_ms), .fallback = "\"PT30S\"",
      .min = 0.001, .max = DAY_S, .help = "no delay is longer" },
};
static const struct spec_section retry_section = SECTION("retry", struct spec_retry, retry_keys);

static const struct spec_key poll_keys[] = {
    { "until", KEY_EXPRESSION, offsetof(struct spec_poll, until), .required = true,
      .help = "${ condition } over the step's own answer" },
    { "every", KEY_DURATION, offsetof(struct spec_poll, every_ms), .required = true, .min = 0.001,
      .max = YEAR_S, .help = "between two calls" },
    { "rounds", KEY_INTEGER, offsetof(struct spec_poll, rounds), .required = true, .min = 1,
      .max = 10000, .help = "calls at most; then the error timeout" },
};
static const struct spec_section poll_section = SECTION("poll", struct spec_poll, poll_keys);

static const struct spec_key step_keys[] = {
    { "call", KEY_TEXT, offsetof(struct spec_step, call), .help = "slm: ask the SLM of `with`" },
    { "with", KEY_SECTION, offsetof(struct spec_step, with), .section = &with_section,
      .help = "what is called, and its input" },
    { "switch", KEY_STEPS, LIST(struct spec_step, cases), .section = &case_section,
      .help = "goes where the first case says whose condition is true" },
    { "set", KEY_TREE, offsetof(struct spec_step, set), .help = "variables and their new values" },
    { "for", KEY_SECTION, offsetof(struct spec_step, loop), .section = &loop_section,
      .help = "does `do` once for each item of a list" },
    { "do", KEY_STEPS, LIST(struct spec_step, steps), .section = &step_section,
      .help = "steps of a for" },
    { "try", KEY_STEPS, LIST(struct spec_step, tried), .section = &step_section,
      .help = "steps whose errors `catch` takes" },
    { "catch", KEY_SECTION, offsetof(struct spec_step, caught), .section = &catch_section,
      .help = "which errors of `try` are taken, and what is done then" },
    { "wait", KEY_DURATION, offsetof(struct spec_step, wait_ms),
      .has_at = offsetof(struct spec_step, has_wait), .min = 0.001, .max = YEAR_S,
      .help = "how long to wait" },
    { "raise", KEY_SECTION, offsetof(struct spec_step, raise), .section = &raise_section,
      .help = "ends with an error unless a try around it takes it" },
    { "then", KEY_TEXT, offsetof(struct spec_step, then), .fallback = "\"continue\"",
      .help = "a step of the same list (also one before), or continue, exit, end" },
    { "retry", KEY_SECTION, offsetof(struct spec_step, retry), .section = &retry_section,
      .fallback = "{}", .help = "of a call that failed for now" },
    { "timeout", KEY_DURATION, offsetof(struct spec_step, timeout_ms), .fallback = "\"PT30S\"",
      .min = 0.001, .max = DAY_S, .help = "of one attempt of a call" },
    { "poll", KEY_SECTION, offsetof(struct spec_step, poll), .section = &poll_section,
      .help = "repeats the call until a condition holds" },
};
static const struct spec_section step_section = { .what = "a step",
                                                  .definition = "step",
                                                  .bytes = sizeof(struct spec_step),
                                                  .n_keys = ARRAY_LEN(step_keys),
                                                  .keys = step_keys };

static const struct spec_key budgets_keys[] = {
    { "steps", KEY_INTEGER, offsetof(struct spec_budgets, steps), .fallback = "1000", .min = 1,
      .max = 10000, .help = "visits of steps in all" },
    { "visits", KEY_INTEGER, offsetof(struct spec_budgets, visits), .fallback = "100", .min = 1,
      .max = 10000, .help = "visits of one step" },
    { "hops", KEY_INTEGER, offsetof(struct spec_budgets, hops), .fallback = "50", .min = 0,
      .max = 10000, .help = "calls to another team than the call before" },
    { "time", KEY_DURATION, offsetof(struct spec_budgets, time_ms), .fallback = "\"P1D\"",
      .min = 0.001, .max = YEAR_S, .help = "from start to end" },
};
static const struct spec_section budgets_section =
    SECTION("budgets", struct spec_budgets, budgets_keys);

static const struct spec_key flow_keys[] = {
    { "flow", KEY_NAME, offsetof(struct spec_flow, name), .required = true,
      .help = "name of the flow, as its folder" },
    { "description", KEY_TEXT, offsetof(struct spec_flow, description),
      .help = "what it brings about, for people" },
    { "input", KEY_SCHEMA, offsetof(struct spec_flow, input), .required = true,
      .help = "an object: what a run starts from" },
    { "output", KEY_TREE, offsetof(struct spec_flow, output), .required = true,
      .help = "what a run gives when it has come to its end" },
    { "budgets", KEY_SECTION, offsetof(struct spec_flow, budgets), .section = &budgets_section,
      .fallback = "{}", .help = "what a run may use up" },
    { "on_budget", KEY_TREE, offsetof(struct spec_flow, on_budget),
      .help = "the best answer so far, given when a budget ends or a loop is found" },
    { "due", KEY_EXPRESSION, offsetof(struct spec_flow, due),
      .help = "${ date and time } over the input: later, the run is listed as overdue" },
    { "webhook", KEY_TEXT, offsetof(struct spec_flow, webhook),
      .help = "URL that is told when a run has ended" },
    { "do", KEY_STEPS, LIST(struct spec_flow, top), .required = true, .section = &step_section,
      .help = "the steps, each with a name" },
};
const struct spec_section spec_flow_section = SECTION("the flow", struct spec_flow, flow_keys);

void spec_flow_append_json_schema(struct buf *out)
{
    static const struct spec_section *const definitions[] = { &step_section, &case_section };

    spec_keys_append_file_schema(out, "Shoal: flow.yaml", &spec_flow_section, definitions,
                                 ARRAY_LEN(definitions));
}
