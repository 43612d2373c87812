/* Whatever a text is, what is found in it stands there whole: no digit stands beside it. */
#include "decide/found.h"

#include "base/macros.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool is_digit(struct str text, const char *at)
{
    return at >= text.at && at < str_end(text) && *at >= '0' && *at <= '9';
}

static bool stands_whole(struct str text, struct str found)
{
    const char *at = text.at;

    while ((at = memmem(at, (size_t)(str_end(text) - at), found.at, found.len)) != NULL) {
        if (!is_digit(text, at - 1) && !is_digit(text, at + found.len))
            return true;
        at++;
    }
    return false;
}

static void check(struct str text, const struct found *found)
{
    for (size_t i = 0; i < found->n; i++) {
        struct str one = found->texts[i];

        if (one.at[0] == '-') /* its currency sign may stand between */
            one = (struct str){ one.at + 1, one.len - 1 };
        ASSERT(one.len > 0 && stands_whole(text, one));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str text = { (const char *)bytes, size };
    struct arena arena;
    struct found found;
    struct err err;

    if (size == 0)
        return 0;
    arena_init(&arena, 8 << 20);
    if (found_numbers(text, &arena, &found, &err) == RC_OK)
        check(text, &found);
    if (found_dates(text, &arena, &found, &err) == RC_OK)
        check(text, &found);
    arena_release(&arena);
    return 0;
}
