#include "engine/adapter.h"

#include "base/json.h"

#include <stdio.h>

static const char format[] = "shoal-adapter/1";
enum { FIELDS_TEXT_BYTES_MAX = 1 << 20, PAIRS_MAX = 5 };

static const char *const kinds[] = {
    [ADAPTER_LINEAR] = "linear", [ADAPTER_FROZEN] = "frozen",     [ADAPTER_FINETUNED] = "finetuned",
    [ADAPTER_BLEND] = "blend",   [ADAPTER_PROMPTED] = "prompted", [ADAPTER_LORA] = "lora",
};

const char *adapter_kind_name(enum adapter_kind kind)
{
    return kinds[kind];
}

static enum rc find_text(const struct safetensors *file, const char *key, struct str *ret_text,
                         struct err *err)
{
    const struct str *text = safetensors_metadata(file, key);

    if (!text)
        return err_set(err, RC_CORRUPT, "metadata has no '%s'", key);
    *ret_text = *text;
    return RC_OK;
}

static enum rc read_kind(struct adapter *a, struct err *err)
{
    struct str text = { 0 };
    enum rc rc = find_text(a->file, "kind", &text, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_is(text, kinds[i])) {
            a->kind = (enum adapter_kind)i;
            return RC_OK;
        }
    }
    return err_set(err, RC_CORRUPT, "kind '%.*s' is not known", STR_ARG(text));
}

static enum rc read_base(struct adapter *a, struct err *err)
{
    const struct str *text = safetensors_metadata(a->file, "base");

    if (!text != (a->kind == ADAPTER_LINEAR))
        return err_set(err, RC_CORRUPT, "a %s adapter %s base", kinds[a->kind],
                       text ? "has no" : "needs a");
    if (text && !digest_parse(*text, &a->base))
        return err_set(err, RC_CORRUPT, "base is not a SHA-256 in hex");
    return RC_OK;
}

/* A JSON number above 0, of the size that alpha has. */
static enum rc read_lora_alpha(struct adapter *a, struct arena *arena, struct err *err)
{
    const struct str *text = safetensors_metadata(a->file, "lora_alpha");
    struct json *v;
    double alpha;

    if (!text)
        return RC_OK;
    enum rc rc = json_parse(*text, JSON_DUPLICATES_REFUSED, arena, &v, err);
    if (rc == RC_NOMEM || rc == RC_LIMIT)
        return rc;
    if (rc || !json_to_double(v, &alpha) || !(alpha > 0.0 && alpha < 1e6))
        return err_set(err, RC_CORRUPT, "lora_alpha '%.*s' is not a number above 0",
                       STR_ARG(*text));
    a->lora_alpha = (float)alpha;
    return RC_OK;
}

static enum rc read_field(const struct json *v, struct arena *arena, struct adapter *a,
                          struct err *err)
{
    struct adapter_field *field = &a->fields[a->n_fields];
    const struct json *name = json_find(v, "name"), *labels = json_find(v, "labels");
    const struct json *set = json_find(v, "set");

    if (!name || name->type != JSON_STRING || !labels || labels->type != JSON_ARRAY)
        return err_set(err, RC_CORRUPT, "field %zu has not name and labels", a->n_fields);
    if (labels->n < 2)
        return err_set(err, RC_CORRUPT, "field '%.*s' has fewer than two labels",
                       STR_ARG(name->text));
    if (labels->n > ADAPTER_LABELS_MAX - a->n_labels)
        return err_set(err, RC_LIMIT, "more than %d labels", ADAPTER_LABELS_MAX);

    if (set && (set->type != JSON_BOOL || (set->boolean && labels->n > ADAPTER_MEMBERS_MAX)))
        return err_set(err, RC_CORRUPT, "field '%.*s' is no set of at most %d labels",
                       STR_ARG(name->text), ADAPTER_MEMBERS_MAX);

    *field = (struct adapter_field){ .name = name->text,
                                     .is_set = set && set->boolean,
                                     .first = a->n_labels };
    field->labels = arena_array(arena, struct str, labels->n);
    if (!field->labels)
        return arena_fail(arena, err, "labels");
    for (size_t i = 0; i < labels->n; i++) {
        if (labels->items[i].type != JSON_STRING)
            return err_set(err, RC_CORRUPT, "label %zu of '%.*s' is not a string", i,
                           STR_ARG(name->text));
        field->labels[field->n_labels++] = labels->items[i].text;
    }
    a->n_labels += labels->n;
    a->n_fields++;
    return RC_OK;
}

static enum rc read_fields(struct adapter *a, struct arena *arena, struct err *err)
{
    struct str text = { 0 };
    struct json *v;
    struct err cause;
    enum rc rc;

    if (adapter_writes(a->kind))
        return safetensors_metadata(a->file, "fields")
                   ? err_set(err, RC_CORRUPT, "a %s adapter has no fields", kinds[a->kind])
                   : RC_OK;
    rc = find_text(a->file, "fields", &text, err);
    if (rc)
        return rc;
    rc = json_parse(text, JSON_DUPLICATES_REFUSED, arena, &v, &cause);
    if (rc == RC_INVALID)
        return err_set(err, RC_CORRUPT, "fields: %.200s", cause.message);
    if (rc) {
        *err = cause;
        return rc;
    }
    if (v->type != JSON_ARRAY || v->n == 0)
        return err_set(err, RC_CORRUPT, "fields is not a list");
    if (v->n > ADAPTER_FIELDS_MAX)
        return err_set(err, RC_LIMIT, "%zu fields, at most %d allowed", v->n, ADAPTER_FIELDS_MAX);

    a->fields = arena_array(arena, struct adapter_field, v->n);
    if (!a->fields)
        return arena_fail(arena, err, "fields");
    for (size_t i = 0; i < v->n && !rc; i++)
        rc = read_field(&v->items[i], arena, a, err);
    return rc;
}

static enum rc parse(struct adapter *a, const uint8_t *bytes, size_t size, struct arena *arena,
                     struct err *err)
{
    struct str text = { 0 };
    enum rc rc = safetensors_parse(bytes, size, arena, &a->file, err);

    if (!rc)
        rc = find_text(a->file, "format", &text, err);
    if (!rc && !str_is(text, format))
        rc = err_set(err, RC_UNSUPPORTED, "format '%.*s' is not '%s'", STR_ARG(text), format);
    if (!rc)
        rc = read_kind(a, err);
    if (!rc)
        rc = read_base(a, err);
    if (!rc)
        rc = read_lora_alpha(a, arena, err);
    if (!rc)
        rc = read_fields(a, arena, err);
    return rc;
}

enum rc adapter_parse(const uint8_t *bytes, size_t size, struct arena *arena,
                      struct adapter **ret_adapter, struct err *err)
{
    struct adapter *a = arena_new(arena, struct adapter);

    if (!a)
        return arena_fail(arena, err, "adapter");
    enum rc rc = parse(a, bytes, size, arena, err);
    if (rc)
        return err_context(err, "adapter");
    *ret_adapter = a;
    return RC_OK;
}

static void append_fields(struct buf *out, const struct adapter *a)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_array(&w);
    for (size_t i = 0; i < a->n_fields; i++) {
        json_begin_object(&w);
        json_key(&w, "name");
        json_string(&w, a->fields[i].name);
        json_key(&w, "labels");
        json_begin_array(&w);
        for (size_t l = 0; l < a->fields[i].n_labels; l++)
            json_string(&w, a->fields[i].labels[l]);
        json_end_array(&w);
        if (a->fields[i].is_set) {
            json_key(&w, "set");
            json_bool(&w, true);
        }
        json_end_object(&w);
    }
    json_end_array(&w);
}

enum rc adapter_append(struct buf *out, const struct adapter *adapter,
                       const struct safetensors_tensor *tensors, size_t n_tensors, struct err *err)
{
    struct safetensors_pair pairs[PAIRS_MAX];
    size_t n_pairs = 0;
    char alpha[32];
    struct buf fields;

    buf_init(&fields, FIELDS_TEXT_BYTES_MAX);
    append_fields(&fields, adapter);
    enum rc rc = buf_rc(&fields, "adapter's fields", err);
    if (!rc) {
        pairs[n_pairs++] = (struct safetensors_pair){ STR("format"), str_of(format) };
        pairs[n_pairs++] = (struct safetensors_pair){ STR("kind"), str_of(kinds[adapter->kind]) };
        if (adapter->base.hex[0])
            pairs[n_pairs++] = (struct safetensors_pair){ STR("base"), str_of(adapter->base.hex) };
        if (adapter->n_fields)
            pairs[n_pairs++] = (struct safetensors_pair){ STR("fields"), buf_str(&fields) };
        if (adapter->lora_alpha > 0.0f) {
            snprintf(alpha, sizeof(alpha), "%.9g", (double)adapter->lora_alpha);
            pairs[n_pairs++] = (struct safetensors_pair){ STR("lora_alpha"), str_of(alpha) };
        }
        safetensors_append(out, pairs, n_pairs, tensors, n_tensors);
        rc = buf_rc(out, "adapter", err);
    }
    buf_release(&fields);
    return rc;
}
