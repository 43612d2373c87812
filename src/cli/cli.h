/*
 * cli.h - what a command is and what it gets.
 *
 * cli/commands.c has the one table of commands; help, parsing and "did you mean" walk it. A command
 * prints its result on standard output and returns RC_OK, or fills *err and returns its code;
 * cli/main.c prints that once and turns it into the exit status:
 *
 *   0   done            1   failed, or the answer is "no" (check, replay: cli->status)
 *   2   wrong usage     75  failed for now: trying again may work
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/config.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    CLI_ARGUMENTS_MAX = 16,
    CLI_OPTIONS_MAX = 16,
    CLI_ARENA_BYTES_MAX = 1 << 30,
    CLI_HINT_MAX = 256,
    CLI_OUTPUT_BYTES_MAX = 256 << 20,
    CLI_STATUS_FAILED = 1,
    CLI_STATUS_USAGE = 2,
    CLI_STATUS_TRANSIENT = 75, /* sysexits' EX_TEMPFAIL */
};

struct cli;
typedef enum rc command_fn(struct cli *cli, struct err *err);

struct command_option {
    const char *name;       /* without dashes; NULL ends a list */
    const char *value_name; /* NULL: takes no value */
    const char *help;
};

struct command {
    const char *name;      /* "pull", "model show" */
    const char *group;     /* heading in the overview */
    const char *arguments; /* "TEAM/SLM [FILE]"; "" for none */
    size_t n_min, n_max;   /* of arguments */
    const char *summary;   /* one line */
    const char *details;   /* NULL, or sentences */
    const char *example;
    command_fn *run;
    struct command_option options[CLI_OPTIONS_MAX];
};

/* The table, without a NULL behind it. */
extern const struct command cli_commands[];
extern const size_t cli_n_commands;

struct cli {
    struct arena arena; /* lives as long as the command */
    struct config config;
    const char *engine_build; /* which code this is; stored with each decision */
    const struct command *command;
    size_t n_arguments;
    const char *arguments[CLI_ARGUMENTS_MAX];
    const char *values[CLI_OPTIONS_MAX]; /* of command->options, by index; NULL: not given */
    int status;                          /* exit status when the command returns RC_OK */
    bool is_usage;                       /* the failure is one of usage */
    char hint[CLI_HINT_MAX];             /* what to do next, printed behind the error */
};

/* The value of an option of this command; "" for one without value; NULL: not given. */
const char *cli_option(const struct cli *cli, const char *name);

/* The option --port, or the fallback; 0: the system chooses. A failure is one of usage. */
MUST_CHECK enum rc cli_port(struct cli *cli, unsigned fallback, unsigned *ret_port,
                            struct err *err);

/* For a failing line: what to do next. Returns rc. */
enum rc cli_hint(struct cli *cli, enum rc rc, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A failure of usage: exit status 2. */
enum rc cli_usage(struct cli *cli, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Writes the buffer to standard output, ended by a newline. */
MUST_CHECK enum rc cli_print(const struct buf *out, struct err *err);

/* The workspace's folder, or an error that says how to get one. */
MUST_CHECK enum rc cli_workspace(struct cli *cli, const char **ret_folder, struct err *err);

/* Fills cli->command, arguments and values, and the settings. *ret_wants_help: --help was given.
 * argv[0] is the program. */
MUST_CHECK enum rc cli_parse(struct cli *cli, int argc, char *const argv[], bool *ret_wants_help,
                             struct err *err);

/* "model" is: commands of two words begin with it. */
bool cli_is_prefix(const char *word);

/* The overview, or only the commands that begin with `prefix` ("model"). */
void cli_append_overview(struct buf *out, const char *prefix);
void cli_append_help(const struct command *command, struct buf *out);

#endif
