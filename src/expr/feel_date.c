/*
 * feel_date.c - the calendar, and the texts of dates and times.
 *
 * Proleptic Gregorian, years -999999999..999999999. The day count is the usual one with the year
 * beginning in March, so that the leap day is the last of its year (400 years are 146,097 days).
 */
#include "expr/feel_internal.h"

enum { SECONDS_PER_DAY = 86400, OFFSET_MAX_S = 18 * 3600 };

/* ---- calendar ---- */

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

unsigned feel_days_in_month(int64_t year, unsigned month)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return days[month - 1] + (month == 2 && is_leap(year) ? 1U : 0U);
}

bool feel_date_is_valid(int64_t year, int64_t month, int64_t day)
{
    return year >= -FEEL_YEAR_MAX && year <= FEEL_YEAR_MAX && month >= 1 && month <= 12 &&
           day >= 1 && day <= feel_days_in_month(year, (unsigned)month);
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

int64_t feel_days_from_date(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_divide(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

bool feel_date_from_days(int64_t days, struct feel_moment *ret)
{
    int64_t z = days + 719468;
    int64_t era = floor_divide(z, 146097);
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153; /* month, from March = 0 */
    int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);

    if (year < -FEEL_YEAR_MAX || year > FEEL_YEAR_MAX)
        return false;
    ret->year = (int32_t)year;
    ret->month = (uint8_t)month;
    ret->day = (uint8_t)(day_of_year - (153 * shifted + 2) / 5 + 1);
    return true;
}

unsigned feel_weekday(const struct feel_moment *m)
{
    int64_t days = feel_days_from_date(m->year, m->month, m->day) + 3; /* 1970-01-01: Thursday */

    return (unsigned)(days - floor_divide(days, 7) * 7) + 1;
}

int64_t feel_local_seconds(const struct feel_moment *m)
{
    return feel_days_from_date(m->year, m->month, m->day) * SECONDS_PER_DAY + m->hour * 3600 +
           m->minute * 60 + m->second;
}

bool feel_utc_seconds(const struct feel_moment *m, int64_t *ret)
{
    if (m->zone == FEEL_ZONE_LOCAL)
        return false;
    *ret = feel_local_seconds(m) - m->offset_s;
    return true;
}

/* Date and clock of seconds since 1970 on the same clock. */
static bool set_local(int64_t seconds, struct feel_moment *ret)
{
    int64_t days = floor_divide(seconds, SECONDS_PER_DAY);
    int64_t rest = seconds - days * SECONDS_PER_DAY;

    if (!feel_date_from_days(days, ret))
        return false;
    ret->hour = (uint8_t)(rest / 3600);
    ret->minute = (uint8_t)(rest / 60 % 60);
    ret->second = (uint8_t)(rest % 60);
    return true;
}

struct feel_moment feel_moment_of_unix(int64_t seconds, uint32_t nanosecond)
{
    struct feel_moment m = { .nanosecond = nanosecond, .zone = FEEL_ZONE_OFFSET };

    if (!set_local(seconds, &m))
        m = (struct feel_moment){ .year = 1970, .month = 1, .day = 1, .zone = FEEL_ZONE_OFFSET };
    return m;
}

bool feel_seconds_apart(struct decimal duration, int64_t *ret_seconds, int32_t *ret_nanoseconds)
{
    struct decimal whole, rest, nanos;
    int64_t n;

    if (!decimal_round(duration, 0, DECIMAL_FLOOR, &whole) || !decimal_to_i64(whole, ret_seconds) ||
        !decimal_subtract(duration, whole, &rest) ||
        !decimal_multiply(rest, decimal_from_i64(1000000000), &nanos) ||
        !decimal_to_i64(nanos, &n) || *ret_seconds > INT64_MAX / 4 || *ret_seconds < INT64_MIN / 4)
        return false;
    *ret_nanoseconds = (int32_t)n;
    return true;
}

bool feel_moment_add(const struct feel_moment *m, struct decimal duration, struct feel_moment *ret)
{
    struct feel_moment sum = *m;
    int64_t seconds;
    int32_t nanoseconds;

    if (!feel_seconds_apart(duration, &seconds, &nanoseconds))
        return false;
    nanoseconds += (int32_t)m->nanosecond;
    seconds += nanoseconds / 1000000000;
    sum.nanosecond = (uint32_t)(nanoseconds % 1000000000);
    seconds += feel_local_seconds(m);
    if (m->zone == FEEL_ZONE_ID) { /* the same instant, on that zone's clock then */
        seconds -= m->offset_s;
        if (!feel_zone_offset(m->zone_id, seconds, FEEL_CLOCK_UTC, &sum.offset_s))
            return false;
        seconds += sum.offset_s;
    }
    if (!set_local(seconds, &sum))
        return false;
    *ret = sum;
    return true;
}

/* ---- texts to moments ---- */

/* Exactly n digits at *at, which moves on. */
static bool read_digits(struct str text, size_t *at, size_t n, int64_t *ret)
{
    int64_t value = 0;

    if (text.len < n || *at > text.len - n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = text.at[*at + i];

        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += n;
    *ret = value;
    return true;
}

static bool read_char(struct str text, size_t *at, char c)
{
    if (*at >= text.len || text.at[*at] != c)
        return false;
    ++*at;
    return true;
}

static size_t count_digits(struct str text, size_t at)
{
    size_t n = 0;

    while (at + n < text.len && text.at[at + n] >= '0' && text.at[at + n] <= '9')
        n++;
    return n;
}

/* [-]YYYY-MM-DD; a year of more than four digits has no leading zero. */
static bool read_date(struct str text, size_t *at, struct feel_moment *ret)
{
    int64_t year, month, day;
    bool negative = read_char(text, at, '-');
    size_t n = count_digits(text, *at);

    if (n < 4 || n > 9 || (n > 4 && text.at[*at] == '0'))
        return false;
    if (!read_digits(text, at, n, &year) || !read_char(text, at, '-') ||
        !read_digits(text, at, 2, &month) || !read_char(text, at, '-') ||
        !read_digits(text, at, 2, &day))
        return false;
    year = negative ? -year : year;
    if (!feel_date_is_valid(year, month, day))
        return false;
    ret->year = (int32_t)year;
    ret->month = (uint8_t)month;
    ret->day = (uint8_t)day;
    return true;
}

/* [.digits]: nanoseconds, further digits are cut off. */
static bool read_fraction(struct str text, size_t *at, uint32_t *ret)
{
    int64_t value;

    *ret = 0;
    if (!read_char(text, at, '.'))
        return true;
    size_t n = count_digits(text, *at), kept = n < 9 ? n : 9;
    if (n == 0 || !read_digits(text, at, kept, &value))
        return false;
    for (size_t i = kept; i < 9; i++)
        value *= 10;
    *at += n - kept;
    *ret = (uint32_t)value;
    return true;
}

/* HH:MM:SS[.f]; *ret_next_day for 24:00:00. */
static bool read_clock(struct str text, size_t *at, struct feel_moment *ret, bool *ret_next_day)
{
    int64_t hour, minute, second;

    if (!read_digits(text, at, 2, &hour) || !read_char(text, at, ':') ||
        !read_digits(text, at, 2, &minute) || !read_char(text, at, ':') ||
        !read_digits(text, at, 2, &second) || !read_fraction(text, at, &ret->nanosecond))
        return false;
    *ret_next_day = hour == 24 && minute == 0 && second == 0 && ret->nanosecond == 0;
    if ((hour > 23 && !*ret_next_day) || minute > 59 || second > 59)
        return false;
    ret->hour = (uint8_t)(hour % 24);
    ret->minute = (uint8_t)minute;
    ret->second = (uint8_t)second;
    return true;
}

/* Z, +HH:MM[:SS], @zone or nothing; ends the text. */
static bool read_zone(struct str text, size_t at, struct feel_moment *ret)
{
    int64_t hours, minutes, seconds = 0;

    if (at == text.len)
        return true;
    if (read_char(text, &at, '@')) {
        ret->zone = FEEL_ZONE_ID;
        ret->zone_id = (struct str){ text.at + at, text.len - at };
        return true;
    }
    ret->zone = FEEL_ZONE_OFFSET;
    if (read_char(text, &at, 'Z'))
        return at == text.len;
    bool west = text.at[at] == '-';
    if (!west && text.at[at] != '+')
        return false;
    at++;
    if (!read_digits(text, &at, 2, &hours) || !read_char(text, &at, ':') ||
        !read_digits(text, &at, 2, &minutes))
        return false;
    if (read_char(text, &at, ':') && !read_digits(text, &at, 2, &seconds))
        return false;
    int64_t offset = hours * 3600 + minutes * 60 + seconds;
    if (at != text.len || minutes > 59 || seconds > 59 || offset > OFFSET_MAX_S)
        return false;
    ret->offset_s = (int32_t)(west ? -offset : offset);
    return true;
}

bool feel_parse_date(struct str text, struct feel_moment *ret)
{
    struct feel_moment m = { 0 };
    size_t at = 0;

    if (!read_date(text, &at, &m) || at != text.len)
        return false;
    *ret = m;
    return true;
}

bool feel_parse_time(struct str text, struct feel_moment *ret)
{
    struct feel_moment m = { 0 };
    bool next_day;
    int32_t ignored;
    size_t at = 0;

    if (!read_clock(text, &at, &m, &next_day) || !read_zone(text, at, &m))
        return false;
    /* That the zone exists is all that can be asked: a time of day has no date. */
    if (m.zone == FEEL_ZONE_ID && !feel_zone_offset(m.zone_id, 0, FEEL_CLOCK_UTC, &ignored))
        return false;
    *ret = m;
    return true;
}

bool feel_settle_zone(struct feel_moment *m)
{
    return m->zone != FEEL_ZONE_ID ||
           feel_zone_offset(m->zone_id, feel_local_seconds(m), FEEL_CLOCK_LOCAL, &m->offset_s);
}

bool feel_parse_date_time(struct str text, bool date_alone, struct feel_moment *ret)
{
    struct feel_moment m = { 0 };
    bool next_day = false;
    size_t at = 0;

    if (!read_date(text, &at, &m))
        return false;
    if (at == text.len && date_alone) {
        *ret = m;
        return true;
    }
    if (!read_char(text, &at, 'T') || !read_clock(text, &at, &m, &next_day) ||
        !read_zone(text, at, &m))
        return false;
    if (next_day && !set_local(feel_local_seconds(&m) + SECONDS_PER_DAY, &m))
        return false;
    if (!feel_settle_zone(&m))
        return false;
    *ret = m;
    return true;
}

bool feel_parse_temporal(struct str text, struct feel_value *ret)
{
    struct feel_value v = { 0 };

    if (feel_parse_date(text, &v.moment))
        v.kind = FEEL_DATE;
    else if (feel_parse_date_time(text, false, &v.moment))
        v.kind = FEEL_DATE_TIME;
    else if (feel_parse_time(text, &v.moment))
        v.kind = FEEL_TIME;
    else if (!feel_parse_duration(text, &v))
        return false;
    *ret = v;
    return true;
}

/* ---- moments to texts ---- */

void feel_append_date(struct buf *out, const struct feel_moment *m)
{
    int64_t year = m->year;

    buf_printf(out, "%s%04lld-%02u-%02u", year < 0 ? "-" : "", (long long)(year < 0 ? -year : year),
               m->month, m->day);
}

static void append_offset(struct buf *out, int32_t offset_s)
{
    int32_t size = offset_s < 0 ? -offset_s : offset_s;

    if (offset_s == 0) {
        buf_append_char(out, 'Z');
        return;
    }
    buf_printf(out, "%c%02d:%02d", offset_s < 0 ? '-' : '+', size / 3600, size / 60 % 60);
    if (size % 60)
        buf_printf(out, ":%02d", size % 60);
}

void feel_append_fraction(struct buf *out, uint32_t nanosecond)
{
    char digits[16];
    int len = 9;

    if (nanosecond == 0)
        return;
    buf_append_char(out, '.');
    for (int i = len; i > 0; nanosecond /= 10)
        digits[--i] = (char)('0' + nanosecond % 10);
    while (digits[len - 1] == '0')
        len--;
    buf_append(out, digits, (size_t)len);
}

void feel_append_time(struct buf *out, const struct feel_moment *m)
{
    buf_printf(out, "%02u:%02u:%02u", m->hour, m->minute, m->second);
    feel_append_fraction(out, m->nanosecond);
    if (m->zone == FEEL_ZONE_OFFSET)
        append_offset(out, m->offset_s);
    if (m->zone == FEEL_ZONE_ID) {
        buf_append_char(out, '@');
        buf_append_str(out, m->zone_id);
    }
}
