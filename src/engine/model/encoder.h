/*
 * encoder.h - texts as token ids in, one vector of length 1 per text out.
 *
 *   x = LN(word + segment 0 + position)
 *   per layer: x = LN(x + Wo attention(Wq x, Wk x, Wv x)), x = LN(x + Wd gelu(Wu x))
 *   vector = mean over the text's tokens of x, scaled to length 1
 *
 * Every matrix product is int8 (DENSE_INT8: what serves) or f32 (DENSE_F32: what it is compared
 * with); all else is f32 and the same code. A vector depends on its own text alone, to the last
 * bit: not on the other texts of a run, their order, the number of workers or the CPU (kernels.h).
 *
 * The embedding tables stay f32 rows in the mapped file: a text reads a few dozen rows of them, so
 * that a start costs no pass over 47 MB, and processes share them. Only the layers' weights, 10.6
 * of 22.6 million values, are packed at a start.
 *
 * Texts lie one behind the other without padding. A run is cut into groups of whole texts of about
 * ENCODER_GROUP_TOKENS, small enough for their activations to stay in the second-level cache; a
 * worker takes a group through all layers, so that a run has one barrier.
 */
#ifndef ENGINE_ENCODER_H
#define ENGINE_ENCODER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/pool.h"
#include "engine/kernels/kernels.h"
#include "engine/model/bert.h"
#include "engine/model/dense.h"

#include <stddef.h>
#include <stdint.h>

enum { ENCODER_GROUP_TOKENS = 128 };

struct encoder;         /* packed weights; immutable, shared between threads */
struct encoder_session; /* the memory of runs; for one thread at a time */

struct encoder_text {
    const int32_t *ids; /* (n_ids,), each in [0, n_words) */
    size_t n_ids;       /* 1 to n_positions */
};

/**
 * Packs the layers' weights.
 *
 * @param bert     borrowed: embeddings and normalisation are read from it by every run
 * @param kernels  for rounding; borrowed for the call. Every row packs the same bytes
 *
 * @return RC_OK
 *         RC_CORRUPT  a weight is not a finite number
 *         RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc encoder_new(const struct bert *bert, enum dense_precision precision,
                               const struct kernels *kernels, struct arena *arena,
                               struct encoder **ret_encoder, struct err *err);

size_t encoder_width(const struct encoder *encoder); /* C: values of a vector */
size_t encoder_positions(const struct encoder *encoder);
size_t encoder_n_words(const struct encoder *encoder);

/**
 * Allocates what runs need, once: about 11 KB per position and worker for MiniLM.
 *
 * @param kernels  borrowed, as encoder
 */
MUST_CHECK enum rc encoder_session_new(const struct encoder *encoder, const struct kernels *kernels,
                                       size_t n_workers, struct arena *arena,
                                       struct encoder_session **ret_session, struct err *err);

/**
 * Encodes texts. Allocates nothing.
 *
 * @param pool         of at most the session's workers; NULL: the calling thread works alone
 * @param texts        (n_texts,), any number, within the ranges above (asserted)
 * @param ret_vectors  out, (n_texts, C); not finite where the model's weights are not
 */
void encoder_run(struct encoder_session *session, struct pool *pool,
                 const struct encoder_text *texts, size_t n_texts, float *ret_vectors);

#endif
