/* linear_internal.h - the softmax of a head, and the hashed n-grams of a text. */
#ifndef ENGINE_LINEAR_INTERNAL_H
#define ENGINE_LINEAR_INTERNAL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

/* ln p = z - ln(sum exp z), in place; z (K,), log_probs (K,). */
void linear_log_softmax(const float *z, size_t n_classes, float *log_probs);

/* Log odds stay as they are; all become NaN when one is not finite. */
void linear_check_odds(float *z, size_t n_classes);

enum { LINEAR_BLOCK_BIT = 31 }; /* of a hash: 0 words, 1 characters */

/* The hash of every n-gram of text, ascending, with repeats. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc linear_hash_text(struct str text, struct arena *arena, uint32_t **ret_hashes,
                                    size_t *ret_n, struct err *err);

/* Ascending; scratch has n values as well. Radix sort: linear whatever the hashes. */
void linear_sort(uint32_t *values, uint32_t *scratch, size_t n);

#endif
