/* Whatever the bytes - a vocabulary, a NUL, a text - nothing is read or written out of bounds, and
 * counting agrees with encoding. */
#include "base/arena.h"
#include "engine/tokenizer/wordpiece.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void encode(const struct wordpiece *w, struct str text)
{
    int32_t ids[64];
    size_t n_counted, n_ids;
    struct err err;

    if (wordpiece_count(w, text, &n_counted, &err) != RC_OK)
        return;
    enum rc rc = wordpiece_encode(w, text, ARRAY_LEN(ids), ids, &n_ids, &err);
    ASSERT(n_counted > ARRAY_LEN(ids) ? rc == RC_LIMIT : rc == RC_OK && n_ids == n_counted);
    for (size_t i = 0; rc == RC_OK && i < n_ids; i++)
        ASSERT(ids[i] >= 0 && (size_t)ids[i] < wordpiece_n_entries(w));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = size ? memchr(bytes, 0, size) : NULL;
    size_t split = end ? (size_t)(end - bytes) : 0;
    struct str text = { (const char *)bytes + split + (end ? 1 : 0), size - split - (end ? 1 : 0) };
    struct arena arena;
    struct wordpiece *w;
    struct err err;

    arena_init(&arena, 8 << 20);
    if (wordpiece_open((struct str){ (const char *)bytes, split }, &arena, &w, &err) == RC_OK)
        encode(w, text);
    arena_release(&arena);
    return 0;
}
