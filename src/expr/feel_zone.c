/*
 * feel_zone.c - offsets of time zones by id, out of the system's tables.
 *
 * Reads the compiled tables of the IANA time zone database (TZif, RFC 8536) below
 * /usr/share/zoneinfo: the 64-bit block of versions 2 to 4, whose counts stand in the second
 * header, and the rule behind it for the time after the last transition:
 *
 *   offset size  content
 *        0    4  "TZif"
 *        4    1  version, '2'..'4'
 *       20    4  isutcnt          28    4  leapcnt          36    4  typecnt
 *       24    4  isstdcnt         32    4  timecnt          40    4  charcnt
 *       44       time_t transition[timecnt], u8 type[timecnt], {i32 offset, u8 dst, u8
 * name}[typecnt], names, leap seconds, indicators end       "\nCET-1CEST,M3.5.0,M10.5.0/3\n", the
 * value of a POSIX TZ variable
 */
#include "base/fs.h"
#include "expr/feel_internal.h"

#include <stdio.h>

enum { HEADER_BYTES = 44, ZONE_ID_MAX = 64, TYPE_BYTES = 6 };

struct table {
    size_t n_times, n_types;
    const uint8_t *times;   /* (n_times,) i64 big-endian, ascending, UTC */
    const uint8_t *indices; /* (n_times,) */
    const uint8_t *types;   /* (n_types, 6) */
    struct str rule;        /* without its line ends; may be empty */
};

static uint64_t big_endian(const uint8_t *at, size_t n)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}

/* Bytes of a block's data with times of time_bytes; false: counts beyond any table. */
static bool block_bytes(const uint8_t *header, size_t time_bytes, size_t *ret)
{
    size_t count[6];

    for (size_t i = 0; i < ARRAY_LEN(count); i++) {
        count[i] = big_endian(header + 20 + 4 * i, 4);
        if (count[i] > 1 << 16)
            return false;
    }
    *ret = count[3] * (time_bytes + 1) + count[4] * TYPE_BYTES + count[5] +
           count[2] * (time_bytes + 4) + count[1] + count[0];
    return true;
}

/* What stands between the two line ends of the footer. */
static struct str rule_of(struct str footer)
{
    if (footer.len < 2 || footer.at[0] != '\n')
        return STR("");
    const char *end = memchr(footer.at + 1, '\n', footer.len - 1);
    return end ? (struct str){ footer.at + 1, (size_t)(end - footer.at) - 1 } : STR("");
}

static bool open_table(const uint8_t *bytes, size_t len, struct table *ret)
{
    size_t first, second;

    if (len < HEADER_BYTES || memcmp(bytes, "TZif", 4) != 0 || bytes[4] < '2' ||
        !block_bytes(bytes, 4, &first))
        return false;
    if (len - HEADER_BYTES < first || len - HEADER_BYTES - first < HEADER_BYTES)
        return false;
    const uint8_t *header = bytes + HEADER_BYTES + first;
    if (memcmp(header, "TZif", 4) != 0 || !block_bytes(header, 8, &second) ||
        len - 2 * HEADER_BYTES - first < second)
        return false;
    ret->n_times = big_endian(header + 32, 4);
    ret->n_types = big_endian(header + 36, 4);
    ret->times = header + HEADER_BYTES;
    ret->indices = ret->times + 8 * ret->n_times;
    ret->types = ret->indices + ret->n_times;
    ret->rule = rule_of((struct str){ (const char *)header + HEADER_BYTES + second,
                                      len - 2 * HEADER_BYTES - first - second });
    return ret->n_types > 0;
}

static bool offset_in_table(const struct table *t, int64_t utc, int32_t *ret)
{
    size_t low = 0, high = t->n_times; /* transitions before low are not after utc */

    while (low < high) {
        size_t middle = (low + high) / 2;

        if ((int64_t)big_endian(t->times + 8 * middle, 8) <= utc)
            low = middle + 1;
        else
            high = middle;
    }
    size_t type = low == 0 ? 0 : t->indices[low - 1];
    if (type >= t->n_types)
        return false;
    *ret = (int32_t)big_endian(t->types + TYPE_BYTES * type, 4);
    return *ret > -26 * 3600 && *ret < 26 * 3600;
}

/* ---- the rule behind the table ---- */

/* The week-th (5: last) weekday (0: Sunday) of a month, and seconds from its midnight. */
struct change {
    int64_t month, week, weekday, seconds;
};

struct rule {
    int64_t standard_s, daylight_s; /* east of UTC */
    bool has_daylight;
    struct change starts, ends; /* of daylight saving time */
};

static bool take(struct str *text, char c)
{
    if (text->len == 0 || text->at[0] != c)
        return false;
    text->at++;
    text->len--;
    return true;
}

static bool take_number(struct str *text, int64_t max, int64_t *ret)
{
    size_t n = 0;

    for (*ret = 0; n < text->len && text->at[n] >= '0' && text->at[n] <= '9'; n++) {
        *ret = *ret * 10 + (text->at[n] - '0');
        if (*ret > max)
            return false;
    }
    text->at += n;
    text->len -= n;
    return n > 0;
}

/* [+-]h[:m[:s]] in seconds */
static bool take_clock(struct str *text, int64_t *ret)
{
    int64_t hours, minutes = 0, seconds = 0;
    bool negative = take(text, '-');

    if (!negative)
        take(text, '+');
    if (!take_number(text, 167, &hours) || (take(text, ':') && !take_number(text, 59, &minutes)) ||
        (take(text, ':') && !take_number(text, 59, &seconds)))
        return false;
    *ret = hours * 3600 + minutes * 60 + seconds;
    *ret = negative ? -*ret : *ret;
    return true;
}

/* "CET" or "<+03>" */
static bool take_name(struct str *text)
{
    bool quoted = take(text, '<');
    size_t n = 0;

    while (n < text->len && (quoted ? text->at[n] != '>'
                                    : (text->at[n] | 0x20) >= 'a' && (text->at[n] | 0x20) <= 'z'))
        n++;
    text->at += n;
    text->len -= n;
    return n > 0 && (!quoted || take(text, '>'));
}

/* ",M3.5.0/2"; the other two forms of POSIX (Jn, n) are in no table of the database. */
static bool take_change(struct str *text, struct change *ret)
{
    ret->seconds = 2 * 3600;
    return take(text, ',') && take(text, 'M') && take_number(text, 12, &ret->month) &&
           ret->month > 0 && take(text, '.') && take_number(text, 5, &ret->week) && ret->week > 0 &&
           take(text, '.') && take_number(text, 6, &ret->weekday) &&
           (!take(text, '/') || take_clock(text, &ret->seconds));
}

static bool parse_rule(struct str text, struct rule *ret)
{
    *ret = (struct rule){ 0 };
    if (!take_name(&text) || !take_clock(&text, &ret->standard_s))
        return false;
    ret->standard_s = -ret->standard_s; /* POSIX counts west */
    ret->daylight_s = ret->standard_s + 3600;
    ret->has_daylight = text.len > 0;
    if (!ret->has_daylight)
        return true;
    if (!take_name(&text))
        return false;
    if (text.len > 0 && text.at[0] != ',') {
        if (!take_clock(&text, &ret->daylight_s))
            return false;
        ret->daylight_s = -ret->daylight_s;
    }
    return take_change(&text, &ret->starts) && take_change(&text, &ret->ends) && text.len == 0;
}

/* When the change happens in a year, on the local clock before it. */
static int64_t local_seconds_of(const struct change *c, int32_t year)
{
    struct feel_moment first = { .year = year, .month = (uint8_t)c->month, .day = 1 };
    int64_t day = (c->weekday - feel_weekday(&first) % 7 + 7) % 7 + (c->week - 1) * 7;

    while (day >= feel_days_in_month(year, first.month))
        day -= 7;
    return (feel_days_from_date(year, first.month, 1) + day) * 86400 + c->seconds;
}

static int32_t offset_by_rule(const struct rule *rule, int64_t utc)
{
    int32_t year = feel_moment_of_unix(utc + rule->standard_s, 0).year;

    if (!rule->has_daylight)
        return (int32_t)rule->standard_s;
    int64_t start = local_seconds_of(&rule->starts, year) - rule->standard_s;
    int64_t end = local_seconds_of(&rule->ends, year) - rule->daylight_s;
    bool daylight = start < end ? utc >= start && utc < end : !(utc >= end && utc < start);
    return (int32_t)(daylight ? rule->daylight_s : rule->standard_s);
}

static bool offset_at(const struct table *t, int64_t utc, int32_t *ret)
{
    struct rule rule;
    bool after = t->n_times == 0 || utc >= (int64_t)big_endian(t->times + 8 * (t->n_times - 1), 8);

    if (!after || !parse_rule(t->rule, &rule))
        return offset_in_table(t, utc, ret);
    *ret = offset_by_rule(&rule, utc);
    return true;
}

/* Of the two offsets around a local time the earlier one that gives it; in a gap, the earlier. */
static bool offset_at_local(const struct table *t, int64_t local, int32_t *ret)
{
    int32_t before, after, check;

    if (!offset_at(t, local - 86400, &before) || !offset_at(t, local + 86400, &after) ||
        !offset_at(t, local - before, &check))
        return false;
    *ret = before;
    if (check != before && offset_at(t, local - after, &check) && check == after)
        *ret = after;
    return true;
}

static bool is_zone_id(struct str id)
{
    if (id.len == 0 || id.len > ZONE_ID_MAX || id.at[0] == '/')
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && !(c >= '0' && c <= '9') && !(c && strchr("_+-/", c)))
            return false; /* no dots: the path stays below the folder */
    }
    return true;
}

bool feel_zone_offset_in(const uint8_t *bytes, size_t len, int64_t seconds, enum feel_clock clock,
                         int32_t *ret_offset_s)
{
    struct table table;

    if (!open_table(bytes, len, &table))
        return false;
    if (clock == FEEL_CLOCK_UTC)
        return offset_at(&table, seconds, ret_offset_s);
    return offset_at_local(&table, seconds, ret_offset_s);
}

bool feel_zone_offset(struct str id, int64_t seconds, enum feel_clock clock, int32_t *ret_offset_s)
{
    char path[ZONE_ID_MAX + 32];
    struct fs_map map;
    struct err ignored;

    if (!is_zone_id(id))
        return false;
    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.*s", STR_ARG(id));
    if (fs_map_open(path, &map, &ignored))
        return false;
    bool ok = feel_zone_offset_in(map.at, map.len, seconds, clock, ret_offset_s);
    fs_map_close(&map);
    return ok;
}
