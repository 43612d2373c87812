/* The first line is the source, the rest a text. However it is cut, the same is said; and a text
 * that is accepted has no number that the source lacks. */
#include "engine/write/copies.h"

#include "base/macros.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool has_digit_of_its_own(struct str source, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] >= '0' && text.at[i] <= '9' &&
            (source.len == 0 || !memchr(source.at, text.at[i], source.len)))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *newline = size ? memchr(bytes, '\n', size) : NULL;
    struct str source = { (const char *)bytes,
                          newline ? (size_t)(newline - (const char *)bytes) : 0 };
    struct str text = { newline ? newline + 1 : (const char *)bytes,
                        newline ? size - source.len - 1 : size };
    const struct str own[] = { STR("I"), STR("Row") };
    struct copies copies;
    struct arena arena;
    struct err err;
    size_t at;

    arena_init(&arena, 8 << 20);
    if (copies_new(&source, 1, own, 2, &arena, &copies, &err) == RC_OK) {
        struct copies_state s = copies_begin();
        size_t half = text.len / 2;
        bool accepted = copies_check(&copies, text, &at);
        bool fed = copies_feed(&copies, &s, (struct str){ text.at, half }) &&
                   copies_feed(&copies, &s, (struct str){ text.at + half, text.len - half });

        ASSERT(at <= text.len && fed == (at == text.len));
        ASSERT(accepted == (fed && copies_end(&copies, &s)));
        ASSERT(!accepted || !has_digit_of_its_own(source, text));
    }
    arena_release(&arena);
    return 0;
}
