#include "tests/orchestrate/run_case.h"

#define CALL_A(name, more) "  - " name ": {call: slm, with: {slm: one/a, input: {}}" more "}\n"
#define CALL_B(name, more) "  - " name ": {call: slm, with: {slm: two/b, input: {}}" more "}\n"

static bool answer_x(struct run_case *c, const struct run_action *call, struct str input)
{
    (void)input;
    if (str_is(call->step->with.slm.text, "two/b"))
        return case_done(c, "{\"ok\":true}");
    return case_done(c, "{\"kind\":\"x\",\"level\":3,\"note\":\"n\",\"amount\":1.5}");
}

static void a_run_goes_through_its_steps(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    assert_string_equal(
        case_run(&c,
                 "output: {kind: '${ first.kind }', ok: '${ second.ok }', sum: '${ total + 1 }'}\n"
                 "do:\n" CALL_A("first", "")
                     CALL_B("second", "") "  - count: {set: {total: '${ input.n * 2 }'}}\n",
                 "{\"n\":1.05}", answer_x),
        "{\"status\":\"succeeded\",\"output\":{\"kind\":\"x\",\"ok\":true,\"sum\":3.1}}");
    assert_string_equal(c.log, "first/1/1 second/1/1 ");
    case_end(&c);
}

static bool answer_input(struct run_case *c, const struct run_action *call, struct str input)
{
    (void)call;
    strncat(c->log, input.at, sizeof(c->log) - strlen(c->log) - 1);
    return case_done(c,
                     "{\"kind\":\"y\",\"level\":1,\"note\":\"n\",\"amount\":0,\"marks\":\"no\"}");
}

static void what_crosses_is_what_the_contract_names(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    assert_string_equal(
        case_run(
            &c,
            "output: {all: '${ first }'}\n"
            "do:\n"
            "  - first: {call: slm, with: {slm: one/a, input: {text: hello, n: '${ input.n }'}}}\n",
            "{\"n\":7}", answer_input),
        "{\"status\":\"succeeded\",\"output\":{\"all\":{\"kind\":\"y\",\"level\":1,\"note\":\"n\","
        "\"amount\":0}}}");
    assert_string_equal(c.log, "first/1/1 {\"text\":\"hello\",\"n\":7}");
    case_end(&c);
}

static bool answer_with_null(struct run_case *c, const struct run_action *call, struct str input)
{
    (void)call;
    strncat(c->log, input.at, sizeof(c->log) - strlen(c->log) - 1);
    return case_done(c, "{\"kind\":\"y\",\"level\":1,\"note\":null,\"amount\":0}");
}

static void what_is_null_crosses_in_neither_direction(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    assert_string_equal(
        case_run(&c,
                 "output: {kind: '${ first.kind }', note: '${ first.note }'}\n"
                 "do:\n"
                 "  - first: {call: slm, with: {slm: one/a, input: {text: '${ if "
                 "input.n = 8 then \"8\" else null }', n: '${ input.n }'}}}\n"
                 "  - second: {call: slm, with: {slm: one/a, input: {text: '${ first.note }'}}}\n",
                 "{\"n\":7}", answer_with_null),
        "{\"status\":\"succeeded\",\"output\":{\"kind\":\"y\",\"note\":null}}");
    assert_string_equal(c.log, "first/1/1 {\"n\":7}second/1/1 {}");
    case_end(&c);
}

static void an_answer_that_breaks_its_contract_is_refused(void **state)
{
    struct run_case c = { 0 };
    struct run_action action;
    struct json *json;
    (void)state;

    case_start(&c, "output: {}\ndo:\n" CALL_A("first", ""), "{}");
    run_next(c.run, c.now_ms, &action);
    case_apply(&c, &action.event);
    assert_int_equal(
        json_parse(STR("{\"kind\":\"q\"}"), JSON_DUPLICATES_REFUSED, &c.arena, &json, &c.err),
        RC_OK);
    assert_int_equal(run_append_result(c.run, json, STR("d"), STR("v"), &c.text, &c.err),
                     RC_INVALID);
    case_end(&c);
}

/* ---- order */

static void a_for_does_its_steps_for_each_item(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    assert_string_equal(
        case_run(&c,
                 "output: {seen: '${ seen }', odd: '${ odd }'}\n"
                 "do:\n"
                 "  - none: {set: {seen: [], odd: 0}}\n"
                 "  - items:\n"
                 "      for: {each: e, in: '${ input.list }', at: i}\n"
                 "      do:\n"
                 "        - note: {set: {seen: '${ append(seen, e * 10 + i) }'}}\n"
                 "        - big: {switch: [{yes: {when: '${ e > 5 }', then: exit}}]}\n"
                 "        - even: {switch: [{yes: {when: '${ e = 2 }', then: done}}]}\n"
                 "        - mark: {set: {odd: '${ odd + 1 }'}}\n"
                 "        - done: {set: {last: '${ e }'}}\n",
                 "{\"list\":[1,2,3,9,1]}", answer_x),
        "{\"status\":\"succeeded\",\"output\":{\"seen\":[10,21,32,93],\"odd\":2}}");
    case_end(&c);
    c = (struct run_case){ 0 };
    assert_string_equal(case_run(&c,
                                 "output: {k: 1}\n"
                                 "do: [{a: {for: {each: e, in: '${ input.list }'}, do: [{b: {wait: "
                                 "PT1S}}]}}]\n",
                                 "{\"list\":[]}", answer_x),
                        "{\"status\":\"succeeded\",\"output\":{\"k\":1}}");
    case_end(&c);
}

static void a_wait_takes_its_time(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    case_run(&c, "output: {}\ndo: [{a: {wait: PT1H}}]\n", "{}", answer_x);
    assert_int_equal(c.now_ms, CASE_START_MS + 3600000);
    case_end(&c);
}

static const char caught[] =
    "output: {why: '${ why }'}\n"
    "do:\n"
    "  - outer:\n"
    "      try:\n"
    "        - inner:\n"
    "            try:\n"
    "              - bad: {raise: {error: {type: mine, detail: no luck}}}\n"
    "            catch: {errors: [other]}\n"
    "      catch:\n"
    "        errors: [mine]\n"
    "        as: e\n"
    "        do:\n"
    "          - keep: {set: {why: '${ e.step + \": \" + e.detail }'}}\n";

static void an_error_goes_to_the_nearest_catch_that_names_it(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    assert_string_equal(case_run(&c, caught, "{}", answer_x),
                        "{\"status\":\"succeeded\",\"output\":{\"why\":\"bad: no luck\"}}");
    case_end(&c);
}

static bool answer_abstained(struct run_case *c, const struct run_action *call, struct str input)
{
    (void)call, (void)input;
    return case_failed(c, "abstained");
}

static void what_nothing_catches_fails_the_run(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    assert_string_equal(
        case_run(&c, "output: {}\ndo:\n" CALL_A("first", ""), "{}", answer_abstained),
        "{\"status\":\"failed\",\"error\":{\"type\":\"abstained\",\"step\":"
        "\"first\",\"detail\":\"as the test has it\"}}");
    assert_int_equal(c.n_calls, 1); /* no attempt would change it */
    case_end(&c);
    c = (struct run_case){ 0 };
    assert_string_equal(
        case_run(&c,
                 "output: {}\n"
                 "do: [{a: {switch: [{b: {when: '${ input.n > 1 }', then: end}}]}}]\n",
                 "{}", answer_x),
        "{\"status\":\"failed\",\"error\":{\"type\":\"expression\",\"step\":\"a\",\"detail\":"
        "\"a condition is neither true nor false\"}}");
    case_end(&c);
}

/* Twelve conditions count in binary, so that what is closed differs in each of the 3,333 rounds,
 * and each round raises. */
static void errors_that_lead_back_need_no_stack(void **state)
{
    CLEANUP(buf_releasep) struct buf flow = { 0 };
    struct run_case c = { 0 };
    (void)state;

    buf_init(&flow, 10000);
    buf_printf(&flow, "output: {}\nbudgets: {steps: 10000, visits: 10000}\ndo:\n  - zero: {set: {");
    for (int i = 0; i < 12; i++)
        buf_printf(&flow, "b%d: false, ", i);
    buf_printf(&flow, "all: true}}\n  - count: {set: {b0: '${ not(b0) }'");
    for (int i = 1; i < 12; i++) {
        buf_printf(&flow, ", b%d: '${ b%d != (b0", i, i);
        for (int j = 1; j < i; j++)
            buf_printf(&flow, " and b%d", j);
        buf_printf(&flow, ") }'");
    }
    buf_printf(&flow, "}}\n  - again: {try: [{bad: {raise: {error: {type: t}}}}], catch: {as: e}, "
                      "then: count}\n");
    const char *end = case_run(&c, flow.at, "{}", answer_x);
    assert_non_null(strstr(end, "more than 10000 steps"));
    case_end(&c);
}

/* ---- attempts */

static bool answer_third_time(struct run_case *c, const struct run_action *call, struct str input)
{
    (void)input;
    return call->attempt < 3 ? case_failed(c, "unavailable") : answer_x(c, call, input);
}

static void what_fails_for_now_is_tried_again_later_each_time(void **state)
{
    struct run_case c = { 0 };
    int64_t waited;
    (void)state;

    case_run(&c, "output: {}\ndo:\n" CALL_A("first", ", retry: {delay: PT10S, backoff: 3}"), "{}",
             answer_third_time);
    assert_int_equal(run_status(c.run), RUN_SUCCEEDED);
    assert_string_equal(c.log, "first/1/1 first/1/1 first/1/1 "); /* one key */
    waited = c.now_ms - CASE_START_MS - 30;                       /* 10 ms for each call */
    assert_in_range(waited, 5000 + 15000, 10000 + 30000);
    case_end(&c);

    c = (struct run_case){ 0 };
    case_run(&c, "output: {}\ndo:\n" CALL_A("first", ", retry: {delay: PT10S, backoff: 3}"), "{}",
             answer_third_time);
    assert_int_equal(c.now_ms - CASE_START_MS - 30, waited); /* the jitter is the run's */
    case_end(&c);
}

/* Its owner would take another input under the same key for a mistake. */
static bool answer_third_time_to_the_same(struct run_case *c, const struct run_action *call,
                                          struct str input)
{
    static char first[100];

    if (call->attempt == 1)
        snprintf(first, sizeof(first), "%.*s", STR_ARG(input));
    assert_true(str_is(input, first));
    return answer_third_time(c, call, input);
}

static void every_attempt_asks_the_same_also_of_what_has_the_time_in_it(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    case_run(&c,
             "output: {}\ndo: [{first: {call: slm, with: {slm: one/a, input: {text: "
             "'${ string(now()) }'}}}}]\n",
             "{}", answer_third_time_to_the_same);
    assert_int_equal(run_status(c.run), RUN_SUCCEEDED);
    assert_int_equal(c.n_calls, 3);
    case_end(&c);
}

static void attempts_end(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    case_run(&c, "output: {}\ndo:\n" CALL_A("first", ", retry: {attempts: 2}"), "{}",
             answer_third_time);
    assert_int_equal(run_status(c.run), RUN_FAILED);
    assert_int_equal(c.n_calls, 2);
    case_end(&c);
}

static bool answer_level_by_call(struct run_case *c, const struct run_action *call,
                                 struct str input)
{
    char text[100];

    (void)call, (void)input;
    snprintf(text, sizeof(text), "{\"kind\":\"x\",\"level\":%zu,\"note\":\"n\",\"amount\":1}",
             c->n_calls > 3 ? 9 : (size_t)3);
    return case_done(c, text);
}

static void a_poll_repeats_its_call_under_a_key_of_its_own(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    case_run(&c,
             "output: {}\ndo:\n" CALL_A(
                 "first", ", poll: {until: '${ first.level > 5 }', every: PT1M, rounds: 9}"),
             "{}", answer_level_by_call);
    assert_int_equal(run_status(c.run), RUN_SUCCEEDED);
    assert_string_equal(c.log, "first/1/1 first/1/2 first/1/3 first/1/4 ");
    assert_int_equal(c.now_ms, CASE_START_MS + 3 * 60000 + 40);
    case_end(&c);

    c = (struct run_case){ 0 };
    assert_string_equal(
        case_run(&c,
                 "output: {}\ndo:\n" CALL_A(
                     "first", ", poll: {until: '${ first.level > 5 }', every: PT1M, rounds: 3}"),
                 "{}", answer_level_by_call),
        "{\"status\":\"failed\",\"error\":{\"type\":\"timeout\",\"step\":\"first\",\"detail\":"
        "\"the poll is out of rounds\"}}");
    case_end(&c);
}

static void a_result_that_comes_late_is_refused(void **state)
{
    struct run_case c = { 0 };
    struct run_event late = { .kind = RUN_EVENT_DONE, .visit = 1, .attempt = 1 };
    (void)state;

    case_start(&c, "output: {}\ndo:\n" CALL_A("first", "") CALL_A("second", ""), "{}");
    assert_true(case_turn(&c, answer_x)); /* begun */
    assert_true(case_turn(&c, answer_x)); /* done */
    late.body = STR("{\"output\":{}}");
    assert_int_equal(run_apply(c.run, &late, &c.err), RC_CONFLICT);
    late.kind = RUN_EVENT_FAILED;
    assert_int_equal(run_apply(c.run, &late, &c.err), RC_CONFLICT);
    while (case_turn(&c, answer_x))
        ;
    late.kind = RUN_EVENT_CANCELLED;
    assert_int_equal(run_apply(c.run, &late, &c.err), RC_CONFLICT);
    assert_int_equal(run_status(c.run), RUN_SUCCEEDED);
    case_end(&c);
}

/* ---- loops */

/* Goes round as long as b says no; what a says differs by case. */
#define ROUND(set)                                                   \
    "output: {kind: '${ a.kind }'}\n"                                \
    "on_budget: {best: '${ a.kind }'}\n"                             \
    "do:\n"                                                          \
    "  - begin: {set: {n: 0}}\n" CALL_A("a", "") CALL_B("b", "") set \
        "  - again: {switch: [{yes: {when: '${ not(b.ok) }', then: a}}]}\n"

static bool answer_new_text(struct run_case *c, const struct run_action *call, struct str input)
{
    char text[200];

    (void)input;
    if (str_is(call->step->with.slm.text, "two/b"))
        return case_done(c, "{\"ok\":false}");
    snprintf(text, sizeof(text),
             "{\"kind\":\"x\",\"level\":3,\"note\":\"attempt number %zu\",\"amount\":%zu.5}",
             c->n_calls, c->n_calls);
    return case_done(c, text);
}

static void a_loop_whose_texts_differ_each_round_is_found(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    assert_string_equal(
        case_run(&c, ROUND(""), "{}", answer_new_text),
        "{\"status\":\"stopped\",\"output\":{\"best\":\"x\"},\"error\":{\"type\":"
        "\"loop\",\"step\":\"again\",\"detail\":\"visit 2 of step 'again' finds everything "
        "closed as visit 1 found it\"}}");
    case_end(&c);
}

static void a_loop_that_carries_a_counter_is_found(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    case_run(&c, ROUND("  - count: {set: {n: '${ n + 1 }'}}\n"), "{}", answer_new_text);
    assert_int_equal(run_status(c.run), RUN_STOPPED);
    assert_non_null(strstr(run_end(c.run).at, "\"loop\""));
    assert_in_range(c.n_calls, 3, 5);
    case_end(&c);
}

static bool answer_level_grows(struct run_case *c, const struct run_action *call, struct str input)
{
    char text[100];

    (void)input;
    if (str_is(call->step->with.slm.text, "two/b"))
        return case_done(c, c->n_calls > 12 ? "{\"ok\":true}" : "{\"ok\":false}");
    snprintf(text, sizeof(text), "{\"kind\":\"x\",\"level\":%zu,\"note\":\"n\",\"amount\":1}",
             c->n_calls / 2);
    return case_done(c, text);
}

static void rounds_in_which_a_closed_field_moves_are_no_loop(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    case_run(&c, ROUND(""), "{}", answer_level_grows);
    assert_int_equal(run_status(c.run), RUN_SUCCEEDED);
    case_end(&c);
}

static bool answer_back_and_forth(struct run_case *c, const struct run_action *call,
                                  struct str input)
{
    (void)input;
    if (str_is(call->step->with.slm.text, "two/b"))
        return case_done(c, "{\"ok\":false}");
    return case_done(c, c->n_calls / 2 % 2 ? "{\"kind\":\"x\",\"level\":1}"
                                           : "{\"kind\":\"y\",\"level\":1}");
}

static void a_loop_over_two_rounds_is_found(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    case_run(&c, ROUND(""), "{}", answer_back_and_forth);
    assert_non_null(strstr(run_end(c.run).at, "\"loop\""));
    assert_in_range(c.n_calls, 5, 8);
    case_end(&c);
}

static void retries_polls_and_a_for_over_equal_items_are_no_loops(void **state)
{
    static const char *const flows[] = {
        "output: {}\ndo:\n" CALL_A("first", ", retry: {attempts: 3}"),
        "output: {}\ndo:\n" CALL_A(
            "first", ", poll: {until: '${ first.level > 5 }', every: PT1M, rounds: 9}"),
        "output: {}\n"
        "do: [{f: {for: {each: e, in: '${ [1, 1, 1, 1] }'}, do: [{c: {call: slm, with: {slm: "
        "one/a, input: {n: '${ e }'}}}}]}}]\n",
        "output: {}\n" /* one for inside the other */
        "do: [{f: {for: {each: e, in: '${ [1, 1] }'}, do: [{g: {for: {each: h, in: '${ [2, 2] }'}, "
        "do: [{c: {call: slm, with: {slm: one/a, input: {n: '${ h }'}}}}]}}]}}]\n",
    };
    static case_answer_fn *const answers[] = { answer_third_time, answer_level_by_call, answer_x,
                                               answer_x };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(flows); i++) {
        struct run_case c = { 0 };
        const char *end = case_run(&c, flows[i], "{}", answers[i]);

        if (run_status(c.run) != RUN_SUCCEEDED)
            fail_msg("%zu: %s", i, end);
        assert_in_range(c.n_calls, 3, 4);
        case_end(&c);
    }
}

/* ---- budgets */

static void each_budget_ends_the_run_with_the_best_answer(void **state)
{
    static const struct {
        const char *budgets, *detail;
    } cases[] = {
        { "{steps: 7}", "more than 7 steps" },
        { "{visits: 2}", "more than 2 visits of step 'a'" },
        { "{hops: 3}", "more than 3 hops between teams" },
        { "{time: PT0.05S}", "more time than the budget has" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run_case c = { 0 };
        char flow[1000], wanted[200];

        snprintf(flow, sizeof(flow), "budgets: %s\n%s", cases[i].budgets, ROUND(""));
        snprintf(wanted, sizeof(wanted), "\"detail\":\"%s\"", cases[i].detail);
        const char *end = case_run(&c, flow, "{}", answer_level_grows);
        if (!strstr(end, wanted) || !strstr(end, "{\"status\":\"stopped\",\"output\":{\"best\""))
            fail_msg("%s: %s", cases[i].detail, end);
        case_end(&c);
    }
}

static void without_on_budget_the_run_fails(void **state)
{
    struct run_case c = { 0 };
    (void)state;

    const char *end = case_run(&c, "output: {}\nbudgets: {time: PT1S}\ndo: [{a: {wait: PT1M}}]\n",
                               "{}", answer_x);
    assert_non_null(strstr(end, "{\"status\":\"failed\",\"error\":{\"type\":\"budget\""));
    assert_int_equal(c.now_ms, CASE_START_MS + 1000);
    case_end(&c);
}

static void a_deadline_travels_with_the_run(void **state)
{
    struct run_case c = { 0 };
    struct run_event started = { .kind = RUN_EVENT_STARTED, .body = STR("{}") };
    struct run *run;
    (void)state;

    case_start(&c, "output: {}\ndue: ${ input.when + @\"PT1H\" }\ndo: [{a: {wait: PT1S}}]\n",
               "{\"when\":\"2026-03-01T00:00:00+01:00\"}");
    assert_int_equal(run_due_ms(c.run), 1772323200000); /* 2026-03-01T00:00:00Z */
    assert_int_equal(run_new(c.flow, "run_2", &run, &c.err), RC_OK);
    assert_int_equal(run_apply(run, &started, &c.err), RC_INVALID);
    run_free(run);
    case_end(&c);
}

static void a_cancelled_run_ends(void **state)
{
    struct run_case c = { 0 };
    struct run_event cancelled = { .kind = RUN_EVENT_CANCELLED, .body = STR("{\"by\":\"me\"}") };
    (void)state;

    case_start(&c, "output: {}\ndo:\n" CALL_A("first", ""), "{}");
    assert_true(case_turn(&c, answer_x));
    case_apply(&c, &cancelled);
    while (case_turn(&c, answer_x))
        ;
    assert_string_equal(run_end(c.run).at, "{\"status\":\"cancelled\"}");
    assert_int_equal(c.n_calls, 0);
    case_end(&c);
}

static void the_end_is_told_once(void **state)
{
    struct run_case c = { 0 };
    struct run_event told = { .kind = RUN_EVENT_TOLD };
    struct run_action action;
    (void)state;

    case_run(&c, "output: {}\nwebhook: http://x/\ndo: [{a: {set: {v: 1}}}]\n", "{}", answer_x);
    run_next(c.run, c.now_ms, &action);
    assert_int_equal(action.kind, RUN_TELL);
    case_apply(&c, &told);
    run_next(c.run, c.now_ms, &action);
    assert_int_equal(action.kind, RUN_REST);
    case_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_goes_through_its_steps),
        cmocka_unit_test(what_crosses_is_what_the_contract_names),
        cmocka_unit_test(what_is_null_crosses_in_neither_direction),
        cmocka_unit_test(an_answer_that_breaks_its_contract_is_refused),
        cmocka_unit_test(a_for_does_its_steps_for_each_item),
        cmocka_unit_test(a_wait_takes_its_time),
        cmocka_unit_test(an_error_goes_to_the_nearest_catch_that_names_it),
        cmocka_unit_test(what_nothing_catches_fails_the_run),
        cmocka_unit_test(errors_that_lead_back_need_no_stack),
        cmocka_unit_test(what_fails_for_now_is_tried_again_later_each_time),
        cmocka_unit_test(every_attempt_asks_the_same_also_of_what_has_the_time_in_it),
        cmocka_unit_test(attempts_end),
        cmocka_unit_test(a_poll_repeats_its_call_under_a_key_of_its_own),
        cmocka_unit_test(a_result_that_comes_late_is_refused),
        cmocka_unit_test(a_loop_whose_texts_differ_each_round_is_found),
        cmocka_unit_test(a_loop_that_carries_a_counter_is_found),
        cmocka_unit_test(rounds_in_which_a_closed_field_moves_are_no_loop),
        cmocka_unit_test(a_loop_over_two_rounds_is_found),
        cmocka_unit_test(retries_polls_and_a_for_over_equal_items_are_no_loops),
        cmocka_unit_test(each_budget_ends_the_run_with_the_best_answer),
        cmocka_unit_test(without_on_budget_the_run_fails),
        cmocka_unit_test(a_deadline_travels_with_the_run),
        cmocka_unit_test(a_cancelled_run_ends),
        cmocka_unit_test(the_end_is_told_once),
    };

    return cmocka_run_group_tests_name("orchestrate/run", tests, NULL, NULL);
}
