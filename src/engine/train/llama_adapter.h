/*
 * llama_adapter.h - a decoder's LoRA as an adapter file (engine/adapter.h) that is PEFT's
 * adapter_model.safetensors as well, both ways.
 *
 *   base_model.model.model.layers.<l>.self_attn.{q,k,v,o}_proj.lora_A.weight   (r, in)   F32
 *   base_model.model.model.layers.<l>.self_attn.{q,k,v,o}_proj.lora_B.weight   (out, r)
 *   base_model.model.model.layers.<l>.mlp.{gate,up,down}_proj.lora_{A,B}.weight
 *   metadata: ours, of kind "lora"; PEFT reads none (its lora_alpha is in adapter_config.json)
 *
 * Source: what peft 0.21 writes; bench/lora_vs_peft.py loads ours with it.
 */
#ifndef ENGINE_TRAIN_LLAMA_ADAPTER_H
#define ENGINE_TRAIN_LLAMA_ADAPTER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "engine/adapter.h"
#include "engine/train/llama_lora.h"

/* Appends the file; base: its digest, or hex[0] 0 when none is to be named; values
 * (llama_lora_n_values(),). The same input gives the same bytes. RC_LIMIT (out), RC_NOMEM. */
MUST_CHECK enum rc llama_adapter_append(struct buf *out, const struct digest *base,
                                        const struct llama_lora *lora, const float *values,
                                        struct arena *arena, struct err *err);

/* Appends PEFT's adapter_config.json. Failures stay in out. */
void llama_adapter_append_config(struct buf *out, const struct llama_lora *lora);

/**
 * Reads the LoRA of an adapter of kind ADAPTER_LORA (asserted) for this base.
 *
 * @param config      of the base; borrowed by *ret_lora
 * @param ret_lora    rank and alpha as the file has them
 * @param ret_values  (llama_lora_n_values(),) in the arena
 * @return RC_OK
 *         RC_CORRUPT  lora_alpha or a tensor is missing, a tensor is of another type or shape than
 *                     the base asks for, or there are others
 *         RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc llama_adapter_read(const struct adapter *adapter,
                                      const struct llama_config *config, struct arena *arena,
                                      struct llama_lora *ret_lora, const float **ret_values,
                                      struct err *err);

#endif
