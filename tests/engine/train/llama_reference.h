/*
 * llama_reference.h - the decoder with LoRA and its loss once more, in f64 and the plainest way:
 * the oracle for forward, and by finite differences for backward. Formulas: llama_network.h.
 */
#ifndef TESTS_ENGINE_TRAIN_LLAMA_REFERENCE_H
#define TESTS_ENGINE_TRAIN_LLAMA_REFERENCE_H

#include "engine/train/llama_network.h"

#include <math.h>

enum { REF_TOKENS_MAX = 16, REF_WIDE_MAX = 96 };

typedef double ref_rows[REF_TOKENS_MAX][REF_WIDE_MAX];

struct llama_reference {
    const struct llama *base;
    const struct llama_lora *lora;
    const double *values; /* flat A and B */
};

/* y += W x + alpha / r B (A x), for weight number `i` of the group */
static void ref_linear(const struct llama_reference *ref, enum llama_group group, size_t i,
                       size_t layer, const double *x, double *y)
{
    struct llama_pairs p = llama_lora_pairs(ref->lora, group, layer);
    const float *w = llama_values(ref->base, p.slot + (enum llama_slot)i, layer);
    const double *a = ref->values + p.a + i * ref->lora->rank * p.in, *b = ref->values + p.b[i];
    size_t r = ref->lora->rank;

    for (size_t o = 0; o < p.out[i]; o++) {
        for (size_t j = 0; j < p.in; j++)
            y[o] += (double)w[o * p.in + j] * x[j];
        for (size_t k = 0; k < r; k++)
            for (size_t j = 0; j < p.in; j++)
                y[o] +=
                    (double)ref->lora->alpha / (double)r * b[o * r + k] * a[k * p.in + j] * x[j];
    }
}

static void ref_norm(const struct llama_reference *ref, const float *gain, const double *x,
                     double *y)
{
    size_t n = ref->base->config.width;
    double squares = 0.0;

    for (size_t j = 0; j < n; j++)
        squares += x[j] * x[j] / (double)n;
    for (size_t j = 0; j < n; j++)
        y[j] = x[j] / sqrt(squares + (double)ref->base->config.norm_eps) * (double)gain[j];
}

static void ref_turn(const struct llama_config *config, double *x, size_t position, size_t heads)
{
    size_t half = config->head_width / 2;

    for (size_t h = 0; h < heads; h++, x += config->head_width) {
        for (size_t d = 0; d < half; d++) {
            double angle = (double)position * pow((double)config->rope_base,
                                                  -2.0 * (double)d / (double)config->head_width);
            double a = x[d], b = x[d + half];

            x[d] = a * cos(angle) - b * sin(angle);
            x[d + half] = b * cos(angle) + a * sin(angle);
        }
    }
}

/* context of token t, head h, from all tokens up to t. */
static void ref_head(const struct llama_config *config, ref_rows q, ref_rows k, ref_rows v,
                     size_t t, size_t h, double *context)
{
    size_t depth = config->head_width, at = h / (config->n_heads / config->n_kv_heads) * depth;
    double scores[REF_TOKENS_MAX], sum = 0.0;

    for (size_t s = 0; s <= t; s++) {
        scores[s] = 0.0;
        for (size_t d = 0; d < depth; d++)
            scores[s] += q[t][h * depth + d] * k[s][at + d];
        scores[s] = exp(scores[s] / sqrt((double)depth));
        sum += scores[s];
    }
    for (size_t s = 0; s <= t; s++)
        for (size_t d = 0; d < depth; d++)
            context[h * depth + d] += scores[s] / sum * v[s][at + d];
}

static void ref_attention(const struct llama_reference *ref, size_t l, ref_rows x, size_t n)
{
    const struct llama_config *config = &ref->base->config;
    ref_rows q = { 0 }, k = { 0 }, v = { 0 };

    for (size_t t = 0; t < n; t++) {
        double normed[REF_WIDE_MAX];

        ref_norm(ref, llama_values(ref->base, LLAMA_ATTENTION_NORM, l), x[t], normed);
        ref_linear(ref, LLAMA_GROUP_QKV, 0, l, normed, q[t]);
        ref_linear(ref, LLAMA_GROUP_QKV, 1, l, normed, k[t]);
        ref_linear(ref, LLAMA_GROUP_QKV, 2, l, normed, v[t]);
        ref_turn(config, q[t], t, config->n_heads);
        ref_turn(config, k[t], t, config->n_kv_heads);
    }
    for (size_t t = 0; t < n; t++) {
        double context[REF_WIDE_MAX] = { 0 };

        for (size_t h = 0; h < config->n_heads; h++)
            ref_head(config, q, k, v, t, h, context);
        ref_linear(ref, LLAMA_GROUP_OUT, 0, l, context, x[t]);
    }
}

static void ref_feed_forward(const struct llama_reference *ref, size_t l, double *x)
{
    double normed[REF_WIDE_MAX], gate[REF_WIDE_MAX] = { 0 }, up[REF_WIDE_MAX] = { 0 };

    ref_norm(ref, llama_values(ref->base, LLAMA_FF_NORM, l), x, normed);
    ref_linear(ref, LLAMA_GROUP_FF, 0, l, normed, gate);
    ref_linear(ref, LLAMA_GROUP_FF, 1, l, normed, up);
    for (size_t j = 0; j < ref->base->config.ff_width; j++)
        up[j] *= gate[j] / (1.0 + exp(-gate[j]));
    ref_linear(ref, LLAMA_GROUP_DOWN, 0, l, up, x);
}

/* -log p of token `next` behind the output x of one position */
static double ref_token_loss(const struct llama_reference *ref, const double *x, int32_t next)
{
    const struct llama_config *config = &ref->base->config;
    const float *words = llama_values(ref->base, LLAMA_WORDS, 0);
    double normed[REF_WIDE_MAX], sum = 0.0, of_next = 0.0;

    ref_norm(ref, llama_values(ref->base, LLAMA_OUTPUT_NORM, 0), x, normed);
    for (size_t w = 0; w < config->n_words; w++) {
        double z = 0.0;

        for (size_t j = 0; j < config->width; j++)
            z += (double)words[w * config->width + j] * normed[j];
        sum += exp(z);
        of_next = w == (size_t)next ? z : of_next;
    }
    return log(sum) - of_next;
}

/* The summed loss of a row. */
static double ref_loss(const struct llama_reference *ref, const struct llama_row *row)
{
    const struct llama_config *config = &ref->base->config;
    const float *words = llama_values(ref->base, LLAMA_WORDS, 0);
    ref_rows x = { 0 };
    double loss = 0.0;

    for (size_t t = 0; t < row->n_tokens; t++)
        for (size_t j = 0; j < config->width; j++)
            x[t][j] = (double)words[(size_t)row->tokens[t] * config->width + j];
    for (size_t l = 0; l < config->n_layers; l++) {
        ref_attention(ref, l, x, row->n_tokens);
        for (size_t t = 0; t < row->n_tokens; t++)
            ref_feed_forward(ref, l, x[t]);
    }
    for (size_t t = row->n_prompt; t < row->n_tokens; t++)
        loss += ref_token_loss(ref, x[t - 1], row->tokens[t]);
    return loss;
}

#endif
