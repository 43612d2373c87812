#include "base/json_internal.h"
#include "base/mem.h"

#include <stdlib.h>

enum rc json_builder_push(struct json_builder *b, struct err *err)
{
    /* What is pending must fit into the arena in the end. */
    if (b->n_pending > (b->arena->limit - b->arena->used) / sizeof(struct json))
        return err_set(err, RC_LIMIT, "text needs more than %zu bytes of memory", b->arena->limit);
    if (b->n_pending == b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 32;
        struct json_member *grown = mem_array(capacity, sizeof(*grown));

        if (!grown)
            return err_set(err, RC_NOMEM, "tree of values");
        if (b->n_pending)
            memcpy(grown, b->pending, b->n_pending * sizeof(*grown));
        mem_free(b->pending);
        b->pending = grown;
        b->capacity = capacity;
    }
    b->pending[b->n_pending++] = (struct json_member){ 0 };
    return RC_OK;
}

struct json_member *json_builder_slot(struct json_builder *b)
{
    ASSERT(b->n_pending > 0);
    return &b->pending[b->n_pending - 1];
}

enum json_type json_builder_in(const struct json_builder *b)
{
    ASSERT(b->depth > 0);
    return b->open[b->depth - 1].type;
}

enum rc json_builder_open(struct json_builder *b, enum json_type type, struct err *err)
{
    struct json *v = &json_builder_slot(b)->value;

    if (b->depth == JSON_DEPTH_MAX)
        return err_set(err, RC_LIMIT, "line %u, column %u: nested deeper than %d", v->line,
                       v->column, JSON_DEPTH_MAX);
    v->type = type;
    b->open[b->depth].type = type;
    b->open[b->depth].first = b->n_pending;
    b->depth++;
    return RC_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const struct json_member *left = *(const struct json_member *const *)a;
    const struct json_member *right = *(const struct json_member *const *)b;
    int order = str_compare(left->key, right->key);

    if (order)
        return order;
    return left < right ? -1 : left > right; /* equal keys stay in source order */
}

const struct json_member **json_sorted_members(const struct json *object)
{
    const struct json_member **sorted = mem_array(object->n, sizeof(const struct json_member *));

    if (!sorted)
        return NULL;
    for (size_t i = 0; i < object->n; i++)
        sorted[i] = &object->members[i];
    qsort(sorted, object->n, sizeof(const struct json_member *), compare_keys);
    return sorted;
}

static enum rc refuse_duplicates(const struct json *object, struct err *err)
{
    const struct json_member **sorted = json_sorted_members(object);
    const struct json_member *first = NULL; /* in source order */

    if (!sorted)
        return err_set(err, RC_NOMEM, "tree of values");
    for (size_t i = 1; i < object->n; i++)
        if (str_equal(sorted[i - 1]->key, sorted[i]->key) && (!first || sorted[i] < first))
            first = sorted[i];
    mem_free(sorted);
    if (!first)
        return RC_OK;
    return err_set(err, RC_INVALID, "line %u, column %u: duplicate key '%.*s'", first->line,
                   first->column, first->key.len > 100 ? 100 : (int)first->key.len, first->key.at);
}

enum rc json_builder_close(struct json_builder *b, enum json_duplicates duplicates, struct err *err)
{
    ASSERT(b->depth > 0);
    size_t first = b->open[--b->depth].first;
    const struct json_member *values = &b->pending[first];
    struct json *v = &b->pending[first - 1].value;

    v->n = b->n_pending - first;
    b->n_pending = first;
    if (v->type == JSON_ARRAY) {
        v->items = arena_array(b->arena, struct json, v->n);
        if (!v->items)
            return arena_fail(b->arena, err, "tree of values");
        for (size_t i = 0; i < v->n; i++)
            v->items[i] = values[i].value;
        return RC_OK;
    }
    v->members = arena_array(b->arena, struct json_member, v->n);
    if (!v->members)
        return arena_fail(b->arena, err, "tree of values");
    if (v->n)
        memcpy(v->members, values, v->n * sizeof(*values));
    return duplicates == JSON_DUPLICATES_REFUSED && v->n > 1 ? refuse_duplicates(v, err) : RC_OK;
}

enum rc json_builder_end(struct json_builder *b, struct json **ret_json, struct err *err)
{
    struct json *root = arena_new(b->arena, struct json);

    ASSERT(b->n_pending == 1 && b->depth == 0);
    if (!root)
        return arena_fail(b->arena, err, "tree of values");
    *root = b->pending[0].value;
    *ret_json = root;
    return RC_OK;
}

void json_builder_release(struct json_builder *b)
{
    mem_free(b->pending);
    b->pending = NULL;
}
