/*
 * engine_bench.c - how fast the encoder is on this machine.
 *
 *   engine_bench BASE_DIR [TOKENS [BATCH [THREADS [CPU [SECONDS]]]]]
 *
 * Encodes texts of TOKENS drawn token ids, BATCH at a time, for SECONDS, and prints one line of
 * JSON: the median of the runs by the wall clock, and what a CPU second gives, which a busy machine
 * disturbs less. Without TOKENS: a table over all rows of kernels this CPU has.
 * bench/encoder_vs_onnxruntime.py runs it beside its peer.
 */
#include "engine/model/encoder.h"
#include "engine/model/encoder_base.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RUNS_MAX = 100000, ARENA_BYTES = 1 << 30 };

struct setting {
    size_t n_tokens, n_texts, n_threads;
    enum cpu cpu;
    double seconds;
};

static double clock_s(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static struct encoder_text *draw_texts(const struct setting *s, size_t n_words, struct arena *arena)
{
    struct encoder_text *texts = arena_array(arena, struct encoder_text, s->n_texts);
    uint32_t draw = 1;

    for (size_t i = 0; i < s->n_texts; i++) {
        int32_t *ids = arena_array(arena, int32_t, s->n_tokens);
        for (size_t t = 0; t < s->n_tokens; t++) {
            draw = draw * 1664525u + 1013904223u;
            ids[t] = (int32_t)((draw >> 8) % n_words);
        }
        texts[i] = (struct encoder_text){ ids, s->n_tokens };
    }
    return texts;
}

struct timing {
    double run_s; /* of the wall clock, the median of all runs */
    double cpu_s; /* of all threads, the mean */
};

static struct timing measure(const struct encoder *encoder, const struct setting *s)
{
    static double times[RUNS_MAX];
    struct encoder_session *session;
    struct kernels kernels;
    struct pool *pool;
    struct arena arena;
    struct err err;
    size_t n = 0;

    arena_init(&arena, ARENA_BYTES);
    kernels_init(&kernels, s->cpu);
    if (pool_new(s->n_threads, &pool, &err) ||
        encoder_session_new(encoder, &kernels, s->n_threads, &arena, &session, &err)) {
        fprintf(stderr, "engine_bench: %s\n", err.message);
        exit(EXIT_FAILURE);
    }
    struct encoder_text *texts = draw_texts(s, encoder_n_words(encoder), &arena);
    float *vectors = arena_array(&arena, float, s->n_texts *encoder_width(encoder));

    encoder_run(session, pool, texts, s->n_texts, vectors); /* pages and caches */
    double cpu_start = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    double end = clock_s(CLOCK_MONOTONIC) + s->seconds;
    for (; n < RUNS_MAX && (n < 3 || clock_s(CLOCK_MONOTONIC) < end); n++) {
        double start = clock_s(CLOCK_MONOTONIC);
        encoder_run(session, pool, texts, s->n_texts, vectors);
        times[n] = clock_s(CLOCK_MONOTONIC) - start;
    }
    double cpu_s = (clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_start) / (double)n;
    pool_free(pool);
    arena_release(&arena);
    qsort(times, n, sizeof(times[0]), compare_doubles);
    return (struct timing){ times[n / 2], cpu_s };
}

static void print_setting(const struct encoder *encoder, const struct setting *s)
{
    struct timing t = measure(encoder, s);

    printf("{\"cpu\":\"%s\",\"threads\":%zu,\"tokens\":%zu,\"batch\":%zu,\"run_ms\":%.3f,"
           "\"rows_per_s\":%.1f,\"tokens_per_s\":%.0f,\"rows_per_cpu_s\":%.1f}\n",
           cpu_name(s->cpu), s->n_threads, s->n_tokens, s->n_texts, t.run_s * 1e3,
           (double)s->n_texts / t.run_s, (double)(s->n_texts * s->n_tokens) / t.run_s,
           (double)s->n_texts / t.cpu_s);
    fflush(stdout);
}

static void print_table(const struct encoder *encoder)
{
    static const size_t shapes[][2] = { { 20, 1 }, { 20, 32 }, { 100, 1 }, { 100, 32 } };

    for (int cpu = (int)cpu_best(); cpu >= CPU_SCALAR; cpu--) {
        for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
            struct setting s = { shapes[i][0], shapes[i][1], 1, (enum cpu)cpu, 1.0 };

            if (cpu == CPU_SCALAR && shapes[i][0] * shapes[i][1] > 1000)
                continue; /* minutes */
            print_setting(encoder, &s);
        }
    }
}

static size_t argument(char **argv, int argc, int at, size_t otherwise)
{
    return at < argc ? (size_t)strtoul(argv[at], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    struct digest digest = { "" };
    struct encoder_files files;
    struct encoder_base *base = NULL;
    struct encoder *encoder = NULL;
    struct kernels kernels;
    struct arena arena;
    struct err err;

    if (argc < 2) {
        fprintf(stderr,
                "usage: engine_bench BASE_DIR [TOKENS [BATCH [THREADS [CPU [SECONDS]]]]]\n");
        return EXIT_FAILURE;
    }
    double start = clock_s(CLOCK_MONOTONIC);
    arena_init(&arena, ARENA_BYTES);
    kernels_init(&kernels, cpu_best());
    if (encoder_files_open(argv[1], &files, &err) ||
        encoder_base_open(&files, &digest, &base, &err) ||
        encoder_new(&base->bert, DENSE_INT8, &kernels, &arena, &encoder, &err)) {
        fprintf(stderr, "engine_bench: %s\n", err.message);
        return EXIT_FAILURE;
    }
    fprintf(stderr, "start %.1f ms\n", (clock_s(CLOCK_MONOTONIC) - start) * 1e3);
    if (argc == 2) {
        print_table(encoder);
    } else {
        struct setting s = { .n_tokens = argument(argv, argc, 2, 20),
                             .n_texts = argument(argv, argc, 3, 1),
                             .n_threads = argument(argv, argc, 4, 1),
                             .cpu = cpu_best(),
                             .seconds = argc > 6 ? strtod(argv[6], NULL) : 2.0 };
        if (argc > 5 && (!cpu_parse(str_of(argv[5]), &s.cpu) || s.cpu > cpu_best())) {
            fprintf(stderr, "engine_bench: this CPU has no '%s'\n", argv[5]);
            return EXIT_FAILURE;
        }
        print_setting(encoder, &s);
    }
    arena_release(&arena);
    encoder_base_close(base);
    return EXIT_SUCCESS;
}
