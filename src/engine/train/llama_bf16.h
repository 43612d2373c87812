/*
 * llama_bf16.h - the frozen matrices of a decoder in bf16, packed once for both directions of
 * training: y = x W^T and, for the gradient of x, dy W.
 *
 * Four bytes per weight in all, two of which each direction reads.
 */
#ifndef ENGINE_TRAIN_LLAMA_BF16_H
#define ENGINE_TRAIN_LLAMA_BF16_H

#include "base/arena.h"
#include "base/err.h"
#include "engine/kernels/gemm_bf16.h"
#include "engine/model/llama.h"

struct llama_bf16_matrix {
    struct gemm_bf16_weights forward;  /* W^T (inputs, outputs) */
    struct gemm_bf16_weights backward; /* W (outputs, inputs) */
};

struct llama_bf16 {
    const struct gemm_bf16_kernel *kernel;
    struct llama_bf16_matrix *matrices; /* indexed by llama_tensor_index(); none of a norm */
};

/* Rounds and packs all matrices of the base. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc llama_bf16_pack(const struct llama *base, struct arena *arena,
                                   struct llama_bf16 *ret_bf16, struct err *err);

#endif
