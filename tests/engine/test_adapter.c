#include "tests/support/test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "engine/adapter.h"

#include <stdio.h>
#include <string.h>

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define FIELDS "[{\\\"name\\\":\\\"urgent\\\",\\\"labels\\\":[\\\"no\\\",\\\"yes\\\"]}]"

/* The image of a file without tensors that has this header. */
static struct str make_file(const char *header, char *file, size_t size)
{
    size_t len = strlen(header);

    assert_true(8 + len <= size);
    for (size_t i = 0; i < 8; i++)
        file[i] = (char)((uint64_t)len >> 8 * i);
    memcpy(file + 8, header, len);
    return (struct str){ file, 8 + len };
}

static enum rc parse(struct str file, struct arena *arena, struct adapter **ret_adapter,
                     struct err *err)
{
    return adapter_parse((const uint8_t *)file.at, file.len, arena, ret_adapter, err);
}

static void what_is_written_reads_back_equal(void **state)
{
    static const float bias[5] = { 1, 2, 3, 4, 5 };
    struct str issue[] = { STR("billing"), STR("de\"livery"), STR("\xc3\xa9") };
    struct str priority[] = { STR("low"), STR("high") };
    struct adapter_field fields[] = { { STR("issue"), true, 3, issue, 0 },
                                      { STR("priority"), false, 2, priority, 0 } };
    struct adapter adapter = { .kind = ADAPTER_FINETUNED,
                               .base = { DIGEST },
                               .lora_alpha = 32.5f,
                               .n_fields = 2,
                               .fields = fields };
    const struct safetensors_tensor tensors[] = {
        { STR("heads.bias"), SAFETENSORS_F32, 1, { 5 }, (const uint8_t *)bias, sizeof(bias) }
    };
    struct adapter *read;
    struct arena arena;
    struct buf out;
    struct err err = { 0 };
    (void)state;

    arena_init(&arena, 1 << 20);
    buf_init(&out, 1 << 20);
    assert_int_equal(adapter_append(&out, &adapter, tensors, 1, &err), RC_OK);
    if (parse(buf_str(&out), &arena, &read, &err))
        fail_msg("%s", err.message);
    assert_int_equal(read->kind, ADAPTER_FINETUNED);
    assert_string_equal(read->base.hex, DIGEST);
    assert_true(read->lora_alpha == 32.5f);
    assert_int_equal(read->n_fields, 2);
    assert_int_equal(read->n_labels, 5);
    assert_int_equal(read->fields[1].first, 3);
    for (size_t f = 0; f < 2; f++) {
        assert_true(str_equal(read->fields[f].name, fields[f].name));
        assert_int_equal(read->fields[f].n_labels, fields[f].n_labels);
        assert_int_equal(read->fields[f].is_set, fields[f].is_set);
        for (size_t l = 0; l < fields[f].n_labels; l++)
            assert_true(str_equal(read->fields[f].labels[l], fields[f].labels[l]));
    }
    assert_non_null(safetensors_find(read->file, "heads.bias"));
    buf_release(&out);
    arena_release(&arena);
}

static void broken_metadata_is_refused_with_a_reason(void **state)
{
    static const struct {
        const char *metadata;
        enum rc rc;
        const char *message;
    } files[] = {
        { "", RC_CORRUPT, "metadata has no 'format'" },
        { "\"format\":\"shoal-adapter/2\"", RC_UNSUPPORTED, "'shoal-adapter/2' is not" },
        { "\"format\":\"shoal-adapter/1\"", RC_CORRUPT, "no 'kind'" },
        { "\"format\":\"shoal-adapter/1\",\"kind\":\"tree\"", RC_CORRUPT, "'tree' is not known" },
        { "\"format\":\"shoal-adapter/1\",\"kind\":\"frozen\"", RC_CORRUPT, "needs a base" },
        { "\"format\":\"shoal-adapter/1\",\"kind\":\"linear\",\"base\":\"" DIGEST "\"", RC_CORRUPT,
          "a linear adapter has no base" },
        { "\"format\":\"shoal-adapter/1\",\"kind\":\"frozen\",\"base\":\"../x\"", RC_CORRUPT,
          "base is not a SHA-256" },
        { "\"format\":\"shoal-adapter/1\",\"kind\":\"linear\",\"lora_alpha\":\"-1\"", RC_CORRUPT,
          "lora_alpha '-1'" },
        { "\"format\":\"shoal-adapter/1\",\"kind\":\"linear\",\"lora_alpha\":\"nan\"", RC_CORRUPT,
          "lora_alpha 'nan'" },
        { "\"format\":\"shoal-adapter/1\",\"kind\":\"linear\"", RC_CORRUPT, "no 'fields'" },
        { "\"format\":\"shoal-adapter/1\",\"kind\":\"linear\",\"fields\":\"[\"", RC_CORRUPT,
          "fields: " },
        { "\"format\":\"shoal-adapter/1\",\"kind\":\"linear\",\"fields\":\"[]\"", RC_CORRUPT,
          "fields is not a list" },
        { "\"format\":\"shoal-adapter/1\",\"kind\":\"linear\",\"fields\":\"[1]\"", RC_CORRUPT,
          "field 0 has not name and labels" },
        { "\"format\":\"shoal-adapter/"
          "1\",\"kind\":\"linear\",\"fields\":\"[{\\\"name\\\":\\\"a\\\","
          "\\\"labels\\\":[\\\"x\\\"]}]\"",
          RC_CORRUPT, "'a' has fewer than two labels" },
        { "\"format\":\"shoal-adapter/"
          "1\",\"kind\":\"linear\",\"fields\":\"[{\\\"name\\\":\\\"a\\\","
          "\\\"labels\\\":[\\\"x\\\",2]}]\"",
          RC_CORRUPT, "label 1 of 'a' is not a string" },
        { "\"format\":\"shoal-adapter/"
          "1\",\"kind\":\"linear\",\"fields\":\"[{\\\"name\\\":\\\"a\\\","
          "\\\"labels\\\":[\\\"x\\\",\\\"y\\\"],\\\"set\\\":1}]\"",
          RC_CORRUPT, "'a' is no set of at most 16 labels" },
        { "\"format\":\"shoal-adapter/"
          "1\",\"kind\":\"linear\",\"fields\":\"[{\\\"name\\\":\\\"a\\\","
          "\\\"labels\\\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17],\\\"set\\\":true}]\"",
          RC_CORRUPT, "'a' is no set of at most 16 labels" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char header[1024], file[1100];
        struct adapter *adapter;
        struct arena arena;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        snprintf(header, sizeof(header), "{\"__metadata__\":{%s}}", files[i].metadata);
        enum rc rc = parse(make_file(header, file, sizeof(file)), &arena, &adapter, &err);
        if (rc != files[i].rc || !strstr(err.message, files[i].message))
            fail_msg("%s: %s, '%s'", files[i].metadata, rc_name(rc), err.message);
        arena_release(&arena);
    }
}

static void every_failing_allocation_is_reported(void **state)
{
    static const char header[] = "{\"__metadata__\":{\"format\":\"shoal-adapter/1\",\"kind\":"
                                 "\"frozen\",\"base\":\"" DIGEST "\",\"lora_alpha\":\"16\","
                                 "\"fields\":\"" FIELDS "\"}}";
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        char file[1100];
        struct adapter *adapter;
        struct arena arena;
        struct err err = { 0 };

        arena_init(&arena, 1 << 20);
        rc = parse(make_file(header, file, sizeof(file)), &arena, &adapter, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back_equal),
        cmocka_unit_test(broken_metadata_is_refused_with_a_reason),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
