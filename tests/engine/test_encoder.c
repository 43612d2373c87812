#include "tests/engine/tiny_bert.h"
#include "tests/support/data.h"
#include "tests/support/test.h"

#include "base/arena.h"
#include "base/fs.h"
#include "base/json.h"
#include "engine/model/encoder.h"
#include "engine/safetensors/safetensors.h"

#include <math.h>
#include <string.h>

enum { ARENA_BYTES = 256 << 20, TEXTS_MAX = 64 };

/* The base, its golden texts, and what transformers says their means are. */
struct fixture {
    struct arena arena;
    struct fs_map map;
    struct bert bert;
    size_t n_texts;
    struct encoder_text texts[TEXTS_MAX];
    double *means[TEXTS_MAX]; /* (C,) each */
    struct err err;
};

static void open_base(struct fixture *f)
{
    char path[4096];
    struct bert_config config;
    struct safetensors *file;
    struct str json;

    arena_init(&f->arena, ARENA_BYTES);
    if (fs_read_file(test_base_path("config.json", path), 1 << 16, &f->arena, &json, &f->err) ||
        bert_config_parse(json, &config, &f->err) ||
        fs_map_open(test_base_path("model.safetensors", path), &f->map, &f->err) ||
        safetensors_parse(f->map.at, f->map.len, &f->arena, &file, &f->err) ||
        bert_open(&config, file, NULL, &f->arena, &f->bert, &f->err))
        fail_msg("%s", f->err.message);
}

static void read_text(struct fixture *f, struct str line)
{
    size_t width = f->bert.layout.config.width;
    struct json *v;

    if (json_parse(line, JSON_DUPLICATES_REFUSED, &f->arena, &v, &f->err))
        fail_msg("%s", f->err.message);
    const struct json *ids = json_find(v, "ids"), *mean = json_find(v, "mean");
    if (!ids)
        return; /* the line that says who made the file */
    int32_t *values = arena_array(&f->arena, int32_t, ids->n);
    for (size_t i = 0; i < ids->n; i++) {
        int64_t id;
        assert_true(json_to_i64(&ids->items[i], &id));
        values[i] = (int32_t)id;
    }
    assert_true(f->n_texts < TEXTS_MAX && mean->n == width);
    double *means = f->means[f->n_texts] = arena_array(&f->arena, double, width);
    for (size_t c = 0; c < width; c++)
        assert_true(json_to_double(&mean->items[c], &means[c]));
    f->texts[f->n_texts++] = (struct encoder_text){ values, ids->n };
}

static void open_fixture(struct fixture *f)
{
    char path[4096];
    struct str lines;

    *f = (struct fixture){ 0 };
    open_base(f);
    if (fs_read_file(test_source_path("tests/golden/encoder.jsonl", path), 1 << 20, &f->arena,
                     &lines, &f->err))
        fail_msg("%s", f->err.message);
    for (size_t at = 0; at < lines.len;) {
        size_t len =
            (size_t)((const char *)memchr(lines.at + at, '\n', lines.len - at) - (lines.at + at));
        read_text(f, (struct str){ lines.at + at, len });
        at += len + 1;
    }
}

static void close_fixture(struct fixture *f)
{
    fs_map_close(&f->map);
    arena_release(&f->arena);
}

static struct encoder *new_encoder(struct fixture *f, enum dense_precision precision)
{
    struct encoder *encoder;
    struct kernels kernels;

    kernels_init(&kernels, cpu_best());
    if (encoder_new(&f->bert, precision, &kernels, &f->arena, &encoder, &f->err))
        fail_msg("%s", f->err.message);
    return encoder;
}

/* The vectors (n_texts, C) of all texts, in one run. */
static float *run(struct fixture *f, const struct encoder *encoder, enum cpu cpu, struct pool *pool)
{
    float *vectors = arena_array(&f->arena, float, f->n_texts *encoder_width(encoder));
    struct encoder_session *session;
    struct kernels kernels;
    struct arena arena;

    arena_init(&arena, ARENA_BYTES);
    kernels_init(&kernels, cpu);
    if (encoder_session_new(encoder, &kernels, pool_n_workers(pool), &arena, &session, &f->err))
        fail_msg("%s", f->err.message);
    arena_seal(&arena); /* a run allocates nothing */
    encoder_run(session, pool, f->texts, f->n_texts, vectors);
    arena_release(&arena);
    return vectors;
}

static double length(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

static void the_base_has_every_tensor_of_the_table(void **state)
{
    struct fixture f;
    (void)state;

    open_fixture(&f);
    /* 22,713,216 F32 values in the file, of which the pooler we leave out has 384 * 385 */
    assert_int_equal(f.bert.layout.n_values, 22713216 - 384 * 385);
    close_fixture(&f);
}

static void f32_vectors_are_within_1e5_of_transformers(void **state)
{
    struct fixture f;
    (void)state;

    open_fixture(&f);
    const float *vectors = run(&f, new_encoder(&f, DENSE_F32), cpu_best(), NULL);
    assert_int_equal(f.n_texts, 12);
    for (size_t i = 0; i < f.n_texts; i++) {
        size_t width = f.bert.layout.config.width;
        double scale = length(f.means[i], width), worst = 0;

        for (size_t c = 0; c < width; c++) /* in the size of transformers' own values */
            worst = fmax(worst, fabs(vectors[i * width + c] * scale - f.means[i][c]));
        if (!(worst <= 1e-5))
            fail_msg("text %zu of %zu tokens: differs by %g", i, f.texts[i].n_ids, worst);
    }
    close_fixture(&f);
}

static void int8_vectors_keep_a_cosine_of_0_995(void **state)
{
    struct fixture f;
    (void)state;

    open_fixture(&f);
    const float *vectors = run(&f, new_encoder(&f, DENSE_INT8), cpu_best(), NULL);
    for (size_t i = 0; i < f.n_texts; i++) {
        size_t width = f.bert.layout.config.width;
        double cosine = 0;

        for (size_t c = 0; c < width; c++)
            cosine += vectors[i * width + c] * f.means[i][c] / length(f.means[i], width);
        if (!(cosine >= 0.995))
            fail_msg("text %zu of %zu tokens: cosine %g", i, f.texts[i].n_ids, cosine);
    }
    close_fixture(&f);
}

static void the_base_gives_the_same_bytes_on_every_cpu(void **state)
{
    struct fixture f;
    (void)state;

    open_fixture(&f);
    f.texts[0] = f.texts[5]; /* two short sentences: the scalar row is slow */
    f.texts[1] = f.texts[11];
    f.n_texts = 2;
    const struct encoder *encoder = new_encoder(&f, DENSE_INT8);
    const float *want = run(&f, encoder, CPU_SCALAR, NULL);
    for (enum cpu cpu = CPU_AVX2; cpu <= cpu_best(); cpu++)
        assert_memory_equal(want, run(&f, encoder, cpu, NULL),
                            f.n_texts * encoder_width(encoder) * sizeof(float));
    close_fixture(&f);
}

/* Texts of 1 to 24 tokens of the tiny model. */
static void draw_texts(struct fixture *f)
{
    uint32_t draw = 3;

    for (f->n_texts = 0; f->n_texts < TEXTS_MAX; f->n_texts++) {
        size_t n_ids = 1 + tiny_bert_draw(&draw) % f->bert.layout.config.n_positions;
        int32_t *ids = arena_array(&f->arena, int32_t, n_ids);
        for (size_t i = 0; i < n_ids; i++)
            ids[i] = (int32_t)(tiny_bert_draw(&draw) % f->bert.layout.config.n_words);
        f->texts[f->n_texts] = (struct encoder_text){ ids, n_ids };
    }
}

static void a_vector_depends_on_its_text_alone(void **state)
{
    static const size_t n_workers[] = { 1, 2, 3 };
    struct fixture f = { 0 };
    (void)state;

    arena_init(&f.arena, ARENA_BYTES);
    f.bert = tiny_bert_new(&f.arena);
    draw_texts(&f);
    const struct encoder *encoder = new_encoder(&f, DENSE_INT8);
    size_t width = encoder_width(encoder);
    const float *want = run(&f, encoder, CPU_SCALAR, NULL);

    for (enum cpu cpu = CPU_SCALAR; cpu <= cpu_best(); cpu++) {
        for (size_t w = 0; w < ARRAY_LEN(n_workers); w++) {
            CLEANUP(pool_freep) struct pool *pool = NULL;
            assert_int_equal(pool_new(n_workers[w], &pool, &f.err), RC_OK);
            assert_memory_equal(want, run(&f, encoder, cpu, pool),
                                TEXTS_MAX * width * sizeof(float));
        }
        for (size_t i = 0; i < TEXTS_MAX; i++) { /* alone, and with one neighbour */
            struct fixture part = f;
            part.n_texts = 1 + i % 2;
            part.texts[0] = f.texts[i];
            assert_memory_equal(want + i * width, run(&part, encoder, cpu, NULL),
                                width * sizeof(float));
            f.arena = part.arena;
        }
    }
    arena_release(&f.arena);
}

static void int8_vectors_of_the_tiny_model_are_near_f32(void **state)
{
    struct fixture f = { 0 };
    (void)state;

    arena_init(&f.arena, ARENA_BYTES);
    f.bert = tiny_bert_new(&f.arena);
    draw_texts(&f);
    const float *x = run(&f, new_encoder(&f, DENSE_INT8), CPU_SCALAR, NULL);
    const float *y = run(&f, new_encoder(&f, DENSE_F32), CPU_SCALAR, NULL);
    for (size_t i = 0; i < TEXTS_MAX; i++) {
        double cosine = 0;
        for (size_t c = 0; c < 32; c++)
            cosine += (double)x[i * 32 + c] * y[i * 32 + c];
        if (!(cosine > 0.999))
            fail_msg("text %zu: cosine %g", i, cosine);
    }
    arena_release(&f.arena);
}

static void more_texts_than_one_round_of_groups_are_all_encoded(void **state)
{
    enum { N = 3000 };
    struct fixture f = { 0 };
    struct encoder_session *session;
    struct kernels kernels;
    static struct encoder_text texts[N];
    (void)state;

    arena_init(&f.arena, ARENA_BYTES);
    f.bert = tiny_bert_new(&f.arena);
    draw_texts(&f);
    const struct encoder *encoder = new_encoder(&f, DENSE_INT8);
    const float *want = run(&f, encoder, cpu_best(), NULL);
    float *got = arena_array(&f.arena, float, N * 32);
    for (size_t i = 0; i < N; i++)
        texts[i] = f.texts[i % TEXTS_MAX];
    kernels_init(&kernels, cpu_best());
    assert_int_equal(encoder_session_new(encoder, &kernels, 1, &f.arena, &session, &f.err), RC_OK);
    encoder_run(session, NULL, texts, N, got);
    for (size_t i = 0; i < N; i++)
        assert_memory_equal(got + i * 32, want + i % TEXTS_MAX * 32, 32 * sizeof(float));
    arena_release(&f.arena);
}

static void weights_that_are_no_numbers_are_refused(void **state)
{
    static const float odd[] = { NAN, INFINITY, -INFINITY };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(odd); i++) { /* reliability.md S20 */
        struct fixture f = { 0 };
        struct encoder *encoder;
        struct kernels kernels;

        kernels_init(&kernels, i % 2 ? CPU_SCALAR : cpu_best());
        arena_init(&f.arena, ARENA_BYTES);
        f.bert = tiny_bert_new(&f.arena);
        ((float *)bert_values(&f.bert, BERT_DOWN_WEIGHT, 1))[77] = odd[i];
        assert_int_equal(encoder_new(&f.bert, DENSE_INT8, &kernels, &f.arena, &encoder, &f.err),
                         RC_CORRUPT);
        assert_string_equal(f.err.message, "tensor 'encoder.layer.1.output.dense.weight' has a "
                                           "value that is not finite");
        arena_release(&f.arena);
    }
}

static void every_failing_allocation_is_reported(void **state)
{
    struct fixture f = { 0 };
    enum rc rc = RC_OK;
    (void)state;

    arena_init(&f.arena, ARENA_BYTES);
    f.bert = tiny_bert_new(&f.arena);
    FOR_EACH_FAILING_ALLOC (nth) {
        struct encoder_session *session;
        struct encoder *encoder;
        struct kernels kernels;
        struct arena arena;

        arena_init(&arena, ARENA_BYTES);
        kernels_init(&kernels, CPU_SCALAR);
        rc = encoder_new(&f.bert, nth % 2 ? DENSE_INT8 : DENSE_F32, &kernels, &arena, &encoder,
                         &f.err);
        if (!rc)
            rc = encoder_session_new(encoder, &kernels, 1, &arena, &session, &f.err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
    arena_release(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_base_has_every_tensor_of_the_table),
        cmocka_unit_test(f32_vectors_are_within_1e5_of_transformers),
        cmocka_unit_test(int8_vectors_keep_a_cosine_of_0_995),
        cmocka_unit_test(the_base_gives_the_same_bytes_on_every_cpu),
        cmocka_unit_test(a_vector_depends_on_its_text_alone),
        cmocka_unit_test(int8_vectors_of_the_tiny_model_are_near_f32),
        cmocka_unit_test(more_texts_than_one_round_of_groups_are_all_encoded),
        cmocka_unit_test(weights_that_are_no_numbers_are_refused),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
