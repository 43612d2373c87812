/*
 * build.h - `shoal build`: from a spec and its data to a registered version, or a rejected one.
 *
 *   plan -> data -> train.linear, train.frozen, train.finetuned, train.blend
 *        -> validate.<candidate> ... -> choose -> verdict -> register
 *
 * Of an output that is a text the candidates are "prompted" (the base, told what to do: the floor)
 * and "lora". They are judged by the share of rows whose first text is the answer.
 *
 * A build is a durable run. Its id is a digest of everything it depends on (spec, files of rows,
 * tables, base, feedback, production, engine build), and its journal is a file of that name: the
 * same build, started again, goes on behind the last stage it finished, and training behind its
 * last checkpoint; started again after its end it gives the same version.
 *
 * What is decided where:
 *   - candidates are trained on the training rows; C of the linear one, the blend's shares,
 *     temperatures, thresholds and the epoch to keep are chosen on validation rows;
 *   - of the candidates that meet the gates on validation rows the cheapest goes to the verdict
 *     (linear < frozen < finetuned < blend); if none does, the one with the best macro-F1 there;
 *   - the test rows are read once, by the verdict: every score beside majority, rules only and
 *     linear, each gate paired on the same rows, against production too when there is one.
 * A version that misses a gate, or is not better than majority and rules only, is registered as
 * rejected, with reasons.
 *
 * All scores come from decide_rows() over the adapter file that is registered: the int8 path, rule
 * mask, calibration and abstention that will serve.
 *
 * When the last version was trained from the same rows by the same settings (spec_digests() says
 * so), its candidates are judged again instead of trained again: a change of rules, facts or tables
 * takes seconds.
 */
#ifndef FACTORY_BUILD_H
#define FACTORY_BUILD_H

#include "base/clock.h"
#include "base/pool.h"
#include "engine/kernels/kernels.h"
#include "factory/bundle.h"
#include "registry/registry.h"
#include "spec/problem.h"

/* How a build reaches the registry: the file itself, or the service that owns it. */
struct build_registry {
    void *self;
    /* As registry_find_version() for an alias; RC_NOT_FOUND: no version has it. */
    enum rc (*find)(void *self, const char *slm, const char *alias, struct arena *arena,
                    struct registry_version *ret_version, struct err *err);
    /* As registry_list(): newest first. */
    enum rc (*list)(void *self, const char *slm, struct arena *arena,
                    struct registry_version **ret_versions, size_t *ret_n, struct err *err);
    /* As registry_register(). */
    enum rc (*add)(void *self, const struct manifest *manifest, enum registry_verdict verdict,
                   const char *const *reasons, size_t n_reasons, struct digest *ret_digest,
                   int64_t *ret_number, struct err *err);
};

struct build_registry build_registry_of(struct registry *registry);

struct build_progress {
    const char *stage;   /* "data", "train.finetuned", ... */
    const char *what;    /* "rows", "features", "steps", ... or "" */
    size_t done, total;  /* total 0: not known */
    double loss, score;  /* NaN: none */
    double seconds_left; /* NaN: not known */
    bool reused;         /* the stage was done before */
};

/* false: stop; the build ends with RC_CANCELLED and goes on when it is started again. */
typedef bool build_progress_fn(void *context, const struct build_progress *progress);

/* All borrowed for the call. */
struct build_options {
    const char *team, *slm; /* names */
    const char *spec_path;  /* <workspace>/<team>/<slm>/slm.yaml */
    const char *builds_dir; /* where the journals and checkpoints are; made when missing */
    const char *bases_dir;  /* <home>/bases */
    struct artifact_store *artifacts;
    struct build_registry registry;
    struct str feedback; /* JSONL of feedback_export(), for training; empty: none */
    const char *principal, *engine_build;
    const struct kernels *kernels;
    struct pool *pool; /* NULL: one thread */
    struct clock clock;
    build_progress_fn *progress; /* may be NULL */
    void *progress_context;
};

struct build_result {
    const char *id; /* of the build */
    struct digest version;
    int64_t number;
    bool accepted;
    const char **reasons; /* (n_reasons,) */
    size_t n_reasons;
    const char *candidate; /* "linear", "frozen", "finetuned", "blend", "prompted", "lora" */
    struct digest report;  /* the JSON artifact; build_append_report() renders it */
};

/**
 * Runs or resumes the build.
 *
 * @param arena     owns the result
 * @param problems  out, what is wrong with the spec; then RC_INVALID
 *
 * @return RC_OK       a version is registered, accepted or rejected
 *         RC_INVALID  the spec or its data cannot be used
 *         RC_NOT_FOUND the base was not pulled, or a file is missing
 *         RC_BUSY     another process runs this build
 *         RC_CANCELLED
 *         RC_CORRUPT, RC_LIMIT, RC_IO, RC_FULL, RC_UNKNOWN (start it again), RC_NOMEM
 */
MUST_CHECK enum rc build_run(const struct build_options *options, struct arena *arena,
                             struct problems *problems, struct build_result *ret_result,
                             struct err *err);

/**
 * Registers a version that was made elsewhere, for options->team and options->slm, as what it is
 * here: its parts are stored, its test rows decided again, its gates held against them and against
 * our production. A durable run as well: the same bundle, imported again by the same code, is the
 * version it was, whoever is in production by then.
 *
 * @param bundle  checked; borrowed for the call
 *
 * @return RC_OK          a version is registered, accepted or rejected; its manifest names the
 * origin RC_CORRUPT     the parts do not fit together; nothing is kept RC_NOT_FOUND   the base was
 * not pulled; nothing is kept RC_BUSY, RC_CANCELLED, RC_LIMIT, RC_IO, RC_FULL, RC_UNKNOWN (import
 * it again), RC_NOMEM
 */
MUST_CHECK enum rc build_import(const struct build_options *options, const struct bundle *bundle,
                                struct arena *arena, struct build_result *ret_result,
                                struct err *err);

/* The report of a version as text for a terminal: verdict, scores beside their floors, gates,
 * per-class bars, confusion, reliability. RC_CORRUPT: no report. */
MUST_CHECK enum rc build_append_report(struct buf *out, struct str report_json, struct err *err);

#endif
