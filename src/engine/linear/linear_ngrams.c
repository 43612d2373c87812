#include "engine/linear/linear.h"
#include "engine/linear/linear_internal.h"

#include "base/utf8.h"

#include <stdbool.h>

enum { NGRAM_MIN = 3, NGRAM_MAX = 5 };

static uint32_t lower(uint32_t c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7) ||
        (c >= 0x391 && c <= 0x3A9 && c != 0x3A2) || (c >= 0x410 && c <= 0x42F))
        return c + 32;
    if (c >= 0x400 && c <= 0x40F)
        return c + 80;
    if (c >= 0x100 && c <= 0x137 && c != 0x130) /* pairs of upper and lower case */
        return c | 1;
    return c;
}

static bool is_blank(uint32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

static bool is_word(uint32_t c)
{
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    /* Latin-1 punctuation, the general punctuation block, CJK punctuation */
    return c >= 0xC0 && !(c >= 0x2000 && c <= 0x206F) && !(c >= 0x3000 && c <= 0x303F);
}

static uint64_t mix(uint64_t h, uint32_t c)
{
    h = (h ^ c) * 0x9E3779B97F4A7C15u;
    return h ^ (h >> 29);
}

static uint32_t hash_of(uint64_t h, uint32_t block)
{
    return (uint32_t)(mix(h, 0x5348u) >> 33) | block << LINEAR_BLOCK_BIT;
}

/* Lowered characters; a byte that is not UTF-8 counts as one U+FFFD. */
static size_t decode(struct str text, uint32_t *chars)
{
    const char *end = str_end(text);
    size_t n = 0;

    for (const char *at = text.at; at < end;) {
        uint32_t c = UTF8_REPLACEMENT;
        size_t len = utf8_decode(at, end, &c);

        at += len ? len : 1;
        chars[n++] = lower(c);
    }
    return n;
}

/* At most 2 hashes per character. */
static size_t hash_words(const uint32_t *chars, size_t n_chars, uint32_t *hashes)
{
    uint64_t before = 0; /* hash of the word before, 0: none */
    size_t n = 0;

    for (size_t at = 0; at < n_chars;) {
        uint64_t word = 1;

        if (!is_word(chars[at])) {
            at++;
            continue;
        }
        for (; at < n_chars && is_word(chars[at]); at++)
            word = mix(word, chars[at]);
        hashes[n++] = hash_of(word, 0);
        if (before)
            hashes[n++] = hash_of(mix(before, ' ') ^ word, 0);
        before = word;
    }
    return n;
}

/* The n-grams of one word with a blank on both sides. */
static size_t hash_padded_word(const uint32_t *word, size_t len, uint32_t *hashes)
{
    size_t padded = len + 2;
    size_t n = 0;

    for (size_t gram = NGRAM_MIN; gram <= NGRAM_MAX; gram++) {
        for (size_t from = 0; from == 0 || from + gram <= padded; from++) {
            uint64_t h = 2;

            for (size_t i = from; i < from + gram && i < padded; i++)
                h = mix(h, i == 0 || i == padded - 1 ? ' ' : word[i - 1]);
            hashes[n++] = hash_of(h, 1);
        }
        if (padded <= gram)
            break; /* the whole word once */
    }
    return n;
}

/* At most 3 hashes per character and 3 per word. */
static size_t hash_characters(const uint32_t *chars, size_t n_chars, uint32_t *hashes)
{
    size_t n = 0;

    for (size_t at = 0; at < n_chars;) {
        size_t from = at;

        while (at < n_chars && !is_blank(chars[at]))
            at++;
        if (at > from)
            n += hash_padded_word(chars + from, at - from, hashes + n);
        at++;
    }
    return n;
}

void linear_sort(uint32_t *values, uint32_t *scratch, size_t n)
{
    for (unsigned shift = 0; shift < 32; shift += 8) {
        size_t starts[257] = { 0 };

        for (size_t i = 0; i < n; i++)
            starts[(values[i] >> shift & 255) + 1]++;
        for (size_t digit = 1; digit < 257; digit++)
            starts[digit] += starts[digit - 1];
        for (size_t i = 0; i < n; i++)
            scratch[starts[values[i] >> shift & 255]++] = values[i];

        uint32_t *sorted = scratch; /* four passes: the result ends where it began */
        scratch = values;
        values = sorted;
    }
}

enum rc linear_hash_text(struct str text, struct arena *arena, uint32_t **ret_hashes, size_t *ret_n,
                         struct err *err)
{
    if (text.len > LINEAR_TEXT_BYTES_MAX)
        return err_set(err, RC_LIMIT, "text of %zu bytes, at most %d", text.len,
                       LINEAR_TEXT_BYTES_MAX);

    size_t hashes_max = 8 * text.len + 1; /* words 2 + characters 3 + 3, of one-byte words */
    uint32_t *chars = arena_array(arena, uint32_t, text.len + 1);
    uint32_t *hashes = arena_array(arena, uint32_t, hashes_max);

    if (!chars || !hashes)
        return arena_fail(arena, err, "n-grams");

    size_t n_chars = decode(text, chars);
    size_t n = hash_words(chars, n_chars, hashes);

    n += hash_characters(chars, n_chars, hashes + n);
    uint32_t *scratch = arena_array(arena, uint32_t, n + 1);
    if (!scratch)
        return arena_fail(arena, err, "n-grams");
    linear_sort(hashes, scratch, n);
    *ret_hashes = hashes;
    *ret_n = n;
    return RC_OK;
}
