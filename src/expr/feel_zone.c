/*
 * feel_zone.c - offsets of time zones by id, out of the system's tables.
 *
 * Reads the compiled tables of the IANA time zone database (TZif, RFC 8536) below
 * /usr/share/zoneinfo: the 64-bit block of versions 2 to 4, whose counts stand in the second
 * header:
 *
 *   offset size  content
 *        0    4  "TZif"
 *        4    1  version, '2'..'4'
 *       20    4  isutcnt          28    4  leapcnt          36    4  typecnt
 *       24    4  isstdcnt         32    4  timecnt          40    4  charcnt
 *       44       time_t transition[timecnt], u8 type[timecnt], {i32 offset, u8 dst, u8
 * name}[typecnt]
 *
 * The tables end in 2037. Later years use the year of 2010..2037 that has the same weekdays and
 * leap day, which is what the rules of all zones depend on; so a zone whose table ends earlier
 * although it still changes its clock (tables built "slim") is not supported.
 */
#include "base/fs.h"
#include "expr/feel_internal.h"

#include <stdio.h>

enum { HEADER_BYTES = 44, ZONE_ID_MAX = 64, TYPE_BYTES = 6, LAST_YEAR = 2037, YEAR_BYTES = 28 };

struct table {
    size_t n_times, n_types;
    const uint8_t *times;   /* (n_times,) i64 big-endian, ascending, UTC */
    const uint8_t *indices; /* (n_times,) */
    const uint8_t *types;   /* (n_types, 6) */
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
    return ret->n_types > 0;
}

static bool offset_at(const struct table *t, int64_t utc, int32_t *ret)
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

/* The same moment of the year in a year the table covers. */
static int64_t into_table(int64_t seconds)
{
    struct feel_moment m = feel_moment_of_unix(seconds, 0);
    struct feel_moment new_year = { .year = m.year, .month = 1, .day = 1 };

    if (m.year <= LAST_YEAR)
        return seconds;
    for (int32_t year = LAST_YEAR; year > LAST_YEAR - YEAR_BYTES; year--) {
        struct feel_moment other = { .year = year, .month = 1, .day = 1 };

        if (feel_weekday(&other) == feel_weekday(&new_year) &&
            feel_days_in_month(year, 2) == feel_days_in_month(m.year, 2))
            return seconds +
                   86400 * (feel_days_from_date(year, 1, 1) - feel_days_from_date(m.year, 1, 1));
    }
    return seconds;
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

bool feel_zone_offset(struct str id, int64_t seconds, enum feel_clock clock, int32_t *ret_offset_s)
{
    char path[ZONE_ID_MAX + 32];
    struct fs_map map;
    struct table table;
    struct err ignored;

    if (!is_zone_id(id))
        return false;
    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.*s", STR_ARG(id));
    if (fs_map_open(path, &map, &ignored))
        return false;

    bool ok = open_table(map.at, map.len, &table);
    seconds = into_table(seconds);
    if (ok && clock == FEEL_CLOCK_UTC)
        ok = offset_at(&table, seconds, ret_offset_s);
    else if (ok)
        ok = offset_at_local(&table, seconds, ret_offset_s);
    fs_map_close(&map);
    return ok;
}
