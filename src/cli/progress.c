#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    REDRAW_US = 100 * 1000,
    PLAIN_US = 3 * 1000 * 1000, /* between plain lines of one label */
    TENTHS = 10,
    COLUMNS_DEFAULT = 80,
    BAR_WIDTH = 24,
    RATE_AFTER_US = 1000 * 1000, /* before that a rate and a time left are guesses */
    NUMBER_MAX = 32,
};

void progress_init(struct progress *p, struct clock clock, bool is_quiet)
{
    struct winsize size = { 0 };

    *p = (struct progress){
        .clock = clock, .fd = STDERR_FILENO, .is_quiet = is_quiet, .columns = COLUMNS_DEFAULT
    };
    p->is_terminal = isatty(p->fd) == 1;
    if (p->is_terminal && ioctl(p->fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        p->columns = size.ws_col;
}

static void format_amount(enum progress_unit unit, double amount, char text[NUMBER_MAX])
{
    switch (unit) {
    case PROGRESS_BYTES:
        if (amount < 1e6)
            snprintf(text, NUMBER_MAX, "%.1f kB", amount / 1e3);
        else
            snprintf(text, NUMBER_MAX, "%.1f MB", amount / 1e6);
        return;
    case PROGRESS_STEPS: snprintf(text, NUMBER_MAX, "%.0f", amount); return;
    }
}

static void format_bar(uint64_t done, uint64_t total, char bar[BAR_WIDTH + 1])
{
    size_t filled = done >= total ? BAR_WIDTH : (size_t)(done * BAR_WIDTH / total);

    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', filled);
    bar[BAR_WIDTH] = '\0';
}

/* "  12.3 MB/s  0:04 left", or nothing as long as it would be a guess. */
static void format_rate(const struct progress *p, uint64_t done, uint64_t total, int64_t now_us,
                        char text[2 * NUMBER_MAX])
{
    int64_t elapsed_us = now_us - p->began_us;
    char amount[NUMBER_MAX];

    text[0] = '\0';
    if (elapsed_us < RATE_AFTER_US || done <= p->began_at)
        return;

    double per_s = (double)(done - p->began_at) / ((double)elapsed_us / 1e6);
    if (p->unit == PROGRESS_STEPS && per_s < 10)
        snprintf(amount, sizeof(amount), "%.1f", per_s);
    else
        format_amount(p->unit, per_s, amount);
    if (done < total) {
        uint64_t left_s = (uint64_t)((double)(total - done) / per_s);

        snprintf(text, 2 * NUMBER_MAX, "  %s/s  %" PRIu64 ":%02u left", amount, left_s / 60,
                 (unsigned)(left_s % 60));
    } else {
        snprintf(text, 2 * NUMBER_MAX, "  %s/s", amount);
    }
}

void progress_format(const struct progress *p, uint64_t done, uint64_t total, int64_t now_us,
                     char line[PROGRESS_LINE_MAX])
{
    char bar[BAR_WIDTH + 1], rate[2 * NUMBER_MAX], amount[NUMBER_MAX], of[NUMBER_MAX];
    const char *gap = p->note[0] ? "  " : "";

    format_amount(p->unit, (double)done, amount);
    format_rate(p, done, total, now_us, rate);
    if (total == 0) {
        snprintf(line, PROGRESS_LINE_MAX, "%s  %s%s%s%s", p->label, amount, rate, gap, p->note);
        return;
    }
    format_bar(done, total, bar);
    format_amount(p->unit, (double)total, of);
    snprintf(line, PROGRESS_LINE_MAX, "%s  [%s]  %s of %s%s%s%s", p->label, bar, amount, of, rate,
             gap, p->note);
}

static void write_text(const struct progress *p, const char *text)
{
    /* Progress that cannot be shown is lost; the work goes on. */
    if (write(p->fd, text, strlen(text)) < 0)
        return;
}

/* Redraws at most ten times a second. */
static void draw_terminal(struct progress *p, uint64_t done, uint64_t total, int64_t now_us,
                          bool is_done)
{
    char line[PROGRESS_LINE_MAX], text[PROGRESS_LINE_MAX + 16];

    if (!is_done && p->is_open && now_us - p->drawn_us < REDRAW_US)
        return;
    progress_format(p, done, total, now_us, line);
    if (p->columns > 1 && strlen(line) >= p->columns && p->columns < sizeof(line))
        line[p->columns - 1] = '\0';
    snprintf(text, sizeof(text), "\r\033[K%s%s", line, is_done ? "\n" : "");
    write_text(p, text);
    p->drawn_us = now_us;
    p->is_open = !is_done;
}

static void draw_plain(struct progress *p, uint64_t done, uint64_t total, int64_t now_us)
{
    unsigned tenths = total ? (unsigned)(done >= total ? TENTHS : done * TENTHS / total) : 0;
    char line[PROGRESS_LINE_MAX], text[PROGRESS_LINE_MAX + 2];

    if (tenths <= p->tenths_shown || (tenths < TENTHS && now_us - p->drawn_us < PLAIN_US))
        return;
    p->tenths_shown = tenths;
    p->drawn_us = now_us;
    progress_format(p, done, total, now_us, line);
    snprintf(text, sizeof(text), "%s\n", line);
    write_text(p, text);
}

void progress_update(struct progress *p, const char *label, uint64_t done, uint64_t total,
                     enum progress_unit unit)
{
    int64_t now_us = p->clock.monotonic_us(p->clock.self);
    bool is_done = total > 0 && done >= total;

    if (p->is_quiet)
        return;
    if (strncmp(p->label, label, sizeof(p->label) - 1) != 0) {
        progress_end(p);
        snprintf(p->label, sizeof(p->label), "%s", label);
        p->began_us = now_us;
        p->began_at = done;
        p->drawn_us = now_us;
    }
    if (p->is_done)
        return;
    p->is_done = is_done;
    p->unit = unit;
    if (p->is_terminal)
        draw_terminal(p, done, total, now_us, is_done);
    else
        draw_plain(p, done, total, now_us);
}

void progress_note(struct progress *p, const char *note)
{
    snprintf(p->note, sizeof(p->note), "%s", note);
}

void progress_end(struct progress *p)
{
    if (p->is_open)
        write_text(p, "\n");
    p->is_open = false;
    p->tenths_shown = 0;
    p->is_done = false;
    p->label[0] = '\0';
    p->note[0] = '\0';
}
