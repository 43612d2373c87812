/* Whatever the bytes, http_reply_read() stays inside them; an answer that is whole is the same one
 * in every longer text, and none of its beginnings is whole. */
#include "serve/http/http_reply.h"

#include "base/macros.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str text = { (const char *)bytes, size };
    struct http_reply reply, part;

    if (http_reply_read(text, &reply) != HTTP_REPLY_WHOLE)
        return 0;
    ASSERT(reply.len <= size && reply.body.len <= reply.len);
    ASSERT(reply.status >= 200 && reply.status <= 599);
    text.len = reply.len;
    ASSERT(http_reply_read(text, &part) == HTTP_REPLY_WHOLE && part.len == reply.len);
    text.len = reply.len - 1;
    ASSERT(http_reply_read(text, &part) == HTTP_REPLY_MORE);
    return 0;
}
