#include "factory/train/candidate_internal.h"

#include <math.h>

const char *candidate_name(enum spec_candidate kind)
{
    switch (kind) {
    case SPEC_LINEAR: return "linear";
    case SPEC_FROZEN: return "frozen";
    case SPEC_FINETUNED: return "finetuned";
    case SPEC_BLEND: return "blend";
    case SPEC_PROMPTED: return "prompted";
    case SPEC_LORA: return "lora";
    }
    return "";
}

bool candidate_report(const struct candidate_job *job, const char *what, size_t done, size_t total)
{
    struct build_progress progress = { .stage = job->stage,
                                       .what = what,
                                       .done = done,
                                       .total = total,
                                       .loss = NAN,
                                       .score = NAN,
                                       .seconds_left = NAN };

    return !job->progress || job->progress(job->progress_context, &progress);
}

enum rc candidate_adapter(const struct candidate_job *job, enum adapter_kind kind,
                          struct arena *arena, struct adapter *ret_adapter, struct err *err)
{
    const struct spec *spec = job->spec;
    struct adapter adapter = { .kind = kind, .n_fields = spec->n_fields };

    if (kind != ADAPTER_LINEAR)
        adapter.base = job->base->digest;
    adapter.fields = arena_array(arena, struct adapter_field, spec->n_fields);
    if (!adapter.fields)
        return arena_fail(arena, err, "fields");
    for (size_t f = 0; f < spec->n_fields; f++) {
        struct adapter_field *field = &adapter.fields[f];

        field->name = spec->fields[f].name;
        field->is_set = spec->fields[f].is_set;
        field->n_labels = spec->fields[f].n_labels;
        field->labels = arena_array(arena, struct str, field->n_labels);
        if (!field->labels)
            return arena_fail(arena, err, "labels");
        for (size_t k = 0; k < field->n_labels; k++)
            field->labels[k] = spec->fields[f].labels[k].text;
        field->first = adapter.n_labels;
        adapter.n_labels += field->n_labels;
    }
    *ret_adapter = adapter;
    return RC_OK;
}

bool candidate_fits(const struct adapter *adapter, const struct spec *spec)
{
    bool fits = adapter->n_fields == spec->n_fields;

    for (size_t f = 0; fits && f < spec->n_fields; f++) {
        fits = str_equal(adapter->fields[f].name, spec->fields[f].name) &&
               adapter->fields[f].is_set == spec->fields[f].is_set &&
               adapter->fields[f].n_labels == spec->fields[f].n_labels;
        for (size_t k = 0; fits && k < spec->fields[f].n_labels; k++)
            fits = str_equal(adapter->fields[f].labels[k], spec->fields[f].labels[k].text);
    }
    return fits;
}

enum rc candidate_blend(struct str encoder_file, struct str linear_file, const float *shares,
                        struct buf *out, struct err *err)
{
    struct arena arena;
    struct adapter *encoder = NULL, *linear = NULL;

    arena_init(&arena, 64 << 20);
    enum rc rc =
        adapter_parse((const uint8_t *)encoder_file.at, encoder_file.len, &arena, &encoder, err);
    if (rc == RC_OK)
        rc = adapter_parse((const uint8_t *)linear_file.at, linear_file.len, &arena, &linear, err);
    if (rc == RC_OK) {
        size_t n_encoder = encoder->file->n_tensors, n_linear = linear->file->n_tensors;
        struct safetensors_tensor *tensors =
            arena_array(&arena, struct safetensors_tensor, n_encoder + n_linear + 1);
        struct adapter blend = *encoder;

        blend.kind = ADAPTER_BLEND;
        if (tensors) {
            memcpy(tensors, encoder->file->tensors, n_encoder * sizeof(*tensors));
            memcpy(tensors + n_encoder, linear->file->tensors, n_linear * sizeof(*tensors));
            tensors[n_encoder + n_linear] = (struct safetensors_tensor){
                .name = STR("blend.share"),
                .type = SAFETENSORS_F32,
                .rank = 1,
                .shape = { blend.n_fields },
                .bytes = (const uint8_t *)shares,
                .n_bytes = blend.n_fields * sizeof(*shares),
            };
            rc = adapter_append(out, &blend, tensors, n_encoder + n_linear + 1, err);
        } else {
            rc = arena_fail(&arena, err, "blend");
        }
    }
    arena_release(&arena);
    return rc;
}
