/* The first line is the source, the rest a form of an amount, a span and a text. However it is cut,
 * the same is said; and what is accepted has its span in the source. */
#include "engine/write/form.h"

#include "base/macros.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct str amounts[] = { { "9", 1 }, { "9.00", 4 } };
static const struct form_field fields[] = {
    { .name = { "a", 1 }, .kind = FORM_LIST, .optional = true, .n_items = 2, .items = amounts },
    { .name = { "b", 1 }, .kind = FORM_SPAN, .optional = true, .min_length = 2, .max_length = 20 },
    { .name = { "c", 1 }, .kind = FORM_TEXT },
};

static void try_form(const struct copies *copies, struct str whole)
{
    const struct form form = { ARRAY_LEN(fields), fields, copies };
    struct form_state s = form_begin(&form);
    struct str values[ARRAY_LEN(fields)];
    size_t half = whole.len / 2;
    bool accepted = form_split(&form, whole, values);
    bool fed = form_feed(&form, &s, (struct str){ whole.at, half }) &&
               form_feed(&form, &s, (struct str){ whole.at + half, whole.len - half });

    ASSERT(accepted == (fed && form_end(&form, &s)));
    if (!accepted)
        return;
    ASSERT(!values[0].at || str_is(values[0], "9") || str_is(values[0], "9.00"));
    ASSERT(!values[1].at || (values[1].len >= 2 && memmem(copies->text.at, copies->text.len,
                                                          values[1].at, values[1].len)));
    ASSERT(!values[1].at || form_takes(&form, 1, values[1]));
    ASSERT(values[2].at && copies_check(copies, values[2], NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *newline = size ? memchr(bytes, '\n', size) : NULL;
    struct str source = { (const char *)bytes,
                          newline ? (size_t)(newline - (const char *)bytes) : 0 };
    struct str whole = { newline ? newline + 1 : (const char *)bytes,
                         newline ? size - source.len - 1 : size };
    struct copies copies;
    struct arena arena;
    struct err err;

    arena_init(&arena, 8 << 20);
    if (copies_new(&source, 1, NULL, 0, &arena, &copies, &err) == RC_OK)
        try_form(&copies, whole);
    arena_release(&arena);
    return 0;
}
