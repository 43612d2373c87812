/*
 * catalogue.h - share/bases.yaml: which bases there are, what they must look like, where they come
 * from.
 */
#ifndef CLI_CATALOGUE_H
#define CLI_CATALOGUE_H

#include "base/arena.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/json.h"

enum {
    CATALOGUE_BASES_MAX = 64,
    CATALOGUE_FILES_MAX = 8,
    CATALOGUE_SOURCES_MAX = 8,
    CATALOGUE_BYTES_MAX = 1 << 20,
    CATALOGUE_NAME_MAX = 64, /* bytes of a base's or file's name: [a-z0-9][a-z0-9._-]* */
};

#define CATALOGUE_FILE_BYTES_MAX ((uint64_t)16 << 30)

struct catalogue_file {
    const char *name;     /* "vocab.txt" */
    const char *member;   /* its name in a package, usually the same */
    struct digest digest; /* hex[0] == '\0': not known before */
    uint64_t n_bytes;     /* with a digest: exact; without: at most */
};

enum catalogue_place { CATALOGUE_PYPI, CATALOGUE_URL, CATALOGUE_FOLDER };

struct catalogue_source {
    enum catalogue_place place;
    const char *package, *version; /* CATALOGUE_PYPI */
    const char *folder;            /* of the members, the URL, or the path (never in bases.yaml) */
    uint64_t n_bytes;              /* of the download, 0: not known; CATALOGUE_PYPI */
};

struct catalogue_base {
    const char *name, *summary, *architecture;
    const char *model_licence, *package_licence; /* package: "" when it comes in none */
    size_t n_files, n_sources;
    struct catalogue_file files[CATALOGUE_FILES_MAX];
    struct catalogue_source sources[CATALOGUE_SOURCES_MAX];
};

struct catalogue {
    size_t n_bases;
    struct catalogue_base *bases; /* (n_bases,), in the order of the file */
};

bool catalogue_name_is_valid(struct str name);

/**
 * @param path   of the YAML file, for messages
 * @param arena  owns the catalogue
 *
 * @return RC_OK; RC_INVALID "share/bases.yaml: line 7, column 5: ..."; RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc catalogue_parse(struct str text, const char *path, struct arena *arena,
                                   struct catalogue *ret_catalogue, struct err *err);

/* NULL when there is no base of that name. */
const struct catalogue_base *catalogue_find(const struct catalogue *catalogue, const char *name);

#endif
