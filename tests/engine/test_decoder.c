#include "tests/support/data.h"
#include "tests/support/test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "engine/model/decoder.h"
#include "engine/model/decoder_base.h"

#include <math.h>

enum {
    MODEL_ARENA_BYTES = 2040 << 20,
    CAPACITY = 512,
    STEP = 512, /* of tests/golden/llama.jsonl */
    GOLDEN_TEXTS = 4,
    IDS_MAX = 2048,
};

static const float golden_tolerance = 1e-4f; /* of the largest logit */

static struct decoder_base *base; /* opened once */

/* A decoder of it on one CPU row. */
struct fixture {
    struct arena arena;
    struct kernels kernels;
    struct decoder *decoder;
    struct decoder_session *session;
    struct err err;
};

static void open_base(void)
{
    char path[4096];
    struct err err;
    const char *found = test_decoder_path("model.gguf", path);

    if (!base && decoder_base_open(found, &base, &err))
        fail_msg("%s", err.message);
}

static void open_decoder(struct fixture *f, enum dense_precision precision, enum cpu cpu)
{
    open_base();
    arena_init(&f->arena, MODEL_ARENA_BYTES);
    kernels_init(&f->kernels, cpu);
    if (decoder_new(&(struct decoder_weights){ .file = &base->llama }, precision, &f->kernels,
                    &f->arena, &f->decoder, &f->err) ||
        decoder_session_new(f->decoder, &f->kernels, CAPACITY, &f->arena, &f->session, &f->err))
        fail_msg("%s", f->err.message);
}

static struct decoder_text *new_text(struct fixture *f, size_t capacity)
{
    struct decoder_text *text;

    if (decoder_text_new(f->decoder, capacity, &f->arena, &text, &f->err))
        fail_msg("%s", f->err.message);
    return text;
}

/* The logits of every token of a text, (n_ids, V). */
static float *all_logits(struct fixture *f, const int32_t *ids, size_t n_ids)
{
    const struct llama_config *c = decoder_config(f->decoder);
    float *states = arena_array(&f->arena, float, n_ids * c->width);
    float *logits = arena_array(&f->arena, float, n_ids * c->n_words);

    assert_true(states && logits);
    decoder_read(f->session, new_text(f, n_ids), ids, n_ids, n_ids, states);
    decoder_logits(f->session, states, n_ids, logits);
    return logits;
}

static double log_sum_exp(const float *logits, size_t n)
{
    double highest = (double)logits[0], sum = 0.0;

    for (size_t i = 0; i < n; i++)
        highest = fmax(highest, (double)logits[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - highest);
    return highest + log(sum);
}

/* The sum of -ln p over the tokens from the second on. */
static double nats_of(const float *logits, const int32_t *ids, size_t n_ids, size_t n_words)
{
    double nats = 0.0;

    for (size_t i = 1; i < n_ids; i++, logits += n_words)
        nats += log_sum_exp(logits, n_words) - (double)logits[ids[i]];
    return nats;
}

static double number_of(const struct json *v)
{
    double number = 0.0;

    assert_true(v && json_to_double(v, &number));
    return number;
}

/* Line i of the golden file: its ids, up to CAPACITY. */
static const struct json *golden_text(struct arena *arena, size_t index, int32_t *ids,
                                      size_t *ret_n_ids)
{
    char path[4096];
    struct str lines;
    struct json *text;
    struct err err;

    if (fs_read_file(test_source_path("tests/golden/llama.jsonl", path), 1 << 20, arena, &lines,
                     &err))
        fail_msg("%s", err.message);
    const char *line = lines.at;
    for (size_t i = 0; i < index; i++)
        line = strchr(line, '\n') + 1;
    assert_int_equal(json_parse((struct str){ line, (size_t)(strchr(line, '\n') - line) },
                                JSON_DUPLICATES_REFUSED, arena, &text, &err),
                     RC_OK);
    const struct json *v = json_find(text, "ids");
    assert_true(v && v->n <= CAPACITY);
    for (size_t i = 0; i < v->n; i++)
        ids[i] = (int32_t)number_of(&v->items[i]);
    *ret_n_ids = v->n;
    return text;
}

static void f32_logits_are_within_1e4_of_transformers(void **state)
{
    struct fixture f;
    int32_t ids[CAPACITY];
    size_t n_ids;
    (void)state;

    open_decoder(&f, DENSE_F32, cpu_best());
    size_t n_words = decoder_config(f.decoder)->n_words;
    for (size_t t = 0; t < GOLDEN_TEXTS; t++) {
        const struct json *text = golden_text(&f.arena, t, ids, &n_ids);
        const struct json *rows = json_find(text, "rows");
        const float *logits = all_logits(&f, ids, n_ids);

        for (size_t r = 0; r < rows->n; r++) {
            size_t position = (size_t)number_of(json_find(&rows->items[r], "position"));
            double largest = number_of(json_find(&rows->items[r], "largest"));
            const struct json *want = json_find(&rows->items[r], "logits");

            for (size_t i = 0; i < want->n; i++) {
                double got = (double)logits[position * n_words + i * STEP];
                if (!(fabs(got - number_of(&want->items[i])) <= (double)golden_tolerance * largest))
                    fail_msg("text %zu, position %zu, word %zu: %g, not %g", t, position, i * STEP,
                             got, number_of(&want->items[i]));
            }
        }
        double nats = number_of(json_find(text, "nats"));
        assert_true(fabs(nats_of(logits, ids, n_ids, n_words) - nats) <= 1e-4 * nats);
    }
    arena_release(&f.arena);
}

/* States of a text that is read piece after piece. */
static void read_in_pieces(struct fixture *f, struct decoder_text *text, const int32_t *ids,
                           size_t n_ids, size_t piece, float *states)
{
    size_t width = decoder_config(f->decoder)->width;

    for (size_t at = 0, n; at < n_ids; at += n) {
        n = n_ids - at < piece ? n_ids - at : piece;
        decoder_read(f->session, text, ids + at, n, n, states + at * width);
    }
}

static void states_do_not_depend_on_how_a_text_is_cut_or_where_its_prefix_was_read(void **state)
{
    enum { N = 150, PREFIX = 70 };
    struct fixture f;
    int32_t ids[CAPACITY];
    size_t n_ids;
    (void)state;

    open_decoder(&f, DENSE_INT8, cpu_best());
    golden_text(&f.arena, 3, ids, &n_ids);
    size_t width = decoder_config(f.decoder)->width, n = N * width;
    float *want = arena_array(&f.arena, float, n), *got = arena_array(&f.arena, float, n);
    struct decoder_text *whole = new_text(&f, N), *fork = new_text(&f, N + 100);
    read_in_pieces(&f, whole, ids, N, N, want);
    read_in_pieces(&f, new_text(&f, N), ids, N, 7, got);
    assert_memory_equal(want, got, n * sizeof(float));

    /* the text began with a prefix that another text had read, and went on otherwise */
    decoder_read(f.session, fork, ids + 1, 20, 0, NULL);
    decoder_text_copy(fork, whole, PREFIX);
    assert_int_equal(decoder_text_length(fork), PREFIX);
    read_in_pieces(&f, fork, ids + PREFIX, N - PREFIX, 1, got);
    assert_memory_equal(want + PREFIX * width, got, (N - PREFIX) * width * sizeof(float));

    /* of a longer call, the states of the last tokens alone */
    decoder_read(f.session, new_text(&f, N), ids, N, 3, got);
    assert_memory_equal(want + (N - 3) * width, got, 3 * width * sizeof(float));
    arena_release(&f.arena);
}

static void logits_are_the_same_bytes_on_every_cpu(void **state)
{
    enum { N = 6 };
    struct fixture f;
    int32_t ids[CAPACITY];
    size_t n_ids, n = 0;
    float *want = NULL;
    struct arena kept;
    (void)state;

    arena_init(&kept, 64 << 20);
    for (enum cpu cpu = CPU_SCALAR; cpu <= cpu_best(); cpu++) {
        open_decoder(&f, DENSE_INT8, cpu);
        golden_text(&f.arena, 1, ids, &n_ids);
        n = N * decoder_config(f.decoder)->n_words;
        const float *logits = all_logits(&f, ids, N);
        if (want) {
            assert_memory_equal(want, logits, n * sizeof(float));
        } else {
            want = arena_array(&kept, float, n);
            assert_non_null(want);
            memcpy(want, logits, n * sizeof(float));
        }
        arena_release(&f.arena);
    }
    arena_release(&kept);
}

/* Texts of people, some IDS_MAX tokens. */
static size_t real_ids(struct arena *arena, int32_t *ids)
{
    char path[4096];
    struct fs_map lines;
    struct json *line;
    struct buf all;
    struct err err;
    size_t n_ids = 0;

    if (fs_map_open(test_data_path("banking77/train.jsonl", path), &lines, &err))
        fail_msg("%s", err.message);
    buf_init(&all, 1 << 16);
    const char *at = (const char *)lines.at;
    for (size_t i = 0; all.len < 7600; i++, at = strchr(at, '\n') + 1)
        if (i % 20 == 0) { /* of many intents: the file is in their order */
            assert_int_equal(json_parse((struct str){ at, (size_t)(strchr(at, '\n') - at) },
                                        JSON_DUPLICATES_REFUSED, arena, &line, &err),
                             RC_OK);
            buf_append_str(&all, json_find(line, "input")->text);
            buf_append_char(&all, '\n');
        }
    fs_map_close(&lines);
    if (bpe_encode(base->bpe, buf_str(&all), IDS_MAX, ids, &n_ids, &err))
        fail_msg("%s", err.message);
    buf_release(&all);
    return n_ids;
}

static void int8_raises_perplexity_by_at_most_a_hundredth(void **state)
{
    static const enum dense_precision precisions[] = { DENSE_INT8, DENSE_F32 };
    static int32_t ids[IDS_MAX];
    double nats[2] = { 0 };
    size_t n_ids = 0;
    (void)state;

    for (size_t p = 0; p < 2; p++) {
        struct fixture f;

        open_decoder(&f, precisions[p], cpu_best());
        n_ids = real_ids(&f.arena, ids);
        for (size_t at = 0, n; at + 1 < n_ids; at += n) { /* texts of CAPACITY tokens */
            n = n_ids - at < CAPACITY ? n_ids - at : CAPACITY;
            nats[p] += nats_of(all_logits(&f, ids + at, n), ids + at, n,
                               decoder_config(f.decoder)->n_words);
        }
        arena_release(&f.arena);
    }
    double rise = exp((nats[0] - nats[1]) / (double)(n_ids - 1)) - 1.0;
    print_message("# %zu tokens: perplexity %.3f, %+.3f %%\n", n_ids,
                  exp(nats[1] / (double)(n_ids - 1)), 100 * rise);
    assert_true(n_ids > IDS_MAX / 2 && rise <= 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_logits_are_within_1e4_of_transformers),
        cmocka_unit_test(states_do_not_depend_on_how_a_text_is_cut_or_where_its_prefix_was_read),
        cmocka_unit_test(int8_raises_perplexity_by_at_most_a_hundredth),
        cmocka_unit_test(logits_are_the_same_bytes_on_every_cpu),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    decoder_base_close(base);
    return failed;
}
