#include "engine/train/llama_adapter.h"

#include "base/macros.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES_MAX = 96, WEIGHTS = 7 };

/* Of one layer's weights. */
static const char *const modules[LLAMA_SLOTS_END] = {
    [LLAMA_QUERY] = "self_attn.q_proj", [LLAMA_KEY] = "self_attn.k_proj",
    [LLAMA_VALUE] = "self_attn.v_proj", [LLAMA_ATTENTION] = "self_attn.o_proj",
    [LLAMA_GATE] = "mlp.gate_proj",     [LLAMA_UP] = "mlp.up_proj",
    [LLAMA_DOWN] = "mlp.down_proj",
};

/* One matrix: its name, and where it lies in the flat values. */
struct place {
    char name[NAME_BYTES_MAX];
    size_t at, rows, columns;
};

typedef enum rc place_fn(void *context, const struct place *place, struct err *err);

static struct place place_of(const struct llama_lora *lora, const struct llama_pairs *pairs,
                             size_t layer, size_t i, bool is_b)
{
    struct place place = {
        .at = is_b ? pairs->b[i] : pairs->a + i * lora->rank * pairs->in,
        .rows = is_b ? pairs->out[i] : lora->rank,
        .columns = is_b ? lora->rank : pairs->in,
    };

    snprintf(place.name, sizeof(place.name), "base_model.model.model.layers.%zu.%s.lora_%c.weight",
             layer, modules[pairs->slot + i], is_b ? 'B' : 'A');
    return place;
}

/* Calls fn for every A and B. */
static enum rc for_each_place(const struct llama_lora *lora, place_fn *fn, void *context,
                              struct err *err)
{
    for (size_t l = 0; l < lora->config->n_layers; l++) {
        for (enum llama_group g = 0; g < LLAMA_GROUPS_END; g++) {
            struct llama_pairs pairs = llama_lora_pairs(lora, g, l);

            for (size_t i = 0; i < 2 * pairs.n; i++) {
                struct place place = place_of(lora, &pairs, l, i / 2, i % 2);
                enum rc rc = fn(context, &place, err);

                if (rc)
                    return rc;
            }
        }
    }
    return RC_OK;
}

struct writing {
    const float *values;
    struct arena *arena;
    struct safetensors_tensor *tensors;
    size_t n;
};

static enum rc add_tensor(void *context, const struct place *place, struct err *err)
{
    struct writing *w = context;
    char *name = arena_strndup(w->arena, place->name, strlen(place->name));

    if (!name)
        return arena_fail(w->arena, err, "names of tensors");
    w->tensors[w->n++] = (struct safetensors_tensor){
        .name = str_of(name),
        .type = SAFETENSORS_F32,
        .rank = 2,
        .shape = { place->rows, place->columns },
        .bytes = (const uint8_t *)(w->values + place->at),
        .n_bytes = place->rows * place->columns * sizeof(float),
    };
    return RC_OK;
}

enum rc llama_adapter_append(struct buf *out, const struct digest *base,
                             const struct llama_lora *lora, const float *values,
                             struct arena *arena, struct err *err)
{
    const struct adapter adapter = { .kind = ADAPTER_LORA,
                                     .base = *base,
                                     .lora_alpha = lora->alpha };
    struct writing w = { values, arena, NULL, 0 };

    w.tensors = arena_array(arena, struct safetensors_tensor, 2 * WEIGHTS * lora->config->n_layers);
    if (!w.tensors)
        return arena_fail(arena, err, "tensors of an adapter");
    enum rc rc = for_each_place(lora, add_tensor, &w, err);
    return rc ? rc : adapter_append(out, &adapter, w.tensors, w.n, err);
}

void llama_adapter_append_config(struct buf *out, const struct llama_lora *lora)
{
    buf_printf(out,
               "{\"peft_type\":\"LORA\",\"task_type\":\"CAUSAL_LM\",\"r\":%zu,\"lora_alpha\":%.9g,"
               "\"lora_dropout\":0.0,\"bias\":\"none\",\"fan_in_fan_out\":false,"
               "\"target_modules\":[\"q_proj\",\"k_proj\",\"v_proj\",\"o_proj\",\"gate_proj\","
               "\"up_proj\",\"down_proj\"]}\n",
               lora->rank, (double)lora->alpha);
}

struct reading {
    const struct safetensors *file;
    float *values;
};

static enum rc copy_tensor(void *context, const struct place *place, struct err *err)
{
    const struct reading *r = context;
    const struct safetensors_tensor *t = safetensors_find(r->file, place->name);

    if (!t)
        return err_set(err, RC_CORRUPT, "tensor '%s' is missing", place->name);
    if (t->type != SAFETENSORS_F32 || t->rank != 2 || t->shape[0] != place->rows ||
        t->shape[1] != place->columns)
        return err_set(err, RC_CORRUPT, "tensor '%s' is not F32 of shape (%zu, %zu)", place->name,
                       place->rows, place->columns);
    memcpy(r->values + place->at, t->bytes, t->n_bytes);
    return RC_OK;
}

/* The rank is the number of rows of the first A. */
static enum rc read_rank(const struct safetensors *file, struct llama_lora *lora, struct err *err)
{
    struct llama_lora one = { lora->config, 1, 1.0f };
    struct llama_pairs pairs = llama_lora_pairs(&one, LLAMA_GROUP_QKV, 0);
    struct place place = place_of(&one, &pairs, 0, 0, false);
    const struct safetensors_tensor *t = safetensors_find(file, place.name);

    if (!t || t->rank != 2 || t->shape[0] < 1 || t->shape[0] > LLAMA_LORA_RANK_MAX)
        return err_set(err, RC_CORRUPT, "tensor '%s' does not give a rank from 1 to %d", place.name,
                       LLAMA_LORA_RANK_MAX);
    lora->rank = t->shape[0];
    return RC_OK;
}

enum rc llama_adapter_read(const struct adapter *adapter, const struct llama_config *config,
                           struct arena *arena, struct llama_lora *ret_lora,
                           const float **ret_values, struct err *err)
{
    struct llama_lora lora = { .config = config, .alpha = adapter->lora_alpha };
    struct reading r = { .file = adapter->file };

    ASSERT(adapter->kind == ADAPTER_LORA);
    if (!(lora.alpha > 0.0f))
        return err_set(err, RC_CORRUPT, "metadata has no 'lora_alpha'");
    enum rc rc = read_rank(r.file, &lora, err);
    if (rc)
        return rc;
    r.values = arena_alloc(arena, llama_lora_n_values(&lora), sizeof(float), 64);
    if (!r.values)
        return arena_fail(arena, err, "values of an adapter");
    rc = for_each_place(&lora, copy_tensor, &r, err);
    if (rc)
        return rc;
    if (r.file->n_tensors != 2 * WEIGHTS * config->n_layers)
        return err_set(err, RC_CORRUPT, "%zu tensors, expected %zu", r.file->n_tensors,
                       2 * WEIGHTS * config->n_layers);
    *ret_lora = lora;
    *ret_values = r.values;
    return RC_OK;
}
