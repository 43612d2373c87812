/*
 * run_walk.c - from step to step until something outside is needed.
 *
 * Every visit of a step is counted against the budgets and compared with the earlier ones, so that
 * no walk is endless: a step at which all that is closed is as it was at an earlier visit is a
 * loop. Rounds of a `for` differ by their index.
 */
#include "orchestrate/run_internal.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

/* One evaluation's memory. A template and what it gives are bounded, see RUN_WORK_BYTES_MAX. */
struct work {
    struct arena arena;
    struct buf text;
};

static void work_begin(struct work *work)
{
    arena_init(&work->arena, RUN_WORK_BYTES_MAX);
    buf_init(&work->text, RUN_BODY_MAX);
}

static void work_end(struct work *work)
{
    arena_release(&work->arena);
    buf_release(&work->text);
}

/* Where a walk goes from here. */
struct course {
    struct spec_target target;
    bool goes_on; /* false: something outside is needed, or the run is ending */
    bool raised;  /* an error has set the target */
};

/* ---- the end */

static void append_error(struct json_writer *w, struct str type, struct str step, struct str detail)
{
    json_key(w, "error");
    json_begin_object(w);
    json_key(w, "type");
    json_string(w, type);
    json_key(w, "step");
    json_string(w, step);
    json_key(w, "detail");
    json_string(w, detail);
    json_end_object(w);
}

struct ending {
    enum run_status status;
    const struct spec_template *output; /* NULL: none */
    bool has_error;
    struct str type, step, detail;
};

static enum rc append_end(const struct run *run, const struct ending *ending, struct work *work,
                          struct err *err)
{
    CLEANUP(buf_releasep) struct buf output = { 0 };
    struct json_writer w;
    enum rc rc = RC_OK;

    buf_init(&output, RUN_BODY_MAX / 2);
    if (ending->output)
        rc = run_append_template(run, ending->output, &work->arena, &output, err);
    if (rc)
        return rc;
    json_writer_init(&w, &work->text);
    json_begin_object(&w);
    json_key(&w, "status");
    json_text(&w, run_status_name(ending->status));
    if (ending->output) {
        json_key(&w, "output");
        json_raw(&w, buf_str(&output));
    }
    if (ending->has_error)
        append_error(&w, ending->type, ending->step, ending->detail);
    json_end_object(&w);
    return buf_rc(&work->text, "the end of a run", err);
}

static enum rc finish(struct run *run, const struct ending *ending, struct err *err)
{
    struct work work;

    work_begin(&work);
    enum rc rc = append_end(run, ending, &work, err);
    if (!rc)
        rc = run_keep(&run->end, buf_str(&work.text), 0, err);
    work_end(&work);
    if (rc)
        return rc;
    run->phase = RUN_IS_ENDING;
    run->status = ending->status;
    return RC_OK;
}

static enum rc fail(struct run *run, struct str step, struct str type, struct str detail,
                    struct err *err)
{
    const struct ending ending = { RUN_FAILED, NULL, true, type, step, detail };

    return finish(run, &ending, err);
}

static enum rc succeed(struct run *run, struct err *err)
{
    const struct ending ending = { .status = RUN_SUCCEEDED, .output = &run->flow->result };
    struct err failure;
    enum rc rc = finish(run, &ending, &failure);

    if (rc == RC_INVALID || rc == RC_LIMIT)
        return fail(run, STR("output"), STR("expression"), str_of(failure.message), err);
    if (rc)
        *err = failure;
    return rc;
}

static struct str step_name(const struct run *run)
{
    return run->at < run->flow->n_steps ? run->flow->steps[run->at]->name.text : STR("");
}

enum rc run_stop(struct run *run, enum run_status status, const char *type, const char *detail,
                 struct err *err)
{
    const struct ending best = { RUN_STOPPED,    run->flow->on_budget ? &run->flow->best : NULL,
                                 true,           str_of(type),
                                 step_name(run), str_of(detail) };
    const struct ending cancelled = { .status = RUN_CANCELLED };
    struct err failure;

    if (status == RUN_CANCELLED)
        return finish(run, &cancelled, err);
    if (!best.output)
        return fail(run, best.step, best.type, best.detail, err);
    enum rc rc = finish(run, &best, &failure);
    if (rc == RC_INVALID || rc == RC_LIMIT)
        return fail(run, STR("on_budget"), STR("expression"), str_of(failure.message), err);
    if (rc)
        *err = failure;
    return rc;
}

/* ---- errors */

static bool catches(const struct spec_catch *caught, struct str type)
{
    return caught->n_errors == 0 || spec_lists(caught->errors, caught->n_errors, type);
}

static enum rc keep_error(struct run *run, const struct spec_catch *caught, struct str step,
                          struct str type, struct str detail, struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct json_writer w;

    if (caught->as.line == 0)
        return RC_OK;
    buf_init(&text, RUN_BODY_MAX);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_key(&w, "type");
    json_string(&w, type);
    json_key(&w, "step");
    json_string(&w, step);
    json_key(&w, "detail");
    json_string(&w, detail);
    json_end_object(&w);
    enum rc rc = buf_rc(&text, "error", err);
    return rc ? rc
              : run_keep(run_value_of(run, caught->as.text), buf_str(&text),
                         run_hash(RUN_HASH_START, type.at, type.len), err);
}

/* The catch around the step becomes the course, or the run fails. */
static enum rc raise_at(struct run *run, size_t step, struct str type, struct str detail,
                        struct course *course, struct err *err)
{
    struct str name = run->flow->steps[step]->name.text;
    const struct spec_step *at = run->flow->steps[step];

    course->raised = true;
    for (; at->parent != SPEC_FLOW_INDEX_NONE; at = run->flow->steps[at->parent]) {
        const struct spec_step *around = run->flow->steps[at->parent];

        if (at->part != SPEC_IN_TRIED || !catches(&around->caught, type))
            continue;
        course->goes_on = true;
        course->target = around->next;
        if (around->caught.n_steps > 0)
            course->target = (struct spec_target){ SPEC_TO_STEP, around->caught.steps[0].index };
        return keep_error(run, &around->caught, name, type, detail, err);
    }
    course->goes_on = false;
    return fail(run, name, type, detail, err);
}

static enum rc raise_expression(struct run *run, const struct spec_step *step, const char *what,
                                struct course *course, struct err *err)
{
    return raise_at(run, step->index, STR("expression"), str_of(what), course, err);
}

/* ---- budgets and loops */

static int64_t innermost_index(const struct run *run, size_t step)
{
    for (size_t at = step; run->flow->steps[at]->parent != SPEC_FLOW_INDEX_NONE;) {
        at = run->flow->steps[at]->parent;
        if (run->flow->steps[at]->kind == SPEC_FOR)
            return (int64_t)run->steps[at].index;
    }
    return -1;
}

static uint64_t fingerprint(const struct run *run, size_t step)
{
    uint64_t hash = run_hash(RUN_HASH_START, &step, sizeof(step));

    for (size_t at = step; run->flow->steps[at]->parent != SPEC_FLOW_INDEX_NONE;) {
        at = run->flow->steps[at]->parent;
        if (run->flow->steps[at]->kind == SPEC_FOR)
            hash = run_hash(hash, &run->steps[at].index, sizeof(run->steps[at].index));
    }
    for (size_t i = 0; i < run->flow->n_names; i++) {
        bool has = run->values[i].at != NULL;

        hash = run_hash(hash, &has, sizeof(has));
        hash = run_hash(hash, &run->values[i].closed, sizeof(run->values[i].closed));
    }
    return hash;
}

static enum rc add_visit(struct run *run, size_t step, struct err *err)
{
    if (run->n_visits == run->visits_capacity) {
        size_t capacity = run->visits_capacity ? 2 * run->visits_capacity : 8;
        struct run_visit *visits = mem_array(capacity, sizeof(*visits));

        if (!visits)
            return err_set(err, RC_NOMEM, "visits of a run");
        if (run->n_visits)
            memcpy(visits, run->visits, run->n_visits * sizeof(*visits));
        mem_free(run->visits);
        run->visits = visits;
        run->visits_capacity = capacity;
    }
    run->visits[run->n_visits++] = (struct run_visit){ .step = step,
                                                       .number = ++run->steps[step].visits,
                                                       .index = innermost_index(run, step),
                                                       .at_ms = run->last_ms,
                                                       .fingerprint = fingerprint(run, step) };
    return RC_OK;
}

/* The earlier visit that this one, the last, repeats; NULL: none. */
static const struct run_visit *find_repeated(const struct run *run)
{
    const struct run_visit *last = &run->visits[run->n_visits - 1];

    for (const struct run_visit *v = run->visits; v < last; v++)
        if (v->step == last->step && v->fingerprint == last->fingerprint)
            return v;
    return NULL;
}

static bool is_hop(const struct run *run, const struct spec_step *step)
{
    return step->kind == SPEC_CALL && run->last_team.len > 0 &&
           !str_equal(run->last_team, step->interface->team);
}

/* Why the visit just added may not go on; false: it may. */
static bool is_over(const struct run *run, const struct spec_step *step, const char **ret_type,
                    char detail[RUN_DETAIL_MAX])
{
    const struct spec_budgets *budgets = &run->flow->budgets;
    const struct run_visit *repeated = find_repeated(run);
    int64_t number = run->steps[step->index].visits;

    *ret_type = repeated ? "loop" : "budget";
    if (repeated)
        snprintf(detail, RUN_DETAIL_MAX,
                 "visit %" PRId64 " of step '%.*s' finds everything closed as visit %" PRId64
                 " found it",
                 number, STR_ARG(step->name.text), repeated->number);
    else if ((int64_t)run->n_visits > budgets->steps)
        snprintf(detail, RUN_DETAIL_MAX, "more than %" PRId64 " steps", budgets->steps);
    else if (number > budgets->visits)
        snprintf(detail, RUN_DETAIL_MAX, "more than %" PRId64 " visits of step '%.*s'",
                 budgets->visits, STR_ARG(step->name.text));
    else if (is_hop(run, step) && run->n_hops >= budgets->hops)
        snprintf(detail, RUN_DETAIL_MAX, "more than %" PRId64 " hops between teams", budgets->hops);
    else
        return false;
    return true;
}

/* ---- steps that only compute */

static enum rc take_case(struct run *run, const struct spec_step *step, struct course *course,
                         struct err *err)
{
    for (size_t i = 0; i < step->n_cases; i++) {
        const struct spec_case *c = &step->cases[i];
        struct err failure = { .message = "a condition is neither true nor false" };
        enum feel_truth truth = FEEL_TRUE;
        enum rc rc = c->condition.feel ? run_test(run, c->condition.feel, &truth, &failure) : RC_OK;

        if (rc == RC_NOMEM) {
            *err = failure;
            return rc;
        }
        if (rc || truth == FEEL_UNDETERMINED)
            return raise_expression(run, step, failure.message, course, err);
        if (truth == FEEL_TRUE) {
            course->target = c->target;
            return RC_OK;
        }
    }
    return RC_OK;
}

static enum rc keep_variable(struct run *run, struct str name, struct str json, struct err *err)
{
    for (size_t i = 0; i < run->flow->n_names; i++)
        if (str_equal(run->flow->names[i].name, name))
            return run_keep(
                &run->values[i], json,
                run->flow->names[i].is_closed ? run_hash(RUN_HASH_START, json.at, json.len) : 0,
                err);
    return RC_OK;
}

/* All values are worked out before the first is set. */
static enum rc set_variables(struct run *run, const struct spec_step *step, struct work *work,
                             struct err *err)
{
    const struct spec_template *t = &step->values;
    struct json *values;
    enum rc rc = run_append_template(run, t, &work->arena, &work->text, err);

    if (!rc)
        rc = json_parse(buf_str(&work->text), JSON_DUPLICATES_REFUSED, &work->arena, &values, err);
    for (size_t i = 0; !rc && i < values->n; i++) {
        buf_reset(&work->text);
        json_append(&work->text, &values->members[i].value);
        rc = buf_rc(&work->text, "a variable", err);
        if (!rc)
            rc = keep_variable(run, values->members[i].key, buf_str(&work->text), err);
    }
    return rc;
}

/* The item at the index becomes the value of `each`. */
static enum rc set_round(struct run *run, const struct spec_step *step, struct work *work,
                         struct err *err)
{
    struct run_step *state = &run->steps[step->index];
    char index[32];
    struct json *items;
    enum rc rc = json_parse((struct str){ state->items.at, state->items.len },
                            JSON_DUPLICATES_REFUSED, &work->arena, &items, err);

    if (rc)
        return rc;
    buf_reset(&work->text);
    json_append(&work->text, &items->items[state->index]);
    rc = buf_rc(&work->text, "an item", err);
    if (!rc)
        rc = run_keep(run_value_of(run, step->loop.each.text), buf_str(&work->text), 0, err);
    if (!rc && step->loop.at.line > 0) {
        snprintf(index, sizeof(index), "%zu", state->index);
        rc = run_keep(run_value_of(run, step->loop.at.text), str_of(index), 0, err);
    }
    return rc;
}

/* Works out the list. RC_INVALID: it is none. */
static enum rc begin_rounds(struct run *run, const struct spec_step *step, struct work *work,
                            struct err *err)
{
    struct run_step *state = &run->steps[step->index];
    struct feel_value list;
    enum rc rc = run_eval(run, step->loop.items.feel, &work->arena, &list, err);

    if (!rc && list.kind != FEEL_LIST)
        rc = err_set(err, RC_INVALID, "'in' gives %s, expected a list", feel_kind_name(list.kind));
    if (rc)
        return rc;
    feel_append_json(&work->text, &list);
    rc = buf_rc(&work->text, "the list of a for", err);
    if (!rc)
        rc = run_keep(&state->items, buf_str(&work->text), 0, err);
    state->index = 0;
    state->n_items = list.list.n;
    return rc;
}

typedef enum rc compute_fn(struct run *run, const struct spec_step *step, struct work *work,
                           struct err *err);

/* Runs fn; what is wrong with an expression or too big is raised at the step. */
static enum rc compute(struct run *run, const struct spec_step *step, compute_fn *fn,
                       struct course *course, struct err *err)
{
    struct err failure;
    struct work work;

    work_begin(&work);
    enum rc rc = fn(run, step, &work, &failure);
    work_end(&work);
    if (rc && rc != RC_NOMEM)
        return raise_expression(run, step, failure.message, course, err);
    if (rc)
        *err = failure;
    return rc;
}

/* ---- one visit */

static enum rc begin_loop(struct run *run, const struct spec_step *step, struct course *course,
                          struct err *err)
{
    enum rc rc = compute(run, step, begin_rounds, course, err);

    if (rc || course->raised || run->steps[step->index].n_items == 0)
        return rc;
    course->target = (struct spec_target){ SPEC_TO_STEP, step->steps[0].index };
    return compute(run, step, set_round, course, err);
}

/* A step that needs nothing from outside. */
static enum rc compute_step(struct run *run, const struct spec_step *step, struct course *course,
                            struct err *err)
{
    switch (step->kind) {
    case SPEC_SWITCH: return take_case(run, step, course, err);
    case SPEC_SET: return compute(run, step, set_variables, course, err);
    case SPEC_FOR: return begin_loop(run, step, course, err);
    case SPEC_TRY:
        course->target = (struct spec_target){ SPEC_TO_STEP, step->tried[0].index };
        return RC_OK;
    case SPEC_RAISE:
        return raise_at(run, step->index, step->raise.error.type.text,
                        step->raise.error.detail.text, course, err);
    case SPEC_CALL:
    case SPEC_WAIT: break;
    }
    assert_fail("the step needs nothing from outside", __FILE__, __LINE__);
}

static void wait_for_outside(struct run *run, const struct spec_step *step)
{
    struct run_step *state = &run->steps[step->index];

    state->attempts = state->tries = state->rounds = 0;
    run->phase = RUN_IS_READY;
    if (step->kind == SPEC_WAIT)
        return;
    run->n_hops += is_hop(run, step);
    run->last_team = step->interface->team;
}

static enum rc visit(struct run *run, struct course *course, struct err *err)
{
    const struct spec_step *step = run->flow->steps[course->target.step];
    char detail[RUN_DETAIL_MAX];
    const char *type;
    enum rc rc = add_visit(run, step->index, err);

    if (rc)
        return rc;
    run->at = step->index;
    *course = (struct course){ .target = step->next, .goes_on = true };
    if (is_over(run, step, &type, detail)) {
        course->goes_on = false;
        return run_stop(run, RUN_STOPPED, type, detail, err);
    }
    if (step->kind != SPEC_CALL && step->kind != SPEC_WAIT)
        return compute_step(run, step, course, err);
    course->goes_on = false;
    wait_for_outside(run, step);
    return RC_OK;
}

/* The next round of a for, or behind it. */
static enum rc next_round(struct run *run, struct course *course, struct err *err)
{
    const struct spec_step *step = run->flow->steps[course->target.step];
    struct run_step *state = &run->steps[step->index];

    *course = (struct course){ .target = step->next, .goes_on = true };
    if (++state->index >= state->n_items)
        return RC_OK;
    course->target = (struct spec_target){ SPEC_TO_STEP, step->steps[0].index };
    return compute(run, step, set_round, course, err);
}

/* Every turn but a round of a `for` is a visit, and those are counted. */
static enum rc walk(struct run *run, struct course *course, struct err *err)
{
    enum rc rc = RC_OK;

    while (!rc && course->goes_on) {
        switch (course->target.kind) {
        case SPEC_TO_END: return succeed(run, err);
        case SPEC_TO_ROUND: rc = next_round(run, course, err); break;
        case SPEC_TO_STEP: rc = visit(run, course, err); break;
        }
    }
    return rc;
}

enum rc run_go(struct run *run, struct spec_target target, struct err *err)
{
    struct course course = { .target = target, .goes_on = true };

    return walk(run, &course, err);
}

enum rc run_raise(struct run *run, size_t step, struct str type, struct str detail, struct err *err)
{
    struct course course = { .goes_on = false };
    enum rc rc = raise_at(run, step, type, detail, &course, err);

    return rc ? rc : walk(run, &course, err);
}
