/* Whatever the bytes and wherever they are cut, the parser reaches the same outcome within its
 * limits. */
#include "serve/http/http_parser.h"

#include <stdint.h>

enum { BODY_BYTES_MAX = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Pieces of 1 to 16 bytes, from a generator seeded by `seed`; 0: all at once. */
static size_t feed(struct http_parser *p, const char *bytes, size_t len, uint32_t seed)
{
    size_t used = 0;

    while (used < len && p->phase < HTTP_COMPLETE) {
        seed = seed * 1664525u + (seed ? 1013904223u : 0);
        size_t piece = seed ? 1 + (seed >> 28) : len;
        piece = piece < len - used ? piece : len - used;
        size_t n = http_parser_feed(p, bytes + used, piece);
        ASSERT(n > 0 && n <= piece);
        used += n;
    }
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct http_parser whole, cut;
    uint32_t seed = 1;

    for (size_t i = 0; i < size; i++)
        seed = seed * 31 + bytes[i];
    http_parser_init(&whole, BODY_BYTES_MAX);
    http_parser_init(&cut, BODY_BYTES_MAX);

    size_t used = feed(&whole, (const char *)bytes, size, 0);
    ASSERT(feed(&cut, (const char *)bytes, size, seed | 1) == used);
    ASSERT(whole.phase == cut.phase && whole.status == cut.status);
    ASSERT(whole.head.len <= HTTP_HEAD_BYTES_MAX + 1 && whole.body.len <= BODY_BYTES_MAX);
    if (whole.phase == HTTP_COMPLETE) {
        ASSERT(str_equal(whole.request.path, cut.request.path));
        ASSERT(str_equal(whole.request.body, cut.request.body));
        ASSERT(whole.request.n_headers == cut.request.n_headers);
        ASSERT(whole.request.path.at[0] == '/');
        ASSERT(whole.request.keep_alive == cut.request.keep_alive);
    }
    http_parser_release(&whole);
    http_parser_release(&cut);
    return 0;
}
