#include "engine/gguf/gguf.h"

#include <inttypes.h>
#include <stdlib.h>

enum { VERSION_MIN = 2, VERSION_MAX = 3, ALIGNMENT_DEFAULT = 32, TYPES_END = GGUF_BF16 + 1 };

static const struct {
    const char *name;
    size_t bytes; /* of one value; a string at least its length, an array at least kind and n */
} kinds[GGUF_KINDS_END] = {
    [GGUF_U8] = { "u8", 1 },        [GGUF_I8] = { "i8", 1 },     [GGUF_U16] = { "u16", 2 },
    [GGUF_I16] = { "i16", 2 },      [GGUF_U32] = { "u32", 4 },   [GGUF_I32] = { "i32", 4 },
    [GGUF_FLOAT] = { "f32", 4 },    [GGUF_BOOL] = { "bool", 1 }, [GGUF_STRING] = { "string", 8 },
    [GGUF_ARRAY] = { "array", 12 }, [GGUF_U64] = { "u64", 8 },   [GGUF_I64] = { "i64", 8 },
    [GGUF_DOUBLE] = { "f64", 8 },
};

static const struct {
    const char *name;
    size_t block, bytes; /* values of a block, bytes of a block; 0: not a type that we read */
} types[TYPES_END] = {
    [GGUF_F32] = { "F32", 1, 4 },     [GGUF_F16] = { "F16", 1, 2 },
    [GGUF_Q4_0] = { "Q4_0", 32, 18 }, [GGUF_Q4_1] = { "Q4_1", 32, 20 },
    [GGUF_Q8_0] = { "Q8_0", 32, 34 }, [GGUF_BF16] = { "BF16", 1, 2 },
};

const char *gguf_kind_name(enum gguf_kind kind)
{
    return kinds[kind].name;
}

const char *gguf_type_name(enum gguf_type type)
{
    return types[type].name;
}

static uint16_t u16_at(const uint8_t *b)
{
    return (uint16_t)(b[0] | b[1] << 8);
}

/* Text of a name: nothing that could break a line of a log or a terminal. */
static enum rc read_name(struct reader *r, size_t max, const char *what, struct str *ret_name,
                         struct err *err)
{
    uint64_t len = reader_u64(r);

    if (r->failed || len > reader_left(r))
        return err_set(err, RC_CORRUPT, "%s ends behind the file", what);
    if (len == 0)
        return err_set(err, RC_CORRUPT, "%s is empty", what);
    if (len > max)
        return err_set(err, RC_LIMIT, "%s of %" PRIu64 " bytes, at most %zu allowed", what, len,
                       max);
    const char *at = (const char *)reader_bytes(r, (size_t)len);
    for (size_t i = 0; i < len; i++)
        if (at[i] <= ' ' || at[i] > '~')
            return err_set(err, RC_CORRUPT, "%s has a byte 0x%02x", what, (uint8_t)at[i]);
    *ret_name = (struct str){ at, (size_t)len };
    return RC_OK;
}

static enum rc read_kind(struct reader *r, enum gguf_kind *ret_kind, struct err *err)
{
    uint32_t kind = reader_u32(r);

    if (r->failed)
        return err_set(err, RC_CORRUPT, "kind ends behind the file");
    if (kind >= GGUF_KINDS_END)
        return err_set(err, RC_CORRUPT, "kind %" PRIu32 " does not exist", kind);
    *ret_kind = (enum gguf_kind)kind;
    return RC_OK;
}

static uint64_t read_unsigned(struct reader *r, size_t n_bytes)
{
    const uint8_t *b = reader_bytes(r, n_bytes);
    uint64_t value = 0;

    for (size_t i = 0; b && i < n_bytes; i++)
        value |= (uint64_t)b[i] << 8 * i;
    return value;
}

/* Of a value that is no string and no array; r->failed when it is cut. */
static struct gguf_value read_number(struct reader *r, enum gguf_kind kind)
{
    struct gguf_value v = { .kind = kind };
    uint64_t bits = read_unsigned(r, kinds[kind].bytes);
    float single;

    switch (kind) {
    case GGUF_I8: v.i = (int8_t)bits; break;
    case GGUF_I16: v.i = (int16_t)bits; break;
    case GGUF_I32: v.i = (int32_t)bits; break;
    case GGUF_I64: v.i = (int64_t)bits; break;
    case GGUF_FLOAT:
        memcpy(&single, &(uint32_t){ (uint32_t)bits }, sizeof(single));
        v.real = (double)single;
        break;
    case GGUF_DOUBLE: memcpy(&v.real, &bits, sizeof(bits)); break;
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_U64:
    case GGUF_BOOL: v.u = bits; break;
    case GGUF_STRING:
    case GGUF_ARRAY:
    case GGUF_KINDS_END: assert_fail("a number", __FILE__, __LINE__);
    }
    return v;
}

/* A number, bool or string. */
static enum rc read_scalar(struct reader *r, enum gguf_kind kind, struct gguf_value *v,
                           struct err *err)
{
    if (kind == GGUF_STRING) {
        uint64_t len = reader_u64(r);

        if (r->failed || len > reader_left(r))
            return err_set(err, RC_CORRUPT, "string ends behind the file");
        v->kind = kind;
        v->text = (struct str){ (const char *)reader_bytes(r, (size_t)len), (size_t)len };
        return RC_OK;
    }
    *v = read_number(r, kind);
    if (r->failed)
        return err_set(err, RC_CORRUPT, "value ends behind the file");
    if (kind == GGUF_BOOL && v->u > 1)
        return err_set(err, RC_CORRUPT, "bool is %" PRIu64, v->u);
    return RC_OK;
}

static enum rc read_array(struct reader *r, struct gguf_value *v, struct err *err)
{
    struct gguf_value element;
    enum rc rc = read_kind(r, &v->array.kind, err);
    uint64_t n = reader_u64(r);

    if (rc)
        return rc;
    if (v->array.kind == GGUF_ARRAY)
        return err_set(err, RC_UNSUPPORTED, "array of arrays");
    if (r->failed || n > reader_left(r) / kinds[v->array.kind].bytes)
        return err_set(err, RC_CORRUPT, "array of %" PRIu64 " values ends behind the file", n);
    v->kind = GGUF_ARRAY;
    v->array.n = (size_t)n;
    v->array.values = *r;
    if (v->array.kind != GGUF_STRING && v->array.kind != GGUF_BOOL) {
        reader_bytes(r, (size_t)n * kinds[v->array.kind].bytes);
    } else {
        for (size_t i = 0; i < n && !rc; i++)
            rc = read_scalar(r, v->array.kind, &element, err);
    }
    v->array.values.end = r->at;
    return rc;
}

struct gguf_value gguf_next(struct reader *values, enum gguf_kind kind)
{
    struct gguf_value v;
    struct err err;
    enum rc rc = read_scalar(values, kind, &v, &err);

    ASSERT(rc == RC_OK);
    return v;
}

static int order_of_keys(const void *a, const void *b)
{
    return str_compare(((const struct gguf_pair *)a)->key, ((const struct gguf_pair *)b)->key);
}

static enum rc read_pairs(struct reader *r, size_t n_pairs, struct arena *arena, struct gguf *file,
                          struct err *err)
{
    file->pairs = arena_array(arena, struct gguf_pair, n_pairs);
    if (!file->pairs)
        return arena_fail(arena, err, "keys");
    for (; file->n_pairs < n_pairs; file->n_pairs++) {
        struct gguf_pair *p = &file->pairs[file->n_pairs];
        enum gguf_kind kind = GGUF_U8;
        enum rc rc = read_name(r, GGUF_KEY_BYTES_MAX, "key", &p->key, err);

        if (rc)
            return err_context(err, "key %zu", file->n_pairs);
        rc = read_kind(r, &kind, err);
        if (rc == RC_OK)
            rc = kind == GGUF_ARRAY ? read_array(r, &p->value, err)
                                    : read_scalar(r, kind, &p->value, err);
        if (rc)
            return err_context(err, "'%.*s'", STR_ARG(p->key));
    }
    qsort(file->pairs, n_pairs, sizeof(file->pairs[0]), order_of_keys);
    for (size_t i = 1; i < n_pairs; i++)
        if (str_equal(file->pairs[i].key, file->pairs[i - 1].key))
            return err_set(err, RC_CORRUPT, "key '%.*s' twice", STR_ARG(file->pairs[i].key));
    return RC_OK;
}

static enum rc read_shape(struct reader *r, struct gguf_tensor *t, struct err *err)
{
    uint32_t rank = reader_u32(r);

    if (r->failed)
        return err_set(err, RC_CORRUPT, "rank ends behind the file");
    if (rank < 1 || rank > GGUF_RANK_MAX)
        return err_set(err, RC_CORRUPT, "rank %" PRIu32 ", not 1 to %d", rank, GGUF_RANK_MAX);
    t->rank = rank;
    t->n_values = 1;
    for (size_t i = 0; i < rank; i++) {
        uint64_t n = reader_u64(r);

        if (r->failed)
            return err_set(err, RC_CORRUPT, "shape ends behind the file");
        if (n == 0 || n > SIZE_MAX || __builtin_mul_overflow(t->n_values, (size_t)n, &t->n_values))
            return err_set(err, RC_CORRUPT, "dimension %zu is %" PRIu64, i, n);
        t->shape[i] = (size_t)n;
    }
    return RC_OK;
}

/* The entry but for its place: *ret_offset is what the file says. */
static enum rc read_tensor(struct reader *r, struct gguf_tensor *t, uint64_t *ret_offset,
                           struct err *err)
{
    enum rc rc = read_shape(r, t, err);
    uint32_t type = reader_u32(r);

    *ret_offset = reader_u64(r);
    if (rc)
        return rc;
    if (r->failed)
        return err_set(err, RC_CORRUPT, "entry ends behind the file");
    if (type >= TYPES_END || types[type].bytes == 0)
        return err_set(err, RC_UNSUPPORTED,
                       "type %" PRIu32 " is none of F32, F16, BF16, Q8_0, Q4_0, Q4_1", type);
    t->type = (enum gguf_type)type;
    if (t->shape[0] % types[type].block)
        return err_set(err, RC_CORRUPT, "rows of %zu values are no whole blocks of %s", t->shape[0],
                       types[type].name);
    if (__builtin_mul_overflow(t->n_values / types[type].block, types[type].bytes, &t->n_bytes))
        return err_set(err, RC_CORRUPT, "shape has too many values");
    return RC_OK;
}

static int order_of_names(const void *a, const void *b)
{
    return str_compare((*(struct gguf_tensor *const *)a)->name,
                       (*(struct gguf_tensor *const *)b)->name);
}

static enum rc read_tensors(struct reader *r, size_t n_tensors, struct arena *arena,
                            struct gguf *file, uint64_t **ret_offsets, struct err *err)
{
    uint64_t *offsets = arena_array(arena, uint64_t, n_tensors);

    file->tensors = arena_array(arena, struct gguf_tensor, n_tensors);
    file->by_name = arena_array(arena, struct gguf_tensor *, n_tensors);
    if (!file->tensors || !file->by_name || !offsets)
        return arena_fail(arena, err, "tensors");
    for (size_t i = 0; i < n_tensors; i++) {
        struct gguf_tensor *t = &file->tensors[i];
        enum rc rc = read_name(r, GGUF_NAME_BYTES_MAX, "name", &t->name, err);

        if (rc)
            return err_context(err, "tensor %zu", i);
        rc = read_tensor(r, t, &offsets[i], err);
        if (rc)
            return err_context(err, "tensor '%.*s'", STR_ARG(t->name));
        file->by_name[i] = t;
    }
    file->n_tensors = n_tensors;
    qsort(file->by_name, n_tensors, sizeof(file->by_name[0]),
          order_of_names); /* NOLINT: pointers */
    for (size_t i = 1; i < n_tensors; i++)
        if (str_equal(file->by_name[i]->name, file->by_name[i - 1]->name))
            return err_set(err, RC_CORRUPT, "tensor '%.*s' twice", STR_ARG(file->by_name[i]->name));
    *ret_offsets = offsets;
    return RC_OK;
}

/* Padding up to the alignment; the last of a file may lack it. False: other bytes than zeros. */
static bool skip_padding(struct reader *r, const uint8_t *start, size_t alignment)
{
    size_t behind = (size_t)(r->at - start) % alignment;
    size_t n = behind ? alignment - behind : 0;
    const uint8_t *bytes = reader_bytes(r, n < reader_left(r) ? n : reader_left(r));

    for (size_t i = 0; i < (size_t)(r->at - bytes); i++)
        if (bytes[i])
            return false;
    return true;
}

static enum rc get_alignment(const struct gguf *file, size_t *ret_alignment, struct err *err)
{
    const struct gguf_value *v = gguf_find(file, "general.alignment");

    *ret_alignment = ALIGNMENT_DEFAULT;
    if (!v)
        return RC_OK;
    if (v->kind != GGUF_U32 || v->u < 8 || v->u > GGUF_ALIGNMENT_MAX || (v->u & (v->u - 1)))
        return err_set(err, RC_CORRUPT, "general.alignment is no power of two from 8 to %d",
                       GGUF_ALIGNMENT_MAX);
    *ret_alignment = (size_t)v->u;
    return RC_OK;
}

/* Each tensor where the one before it ends, and nothing behind the last. */
static enum rc place_tensors(struct reader *r, const uint8_t *start, const uint64_t *offsets,
                             struct gguf *file, struct err *err)
{
    size_t alignment;
    enum rc rc = get_alignment(file, &alignment, err);

    if (rc)
        return rc;
    if (!skip_padding(r, start, alignment))
        return err_set(err, RC_CORRUPT, "padding in front of the data is not zero");
    const uint8_t *data = r->at;
    for (size_t i = 0; i < file->n_tensors; i++) {
        struct gguf_tensor *t = &file->tensors[i];

        if (offsets[i] != (size_t)(r->at - data))
            return err_set(err, RC_CORRUPT, "tensor '%.*s' begins at %" PRIu64 ", not at %zu",
                           STR_ARG(t->name), offsets[i], (size_t)(r->at - data));
        t->bytes = reader_bytes(r, t->n_bytes);
        if (!t->bytes)
            return err_set(err, RC_CORRUPT, "tensor '%.*s' of %zu bytes ends behind the file",
                           STR_ARG(t->name), t->n_bytes);
        if (!skip_padding(r, data, alignment))
            return err_set(err, RC_CORRUPT, "padding behind tensor '%.*s' is not zero",
                           STR_ARG(t->name));
    }
    if (reader_left(r))
        return err_set(err, RC_CORRUPT, "%zu bytes behind the last tensor", reader_left(r));
    return RC_OK;
}

static enum rc read_counts(struct reader *r, struct gguf *file, size_t *ret_n_tensors,
                           size_t *ret_n_pairs, struct err *err)
{
    const uint8_t *magic = reader_bytes(r, 4);

    if (!magic || memcmp(magic, "GGUF", 4) != 0)
        return err_set(err, RC_CORRUPT, "does not begin with 'GGUF'");
    file->version = reader_u32(r);
    uint64_t n_tensors = reader_u64(r), n_pairs = reader_u64(r);
    if (r->failed)
        return err_set(err, RC_CORRUPT, "shorter than its first 24 bytes");
    if (file->version < VERSION_MIN || file->version > VERSION_MAX)
        return err_set(err, RC_UNSUPPORTED, "version %" PRIu32 "%s, not %d or %d", file->version,
                       file->version && (file->version & 0xffff) == 0 ? " (big-endian)" : "",
                       VERSION_MIN, VERSION_MAX);
    if (n_tensors > GGUF_TENSORS_MAX || n_pairs > GGUF_PAIRS_MAX)
        return err_set(err, RC_LIMIT,
                       "%" PRIu64 " tensors and %" PRIu64 " keys, at most %d and %d allowed",
                       n_tensors, n_pairs, GGUF_TENSORS_MAX, GGUF_PAIRS_MAX);
    /* what a key or an entry needs at least: no memory for what cannot be there */
    if (n_pairs > reader_left(r) / 14 || n_tensors > reader_left(r) / 33)
        return err_set(err, RC_CORRUPT,
                       "%" PRIu64 " tensors and %" PRIu64 " keys end behind the file", n_tensors,
                       n_pairs);
    *ret_n_tensors = (size_t)n_tensors;
    *ret_n_pairs = (size_t)n_pairs;
    return RC_OK;
}

enum rc gguf_parse(const uint8_t *bytes, size_t size, struct arena *arena, struct gguf **ret_file,
                   struct err *err)
{
    ASSERT(bytes || size == 0);

    struct reader r = { .at = bytes, .end = size ? bytes + size : bytes };
    struct gguf *file = arena_new(arena, struct gguf);
    uint64_t *offsets = NULL;
    size_t n_tensors = 0, n_pairs = 0;

    if (!file)
        return arena_fail(arena, err, "gguf");
    enum rc rc = read_counts(&r, file, &n_tensors, &n_pairs, err);
    if (rc == RC_OK)
        rc = read_pairs(&r, n_pairs, arena, file, err);
    if (rc == RC_OK)
        rc = read_tensors(&r, n_tensors, arena, file, &offsets, err);
    if (rc == RC_OK)
        rc = place_tensors(&r, bytes, offsets, file, err);
    if (rc)
        return err_context(err, "gguf");
    *ret_file = file;
    return RC_OK;
}

const struct gguf_value *gguf_find(const struct gguf *file, const char *key)
{
    struct gguf_pair wanted = { .key = str_of(key) };
    struct gguf_pair *p =
        bsearch(&wanted, file->pairs, file->n_pairs, sizeof(wanted), order_of_keys);

    return p ? &p->value : NULL;
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *file, const char *name)
{
    struct gguf_tensor wanted = { .name = str_of(name) }, *key = &wanted;
    struct gguf_tensor **t =
        bsearch(&key, file->by_name, file->n_tensors, sizeof(key), /* NOLINT: of pointers */
                order_of_names);

    return t ? *t : NULL;
}

enum rc gguf_get(const struct gguf *file, const char *key, enum gguf_kind kind,
                 const struct gguf_value **ret_value, struct err *err)
{
    const struct gguf_value *v = gguf_find(file, key);

    if (!v)
        return err_set(err, RC_NOT_FOUND, "key '%s' is missing", key);
    if (v->kind != kind)
        return err_set(err, RC_INVALID, "'%s' is of kind %s, not %s", key, kinds[v->kind].name,
                       kinds[kind].name);
    *ret_value = v;
    return RC_OK;
}

enum rc gguf_get_count(const struct gguf *file, const char *key, size_t max, size_t *ret_count,
                       struct err *err)
{
    const struct gguf_value *v = gguf_find(file, key);

    if (!v)
        return err_set(err, RC_NOT_FOUND, "key '%s' is missing", key);
    if (v->kind != GGUF_U8 && v->kind != GGUF_U16 && v->kind != GGUF_U32 && v->kind != GGUF_U64)
        return err_set(err, RC_INVALID, "'%s' is of kind %s, not a count", key,
                       kinds[v->kind].name);
    if (v->u < 1 || v->u > max)
        return err_set(err, RC_INVALID, "'%s' is %" PRIu64 ", not 1 to %zu", key, v->u, max);
    *ret_count = (size_t)v->u;
    return RC_OK;
}

enum rc gguf_get_array(const struct gguf *file, const char *key, enum gguf_kind kind,
                       const struct gguf_value **ret_value, struct err *err)
{
    enum rc rc = gguf_get(file, key, GGUF_ARRAY, ret_value, err);

    if (rc == RC_OK && (*ret_value)->array.kind != kind)
        return err_set(err, RC_INVALID, "'%s' is an array of %s, not of %s", key,
                       kinds[(*ret_value)->array.kind].name, kinds[kind].name);
    return rc;
}

/* IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits; every value is one of binary32. */
static float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7fff, bits;
    float value;

    if (rest >= 0x7c00) /* infinity, NaN */
        bits = 0x7f800000 | (rest & 0x3ff) << 13;
    else if (rest >= 0x400)
        bits = (rest << 13) + ((127 - 15) << 23);
    else { /* rest * 2^-24 */
        value = (float)rest * 0x1p-24f;
        memcpy(&bits, &value, sizeof(bits));
    }
    bits |= sign;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static float float_at(const uint8_t *b)
{
    float value;

    memcpy(&value, b, sizeof(value)); /* little-endian, as we are */
    return value;
}

static float bfloat_at(const uint8_t *b)
{
    uint32_t bits = (uint32_t)u16_at(b) << 16;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The low nibbles are the first half of the block. */
static void expand_nibbles(const uint8_t *nibbles, float d, float shift, float m, float *y)
{
    for (size_t i = 0; i < GGUF_BLOCK / 2; i++) {
        y[i] = d * ((float)(nibbles[i] & 15) - shift) + m;
        y[i + GGUF_BLOCK / 2] = d * ((float)(nibbles[i] >> 4) - shift) + m;
    }
}

static void expand_block(enum gguf_type type, const uint8_t *b, float *y)
{
    float d;

    switch (type) {
    case GGUF_F32: *y = float_at(b); break;
    case GGUF_F16: *y = half_to_float(u16_at(b)); break;
    case GGUF_BF16: *y = bfloat_at(b); break;
    case GGUF_Q4_0: expand_nibbles(b + 2, half_to_float(u16_at(b)), 8.0f, 0.0f, y); break;
    case GGUF_Q4_1:
        expand_nibbles(b + 4, half_to_float(u16_at(b)), 0.0f, half_to_float(u16_at(b + 2)), y);
        break;
    case GGUF_Q8_0:
        d = half_to_float(u16_at(b));
        for (size_t i = 0; i < GGUF_BLOCK; i++)
            y[i] = d * (float)(int8_t)b[2 + i];
        break;
    }
}

void gguf_dequantise(const struct gguf_tensor *tensor, size_t first, size_t n, float *ret_values)
{
    size_t block = types[tensor->type].block, bytes = types[tensor->type].bytes;

    ASSERT(first % block == 0 && n % block == 0);
    ASSERT(first <= tensor->n_values && n <= tensor->n_values - first);
    for (size_t i = 0; i < n; i += block)
        expand_block(tensor->type, tensor->bytes + (first + i) / block * bytes, ret_values + i);
}
