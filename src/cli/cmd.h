/* cmd.h - the commands, one file cmd_*.c per noun; cli/commands.c lists them. */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "cli/cli.h"

command_fn cmd_build, cmd_check, cmd_config, cmd_decide, cmd_pull, cmd_replay, cmd_serve;
command_fn cmd_export, cmd_import;
command_fn cmd_coordinate, cmd_down, cmd_up;
command_fn cmd_flow_cancel, cmd_flow_list, cmd_flow_run, cmd_flow_show;
command_fn cmd_new_slm, cmd_new_team, cmd_new_workspace;
command_fn cmd_feedback_add, cmd_feedback_export;
command_fn cmd_key_create, cmd_key_list, cmd_key_revoke;
command_fn cmd_history, cmd_list, cmd_promote, cmd_rollback, cmd_show, cmd_show_decision;
command_fn cmd_model_show, cmd_model_tokenize, cmd_model_embed, cmd_model_logits,
    cmd_model_generate;

#endif
