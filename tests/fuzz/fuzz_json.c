/* Whatever the bytes, json_parse() returns inside the arena limit, and what it took is written as a
 * text that reads back to the same canonical text. */
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP(buf_releasep) struct buf once = { 0 }, twice = { 0 };
    struct arena arena;
    struct json *v, *again;
    struct err err;

    arena_init(&arena, 8 << 20);
    buf_init(&once, 8 << 20);
    buf_init(&twice, 8 << 20);
    if (json_parse((struct str){ (const char *)bytes, size }, JSON_DUPLICATES_REFUSED, &arena, &v,
                   &err) == RC_OK) {
        int64_t integer;
        double number;

        (void)json_to_i64(v, &integer);
        (void)json_to_double(v, &number);
        json_append_canonical(&once, v);
        ASSERT(!once.failed);
        ASSERT(json_parse(buf_str(&once), JSON_DUPLICATES_REFUSED, &arena, &again, &err) == RC_OK ||
               err.code == RC_LIMIT);
        if (!arena.over_limit) {
            json_append_canonical(&twice, again);
            ASSERT(str_equal(buf_str(&once), buf_str(&twice)));
        }
    }
    arena_release(&arena);
    return 0;
}
