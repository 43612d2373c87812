/* feel_context.c - functions on contexts. */
#include "expr/feel_internal.h"

enum rc feel_builtin_get_value(struct feel_evaluation *ev, const struct feel_value *args,
                               struct feel_value *ret)
{
    const struct feel_value *found = feel_find(&args[0], args[1].string);

    if (!found)
        return feel_is_null(ev, FEEL_REASON_NAME, ret, "get value(): no entry '%.*s'",
                            (int)(args[1].string.len < 60 ? args[1].string.len : 60),
                            args[1].string.at);
    *ret = *found;
    return feel_spend(ev, args[0].context.n / 16);
}

enum rc feel_builtin_get_entries(struct feel_evaluation *ev, const struct feel_value *args,
                                 struct feel_value *ret)
{
    struct feel_list_builder b = { .ev = ev };

    for (size_t i = 0; i < args[0].context.n; i++) {
        struct feel_entry *pair = arena_array(ev->arena, struct feel_entry, 2);

        if (!pair)
            return arena_fail(ev->arena, ev->err, "entries");
        pair[0] = (struct feel_entry){ STR("key"), feel_string(args[0].context.entries[i].key) };
        pair[1] = (struct feel_entry){ STR("value"), args[0].context.entries[i].value };

        struct feel_value item = feel_context(pair, 2);
        enum rc rc = feel_list_add(&b, &item);
        if (rc)
            return rc;
    }
    return feel_list_done(&b, ret);
}

/* ---- contexts under construction ---- */

struct entries {
    struct feel_evaluation *ev;
    struct feel_entry *at;
    size_t n, capacity;
};

static enum rc start_entries(struct feel_evaluation *ev, size_t capacity, struct entries *ret)
{
    *ret = (struct entries){ .ev = ev, .capacity = capacity };
    ret->at = arena_array(ev->arena, struct feel_entry, capacity + 1);
    return ret->at ? RC_OK : arena_fail(ev->arena, ev->err, "context");
}

/* Replaces the entry of the key, or adds one; there is room. */
static enum rc put(struct entries *e, struct str key, const struct feel_value *value,
                   bool *ret_replaced)
{
    size_t i = 0;

    while (i < e->n && !str_equal(e->at[i].key, key))
        i++;
    *ret_replaced = i < e->n;
    e->n += i == e->n;
    ASSERT(e->n <= e->capacity + 1);
    e->at[i] = (struct feel_entry){ key, *value };
    return feel_spend(e->ev, 1 + i / 16);
}

static enum rc put_all(struct entries *e, const struct feel_value *context)
{
    bool replaced;

    for (size_t i = 0; i < context->context.n; i++) {
        enum rc rc =
            put(e, context->context.entries[i].key, &context->context.entries[i].value, &replaced);

        if (rc)
            return rc;
    }
    return RC_OK;
}

static enum rc finish(const struct entries *e, struct feel_value *ret)
{
    *ret = feel_context(e->at, e->n);
    return feel_check_size(e->ev, ret);
}

/* ---- context(), context put(), context merge() ---- */

enum rc feel_builtin_context(struct feel_evaluation *ev, const struct feel_value *args,
                             struct feel_value *ret)
{
    struct entries e;
    bool twice;
    enum rc rc = start_entries(ev, args[0].list.n, &e);

    for (size_t i = 0; !rc && i < args[0].list.n; i++) {
        const struct feel_value *key = feel_find(&args[0].list.items[i], STR("key"));
        const struct feel_value *value = feel_find(&args[0].list.items[i], STR("value"));

        if (!key || !value || key->kind != FEEL_STRING)
            return feel_is_null(ev, FEEL_REASON_TYPE, ret,
                                "context(): entry %zu needs a string 'key' and a 'value'", i + 1);
        rc = put(&e, key->string, value, &twice);
        if (!rc && twice)
            return feel_is_null(ev, FEEL_REASON_VALUE, ret, "context(): key of entry %zu is there",
                                i + 1);
    }
    return rc ? rc : finish(&e, ret);
}

static enum rc put_one(struct feel_evaluation *ev, const struct feel_value *context, struct str key,
                       const struct feel_value *value, struct feel_value *ret)
{
    struct entries e;
    bool replaced;
    enum rc rc = start_entries(ev, context->context.n + 1, &e);

    if (!rc)
        rc = put_all(&e, context);
    if (!rc)
        rc = put(&e, key, value, &replaced);
    return rc ? rc : finish(&e, ret);
}

enum rc feel_builtin_context_put(struct feel_evaluation *ev, const struct feel_value *args,
                                 struct feel_value *ret)
{
    return put_one(ev, &args[0], args[1].string, &args[2], ret);
}

/* The value goes to keys[0].keys[1]...; every context on the way but the last must be there. */
static enum rc put_below(struct feel_evaluation *ev, const struct feel_value *context,
                         const struct feel_value *keys, size_t n, const struct feel_value *value,
                         struct feel_value *ret)
{
    struct feel_value inner = { 0 };

    if (context->kind != FEEL_CONTEXT || n == 0 || keys[0].kind != FEEL_STRING)
        return feel_is_null(ev, FEEL_REASON_VALUE, ret, "context put(): keys lead nowhere");
    if (n == 1)
        return put_one(ev, context, keys[0].string, value, ret);

    const struct feel_value *next = feel_find(context, keys[0].string);
    if (!next)
        return feel_is_null(ev, FEEL_REASON_NAME, ret, "context put(): keys lead nowhere");
    if (n > FEEL_NESTING_MAX)
        return err_set(ev->err, RC_LIMIT, "context put(): more than %d keys", FEEL_NESTING_MAX);
    enum rc rc = put_below(ev, next, keys + 1, n - 1, value, &inner);
    if (rc)
        return rc;
    if (inner.kind == FEEL_NULL) {
        *ret = inner;
        return RC_OK;
    }
    return put_one(ev, context, keys[0].string, &inner, ret);
}

enum rc feel_builtin_context_put_nested(struct feel_evaluation *ev, const struct feel_value *args,
                                        struct feel_value *ret)
{
    return put_below(ev, &args[0], args[1].list.items, args[1].list.n, &args[2], ret);
}

enum rc feel_builtin_context_merge(struct feel_evaluation *ev, const struct feel_value *args,
                                   struct feel_value *ret)
{
    struct entries e;
    size_t n = 0;

    for (size_t i = 0; i < args[0].list.n; i++) {
        if (args[0].list.items[i].kind != FEEL_CONTEXT)
            return feel_is_null(ev, FEEL_REASON_TYPE, ret, "context merge(): item %zu is %s", i + 1,
                                feel_kind_name(args[0].list.items[i].kind));
        n += args[0].list.items[i].context.n;
    }
    enum rc rc = start_entries(ev, n, &e);
    for (size_t i = 0; !rc && i < args[0].list.n; i++)
        rc = put_all(&e, &args[0].list.items[i]);
    return rc ? rc : finish(&e, ret);
}
