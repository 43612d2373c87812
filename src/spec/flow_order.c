/* The order of a flow's steps: their kinds, where each may go, and which may run after which. */
#include "spec/flow_internal.h"

#include <stdio.h>

/* What makes a step of each kind, and the other keys it may have. */
static const struct {
    const char *key;
    const char *others[6];
} kinds[] = {
    [SPEC_CALL] = { "call", { "with", "retry", "timeout", "poll", "then" } },
    [SPEC_SWITCH] = { "switch", { "then" } },
    [SPEC_SET] = { "set", { "then" } },
    [SPEC_FOR] = { "for", { "do", "then" } },
    [SPEC_TRY] = { "try", { "catch", "then" } },
    [SPEC_WAIT] = { "wait", { "then" } },
    [SPEC_RAISE] = { "raise", { NULL } },
};

static bool belongs(enum spec_step_kind kind, struct str key)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds[kind].others) && kinds[kind].others[i]; i++)
        if (str_is(key, kinds[kind].others[i]))
            return true;
    return str_is(key, kinds[kind].key);
}

/* Exactly one key says what a step is; the others must suit it. */
static void find_kind(struct spec_reading *r, struct spec_step *step, const struct json *source)
{
    bool found = false;

    for (size_t kind = 0; kind < ARRAY_LEN(kinds) && !found; kind++) {
        found = json_find(source, kinds[kind].key) != NULL;
        if (found)
            step->kind = (enum spec_step_kind)kind;
    }
    if (!found)
        SPEC_WRONG(r, &step->name, "missing",
                   "step '%.*s' has none of call, switch, set, for, try, wait, raise",
                   STR_ARG(step->name.text));
    for (size_t i = 0; found && i < source->n; i++) {
        const struct json_member *m = &source->members[i];

        if (!belongs(step->kind, m->key))
            SPEC_WRONG(r, m, "value", "'%.*s' does not go with '%s'", STR_ARG(m->key),
                       kinds[step->kind].key);
    }
}

static void need(struct spec_reading *r, const struct spec_step *step, bool has, const char *key)
{
    if (!has)
        SPEC_WRONG(r, &step->name, "missing", "step '%.*s' has no '%s'", STR_ARG(step->name.text),
                   key);
}

static void check_keys(struct spec_reading *r, const struct spec_step *step)
{
    switch (step->kind) {
    case SPEC_CALL:
        if (step->call.text.len > 0 && !str_is(step->call.text, "slm"))
            SPEC_WRONG(r, &step->call, "value", "call '%.*s', expected slm",
                       STR_ARG(step->call.text));
        need(r, step, step->with.slm.line > 0, "with");
        return;
    case SPEC_FOR: need(r, step, step->n_steps > 0, "do"); return;
    case SPEC_TRY: {
        bool catches =
            step->caught.n_steps > 0 || step->caught.n_errors > 0 || step->caught.as.line > 0;
        need(r, step, catches, "catch");
        return;
    }
    case SPEC_SWITCH:
    case SPEC_SET:
    case SPEC_WAIT:
    case SPEC_RAISE: return;
    }
}

/* A list of steps as they stand in the file, and in what. */
struct list {
    struct spec_step *steps;
    size_t n, parent;
    enum spec_step_part part;
    const struct json *source; /* the list; NULL when a part of it was refused */
};

static const struct json *list_source(const struct json *v, size_t n)
{
    return v && v->type == JSON_ARRAY && v->n == n ? v : NULL;
}

static struct list list_in(struct spec_step *step, enum spec_step_part part,
                           const struct json *source)
{
    const struct json *list = json_find(source, part == SPEC_IN_BODY ? "do" : "try");

    if (part == SPEC_IN_CATCH) {
        list = json_find(json_find(source, "catch"), "do");
        return (struct list){ step->caught.steps, step->caught.n_steps, step->index, part,
                              list_source(list, step->caught.n_steps) };
    }
    if (part == SPEC_IN_TRIED)
        return (struct list){ step->tried, step->n_tried, step->index, part,
                              list_source(list, step->n_tried) };
    return (struct list){ step->steps, step->n_steps, step->index, part,
                          list_source(list, step->n_steps) };
}

static void number_list(struct spec_reading *r, struct spec_flow *flow, struct list list)
{
    static const struct json nothing = { .type = JSON_OBJECT };

    for (size_t i = 0; i < list.n; i++) {
        struct spec_step *step = &list.steps[i];
        const struct json *source =
            list.source ? &list.source->items[i].members[0].value : &nothing;

        if (flow->n_steps == SPEC_FLOW_STEPS_MAX) {
            SPEC_WRONG(r, &step->name, "limit", "more than %d steps", SPEC_FLOW_STEPS_MAX);
            return;
        }
        if (!spec_is_identifier(step->name.text))
            SPEC_WRONG(r, &step->name, "name", "'%.*s' is no plain name: letters, digits and '_'",
                       STR_ARG(step->name.text));
        step->index = flow->n_steps;
        step->parent = list.parent;
        step->part = list.part;
        flow->steps[flow->n_steps++] = step;
        if (list.source)
            find_kind(r, step, source);
        check_keys(r, step);
        number_list(r, flow, list_in(step, SPEC_IN_BODY, source));
        number_list(r, flow, list_in(step, SPEC_IN_TRIED, source));
        number_list(r, flow, list_in(step, SPEC_IN_CATCH, source));
    }
}

/* Where a step goes that leaves its list: `exit`, or the list's end. */
static struct spec_target leave(const struct spec_flow *flow, const struct list *list, bool at_end)
{
    if (list->parent == SPEC_FLOW_INDEX_NONE)
        return (struct spec_target){ .kind = SPEC_TO_END };
    if (list->part == SPEC_IN_BODY && at_end)
        return (struct spec_target){ SPEC_TO_ROUND, list->parent };
    return flow->steps[list->parent]->next;
}

static struct spec_target find_target(struct spec_reading *r, const struct spec_flow *flow,
                                      const struct list *list, size_t at,
                                      const struct spec_text *then)
{
    struct str names[SPEC_FLOW_STEPS_MAX];

    if (str_is(then->text, "end"))
        return (struct spec_target){ .kind = SPEC_TO_END };
    if (str_is(then->text, "exit"))
        return leave(flow, list, false);
    if (str_is(then->text, "continue")) {
        if (at + 1 == list->n)
            return leave(flow, list, true);
        return (struct spec_target){ SPEC_TO_STEP, list->steps[at + 1].index };
    }
    for (size_t i = 0; i < list->n; i++) {
        names[i] = list->steps[i].name.text;
        if (str_equal(names[i], then->text))
            return (struct spec_target){ SPEC_TO_STEP, list->steps[i].index };
    }
    SPEC_WRONG(r, then, "jump", "no step '%.*s' in this list%s", STR_ARG(then->text),
               problem_suggest(then->text, names, list->n, r->arena));
    return (struct spec_target){ .kind = SPEC_TO_END };
}

static void check_cases(struct spec_reading *r, const struct spec_step *step)
{
    for (size_t i = 0; i < step->n_cases; i++)
        if (step->cases[i].when.line == 0 && i + 1 < step->n_cases)
            SPEC_WRONG(r, &step->cases[i].name, "value",
                       "case '%.*s' has no 'when': the cases below it are never looked at",
                       STR_ARG(step->cases[i].name.text));
}

static void find_targets(struct spec_reading *r, struct spec_flow *flow, struct list list)
{
    for (size_t i = 0; i < list.n; i++) {
        struct spec_step *step = &list.steps[i];

        step->next = find_target(r, flow, &list, i, &step->then);
        for (size_t c = 0; c < step->n_cases; c++)
            step->cases[c].target = find_target(r, flow, &list, i, &step->cases[c].then);
        check_cases(r, step);
        find_targets(r, flow, list_in(step, SPEC_IN_BODY, NULL));
        find_targets(r, flow, list_in(step, SPEC_IN_TRIED, NULL));
        find_targets(r, flow, list_in(step, SPEC_IN_CATCH, NULL));
    }
}

enum rc spec_flow_order(struct spec_reading *r, struct spec_flow *flow, struct err *err)
{
    struct list top = { flow->top, flow->n_top, SPEC_FLOW_INDEX_NONE, SPEC_IN_BODY,
                        list_source(json_find(flow->source, "do"), flow->n_top) };

    flow->steps = arena_array(r->arena, struct spec_step *, SPEC_FLOW_STEPS_MAX);
    if (!flow->steps)
        return arena_fail(r->arena, err, "steps");
    number_list(r, flow, top);
    if (flow->n_steps < SPEC_FLOW_STEPS_MAX)
        find_targets(r, flow, top);
    return RC_OK;
}

bool spec_step_is_in(const struct spec_flow *flow, size_t inner, size_t outer,
                     enum spec_step_part part)
{
    for (size_t at = inner; at != SPEC_FLOW_INDEX_NONE; at = flow->steps[at]->parent)
        if (flow->steps[at]->parent == outer && flow->steps[at]->part == part)
            return true;
    return false;
}

/* ---- paths */

struct walk {
    const struct spec_flow *flow;
    bool *reached; /* (n_steps,) */
    bool ends;
    size_t n_open;
    size_t open[SPEC_FLOW_STEPS_MAX]; /* each step at most once */
};

static void reach(struct walk *walk, size_t step)
{
    if (walk->reached[step])
        return;
    walk->reached[step] = true;
    walk->open[walk->n_open++] = step;
}

static void follow(struct walk *walk, struct spec_target target)
{
    const struct spec_step *loop;

    switch (target.kind) {
    case SPEC_TO_END: walk->ends = true; return;
    case SPEC_TO_STEP: reach(walk, target.step); return;
    case SPEC_TO_ROUND:
        loop = walk->flow->steps[target.step];
        if (loop->n_steps > 0)
            reach(walk, loop->steps[0].index);
        follow(walk, loop->next);
        return;
    }
}

/* The errors of a step may lead into the catch of each try around it, or end the run. */
static void follow_errors(struct walk *walk, const struct spec_step *step)
{
    while (step->parent != SPEC_FLOW_INDEX_NONE) {
        const struct spec_step *around = walk->flow->steps[step->parent];

        if (step->part == SPEC_IN_TRIED) {
            if (around->caught.n_steps > 0)
                reach(walk, around->caught.steps[0].index);
            else
                follow(walk, around->next);
        }
        step = around;
    }
}

static void follow_step(struct walk *walk, const struct spec_step *step)
{
    bool has_rest = step->n_cases > 0 && step->cases[step->n_cases - 1].when.line == 0;

    follow_errors(walk, step);
    for (size_t i = 0; i < step->n_cases; i++)
        follow(walk, step->cases[i].target);
    if (step->n_steps > 0)
        reach(walk, step->steps[0].index);
    if (step->n_tried > 0)
        reach(walk, step->tried[0].index);
    else if (step->kind != SPEC_RAISE && !has_rest)
        follow(walk, step->next);
    walk->ends |= step->kind == SPEC_RAISE;
}

enum rc spec_flow_find_paths(const struct spec_flow *flow, struct arena *arena,
                             struct spec_paths *ret_paths, struct err *err)
{
    size_t n = flow->n_steps;
    struct spec_paths paths = { n, arena_array(arena, bool, n *n), arena_array(arena, bool, n) };
    struct walk *walk = arena_new(arena, struct walk);

    if (!paths.reaches || !paths.ends || !walk)
        return arena_fail(arena, err, "paths");
    for (size_t from = 0; from < n; from++) {
        *walk = (struct walk){ .flow = flow, .reached = paths.reaches + from * n };
        follow_step(walk, flow->steps[from]);
        while (walk->n_open > 0)
            follow_step(walk, flow->steps[walk->open[--walk->n_open]]);
        paths.ends[from] = walk->ends;
    }
    *ret_paths = paths;
    return RC_OK;
}

void spec_flow_check_paths(struct spec_reading *r, const struct spec_flow *flow,
                           const struct spec_paths *paths)
{
    for (size_t i = 0; i < flow->n_steps; i++) {
        const struct spec_step *step = flow->steps[i];

        if (i > 0 && !paths->reaches[i])
            SPEC_WRONG(r, &step->name, "unreachable", "nothing leads to step '%.*s'",
                       STR_ARG(step->name.text));
        else if (!paths->ends[i])
            SPEC_WRONG(r, &step->name, "endless", "no path leads from step '%.*s' to an end",
                       STR_ARG(step->name.text));
    }
}
