/* Whatever the bytes, yaml_parse() returns inside the arena limit, and a tree it gave is written as
 * YAML that reads back to the same tree. */
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP(buf_releasep) struct buf yaml = { 0 }, once = { 0 }, twice = { 0 };
    struct arena arena;
    struct json *v, *again;
    struct err err;

    arena_init(&arena, 8 << 20);
    buf_init(&yaml, YAML_BYTES_MAX);
    buf_init(&once, 8 << 20);
    buf_init(&twice, 8 << 20);
    if (yaml_parse((struct str){ (const char *)bytes, size }, &arena, &v, &err) == RC_OK) {
        yaml_append(&yaml, v);
        json_append(&once, v);
        if (!yaml.failed) {
            enum rc rc = yaml_parse(buf_str(&yaml), &arena, &again, &err);
            ASSERT(rc == RC_OK || rc == RC_LIMIT);
            if (!rc) {
                json_append(&twice, again);
                ASSERT(str_equal(buf_str(&once), buf_str(&twice)));
            }
        }
    }
    arena_release(&arena);
    return 0;
}
