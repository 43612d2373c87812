/*
 * replay.h - decides a stored input again, by the version and at the time it was decided.
 *
 * The same bytes are expected on every CPU and with every kernel row: an auditor's laptop will do.
 */
#ifndef SERVE_REPLAY_H
#define SERVE_REPLAY_H

#include "record/decision.h"
#include "serve/team.h"

struct serve_replay {
    struct decision stored;
    struct str replayed; /* the answer's JSON, as stored.answer */
    bool same;           /* byte for byte */
};

/**
 * @param cpu  the kernel row to run on
 *
 * @return RC_OK         *ret_replay is set, same or not
 *         RC_NOT_FOUND  no such decision, or a part of its version is not here
 *         RC_CORRUPT    the stored input is refused now: it was changed
 *         otherwise as version_open()
 */
MUST_CHECK enum rc serve_replay(struct serve_team *team, const char *id, enum cpu cpu,
                                struct arena *arena, struct serve_replay *ret_replay,
                                struct err *err);

#endif
