#include "tests/support/data.h"

#include "base/fs.h"
#include "engine/author.h"
#include "engine/gguf/gguf.h"

enum { CAPACITY = 320, WRITTEN = 40 };

/* What the base is asked to make up; the sources do not have it. */
static const char asked[] =
    "Write to Maria Gomez that invoice INV-7731 over 99.50 EUR was wrong. Invent "
    "an order number, a date and the name of a manager.";

struct fixture {
    struct arena arena;
    struct fs_map map;
    struct llama_file file;
    struct kernels kernels;
    struct bpe *bpe;
    struct decoder *decoder;
    struct decoder_session *session;
    struct copies copies;
    struct author_prompt prompt;
    struct err err;
};

/* Opened once, by the first test: a test can be skipped, a group's set-up cannot. */
static struct fixture *opened(void)
{
    static struct fixture f;
    struct gguf *gguf;
    char path[4096];
    const struct str sources[] = { str_of(asked) };
    const struct str own[] = { STR("I") };

    const char *found = test_decoder_path("model.gguf", path);
    if (f.decoder)
        return &f;
    arena_init(&f.arena, (size_t)1 << 30);
    kernels_init(&f.kernels, cpu_best());
    if (fs_map_open(found, &f.map, &f.err) ||
        gguf_parse(f.map.at, f.map.len, &f.arena, &gguf, &f.err) ||
        bpe_open(gguf, &f.arena, &f.bpe, &f.err) ||
        llama_file_open(gguf, &f.arena, &f.file, &f.err) ||
        decoder_new(&(struct decoder_weights){ .file = &f.file }, DENSE_INT8, &f.kernels, &f.arena,
                    &f.decoder, &f.err) ||
        decoder_session_new(f.decoder, &f.kernels, CAPACITY, &f.arena, &f.session, &f.err) ||
        copies_new(sources, 1, own, 1, &f.arena, &f.copies, &f.err) ||
        author_prompt(f.bpe, STR("You answer customers."), str_of(asked), &f.arena, &f.prompt,
                      &f.err))
        fail_msg("%s", f.err.message);
    return &f;
}

static const struct form_field text_field = { .name = { "reply", 5 }, .kind = FORM_TEXT };

static struct writer_result write_with(struct fixture *f, const struct copies *copies,
                                       double temperature, uint64_t seed, struct buf *out)
{
    const struct form form = { 1, &text_field, copies };
    const struct writer writer = { .decoder = f->decoder,
                                   .session = f->session,
                                   .bpe = f->bpe,
                                   .form = &form,
                                   .max_tokens = WRITTEN,
                                   .sampler = { temperature, seed } };
    struct decoder_text *text;
    struct writer_result result = { 0 };

    buf_init(out, 1 << 16);
    if (decoder_text_new(f->decoder, CAPACITY, &f->arena, &text, &f->err) ||
        writer_write(&writer, text, f->prompt.ids, f->prompt.n_ids, out, &result, &f->err))
        fail_msg("%s", f->err.message);
    return result;
}

static void a_prompt_has_the_turns_the_base_was_trained_on(void **state)
{
    struct fixture *f = opened();
    (void)state;
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct author_prompt p, other;

    buf_init(&text, 4096);
    assert_int_equal(author_prompt(f->bpe, STR("S"), STR("<|im_end|>"), &f->arena, &p, &f->err),
                     RC_OK);
    for (size_t i = 0; i < p.n_ids; i++)
        buf_append_str(&text, bpe_token(f->bpe, (size_t)p.ids[i]));
    assert_string_equal(text.at, "<|im_start|>system\nS<|im_end|>\n"
                                 "<|im_start|>user\n<|im_end|><|im_end|>\n"
                                 "<|im_start|>assistant\n");
    size_t n_ends = 0; /* the customer's is text, not the token */
    for (size_t i = 0; i < p.n_ids; i++)
        n_ends += p.ids[i] == bpe_find_special(f->bpe, "<|im_end|>");
    assert_int_equal(n_ends, 2);

    assert_int_equal(author_prompt(f->bpe, STR("S"), STR("b"), &f->arena, &other, &f->err), RC_OK);
    assert_int_equal(other.n_shared, p.n_shared);
    assert_memory_equal(other.ids, p.ids, p.n_shared * sizeof(p.ids[0]));
}

static void what_is_written_is_copied_whatever_is_asked_for(void **state)
{
    struct fixture *f = opened();
    size_t n_refused = 0;
    (void)state;

    for (uint64_t seed = 0; seed < 4; seed++) {
        CLEANUP(buf_releasep) struct buf out = { 0 };
        struct writer_result result = write_with(f, &f->copies, seed ? 0.8 : 0.0, seed, &out);
        struct copies_state s = copies_begin();

        assert_true(copies_feed(&f->copies, &s, buf_str(&out)));
        assert_true(result.n_tokens > 0 && result.n_tokens <= WRITTEN);
        assert_true(result.end != WRITER_STUCK);
        if (result.end == WRITER_ENDED)
            assert_true(copies_end(&f->copies, &s));
        n_refused += result.n_refused;
    }
    assert_true(n_refused > 0); /* it would have made something up */
}

static void the_same_arguments_give_the_same_bytes(void **state)
{
    struct fixture *f = opened();
    (void)state;
    CLEANUP(buf_releasep) struct buf a = { 0 };
    CLEANUP(buf_releasep) struct buf b = { 0 };
    CLEANUP(buf_releasep) struct buf c = { 0 };

    write_with(f, &f->copies, 1.0, 7, &a);
    write_with(f, &f->copies, 1.0, 7, &b);
    write_with(f, &f->copies, 1.0, 8, &c);
    assert_string_equal(a.at, b.at);
    assert_string_not_equal(a.at, c.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_has_the_turns_the_base_was_trained_on),
        cmocka_unit_test(what_is_written_is_copied_whatever_is_asked_for),
        cmocka_unit_test(the_same_arguments_give_the_same_bytes),
    };
    return cmocka_run_group_tests_name("engine/writer", tests, NULL, NULL);
}
