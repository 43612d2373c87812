/* Whatever the bytes, gguf_parse() returns, and every tensor and array lies inside of them. */
#include "base/arena.h"
#include "engine/gguf/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct arena arena;
    struct gguf *file;
    struct err err;

    arena_init(&arena, 8 << 20);
    if (gguf_parse(bytes, size, &arena, &file, &err) == RC_OK) {
        for (size_t i = 0; i < file->n_tensors; i++) {
            const struct gguf_tensor *t = &file->tensors[i];
            ASSERT(t->bytes >= bytes && t->n_bytes <= (size_t)(bytes + size - t->bytes));
        }
        for (size_t i = 0; i < file->n_pairs; i++) {
            const struct gguf_value *v = &file->pairs[i].value;
            struct reader values = v->kind == GGUF_ARRAY ? v->array.values : (struct reader){ 0 };
            for (size_t n = v->kind == GGUF_ARRAY ? v->array.n : 0; n > 0; n--)
                gguf_next(&values, v->array.kind);
            ASSERT(reader_left(&values) == 0);
        }
    }
    arena_release(&arena);
    return 0;
}
