/*
 * bert_reference.h - the encoder and its loss once more, in f64 and the plainest way: the oracle
 * for forward, and by finite differences for backward.
 *
 * Shapes and formulas are those of train_network.h. No dropout.
 */
#ifndef TESTS_ENGINE_TRAIN_BERT_REFERENCE_H
#define TESTS_ENGINE_TRAIN_BERT_REFERENCE_H

#include "engine/train/train_network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REF_TOKENS_MAX = 16, REF_WIDE_MAX = 64, REF_CLASSES_MAX = 16 };

struct bert_reference {
    const struct bert_layout *layout;
    const struct train_heads *heads;
    const double *values; /* flat, as in struct train_network */
};

static const double *ref_values(const struct bert_reference *ref, enum bert_slot slot, size_t layer)
{
    return ref->values + ref->layout->tensors[bert_tensor_index(slot, layer)].offset;
}

static void ref_linear(double *y, const double *x, const double *weight, const double *bias,
                       size_t out, size_t in)
{
    for (size_t o = 0; o < out; o++) {
        y[o] = bias[o];
        for (size_t i = 0; i < in; i++)
            y[o] += weight[o * in + i] * x[i];
    }
}

static void ref_norm(double *x, const double *gain, const double *shift, size_t n, double eps)
{
    double mean = 0.0, variance = 0.0;

    for (size_t j = 0; j < n; j++)
        mean += x[j] / (double)n;
    for (size_t j = 0; j < n; j++)
        variance += (x[j] - mean) * (x[j] - mean) / (double)n;
    for (size_t j = 0; j < n; j++)
        x[j] = (x[j] - mean) / sqrt(variance + eps) * gain[j] + shift[j];
}

static void ref_attention(const struct bert_reference *ref, size_t l, double x[][REF_WIDE_MAX],
                          size_t n, double context[][REF_WIDE_MAX])
{
    static double q[REF_TOKENS_MAX][REF_WIDE_MAX], k[REF_TOKENS_MAX][REF_WIDE_MAX],
        v[REF_TOKENS_MAX][REF_WIDE_MAX];
    size_t width = ref->layout->config.width, depth = width / ref->layout->config.n_heads;

    for (size_t t = 0; t < n; t++) {
        ref_linear(q[t], x[t], ref_values(ref, BERT_QUERY_WEIGHT, l),
                   ref_values(ref, BERT_QUERY_BIAS, l), width, width);
        ref_linear(k[t], x[t], ref_values(ref, BERT_KEY_WEIGHT, l),
                   ref_values(ref, BERT_KEY_BIAS, l), width, width);
        ref_linear(v[t], x[t], ref_values(ref, BERT_VALUE_WEIGHT, l),
                   ref_values(ref, BERT_VALUE_BIAS, l), width, width);
    }
    for (size_t t = 0; t < n; t++) {
        for (size_t h = 0; h < width; h += depth) {
            double p[REF_TOKENS_MAX], sum = 0.0;

            for (size_t u = 0; u < n; u++) {
                double score = 0.0;
                for (size_t d = h; d < h + depth; d++)
                    score += q[t][d] * k[u][d];
                p[u] = exp(score / sqrt((double)depth));
                sum += p[u];
            }
            for (size_t d = h; d < h + depth; d++) {
                context[t][d] = 0.0;
                for (size_t u = 0; u < n; u++)
                    context[t][d] += p[u] / sum * v[u][d];
            }
        }
    }
}

static void ref_layer(const struct bert_reference *ref, size_t l, double x[][REF_WIDE_MAX],
                      size_t n)
{
    static double context[REF_TOKENS_MAX][REF_WIDE_MAX];
    const struct bert_config *c = &ref->layout->config;
    double eps = (double)c->norm_eps;

    ref_attention(ref, l, x, n, context);
    for (size_t t = 0; t < n; t++) {
        double y[REF_WIDE_MAX], up[REF_WIDE_MAX];

        ref_linear(y, context[t], ref_values(ref, BERT_ATTENTION_WEIGHT, l),
                   ref_values(ref, BERT_ATTENTION_BIAS, l), c->width, c->width);
        for (size_t j = 0; j < c->width; j++)
            x[t][j] += y[j];
        ref_norm(x[t], ref_values(ref, BERT_ATTENTION_NORM_GAIN, l),
                 ref_values(ref, BERT_ATTENTION_NORM_BIAS, l), c->width, eps);
        ref_linear(up, x[t], ref_values(ref, BERT_UP_WEIGHT, l), ref_values(ref, BERT_UP_BIAS, l),
                   c->ff_width, c->width);
        for (size_t j = 0; j < c->ff_width; j++)
            up[j] *= 0.5 * (1.0 + erf(up[j] / sqrt(2.0)));
        ref_linear(y, up, ref_values(ref, BERT_DOWN_WEIGHT, l), ref_values(ref, BERT_DOWN_BIAS, l),
                   c->width, c->ff_width);
        for (size_t j = 0; j < c->width; j++)
            x[t][j] += y[j];
        ref_norm(x[t], ref_values(ref, BERT_DOWN_NORM_GAIN, l),
                 ref_values(ref, BERT_DOWN_NORM_BIAS, l), c->width, eps);
    }
}

/* z (K,) of one row */
static void ref_logits(const struct bert_reference *ref, const int32_t *tokens, size_t n, double *z)
{
    static double x[REF_TOKENS_MAX][REF_WIDE_MAX];
    const struct bert_config *c = &ref->layout->config;
    double f[REF_WIDE_MAX] = { 0 }, length = 0.0;

    for (size_t t = 0; t < n; t++) {
        for (size_t j = 0; j < c->width; j++)
            x[t][j] = ref_values(ref, BERT_WORDS, 0)[tokens[t] * c->width + j] +
                      ref_values(ref, BERT_POSITIONS, 0)[t * c->width + j] +
                      ref_values(ref, BERT_TYPES, 0)[j];
        ref_norm(x[t], ref_values(ref, BERT_EMBEDDING_GAIN, 0),
                 ref_values(ref, BERT_EMBEDDING_BIAS, 0), c->width, (double)c->norm_eps);
    }
    for (size_t l = 0; l < c->n_layers; l++)
        ref_layer(ref, l, x, n);
    for (size_t j = 0; j < c->width; j++) {
        for (size_t t = 0; t < n; t++)
            f[j] += x[t][j] / (double)n;
        length += f[j] * f[j];
    }
    for (size_t j = 0; j < c->width; j++)
        f[j] *= (double)TRAIN_FEATURE_SCALE / sqrt(length);
    ref_linear(z, f, ref->values + ref->heads->weight, ref->values + ref->heads->bias,
               ref->heads->n_classes, c->width);
}

static double ref_loss(const struct bert_reference *ref, const struct train_batch *batch)
{
    size_t n_fields = ref->heads->n_fields;
    double loss = 0.0;

    for (size_t r = 0; r < batch->n_rows; r++) {
        double z[REF_CLASSES_MAX];

        ref_logits(ref, batch->tokens + batch->starts[r], batch->starts[r + 1] - batch->starts[r],
                   z);
        for (size_t f = 0; f < n_fields; f++) {
            size_t from = ref->heads->first[f], end = ref->heads->first[f + 1];
            int32_t label = batch->labels[r * n_fields + f];
            double sum = 0.0;

            if (label != TRAIN_NO_LABEL && ref->heads->is_set[f]) {
                for (size_t c = from; c < end; c++)
                    loss += (double)batch->weights[f] *
                            (log(1.0 + exp(z[c])) - (label >> (c - from) & 1) * z[c]);
                continue;
            }
            for (size_t c = from; c < end; c++)
                sum += exp(z[c]);
            if (label != TRAIN_NO_LABEL)
                loss += (double)batch->weights[f] * (log(sum) - z[from + (size_t)label]);
        }
    }
    return loss;
}

#endif
