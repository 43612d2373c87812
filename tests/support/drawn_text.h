/*
 * drawn_text.h - pieces of text drawn by lot, the same in C and in tools/golden/wordpiece.py.
 *
 * x -> 1664525 x + 1013904223 mod 2^32; a draw below n is (x >> 8) % n.
 */
#ifndef TESTS_SUPPORT_DRAWN_TEXT_H
#define TESTS_SUPPORT_DRAWN_TEXT_H

#include "base/buf.h"
#include "base/utf8.h"

#include <stdint.h>

static uint32_t draw_state;

static inline uint32_t draw_below(uint32_t n)
{
    draw_state = draw_state * 1664525u + 1013904223u;
    return (draw_state >> 8) % n;
}

/* One to six characters of one of the scripts. */
static inline void append_drawn_characters(struct buf *out)
{
    static const uint32_t ranges[][2] = {
        { 0x20, 0x7E },       { 0x30, 0x7A },         { 0x41, 0x5A },       { 0x61, 0x7A },
        { 0x01, 0x1F },       { 0x7F, 0xBF },         { 0xC0, 0x17F },      { 0x180, 0x24F },
        { 0x300, 0x36F },     { 0x370, 0x3FF },       { 0x400, 0x45F },     { 0x5D0, 0x5EA },
        { 0x620, 0x65F },     { 0x900, 0x963 },       { 0xE01, 0xE5B },     { 0x1100, 0x11FF },
        { 0x1E00, 0x1EFF },   { 0x2000, 0x206F },     { 0x20A0, 0x20B5 },   { 0x2100, 0x214F },
        { 0x2190, 0x22FF },   { 0x2600, 0x27BF },     { 0x3000, 0x30FF },   { 0x3400, 0x4DB5 },
        { 0x4E00, 0x9FCC },   { 0xAC00, 0xD7A3 },     { 0xE000, 0xF8FF },   { 0xF900, 0xFAD9 },
        { 0xFB00, 0xFB4F },   { 0xFE00, 0xFE0F },     { 0xFEFF, 0xFEFF },   { 0xFF00, 0xFFFF },
        { 0x1D400, 0x1D7FF }, { 0x1F300, 0x1F64F },   { 0x20000, 0x2A6D6 }, { 0x2F800, 0x2FA1D },
        { 0xE0001, 0xE007F }, { 0x10FFF0, 0x10FFFF },
    };
    const uint32_t *range = ranges[draw_below(ARRAY_LEN(ranges))];

    for (uint32_t n = 1 + draw_below(6); n > 0; n--) {
        char bytes[UTF8_BYTES_MAX];
        buf_append(out, bytes, utf8_encode(range[0] + draw_below(range[1] - range[0] + 1), bytes));
    }
}

/* FNV-1a, 32 bits. */
static inline uint32_t fnv(const void *bytes, size_t len)
{
    uint32_t value = 2166136261u;

    for (size_t i = 0; i < len; i++)
        value = (value ^ ((const uint8_t *)bytes)[i]) * 16777619u;
    return value;
}

#endif
