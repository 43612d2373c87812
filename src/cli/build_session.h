/*
 * build_session.h - what `shoal build` and `shoal import` have in common at a terminal: the team's
 * files and registry, threads and kernels, progress, Ctrl-C, the report at the end.
 */
#ifndef CLI_BUILD_SESSION_H
#define CLI_BUILD_SESSION_H

#include "cli/ask.h"
#include "cli/progress.h"
#include "cli/team_registry.h"

enum { BUILD_SESSION_NAME_MAX = 64 };

struct build_session {
    struct build_options options; /* all but spec_path and feedback */
    struct artifact_store *artifacts;
    struct pool *pool;
    struct kernels kernels;
    struct team_registry registry;
    struct progress progress;
    char principal[BUILD_SESSION_NAME_MAX];
};

/* From here on Ctrl-C ends the build at its next report of progress; twice, at once. The session
 * must not be moved; build_session_close() it whatever the outcome. */
MUST_CHECK enum rc build_session_open(struct cli *cli, const struct ask_slm *slm,
                                      struct build_session *session, struct err *err);
void build_session_close(struct build_session *session); /* safe on a zeroed one */

/* The report and the verdict, which becomes the exit status. */
MUST_CHECK enum rc build_session_print(struct cli *cli, const struct build_session *session,
                                       const struct build_result *result, struct err *err);

#endif
