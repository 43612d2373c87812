/*
 * team.h - the files of one team, opened by the one process that may use them: its service, or the
 * command line while no service runs.
 *
 *   <workspace>/.shoal/teams/<team>/lock         held while this is open
 *                                  /artifacts/   what versions are made of, by digest
 *                                  /registry.db  versions and aliases
 *                                  /record.db    decisions, feedback, principals
 *                                  /admin.sock   where the service answers for its owner
 *   <home>/bases/                                pulled bases
 */
#ifndef SERVE_TEAM_H
#define SERVE_TEAM_H

#include "base/clock.h"
#include "base/fs.h"
#include "decide/version.h"
#include "engine/kernels/cpu.h"
#include "record/record.h"
#include "registry/registry.h"

struct serve_team_config {
    const char *workspace;    /* folder with shoal.yaml */
    const char *team;         /* a name */
    const char *home;         /* $SHOAL_HOME */
    const char *engine_build; /* stored with each decision */
    enum cpu cpu;             /* kernel row */
    struct clock clock;
};

/* Borrowed by those who work for the team; the registry and the record may be used by any thread.
 */
struct serve_team {
    struct serve_team_config config; /* its texts live in the arena */
    struct arena arena;
    struct fs_lock lock;
    struct artifact_store *artifacts;
    struct registry *registry;
    struct record *record;
    struct kernels kernels;
    struct version_sources sources;
};

/* The path of something in the team's folder: "artifacts", "admin.sock"; "" is the folder itself.
 * NULL when the arena refuses. */
char *serve_team_path(const char *workspace, const char *team, const char *name,
                      struct arena *arena);

/**
 * Opens everything, making folders and files that are missing.
 *
 * @param config  texts are copied
 *
 * @return RC_OK
 *         RC_BUSY     another process has the team's files: ask it over its socket
 *         RC_INVALID  the team is no name
 *         RC_CORRUPT, RC_UNSUPPORTED, RC_IO, RC_FULL, RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc serve_team_open(const struct serve_team_config *config,
                                   struct serve_team **ret_team, struct err *err);
void serve_team_close(struct serve_team *team); /* accepts NULL */
DEFINE_FREEP(struct serve_team, serve_team_close)

/* "team/slm" in the arena, slm of at most MANIFEST_NAME_MAX bytes; NULL when it refuses. */
char *serve_team_slm(const struct serve_team *team, struct str slm, struct arena *arena);

#endif
