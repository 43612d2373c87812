/* shut_in.h - the fence (swarm/fence.h) around a process that serves: what such a process reads. */
#ifndef CLI_SHUT_IN_H
#define CLI_SHUT_IN_H

#include "cli/cli.h"
#include "serve/team.h"
#include "swarm/fence.h"

/* Before the first thread, and only with the option --fence: within reach stay the team's folder,
 * the home with the bases, what the C library reads by itself, and what `more` lets be read and
 * listed. */
MUST_CHECK enum rc shut_in(struct cli *cli, const struct serve_team_config *team,
                           const struct fence *more, struct err *err);

/* Once it listens: as fence_seal(), with the option --fence. */
MUST_CHECK enum rc shut_in_seal(struct cli *cli, bool may_call, struct err *err);

#endif
