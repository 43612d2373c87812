#include "cli/team_registry.h"

#include "cli/ask.h"
#include "cli/version_view.h"

#include <string.h>

/* The name behind "team/". */
static const char *name_of(const char *slm)
{
    const char *slash = strchr(slm, '/');

    return slash ? slash + 1 : slm;
}

static enum rc copy_text(struct arena *arena, struct str text, const char **ret_text,
                         struct err *err)
{
    *ret_text = arena_strndup(arena, text.at, text.len);
    return *ret_text ? RC_OK : arena_fail(arena, err, "version");
}

static enum rc read_reasons(const struct json *v, struct arena *arena,
                            struct registry_version *version, struct err *err)
{
    const struct json *reasons = json_find(v, "reasons");
    enum rc rc = RC_OK;

    if (!reasons || reasons->type != JSON_ARRAY)
        return err_set(err, RC_CORRUPT, "the answer lacks reasons");
    version->reasons = arena_array(arena, const char *, reasons->n);
    if (!version->reasons && reasons->n > 0)
        return arena_fail(arena, err, "reasons");
    for (; rc == RC_OK && version->n_reasons < reasons->n; version->n_reasons++)
        rc = copy_text(arena, reasons->items[version->n_reasons].text,
                       &version->reasons[version->n_reasons], err);
    return rc;
}

static enum rc read_version(const char *slm, const struct json *v, struct arena *arena,
                            struct registry_version *ret_version, struct err *err)
{
    struct registry_version version = { 0 };
    const struct json *number = v ? json_find(v, "number") : NULL;
    enum rc rc;

    if (!number || !json_to_i64(number, &version.number) ||
        !digest_parse(version_view_text(v, "version"), &version.digest))
        return err_set(err, RC_CORRUPT, "the answer names no version");
    version.verdict =
        str_is(version_view_text(v, "verdict"), "accepted") ? REGISTRY_ACCEPTED : REGISTRY_REJECTED;
    if (!clock_parse(version_view_text(v, "created_at"), &version.created_ms))
        version.created_ms = 0;
    rc = copy_text(arena, str_of(slm), &version.slm, err);
    if (rc == RC_OK)
        rc = copy_text(arena, version_view_text(v, "created_by"), &version.created_by, err);
    if (rc == RC_OK)
        rc = read_reasons(v, arena, &version, err);
    if (rc == RC_OK)
        *ret_version = version;
    return rc;
}

static enum rc find(void *self, const char *slm, const char *alias, struct arena *arena,
                    struct registry_version *ret_version, struct err *err)
{
    struct team_registry *r = self;
    struct json *answer;
    struct ask question;
    enum rc rc;

    ask_begin(r->cli, &question);
    ask_text(&question, "slm", name_of(slm));
    ask_text(&question, "ref", alias);
    rc = ask(r->cli, r->team, "show", &question, &answer, err);
    return rc ? rc : read_version(slm, json_find(answer, "version"), arena, ret_version, err);
}

static enum rc list(void *self, const char *slm, struct arena *arena,
                    struct registry_version **ret_versions, size_t *ret_n, struct err *err)
{
    struct team_registry *r = self;
    struct registry_version *versions;
    const struct json *items;
    struct json *answer;
    struct ask question;
    enum rc rc;

    ask_begin(r->cli, &question);
    ask_text(&question, "slm", name_of(slm));
    rc = ask(r->cli, r->team, "list", &question, &answer, err);
    if (rc)
        return rc;
    items = json_find(answer, "versions");
    if (!items || items->type != JSON_ARRAY)
        return err_set(err, RC_CORRUPT, "the answer lists no versions");
    versions = arena_array(arena, struct registry_version, items->n);
    if (!versions && items->n > 0)
        return arena_fail(arena, err, "versions");
    for (size_t i = 0; rc == RC_OK && i < items->n; i++)
        rc = read_version(slm, &items->items[i], arena, &versions[i], err);
    if (rc)
        return rc;
    *ret_versions = versions;
    *ret_n = items->n;
    return RC_OK;
}

static enum rc add(void *self, const struct manifest *manifest, enum registry_verdict verdict,
                   const char *const *reasons, size_t n_reasons, struct digest *ret_digest,
                   int64_t *ret_number, struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct team_registry *r = self;
    const struct json *number;
    struct json *answer;
    struct ask question;
    enum rc rc;

    buf_init(&text, MANIFEST_BYTES_MAX);
    rc = manifest_encode(manifest, &text, err);
    if (rc)
        return rc;
    ask_begin(r->cli, &question);
    json_key(&question.writer, "manifest");
    json_raw(&question.writer, buf_str(&text));
    ask_text(&question, "verdict", verdict == REGISTRY_ACCEPTED ? "accepted" : "rejected");
    json_key(&question.writer, "reasons");
    json_begin_array(&question.writer);
    for (size_t i = 0; i < n_reasons; i++)
        json_text(&question.writer, reasons[i]);
    json_end_array(&question.writer);
    rc = ask(r->cli, r->team, "register", &question, &answer, err);
    if (rc)
        return rc;
    number = json_find(answer, "number");
    if (!number || !json_to_i64(number, ret_number) ||
        !digest_parse(version_view_text(answer, "version"), ret_digest))
        return err_set(err, RC_CORRUPT, "the answer names no version");
    return RC_OK;
}

struct build_registry team_registry_of(struct team_registry *registry)
{
    return (struct build_registry){ .self = registry, .find = find, .list = list, .add = add };
}
