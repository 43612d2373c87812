/*
 * commands.c - the one table of commands.
 *
 * To add one: a function in a file cmd_*.c, its name in cmd.h, a row here with an example that
 * works, a story in tests/e2e.
 */
#include "cli/cmd.h"

#define MODEL "look inside a model"
#define SETUP "set up"

const struct command cli_commands[] = {
    { "config",
      SETUP,
      "",
      0,
      0,
      "show every setting, its value and where it came from",
      NULL,
      "SHOAL_CPU=scalar shoal config",
      cmd_config,
      { { "markdown", NULL, "the table of settings, as in docs/operations.md" } } },
};

const size_t cli_n_commands = ARRAY_LEN(cli_commands);
