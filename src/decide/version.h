/*
 * version.h - a registered version, opened: its manifest's parts read, checked and put together
 * into a decider.
 *
 *   manifest --> spec text, table snapshots, adapter   artifacts of the team
 *            --> base                                  files below <home>/bases
 *            --> calibration {"priority":{"temperature":1.3,"threshold":0.4}}
 *
 * The service, `shoal decide`, replay and the last gate of a build all open versions here, from the
 * same artifacts.
 */
#ifndef DECIDE_VERSION_H
#define DECIDE_VERSION_H

#include "decide/decide.h"
#include "decide/version_base.h"
#include "engine/kernels/kernels.h"
#include "registry/manifest.h"

struct artifact_store;

enum {
    VERSION_ADAPTER_BYTES_MAX = 512 << 20,
    VERSION_ARENA_BYTES_MAX = 1 << 30,
    VERSION_CALIBRATION_MAX = 64 << 10,
};

/* Where a version's parts are; all borrowed for the call, kernels for the version's life. */
struct version_sources {
    const struct artifact_store *artifacts;
    const char *bases_dir;
    const struct kernels *kernels;
};

struct version; /* immutable once open; shared between threads */

/**
 * Opens the version with this digest.
 *
 * @return RC_OK
 *         RC_NOT_FOUND  a part is not stored, or the base was not pulled
 *         RC_CORRUPT    a part is not what the manifest says
 *         RC_LIMIT, RC_IO, RC_UNSUPPORTED, RC_NOMEM
 */
MUST_CHECK enum rc version_open(const struct version_sources *sources, const struct digest *digest,
                                struct version **ret_version, struct err *err);
void version_close(struct version *version); /* accepts NULL */

/* One more version_close() is then needed. Both are for one thread. */
void version_hold(struct version *version);
DEFINE_FREEP(struct version, version_close)

const struct decider *version_decider(const struct version *version);
const struct spec *version_spec(const struct version *version);
const struct manifest *version_manifest(const struct version *version);
const struct digest *version_digest(const struct version *version);
/* For training that goes on from its weights. */
const struct adapter *version_adapter(const struct version *version);

/* One entry per output field, in the spec's order, with the fields' names as keys. The writer's
 * numbers read back exactly. RC_CORRUPT: a field is missing or a number out of range. */
void version_append_calibration(struct buf *out, const struct spec *spec,
                                const struct decide_calibration *calibration);
MUST_CHECK enum rc version_parse_calibration(struct str json, const struct spec *spec,
                                             struct arena *arena,
                                             struct decide_calibration **ret_calibration,
                                             struct err *err);

#endif
