/* feel_operator.c - what the binary operators do with two values. */
#include "expr/feel_internal.h"

static enum rc wrong_types(struct feel_evaluation *ev, enum feel_operator op,
                           const struct feel_value *a, const struct feel_value *b,
                           struct feel_value *ret)
{
    return feel_is_null(ev, FEEL_REASON_TYPE, ret, "cannot compute %s %s %s",
                        feel_kind_name(a->kind), feel_operator_text(op), feel_kind_name(b->kind));
}

static enum rc number_result(struct feel_evaluation *ev, enum feel_operator op, bool ok,
                             struct decimal number, struct feel_value *ret)
{
    if (!ok)
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "%s has no number as its result",
                            op == FEEL_DIVIDE ? "division by zero" : feel_operator_text(op));
    *ret = (struct feel_value){ .kind = FEEL_NUMBER, .number = number };
    return RC_OK;
}

static enum rc compute_numbers(struct feel_evaluation *ev, enum feel_operator op, struct decimal a,
                               struct decimal b, struct feel_value *ret)
{
    struct decimal number = { 0 };
    bool ok = false;

    if (op == FEEL_ADD)
        ok = decimal_add(a, b, &number);
    else if (op == FEEL_SUBTRACT)
        ok = decimal_subtract(a, b, &number);
    else if (op == FEEL_MULTIPLY)
        ok = decimal_multiply(a, b, &number);
    else if (op == FEEL_DIVIDE)
        ok = decimal_divide(a, b, &number);
    else if (op == FEEL_POWER)
        ok = decimal_power(a, b, &number);
    return number_result(ev, op, ok, number, ret);
}

static enum rc join_strings(struct feel_evaluation *ev, struct str a, struct str b,
                            struct feel_value *ret)
{
    if (a.len > ev->limits->string_bytes || b.len > ev->limits->string_bytes - a.len)
        return err_set(ev->err, RC_LIMIT, "string of more than %zu bytes",
                       ev->limits->string_bytes);
    char *joined = arena_array(ev->arena, char, a.len + b.len + 1);
    if (!joined)
        return arena_fail(ev->arena, ev->err, "string");
    if (a.len)
        memcpy(joined, a.at, a.len);
    if (b.len)
        memcpy(joined + a.len, b.at, b.len);
    *ret = feel_string((struct str){ joined, a.len + b.len });
    return feel_spend(ev, (a.len + b.len) / 64);
}

static bool is_temporal(const struct feel_value *v)
{
    return v->kind >= FEEL_DATE && v->kind <= FEEL_MONTHS_DURATION;
}

enum rc feel_arithmetic(struct feel_evaluation *ev, enum feel_operator op,
                        const struct feel_value *a, const struct feel_value *b,
                        struct feel_value *ret)
{
    if (a->kind == FEEL_NUMBER && b->kind == FEEL_NUMBER)
        return compute_numbers(ev, op, a->number, b->number, ret);
    if (op == FEEL_ADD && a->kind == FEEL_STRING && b->kind == FEEL_STRING)
        return join_strings(ev, a->string, b->string, ret);
    if ((is_temporal(a) && (is_temporal(b) || b->kind == FEEL_NUMBER)) ||
        (is_temporal(b) && a->kind == FEEL_NUMBER))
        return feel_temporal_arithmetic(ev, op, a, b, ret);
    return wrong_types(ev, op, a, b, ret);
}

enum rc feel_compare(struct feel_evaluation *ev, enum feel_operator op, const struct feel_value *a,
                     const struct feel_value *b, struct feel_value *ret)
{
    int order;
    bool holds = false;

    if (op == FEEL_EQUAL || op == FEEL_NOT_EQUAL) {
        enum feel_truth equal = feel_equal(a, b);

        *ret = feel_from_truth(op == FEEL_EQUAL ? equal : feel_not(equal));
        if (equal != FEEL_UNDETERMINED)
            return RC_OK;
    } else if (feel_order(a, b, &order)) {
        if (op == FEEL_LESS)
            holds = order < 0;
        else if (op == FEEL_LESS_EQUAL)
            holds = order <= 0;
        else if (op == FEEL_GREATER)
            holds = order > 0;
        else if (op == FEEL_GREATER_EQUAL)
            holds = order >= 0;
        *ret = feel_boolean(holds);
        return RC_OK;
    }
    return feel_is_null(ev, FEEL_REASON_TYPE, ret, "cannot compare %s %s %s",
                        feel_kind_name(a->kind), feel_operator_text(op), feel_kind_name(b->kind));
}
