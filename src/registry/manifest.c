#include "registry/manifest.h"

#include "base/json.h"

#include <inttypes.h>

enum { MANIFEST_FORMAT = 1 };

bool manifest_name_is_valid(struct str name)
{
    return str_is_slug(name) && name.len <= MANIFEST_NAME_MAX;
}

/* The rules that hold for what we write and for what we read. code: whose fault a breach is. */
static enum rc check(const struct manifest *m, enum rc code, struct err *err)
{
    if (!manifest_name_is_valid(str_of(m->team)))
        return err_set(err, code, "manifest: team '%.64s' is no name", m->team);
    if (!manifest_name_is_valid(str_of(m->slm)))
        return err_set(err, code, "manifest: slm '%.64s' is no name", m->slm);
    if (strlen(m->created_by) > MANIFEST_TEXT_MAX || strlen(m->engine_build) > MANIFEST_TEXT_MAX)
        return err_set(err, code, "manifest: created_by or engine_build over %d bytes",
                       MANIFEST_TEXT_MAX);
    if (m->calibration.len > MANIFEST_NUMBERS_MAX)
        return err_set(err, code, "manifest: calibration over %d bytes", MANIFEST_NUMBERS_MAX);
    if (m->n_tables > MANIFEST_TABLES_MAX)
        return err_set(err, code, "manifest: %zu tables, at most %d", m->n_tables,
                       MANIFEST_TABLES_MAX);
    for (size_t i = 0; i < m->n_tables; i++)
        if (!str_of(m->tables[i].name).len || strlen(m->tables[i].name) > MANIFEST_NAME_MAX)
            return err_set(err, code, "manifest: table name of %zu bytes, expected 1 to %d",
                           strlen(m->tables[i].name), MANIFEST_NAME_MAX);
    return RC_OK;
}

static void write_digest(struct json_writer *w, const char *key, const struct digest *digest)
{
    json_key(w, key);
    json_text(w, digest->hex[0] ? digest->hex : NULL);
}

static void write_members(struct json_writer *w, const struct manifest *m)
{
    json_begin_object(w);
    json_key(w, "format");
    json_i64(w, MANIFEST_FORMAT);
    json_key(w, "team");
    json_text(w, m->team);
    json_key(w, "slm");
    json_text(w, m->slm);
    write_digest(w, "spec", &m->spec);
    write_digest(w, "dataset", &m->dataset);
    write_digest(w, "base", &m->base);
    write_digest(w, "adapter", &m->adapter);
    write_digest(w, "report", &m->report);
    write_digest(w, "parent", &m->parent);
    if (m->origin.hex[0])
        write_digest(w, "origin", &m->origin);
    json_key(w, "tables");
    json_begin_object(w);
    for (size_t i = 0; i < m->n_tables; i++)
        write_digest(w, m->tables[i].name, &m->tables[i].digest);
    json_end_object(w);
    json_key(w, "calibration");
    json_raw(w, m->calibration);
    json_key(w, "engine_build");
    json_text(w, m->engine_build);
    json_key(w, "created_by");
    json_text(w, m->created_by);
    json_key(w, "created_ms");
    json_i64(w, m->created_ms);
    json_end_object(w);
}

/* Through the parser: it sorts, and it refuses a calibration that is no JSON. */
enum rc manifest_encode(const struct manifest *manifest, struct buf *out, struct err *err)
{
    CLEANUP(buf_releasep) struct buf draft;
    CLEANUP(arena_release) struct arena arena;
    struct json_writer w;
    struct json *json;

    buf_init(&draft, MANIFEST_BYTES_MAX);
    arena_init(&arena, 8 * MANIFEST_BYTES_MAX);
    enum rc rc = check(manifest, RC_INVALID, err);
    if (rc)
        return rc;
    json_writer_init(&w, &draft);
    write_members(&w, manifest);
    rc = buf_rc(&draft, "manifest", err);
    if (rc)
        return rc;
    rc = json_parse(buf_str(&draft), JSON_DUPLICATES_REFUSED, &arena, &json, err);
    if (rc)
        return err_context(err, "manifest");
    if (json_find(json, "calibration")->type != JSON_OBJECT)
        return err_set(err, RC_INVALID, "manifest: calibration is no object");

    json_append_canonical(out, json);
    return buf_rc(out, "manifest", err);
}

/* Reading. Each take_ function reads one member and counts it, so that an unknown one shows. */

struct members {
    const struct json *object;
    struct arena *arena;
    size_t n_taken;
    struct err *err;
    enum rc rc; /* of the first failure; sticky */
};

static const struct json *take(struct members *m, const char *key, enum json_type type)
{
    const struct json *value = json_find(m->object, key);

    if (m->rc)
        return NULL;
    if (value && value->type == type) {
        m->n_taken++;
        return value;
    }
    m->rc = err_set(m->err, RC_CORRUPT, "manifest: '%s' is %s, expected %s", key,
                    value ? json_type_name(value->type) : "missing", json_type_name(type));
    return NULL;
}

static const char *take_text(struct members *m, const char *key)
{
    const struct json *value = take(m, key, JSON_STRING);

    if (!value)
        return "";
    if (memchr(value->text.at, '\0', value->text.len)) {
        m->rc = err_set(m->err, RC_CORRUPT, "manifest: '%s' holds a NUL", key);
        return "";
    }
    const char *copy = arena_strndup(m->arena, value->text.at, value->text.len);
    if (!copy)
        m->rc = arena_fail(m->arena, m->err, "manifest");
    return copy ? copy : "";
}

static int64_t take_i64(struct members *m, const char *key)
{
    const struct json *value = take(m, key, JSON_NUMBER);
    int64_t number = 0;

    if (value && !json_to_i64(value, &number))
        m->rc = err_set(m->err, RC_CORRUPT, "manifest: '%s' is no whole number", key);
    return number;
}

static struct digest take_digest(struct members *m, const char *key)
{
    const struct json *value = json_find(m->object, key);
    struct digest digest = { "" };

    if (value && value->type == JSON_NULL) {
        m->n_taken++;
        return digest;
    }
    value = take(m, key, JSON_STRING);
    if (value && !digest_parse(value->text, &digest))
        m->rc = err_set(m->err, RC_CORRUPT, "manifest: '%.64s' is no SHA-256", key);
    return digest;
}

static void take_tables(struct members *m, struct manifest *manifest)
{
    const struct json *tables = take(m, "tables", JSON_OBJECT);

    if (!tables)
        return;
    struct members rows = { .object = tables, .arena = m->arena, .err = m->err };
    manifest->n_tables = tables->n;
    manifest->tables = arena_array(m->arena, struct manifest_table, tables->n);
    if (!manifest->tables)
        m->rc = arena_fail(m->arena, m->err, "manifest");
    for (size_t i = 0; !m->rc && i < tables->n; i++) {
        struct str key = tables->members[i].key;
        const char *name =
            memchr(key.at, '\0', key.len) ? "" : arena_strndup(m->arena, key.at, key.len);
        if (!name) {
            m->rc = arena_fail(m->arena, m->err, "manifest");
            return;
        }
        manifest->tables[i] = (struct manifest_table){ name, take_digest(&rows, name) };
        m->rc = rows.rc;
    }
}

static void take_calibration(struct members *m, struct manifest *manifest)
{
    CLEANUP(buf_releasep) struct buf text;
    const struct json *value = take(m, "calibration", JSON_OBJECT);

    buf_init(&text, MANIFEST_NUMBERS_MAX);
    if (!value)
        return;
    json_append_canonical(&text, value);
    m->rc = buf_rc(&text, "manifest: calibration", m->err);
    if (m->rc)
        return;
    const char *copy = arena_strndup(m->arena, text.at, text.len);
    if (!copy)
        m->rc = arena_fail(m->arena, m->err, "manifest");
    manifest->calibration = (struct str){ copy, text.len };
}

static enum rc decode(const struct json *json, struct arena *arena, struct manifest *manifest,
                      struct err *err)
{
    struct members m = { .object = json, .arena = arena, .err = err };

    int64_t format = take_i64(&m, "format");
    if (!m.rc && format != MANIFEST_FORMAT)
        return err_set(err, RC_UNSUPPORTED, "manifest: format %" PRId64 ", this build knows %d",
                       format, MANIFEST_FORMAT);
    manifest->team = take_text(&m, "team");
    manifest->slm = take_text(&m, "slm");
    manifest->spec = take_digest(&m, "spec");
    manifest->dataset = take_digest(&m, "dataset");
    manifest->base = take_digest(&m, "base");
    manifest->adapter = take_digest(&m, "adapter");
    manifest->report = take_digest(&m, "report");
    manifest->parent = take_digest(&m, "parent");
    if (json_find(json, "origin"))
        manifest->origin = take_digest(&m, "origin");
    take_tables(&m, manifest);
    take_calibration(&m, manifest);
    manifest->engine_build = take_text(&m, "engine_build");
    manifest->created_by = take_text(&m, "created_by");
    manifest->created_ms = take_i64(&m, "created_ms");
    if (m.rc)
        return m.rc;
    if (m.n_taken != json->n)
        return err_set(err, RC_CORRUPT, "manifest: %zu unknown members", json->n - m.n_taken);
    return check(manifest, RC_CORRUPT, err);
}

/* One content, one digest: a text that says the same in another form is not accepted. */
static enum rc check_canonical(struct str text, const struct manifest *manifest, struct err *err)
{
    CLEANUP(buf_releasep) struct buf canonical;

    buf_init(&canonical, MANIFEST_BYTES_MAX);
    enum rc rc = manifest_encode(manifest, &canonical, err);
    if (rc)
        return rc;
    if (!str_equal(buf_str(&canonical), text))
        return err_set(err, RC_CORRUPT, "manifest: not in canonical form");
    return RC_OK;
}

enum rc manifest_parse(struct str text, struct arena *arena, struct manifest *ret_manifest,
                       struct err *err)
{
    CLEANUP(arena_release) struct arena scratch;
    struct manifest manifest = { 0 };
    struct json *json;

    arena_init(&scratch, 16 * MANIFEST_BYTES_MAX);
    if (text.len > MANIFEST_BYTES_MAX)
        return err_set(err, RC_LIMIT, "manifest of %zu bytes, at most %d", text.len,
                       MANIFEST_BYTES_MAX);
    enum rc rc = json_parse(text, JSON_DUPLICATES_REFUSED, &scratch, &json, err);
    if (rc == RC_INVALID) { /* the bytes are no caller's input, they were stored */
        struct err cause = *err;
        return err_set(err, RC_CORRUPT, "manifest: %.200s", cause.message);
    }
    if (rc)
        return err_context(err, "manifest");
    rc = decode(json, arena, &manifest, err);
    if (rc)
        return rc;
    rc = check_canonical(text, &manifest, err);
    if (rc)
        return rc;

    *ret_manifest = manifest;
    return RC_OK;
}
