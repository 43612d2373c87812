/* feel_value.c - values: how they are made, when they are equal, how they are ordered. */
#include "expr/feel_internal.h"

struct feel_value feel_boolean(bool b)
{
    return (struct feel_value){ .kind = FEEL_BOOLEAN, .boolean = b };
}

struct feel_value feel_number(int64_t n)
{
    return (struct feel_value){ .kind = FEEL_NUMBER, .number = decimal_from_i64(n) };
}

struct feel_value feel_string(struct str text)
{
    return (struct feel_value){ .kind = FEEL_STRING, .string = text };
}

static void weigh(struct feel_value *whole, const struct feel_value *part)
{
    uint32_t weight = part->weight + 1;

    /* Saturates: what is heavier than FEEL_WEIGHT_MAX is refused anyway. */
    whole->weight = weight > UINT32_MAX - whole->weight ? UINT32_MAX - 1 : whole->weight + weight;
    if (part->nesting >= whole->nesting)
        whole->nesting = part->nesting + 1;
}

struct feel_value feel_list(const struct feel_value *items, size_t n)
{
    struct feel_value v = { .kind = FEEL_LIST, .nesting = 1, .list = { n, items } };

    for (size_t i = 0; i < n; i++)
        weigh(&v, &items[i]);
    return v;
}

struct feel_value feel_context(const struct feel_entry *entries, size_t n)
{
    struct feel_value v = { .kind = FEEL_CONTEXT, .nesting = 1, .context = { n, entries } };

    for (size_t i = 0; i < n; i++)
        weigh(&v, &entries[i].value);
    return v;
}

struct feel_value feel_as_list(const struct feel_value *v)
{
    if (v->kind == FEEL_LIST)
        return *v;
    return feel_list(v, v->kind == FEEL_NULL ? 0 : 1);
}

const struct feel_value *feel_find(const struct feel_value *v, struct str key)
{
    if (v->kind != FEEL_CONTEXT)
        return NULL;
    for (size_t i = 0; i < v->context.n; i++)
        if (str_equal(v->context.entries[i].key, key))
            return &v->context.entries[i].value;
    return NULL;
}

enum feel_truth feel_truth(const struct feel_value *v)
{
    if (v->kind != FEEL_BOOLEAN)
        return FEEL_UNDETERMINED;
    return v->boolean ? FEEL_TRUE : FEEL_FALSE;
}

struct feel_value feel_from_truth(enum feel_truth t)
{
    if (t == FEEL_UNDETERMINED)
        return (struct feel_value){ .kind = FEEL_NULL };
    return feel_boolean(t == FEEL_TRUE);
}

enum feel_truth feel_not(enum feel_truth t)
{
    return t == FEEL_UNDETERMINED ? t : t == FEEL_TRUE ? FEEL_FALSE : FEEL_TRUE;
}

static enum feel_truth truth_of(bool b)
{
    return b ? FEEL_TRUE : FEEL_FALSE;
}

/* ---- order ---- */

static int sign_of(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static bool order_times(const struct feel_moment *a, const struct feel_moment *b, int *ret)
{
    int64_t seconds[2];
    const struct feel_moment *m[2] = { a, b };
    bool same_clock = a->zone == b->zone && str_equal(a->zone_id, b->zone_id);

    for (int i = 0; i < 2; i++)
        seconds[i] = (m[i]->hour * 60 + m[i]->minute) * 60 + m[i]->second -
                     (m[i]->zone == FEEL_ZONE_OFFSET ? m[i]->offset_s : 0);
    /* A time of day has no date, so the offset of a zone id is not known: two of the same id can
     * be compared, others cannot. */
    if (!same_clock)
        return false;
    *ret = sign_of(seconds[0], seconds[1]);
    return true;
}

static bool order_moments(const struct feel_moment *a, const struct feel_moment *b, int *ret)
{
    int64_t utc[2];

    if (a->zone == FEEL_ZONE_LOCAL && b->zone == FEEL_ZONE_LOCAL) {
        *ret = sign_of(feel_local_seconds(a), feel_local_seconds(b));
        return true;
    }
    if (!feel_utc_seconds(a, &utc[0]) || !feel_utc_seconds(b, &utc[1]))
        return false;
    *ret = sign_of(utc[0], utc[1]);
    return true;
}

static bool order_dates(const struct feel_moment *a, const struct feel_moment *b, int *ret)
{
    *ret = sign_of(feel_days_from_date(a->year, a->month, a->day),
                   feel_days_from_date(b->year, b->month, b->day));
    return true;
}

bool feel_order(const struct feel_value *a, const struct feel_value *b, int *ret)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case FEEL_NUMBER: *ret = decimal_compare(a->number, b->number); return true;
    case FEEL_STRING: *ret = sign_of(str_compare(a->string, b->string), 0); return true;
    case FEEL_DATE: return order_dates(&a->moment, &b->moment, ret);
    case FEEL_TIME: return order_times(&a->moment, &b->moment, ret);
    case FEEL_DATE_TIME: return order_moments(&a->moment, &b->moment, ret);
    case FEEL_DAYS_DURATION: *ret = decimal_compare(a->seconds, b->seconds); return true;
    case FEEL_MONTHS_DURATION: *ret = sign_of(a->months, b->months); return true;
    case FEEL_NULL:
    case FEEL_BOOLEAN:
    case FEEL_LIST:
    case FEEL_CONTEXT:
    case FEEL_RANGE:
    case FEEL_FUNCTION:
    case FEEL_ANY: return false;
    }
    return false;
}

/* ---- equality ---- */

/* Of several parts: false wins, then undetermined. */
static enum feel_truth both(enum feel_truth a, enum feel_truth b)
{
    if (a == FEEL_FALSE || b == FEEL_FALSE)
        return FEEL_FALSE;
    return a == FEEL_TRUE ? b : a;
}

static enum feel_truth equal_lists(const struct feel_value *a, const struct feel_value *b)
{
    enum feel_truth result = truth_of(a->list.n == b->list.n);

    for (size_t i = 0; i < a->list.n && result != FEEL_FALSE; i++)
        result = both(result, feel_equal(&a->list.items[i], &b->list.items[i]));
    return result;
}

static enum feel_truth equal_contexts(const struct feel_value *a, const struct feel_value *b)
{
    enum feel_truth result = truth_of(a->context.n == b->context.n);

    for (size_t i = 0; i < a->context.n && result != FEEL_FALSE; i++) {
        const struct feel_value *other = feel_find(b, a->context.entries[i].key);

        result = other ? both(result, feel_equal(&a->context.entries[i].value, other)) : FEEL_FALSE;
    }
    return result;
}

static enum feel_truth equal_ranges(const struct feel_range *a, const struct feel_range *b)
{
    if (a->has_low != b->has_low || a->has_high != b->has_high || a->low_closed != b->low_closed ||
        a->high_closed != b->high_closed || a->relation != b->relation)
        return FEEL_FALSE;
    return both(feel_equal(&a->low, &b->low), feel_equal(&a->high, &b->high));
}

enum feel_truth feel_equal(const struct feel_value *a, const struct feel_value *b)
{
    int order;

    if (a->kind == FEEL_NULL || b->kind == FEEL_NULL)
        return truth_of(a->kind == b->kind);
    if (a->kind != b->kind)
        return FEEL_UNDETERMINED;
    switch (a->kind) {
    case FEEL_BOOLEAN: return truth_of(a->boolean == b->boolean);
    case FEEL_LIST: return equal_lists(a, b);
    case FEEL_CONTEXT: return equal_contexts(a, b);
    case FEEL_RANGE: return equal_ranges(a->range, b->range);
    case FEEL_FUNCTION: return FEEL_UNDETERMINED;
    case FEEL_NULL:
    case FEEL_NUMBER:
    case FEEL_STRING:
    case FEEL_DATE:
    case FEEL_TIME:
    case FEEL_DATE_TIME:
    case FEEL_DAYS_DURATION:
    case FEEL_MONTHS_DURATION:
    case FEEL_ANY: return feel_order(a, b, &order) ? truth_of(order == 0) : FEEL_UNDETERMINED;
    }
    return FEEL_UNDETERMINED;
}

/* ---- ranges ---- */

static enum feel_truth is_inside(const struct feel_value *v, const struct feel_value *bound,
                                 bool closed, int outside)
{
    int order;

    if (!feel_order(v, bound, &order))
        return FEEL_UNDETERMINED;
    return truth_of(order == 0 ? closed : order != outside);
}

enum feel_truth feel_contains(const struct feel_range *range, const struct feel_value *v)
{
    if (range->relation == FEEL_RANGE_EQUAL)
        return feel_equal(&range->low, v);
    if (range->relation == FEEL_RANGE_NOT_EQUAL)
        return feel_not(feel_equal(&range->low, v));

    enum feel_truth low =
        range->has_low ? is_inside(v, &range->low, range->low_closed, -1) : FEEL_TRUE;
    enum feel_truth high =
        range->has_high ? is_inside(v, &range->high, range->high_closed, 1) : FEEL_TRUE;
    return both(low, high);
}
