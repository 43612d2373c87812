/*
 * pull.h - gets the files of a base from one of its sources into the home.
 *
 * All files are written side by side and kept only when every one has its digest and its length;
 * a wrong one is refused and nothing is kept.
 */
#ifndef CLI_PULL_H
#define CLI_PULL_H

#include "cli/catalogue.h"
#include "cli/progress.h"
#include "registry/artifact.h"

struct pull {
    const char *home;
    struct artifact_store *store;
    struct progress *progress;
    bool allow_http;
    struct arena *arena;
    struct buf *log; /* what pip said when it failed */
};

/**
 * @param base  in: which files; out: the digest and length of those that had no digest
 *
 * @return RC_OK           all files are artifacts of the store
 *         RC_CORRUPT      a digest or length is wrong: nothing is kept
 *         RC_NOT_FOUND    a file is missing, or there is no pip
 *         RC_UNAVAILABLE, RC_TIMEOUT  trying again may work; what arrived by https is kept
 *         RC_INVALID, RC_DENIED, RC_LIMIT, RC_IO, RC_FULL, RC_NOMEM
 */
MUST_CHECK enum rc pull_from(const struct pull *pull, const struct catalogue_source *source,
                             struct catalogue_base *base, struct err *err);

#endif
