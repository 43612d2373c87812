#include "engine/linear/linear.h"

#include "base/buf.h"

#include <math.h>
#include <stdio.h>

enum { NAME_BYTES = 48 };

static struct safetensors_tensor tensor(const char *name, enum safetensors_type type, size_t rank,
                                        size_t rows, size_t columns, const void *values)
{
    struct safetensors_tensor t = { .name = str_of(name), .type = type, .rank = rank };

    t.shape[0] = rows;
    t.shape[1] = rank == 2 ? columns : 0;
    t.bytes = values;
    t.n_bytes = rows * (rank == 2 ? columns : 1) * sizeof(float);
    return t;
}

enum rc linear_tensors(const struct linear_model *model, struct arena *arena,
                       struct safetensors_tensor **ret_tensors, size_t *ret_n_tensors,
                       struct err *err)
{
    const struct linear_vocabulary *v = &model->vocabulary;
    size_t n = 2 + 2 * model->n_heads;
    struct safetensors_tensor *tensors = arena_array(arena, struct safetensors_tensor, n);
    char(*names)[NAME_BYTES] = arena_alloc(arena, n, NAME_BYTES, 1);

    if (!tensors || !names)
        return arena_fail(arena, err, "tensors of the linear model");
    tensors[0] = tensor("linear.hashes", SAFETENSORS_U32, 1, v->n_features, 0, v->hashes);
    tensors[1] = tensor("linear.idf", SAFETENSORS_F32, 1, v->n_features, 0, v->idf);
    for (size_t h = 0; h < model->n_heads; h++) {
        const struct linear_head *head = &model->heads[h];
        size_t at = 2 + 2 * h;

        snprintf(names[at], NAME_BYTES, "linear.weights.%zu", h);
        snprintf(names[at + 1], NAME_BYTES, "linear.bias.%zu", h);
        tensors[at] =
            tensor(names[at], SAFETENSORS_F32, 2, v->n_features, head->n_classes, head->weights);
        tensors[at + 1] = tensor(names[at + 1], SAFETENSORS_F32, 1, head->n_classes, 0, head->bias);
    }
    *ret_tensors = tensors;
    *ret_n_tensors = n;
    return RC_OK;
}

/* The tensor of that name, type and shape (columns 0: rank 1), copied: a file aligns nothing. */
static enum rc load_tensor(const struct safetensors *file, const char *name,
                           enum safetensors_type type, size_t rows, size_t columns,
                           struct arena *arena, void *ret_values, struct err *err)
{
    const struct safetensors_tensor *t = safetensors_find(file, name);
    size_t rank = columns ? 2 : 1;

    if (!t)
        return err_set(err, RC_CORRUPT, "no tensor '%s'", name);
    if (t->type != type || t->rank != rank || t->shape[0] != rows ||
        (rank == 2 && t->shape[1] != columns))
        return err_set(err, RC_CORRUPT, "tensor '%s' is not %s with %zu rows", name,
                       safetensors_type_name(type), rows);

    void *values = arena_alloc(arena, 1, t->n_bytes, sizeof(float));

    if (!values)
        return arena_fail(arena, err, name);
    memcpy(values, t->bytes, t->n_bytes);
    memcpy(ret_values, &values, sizeof(values));
    return RC_OK;
}

/* Below 1e30, so that no sum of them over a text's features can leave the range of f32. */
static enum rc check_finite(const char *name, const float *values, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(values[i]) < 1e30f))
            return err_set(err, RC_CORRUPT, "tensor '%s': value %zu is not below 1e30", name, i);
    return RC_OK;
}

static enum rc load_vocabulary(const struct safetensors *file, struct arena *arena,
                               struct linear_vocabulary *v, struct err *err)
{
    const struct safetensors_tensor *first = safetensors_find(file, "linear.hashes");

    if (!first || first->rank != 1)
        return err_set(err, RC_CORRUPT, "no tensor 'linear.hashes' of rank 1");
    v->n_features = first->shape[0];
    if (v->n_features == 0 || v->n_features > LINEAR_FEATURES_MAX)
        return err_set(err, RC_CORRUPT, "linear model of %zu features, expected 1 to %d",
                       v->n_features, LINEAR_FEATURES_MAX);

    enum rc rc = load_tensor(file, "linear.hashes", SAFETENSORS_U32, v->n_features, 0, arena,
                             &v->hashes, err);
    if (rc)
        return rc;
    rc = load_tensor(file, "linear.idf", SAFETENSORS_F32, v->n_features, 0, arena, &v->idf, err);
    if (rc)
        return rc;
    for (size_t i = 1; i < v->n_features; i++)
        if (v->hashes[i] <= v->hashes[i - 1])
            return err_set(err, RC_CORRUPT, "tensor 'linear.hashes' does not ascend at %zu", i);
    for (size_t i = 0; i < v->n_features; i++)
        if (!(v->idf[i] >= 1.0f && v->idf[i] < 100.0f))
            return err_set(err, RC_CORRUPT, "tensor 'linear.idf': value %zu is not in [1, 100)", i);
    return RC_OK;
}

static enum rc load_head(const struct safetensors *file, size_t n_features, size_t h,
                         struct arena *arena, struct linear_head *head, struct err *err)
{
    char weights[NAME_BYTES], bias[NAME_BYTES];

    snprintf(weights, sizeof(weights), "linear.weights.%zu", h);
    snprintf(bias, sizeof(bias), "linear.bias.%zu", h);

    const struct safetensors_tensor *last = safetensors_find(file, bias);

    head->n_classes = last && last->rank == 1 ? last->shape[0] : 0;
    if (head->n_classes < 2 || head->n_classes > LINEAR_CLASSES_MAX)
        return err_set(err, RC_CORRUPT, "tensor '%s' with 2 to %d values is missing", bias,
                       LINEAR_CLASSES_MAX);

    enum rc rc = load_tensor(file, weights, SAFETENSORS_F32, n_features, head->n_classes, arena,
                             &head->weights, err);
    if (rc)
        return rc;
    rc = load_tensor(file, bias, SAFETENSORS_F32, head->n_classes, 0, arena, &head->bias, err);
    if (rc)
        return rc;
    rc = check_finite(weights, head->weights, n_features * head->n_classes, err);
    if (rc)
        return rc;
    return check_finite(bias, head->bias, head->n_classes, err);
}

enum rc linear_load(const struct safetensors *file, size_t n_heads, struct arena *arena,
                    struct linear_model **ret_model, struct err *err)
{
    struct linear_model *model = arena_new(arena, struct linear_model);

    ASSERT(n_heads <= LINEAR_HEADS_MAX);
    if (!model)
        return arena_fail(arena, err, "linear model");
    model->n_heads = n_heads;
    model->heads = arena_array(arena, struct linear_head, n_heads);
    if (!model->heads)
        return arena_fail(arena, err, "linear model");

    enum rc rc = load_vocabulary(file, arena, &model->vocabulary, err);
    for (size_t h = 0; rc == RC_OK && h < n_heads; h++)
        rc = load_head(file, model->vocabulary.n_features, h, arena, &model->heads[h], err);
    if (rc)
        return rc;
    *ret_model = model;
    return RC_OK;
}
