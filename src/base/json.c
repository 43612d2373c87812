#include "base/json.h"

#include <errno.h>
#include <stdlib.h>

const struct json *json_find_str(const struct json *v, struct str key)
{
    if (!v || v->type != JSON_OBJECT)
        return NULL;
    for (size_t i = 0; i < v->n; i++)
        if (str_equal(v->members[i].key, key))
            return &v->members[i].value;
    return NULL;
}

const struct json *json_find(const struct json *v, const char *key)
{
    return json_find_str(v, str_of(key));
}

const char *json_type_name(enum json_type type)
{
    switch (type) {
    case JSON_NULL: return "null";
    case JSON_BOOL: return "boolean";
    case JSON_NUMBER: return "number";
    case JSON_STRING: return "string";
    case JSON_ARRAY: return "array";
    case JSON_OBJECT: return "object";
    }
    assert_fail("type is an enum json_type", __FILE__, __LINE__);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The exponent after 'e', kept within +-1e6: beyond that no number of legal length is an integer
 * other than 0. */
static long exponent_of(struct str text, size_t at)
{
    bool negative = at < text.len && text.at[at] == '-';
    long exponent = 0;

    for (; at < text.len; at++)
        if (is_digit(text.at[at]) && exponent < 1000000)
            exponent = exponent * 10 + (text.at[at] - '0');
    return negative ? -exponent : exponent;
}

/* 1.50e1 is the integer 15: digits without trailing zeros, times a power of ten not below 0. */
bool json_to_i64(const struct json *v, int64_t *ret)
{
    if (!v || v->type != JSON_NUMBER)
        return false;

    bool negative = v->text.len > 0 && v->text.at[0] == '-';
    int64_t value = 0;
    long zeros = 0, n_fraction = 0, exponent = 0; /* zeros: read but not yet multiplied in */
    bool in_fraction = false;

    for (size_t i = negative; i < v->text.len; i++) {
        char c = v->text.at[i];

        if (c == 'e' || c == 'E') {
            exponent = exponent_of(v->text, i + 1);
            break;
        }
        if (c == '.') {
            in_fraction = true;
            continue;
        }
        n_fraction += in_fraction;
        zeros++;
        if (c == '0')
            continue;
        for (; zeros > 0 && value; zeros--)
            if (__builtin_mul_overflow(value, (int64_t)10, &value))
                return false;
        zeros = 0;
        /* Built negative, since -2^63 has no positive twin. */
        if (__builtin_sub_overflow(value, (int64_t)(c - '0'), &value))
            return false;
    }
    for (long power = value ? exponent - n_fraction + zeros : 0; power != 0; power--)
        if (power < 0 || __builtin_mul_overflow(value, (int64_t)10, &value))
            return false;
    if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
        return false;
    *ret = value;
    return true;
}

bool json_to_double(const struct json *v, double *ret)
{
    char text[JSON_NUMBER_LEN_MAX + 1];

    if (!v || v->type != JSON_NUMBER || v->text.len > JSON_NUMBER_LEN_MAX)
        return false;
    memcpy(text, v->text.at, v->text.len);
    text[v->text.len] = '\0';

    /* The locale is C: nothing in this program calls setlocale(). */
    double value = strtod(text, NULL);
    if (value > 1.7976931348623157e308 || value < -1.7976931348623157e308)
        return false;
    *ret = value;
    return true;
}
