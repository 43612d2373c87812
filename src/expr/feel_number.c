/* feel_number.c - functions on numbers and booleans. */
#include "expr/feel_internal.h"

static enum rc give_number(struct feel_evaluation *ev, bool ok, struct decimal number,
                           const char *what, struct feel_value *ret)
{
    if (!ok)
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "%s of this number is not defined", what);
    *ret = (struct feel_value){ .kind = FEEL_NUMBER, .number = number };
    return RC_OK;
}

enum rc feel_builtin_abs(struct feel_evaluation *ev, const struct feel_value *args,
                         struct feel_value *ret)
{
    (void)ev;
    *ret = args[0];
    if (ret->kind == FEEL_NUMBER)
        ret->number = decimal_abs(ret->number);
    else if (ret->kind == FEEL_DAYS_DURATION)
        ret->seconds = decimal_abs(ret->seconds);
    else if (ret->months < 0)
        ret->months = -ret->months;
    return RC_OK;
}

static enum rc round_to(struct feel_evaluation *ev, const struct feel_value *args,
                        enum decimal_rounding rounding, struct feel_value *ret)
{
    struct decimal number = { 0 };
    int64_t scale = 0;

    if (args[1].kind == FEEL_NUMBER && !decimal_to_i64(args[1].number, &scale))
        scale = INT64_MAX;
    if (scale < DECIMAL_SCALE_MIN || scale > DECIMAL_SCALE_MAX)
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "scale must be within %d..%d",
                            DECIMAL_SCALE_MIN, DECIMAL_SCALE_MAX);
    bool ok = decimal_round(args[0].number, (int)scale, rounding, &number);
    return give_number(ev, ok, number, "rounding", ret);
}

enum rc feel_builtin_floor(struct feel_evaluation *ev, const struct feel_value *args,
                           struct feel_value *ret)
{
    return round_to(ev, args, DECIMAL_FLOOR, ret);
}

enum rc feel_builtin_ceiling(struct feel_evaluation *ev, const struct feel_value *args,
                             struct feel_value *ret)
{
    return round_to(ev, args, DECIMAL_CEILING, ret);
}

enum rc feel_builtin_round_up(struct feel_evaluation *ev, const struct feel_value *args,
                              struct feel_value *ret)
{
    return round_to(ev, args, DECIMAL_UP, ret);
}

enum rc feel_builtin_round_down(struct feel_evaluation *ev, const struct feel_value *args,
                                struct feel_value *ret)
{
    return round_to(ev, args, DECIMAL_DOWN, ret);
}

enum rc feel_builtin_round_half_up(struct feel_evaluation *ev, const struct feel_value *args,
                                   struct feel_value *ret)
{
    return round_to(ev, args, DECIMAL_HALF_UP, ret);
}

enum rc feel_builtin_round_half_down(struct feel_evaluation *ev, const struct feel_value *args,
                                     struct feel_value *ret)
{
    return round_to(ev, args, DECIMAL_HALF_DOWN, ret);
}

enum rc feel_builtin_decimal(struct feel_evaluation *ev, const struct feel_value *args,
                             struct feel_value *ret)
{
    return round_to(ev, args, DECIMAL_HALF_EVEN, ret);
}

enum rc feel_builtin_modulo(struct feel_evaluation *ev, const struct feel_value *args,
                            struct feel_value *ret)
{
    struct decimal number = { 0 };
    bool ok = decimal_modulo(args[0].number, args[1].number, &number);

    return give_number(ev, ok, number, "modulo", ret);
}

enum rc feel_builtin_sqrt(struct feel_evaluation *ev, const struct feel_value *args,
                          struct feel_value *ret)
{
    struct decimal number = { 0 };
    bool ok = decimal_sqrt(args[0].number, &number);

    return give_number(ev, ok, number, "square root", ret);
}

enum rc feel_builtin_exp(struct feel_evaluation *ev, const struct feel_value *args,
                         struct feel_value *ret)
{
    struct decimal number = { 0 };
    bool ok = decimal_exp(args[0].number, &number);

    return give_number(ev, ok, number, "exp", ret);
}

enum rc feel_builtin_log(struct feel_evaluation *ev, const struct feel_value *args,
                         struct feel_value *ret)
{
    struct decimal number = { 0 };
    bool ok = decimal_log(args[0].number, &number);

    return give_number(ev, ok, number, "logarithm", ret);
}

static bool has_rest(struct decimal d, int64_t rest)
{
    struct decimal modulo;

    return decimal_modulo(d, decimal_from_i64(2), &modulo) &&
           decimal_compare(modulo, decimal_from_i64(rest)) == 0;
}

enum rc feel_builtin_even(struct feel_evaluation *ev, const struct feel_value *args,
                          struct feel_value *ret)
{
    (void)ev;
    *ret = feel_boolean(has_rest(args[0].number, 0));
    return RC_OK;
}

enum rc feel_builtin_odd(struct feel_evaluation *ev, const struct feel_value *args,
                         struct feel_value *ret)
{
    (void)ev;
    *ret = feel_boolean(has_rest(args[0].number, 1));
    return RC_OK;
}

/* ---- number() ---- */

static bool is_one_of(struct str text, const char *characters)
{
    return text.len == 1 && strchr(characters, text.at[0]);
}

enum rc feel_builtin_number(struct feel_evaluation *ev, const struct feel_value *args,
                            struct feel_value *ret)
{
    struct str grouping = args[1].string, point = args[2].string;
    char plain[DECIMAL_PARSE_MAX];
    struct decimal number;
    size_t len = 0;

    if (args[0].kind == FEEL_NUMBER && args[1].kind == FEEL_NULL && args[2].kind == FEEL_NULL) {
        *ret = args[0];
        return RC_OK;
    }
    if (args[0].kind != FEEL_STRING)
        return feel_is_null(ev, FEEL_REASON_TYPE, ret, "number(): 'from' must be a string");
    if ((args[1].kind == FEEL_STRING && !is_one_of(grouping, " ,.")) ||
        (args[2].kind == FEEL_STRING && !is_one_of(point, ",.")) ||
        (args[1].kind == FEEL_STRING && args[2].kind == FEEL_STRING && str_equal(grouping, point)))
        return feel_is_null(ev, FEEL_REASON_VALUE, ret,
                            "number(): separators are ' ', ',' or '.', and differ");

    struct str from = args[0].string;
    for (size_t i = 0; i < from.len && len < sizeof(plain); i++) {
        struct str c = { from.at + i, 1 };

        if (args[1].kind == FEEL_STRING && str_equal(c, grouping))
            continue;
        if (args[2].kind == FEEL_STRING && str_equal(c, point))
            plain[len++] = '.';
        else if (args[2].kind == FEEL_STRING && *c.at == '.')
            len = sizeof(plain); /* a point that is no separator: no number */
        else
            plain[len++] = *c.at;
    }
    if (len == sizeof(plain) || !decimal_parse((struct str){ plain, len }, &number))
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "number(): '%.*s' is no number",
                            (int)(from.len < 40 ? from.len : 40), from.at);
    *ret = (struct feel_value){ .kind = FEEL_NUMBER, .number = number };
    return RC_OK;
}

/* ---- booleans ---- */

enum rc feel_builtin_not(struct feel_evaluation *ev, const struct feel_value *args,
                         struct feel_value *ret)
{
    (void)ev;
    *ret = feel_boolean(!args[0].boolean);
    return RC_OK;
}

static bool same_zone(const struct feel_moment *a, const struct feel_moment *b)
{
    return a->zone == b->zone && a->offset_s == b->offset_s && str_equal(a->zone_id, b->zone_id);
}

/* The same element of the same type: "=" that looks at time zones too and is never null. */
enum rc feel_builtin_is(struct feel_evaluation *ev, const struct feel_value *args,
                        struct feel_value *ret)
{
    const struct feel_value *a = &args[0], *b = &args[1];
    enum feel_truth equal;
    enum rc rc = feel_equal_paid(ev, a, b, &equal);

    if ((a->kind == FEEL_TIME || a->kind == FEEL_DATE_TIME) && a->kind == b->kind &&
        !same_zone(&a->moment, &b->moment))
        equal = FEEL_FALSE;
    *ret = feel_boolean(equal == FEEL_TRUE);
    return rc;
}
