/*
 * registry.h - which versions of which SLMs exist, which names point to them, where they came from.
 *
 * A version is a manifest (manifest.h), stored as an artifact and named by its digest. The registry
 * is an index over manifests: a number per SLM (1, 2, 3, ...), the verdict of the gates, aliases.
 *
 * Invariants, kept by the schema itself, so that they hold for whoever writes the file
 * (tests/registry/test_registry_shell.c drives a raw shell against them):
 *   (1) A version never changes and never goes: no update, replace or delete.
 *   (2) The alias `production` points to accepted versions only, and every alias to a version of
 *       its own SLM.
 *   (3) There is no alias without a history: `alias` is a view of the newest row of alias_history,
 *       which is append-only, gap-free, and each row starts where the one before ended.
 *
 * A version reference ("ref") is one of: `@3`, the number; 8 to 64 hex digits, the beginning of the
 * digest; an alias. An SLM is "team/name".
 *
 * A struct registry may be used by several threads. Texts in what is returned live in the arena.
 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "base/clock.h"
#include "registry/artifact.h"
#include "registry/manifest.h"

enum {
    REGISTRY_SLM_MAX = 2 * MANIFEST_NAME_MAX + 1, /* "team/name" */
    REGISTRY_ALIAS_MAX = 32, /* bytes: [a-z][a-z0-9-]*, not all hex from 8 on */
    REGISTRY_PREFIX_MIN = 8, /* hex digits */
    REGISTRY_PRINCIPAL_MAX = 128,
    REGISTRY_WHY_MAX = 1000,
    REGISTRY_REASONS_MAX = 64,
    REGISTRY_REASON_MAX = 500,
    REGISTRY_LIST_MAX = 1000, /* rows of one answer, the newest first; parents of one lineage */
};

#define REGISTRY_PRODUCTION "production" /* the alias that only an accepted version gets */

struct registry;

enum registry_verdict { REGISTRY_ACCEPTED, REGISTRY_REJECTED };

struct registry_version {
    const char *slm;
    int64_t number; /* >= 1 */
    struct digest digest;
    enum registry_verdict verdict;
    const char **reasons; /* (n_reasons,) sentences for the verdict */
    size_t n_reasons;
    const char *created_by;
    int64_t created_ms;
};

struct registry_alias {
    const char *slm, *name;
    struct digest digest;
    int64_t number; /* of the version */
};

/* One row of an alias's history. */
struct registry_change {
    int64_t seq;            /* 1, 2, 3, ... per alias */
    struct digest from, to; /* from.hex[0] == '\0': it is the first */
    bool is_rollback;
    const char *principal, *why;
    int64_t at_ms;
};

struct registry_ancestor {
    struct registry_version version;
    struct manifest manifest;
};

/**
 * Opens the index; its folder exists.
 *
 * @param artifacts  borrowed until registry_close()
 *
 * @return RC_OK; RC_BUSY: another process owns the file; otherwise as store_open()
 */
MUST_CHECK enum rc registry_open(const char *path, struct artifact_store *artifacts,
                                 struct clock clock, struct registry **ret_registry,
                                 struct err *err);
void registry_close(struct registry *registry); /* accepts NULL */
DEFINE_FREEP(struct registry, registry_close)

/* "team/name" with two valid names. */
bool registry_slm_is_valid(struct str slm);
bool registry_alias_is_valid(struct str alias);

/**
 * Stores the manifest and gives the version its number. Registering the same manifest again with
 * the same verdict changes nothing and gives the number it has.
 *
 * @param reasons  (n_reasons,) why the gates decided so; at least one when rejected
 *
 * @return RC_OK
 *         RC_INVALID    a manifest or reason that breaks a limit
 *         RC_NOT_FOUND  a part the manifest names is not stored, or its parent not registered
 *         RC_CONFLICT   registered already, with another verdict or other reasons
 *         RC_FULL, RC_IO, RC_UNKNOWN (repeat it), RC_NOMEM
 */
MUST_CHECK enum rc registry_register(struct registry *registry, const struct manifest *manifest,
                                     enum registry_verdict verdict, const char *const *reasons,
                                     size_t n_reasons, struct digest *ret_digest,
                                     int64_t *ret_number, struct err *err);

/* RC_NOT_FOUND: none; RC_INVALID: ref is no reference, or a prefix that several share. */
MUST_CHECK enum rc registry_find_version(struct registry *registry, const char *slm,
                                         const char *ref, struct arena *arena,
                                         struct registry_version *ret_version, struct err *err);

/* The manifest of a version, read from its artifact and checked. */
MUST_CHECK enum rc registry_find_manifest(struct registry *registry, const struct digest *digest,
                                          struct arena *arena, struct manifest *ret_manifest,
                                          struct err *err);

/* slm NULL: of all. Newest first, REGISTRY_LIST_MAX at most. */
MUST_CHECK enum rc registry_list(struct registry *registry, const char *slm, struct arena *arena,
                                 struct registry_version **ret_versions, size_t *ret_n,
                                 struct err *err);
MUST_CHECK enum rc registry_list_aliases(struct registry *registry, const char *slm,
                                         struct arena *arena, struct registry_alias **ret_aliases,
                                         size_t *ret_n, struct err *err);

/**
 * Points an alias to a version and writes who did it, when and why. Promoting to the version that
 * has the alias already changes nothing.
 *
 * @return RC_OK
 *         RC_NOT_FOUND  no such version
 *         RC_STATE      a rejected version for `production`
 *         RC_INVALID    alias, principal or why breaks a rule
 *         RC_FULL, RC_IO, RC_UNKNOWN (repeat it)
 */
MUST_CHECK enum rc registry_promote(struct registry *registry, const char *slm, const char *ref,
                                    const char *alias, const char *principal, const char *why,
                                    struct err *err);

/**
 * Points an alias back to the version before the current one; done twice, to the one before that.
 *
 * @param expected  the version that must have the alias now, else RC_CONFLICT: makes a repetition
 *                  after RC_UNKNOWN safe. NULL: whichever has it.
 *
 * @return RC_OK; RC_NOT_FOUND: no such alias; RC_STATE: it has no earlier version; as promote
 */
MUST_CHECK enum rc registry_rollback(struct registry *registry, const char *slm, const char *alias,
                                     const struct digest *expected, const char *principal,
                                     const char *why, struct digest *ret_digest, struct err *err);

/* Newest first, REGISTRY_LIST_MAX at most. */
MUST_CHECK enum rc registry_history(struct registry *registry, const char *slm, const char *alias,
                                    struct arena *arena, struct registry_change **ret_changes,
                                    size_t *ret_n, struct err *err);

/* The version, its parent, its parent's parent, ...: each with the manifest that names the spec,
 * rows, base, tables and code it came from. */
MUST_CHECK enum rc registry_lineage(struct registry *registry, const char *slm, const char *ref,
                                    struct arena *arena, struct registry_ancestor **ret_ancestors,
                                    size_t *ret_n, struct err *err);

#endif
