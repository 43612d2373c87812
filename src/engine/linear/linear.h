/*
 * linear.h - the cheapest model: hashed n-grams of a text and one logistic regression per field.
 *
 * A text becomes two blocks of features, as scikit-learn's TfidfVectorizer makes them:
 *   words       runs of word characters and pairs of neighbours (analyzer "word", 1-2)
 *   characters  3 to 5 characters inside each blank-separated word, which is padded with one blank
 *               on both sides; a shorter word gives itself once (analyzer "char_wb", 3-5)
 * Letters are lowered in the Latin, Greek and Cyrillic blocks below U+0460; others stay.
 *
 * A feature is a 32-bit hash, its top bit the block. Its value in a text that holds it n times is
 * (1 + ln n) * idf, and each block is scaled to length 1. Features that the training rows do not
 * have count for nothing: there is no table of strings.
 *
 * Predicting is scalar C in one fixed order, with exp and ln of our own, compiled without
 * contraction: the same bytes on every CPU.
 */
#ifndef ENGINE_LINEAR_H
#define ENGINE_LINEAR_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/safetensors/safetensors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LINEAR_TEXT_BYTES_MAX = 1 << 16,
    LINEAR_FEATURES_MAX = 1 << 18, /* kept from the training rows; the rarest go first */
    LINEAR_CLASSES_MAX = 4096,
    LINEAR_MEMBERS_MAX = 31,
    LINEAR_HEADS_MAX = 64,
};

/* What the training rows teach about features. */
struct linear_vocabulary {
    size_t n_features;
    const uint32_t *hashes; /* (F,) ascending, distinct */
    const float *idf;       /* (F,) ln((1 + rows) / (1 + rows with it)) + 1, >= 1 */
};

/* The features of one text that the vocabulary knows. */
struct linear_features {
    size_t n;
    const uint32_t *index; /* (n,) into the vocabulary, ascending */
    const float *value;    /* (n,) > 0; each block of length 1 */
};

/* The logistic regression of one closed output field: multinomial, or of a set one a label. */
struct linear_head {
    size_t n_classes; /* K, in [2, LINEAR_CLASSES_MAX], of a set at most LINEAR_MEMBERS_MAX */
    bool is_set;      /* no part of the file: whoever loads says so */
    float *weights;   /* (F, K) */
    float *bias;      /* (K,) */
};

struct linear_model {
    struct linear_vocabulary vocabulary;
    size_t n_heads;
    struct linear_head *heads; /* (n_heads,) in the order of the closed fields */
};

/**
 * Counts the features of all texts and keeps those worth a weight.
 *
 * Kept are features of at least two texts (of one, below 1,000 texts); when more than features_max
 * remain, the least count rises until they fit.
 *
 * @param texts         (n_texts,) UTF-8, each at most LINEAR_TEXT_BYTES_MAX
 * @param features_max  1 to LINEAR_FEATURES_MAX
 * @param scratch       what is needed meanwhile: about 8 bytes per feature of each text
 *
 * @return RC_OK, RC_INVALID (no text has a feature), RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc linear_vocabulary_count(const struct str *texts, size_t n_texts,
                                           size_t features_max, struct arena *scratch,
                                           struct arena *arena,
                                           struct linear_vocabulary *ret_vocabulary,
                                           struct err *err);

/* RC_LIMIT: a text over LINEAR_TEXT_BYTES_MAX, or the arena; RC_NOMEM. A text without a known
 * feature has n = 0. */
MUST_CHECK enum rc linear_featurize(const struct linear_vocabulary *vocabulary, struct str text,
                                    struct arena *arena, struct linear_features *ret_features,
                                    struct err *err);

/**
 * ln p(class | text) = z - ln(sum exp z) with z = features * weights + bias; of a set z itself, the
 * log odds ln(p / (1 - p)) that the label is in it.
 *
 * @param scores  out, (K,); all NaN when a z is not finite: the weights are no model
 */
void linear_scores(const struct linear_head *head, const struct linear_features *features,
                   float *scores);

/*
 * In an adapter file a model is the tensors
 *   linear.hashes         U32 (F,)
 *   linear.idf            F32 (F,)
 *   linear.weights.<h>    F32 (F, K)    h = 0, 1, ...: the head's place
 *   linear.bias.<h>       F32 (K,)
 */
enum { LINEAR_TENSORS_MAX = 2 + 2 * LINEAR_HEADS_MAX };

/* The tensors of model, borrowed from it; the names live in the arena. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc linear_tensors(const struct linear_model *model, struct arena *arena,
                                  struct safetensors_tensor **ret_tensors, size_t *ret_n_tensors,
                                  struct err *err);

/* The model of a file, copied into the arena. RC_CORRUPT: a tensor is missing or its shape, order
 * or a value is wrong; RC_LIMIT; RC_NOMEM. */
MUST_CHECK enum rc linear_load(const struct safetensors *file, size_t n_heads, struct arena *arena,
                               struct linear_model **ret_model, struct err *err);

#endif
