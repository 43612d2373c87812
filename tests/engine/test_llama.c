#include "tests/support/test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "engine/gguf/gguf.h"
#include "engine/model/decoder.h"
#include "engine/model/llama.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 16 << 20, FILE_BYTES_MAX = 4 << 20, WORDS = 32, WIDTH = 64, FF = 32 };

/* A key of a file in the making; kind GGUF_KINDS_END: not there. */
struct key {
    const char *name;
    enum gguf_kind kind;
    double value;
    const char *text;
};

static const struct key good_keys[] = {
    { "general.architecture", GGUF_STRING, 0, "llama" },
    { "llama.block_count", GGUF_U32, 1, NULL },
    { "llama.context_length", GGUF_U32, 64, NULL },
    { "llama.embedding_length", GGUF_U32, WIDTH, NULL },
    { "llama.feed_forward_length", GGUF_U32, FF, NULL },
    { "llama.attention.head_count", GGUF_U32, 2, NULL },
    { "llama.attention.head_count_kv", GGUF_U32, 1, NULL },
    { "llama.rope.dimension_count", GGUF_U32, 32, NULL },
    { "llama.rope.freq_base", GGUF_FLOAT, 10000, NULL },
    { "llama.attention.layer_norm_rms_epsilon", GGUF_FLOAT, 1e-5, NULL },
};

static const struct tensor {
    const char *name;
    size_t rows, columns;
} good_tensors[] = {
    { "token_embd.weight", WORDS, WIDTH },        { "output_norm.weight", WIDTH, 1 },
    { "blk.0.attn_norm.weight", WIDTH, 1 },       { "blk.0.attn_q.weight", WIDTH, WIDTH },
    { "blk.0.attn_k.weight", 32, WIDTH },         { "blk.0.attn_v.weight", 32, WIDTH },
    { "blk.0.attn_output.weight", WIDTH, WIDTH }, { "blk.0.ffn_norm.weight", WIDTH, 1 },
    { "blk.0.ffn_gate.weight", FF, WIDTH },       { "blk.0.ffn_up.weight", FF, WIDTH },
    { "blk.0.ffn_down.weight", WIDTH, FF },
};

static struct buf file;
static struct arena arena;

static void put(uint64_t value, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        buf_append_char(&file, (char)(value >> 8 * i));
}

static void put_text(const char *text)
{
    put(strlen(text), 8);
    buf_append_text(&file, text);
}

static void put_key(const struct key *key)
{
    float single = (float)key->value;
    uint32_t bits;

    put_text(key->name);
    put(key->kind, 4);
    memcpy(&bits, &single, sizeof(bits));
    if (key->kind == GGUF_STRING)
        put_text(key->text);
    else
        put(key->kind == GGUF_FLOAT ? bits : (uint32_t)(int64_t)key->value, 4);
}

/* The values of a row are its number / 100 + the column's / 1000: every row is another. */
static void put_values(const struct tensor *t, float first)
{
    for (size_t i = 0; i < t->rows * t->columns; i++) {
        float value = i == 0 && first != 0.0f
                          ? first
                          : (float)(i / t->columns) / 100.0f + (float)(i % t->columns) / 1000.0f;
        uint32_t bits;

        memcpy(&bits, &value, sizeof(bits));
        put(bits, 4);
    }
}

/* The good file with one key in the place of its own (or added), and tensor `changed` as `other`
 * (NULL name: left out); first: the first value of token_embd, 0: as all. */
static void put_file(const struct key *key, size_t changed, struct tensor other, float first)
{
    size_t n_keys = ARRAY_LEN(good_keys) + 1, n_tensors = 0, offset = 0;
    struct tensor tensors[ARRAY_LEN(good_tensors) + 1];
    bool is_new = key != NULL;

    for (size_t i = 0; i < ARRAY_LEN(good_tensors); i++)
        if (i != changed || other.name)
            tensors[n_tensors++] = i == changed ? other : good_tensors[i];
    if (changed == ARRAY_LEN(good_tensors))
        tensors[n_tensors++] = other;
    for (size_t i = 0; i < ARRAY_LEN(good_keys); i++)
        is_new &= !key || strcmp(key->name, good_keys[i].name) != 0;
    n_keys += is_new;
    n_keys -= key && key->kind == GGUF_KINDS_END;

    buf_reset(&file);
    buf_append_text(&file, "GGUF");
    put(3, 4), put(n_tensors, 8), put(n_keys, 8);
    for (size_t i = 0; i < ARRAY_LEN(good_keys); i++) {
        const struct key *k = &good_keys[i];
        if (key && strcmp(key->name, k->name) == 0)
            k = key;
        if (k->kind != GGUF_KINDS_END)
            put_key(k);
    }
    if (is_new)
        put_key(key);
    put_text("tokenizer.ggml.tokens"), put(GGUF_ARRAY, 4), put(GGUF_STRING, 4), put(WORDS, 8);
    for (size_t i = 0; i < WORDS; i++)
        put_text("t");
    for (size_t i = 0; i < n_tensors; i++) {
        put_text(tensors[i].name);
        put(tensors[i].columns > 1 ? 2 : 1, 4);
        if (tensors[i].columns > 1)
            put(tensors[i].columns, 8);
        put(tensors[i].rows, 8), put(GGUF_F32, 4), put(offset, 8);
        offset += tensors[i].rows * tensors[i].columns * 4;
    }
    while (file.len % 32)
        put(0, 1);
    for (size_t i = 0; i < n_tensors; i++)
        put_values(&tensors[i], i == 0 ? first : 0.0f);
}

static enum rc open_file(struct llama_file *ret_file, struct err *err)
{
    struct gguf *gguf;

    assert_int_equal(file.failed, RC_OK);
    arena_init(&arena, ARENA_BYTES);
    if (gguf_parse((const uint8_t *)file.at, file.len, &arena, &gguf, err))
        fail_msg("%s", err->message);
    return llama_file_open(gguf, &arena, ret_file, err);
}

static const struct tensor none = { NULL, 0, 0 };
enum { NO_CHANGE = 99 };

static void a_file_gives_its_config_and_rows_in_the_order_of_transformers(void **state)
{
    struct llama_file llama;
    struct llama all;
    struct err err = { 0 };
    float rows[2 * WIDTH];
    (void)state;

    put_file(NULL, NO_CHANGE, none, 0.0f);
    if (open_file(&llama, &err))
        fail_msg("%s", err.message);
    assert_int_equal(llama.config.n_layers, 1);
    assert_int_equal(llama.config.head_width, 32);
    assert_int_equal(llama.config.n_words, WORDS);
    assert_true(llama.config.rope_base == 10000.0f);
    assert_int_equal(llama_dequantise(&llama, &arena, &all, &err), RC_OK);

    /* GGUF's row 2 d of a head is our d, its row 2 d + 1 our d + 16; other tensors stay */
    const float *query = llama_values(&all, LLAMA_QUERY, 0);
    assert_true(query[0] == 0.0f && query[1 * WIDTH] == 0.02f && query[15 * WIDTH] == 0.3f);
    assert_true(query[16 * WIDTH] == 0.01f && query[31 * WIDTH] == 0.31f);
    assert_true(query[33 * WIDTH] == 0.34f);
    assert_true(llama_values(&all, LLAMA_VALUE, 0)[1 * WIDTH] == 0.01f);
    llama_read_rows(&llama, LLAMA_QUERY, 0, 15, 2, rows);
    assert_memory_equal(rows, query + 15 * WIDTH, sizeof(rows));
    arena_release(&arena);
}

static void keys_that_make_no_model_are_refused(void **state)
{
    static const struct {
        const char *name;
        struct key key;
        enum rc rc;
        const char *message;
    } cases[] = {
        { "G23 missing",
          { "general.architecture", GGUF_KINDS_END, 0, "" },
          RC_NOT_FOUND,
          "missing" },
        { "G23 as u32", { "general.architecture", GGUF_U32, 1, "" }, RC_INVALID, "of kind u32" },
        { "G23 a path",
          { "general.architecture", GGUF_STRING, 0, "../../x" },
          RC_UNSUPPORTED,
          "'llama'" },
        { "G24 no layers", { "llama.block_count", GGUF_U32, 0, "" }, RC_INVALID, "is 0, not 1 to" },
        { "G24 513 layers", { "llama.block_count", GGUF_U32, 513, "" }, RC_INVALID, "is 513" },
        { "G24 2^31", { "llama.block_count", GGUF_U32, 2147483648.0, "" }, RC_INVALID, "not 1 to" },
        { "G24 as f32",
          { "llama.block_count", GGUF_FLOAT, 1, "" },
          RC_INVALID,
          "kind f32, not a count" },
        { "G24 as string",
          { "llama.block_count", GGUF_STRING, 1, "1" },
          RC_INVALID,
          "not a count" },
        { "G24 more than there are",
          { "llama.block_count", GGUF_U32, 2, "" },
          RC_NOT_FOUND,
          "blk.1." },
        { "G25 no heads", { "llama.attention.head_count", GGUF_U32, 0, "" }, RC_INVALID, "is 0" },
        { "G25 more key heads",
          { "llama.attention.head_count_kv", GGUF_U32, 3, "" },
          RC_INVALID,
          "do not divide" },
        { "G26 width 0", { "llama.embedding_length", GGUF_U32, 0, "" }, RC_INVALID, "is 0" },
        { "G26 not by heads",
          { "llama.attention.head_count", GGUF_U32, 3, "" },
          RC_UNSUPPORTED,
          "do not divide" },
        { "G26 2^31",
          { "llama.embedding_length", GGUF_U32, 2147483648.0, "" },
          RC_INVALID,
          "not 1 to" },
        { "G27 no positions", { "llama.context_length", GGUF_U32, 0, "" }, RC_INVALID, "is 0" },
        { "G27 2^32-1",
          { "llama.context_length", GGUF_U32, 4294967295.0, "" },
          RC_INVALID,
          "not 1 to" },
        { "G28 odd",
          { "llama.rope.dimension_count", GGUF_U32, 31, "" },
          RC_UNSUPPORTED,
          "31 of 32 values" },
        { "G28 over a head",
          { "llama.rope.dimension_count", GGUF_U32, 64, "" },
          RC_UNSUPPORTED,
          "64 of 32" },
        { "G28 base 0", { "llama.rope.freq_base", GGUF_FLOAT, 0, "" }, RC_INVALID, "not above 0" },
        { "G28 base NaN",
          { "llama.rope.freq_base", GGUF_FLOAT, (double)NAN, "" },
          RC_INVALID,
          "not above 0" },
        { "G28 base infinite",
          { "llama.rope.freq_base", GGUF_FLOAT, (double)INFINITY, "" },
          RC_INVALID,
          "not above 0" },
        { "G28 base -1",
          { "llama.rope.freq_base", GGUF_FLOAT, -1, "" },
          RC_INVALID,
          "not above 0" },
        { "G28 scaled",
          { "llama.rope.scaling.type", GGUF_STRING, 0, "yarn" },
          RC_UNSUPPORTED,
          "scaled" },
        { "G29 eps 0",
          { "llama.attention.layer_norm_rms_epsilon", GGUF_FLOAT, 0, "" },
          RC_INVALID,
          "not above 0" },
        { "G29 eps NaN",
          { "llama.attention.layer_norm_rms_epsilon", GGUF_FLOAT, (double)NAN, "" },
          RC_INVALID,
          "not above 0" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct llama_file llama;
        struct err err = { 0 };

        put_file(&cases[i].key, NO_CHANGE, none, 0.0f);
        enum rc rc = open_file(&llama, &err);
        if (rc != cases[i].rc || !strstr(err.message, cases[i].message))
            fail_msg("%s: %s '%s'", cases[i].name, rc_name(rc), err.message);
        arena_release(&arena);
    }
}

static void tensors_that_make_no_model_are_refused(void **state)
{
    static const struct {
        const char *name;
        size_t changed;
        struct tensor tensor;
        enum rc rc;
        const char *message;
    } cases[] = {
        { "G45 missing", 4, { NULL, 0, 0 }, RC_NOT_FOUND, "'blk.0.attn_k.weight' is missing" },
        { "G45 rows",
          4,
          { "blk.0.attn_k.weight", 64, WIDTH },
          RC_CORRUPT,
          "not the shape (32, 64)" },
        { "G45 turned", 10, { "blk.0.ffn_down.weight", FF, WIDTH }, RC_CORRUPT, "not the shape" },
        { "G45 a vector",
          10,
          { "blk.0.ffn_down.weight", FF * WIDTH, 1 },
          RC_CORRUPT,
          "not the shape" },
        { "G45 a bias",
          ARRAY_LEN(good_tensors),
          { "blk.0.attn_q.bias", WIDTH, 1 },
          RC_UNSUPPORTED,
          "12 tensors" },
        { "a head",
          ARRAY_LEN(good_tensors),
          { "output.weight", WORDS, WIDTH },
          RC_UNSUPPORTED,
          "12 tensors" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct llama_file llama;
        struct err err = { 0 };

        put_file(NULL, cases[i].changed, cases[i].tensor, 0.0f);
        enum rc rc = open_file(&llama, &err);
        if (rc != cases[i].rc || !strstr(err.message, cases[i].message))
            fail_msg("%s: %s '%s'", cases[i].name, rc_name(rc), err.message);
        arena_release(&arena);
    }
}

static void weights_that_are_no_numbers_are_refused(void **state)
{
    static const float odd[] = { NAN, INFINITY, -INFINITY }; /* G44 */
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct llama_file llama;
        struct decoder *decoder;
        struct kernels kernels;
        struct err err = { 0 };

        put_file(NULL, NO_CHANGE, none, odd[i]);
        assert_int_equal(open_file(&llama, &err), RC_OK);
        kernels_init(&kernels, CPU_SCALAR);
        assert_int_equal(decoder_new(&(struct decoder_weights){ .file = &llama }, DENSE_INT8,
                                     &kernels, &arena, &decoder, &err),
                         RC_CORRUPT);
        assert_string_equal(err.message,
                            "tensor 'token_embd.weight' has a value that is not finite");
        arena_release(&arena);
    }
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    put_file(NULL, NO_CHANGE, none, 0.0f);
    FOR_EACH_FAILING_ALLOC (nth) {
        struct decoder_session *session;
        struct decoder_text *text;
        struct decoder *decoder;
        struct llama_file llama;
        struct kernels kernels;
        struct gguf *gguf;
        struct err err = { 0 };

        arena_init(&arena, ARENA_BYTES);
        kernels_init(&kernels, CPU_SCALAR);
        rc = gguf_parse((const uint8_t *)file.at, file.len, &arena, &gguf, &err);
        if (rc == RC_OK)
            rc = llama_file_open(gguf, &arena, &llama, &err);
        if (rc == RC_OK)
            rc = decoder_new(&(struct decoder_weights){ .file = &llama },
                             nth % 2 ? DENSE_F32 : DENSE_INT8, &kernels, &arena, &decoder, &err);
        if (rc == RC_OK)
            rc = decoder_session_new(decoder, &kernels, 64, &arena, &session, &err);
        if (rc == RC_OK)
            rc = decoder_text_new(decoder, 64, &arena, &text, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_gives_its_config_and_rows_in_the_order_of_transformers),
        cmocka_unit_test(keys_that_make_no_model_are_refused),
        cmocka_unit_test(tensors_that_make_no_model_are_refused),
        cmocka_unit_test(weights_that_are_no_numbers_are_refused),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };

    buf_init(&file, FILE_BYTES_MAX);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_release(&file);
    return failed;
}
