#include "tests/support/test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "engine/gguf/gguf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 8 << 20, FILE_BYTES_MAX = 1 << 20 };

/* A file in the making. */
static struct buf file;

/* Little-endian; zeros behind the eighth byte. */
static void put(uint64_t value, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        buf_append_char(&file, i < 8 ? (char)(value >> 8 * i) : '\0');
}

static void put_text(struct str text)
{
    put(text.len, 8);
    buf_append_str(&file, text);
}

static void begin(uint64_t n_tensors, uint64_t n_pairs)
{
    buf_reset(&file);
    buf_append_text(&file, "GGUF");
    put(3, 4);
    put(n_tensors, 8);
    put(n_pairs, 8);
}

static void put_key(const char *key, enum gguf_kind kind)
{
    put_text(str_of(key));
    put(kind, 4);
}

static void put_tensor(const char *name, uint64_t columns, uint64_t rows, uint32_t type,
                       uint64_t offset)
{
    put_text(str_of(name));
    put(rows ? 2 : 1, 4);
    put(columns, 8);
    if (rows)
        put(rows, 8);
    put(type, 4);
    put(offset, 8);
}

static void pad(size_t alignment)
{
    while (file.len % alignment)
        buf_append_char(&file, 0);
}

static enum rc parse(struct arena *arena, struct gguf **ret_file, struct err *err)
{
    /* a copy of exact size, so that a sanitizer sees a read behind its end */
    uint8_t *bytes = mem_alloc(file.len + 1);

    assert_non_null(bytes);
    memcpy(bytes, file.at, file.len);
    arena_init(arena, ARENA_BYTES);
    enum rc rc = gguf_parse(bytes, file.len, arena, ret_file, err);
    mem_free(bytes);
    return rc;
}

static void expect(const char *name, enum rc want, const char *message)
{
    struct arena arena;
    struct gguf *parsed;
    struct err err = { 0 };
    enum rc rc = parse(&arena, &parsed, &err);

    arena_release(&arena);
    if (rc != want || (want && !strstr(err.message, message)))
        fail_msg("%s: %s '%s', not '%s'", name, rc_name(rc), err.message, message);
}

/* One of everything. */
static void put_whole_file(void)
{
    begin(3, 7);
    put_key("general.alignment", GGUF_U32);
    put(64, 4);
    put_key("b", GGUF_BOOL);
    put(1, 1);
    put_key("i", GGUF_I16);
    put((uint16_t)-7, 2);
    put_key("f", GGUF_FLOAT);
    put(0x3fc00000, 4); /* 1.5 */
    put_key("text", GGUF_STRING);
    put_text(STR("a\nb"));
    put_key("words", GGUF_ARRAY);
    put(GGUF_STRING, 4);
    put(2, 8);
    put_text(STR("one"));
    put_text(STR(""));
    put_key("numbers", GGUF_ARRAY);
    put(GGUF_I32, 4);
    put(2, 8);
    put((uint32_t)-1, 4);
    put(5, 4);
    put_tensor("z", 2, 3, GGUF_F32, 0);
    put_tensor("a", 32, 0, GGUF_Q8_0, 64);
    put_tensor("m", 4, 0, GGUF_BF16, 128);
    pad(64);
    for (size_t i = 0; i < 64; i++)
        put(i < 24 ? i : 0, 1);
    for (size_t i = 0; i < 64; i++)
        put(i < 34 ? i : 0, 1);
    put(0x3f80, 2), put(0xbf80, 2), put(0, 2), put(0x4000, 2);
}

static void a_file_is_its_keys_and_its_tensors(void **state)
{
    struct arena arena;
    struct gguf *g;
    struct err err = { 0 };
    const struct gguf_value *v = NULL;
    float values[4];
    size_t count = 0;
    (void)state;

    put_whole_file();
    arena_init(&arena, ARENA_BYTES);
    if (gguf_parse((const uint8_t *)file.at, file.len, &arena, &g, &err))
        fail_msg("%s", err.message);
    assert_int_equal(g->n_pairs, 7);
    assert_int_equal(gguf_find(g, "b")->u, 1);
    assert_int_equal(gguf_find(g, "i")->i, -7);
    assert_true(gguf_find(g, "f")->real == 1.5);
    assert_true(str_is(gguf_find(g, "text")->text, "a\nb"));
    assert_null(gguf_find(g, "words2"));

    assert_int_equal(gguf_get_array(g, "words", GGUF_STRING, &v, &err), RC_OK);
    struct reader r = v->array.values;
    assert_true(str_is(gguf_next(&r, GGUF_STRING).text, "one"));
    assert_true(str_is(gguf_next(&r, GGUF_STRING).text, ""));
    assert_int_equal(gguf_get_array(g, "numbers", GGUF_STRING, &v, &err), RC_INVALID);
    assert_string_equal(err.message, "'numbers' is an array of i32, not of string");
    assert_int_equal(gguf_get_count(g, "general.alignment", 63, &count, &err), RC_INVALID);
    assert_string_equal(err.message, "'general.alignment' is 64, not 1 to 63");
    assert_int_equal(gguf_get_count(g, "general.alignment", 64, &count, &err), RC_OK);
    assert_int_equal(gguf_get_count(g, "f", 64, &count, &err), RC_INVALID);
    assert_int_equal(gguf_get_count(g, "none", 64, &count, &err), RC_NOT_FOUND);

    assert_int_equal(g->n_tensors, 3);
    const struct gguf_tensor *t = gguf_find_tensor(g, "a");
    assert_ptr_equal(t, &g->tensors[1]);
    assert_int_equal(t->n_bytes, 34);
    assert_int_equal(gguf_find_tensor(g, "z")->n_values, 6);
    gguf_dequantise(gguf_find_tensor(g, "m"), 0, 4, values);
    assert_true(values[0] == 1.0f && values[1] == -1.0f && values[2] == 0.0f && values[3] == 2.0f);
    arena_release(&arena);
}

/* The bytes of a block as the format's text has them, the values by hand. */
static void blocks_of_every_type_become_their_values(void **state)
{
    static const struct {
        enum gguf_type type;
        uint8_t bytes[4];
        float first, middle; /* values 0 and 16, of a whole block */
    } cases[] = {
        { GGUF_F32, { 0, 0, 0xc0, 0xbf }, -1.5f, 0.0f },
        { GGUF_F16, { 0x00, 0x3c }, 1.0f, 0.0f },
        { GGUF_F16, { 0x01, 0x80 }, -0x1p-24f, 0.0f }, /* G44 denormal */
        { GGUF_F16, { 0xff, 0x7b }, 65504.0f, 0.0f },  /* G44 largest */
        { GGUF_F16, { 0x00, 0x7c }, INFINITY, 0.0f },  /* G44 infinity */
        { GGUF_BF16, { 0x80, 0x3f }, 1.0f, 0.0f },
        { GGUF_Q4_0, { 0x00, 0x38, 0x2f }, 3.5f, -3.0f },        /* 0.5 (15 - 8), 0.5 (2 - 8) */
        { GGUF_Q4_1, { 0x00, 0x38, 0x00, 0xbc }, -1.0f, -1.0f }, /* nibbles 0: m = -1 */
        { GGUF_Q8_0, { 0x00, 0x38, 0x81 }, -63.5f, 0.0f },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t bytes[GGUF_BLOCK * 4] = { 0 };
        float values[GGUF_BLOCK];
        struct gguf_tensor t = { .type = cases[i].type, .n_values = GGUF_BLOCK, .bytes = bytes };

        memcpy(bytes, cases[i].bytes, 4);
        gguf_dequantise(&t, 0, GGUF_BLOCK, values);
        if (memcmp(&values[0], &cases[i].first, 4) != 0 || !(values[16] == cases[i].middle))
            fail_msg("case %zu: %g, %g", i, (double)values[0], (double)values[16]);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;

    put_whole_file();
    size_t whole = file.len;
    expect("whole", RC_OK, "");
    for (size_t n = 0; n < whole; n++) { /* G01, G02 */
        put_whole_file();
        file.len = n;
        expect("G02 truncated", RC_CORRUPT, "");
    }
}

static void broken_beginnings_are_refused(void **state)
{
    static const struct {
        const char *name, *magic;
        uint32_t version;
        uint64_t n_tensors, n_pairs;
        enum rc rc;
        const char *message;
    } files[] = {
        { "G03 FUGG", "FUGG", 3, 0, 0, RC_CORRUPT, "'GGUF'" },
        { "G03 GGML", "GGML", 3, 0, 0, RC_CORRUPT, "'GGUF'" },
        { "G04 version 0", "GGUF", 0, 0, 0, RC_UNSUPPORTED, "version 0, not" },
        { "G05 version 1", "GGUF", 1, 0, 0, RC_UNSUPPORTED, "version 1, not" },
        { "G06 version 4", "GGUF", 4, 0, 0, RC_UNSUPPORTED, "version 4, not" },
        { "G06 version -1", "GGUF", 0xffffffff, 0, 0, RC_UNSUPPORTED, "version" },
        { "G07 big-endian", "GGUF", 0x03000000, 0, 0, RC_UNSUPPORTED, "(big-endian)" },
        { "G08 2^63 tensors", "GGUF", 3, 1ull << 63, 0, RC_LIMIT, "tensors" },
        { "G08 -1 tensors", "GGUF", 3, UINT64_MAX, 0, RC_LIMIT, "tensors" },
        { "G08 n * size wraps", "GGUF", 3, SIZE_MAX / sizeof(struct gguf_tensor) + 1, 0, RC_LIMIT,
          "tensors" },
        { "G08 more than the file", "GGUF", 3, 16384, 0, RC_CORRUPT, "end behind the file" },
        { "G09 2^63 keys", "GGUF", 3, 0, 1ull << 63, RC_LIMIT, "keys" },
        { "G09 -1 keys", "GGUF", 3, 0, UINT64_MAX, RC_LIMIT, "keys" },
        { "G09 n * size wraps", "GGUF", 3, 0, SIZE_MAX / sizeof(struct gguf_pair) + 1, RC_LIMIT,
          "keys" },
        { "G10 4096 keys, none there", "GGUF", 3, 0, 4096, RC_CORRUPT, "end behind the file" },
        { "nothing", "GGUF", 3, 0, 0, RC_OK, "" },
        { "version 2", "GGUF", 2, 0, 0, RC_OK, "" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        buf_reset(&file);
        buf_append_text(&file, files[i].magic);
        put(files[i].version, 4);
        put(files[i].n_tensors, 8);
        put(files[i].n_pairs, 8);
        expect(files[i].name, files[i].rc, files[i].message);
    }
}

static void broken_keys_are_refused(void **state)
{
    static char long_key[65536 + 1];
    const struct {
        const char *name;
        uint64_t length; /* that the file states */
        struct str key;
        enum rc rc;
        const char *message;
    } keys[] = {
        { "G11 empty", 0, STR(""), RC_CORRUPT, "key is empty" },
        { "G12 2^64-1", UINT64_MAX, STR("k"), RC_CORRUPT, "ends behind the file" },
        { "G12 2^64-8", UINT64_MAX - 7, STR("k"), RC_CORRUPT, "ends behind the file" },
        { "G12 one too long", 1 + 5 + 1, STR("k"), RC_CORRUPT, "ends behind the file" },
        { "G13 65,536 bytes", 65536, { long_key, 65536 }, RC_LIMIT, "key of 65536 bytes" },
        { "G14 NUL", 3, { "a\0b", 3 }, RC_CORRUPT, "has a byte 0x00" },
        { "G14 not UTF-8", 2, STR("a\xff"), RC_CORRUPT, "has a byte 0xff" },
        { "G14 newline", 2, STR("a\n"), RC_CORRUPT, "has a byte 0x0a" },
    };
    (void)state;

    memset(long_key, 'k', sizeof(long_key) - 1);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        begin(0, 1);
        put(keys[i].length, 8);
        buf_append_str(&file, keys[i].key);
        put(GGUF_U8, 4);
        put(7, 1);
        put(0, keys[i].key.len ? 0 : 1);
        expect(keys[i].name, keys[i].rc, keys[i].message);
    }
    begin(0, 2);
    put_key("k", GGUF_U8), put(1, 1);
    put_key("k", GGUF_U16), put(1, 2);
    expect("G15 the same key with another kind", RC_CORRUPT, "key 'k' twice");
}

static void broken_values_are_refused(void **state)
{
    static const struct {
        const char *name;
        uint32_t kind;
        uint64_t first; /* of first_bytes */
        size_t first_bytes;
        uint64_t second; /* of 8 bytes */
        enum rc rc;
        const char *message;
    } values[] = {
        { "G16 kind 13", 13, 0, 8, 0, RC_CORRUPT, "kind 13 does not exist" },
        { "G16 kind -1", 0xffffffff, 0, 8, 0, RC_CORRUPT, "does not exist" },
        { "G17 array of arrays", GGUF_ARRAY, GGUF_ARRAY, 4, 1, RC_UNSUPPORTED, "array of arrays" },
        { "G17 array of kind 13", GGUF_ARRAY, 13, 4, 1, RC_CORRUPT, "does not exist" },
        { "G18 2^61 u64", GGUF_ARRAY, GGUF_U64, 4, 1ull << 61, RC_CORRUPT, "ends behind the file" },
        { "G18 2^30 strings", GGUF_ARRAY, GGUF_STRING, 4, 1 << 30, RC_CORRUPT, "ends behind" },
        { "G18 one string too many", GGUF_ARRAY, GGUF_STRING, 4, 1, RC_CORRUPT, "ends behind" },
        { "G19 bool 2", GGUF_BOOL, 2, 1, 0, RC_CORRUPT, "bool is 2" },
        { "G19 bool 255", GGUF_BOOL, 255, 1, 0, RC_CORRUPT, "bool is 255" },
        { "G20 string too long", GGUF_STRING, 9, 8, 0, RC_CORRUPT, "string ends behind" },
        { "G20 string of 2^64-1", GGUF_STRING, UINT64_MAX, 8, 0, RC_CORRUPT, "string ends behind" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        begin(0, 1);
        put_text(STR("k"));
        put(values[i].kind, 4);
        put(values[i].first, values[i].first_bytes);
        put(values[i].second, 8);
        expect(values[i].name, values[i].rc, values[i].message);
    }
}

static void alignments_that_are_no_power_of_two_are_refused(void **state)
{
    static const uint32_t wrong[] = { 0, 1, 3, 4, 13, 65537, 131072, 0x80000000 };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) { /* G21 */
        begin(0, 1);
        put_key("general.alignment", GGUF_U32);
        put(wrong[i], 4);
        expect("G21", RC_CORRUPT, "no power of two");
    }
    begin(0, 1);
    put_key("general.alignment", GGUF_I32);
    put(32, 4);
    expect("G22 of another kind", RC_CORRUPT, "no power of two");
}

static void put_one_tensor(const char *name, uint64_t columns, uint64_t rows, uint32_t type,
                           uint64_t offset, size_t n_data)
{
    begin(1, 0);
    put_tensor(name, columns, rows, type, offset);
    pad(32);
    for (size_t i = 0; i < n_data; i++)
        put(0, 1);
}

static void broken_tensors_are_refused(void **state)
{
    static const struct {
        const char *name, *tensor;
        uint64_t columns, rows;
        uint32_t type;
        uint64_t offset;
        size_t n_data;
        enum rc rc;
        const char *message;
    } cases[] = {
        { "good", "t", 4, 2, GGUF_F32, 0, 32, RC_OK, "" },
        { "without padding", "t", 4, 0, GGUF_F32, 0, 16, RC_OK, "" },
        { "G35 no name", "", 4, 0, GGUF_F32, 0, 16, RC_CORRUPT, "name is empty" },
        { "G35 65 bytes", "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt", 4, 0,
          GGUF_F32, 0, 16, RC_LIMIT, "name of 65 bytes" },
        { "G37 zero", "t", 0, 0, GGUF_F32, 0, 16, RC_CORRUPT, "dimension 0 is 0" },
        { "G37 -1", "t", UINT64_MAX, 2, GGUF_F32, 0, 16, RC_CORRUPT, "dimension 1 is 2" },
        { "G37 2^63-1", "t", INT64_MAX, 0, GGUF_F32, 0, 16, RC_CORRUPT, "too many values" },
        { "G37 the product wraps", "t", (1ull << 42) + 1, 1ull << 22, GGUF_F32, 0, 16, RC_CORRUPT,
          "dimension 1" },
        { "G38 padding would wrap", "t", SIZE_MAX / 4, 0, GGUF_F32, 0, 16, RC_CORRUPT,
          "ends behind the file" },
        { "G39 type 4", "t", 4, 0, 4, 0, 16, RC_UNSUPPORTED, "type 4 is none of" },
        { "G39 the first number behind", "t", 4, 0, 31, 0, 16, RC_UNSUPPORTED, "is none of" },
        { "G39 2^31", "t", 4, 0, 1u << 31, 0, 16, RC_UNSUPPORTED, "is none of" },
        { "G40 33 values of Q4_0", "t", 33, 0, GGUF_Q4_0, 0, 64, RC_CORRUPT, "no whole blocks" },
        { "G41 not where it can be", "t", 4, 0, GGUF_F32, 32, 48, RC_CORRUPT, "begins at 32" },
        { "G41 2^64-32", "t", 4, 0, GGUF_F32, UINT64_MAX - 31, 16, RC_CORRUPT, "begins at" },
        { "G42 one byte short", "t", 5, 0, GGUF_F32, 0, 19, RC_CORRUPT, "ends behind the file" },
        { "G42 one value too many", "t", 1 << 18, 0, GGUF_F32, 0, 16, RC_CORRUPT, "ends behind" },
        { "more than padding behind", "t", 4, 0, GGUF_F32, 0, 33, RC_CORRUPT, "behind the last" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        put_one_tensor(cases[i].tensor, cases[i].columns, cases[i].rows, cases[i].type,
                       cases[i].offset, cases[i].n_data);
        expect(cases[i].name, cases[i].rc, cases[i].message);
    }
    for (uint32_t rank = 0; rank <= 5; rank += 5) { /* G36 */
        begin(1, 0);
        put_text(STR("t"));
        put(rank, 4);
        put(0, 40);
        expect("G36 rank 0 or 5", RC_CORRUPT, "not 1 to 4");
    }
}

static void tensors_that_overlap_or_leave_a_hole_are_refused(void **state)
{
    static const struct {
        const char *name, *second;
        uint64_t offset;
        enum rc rc;
        const char *message;
    } cases[] = {
        { "good", "b", 32, RC_OK, "" },
        { "G35 twice", "a", 32, RC_CORRUPT, "tensor 'a' twice" },
        { "G41 overlapping", "b", 0, RC_CORRUPT, "begins at 0, not at 32" },
        { "G41 unaligned", "b", 16, RC_CORRUPT, "begins at 16, not at 32" },
        { "G41 a hole", "b", 64, RC_CORRUPT, "begins at 64, not at 32" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin(2, 0);
        put_tensor("a", 4, 0, GGUF_F32, 0);
        put_tensor(cases[i].second, 4, 0, GGUF_F32, cases[i].offset);
        pad(32);
        for (size_t n = 0; n < 64; n++)
            put(0, 1);
        expect(cases[i].name, cases[i].rc, cases[i].message);
    }
    put_one_tensor("t", 4, 0, GGUF_F32, 0, 32);
    file.at[file.len - 1] = 1;
    expect("padding that hides something", RC_CORRUPT, "is not zero");
    begin(2, 0); /* G43: their sum would wrap */
    put_tensor("a", 0x7FFFFFFFFFFFFFC0, 0, GGUF_F16, 0);
    put_tensor("b", 0x7FFFFFFFFFFFFFC0, 0, GGUF_F16, 0);
    pad(32);
    expect("G43", RC_CORRUPT, "");
}

static uint32_t draw_state = 1;

static uint32_t draw_below(uint32_t n)
{
    draw_state = draw_state * 1664525u + 1013904223u;
    return (draw_state >> 8) % n;
}

/* Parses what is in `file`; whatever it says, memory is bounded and tensors lie inside. */
static void check_mutant(uint8_t *bytes, size_t size, size_t header)
{
    struct arena arena;
    struct gguf *g;
    struct err err = { 0 };

    arena_init(&arena, ARENA_BYTES);
    enum rc rc = gguf_parse(bytes, size, &arena, &g, &err);
    assert_true(arena.used <= 4 * header + (1 << 20)); /* P2 */
    if (rc == RC_OK) {
        float values[GGUF_BLOCK];
        for (size_t i = 0; i < g->n_tensors; i++) {
            const struct gguf_tensor *t = &g->tensors[i];
            assert_true(t->bytes >= bytes && t->bytes + t->n_bytes <= bytes + size);
            if (t->n_values >= GGUF_BLOCK)
                gguf_dequantise(t, t->n_values / GGUF_BLOCK * GGUF_BLOCK - GGUF_BLOCK, GGUF_BLOCK,
                                values);
        }
    } else {
        assert_true(rc == RC_CORRUPT || rc == RC_UNSUPPORTED || rc == RC_LIMIT);
        assert_true(err.message[0] != '\0');
    }
    arena_release(&arena);
}

/* P1: each field of the header with each of the values that have broken other readers, then pairs
 * of such changes drawn by lot. */
static void no_mutant_of_a_file_gets_past_its_checks(void **state)
{
    static const uint64_t extremes[] = { 0,
                                         1,
                                         2,
                                         8,
                                         31,
                                         33,
                                         127,
                                         128,
                                         255,
                                         65536,
                                         INT32_MAX,
                                         1ull << 31,
                                         1ull << 61,
                                         INT64_MAX,
                                         1ull << 63,
                                         SIZE_MAX / 4,
                                         UINT64_MAX - 31,
                                         UINT64_MAX - 7,
                                         UINT64_MAX };
    static const size_t widths[] = { 1, 4, 8 };
    (void)state;

    put_whole_file();
    size_t size = file.len, header = size - 64 - 64 - 8, n_mutants = 0;
    uint8_t *bytes = mem_alloc(size);
    assert_non_null(bytes);
    for (size_t at = 0; at < header; at++) {
        for (size_t m = 0; m < ARRAY_LEN(extremes) * ARRAY_LEN(widths); m++, n_mutants++) {
            size_t width = widths[m % ARRAY_LEN(widths)];

            memcpy(bytes, file.at, size);
            memcpy(bytes + at, &extremes[m / ARRAY_LEN(widths)],
                   width < size - at ? width : size - at);
            check_mutant(bytes, size, header);
        }
    }
    for (; n_mutants < 300 * 1000; n_mutants++) {
        memcpy(bytes, file.at, size);
        for (size_t n = 0; n < 2; n++)
            memcpy(bytes + draw_below((uint32_t)header), &extremes[draw_below(ARRAY_LEN(extremes))],
                   widths[draw_below(ARRAY_LEN(widths))]);
        check_mutant(bytes, size, header);
    }
    mem_free(bytes);
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    put_whole_file();
    FOR_EACH_FAILING_ALLOC (nth) {
        struct arena arena;
        struct gguf *g;
        struct err err;

        arena_init(&arena, ARENA_BYTES);
        rc = gguf_parse((const uint8_t *)file.at, file.len, &arena, &g, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_its_keys_and_its_tensors),
        cmocka_unit_test(blocks_of_every_type_become_their_values),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(broken_beginnings_are_refused),
        cmocka_unit_test(broken_keys_are_refused),
        cmocka_unit_test(broken_values_are_refused),
        cmocka_unit_test(alignments_that_are_no_power_of_two_are_refused),
        cmocka_unit_test(broken_tensors_are_refused),
        cmocka_unit_test(tensors_that_overlap_or_leave_a_hole_are_refused),
        cmocka_unit_test(no_mutant_of_a_file_gets_past_its_checks),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };

    buf_init(&file, FILE_BYTES_MAX);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_release(&file);
    return failed;
}
