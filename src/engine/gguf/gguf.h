/*
 * gguf.h - reading GGUF model files, versions 2 and 3, little-endian.
 *
 *   "GGUF", u32 version, u64 n_tensors, u64 n_pairs
 *   n_pairs times   string key, u32 kind, value
 *   n_tensors times string name, u32 rank, u64 shape[rank], u32 type, u64 offset
 *   zeros up to a multiple of general.alignment (32 unless the file says otherwise): the data
 *   string: u64 length, bytes. array: u32 kind, u64 n, n values
 *
 * The file is untrusted: every count, length and offset is checked against the limits below and
 * against the bytes that are there, once, in gguf_parse(). After it every tensor lies inside the
 * file, and the memory used is bounded by the size of the header: values and arrays stay where they
 * are. Stricter than llama.cpp: keys and names are printable ASCII; the data is the tensors in the
 * order of their entries, each padded to the alignment, and nothing else; no arrays of arrays.
 *
 * Source: github.com/ggml-org/ggml, docs/gguf.md; block formats as in its ggml-common.h.
 */
#ifndef ENGINE_GGUF_H
#define ENGINE_GGUF_H

#include "base/arena.h"
#include "base/err.h"
#include "base/reader.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

enum {
    GGUF_PAIRS_MAX = 4096,
    GGUF_TENSORS_MAX = 16384,
    GGUF_KEY_BYTES_MAX = 256,
    GGUF_NAME_BYTES_MAX = 64,
    GGUF_RANK_MAX = 4,
    GGUF_ALIGNMENT_MAX = 65536,
    GGUF_BLOCK = 32, /* values of a quantised block */
};

/* With the numbers of the file. */
enum gguf_kind {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_FLOAT,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_DOUBLE,
    GGUF_KINDS_END,
};

enum gguf_type {
    GGUF_F32 = 0,
    GGUF_F16 = 1,
    GGUF_Q4_0 = 2, /* 32 values: f16 d, 16 bytes of two nibbles q; d (q - 8) */
    GGUF_Q4_1 = 3, /* 32 values: f16 d, f16 m, 16 bytes of two nibbles q; d q + m */
    GGUF_Q8_0 = 8, /* 32 values: f16 d, 32 signed bytes q; d q */
    GGUF_BF16 = 30,
};

struct gguf_value {
    enum gguf_kind kind;
    union {
        uint64_t u;      /* U8, U16, U32, U64, BOOL (0 or 1) */
        int64_t i;       /* I8, I16, I32, I64 */
        double real;     /* FLOAT, DOUBLE */
        struct str text; /* STRING: any bytes */
        struct {
            enum gguf_kind kind; /* not ARRAY */
            size_t n;
            struct reader values; /* n values of that kind: gguf_next() */
        } array;
    };
};

struct gguf_pair {
    struct str key;
    struct gguf_value value;
};

struct gguf_tensor {
    struct str name;
    enum gguf_type type;
    size_t rank, shape[GGUF_RANK_MAX]; /* the dimension that varies fastest first; rank 1 to 4 */
    size_t n_values;
    const uint8_t *bytes; /* little-endian, of any alignment */
    size_t n_bytes;
};

struct gguf {
    uint32_t version;
    size_t n_pairs;
    struct gguf_pair *pairs; /* (n_pairs,) sorted by key */
    size_t n_tensors;
    struct gguf_tensor *tensors; /* (n_tensors,) in the order of the file */
    struct gguf_tensor **by_name;
};

/**
 * Parses a whole file image.
 *
 * @param bytes  in, borrowed: must outlive *ret_file, whose texts and tensors point into it
 * @param arena  owns *ret_file and its tables
 *
 * @return RC_OK
 *         RC_CORRUPT      truncated, too long, or an entry that breaks the format
 *         RC_UNSUPPORTED  another version or byte order, a tensor type that is not in the list, an
 *                         array of arrays
 *         RC_LIMIT        over a limit above, or more than the arena may hold
 *         RC_NOMEM
 */
MUST_CHECK enum rc gguf_parse(const uint8_t *bytes, size_t size, struct arena *arena,
                              struct gguf **ret_file, struct err *err);

/* NULL when the file has none of that name. */
const struct gguf_value *gguf_find(const struct gguf *file, const char *key);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *file, const char *name);

/* A value that must be there and of the kind. RC_NOT_FOUND; RC_INVALID: another kind, or, for a
 * count, not from 1 to max (of any unsigned kind). */
MUST_CHECK enum rc gguf_get(const struct gguf *file, const char *key, enum gguf_kind kind,
                            const struct gguf_value **ret_value, struct err *err);
MUST_CHECK enum rc gguf_get_count(const struct gguf *file, const char *key, size_t max,
                                  size_t *ret_count, struct err *err);
MUST_CHECK enum rc gguf_get_array(const struct gguf *file, const char *key, enum gguf_kind kind,
                                  const struct gguf_value **ret_value, struct err *err);

/* The next value of an array, which gguf_parse() has checked to be there (asserted). */
struct gguf_value gguf_next(struct reader *values, enum gguf_kind kind);

const char *gguf_kind_name(enum gguf_kind kind); /* "u32", ... */
const char *gguf_type_name(enum gguf_type type); /* "Q4_1", ... */

/**
 * Values of a tensor as f32, exactly: every type's values are products and sums of few bits, d q +
 * m of Q4_1 apart, which is rounded once after each of the two operations.
 *
 * @param first, n    within the tensor; multiples of GGUF_BLOCK where its type has blocks
 * (asserted)
 * @param ret_values  out, (n,)
 */
void gguf_dequantise(const struct gguf_tensor *tensor, size_t first, size_t n, float *ret_values);

#endif
