/* feel_check.c - the type check: its two entry points, and calls. */
#include "expr/feel_check_internal.h"

#include <stdio.h>

/* ---- calls ---- */

/* Arguments of one call: their facts, and their names as written or NULL. */
struct call {
    const struct feel_node *node;
    size_t n;
    const struct feel_fact *facts;
};

static bool takes(unsigned accepts, const struct feel_fact *fact)
{
    struct feel_fact item = feel_fact_item(fact);

    if (fact->type.kind == FEEL_ANY || fact->type.kind == FEEL_NULL || fact->may == MAY_BE_NULL ||
        accepts & FEEL_BIT(fact->type.kind))
        return true;
    if (accepts & FEEL_BIT(FEEL_LIST))
        return true;
    return fact->type.kind == FEEL_LIST &&
           (item.type.kind == FEEL_ANY || accepts & FEEL_BIT(item.type.kind));
}

/* The parameter of argument i, or NULL. */
static const struct feel_param *param_of(const struct feel_builtin *row, const struct call *call,
                                         size_t i)
{
    size_t n = feel_builtin_n_params(row);

    if (!call->node->names) {
        if (n > 0 && i >= n - 1 && row->params[n - 1].accepts & (FEEL_REPEATED | FEEL_SPREAD))
            return &row->params[n - 1];
        return i < n ? &row->params[i] : NULL;
    }
    for (size_t p = 0; p < n; p++)
        if (str_is(call->node->names[i], row->params[p].name))
            return &row->params[p];
    return NULL;
}

static bool is_given(const struct feel_builtin *row, const struct call *call, size_t param)
{
    for (size_t i = 0; i < call->n; i++)
        if (param_of(row, call, i) == &row->params[param])
            return true;
    return false;
}

/* Does the row take the call? If not, why says so. */
static bool fits(const struct feel_builtin *row, const struct call *call,
                 char why[FEEL_MESSAGE_MAX])
{
    size_t n = feel_builtin_n_params(row);
    bool spread = n == 1 && row->params[0].accepts & FEEL_SPREAD && call->n > 1;

    for (size_t i = 0; i < call->n; i++) {
        const struct feel_param *param = param_of(row, call, i);

        if (!param) {
            snprintf(why, FEEL_MESSAGE_MAX, "%s() takes no argument number %zu", row->name, i + 1);
            if (call->node->names)
                snprintf(why, FEEL_MESSAGE_MAX, "%s() has no parameter '%.*s'", row->name,
                         STR_ARG(call->node->names[i]));
            return false;
        }
        if (!spread && !(param->accepts & FEEL_REPEATED) &&
            !takes(param->accepts, &call->facts[i])) {
            snprintf(why, FEEL_MESSAGE_MAX, "%s(): '%s' cannot be %s", row->name, param->name,
                     feel_kind_name(call->facts[i].type.kind));
            return false;
        }
    }
    for (size_t p = 0; p < n; p++) {
        if (!(row->params[p].accepts & FEEL_OPTIONAL) && !is_given(row, call, p)) {
            snprintf(why, FEEL_MESSAGE_MAX, "%s(): argument '%s' is missing", row->name,
                     row->params[p].name);
            return false;
        }
    }
    return true;
}

/* Is the result null because an argument is? Statistics are null when an item is. */
static unsigned null_of_arguments(const struct feel_builtin *row, const struct call *call)
{
    unsigned null = 0;

    for (size_t i = 0; i < call->n; i++) {
        const struct feel_param *param = param_of(row, call, i);
        bool spread = param->accepts & FEEL_SPREAD && strcmp(row->name, "count") != 0;
        struct feel_fact item = feel_fact_item(&call->facts[i]);

        if (!(param->accepts & FEEL_BIT(FEEL_NULL)) || spread)
            null |= call->facts[i].may & MAY_BE_NULL;
        if (spread && call->facts[i].type.item)
            null |= item.may & MAY_BE_NULL;
    }
    return null;
}

/* The first argument as the parameter takes it: a list of one as its item, an item as a list. */
static struct feel_fact first_argument(const struct feel_builtin *row, const struct call *call)
{
    const struct feel_fact *given = &call->facts[0];
    unsigned accepts = row->params[0].accepts;

    if (accepts & FEEL_BIT(given->type.kind))
        return *given;
    if (given->type.kind == FEEL_LIST)
        return feel_fact_item(given);
    return accepts & FEEL_BIT(FEEL_LIST) ? feel_fact_of(FEEL_LIST) : feel_fact_unknown();
}

static struct feel_fact result_of(struct feel_checker *ck, const struct feel_builtin *row,
                                  const struct call *call)
{
    struct feel_fact fact = feel_fact_of(row->kind);

    if (row->result == FEEL_RESULT_SAME && call->n > 0 && !call->node->names)
        fact = first_argument(row, call);
    else if (row->result == FEEL_RESULT_ITEM && call->n > 0)
        fact = feel_fact_item(&call->facts[0]);
    if (row->kind == FEEL_LIST && row->item != FEEL_ANY && row->result == FEEL_RESULT_KIND) {
        static const struct feel_type items[] = { [FEEL_NUMBER] = { .kind = FEEL_NUMBER },
                                                  [FEEL_STRING] = { .kind = FEEL_STRING },
                                                  [FEEL_CONTEXT] = { .kind = FEEL_CONTEXT,
                                                                     .open = true } };
        fact.type.item = &items[row->item];
    }
    for (size_t i = 0; i < call->n; i++)
        if (!(param_of(row, call, i)->accepts & FEEL_BIT(call->facts[i].type.kind)))
            ck->may_fail = true; /* any, or a list for its one item */
    fact.origin = NULL;
    fact.may &= ~(unsigned)MAY_BE_NULL;
    fact.may |= null_of_arguments(row, call);
    fact.may = fact.may ? fact.may : MAY_BE_NULL;
    if (strcmp(row->name, "not") == 0)
        fact.may = feel_may_not(call->facts[0].may);
    ck->may_fail = ck->may_fail || !row->total;
    return fact;
}

/* date("2017-13-10") is wrong before any input is seen. */
static void check_constant(struct feel_checker *ck, const struct feel_builtin *row,
                           const struct feel_node *node)
{
    const struct feel_node *arg = node->n_kids == 2 ? node->kids[1] : NULL;
    struct feel_value v = { 0 };
    bool ok = true;

    if (!arg || arg->kind != FEEL_NODE_LITERAL || arg->value.kind != FEEL_STRING)
        return;
    if (strcmp(row->name, "date") == 0)
        ok = feel_parse_date(arg->value.string, &v.moment);
    else if (strcmp(row->name, "time") == 0)
        ok = feel_parse_time(arg->value.string, &v.moment);
    else if (strcmp(row->name, "date and time") == 0)
        ok = feel_parse_date_time(arg->value.string, true, &v.moment);
    else if (strcmp(row->name, "duration") == 0)
        ok = feel_parse_duration(arg->value.string, &v);
    if (!ok)
        feel_problem(ck, arg, "'%.*s' is no %s",
                     (int)(arg->value.string.len < 60 ? arg->value.string.len : 60),
                     arg->value.string.at, row->name);
}

static void infer_builtin(struct feel_checker *ck, const struct feel_builtin *first,
                          const struct call *call, struct feel_fact *ret)
{
    const struct feel_builtin *end = feel_builtins + feel_builtins_n;
    char why[FEEL_MESSAGE_MAX] = "";

    ck->reads_now =
        ck->reads_now || strcmp(first->name, "now") == 0 || strcmp(first->name, "today") == 0;
    check_constant(ck, first, call->node);
    for (const struct feel_builtin *row = first; row < end; row++) {
        if (strcmp(row->name, first->name) != 0)
            break;
        if (fits(row, call, why)) {
            *ret = result_of(ck, row, call);
            return;
        }
    }
    *ret = feel_fact_unknown();
    feel_problem(ck, call->node, "%s", why);
}

/* Is the name bound to something that may be a function? */
static bool is_bound(const struct feel_fact_scope *scope, struct str name)
{
    for (; scope; scope = scope->outer) {
        for (size_t i = 0; i < scope->n; i++)
            if (str_equal(scope->names[i], name) &&
                feel_fact_can_be(&scope->facts[i], FEEL_FUNCTION))
                return true;
        for (size_t i = 0; scope->context && i < scope->context->type.n_fields; i++)
            if (str_equal(scope->context->type.fields[i].name, name) &&
                (scope->context->type.fields[i].type.kind == FEEL_FUNCTION ||
                 scope->context->type.fields[i].type.kind == FEEL_ANY))
                return true;
    }
    return false;
}

enum rc feel_infer_call(struct feel_checker *ck, const struct feel_node *node,
                        const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    const struct feel_node *callee = node->kids[0];
    struct feel_fact *facts = arena_array(ck->arena, struct feel_fact, node->n_kids);
    struct call call = { .node = node, .n = node->n_kids - 1, .facts = facts };
    bool named = callee->kind == FEEL_NODE_NAME && !is_bound(scope, callee->name);
    struct feel_fact function = { 0 };

    if (!facts)
        return arena_fail(ck->arena, ck->err, "arguments");
    for (size_t i = 0; i < call.n; i++) {
        enum rc rc = feel_infer(ck, node->kids[i + 1], scope, &facts[i]);

        if (rc)
            return rc;
    }
    *ret = feel_fact_unknown();
    if (named) {
        const struct feel_builtin *builtin = feel_builtin_find(callee->name);

        if (builtin)
            infer_builtin(ck, builtin, &call, ret);
        else
            feel_problem(ck, callee, "unknown function '%.*s'",
                         (int)(callee->name.len < 60 ? callee->name.len : 60), callee->name.at);
        return RC_OK;
    }
    enum rc rc = feel_infer(ck, callee, scope, &function);
    if (!rc && !feel_fact_can_be(&function, FEEL_FUNCTION))
        feel_problem(ck, callee, "cannot call %s", feel_kind_name(function.type.kind));
    return rc;
}

/* ---- entry points ---- */

static enum rc check(struct feel_checker *ck, const struct feel *feel,
                     const struct feel_type *context_type, struct feel_fact *ret)
{
    static const struct feel_path root = { 0 };
    struct feel_fact context = feel_fact_of_type(context_type, &root);
    struct feel_fact_scope scope = { .context = &context };

    ASSERT(context_type->kind == FEEL_CONTEXT);
    ck->problems = arena_array(ck->arena, struct feel_problem, FEEL_PROBLEMS_MAX);
    ck->paths = arena_array(ck->arena, struct feel_path, FEEL_PATHS_MAX);
    if (!ck->problems || !ck->paths)
        return arena_fail(ck->arena, ck->err, "report");
    return feel_infer(ck, feel->root, &scope, ret);
}

/* In order of the text; there are few, and they are nearly in order. */
static void sort_problems(struct feel_problem *problems, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct feel_problem moving = problems[i];
        size_t at = i;

        while (at > 0 &&
               (problems[at - 1].line > moving.line || (problems[at - 1].line == moving.line &&
                                                        problems[at - 1].column > moving.column))) {
            problems[at] = problems[at - 1];
            at--;
        }
        problems[at] = moving;
    }
}

enum rc feel_check(const struct feel *feel, const struct feel_type *context_type,
                   struct arena *arena, struct feel_report *ret, struct err *err)
{
    struct feel_checker ck = { .arena = arena, .err = err };
    struct feel_fact fact = { 0 };
    enum rc rc = check(&ck, feel, context_type, &fact);

    if (rc)
        return rc;
    sort_problems(ck.problems, ck.n_problems);
    *ret = (struct feel_report){ .type = fact.type,
                                 .may_be_null = fact.may & MAY_BE_NULL,
                                 .may_fail = ck.may_fail,
                                 .reads_now = ck.reads_now,
                                 .n_problems = ck.n_problems,
                                 .problems = ck.problems,
                                 .n_paths = ck.n_paths,
                                 .paths = ck.paths };
    ret->type.optional = ret->may_be_null;
    return RC_OK;
}

enum rc feel_may_be_null_without(const struct feel *feel, const struct feel_type *context_type,
                                 const struct feel_path *absent, struct arena *arena, bool *ret_may,
                                 struct err *err)
{
    struct feel_checker ck = { .arena = arena, .err = err, .absent = absent };
    struct feel_fact fact = { 0 };
    enum rc rc = check(&ck, feel, context_type, &fact);

    if (rc)
        return rc;
    *ret_may = fact.may & MAY_BE_NULL;
    return RC_OK;
}
