/* feel_list.c - functions on lists; positions count from 1, from the end when negative. */
#include "expr/feel_internal.h"

enum rc feel_equal_paid(struct feel_evaluation *ev, const struct feel_value *a,
                        const struct feel_value *b, enum feel_truth *ret)
{
    *ret = feel_equal(a, b);
    return feel_spend(ev, 1 + (a->weight < b->weight ? a->weight : b->weight));
}

/* Is the element in the items? Null equals null here. */
static enum rc has_item(struct feel_evaluation *ev, const struct feel_value *items, size_t n,
                        const struct feel_value *element, bool *ret)
{
    enum feel_truth equal;

    *ret = false;
    for (size_t i = 0; i < n && !*ret; i++) {
        enum rc rc = feel_equal_paid(ev, &items[i], element, &equal);

        if (rc)
            return rc;
        *ret = equal == FEEL_TRUE;
    }
    return RC_OK;
}

enum rc feel_builtin_list_contains(struct feel_evaluation *ev, const struct feel_value *args,
                                   struct feel_value *ret)
{
    bool found;
    enum rc rc = has_item(ev, args[0].list.items, args[0].list.n, &args[1], &found);

    *ret = feel_boolean(found);
    return rc;
}

enum rc feel_builtin_count(struct feel_evaluation *ev, const struct feel_value *args,
                           struct feel_value *ret)
{
    (void)ev;
    *ret = feel_number((int64_t)args[0].list.n);
    return RC_OK;
}

/* The index of a position of the list; false: outside it. */
static bool find_position(const struct feel_value *list, struct decimal position, size_t *ret)
{
    int64_t at, n = (int64_t)list->list.n;

    if (!decimal_to_i64(position, &at) || at == 0 || at > n || at < -n)
        return false;
    *ret = (size_t)(at > 0 ? at - 1 : n + at);
    return true;
}

static enum rc no_position(struct feel_evaluation *ev, const struct feel_value *list,
                           struct feel_value *ret)
{
    return feel_is_null(ev, FEEL_REASON_VALUE, ret, "no such position in a list of %zu",
                        list->list.n);
}

static enum rc add_items(struct feel_list_builder *b, const struct feel_value *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enum rc rc = feel_list_add(b, &items[i]);

        if (rc)
            return rc;
    }
    return RC_OK;
}

enum rc feel_builtin_sublist(struct feel_evaluation *ev, const struct feel_value *args,
                             struct feel_value *ret)
{
    size_t start;
    int64_t length = (int64_t)args[0].list.n;

    if (!find_position(&args[0], args[1].number, &start))
        return no_position(ev, &args[0], ret);
    if (args[2].kind == FEEL_NUMBER && !decimal_to_i64(args[2].number, &length))
        length = -1;
    size_t rest = args[0].list.n - start;
    if (length < 0 || (args[2].kind == FEEL_NUMBER && (uint64_t)length > rest))
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "sublist(): only %zu items from there",
                            rest);
    *ret = feel_list(args[0].list.items + start, (size_t)length < rest ? (size_t)length : rest);
    return feel_spend(ev, ret->list.n);
}

enum rc feel_builtin_append(struct feel_evaluation *ev, const struct feel_value *args,
                            struct feel_value *ret)
{
    struct feel_list_builder b = { .ev = ev };
    enum rc rc = add_items(&b, args[0].list.items, args[0].list.n);

    if (!rc)
        rc = add_items(&b, args[1].list.items, args[1].list.n);
    return rc ? rc : feel_list_done(&b, ret);
}

enum rc feel_builtin_concatenate(struct feel_evaluation *ev, const struct feel_value *args,
                                 struct feel_value *ret)
{
    struct feel_list_builder b = { .ev = ev };

    for (size_t i = 0; i < args[0].list.n; i++) {
        const struct feel_value *one = &args[0].list.items[i];
        enum rc rc = one->kind == FEEL_LIST ? add_items(&b, one->list.items, one->list.n)
                                            : add_items(&b, one, 1);

        if (rc)
            return rc;
    }
    return feel_list_done(&b, ret);
}

enum rc feel_builtin_insert_before(struct feel_evaluation *ev, const struct feel_value *args,
                                   struct feel_value *ret)
{
    struct feel_list_builder b = { .ev = ev };
    size_t at;

    if (!find_position(&args[0], args[1].number, &at))
        return no_position(ev, &args[0], ret);
    enum rc rc = add_items(&b, args[0].list.items, at);
    if (!rc)
        rc = feel_list_add(&b, &args[2]);
    if (!rc)
        rc = add_items(&b, args[0].list.items + at, args[0].list.n - at);
    return rc ? rc : feel_list_done(&b, ret);
}

enum rc feel_builtin_remove(struct feel_evaluation *ev, const struct feel_value *args,
                            struct feel_value *ret)
{
    struct feel_list_builder b = { .ev = ev };
    size_t at;

    if (!find_position(&args[0], args[1].number, &at))
        return no_position(ev, &args[0], ret);
    enum rc rc = add_items(&b, args[0].list.items, at);
    if (!rc)
        rc = add_items(&b, args[0].list.items + at + 1, args[0].list.n - at - 1);
    return rc ? rc : feel_list_done(&b, ret);
}

static enum rc is_replaced(struct feel_evaluation *ev, const struct feel_value *args, size_t i,
                           bool *ret, bool *ret_failed)
{
    struct feel_value pair[2] = { args[0].list.items[i], args[2] };
    struct feel_value match = { 0 };
    enum rc rc = feel_invoke(ev, args[1].function, pair, 2, &match);

    *ret = feel_truth(&match) == FEEL_TRUE;
    *ret_failed = match.kind != FEEL_BOOLEAN;
    return rc;
}

enum rc feel_builtin_list_replace(struct feel_evaluation *ev, const struct feel_value *args,
                                  struct feel_value *ret)
{
    struct feel_list_builder b = { .ev = ev };
    size_t at = 0;

    if (args[1].kind == FEEL_NUMBER && !find_position(&args[0], args[1].number, &at))
        return no_position(ev, &args[0], ret);
    for (size_t i = 0; i < args[0].list.n; i++) {
        bool replaced = i == at, failed = false;
        enum rc rc = RC_OK;

        if (args[1].kind == FEEL_FUNCTION)
            rc = is_replaced(ev, args, i, &replaced, &failed);
        if (!rc && failed)
            return feel_is_null(ev, FEEL_REASON_TYPE, ret, "list replace(): match is not boolean");
        if (!rc)
            rc = feel_list_add(&b, replaced ? &args[2] : &args[0].list.items[i]);
        if (rc)
            return rc;
    }
    return feel_list_done(&b, ret);
}

enum rc feel_builtin_reverse(struct feel_evaluation *ev, const struct feel_value *args,
                             struct feel_value *ret)
{
    struct feel_list_builder b = { .ev = ev };

    for (size_t i = args[0].list.n; i > 0; i--) {
        enum rc rc = feel_list_add(&b, &args[0].list.items[i - 1]);

        if (rc)
            return rc;
    }
    return feel_list_done(&b, ret);
}

enum rc feel_builtin_index_of(struct feel_evaluation *ev, const struct feel_value *args,
                              struct feel_value *ret)
{
    struct feel_list_builder b = { .ev = ev };
    enum feel_truth equal;

    for (size_t i = 0; i < args[0].list.n; i++) {
        struct feel_value position = feel_number((int64_t)i + 1);
        enum rc rc = feel_equal_paid(ev, &args[0].list.items[i], &args[1], &equal);

        if (!rc && equal == FEEL_TRUE)
            rc = feel_list_add(&b, &position);
        if (rc)
            return rc;
    }
    return feel_list_done(&b, ret);
}

enum rc feel_builtin_distinct_values(struct feel_evaluation *ev, const struct feel_value *args,
                                     struct feel_value *ret)
{
    struct feel_list_builder b = { .ev = ev };
    bool known;

    for (size_t i = 0; i < args[0].list.n; i++) {
        enum rc rc = has_item(ev, b.items, b.n, &args[0].list.items[i], &known);

        if (!rc && !known)
            rc = feel_list_add(&b, &args[0].list.items[i]);
        if (rc)
            return rc;
    }
    return feel_list_done(&b, ret);
}

enum rc feel_builtin_duplicate_values(struct feel_evaluation *ev, const struct feel_value *args,
                                      struct feel_value *ret)
{
    struct feel_list_builder b = { .ev = ev };
    const struct feel_value *items = args[0].list.items;
    bool before, listed;

    for (size_t i = 0; i < args[0].list.n; i++) {
        enum rc rc = has_item(ev, items, i, &items[i], &before);

        if (!rc)
            rc = has_item(ev, b.items, b.n, &items[i], &listed);
        if (!rc && before && !listed)
            rc = feel_list_add(&b, &items[i]);
        if (rc)
            return rc;
    }
    return feel_list_done(&b, ret);
}

enum rc feel_builtin_union(struct feel_evaluation *ev, const struct feel_value *args,
                           struct feel_value *ret)
{
    struct feel_value all = { 0 };
    enum rc rc = feel_builtin_concatenate(ev, args, &all);

    return rc ? rc : feel_builtin_distinct_values(ev, &all, ret);
}

static enum rc flatten_into(struct feel_list_builder *b, const struct feel_value *v)
{
    if (v->kind != FEEL_LIST)
        return feel_list_add(b, v);
    for (size_t i = 0; i < v->list.n; i++) {
        enum rc rc = flatten_into(b, &v->list.items[i]); /* nesting is bounded */

        if (rc)
            return rc;
    }
    return feel_spend(b->ev, 1);
}

enum rc feel_builtin_flatten(struct feel_evaluation *ev, const struct feel_value *args,
                             struct feel_value *ret)
{
    struct feel_list_builder b = { .ev = ev };
    enum rc rc = flatten_into(&b, &args[0]);

    return rc ? rc : feel_list_done(&b, ret);
}

/* ---- sort ---- */

struct sorting {
    struct feel_evaluation *ev;
    const struct feel_function *precedes; /* NULL: ascending */
    bool failed;
};

static enum rc comes_before(struct sorting *s, const struct feel_value *a,
                            const struct feel_value *b, bool *ret)
{
    struct feel_value pair[2] = { *a, *b };
    struct feel_value outcome = { 0 };
    int order;

    if (!s->precedes) {
        s->failed = s->failed || !feel_order(a, b, &order);
        *ret = !s->failed && order < 0;
        return feel_spend(s->ev, 1);
    }
    enum rc rc = feel_invoke(s->ev, s->precedes, pair, 2, &outcome);
    if (rc)
        return rc;
    s->failed = s->failed || outcome.kind != FEEL_BOOLEAN;
    *ret = feel_truth(&outcome) == FEEL_TRUE;
    return RC_OK;
}

/* Merges the sorted runs [0, middle) and [middle, n) of items; stable. */
static enum rc merge(struct sorting *s, struct feel_value *items, struct feel_value *spare,
                     size_t middle, size_t n)
{
    size_t left = 0, right = middle, out = 0;
    bool before;

    while (left < middle && right < n) {
        enum rc rc = comes_before(s, &items[right], &items[left], &before);

        if (rc)
            return rc;
        spare[out++] = before ? items[right++] : items[left++];
    }
    while (left < middle)
        spare[out++] = items[left++];
    memcpy(items, spare, out * sizeof(*items));
    return RC_OK;
}

enum rc feel_builtin_sort(struct feel_evaluation *ev, const struct feel_value *args,
                          struct feel_value *ret)
{
    struct sorting s = { .ev = ev,
                         .precedes = args[1].kind == FEEL_FUNCTION ? args[1].function : NULL };
    size_t n = args[0].list.n;
    struct feel_value *items = arena_array(ev->arena, struct feel_value, 2 * n + 1);

    if (!items)
        return arena_fail(ev->arena, ev->err, "list");
    if (n)
        memcpy(items, args[0].list.items, n * sizeof(*items));
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t at = 0; at + width < n; at += 2 * width) {
            size_t run = n - at < 2 * width ? n - at : 2 * width;
            enum rc rc = merge(&s, items + at, items + n, width, run);

            if (rc)
                return rc;
        }
    }
    if (s.failed)
        return feel_is_null(ev, FEEL_REASON_TYPE, ret, "sort(): two items have no order");
    *ret = feel_list(items, n);
    return feel_spend(ev, n);
}
