/*
 * train_adapter.h - between a training run and adapter files: what a run gave, as the tensors of a
 * file; and an adapter file, as what a run starts from.
 *
 * Names and shapes are those of adapter.h: heads.weight (K, C), heads.bias (K,), a BERT tensor by
 * its own name, and <linear weight>.lora_a (r, in), .lora_b (out, r).
 */
#ifndef ENGINE_TRAIN_ADAPTER_H
#define ENGINE_TRAIN_ADAPTER_H

#include "engine/safetensors/safetensors.h"
#include "engine/train/train.h"

/**
 * The encoder part of an adapter: heads; with TRAIN_FULL every BERT tensor that is not the base's,
 * with TRAIN_LORA every A and B.
 *
 * @param result  borrowed: the tensors point into it
 * @param arena   owns the table and the names
 * @return RC_OK, RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc train_adapter_tensors(const struct train_result *result, const struct bert *base,
                                         size_t n_classes, struct arena *arena,
                                         struct safetensors_tensor **ret_tensors, size_t *ret_n,
                                         struct err *err);

/* For struct train_job: start, start_head, start_lora. */
struct train_start {
    struct bert bert;
    const float *head; /* (K, C) and (K,) */
    const float *lora; /* NULL: none */
};

/**
 * Production's adapter as the start of a run.
 *
 * @param base       borrowed, as file: *ret_start may point into both
 * @param n_classes  K: of the run
 * @param options    method, lora_rank and lora_alpha are read: a run of TRAIN_LORA goes on with the
 * file's own A and B; one of TRAIN_FULL starts from the merged weights
 * @param alpha      the file's lora_alpha; 0 without LoRA tensors
 * @return RC_OK
 *         RC_STATE    the file's LoRA has another rank or alpha than the run's, or a run of
 * TRAIN_LORA would start from weights that are all changed: begin with another method or from the
 * base RC_CORRUPT  a tensor is missing, not F32 or of another shape than K and the base ask for
 *         RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc train_start_open(const struct bert *base, const struct safetensors *file,
                                    float alpha, size_t n_classes,
                                    const struct train_options *options, struct arena *arena,
                                    struct train_start *ret_start, struct err *err);

#endif
