/*
 * team_registry.h - the registry as a build reaches it: question by question, whoever has the
 * files. A build takes minutes; in between, the files belong to others.
 */
#ifndef CLI_TEAM_REGISTRY_H
#define CLI_TEAM_REGISTRY_H

#include "cli/cli.h"
#include "factory/build.h"

struct team_registry {
    struct cli *cli;
    const char *team;
};

/* Both must outlive the result. */
struct build_registry team_registry_of(struct team_registry *registry);

#endif
