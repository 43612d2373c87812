/*
 * config.h - every setting of the program, in one table.
 *
 * A row has a name, an environment variable and a flag; the value comes from the default, the
 * environment or the flag, the later one wins, and `shoal config` shows which it was. The table in
 * docs/operations.md is the output of `shoal config --markdown`. Nobody else calls getenv().
 */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>

enum { CONFIG_SETTINGS_MAX = 32 };

enum config_source { CONFIG_DEFAULT, CONFIG_ENVIRONMENT, CONFIG_FLAG };

struct config {
    const char *home;          /* folder of pulled bases */
    const char *workspace;     /* folder with shoal.yaml; NULL: none here or above */
    const char *share;         /* folder with bases.yaml */
    const char *cpu;           /* kernel row: auto, scalar, avx2, avx512, vnni */
    size_t threads;            /* >= 1 */
    const char *key;           /* secret of a principal; NULL: the OS user acts */
    const char *log_level;     /* debug, info, warning, error */
    const char *log_format;    /* text, json */
    const char *failpoint;     /* base/failpoint.h; NULL: none */
    const char *failpoint_log; /* NULL: none */
    bool json;                 /* results as JSON */
    bool quiet;                /* no progress */
    bool allow_http;           /* downloads over plain http from any host */
    enum config_source sources[CONFIG_SETTINGS_MAX]; /* by row of the table */
};

/* Defaults, then the environment. RC_INVALID: a variable with a value that its row does not accept.
 * Texts live in the arena. */
MUST_CHECK enum rc config_init(struct arena *arena, struct config *ret_config, struct err *err);

/* The row of a flag without its dashes, or -1. */
int config_find(struct str flag);
bool config_takes_value(int row);

/* RC_INVALID: the row does not accept the value (NULL for a row without one). */
MUST_CHECK enum rc config_set(struct config *config, int row, const char *value,
                              struct arena *arena, struct err *err);

/* Finds what depends on other settings (the workspace above the current folder). */
MUST_CHECK enum rc config_finish(struct config *config, struct arena *arena, struct err *err);

struct log config_log(const struct config *config);

/* The table, for --help, for `shoal config` (with values and where they came from), as JSON, and
 * for docs/operations.md. */
void config_append_flags(struct buf *out);
void config_append_values(const struct config *config, struct buf *out);
void config_append_json(const struct config *config, struct json_writer *out);
void config_append_markdown(struct buf *out);
const char *config_flag_name(size_t row); /* NULL behind the last row, "" for a row without flag */

#endif
