#include "tests/engine/tiny_gguf.h"
#include "tests/engine/train/tiny_llama.h"
#include "tests/support/temp.h"

#include "base/mem.h"
#include "engine/author.h"
#include "engine/train/llama_adapter.h"

static const struct digest base_digest = {
    "4a5f0e1e6ee8d7bb66fe6cf5c0d1ba8d7b0e67a2b42e3b3f0d7a5a0a5d3c2b1a"
};

/* "Dear Ilse. We wait!", were it not for the draw, and for what may be copied. */
static const struct tiny_step steps[] = {
    { "\n", "Dear", NULL },         { "Dear", " Jonas", " Ilse" },
    { " Jonas", ".", NULL },        { " Ilse", ".", NULL },
    { ".", " We", " They" },        { " We", " wait", " write" },
    { " They", " wait", " write" }, { " wait", "!", NULL },
    { " write", "!", NULL },        { "!", NULL, NULL },
};

struct desk {
    struct temp_dir dir;
    struct arena arena;
    struct decoder_base *base;
    struct kernels kernels;
    struct buf adapter;
    struct copies copies;
    struct form form;
    struct author *author;
    struct err err;
};

static const struct form_field text_field = { .name = { "reply", 5 }, .kind = FORM_TEXT };

static void write_adapter(struct buf *out, const struct adapter *adapter)
{
    struct err err;

    buf_init(out, 1 << 20);
    assert_ok(adapter_append(out, adapter, NULL, 0, &err), &err);
}

static enum rc open_author(struct desk *d, const struct buf *adapter, struct author **ret_author)
{
    return author_open(d->base, (const uint8_t *)adapter->at, adapter->len, STR("Answer."),
                       &d->kernels, ret_author, &d->err);
}

static void open_desk_with(struct desk *d, enum cpu cpu, float attention)
{
    CLEANUP(buf_releasep) struct buf file = { 0 };
    const struct adapter prompted = { .kind = ADAPTER_PROMPTED, .base = base_digest };
    const struct str sources[] = { STR("Where is it? Ilse") };
    char path[TEMP_PATH_MAX];

    *d = (struct desk){ 0 };
    temp_dir_make(&d->dir);
    arena_init(&d->arena, 16 << 20);
    kernels_init(&d->kernels, cpu);
    buf_init(&file, TINY_GGUF_BYTES_MAX);
    tiny_says_append(&file, steps, ARRAY_LEN(steps), attention);
    assert_ok(
        fs_write_atomic(temp_path(&d->dir, "model.gguf", path), file.at, file.len, 0600, &d->err),
        &d->err);
    assert_ok(decoder_base_open(path, &d->base, &d->err), &d->err);
    d->base->digest = base_digest;
    assert_ok(copies_new(sources, 1, NULL, 0, &d->arena, &d->copies, &d->err), &d->err);
    d->form = (struct form){ 1, &text_field, &d->copies };
    write_adapter(&d->adapter, &prompted);
    assert_ok(open_author(d, &d->adapter, &d->author), &d->err);
}

static void open_desk(struct desk *d, enum cpu cpu)
{
    open_desk_with(d, cpu, 0.0f);
}

static void close_desk(struct desk *d)
{
    author_close(d->author);
    decoder_base_close(d->base);
    buf_release(&d->adapter);
    arena_release(&d->arena);
    temp_dir_remove(&d->dir);
}

static const char *write_text(struct desk *d, struct author_request request)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct writer_result result;

    buf_init(&out, 1 << 16);
    request.shown = STR("body: Where is it? Ilse\n");
    request.form = &d->form;
    request.max_tokens = 40;
    assert_ok(author_write(d->author, &request, &out, &result, &d->err), &d->err);
    assert_int_equal(result.end, WRITER_ENDED);
    return arena_strndup(&d->arena, out.at, out.len);
}

static void the_first_text_is_the_best_that_may_be_copied(void **state)
{
    struct desk d;
    (void)state;

    open_desk(&d, cpu_best());
    assert_string_equal(write_text(&d, (struct author_request){ 0 }), "Dear Ilse. We wait!");
    close_desk(&d);
}

static void a_text_that_is_begun_goes_on_with_another_token(void **state)
{
    struct desk d;
    (void)state;

    open_desk(&d, cpu_best());
    assert_string_equal(write_text(&d, (struct author_request){ .begun = STR("Dear Ilse.") }),
                        "Dear Ilse. We wait!");
    assert_string_equal(write_text(&d, (struct author_request){ .begun = STR("Dear Ilse."),
                                                                .not_next = STR(" We wait!") }),
                        "Dear Ilse. They wait!");
    close_desk(&d);
}

static void a_draw_is_a_function_of_its_seed_on_every_cpu(void **state)
{
    struct desk d, scalar;
    size_t n_other = 0;
    (void)state;

    open_desk(&d, cpu_best());
    open_desk(&scalar, CPU_SCALAR);
    for (uint64_t seed = 0; seed < 20; seed++) {
        const struct author_request draw = { .temperature = 0.7, .seed = seed };
        const char *text = write_text(&d, draw);

        assert_string_equal(write_text(&d, draw), text);
        assert_string_equal(write_text(&scalar, draw), text);
        n_other += strcmp(text, "Dear Ilse. We wait!") != 0;
    }
    assert_true(n_other > 2 && n_other < 20);
    close_desk(&scalar);
    close_desk(&d);
}

/* Writes behind a whole prompt, without an author. */
static const char *write_plainly(struct desk *d, const char *instructions, struct str shown)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct author_prompt prompt = { 0 };
    struct decoder_session *session;
    struct decoder_text *text;
    struct decoder *decoder;
    struct writer_result result;
    const struct decoder_weights weights = { .file = &d->base->llama };

    buf_init(&out, 1 << 16);
    assert_ok(author_prompt(d->base->bpe, str_of(instructions), shown, &d->arena, &prompt, &d->err),
              &d->err);
    assert_ok(decoder_new(&weights, DENSE_INT8, &d->kernels, &d->arena, &decoder, &d->err),
              &d->err);
    assert_ok(decoder_session_new(decoder, &d->kernels, 128, &d->arena, &session, &d->err),
              &d->err);
    assert_ok(decoder_text_new(decoder, 128, &d->arena, &text, &d->err), &d->err);
    const struct writer writer = { .decoder = decoder,
                                   .session = session,
                                   .bpe = d->base->bpe,
                                   .form = &d->form,
                                   .max_tokens = 24 };
    assert_ok(writer_write(&writer, text, prompt.ids, prompt.n_ids, &out, &result, &d->err),
              &d->err);
    return arena_strndup(&d->arena, out.at ? out.at : "", out.len);
}

static void the_instructions_read_once_are_as_those_read_every_time(void **state)
{
    const struct str shown = STR("We wait! Dear Ilse.");
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct writer_result result;
    struct desk d;
    (void)state;

    open_desk_with(&d, cpu_best(), 0.4f); /* what is written depends on all that was read */
    const struct author_request request = { .shown = shown, .form = &d.form, .max_tokens = 24 };
    const char *want = write_plainly(&d, "Answer.", shown);
    for (int i = 0; i < 2; i++) {
        buf_init(&out, 1 << 16);
        assert_ok(author_write(d.author, &request, &out, &result, &d.err), &d.err);
        assert_int_equal(out.len, strlen(want));
        assert_memory_equal(out.at, want, out.len);
        buf_release(&out);
    }
    assert_string_not_equal(write_plainly(&d, "Dear! We wait.", shown), want);
    close_desk(&d);
}

static void what_does_not_fit_the_model_is_refused_and_never_cut(void **state)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct writer_result result;
    char shown[TINY_POSITIONS + 1];
    struct desk d;
    (void)state;

    open_desk(&d, cpu_best());
    memset(shown, '\n', TINY_POSITIONS);
    memset(shown, '!', TINY_POSITIONS / 2);
    shown[TINY_POSITIONS] = '\0';
    buf_init(&out, 1 << 16);
    struct author_request request = { .form = &d.form, .max_tokens = 16 };
    request.shown = (struct str){ shown, TINY_POSITIONS / 2 };
    assert_int_equal(author_write(d.author, &request, &out, &result, &d.err), RC_OK);
    request.max_tokens = AUTHOR_WRITTEN_MAX;
    assert_int_equal(author_write(d.author, &request, &out, &result, &d.err), RC_LIMIT);
    request.shown = STR("\xff");
    assert_int_equal(author_write(d.author, &request, &out, &result, &d.err), RC_INVALID);
    close_desk(&d);
}

static void an_adapter_that_is_not_of_this_base_or_kind_is_refused(void **state)
{
    struct str labels[] = { STR("a"), STR("b") };
    struct adapter_field field = { .name = STR("f"), .n_labels = 2, .labels = labels };
    const struct {
        struct adapter adapter;
        enum rc rc;
        const char *message;
    } cases[] = {
        { { .kind = ADAPTER_PROMPTED, .base = { "00" } }, RC_CORRUPT, "SHA-256" },
        { { .kind = ADAPTER_PROMPTED,
            .base = { "000f0e1e6ee8d7bb66fe6cf5c0d1ba8d7b0e67a2b42e3b3f0d"
                      "7a5a0a5d3c2b1a" } },
          RC_INVALID,
          "it stands on the base 000f0e1e6ee8" },
        { { .kind = ADAPTER_PROMPTED, .base = base_digest, .lora_alpha = 2.0f },
          RC_CORRUPT,
          "a prompted adapter has no tensors" },
        { { .kind = ADAPTER_LORA, .base = base_digest }, RC_CORRUPT, "no 'lora_alpha'" },
        { { .kind = ADAPTER_LORA, .base = base_digest, .lora_alpha = 2.0f },
          RC_CORRUPT,
          "does not give a rank" },
        { { .kind = ADAPTER_LINEAR, .n_fields = 1, .fields = &field },
          RC_INVALID,
          "a linear adapter chooses" },
        { { .kind = ADAPTER_PROMPTED, .base = base_digest, .n_fields = 1, .fields = &field },
          RC_CORRUPT,
          "has no fields" },
    };
    struct desk d;
    (void)state;

    open_desk(&d, cpu_best());
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_releasep) struct buf file = { 0 };
        struct author *author;

        write_adapter(&file, &cases[i].adapter);
        assert_int_equal(open_author(&d, &file, &author), cases[i].rc);
        if (!strstr(d.err.message, cases[i].message))
            fail_msg("case %zu: %s", i, d.err.message);
    }
    close_desk(&d);
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_NOMEM;
    struct desk d;
    (void)state;

    open_desk(&d, cpu_best());
    FOR_EACH_FAILING_ALLOC (nth) {
        struct author *author = NULL;

        rc = open_author(&d, &d.adapter, &author);
        author_close(author);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
    }
    assert_int_equal(rc, RC_OK);
    FOR_EACH_FAILING_ALLOC (nth) {
        const struct author_request request = { .form = &d.form,
                                                .max_tokens = 16,
                                                .begun = STR("Dear") };
        CLEANUP(buf_releasep) struct buf out = { 0 };
        struct writer_result result;

        buf_init(&out, 1 << 16);
        rc = author_write(d.author, &request, &out, &result, &d.err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
    }
    assert_int_equal(rc, RC_OK);
    close_desk(&d);
}

/* ---- LoRA: what serves is what was trained */

/* -log p of the tokens from n_prompt on, by a decoder that has read the row. */
static double loss_of(const struct decoder *decoder, struct decoder_session *session,
                      const struct llama_row *row, struct arena *arena)
{
    size_t n_words = tiny_llama_config.n_words, width = tiny_llama_config.width;
    float *states = arena_array(arena, float, row->n_tokens *width);
    float *logits = arena_array(arena, float, row->n_tokens *n_words);
    struct decoder_text *text;
    struct err err;
    double loss = 0.0;

    assert_ok(decoder_text_new(decoder, tiny_llama_config.n_positions, arena, &text, &err), &err);
    decoder_read(session, text, row->tokens, row->n_tokens, row->n_tokens, states);
    decoder_logits(session, states, row->n_tokens, logits);
    for (size_t i = row->n_prompt; i < row->n_tokens; i++) {
        const float *z = logits + (i - 1) * n_words;
        double sum = 0.0;

        for (size_t w = 0; w < n_words; w++)
            sum += exp((double)z[w]);
        loss += log(sum) - (double)z[row->tokens[i]];
    }
    return loss;
}

static void merged_weights_give_the_loss_that_training_has(void **state)
{
    static struct tiny_vocabulary vocabulary;
    CLEANUP(buf_releasep) struct buf bytes = { 0 };
    struct kernels kernels;
    struct tiny_llama tiny;
    struct decoder_weights weights = { 0 };
    struct decoder *merged, *plain;
    struct decoder_session *session, *plain_session;
    struct llama_file file;
    struct gguf *gguf;
    size_t n_changed = 0;
    struct err err;
    (void)state;

    tiny_llama_init(&tiny);
    kernels_init(&kernels, cpu_best());
    buf_init(&bytes, TINY_GGUF_BYTES_MAX);
    for (vocabulary.n = 0; vocabulary.n < tiny_llama_config.n_words; vocabulary.n++)
        snprintf(vocabulary.tokens[vocabulary.n], TINY_TOKEN_BYTES, "t%zu", vocabulary.n);
    tiny_gguf_append(&bytes, &tiny.llama, &vocabulary);
    assert_ok(gguf_parse((const uint8_t *)bytes.at, bytes.len, &tiny.arena, &gguf, &err), &err);
    assert_ok(llama_file_open(gguf, &tiny.arena, &file, &err), &err);
    weights.file = &file;
    assert_ok(decoder_new(&weights, DENSE_F32, &kernels, &tiny.arena, &plain, &err), &err);
    weights.lora = &tiny.net.lora;
    weights.lora_values = tiny.values;
    assert_ok(decoder_new(&weights, DENSE_F32, &kernels, &tiny.arena, &merged, &err), &err);
    assert_ok(decoder_session_new(merged, &kernels, 16, &tiny.arena, &session, &err), &err);
    assert_ok(decoder_session_new(plain, &kernels, 16, &tiny.arena, &plain_session, &err), &err);
    for (size_t i = 0; i < ARRAY_LEN(tiny_rows); i++) {
        const struct llama_row *row = &tiny_rows[i];
        double want = llama_network_pass(&tiny.net, &tiny.memory, &row, 1, 1.0);
        double got = loss_of(merged, session, row, &tiny.arena);
        double without = loss_of(plain, plain_session, row, &tiny.arena);

        if (!(fabs(got - want) <= 1e-5 * want))
            fail_msg("row %zu: %.9g, expected %.9g", i, got, want);
        n_changed += fabs(without - want) > 0.01 * want;
    }
    assert_true(n_changed > ARRAY_LEN(tiny_rows) / 2); /* else the LoRA would show nothing */
    arena_release(&tiny.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_text_is_the_best_that_may_be_copied),
        cmocka_unit_test(a_text_that_is_begun_goes_on_with_another_token),
        cmocka_unit_test(a_draw_is_a_function_of_its_seed_on_every_cpu),
        cmocka_unit_test(the_instructions_read_once_are_as_those_read_every_time),
        cmocka_unit_test(what_does_not_fit_the_model_is_refused_and_never_cut),
        cmocka_unit_test(an_adapter_that_is_not_of_this_base_or_kind_is_refused),
        cmocka_unit_test(every_failing_allocation_is_reported),
        cmocka_unit_test(merged_weights_give_the_loss_that_training_has),
    };
    return cmocka_run_group_tests_name("engine/author", tests, NULL, NULL);
}
