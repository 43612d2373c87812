#include "decide/version.h"

#include "base/mem.h"
#include "registry/artifact.h"

struct version {
    size_t n_holders; /* besides the one that opened it */
    struct arena arena;
    struct digest digest;
    struct manifest manifest;
    struct spec *spec;
    struct version_base base; /* none: the adapter stands on none */
    struct fs_map adapter_map;
    struct predictor *predictor; /* one of the two: of a spec whose output is chosen, written */
    struct author *author;
    struct table *tables;
    struct decide_calibration *calibration;
    struct decider *decider;
};

static enum rc read_manifest(struct version *v, const struct version_sources *sources,
                             struct err *err)
{
    struct str text;

    enum rc rc =
        artifact_read(sources->artifacts, &v->digest, MANIFEST_BYTES_MAX, &v->arena, &text, err);
    if (rc == RC_OK)
        rc = manifest_parse(text, &v->arena, &v->manifest, err);
    return rc ? err_context(err, "manifest") : RC_OK;
}

/* The spec was checked before it was registered: a problem now means that the text has changed, or
 * that this build reads specs differently. */
static enum rc read_spec(struct version *v, const struct version_sources *sources, struct err *err)
{
    struct problems problems;
    struct str text;

    problem_init(&problems, &v->arena);
    enum rc rc =
        artifact_read(sources->artifacts, &v->manifest.spec, SPEC_BYTES_MAX, &v->arena, &text, err);
    if (rc == RC_OK)
        rc = spec_parse(text, "slm.yaml", &v->arena, &v->spec, &problems, err);
    if (rc)
        return err_context(err, "spec");
    if (problems.n_errors > 0)
        return err_set(err, RC_CORRUPT, "spec: line %u: %s", problems.items[0].line,
                       problems.items[0].message);
    return RC_OK;
}

static const struct manifest_table *find_table(const struct manifest *manifest, struct str name)
{
    for (size_t i = 0; i < manifest->n_tables; i++)
        if (str_is(name, manifest->tables[i].name))
            return &manifest->tables[i];
    return NULL;
}

static enum rc read_tables(struct version *v, const struct version_sources *sources,
                           struct err *err)
{
    v->tables = arena_array(&v->arena, struct table, v->spec->n_tables);
    if (!v->tables)
        return arena_fail(&v->arena, err, "tables");
    for (size_t i = 0; i < v->spec->n_tables; i++) {
        const struct spec_table *table = &v->spec->tables[i];
        const struct manifest_table *snapshot = find_table(&v->manifest, table->name.text);
        struct str text;

        if (!snapshot)
            return err_set(err, RC_CORRUPT, "the manifest has no table '%.*s'",
                           STR_ARG(table->name.text));
        enum rc rc = artifact_read(sources->artifacts, &snapshot->digest, TABLE_BYTES_MAX,
                                   &v->arena, &text, err);
        if (rc == RC_OK)
            rc = table_parse(table, text, &v->arena, &v->tables[i], err);
        if (rc)
            return err_context(err, "table '%.*s'", STR_ARG(table->name.text));
    }
    return RC_OK;
}

static enum rc read_base(struct version *v, const struct version_sources *sources, struct err *err)
{
    struct str json;

    if (v->manifest.base.hex[0] == '\0')
        return RC_OK;
    enum rc rc = artifact_read(sources->artifacts, &v->manifest.base, VERSION_BASE_JSON_MAX,
                               &v->arena, &json, err);
    if (rc)
        return err_context(err, "base");
    return version_base_open(sources->bases_dir, json, &v->base, err);
}

/* Scores come in the adapter's order; the decider reads them in the spec's. */
static enum rc check_fields(const struct version *v, struct err *err)
{
    const struct adapter *adapter = predictor_adapter(v->predictor);

    if (adapter->n_fields != v->spec->n_fields)
        return err_set(err, RC_CORRUPT, "the adapter has %zu fields, the spec %zu",
                       adapter->n_fields, v->spec->n_fields);
    for (size_t f = 0; f < adapter->n_fields; f++) {
        const struct adapter_field *got = &adapter->fields[f];
        const struct spec_field *want = &v->spec->fields[f];
        bool same = str_equal(got->name, want->name) && got->is_set == want->is_set &&
                    got->n_labels == want->n_labels;

        for (size_t k = 0; same && k < want->n_labels; k++)
            same = str_equal(got->labels[k], want->labels[k].text);
        if (!same)
            return err_set(err, RC_CORRUPT, "field '%.*s' of the spec is not the adapter's",
                           STR_ARG(want->name));
    }
    return RC_OK;
}

static enum rc open_predictor(struct version *v, const struct version_sources *sources,
                              struct err *err)
{
    enum rc rc = predictor_open(v->base.encoder, v->adapter_map.at, v->adapter_map.len,
                                sources->kernels, &v->predictor, err);

    return rc ? rc : check_fields(v, err);
}

static enum rc open_author(struct version *v, const struct version_sources *sources,
                           struct err *err)
{
    if (!v->base.decoder)
        return err_set(err, RC_CORRUPT, "the spec has a text, and the base is no decoder");
    return author_open(v->base.decoder, v->adapter_map.at, v->adapter_map.len,
                       v->spec->description.text, sources->kernels, &v->author, err);
}

static enum rc read_adapter(struct version *v, const struct version_sources *sources,
                            struct err *err)
{
    enum rc rc = artifact_map(sources->artifacts, &v->manifest.adapter, &v->adapter_map, err);
    if (rc == RC_OK)
        rc = v->spec->n_open > 0 ? open_author(v, sources, err) : open_predictor(v, sources, err);
    return rc ? err_context(err, "adapter") : RC_OK;
}

static enum rc open_decider(struct version *v, struct err *err)
{
    enum rc rc = version_parse_calibration(v->manifest.calibration, v->spec, &v->arena,
                                           &v->calibration, err);
    if (rc)
        return rc;

    struct decide_parts parts = { .spec = v->spec,
                                  .predictor = v->predictor,
                                  .author = v->author,
                                  .tables = v->tables,
                                  .calibration = v->calibration };
    return decide_open(&parts, &v->arena, &v->decider, err);
}

enum rc version_open(const struct version_sources *sources, const struct digest *digest,
                     struct version **ret_version, struct err *err)
{
    CLEANUP(version_closep) struct version *v = mem_alloc(sizeof(*v));
    if (!v)
        return err_set(err, RC_NOMEM, "version");

    arena_init(&v->arena, VERSION_ARENA_BYTES_MAX);
    v->digest = *digest;
    enum rc rc = read_manifest(v, sources, err);
    if (rc == RC_OK)
        rc = read_spec(v, sources, err);
    if (rc == RC_OK)
        rc = read_tables(v, sources, err);
    if (rc == RC_OK)
        rc = read_base(v, sources, err);
    if (rc == RC_OK)
        rc = read_adapter(v, sources, err);
    if (rc == RC_OK)
        rc = open_decider(v, err);
    if (rc)
        return err_context(err, "version %.12s", digest->hex);
    *ret_version = TAKE(v);
    return RC_OK;
}

void version_close(struct version *version)
{
    if (!version)
        return;
    if (version->n_holders > 0) {
        version->n_holders--;
        return;
    }
    predictor_close(version->predictor);
    author_close(version->author);
    version_base_close(&version->base);
    fs_map_close(&version->adapter_map);
    arena_release(&version->arena);
    mem_free(version);
}

void version_hold(struct version *version)
{
    version->n_holders++;
}

const struct decider *version_decider(const struct version *version)
{
    return version->decider;
}

const struct spec *version_spec(const struct version *version)
{
    return version->spec;
}

const struct manifest *version_manifest(const struct version *version)
{
    return &version->manifest;
}

const struct digest *version_digest(const struct version *version)
{
    return &version->digest;
}

const struct adapter *version_adapter(const struct version *version)
{
    return version->author ? author_adapter(version->author)
                           : predictor_adapter(version->predictor);
}

/* ---- calibration ---- */

void version_append_calibration(struct buf *out, const struct spec *spec,
                                const struct decide_calibration *calibration)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    for (size_t f = 0; f < spec->n_fields; f++) {
        json_key_str(&w, spec->fields[f].name);
        json_begin_object(&w);
        json_key(&w, "temperature");
        json_double(&w, calibration[f].temperature);
        json_key(&w, "threshold");
        json_double(&w, calibration[f].threshold);
        json_end_object(&w);
    }
    json_end_object(&w);
}

enum rc version_parse_calibration(struct str json, const struct spec *spec, struct arena *arena,
                                  struct decide_calibration **ret_calibration, struct err *err)
{
    struct decide_calibration *calibration =
        arena_array(arena, struct decide_calibration, spec->n_fields);
    struct json *tree;

    if (!calibration)
        return arena_fail(arena, err, "calibration");
    enum rc rc = json_parse(json, JSON_DUPLICATES_REFUSED, arena, &tree, err);
    if (rc == RC_INVALID)
        return err_set(err, RC_CORRUPT, "the calibration is no JSON");
    if (rc)
        return rc;
    for (size_t f = 0; f < spec->n_fields; f++) {
        const struct json *field = json_find_str(tree, spec->fields[f].name);
        const struct json *temperature = field ? json_find(field, "temperature") : NULL;
        const struct json *threshold = field ? json_find(field, "threshold") : NULL;

        if (!temperature || !threshold ||
            !json_to_double(temperature, &calibration[f].temperature) ||
            !json_to_double(threshold, &calibration[f].threshold))
            return err_set(err, RC_CORRUPT, "the calibration of '%.*s' is missing or no number",
                           STR_ARG(spec->fields[f].name));
    }
    *ret_calibration = calibration;
    return RC_OK;
}
