/*
 * A simulated coordinator that is killed: its run is rebuilt from the events that were recorded,
 * and comes to the same end through the same events, with the same effects at the owners.
 *
 * The world is seeded. What the owner answers to a key is a function of the key; whether an attempt
 * gets through, or its answer is lost on the way, is a function of key and attempt. TEST_SEED=N
 * plays one seed.
 */
#include "tests/orchestrate/run_case.h"

enum { EVENTS_MAX = 2000, EFFECTS_MAX = 500, SEEDS = 200 };

/* Where the process dies. */
enum moment { NEVER, BEFORE_RECORD, AFTER_RECORD, AFTER_EFFECT };

struct world {
    struct run_case c;
    uint64_t seed;
    size_t n_events; /* what is durable */
    struct run_event events[EVENTS_MAX];
    size_t n_effects; /* keys that owners have decided, in order */
    char effects[EFFECTS_MAX][RUN_KEY_MAX + 1];
    enum moment moment; /* dies at the passage `at` of this kind */
    long at;
    uint64_t crashes; /* of a random life: state of its generator; 0: none */
    size_t n_deaths;
};

static uint64_t hash(uint64_t seed, const char *text, int64_t number)
{
    uint64_t h = seed * 0x9e3779b97f4a7c15u ^ (uint64_t)number * 0xff51afd7ed558ccdu;

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}

static bool dies(struct world *w, enum moment moment)
{
    bool dead = w->moment == moment && w->at-- == 0;

    if (w->crashes) {
        w->crashes = w->crashes * 6364136223846793005u + 1442695040888963407u;
        dead = (w->crashes >> 33) % 7 == 0;
    }
    w->n_deaths += dead;
    return dead;
}

/* The run as it comes back: nothing is left but the events. */
static void rebuild(struct world *w)
{
    run_free(w->c.run);
    w->c.run = NULL;
    assert_int_equal(run_new(w->c.flow, "run_1", &w->c.run, &w->c.err), RC_OK);
    for (size_t i = 0; i < w->n_events; i++)
        case_apply(&w->c, &w->events[i]);
    w->c.now_ms += 777;
}

static bool record(struct world *w, struct run_event event)
{
    if (dies(w, BEFORE_RECORD))
        return false;
    if (event.body.len > 0) {
        event.body.at = arena_strndup(&w->c.arena, event.body.at, event.body.len);
        assert_non_null(event.body.at);
    }
    assert_in_range(w->n_events, 0, EVENTS_MAX - 1);
    w->events[w->n_events++] = event;
    if (dies(w, AFTER_RECORD))
        return false;
    case_apply(&w->c, &event);
    return true;
}

/* The owner decides a key once. */
static void take_effect(struct world *w, const char *key)
{
    for (size_t i = 0; i < w->n_effects; i++)
        if (strcmp(w->effects[i], key) == 0)
            return;
    assert_in_range(w->n_effects, 0, EFFECTS_MAX - 1);
    snprintf(w->effects[w->n_effects++], sizeof(w->effects[0]), "%s", key);
}

static bool answer(struct world *w, const struct run_action *call)
{
    uint64_t h = hash(w->seed, call->key, 0);
    char text[200];

    if (h % 11 == 0)
        return case_failed(&w->c, "abstained");
    if (str_is(call->step->with.slm.text, "two/b"))
        snprintf(text, sizeof(text), "{\"ok\":%s}", h % 3 ? "false" : "true");
    else
        snprintf(text, sizeof(text),
                 "{\"kind\":\"%c\",\"level\":%u,\"note\":\"n%u\",\"amount\":%u}", "xyz"[h % 3],
                 (unsigned)(h >> 8) % 10, (unsigned)(h >> 20) % 1000, (unsigned)(h >> 30) % 100);
    return case_done(&w->c, text);
}

static bool make_call(struct world *w, const struct run_action *call)
{
    uint64_t luck = hash(w->seed, call->key, call->attempt) % 10;
    struct run_event event = { .step = call->step->index,
                               .visit = call->visit,
                               .attempt = call->attempt };
    bool done = false;

    buf_reset(&w->c.text);
    if (luck > 1) /* 0: the call does not get through */
        take_effect(w, call->key);
    if (luck > 1 && dies(w, AFTER_EFFECT))
        return false;
    w->c.now_ms += 10;
    event.at_ms = w->c.now_ms;
    if (luck <= 2) /* 2: its answer does not */
        case_failed(&w->c, luck == 0 ? "timeout" : "unavailable");
    else
        done = answer(w, call);
    event.kind = done ? RUN_EVENT_DONE : RUN_EVENT_FAILED;
    event.body = buf_str(&w->c.text);
    return record(w, event);
}

/* One life of the process; false: it was killed. */
static bool live(struct world *w)
{
    struct run_action action;

    for (;;) {
        run_next(w->c.run, w->c.now_ms, &action);
        switch (action.kind) {
        case RUN_RECORD:
            if (!record(w, action.event))
                return false;
            break;
        case RUN_CALL:
            if (!make_call(w, &action))
                return false;
            break;
        case RUN_SLEEP: w->c.now_ms = action.until_ms; break;
        case RUN_TELL:
        case RUN_REST: return true;
        }
    }
}

static const char *const flows[] = {
    "output: {kind: '${ a.kind }', note: '${ a.note }', ok: '${ b.ok }', why: '${ why }'}\n"
    "on_budget: {kind: '${ a.kind }'}\n"
    "budgets: {steps: 60, hops: 9}\n"
    "do:\n"
    "  - a: {call: slm, with: {slm: one/a, input: {text: t}}, retry: {attempts: 2}}\n"
    "  - t:\n"
    "      try: [{b: {call: slm, with: {slm: two/b, input: {kind: '${ a.kind }'}}}}]\n"
    "      catch: {as: e, do: [{note: {set: {why: '${ e.type }'}}}]}\n"
    "  - p: {wait: PT5S}\n"
    "  - again: {switch: [{yes: {when: '${ b.ok = false and a.level > 2 }', then: a}}]}\n",

    "output: {all: '${ all }'}\n"
    "do:\n"
    "  - zero: {set: {all: []}}\n"
    "  - each:\n"
    "      for: {each: n, in: '${ [3, 3, 1] }', at: i}\n"
    "      do:\n"
    "        - t:\n"
    "            try:\n"
    "              - a:\n"
    "                  call: slm\n"
    "                  with: {slm: one/a, input: {n: '${ n + i }'}}\n"
    "                  poll: {until: '${ a.level > 4 }', every: PT1M, rounds: 3}\n"
    "            catch: {errors: [timeout, abstained], do: [{skip: {wait: PT1S, then: exit}}]}\n"
    "        - add: {set: {all: '${ append(all, a.level) }'}}\n",
};

static void begin_world(struct world *w, size_t flow, uint64_t seed)
{
    *w = (struct world){ .seed = seed };
    case_start(&w->c, flows[flow], "{}");
    w->events[w->n_events++] =
        (struct run_event){ .kind = RUN_EVENT_STARTED, .at_ms = CASE_START_MS, .body = STR("{}") };
}

static void run_to_end(struct world *w)
{
    while (!live(w))
        rebuild(w);
    assert_true(run_has_ended(w->c.run));
}

static void assert_same_history(const struct world *whole, const struct world *w, const char *what)
{
    bool same = whole->n_events == w->n_events && whole->n_effects == w->n_effects &&
                str_equal(run_end(whole->c.run), run_end(w->c.run));

    for (size_t i = 0; same && i < w->n_events; i++)
        same = whole->events[i].kind == w->events[i].kind &&
               whole->events[i].step == w->events[i].step &&
               whole->events[i].attempt == w->events[i].attempt &&
               str_equal(whole->events[i].body, w->events[i].body);
    for (size_t i = 0; same && i < w->n_effects; i++)
        same = strcmp(whole->effects[i], w->effects[i]) == 0;
    if (!same)
        fail_msg("%s, seed %llu: %zu events and %zu effects, expected %zu and %zu; %.*s, expected "
                 "%.*s",
                 what, (unsigned long long)w->seed, w->n_events, w->n_effects, whole->n_events,
                 whole->n_effects, STR_ARG(run_end(w->c.run)), STR_ARG(run_end(whole->c.run)));
}

static size_t first_seed(size_t *ret_n)
{
    const char *seed = getenv("TEST_SEED");

    *ret_n = seed ? 1 : SEEDS;
    return seed ? strtoul(seed, NULL, 10) : 1;
}

static void a_crash_at_any_moment_changes_nothing(void **state)
{
    static const char *const names[] = { "never", "before an event", "after an event",
                                         "after an effect" };
    static struct world whole, w;
    size_t n_deaths = 0;
    (void)state;

    for (size_t flow = 0; flow < ARRAY_LEN(flows); flow++) {
        begin_world(&whole, flow, 7);
        run_to_end(&whole);
        assert_in_range(whole.n_events, 6, EVENTS_MAX);
        for (int moment = BEFORE_RECORD; moment <= AFTER_EFFECT; moment++) {
            for (long at = 0;; at++) {
                begin_world(&w, flow, 7);
                w.moment = (enum moment)moment;
                w.at = at;
                run_to_end(&w);
                assert_same_history(&whole, &w, names[moment]);
                n_deaths += w.n_deaths;
                bool died = w.n_deaths > 0;
                case_end(&w.c);
                if (!died)
                    break;
            }
        }
        case_end(&whole.c);
    }
    assert_in_range(n_deaths, 40, 10000);
}

static void lives_that_end_at_random_come_to_the_same_end(void **state)
{
    static struct world whole, w;
    size_t ends[RUN_CANCELLED + 1] = { 0 };
    size_t n_deaths = 0, n, first = first_seed(&n);
    (void)state;

    for (size_t seed = first; seed < first + n; seed++) {
        begin_world(&whole, seed % ARRAY_LEN(flows), seed);
        run_to_end(&whole);
        begin_world(&w, seed % ARRAY_LEN(flows), seed);
        w.crashes = seed * 77 + 1;
        run_to_end(&w);
        assert_same_history(&whole, &w, "random");
        n_deaths += w.n_deaths;
        ends[run_status(w.c.run)]++;
        case_end(&w.c);
        case_end(&whole.c);
    }
    if (n < SEEDS)
        return;
    assert_in_range(n_deaths, SEEDS, 1000 * SEEDS);
    assert_true(ends[RUN_SUCCEEDED] > 0 && ends[RUN_FAILED] > 0 && ends[RUN_STOPPED] > 0);
}

static void every_failing_allocation_leaves_the_events_as_they_were(void **state)
{
    struct run_case c = { 0 };
    enum rc rc = RC_OK;
    struct run_event started = { .kind = RUN_EVENT_STARTED, .body = STR("{}") };
    (void)state;

    arena_init(&c.arena, 64 << 20);
    c.flow = case_flow(&c, flows[1]);
    FOR_EACH_FAILING_ALLOC (nth) {
        struct run *run = NULL;
        struct run_action action;
        struct run_event failed = { .kind = RUN_EVENT_FAILED, .visit = 1, .attempt = 1 };

        rc = run_new(c.flow, "run_1", &run, &c.err);
        if (!rc)
            rc = run_apply(run, &started, &c.err);
        if (!rc) {
            run_next(run, 0, &action);
            assert_int_equal(action.kind, RUN_RECORD);
            rc = run_apply(run, &action.event, &c.err);
        }
        if (!rc) {
            failed.step = action.event.step;
            failed.body = STR("{\"type\":\"abstained\",\"detail\":\"\"}");
            rc = run_apply(run, &failed, &c.err);
        }
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        run_free(run);
    }
    assert_int_equal(rc, RC_OK);
    arena_release(&c.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_at_any_moment_changes_nothing),
        cmocka_unit_test(lives_that_end_at_random_come_to_the_same_end),
        cmocka_unit_test(every_failing_allocation_leaves_the_events_as_they_were),
    };

    return cmocka_run_group_tests_name("orchestrate/run, killed", tests, NULL, NULL);
}
