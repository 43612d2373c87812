#include "base/log.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The longest a byte of a message becomes is \u00XX. */
enum { LINE_BYTES_MAX = 6 * LOG_MESSAGE_MAX + 200 };

const char *log_level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_DEBUG: return "debug";
    case LOG_LEVEL_INFO: return "info";
    case LOG_LEVEL_WARNING: return "warning";
    case LOG_LEVEL_ERROR: return "error";
    }
    assert_fail("level is an enum log_level", __FILE__, __LINE__);
}

static size_t append_char(char *out, uint32_t c, enum log_format format)
{
    if (c < 0x20 || (c >= 0x7F && c < 0xA0))
        return (size_t)snprintf(out, 7, "\\u%04x", c);
    if (c == '\\' || (c == '"' && format == LOG_FORMAT_JSON)) {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    return utf8_encode(c, out);
}

static size_t append_escaped(char *out, const char *text, enum log_format format)
{
    const char *end = text + strlen(text);
    size_t n = 0;

    for (const char *at = text; at < end;) {
        uint32_t c = UTF8_REPLACEMENT;
        size_t len = utf8_decode(at, end, &c);

        n += append_char(out + n, c, format);
        at += len ? len : 1;
    }
    return n;
}

void log_printf(const struct log *log, enum log_level level, const char *fmt, ...)
{
    char message[LOG_MESSAGE_MAX + 4], line[LINE_BYTES_MAX], time[CLOCK_TEXT_LEN + 1];
    bool json = log->format == LOG_FORMAT_JSON;
    va_list ap;

    if (level < log->level)
        return;
    va_start(ap, fmt);
    int message_len = vsnprintf(message, LOG_MESSAGE_MAX + 1, fmt, ap);
    va_end(ap);
    if (message_len > LOG_MESSAGE_MAX)
        memcpy(message + LOG_MESSAGE_MAX, "...", 4);

    clock_format(log->clock.now_ms(log->clock.self), time);
    int n = snprintf(line, sizeof(line),
                     json ? "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"" : "%s %s ", time,
                     log_level_name(level));
    size_t len = (size_t)n;
    len += append_escaped(line + len, message, log->format);
    len += (size_t)snprintf(line + len, sizeof(line) - len, json ? "\"}\n" : "\n");
    ssize_t written = write(log->fd, line, len);
    (void)written; /* there is nobody left to tell */
}
