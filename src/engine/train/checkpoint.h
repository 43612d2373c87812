/*
 * checkpoint.h - the state of a training run as a file.
 *
 *   offset   size  field
 *   0        8     "SHOALTRN"
 *   8        8     format, 1
 *   16       64    fingerprint: SHA-256, as hex, of all that the result depends on
 *   80       8     n, values per array
 *   88       8     step: steps taken
 *   96       8     tokens seen
 *   104      8     best step, 0: no evaluation yet
 *   112      8     epochs since the best
 *   120      8     best score, f64
 *   128      8     running loss, f64
 *   136      8     1 when training has ended, else 0
 *   144      112   zero
 *   256      4n    trained values, f32
 *   256+4n   4n    first moments
 *   256+8n   4n    second moments
 *   256+12n  4n    the best values so far
 *   256+16n  64    SHA-256, as hex, of everything before
 *
 * Numbers are in the machine's order, which is x86-64's. A checkpoint is not bound to a machine:
 * the run goes on to the same bytes on another CPU, with another number of threads. There is no
 * generator and no order of rows to save: both are functions of the seed and the step.
 */
#ifndef ENGINE_TRAIN_CHECKPOINT_H
#define ENGINE_TRAIN_CHECKPOINT_H

#include "base/arena.h"
#include "base/crypto.h"
#include "base/err.h"

#include <stdint.h>

struct checkpoint_header {
    char magic[8];
    uint64_t format;
    char fingerprint[SHA256_HEX_LEN];
    uint64_t n_values;
    uint64_t step, tokens, best_step, epochs_since_best;
    double best_score, loss;
    uint64_t ended;
    uint8_t zero[112];
};

_Static_assert(sizeof(struct checkpoint_header) == 256, "the file's layout");

/* The image of the file, in one block; training works in it. */
struct checkpoint {
    struct checkpoint_header *header;
    float *values, *m, *v, *best; /* (n_values,) each */
};

/* A new state: step 0, moments zero. RC_NOMEM, RC_LIMIT. */
MUST_CHECK enum rc checkpoint_init(const struct digest *fingerprint, size_t n_values,
                                   struct arena *arena, struct checkpoint *ret_checkpoint,
                                   struct err *err);

/* Atomic: the file is the old one or the new one. RC_IO, RC_FULL, RC_NOMEM. */
MUST_CHECK enum rc checkpoint_save(const struct checkpoint *checkpoint, const char *path,
                                   struct err *err);

/* RC_NOT_FOUND: no file. RC_STATE: of another fingerprint. RC_CORRUPT, RC_IO. On failure the
 * checkpoint is unchanged. */
MUST_CHECK enum rc checkpoint_load(struct checkpoint *checkpoint, const char *path,
                                   struct err *err);

#endif
