#include "tests/support/test.h"

#include "engine/train/llama_adapter.h"
#include "tests/engine/train/tiny_llama.h"

static const struct digest base = {
    "4a5f0e1e6ee8d7bb66fe6cf5c0d1ba8d7b0e67a2b42e3b3f0d7a5a0a5d3c2b1a"
};

static struct buf write(struct tiny_llama *tiny)
{
    struct buf out;
    struct err err = { 0 };

    buf_init(&out, 1 << 20);
    if (llama_adapter_append(&out, &base, &tiny->net.lora, tiny->values, &tiny->arena, &err))
        fail_msg("%s", err.message);
    return out;
}

static enum rc read(struct tiny_llama *tiny, struct str bytes, struct llama_lora *lora,
                    const float **values, struct err *err)
{
    struct adapter *file;
    enum rc rc = adapter_parse((const uint8_t *)bytes.at, bytes.len, &tiny->arena, &file, err);

    return rc ? rc : llama_adapter_read(file, &tiny_llama_config, &tiny->arena, lora, values, err);
}

static void what_is_written_is_read_again(void **state)
{
    struct tiny_llama tiny;
    struct llama_lora lora = { 0 };
    const float *values = NULL;
    struct err err = { 0 };
    (void)state;

    tiny_llama_init(&tiny);
    struct buf out = write(&tiny);
    assert_int_equal(read(&tiny, buf_str(&out), &lora, &values, &err), RC_OK);
    assert_int_equal(lora.rank, TINY_RANK);
    assert_true(lora.alpha == 8.0f);
    assert_memory_equal(values, tiny.values, tiny.n_values * sizeof(float));
    buf_release(&out);
    arena_release(&tiny.arena);
}

static void names_and_shapes_are_those_of_peft(void **state)
{
    static const struct {
        const char *name;
        size_t rows, columns;
    } want[] = {
        { "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", 4, 64 },
        { "base_model.model.model.layers.1.self_attn.k_proj.lora_B.weight", 32, 4 },
        { "base_model.model.model.layers.0.self_attn.o_proj.lora_B.weight", 64, 4 },
        { "base_model.model.model.layers.1.mlp.up_proj.lora_B.weight", 96, 4 },
        { "base_model.model.model.layers.1.mlp.down_proj.lora_A.weight", 4, 96 },
    };
    struct tiny_llama tiny;
    struct safetensors *file;
    struct err err = { 0 };
    (void)state;

    tiny_llama_init(&tiny);
    struct buf out = write(&tiny);
    assert_int_equal(safetensors_parse((const uint8_t *)out.at, out.len, &tiny.arena, &file, &err),
                     RC_OK);
    assert_int_equal(file->n_tensors, 2 * 7 * 2);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct safetensors_tensor *t = safetensors_find(file, want[i].name);

        assert_non_null(t);
        assert_int_equal(t->shape[0], want[i].rows);
        assert_int_equal(t->shape[1], want[i].columns);
    }
    buf_release(&out);
    arena_release(&tiny.arena);
}

/* The first match of a text in the file's header becomes another of the same length. */
static void replace(struct buf *out, const char *from, const char *to)
{
    char *at = memmem(out->at, out->len, from, strlen(from));

    assert_non_null(at);
    memcpy(at, to, strlen(to));
}

static void a_file_that_does_not_fit_the_base_is_refused(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        { "layers.1.mlp.up_proj.lora_A", "layers.1.mlp.up_proj.lora_C", "is missing" },
        { "\"shape\":[4,64]", "\"shape\":[64,4]", "is not F32 of shape" },
        { "\"lora_alpha\":\"8\"", "\"lora_alphq\":\"8\"", "metadata has no" },
        { "\"lora_alpha\":\"8\"", "\"lora_alpha\":\"x\"", "is not a number above 0" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tiny_llama tiny;
        struct llama_lora lora;
        const float *values;
        struct err err = { 0 };

        tiny_llama_init(&tiny);
        struct buf out = write(&tiny);
        replace(&out, cases[i].from, cases[i].to);
        assert_int_equal(read(&tiny, buf_str(&out), &lora, &values, &err), RC_CORRUPT);
        if (!strstr(err.message, cases[i].message))
            fail_msg("case %zu: %s", i, err.message);
        buf_release(&out);
        arena_release(&tiny.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(names_and_shapes_are_those_of_peft),
        cmocka_unit_test(a_file_that_does_not_fit_the_base_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
