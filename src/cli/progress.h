/*
 * progress.h - how far a long command has come, on standard error.
 *
 * On a terminal one line is redrawn: "pull  [######......]  45.1 / 90.9 MB  12.3 MB/s  0:04 left".
 * Elsewhere a plain line appears at each tenth, but not within three seconds of the one before, and
 * at the end. --quiet: nothing.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum progress_unit { PROGRESS_BYTES, PROGRESS_STEPS };

enum { PROGRESS_LINE_MAX = 320, PROGRESS_NOTE_MAX = 48 };

struct progress {
    struct clock clock;
    int fd; /* 2 outside tests */
    bool is_terminal, is_quiet;
    size_t columns;                /* of the terminal */
    char label[PROGRESS_NOTE_MAX]; /* what goes on; a new one begins a new line */
    char note[PROGRESS_NOTE_MAX];  /* shown behind the numbers: "loss 0.412"; may be empty */
    enum progress_unit unit;
    int64_t began_us, drawn_us;
    uint64_t began_at; /* a download goes on from there */
    unsigned tenths_shown;
    bool is_done; /* this label reached its total */
    bool is_open; /* a line is on the terminal and has no newline yet */
};

void progress_init(struct progress *p, struct clock clock, bool is_quiet);

/* done of total, total 0: not known. done == total finishes the line; what comes under the same
 * label after it is not shown. */
void progress_update(struct progress *p, const char *label, uint64_t done, uint64_t total,
                     enum progress_unit unit);
void progress_note(struct progress *p, const char *note);

/* Leaves the cursor at the beginning of a line, whatever was drawn. */
void progress_end(struct progress *p);

/* The line itself, without cursor movement; for tests, too. */
void progress_format(const struct progress *p, uint64_t done, uint64_t total, int64_t now_us,
                     char line[PROGRESS_LINE_MAX]);

#endif
