/*
 * feel_range.c - range() and the relations of points and ranges (Allen's interval algebra, as the
 * standard's table of range functions has it).
 *
 * A point stands for the closed range from itself to itself. A relation whose ends have no order
 * is null.
 */
#include "expr/feel_internal.h"

/* ---- range() ---- */

/* The end of a range text may be a literal, or date("..."), time("..."), ... of a literal. */
static bool is_constant(const struct feel_node *node)
{
    static const char *const makers[] = { "date", "time", "date and time", "duration" };

    if (node->kind == FEEL_NODE_LITERAL)
        return node->value.kind != FEEL_NULL;
    if (node->kind == FEEL_NODE_NEGATE)
        return is_constant(node->kids[0]);
    if (node->kind != FEEL_NODE_CALL || node->n_kids != 2 ||
        node->kids[0]->kind != FEEL_NODE_NAME || node->kids[1]->kind != FEEL_NODE_LITERAL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(makers); i++)
        if (str_is(node->kids[0]->name, makers[i]))
            return true;
    return false;
}

enum rc feel_builtin_range(struct feel_evaluation *ev, const struct feel_value *args,
                           struct feel_value *ret)
{
    struct feel *feel;
    struct err why;
    int order;
    enum rc rc = feel_spend(ev, args[0].string.len);

    if (rc)
        return rc;
    rc = feel_parse(args[0].string, ev->arena, &feel, &why);
    if (rc == RC_NOMEM || rc == RC_LIMIT) {
        *ev->err = why;
        return rc;
    }
    if (rc || feel->root->kind != FEEL_NODE_RANGE || !is_constant(feel->root->kids[0]) ||
        !is_constant(feel->root->kids[1]))
        return feel_is_null(ev, FEEL_REASON_VALUE, ret,
                            "range(): the text is no range of two constants");

    const struct feel_node *at = ev->at;
    rc = feel_evaluate(ev, feel->root, NULL, ret);
    ev->at = at;
    if (rc)
        return rc;
    if (!feel_order(&ret->range->low, &ret->range->high, &order) || order > 0)
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "range(): ends without or out of order");
    return RC_OK;
}

/* ---- relations ---- */

static struct feel_range as_range(const struct feel_value *v)
{
    if (v->kind == FEEL_RANGE)
        return *v->range;
    return (struct feel_range){ .low = *v,
                                .high = *v,
                                .has_low = true,
                                .has_high = true,
                                .low_closed = true,
                                .high_closed = true };
}

/* How the ends of two ranges lie to each other, each -1, 0 or 1. */
struct relation {
    struct feel_range a, b;
    int low_low, low_high, high_low, high_high; /* a's end to b's end */
};

static bool relate(const struct feel_value *a, const struct feel_value *b, struct relation *ret)
{
    ret->a = as_range(a);
    ret->b = as_range(b);
    return ret->a.has_low && ret->a.has_high && ret->b.has_low && ret->b.has_high &&
           feel_order(&ret->a.low, &ret->b.low, &ret->low_low) &&
           feel_order(&ret->a.low, &ret->b.high, &ret->low_high) &&
           feel_order(&ret->a.high, &ret->b.low, &ret->high_low) &&
           feel_order(&ret->a.high, &ret->b.high, &ret->high_high);
}

typedef bool relation_fn(const struct relation *r);

static bool is_before(const struct relation *r)
{
    return r->high_low < 0 || (r->high_low == 0 && !(r->a.high_closed && r->b.low_closed));
}

static bool is_after(const struct relation *r)
{
    return r->low_high > 0 || (r->low_high == 0 && !(r->a.low_closed && r->b.high_closed));
}

static bool meets(const struct relation *r)
{
    return r->high_low == 0 && r->a.high_closed && r->b.low_closed;
}

static bool is_met_by(const struct relation *r)
{
    return r->low_high == 0 && r->a.low_closed && r->b.high_closed;
}

static bool overlaps(const struct relation *r)
{
    return !is_before(r) && !is_after(r);
}

/* Does a begin strictly before b begins? Does it end strictly before b ends? */
static bool begins_before(const struct relation *r)
{
    return r->low_low < 0 || (r->low_low == 0 && r->a.low_closed && !r->b.low_closed);
}

static bool ends_before(const struct relation *r)
{
    return r->high_high < 0 || (r->high_high == 0 && !r->a.high_closed && r->b.high_closed);
}

static bool begins_together(const struct relation *r)
{
    return r->low_low == 0 && r->a.low_closed == r->b.low_closed;
}

static bool ends_together(const struct relation *r)
{
    return r->high_high == 0 && r->a.high_closed == r->b.high_closed;
}

static bool overlaps_before(const struct relation *r)
{
    return overlaps(r) && begins_before(r) && (ends_before(r) || ends_together(r));
}

static bool overlaps_after(const struct relation *r)
{
    bool ends_after = !ends_before(r) && !ends_together(r);
    bool begins_after = !begins_before(r) && !begins_together(r);

    return overlaps(r) && begins_after && (ends_after || ends_together(r));
}

static bool is_during(const struct relation *r)
{
    return !begins_before(r) && (ends_before(r) || ends_together(r));
}

static bool includes(const struct relation *r)
{
    return (begins_before(r) || begins_together(r)) && !ends_before(r);
}

static bool finishes(const struct relation *r)
{
    return ends_together(r) && !begins_before(r);
}

static bool is_finished_by(const struct relation *r)
{
    return ends_together(r) && (begins_before(r) || begins_together(r));
}

static bool starts(const struct relation *r)
{
    return begins_together(r) && (ends_before(r) || ends_together(r));
}

static bool is_started_by(const struct relation *r)
{
    return begins_together(r) && !ends_before(r);
}

static bool coincides(const struct relation *r)
{
    return begins_together(r) && ends_together(r);
}

static enum rc answer(struct feel_evaluation *ev, const struct feel_value *args, relation_fn *holds,
                      struct feel_value *ret)
{
    struct relation r;

    if (!relate(&args[0], &args[1], &r))
        return feel_is_null(ev, FEEL_REASON_TYPE, ret, "the ends have no order");
    *ret = feel_boolean(holds(&r));
    return RC_OK;
}

enum rc feel_builtin_before(struct feel_evaluation *ev, const struct feel_value *args,
                            struct feel_value *ret)
{
    return answer(ev, args, is_before, ret);
}

enum rc feel_builtin_after(struct feel_evaluation *ev, const struct feel_value *args,
                           struct feel_value *ret)
{
    return answer(ev, args, is_after, ret);
}

enum rc feel_builtin_meets(struct feel_evaluation *ev, const struct feel_value *args,
                           struct feel_value *ret)
{
    return answer(ev, args, meets, ret);
}

enum rc feel_builtin_met_by(struct feel_evaluation *ev, const struct feel_value *args,
                            struct feel_value *ret)
{
    return answer(ev, args, is_met_by, ret);
}

enum rc feel_builtin_overlaps(struct feel_evaluation *ev, const struct feel_value *args,
                              struct feel_value *ret)
{
    return answer(ev, args, overlaps, ret);
}

enum rc feel_builtin_overlaps_before(struct feel_evaluation *ev, const struct feel_value *args,
                                     struct feel_value *ret)
{
    return answer(ev, args, overlaps_before, ret);
}

enum rc feel_builtin_overlaps_after(struct feel_evaluation *ev, const struct feel_value *args,
                                    struct feel_value *ret)
{
    return answer(ev, args, overlaps_after, ret);
}

enum rc feel_builtin_finishes(struct feel_evaluation *ev, const struct feel_value *args,
                              struct feel_value *ret)
{
    return answer(ev, args, finishes, ret);
}

enum rc feel_builtin_finished_by(struct feel_evaluation *ev, const struct feel_value *args,
                                 struct feel_value *ret)
{
    return answer(ev, args, is_finished_by, ret);
}

enum rc feel_builtin_includes(struct feel_evaluation *ev, const struct feel_value *args,
                              struct feel_value *ret)
{
    return answer(ev, args, includes, ret);
}

enum rc feel_builtin_during(struct feel_evaluation *ev, const struct feel_value *args,
                            struct feel_value *ret)
{
    return answer(ev, args, is_during, ret);
}

enum rc feel_builtin_starts(struct feel_evaluation *ev, const struct feel_value *args,
                            struct feel_value *ret)
{
    return answer(ev, args, starts, ret);
}

enum rc feel_builtin_started_by(struct feel_evaluation *ev, const struct feel_value *args,
                                struct feel_value *ret)
{
    return answer(ev, args, is_started_by, ret);
}

enum rc feel_builtin_coincides(struct feel_evaluation *ev, const struct feel_value *args,
                               struct feel_value *ret)
{
    return answer(ev, args, coincides, ret);
}
