/* cmd.h - the commands, one file cmd_*.c per noun; cli/commands.c lists them. */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "cli/cli.h"

command_fn cmd_check, cmd_config, cmd_pull;
command_fn cmd_model_show, cmd_model_tokenize, cmd_model_embed;

#endif
