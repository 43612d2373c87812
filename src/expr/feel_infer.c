/* feel_infer.c - the fact of every kind of node but names, paths and calls. */
#include "expr/feel_check_internal.h"

static enum rc infer_kids(struct feel_checker *ck, const struct feel_node *node,
                          const struct feel_fact_scope *scope, struct feel_fact *ret, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enum rc rc = feel_infer(ck, node->kids[i], scope, &ret[i]);

        if (rc)
            return rc;
    }
    return RC_OK;
}

static unsigned truth_or_null(unsigned operands)
{
    return MAY_BE_TRUE | MAY_BE_FALSE | (operands & MAY_BE_NULL);
}

static struct feel_fact boolean_fact(unsigned may)
{
    struct feel_fact fact = feel_fact_of(FEEL_BOOLEAN);

    fact.may = may;
    fact.type.optional = may & MAY_BE_NULL;
    return fact;
}

/* ---- logic ---- */

static void expect_boolean(struct feel_checker *ck, const struct feel_node *node,
                           const struct feel_fact *fact, const char *where)
{
    if (!feel_fact_can_be(fact, FEEL_BOOLEAN))
        feel_problem(ck, node, "%s needs a boolean, not %s", where,
                     feel_kind_name(fact->type.kind));
}

/* All outcomes of "a and b"; with `or` they mirror. What is no boolean counts as null. */
static unsigned outcomes_of_and(unsigned a, unsigned b)
{
    unsigned may = 0;

    a |= a & MAY_BE_OTHER ? MAY_BE_NULL : 0;
    b |= b & MAY_BE_OTHER ? MAY_BE_NULL : 0;
    may |= (a | b) & MAY_BE_FALSE;
    may |= a & b & MAY_BE_TRUE;
    if ((a & MAY_BE_NULL && b & (MAY_BE_NULL | MAY_BE_TRUE)) ||
        (b & MAY_BE_NULL && a & (MAY_BE_NULL | MAY_BE_TRUE)))
        may |= MAY_BE_NULL;
    return may;
}

static struct feel_fact infer_logic(struct feel_checker *ck, const struct feel_node *node,
                                    const struct feel_fact kids[2])
{
    for (size_t i = 0; i < 2; i++)
        expect_boolean(ck, node->kids[i], &kids[i], feel_operator_text(node->op));
    if (node->op == FEEL_AND)
        return boolean_fact(outcomes_of_and(kids[0].may, kids[1].may));
    return boolean_fact(
        feel_may_not(outcomes_of_and(feel_may_not(kids[0].may), feel_may_not(kids[1].may))));
}

/* ---- comparison ---- */

static bool is_known(const struct feel_fact *fact)
{
    return fact->type.kind != FEEL_ANY && fact->type.kind != FEEL_NULL;
}

static bool has_order(enum feel_kind kind)
{
    return kind >= FEEL_NUMBER && kind <= FEEL_MONTHS_DURATION;
}

/* Of one kind and yet without an order: with and without a time zone, or what holds such values. */
static bool may_have_no_order(const struct feel_fact *a, const struct feel_fact *b)
{
    enum feel_kind kind = a->type.kind == FEEL_NULL ? b->type.kind : a->type.kind;

    return !is_known(a) || !is_known(b) || kind == FEEL_TIME || kind == FEEL_DATE_TIME ||
           kind >= FEEL_LIST;
}

static struct feel_fact infer_equality(struct feel_checker *ck, const struct feel_node *node,
                                       const struct feel_fact kids[2])
{
    const struct feel_fact *a = &kids[0], *b = &kids[1];
    unsigned may = MAY_BE_TRUE | MAY_BE_FALSE;

    if (is_known(a) && is_known(b) && a->type.kind != b->type.kind)
        feel_problem(ck, node, "cannot compare %s %s %s", feel_kind_name(a->type.kind),
                     feel_operator_text(node->op), feel_kind_name(b->type.kind));
    if (may_have_no_order(a, b))
        ck->may_fail = true;
    if (a->may == MAY_BE_NULL && b->may == MAY_BE_NULL)
        may = MAY_BE_TRUE;
    else if ((a->may == MAY_BE_NULL && !(b->may & MAY_BE_NULL)) ||
             (b->may == MAY_BE_NULL && !(a->may & MAY_BE_NULL)))
        may = MAY_BE_FALSE;
    return boolean_fact(node->op == FEEL_EQUAL ? may : feel_may_not(may));
}

static struct feel_fact infer_order(struct feel_checker *ck, const struct feel_node *node,
                                    const struct feel_fact kids[2])
{
    const struct feel_fact *a = &kids[0], *b = &kids[1];

    if ((is_known(a) && !has_order(a->type.kind)) || (is_known(b) && !has_order(b->type.kind)) ||
        (is_known(a) && is_known(b) && a->type.kind != b->type.kind))
        feel_problem(ck, node, "cannot compare %s %s %s", feel_kind_name(a->type.kind),
                     feel_operator_text(node->op), feel_kind_name(b->type.kind));
    if (may_have_no_order(a, b))
        ck->may_fail = true;
    if (a->may == MAY_BE_NULL || b->may == MAY_BE_NULL)
        return boolean_fact(MAY_BE_NULL);
    return boolean_fact(truth_or_null(a->may | b->may));
}

/* ---- arithmetic ---- */

static bool is_duration(enum feel_kind kind)
{
    return kind == FEEL_DAYS_DURATION || kind == FEEL_MONTHS_DURATION;
}

static bool is_moment(enum feel_kind kind)
{
    return kind >= FEEL_DATE && kind <= FEEL_DATE_TIME;
}

/* The kind of a op b; FEEL_NULL: there is none. */
static enum feel_kind arithmetic_kind(enum feel_operator op, enum feel_kind a, enum feel_kind b)
{
    bool sum = op == FEEL_ADD || op == FEEL_SUBTRACT;

    if (a == FEEL_NUMBER && b == FEEL_NUMBER)
        return FEEL_NUMBER;
    if (op == FEEL_ADD && a == FEEL_STRING && b == FEEL_STRING)
        return FEEL_STRING;
    if (sum && is_moment(a) && is_duration(b))
        return a == FEEL_TIME && b == FEEL_MONTHS_DURATION ? FEEL_NULL : a;
    if (op == FEEL_ADD && is_duration(a) && is_moment(b))
        return arithmetic_kind(op, b, a);
    if (op == FEEL_SUBTRACT && is_moment(a) && is_moment(b))
        return (a == FEEL_TIME) == (b == FEEL_TIME) ? FEEL_DAYS_DURATION : FEEL_NULL;
    if (is_duration(a) && a == b)
        return sum ? a : op == FEEL_DIVIDE ? FEEL_NUMBER : FEEL_NULL;
    if (is_duration(a) && b == FEEL_NUMBER && (op == FEEL_MULTIPLY || op == FEEL_DIVIDE))
        return a;
    return a == FEEL_NUMBER && is_duration(b) && op == FEEL_MULTIPLY ? b : FEEL_NULL;
}

static struct feel_fact infer_arithmetic(struct feel_checker *ck, const struct feel_node *node,
                                         const struct feel_fact kids[2])
{
    const struct feel_fact *a = &kids[0], *b = &kids[1];
    unsigned null = (a->may | b->may) & MAY_BE_NULL;
    struct feel_fact fact = feel_fact_unknown();

    if (node->op == FEEL_DIVIDE || node->op == FEEL_POWER || !is_known(a) || !is_known(b) ||
        (is_moment(a->type.kind) && is_moment(b->type.kind)))
        ck->may_fail = true;
    if (is_known(a) && is_known(b)) {
        enum feel_kind kind = arithmetic_kind(node->op, a->type.kind, b->type.kind);

        if (kind == FEEL_NULL)
            feel_problem(ck, node, "cannot compute %s %s %s", feel_kind_name(a->type.kind),
                         feel_operator_text(node->op), feel_kind_name(b->type.kind));
        else
            fact = feel_fact_of(kind);
    }
    fact.may = (fact.may & ~(unsigned)MAY_BE_NULL) | null;
    if (a->may == MAY_BE_NULL || b->may == MAY_BE_NULL)
        fact.may = MAY_BE_NULL;
    return fact;
}

static enum rc infer_binary(struct feel_checker *ck, const struct feel_node *node,
                            const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    struct feel_fact kids[2] = { 0 };
    enum rc rc = infer_kids(ck, node, scope, kids, 2);

    if (rc)
        return rc;
    if (node->op == FEEL_AND || node->op == FEEL_OR)
        *ret = infer_logic(ck, node, kids);
    else if (node->op == FEEL_EQUAL || node->op == FEEL_NOT_EQUAL)
        *ret = infer_equality(ck, node, kids);
    else if (node->op < FEEL_ADD)
        *ret = infer_order(ck, node, kids);
    else
        *ret = infer_arithmetic(ck, node, kids);
    return RC_OK;
}

static enum rc infer_negate(struct feel_checker *ck, const struct feel_node *node,
                            const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    enum rc rc = feel_infer(ck, node->kids[0], scope, ret);

    ret->origin = NULL;
    if (!rc && is_known(ret) && ret->type.kind != FEEL_NUMBER && !is_duration(ret->type.kind))
        feel_problem(ck, node, "cannot negate %s", feel_kind_name(ret->type.kind));
    return rc;
}

static enum rc infer_between(struct feel_checker *ck, const struct feel_node *node,
                             const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    struct feel_fact kids[3] = { 0 };
    enum rc rc = infer_kids(ck, node, scope, kids, 3);

    if (rc)
        return rc;
    for (size_t i = 1; i < 3; i++)
        if (is_known(&kids[0]) && is_known(&kids[i]) &&
            (kids[0].type.kind != kids[i].type.kind || !has_order(kids[0].type.kind)))
            feel_problem(ck, node->kids[i], "cannot compare %s with %s",
                         feel_kind_name(kids[0].type.kind), feel_kind_name(kids[i].type.kind));
    *ret = boolean_fact(truth_or_null(kids[0].may | kids[1].may | kids[2].may));
    return RC_OK;
}

/* ---- in ---- */

/* A range or list is tested by what is in it; two levels: a list of ranges. */
static struct feel_fact tested_kind(const struct feel_fact *v, const struct feel_fact *test)
{
    struct feel_fact inner = *test;

    for (int i = 0; i < 2 && inner.type.kind != v->type.kind; i++)
        inner = feel_fact_item(&inner);
    return inner;
}

static enum rc infer_in(struct feel_checker *ck, const struct feel_node *node,
                        const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    static const struct str tested[] = { { "?", 1 } };
    struct feel_fact v = { 0 }, test = { 0 };
    unsigned may = MAY_BE_TRUE | MAY_BE_FALSE;
    enum rc rc = feel_infer(ck, node->kids[0], scope, &v);

    if (rc)
        return rc;
    struct feel_fact_scope inner = { .outer = scope, .n = 1, .names = tested, .facts = &v };
    for (size_t i = 1; i < node->n_kids; i++) {
        rc = feel_infer(ck, node->kids[i], &inner, &test);
        if (rc)
            return rc;
        struct feel_fact kind = tested_kind(&v, &test);
        bool condition = node->reads_tested && feel_fact_can_be(&test, FEEL_BOOLEAN);
        if (is_known(&v) && is_known(&kind) && v.type.kind != kind.type.kind && !condition)
            feel_problem(ck, node->kids[i], "cannot find %s in %s", feel_kind_name(v.type.kind),
                         feel_kind_name(test.type.kind));
        /* null is in no list and equals no value, but whether it is in a range is unknown */
        if (test.type.kind == FEEL_RANGE || test.type.kind == FEEL_ANY || condition)
            may |= (v.may | test.may) & MAY_BE_NULL;
    }
    *ret = boolean_fact(may);
    return RC_OK;
}

/* ---- the forms ---- */

static enum rc infer_if(struct feel_checker *ck, const struct feel_node *node,
                        const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    struct feel_fact kids[3] = { 0 };
    enum rc rc = infer_kids(ck, node, scope, kids, 3);

    if (rc)
        return rc;
    expect_boolean(ck, node->kids[0], &kids[0], "'if'");
    if (kids[0].may == MAY_BE_TRUE)
        *ret = kids[1];
    else if (!(kids[0].may & MAY_BE_TRUE))
        *ret = kids[2];
    else
        *ret = feel_fact_join(&kids[1], &kids[2]);
    return RC_OK;
}

static enum rc infer_list(struct feel_checker *ck, const struct feel_node *node,
                          const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    struct feel_fact item = feel_fact_unknown(), next = { 0 };

    for (size_t i = 0; i < node->n_kids; i++) {
        enum rc rc = feel_infer(ck, node->kids[i], scope, &next);

        if (rc)
            return rc;
        item = i == 0 ? next : feel_fact_join(&item, &next);
    }
    return feel_fact_list(ck, &item, ret);
}

static enum rc infer_context(struct feel_checker *ck, const struct feel_node *node,
                             const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    struct feel_field *fields = arena_array(ck->arena, struct feel_field, node->n_kids + 1);
    struct feel_fact context = feel_fact_of(FEEL_CONTEXT), entry = { 0 };
    struct feel_fact_scope inner = { .outer = scope, .context = &context };

    if (!fields)
        return arena_fail(ck->arena, ck->err, "type");
    context.type.fields = fields;
    context.type.open = false;
    for (size_t i = 0; i < node->n_kids; i++) {
        bool function = node->kids[i]->kind == FEEL_NODE_FUNCTION;

        fields[i].name = node->names[i];
        fields[i].type = (struct feel_type){ .kind = FEEL_FUNCTION };
        context.type.n_fields = function ? i + 1 : i; /* a function may call itself */
        enum rc rc = feel_infer(ck, node->kids[i], &inner, &entry);
        if (rc)
            return rc;
        fields[i].type = entry.type;
        fields[i].type.optional = entry.may & MAY_BE_NULL;
        context.type.n_fields = i + 1;
    }
    *ret = context;
    return RC_OK;
}

static enum rc infer_range(struct feel_checker *ck, const struct feel_node *node,
                           const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    struct feel_fact ends[2] = { 0 };
    enum rc rc = infer_kids(ck, node, scope, ends, node->n_kids);

    if (rc)
        return rc;
    if (node->n_kids == 2 && is_known(&ends[0]) && is_known(&ends[1]) &&
        ends[0].type.kind != ends[1].type.kind)
        feel_problem(ck, node, "a range from %s to %s", feel_kind_name(ends[0].type.kind),
                     feel_kind_name(ends[1].type.kind));
    rc = feel_fact_list(ck, &ends[0], ret);
    ret->type.kind = FEEL_RANGE;
    /* A range with a null end is a range, but nothing is known to be in it. */
    ret->may = MAY_BE_OTHER | (ends[0].may & MAY_BE_NULL) |
               (node->n_kids == 2 ? ends[1].may & MAY_BE_NULL : 0);
    return rc;
}

/* Iterated are whole numbers and dates, which ends alone cannot promise. */
static void check_span(struct feel_checker *ck, const struct feel_node *node,
                       const struct feel_fact *end)
{
    ck->may_fail = true;
    if (is_known(end) && end->type.kind != FEEL_NUMBER && end->type.kind != FEEL_DATE)
        feel_problem(ck, node, "cannot iterate over a range of %s", feel_kind_name(end->type.kind));
}

static enum rc infer_iteration(struct feel_checker *ck, const struct feel_node *node,
                               const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    struct feel_fact facts[FEEL_ITERATORS_MAX + 1] = { 0 }, body = { 0 };
    struct str names[FEEL_ITERATORS_MAX + 1];
    struct feel_fact_scope inner = { .outer = scope, .names = names, .facts = facts };
    unsigned null = 0;

    for (size_t i = 0; i < node->n_names; i++) {
        struct feel_fact source = { 0 };
        enum rc rc = feel_infer(ck, node->kids[i], &inner, &source);

        if (rc)
            return rc;
        null |= source.may & MAY_BE_NULL;
        facts[i] = feel_fact_item(&source);
        if (source.type.kind == FEEL_RANGE)
            check_span(ck, node->kids[i], &facts[i]);
        names[i] = node->names[i];
        inner.n = i + 1;
    }
    if (node->kind == FEEL_NODE_FOR) {
        facts[inner.n] = feel_fact_of(FEEL_LIST);
        names[inner.n++] = STR("partial");
    }
    enum rc rc = feel_infer(ck, node->kids[node->n_kids - 1], &inner, &body);
    if (rc)
        return rc;
    if (node->kind == FEEL_NODE_FOR) {
        rc = feel_fact_list(ck, &body, ret);
        ret->may |= null;
        return rc;
    }
    expect_boolean(ck, node->kids[node->n_kids - 1], &body, "'satisfies'");
    *ret = boolean_fact(truth_or_null(null | body.may));
    return RC_OK;
}

static enum rc infer_filter(struct feel_checker *ck, const struct feel_node *node,
                            const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    static const struct str names[] = { { "item", 4 } };
    struct feel_fact of = { 0 }, filter = { 0 };
    enum rc rc = feel_infer(ck, node->kids[0], scope, &of);

    if (rc)
        return rc;
    struct feel_fact item = feel_fact_item(&of);
    struct feel_fact_scope named = { .outer = scope, .n = 1, .names = names, .facts = &item };
    struct feel_fact_scope inner = { .outer = &named };
    if (item.type.kind == FEEL_CONTEXT || item.type.kind == FEEL_ANY)
        inner.context = &item;
    rc = feel_infer(ck, node->kids[1], &inner, &filter);
    if (rc)
        return rc;
    if (is_known(&filter) && filter.type.kind != FEEL_BOOLEAN && filter.type.kind != FEEL_NUMBER)
        feel_problem(ck, node->kids[1], "a filter is boolean or number, not %s",
                     feel_kind_name(filter.type.kind));
    if (filter.type.kind == FEEL_NUMBER) {
        ck->may_fail = true;
        *ret = item;
        ret->may |= of.may & MAY_BE_NULL;
        return RC_OK;
    }
    *ret = of;
    if (filter.type.kind != FEEL_BOOLEAN)
        *ret = feel_fact_unknown();
    else if (of.type.kind != FEEL_LIST)
        rc = feel_fact_list(ck, &item, ret);
    if (of.may == MAY_BE_NULL)
        ret->may = MAY_BE_NULL;
    else if (filter.type.kind == FEEL_BOOLEAN)
        ret->may = MAY_BE_OTHER | (of.may & MAY_BE_NULL);
    ret->origin = of.origin;
    return rc;
}

static enum rc infer_function(struct feel_checker *ck, const struct feel_node *node,
                              const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    struct feel_fact *facts = arena_array(ck->arena, struct feel_fact, node->n_names + 1);
    struct feel_fact body = { 0 };

    if (!facts)
        return arena_fail(ck->arena, ck->err, "type");
    for (size_t i = 0; i < node->n_names; i++)
        facts[i] = feel_fact_of_type(&node->types[i], NULL);
    struct feel_fact_scope inner = {
        .outer = scope, .n = node->n_names, .names = node->names, .facts = facts
    };
    *ret = feel_fact_of(FEEL_FUNCTION);
    return feel_infer(ck, node->kids[0], &inner, &body);
}

static enum rc infer_literal(const struct feel_node *node, struct feel_fact *ret)
{
    *ret = feel_fact_of(node->value.kind);
    if (node->value.kind == FEEL_BOOLEAN)
        ret->may = node->value.boolean ? MAY_BE_TRUE : MAY_BE_FALSE;
    return RC_OK;
}

enum rc feel_infer(struct feel_checker *ck, const struct feel_node *node,
                   const struct feel_fact_scope *scope, struct feel_fact *ret)
{
    struct feel_fact kid = { 0 };
    enum rc rc;

    switch (node->kind) {
    case FEEL_NODE_LITERAL: return infer_literal(node, ret);
    case FEEL_NODE_NAME: return feel_infer_name(ck, node, scope, true, ret);
    case FEEL_NODE_PATH: return feel_infer_path(ck, node, scope, true, ret);
    case FEEL_NODE_FILTER: return infer_filter(ck, node, scope, ret);
    case FEEL_NODE_CALL: return feel_infer_call(ck, node, scope, ret);
    case FEEL_NODE_NEGATE: return infer_negate(ck, node, scope, ret);
    case FEEL_NODE_BINARY: return infer_binary(ck, node, scope, ret);
    case FEEL_NODE_BETWEEN: return infer_between(ck, node, scope, ret);
    case FEEL_NODE_IN: return infer_in(ck, node, scope, ret);
    case FEEL_NODE_INSTANCE:
        rc = feel_infer(ck, node->kids[0], scope, &kid);
        *ret = boolean_fact(MAY_BE_TRUE | MAY_BE_FALSE);
        return rc;
    case FEEL_NODE_IF: return infer_if(ck, node, scope, ret);
    case FEEL_NODE_FOR:
    case FEEL_NODE_SOME:
    case FEEL_NODE_EVERY: return infer_iteration(ck, node, scope, ret);
    case FEEL_NODE_LIST: return infer_list(ck, node, scope, ret);
    case FEEL_NODE_CONTEXT: return infer_context(ck, node, scope, ret);
    case FEEL_NODE_SPAN:
    case FEEL_NODE_RANGE:
    case FEEL_NODE_TEST: return infer_range(ck, node, scope, ret);
    case FEEL_NODE_FUNCTION: return infer_function(ck, node, scope, ret);
    }
    assert_fail("node->kind is an enum feel_node_kind", __FILE__, __LINE__);
}
