/*
 * up.h - what `shoal up` runs: a service for each team of the workspace, the coordinator when there
 * are flows, and how they are kept apart.
 *
 *   .shoal/up.lock           held while they run
 *   .shoal/up.json           how they are (swarm/supervisor.h)
 *   .shoal/logs/             up.log, and TEAM.log of each
 *   .shoal/keys/TEAM.key     mode 0600: the key of the principal `coordinator` at the team
 *   .shoal/home/             the bases, when the teams' users do not get to $SHOAL_HOME
 *
 * They are kept apart by users of their own (root alone can make them) or by Landlock; where both
 * can be had, by both.
 */
#ifndef CLI_UP_H
#define CLI_UP_H

#include "cli/cli.h"
#include "swarm/supervisor.h"

enum up_boundary { UP_USERS, UP_LANDLOCK };

struct up_team {
    const char *name, *folder;
    bool is_coordinator; /* no team, but with a folder and a user like one */
    uid_t user;
    unsigned port;
};

struct up {
    struct cli *cli;
    const char *workspace;
    const char *lock, *state, *log; /* paths */
    const char *program, *home;
    const char *host;
    enum up_boundary boundary;
    unsigned port; /* of the first process; 0: free ones */
    bool has_landlock;
    size_t n_teams; /* the coordinator included, which comes last */
    struct up_team teams[SUPERVISOR_PROCESSES_MAX];
    const char *arguments[SUPERVISOR_PROCESSES_MAX][SUPERVISOR_ARGUMENTS_MAX];
    struct supervisor_process processes[SUPERVISOR_PROCESSES_MAX];
};

/* The teams and the paths; touches nothing. RC_INVALID: shoal.yaml has errors, or no team. */
MUST_CHECK enum rc up_read(struct cli *cli, struct up *up, struct err *err);

/**
 * Makes folders and keys, chooses the boundary, hands the folders over and says what is to run.
 * Nothing of it may run yet.
 *
 * @return RC_UNSUPPORTED: neither boundary can be had here, or not the one that was asked for; what
 *         stands in the way is in the message
 */
MUST_CHECK enum rc up_prepare(struct up *up, struct err *err);

const char *up_boundary_text(const struct up *up); /* for people */

#endif
