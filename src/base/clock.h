/*
 * clock.h - the one way to ask for the time, so that a test can set it.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct clock {
    int64_t (*now_ms)(void *self);       /* Unix time in milliseconds, UTC */
    int64_t (*monotonic_us)(void *self); /* for durations and time-outs */
    void *self;
};

struct clock clock_system(void);

/* A clock that stands still at now_ms until *now_ms is changed. */
struct clock clock_fixed(int64_t *now_ms);

/* RFC 3339 in UTC with milliseconds, "2026-05-03T09:30:00.000Z", NUL-terminated. */
enum { CLOCK_TEXT_LEN = 24 };
void clock_format(int64_t now_ms, char text[CLOCK_TEXT_LEN + 1]);
/* Reads exactly that form. */
bool clock_parse(struct str text, int64_t *ret_ms);

#endif
