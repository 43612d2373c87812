/* train_heads.c - from the last layer to the loss, and back to every token. */
#include "engine/train/train_network.h"

#include "base/exact_math.h"
#include "base/macros.h"

#include <math.h>
#include <string.h>

/* f = 16 mean / |mean|, the mean over the tokens of row r; a mean of zeros stays zero. */
static void pool_row(const struct train_network *net, struct train_memory *memory,
                     const struct train_batch *batch, size_t r)
{
    size_t width = net->layout->config.width, n = batch->starts[r + 1] - batch->starts[r];
    float *feature = memory->features + r * width;

    memset(feature, 0, width * sizeof(*feature));
    net->ops->column_sums(feature, memory->output + batch->starts[r] * width, width, n, width);

    float length = (float)sqrt(net->ops->dot(feature, feature, width)) / (float)n;
    float scale = length > 0.0f ? TRAIN_FEATURE_SCALE / (length * (float)n) : 0.0f;

    memory->lengths[r] = length;
    for (size_t j = 0; j < width; j++)
        feature[j] *= scale;
}

void train_heads_forward(const struct train_network *net, struct train_memory *memory,
                         const struct train_batch *batch, size_t first, size_t end)
{
    size_t width = net->layout->config.width, n_classes = net->heads.n_classes;
    float *logits = memory->logits + first * n_classes;

    for (size_t r = first; r < end; r++)
        pool_row(net, memory, batch, r);
    net->gemm(&(struct gemm){
        .m = end - first,
        .n = n_classes,
        .depth = width,
        .a = gemm_plain(memory->features + first * width, width),
        .b = gemm_transposed(net->values + net->heads.weight, width),
        .c = logits,
        .c_stride = n_classes,
    });
    net->ops->add_bias(logits, n_classes, net->values + net->heads.bias, end - first, n_classes);
}

/* Training ends when they are not: the rates are too high. */
static bool are_finite(const float *logits, size_t n)
{
    for (size_t c = 0; c < n; c++)
        if (!isfinite(logits[c]))
            return false;
    return true;
}

/* Cross-entropy of one field's logits (n,); they become weight * (softmax - one-hot). */
static double cross_entropy(float *logits, size_t n, int32_t label, float weight)
{
    double top = -INFINITY, sum = 0.0;

    if (!are_finite(logits, n))
        return NAN;
    if (label == TRAIN_NO_LABEL) {
        memset(logits, 0, n * sizeof(*logits));
        return 0.0;
    }
    ASSERT(label >= 0 && (size_t)label < n);
    for (size_t c = 0; c < n; c++)
        top = fmax(top, (double)logits[c]);
    for (size_t c = 0; c < n; c++)
        sum += exact_exp((double)logits[c] - top);
    double loss = top + exact_ln(sum) - (double)logits[label];

    for (size_t c = 0; c < n; c++) {
        double p = exact_exp((double)logits[c] - top) / sum;

        logits[c] = weight * (float)(p - ((size_t)label == c ? 1.0 : 0.0));
    }
    return loss * (double)weight;
}

double train_set_cross_entropy(float *logits, size_t n, int32_t set, float weight)
{
    double loss = 0.0;

    if (!are_finite(logits, n))
        return NAN;
    if (set == TRAIN_NO_LABEL) {
        memset(logits, 0, n * sizeof(*logits));
        return 0.0;
    }
    ASSERT(set >= 0 && set >> n == 0);
    for (size_t c = 0; c < n; c++) {
        bool is_in = set >> c & 1;
        double against = is_in ? -(double)logits[c] : (double)logits[c]; /* log odds of an error */
        double odds = exact_exp(-fabs(against)),
               wrong = (against > 0.0 ? 1.0 : odds) / (1.0 + odds);

        loss += fmax(against, 0.0) + exact_ln(1.0 + odds);
        logits[c] = weight * (float)(is_in ? -wrong : wrong);
    }
    return loss * (double)weight;
}

static double row_loss(const struct train_network *net, float *logits, const int32_t *labels,
                       const float *weights)
{
    double loss = 0.0;

    for (size_t f = 0; f < net->heads.n_fields; f++) {
        size_t from = net->heads.first[f], n = net->heads.first[f + 1] - from;

        loss += (net->heads.is_set[f] ? train_set_cross_entropy
                                      : cross_entropy)(logits + from, n, labels[f], weights[f]);
    }
    return loss;
}

/* df becomes d(mean): the part of df along f does not change the loss, for f has a fixed length. */
static void unnormalise(const struct train_network *net, float *df, const float *feature,
                        float length)
{
    size_t width = net->layout->config.width;
    float along =
        (float)net->ops->dot(df, feature, width) / (TRAIN_FEATURE_SCALE * TRAIN_FEATURE_SCALE);

    net->ops->add(df, feature, -along, width);
    for (size_t j = 0; j < width; j++)
        df[j] *= length > 0.0f ? TRAIN_FEATURE_SCALE / length : 0.0f;
}

void train_heads_backward(const struct train_network *net, struct train_memory *memory,
                          const struct train_batch *batch, size_t first, size_t end)
{
    size_t width = net->layout->config.width, n_classes = net->heads.n_classes,
           n_fields = net->heads.n_fields;

    for (size_t r = first; r < end; r++) {
        size_t from = batch->starts[r], n = batch->starts[r + 1] - from;
        float *logits = memory->logits + r * n_classes, *df = memory->grad + from * width;

        memory->losses[r] = row_loss(net, logits, batch->labels + r * n_fields, batch->weights);
        net->gemm(&(struct gemm){
            .m = 1,
            .n = width,
            .depth = n_classes,
            .a = gemm_plain(logits, n_classes),
            .b = gemm_plain(net->values + net->heads.weight, width),
            .c = df,
            .c_stride = width,
        });
        unnormalise(net, df, memory->features + r * width, memory->lengths[r]);
        for (size_t j = 0; j < width; j++)
            df[j] /= (float)n;
        for (size_t t = 1; t < n; t++)
            memcpy(df + t * width, df, width * sizeof(*df));
    }
}
