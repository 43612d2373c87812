/*
 * home.h - the folder of pulled bases, shared by all workspaces of a user.
 *
 *   <home>/artifacts/            the files by digest (registry/artifact.h)
 *   <home>/bases/<name>/         the files of a base under their own names: hard links
 *   <home>/bases/<name>.json     what the base is made of; written last: who finds it finds all
 *   <home>/bases/<name>.source   where it came from, a line
 *   <home>/downloads/            what has arrived of an unfinished pull
 *   <home>/pull.lock             held by the one `shoal pull` that runs
 *
 * The .json is canonical; its SHA-256 names the base, wherever it came from:
 *   {"architecture":"bert","files":{"config.json":{"bytes":612,"sha256":D},...},
 *    "licence":{"model":"Apache-2.0","package":"MIT"},"name":"..."}
 */
#ifndef CLI_HOME_H
#define CLI_HOME_H

#include "base/crypto.h"
#include "cli/catalogue.h"
#include "registry/artifact.h"

enum { HOME_BASE_JSON_MAX = 64 << 10 };

struct home_base {
    const char *folder;   /* with config.json, vocab.txt, model.safetensors */
    struct str json;      /* the text of <name>.json */
    struct digest digest; /* of json: the base's */
    struct str source;    /* where it came from, for people */
};

/* RC_NOT_FOUND: not pulled; RC_CORRUPT: a file is missing or has another length. */
MUST_CHECK enum rc home_find_base(const char *home, const char *name, struct arena *arena,
                                  struct home_base *ret_base, struct err *err);

/* Makes the files of a base, all of them artifacts already, known under its name. Replaces what
 * had the name before. Each file has its digest; source: where they came from, for people. */
MUST_CHECK enum rc home_add_base(const char *home, const struct artifact_store *store,
                                 const struct catalogue_base *base, const char *source,
                                 struct arena *arena, struct err *err);

/* "<home>/downloads/<name>" in the arena; the folder exists then. */
MUST_CHECK enum rc home_download_path(const char *home, const char *name, struct arena *arena,
                                      const char **ret_path, struct err *err);

/* Makes the bases of a home known in another one, as hard links where that can be and as copies
 * else: for processes of users who do not get to the first. All may read what is made. */
MUST_CHECK enum rc home_share(const char *home, const char *other, struct arena *arena,
                              struct err *err);

#endif
