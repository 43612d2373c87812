/* Whatever the bytes, safetensors_parse() returns, and every tensor lies inside of them. */
#include "base/arena.h"
#include "engine/safetensors/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct arena arena;
    struct safetensors *file;
    struct err err;

    arena_init(&arena, 8 << 20);
    if (safetensors_parse(bytes, size, &arena, &file, &err) == RC_OK)
        for (size_t i = 0; i < file->n_tensors; i++) {
            const struct safetensors_tensor *t = &file->tensors[i];
            ASSERT(t->bytes >= bytes && t->n_bytes <= (size_t)(bytes + size - t->bytes));
        }
    arena_release(&arena);
    return 0;
}
