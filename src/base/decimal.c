#include "base/decimal.h"

#include <bid_conf.h>
/* bid_conf.h first: it renames what bid_functions.h declares */
#include <bid_functions.h>

#include <stdio.h>

enum { PLAIN_TEXT_MAX = 40, RAW_TEXT_MAX = 64 };

static BID_UINT128 to_bid(struct decimal d)
{
    BID_UINT128 bid;

    bid.w[0] = d.word[0];
    /* The all-zero pattern means 0E-6176, which is a zero too, but one whose exponent makes every
     * later quantum odd: it is read as the plain 0. */
    bid.w[1] = d.word[0] == 0 && d.word[1] == 0 ? UINT64_C(0x3040000000000000) : d.word[1];
    return bid;
}

static bool from_bid(BID_UINT128 bid, struct decimal *ret)
{
    if (!bid128_isFinite(bid))
        return false;
    *ret = (struct decimal){ { bid.w[0], bid.w[1] } };
    return true;
}

struct decimal decimal_from_i64(int64_t value)
{
    BID_UINT128 bid = bid128_from_int64(value);

    return (struct decimal){ { bid.w[0], bid.w[1] } };
}

static size_t skip_digits(struct str text, size_t at)
{
    while (at < text.len && text.at[at] >= '0' && text.at[at] <= '9')
        at++;
    return at;
}

static bool is_decimal_text(struct str text)
{
    size_t at = text.len > 0 && (text.at[0] == '-' || text.at[0] == '+');
    size_t whole = skip_digits(text, at);
    size_t n_digits = whole - at;

    at = whole;
    if (at < text.len && text.at[at] == '.') {
        size_t end = skip_digits(text, at + 1);
        n_digits += end - at - 1;
        at = end;
    }
    if (n_digits == 0)
        return false;
    if (at < text.len && (text.at[at] == 'e' || text.at[at] == 'E')) {
        at++;
        if (at < text.len && (text.at[at] == '-' || text.at[at] == '+'))
            at++;
        size_t end = skip_digits(text, at);
        if (end == at || end - at > 6)
            return false;
        at = end;
    }
    return at == text.len;
}

bool decimal_parse(struct str text, struct decimal *ret)
{
    char copy[DECIMAL_PARSE_MAX + 1];
    unsigned flags = 0;

    if (text.len > DECIMAL_PARSE_MAX || !is_decimal_text(text))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return from_bid(bid128_from_string(copy, BID_ROUNDING_TO_NEAREST, &flags), ret);
}

/* The library writes "+123E-2": sign, coefficient and exponent are taken apart here. */
static void take_apart(BID_UINT128 bid, char digits[RAW_TEXT_MAX], size_t *ret_n, int *ret_exponent)
{
    char raw[RAW_TEXT_MAX];
    unsigned flags = 0;
    size_t n = 0;
    int exponent = 0;

    bid128_to_string(raw, bid, &flags);
    for (const char *p = raw + 1; *p; p++) {
        if (*p == 'E') {
            sscanf(p + 1, "%d", &exponent);
            break;
        }
        if (n > 0 || *p != '0')
            digits[n++] = *p;
    }
    while (n > 0 && digits[n - 1] == '0') {
        n--;
        exponent++;
    }
    digits[n] = '\0';
    *ret_n = n;
    *ret_exponent = exponent;
}

static size_t format_exponent(const char *sign, const char *digits, size_t n, int exponent,
                              char *text)
{
    int len = snprintf(text, DECIMAL_TEXT_MAX + 1, "%s%c%s%sE%+d", sign, digits[0],
                       n > 1 ? "." : "", digits + 1, exponent + (int)n - 1);

    return (size_t)len;
}

size_t decimal_format(struct decimal d, char text[DECIMAL_TEXT_MAX + 1])
{
    char digits[RAW_TEXT_MAX];
    const char *sign = decimal_is_negative(d) ? "-" : "";
    size_t n;
    int exponent, len;

    take_apart(to_bid(d), digits, &n, &exponent);
    if (n == 0)
        return (size_t)snprintf(text, DECIMAL_TEXT_MAX + 1, "0");

    int point = (int)n + exponent; /* digits before the point */
    if (point > PLAIN_TEXT_MAX || -exponent > PLAIN_TEXT_MAX)
        return format_exponent(sign, digits, n, exponent, text);
    if (exponent >= 0)
        len = snprintf(text, DECIMAL_TEXT_MAX + 1, "%s%s%.*s", sign, digits, exponent,
                       "0000000000000000000000000000000000000000");
    else if (point > 0)
        len =
            snprintf(text, DECIMAL_TEXT_MAX + 1, "%s%.*s.%s", sign, point, digits, digits + point);
    else
        len = snprintf(text, DECIMAL_TEXT_MAX + 1, "%s0.%.*s%s", sign, -point,
                       "0000000000000000000000000000000000000000", digits);
    return (size_t)len;
}

bool decimal_is_zero(struct decimal d)
{
    return bid128_isZero(to_bid(d));
}

bool decimal_is_negative(struct decimal d)
{
    return bid128_isSigned(to_bid(d)) && !decimal_is_zero(d);
}

int decimal_compare(struct decimal a, struct decimal b)
{
    unsigned flags = 0;

    if (bid128_quiet_less(to_bid(a), to_bid(b), &flags))
        return -1;
    return bid128_quiet_equal(to_bid(a), to_bid(b), &flags) ? 0 : 1;
}

struct decimal decimal_negate(struct decimal d)
{
    BID_UINT128 bid = to_bid(d);

    if (!decimal_is_zero(d))
        bid = bid128_negate(bid);
    return (struct decimal){ { bid.w[0], bid.w[1] } };
}

struct decimal decimal_abs(struct decimal d)
{
    return decimal_is_negative(d) ? decimal_negate(d) : d;
}

bool decimal_add(struct decimal a, struct decimal b, struct decimal *ret)
{
    unsigned flags = 0;

    return from_bid(bid128_add(to_bid(a), to_bid(b), BID_ROUNDING_TO_NEAREST, &flags), ret);
}

bool decimal_subtract(struct decimal a, struct decimal b, struct decimal *ret)
{
    unsigned flags = 0;

    return from_bid(bid128_sub(to_bid(a), to_bid(b), BID_ROUNDING_TO_NEAREST, &flags), ret);
}

bool decimal_multiply(struct decimal a, struct decimal b, struct decimal *ret)
{
    unsigned flags = 0;

    return from_bid(bid128_mul(to_bid(a), to_bid(b), BID_ROUNDING_TO_NEAREST, &flags), ret);
}

bool decimal_divide(struct decimal a, struct decimal b, struct decimal *ret)
{
    unsigned flags = 0;

    if (decimal_is_zero(b))
        return false;
    return from_bid(bid128_div(to_bid(a), to_bid(b), BID_ROUNDING_TO_NEAREST, &flags), ret);
}

/* Whole powers by repeated squaring, so that 1.1 ** 3 is exactly 1.331: the library's pow() goes
 * through a binary logarithm. */
static bool whole_power(struct decimal base, int64_t exponent, struct decimal *ret)
{
    uint64_t left = exponent < 0 ? -(uint64_t)exponent : (uint64_t)exponent;
    struct decimal result = decimal_from_i64(1);

    while (left > 0) {
        if ((left & 1) && !decimal_multiply(result, base, &result))
            return false;
        left >>= 1;
        if (left > 0 && !decimal_multiply(base, base, &base))
            return false;
    }
    if (exponent < 0)
        return decimal_divide(decimal_from_i64(1), result, ret);
    *ret = result;
    return true;
}

bool decimal_power(struct decimal base, struct decimal exponent, struct decimal *ret)
{
    unsigned flags = 0;
    int64_t whole;

    if (decimal_is_integer(exponent) && decimal_to_i64(exponent, &whole) && whole >= -999999 &&
        whole <= 999999)
        return whole_power(base, whole, ret);
    return from_bid(bid128_pow(to_bid(base), to_bid(exponent), BID_ROUNDING_TO_NEAREST, &flags),
                    ret);
}

bool decimal_modulo(struct decimal a, struct decimal b, struct decimal *ret)
{
    unsigned flags = 0;
    struct decimal rest;

    if (decimal_is_zero(b) || !from_bid(bid128_fmod(to_bid(a), to_bid(b), &flags), &rest))
        return false;
    if (!decimal_is_zero(rest) && decimal_is_negative(rest) != decimal_is_negative(b))
        return decimal_add(rest, b, ret);
    *ret = rest;
    return true;
}

bool decimal_sqrt(struct decimal d, struct decimal *ret)
{
    unsigned flags = 0;

    return from_bid(bid128_sqrt(to_bid(d), BID_ROUNDING_TO_NEAREST, &flags), ret);
}

bool decimal_exp(struct decimal d, struct decimal *ret)
{
    unsigned flags = 0;

    return from_bid(bid128_exp(to_bid(d), BID_ROUNDING_TO_NEAREST, &flags), ret);
}

bool decimal_log(struct decimal d, struct decimal *ret)
{
    unsigned flags = 0;

    if (decimal_is_zero(d) || decimal_is_negative(d))
        return false;
    return from_bid(bid128_log(to_bid(d), BID_ROUNDING_TO_NEAREST, &flags), ret);
}

/* Half down is half up unless the part cut off is exactly one half, when it is down. */
static bool round_half_down(struct decimal d, int scale, struct decimal *ret)
{
    struct decimal up, down, above, below;

    if (!decimal_round(d, scale, DECIMAL_UP, &up) || !decimal_round(d, scale, DECIMAL_DOWN, &down))
        return false;
    if (!decimal_subtract(up, d, &above) || !decimal_subtract(d, down, &below))
        return false;
    *ret = decimal_compare(decimal_abs(above), decimal_abs(below)) < 0 ? up : down;
    return true;
}

static unsigned mode_of(struct decimal d, enum decimal_rounding rounding)
{
    bool negative = decimal_is_negative(d);

    switch (rounding) {
    case DECIMAL_HALF_EVEN: return BID_ROUNDING_TO_NEAREST;
    case DECIMAL_HALF_UP: return BID_ROUNDING_TIES_AWAY;
    case DECIMAL_HALF_DOWN: return BID_ROUNDING_TO_NEAREST; /* round_half_down() */
    case DECIMAL_UP: return negative ? BID_ROUNDING_DOWN : BID_ROUNDING_UP;
    case DECIMAL_DOWN: return BID_ROUNDING_TO_ZERO;
    case DECIMAL_FLOOR: return BID_ROUNDING_DOWN;
    case DECIMAL_CEILING: return BID_ROUNDING_UP;
    }
    return BID_ROUNDING_TO_NEAREST;
}

bool decimal_round(struct decimal d, int scale, enum decimal_rounding rounding, struct decimal *ret)
{
    unsigned flags = 0;
    BID_UINT128 bid = to_bid(d);

    if (scale < DECIMAL_SCALE_MIN || scale > DECIMAL_SCALE_MAX)
        return false;
    if (bid128_isZero(bid) || bid128_quantexp(bid, &flags) >= -scale) {
        *ret = d;
        return true;
    }
    if (rounding == DECIMAL_HALF_DOWN)
        return round_half_down(d, scale, ret);

    BID_UINT128 quantum = bid128_scalbn(bid128_from_int64(1), -scale, 0, &flags);
    return from_bid(bid128_quantize(bid, quantum, mode_of(d, rounding), &flags), ret);
}

bool decimal_is_integer(struct decimal d)
{
    unsigned flags = 0;
    BID_UINT128 bid = to_bid(d);

    return bid128_quiet_equal(bid128_round_integral_zero(bid, &flags), bid, &flags);
}

bool decimal_to_i64(struct decimal d, int64_t *ret)
{
    unsigned flags = 0;
    BID_SINT64 value = bid128_to_int64_int(to_bid(d), &flags);

    if (flags & BID_INVALID_EXCEPTION)
        return false;
    *ret = value;
    return true;
}
