/*
 * decimal.h - exact decimal numbers: IEEE 754 decimal128, 34 significant digits.
 *
 * Wraps Intel's decimal floating-point library (the one file that includes it is decimal.c). Only
 * finite numbers exist here: an operation whose result would be infinite or not a number returns
 * false and leaves *ret untouched. Results that need more than 34 digits are rounded half to even.
 *
 * Two decimals are equal by value (1.0 and 1.00 are equal); a text keeps no trailing zeros.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    DECIMAL_SCALE_MIN = -6111, /* of decimal_round(): digits after the point */
    DECIMAL_SCALE_MAX = 6176,
    DECIMAL_PARSE_MAX = 256, /* longest source text, bytes */
    DECIMAL_TEXT_MAX = 64,   /* longest text of decimal_format(), bytes, without NUL */
};

/* A finite decimal128 in the library's own (binary integer) encoding; zeroed means 0. */
struct decimal {
    uint64_t word[2];
};

enum decimal_rounding {
    DECIMAL_HALF_EVEN,
    DECIMAL_HALF_UP,   /* ties away from zero */
    DECIMAL_HALF_DOWN, /* ties towards zero */
    DECIMAL_UP,        /* away from zero */
    DECIMAL_DOWN,      /* towards zero */
    DECIMAL_FLOOR,
    DECIMAL_CEILING,
};

struct decimal decimal_from_i64(int64_t value);

/* [-+] digits with an optional point and exponent, at least one digit; nothing around it. Surplus
 * digits are rounded. false: not such a text, longer than DECIMAL_PARSE_MAX, or too big. */
bool decimal_parse(struct str text, struct decimal *ret);

/* Plain digits ("0.000123", "-12") while that is at most 40 characters, otherwise with an exponent
 * ("1.5E+50"). Returns the length; the text is NUL-terminated and reads back as the same value. */
size_t decimal_format(struct decimal d, char text[DECIMAL_TEXT_MAX + 1]);

bool decimal_is_zero(struct decimal d);
bool decimal_is_negative(struct decimal d);              /* false for 0 */
int decimal_compare(struct decimal a, struct decimal b); /* -1, 0, 1 */
struct decimal decimal_negate(struct decimal d);
struct decimal decimal_abs(struct decimal d);

bool decimal_add(struct decimal a, struct decimal b, struct decimal *ret);
bool decimal_subtract(struct decimal a, struct decimal b, struct decimal *ret);
bool decimal_multiply(struct decimal a, struct decimal b, struct decimal *ret);
bool decimal_divide(struct decimal a, struct decimal b, struct decimal *ret);
bool decimal_power(struct decimal base, struct decimal exponent, struct decimal *ret);
bool decimal_modulo(struct decimal a, struct decimal b, struct decimal *ret); /* sign of b */
bool decimal_sqrt(struct decimal d, struct decimal *ret);
bool decimal_exp(struct decimal d, struct decimal *ret);
bool decimal_log(struct decimal d, struct decimal *ret); /* natural */

/* To `scale` digits after the point, DECIMAL_SCALE_MIN..MAX (negative: tens, hundreds). d itself
 * when it has no more digits than that. */
bool decimal_round(struct decimal d, int scale, enum decimal_rounding rounding,
                   struct decimal *ret);

bool decimal_is_integer(struct decimal d);
/* Towards zero; false when out of range. */
bool decimal_to_i64(struct decimal d, int64_t *ret);

#endif
