/* build_import.c - a version from a bundle, judged again: plan, keep its parts, verdict, register.
 */
#include "factory/build_internal.h"

#include <stdio.h>

static enum rc corrupt(struct err *err, const char *what)
{
    return err_set(err, RC_CORRUPT, "bundle: %s", what);
}

static struct str part_bytes(const struct bundle *bundle, const struct digest *digest)
{
    const struct bundle_part *part = bundle_find(bundle, digest);

    return part ? part->bytes : STR("");
}

static enum rc read_spec(struct build *b, const struct bundle *bundle, struct err *err)
{
    struct problems problems;

    b->spec_digest = bundle->manifest.spec;
    b->spec_text = part_bytes(bundle, &b->spec_digest);
    problem_init(&problems, &b->arena);
    enum rc rc = spec_parse(b->spec_text, "slm.yaml", &b->arena, &b->spec, &problems, err);
    if (rc)
        return rc;
    if (problems.n_errors > 0)
        return err_set(err, RC_CORRUPT, "bundle: slm.yaml:%u: %s", problems.items[0].line,
                       problems.items[0].message);
    return spec_digests(b->spec, &b->digests, err);
}

static enum rc read_tables(struct build *b, const struct bundle *bundle, struct err *err)
{
    const struct manifest *m = &bundle->manifest;

    if (m->n_tables != b->spec->n_tables)
        return corrupt(err, "the manifest has other tables than the spec");
    b->table_digests = m->tables;
    b->tables = arena_array(&b->arena, struct table, m->n_tables + 1);
    if (!b->tables)
        return arena_fail(&b->arena, err, "tables");
    for (size_t t = 0; t < b->spec->n_tables; t++) {
        const struct spec_table *table = &b->spec->tables[t];
        const struct manifest_table *found = NULL;

        for (size_t i = 0; i < m->n_tables; i++)
            if (str_is(table->name.text, m->tables[i].name))
                found = &m->tables[i];
        if (!found)
            return corrupt(err, "the manifest lacks a table of the spec");
        enum rc rc =
            table_parse(table, part_bytes(bundle, &found->digest), &b->arena, &b->tables[t], err);
        if (rc)
            return err_context(err, "table '%.*s'", STR_ARG(table->name.text));
    }
    return RC_OK;
}

/* Who is in production has no part in it: that a bundle was imported is found again. */
static enum rc find_id(struct build *b, const struct bundle *bundle, struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { .limit = 4096 };

    buf_printf(&text, "shoal import 1\nslm %s\nengine %s\nversion %s\n", b->slm, b->o->engine_build,
               bundle->version.hex);
    enum rc rc = buf_rc(&text, "plan", err);
    return rc ? rc : sha256_of(text.at, text.len, &b->id, err);
}

static enum rc read_candidate(struct build *b, const struct bundle *bundle, const struct json *all,
                              enum spec_candidate kind, struct err *err)
{
    struct build_candidate *c = &b->candidates[kind];
    const struct json *one = json_find(all, candidate_name(kind));

    c->validated = one ? json_find(one, "validation") : NULL;
    c->writes_once = kind == SPEC_PROMPTED && kind != b->chosen;
    if (!one || (!c->validated && !c->writes_once))
        return corrupt(err, "the report lacks a candidate");
    enum rc rc = build_find_digest(one, "adapter", &c->adapter, err);
    if (rc)
        return rc;
    if (!bundle_find(bundle, &c->adapter))
        return corrupt(err, "the report names another adapter than the manifest");
    c->trained = true;
    c->eligible = json_find(one, "eligible") && json_find(one, "eligible")->boolean;
    rc = build_read_loss(one, &c->loss, err);
    return rc || !c->validated ? rc : build_read_validation(b, c, c->validated, err);
}

/* Only the version's own and what gates compare with come in a bundle. */
static bool has_adapter(const struct bundle *bundle, const struct json *all,
                        enum spec_candidate kind)
{
    struct digest adapter;
    struct err ignored;

    return build_find_digest(json_find(all, candidate_name(kind)), "adapter", &adapter, &ignored) ==
               RC_OK &&
           bundle_find(bundle, &adapter);
}

/* The candidate that the version is, and those that gates compare with. */
static enum rc read_candidates(struct build *b, const struct bundle *bundle, struct err *err)
{
    const struct json *all = json_find(bundle->report, "candidates");
    const struct json *name = json_find(bundle->report, "candidate");
    struct decide_calibration *calibration;
    bool is_found = false;

    for (size_t kind = 0; name && kind < BUILD_CANDIDATES; kind++) {
        if (!str_is(name->text, candidate_name((enum spec_candidate)kind)))
            continue;
        b->chosen = (enum spec_candidate)kind;
        is_found = true;
    }
    if (!is_found)
        return corrupt(err, "the report names no candidate");
    enum rc rc = read_candidate(b, bundle, all, b->chosen, err);
    for (size_t kind = 0; rc == RC_OK && kind < BUILD_CANDIDATES; kind++)
        if (kind != b->chosen && has_adapter(bundle, all, (enum spec_candidate)kind))
            rc = read_candidate(b, bundle, all, (enum spec_candidate)kind, err);
    if (rc == RC_OK && !digest_equal(&b->candidates[b->chosen].adapter, &bundle->manifest.adapter))
        rc = corrupt(err, "the report is of another adapter than the manifest");
    if (rc == RC_OK)
        rc = version_parse_calibration(bundle->manifest.calibration, b->spec, &b->arena,
                                       &calibration, err);
    if (rc)
        return rc;
    memcpy(b->candidates[b->chosen].calibration, calibration,
           b->spec->n_fields * sizeof(*calibration));
    return RC_OK;
}

static enum rc plan(struct build *b, const struct bundle *bundle, struct err *err)
{
    const struct manifest *m = &bundle->manifest;

    snprintf(b->slm, sizeof(b->slm), "%s/%s", b->o->team, b->o->slm);
    if (!registry_slm_is_valid(str_of(b->slm)))
        return err_set(err, RC_INVALID, "'%s' is no team/slm", b->slm);
    b->origin = bundle->version;
    b->base_digest = m->base;
    b->base_json = part_bytes(bundle, &m->base);
    b->dataset_digest = m->dataset;
    enum rc rc = read_spec(b, bundle, err);
    if (rc == RC_OK && m->base.hex[0])
        rc = build_open_base(b, err);
    if (rc == RC_OK)
        rc = read_tables(b, bundle, err);
    if (rc == RC_OK)
        rc = dataset_parse(b->spec, part_bytes(bundle, &m->dataset), &b->arena, &b->dataset, err);
    if (rc == RC_OK)
        rc = build_find_digest(bundle->report, "card", &b->card_digest, err);
    if (rc == RC_OK)
        rc = read_candidates(b, bundle, err);
    if (rc == RC_OK)
        rc = build_find_production(b, err);
    if (rc == RC_OK)
        rc = find_id(b, bundle, err);
    if (rc == RC_OK)
        rc = build_find_paths(b, err);
    return rc;
}

static enum rc store_parts(struct build *b, const struct bundle *bundle, struct err *err)
{
    struct digest digest;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < bundle->n_parts && rc == RC_OK; i++)
        rc = artifact_put(b->o->artifacts, bundle->parts[i].bytes.at, bundle->parts[i].bytes.len,
                          &digest, err);
    for (size_t k = 0; k < BUILD_CANDIDATES && rc == RC_OK; k++)
        if (b->candidates[k].trained)
            rc = artifact_map(b->o->artifacts, &b->candidates[k].adapter,
                              &b->candidates[k].adapter_map, err);
    return rc;
}

static enum rc run(struct build *b, const struct bundle *bundle, struct arena *arena,
                   struct build_result *ret_result, struct err *err)
{
    enum rc rc = plan(b, bundle, err);

    if (rc == RC_OK)
        rc = store_parts(b, bundle, err);
    if (rc == RC_OK)
        rc = build_start(b, err);
    if (rc == RC_OK)
        rc = build_verdict(b, err);
    if (rc == RC_OK)
        rc = build_register(b, arena, ret_result, err);
    return rc;
}

enum rc build_import(const struct build_options *options, const struct bundle *bundle,
                     struct arena *arena, struct build_result *ret_result, struct err *err)
{
    struct build *b;
    enum rc rc = build_new(options, &b, err);

    if (rc)
        return rc;
    rc = run(b, bundle, arena, ret_result, err);
    build_end(b);
    return rc;
}
