#include "engine/train/llama_bf16.h"

static enum rc pack(struct gemm_view b, size_t depth, size_t n, struct arena *arena,
                    struct gemm_bf16_weights *ret_weights, struct err *err)
{
    uint16_t *panels = arena_alloc(arena, gemm_bf16_panels_len(depth, n), sizeof(*panels), 64);

    if (!panels)
        return arena_fail(arena, err, "weights in bf16");
    gemm_bf16_pack(b, depth, n, panels);
    *ret_weights = (struct gemm_bf16_weights){ depth, n, panels };
    return RC_OK;
}

static enum rc pack_matrix(const struct llama *base, enum llama_slot slot, size_t layer,
                           struct arena *arena, struct llama_bf16_matrix *ret_matrix,
                           struct err *err)
{
    const float *w = llama_values(base, slot, layer);
    size_t out, in;

    llama_shape(&base->config, slot, &out, &in);
    if (in == 1) /* of a norm */
        return RC_OK;
    enum rc rc = pack(gemm_transposed(w, in), in, out, arena, &ret_matrix->forward, err);

    return rc ? rc : pack(gemm_plain(w, in), out, in, arena, &ret_matrix->backward, err);
}

enum rc llama_bf16_pack(const struct llama *base, struct arena *arena, struct llama_bf16 *ret_bf16,
                        struct err *err)
{
    size_t n = llama_n_tensors(&base->config);
    struct llama_bf16 bf16 = { gemm_bf16_kernel_best(),
                               arena_array(arena, struct llama_bf16_matrix, n) };
    enum rc rc = RC_OK;

    if (!bf16.matrices)
        return arena_fail(arena, err, "weights in bf16");
    for (size_t l = 0; l < base->config.n_layers; l++)
        for (enum llama_slot s = l ? LLAMA_LAYER_SLOTS : 0; s < LLAMA_SLOTS_END && !rc; s++)
            rc = pack_matrix(base, s, l, arena, &bf16.matrices[llama_tensor_index(s, l)], err);
    if (!rc)
        *ret_bf16 = bf16;
    return rc;
}
