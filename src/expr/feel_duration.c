/* feel_duration.c - durations: their texts, P1DT2H3M4.5S and P1Y2M. */
#include "expr/feel_internal.h"

enum { NANOSECOND_DIGITS = 9, COMPONENT_DIGITS_MAX = 18 };

/* One component "12.5S" at *at. */
struct component {
    struct decimal number;
    bool has_fraction;
    char unit;
};

static bool read_component(struct str text, size_t *at, struct component *ret)
{
    size_t start = *at, digits = 0;

    ret->has_fraction = false;
    while (*at < text.len && ((text.at[*at] >= '0' && text.at[*at] <= '9') ||
                              (text.at[*at] == '.' && !ret->has_fraction && digits > 0))) {
        if (text.at[*at] == '.')
            ret->has_fraction = true;
        digits++;
        ++*at;
    }
    if (digits == 0 || *at == text.len || digits > COMPONENT_DIGITS_MAX + NANOSECOND_DIGITS)
        return false;
    ret->unit = text.at[(*at)++];
    return decimal_parse((struct str){ text.at + start, digits }, &ret->number);
}

/* The index of the unit in the order it must come in; SIZE_MAX: none. */
static size_t find_unit(const char *units, char unit)
{
    const char *found = unit ? strchr(units, unit) : NULL;

    return found ? (size_t)(found - units) : SIZE_MAX;
}

/* Components with the given units, in order, each at most once, summed in the last one's unit. */
static bool read_components(struct str text, size_t *at, const char *units, const int64_t *sizes,
                            struct decimal *sum, size_t *ret_n)
{
    struct component c;
    struct decimal part;
    size_t next = 0;

    for (*ret_n = 0; *at < text.len && text.at[*at] != 'T'; ++*ret_n) {
        if (!read_component(text, at, &c))
            return false;
        size_t unit = find_unit(units, c.unit);
        if (unit == SIZE_MAX || unit < next || (c.has_fraction && c.unit != 'S'))
            return false;
        next = unit + 1;
        if (!decimal_multiply(c.number, decimal_from_i64(sizes[unit]), &part) ||
            !decimal_add(*sum, part, sum))
            return false;
    }
    return true;
}

static bool parse_days(struct str text, size_t at, struct decimal *ret)
{
    static const int64_t day[] = { 86400 }, clock[] = { 3600, 60, 1 };
    size_t n_days, n_clock = 0;

    *ret = decimal_from_i64(0);
    if (!read_components(text, &at, "D", day, ret, &n_days))
        return false;
    if (at < text.len) {
        at++; /* the T */
        if (!read_components(text, &at, "HMS", clock, ret, &n_clock) || n_clock == 0)
            return false;
    }
    return at == text.len && n_days + n_clock > 0;
}

static bool parse_months(struct str text, size_t at, int64_t *ret)
{
    static const int64_t sizes[] = { 12, 1 };
    struct decimal months = decimal_from_i64(0);
    size_t n;

    return read_components(text, &at, "YM", sizes, &months, &n) && n > 0 && at == text.len &&
           decimal_to_i64(months, ret) && *ret < INT64_MAX / 16;
}

bool feel_parse_duration(struct str text, struct feel_value *ret)
{
    struct feel_value v = { 0 };
    bool negative = str_starts_with(text, "-");
    size_t at = negative;

    if (at >= text.len || text.at[at] != 'P')
        return false;
    at++;
    if (parse_months(text, at, &v.months)) {
        v.kind = FEEL_MONTHS_DURATION;
        v.months = negative ? -v.months : v.months;
    } else if (parse_days(text, at, &v.seconds)) {
        v.kind = FEEL_DAYS_DURATION;
        if (!decimal_round(v.seconds, NANOSECOND_DIGITS, DECIMAL_DOWN, &v.seconds))
            return false;
        v.seconds = negative ? decimal_negate(v.seconds) : v.seconds;
    } else {
        return false;
    }
    *ret = v;
    return true;
}

static void append_months(struct buf *out, int64_t months)
{
    int64_t size = months < 0 ? -months : months;

    buf_append_text(out, months < 0 ? "-P" : "P");
    if (size / 12)
        buf_printf(out, "%lldY", (long long)(size / 12));
    if (size % 12 || size == 0)
        buf_printf(out, "%lldM", (long long)(size % 12));
}

static void append_days(struct buf *out, struct decimal duration)
{
    int64_t seconds;
    int32_t nanoseconds;

    if (!feel_seconds_apart(decimal_abs(duration), &seconds, &nanoseconds)) {
        char text[DECIMAL_TEXT_MAX + 1]; /* longer than any calendar: in seconds */

        decimal_format(decimal_abs(duration), text);
        buf_printf(out, "%sPT%sS", decimal_is_negative(duration) ? "-" : "", text);
        return;
    }
    buf_append_text(out, decimal_is_negative(duration) ? "-P" : "P");
    if (seconds / 86400)
        buf_printf(out, "%lldD", (long long)(seconds / 86400));
    if (seconds % 86400 == 0 && nanoseconds == 0 && seconds != 0)
        return;
    buf_append_char(out, 'T');
    if (seconds / 3600 % 24)
        buf_printf(out, "%lldH", (long long)(seconds / 3600 % 24));
    if (seconds / 60 % 60)
        buf_printf(out, "%lldM", (long long)(seconds / 60 % 60));
    if (seconds % 60 == 0 && nanoseconds == 0 && seconds != 0)
        return;
    buf_printf(out, "%lld", (long long)(seconds % 60));
    feel_append_fraction(out, (uint32_t)nanoseconds);
    buf_append_char(out, 'S');
}

void feel_append_duration(struct buf *out, const struct feel_value *duration)
{
    if (duration->kind == FEEL_MONTHS_DURATION)
        append_months(out, duration->months);
    else
        append_days(out, duration->seconds);
}
