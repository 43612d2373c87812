/*
 * safetensors.h - reading and writing safetensors files.
 *
 *   offset  size  field
 *   0       8     N, u64 little-endian
 *   8       N     JSON object: name -> {"dtype", "shape", "data_offsets": [begin, end)}, and
 *                 optionally "__metadata__": {text: text}; may end in spaces
 *   8 + N   ...   the data: the tensors cover it exactly, without overlap or hole
 *
 * The file is untrusted: every count and offset is checked against the limits below and against the
 * bytes that are there, once, in safetensors_parse(). After it every tensor lies inside the file.
 * Stricter than the reference reader: unknown members of a tensor's entry and numbers that are not
 * plain digits are refused.
 *
 * Source: github.com/huggingface/safetensors, README "Format".
 */
#ifndef ENGINE_SAFETENSORS_H
#define ENGINE_SAFETENSORS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SAFETENSORS_HEADER_BYTES_MAX = 4 << 20,
    SAFETENSORS_TENSORS_MAX = 16384,
    SAFETENSORS_NAME_BYTES_MAX = 512,
    SAFETENSORS_RANK_MAX = 8,
};

enum safetensors_type {
    SAFETENSORS_BOOL,
    SAFETENSORS_U8,
    SAFETENSORS_I8,
    SAFETENSORS_U16,
    SAFETENSORS_I16,
    SAFETENSORS_F16,
    SAFETENSORS_BF16,
    SAFETENSORS_U32,
    SAFETENSORS_I32,
    SAFETENSORS_F32,
    SAFETENSORS_U64,
    SAFETENSORS_I64,
    SAFETENSORS_F64,
};

struct safetensors_tensor {
    struct str name; /* any UTF-8 without NUL: never use it as a path */
    enum safetensors_type type;
    size_t rank, shape[SAFETENSORS_RANK_MAX]; /* rank 0: one value */
    const uint8_t *bytes;                     /* row-major, little-endian, of any alignment */
    size_t n_bytes;
};

struct safetensors_pair {
    struct str key, value;
};

struct safetensors {
    size_t n_tensors;
    struct safetensors_tensor *tensors; /* (n_tensors,) in the order of their data */
    size_t n_pairs;
    struct safetensors_pair *pairs; /* (n_pairs,) of "__metadata__" */
};

/**
 * Parses a whole file image.
 *
 * @param bytes     in, borrowed: must outlive *ret_file, whose tensors point into it
 * @param arena     owns *ret_file and its tables
 *
 * @return RC_OK
 *         RC_CORRUPT      truncated, too long, not JSON, or an entry that breaks the format
 *         RC_UNSUPPORTED  a type that is not in the list above
 *         RC_LIMIT        over a limit above, or more than the arena may hold
 *         RC_NOMEM
 */
MUST_CHECK enum rc safetensors_parse(const uint8_t *bytes, size_t size, struct arena *arena,
                                     struct safetensors **ret_file, struct err *err);

/* NULL when the file has no such tensor, or no such metadata. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name);
const struct str *safetensors_metadata(const struct safetensors *file, const char *key);

const char *safetensors_type_name(enum safetensors_type type); /* "F32", ... */
size_t safetensors_type_bytes(enum safetensors_type type);     /* of one value, 1 to 8 */

/**
 * Appends a whole file: the tensors in the given order, the data 8-aligned. The same input gives
 * the same bytes. Failures stay in out (buf_rc()).
 *
 * @param tensors  names distinct; n_bytes is what shape and type ask for (asserted)
 */
void safetensors_append(struct buf *out, const struct safetensors_pair *pairs, size_t n_pairs,
                        const struct safetensors_tensor *tensors, size_t n_tensors);

#endif
