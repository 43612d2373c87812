/*
 * admin.h - what a team's owner does with versions, decisions and keys; the one implementation for
 * the service and for the command line.
 *
 *   operation          arguments                                  answer
 *   register           manifest{}, verdict, reasons[]             version, number
 *   promote            slm, ref, alias, why                       version, number
 *   rollback           slm, alias, expected?, why                 version, number
 *   show               slm, ref                                   version{}, aliases[], lineage[]
 *   list               slm?                                       versions[], aliases[]
 *   history            slm, alias                                 changes[]
 *   decision           id                                         the decision as stored
 *   replay             id, cpu?                                   same, stored{}, replayed{}
 *   feedback_add       id, output? or verdict?, comment?          id, decision_id
 *   feedback_export    slm, path                                  rows, without_output
 *   principal_create   name, scopes[], expires_ms?                key (shown once)
 *   principal_revoke   key_id                                     revoked
 *   principal_list                                                principals[]
 *
 * slm is a name without the team. Every operation also takes `key`, the key of a principal with the
 * scope admin who is then the one who did it; without it that is the operating system's user,
 * "os:NAME", whom the kernel vouches for.
 */
#ifndef SERVE_ADMIN_H
#define SERVE_ADMIN_H

#include "serve/team.h"

#include <sys/types.h>

enum {
    ADMIN_ANSWER_BYTES_MAX = 16 << 20,
    ADMIN_EXPORT_BYTES_MAX = 512 << 20,
    ADMIN_ARENA_BYTES_MAX = 256 << 20,
};

/**
 * Does one operation on files that this process has open.
 *
 * @param operation  of the table
 * @param arguments  JSON text of an object
 * @param uid        of who asks
 * @param arena      for what the operation reads
 * @param answer     out: one JSON object is appended
 *
 * @return RC_OK
 *         RC_NOT_FOUND  no such operation, SLM, version, decision, key
 *         RC_INVALID    arguments: what is wrong with them is in the message
 *         RC_DENIED     `key` is not good, or lacks the scope admin
 *         otherwise as the function of the registry or the record that does it
 */
MUST_CHECK enum rc admin_call(struct serve_team *team, const char *operation, struct str arguments,
                              uid_t uid, struct arena *arena, struct buf *answer, struct err *err);

/* May an operation change what is served, or who may ask? */
bool admin_changes_versions(const char *operation);
bool admin_changes_keys(const char *operation);

/**
 * Does one operation whoever has the files: opens them, or asks the service that has them.
 *
 * @return as admin_call(); RC_BUSY: another process has the files, and it is no service
 */
MUST_CHECK enum rc admin_run(const struct serve_team_config *config, const char *operation,
                             struct str arguments, struct buf *answer, struct err *err);

#endif
