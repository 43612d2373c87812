#include "engine/safetensors/safetensors.h"

#include "base/json.h"
#include "base/reader.h"

#include <inttypes.h>
#include <stdlib.h>

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
    [SAFETENSORS_BOOL] = { "BOOL", 1 }, [SAFETENSORS_U8] = { "U8", 1 },
    [SAFETENSORS_I8] = { "I8", 1 },     [SAFETENSORS_U16] = { "U16", 2 },
    [SAFETENSORS_I16] = { "I16", 2 },   [SAFETENSORS_F16] = { "F16", 2 },
    [SAFETENSORS_BF16] = { "BF16", 2 }, [SAFETENSORS_U32] = { "U32", 4 },
    [SAFETENSORS_I32] = { "I32", 4 },   [SAFETENSORS_F32] = { "F32", 4 },
    [SAFETENSORS_U64] = { "U64", 8 },   [SAFETENSORS_I64] = { "I64", 8 },
    [SAFETENSORS_F64] = { "F64", 8 },
};

const char *safetensors_type_name(enum safetensors_type type)
{
    return types[type].name;
}

size_t safetensors_type_bytes(enum safetensors_type type)
{
    return types[type].bytes;
}

static enum rc read_type(const struct json *v, enum safetensors_type *ret_type, struct err *err)
{
    if (!v || v->type != JSON_STRING)
        return err_set(err, RC_CORRUPT, "dtype is not a string");
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_is(v->text, types[i].name)) {
            *ret_type = (enum safetensors_type)i;
            return RC_OK;
        }
    }
    return err_set(err, RC_UNSUPPORTED, "dtype '%.*s' is not known", STR_ARG(v->text));
}

/* A dimension or an offset: digits alone, so that 1.0, 1e3 and -0 are no counts. */
static enum rc read_count(const struct json *v, const char *what, size_t *ret_count,
                          struct err *err)
{
    int64_t count;

    if (v->type != JSON_NUMBER)
        return err_set(err, RC_CORRUPT, "%s is not a number", what);
    for (size_t i = 0; i < v->text.len; i++)
        if (v->text.at[i] < '0' || v->text.at[i] > '9')
            return err_set(err, RC_CORRUPT, "%s is not a whole number", what);
    if (!json_to_i64(v, &count))
        return err_set(err, RC_CORRUPT, "%s is out of range", what);
    *ret_count = (size_t)count;
    return RC_OK;
}

static enum rc read_shape(const struct json *v, struct safetensors_tensor *t, struct err *err)
{
    if (!v || v->type != JSON_ARRAY)
        return err_set(err, RC_CORRUPT, "shape is not an array");
    if (v->n > SAFETENSORS_RANK_MAX)
        return err_set(err, RC_LIMIT, "rank %zu, at most %d allowed", v->n, SAFETENSORS_RANK_MAX);

    t->rank = v->n;
    t->n_bytes = safetensors_type_bytes(t->type);
    for (size_t i = 0; i < v->n; i++) {
        enum rc rc = read_count(&v->items[i], "a dimension", &t->shape[i], err);
        if (rc)
            return rc;
        if (__builtin_mul_overflow(t->n_bytes, t->shape[i], &t->n_bytes))
            return err_set(err, RC_CORRUPT, "shape has too many values");
    }
    return RC_OK;
}

static enum rc read_data(const struct json *v, const uint8_t *data, size_t data_bytes,
                         struct safetensors_tensor *t, struct err *err)
{
    size_t begin, end;

    if (!v || v->type != JSON_ARRAY || v->n != 2)
        return err_set(err, RC_CORRUPT, "data_offsets is not a pair");

    enum rc rc = read_count(&v->items[0], "begin", &begin, err);
    if (!rc)
        rc = read_count(&v->items[1], "end", &end, err);
    if (rc)
        return rc;

    if (begin > end || end > data_bytes)
        return err_set(err, RC_CORRUPT, "data [%zu, %zu) is outside of %zu bytes", begin, end,
                       data_bytes);
    if (end - begin != t->n_bytes)
        return err_set(err, RC_CORRUPT, "%zu bytes of data, its shape asks for %zu", end - begin,
                       t->n_bytes);
    t->bytes = data + begin;
    return RC_OK;
}

static enum rc read_tensor(const struct json_member *m, const uint8_t *data, size_t data_bytes,
                           struct safetensors_tensor *t, struct err *err)
{
    if (m->key.len > SAFETENSORS_NAME_BYTES_MAX)
        return err_set(err, RC_LIMIT, "name of %zu bytes, at most %d allowed", m->key.len,
                       SAFETENSORS_NAME_BYTES_MAX);
    if (m->key.len && memchr(m->key.at, 0, m->key.len))
        return err_set(err, RC_CORRUPT, "name holds a NUL");
    if (m->value.type != JSON_OBJECT)
        return err_set(err, RC_CORRUPT, "entry is not an object");
    if (m->value.n != 3)
        return err_set(err, RC_CORRUPT, "entry has %zu members, not dtype, shape, data_offsets",
                       m->value.n);

    t->name = m->key;
    enum rc rc = read_type(json_find(&m->value, "dtype"), &t->type, err);
    if (!rc)
        rc = read_shape(json_find(&m->value, "shape"), t, err);
    if (!rc)
        rc = read_data(json_find(&m->value, "data_offsets"), data, data_bytes, t, err);
    return rc;
}

static enum rc read_metadata(const struct json *v, struct arena *arena, struct safetensors *file,
                             struct err *err)
{
    if (v->type != JSON_OBJECT)
        return err_set(err, RC_CORRUPT, "__metadata__ is not an object");

    file->pairs = arena_array(arena, struct safetensors_pair, v->n);
    if (!file->pairs)
        return arena_fail(arena, err, "metadata");
    for (size_t i = 0; i < v->n; i++) {
        if (v->members[i].value.type != JSON_STRING)
            return err_set(err, RC_CORRUPT, "__metadata__ '%.*s' is not a string",
                           STR_ARG(v->members[i].key));
        file->pairs[i] = (struct safetensors_pair){ v->members[i].key, v->members[i].value.text };
    }
    file->n_pairs = v->n;
    return RC_OK;
}

static int order_of_data(const void *a, const void *b)
{
    const struct safetensors_tensor *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

/* Every byte of the data belongs to exactly one tensor. */
static enum rc check_cover(const struct safetensors *file, const uint8_t *data, size_t data_bytes,
                           struct err *err)
{
    size_t covered = 0;

    for (size_t i = 0; i < file->n_tensors; i++) {
        const struct safetensors_tensor *t = &file->tensors[i];

        if (t->bytes != data + covered)
            return err_set(err, RC_CORRUPT, "tensor '%.*s' begins at %zu, not at %zu",
                           STR_ARG(t->name), (size_t)(t->bytes - data), covered);
        covered += t->n_bytes;
    }
    if (covered != data_bytes)
        return err_set(err, RC_CORRUPT, "%zu bytes of data, the tensors cover %zu", data_bytes,
                       covered);
    return RC_OK;
}

static enum rc read_tensors(const struct json *header, const uint8_t *data, size_t data_bytes,
                            struct arena *arena, struct safetensors *file, struct err *err)
{
    enum rc rc = RC_OK;

    if (header->n > SAFETENSORS_TENSORS_MAX)
        return err_set(err, RC_LIMIT, "%zu tensors, at most %d allowed", header->n,
                       SAFETENSORS_TENSORS_MAX);
    file->tensors = arena_array(arena, struct safetensors_tensor, header->n);
    if (!file->tensors)
        return arena_fail(arena, err, "tensor table");

    for (size_t i = 0; i < header->n && !rc; i++) {
        const struct json_member *m = &header->members[i];

        if (str_is(m->key, "__metadata__")) {
            rc = read_metadata(&m->value, arena, file, err);
            continue;
        }
        rc = read_tensor(m, data, data_bytes, &file->tensors[file->n_tensors++], err);
        if (rc)
            return err_context(err, "tensor '%.*s'", STR_ARG(m->key));
    }
    if (rc)
        return rc;

    qsort(file->tensors, file->n_tensors, sizeof(file->tensors[0]), order_of_data);
    return check_cover(file, data, data_bytes, err);
}

static enum rc read_header(struct reader *r, struct arena *arena, struct json **ret_header,
                           struct err *err)
{
    struct err cause;
    uint64_t n = reader_u64(r);

    if (r->failed)
        return err_set(err, RC_CORRUPT, "shorter than 8 bytes");
    if (n > reader_left(r))
        return err_set(err, RC_CORRUPT, "header of %" PRIu64 " bytes, %zu are left", n,
                       reader_left(r));
    if (n > SAFETENSORS_HEADER_BYTES_MAX)
        return err_set(err, RC_LIMIT, "header of %" PRIu64 " bytes, at most %d allowed", n,
                       SAFETENSORS_HEADER_BYTES_MAX);

    const char *text = (const char *)reader_bytes(r, (size_t)n);
    if (n == 0 || text[0] != '{')
        return err_set(err, RC_CORRUPT, "header does not begin with '{'");

    enum rc rc = json_parse((struct str){ text, (size_t)n }, JSON_DUPLICATES_REFUSED, arena,
                            ret_header, &cause);
    if (rc == RC_INVALID) /* not the caller's text but stored bytes */
        return err_set(err, RC_CORRUPT, "header: %.200s", cause.message);
    if (rc)
        *err = cause;
    return rc;
}

enum rc safetensors_parse(const uint8_t *bytes, size_t size, struct arena *arena,
                          struct safetensors **ret_file, struct err *err)
{
    ASSERT(bytes || size == 0);

    struct reader r = { .at = bytes, .end = size ? bytes + size : bytes };
    struct json *header;
    enum rc rc = read_header(&r, arena, &header, err);
    if (rc)
        return err_context(err, "safetensors");

    struct safetensors *file = arena_new(arena, struct safetensors);
    if (!file)
        return arena_fail(arena, err, "safetensors");
    rc = read_tensors(header, r.at, reader_left(&r), arena, file, err);
    if (rc)
        return err_context(err, "safetensors");

    *ret_file = file;
    return RC_OK;
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->n_tensors; i++)
        if (str_is(file->tensors[i].name, name))
            return &file->tensors[i];
    return NULL;
}

const struct str *safetensors_metadata(const struct safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->n_pairs; i++)
        if (str_is(file->pairs[i].key, key))
            return &file->pairs[i].value;
    return NULL;
}

static void append_entry(struct json_writer *w, const struct safetensors_tensor *t, size_t begin)
{
    size_t n_bytes = safetensors_type_bytes(t->type);

    json_key_str(w, t->name);
    json_begin_object(w);
    json_key(w, "dtype");
    json_text(w, safetensors_type_name(t->type));
    json_key(w, "shape");
    json_begin_array(w);
    for (size_t i = 0; i < t->rank; i++) {
        json_i64(w, (int64_t)t->shape[i]);
        n_bytes *= t->shape[i];
    }
    json_end_array(w);
    json_key(w, "data_offsets");
    json_begin_array(w);
    json_i64(w, (int64_t)begin);
    json_i64(w, (int64_t)(begin + t->n_bytes));
    json_end_array(w);
    json_end_object(w);
    ASSERT(n_bytes == t->n_bytes);
}

static void append_header(struct buf *out, const struct safetensors_pair *pairs, size_t n_pairs,
                          const struct safetensors_tensor *tensors, size_t n_tensors)
{
    struct json_writer w;
    size_t begin = 0;

    json_writer_init(&w, out);
    json_begin_object(&w);
    if (n_pairs) {
        json_key(&w, "__metadata__");
        json_begin_object(&w);
        for (size_t i = 0; i < n_pairs; i++) {
            json_key_str(&w, pairs[i].key);
            json_string(&w, pairs[i].value);
        }
        json_end_object(&w);
    }
    for (size_t i = 0; i < n_tensors; i++) {
        append_entry(&w, &tensors[i], begin);
        begin += tensors[i].n_bytes;
    }
    json_end_object(&w);
}

void safetensors_append(struct buf *out, const struct safetensors_pair *pairs, size_t n_pairs,
                        const struct safetensors_tensor *tensors, size_t n_tensors)
{
    size_t start = out->len;
    uint8_t length[8];

    buf_append(out, "\0\0\0\0\0\0\0", 8); /* the header's length, when it is known */
    append_header(out, pairs, n_pairs, tensors, n_tensors);
    while (out->failed == RC_OK && (out->len - start) % 8 != 0)
        buf_append_char(out, ' ');
    if (out->failed != RC_OK)
        return;
    for (size_t i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)(out->len - start - 8) >> 8 * i);
    memcpy(out->at + start, length, sizeof(length));

    for (size_t i = 0; i < n_tensors; i++)
        buf_append(out, tensors[i].bytes, tensors[i].n_bytes);
}
