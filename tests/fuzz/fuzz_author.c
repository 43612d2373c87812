/* Whatever the bytes, an adapter of one that writes is refused or read, and what is read is merged
 * within the weights. */
#include "base/macros.h"
#include "engine/train/llama_adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct llama_config config = {
    .n_layers = 1,
    .width = 32,
    .n_heads = 1,
    .n_kv_heads = 1,
    .head_width = 32,
    .ff_width = 32,
    .n_words = 32,
    .n_positions = 16,
    .rope_base = 100.0f,
    .norm_eps = 1e-5f,
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP(arena_release) struct arena arena;
    float weights[32 * 32] = { 0 };
    const float *values;
    struct adapter *adapter;
    struct llama_lora lora;
    struct err err;

    arena_init(&arena, 64 << 20);
    if (adapter_parse(bytes, size, &arena, &adapter, &err) != RC_OK)
        return 0;
    ASSERT(adapter_writes(adapter->kind) == (adapter->n_fields == 0));
    if (adapter->kind != ADAPTER_LORA ||
        llama_adapter_read(adapter, &config, &arena, &lora, &values, &err) != RC_OK)
        return 0;
    for (enum llama_slot slot = LLAMA_QUERY; slot <= LLAMA_DOWN; slot++)
        if (slot != LLAMA_FF_NORM)
            llama_lora_merge(&lora, values, slot, 0, weights);
    return 0;
}
