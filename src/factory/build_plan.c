/* build_plan.c - what a build depends on, and the id that follows from it. */
#include "factory/build_internal.h"

#include "base/mem.h"

#include <stdio.h>

static enum rc read_spec(struct build *b, struct problems *problems, struct err *err)
{
    enum rc rc = fs_read_file(b->o->spec_path, SPEC_BYTES_MAX, &b->arena, &b->spec_text, err);

    if (rc == RC_OK)
        rc = spec_parse(b->spec_text, b->o->spec_path, &b->arena, &b->spec, problems, err);
    if (rc)
        return rc;
    if (problems->n_errors > 0)
        return err_set(err, RC_INVALID, "'%s' has %zu error%s", b->o->spec_path, problems->n_errors,
                       problems->n_errors == 1 ? "" : "s");
    rc = spec_digests(b->spec, &b->digests, err);
    if (rc == RC_OK)
        rc = artifact_put(b->o->artifacts, b->spec_text.at, b->spec_text.len, &b->spec_digest, err);
    return rc;
}

static bool needs_base(const struct spec *spec)
{
    for (size_t i = 0; i < spec->training.n_candidates; i++)
        if (spec->training.candidates[i] != SPEC_LINEAR)
            return true;
    return false;
}

enum rc build_open_base(struct build *b, struct err *err)
{
    enum rc rc = version_base_open(b->o->bases_dir, b->base_json, &b->base, err);

    if (rc == RC_OK && spec_writes(b->spec) != (b->base.decoder != NULL))
        rc = err_set(err, RC_INVALID, "%s, and the output is %s",
                     b->base.decoder ? "it writes" : "it does not write",
                     b->base.decoder ? "no text" : "a text");
    return rc ? err_context(err, "base '%.*s'", STR_ARG(b->spec->base.text)) : RC_OK;
}

static enum rc read_base(struct build *b, struct err *err)
{
    char path[FS_PATH_MAX];

    if (!needs_base(b->spec))
        return RC_OK;
    snprintf(path, sizeof(path), "%s/%.*s.json", b->o->bases_dir, STR_ARG(b->spec->base.text));
    enum rc rc = fs_read_file(path, VERSION_BASE_JSON_MAX, &b->arena, &b->base_json, err);
    if (rc == RC_NOT_FOUND)
        return err_set(err, rc, "base '%.*s' is not in %.120s: shoal pull %.*s gets it",
                       STR_ARG(b->spec->base.text), b->o->bases_dir, STR_ARG(b->spec->base.text));
    if (rc == RC_OK)
        rc = artifact_put(b->o->artifacts, b->base_json.at, b->base_json.len, &b->base_digest, err);
    if (rc)
        return err_context(err, "base '%.*s'", STR_ARG(b->spec->base.text));
    return build_open_base(b, err);
}

static enum rc read_beside_spec(struct build *b, struct str name, size_t limit, struct arena *arena,
                                struct str *ret_text, struct err *err)
{
    char path[FS_PATH_MAX];

    if (name.len > 0 && name.at[0] == '/')
        snprintf(path, sizeof(path), "%.*s", STR_ARG(name));
    else
        snprintf(path, sizeof(path), "%s/%.*s", b->spec->dir, STR_ARG(name));
    return fs_read_file(path, limit, arena, ret_text, err);
}

static int compare_tables(const void *a, const void *b)
{
    return strcmp(((const struct manifest_table *)a)->name,
                  ((const struct manifest_table *)b)->name);
}

/* Tables are snapshotted now: the version answers with these rows. */
static enum rc read_tables(struct build *b, struct err *err)
{
    const struct spec *spec = b->spec;

    b->tables = arena_array(&b->arena, struct table, spec->n_tables + 1);
    b->table_digests = arena_array(&b->arena, struct manifest_table, spec->n_tables + 1);
    if (!b->tables || !b->table_digests)
        return arena_fail(&b->arena, err, "tables");
    for (size_t t = 0; t < spec->n_tables; t++) {
        struct str text, name = spec->tables[t].name.text;
        enum rc rc =
            read_beside_spec(b, spec->tables[t].path.text, TABLE_BYTES_MAX, &b->arena, &text, err);

        if (rc == RC_OK)
            rc = table_parse(&spec->tables[t], text, &b->arena, &b->tables[t], err);
        if (rc == RC_OK)
            rc = artifact_put(b->o->artifacts, text.at, text.len, &b->table_digests[t].digest, err);
        b->table_digests[t].name = arena_strndup(&b->arena, name.at, name.len);
        if (rc == RC_OK && !b->table_digests[t].name)
            rc = arena_fail(&b->arena, err, "tables");
        if (rc)
            return err_context(err, "table '%.*s'", STR_ARG(name));
    }
    qsort(b->table_digests, spec->n_tables, sizeof(*b->table_digests), compare_tables);
    return RC_OK;
}

static enum rc hash_sources(struct build *b, struct err *err)
{
    b->source_digests = arena_array(&b->arena, struct digest, b->spec->n_data + 1);
    if (!b->source_digests)
        return arena_fail(&b->arena, err, "data");
    for (size_t s = 0; s < b->spec->n_data; s++) {
        struct arena file;
        struct str text;

        arena_init(&file, (size_t)DATASET_FILE_BYTES_MAX + 4096);
        enum rc rc = read_beside_spec(b, b->spec->data[s].path.text, DATASET_FILE_BYTES_MAX, &file,
                                      &text, err);
        if (rc == RC_OK)
            rc = sha256_of(text.at, text.len, &b->source_digests[s], err);
        arena_release(&file);
        if (rc)
            return err_context(err, "data '%.*s'", STR_ARG(b->spec->data[s].path.text));
    }
    return RC_OK;
}

/* Does production answer the same fields, with the same labels? */
static bool same_fields(const struct spec *a, const struct spec *b)
{
    bool same = a->n_fields == b->n_fields && a->n_open == b->n_open;

    for (size_t o = 0; same && o < a->n_open; o++)
        same = str_equal(a->open[o].name, b->open[o].name) && a->open[o].kind == b->open[o].kind;
    for (size_t f = 0; same && f < a->n_fields; f++) {
        same = str_equal(a->fields[f].name, b->fields[f].name) &&
               a->fields[f].is_set == b->fields[f].is_set &&
               a->fields[f].n_labels == b->fields[f].n_labels;
        for (size_t k = 0; same && k < a->fields[f].n_labels; k++)
            same = str_equal(a->fields[f].labels[k].text, b->fields[f].labels[k].text);
    }
    return same;
}

enum rc build_find_production(struct build *b, struct err *err)
{
    struct version_sources sources = { .artifacts = b->o->artifacts,
                                       .bases_dir = b->o->bases_dir,
                                       .kernels = b->o->kernels };
    struct registry_version version;
    struct err why;
    enum rc rc = b->o->registry.find(b->o->registry.self, b->slm, REGISTRY_PRODUCTION, &b->arena,
                                     &version, &why);

    if (rc == RC_NOT_FOUND)
        return RC_OK;
    if (rc) {
        *err = why;
        return rc;
    }
    rc = version_open(&sources, &version.digest, &b->production, err);
    if (rc)
        return err_context(err, "production");
    b->comparable = same_fields(b->spec, version_spec(b->production));
    return RC_OK;
}

static void line(struct buf *out, const char *what, const struct digest *digest)
{
    buf_printf(out, "%s %s\n", what, digest->hex);
}

static enum rc find_id(struct build *b, struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { .limit = 1 << 20 };
    struct digest feedback;

    enum rc rc = sha256_of(b->o->feedback.at, b->o->feedback.len, &feedback, err);
    if (rc)
        return rc;
    buf_printf(&text, "shoal build 1\nslm %s\nengine %s\n", b->slm, b->o->engine_build);
    line(&text, "spec", &b->spec_digest);
    line(&text, "base", &b->base_digest);
    line(&text, "feedback", &feedback);
    for (size_t s = 0; s < b->spec->n_data; s++)
        line(&text, "data", &b->source_digests[s]);
    for (size_t t = 0; t < b->spec->n_tables; t++)
        line(&text, b->table_digests[t].name, &b->table_digests[t].digest);
    if (b->production)
        line(&text, "production", version_digest(b->production));
    rc = buf_rc(&text, "plan", err);
    return rc ? rc : sha256_of(text.at, text.len, &b->id, err);
}

enum rc build_find_paths(struct build *b, struct err *err)
{
    char name[64];
    enum rc rc = fs_make_dirs(b->o->builds_dir, err);

    if (rc == RC_OK)
        rc = fs_remove_temporaries(b->o->builds_dir, err); /* checkpoints of killed builds */
    if (rc)
        return rc;
    snprintf(name, sizeof(name), "%.16s.db", b->id.hex);
    b->journal_path = fs_join(&b->arena, b->o->builds_dir, name);
    snprintf(name, sizeof(name), "%.16s.checkpoint", b->id.hex);
    b->checkpoint_path = fs_join(&b->arena, b->o->builds_dir, name);
    if (!b->journal_path || !b->checkpoint_path)
        return arena_fail(&b->arena, err, "path");
    return RC_OK;
}

enum rc build_plan(struct build *b, struct problems *problems, struct err *err)
{
    snprintf(b->slm, sizeof(b->slm), "%s/%s", b->o->team, b->o->slm);
    if (!registry_slm_is_valid(str_of(b->slm)))
        return err_set(err, RC_INVALID, "'%s' is no team/slm", b->slm);
    enum rc rc = read_spec(b, problems, err);
    if (rc == RC_OK)
        rc = read_base(b, err);
    if (rc == RC_OK)
        rc = read_tables(b, err);
    if (rc == RC_OK)
        rc = hash_sources(b, err);
    if (rc == RC_OK)
        rc = build_find_production(b, err);
    if (rc == RC_OK)
        rc = find_id(b, err);
    if (rc == RC_OK)
        rc = build_find_paths(b, err);
    return rc;
}
