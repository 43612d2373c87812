/*
 * bert.h - the shape and the f32 weights of a BERT encoder.
 *
 * struct bert_layout is the one table of a model's tensors: name, shape, offset. Loading, training,
 * quantising and saving all walk it, so a tensor exists in one place or nowhere. The names are
 * those of the transformers library's BertModel; the pooler is not part of what we compute and is
 * left out, position_ids likewise.
 *
 * Weights come in two forms:
 *   - struct bert: one pointer per tensor, usually into the mapped file. What serving reads; an
 *     adapter's tensors can stand in for the base's one by one (bert_open()).
 *   - flat: all values in one array in the table's order (bert_flatten(), bert_of_flat()). What
 *     training changes; gradients and optimiser state are arrays of the same layout.
 */
#ifndef ENGINE_BERT_H
#define ENGINE_BERT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

struct safetensors;

enum {
    BERT_LAYERS_MAX = 48,
    BERT_WIDTH_MAX = 4096,
    BERT_FF_WIDTH_MAX = 16384,
    BERT_WORDS_MAX = 1 << 20,
    BERT_POSITIONS_MAX = 8192,
    BERT_NAME_BYTES_MAX = 96,
    BERT_RANK_MAX = 2,
};

struct bert_config {
    size_t n_layers;    /* L */
    size_t width;       /* C, a multiple of 32 */
    size_t n_heads;     /* H; the head width C / H is a multiple of 16 */
    size_t ff_width;    /* F, a multiple of 32 */
    size_t n_words;     /* V, vocabulary */
    size_t n_positions; /* most tokens of one text */
    size_t n_types;     /* of segments; we use segment 0 */
    float norm_eps;
};

/* Linear weights are (outputs, inputs) row-major: y = W x + b. */
enum bert_slot {
    BERT_WORDS,     /* (V, C) */
    BERT_POSITIONS, /* (n_positions, C) */
    BERT_TYPES,     /* (n_types, C) */
    BERT_EMBEDDING_GAIN,
    BERT_EMBEDDING_BIAS,
    BERT_LAYER_SLOTS, /* from here on once per layer */
    BERT_QUERY_WEIGHT = BERT_LAYER_SLOTS,
    BERT_QUERY_BIAS,
    BERT_KEY_WEIGHT,
    BERT_KEY_BIAS,
    BERT_VALUE_WEIGHT,
    BERT_VALUE_BIAS,
    BERT_ATTENTION_WEIGHT, /* the projection behind the heads, (C, C) */
    BERT_ATTENTION_BIAS,
    BERT_ATTENTION_NORM_GAIN,
    BERT_ATTENTION_NORM_BIAS,
    BERT_UP_WEIGHT, /* (F, C) */
    BERT_UP_BIAS,
    BERT_DOWN_WEIGHT, /* (C, F) */
    BERT_DOWN_BIAS,
    BERT_DOWN_NORM_GAIN,
    BERT_DOWN_NORM_BIAS,
    BERT_SLOTS_END,
};

struct bert_tensor {
    const char *name; /* "encoder.layer.0.attention.self.query.weight" */
    enum bert_slot slot;
    size_t layer;                      /* 0 for the embedding's slots */
    size_t rank, shape[BERT_RANK_MAX]; /* rank 1 or 2; shape[1] is 1 for rank 1 */
    size_t offset, n_values;           /* in f32 values, within the flat form */
};

struct bert_layout {
    struct bert_config config;
    size_t n_tensors;
    const struct bert_tensor *tensors; /* (n_tensors,), sorted by offset, without gaps */
    size_t n_values;                   /* of all */
};

struct bert {
    struct bert_layout layout;
    const float **values; /* (n_tensors,), each of its tensor's shape */
};

/**
 * Reads the config.json of a BERT model.
 *
 * @return RC_OK
 *         RC_INVALID      not JSON, or a number is missing or no count
 *         RC_UNSUPPORTED  another architecture, activation or position embedding, or a shape that
 *                         the kernels do not have
 *         RC_LIMIT        over a limit above
 *         RC_NOMEM
 */
MUST_CHECK enum rc bert_config_parse(struct str json, struct bert_config *ret_config,
                                     struct err *err);

/* The table of a config that bert_config_parse() accepts; arena owns it. RC_NOMEM, RC_LIMIT. */
MUST_CHECK enum rc bert_layout_init(const struct bert_config *config, struct arena *arena,
                                    struct bert_layout *ret_layout, struct err *err);

/* Index into layout->tensors; layer is 0 for the embedding's slots. */
size_t bert_tensor_index(enum bert_slot slot, size_t layer);

static inline const float *bert_values(const struct bert *bert, enum bert_slot slot, size_t layer)
{
    return bert->values[bert_tensor_index(slot, layer)];
}

/**
 * Finds every tensor of the table in a file. Values are used in place, or copied to the arena when
 * the file does not align them to 4 bytes. Tensors that the table does not name are ignored.
 *
 * @param file      borrowed with the bytes behind it: must outlive *ret_bert
 * @param fallback  may be NULL; gives the tensors that file does not have: a base under an adapter
 *
 * @return RC_OK
 *         RC_NOT_FOUND  a tensor is neither in file nor in fallback
 *         RC_CORRUPT    a tensor is not F32 or has another shape
 *         RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc bert_open(const struct bert_config *config, const struct safetensors *file,
                             const struct bert *fallback, struct arena *arena,
                             struct bert *ret_bert, struct err *err);

/* Copies all values into the flat form, (layout.n_values,). */
void bert_flatten(const struct bert *bert, float *ret_flat);

/* A view of the flat form, which must outlive it. RC_NOMEM, RC_LIMIT. */
MUST_CHECK enum rc bert_of_flat(const struct bert_layout *layout, const float *flat,
                                struct arena *arena, struct bert *ret_bert, struct err *err);

#endif
