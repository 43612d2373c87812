/*
 * train_files.c - trains on files, for bench/train_vs_pytorch.py.
 *
 *   train_files BASE TRAIN VAL TEST OUT [frozen|full|lora] [THREADS] [EPOCHS] [DROPOUT] [TOKENS]
 *
 * BASE is the folder of a base; the others are JSONL rows {"input": text, "output": label}. Writes
 * one predicted label per row of TEST to OUT, by the int8 encoder that serves, and prints
 * {"method", "cpu", "validation_macro_f1", "steps", "tokens", "seconds", "tokens_per_s"};
 * tokens_per_s is of the steps alone.
 */
#include "base/fs.h"
#include "base/json.h"
#include "engine/model/encoder.h"
#include "engine/safetensors/safetensors.h"
#include "engine/tokenizer/wordpiece.h"
#include "engine/train/train.h"

#include <stdio.h>
#include <time.h>

enum { CLASSES_MAX = 1000, ROWS_MAX = 100000, POSITIONS_MAX = 512 };

struct labels {
    struct str names[CLASSES_MAX];
    size_t n;
};

struct setup {
    struct arena arena;
    struct pool *pool;
    struct clock clock;
    struct wordpiece *wordpiece;
    struct bert bert;
    struct labels labels;
    double tokens_per_s;       /* at the last step */
    double first_cpu_s, cpu_s; /* of the process, at the first and the last step */
};

static void fail(const struct err *err)
{
    fprintf(stderr, "train_files: %s\n", err->message);
    exit(1);
}

static int32_t label_of(struct labels *labels, struct str name)
{
    for (size_t k = 0; k < labels->n; k++)
        if (str_equal(labels->names[k], name))
            return (int32_t)k;
    ASSERT(labels->n < CLASSES_MAX);
    labels->names[labels->n] = name;
    return (int32_t)labels->n++;
}

static struct train_row read_row(struct setup *s, struct str line)
{
    int32_t ids[POSITIONS_MAX], *label = arena_new(&s->arena, int32_t);
    struct train_row row = { 0 };
    struct json *v;
    struct err err = { 0 };

    if (json_parse(line, JSON_DUPLICATES_REFUSED, &s->arena, &v, &err) ||
        wordpiece_encode(s->wordpiece, json_find(v, "input")->text, POSITIONS_MAX, ids,
                         &row.n_tokens, &err))
        fail(&err);
    int32_t *kept = arena_array(&s->arena, int32_t, row.n_tokens);
    memcpy(kept, ids, row.n_tokens * sizeof(*ids));
    *label = label_of(&s->labels, json_find(v, "output")->text);
    row.tokens = kept;
    row.labels = label;
    return row;
}

static struct train_rows read_rows(struct setup *s, const char *path)
{
    struct train_row *rows = arena_array(&s->arena, struct train_row, ROWS_MAX);
    size_t n = 0;
    struct str text;
    struct err err = { 0 };

    if (fs_read_file(path, 1 << 30, &s->arena, &text, &err))
        fail(&err);
    for (const char *at = text.at, *end = text.at + text.len; at < end && n < ROWS_MAX;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));

        stop = stop ? stop : end;
        rows[n++] = read_row(s, (struct str){ at, (size_t)(stop - at) });
        at = stop + 1;
    }
    return (struct train_rows){ rows, n };
}

static void open_base(struct setup *s, const char *dir)
{
    static struct fs_map map;
    struct safetensors *file;
    struct bert_config config;
    struct str text;
    struct err err = { 0 };

    if (fs_read_file(fs_join(&s->arena, dir, "config.json"), 1 << 20, &s->arena, &text, &err) ||
        bert_config_parse(text, &config, &err) ||
        fs_map_open(fs_join(&s->arena, dir, "model.safetensors"), &map, &err) ||
        safetensors_parse(map.at, map.len, &s->arena, &file, &err) ||
        bert_open(&config, file, NULL, &s->arena, &s->bert, &err) ||
        fs_read_file(fs_join(&s->arena, dir, "vocab.txt"), 1 << 20, &s->arena, &text, &err) ||
        wordpiece_open(text, &s->arena, &s->wordpiece, &err))
        fail(&err);
}

static bool show(void *context, const struct train_progress *p)
{
    static int epoch = -1;
    struct setup *s = context;

    if (p->phase == TRAIN_PHASE_STEPS) {
        s->tokens_per_s = p->tokens_per_s;
        s->cpu_s = (double)clock() / CLOCKS_PER_SEC;
        s->first_cpu_s = p->done == 1 ? s->cpu_s : s->first_cpu_s;
    }
    if (p->phase == TRAIN_PHASE_STEPS && (p->done % 25 == 0 || (int)p->epoch != epoch))
        fprintf(stderr,
                "epoch %zu step %zu of %zu: loss %.4f, best %.4f, %.0f tokens/s, %.0f s left\n",
                p->epoch, p->done, p->total, p->loss, p->score, p->tokens_per_s, p->seconds_left);
    if (p->phase == TRAIN_PHASE_STEPS)
        epoch = (int)p->epoch;
    return true;
}

/* Answers of what was trained, through the encoder that serves. */
static void answer(struct setup *s, const struct train_result *result,
                   const struct train_rows *rows, const char *path)
{
    size_t width = s->bert.layout.config.width, n_classes = s->labels.n;
    float *vectors = arena_array(&s->arena, float, rows->n *width);
    struct encoder_text *texts = arena_array(&s->arena, struct encoder_text, rows->n);
    struct bert bert = s->bert;
    struct encoder_session *session;
    struct encoder *encoder;
    struct kernels kernels;
    struct err err = { 0 };
    FILE *out = fopen(path, "w");

    kernels_init(&kernels, cpu_best());
    if (!out ||
        (result->weights &&
         bert_of_flat(&s->bert.layout, result->weights, &s->arena, &bert, &err)) ||
        encoder_new(&bert, DENSE_INT8, &kernels, &s->arena, &encoder, &err) ||
        encoder_session_new(encoder, &kernels, pool_n_workers(s->pool), &s->arena, &session, &err))
        fail(&err);
    for (size_t r = 0; r < rows->n; r++)
        texts[r] = (struct encoder_text){ rows->at[r].tokens, rows->at[r].n_tokens };
    encoder_run(session, s->pool, texts, rows->n, vectors);
    for (size_t r = 0; r < rows->n; r++) {
        float best = 0.0f;
        size_t found = n_classes;

        for (size_t c = 0; c < n_classes; c++) {
            float z = result->head_bias[c];

            for (size_t j = 0; j < width; j++)
                z += TRAIN_FEATURE_SCALE * vectors[r * width + j] *
                     result->head_weight[c * width + j];
            if (found == n_classes || z > best) {
                best = z;
                found = c;
            }
        }
        fprintf(out, "%.*s\n", STR_ARG(s->labels.names[found]));
    }
    fclose(out);
}

int main(int argc, char **argv)
{
    static struct setup s;
    struct train_result result;
    struct err err = { 0 };

    if (argc < 6)
        return 2;
    const char *method = argc > 6 ? argv[6] : "frozen";
    arena_init(&s.arena, (size_t)8 << 30);
    s.clock = clock_system();
    if (pool_new(argc > 7 ? strtoul(argv[7], NULL, 10) : 2, &s.pool, &err))
        fail(&err);
    open_base(&s, argv[1]);
    struct train_rows train = read_rows(&s, argv[2]), valid = read_rows(&s, argv[3]),
                      test = read_rows(&s, argv[4]);
    struct train_options options =
        train_options_default(strcmp(method, "full") == 0   ? TRAIN_FULL
                              : strcmp(method, "lora") == 0 ? TRAIN_LORA
                                                            : TRAIN_FROZEN);
    const struct train_job job = {
        .start = &s.bert, .n_classes = &s.labels.n, .n_fields = 1, .train = train, .valid = valid
    };
    const struct train_host host = { .cpu = cpu_best(),
                                     .pool = s.pool,
                                     .clock = s.clock,
                                     .progress = show,
                                     .progress_context = &s };
    int64_t begun = s.clock.monotonic_us(s.clock.self);

    options.epochs = argc > 8 ? strtoul(argv[8], NULL, 10) : options.epochs;
    options.dropout = argc > 9 ? strtof(argv[9], NULL) : options.dropout;
    options.budget_tokens = argc > 10 ? strtoul(argv[10], NULL, 10) : 0;
    if (train_run(&job, &options, &host, &s.arena, &result, &err))
        fail(&err);
    double seconds = (double)(s.clock.monotonic_us(s.clock.self) - begun) / 1e6;

    answer(&s, &result, &test, argv[5]);
    /* The first step's tokens, about the mean of all, are not in the CPU time. */
    double counted =
        (double)result.tokens * (1.0 - 1.0 / (double)(result.steps ? result.steps : 1));
    double per_cpu_s = result.steps > 1 ? counted / (s.cpu_s - s.first_cpu_s) : 0.0;
    printf("{\"method\": \"%s\", \"cpu\": \"%s\", \"validation_macro_f1\": %.4f, \"steps\": "
           "%zu, \"tokens\": %zu, "
           "\"seconds\": %.1f, \"tokens_per_s\": %.0f, \"tokens_per_cpu_s\": %.0f}\n",
           method, cpu_name(cpu_best()), result.score, result.steps, result.tokens, seconds,
           s.tokens_per_s, per_cpu_s);
    pool_free(s.pool);
    arena_release(&s.arena);
    return 0;
}
