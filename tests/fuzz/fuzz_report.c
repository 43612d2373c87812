/* Whatever the text, build_append_report() returns and stays inside its buffer. */
#include "factory/build.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    CLEANUP(buf_releasep) struct buf out = { .limit = 1 << 20 };
    struct err err;

    IGNORE_RC(build_append_report(&out, (struct str){ (const char *)bytes, size }, &err));
    return 0;
}
