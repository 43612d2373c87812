/*
 * adapter.h - one version's model as one safetensors file: what the factory writes, and what a
 * predictor (of an SLM that chooses) or an author (of one that writes) opens.
 *
 * Metadata, all texts:
 *   format    "shoal-adapter/1"
 *   kind      "linear", "frozen", "finetuned" or "blend"; of one that writes "prompted" or "lora"
 *   base      digest of the base the encoder part stands on, or that writes; absent without one
 *   fields    JSON: [{"name":"priority","labels":["low","high"]}, ...], the order of all scores;
 *             with "set":true the field's value is a set of its labels; absent of one that writes
 *   lora_alpha  with LoRA tensors only: a number; W = W0 + (alpha / r) B A
 *
 * Tensors:
 *   heads.weight (K, C), heads.bias (K,)   F32: the decision heads of all fields, one below the
 *                                          other, K labels in all; the encoder part
 *   <name of a BERT tensor>                F32: stands in for the base's; any number of them
 *   <name of a linear weight>.lora_a (r, in), .lora_b (out, r)   F32
 *   linear.*                               the linear part, see engine/linear/linear.h
 *   blend.share (n_fields,)                F32 in [0, 1]: s of each field; its probabilities are in
 *                                          proportion to encoder^(1 - s) linear^s
 *
 * kind says which parts there must be: linear: the linear part alone; frozen: heads alone;
 * finetuned: heads, and BERT or LoRA tensors; blend: heads, with or without such tensors, the
 * linear part, and the shares. prompted has no tensors: it is its base; those of lora are PEFT's
 * (engine/train/llama_adapter.h), so that its file is PEFT's adapter_model.safetensors too.
 */
#ifndef ENGINE_ADAPTER_H
#define ENGINE_ADAPTER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/safetensors/safetensors.h"

#include <stdbool.h>

enum {
    ADAPTER_FIELDS_MAX = 64,
    ADAPTER_LABELS_MAX = 4096, /* of all fields together */
    ADAPTER_MEMBERS_MAX = 16,  /* labels of a set: one as a number is a mask of them */
};

enum adapter_kind {
    ADAPTER_LINEAR,
    ADAPTER_FROZEN,
    ADAPTER_FINETUNED,
    ADAPTER_BLEND,
    ADAPTER_PROMPTED,
    ADAPTER_LORA,
};

const char *adapter_kind_name(enum adapter_kind kind);

/* Is it an author's, without fields? */
static inline bool adapter_writes(enum adapter_kind kind)
{
    return kind == ADAPTER_PROMPTED || kind == ADAPTER_LORA;
}

struct adapter_field {
    struct str name;
    bool is_set;
    size_t n_labels; /* at least 2; of a set at most ADAPTER_MEMBERS_MAX */
    struct str *labels;
    size_t first; /* of its scores among all */
};

struct adapter {
    enum adapter_kind kind;
    struct digest base; /* hex[0] is 0 without an encoder part */
    float lora_alpha;   /* 0 without LoRA tensors */
    size_t n_fields;    /* 0 exactly of one that writes */
    struct adapter_field *fields;
    size_t n_labels;          /* K: of all fields */
    struct safetensors *file; /* set by adapter_parse() */
};

/**
 * Parses and checks an adapter file's metadata; its tensors are checked when a predictor or an
 * author opens it.
 *
 * @param bytes  in, borrowed: must outlive *ret_adapter
 * @param arena  owns *ret_adapter
 *
 * @return RC_OK
 *         RC_CORRUPT      no safetensors file, metadata missing or wrong
 *         RC_UNSUPPORTED  another format version
 *         RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc adapter_parse(const uint8_t *bytes, size_t size, struct arena *arena,
                                 struct adapter **ret_adapter, struct err *err);

/**
 * Appends an adapter file with these tensors. The same input gives the same bytes.
 *
 * @param adapter  kind, base, lora_alpha, fields (name, labels); file and first are not read
 *
 * @return RC_OK, RC_LIMIT (out), RC_NOMEM
 */
MUST_CHECK enum rc adapter_append(struct buf *out, const struct adapter *adapter,
                                  const struct safetensors_tensor *tensors, size_t n_tensors,
                                  struct err *err);

#endif
