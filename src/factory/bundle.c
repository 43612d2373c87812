#include "factory/bundle.h"

#include "base/tar.h"

#include <stdio.h>

static const struct str SUMS = { "SHA256SUMS", sizeof("SHA256SUMS") - 1 };

/* ---- which parts a version has: of what is written and of what is read */

static void add_part(struct bundle *bundle, const char *folder, const char *name,
                     const struct digest *digest)
{
    struct bundle_part *part = &bundle->parts[bundle->n_parts];

    if (!digest->hex[0])
        return;
    snprintf(part->name, sizeof(part->name), "%s%s", folder, name);
    part->digest = *digest;
    bundle->n_parts++;
}

static struct digest report_digest(const struct json *object, const char *key)
{
    const struct json *v = json_find(object, key);
    struct digest digest = { "" };

    if (v && v->type == JSON_STRING && !digest_parse(v->text, &digest))
        digest.hex[0] = '\0';
    return digest;
}

/* The adapter of a candidate that gates compare with. */
static void add_floor(struct bundle *bundle, const char *candidate, const char *name)
{
    const struct json *one = json_find(json_find(bundle->report, "candidates"), candidate);
    struct digest digest = report_digest(one, "adapter");

    if (!digest_equal(&digest, &bundle->manifest.adapter))
        add_part(bundle, "", name, &digest);
}

static enum rc list_parts(struct bundle *bundle, struct err *err)
{
    const struct manifest *m = &bundle->manifest;
    struct digest card = report_digest(bundle->report, "card");

    if (!m->spec.hex[0] || !m->dataset.hex[0] || !m->report.hex[0])
        return err_set(err, RC_UNSUPPORTED,
                       "version %.12s was not made by a build: it has no rows or no report",
                       bundle->version.hex);
    bundle->n_parts = 0;
    add_part(bundle, "", "manifest.json", &bundle->version);
    add_part(bundle, "", "slm.yaml", &m->spec);
    add_part(bundle, "", "dataset.jsonl", &m->dataset);
    add_part(bundle, "", "card.json", &card);
    add_part(bundle, "", "report.json", &m->report);
    add_part(bundle, "", "base.json", &m->base);
    add_part(bundle, "", "adapter.safetensors", &m->adapter);
    add_floor(bundle, "linear", "linear.safetensors");
    add_floor(bundle, "prompted", "prompted.safetensors");
    for (size_t i = 0; i < m->n_tables; i++)
        add_part(bundle, "tables/", m->tables[i].name, &m->tables[i].digest);
    return RC_OK;
}

static void append_sums(const struct bundle *bundle, struct buf *out)
{
    for (size_t i = 0; i < bundle->n_parts; i++)
        buf_printf(out, "%s  %s\n", bundle->parts[i].digest.hex, bundle->parts[i].name);
}

const struct bundle_part *bundle_find(const struct bundle *bundle, const struct digest *digest)
{
    for (size_t i = 0; i < bundle->n_parts; i++)
        if (digest_equal(&bundle->parts[i].digest, digest))
            return &bundle->parts[i];
    return NULL;
}

/* ---- writing */

static enum rc read_stored(const struct artifact_store *artifacts, struct bundle *bundle,
                           struct arena *arena, struct err *err)
{
    struct str text;
    enum rc rc = artifact_read(artifacts, &bundle->version, MANIFEST_BYTES_MAX, arena, &text, err);

    if (rc == RC_OK)
        rc = manifest_parse(text, arena, &bundle->manifest, err);
    if (rc || !bundle->manifest.report.hex[0])
        return rc; /* list_parts() says what is missing */
    rc = artifact_read(artifacts, &bundle->manifest.report, BUNDLE_REPORT_BYTES_MAX, arena, &text,
                       err);
    if (rc == RC_OK)
        rc = json_parse(text, JSON_DUPLICATES_REFUSED, arena, &bundle->report, err);
    return rc;
}

static enum rc append_part(const struct artifact_store *artifacts, const struct bundle_part *part,
                           struct buf *out, struct err *err)
{
    struct fs_map map;
    enum rc rc = artifact_map(artifacts, &part->digest, &map, err);

    if (rc)
        return err_context(err, "%s", part->name);
    rc = tar_append(out, str_of(part->name), (struct str){ (const char *)map.at, map.len }, err);
    fs_map_close(&map);
    return rc;
}

static enum rc write_parts(const struct artifact_store *artifacts, struct bundle *bundle,
                           struct arena *arena, struct buf *out, struct err *err)
{
    CLEANUP(buf_releasep) struct buf sums = { .limit = MANIFEST_BYTES_MAX };
    enum rc rc = read_stored(artifacts, bundle, arena, err);

    if (rc == RC_OK)
        rc = list_parts(bundle, err);
    if (rc)
        return rc;
    append_sums(bundle, &sums);
    rc = buf_rc(&sums, "checksums", err);
    if (rc == RC_OK)
        rc = tar_append(out, SUMS, buf_str(&sums), err);
    for (size_t i = 0; i < bundle->n_parts && rc == RC_OK; i++)
        rc = append_part(artifacts, &bundle->parts[i], out, err);
    tar_end(out);
    return rc ? rc : buf_rc(out, "bundle", err);
}

enum rc bundle_write(const struct artifact_store *artifacts, const struct digest *version,
                     struct buf *out, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct bundle *bundle;

    arena_init(&arena, (size_t)16 * BUNDLE_REPORT_BYTES_MAX);
    bundle = arena_new(&arena, struct bundle);
    if (!bundle)
        return arena_fail(&arena, err, "bundle");
    *bundle = (struct bundle){ .version = *version };
    return write_parts(artifacts, bundle, &arena, out, err);
}

/* ---- reading */

struct entries {
    size_t n;
    struct tar_entry at[BUNDLE_PARTS_MAX + 1]; /* SHA256SUMS is the first */
};

static enum rc read_entries(struct str bytes, struct entries *entries, struct err *err)
{
    bool is_end = false;
    enum rc rc = RC_OK;

    while (rc == RC_OK) {
        struct tar_entry entry;

        rc = tar_next(&bytes, &entry, &is_end, err);
        if (rc || is_end)
            break;
        if (entries->n == ARRAY_LEN(entries->at))
            return err_set(err, RC_CORRUPT, "more than %zu files", entries->n);
        entries->at[entries->n++] = entry;
    }
    return rc;
}

static const struct tar_entry *find_entry(const struct entries *entries, const char *name)
{
    for (size_t i = 0; i < entries->n; i++)
        if (str_is(entries->at[i].name, name))
            return &entries->at[i];
    return NULL;
}

static enum rc read_manifest(const struct entries *entries, struct arena *arena,
                             struct bundle *bundle, struct err *err)
{
    const struct tar_entry *manifest = find_entry(entries, "manifest.json");
    const struct tar_entry *report = find_entry(entries, "report.json");

    if (!manifest || !report)
        return err_set(err, RC_CORRUPT, "it has no %s", manifest ? "report.json" : "manifest.json");
    if (report->bytes.len > BUNDLE_REPORT_BYTES_MAX)
        return err_set(err, RC_LIMIT, "report.json has %zu bytes, at most %d", report->bytes.len,
                       BUNDLE_REPORT_BYTES_MAX);
    enum rc rc = sha256_of(manifest->bytes.at, manifest->bytes.len, &bundle->version, err);
    if (rc == RC_OK)
        rc = manifest_parse(manifest->bytes, arena, &bundle->manifest, err);
    if (rc == RC_OK)
        rc = json_parse(report->bytes, JSON_DUPLICATES_REFUSED, arena, &bundle->report, err);
    if (rc == RC_INVALID)
        rc = RC_CORRUPT;
    return rc;
}

static enum rc check_part(const struct tar_entry *entry, struct bundle_part *part, struct err *err)
{
    struct digest digest;

    if (!str_is(entry->name, part->name))
        return err_set(err, RC_CORRUPT, "it has '%.*s' where %s is expected", STR_ARG(entry->name),
                       part->name);
    enum rc rc = sha256_of(entry->bytes.at, entry->bytes.len, &digest, err);
    if (rc)
        return rc;
    if (!digest_equal(&digest, &part->digest))
        return err_set(err, RC_CORRUPT, "%s has the digest %.12s, expected %.12s", part->name,
                       digest.hex, part->digest.hex);
    part->bytes = entry->bytes;
    return RC_OK;
}

static enum rc check_parts(const struct entries *entries, struct bundle *bundle, struct err *err)
{
    CLEANUP(buf_releasep) struct buf sums = { .limit = MANIFEST_BYTES_MAX };
    enum rc rc = list_parts(bundle, err);

    if (rc)
        return rc;
    append_sums(bundle, &sums);
    rc = buf_rc(&sums, "checksums", err);
    if (rc)
        return rc;
    if (!str_equal(entries->at[0].name, SUMS) || !str_equal(entries->at[0].bytes, buf_str(&sums)))
        return err_set(err, RC_CORRUPT, "SHA256SUMS does not list what the manifest names");
    if (entries->n != bundle->n_parts + 1)
        return err_set(err, RC_CORRUPT, "it has %zu files, the manifest names %zu", entries->n - 1,
                       bundle->n_parts);
    for (size_t i = 0; i < bundle->n_parts && rc == RC_OK; i++)
        rc = check_part(&entries->at[i + 1], &bundle->parts[i], err);
    return rc;
}

enum rc bundle_read(struct str bytes, struct arena *arena, struct bundle *ret_bundle,
                    struct err *err)
{
    struct entries entries = { 0 };

    if (bytes.len > BUNDLE_BYTES_MAX)
        return err_set(err, RC_LIMIT, "bundle of %zu bytes, at most %d", bytes.len,
                       BUNDLE_BYTES_MAX);
    *ret_bundle = (struct bundle){ 0 };
    enum rc rc = read_entries(bytes, &entries, err);
    if (rc == RC_OK)
        rc = read_manifest(&entries, arena, ret_bundle, err);
    if (rc == RC_OK)
        rc = check_parts(&entries, ret_bundle, err);
    return rc ? err_context(err, "bundle") : RC_OK;
}
