/*
 * lora_files.c - trains LoRA on a decoder, for bench/lora_vs_peft.py.
 *
 *   lora_files GGUF TRAIN VALID OUT THREADS EPOCHS BUDGET_TOKENS f32|bf16
 *
 * TRAIN and VALID are JSONL rows {"tokens": [...], "n_prompt": n}; OUT is a folder that gets
 * adapter_model.safetensors and adapter_config.json. Prints {"cpu", "loss", "steps", "tokens",
 * "tokens_per_s", "tokens_per_cpu_s"}: loss per answer token of VALID, speeds of the steps alone.
 */
#include "base/fs.h"
#include "base/json.h"
#include "engine/gguf/gguf.h"
#include "engine/model/llama.h"
#include "engine/train/llama_adapter.h"
#include "engine/train/llama_train.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS_MAX = 10000 };

struct setup {
    struct arena arena;
    struct fs_map map;
    struct llama llama;
    double tokens_per_s, first_cpu_s, cpu_s; /* at the first and the last step */
};

static void fail(const struct err *err)
{
    fprintf(stderr, "lora_files: %s\n", err->message);
    exit(1);
}

static size_t number(const struct json *v)
{
    double x = 0.0;

    ASSERT(v && json_to_double(v, &x) && x >= 0.0 && x < 1e9);
    return (size_t)x;
}

static struct llama_row read_row(struct setup *s, struct str line)
{
    struct json *v;
    struct err err = { 0 };

    if (json_parse(line, JSON_DUPLICATES_REFUSED, &s->arena, &v, &err))
        fail(&err);
    const struct json *list = json_find(v, "tokens");
    ASSERT(list && list->type == JSON_ARRAY);
    int32_t *tokens = arena_array(&s->arena, int32_t, list->n + 1);
    for (size_t i = 0; i < list->n; i++)
        tokens[i] = (int32_t)number(&list->items[i]);
    return (struct llama_row){ tokens, list->n, number(json_find(v, "n_prompt")) };
}

static struct llama_rows read_rows(struct setup *s, const char *path)
{
    struct llama_row *rows = arena_array(&s->arena, struct llama_row, ROWS_MAX);
    struct str text;
    struct err err = { 0 };
    size_t n = 0;

    if (fs_read_file(path, 1 << 30, &s->arena, &text, &err))
        fail(&err);
    for (const char *at = text.at, *end = text.at + text.len; at < end && n < ROWS_MAX;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));

        stop = stop ? stop : end;
        rows[n++] = read_row(s, (struct str){ at, (size_t)(stop - at) });
        at = stop + 1;
    }
    return (struct llama_rows){ rows, n };
}

static void open_base(struct setup *s, const char *path)
{
    struct gguf *gguf;
    struct llama_file file;
    struct err err = { 0 };

    if (fs_map_open(path, &s->map, &err) ||
        gguf_parse(s->map.at, s->map.len, &s->arena, &gguf, &err) ||
        llama_file_open(gguf, &s->arena, &file, &err) ||
        llama_dequantise(&file, &s->arena, &s->llama, &err))
        fail(&err);
}

static bool show(void *context, const struct train_progress *p)
{
    struct setup *s = context;

    s->tokens_per_s = p->tokens_per_s;
    s->cpu_s = (double)clock() / CLOCKS_PER_SEC;
    s->first_cpu_s = p->done == 1 ? s->cpu_s : s->first_cpu_s;
    fprintf(stderr, "epoch %zu step %zu of %zu: loss %.4f, best %.4f, %.0f tokens/s, %.0f s left\n",
            p->epoch, p->done, p->total, p->loss, -p->score, p->tokens_per_s, p->seconds_left);
    return true;
}

static void write_file(struct setup *s, const char *folder, const char *name, const struct buf *b)
{
    struct err err = { 0 };

    if (fs_write_atomic(fs_join(&s->arena, folder, name), b->at, b->len, 0644, &err))
        fail(&err);
}

static void write_adapter(struct setup *s, const char *folder, const struct llama_lora *lora,
                          const struct llama_result *result)
{
    struct buf adapter, config;
    struct err err = { 0 };

    buf_init(&adapter, 1 << 30);
    buf_init(&config, 1 << 20);
    if (llama_adapter_append(&adapter, &(struct digest){ 0 }, lora, result->values, &s->arena,
                             &err))
        fail(&err);
    llama_adapter_append_config(&config, lora);
    write_file(s, folder, "adapter_model.safetensors", &adapter);
    write_file(s, folder, "adapter_config.json", &config);
    buf_release(&adapter);
    buf_release(&config);
}

int main(int argc, char **argv)
{
    static struct setup s;
    struct llama_options options = llama_options_default();
    struct llama_result result;
    struct pool *pool;
    struct err err = { 0 };

    if (argc != 9)
        return 2;
    arena_init(&s.arena, (size_t)8 << 30);
    if (pool_new(strtoul(argv[5], NULL, 10), &pool, &err))
        fail(&err);
    open_base(&s, argv[1]);
    options.epochs = strtoul(argv[6], NULL, 10);
    options.budget_tokens = strtoul(argv[7], NULL, 10);
    options.precision = strcmp(argv[8], "bf16") == 0 ? LLAMA_BF16 : LLAMA_F32;
    const struct llama_job job = { &s.llama, read_rows(&s, argv[2]), read_rows(&s, argv[3]), NULL };
    const struct train_host host = { .cpu = cpu_best(),
                                     .pool = pool,
                                     .clock = clock_system(),
                                     .progress = show,
                                     .progress_context = &s };
    if (llama_train(&job, &options, &host, &s.arena, &result, &err))
        fail(&err);
    const struct llama_lora lora = { &s.llama.config, options.rank, options.alpha };
    write_adapter(&s, argv[4], &lora, &result);
    size_t first = result.tokens / result.steps; /* the first step's, about */
    printf("{\"cpu\":\"%s%s\",\"loss\":%.5f,\"steps\":%zu,\"tokens\":%zu,\"tokens_per_s\":%.1f,"
           "\"tokens_per_cpu_s\":%.1f}\n",
           cpu_name(cpu_best()), options.precision == LLAMA_BF16 ? "+bf16" : "", result.loss,
           result.steps, result.tokens, s.tokens_per_s,
           (double)(result.tokens - first) / (s.cpu_s - s.first_cpu_s));
    pool_free(pool);
    fs_map_close(&s.map);
    arena_release(&s.arena);
    return 0;
}
