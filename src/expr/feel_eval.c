/*
 * feel_eval.c - the evaluator: one function per kind of node, fuel spent at each.
 *
 * A feel_evaluate...() that returns RC_OK has set *ret, to null when the expression has an error
 * there. Any other code ends the whole evaluation.
 */
#include "expr/feel_internal.h"

#include <stdarg.h>
#include <stdio.h>

struct feel_limits feel_limits_default(void)
{
    return (struct feel_limits){
        .steps = 1000000, .depth = 400, .list_length = 100000, .string_bytes = 1 << 20
    };
}

enum rc feel_spend(struct feel_evaluation *ev, uint64_t n)
{
    if (n > ev->steps)
        return err_set(ev->err, RC_LIMIT, "line %u, column %u: more than %llu steps",
                       ev->at ? ev->at->line : 1, ev->at ? ev->at->column : 1,
                       (unsigned long long)ev->limits->steps);
    ev->steps -= n;
    return RC_OK;
}

enum rc feel_is_null(struct feel_evaluation *ev, enum feel_reason reason, struct feel_value *ret,
                     const char *fmt, ...)
{
    struct feel_diagnostics *all = ev->diagnostics;

    *ret = (struct feel_value){ .kind = FEEL_NULL };
    if (all->n++ >= FEEL_DIAGNOSTICS_MAX)
        return RC_OK;

    struct feel_diagnostic *d = &all->items[all->n - 1];

    d->reason = reason;
    d->line = ev->at->line;
    d->column = ev->at->column;

    va_list ap;
    va_start(ap, fmt);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): false where it is inlined */
    vsnprintf(d->message, sizeof(d->message), fmt, ap);
    va_end(ap);
    return RC_OK;
}

/* ---- names and paths ---- */

enum rc feel_look_up(struct feel_evaluation *ev, const struct feel_scope *scope, struct str name,
                     const struct feel_value **ret)
{
    *ret = NULL;
    for (; scope && !*ret; scope = scope->outer) {
        enum rc rc = feel_spend(ev, 1 + (scope->context ? scope->context->context.n / 16 : 0));

        if (rc)
            return rc;
        for (size_t i = 0; i < scope->n && !*ret; i++)
            if (str_equal(scope->names[i], name))
                *ret = &scope->values[i];
        if (!*ret && scope->context)
            *ret = feel_find(scope->context, name);
    }
    return RC_OK;
}

static enum rc evaluate_name(struct feel_evaluation *ev, const struct feel_node *node,
                             const struct feel_scope *scope, struct feel_value *ret)
{
    const struct feel_value *found;
    enum rc rc = feel_look_up(ev, scope, node->name, &found);

    if (rc)
        return rc;
    if (!found)
        return feel_is_null(ev, FEEL_REASON_NAME, ret, "'%.*s' is not known or absent",
                            STR_ARG(node->name));
    *ret = *found;
    return RC_OK;
}

static enum rc follow_path(struct feel_evaluation *ev, const struct feel_value *of, struct str name,
                           struct feel_value *ret)
{
    enum rc rc = feel_spend(ev, 1);

    if (rc)
        return rc;
    if (of->kind == FEEL_LIST) {
        struct feel_list_builder list = { .ev = ev };
        struct feel_value item;

        for (size_t i = 0; i < of->list.n; i++) {
            rc = follow_path(ev, &of->list.items[i], name, &item);
            if (!rc)
                rc = feel_list_add(&list, &item);
            if (rc)
                return rc;
        }
        return feel_list_done(&list, ret);
    }
    if (of->kind == FEEL_CONTEXT) {
        const struct feel_value *found = feel_find(of, name);

        if (!found)
            return feel_is_null(ev, FEEL_REASON_NAME, ret, "no entry '%.*s'", STR_ARG(name));
        *ret = *found;
        return feel_spend(ev, of->context.n / 16);
    }
    if (feel_property(of, name, ret))
        return RC_OK;
    return feel_is_null(ev, FEEL_REASON_TYPE, ret, "%s has no '%.*s'", feel_kind_name(of->kind),
                        STR_ARG(name));
}

static enum rc evaluate_path(struct feel_evaluation *ev, const struct feel_node *node,
                             const struct feel_scope *scope, struct feel_value *ret)
{
    struct feel_value of = { 0 };
    enum rc rc = feel_evaluate(ev, node->kids[0], scope, &of);

    if (rc)
        return rc;
    ev->at = node;
    return follow_path(ev, &of, node->name, ret);
}

/* ---- operators ---- */

static enum rc evaluate_negate(struct feel_evaluation *ev, const struct feel_node *node,
                               const struct feel_scope *scope, struct feel_value *ret)
{
    struct feel_value v = { 0 };
    enum rc rc = feel_evaluate(ev, node->kids[0], scope, &v);

    if (rc)
        return rc;
    ev->at = node;
    if (v.kind == FEEL_NUMBER)
        v.number = decimal_negate(v.number);
    else if (v.kind == FEEL_DAYS_DURATION)
        v.seconds = decimal_negate(v.seconds);
    else if (v.kind == FEEL_MONTHS_DURATION)
        v.months = -v.months;
    else
        return feel_is_null(ev, FEEL_REASON_TYPE, ret, "cannot negate %s", feel_kind_name(v.kind));
    *ret = v;
    return RC_OK;
}

/* Three-valued: the deciding value (false for and, true for or) wins over null. */
static enum rc evaluate_logic(struct feel_evaluation *ev, const struct feel_node *node,
                              const struct feel_scope *scope, struct feel_value *ret)
{
    enum feel_truth decides = node->op == FEEL_AND ? FEEL_FALSE : FEEL_TRUE;
    struct feel_value v = { 0 };
    bool undetermined = false;

    for (size_t i = 0; i < 2; i++) {
        enum rc rc = feel_evaluate(ev, node->kids[i], scope, &v);

        if (rc)
            return rc;
        if (feel_truth(&v) == decides) {
            *ret = feel_from_truth(decides);
            return RC_OK;
        }
        undetermined = undetermined || feel_truth(&v) == FEEL_UNDETERMINED;
        if (v.kind != FEEL_BOOLEAN && v.kind != FEEL_NULL) {
            ev->at = node->kids[i];
            IGNORE_RC(feel_is_null(ev, FEEL_REASON_TYPE, ret, "'%s' needs booleans, not %s",
                                   feel_operator_text(node->op), feel_kind_name(v.kind)));
        }
    }
    *ret = feel_from_truth(undetermined ? FEEL_UNDETERMINED : feel_not(decides));
    return RC_OK;
}

static enum rc evaluate_binary(struct feel_evaluation *ev, const struct feel_node *node,
                               const struct feel_scope *scope, struct feel_value *ret)
{
    struct feel_value a = { 0 }, b = { 0 };
    enum rc rc;

    if (node->op == FEEL_AND || node->op == FEEL_OR)
        return evaluate_logic(ev, node, scope, ret);
    rc = feel_evaluate(ev, node->kids[0], scope, &a);
    if (!rc)
        rc = feel_evaluate(ev, node->kids[1], scope, &b);
    if (rc)
        return rc;
    ev->at = node;
    if (node->op >= FEEL_ADD)
        return feel_arithmetic(ev, node->op, &a, &b, ret);
    rc = feel_spend(ev, a.weight < b.weight ? a.weight : b.weight);
    if (rc)
        return rc;
    return feel_compare(ev, node->op, &a, &b, ret);
}

static enum rc evaluate_between(struct feel_evaluation *ev, const struct feel_node *node,
                                const struct feel_scope *scope, struct feel_value *ret)
{
    struct feel_range range = {
        .has_low = true, .has_high = true, .low_closed = true, .high_closed = true
    };
    struct feel_value v = { 0 };
    enum rc rc = feel_evaluate(ev, node->kids[0], scope, &v);

    if (!rc)
        rc = feel_evaluate(ev, node->kids[1], scope, &range.low);
    if (!rc)
        rc = feel_evaluate(ev, node->kids[2], scope, &range.high);
    if (rc)
        return rc;
    ev->at = node;
    *ret = feel_from_truth(feel_contains(&range, &v));
    if (ret->kind != FEEL_NULL)
        return RC_OK;
    return feel_is_null(ev, FEEL_REASON_TYPE, ret, "cannot order %s between %s and %s",
                        feel_kind_name(v.kind), feel_kind_name(range.low.kind),
                        feel_kind_name(range.high.kind));
}

/* ---- in ---- */

static enum feel_truth either(enum feel_truth a, enum feel_truth b)
{
    if (a == FEEL_TRUE || b == FEEL_TRUE)
        return FEEL_TRUE;
    return a == FEEL_FALSE ? b : a;
}

/* Is v the test, in the test's range, or an element of the test's list (or in a range there)? */
static enum feel_truth passes(const struct feel_value *v, const struct feel_value *test)
{
    enum feel_truth result = FEEL_FALSE;

    if (test->kind == FEEL_RANGE && v->kind != FEEL_RANGE)
        return feel_contains(test->range, v);
    if (test->kind != FEEL_LIST)
        return feel_equal(v, test);
    if (v->kind == FEEL_LIST && feel_equal(v, test) == FEEL_TRUE)
        return FEEL_TRUE;
    for (size_t i = 0; i < test->list.n && result != FEEL_TRUE; i++) {
        const struct feel_value *item = &test->list.items[i];

        if (item->kind == FEEL_RANGE && v->kind != FEEL_RANGE)
            result = either(result, feel_contains(item->range, v));
        else if (item->kind == v->kind)
            result = either(result, feel_equal(v, item));
    }
    return result;
}

static enum rc evaluate_test(struct feel_evaluation *ev, const struct feel_node *in,
                             const struct feel_node *test, const struct feel_scope *scope,
                             const struct feel_value *v, enum feel_truth *ret)
{
    struct feel_value outcome = { 0 };
    enum rc rc = feel_evaluate(ev, test, scope, &outcome);

    if (rc)
        return rc;
    ev->at = in;
    if (in->reads_tested && outcome.kind == FEEL_BOOLEAN && v->kind != FEEL_BOOLEAN)
        *ret = feel_truth(&outcome);
    else
        *ret = passes(v, &outcome);
    return feel_spend(ev, outcome.weight);
}

static enum rc evaluate_in(struct feel_evaluation *ev, const struct feel_node *node,
                           const struct feel_scope *scope, struct feel_value *ret)
{
    static const struct str tested[] = { { "?", 1 } };
    struct feel_value *v = arena_new(ev->arena, struct feel_value);
    struct feel_scope *inner = arena_new(ev->arena, struct feel_scope);
    enum feel_truth result = FEEL_FALSE, one;

    if (!v || !inner)
        return arena_fail(ev->arena, ev->err, "scope of 'in'");
    enum rc rc = feel_evaluate(ev, node->kids[0], scope, v);
    if (rc)
        return rc;
    *inner = (struct feel_scope){ .outer = scope, .n = 1, .names = tested, .values = v };

    for (size_t i = 1; i < node->n_kids && result != FEEL_TRUE; i++) {
        rc = evaluate_test(ev, node, node->kids[i], inner, v, &one);
        if (rc)
            return rc;
        result = either(result, one);
    }
    if (result == FEEL_UNDETERMINED)
        return feel_is_null(ev, FEEL_REASON_TYPE, ret, "cannot test %s", feel_kind_name(v->kind));
    *ret = feel_from_truth(node->negated ? feel_not(result) : result);
    return RC_OK;
}

/* ---- the forms ---- */

static enum rc evaluate_if(struct feel_evaluation *ev, const struct feel_node *node,
                           const struct feel_scope *scope, struct feel_value *ret)
{
    struct feel_value condition = { 0 };
    enum rc rc = feel_evaluate(ev, node->kids[0], scope, &condition);

    if (rc)
        return rc;
    return feel_evaluate(ev, node->kids[feel_truth(&condition) == FEEL_TRUE ? 1 : 2], scope, ret);
}

static enum rc evaluate_list(struct feel_evaluation *ev, const struct feel_node *node,
                             const struct feel_scope *scope, struct feel_value *ret)
{
    struct feel_list_builder list = { .ev = ev };
    struct feel_value item = { 0 };

    for (size_t i = 0; i < node->n_kids; i++) {
        enum rc rc = feel_evaluate(ev, node->kids[i], scope, &item);

        if (!rc)
            rc = feel_list_add(&list, &item);
        if (rc)
            return rc;
    }
    return feel_list_done(&list, ret);
}

/* Each entry sees the entries before it. */
static enum rc evaluate_context(struct feel_evaluation *ev, const struct feel_node *node,
                                const struct feel_scope *scope, struct feel_value *ret)
{
    struct feel_entry *entries = arena_array(ev->arena, struct feel_entry, node->n_kids + 1);
    struct feel_value *so_far = arena_new(ev->arena, struct feel_value);
    struct feel_scope *inner = arena_new(ev->arena, struct feel_scope);

    if (!entries || !so_far || !inner)
        return arena_fail(ev->arena, ev->err, "context");
    *so_far = (struct feel_value){ .kind = FEEL_CONTEXT, .context = { 0, entries } };
    *inner = (struct feel_scope){ .outer = scope, .context = so_far };
    for (size_t i = 0; i < node->n_kids; i++) {
        entries[i].key = node->names[i];
        enum rc rc = feel_evaluate(ev, node->kids[i], inner, &entries[i].value);
        if (rc)
            return rc;
        so_far->context.n++;
    }
    *ret = feel_context(entries, node->n_kids);
    return feel_check_size(ev, ret);
}

enum rc feel_make_range(struct feel_evaluation *ev, const struct feel_range *from,
                        struct feel_value *ret)
{
    struct feel_range *range = arena_new(ev->arena, struct feel_range);

    if (!range)
        return arena_fail(ev->arena, ev->err, "range");
    struct feel_value ends[2] = { from->low, from->high };
    struct feel_value weighed = feel_list(ends, ARRAY_LEN(ends));
    *range = *from;
    *ret = (struct feel_value){
        .kind = FEEL_RANGE, .weight = weighed.weight, .nesting = weighed.nesting, .range = range
    };
    return feel_check_size(ev, ret);
}

static enum rc evaluate_range(struct feel_evaluation *ev, const struct feel_node *node,
                              const struct feel_scope *scope, struct feel_value *ret)
{
    struct feel_range range = { .has_low = true,
                                .has_high = true,
                                .low_closed = node->low_closed,
                                .high_closed = node->high_closed };
    enum rc rc = feel_evaluate(ev, node->kids[0], scope, &range.low);

    if (!rc)
        rc = feel_evaluate(ev, node->kids[1], scope, &range.high);
    return rc ? rc : feel_make_range(ev, &range, ret);
}

static enum rc evaluate_unary_test(struct feel_evaluation *ev, const struct feel_node *node,
                                   const struct feel_scope *scope, struct feel_value *ret)
{
    struct feel_range range = { 0 };
    struct feel_value bound = { 0 };
    enum rc rc = feel_evaluate(ev, node->kids[0], scope, &bound);

    if (rc)
        return rc;
    range.has_high = node->op == FEEL_LESS || node->op == FEEL_LESS_EQUAL;
    range.has_low = !range.has_high;
    range.low_closed = node->op == FEEL_GREATER_EQUAL;
    range.high_closed = node->op == FEEL_LESS_EQUAL;
    range.relation = node->op == FEEL_EQUAL       ? FEEL_RANGE_EQUAL
                     : node->op == FEEL_NOT_EQUAL ? FEEL_RANGE_NOT_EQUAL
                                                  : FEEL_RANGE_BETWEEN;
    if (range.has_high)
        range.high = bound;
    else
        range.low = bound;
    return feel_make_range(ev, &range, ret);
}

static enum rc evaluate_instance(struct feel_evaluation *ev, const struct feel_node *node,
                                 const struct feel_scope *scope, struct feel_value *ret)
{
    struct feel_value v = { 0 };
    enum rc rc = feel_evaluate(ev, node->kids[0], scope, &v);

    if (rc)
        return rc;
    *ret = feel_boolean(feel_is_instance(&v, node->type));
    return feel_spend(ev, feel_type_looks_inside(node->type) ? v.weight : 0);
}

static enum rc evaluate_function(struct feel_evaluation *ev, const struct feel_node *node,
                                 const struct feel_scope *scope, struct feel_value *ret)
{
    struct feel_function *function = arena_new(ev->arena, struct feel_function);

    if (!function)
        return arena_fail(ev->arena, ev->err, "function");
    function->definition = node;
    function->scope = scope;
    *ret = (struct feel_value){ .kind = FEEL_FUNCTION, .function = function };
    return RC_OK;
}

static enum rc evaluate_node(struct feel_evaluation *ev, const struct feel_node *node,
                             const struct feel_scope *scope, struct feel_value *ret)
{
    switch (node->kind) {
    case FEEL_NODE_LITERAL: *ret = node->value; return RC_OK;
    case FEEL_NODE_NAME: return evaluate_name(ev, node, scope, ret);
    case FEEL_NODE_PATH: return evaluate_path(ev, node, scope, ret);
    case FEEL_NODE_FILTER: return feel_evaluate_filter(ev, node, scope, ret);
    case FEEL_NODE_CALL: return feel_evaluate_call(ev, node, scope, ret);
    case FEEL_NODE_NEGATE: return evaluate_negate(ev, node, scope, ret);
    case FEEL_NODE_BINARY: return evaluate_binary(ev, node, scope, ret);
    case FEEL_NODE_BETWEEN: return evaluate_between(ev, node, scope, ret);
    case FEEL_NODE_IN: return evaluate_in(ev, node, scope, ret);
    case FEEL_NODE_INSTANCE: return evaluate_instance(ev, node, scope, ret);
    case FEEL_NODE_IF: return evaluate_if(ev, node, scope, ret);
    case FEEL_NODE_FOR: return feel_evaluate_for(ev, node, scope, ret);
    case FEEL_NODE_SOME:
    case FEEL_NODE_EVERY: return feel_evaluate_quantified(ev, node, scope, ret);
    case FEEL_NODE_LIST: return evaluate_list(ev, node, scope, ret);
    case FEEL_NODE_CONTEXT: return evaluate_context(ev, node, scope, ret);
    case FEEL_NODE_SPAN:
    case FEEL_NODE_RANGE: return evaluate_range(ev, node, scope, ret);
    case FEEL_NODE_TEST: return evaluate_unary_test(ev, node, scope, ret);
    case FEEL_NODE_FUNCTION: return evaluate_function(ev, node, scope, ret);
    }
    assert_fail("node->kind is an enum feel_node_kind", __FILE__, __LINE__);
}

enum rc feel_evaluate(struct feel_evaluation *ev, const struct feel_node *node,
                      const struct feel_scope *scope, struct feel_value *ret)
{
    enum rc rc = feel_spend(ev, 1);

    if (rc)
        return rc;
    if (ev->depth == 0)
        return err_set(ev->err, RC_LIMIT, "line %u, column %u: nested deeper than %u", node->line,
                       node->column, ev->limits->depth);
    ev->depth--;
    ev->at = node;
    rc = evaluate_node(ev, node, scope, ret);
    ev->depth++;
    return rc;
}

enum rc feel_eval(const struct feel *feel, const struct feel_value *context,
                  const struct feel_limits *limits, int64_t now_ms, struct arena *arena,
                  struct feel_value *ret, struct feel_diagnostics *diagnostics, struct err *err)
{
    struct feel_scope *scope = arena_new(arena, struct feel_scope); /* functions keep it */
    struct feel_value value = { 0 };
    struct feel_evaluation ev = { .limits = limits,
                                  .steps = limits->steps,
                                  .depth = limits->depth,
                                  .now_ms = now_ms,
                                  .arena = arena,
                                  .diagnostics = diagnostics,
                                  .at = feel->root,
                                  .err = err };

    ASSERT(!context || context->kind == FEEL_CONTEXT);
    if (!scope)
        return arena_fail(arena, err, "scope");
    scope->context = context;
    *diagnostics = (struct feel_diagnostics){ 0 };
    enum rc rc = feel_evaluate(&ev, feel->root, scope, &value);
    if (rc)
        return rc;
    *ret = value;
    return RC_OK;
}
