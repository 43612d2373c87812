/* Whatever the bytes, manifest_parse() returns; what it accepts is written again as the same bytes.
 */
#include "registry/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP(arena_release) struct arena arena;
    CLEANUP(buf_release) struct buf out;
    struct str text = { (const char *)bytes, size };
    struct manifest manifest;
    struct err err;

    arena_init(&arena, 8 << 20);
    buf_init(&out, MANIFEST_BYTES_MAX);
    if (manifest_parse(text, &arena, &manifest, &err) == RC_OK) {
        ASSERT(manifest_encode(&manifest, &out, &err) == RC_OK);
        ASSERT(str_equal(buf_str(&out), text));
    }
    return 0;
}
