#include "engine/model/llama.h"

#include "base/macros.h"

void llama_shape(const struct llama_config *config, enum llama_slot slot, size_t *ret_rows,
                 size_t *ret_columns)
{
    size_t c = config->width, queries = config->n_heads * config->head_width;
    size_t keys = config->n_kv_heads * config->head_width;
    const struct {
        size_t rows, columns;
    } shapes[LLAMA_SLOTS_END] = {
        [LLAMA_WORDS] = { config->n_words, c },
        [LLAMA_OUTPUT_NORM] = { c, 1 },
        [LLAMA_ATTENTION_NORM] = { c, 1 },
        [LLAMA_QUERY] = { queries, c },
        [LLAMA_KEY] = { keys, c },
        [LLAMA_VALUE] = { keys, c },
        [LLAMA_ATTENTION] = { c, queries },
        [LLAMA_FF_NORM] = { c, 1 },
        [LLAMA_GATE] = { config->ff_width, c },
        [LLAMA_UP] = { config->ff_width, c },
        [LLAMA_DOWN] = { c, config->ff_width },
    };

    ASSERT(slot < LLAMA_SLOTS_END);
    *ret_rows = shapes[slot].rows;
    *ret_columns = shapes[slot].columns;
}
