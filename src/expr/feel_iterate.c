/* feel_iterate.c - for, some, every and filters: everything that evaluates a body per item. */
#include "expr/feel_internal.h"

/* ---- lists under construction ---- */

enum rc feel_check_size(struct feel_evaluation *ev, const struct feel_value *v)
{
    if (v->weight > FEEL_WEIGHT_MAX)
        return err_set(ev->err, RC_LIMIT, "line %u, column %u: a value of more than %d parts",
                       ev->at->line, ev->at->column, FEEL_WEIGHT_MAX);
    if (v->nesting > FEEL_NESTING_MAX)
        return err_set(ev->err, RC_LIMIT, "line %u, column %u: a value nested deeper than %d",
                       ev->at->line, ev->at->column, FEEL_NESTING_MAX);
    return RC_OK;
}

enum rc feel_list_add(struct feel_list_builder *b, const struct feel_value *item)
{
    struct feel_evaluation *ev = b->ev;

    if (b->n >= ev->limits->list_length)
        return err_set(ev->err, RC_LIMIT, "line %u, column %u: list of more than %zu items",
                       ev->at->line, ev->at->column, ev->limits->list_length);
    if (b->n == b->capacity) {
        size_t capacity = b->capacity ? 2 * b->capacity : 4;
        struct feel_value *items = arena_array(ev->arena, struct feel_value, capacity);

        if (!items)
            return arena_fail(ev->arena, ev->err, "list");
        if (b->n)
            memcpy(items, b->items, b->n * sizeof(*items));
        b->items = items;
        b->capacity = capacity;
    }
    b->items[b->n++] = *item;
    return feel_spend(ev, 1);
}

enum rc feel_list_done(const struct feel_list_builder *b, struct feel_value *ret)
{
    *ret = feel_list(b->items, b->n);
    return feel_check_size(b->ev, ret);
}

/* ---- what is iterated over ---- */

/* Items of a list, or the numbers or dates of a span, without making a list of them. */
struct domain {
    struct feel_value list; /* FEEL_LIST, or null for a span */
    enum feel_kind kind;    /* of a span: FEEL_NUMBER or FEEL_DATE */
    int64_t from, step;
    size_t n;
};

static bool span_end(const struct feel_value *v, enum feel_kind kind, int64_t *ret)
{
    if (v->kind != kind)
        return false;
    if (kind == FEEL_DATE) {
        *ret = feel_days_from_date(v->moment.year, v->moment.month, v->moment.day);
        return true;
    }
    return kind == FEEL_NUMBER && decimal_is_integer(v->number) && decimal_to_i64(v->number, ret) &&
           *ret > INT64_MIN / 4 && *ret < INT64_MAX / 4;
}

static bool span_domain(const struct feel_range *range, bool may_descend, struct domain *ret)
{
    int64_t low, high;

    if (!span_end(&range->low, range->low.kind, &low) ||
        !span_end(&range->high, range->low.kind, &high))
        return false;
    ret->kind = range->low.kind;
    ret->step = low <= high ? 1 : -1;
    if (low > high && !may_descend)
        return false;
    if (!may_descend) {
        low += range->low_closed ? 0 : 1;
        high -= range->high_closed ? 0 : 1;
    }
    ret->from = low;
    ret->n = ret->step < 0 ? (size_t)(low - high) + 1 : low > high ? 0 : (size_t)(high - low) + 1;
    return true;
}

/* false, with *ret_value null and a reason, when the source cannot be iterated. */
static bool open_domain(struct feel_evaluation *ev, const struct feel_node *source,
                        const struct feel_value *v, struct domain *ret)
{
    struct feel_value ignored = { 0 };

    *ret = (struct domain){ 0 };
    ev->at = source;
    if (v->kind == FEEL_RANGE) {
        if (span_domain(v->range, source->kind == FEEL_NODE_SPAN, ret))
            return true;
        IGNORE_RC(feel_is_null(ev, FEEL_REASON_TYPE, &ignored,
                               "cannot iterate from %s to %s: whole numbers or dates, in order",
                               feel_kind_name(v->range->low.kind),
                               feel_kind_name(v->range->high.kind)));
        return false;
    }
    if (v->kind == FEEL_NULL) {
        IGNORE_RC(feel_is_null(ev, FEEL_REASON_TYPE, &ignored, "cannot iterate over null"));
        return false;
    }
    ret->list = feel_as_list(v);
    ret->n = ret->list.list.n;
    return true;
}

static struct feel_value domain_item(const struct domain *d, size_t i)
{
    if (d->list.kind == FEEL_LIST)
        return d->list.list.items[i];

    int64_t at = d->from + d->step * (int64_t)i;
    struct feel_value item = feel_number(at);
    if (d->kind == FEEL_DATE) {
        item = (struct feel_value){ .kind = FEEL_DATE };
        ASSERT(feel_date_from_days(at, &item.moment)); /* between two valid dates */
    }
    return item;
}

/* ---- for, some, every ---- */

struct iteration {
    struct feel_evaluation *ev;
    const struct feel_node *node;
    struct feel_list_builder results; /* for */
    uint32_t weight, nesting;         /* of the results so far */
    enum feel_truth truth;            /* some, every */
    bool failed;                      /* a source could not be iterated: the result is null */
};

static bool is_decided(const struct iteration *it)
{
    return it->failed || (it->node->kind == FEEL_NODE_SOME && it->truth == FEEL_TRUE) ||
           (it->node->kind == FEEL_NODE_EVERY && it->truth == FEEL_FALSE);
}

static enum rc take_body(struct iteration *it, const struct feel_scope *scope)
{
    struct feel_value v = { 0 };
    enum rc rc = feel_evaluate(it->ev, it->node->kids[it->node->n_kids - 1], scope, &v);

    if (rc)
        return rc;
    if (it->node->kind == FEEL_NODE_FOR) {
        it->nesting = v.nesting > it->nesting ? v.nesting : it->nesting;
        it->weight += it->weight > FEEL_WEIGHT_MAX ? 0
                      : v.weight > FEEL_WEIGHT_MAX ? FEEL_WEIGHT_MAX
                                                   : v.weight + 1;
        return feel_list_add(&it->results, &v);
    }

    enum feel_truth decides = it->node->kind == FEEL_NODE_SOME ? FEEL_TRUE : FEEL_FALSE;
    if (feel_truth(&v) == decides || feel_truth(&v) == FEEL_UNDETERMINED)
        it->truth = feel_truth(&v);
    return RC_OK;
}

static enum rc iterate(struct iteration *it, size_t depth, const struct feel_scope *scope);

/* One item of one iterator: a scope of its own, since a function made in the body may keep it. */
static enum rc iterate_item(struct iteration *it, size_t depth, const struct feel_scope *scope,
                            const struct feel_value *item)
{
    struct feel_scope *inner = arena_new(it->ev->arena, struct feel_scope);
    struct feel_value *values = arena_array(it->ev->arena, struct feel_value, 2);
    struct str *names = arena_array(it->ev->arena, struct str, 2);

    if (!inner || !values || !names)
        return arena_fail(it->ev->arena, it->ev->err, "scope of an iteration");
    names[0] = it->node->names[depth];
    values[0] = *item;
    *inner = (struct feel_scope){ .outer = scope, .n = 1, .names = names, .values = values };
    if (it->node->kind == FEEL_NODE_FOR) {
        names[1] = STR("partial");
        values[1] = (struct feel_value){ .kind = FEEL_LIST,
                                         .weight = it->weight,
                                         .nesting = it->nesting + 1,
                                         .list = { it->results.n, it->results.items } };
        inner->n = 2;
    }
    return iterate(it, depth + 1, inner);
}

static enum rc iterate(struct iteration *it, size_t depth, const struct feel_scope *scope)
{
    struct feel_value source = { 0 };
    struct domain domain;

    if (depth == it->node->n_names)
        return take_body(it, scope);
    enum rc rc = feel_evaluate(it->ev, it->node->kids[depth], scope, &source);
    if (rc)
        return rc;
    if (!open_domain(it->ev, it->node->kids[depth], &source, &domain)) {
        it->failed = true;
        return RC_OK;
    }
    for (size_t i = 0; i < domain.n && !is_decided(it); i++) {
        struct feel_value item = domain_item(&domain, i);

        rc = feel_spend(it->ev, 1);
        if (!rc)
            rc = iterate_item(it, depth, scope, &item);
        if (rc)
            return rc;
    }
    return RC_OK;
}

enum rc feel_evaluate_for(struct feel_evaluation *ev, const struct feel_node *node,
                          const struct feel_scope *scope, struct feel_value *ret)
{
    struct iteration it = { .ev = ev, .node = node, .results = { .ev = ev } };
    enum rc rc = iterate(&it, 0, scope);

    if (rc)
        return rc;
    *ret = (struct feel_value){ .kind = FEEL_NULL };
    return it.failed ? RC_OK : feel_list_done(&it.results, ret);
}

enum rc feel_evaluate_quantified(struct feel_evaluation *ev, const struct feel_node *node,
                                 const struct feel_scope *scope, struct feel_value *ret)
{
    struct iteration it = { .ev = ev,
                            .node = node,
                            .truth = node->kind == FEEL_NODE_SOME ? FEEL_FALSE : FEEL_TRUE };
    enum rc rc = iterate(&it, 0, scope);

    if (rc)
        return rc;
    *ret = feel_from_truth(it.failed ? FEEL_UNDETERMINED : it.truth);
    return RC_OK;
}

/* ---- filters ---- */

static enum rc pick(struct feel_evaluation *ev, const struct feel_value *list,
                    struct decimal position, struct feel_value *ret)
{
    int64_t at;

    if (!decimal_to_i64(position, &at))
        at = 0;
    size_t n = list->list.n;
    if (at > 0 && (uint64_t)at <= n)
        *ret = list->list.items[at - 1];
    else if (at < 0 && at >= -(int64_t)n)
        *ret = list->list.items[(int64_t)n + at];
    else
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "no item %lld in a list of %zu",
                            (long long)at, n);
    return RC_OK;
}

/* The scope of one item: the entries of a context come before `item`. */
static enum rc item_scope(struct feel_evaluation *ev, const struct feel_value *item,
                          const struct feel_scope *outer, const struct feel_scope **ret)
{
    static const struct str names[] = { { "item", 4 } };
    struct feel_scope *scopes = arena_array(ev->arena, struct feel_scope, 2);

    if (!scopes)
        return arena_fail(ev->arena, ev->err, "scope of a filter");
    scopes[0] = (struct feel_scope){ .outer = outer, .n = 1, .names = names, .values = item };
    scopes[1] = (struct feel_scope){ .outer = &scopes[0], .context = item };
    *ret = item->kind == FEEL_CONTEXT ? &scopes[1] : &scopes[0];
    return RC_OK;
}

/* With no item the filter is evaluated once over null, only to see whether it is a position. */
static enum rc filter_empty(struct feel_evaluation *ev, const struct feel_node *node,
                            const struct feel_scope *outer, const struct feel_value *list,
                            struct feel_value *ret)
{
    static const struct feel_value null = { .kind = FEEL_NULL };
    size_t n_diagnostics = ev->diagnostics->n;
    const struct feel_scope *scope = NULL;
    struct feel_value v = { 0 };
    enum rc rc = item_scope(ev, &null, outer, &scope);

    if (!rc)
        rc = feel_evaluate(ev, node->kids[1], scope, &v);
    if (rc)
        return rc;
    ev->diagnostics->n = n_diagnostics;
    ev->at = node;
    if (v.kind == FEEL_NUMBER)
        return pick(ev, list, v.number, ret);
    *ret = feel_list(NULL, 0);
    return RC_OK;
}

static enum rc filter_items(struct feel_evaluation *ev, const struct feel_node *node,
                            const struct feel_scope *outer, const struct feel_value *list,
                            struct feel_value *ret)
{
    struct feel_list_builder kept = { .ev = ev };
    const struct feel_scope *scope = NULL;
    struct feel_value v = { 0 };

    for (size_t i = 0; i < list->list.n; i++) {
        enum rc rc = item_scope(ev, &list->list.items[i], outer, &scope);

        if (!rc)
            rc = feel_evaluate(ev, node->kids[1], scope, &v);
        if (rc)
            return rc;
        ev->at = node;
        if (i == 0 && v.kind == FEEL_NUMBER)
            return pick(ev, list, v.number, ret);
        if (v.kind != FEEL_BOOLEAN && v.kind != FEEL_NULL)
            return feel_is_null(ev, FEEL_REASON_TYPE, ret, "a filter is boolean or number, not %s",
                                feel_kind_name(v.kind));
        if (feel_truth(&v) == FEEL_TRUE)
            rc = feel_list_add(&kept, &list->list.items[i]);
        if (rc)
            return rc;
    }
    return feel_list_done(&kept, ret);
}

enum rc feel_evaluate_filter(struct feel_evaluation *ev, const struct feel_node *node,
                             const struct feel_scope *scope, struct feel_value *ret)
{
    struct feel_value *of = arena_new(ev->arena, struct feel_value); /* scopes may keep its item */

    if (!of)
        return arena_fail(ev->arena, ev->err, "filtered value");
    enum rc rc = feel_evaluate(ev, node->kids[0], scope, of);
    if (rc)
        return rc;

    struct feel_value list = feel_as_list(of);
    ev->at = node;
    if (of->kind == FEEL_NULL)
        return feel_is_null(ev, FEEL_REASON_TYPE, ret, "cannot filter null");
    if (list.list.n == 0)
        return filter_empty(ev, node, scope, &list, ret);
    return filter_items(ev, node, scope, &list, ret);
}
