#include "engine/tokenizer/bpe_words_internal.h"

#include "base/utf8.h"

#include <utf8proc.h>

#include <stdbool.h>

enum class {
    CLASS_END, /* of the text */
    CLASS_SPACE,
    CLASS_LETTER,
    CLASS_DIGIT,
    CLASS_OTHER,
};

static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

/* Of the character at `at`; *ret_len is its length in bytes, 0 at the end. */
static enum class class_at(const char *at, const char *end, size_t *ret_len) {
    uint32_t c = 0; size_t len = utf8_decode(at, end, &c);

    *ret_len = len;
    if (len == 0) return CLASS_END;
    if (is_space(c)) return CLASS_SPACE;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) return CLASS_LETTER;
    if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) return CLASS_DIGIT;
    return CLASS_OTHER;
}

/* The bytes of the run of one class that begins at `at`. */
static size_t run_length(const char *at, const char *end, enum class class)
{
    const char *p = at;
    size_t len;

    while (class_at(p, end, &len) == class)
        p += len;
    return (size_t)(p - at);
}

/* 's, 't, 'm, 'd, 're, 've, 'll at the beginning: their length, else 0. */
static size_t contraction_length(struct str text)
{
    static const char *const contractions[] = { "'s", "'t", "'m", "'d", "'re", "'ve", "'ll" };

    for (size_t i = 0; i < sizeof(contractions) / sizeof(contractions[0]); i++)
        if (str_starts_with(text, contractions[i]))
            return strlen(contractions[i]);
    return 0;
}

/* White space but for its last character, which goes with the word behind it (as a word of its own
 * unless it is a space); all of it where the text or a digit follows: digits are cut out first. */
static size_t space_length(const char *at, const char *end)
{
    const char *p = at, *last = at;
    size_t len;
    enum class class = class_at(p, end, &len);

    while (class == CLASS_SPACE) {
        last = p;
        p += len;
        class = class_at(p, end, &len);
    }
    if (class == CLASS_END || class == CLASS_DIGIT || last == at)
        return (size_t)(p - at);
    return (size_t)(last - at);
}

size_t bpe_word_length(struct str text)
{
    const char *at = text.at, *end = str_end(text);
    size_t len = 0, next_len = 0;
    enum class class = class_at(at, end, &len);

    if (class == CLASS_DIGIT)
        return len;
    if (*at == '\'') {
        size_t contraction = contraction_length(text);
        if (contraction)
            return contraction;
    }
    if (*at == ' ') {
        enum class next = class_at(at + 1, end, &next_len);
        if (next == CLASS_LETTER || next == CLASS_OTHER)
            return 1 + run_length(at + 1, end, next);
    }
    return class == CLASS_SPACE ? space_length(at, end) : run_length(at, end, class);
}
