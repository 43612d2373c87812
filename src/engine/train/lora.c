#include "engine/train/lora.h"

#include "base/macros.h"
#include "engine/train/train_random.h"

#include <math.h>
#include <string.h>

static const enum bert_slot adapted[] = {
    BERT_QUERY_WEIGHT,     BERT_KEY_WEIGHT, BERT_VALUE_WEIGHT,
    BERT_ATTENTION_WEIGHT, BERT_UP_WEIGHT,  BERT_DOWN_WEIGHT
};

size_t lora_n_pairs(const struct lora *lora)
{
    return lora->layout->config.n_layers * ARRAY_LEN(adapted);
}

struct lora_pair lora_pair_at(const struct lora *lora, size_t i)
{
    size_t at = lora->at;

    for (size_t before = 0;; before++) {
        size_t layer = before / ARRAY_LEN(adapted);
        enum bert_slot slot = adapted[before % ARRAY_LEN(adapted)];
        const struct bert_tensor *t = &lora->layout->tensors[bert_tensor_index(slot, layer)];

        if (before == i)
            return (struct lora_pair){ t, at, at + lora->rank * t->shape[1] };
        at += lora->rank * (t->shape[0] + t->shape[1]);
    }
}

size_t lora_n_values(const struct lora *lora)
{
    struct lora_pair last = lora_pair_at(lora, lora_n_pairs(lora) - 1);

    return last.b + lora->rank * last.tensor->shape[0] - lora->at;
}

void lora_start(const struct lora *lora, uint64_t seed, float *values)
{
    for (size_t i = 0; i < lora_n_pairs(lora); i++) {
        struct lora_pair pair = lora_pair_at(lora, i);
        size_t out = pair.tensor->shape[0], in = pair.tensor->shape[1];
        float bound = 1.0f / sqrtf((float)in);

        for (size_t j = 0; j < lora->rank * in; j++)
            values[pair.a + j] =
                bound * (2.0f * train_random_unit(seed, pair.a - lora->at + j) - 1.0f);
        memset(values + pair.b, 0, lora->rank * out * sizeof(*values));
    }
}

struct work {
    const struct lora *lora;
    gemm_fn *gemm;
    const struct bert *base;
    float *values;
    float *gradients;
};

static void scale(float *x, float factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
}

static void merge_task(void *context, size_t task, size_t worker)
{
    const struct work *w = context;
    struct lora_pair pair = lora_pair_at(w->lora, task);
    size_t out = pair.tensor->shape[0], in = pair.tensor->shape[1], r = w->lora->rank;
    float *weight = w->values + pair.tensor->offset, factor = w->lora->alpha / (float)r;
    (void)worker;

    w->gemm(&(struct gemm){ out, in, r, gemm_plain(w->values + pair.b, r),
                            gemm_plain(w->values + pair.a, in), weight, in, false });
    const float *base = w->base->values[pair.tensor - w->lora->layout->tensors];
    for (size_t i = 0; i < out * in; i++)
        weight[i] = base[i] + factor * weight[i];
}

void lora_merge(const struct lora *lora, gemm_fn *gemm, const struct bert *base, float *values,
                struct pool *pool)
{
    struct work work = { .lora = lora, .gemm = gemm, .base = base, .values = values };

    pool_run(pool, lora_n_pairs(lora), merge_task, &work);
}

static void gradient_task(void *context, size_t task, size_t worker)
{
    const struct work *w = context;
    struct lora_pair pair = lora_pair_at(w->lora, task);
    size_t out = pair.tensor->shape[0], in = pair.tensor->shape[1], r = w->lora->rank;
    const float *dw = w->gradients + pair.tensor->offset, *a = w->values + pair.a,
                *b = w->values + pair.b;
    float *da = w->gradients + pair.a, *db = w->gradients + pair.b,
          factor = w->lora->alpha / (float)r;
    (void)worker;

    w->gemm(&(struct gemm){ r, in, out, gemm_transposed(b, r), gemm_plain(dw, in), da, in, false });
    w->gemm(&(struct gemm){ out, r, in, gemm_plain(dw, in), gemm_transposed(a, in), db, r, false });
    scale(da, factor, r * in);
    scale(db, factor, r * out);
}

void lora_gradients(const struct lora *lora, gemm_fn *gemm, const float *values, float *gradients,
                    struct pool *pool)
{
    struct work work = {
        .lora = lora, .gemm = gemm, .values = (float *)values, .gradients = gradients
    };

    pool_run(pool, lora_n_pairs(lora), gradient_task, &work);
}
