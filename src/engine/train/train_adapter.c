#include "engine/train/train_adapter.h"

#include "base/macros.h"
#include "engine/train/lora.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES_MAX = BERT_NAME_BYTES_MAX + 8 };

static struct safetensors_tensor tensor_of(const char *name, const float *values, size_t rows,
                                           size_t columns)
{
    return (struct safetensors_tensor){
        .name = str_of(name),
        .type = SAFETENSORS_F32,
        .rank = columns ? 2 : 1,
        .shape = { rows, columns },
        .bytes = (const uint8_t *)values,
        .n_bytes = rows * (columns ? columns : 1) * sizeof(float),
    };
}

/* "encoder.layer.0...weight.lora_a" in the arena; NULL when it refuses. */
static char *lora_name(const struct lora_pair *pair, const char *suffix, struct arena *arena)
{
    char name[NAME_BYTES_MAX];

    snprintf(name, sizeof(name), "%s.%s", pair->tensor->name, suffix);
    return arena_strndup(arena, name, strlen(name));
}

static enum rc add_lora(const struct lora *lora, const float *values, struct arena *arena,
                        struct safetensors_tensor *tensors, struct err *err)
{
    for (size_t i = 0; i < lora_n_pairs(lora); i++) {
        struct lora_pair pair = lora_pair_at(lora, i);
        char *a = lora_name(&pair, "lora_a", arena), *b = lora_name(&pair, "lora_b", arena);

        if (!a || !b)
            return arena_fail(arena, err, "names of tensors");
        *tensors++ = tensor_of(a, values + pair.a, lora->rank, pair.tensor->shape[1]);
        *tensors++ = tensor_of(b, values + pair.b, pair.tensor->shape[0], lora->rank);
    }
    return RC_OK;
}

/* The tensors that are not the base's; returns how many. */
static size_t add_changed(const float *weights, const struct bert *base,
                          struct safetensors_tensor *tensors)
{
    size_t n = 0;

    for (size_t i = 0; i < base->layout.n_tensors; i++) {
        const struct bert_tensor *t = &base->layout.tensors[i];

        if (memcmp(weights + t->offset, base->values[i], t->n_values * sizeof(float)) != 0)
            tensors[n++] = tensor_of(t->name, weights + t->offset, t->shape[0],
                                     t->rank == 2 ? t->shape[1] : 0);
    }
    return n;
}

enum rc train_adapter_tensors(const struct train_result *result, const struct bert *base,
                              size_t n_classes, struct arena *arena,
                              struct safetensors_tensor **ret_tensors, size_t *ret_n,
                              struct err *err)
{
    const struct bert_layout *layout = &base->layout;
    struct lora lora = { layout, result->lora_rank, result->lora_alpha, 0 };
    size_t n_pairs = lora_n_pairs(&lora), n = 2;
    struct safetensors_tensor *tensors =
        arena_array(arena, struct safetensors_tensor, n + layout->n_tensors + 2 * n_pairs);

    if (!tensors)
        return arena_fail(arena, err, "tensors of an adapter");

    tensors[0] = tensor_of("heads.weight", result->head_weight, n_classes, layout->config.width);
    tensors[1] = tensor_of("heads.bias", result->head_bias, n_classes, 0);
    if (result->method == TRAIN_FULL)
        n += add_changed(result->weights, base, tensors + n);
    if (result->method == TRAIN_LORA) {
        enum rc rc = add_lora(&lora, result->lora, arena, tensors + n, err);
        if (rc)
            return rc;
        n += 2 * n_pairs;
    }
    *ret_tensors = tensors;
    *ret_n = n;
    return RC_OK;
}

/* Copies a tensor of the file whose shape must be (rows, columns); columns 0: a vector. */
static enum rc copy_values(const struct safetensors *file, const char *name, size_t rows,
                           size_t columns, float *values, struct err *err)
{
    const struct safetensors_tensor *t = safetensors_find(file, name);

    if (!t)
        return err_set(err, RC_CORRUPT, "tensor '%s' is missing", name);
    if (t->type != SAFETENSORS_F32 || t->rank != (columns ? 2 : 1) || t->shape[0] != rows ||
        (columns && t->shape[1] != columns))
        return err_set(err, RC_CORRUPT, "tensor '%s' is not F32 of shape (%zu, %zu)", name, rows,
                       columns);
    memcpy(values, t->bytes, t->n_bytes);
    return RC_OK;
}

static enum rc read_head(const struct safetensors *file, size_t n_classes, size_t width,
                         struct arena *arena, const float **ret_head, struct err *err)
{
    float *head = arena_array(arena, float, n_classes *(width + 1));

    if (!head)
        return arena_fail(arena, err, "head");
    enum rc rc = copy_values(file, "heads.weight", n_classes, width, head, err);
    if (!rc)
        rc = copy_values(file, "heads.bias", n_classes, 0, head + n_classes * width, err);
    if (!rc)
        *ret_head = head;
    return rc;
}

/* All A and B, in the order of lora.h from values[lora->at] on. */
static enum rc read_lora(const struct safetensors *file, const struct lora *lora, float *values,
                         struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < lora_n_pairs(lora) && !rc; i++) {
        struct lora_pair pair = lora_pair_at(lora, i);
        char name[NAME_BYTES_MAX];

        snprintf(name, sizeof(name), "%s.lora_a", pair.tensor->name);
        rc = copy_values(file, name, lora->rank, pair.tensor->shape[1], values + pair.a, err);
        snprintf(name, sizeof(name), "%s.lora_b", pair.tensor->name);
        if (!rc)
            rc = copy_values(file, name, pair.tensor->shape[0], lora->rank, values + pair.b, err);
    }
    return rc;
}

/* r, from the first A; 0 without LoRA tensors. */
static size_t rank_of(const struct safetensors *file, const struct bert_layout *layout)
{
    struct lora any = { layout, 1, 1.0f, 0 };
    struct lora_pair pair = lora_pair_at(&any, 0);
    char name[NAME_BYTES_MAX];

    snprintf(name, sizeof(name), "%s.lora_a", pair.tensor->name);
    const struct safetensors_tensor *t = safetensors_find(file, name);
    return t && t->rank == 2 && t->shape[0] <= LORA_RANK_MAX ? t->shape[0] : 0;
}

static enum rc start_merged(const struct bert *base, const struct safetensors *file,
                            struct lora *lora, struct arena *arena, struct train_start *start,
                            struct err *err)
{
    lora->at = base->layout.n_values;
    float *flat = arena_alloc(arena, lora->at + lora_n_values(lora), sizeof(float), 64);

    if (!flat)
        return arena_fail(arena, err, "weights");
    bert_flatten(base, flat);
    enum rc rc = read_lora(file, lora, flat, err);
    if (rc)
        return rc;
    lora_merge(lora, gemm_for(cpu_best()), base, flat, NULL);
    return bert_of_flat(&base->layout, flat, arena, &start->bert, err);
}

static enum rc start_on_lora(const struct bert *base, const struct safetensors *file,
                             const struct lora *lora, const struct train_options *options,
                             struct arena *arena, struct train_start *start, struct err *err)
{
    if (lora->rank != options->lora_rank || lora->alpha != options->lora_alpha)
        return err_set(err, RC_STATE, "LoRA of rank %zu and alpha %g, the run has %zu and %g",
                       lora->rank, (double)lora->alpha, options->lora_rank,
                       (double)options->lora_alpha);
    float *values = arena_array(arena, float, lora_n_values(lora));
    if (!values)
        return arena_fail(arena, err, "LoRA");
    start->bert = *base;
    start->lora = values;
    return read_lora(file, lora, values, err);
}

/* The file's own BERT tensors, the base's where it has none. */
static enum rc start_on_weights(const struct bert *base, const struct safetensors *file,
                                const struct train_options *options, struct arena *arena,
                                struct train_start *start, struct err *err)
{
    enum rc rc = bert_open(&base->layout.config, file, base, arena, &start->bert, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < base->layout.n_tensors && options->method == TRAIN_LORA; i++)
        if (start->bert.values[i] != base->values[i])
            return err_set(err, RC_STATE,
                           "tensor '%s' was trained whole: LoRA begins from the base",
                           base->layout.tensors[i].name);
    return RC_OK;
}

enum rc train_start_open(const struct bert *base, const struct safetensors *file, float alpha,
                         size_t n_classes, const struct train_options *options, struct arena *arena,
                         struct train_start *ret_start, struct err *err)
{
    struct train_start start = { 0 };
    struct lora lora = { &base->layout, rank_of(file, &base->layout), alpha, 0 };
    enum rc rc = read_head(file, n_classes, base->layout.config.width, arena, &start.head, err);

    if (!rc && lora.rank == 0)
        rc = start_on_weights(base, file, options, arena, &start, err);
    else if (!rc && options->method == TRAIN_LORA)
        rc = start_on_lora(base, file, &lora, options, arena, &start, err);
    else if (!rc)
        rc = start_merged(base, file, &lora, arena, &start, err);
    if (rc)
        return err_context(err, "start from an adapter");
    *ret_start = start;
    return RC_OK;
}
