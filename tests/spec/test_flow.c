#include "tests/support/data.h"

#include "spec/flow.h"

/* Two SLMs of two teams, each with a contract with the flow `dispute`. */
static const char triage_text[] =
    "slm: triage\n"
    "input:\n"
    "  type: object\n"
    "  required: [body]\n"
    "  properties:\n"
    "    body: {type: string}\n"
    "    customer: {type: string}\n"
    "    received: {type: string, format: date}\n"
    "output:\n"
    "  type: object\n"
    "  properties:\n"
    "    kind: {enum: [billing, other]}\n"
    "    urgent: {type: boolean}\n"
    "derived:\n"
    "  due: now() + @\"P1D\"\n"
    "data:\n"
    "  - path: rows.jsonl\n"
    "contracts:\n"
    "  - {flow: dispute, send: [body, received], read: [kind, due]}\n";
static const char check_text[] = "slm: check\n"
                                 "input:\n"
                                 "  type: object\n"
                                 "  required: [total]\n"
                                 "  properties:\n"
                                 "    total: {type: number}\n"
                                 "    round: {type: integer, minimum: 0, maximum: 9}\n"
                                 "output:\n"
                                 "  type: object\n"
                                 "  properties:\n"
                                 "    verdict: {enum: [approved, rejected]}\n"
                                 "data:\n"
                                 "  - path: rows.jsonl\n"
                                 "contracts:\n"
                                 "  - {flow: dispute, send: [total], read: [verdict]}\n";

static const char head[] = "flow: dispute\n"
                           "input:\n"
                           "  type: object\n"
                           "  required: [text, total]\n"
                           "  properties:\n"
                           "    text: {type: string}\n"
                           "    total: {type: number}\n"
                           "    lines: {type: array, items: {type: number}}\n"
                           "    received: {type: string, format: date-time}\n";

struct fixture {
    struct arena arena;
    struct problems problems;
    struct spec_member members[3];
    struct buf out;
    struct err err;
};

static struct spec *parse_spec(struct fixture *f, const char *text)
{
    struct spec *spec = NULL;

    if (spec_parse(str_of(text), "s", &f->arena, &spec, &f->problems, &f->err))
        fail_msg("%s", f->err.message);
    return spec;
}

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){ 0 };
    arena_init(&f.arena, 64 << 20);
    problem_init(&f.problems, &f.arena);
    buf_init(&f.out, 1 << 20);
    f.members[0] = (struct spec_member){ STR("support/triage"), parse_spec(&f, triage_text) };
    f.members[1] = (struct spec_member){ STR("finance/check"), parse_spec(&f, check_text) };
    f.members[2] = (struct spec_member){ STR("finance/broken"), NULL };
    assert_non_null(f.members[0].spec);
    assert_non_null(f.members[1].spec);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    buf_release(&f->out);
    arena_release(&f->arena);
    return 0;
}

/* head with `rest` behind it; NULL when there are errors: the problems are then in f->out. */
static struct spec_flow *parse(struct fixture *f, const char *rest)
{
    struct spec_flow *flow = NULL;
    size_t len = sizeof(head) + strlen(rest);
    char *text = arena_array(&f->arena, char, len);

    assert_non_null(text);
    snprintf(text, len, "%s%s", head, rest);
    problem_init(&f->problems, &f->arena);
    if (spec_flow_parse(str_of(text), "f", f->members, ARRAY_LEN(f->members), &f->arena, &flow,
                        &f->problems, &f->err))
        fail_msg("%s", f->err.message);
    buf_reset(&f->out);
    problem_append_text(&f->out, &f->problems);
    buf_append_text(&f->out, "");
    return flow;
}

static struct spec_flow *parse_good(struct fixture *f, const char *rest)
{
    struct spec_flow *flow = parse(f, rest);

    if (!flow)
        fail_msg("%s", f->out.at);
    return flow;
}

static const char whole[] =
    "output: {kind: '${ triage.kind }', verdict: '${ check.verdict }', tries: '${ tries }'}\n"
    "on_budget: {kind: '${ triage.kind }'}\n"
    "budgets: {steps: 40, visits: 9, hops: 4, time: PT10M}\n"
    "due: ${ input.received + @\"P1D\" }\n"
    "do:\n"
    "  - triage:\n"
    "      call: slm\n"
    "      with:\n"
    "        slm: support/triage\n"
    "        input: {body: '${ input.text }'}\n"
    "      retry: {attempts: 5, delay: PT0.5S}\n"
    "      timeout: PT3S\n"
    "  - route:\n"
    "      switch:\n"
    "        - bill: {when: '${ triage.kind = \"billing\" }', then: lines}\n"
    "        - rest: {then: end}\n"
    "  - lines:\n"
    "      for: {each: line, in: '${ input.lines }', at: i}\n"
    "      do:\n"
    "        - careful:\n"
    "            try:\n"
    "              - check:\n"
    "                  call: slm\n"
    "                  with: {slm: finance/check, input: {total: '${ line + i }'}}\n"
    "            catch:\n"
    "              errors: [abstained]\n"
    "              as: problem\n"
    "              do:\n"
    "                - note: {set: {reason: '${ problem.detail }'}}\n"
    "        - stop: {switch: [{bad: {when: '${ check.verdict = \"rejected\" }', then: exit}}]}\n"
    "  - count: {set: {tries: 1, ready: '${ check.verdict = \"approved\" }'}}\n"
    "  - pause: {wait: PT1M}\n"
    "  - again: {switch: [{yes: {when: '${ not(ready) }', then: lines}}, {no: {then: end}}]}\n";

static void a_flow_is_read_with_its_order(void **state)
{
    struct fixture *f = *state;
    struct spec_flow *flow = parse_good(f, whole);

    assert_int_equal(flow->n_steps, 10);
    assert_int_equal(flow->budgets.time_ms, 600000);
    assert_int_equal(flow->steps[0]->retry.delay_ms, 500);
    assert_int_equal(flow->steps[0]->retry.max_delay_ms, 30000);
    assert_int_equal(flow->steps[0]->timeout_ms, 3000);
    assert_true(str_is(flow->steps[0]->interface->team, "support"));
    assert_int_equal(flow->steps[1]->cases[0].target.kind, SPEC_TO_STEP);
    assert_int_equal(flow->steps[1]->cases[0].target.step, 2);
    assert_int_equal(flow->steps[1]->cases[1].target.kind, SPEC_TO_END);
    assert_true(str_is(flow->steps[4]->name.text, "check"));
    assert_int_equal(flow->steps[4]->parent, 3);
    assert_int_equal(flow->steps[4]->part, SPEC_IN_TRIED);
    assert_int_equal(flow->steps[4]->next.step, 6); /* out of the try */
    assert_int_equal(flow->steps[5]->part, SPEC_IN_CATCH);
    assert_int_equal(flow->steps[6]->next.kind, SPEC_TO_ROUND);
    assert_int_equal(flow->steps[6]->next.step, 2);
    assert_int_equal(flow->steps[6]->cases[0].target.step, 7); /* exit leaves the for */
    assert_int_equal(flow->steps[9]->cases[0].target.step, 2); /* back */
}

static const struct spec_name *name_of(const struct spec_flow *flow, const char *name)
{
    for (size_t i = 0; i < flow->n_names; i++)
        if (str_is(flow->names[i].name, name))
            return &flow->names[i];
    fail_msg("no name %s", name);
    return NULL;
}

static void variables_with_a_closed_set_of_values_are_known(void **state)
{
    struct fixture *f = *state;
    struct spec_flow *flow = parse_good(f, whole);

    assert_true(name_of(flow, "tries")->is_closed);
    assert_true(name_of(flow, "ready")->is_closed);
    assert_false(name_of(flow, "reason")->is_closed);
    flow = parse_good(f, "output: {n: '${ n }'}\n"
                         "do:\n"
                         "  - a: {set: {n: 1}}\n"
                         "  - b: {set: {n: '${ n + 1 }'}}\n");
    assert_false(name_of(flow, "n")->is_closed);
}

static void a_pinned_flow_holds_what_crosses_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct spec_flow *flow = parse_good(f, whole), *again;
    CLEANUP(buf_releasep) struct buf pinned = { 0 };

    buf_init(&pinned, SPEC_FLOW_BYTES_MAX);
    spec_flow_pin(&pinned, flow);
    assert_null(strstr(pinned.at, "customer"));
    assert_null(strstr(pinned.at, "urgent"));
    assert_int_equal(spec_flow_unpin(buf_str(&pinned), &f->arena, &again, &f->err), RC_OK);
    assert_int_equal(again->n_steps, flow->n_steps);
    const struct schema_property *due =
        schema_find(&again->steps[0]->interface->output, STR("due"));
    assert_non_null(due);
    assert_int_equal(due->schema.format, SCHEMA_FORMAT_DATE_TIME);
    assert_int_equal(spec_flow_unpin(STR("{\"flow\":{},\"slms\":{}}"), &f->arena, &again, &f->err),
                     RC_CORRUPT);
    assert_int_equal(spec_flow_unpin(STR("nothing"), &f->arena, &again, &f->err), RC_CORRUPT);
}

#define CALL(name, input) \
    "  - " name ": {call: slm, with: {slm: support/triage, input: {" input "}}}\n"

/* What is wrong with a flow, and the first problem that says so. */
static const struct {
    const char *name, *rest, *problem;
} wrong[] = {
    { "an unknown key", "output: {}\ndo: [{a: {set: {x: 1}, polls: 1}}]\n",
      "f:11:24: error: unknown key 'polls' of a step, did you mean 'poll'? [unknown_key]\n" },
    { "no kind", "output: {}\ndo: [{a: {then: end}}]\n",
      "f:11:7: error: step 'a' has none of call, switch, set, for, try, wait, raise [missing]\n" },
    { "a key of another kind", "output: {}\ndo: [{a: {set: {x: 1}, timeout: PT1S}}]\n",
      "f:11:24: error: 'timeout' does not go with 'set' [value]\n" },
    { "no steps", "output: {}\ndo: []\n",
      "f:11:5: error: 'do' is empty, expected at least one [value]\n" },
    { "a step with two names", "output: {}\ndo: [{a: {set: {x: 1}}, b: {set: {x: 1}}}]\n",
      "f:11:6: error: a step: expected one name with keys below it [type]\n" },
    { "a duration", "output: {}\ndo: [{a: {wait: 30 s}}]\n",
      "f:11:17: error: 'wait' is '30 s', expected a duration like PT30S, from 0.001 to 3.16224e+07 "
      "seconds [range]\n" },
    { "a jump to nowhere", "output: {}\ndo: [{a: {set: {x: 1}, then: bb}}, {b: {wait: PT1S}}]\n",
      "f:11:30: error: no step 'bb' in this list, did you mean 'b'? [jump]\n" },
    { "a jump into a for",
      "output: {}\n"
      "do: [{a: {set: {x: 1}, then: c}}, {b: {for: {each: e, in: '${ [1] }'}, do: [{c: {wait: "
      "PT1S}}]}}]\n",
      "f:11:30: error: no step 'c' in this list, did you mean 'a'? [jump]\n" },
    { "steps without a way to them",
      "output: {}\ndo: [{a: {wait: PT1S, then: end}}, {b: {wait: "
      "PT1S}}]\n",
      "f:11:37: error: nothing leads to step 'b' [unreachable]\n" },
    { "a circle without an end",
      "output: {}\ndo: [{a: {wait: PT1S}}, {b: {wait: PT1S, then: "
      "a}}]\n",
      "f:11:7: error: no path leads from step 'a' to an end [endless]\n" },
    { "cases behind the rest",
      "output: {}\ndo: [{a: {switch: [{x: {then: end}}, {y: {when: '${ true }', then: end}}]}}]\n",
      "f:11:21: error: case 'x' has no 'when': the cases below it are never looked at [value]\n" },
    { "an unknown name", "output: {k: '${ triag.kind }'}\ndo:\n" CALL("triage", "body: x"),
      "f:10:17: error: unknown name 'triag'; did you mean 'triage'? [expression]\n" },
    { "an unknown field", "output: {}\ndo:\n" CALL("triage", "body: '${ input.txt }'"),
      "f:12:77: error: unknown name 'txt'; did you mean 'text'? [expression]\n" },
    { "an expression inside a text", "output: {k: 'a ${ 1 }'}\ndo: [{a: {wait: PT1S}}]\n",
      "f:10:13: error: an expression is the whole text: '${ ... }' [expression]\n" },
    { "a condition that is none",
      "output: {}\ndo: [{a: {switch: [{x: {when: '${ 1 + 1 }', then: end}}]}}]\n",
      "f:11:31: error: gives number, expected boolean [type]\n" },
    { "a condition without ${ }",
      "output: {}\ndo: [{a: {switch: [{x: {when: 'true', then: end}}]}}]\n",
      "f:11:31: error: expected an expression: '${ ... }' [expression]\n" },
    { "a step read before it ran",
      "output: {}\ndo:\n" CALL("a", "body: '${ b.kind }'") CALL("b", "body: x"),
      "f:12:66: error: 'b' is read here, but no path has set it before [order]\n" },
    { "a variable read before it is set",
      "output: {}\ndo:\n" CALL("a", "body: '${ v }'") "  - b: {set: {v: x}}\n",
      "f:12:66: error: 'v' is read here, but no path has set it before [order]\n" },
    { "the item of a for outside of it",
      "output: {}\ndo: [{a: {for: {each: e, in: '${ [1] }'}, do: [{b: {wait: PT1S}}]}}, {c: {set: "
      "{x: '${ e }'}}}]\n",
      "f:11:88: error: unknown name 'e' [expression]\n" },
    { "a second step of a name", "output: {}\ndo: [{a: {wait: PT1S}}, {a: {wait: PT1S}}]\n",
      "f:11:26: error: a second step 'a' [duplicate]\n" },
    { "a variable with the name of a step", "output: {}\ndo: [{a: {set: {a: 1}}}]\n",
      "f:11:17: error: 'a' is a name that is taken [duplicate]\n" },
    { "an unknown SLM",
      "output: {}\ndo: [{a: {call: slm, with: {slm: support/triag, input: {}}}}]\n",
      "f:11:34: error: no SLM 'support/triag' in the workspace, did you mean 'support/triage'? "
      "[name]\n" },
    { "an input field that the SLM has not", "output: {}\ndo:\n" CALL("triage", "body: x, bodi: y"),
      "f:12:70: error: support/triage has no input field 'bodi', did you mean 'body'? "
      "[unknown_key]\n" },
    { "a required input field left out", "output: {}\ndo:\n" CALL("triage", ""),
      "f:12:60: error: support/triage needs the input field 'body' [missing]\n" },
    { "an input field of another type",
      "output: {}\ndo:\n" CALL("triage", "body: '${ input.total }'"),
      "f:12:67: error: 'body' is number, support/triage expects string [type]\n" },
    { "a constant of another type", "output: {}\ndo:\n" CALL("triage", "body: 7"),
      "f:12:67: error: found number, expected string [type]\n" },
    { "a field that the contract does not let in",
      "output: {}\ndo:\n" CALL("triage", "body: x, customer: y"),
      "f:12:70: error: the contract of support/triage does not let this flow send 'customer' "
      "[contract]\n" },
    { "a field that the contract does not let out",
      "output: {u: '${ triage.urgent }'}\ndo:\n" CALL("triage", "body: x"),
      "f:10:17: error: the contract of support/triage does not let this flow read 'urgent' "
      "[contract]\n" },
    { "a deadline that is no time", "output: {}\ndue: ${ input.total }\ndo: [{a: {wait: PT1S}}]\n",
      "f:11:6: error: gives number, expected date and time [type]\n" },
    { "a deadline that reads a step",
      "output: {}\ndue: ${ triage.due }\ndo:\n" CALL("triage", "body: x"),
      "f:11:9: error: unknown name 'triage' [expression]\n" },
};

static void everything_wrong_is_found_with_its_place(void **state)
{
    struct fixture *f = *state;
    bool differs = false;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct spec_flow *flow = parse(f, wrong[i].rest);

        if (!flow && strncmp(f->out.at, wrong[i].problem, strlen(wrong[i].problem)) == 0)
            continue;
        print_error("%s: %s\n", wrong[i].name, flow ? "no problem found" : f->out.at);
        differs = true;
    }
    assert_false(differs);
}

static void a_flow_without_a_contract_may_not_call(void **state)
{
    struct fixture *f = *state;
    struct spec_flow *flow = NULL;
    static const char text[] =
        "flow: other\n"
        "input: {type: object, properties: {a: {type: string}}}\n"
        "output: {}\n"
        "do: [{a: {call: slm, with: {slm: finance/check, input: {total: 1}}}}]\n";

    assert_int_equal(
        spec_flow_parse(STR(text), "f", f->members, 3, &f->arena, &flow, &f->problems, &f->err),
        RC_OK);
    assert_null(flow);
    problem_append_text(&f->out, &f->problems);
    assert_string_equal(f->out.at, "f:4:34: error: finance/check has no contract with flow "
                                   "'other' [contract]\n");
}

static void contracts_name_fields_that_exist_and_all_that_is_required(void **state)
{
    struct fixture *f = *state;
    char text[2000];

    snprintf(text, sizeof(text),
             "%s  - {flow: a, send: [custmer], read: [kin]}\n"
             "  - {flow: dispute, send: [body], read: []}\n",
             triage_text);
    assert_null(parse_spec(f, text));
    problem_append_text(&f->out, &f->problems);
    assert_string_equal(
        f->out.at,
        "s:20:22: error: no input field 'custmer', did you mean 'customer'? [name]\n"
        "s:20:39: error: no output or plain derived field 'kin', did you mean 'kind'? [name]\n"
        "s:20:12: error: flow 'a' could not call: 'send' lacks the required field 'body' "
        "[missing]\n"
        "s:21:12: error: a second contract with flow 'dispute' [duplicate]\n");
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    struct fixture *f = *state;
    char text[sizeof(head) + sizeof(whole)];
    enum rc rc = RC_OK;

    snprintf(text, sizeof(text), "%s%s", head, whole);
    FOR_EACH_FAILING_ALLOC (nth) {
        CLEANUP(buf_releasep) struct buf pinned = { 0 };
        struct spec_flow *flow = NULL;
        struct problems problems;
        struct arena arena;
        struct err err;

        arena_init(&arena, 16 << 20);
        problem_init(&problems, &arena);
        buf_init(&pinned, SPEC_FLOW_BYTES_MAX);
        rc = spec_flow_parse(str_of(text), "f", f->members, 3, &arena, &flow, &problems, &err);
        if (rc == RC_OK) {
            assert_non_null(flow);
            spec_flow_pin(&pinned, flow);
            rc = buf_rc(&pinned, "flow", &err);
        }
        if (rc == RC_OK)
            rc = spec_flow_unpin(buf_str(&pinned), &arena, &flow, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

#define FLOW_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(a_flow_is_read_with_its_order),
        FLOW_TEST(variables_with_a_closed_set_of_values_are_known),
        FLOW_TEST(a_pinned_flow_holds_what_crosses_and_no_more),
        FLOW_TEST(everything_wrong_is_found_with_its_place),
        FLOW_TEST(a_flow_without_a_contract_may_not_call),
        FLOW_TEST(contracts_name_fields_that_exist_and_all_that_is_required),
        FLOW_TEST(every_failing_allocation_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests_name("spec/flow", tests, NULL, NULL);
}
