/* Whatever the text, what bert_config_parse() accepts is a shape whose table fits its limits. */
#include "engine/model/bert.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct bert_config config;
    struct bert_layout layout;
    struct arena arena;
    struct err err;

    if (bert_config_parse((struct str){ (const char *)bytes, size }, &config, &err) != RC_OK)
        return 0;
    arena_init(&arena, 1 << 20);
    ASSERT(bert_layout_init(&config, &arena, &layout, &err) == RC_OK);
    for (size_t i = 1; i < layout.n_tensors; i++)
        ASSERT(layout.tensors[i].offset ==
               layout.tensors[i - 1].offset + layout.tensors[i - 1].n_values);
    arena_release(&arena);
    return 0;
}
