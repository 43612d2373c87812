/* predictor_open.c - the parts of a predictor, from the tensors of an adapter file. */
#include "engine/predictor_internal.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES_MAX = BERT_NAME_BYTES_MAX + 8, MERGED_BYTES_MAX = 1 << 30 };

/* Which tensors an adapter file has. */
struct contents {
    bool has_heads, has_linear, has_shares;
    size_t n_replaced, n_lora; /* BERT tensors, lora_a or lora_b */
};

static bool is_lora_of(struct str name, const struct bert_tensor *t)
{
    size_t len = strlen(t->name);
    struct str end = { name.at + len, name.len - len };

    return t->slot >= BERT_LAYER_SLOTS && t->rank == 2 && str_starts_with(name, t->name) &&
           (str_is(end, ".lora_a") || str_is(end, ".lora_b"));
}

static enum rc count_tensor(const struct encoder_base *base, struct str name, struct contents *c,
                            struct err *err)
{
    if (str_is(name, "heads.weight") || str_is(name, "heads.bias")) {
        c->has_heads = true;
        return RC_OK;
    }
    if (str_is(name, "blend.share")) {
        c->has_shares = true;
        return RC_OK;
    }
    if (str_starts_with(name, "linear.")) {
        c->has_linear = true;
        return RC_OK;
    }
    for (size_t i = 0; base && i < base->bert.layout.n_tensors; i++) {
        const struct bert_tensor *t = &base->bert.layout.tensors[i];

        if (str_is(name, t->name)) {
            c->n_replaced++;
            return RC_OK;
        }
        if (is_lora_of(name, t)) {
            c->n_lora++;
            return RC_OK;
        }
    }
    return err_set(err, RC_CORRUPT, "tensor '%.*s' is not one of an adapter", STR_ARG(name));
}

/* adapter.h says which kind has what. */
static enum rc check_contents(const struct adapter *a, const struct contents *c, struct err *err)
{
    bool is_changed = c->n_replaced + c->n_lora > 0;
    bool is_right = false;

    switch (a->kind) {
    case ADAPTER_LINEAR: is_right = c->has_linear && !c->has_heads && !is_changed; break;
    case ADAPTER_FROZEN: is_right = !c->has_linear && c->has_heads && !is_changed; break;
    case ADAPTER_FINETUNED: is_right = !c->has_linear && c->has_heads && is_changed; break;
    case ADAPTER_BLEND: is_right = c->has_linear && c->has_heads; break;
    case ADAPTER_PROMPTED:
    case ADAPTER_LORA: break; /* an author's */
    }
    if (!is_right || c->has_shares != (a->kind == ADAPTER_BLEND))
        return err_set(err, RC_CORRUPT, "its tensors are not those of a %s adapter",
                       adapter_kind_name(a->kind));
    if ((c->n_lora > 0) != (a->lora_alpha > 0.0f))
        return err_set(err, RC_CORRUPT, "lora_alpha and LoRA tensors come only together");
    return RC_OK;
}

static enum rc check_base(const struct adapter *a, const struct encoder_base *base, struct err *err)
{
    if (a->kind == ADAPTER_LINEAR)
        return RC_OK;
    if (!base)
        return err_set(err, RC_INVALID, "it stands on the base %.12s, none is given", a->base.hex);
    if (!digest_equal(&a->base, &base->digest))
        return err_set(err, RC_INVALID, "it stands on the base %.12s, given is %.12s", a->base.hex,
                       base->digest.hex);
    return RC_OK;
}

/* The F32 tensor of that name and shape (columns 0: rank 1), copied to where floats may lie. */
static enum rc copy_tensor(const struct safetensors *file, const char *name, size_t rows,
                           size_t columns, struct arena *arena, const float **ret_values,
                           struct err *err)
{
    const struct safetensors_tensor *t = safetensors_find(file, name);

    if (!t)
        return err_set(err, RC_CORRUPT, "tensor '%s' is missing", name);
    if (t->type != SAFETENSORS_F32 || t->rank != (columns ? 2 : 1) || t->shape[0] != rows ||
        (columns && t->shape[1] != columns))
        return err_set(err, RC_CORRUPT, "tensor '%s' is not F32 (%zu, %zu)", name, rows, columns);

    float *values = arena_alloc(arena, t->n_bytes, 1, 64);
    if (!values)
        return arena_fail(arena, err, name);
    memcpy(values, t->bytes, t->n_bytes);
    *ret_values = values;
    return RC_OK;
}

/* W = W0 + (alpha / r) B A of one tensor, when the file has its pair; W0 is what *values shows. The
 * sums are in the order of r, in plain C: the same bytes on every CPU. */
static enum rc merge_lora(const struct adapter *a, const struct bert_tensor *t,
                          struct arena *scratch, const float **values, struct err *err)
{
    char name_a[NAME_BYTES_MAX], name_b[NAME_BYTES_MAX];
    const float *lora_a, *lora_b;

    snprintf(name_a, sizeof(name_a), "%s.lora_a", t->name);
    snprintf(name_b, sizeof(name_b), "%s.lora_b", t->name);
    const struct safetensors_tensor *pair[] = { safetensors_find(a->file, name_a),
                                                safetensors_find(a->file, name_b) };
    if (!pair[0] && !pair[1])
        return RC_OK;
    size_t n_rows = t->shape[0], n_columns = t->shape[1];
    size_t lora_rank = pair[0] && pair[0]->rank == 2 ? pair[0]->shape[0] : 0;
    if (lora_rank == 0 || lora_rank > n_columns)
        return err_set(err, RC_CORRUPT, "tensor '%s' is missing or has no rank", name_a);

    float *merged = arena_alloc(scratch, t->n_values, sizeof(float), 64);
    if (!merged)
        return arena_fail(scratch, err, t->name);
    enum rc rc = copy_tensor(a->file, name_a, lora_rank, n_columns, scratch, &lora_a, err);
    if (!rc)
        rc = copy_tensor(a->file, name_b, n_rows, lora_rank, scratch, &lora_b, err);
    if (rc)
        return rc;

    memcpy(merged, *values, t->n_values * sizeof(float));
    for (size_t i = 0; i < n_rows; i++) {
        for (size_t r = 0; r < lora_rank; r++) {
            float factor = a->lora_alpha / (float)lora_rank * lora_b[i * lora_rank + r];
            for (size_t j = 0; j < n_columns; j++)
                merged[i * n_columns + j] += factor * lora_a[r * n_columns + j];
        }
    }
    *values = merged;
    return RC_OK;
}

/* Packs the encoder from merged weights. The merged f32 weights live only as long: the encoder
 * copies the linear layers', and goes on reading embeddings and normalisation, which LoRA does not
 * touch. */
static enum rc read_encoder(struct predictor *p, struct err *err)
{
    const struct adapter *a = p->adapter;
    const struct bert *base = &p->base->bert;
    struct arena scratch;
    enum rc rc = bert_open(&base->layout.config, a->file, base, &p->arena, &p->bert, err);

    if (rc)
        return rc;
    const float **own = arena_array(&p->arena, const float *, base->layout.n_tensors);
    if (!own)
        return arena_fail(&p->arena, err, "tensor values");
    memcpy(own, p->bert.values, base->layout.n_tensors * sizeof(own[0]));

    arena_init(&scratch, MERGED_BYTES_MAX);
    for (size_t i = 0; a->lora_alpha > 0.0f && i < base->layout.n_tensors && !rc; i++)
        if (base->layout.tensors[i].slot >= BERT_LAYER_SLOTS && base->layout.tensors[i].rank == 2)
            rc = merge_lora(a, &base->layout.tensors[i], &scratch, &p->bert.values[i], err);
    if (!rc)
        rc = encoder_new(&p->bert, DENSE_INT8, &p->kernels, &p->arena, &p->encoder, err);
    p->bert.values = own;
    arena_release(&scratch);
    return rc;
}

static enum rc read_heads(struct predictor *p, struct err *err)
{
    size_t n_labels = p->adapter->n_labels, width = encoder_width(p->encoder);
    enum rc rc = copy_tensor(p->adapter->file, "heads.weight", n_labels, width, &p->arena,
                             &p->head_weights, err);

    if (!rc)
        rc =
            copy_tensor(p->adapter->file, "heads.bias", n_labels, 0, &p->arena, &p->head_bias, err);
    return rc;
}

static enum rc read_linear(struct predictor *p, struct err *err)
{
    const struct adapter *a = p->adapter;
    enum rc rc = linear_load(a->file, a->n_fields, &p->arena, &p->linear, err);

    for (size_t i = 0; i < a->n_fields && !rc; i++) {
        p->linear->heads[i].is_set = a->fields[i].is_set;
        if (p->linear->heads[i].n_classes != a->fields[i].n_labels)
            rc = err_set(err, RC_CORRUPT, "linear head %zu has %zu classes, '%.*s' has %zu labels",
                         i, p->linear->heads[i].n_classes, STR_ARG(a->fields[i].name),
                         a->fields[i].n_labels);
    }
    return rc;
}

static enum rc read_shares(struct predictor *p, struct err *err)
{
    size_t n = p->adapter->n_fields;
    enum rc rc =
        copy_tensor(p->adapter->file, "blend.share", n, 0, &p->arena, &p->blend_share, err);

    for (size_t f = 0; f < n && !rc; f++)
        if (!(p->blend_share[f] >= 0.0f && p->blend_share[f] <= 1.0f)) /* NaN too */
            rc = err_set(err, RC_CORRUPT, "blend.share of field %zu is %g, expected 0 to 1", f,
                         (double)p->blend_share[f]);
    return rc;
}

enum rc predictor_read_parts(struct predictor *p, const struct encoder_base *base, struct err *err)
{
    const struct adapter *a = p->adapter;
    struct contents contents = { 0 };
    enum rc rc = check_base(a, base, err);

    for (size_t i = 0; i < a->file->n_tensors && !rc; i++)
        rc = count_tensor(a->kind == ADAPTER_LINEAR ? NULL : base, a->file->tensors[i].name,
                          &contents, err);
    if (!rc)
        rc = check_contents(a, &contents, err);
    if (!rc && contents.has_heads) {
        p->base = base;
        rc = read_encoder(p, err);
        if (!rc)
            rc = read_heads(p, err);
    }
    if (!rc && contents.has_linear)
        rc = read_linear(p, err);
    if (!rc && contents.has_shares)
        rc = read_shares(p, err);
    return rc;
}
