#include "cli/model_gguf.h"

#include "engine/model/decoder_base.h"

#include <inttypes.h>

enum { TEXT_BYTES_MAX = 4 << 20, VALUE_BYTES_SHOWN = 120 };

void model_gguf_append_safe(struct buf *out, struct str text)
{
    struct buf quoted;

    buf_init(&quoted, TEXT_BYTES_MAX);
    json_append_string(&quoted, text);
    if (quoted.len >= 2)
        buf_append(out, quoted.at + 1, quoted.len - 2);
    buf_release(&quoted);
}

static void append_value(const struct gguf_value *v, struct buf *out)
{
    switch (v->kind) {
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_U64: buf_printf(out, "%" PRIu64, v->u); break;
    case GGUF_I8:
    case GGUF_I16:
    case GGUF_I32:
    case GGUF_I64: buf_printf(out, "%" PRId64, v->i); break;
    case GGUF_FLOAT:
    case GGUF_DOUBLE: buf_printf(out, "%g", v->real); break;
    case GGUF_BOOL: buf_append_text(out, v->u ? "true" : "false"); break;
    case GGUF_ARRAY:
        buf_printf(out, "%zu values of kind %s", v->array.n, gguf_kind_name(v->array.kind));
        break;
    case GGUF_STRING:
        if (v->text.len > VALUE_BYTES_SHOWN) {
            model_gguf_append_safe(out, (struct str){ v->text.at, VALUE_BYTES_SHOWN });
            buf_printf(out, "... (%zu bytes)", v->text.len);
        } else {
            model_gguf_append_safe(out, v->text);
        }
        break;
    case GGUF_KINDS_END: assert_fail("a kind", __FILE__, __LINE__);
    }
}

static void append_show(const struct model_file *file, struct buf *out)
{
    const struct gguf *g = file->gguf;
    size_t n_values = 0;

    for (size_t i = 0; i < g->n_tensors; i++)
        n_values += g->tensors[i].n_values;
    buf_printf(out, "%s\nGGUF version %" PRIu32 ": %zu tensors, %zu values, %.1f MB\n", file->path,
               g->version, g->n_tensors, n_values, (double)file->map.len / 1e6);
    for (size_t i = 0; i < g->n_pairs; i++) {
        buf_printf(out, "  %.*s: ", STR_ARG(g->pairs[i].key));
        append_value(&g->pairs[i].value, out);
        buf_append_char(out, '\n');
    }
    for (size_t i = 0; i < g->n_tensors; i++) {
        const struct gguf_tensor *t = &g->tensors[i];
        size_t begin;

        buf_printf(out, "%-5s", gguf_type_name(t->type));
        begin = out->len;
        for (size_t d = t->rank; d > 0; d--) /* rows first, as elsewhere */
            buf_printf(out, "%s%zu", d < t->rank ? " x " : "", t->shape[d - 1]);
        buf_printf(out, "%*s%.*s\n", out->len - begin < 14 ? (int)(14 - (out->len - begin)) : 1, "",
                   STR_ARG(t->name));
    }
}

static void write_show(const struct model_file *file, struct json_writer *w)
{
    const struct gguf *g = file->gguf;

    json_begin_object(w);
    json_key(w, "file");
    json_text(w, file->path);
    json_key(w, "metadata");
    json_begin_object(w);
    for (size_t i = 0; i < g->n_pairs; i++) {
        CLEANUP(buf_releasep) struct buf text = { 0 };

        buf_init(&text, TEXT_BYTES_MAX);
        append_value(&g->pairs[i].value, &text);
        json_key_str(w, g->pairs[i].key);
        json_string(w, g->pairs[i].value.kind == GGUF_STRING ? g->pairs[i].value.text
                                                             : buf_str(&text));
    }
    json_end_object(w);
    json_key(w, "tensors");
    json_begin_array(w);
    for (size_t i = 0; i < g->n_tensors; i++) {
        const struct gguf_tensor *t = &g->tensors[i];

        json_begin_object(w);
        json_key(w, "name");
        json_string(w, t->name);
        json_key(w, "type");
        json_text(w, gguf_type_name(t->type));
        json_key(w, "shape");
        json_begin_array(w);
        for (size_t d = t->rank; d > 0; d--)
            json_i64(w, (int64_t)t->shape[d - 1]);
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

void model_gguf_show(const struct model_file *file, bool as_json, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    if (as_json)
        write_show(file, &w);
    else
        append_show(file, out);
}

enum rc model_gguf_tokenize(struct cli *cli, const char *path, struct str text, struct buf *out,
                            struct err *err)
{
    CLEANUP(decoder_base_closep) struct decoder_base *base = NULL;
    struct json_writer w;
    size_t n = 0;
    enum rc rc = decoder_base_open(path, &base, err);

    if (rc == RC_OK)
        rc = bpe_count(base->bpe, text, &n, err);
    if (rc)
        return rc;
    int32_t *ids = arena_array(&cli->arena, int32_t, n);
    if (!ids)
        return arena_fail(&cli->arena, err, "tokens");
    rc = bpe_encode(base->bpe, text, n, ids, &n, err);
    if (rc)
        return rc;

    json_writer_init(&w, out);
    if (cli->config.json)
        json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        struct str piece = bpe_token(base->bpe, (size_t)ids[i]);

        if (cli->config.json) {
            json_begin_object(&w);
            json_key(&w, "id");
            json_i64(&w, ids[i]);
            json_key(&w, "piece");
            json_string(&w, piece);
            json_end_object(&w);
        } else {
            buf_printf(out, "%6d  '", ids[i]);
            model_gguf_append_safe(out, piece);
            buf_append_text(out, "'\n");
        }
    }
    if (cli->config.json)
        json_end_array(&w);
    return RC_OK;
}
