#include "tests/engine/tiny_bert.h"
#include "tests/support/test.h"

#include "base/arena.h"
#include "engine/model/bert.h"
#include "engine/safetensors/safetensors.h"

#include <stdio.h>
#include <string.h>

static void a_config_is_read(void **state)
{
    struct bert_config config;
    struct err err = { 0 };
    (void)state;

    if (bert_config_parse(str_of(tiny_bert_json), &config, &err))
        fail_msg("%s", err.message);
    assert_int_equal(config.n_layers, 2);
    assert_int_equal(config.width, 32);
    assert_int_equal(config.n_heads, 2);
    assert_int_equal(config.ff_width, 64);
    assert_int_equal(config.n_words, 16);
    assert_int_equal(config.n_positions, 24);
    assert_int_equal(config.n_types, 2);
    assert_true(config.norm_eps == 1e-12f);
}

static void configs_we_cannot_run_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *from, *to;
        enum rc rc;
        const char *message;
    } edits[] = {
        { "{", "[", RC_INVALID, "model config: " },
        { "\"bert\"", "\"llama\"", RC_UNSUPPORTED, "model_type is not 'bert'" },
        { "\"gelu\"", "\"relu\"", RC_UNSUPPORTED, "hidden_act is not 'gelu'" },
        { "\"model_type\"", "\"position_embedding_type\":\"relative_key\",\"model_type\"",
          RC_UNSUPPORTED, "position_embedding_type is not 'absolute'" },
        { "\"hidden_size\":32", "\"hidden_size\":48", RC_UNSUPPORTED, "multiples of 32" },
        { "\"num_attention_heads\":2", "\"num_attention_heads\":3", RC_UNSUPPORTED,
          "3 heads do not divide the width 32" },
        { "\"num_attention_heads\":2", "\"num_attention_heads\":0", RC_INVALID,
          "num_attention_heads is not a count" },
        { "\"num_hidden_layers\":2", "\"num_hidden_layers\":49", RC_LIMIT, "at most 48 allowed" },
        { "\"num_hidden_layers\":2", "\"num_hidden_layers\":1.5", RC_INVALID, "not a count" },
        { "\"vocab_size\":16", "\"vocab_size\":-8", RC_INVALID, "vocab_size is not a count" },
        { "\"vocab_size\":16", "\"vocab_size\":1e30", RC_INVALID, "vocab_size is not a count" },
        { "\"layer_norm_eps\":1e-12", "\"layer_norm_eps\":0", RC_INVALID, "not between 0 and 1" },
        { "\"layer_norm_eps\":1e-12", "\"layer_norm_eps\":\"\"", RC_INVALID, "not a number" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
        struct bert_config config;
        struct err err = { 0 };
        char json[1024];
        const char *at = strstr(tiny_bert_json, edits[i].from);

        assert_non_null(at);
        snprintf(json, sizeof(json), "%.*s%s%s", (int)(at - tiny_bert_json), tiny_bert_json,
                 edits[i].to, at + strlen(edits[i].from));
        enum rc rc = bert_config_parse(str_of(json), &config, &err);
        if (rc != edits[i].rc || !strstr(err.message, edits[i].message))
            fail_msg("%s: %s, '%s'", edits[i].to, rc_name(rc), err.message);
    }
}

static void the_table_covers_the_flat_form_without_gaps(void **state)
{
    struct bert_config config;
    struct bert_layout layout;
    struct arena arena;
    struct err err;
    size_t offset = 0;
    (void)state;

    arena_init(&arena, 1 << 20);
    assert_int_equal(bert_config_parse(str_of(tiny_bert_json), &config, &err), RC_OK);
    assert_int_equal(bert_layout_init(&config, &arena, &layout, &err), RC_OK);
    assert_int_equal(layout.n_tensors, 5 + 2 * 16);
    for (size_t i = 0; i < layout.n_tensors; i++) {
        const struct bert_tensor *t = &layout.tensors[i];
        assert_int_equal(t->offset, offset);
        assert_int_equal(t->n_values, t->shape[0] * t->shape[1]);
        assert_int_equal(bert_tensor_index(t->slot, t->layer), i);
        offset += t->n_values;
    }
    assert_int_equal(layout.n_values, offset);
    size_t index = bert_tensor_index(BERT_UP_WEIGHT, 1);
    assert_string_equal(layout.tensors[index].name, "encoder.layer.1.intermediate.dense.weight");
    assert_int_equal(layout.tensors[index].shape[0], 64);
    assert_int_equal(layout.tensors[index].shape[1], 32);
    arena_release(&arena);
}

/* A file image with every tensor of the layout, value i of the flat form being i; at an address of
 * the given misalignment. */
static struct str tiny_file(const struct bert_layout *layout, size_t misalignment,
                            struct arena *arena)
{
    struct safetensors_tensor *tensors =
        arena_array(arena, struct safetensors_tensor, layout->n_tensors);
    float *values = arena_array(arena, float, layout->n_values);
    struct buf out;

    for (size_t i = 0; i < layout->n_values; i++)
        values[i] = (float)i;
    for (size_t i = 0; i < layout->n_tensors; i++) {
        const struct bert_tensor *t = &layout->tensors[i];
        tensors[i] = (struct safetensors_tensor){ str_of(t->name),
                                                  SAFETENSORS_F32,
                                                  t->rank,
                                                  { t->shape[0], t->rank == 2 ? t->shape[1] : 0 },
                                                  (const uint8_t *)(values + t->offset),
                                                  t->n_values * sizeof(float) };
    }
    buf_init(&out, 1 << 20);
    safetensors_append(&out, NULL, 0, tensors, layout->n_tensors);
    char *copy = arena_alloc(arena, out.len + misalignment, 1, 64);
    memcpy(copy + misalignment, out.at, out.len);
    struct str file = { copy + misalignment, out.len };
    buf_release(&out);
    return file;
}

static void weights_are_found_flattened_and_overlaid(void **state)
{
    struct bert_config config;
    struct bert_layout layout;
    struct arena arena;
    struct err err = { 0 };
    (void)state;

    for (size_t misalignment = 0; misalignment < 2; misalignment++) {
        struct safetensors *file;
        struct bert bert, view, overlaid;

        arena_init(&arena, 4 << 20);
        assert_int_equal(bert_config_parse(str_of(tiny_bert_json), &config, &err), RC_OK);
        assert_int_equal(bert_layout_init(&config, &arena, &layout, &err), RC_OK);
        struct str bytes = tiny_file(&layout, misalignment, &arena);
        assert_int_equal(
            safetensors_parse((const uint8_t *)bytes.at, bytes.len, &arena, &file, &err), RC_OK);
        if (bert_open(&config, file, NULL, &arena, &bert, &err))
            fail_msg("%s", err.message);

        float *flat = arena_array(&arena, float, layout.n_values);
        bert_flatten(&bert, flat);
        for (size_t i = 0; i < layout.n_values; i++)
            assert_true(flat[i] == (float)i);
        assert_int_equal(bert_of_flat(&layout, flat, &arena, &view, &err), RC_OK);
        assert_true(bert_values(&view, BERT_KEY_BIAS, 1)[3] ==
                    bert_values(&bert, BERT_KEY_BIAS, 1)[3]);

        /* an adapter that has one tensor: that one replaces the base's, the rest stays */
        struct safetensors one = { .n_tensors = 1, .tensors = &file->tensors[2] };
        assert_int_equal(bert_open(&config, &one, &view, &arena, &overlaid, &err), RC_OK);
        assert_ptr_not_equal(overlaid.values[2], view.values[2]);
        assert_ptr_equal(overlaid.values[3], view.values[3]);
        assert_int_equal(bert_open(&config, &one, NULL, &arena, &overlaid, &err), RC_NOT_FOUND);
        assert_string_equal(err.message, "tensor 'embeddings.word_embeddings.weight' is missing");

        file->tensors[3].type = SAFETENSORS_I32;
        assert_int_equal(bert_open(&config, file, NULL, &arena, &overlaid, &err), RC_CORRUPT);
        assert_string_equal(err.message, "tensor 'embeddings.LayerNorm.weight' is I32, not F32");
        file->tensors[3].type = SAFETENSORS_F32;
        file->tensors[2].shape[0]++;
        assert_int_equal(bert_open(&config, file, NULL, &arena, &overlaid, &err), RC_CORRUPT);
        arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_config_is_read),
        cmocka_unit_test(configs_we_cannot_run_are_refused_with_a_reason),
        cmocka_unit_test(the_table_covers_the_flat_form_without_gaps),
        cmocka_unit_test(weights_are_found_flattened_and_overlaid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
