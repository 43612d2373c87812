/*
 * decoder_bench.c - how fast the decoder is on this machine, and what int8 costs.
 *
 *   decoder_bench speed MODEL.gguf [PREFILL [DECODE [CPU]]]   tokens per second, as JSON
 *   decoder_bench perplexity MODEL.gguf TEXT_FILE [TOKENS]    int8 beside f32 on the text's first
 * TOKENS
 *
 * bench/decoder_vs_llamacpp.py runs the first beside its peer.
 */
#include "base/fs.h"
#include "engine/gguf/gguf.h"
#include "engine/model/decoder.h"
#include "engine/tokenizer/bpe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WINDOW = 512, LOGITS_ROWS = 32, IDS_MAX = 1 << 20 };

static const size_t arena_bytes = (size_t)4 << 30;

struct model {
    struct arena arena;
    struct fs_map map;
    struct gguf *gguf;
    struct llama_file file;
};

static _Noreturn void fail(const struct err *err)
{
    fprintf(stderr, "decoder_bench: %s\n", err->message);
    exit(EXIT_FAILURE);
}

static double clock_s(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void open_model(struct model *m, const char *path)
{
    struct err err;

    arena_init(&m->arena, arena_bytes);
    if (fs_map_open(path, &m->map, &err) ||
        gguf_parse(m->map.at, m->map.len, &m->arena, &m->gguf, &err) ||
        llama_file_open(m->gguf, &m->arena, &m->file, &err))
        fail(&err);
}

struct run {
    struct kernels kernels;
    struct decoder *decoder;
    struct decoder_session *session;
    struct decoder_text *text;
};

static void open_run(struct run *r, struct model *m, enum dense_precision precision, enum cpu cpu,
                     size_t capacity)
{
    struct err err;

    kernels_init(&r->kernels, cpu);
    if (decoder_new(&(struct decoder_weights){ .file = &m->file }, precision, &r->kernels,
                    &m->arena, &r->decoder, &err) ||
        decoder_session_new(r->decoder, &r->kernels, capacity, &m->arena, &r->session, &err) ||
        decoder_text_new(r->decoder, capacity, &m->arena, &r->text, &err))
        fail(&err);
}

static size_t best_of(const float *logits, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

static void speed(struct model *m, size_t n_prefill, size_t n_decode, enum cpu cpu)
{
    const struct llama_config *c = &m->file.config;
    double start = clock_s(CLOCK_MONOTONIC);
    struct run r;

    open_run(&r, m, DENSE_INT8, cpu, n_prefill + n_decode);
    double ready = clock_s(CLOCK_MONOTONIC), ready_cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    int32_t *ids = arena_array(&m->arena, int32_t, n_prefill);
    float *state = arena_array(&m->arena, float, c->width);
    float *logits = arena_array(&m->arena, float, c->n_words);

    for (size_t i = 0; i < n_prefill; i++)
        ids[i] = (int32_t)(i * 7919 % c->n_words);
    decoder_read(r.session, r.text, ids, n_prefill, 1, state);
    decoder_logits(r.session, state, 1, logits);
    double read = clock_s(CLOCK_MONOTONIC), read_cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < n_decode; i++) {
        int32_t next = (int32_t)best_of(logits, c->n_words);

        decoder_read(r.session, r.text, &next, 1, 1, state);
        decoder_logits(r.session, state, 1, logits);
    }
    double end = clock_s(CLOCK_MONOTONIC), end_cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    printf("{\"cpu\":\"%s\",\"start_s\":%.3f,\"prefill\":%.1f,\"decode\":%.1f,"
           "\"prefill_per_cpu_s\":%.1f,\"decode_per_cpu_s\":%.1f}\n",
           cpu_name(cpu), ready - start, (double)n_prefill / (read - ready),
           (double)n_decode / (end - read), (double)n_prefill / (read_cpu - ready_cpu),
           (double)n_decode / (end_cpu - read_cpu));
}

static double nats_of_row(const float *logits, size_t n_words, int32_t next)
{
    double highest = (double)logits[best_of(logits, n_words)], sum = 0.0;

    for (size_t v = 0; v < n_words; v++)
        sum += exp((double)logits[v] - highest);
    return highest + log(sum) - (double)logits[next];
}

/* The sum of -ln p over a window's tokens from the second on. */
static double nats_of(struct model *m, struct run *r, const int32_t *ids, size_t n, float *states,
                      float *logits)
{
    const struct llama_config *c = &m->file.config;
    double nats = 0.0;

    decoder_text_copy(r->text, r->text, 0); /* empty again */
    decoder_read(r->session, r->text, ids, n, n, states);
    for (size_t first = 0, rows; first + 1 < n; first += rows) {
        rows = n - 1 - first < LOGITS_ROWS ? n - 1 - first : LOGITS_ROWS;
        decoder_logits(r->session, states + first * c->width, rows, logits);
        for (size_t i = 0; i < rows; i++)
            nats += nats_of_row(logits + i * c->n_words, c->n_words, ids[first + i + 1]);
    }
    return nats;
}

static void perplexity(struct model *m, const char *path, size_t n_max)
{
    const struct llama_config *c = &m->file.config;
    float *states = arena_array(&m->arena, float, WINDOW * c->width);
    float *logits = arena_array(&m->arena, float, LOGITS_ROWS * c->n_words);
    int32_t *ids = arena_array(&m->arena, int32_t, IDS_MAX);
    double perplexities[2];
    size_t n_ids, n = 0;
    struct str text;
    struct bpe *bpe;
    struct err err;

    if (fs_read_file(path, 4 << 20, &m->arena, &text, &err) ||
        bpe_open(m->gguf, &m->arena, &bpe, &err) ||
        bpe_encode(bpe, text, IDS_MAX, ids, &n_ids, &err))
        fail(&err);
    n_ids = n_ids < n_max ? n_ids : n_max;
    for (size_t p = 0; p < 2; p++) {
        double nats = 0.0;
        struct run r;

        n = 0;
        open_run(&r, m, p ? DENSE_F32 : DENSE_INT8, cpu_best(), WINDOW);
        for (size_t at = 0; at + 2 <= n_ids; at += WINDOW) {
            size_t len = n_ids - at < WINDOW ? n_ids - at : WINDOW;
            nats += nats_of(m, &r, ids + at, len, states, logits);
            n += len - 1;
        }
        perplexities[p] = exp(nats / (double)n);
    }
    printf("{\"tokens\":%zu,\"int8\":%.4f,\"f32\":%.4f,\"rise\":%.5f}\n", n, perplexities[0],
           perplexities[1], perplexities[0] / perplexities[1] - 1.0);
}

static size_t number(int argc, char **argv, int index, size_t otherwise)
{
    return argc > index ? strtoul(argv[index], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    static struct model m;
    enum cpu cpu = cpu_best();

    if (argc >= 3 && strcmp(argv[1], "speed") == 0) {
        if (argc > 5 && !cpu_parse(str_of(argv[5]), &cpu))
            return EXIT_FAILURE;
        open_model(&m, argv[2]);
        speed(&m, number(argc, argv, 3, 512), number(argc, argv, 4, 128), cpu);
    } else if (argc >= 4 && strcmp(argv[1], "perplexity") == 0) {
        open_model(&m, argv[2]);
        perplexity(&m, argv[3], number(argc, argv, 4, 4096));
    } else {
        fprintf(stderr, "decoder_bench speed MODEL [PREFILL [DECODE [CPU]]] | "
                        "perplexity MODEL TEXT_FILE [TOKENS]\n");
        return EXIT_FAILURE;
    }
    arena_release(&m.arena);
    fs_map_close(&m.map);
    return EXIT_SUCCESS;
}
