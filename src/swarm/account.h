/*
 * account.h - a user of its own for each team, when root starts them.
 *
 * The user is a number without an entry in /etc/passwd, chosen once by the folder's path out of a
 * range that nobody else hands out; from then on the owner of the team's folder is the record of
 * it.
 */
#ifndef SWARM_ACCOUNT_H
#define SWARM_ACCOUNT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Between systemd's container ranges and the sign bit. */
enum { ACCOUNT_FIRST = 1900000000, ACCOUNT_COUNT = 200000000 };

#define ACCOUNT_OURS ((uid_t)-1) /* the user who starts the process */

/* The user of a team's folder: its owner, when that is in the range, else one by its path. `taken`:
 * (n,) users of other teams, which this one does not get. */
MUST_CHECK enum rc account_choose(const char *folder, const uid_t *taken, size_t n, uid_t *ret_user,
                                  struct err *err);

/* The folder and all below belong to the user, and nobody else enters. RC_IO, RC_LIMIT. */
MUST_CHECK enum rc account_hand_over(const char *folder, uid_t user, struct err *err);

/* The calling process is the user's, for good; RC_IO: the kernel refused. */
MUST_CHECK enum rc account_become(uid_t user, struct err *err);

/**
 * Can root make processes of this user, and do they get to these places? Tried in a child.
 *
 * @param paths  in, (n,) files and folders to read
 *
 * @return RC_OK; RC_UNSUPPORTED: this process may not change users; RC_DENIED: the first path that
 *         the user does not get to
 */
MUST_CHECK enum rc account_check(uid_t user, const char *const *paths, size_t n, struct err *err);

#endif
