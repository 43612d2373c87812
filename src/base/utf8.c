#include "base/utf8.h"

#include "base/macros.h"

/* Table 3-7 of the Unicode Standard: the second byte's range is what rules out overlong forms,
 * surrogates and values above U+10FFFF. */
static size_t sequence_of(uint8_t lead, uint8_t *ret_low, uint8_t *ret_high)
{
    *ret_low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *ret_high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

size_t utf8_decode(const char *at, const char *end, uint32_t *ret_char)
{
    static const uint8_t lead_bits[UTF8_BYTES_MAX + 1] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
    const uint8_t *b = (const uint8_t *)at;
    uint8_t low, high;

    if (at >= end)
        return 0;
    size_t len = sequence_of(b[0], &low, &high);
    if (len == 0 || len > (size_t)(end - at))
        return 0;

    uint32_t c = b[0] & lead_bits[len];
    for (size_t i = 1; i < len; i++) {
        if (b[i] < low || b[i] > high)
            return 0;
        c = c << 6 | (b[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *ret_char = c;
    return len;
}

size_t utf8_encode(uint32_t c, char bytes[UTF8_BYTES_MAX])
{
    ASSERT(c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF));
    if (c < 0x80) {
        bytes[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        bytes[0] = (char)(0xC0 | c >> 6);
        bytes[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        bytes[0] = (char)(0xE0 | c >> 12);
        bytes[1] = (char)(0x80 | (c >> 6 & 0x3F));
        bytes[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    bytes[0] = (char)(0xF0 | c >> 18);
    bytes[1] = (char)(0x80 | (c >> 12 & 0x3F));
    bytes[2] = (char)(0x80 | (c >> 6 & 0x3F));
    bytes[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

bool utf8_valid(struct str text)
{
    const char *end = str_end(text);
    uint32_t c;

    for (const char *at = text.at; at < end;) {
        size_t len = utf8_decode(at, end, &c);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

size_t utf8_count(struct str text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++)
        n += ((uint8_t)text.at[i] & 0xC0) != 0x80;
    return n;
}
