/* feel_call.c - calls: arguments are bound to parameters, then the function runs. */
#include "expr/feel_internal.h"

#include <stdarg.h>
#include <stdio.h>

/* Evaluated arguments of one call; names as written, or NULL. */
struct arguments {
    size_t n;
    const struct str *names;
    const struct feel_value *values;
};

/* Why a row of the table does not take the arguments. */
struct mismatch {
    enum feel_reason reason;
    char text[FEEL_MESSAGE_MAX];
};

static bool refuse(struct mismatch *why, enum feel_reason reason, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

static bool refuse(struct mismatch *why, enum feel_reason reason, const char *fmt, ...)
{
    why->reason = reason;

    va_list ap;
    va_start(ap, fmt);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): false where it is inlined */
    vsnprintf(why->text, sizeof(why->text), fmt, ap);
    va_end(ap);
    return false;
}

/* ---- user-defined functions ---- */

static enum rc run_definition(struct feel_evaluation *ev, const struct feel_function *function,
                              const struct feel_value *args, struct feel_value *ret)
{
    const struct feel_node *definition = function->definition;
    struct feel_value *values = arena_array(ev->arena, struct feel_value, definition->n_names + 1);
    struct feel_scope *scope = arena_new(ev->arena, struct feel_scope);

    if (!values || !scope)
        return arena_fail(ev->arena, ev->err, "scope of a call");
    for (size_t i = 0; i < definition->n_names; i++) {
        const struct feel_type *type = &definition->types[i];
        enum rc rc = feel_spend(ev, feel_type_looks_inside(type) ? args[i].weight : 0);

        if (!rc)
            rc = feel_coerce(&args[i], type, ev->arena, &values[i], ev->err);
        if (rc)
            return rc;
        if (values[i].kind == FEEL_NULL && args[i].kind != FEEL_NULL)
            return feel_is_null(ev, FEEL_REASON_TYPE, ret, "parameter '%.*s' cannot be %s",
                                STR_ARG(definition->names[i]), feel_kind_name(args[i].kind));
    }
    *scope = (struct feel_scope){ .outer = function->scope,
                                  .n = definition->n_names,
                                  .names = definition->names,
                                  .values = values };
    return feel_evaluate(ev, definition->kids[0], scope, ret);
}

static bool find_index(const struct str *names, size_t n, struct str name, size_t *ret)
{
    for (*ret = 0; *ret < n; ++*ret)
        if (str_equal(names[*ret], name))
            return true;
    return false;
}

static enum rc call_definition(struct feel_evaluation *ev, const struct feel_function *function,
                               const struct arguments *args, struct feel_value *ret)
{
    const struct feel_node *definition = function->definition;
    struct feel_value *ordered = arena_array(ev->arena, struct feel_value, definition->n_names + 1);

    if (!ordered)
        return arena_fail(ev->arena, ev->err, "arguments");
    if (args->n != definition->n_names)
        return feel_is_null(ev, FEEL_REASON_ARGUMENT, ret, "%zu arguments for %zu parameters",
                            args->n, definition->n_names);
    for (size_t i = 0; i < args->n; i++) {
        size_t at = i;

        if (args->names && !find_index(definition->names, args->n, args->names[i], &at))
            return feel_is_null(ev, FEEL_REASON_ARGUMENT, ret, "no parameter '%.*s'",
                                STR_ARG(args->names[i]));
        ordered[at] = args->values[i];
    }
    return run_definition(ev, function, ordered, ret);
}

/* ---- built-in functions ---- */

static bool accepts(unsigned accepted, enum feel_kind kind)
{
    return accepted & FEEL_BIT(kind);
}

/* The standard's implicit conversions: a list of one to its item, an item to a list of one. */
static bool convert(const struct feel_param *param, const struct feel_value *v,
                    struct feel_value *ret, struct mismatch *why)
{
    *ret = *v;
    if (accepts(param->accepts, v->kind))
        return true;
    if (v->kind == FEEL_LIST && v->list.n == 1 && accepts(param->accepts, v->list.items[0].kind)) {
        *ret = v->list.items[0];
        return true;
    }
    if (accepts(param->accepts, FEEL_LIST) && v->kind != FEEL_NULL) {
        *ret = feel_list(v, 1);
        return true;
    }
    return refuse(why, FEEL_REASON_TYPE, "'%s' cannot be %s", param->name, feel_kind_name(v->kind));
}

static bool bind_spread(const struct feel_builtin *row, const struct arguments *args,
                        struct feel_value *bound, struct mismatch *why)
{
    if (args->n == 0)
        return refuse(why, FEEL_REASON_ARGUMENT, "no arguments");
    if (args->n == 1)
        return convert(&row->params[0], &args->values[0], &bound[0], why);
    bound[0] = feel_list(args->values, args->n);
    return true;
}

static bool bind_positional(const struct feel_builtin *row, const struct arguments *args,
                            struct feel_value *bound, struct mismatch *why)
{
    size_t n = feel_builtin_n_params(row);

    if (n == 1 && row->params[0].accepts & FEEL_SPREAD)
        return bind_spread(row, args, bound, why);
    for (size_t i = 0; i < n; i++) {
        if (row->params[i].accepts & FEEL_REPEATED) {
            size_t rest = args->n > i ? args->n - i : 0;

            bound[i] = feel_list(args->values + i, rest);
            return rest > 0 || refuse(why, FEEL_REASON_ARGUMENT, "argument '%s' is missing",
                                      row->params[i].name);
        }
        if (i < args->n) {
            if (!convert(&row->params[i], &args->values[i], &bound[i], why))
                return false;
        } else if (!(row->params[i].accepts & FEEL_OPTIONAL)) {
            return refuse(why, FEEL_REASON_ARGUMENT, "argument '%s' is missing",
                          row->params[i].name);
        }
    }
    if (args->n > n)
        return refuse(why, FEEL_REASON_ARGUMENT, "%zu arguments, at most %zu", args->n, n);
    return true;
}

static bool bind_named(const struct feel_builtin *row, const struct arguments *args,
                       struct feel_value *bound, struct mismatch *why)
{
    size_t n = feel_builtin_n_params(row), used = 0, at;

    for (size_t i = 0; i < n; i++) {
        const struct feel_param *param = &row->params[i];

        if (find_index(args->names, args->n, str_of(param->name), &at)) {
            used++;
            if (!convert(param, &args->values[at], &bound[i], why))
                return false;
            if (param->accepts & FEEL_REPEATED)
                bound[i] = feel_as_list(&args->values[at]);
        } else if (!(param->accepts & FEEL_OPTIONAL)) {
            return refuse(why, FEEL_REASON_ARGUMENT, "argument '%s' is missing", param->name);
        }
    }
    if (used < args->n)
        return refuse(why, FEEL_REASON_ARGUMENT, "an argument of an unknown name, or one twice");
    return true;
}

static enum rc call_builtin(struct feel_evaluation *ev, const struct feel_builtin *first,
                            const struct arguments *args, struct feel_value *ret)
{
    struct feel_value *bound = arena_array(ev->arena, struct feel_value, FEEL_PARAMS_MAX);
    const struct feel_builtin *end = feel_builtins + feel_builtins_n;
    struct mismatch why = { .reason = FEEL_REASON_ARGUMENT };

    if (!bound)
        return arena_fail(ev->arena, ev->err, "arguments");
    for (const struct feel_builtin *row = first; row < end; row++) {
        if (strcmp(row->name, first->name) != 0)
            break;
        memset(bound, 0, FEEL_PARAMS_MAX * sizeof(*bound));
        if (args->names ? bind_named(row, args, bound, &why)
                        : bind_positional(row, args, bound, &why))
            return row->call(ev, bound, ret);
    }
    return feel_is_null(ev, why.reason, ret, "%s(): %s", first->name, why.text);
}

/* ---- calls ---- */

enum rc feel_invoke(struct feel_evaluation *ev, const struct feel_function *function,
                    const struct feel_value *args, size_t n, struct feel_value *ret)
{
    struct arguments arguments = { .n = n, .values = args };

    return call_definition(ev, function, &arguments, ret);
}

static enum rc evaluate_arguments(struct feel_evaluation *ev, const struct feel_node *node,
                                  const struct feel_scope *scope, struct arguments *ret)
{
    size_t n = node->n_kids - 1;
    struct feel_value *values = arena_array(ev->arena, struct feel_value, n + 1);

    if (!values)
        return arena_fail(ev->arena, ev->err, "arguments");
    for (size_t i = 0; i < n; i++) {
        enum rc rc = feel_evaluate(ev, node->kids[i + 1], scope, &values[i]);

        if (rc)
            return rc;
    }
    *ret = (struct arguments){ .n = n, .names = node->names, .values = values };
    return RC_OK;
}

/* A built-in function is known by its name, in the place of a callee only: an input may well be
 * called "date" or "count". A function of that name in the scope comes first. */
static enum rc find_callee(struct feel_evaluation *ev, const struct feel_node *callee,
                           const struct feel_scope *scope, struct feel_value *ret_function,
                           const struct feel_builtin **ret_builtin)
{
    const struct feel_value *found;

    *ret_builtin = NULL;
    *ret_function = (struct feel_value){ .kind = FEEL_NULL };
    if (callee->kind != FEEL_NODE_NAME)
        return feel_evaluate(ev, callee, scope, ret_function);

    enum rc rc = feel_look_up(ev, scope, callee->name, &found);
    if (rc)
        return rc;
    if (found)
        *ret_function = *found;
    if (!found || found->kind != FEEL_FUNCTION)
        *ret_builtin = feel_builtin_find(callee->name);
    return RC_OK;
}

enum rc feel_evaluate_call(struct feel_evaluation *ev, const struct feel_node *node,
                           const struct feel_scope *scope, struct feel_value *ret)
{
    const struct feel_node *callee = node->kids[0];
    const struct feel_builtin *builtin;
    struct feel_value function = { 0 };
    struct arguments args = { 0 };
    enum rc rc = find_callee(ev, callee, scope, &function, &builtin);

    if (!rc)
        rc = evaluate_arguments(ev, node, scope, &args);
    if (rc)
        return rc;
    ev->at = node;
    if (builtin)
        return call_builtin(ev, builtin, &args, ret);
    if (function.kind == FEEL_FUNCTION)
        return call_definition(ev, function.function, &args, ret);
    if (callee->kind == FEEL_NODE_NAME)
        return feel_is_null(ev, FEEL_REASON_NAME, ret, "no function '%.*s'", STR_ARG(callee->name));
    return feel_is_null(ev, FEEL_REASON_TYPE, ret, "cannot call %s", feel_kind_name(function.kind));
}
