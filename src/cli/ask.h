/*
 * ask.h - operations on a team's versions, decisions and keys (the table in serve/admin.h).
 *
 * admin_run() is the one place that decides who does them: the team's service, over its socket,
 * while one runs; else this process, on the files and under their lock.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli/cli.h"
#include "serve/admin.h"

struct ask_slm {
    const char *team, *name;
};

/* "support/ticket-triage" in its two names. A failure is one of usage. */
MUST_CHECK enum rc ask_parse_slm(struct cli *cli, const char *text, struct ask_slm *ret_slm,
                                 struct err *err);

/* How to reach a team; needs a workspace. */
MUST_CHECK enum rc ask_config(struct cli *cli, const char *team,
                              struct serve_team_config *ret_config, struct err *err);

/* The arguments of an operation: ask_begin(), then pairs, then ask(). */
struct ask {
    struct buf arguments;
    struct json_writer writer;
};

void ask_begin(struct cli *cli, struct ask *ask); /* with the key of SHOAL_KEY, if there is one */
void ask_text(struct ask *ask, const char *name, const char *value); /* NULL: left out */

/**
 * Does one operation.
 *
 * @param ask         consumed, whatever the outcome
 * @param ret_answer  out, in cli->arena
 *
 * @return as admin_run()
 */
MUST_CHECK enum rc ask(struct cli *cli, const char *team, const char *operation, struct ask *ask,
                       struct json **ret_answer, struct err *err);

/**
 * A request to the coordinator of the workspace, over its admin socket.
 *
 * @param body        at NULL: none
 * @param ret_answer  out, in cli->arena; of a status below 300
 *
 * @return RC_UNAVAILABLE (none runs, or it is full), RC_NOT_FOUND, RC_STATE, RC_INVALID with its
 *         message; as http_client_call()
 */
MUST_CHECK enum rc ask_coordinator(struct cli *cli, const char *method, const char *path,
                                   struct str body, struct json **ret_answer, struct err *err);

/* Calls fn for the teams of shoal.yaml, until one sets *ret_is_done. */
typedef enum rc ask_team_fn(struct cli *cli, const char *team, void *context, bool *ret_is_done,
                            struct err *err);
MUST_CHECK enum rc ask_each_team(struct cli *cli, ask_team_fn *fn, void *context, struct err *err);

/* The answer as it is, for --json. */
MUST_CHECK enum rc ask_print_json(const struct json *answer, struct err *err);

#endif
