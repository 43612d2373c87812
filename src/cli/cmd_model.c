/* cmd_model.c - shoal model ...: what is inside a model, without any SLM. */
#include "cli/cmd.h"
#include "cli/compute.h"
#include "cli/home.h"
#include "cli/model_file.h"
#include "cli/model_gguf.h"
#include "cli/standard_input.h"
#include "decide/version_base.h"
#include "engine/model/encoder.h"
#include "engine/predictor.h"

#include <math.h>

enum { TEXT_BYTES_MAX = 1 << 20 };

static void append_shape(const struct safetensors_tensor *t, struct buf *out)
{
    if (t->rank == 0)
        buf_append_text(out, "one value");
    for (size_t i = 0; i < t->rank; i++)
        buf_printf(out, "%s%zu", i ? " x " : "", t->shape[i]);
}

static size_t count_values(const struct safetensors *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_tensors; i++)
        n += s->tensors[i].n_bytes / safetensors_type_bytes(s->tensors[i].type);
    return n;
}

static void append_show(const struct model_file *file, const struct bert_config *c, struct buf *out)
{
    const struct safetensors *s = file->safetensors;

    buf_printf(out, "%s\n", file->path);
    if (c)
        buf_printf(
            out,
            "bert: %zu layers, %zu wide, %zu heads, %zu in the feed-forward part, %zu words, "
            "%zu positions\n",
            c->n_layers, c->width, c->n_heads, c->ff_width, c->n_words, c->n_positions);
    buf_printf(out, "%zu tensors, %zu values, %.1f MB\n", s->n_tensors, count_values(s),
               (double)file->map.len / 1e6);
    for (size_t i = 0; i < s->n_pairs; i++) {
        buf_append_text(out, "  ");
        model_gguf_append_safe(out, s->pairs[i].key);
        buf_append_text(out, ": ");
        model_gguf_append_safe(out, s->pairs[i].value);
        buf_append_char(out, '\n');
    }
    for (size_t i = 0; i < s->n_tensors; i++) {
        buf_printf(out, "%-5s", safetensors_type_name(s->tensors[i].type));
        size_t begin = out->len;
        append_shape(&s->tensors[i], out);
        buf_printf(out, "%*s", out->len - begin < 14 ? (int)(14 - (out->len - begin)) : 1, "");
        model_gguf_append_safe(out, s->tensors[i].name);
        buf_append_char(out, '\n');
    }
}

static void write_config(struct json_writer *w, const struct bert_config *c)
{
    const struct {
        const char *key;
        size_t value;
    } rows[] = { { "layers", c->n_layers }, { "width", c->width },
                 { "heads", c->n_heads },   { "feed_forward_width", c->ff_width },
                 { "words", c->n_words },   { "positions", c->n_positions } };

    json_begin_object(w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_key(w, rows[i].key);
        json_i64(w, (int64_t)rows[i].value);
    }
    json_end_object(w);
}

static void write_show(const struct model_file *file, const struct bert_config *config,
                       struct json_writer *w)
{
    const struct safetensors *s = file->safetensors;

    json_begin_object(w);
    json_key(w, "file");
    json_text(w, file->path);
    json_key(w, "config");
    if (config)
        write_config(w, config);
    else
        json_null(w);
    json_key(w, "metadata");
    json_begin_object(w);
    for (size_t i = 0; i < s->n_pairs; i++) {
        json_key_str(w, s->pairs[i].key);
        json_string(w, s->pairs[i].value);
    }
    json_end_object(w);
    json_key(w, "tensors");
    json_begin_array(w);
    for (size_t i = 0; i < s->n_tensors; i++) {
        json_begin_object(w);
        json_key(w, "name");
        json_string(w, s->tensors[i].name);
        json_key(w, "type");
        json_text(w, safetensors_type_name(s->tensors[i].type));
        json_key(w, "shape");
        json_begin_array(w);
        for (size_t d = 0; d < s->tensors[i].rank; d++)
            json_i64(w, (int64_t)s->tensors[i].shape[d]);
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

enum rc cmd_model_show(struct cli *cli, struct err *err)
{
    CLEANUP(model_file_closep) struct model_file file = { 0 };
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct bert_config config;
    bool has_config;
    enum rc rc = model_file_open(cli, cli->arguments[0], &file, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc)
        return rc;
    if (file.gguf) {
        model_gguf_show(&file, cli->config.json, &out);
        return cli_print(&out, err);
    }
    has_config = model_file_config(cli, &file, &config, err) == RC_OK; /* an adapter has none */
    if (cli->config.json) {
        struct json_writer w;

        json_writer_init(&w, &out);
        write_show(&file, has_config ? &config : NULL, &w);
    } else {
        append_show(&file, has_config ? &config : NULL, &out);
    }
    return cli_print(&out, err);
}

/* The text to look at: the second argument, else standard input. */
static enum rc read_text(struct cli *cli, struct str *ret_text, struct err *err)
{
    if (cli->n_arguments < 2)
        return standard_input_read(TEXT_BYTES_MAX, &cli->arena, ret_text, err);
    *ret_text = str_of(cli->arguments[1]);
    return RC_OK;
}

/* All ids of the text, however many. */
static enum rc tokenize(struct cli *cli, const struct wordpiece *wordpiece, struct str text,
                        int32_t **ret_ids, size_t *ret_n, struct err *err)
{
    size_t n = 0;
    enum rc rc = wordpiece_count(wordpiece, text, &n, err);

    if (rc)
        return rc;
    *ret_ids = arena_array(&cli->arena, int32_t, n);
    if (!*ret_ids)
        return arena_fail(&cli->arena, err, "tokens");
    return wordpiece_encode(wordpiece, text, n, *ret_ids, ret_n, err);
}

enum rc cmd_model_tokenize(struct cli *cli, struct err *err)
{
    CLEANUP(model_file_closep) struct model_file file = { 0 };
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct wordpiece *wordpiece = NULL;
    struct json_writer w;
    struct str text;
    int32_t *ids = NULL;
    size_t n = 0;
    enum rc rc = model_file_open(cli, cli->arguments[0], &file, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    json_writer_init(&w, &out);
    if (rc == RC_OK)
        rc = read_text(cli, &text, err);
    if (rc == RC_OK && file.gguf) {
        rc = model_gguf_tokenize(cli, file.path, text, &out, err);
        return rc ? rc : cli_print(&out, err);
    }
    if (rc == RC_OK)
        rc = model_file_wordpiece(cli, &file, &wordpiece, err);
    if (rc == RC_OK)
        rc = tokenize(cli, wordpiece, text, &ids, &n, err);
    if (rc)
        return rc;

    if (cli->config.json)
        json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        struct str piece = wordpiece_entry(wordpiece, (size_t)ids[i]);

        if (cli->config.json) {
            json_begin_object(&w);
            json_key(&w, "id");
            json_i64(&w, ids[i]);
            json_key(&w, "piece");
            json_string(&w, piece);
            json_end_object(&w);
        } else {
            buf_printf(&out, "%6d  %.*s\n", ids[i], STR_ARG(piece));
        }
    }
    if (cli->config.json)
        json_end_array(&w);
    return cli_print(&out, err);
}

static enum rc embed(struct cli *cli, const struct bert *bert, const struct encoder_text *text,
                     struct buf *out, struct err *err)
{
    struct encoder_session *session = NULL;
    struct encoder *encoder = NULL;
    struct kernels kernels;
    struct json_writer w;
    float *vector = NULL;
    enum rc rc = compute_kernels(cli, &kernels, err);

    if (rc == RC_OK)
        rc = encoder_new(bert, cli_option(cli, "f32") ? DENSE_F32 : DENSE_INT8, &kernels,
                         &cli->arena, &encoder, err);
    if (rc == RC_OK)
        rc = encoder_session_new(encoder, &kernels, 1, &cli->arena, &session, err);
    if (rc)
        return rc;
    if (text->n_ids > encoder_positions(encoder))
        return err_set(err, RC_LIMIT, "the text has %zu tokens, the model %zu positions",
                       text->n_ids, encoder_positions(encoder));
    vector = arena_array(&cli->arena, float, encoder_width(encoder));
    if (!vector)
        return arena_fail(&cli->arena, err, "vector");

    encoder_run(session, NULL, text, 1, vector);
    json_writer_init(&w, out);
    json_begin_array(&w);
    for (size_t i = 0; i < encoder_width(encoder); i++)
        json_double(&w, (double)vector[i]);
    json_end_array(&w);
    return RC_OK;
}

enum rc cmd_model_embed(struct cli *cli, struct err *err)
{
    CLEANUP(model_file_closep) struct model_file file = { 0 };
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct wordpiece *wordpiece = NULL;
    struct encoder_text tokens = { 0 };
    struct bert bert;
    struct str text;
    int32_t *ids = NULL;
    enum rc rc = model_file_open(cli, cli->arguments[0], &file, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc == RC_OK)
        rc = model_file_wordpiece(cli, &file, &wordpiece, err);
    if (rc == RC_OK)
        rc = model_file_bert(cli, &file, &bert, err);
    if (rc == RC_OK && wordpiece_n_entries(wordpiece) > bert.layout.config.n_words)
        rc = err_set(err, RC_CORRUPT, "vocab.txt has %zu words, the model %zu",
                     wordpiece_n_entries(wordpiece), bert.layout.config.n_words);
    if (rc == RC_OK)
        rc = read_text(cli, &text, err);
    if (rc == RC_OK)
        rc = tokenize(cli, wordpiece, text, &ids, &tokens.n_ids, err);
    tokens.ids = ids;
    if (rc == RC_OK)
        rc = embed(cli, &bert, &tokens, &out, err);
    return rc ? rc : cli_print(&out, err);
}

/* "priority  high  0.8123", the labels of each field from the most probable down. */
static void append_scores(const struct adapter *adapter, const float *scores, bool as_json,
                          struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    if (as_json)
        json_begin_object(&w);
    for (size_t f = 0; f < adapter->n_fields; f++) {
        const struct adapter_field *field = &adapter->fields[f];

        if (as_json) {
            json_key_str(&w, field->name);
            json_begin_object(&w);
        }
        for (size_t l = 0; l < field->n_labels; l++) {
            double score = (double)scores[field->first + l];

            if (as_json) {
                json_key_str(&w, field->labels[l]);
                json_double(&w, score);
            } else {
                double probability = field->is_set ? 1.0 / (1.0 + exp(-score)) : exp(score);

                buf_printf(out, "%-14.*s %-20.*s %9.4f  %.4f\n", STR_ARG(field->name),
                           STR_ARG(field->labels[l]), score, probability);
            }
        }
        if (as_json)
            json_end_object(&w);
    }
    if (as_json)
        json_end_object(&w);
}

/* The base that the adapter stands on; a linear one stands on none. */
static enum rc open_base(struct cli *cli, struct version_base *ret_base, struct err *err)
{
    const char *name = cli_option(cli, "base");
    const char *bases = fs_join(&cli->arena, cli->config.home, "bases");
    struct home_base base;
    enum rc rc;

    if (!name)
        return RC_OK;
    if (!bases)
        return arena_fail(&cli->arena, err, "path of the bases");
    if (!catalogue_name_is_valid(str_of(name)))
        return cli_usage(cli, err, "'%.100s' is no name of a base", name);
    rc = home_find_base(cli->config.home, name, &cli->arena, &base, err);
    if (rc)
        return rc == RC_NOT_FOUND ? cli_hint(cli, rc, "shoal pull %s", name) : rc;
    return version_base_open(bases, base.json, ret_base, err);
}

enum rc cmd_model_logits(struct cli *cli, struct err *err)
{
    CLEANUP(version_base_close) struct version_base base = { 0 };
    CLEANUP(model_file_closep) struct model_file file = { 0 };
    CLEANUP(predictor_closep) struct predictor *predictor = NULL;
    CLEANUP(buf_releasep) struct buf out = { 0 };
    struct kernels kernels;
    struct str text;
    float *scores;
    enum rc rc = model_file_open(cli, cli->arguments[0], &file, err);

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (rc == RC_OK)
        rc = read_text(cli, &text, err);
    if (rc == RC_OK && file.gguf) {
        rc = model_gguf_logits(cli, file.path, text, &out, err);
        return rc ? rc : cli_print(&out, err);
    }
    if (rc == RC_OK)
        rc = compute_kernels(cli, &kernels, err);
    if (rc == RC_OK)
        rc = open_base(cli, &base, err);
    if (rc == RC_OK)
        rc = predictor_open(base.encoder, file.map.at, file.map.len, &kernels, &predictor, err);
    if (rc == RC_INVALID && !base.encoder)
        cli_hint(cli, rc, "--base=NAME says which base the adapter stands on");
    if (rc)
        return rc;

    scores = arena_array(&cli->arena, float, predictor_adapter(predictor)->n_labels);
    if (!scores)
        return arena_fail(&cli->arena, err, "scores");
    rc = predictor_run(predictor, &text, 1, NULL, scores, err);
    if (rc)
        return rc;
    append_scores(predictor_adapter(predictor), scores, cli->config.json, &out);
    return cli_print(&out, err);
}
