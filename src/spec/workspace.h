/*
 * workspace.h - shoal.yaml: the organisation and its teams.
 *
 *   shoal.yaml
 *   support/ticket-triage/slm.yaml     <team>/<slm>/slm.yaml
 *   flows/billing-dispute/flow.yaml    flows/<flow>/flow.yaml: no team is called flows
 */
#ifndef SPEC_WORKSPACE_H
#define SPEC_WORKSPACE_H

#include "spec/flow.h"
#include "spec/spec.h"

#define SPEC_FLOWS_FOLDER "flows"

struct spec_team {
    struct spec_text name, description; /* name: the folder */
};

struct spec_workspace {
    const char *dir; /* where shoal.yaml lies */
    struct spec_text organisation;
    size_t n_teams;
    struct spec_team *teams;
};

/* Reads dir/shoal.yaml. *ret_workspace is set only when problems holds no error.
 * RC_OK also when problems are found; RC_NOT_FOUND, RC_IO, RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc spec_workspace_read(const char *dir, struct arena *arena,
                                       struct spec_workspace **ret_workspace,
                                       struct problems *problems, struct err *err);

/* The nearest folder at or above `dir` that holds a shoal.yaml. RC_NOT_FOUND, RC_IO, RC_NOMEM. */
MUST_CHECK enum rc spec_workspace_find(const char *dir, struct arena *arena, const char **ret_dir,
                                       struct err *err);

/* The SLMs of a team: the names of its sub-folders that hold a slm.yaml, sorted. */
MUST_CHECK enum rc spec_workspace_slms(const struct spec_workspace *workspace, struct str team,
                                       struct arena *arena, size_t *ret_n,
                                       const char *const **ret_names, struct err *err);

/* The flows of the workspace, sorted; none when there is no folder of flows. */
MUST_CHECK enum rc spec_workspace_flows(const struct spec_workspace *workspace, struct arena *arena,
                                        size_t *ret_n, const char *const **ret_names,
                                        struct err *err);

/* Every SLM of the workspace, for spec_flow_read(); what is wrong with their specs goes to
 * problems. As spec_read(). */
MUST_CHECK enum rc spec_workspace_members(const struct spec_workspace *workspace,
                                          struct arena *arena, size_t *ret_n,
                                          struct spec_member **ret_members,
                                          struct problems *problems, struct err *err);

/* dir/flows/<flow>/flow.yaml; NULL when the arena refuses. */
char *spec_workspace_flow_path(const struct spec_workspace *workspace, struct str flow,
                               struct arena *arena);

/* dir/<team>/<slm>/slm.yaml; NULL when the arena refuses. */
char *spec_workspace_path(const struct spec_workspace *workspace, struct str team, struct str slm,
                          struct arena *arena);

#endif
