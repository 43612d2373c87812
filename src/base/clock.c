#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t system_now_ms(void *self)
{
    struct timespec now;

    (void)self;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_monotonic_us(void *self)
{
    struct timespec now;

    (void)self;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct clock clock_system(void)
{
    return (struct clock){ .now_ms = system_now_ms, .monotonic_us = system_monotonic_us };
}

static int64_t fixed_now_ms(void *self)
{
    return *(int64_t *)self;
}

static int64_t fixed_monotonic_us(void *self)
{
    return *(int64_t *)self * 1000;
}

struct clock clock_fixed(int64_t *now_ms)
{
    return (
        struct clock){ .now_ms = fixed_now_ms, .monotonic_us = fixed_monotonic_us, .self = now_ms };
}

void clock_format(int64_t now_ms, char text[CLOCK_TEXT_LEN + 1])
{
    /* Years 0000 to 9999: RFC 3339 has no others. */
    static const int64_t first_ms = -62167219200000, last_ms = 253402300799999;
    struct tm parts;

    now_ms = now_ms < first_ms ? first_ms : now_ms > last_ms ? last_ms : now_ms;
    int64_t ms = (now_ms % 1000 + 1000) % 1000;
    time_t seconds = (time_t)((now_ms - ms) / 1000);

    gmtime_r(&seconds, &parts);
    /* The bits kept are the fields' ranges, which the compiler needs to see that the text fits. */
    snprintf(text, CLOCK_TEXT_LEN + 1, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned)(parts.tm_year + 1900) % 10000, (unsigned)(parts.tm_mon + 1) % 100,
             (unsigned)parts.tm_mday % 100, (unsigned)parts.tm_hour % 100,
             (unsigned)parts.tm_min % 100, (unsigned)parts.tm_sec % 100, (unsigned)ms % 1000);
}

bool clock_parse(struct str text, int64_t *ret_ms)
{
    char copy[CLOCK_TEXT_LEN + 1], again[CLOCK_TEXT_LEN + 1];
    struct tm tm = { 0 };

    if (text.len != CLOCK_TEXT_LEN)
        return false;
    memcpy(copy, text.at, CLOCK_TEXT_LEN);
    copy[CLOCK_TEXT_LEN] = '\0';
    const char *rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest || *rest != '.')
        return false;
    int64_t ms = (int64_t)timegm(&tm) * 1000 + strtol(rest + 1, NULL, 10);
    clock_format(ms, again);
    *ret_ms = ms;
    return strcmp(copy, again) == 0;
}
