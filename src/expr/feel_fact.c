/* feel_fact.c - facts, names and paths of the type check. */
#include "expr/feel_check_internal.h"

#include <stdarg.h>
#include <stdio.h>

void feel_problem(struct feel_checker *ck, const struct feel_node *node, const char *fmt, ...)
{
    if (ck->n_problems == FEEL_PROBLEMS_MAX)
        return;
    struct feel_problem *problem = &ck->problems[ck->n_problems++];
    problem->line = node->line;
    problem->column = node->column;

    va_list ap;
    va_start(ap, fmt);
    vsnprintf(problem->message, sizeof(problem->message), fmt, ap);
    va_end(ap);
}

/* ---- facts ---- */

static unsigned outcomes_of(enum feel_kind kind)
{
    if (kind == FEEL_ANY)
        return MAY_BE_ANYTHING;
    if (kind == FEEL_NULL)
        return MAY_BE_NULL;
    return kind == FEEL_BOOLEAN ? MAY_BE_TRUE | MAY_BE_FALSE : MAY_BE_OTHER;
}

struct feel_fact feel_fact_of(enum feel_kind kind)
{
    return (struct feel_fact){ .type = { .kind = kind, .open = true }, .may = outcomes_of(kind) };
}

struct feel_fact feel_fact_unknown(void)
{
    return feel_fact_of(FEEL_ANY);
}

struct feel_fact feel_fact_of_type(const struct feel_type *type, const struct feel_path *origin)
{
    unsigned may = outcomes_of(type->kind);

    if (type->kind == FEEL_ANY && !type->optional)
        may &= ~(unsigned)MAY_BE_NULL;
    return (struct feel_fact){ .type = *type,
                               .may = may | (type->optional ? MAY_BE_NULL : 0),
                               .origin = origin };
}

static bool same_type(const struct feel_type *a, const struct feel_type *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->kind != b->kind || a->optional != b->optional || a->open != b->open ||
        a->n_fields != b->n_fields || !same_type(a->item, b->item))
        return false;
    for (size_t i = 0; i < a->n_fields; i++)
        if (!str_equal(a->fields[i].name, b->fields[i].name) ||
            !same_type(&a->fields[i].type, &b->fields[i].type))
            return false;
    return true;
}

struct feel_fact feel_fact_join(const struct feel_fact *a, const struct feel_fact *b)
{
    struct feel_fact joined = *a;

    if (a->type.kind == FEEL_NULL)
        joined.type = b->type;
    else if (b->type.kind != FEEL_NULL && a->type.kind != b->type.kind)
        joined = feel_fact_unknown();
    else if (b->type.kind != FEEL_NULL && !same_type(&a->type, &b->type))
        joined = feel_fact_of(a->type.kind); /* of which parts is not known */
    joined.may = a->may | b->may;
    joined.origin = NULL;
    joined.type.optional = joined.may & MAY_BE_NULL;
    return joined;
}

struct feel_fact feel_fact_item(const struct feel_fact *list)
{
    struct feel_fact item = *list;

    if (list->type.kind == FEEL_LIST || list->type.kind == FEEL_RANGE) {
        item = list->type.item ? feel_fact_of_type(list->type.item, list->origin)
                               : feel_fact_unknown();
        item.origin = list->origin;
    }
    return item;
}

enum rc feel_fact_list(struct feel_checker *ck, const struct feel_fact *item, struct feel_fact *ret)
{
    struct feel_type *type = arena_new(ck->arena, struct feel_type);

    if (!type)
        return arena_fail(ck->arena, ck->err, "type");
    *type = item->type;
    type->optional = item->may & MAY_BE_NULL;
    *ret = feel_fact_of(FEEL_LIST);
    ret->type.item = type;
    return RC_OK;
}

bool feel_fact_is(const struct feel_fact *fact, enum feel_kind kind)
{
    return fact->type.kind == kind;
}

bool feel_fact_can_be(const struct feel_fact *fact, enum feel_kind kind)
{
    return fact->type.kind == kind || fact->type.kind == FEEL_ANY || fact->type.kind == FEEL_NULL;
}

unsigned feel_may_not(unsigned may)
{
    return (may & MAY_BE_NULL) | (may & MAY_BE_TRUE ? MAY_BE_FALSE : 0) |
           (may & MAY_BE_FALSE ? MAY_BE_TRUE : 0) | (may & MAY_BE_OTHER ? MAY_BE_NULL : 0);
}

/* ---- suggestions ---- */

enum { SUGGESTION_LENGTH_MAX = 40, SUGGESTION_DISTANCE_MAX = 2 };

/* Insertions, deletions and replacements of bytes from a to b. */
static size_t edit_distance(struct str a, struct str b)
{
    size_t row[SUGGESTION_LENGTH_MAX + 1];

    if (a.len > SUGGESTION_LENGTH_MAX || b.len > SUGGESTION_LENGTH_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t best = diagonal + (a.at[i - 1] != b.at[j - 1]);

            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[b.len];
}

static void consider(struct str wrong, struct str candidate, size_t *nearest, struct str *ret)
{
    size_t distance = edit_distance(wrong, candidate);

    if (distance < *nearest) {
        *nearest = distance;
        *ret = candidate;
    }
}

static void unknown_name(struct feel_checker *ck, const struct feel_node *node, struct str nearest,
                         size_t distance)
{
    int len =
        (int)(node->name.len < SUGGESTION_LENGTH_MAX ? node->name.len : SUGGESTION_LENGTH_MAX);

    if (distance <= SUGGESTION_DISTANCE_MAX && distance < node->name.len)
        feel_problem(ck, node, "unknown name '%.*s'; did you mean '%.*s'?", len, node->name.at,
                     STR_ARG(nearest));
    else
        feel_problem(ck, node, "unknown name '%.*s'", len, node->name.at);
}

/* ---- input paths ---- */

static bool same_path(const struct feel_path *a, const struct feel_path *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!str_equal(a->names[i], b->names[i]))
            return false;
    return true;
}

static enum rc extend(struct feel_checker *ck, const struct feel_path *path,
                      const struct feel_node *node, const struct feel_path **ret)
{
    size_t n = path ? path->n : 0;
    struct feel_path *longer = arena_new(ck->arena, struct feel_path);
    struct str *names = arena_array(ck->arena, struct str, n + 1);

    if (!longer || !names)
        return arena_fail(ck->arena, ck->err, "path");
    for (size_t i = 0; i < n; i++)
        names[i] = path->names[i];
    names[n] = node->name;
    *longer = (struct feel_path){
        .line = path ? path->line : node->line,
        .column = path ? path->column : node->column,
        .n = n + 1,
        .names = names,
    };
    *ret = longer;
    return RC_OK;
}

static void record_path(struct feel_checker *ck, const struct feel_path *path)
{
    for (size_t i = 0; i < ck->n_paths; i++)
        if (ck->paths[i].n == path->n && same_path(&ck->paths[i], path, path->n))
            return;
    if (ck->n_paths < FEEL_PATHS_MAX)
        ck->paths[ck->n_paths++] = *path;
}

/* The fact of an input path just found: absent ones are null. */
static void settle(struct feel_checker *ck, bool record, struct feel_fact *fact)
{
    if (!fact->origin)
        return;
    if (record)
        record_path(ck, fact->origin);
    if (ck->absent && fact->origin->n >= ck->absent->n &&
        same_path(fact->origin, ck->absent, ck->absent->n)) {
        fact->may = MAY_BE_NULL;
        fact->type.optional = true;
    }
}

static const struct feel_type *find_field(const struct feel_type *type, struct str name)
{
    for (size_t i = 0; i < type->n_fields; i++)
        if (str_equal(type->fields[i].name, name))
            return &type->fields[i].type;
    return NULL;
}

/* ---- names ---- */

/* The entry as a name or behind a dot; its origin goes on from that of the context. */
static enum rc name_in_context(struct feel_checker *ck, const struct feel_node *node,
                               const struct feel_fact *context, bool *ret_found,
                               struct feel_fact *ret)
{
    const struct feel_type *field = find_field(&context->type, node->name);
    const struct feel_path *origin = NULL;

    *ret_found = field != NULL;
    if (!field)
        return RC_OK;
    if (context->origin) {
        enum rc rc = extend(ck, context->origin->n ? context->origin : NULL, node, &origin);

        if (rc)
            return rc;
    }
    *ret = feel_fact_of_type(field, origin);
    return RC_OK;
}

enum rc feel_infer_name(struct feel_checker *ck, const struct feel_node *node,
                        const struct feel_fact_scope *scope, bool record, struct feel_fact *ret)
{
    struct str nearest = { 0 };
    size_t distance = SIZE_MAX;
    bool open = false, found;

    for (; scope; scope = scope->outer) {
        for (size_t i = 0; i < scope->n; i++) {
            if (str_equal(scope->names[i], node->name)) {
                *ret = scope->facts[i];
                settle(ck, record, ret);
                return RC_OK;
            }
            consider(node->name, scope->names[i], &distance, &nearest);
        }
        if (!scope->context)
            continue;
        enum rc rc = name_in_context(ck, node, scope->context, &found, ret);
        if (rc)
            return rc;
        if (found) {
            settle(ck, record, ret);
            return RC_OK;
        }
        open = open || scope->context->type.open || scope->context->type.kind == FEEL_ANY;
        for (size_t i = 0; i < scope->context->type.n_fields; i++)
            consider(node->name, scope->context->type.fields[i].name, &distance, &nearest);
    }
    *ret = feel_fact_unknown();
    if (!open)
        unknown_name(ck, node, nearest, distance);
    return RC_OK;
}

/* ---- paths ---- */

/* The kind of a property of a temporal value or range; FEEL_NULL: it has none of this name. */
static enum feel_kind property_kind(enum feel_kind of, struct str name)
{
    static const struct {
        const char *name;
        unsigned of;
        enum feel_kind kind;
    } properties[] = {
        { "year", FEEL_BIT(FEEL_DATE) | FEEL_BIT(FEEL_DATE_TIME), FEEL_NUMBER },
        { "month", FEEL_BIT(FEEL_DATE) | FEEL_BIT(FEEL_DATE_TIME), FEEL_NUMBER },
        { "day", FEEL_BIT(FEEL_DATE) | FEEL_BIT(FEEL_DATE_TIME), FEEL_NUMBER },
        { "weekday", FEEL_BIT(FEEL_DATE) | FEEL_BIT(FEEL_DATE_TIME), FEEL_NUMBER },
        { "hour", FEEL_BIT(FEEL_TIME) | FEEL_BIT(FEEL_DATE_TIME), FEEL_NUMBER },
        { "minute", FEEL_BIT(FEEL_TIME) | FEEL_BIT(FEEL_DATE_TIME), FEEL_NUMBER },
        { "second", FEEL_BIT(FEEL_TIME) | FEEL_BIT(FEEL_DATE_TIME), FEEL_NUMBER },
        { "time offset", FEEL_BIT(FEEL_TIME) | FEEL_BIT(FEEL_DATE_TIME), FEEL_DAYS_DURATION },
        { "timezone", FEEL_BIT(FEEL_TIME) | FEEL_BIT(FEEL_DATE_TIME), FEEL_STRING },
        { "days", FEEL_BIT(FEEL_DAYS_DURATION), FEEL_NUMBER },
        { "hours", FEEL_BIT(FEEL_DAYS_DURATION), FEEL_NUMBER },
        { "minutes", FEEL_BIT(FEEL_DAYS_DURATION), FEEL_NUMBER },
        { "seconds", FEEL_BIT(FEEL_DAYS_DURATION), FEEL_NUMBER },
        { "years", FEEL_BIT(FEEL_MONTHS_DURATION), FEEL_NUMBER },
        { "months", FEEL_BIT(FEEL_MONTHS_DURATION), FEEL_NUMBER },
        { "start", FEEL_BIT(FEEL_RANGE), FEEL_ANY },
        { "end", FEEL_BIT(FEEL_RANGE), FEEL_ANY },
        { "start included", FEEL_BIT(FEEL_RANGE), FEEL_BOOLEAN },
        { "end included", FEEL_BIT(FEEL_RANGE), FEEL_BOOLEAN },
    };

    for (size_t i = 0; i < ARRAY_LEN(properties); i++)
        if (str_is(name, properties[i].name) && properties[i].of & FEEL_BIT(of))
            return properties[i].kind;
    return FEEL_NULL;
}

/* The entry or property `node->name` of one value that is no list. */
static enum rc entry_of(struct feel_checker *ck, const struct feel_node *node,
                        const struct feel_fact *of, struct feel_fact *ret)
{
    struct str nearest = { 0 };
    size_t distance = SIZE_MAX;
    bool found;

    if (of->type.kind == FEEL_CONTEXT) {
        enum rc rc = name_in_context(ck, node, of, &found, ret);

        if (rc)
            return rc;
        if (!found) {
            *ret = feel_fact_unknown();
            for (size_t i = 0; i < of->type.n_fields; i++)
                consider(node->name, of->type.fields[i].name, &distance, &nearest);
            if (!of->type.open)
                unknown_name(ck, node, nearest, distance);
        }
    } else {
        enum feel_kind kind = property_kind(of->type.kind, node->name);

        *ret = kind == FEEL_NULL ? feel_fact_unknown() : feel_fact_of(kind);
        if (kind == FEEL_NULL && of->type.kind != FEEL_ANY && of->type.kind != FEEL_NULL)
            feel_problem(ck, node, "%s has no '%.*s'", feel_kind_name(of->type.kind),
                         (int)(node->name.len < 40 ? node->name.len : 40), node->name.at);
        if (str_is(node->name, "timezone") || str_is(node->name, "time offset"))
            ret->may |= MAY_BE_NULL;
    }
    if (of->may & MAY_BE_NULL)
        ret->may |= MAY_BE_NULL;
    return RC_OK;
}

enum rc feel_infer_path(struct feel_checker *ck, const struct feel_node *node,
                        const struct feel_fact_scope *scope, bool record, struct feel_fact *ret)
{
    const struct feel_node *kid = node->kids[0];
    struct feel_fact of = { 0 }, item = { 0 }, entry = { 0 };
    enum rc rc = kid->kind == FEEL_NODE_NAME   ? feel_infer_name(ck, kid, scope, false, &of)
                 : kid->kind == FEEL_NODE_PATH ? feel_infer_path(ck, kid, scope, false, &of)
                                               : feel_infer(ck, kid, scope, &of);

    if (rc)
        return rc;
    bool list = of.type.kind == FEEL_LIST;
    item = list ? feel_fact_item(&of) : of;
    rc = entry_of(ck, node, &item, &entry);
    if (rc)
        return rc;
    settle(ck, record, &entry);
    *ret = entry;
    if (!list)
        return RC_OK;
    rc = feel_fact_list(ck, &entry, ret);
    ret->origin = entry.origin;
    ret->may = of.may;
    return rc;
}
