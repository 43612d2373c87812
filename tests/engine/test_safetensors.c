#include "tests/support/test.h"

#include "base/arena.h"
#include "engine/safetensors/safetensors.h"

#include <stdio.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1 << 16 };

/* N, the header, n_data bytes 0, 1, 2, ... */
static size_t make_file(uint8_t *file, struct str header, size_t n_data)
{
    assert_true(8 + header.len + n_data <= FILE_BYTES_MAX);
    for (size_t i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)header.len >> 8 * i);
    memcpy(file + 8, header.at, header.len);
    for (size_t i = 0; i < n_data; i++)
        file[8 + header.len + i] = (uint8_t)i;
    return 8 + header.len + n_data;
}

static enum rc parse(const uint8_t *bytes, size_t size, struct err *err)
{
    struct arena arena;
    struct safetensors *file;

    arena_init(&arena, 4 << 20);
    enum rc rc = safetensors_parse(bytes, size, &arena, &file, err);
    arena_release(&arena);
    return rc;
}

#define ENTRY(type, shape, begin, end) \
    "{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end "]}"
#define ONE(type, shape, begin, end) "{\"a\":" ENTRY(type, shape, begin, end) "}"

static void files_that_keep_the_format_are_read(void **state)
{
    static const struct {
        const char *name, *header;
        size_t n_data;
    } files[] = {
        { "no tensor", "{}", 0 },
        { "spaces behind the header", "{}      ", 0 },
        { "no tensor, metadata", "{\"__metadata__\":{\"format\":\"pt\"}}", 0 },
        { "S14 rank 0", ONE("F32", "", "0", "4"), 4 },
        { "S14 a dimension of zero", ONE("F32", "3,0", "0", "0"), 0 },
        { "S14 rank 8", ONE("U8", "1,1,1,1,1,1,1,2", "0", "2"), 2 },
        { "not in the order of the data",
          "{\"b\":" ENTRY("U8", "3", "2", "5") ",\"a\":" ENTRY("I16", "1", "0", "2") "}", 5 },
        { "S21 a slash and right-to-left marks in a name",
          "{\"../a/\xe2\x80\xae\":" ENTRY("U8", "1", "0", "1") "}", 1 },
    };
    uint8_t file[FILE_BYTES_MAX];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct err err = { 0 };
        size_t size = make_file(file, str_of(files[i].header), files[i].n_data);

        if (parse(file, size, &err))
            fail_msg("%s: %s", files[i].name, err.message);
    }
}

static void broken_headers_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *name, *header;
        size_t n_data;
        enum rc rc;
        const char *message;
    } files[] = {
        { "S02 empty header", "", 0, RC_CORRUPT, "does not begin with '{'" },
        { "S04 space first", " {}", 0, RC_CORRUPT, "does not begin with '{'" },
        { "S04 byte order mark", "\xef\xbb\xbf{}", 0, RC_CORRUPT, "does not begin with '{'" },
        { "S04 array", "[]", 0, RC_CORRUPT, "does not begin with '{'" },
        { "S05 invalid UTF-8", "{\"\xff\":1}", 0, RC_CORRUPT, "header: " },
        { "S05 overlong", "{\"\xc0\xaf\":1}", 0, RC_CORRUPT, "header: " },
        { "S05 lone surrogate", "{\"\\ud800\":1}", 0, RC_CORRUPT, "header: " },
        { "S06 garbage behind", "{}x", 0, RC_CORRUPT, "header: " },
        { "S06 NUL behind", "{}\0", 0, RC_CORRUPT, "header: " },
        { "S07 duplicate name",
          "{\"a\":" ENTRY("U8", "1", "0", "1") ",\"a\":" ENTRY("U8", "1", "1", "2") "}", 2,
          RC_CORRUPT, "header: " },
        { "S07 duplicate by an escape",
          "{\"a\":" ENTRY("U8", "1", "0", "1") ",\"\\u0061\":" ENTRY("U8", "1", "1", "2") "}", 2,
          RC_CORRUPT, "header: " },
        { "S08 duplicate metadata", "{\"__metadata__\":{},\"__metadata__\":{}}", 0, RC_CORRUPT,
          "header: " },
        { "S08 metadata is no object", "{\"__metadata__\":[]}", 0, RC_CORRUPT, "not an object" },
        { "S08 metadata is no string", "{\"__metadata__\":{\"k\":1}}", 0, RC_CORRUPT,
          "'k' is not a string" },
        { "S11 overlap",
          "{\"a\":" ENTRY("U8", "2", "0", "2") ",\"b\":" ENTRY("U8", "2", "1", "3") "}", 3,
          RC_CORRUPT, "'b' begins at 1, not at 2" },
        { "S11 hole", "{\"a\":" ENTRY("U8", "1", "0", "1") ",\"b\":" ENTRY("U8", "1", "2", "3") "}",
          3, RC_CORRUPT, "'b' begins at 2, not at 1" },
        { "S11 the same data twice",
          "{\"a\":" ENTRY("U8", "1", "0", "1") ",\"b\":" ENTRY("U8", "1", "0", "1") "}", 1,
          RC_CORRUPT, "begins at 0, not at 1" },
        { "S11 reversed", ONE("U8", "1", "2", "1"), 2, RC_CORRUPT, "outside" },
        { "S11 first is not 0", ONE("U8", "1", "1", "2"), 2, RC_CORRUPT, "begins at 1, not at 0" },
        { "S12 too few bytes", ONE("F32", "2", "0", "4"), 4, RC_CORRUPT, "asks for 8" },
        { "S12 too many bytes", ONE("I64", "1", "0", "16"), 16, RC_CORRUPT, "asks for 8" },
        { "S13 product wraps", ONE("U8", "4294967296,4294967296", "0", "0"), 0, RC_CORRUPT,
          "too many values" },
        { "S13 product with the type wraps", ONE("F64", "2305843009213693952", "0", "0"), 0,
          RC_CORRUPT, "too many values" },
        { "S13 1e3", ONE("U8", "1e3", "0", "1000"), 1000, RC_CORRUPT, "not a whole number" },
        { "S13 1.0", ONE("U8", "1.0", "0", "1"), 1, RC_CORRUPT, "not a whole number" },
        { "S13 -1", ONE("U8", "-1", "0", "1"), 1, RC_CORRUPT, "not a whole number" },
        { "S13 2^64", ONE("U8", "18446744073709551616", "0", "0"), 0, RC_CORRUPT, "out of range" },
        { "S13 text", ONE("U8", "\"2\"", "0", "2"), 2, RC_CORRUPT, "not a number" },
        { "S14 rank 9", ONE("U8", "1,1,1,1,1,1,1,1,1", "0", "1"), 1, RC_LIMIT, "rank 9" },
        { "S15 unknown type", ONE("F12", "1", "0", "4"), 4, RC_UNSUPPORTED, "'F12' is not known" },
        { "S15 lower case", ONE("f32", "1", "0", "4"), 4, RC_UNSUPPORTED, "'f32' is not known" },
        { "S15 half a byte", ONE("F4", "1", "0", "1"), 1, RC_UNSUPPORTED, "'F4' is not known" },
        { "S15 type is a number", "{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,1]}}", 1,
          RC_CORRUPT, "dtype is not a string" },
        { "S16 data shorter by 1", ONE("U8", "3", "0", "3"), 2, RC_CORRUPT, "outside of 2 bytes" },
        { "S16, S17 data longer by 1", ONE("U8", "3", "0", "3"), 4, RC_CORRUPT,
          "4 bytes of data, the tensors cover 3" },
        { "S17 data without a tensor", "{}", 22, RC_CORRUPT, "22 bytes of data" },
        { "S18 offset is text", ONE("U8", "1", "\"0\"", "1"), 1, RC_CORRUPT, "not a number" },
        { "S18 offset is no whole number", ONE("U8", "1", "0.0", "1"), 1, RC_CORRUPT,
          "not a whole number" },
        { "S18 three offsets", ONE("U8", "1", "0,0", "1"), 1, RC_CORRUPT, "not a pair" },
        { "S18 offsets are missing", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, RC_CORRUPT,
          "2 members" },
        { "an unknown member", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"offsets\":[0,1]}}", 1,
          RC_CORRUPT, "not a pair" },
        { "an entry that is no object", "{\"a\":1}", 0, RC_CORRUPT, "not an object" },
        { "shape is missing", "{\"a\":{\"dtype\":\"U8\",\"s\":[],\"data_offsets\":[0,1]}}", 1,
          RC_CORRUPT, "shape is not an array" },
        { "S21 NUL in a name", "{\"a\\u0000\":" ENTRY("U8", "1", "0", "1") "}", 1, RC_CORRUPT,
          "NUL" },
    };
    uint8_t file[FILE_BYTES_MAX];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct err err = { 0 };
        struct str header = str_of(files[i].header);
        if (strcmp(files[i].name, "S06 NUL behind") == 0)
            header.len++;

        enum rc rc = parse(file, make_file(file, header, files[i].n_data), &err);
        if (rc != files[i].rc || !strstr(err.message, files[i].message))
            fail_msg("%s: %s, '%s'", files[i].name, rc_name(rc), err.message);
    }
}

static void lengths_that_leave_the_file_are_refused(void **state)
{
    static const uint64_t lengths[] = {
        1, 2, 3, 9, 100000001, (uint64_t)1 << 63, UINT64_MAX, UINT64_MAX - 7,
    };
    uint8_t file[8 + 8] = { 0 };
    struct err err = { 0 };
    (void)state;

    for (size_t size = 0; size < 8; size++) { /* S01 */
        assert_int_equal(parse(size ? file : NULL, size, &err), RC_CORRUPT);
        assert_string_equal(err.message, "safetensors: shorter than 8 bytes");
    }
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) { /* S03 */
        for (size_t b = 0; b < 8; b++)
            file[b] = (uint8_t)(lengths[i] >> 8 * b);
        memcpy(file + 8, "{}      ", 8);
        assert_int_equal(parse(file, 8 + (lengths[i] == 9 ? 8 : 0), &err), RC_CORRUPT);
        assert_non_null(strstr(err.message, "header of "));
    }
}

static void what_is_over_a_limit_is_refused_before_it_costs_memory(void **state)
{
    enum { BYTES = 8 + SAFETENSORS_HEADER_BYTES_MAX + 1 };
    struct err err = { 0 };
    struct buf file;
    (void)state;

    buf_init(&file, BYTES); /* S08, S10: whatever the long header holds */
    buf_append(&file, "\1\0\100\0\0\0\0\0{", 9);
    while (file.len < BYTES)
        buf_append_char(&file, ' ');
    assert_int_equal(parse((uint8_t *)file.at, file.len, &err), RC_LIMIT);
    assert_non_null(strstr(err.message, "header of 4194305 bytes, at most 4194304 allowed"));

    buf_reset(&file); /* S09 */
    buf_append(&file, "\240\206\1\0\0\0\0\0{\"a\":", 13);
    while (file.len < 8 + 100000)
        buf_append_char(&file, '[');
    assert_int_equal(parse((uint8_t *)file.at, file.len, &err), RC_LIMIT);

    buf_reset(&file); /* S10: more tensors than the limit, on the same bytes */
    buf_append(&file, "\0\0\0\0\0\0\0\0{", 9);
    for (int i = 0; i <= SAFETENSORS_TENSORS_MAX; i++)
        buf_printf(&file, "%s\"%d\":0", i ? "," : "", i);
    buf_append_char(&file, '}');
    for (int i = 0; i < 3; i++)
        file.at[i] = (char)((file.len - 8) >> 8 * i);
    struct arena arena;
    struct safetensors *parsed;
    arena_init(&arena, 64 << 20);
    assert_int_equal(safetensors_parse((uint8_t *)file.at, file.len, &arena, &parsed, &err),
                     RC_LIMIT);
    assert_non_null(strstr(err.message, "16385 tensors, at most 16384 allowed"));
    arena_release(&arena);

    buf_reset(&file); /* S21 */
    buf_append(&file, "\10\2\0\0\0\0\0\0{\"", 10);
    for (int i = 0; i <= SAFETENSORS_NAME_BYTES_MAX; i++)
        buf_append_char(&file, 'n');
    buf_append_text(&file, "\":0}");
    file.at[0] = (char)(file.len - 8);
    assert_int_equal(parse((uint8_t *)file.at, file.len, &err), RC_LIMIT);
    assert_non_null(strstr(err.message, "name of 513 bytes"));
    buf_release(&file);
}

static void every_truncation_is_refused(void **state)
{
    uint8_t file[FILE_BYTES_MAX];
    size_t size = make_file(file, STR(ONE("F32", "2,3", "0", "24")), 24);
    struct err err;
    (void)state;

    assert_int_equal(parse(file, size, &err), RC_OK);
    for (size_t n = 0; n < size; n++) {
        struct buf exact; /* on the heap, so that ASan sees a read past the end */
        buf_init(&exact, FILE_BYTES_MAX);
        buf_append(&exact, file, n);
        assert_int_equal(parse((uint8_t *)exact.at, n, &err), RC_CORRUPT);
        buf_release(&exact);
    }
}

/* reliability.md, finding 3: such tables found loader bugs that a fuzzer missed. */
static void boundary_numbers_at_every_offset_never_leave_the_file(void **state)
{
    static const uint64_t constants[] = {
        0,
        1,
        2,
        3,
        4,
        7,
        8,
        15,
        16,
        31,
        32,
        63,
        64,
        127,
        128,
        255,
        256,
        0x7fff,
        0x8000,
        0xffff,
        0x10000,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x100000000,
        INT64_MAX,
        1ull << 63,
        UINT64_MAX,
        UINT64_MAX - 1,
        UINT64_MAX - 7,
        UINT64_MAX / 4,
    };
    static uint8_t seed[FILE_BYTES_MAX], file[FILE_BYTES_MAX];
    size_t size = make_file(
        seed, STR("{\"a\":" ENTRY("F32", "2", "0", "8") ",\"b\":" ENTRY("U8", "3", "8", "11") "}"),
        11);
    (void)state;

    for (size_t at = 0; at < size; at++) {
        for (size_t c = 0; c < ARRAY_LEN(constants); c++) {
            for (size_t width = 1; width <= 8 && at + width <= size; width *= 2) {
                struct arena arena;
                struct safetensors *parsed;
                struct err err;

                memcpy(file, seed, size);
                memcpy(file + at, &constants[c], width);
                arena_init(&arena, 1 << 20);
                if (safetensors_parse(file, size, &arena, &parsed, &err) == RC_OK)
                    for (size_t i = 0; i < parsed->n_tensors; i++) {
                        const struct safetensors_tensor *t = &parsed->tensors[i];
                        assert_true(t->bytes >= file && t->bytes <= file + size);
                        assert_true(t->n_bytes <= (size_t)(file + size - t->bytes));
                    }
                arena_release(&arena);
            }
        }
    }
}

static void what_is_written_reads_back_equal(void **state)
{
    static const float weights[6] = { 1.5f, -2.0f, 0.0f, 3.25f, 1e-30f, -1e30f };
    static const uint8_t labels[3] = { 1, 2, 3 };
    const struct safetensors_tensor tensors[] = {
        { STR("w\"eight"), SAFETENSORS_F32, 2, { 2, 3 }, (const uint8_t *)weights, 24 },
        { STR("labels"), SAFETENSORS_U8, 1, { 3 }, labels, 3 },
        { STR("none"), SAFETENSORS_F32, 2, { 0, 3 }, labels, 0 },
    };
    const struct safetensors_pair pairs[] = { { STR("kind"), STR("linear\n") },
                                              { STR("base"), STR("") } };
    struct safetensors *file;
    struct arena arena;
    struct buf out;
    struct err err = { 0 };
    (void)state;

    buf_init(&out, 1 << 16);
    arena_init(&arena, 1 << 16);
    safetensors_append(&out, pairs, 2, tensors, 3);
    assert_int_equal(buf_rc(&out, "file", &err), RC_OK);
    if (safetensors_parse((uint8_t *)out.at, out.len, &arena, &file, &err))
        fail_msg("%s", err.message);

    assert_int_equal(file->n_tensors, 3);
    for (size_t i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%.*s", STR_ARG(tensors[i].name));
        const struct safetensors_tensor *t = safetensors_find(file, name);
        assert_non_null(t);
        assert_int_equal(t->type, tensors[i].type);
        assert_int_equal(t->rank, tensors[i].rank);
        assert_memory_equal(t->shape, tensors[i].shape, sizeof(t->shape));
        assert_int_equal(t->n_bytes, tensors[i].n_bytes);
        assert_memory_equal(t->bytes, tensors[i].bytes, t->n_bytes);
    }
    assert_int_equal((file->tensors[0].bytes - (uint8_t *)out.at) % 8, 0);
    assert_true(str_is(*safetensors_metadata(file, "kind"), "linear\n"));
    assert_true(str_is(*safetensors_metadata(file, "base"), ""));
    assert_null(safetensors_metadata(file, "weight"));
    assert_null(safetensors_find(file, "weight"));
    arena_release(&arena);
    buf_release(&out);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    static uint8_t bytes[FILE_BYTES_MAX];
    size_t size = make_file(
        bytes, STR("{\"__metadata__\":{\"k\":\"v\"},\"a\":" ENTRY("F32", "2", "0", "8") "}"), 8);
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct arena arena;
        struct safetensors *file;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        rc = safetensors_parse(bytes, size, &arena, &file, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_keep_the_format_are_read),
        cmocka_unit_test(broken_headers_are_refused_with_a_reason),
        cmocka_unit_test(lengths_that_leave_the_file_are_refused),
        cmocka_unit_test(what_is_over_a_limit_is_refused_before_it_costs_memory),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(boundary_numbers_at_every_offset_never_leave_the_file),
        cmocka_unit_test(what_is_written_reads_back_equal),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
