/* Whatever the bytes, bundle_read() returns; what it accepts names every part it has. */
#include "factory/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct bundle bundle;
    CLEANUP(arena_release) struct arena arena;
    struct str text = { (const char *)bytes, size };
    struct err err;

    arena_init(&arena, 16 << 20);
    if (bundle_read(text, &arena, &bundle, &err) == RC_OK)
        for (size_t i = 0; i < bundle.n_parts; i++)
            ASSERT(bundle_find(&bundle, &bundle.parts[i].digest) != NULL);
    return 0;
}
