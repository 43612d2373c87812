#include "tests/engine/tiny_bert.h"
#include "tests/support/data.h"
#include "tests/support/test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "engine/linear/linear.h"
#include "engine/model/encoder.h"
#include "engine/predictor.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { ARENA_BYTES = 64 << 20, N_LABELS = 5, WIDTH = 32, RANK = 4, TENSORS_MAX = 16, N_TEXTS = 8 };

#define TEXT(literal)                  \
    {                                  \
        (literal), sizeof(literal) - 1 \
    } /* STR() is no constant */

static const struct str texts[N_TEXTS] = {
    { "", 0 },
    TEXT("my card is late"),
    TEXT("refunded, refunded."),
    TEXT("the order"),
    TEXT("pays the pay cards is my order"),
    TEXT("late late late late late late late late late late late late late"),
    TEXT("unknown words here"),
    TEXT("my order, my card."),
};

static struct str issues[] = { TEXT("billing"), TEXT("delivery"), TEXT("other") };
static struct str priorities[] = { TEXT("low"), TEXT("high") };
static struct adapter_field fields[] = { { TEXT("issue"), false, 3, issues, 0 },
                                         { TEXT("priority"), false, 2, priorities, 3 } };

/* A tiny base, and what adapters of every kind are made of. */
struct fixture {
    struct arena arena;
    struct encoder_base base;
    float head_weights[N_LABELS * WIDTH], head_bias[N_LABELS];
    float query[WIDTH * WIDTH];                    /* in the place of the base's */
    float lora_a[RANK * 64], lora_b[WIDTH * RANK]; /* of the second layer's down projection */
    float shares[2];
    struct linear_model *linear;
    struct err err;
};

static void draw(float *x, size_t n, uint32_t *state)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)tiny_bert_draw(state) / (1 << 24) - 0.5f;
}

static struct linear_model *new_linear(struct fixture *f)
{
    struct linear_model *model = arena_new(&f->arena, struct linear_model);
    struct arena scratch;
    uint32_t state = 5;

    arena_init(&scratch, ARENA_BYTES);
    if (linear_vocabulary_count(texts, N_TEXTS, 1000, &scratch, &f->arena, &model->vocabulary,
                                &f->err))
        fail_msg("%s", f->err.message);
    arena_release(&scratch);
    model->n_heads = 2;
    model->heads = arena_array(&f->arena, struct linear_head, 2);
    for (size_t h = 0; h < 2; h++) {
        struct linear_head *head = &model->heads[h];
        head->n_classes = fields[h].n_labels;
        head->weights =
            arena_array(&f->arena, float, model->vocabulary.n_features * head->n_classes);
        head->bias = arena_array(&f->arena, float, head->n_classes);
        draw(head->weights, model->vocabulary.n_features * head->n_classes, &state);
    }
    return model;
}

static void open_fixture(struct fixture *f)
{
    uint32_t state = 11;

    *f = (struct fixture){ 0 };
    arena_init(&f->arena, ARENA_BYTES);
    f->base.bert = tiny_bert_new(&f->arena);
    memset(f->base.digest.hex, 'a', SHA256_HEX_LEN);
    assert_int_equal(
        wordpiece_open(str_of(tiny_bert_vocabulary), &f->arena, &f->base.wordpiece, &f->err),
        RC_OK);
    draw(f->head_weights, ARRAY_LEN(f->head_weights), &state);
    draw(f->head_bias, ARRAY_LEN(f->head_bias), &state);
    draw(f->query, ARRAY_LEN(f->query), &state);
    draw(f->lora_a, ARRAY_LEN(f->lora_a), &state);
    draw(f->lora_b, ARRAY_LEN(f->lora_b), &state);
    f->linear = new_linear(f);
    f->shares[0] = 0.25f;
    f->shares[1] = 1.0f;
}

enum part { HEADS = 1, QUERY = 2, LORA = 4, LINEAR = 8, SHARES = 16 };

static struct safetensors_tensor f32(const char *name, size_t rows, size_t columns,
                                     const float *values)
{
    return (struct safetensors_tensor){
        str_of(name),      SAFETENSORS_F32,         columns ? 2 : 1,
        { rows, columns }, (const uint8_t *)values, rows * (columns ? columns : 1) * sizeof(float)
    };
}

/* An adapter file of these parts. */
static struct str make_adapter(struct fixture *f, enum adapter_kind kind, unsigned parts)
{
    struct adapter adapter = { .kind = kind, .n_fields = 2, .fields = fields };
    struct safetensors_tensor tensors[TENSORS_MAX];
    size_t n = 0;
    struct buf out;

    if (kind != ADAPTER_LINEAR)
        adapter.base = f->base.digest;
    if (parts & HEADS) {
        tensors[n++] = f32("heads.weight", N_LABELS, WIDTH, f->head_weights);
        tensors[n++] = f32("heads.bias", N_LABELS, 0, f->head_bias);
    }
    if (parts & QUERY)
        tensors[n++] = f32("encoder.layer.0.attention.self.query.weight", WIDTH, WIDTH, f->query);
    if (parts & LORA) {
        tensors[n++] = f32("encoder.layer.1.output.dense.weight.lora_a", RANK, 64, f->lora_a);
        tensors[n++] = f32("encoder.layer.1.output.dense.weight.lora_b", WIDTH, RANK, f->lora_b);
        adapter.lora_alpha = 8.0f;
    }
    if (parts & LINEAR) {
        struct safetensors_tensor *linear;
        size_t n_linear;
        assert_int_equal(linear_tensors(f->linear, &f->arena, &linear, &n_linear, &f->err), RC_OK);
        memcpy(tensors + n, linear, n_linear * sizeof(tensors[0]));
        n += n_linear;
    }
    if (parts & SHARES)
        tensors[n++] = f32("blend.share", 2, 0, f->shares);
    buf_init(&out, 1 << 20);
    assert_int_equal(adapter_append(&out, &adapter, tensors, n, &f->err), RC_OK);
    struct str file = { arena_strndup(&f->arena, out.at, out.len), out.len };
    buf_release(&out);
    return file;
}

static struct predictor *open_predictor(struct fixture *f, struct str file, enum cpu cpu)
{
    struct predictor *p;
    struct kernels kernels;

    kernels_init(&kernels, cpu);
    if (predictor_open(&f->base, (const uint8_t *)file.at, file.len, &kernels, &p, &f->err))
        fail_msg("%s", f->err.message);
    return p;
}

static void run(struct fixture *f, const struct predictor *p, struct pool *pool,
                float scores[N_TEXTS * N_LABELS])
{
    if (predictor_run(p, texts, N_TEXTS, pool, scores, &f->err))
        fail_msg("%s", f->err.message);
}

static void check_near(double want, float got, size_t i)
{
    if (!(fabs(want - (double)got) < 1e-4))
        fail_msg("score %zu is %g, not %g", i, (double)got, want);
}

/* Log-probabilities, or a set's log odds, from the encoder's own vectors, in double. */
static void encoder_scores(struct fixture *f, const struct bert *bert, double *scores)
{
    struct encoder *encoder;
    struct encoder_session *session;
    struct kernels kernels;
    int32_t ids[24];
    float vector[WIDTH];

    kernels_init(&kernels, CPU_SCALAR);
    assert_int_equal(encoder_new(bert, DENSE_INT8, &kernels, &f->arena, &encoder, &f->err), RC_OK);
    assert_int_equal(encoder_session_new(encoder, &kernels, 1, &f->arena, &session, &f->err),
                     RC_OK);
    for (size_t t = 0; t < N_TEXTS; t++, scores += N_LABELS) {
        struct encoder_text text = { .ids = ids };
        assert_int_equal(
            wordpiece_encode(f->base.wordpiece, texts[t], 24, ids, &text.n_ids, &f->err), RC_OK);
        encoder_run(session, NULL, &text, 1, vector);
        for (size_t l = 0; l < N_LABELS; l++) {
            scores[l] = f->head_bias[l];
            for (size_t c = 0; c < WIDTH; c++)
                scores[l] += 16.0 * vector[c] * f->head_weights[l * WIDTH + c];
        }
        for (size_t i = 0; i < 2; i++) {
            double sum = 0;
            if (fields[i].is_set)
                continue;
            for (size_t l = fields[i].first; l < fields[i].first + fields[i].n_labels; l++)
                sum += exp(scores[l]);
            for (size_t l = fields[i].first; l < fields[i].first + fields[i].n_labels; l++)
                scores[l] -= log(sum);
        }
    }
}

static void a_frozen_adapter_is_its_heads_on_the_bases_vectors(void **state)
{
    struct fixture f;
    float scores[N_TEXTS * N_LABELS];
    double want[N_TEXTS * N_LABELS];
    (void)state;

    open_fixture(&f);
    CLEANUP(predictor_closep)
    struct predictor *p = open_predictor(&f, make_adapter(&f, ADAPTER_FROZEN, HEADS), cpu_best());
    run(&f, p, NULL, scores);
    encoder_scores(&f, &f.base.bert, want);
    for (size_t i = 0; i < N_TEXTS * N_LABELS; i++)
        check_near(want[i], scores[i], i);
    assert_int_equal(predictor_adapter(p)->n_labels, N_LABELS);
    arena_release(&f.arena);
}

static void a_finetuned_adapter_stands_in_for_the_bases_tensors(void **state)
{
    struct fixture f;
    float scores[N_TEXTS * N_LABELS];
    double want[N_TEXTS * N_LABELS];
    (void)state;

    open_fixture(&f);
    CLEANUP(predictor_closep)
    struct predictor *p =
        open_predictor(&f, make_adapter(&f, ADAPTER_FINETUNED, HEADS | QUERY), cpu_best());
    run(&f, p, NULL, scores);
    f.base.bert.values[bert_tensor_index(BERT_QUERY_WEIGHT, 0)] = f.query;
    encoder_scores(&f, &f.base.bert, want);
    for (size_t i = 0; i < N_TEXTS * N_LABELS; i++)
        check_near(want[i], scores[i], i);
    arena_release(&f.arena);
}

static void lora_tensors_are_merged_into_the_bases_weights(void **state)
{
    struct fixture f;
    float scores[N_TEXTS * N_LABELS], merged[WIDTH * 64];
    double want[N_TEXTS * N_LABELS], plain[N_TEXTS * N_LABELS];
    size_t index = bert_tensor_index(BERT_DOWN_WEIGHT, 1);
    (void)state;

    open_fixture(&f);
    CLEANUP(predictor_closep)
    struct predictor *p =
        open_predictor(&f, make_adapter(&f, ADAPTER_FINETUNED, HEADS | LORA), cpu_best());
    run(&f, p, NULL, scores);
    run(&f, p, NULL, scores); /* what was merged is gone: nothing may still point there */
    encoder_scores(&f, &f.base.bert, plain);
    for (size_t i = 0; i < WIDTH; i++) {
        for (size_t j = 0; j < 64; j++) {
            double sum = f.base.bert.values[index][i * 64 + j];
            for (size_t r = 0; r < RANK; r++)
                sum += 8.0 / RANK * f.lora_b[i * RANK + r] * f.lora_a[r * 64 + j];
            merged[i * 64 + j] = (float)sum;
        }
    }
    f.base.bert.values[index] = merged;
    encoder_scores(&f, &f.base.bert, want);
    double change = 0;
    for (size_t i = 0; i < N_TEXTS * N_LABELS; i++) {
        if (!(fabs(want[i] - scores[i]) < 0.02)) /* a weight may round to the other int8 */
            fail_msg("score %zu is %g, not %g", i, (double)scores[i], want[i]);
        change = fmax(change, fabs(want[i] - plain[i]));
    }
    assert_true(change > 0.2); /* so that the bound above says something */
    arena_release(&f.arena);
}

static void a_blend_is_the_geometric_mean_of_its_parts_weighed_by_their_shares(void **state)
{
    struct fixture f;
    float both[N_TEXTS * N_LABELS], linear[N_TEXTS * N_LABELS], frozen[N_TEXTS * N_LABELS];
    (void)state;

    open_fixture(&f);
    struct predictor *p[] = {
        open_predictor(&f, make_adapter(&f, ADAPTER_BLEND, HEADS | LINEAR | SHARES), cpu_best()),
        open_predictor(&f, make_adapter(&f, ADAPTER_LINEAR, LINEAR), cpu_best()),
        open_predictor(&f, make_adapter(&f, ADAPTER_FROZEN, HEADS), cpu_best()),
    };
    run(&f, p[0], NULL, both);
    run(&f, p[1], NULL, linear);
    run(&f, p[2], NULL, frozen);
    for (size_t t = 0; t < N_TEXTS; t++) {
        size_t at = t * N_LABELS;
        double sum = 0.0;

        for (size_t l = 0; l < 3; l++)
            sum += pow(exp(frozen[at + l]), 0.75) * pow(exp(linear[at + l]), 0.25);
        for (size_t l = 0; l < 3; l++)
            check_near(0.75 * frozen[at + l] + 0.25 * linear[at + l] - log(sum), both[at + l],
                       at + l);
        for (size_t l = 3; l < N_LABELS; l++) /* a share of 1: the linear part alone */
            check_near(linear[at + l], both[at + l], at + l);
    }
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        predictor_close(p[i]);
    arena_release(&f.arena);
}

static void the_labels_of_a_set_have_log_odds_of_their_own(void **state)
{
    struct fixture f;
    float both[N_TEXTS * N_LABELS], linear[N_TEXTS * N_LABELS], frozen[N_TEXTS * N_LABELS];
    double odds[N_TEXTS * N_LABELS];
    (void)state;

    open_fixture(&f);
    fields[0].is_set = true;
    encoder_scores(&f, &f.base.bert, odds);
    struct predictor *p[] = {
        open_predictor(&f, make_adapter(&f, ADAPTER_BLEND, HEADS | LINEAR | SHARES), cpu_best()),
        open_predictor(&f, make_adapter(&f, ADAPTER_LINEAR, LINEAR), cpu_best()),
        open_predictor(&f, make_adapter(&f, ADAPTER_FROZEN, HEADS), cpu_best()),
    };
    fields[0].is_set = false;
    run(&f, p[0], NULL, both);
    run(&f, p[1], NULL, linear);
    run(&f, p[2], NULL, frozen);
    for (size_t t = 0; t < N_TEXTS; t++) {
        size_t at = t * N_LABELS;

        for (size_t l = 0; l < 3; l++)
            check_near(0.75 * frozen[at + l] + 0.25 * linear[at + l], both[at + l], at + l);
        for (size_t l = 0; l < N_LABELS; l++)
            check_near(odds[at + l], frozen[at + l], at + l);
    }
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        predictor_close(p[i]);
    arena_release(&f.arena);
}

static void a_linear_adapter_needs_no_base(void **state)
{
    struct fixture f;
    struct predictor *p;
    struct kernels kernels;
    float scores[N_TEXTS * N_LABELS], want[N_LABELS];
    (void)state;

    open_fixture(&f);
    struct str file = make_adapter(&f, ADAPTER_LINEAR, LINEAR);
    kernels_init(&kernels, CPU_SCALAR);
    assert_int_equal(predictor_open(NULL, (const uint8_t *)file.at, file.len, &kernels, &p, &f.err),
                     RC_OK);
    run(&f, p, NULL, scores);
    for (size_t t = 0; t < N_TEXTS; t++) {
        struct linear_features features;
        assert_int_equal(
            linear_featurize(&f.linear->vocabulary, texts[t], &f.arena, &features, &f.err), RC_OK);
        for (size_t i = 0; i < 2; i++)
            linear_scores(&f.linear->heads[i], &features, want + fields[i].first);
        assert_memory_equal(scores + t * N_LABELS, want, sizeof(want));
    }
    predictor_close(p);
    arena_release(&f.arena);
}

struct caller {
    const struct predictor *predictor;
    const float *want;
    bool is_equal;
};

static void *call_often(void *context)
{
    struct caller *c = context;
    float scores[N_TEXTS * N_LABELS];
    struct err err;

    c->is_equal = true;
    for (int i = 0; i < 20; i++) {
        memset(scores, 0, sizeof(scores));
        c->is_equal &= predictor_run(c->predictor, texts, N_TEXTS, NULL, scores, &err) == RC_OK &&
                       memcmp(scores, c->want, sizeof(scores)) == 0;
    }
    return NULL;
}

static void scores_are_the_same_bytes_in_any_batch_thread_and_cpu(void **state)
{
    struct fixture f;
    float want[N_TEXTS * N_LABELS], got[N_TEXTS * N_LABELS];
    (void)state;

    open_fixture(&f);
    struct str file = make_adapter(&f, ADAPTER_BLEND, HEADS | QUERY | LORA | LINEAR | SHARES);
    for (enum cpu cpu = CPU_SCALAR; cpu <= cpu_best(); cpu++) {
        CLEANUP(predictor_closep) struct predictor *p = open_predictor(&f, file, cpu);
        struct caller callers[4];
        pthread_t threads[4];

        run(&f, p, NULL, cpu == CPU_SCALAR ? want : got);
        if (cpu != CPU_SCALAR)
            assert_memory_equal(want, got, sizeof(want));
        for (size_t n_workers = 1; n_workers <= 3; n_workers++) {
            CLEANUP(pool_freep) struct pool *pool = NULL;
            assert_int_equal(pool_new(n_workers, &pool, &f.err), RC_OK);
            run(&f, p, pool, got);
            assert_memory_equal(want, got, sizeof(want));
        }
        for (size_t t = 0; t < N_TEXTS; t++) {
            assert_int_equal(predictor_run(p, &texts[t], 1, NULL, got, &f.err), RC_OK);
            assert_memory_equal(want + t * N_LABELS, got, N_LABELS * sizeof(float));
        }
        for (size_t i = 0; i < 4; i++) {
            callers[i] = (struct caller){ p, want, false };
            assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
        }
        for (size_t i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
            assert_true(callers[i].is_equal);
        }
    }
    arena_release(&f.arena);
}

static void more_texts_than_one_chunk_are_all_scored(void **state)
{
    enum { N = 300 };
    static struct str many[N];
    static float scores[N * N_LABELS];
    struct fixture f;
    float want[N_TEXTS * N_LABELS];
    (void)state;

    open_fixture(&f);
    CLEANUP(predictor_closep)
    struct predictor *p =
        open_predictor(&f, make_adapter(&f, ADAPTER_BLEND, HEADS | LINEAR | SHARES), cpu_best());
    for (size_t i = 0; i < N; i++)
        many[i] = texts[i % N_TEXTS];
    run(&f, p, NULL, want);
    assert_int_equal(predictor_run(p, many, N, NULL, scores, &f.err), RC_OK);
    for (size_t i = 0; i < N; i++)
        assert_memory_equal(scores + i * N_LABELS, want + i % N_TEXTS * N_LABELS,
                            N_LABELS * sizeof(float));
    many[200] = STR("\xff");
    assert_int_equal(predictor_run(p, many, N, NULL, scores, &f.err), RC_INVALID);
    assert_string_equal(f.err.message, "text 200: text is not UTF-8 at byte 0");
    arena_release(&f.arena);
}

static void texts_that_do_not_fit_are_refused_and_never_cut(void **state)
{
    static char late[23 * 5 + 1];
    struct fixture f;
    float scores[N_LABELS];
    (void)state;

    open_fixture(&f);
    struct predictor *p[] = {
        open_predictor(&f, make_adapter(&f, ADAPTER_FROZEN, HEADS), cpu_best()),
        open_predictor(&f, make_adapter(&f, ADAPTER_LINEAR, LINEAR), cpu_best()),
    };
    for (size_t i = 0; i < 23; i++)
        memcpy(late + i * 5, "late ", 5);
    assert_int_equal(predictor_check(p[0], (struct str){ late, 22 * 5 }, &f.err), RC_OK);
    assert_int_equal(predictor_check(p[0], str_of(late), &f.err), RC_LIMIT);
    assert_string_equal(f.err.message, "text has 25 tokens, at most 24 allowed");
    struct str long_text = str_of(late);
    assert_int_equal(predictor_run(p[0], &long_text, 1, NULL, scores, &f.err), RC_LIMIT);
    assert_string_equal(f.err.message, "text 0: text has 25 tokens, at most 24 allowed");
    assert_int_equal(predictor_check(p[1], str_of(late), &f.err), RC_OK);

    struct str broken = STR("a\xc0\xaf");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(predictor_check(p[i], broken, &f.err), RC_INVALID);
        assert_int_equal(predictor_run(p[i], &broken, 1, NULL, scores, &f.err), RC_INVALID);
    }
    char *huge = arena_array(&f.arena, char, LINEAR_TEXT_BYTES_MAX + 1);
    memset(huge, 'x', LINEAR_TEXT_BYTES_MAX + 1);
    struct str huge_text = { huge, LINEAR_TEXT_BYTES_MAX + 1 };
    assert_int_equal(predictor_check(p[1], huge_text, &f.err), RC_LIMIT);
    assert_int_equal(predictor_run(p[1], &huge_text, 1, NULL, scores, &f.err), RC_LIMIT);
    predictor_close(p[0]);
    predictor_close(p[1]);
    arena_release(&f.arena);
}

static void check_refused(struct fixture *f, const struct encoder_base *base, struct str file,
                          enum rc want, const char *message)
{
    struct predictor *p;
    struct kernels kernels;

    kernels_init(&kernels, CPU_SCALAR);
    enum rc rc = predictor_open(base, (const uint8_t *)file.at, file.len, &kernels, &p, &f->err);
    if (rc != want || !strstr(f->err.message, message))
        fail_msg("%s, '%s' instead of '%s'", rc_name(rc), f->err.message, message);
}

static void adapters_that_do_not_fit_are_refused_with_a_reason(void **state)
{
    struct fixture f;
    float scores[N_LABELS];
    (void)state;

    open_fixture(&f);
    static const struct {
        enum adapter_kind kind;
        unsigned parts;
    } wrong[] = {
        { ADAPTER_LINEAR, HEADS | LINEAR }, { ADAPTER_LINEAR, 0 },
        { ADAPTER_FROZEN, HEADS | LINEAR }, { ADAPTER_FROZEN, HEADS | QUERY },
        { ADAPTER_FROZEN, HEADS | LORA },   { ADAPTER_FROZEN, 0 },
        { ADAPTER_FINETUNED, HEADS },       { ADAPTER_FINETUNED, HEADS | QUERY | LINEAR },
        { ADAPTER_BLEND, HEADS | SHARES },  { ADAPTER_BLEND, LINEAR | SHARES },
        { ADAPTER_BLEND, HEADS | LINEAR },  { ADAPTER_FROZEN, HEADS | SHARES },
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        check_refused(&f, &f.base, make_adapter(&f, wrong[i].kind, wrong[i].parts), RC_CORRUPT,
                      "its tensors are not those of");
    check_refused(&f, NULL, make_adapter(&f, ADAPTER_FROZEN, HEADS), RC_INVALID, "none is given");
    check_refused(&f, &f.base, make_adapter(&f, ADAPTER_LINEAR, LINEAR | QUERY), RC_CORRUPT,
                  "query.weight' is not one of an adapter");

    f.shares[1] = 1.5f;
    check_refused(&f, &f.base, make_adapter(&f, ADAPTER_BLEND, HEADS | LINEAR | SHARES), RC_CORRUPT,
                  "blend.share of field 1 is 1.5, expected 0 to 1");

    struct encoder_base other = f.base;
    other.digest.hex[0] = 'b';
    check_refused(&f, &other, make_adapter(&f, ADAPTER_FROZEN, HEADS), RC_INVALID,
                  "it stands on the base aaaaaaaaaaaa, given is baaaaaaaaaaa");

    fields[1].n_labels = 1; /* a head more than the fields have */
    check_refused(&f, &f.base, make_adapter(&f, ADAPTER_FROZEN, HEADS), RC_CORRUPT, "two labels");
    fields[1].n_labels = 2;
    fields[0].n_labels = 2;
    check_refused(&f, &f.base, make_adapter(&f, ADAPTER_FROZEN, HEADS), RC_CORRUPT,
                  "'heads.weight' is not F32 (4, 32)");
    check_refused(&f, &f.base, make_adapter(&f, ADAPTER_LINEAR, LINEAR), RC_CORRUPT,
                  "linear head 0 has 3 classes, 'issue' has 2 labels");
    fields[0].n_labels = 3;

    f.linear->heads[0].weights[0] = f.linear->heads[0].weights[1] = -3e38f;
    check_refused(&f, &f.base, make_adapter(&f, ADAPTER_LINEAR, LINEAR), RC_CORRUPT,
                  "tensor 'linear.weights.0': value 0 is not below 1e30");
    f.query[3] = NAN;
    check_refused(&f, &f.base, make_adapter(&f, ADAPTER_FINETUNED, HEADS | QUERY), RC_CORRUPT,
                  "not finite");
    f.head_bias[1] = INFINITY;
    CLEANUP(predictor_closep)
    struct predictor *p = open_predictor(&f, make_adapter(&f, ADAPTER_FROZEN, HEADS), CPU_SCALAR);
    assert_int_equal(predictor_run(p, texts, 1, NULL, scores, &f.err), RC_CORRUPT);
    assert_non_null(strstr(f.err.message, "a score is not finite"));
    arena_release(&f.arena);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    struct fixture f;
    struct kernels kernels;
    enum rc rc = RC_OK;
    (void)state;

    open_fixture(&f);
    struct str file = make_adapter(&f, ADAPTER_BLEND, HEADS | LORA | LINEAR | SHARES);
    kernels_init(&kernels, CPU_SCALAR);
    FOR_EACH_FAILING_ALLOC (nth) {
        CLEANUP(predictor_closep) struct predictor *p = NULL;
        float scores[N_LABELS];

        rc = predictor_open(&f.base, (const uint8_t *)file.at, file.len, &kernels, &p, &f.err);
        if (!rc)
            rc = predictor_run(p, &texts[1], 1, NULL, scores, &f.err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
    }
    assert_int_equal(rc, RC_OK);
    arena_release(&f.arena);
}

static void a_base_is_opened_from_its_folder(void **state)
{
    CLEANUP(encoder_base_closep) struct encoder_base *base = NULL;
    struct encoder_files files;
    struct digest digest = { "00" };
    struct err err = { 0 };
    char path[4096];
    (void)state;

    if (encoder_files_open(test_base_path(".", path), &files, &err) ||
        encoder_base_open(&files, &digest, &base, &err))
        fail_msg("%s", err.message);
    assert_int_equal(wordpiece_n_entries(base->wordpiece), 30522);
    assert_int_equal(base->bert.layout.config.width, 384);
    assert_int_equal(encoder_files_open("/nonexistent", &files, &err), RC_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nonexistent/config.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frozen_adapter_is_its_heads_on_the_bases_vectors),
        cmocka_unit_test(a_finetuned_adapter_stands_in_for_the_bases_tensors),
        cmocka_unit_test(lora_tensors_are_merged_into_the_bases_weights),
        cmocka_unit_test(a_blend_is_the_geometric_mean_of_its_parts_weighed_by_their_shares),
        cmocka_unit_test(the_labels_of_a_set_have_log_odds_of_their_own),
        cmocka_unit_test(a_linear_adapter_needs_no_base),
        cmocka_unit_test(scores_are_the_same_bytes_in_any_batch_thread_and_cpu),
        cmocka_unit_test(more_texts_than_one_chunk_are_all_scored),
        cmocka_unit_test(texts_that_do_not_fit_are_refused_and_never_cut),
        cmocka_unit_test(adapters_that_do_not_fit_are_refused_with_a_reason),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
        cmocka_unit_test(a_base_is_opened_from_its_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
