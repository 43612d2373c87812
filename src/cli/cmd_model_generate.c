/* cmd_model_generate.c - what a decoder says behind a text: the next token, or many. */
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/compute.h"
#include "cli/model_gguf.h"
#include "cli/standard_input.h"
#include "engine/model/decoder.h"
#include "engine/model/decoder_base.h"
#include "engine/model/sampler.h"
#include "engine/tokenizer/chatml.h"

#include <math.h>
#include <stdlib.h>

enum {
    MODEL_BYTES_MAX = 2040 << 20, /* of the packed weights */
    TEXT_BYTES_MAX = 1 << 20,
    TOKENS_DEFAULT = 64,
    CANDIDATES_SHOWN = 20,
};

/* A text on its way through a decoder. */
struct writing {
    struct decoder_base *base;
    struct arena arena;
    struct kernels kernels;
    struct decoder_session *session;
    struct decoder_text *text;
    float *state, *logits; /* of the last token */
};

static void writing_close(struct writing *w)
{
    decoder_base_close(w->base);
    arena_release(&w->arena);
}

static enum rc writing_open(struct cli *cli, const char *path, struct writing *w, struct err *err)
{
    arena_init(&w->arena, MODEL_BYTES_MAX);
    enum rc rc = compute_kernels(cli, &w->kernels, err);

    return rc ? rc : decoder_base_open(path, &w->base, err);
}

/* Packs the model and reads the prompt; n_more tokens can follow. */
static enum rc read_prompt(struct cli *cli, struct writing *w, const int32_t *ids, size_t n_ids,
                           size_t n_more, struct err *err)
{
    const struct llama_config *c = &w->base->llama.config;
    enum dense_precision precision = cli_option(cli, "f32") ? DENSE_F32 : DENSE_INT8;
    struct decoder *decoder = NULL;

    if (n_ids == 0)
        return err_set(err, RC_INVALID, "the text is empty");
    if (n_more > c->n_positions || n_ids > c->n_positions - n_more)
        return err_set(err, RC_LIMIT, "%zu tokens and %zu more, the model has %zu positions", n_ids,
                       n_more, c->n_positions);
    enum rc rc = decoder_new(&(struct decoder_weights){ .file = &w->base->llama }, precision,
                             &w->kernels, &w->arena, &decoder, err);
    if (rc == RC_OK)
        rc = decoder_session_new(decoder, &w->kernels, n_ids + n_more, &w->arena, &w->session, err);
    if (rc == RC_OK)
        rc = decoder_text_new(decoder, n_ids + n_more, &w->arena, &w->text, err);
    if (rc)
        return rc;
    w->state = arena_array(&w->arena, float, c->width);
    w->logits = arena_array(&w->arena, float, c->n_words);
    if (!w->state || !w->logits)
        return arena_fail(&w->arena, err, "logits");
    decoder_read(w->session, w->text, ids, n_ids, 1, w->state);
    decoder_logits(w->session, w->state, 1, w->logits);
    return RC_OK;
}

static void read_on(struct writing *w, int32_t id)
{
    decoder_read(w->session, w->text, &id, 1, 1, w->state);
    decoder_logits(w->session, w->state, 1, w->logits);
}

/* The ids of a text alone. */
static enum rc encode(struct writing *w, struct str text, int32_t **ret_ids, size_t *ret_n,
                      struct err *err)
{
    size_t n = 0;
    enum rc rc = bpe_count(w->base->bpe, text, &n, err);

    if (rc)
        return rc;
    *ret_ids = arena_array(&w->arena, int32_t, n);
    if (!*ret_ids)
        return arena_fail(&w->arena, err, "tokens");
    return bpe_encode(w->base->bpe, text, n, *ret_ids, ret_n, err);
}

/* ---- shoal model logits ---- */

/* The ids of the n largest logits, in their order; of equals the first. */
static void find_candidates(const float *logits, size_t n_words, size_t n, size_t *ids)
{
    for (size_t k = 0; k < n; k++) {
        size_t best = n_words;

        for (size_t i = 0; i < n_words; i++) {
            bool is_taken = k > 0 && (logits[i] > logits[ids[k - 1]] ||
                                      (logits[i] == logits[ids[k - 1]] && i <= ids[k - 1]));
            if (!is_taken && (best == n_words || logits[i] > logits[best]))
                best = i;
        }
        ids[k] = best;
    }
}

static void append_candidates(const struct writing *w, bool as_json, struct buf *out)
{
    size_t n_words = w->base->llama.config.n_words, ids[CANDIDATES_SHOWN];
    size_t n = n_words < CANDIDATES_SHOWN ? n_words : CANDIDATES_SHOWN;
    struct json_writer json;
    double sum = 0.0;

    json_writer_init(&json, out);
    find_candidates(w->logits, n_words, n, ids);
    for (size_t i = 0; i < n_words; i++)
        sum += exp((double)w->logits[i] - (double)w->logits[ids[0]]);
    if (as_json)
        json_begin_array(&json);
    for (size_t k = 0; k < n; k++) {
        double logit = (double)w->logits[ids[k]];
        double probability = exp(logit - (double)w->logits[ids[0]]) / sum;
        struct str piece = bpe_token(w->base->bpe, ids[k]);

        if (as_json) {
            json_begin_object(&json);
            json_key(&json, "id");
            json_i64(&json, (int64_t)ids[k]);
            json_key(&json, "piece");
            json_string(&json, piece);
            json_key(&json, "logit");
            json_double(&json, logit);
            json_key(&json, "probability");
            json_double(&json, probability);
            json_end_object(&json);
        } else {
            buf_printf(out, "%6zu  %9.4f  %.4f  '", ids[k], logit, probability);
            model_gguf_append_safe(out, piece);
            buf_append_text(out, "'\n");
        }
    }
    if (as_json)
        json_end_array(&json);
}

enum rc model_gguf_logits(struct cli *cli, const char *path, struct str text, struct buf *out,
                          struct err *err)
{
    CLEANUP(writing_close) struct writing w = { 0 };
    int32_t *ids = NULL;
    size_t n_ids = 0;
    enum rc rc = writing_open(cli, path, &w, err);

    if (rc == RC_OK)
        rc = encode(&w, text, &ids, &n_ids, err);
    if (rc == RC_OK)
        rc = read_prompt(cli, &w, ids, n_ids, 0, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < w.base->llama.config.n_words; i++)
        if (!isfinite(w.logits[i]))
            return err_set(err, RC_CORRUPT, "a logit is not finite: the weights are no model");
    append_candidates(&w, cli->config.json, out);
    return RC_OK;
}

/* ---- shoal model generate ---- */

struct request {
    struct str text;
    const char *system; /* NULL: none */
    bool is_chat;
    size_t n_tokens; /* to write, at most */
    struct sampler sampler;
};

static enum rc read_request(struct cli *cli, struct request *request, struct err *err)
{
    const char *tokens = cli_option(cli, "tokens"), *seed = cli_option(cli, "seed");
    const char *temperature = cli_option(cli, "temperature");
    char *end = NULL;

    *request = (struct request){ .system = cli_option(cli, "system"),
                                 .is_chat = cli_option(cli, "chat") != NULL,
                                 .n_tokens = TOKENS_DEFAULT };
    if (tokens) {
        request->n_tokens = strtoul(tokens, &end, 10);
        if (*end || end == tokens || *tokens == '-' || request->n_tokens > LLAMA_POSITIONS_MAX)
            return cli_usage(cli, err, "--tokens=%.50s is no number of tokens", tokens);
    }
    if (seed) {
        request->sampler.state = strtoull(seed, &end, 10);
        if (*end || end == seed || *seed == '-')
            return cli_usage(cli, err, "--seed=%.50s is no number", seed);
    }
    if (temperature) {
        request->sampler.temperature = strtod(temperature, &end);
        if (*end || end == temperature || !(request->sampler.temperature >= 0.0) ||
            request->sampler.temperature > 100.0)
            return cli_usage(cli, err, "--temperature=%.50s is not from 0 to 100", temperature);
    }
    if (request->system && !request->is_chat)
        return cli_usage(cli, err, "--system goes with --chat");
    if (cli->n_arguments < 2)
        return standard_input_read(TEXT_BYTES_MAX, &cli->arena, &request->text, err);
    request->text = str_of(cli->arguments[1]);
    return RC_OK;
}

static enum rc encode_chat(struct writing *w, const struct request *request, int32_t **ret_ids,
                           size_t *ret_n, struct err *err)
{
    struct chatml chat;
    enum rc rc = chatml_init(&chat, w->base->bpe, &w->arena, err);

    if (rc == RC_OK && request->system)
        rc = chatml_add(&chat, STR("system"), str_of(request->system), err);
    if (rc == RC_OK)
        rc = chatml_add(&chat, STR("user"), request->text, err);
    if (rc == RC_OK)
        rc = chatml_begin_answer(&chat, err);
    if (rc)
        return rc;
    *ret_ids = chat.ids;
    *ret_n = chat.n_ids;
    return RC_OK;
}

/* Writes until the model ends its text, or n_tokens. */
static size_t write_tokens(struct writing *w, struct request *request, int32_t *ids,
                           bool *ret_ended)
{
    const struct llama_config *c = &w->base->llama.config;
    size_t n = 0;

    *ret_ended = false;
    while (n < request->n_tokens) {
        int32_t id = (int32_t)sampler_pick(&request->sampler, w->logits, c->n_words);

        *ret_ended = id == bpe_end(w->base->bpe);
        if (*ret_ended)
            break;
        ids[n++] = id;
        if (n < request->n_tokens)
            read_on(w, id);
    }
    return n;
}

static void append_text(const struct writing *w, const int32_t *ids, size_t n, struct buf *text)
{
    for (size_t i = 0; i < n; i++)
        if (!bpe_is_special(w->base->bpe, (size_t)ids[i]))
            buf_append_str(text, bpe_token(w->base->bpe, (size_t)ids[i]));
}

static void write_result(const struct str text, size_t n_prompt, const int32_t *ids, size_t n,
                         bool has_ended, struct buf *out)
{
    struct json_writer json;

    json_writer_init(&json, out);
    json_begin_object(&json);
    json_key(&json, "text");
    json_string(&json, text);
    json_key(&json, "ended");
    json_bool(&json, has_ended);
    json_key(&json, "prompt_tokens");
    json_i64(&json, (int64_t)n_prompt);
    json_key(&json, "ids");
    json_begin_array(&json);
    for (size_t i = 0; i < n; i++)
        json_i64(&json, ids[i]);
    json_end_array(&json);
    json_end_object(&json);
}

static enum rc generate(struct cli *cli, const char *path, struct request *request, struct buf *out,
                        struct err *err)
{
    CLEANUP(writing_close) struct writing w = { 0 };
    CLEANUP(buf_releasep) struct buf text = { 0 };
    int32_t *prompt = NULL, *ids = NULL;
    size_t n_prompt = 0;
    bool has_ended;
    enum rc rc = writing_open(cli, path, &w, err);

    buf_init(&text, CLI_OUTPUT_BYTES_MAX);
    if (rc == RC_OK)
        rc = request->is_chat ? encode_chat(&w, request, &prompt, &n_prompt, err)
                              : encode(&w, request->text, &prompt, &n_prompt, err);
    if (rc == RC_OK)
        rc = read_prompt(cli, &w, prompt, n_prompt, request->n_tokens, err);
    if (rc)
        return rc;
    ids = arena_array(&w.arena, int32_t, request->n_tokens);
    if (!ids)
        return arena_fail(&w.arena, err, "tokens");
    size_t n = write_tokens(&w, request, ids, &has_ended);
    append_text(&w, ids, n, &text);
    rc = buf_rc(&text, "text", err);
    if (rc)
        return rc;
    if (cli->config.json)
        write_result(buf_str(&text), n_prompt, ids, n, has_ended, out);
    else
        buf_append_str(out, buf_str(&text));
    return RC_OK;
}

enum rc cmd_model_generate(struct cli *cli, struct err *err)
{
    CLEANUP(model_file_closep) struct model_file file = { 0 };
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct request request;
    enum rc rc = read_request(cli, &request, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc == RC_OK)
        rc = model_file_open(cli, cli->arguments[0], &file, err);
    if (rc == RC_OK && !file.gguf)
        rc = err_set(err, RC_INVALID, "'%s' is no decoder: it is no GGUF file", file.path);
    if (rc == RC_OK)
        rc = generate(cli, file.path, &request, &out, err);
    return rc ? rc : cli_print(&out, err);
}
