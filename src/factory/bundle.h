/*
 * bundle.h - one version of an SLM in one file, to be registered in another workspace.
 *
 * A tar archive (base/tar.h) of the artifacts that the version's manifest reaches, in this order:
 *
 *   SHA256SUMS           of all that follows: tar xf FILE && sha256sum -c SHA256SUMS
 *   manifest.json        registry/manifest.h; its SHA-256 is the version's digest
 *   slm.yaml             the spec
 *   dataset.jsonl        the rows, and card.json, what is known of them
 *   report.json          how the version was judged
 *   base.json            which base: names and digests of its files, not the files
 *   adapter.safetensors  what training made
 *   linear.safetensors   the candidate that gates compare with, where that is another one
 *                        (of an SLM that writes: prompted.safetensors)
 *   tables/NAME          snapshots of the reference tables
 *
 * The same version gives the same bytes. bundle_read() believes nothing: each file must have the
 * digest that the manifest, or the report, names; a bit that differs anywhere is found.
 */
#ifndef FACTORY_BUNDLE_H
#define FACTORY_BUNDLE_H

#include "base/json.h"
#include "registry/artifact.h"
#include "registry/manifest.h"

enum {
    BUNDLE_BYTES_MAX = 1 << 30,
    BUNDLE_REPORT_BYTES_MAX = 16 << 20,
    BUNDLE_PARTS_MAX = 9 + MANIFEST_TABLES_MAX,
};

struct bundle_part {
    char name[sizeof("tables/") + MANIFEST_NAME_MAX];
    struct digest digest;
    struct str bytes; /* of bundle_read(): borrowed from the archive */
};

struct bundle {
    struct digest version;
    struct manifest manifest;
    struct json *report;
    size_t n_parts;
    struct bundle_part parts[BUNDLE_PARTS_MAX];
};

/**
 * Appends the bundle of a stored version.
 *
 * @return RC_OK
 *         RC_NOT_FOUND    no such manifest, or a part of it is not stored
 *         RC_UNSUPPORTED  it was not made by a build: without rows or report nobody can judge it
 *         RC_CORRUPT, RC_LIMIT, RC_IO, RC_NOMEM
 */
MUST_CHECK enum rc bundle_write(const struct artifact_store *artifacts,
                                const struct digest *version, struct buf *out, struct err *err);

/**
 * Reads and checks a bundle; the bytes need not be trusted.
 *
 * @param bytes  borrowed by the result
 * @param arena  owns the rest of it
 *
 * @return RC_OK; RC_CORRUPT: not what bundle_write() writes; RC_UNSUPPORTED, RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc bundle_read(struct str bytes, struct arena *arena, struct bundle *ret_bundle,
                               struct err *err);

/* The bytes of the part with this digest; NULL: there is none. */
const struct bundle_part *bundle_find(const struct bundle *bundle, const struct digest *digest);

#endif
