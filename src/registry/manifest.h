/*
 * manifest.h - what one version of an SLM is made of: digests of everything that went into it.
 *
 * A manifest is a canonical JSON text (members sorted, no blanks) and an artifact; its SHA-256 is
 * the version's digest. Two builds from the same parts at the same time are the same version.
 *
 *   {"adapter":D,"base":D,"calibration":{...},"created_by":"anna","created_ms":1764000000000,
 *    "dataset":D,"engine_build":"...","format":1,"parent":D,"report":D,"slm":"ticket-triage",
 *    "spec":D,"tables":{"vendors":D},"team":"support"}
 *
 * D is 64 lower-case hex digits or null: a rules-only version has neither base nor adapter, a first
 * version no parent. One that was imported has the member "origin":D too, the manifest of the
 * version it was elsewhere: same spec, rows and weights, judged again here.
 */
#ifndef REGISTRY_MANIFEST_H
#define REGISTRY_MANIFEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"

enum {
    MANIFEST_BYTES_MAX = 256 << 10,
    MANIFEST_TABLES_MAX = 64,
    MANIFEST_NAME_MAX = 64,          /* bytes of a team, an SLM, a table */
    MANIFEST_TEXT_MAX = 256,         /* bytes of created_by and engine_build */
    MANIFEST_NUMBERS_MAX = 64 << 10, /* bytes of calibration */
};

struct manifest_table {
    const char *name;
    struct digest digest;
};

struct manifest {
    const char *team, *slm; /* names: [a-z0-9][a-z0-9-]* */
    struct digest spec;     /* hex[0] == '\0' in any of the digests: none */
    struct digest dataset;
    struct digest base;
    struct digest adapter;
    struct digest report;
    struct digest parent;          /* of the version this one's training started from */
    struct digest origin;          /* of the version that was imported */
    struct manifest_table *tables; /* (n_tables,), by name */
    size_t n_tables;
    struct str calibration;   /* a JSON object, kept as it is but for its order; "{}" */
    const char *engine_build; /* which code made it */
    const char *created_by;   /* principal */
    int64_t created_ms;
};

bool manifest_name_is_valid(struct str name);

/* Appends the canonical text. RC_INVALID: a field breaks a rule above; RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc manifest_encode(const struct manifest *manifest, struct buf *out,
                                   struct err *err);

/**
 * Reads a manifest; the bytes need not be trusted.
 *
 * @param arena  owns what the manifest points to
 *
 * @return RC_OK
 *         RC_CORRUPT      not canonical, a member missing, unknown or of another type
 *         RC_UNSUPPORTED  another format number
 *         RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc manifest_parse(struct str text, struct arena *arena,
                                  struct manifest *ret_manifest, struct err *err);

#endif
