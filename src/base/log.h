/*
 * log.h - one line per event on standard error, text or JSON.
 *
 * Only the edges log (cli/, one HTTP request, one worker step). Control characters, DEL, C1
 * controls and bytes that are not UTF-8 are escaped, so that no logged value can begin a line of
 * its own or colour a terminal. Logging allocates nothing and never fails: what cannot be written
 * is lost. A line is one write(2), so lines of several threads do not mix.
 *
 *   text  2026-05-03T09:30:00.000Z error cannot open 'x\u000ay'
 *   JSON  {"time":"2026-05-03T09:30:00.000Z","level":"error","message":"cannot open 'x\ny'"}
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/clock.h"
#include "base/macros.h"

enum { LOG_MESSAGE_MAX = 2000 }; /* bytes; longer ones end in "..." */

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log {
    struct clock clock;
    enum log_level level; /* lines below it are dropped */
    enum log_format format;
    int fd; /* 2 outside tests */
};

void log_printf(const struct log *log, enum log_level level, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

const char *log_level_name(enum log_level level); /* "debug", "info", "warning", "error" */

#endif
