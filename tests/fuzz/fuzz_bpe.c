/* Whatever the bytes, a vocabulary is refused or opened, and what is opened encodes them as text.
 */
#include "base/arena.h"
#include "engine/gguf/gguf.h"
#include "engine/tokenizer/bpe.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static int32_t ids[4096];
    const struct str texts[] = { STR(" ab'll 12  aaaa\n\n"), { (const char *)bytes, size } };
    struct arena arena;
    struct gguf *file;
    struct bpe *b;
    struct err err;
    size_t n;

    arena_init(&arena, 8 << 20);
    if (gguf_parse(bytes, size, &arena, &file, &err) == RC_OK &&
        bpe_open(file, &arena, &b, &err) == RC_OK)
        for (size_t t = 0; t < ARRAY_LEN(texts); t++)
            if (bpe_encode(b, texts[t], ARRAY_LEN(ids), ids, &n, &err) == RC_OK)
                for (size_t i = 0; i < n; i++)
                    ASSERT(bpe_token(b, (size_t)ids[i]).len > 0);
    arena_release(&arena);
    return 0;
}
