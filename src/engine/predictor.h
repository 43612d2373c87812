/*
 * predictor.h - texts in, log-probabilities of every label out. The one thing that decide/ calls.
 *
 * A predictor is an adapter file opened on its base. It has an encoder part, a linear part, or
 * both:
 *
 *   encoder   f = 16 * vector of the text (encoder.h, int8)
 *             z = W f + b, and log-softmax per field; of a set z, the log odds of each label
 *   linear    linear_scores() per field (linear.h)
 *   both      of the mean of the two probabilities, p, ln p per label; of a set ln(p / (1 - p))
 *
 * Determinism: the scores of a text are a function of (base, adapter, text), bit for bit: not of
 * the other texts of the run, the threads, the kernels' row or the CPU. log-softmax and the mean
 * are done in double by base/exact_math.h.
 *
 * LoRA tensors are merged into the f32 weights before packing. (Separate products per adapter, so
 * that adapters share one batch and the packed base, are for a later issue.)
 */
#ifndef ENGINE_PREDICTOR_H
#define ENGINE_PREDICTOR_H

#include "base/err.h"
#include "base/pool.h"
#include "base/str.h"
#include "engine/adapter.h"
#include "engine/kernels/kernels.h"
#include "engine/model/encoder_base.h"

#include <stddef.h>

#define PREDICTOR_FEATURE_SCALE 16.0f

struct predictor; /* immutable to its callers, who may be several threads */

/**
 * Opens an adapter file.
 *
 * @param base     borrowed: must outlive the predictor; NULL is enough for a linear adapter
 * @param bytes    borrowed likewise: the adapter file, usually mapped
 * @param kernels  copied
 *
 * @return RC_OK
 *         RC_CORRUPT      the file, see adapter_parse(); or a tensor is missing, unknown, of a
 * wrong shape, or holds a value that is not finite RC_INVALID      it stands on another base, or on
 * one and base is NULL RC_UNSUPPORTED  another format version RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc predictor_open(const struct encoder_base *base, const uint8_t *bytes,
                                  size_t size, const struct kernels *kernels,
                                  struct predictor **ret_predictor, struct err *err);
void predictor_close(struct predictor *predictor); /* NULL is fine */

/* Kind, fields and labels; borrowed. */
const struct adapter *predictor_adapter(const struct predictor *predictor);

/* May this text be given to predictor_run()? RC_INVALID: not UTF-8; RC_LIMIT: over the base's
 * positions in tokens, or too long for the linear part. Nothing is ever cut. */
MUST_CHECK enum rc predictor_check(const struct predictor *predictor, struct str text,
                                   struct err *err);

/**
 * Scores texts.
 *
 * @param texts       (n_texts,), any number
 * @param pool        threads to use; NULL: the caller's alone
 * @param ret_scores  out, (n_texts, K): natural logarithms of the probabilities, per field summing
 *                    to 1; of a set's labels the log odds; not defined after a failure
 *
 * @return RC_OK
 *         RC_INVALID, RC_LIMIT  a text fails predictor_check(); the message says which
 *         RC_CORRUPT  a score is not finite: the weights are no model
 *         RC_NOMEM
 *
 * Thread-safe. The encoder part allocates only when more callers than ever before run at the same
 * time; the linear part allocates per text.
 */
MUST_CHECK enum rc predictor_run(const struct predictor *predictor, const struct str *texts,
                                 size_t n_texts, struct pool *pool, float *ret_scores,
                                 struct err *err);

DEFINE_FREEP(struct predictor, predictor_close)

#endif
