#include "serve/admin.h"

#include "record/decision.h"
#include "record/feedback.h"
#include "record/principal.h"
#include "serve/body.h"
#include "serve/replay.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

enum { MEMBERS_MAX = 6 };

/* One call: its arguments by the order of the operation's members. */
struct call {
    struct serve_team *team;
    const struct json *values[MEMBERS_MAX + 1]; /* NULL: absent; the last one is `key` */
    const char *texts[MEMBERS_MAX + 1];         /* of those that are strings; "" when absent */
    const char *slm;                            /* "team/slm" of the member slm; NULL: absent */
    const char *principal;
    unsigned scopes; /* the principal's */
    struct arena *arena;
    struct json_writer *w; /* inside the answer's object */
};

typedef enum rc operation_fn(struct call *c, struct err *err);

struct operation {
    const char *name;
    operation_fn *run;
    struct body_member members[MEMBERS_MAX + 1]; /* name NULL ends them */
    bool changes_versions, changes_keys;
};

static void put_text(struct call *c, const char *key, const char *text)
{
    json_key(c->w, key);
    json_text(c->w, text);
}

static void put_i64(struct call *c, const char *key, int64_t value)
{
    json_key(c->w, key);
    json_i64(c->w, value);
}

static void put_time(struct call *c, const char *key, int64_t ms)
{
    char text[CLOCK_TEXT_LEN + 1];

    clock_format(ms, text);
    put_text(c, key, ms ? text : NULL);
}

static void put_digest(struct call *c, const char *key, const struct digest *digest)
{
    put_text(c, key, digest->hex[0] ? digest->hex : NULL);
}

static void put_version(struct call *c, const struct registry_version *version)
{
    json_begin_object(c->w);
    put_text(c, "slm", strchr(version->slm, '/') + 1);
    put_i64(c, "number", version->number);
    put_digest(c, "version", &version->digest);
    put_text(c, "verdict", version->verdict == REGISTRY_ACCEPTED ? "accepted" : "rejected");
    json_key(c->w, "reasons");
    json_begin_array(c->w);
    for (size_t i = 0; i < version->n_reasons; i++)
        json_text(c->w, version->reasons[i]);
    json_end_array(c->w);
    put_text(c, "created_by", version->created_by);
    put_time(c, "created_at", version->created_ms);
    json_end_object(c->w);
}

static enum rc put_aliases(struct call *c, const char *slm, struct err *err)
{
    struct registry_alias *aliases;
    size_t n;

    enum rc rc = registry_list_aliases(c->team->registry, slm, c->arena, &aliases, &n, err);
    if (rc)
        return rc;
    json_key(c->w, "aliases");
    json_begin_array(c->w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(c->w);
        put_text(c, "slm", strchr(aliases[i].slm, '/') + 1);
        put_text(c, "alias", aliases[i].name);
        put_i64(c, "number", aliases[i].number);
        put_digest(c, "version", &aliases[i].digest);
        json_end_object(c->w);
    }
    json_end_array(c->w);
    return RC_OK;
}

/* ---- versions */

static enum rc read_reasons(const struct call *c, const struct json *list, const char ***ret_texts,
                            struct err *err)
{
    const char **texts = arena_array(c->arena, const char *, list->n + 1);

    if (!texts)
        return arena_fail(c->arena, err, "reasons");
    for (size_t i = 0; i < list->n; i++) {
        const struct json *item = &list->items[i];
        if (item->type != JSON_STRING)
            return err_set(err, RC_INVALID, "reasons: expected texts");
        texts[i] = arena_strndup(c->arena, item->text.at, item->text.len);
        if (!texts[i])
            return arena_fail(c->arena, err, "reasons");
    }
    *ret_texts = texts;
    return RC_OK;
}

static enum rc read_manifest(const struct call *c, const struct json *v, struct manifest *manifest,
                             struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };

    buf_init(&text, MANIFEST_BYTES_MAX);
    json_append_canonical(&text, v);
    enum rc rc = buf_rc(&text, "manifest", err);
    if (!rc)
        rc = manifest_parse(buf_str(&text), c->arena, manifest, err);
    if (rc == RC_CORRUPT)
        return err_set(err, RC_INVALID, "manifest: expected the text of a manifest");
    if (rc)
        return rc;
    if (strcmp(manifest->team, c->team->config.team) != 0)
        return err_set(err, RC_INVALID, "manifest: is another team's");
    return RC_OK;
}

static enum rc run_register(struct call *c, struct err *err)
{
    struct str verdict = c->values[1]->text;
    const char **reasons = NULL;
    struct manifest manifest;
    struct digest digest;
    int64_t number;

    if (!str_is(verdict, "accepted") && !str_is(verdict, "rejected"))
        return err_set(err, RC_INVALID, "verdict: expected 'accepted' or 'rejected'");
    enum rc rc = read_manifest(c, c->values[0], &manifest, err);
    if (!rc)
        rc = read_reasons(c, c->values[2], &reasons, err);
    if (!rc)
        rc = registry_register(c->team->registry, &manifest,
                               str_is(verdict, "accepted") ? REGISTRY_ACCEPTED : REGISTRY_REJECTED,
                               reasons, c->values[2]->n, &digest, &number, err);
    if (rc)
        return rc;
    put_digest(c, "version", &digest);
    put_i64(c, "number", number);
    return RC_OK;
}

static enum rc put_found(struct call *c, const char *slm, const char *ref, struct err *err)
{
    struct registry_version version;

    enum rc rc = registry_find_version(c->team->registry, slm, ref, c->arena, &version, err);
    if (rc)
        return rc;
    put_digest(c, "version", &version.digest);
    put_i64(c, "number", version.number);
    return RC_OK;
}

/* What cannot be opened here cannot be served: it must not get the alias. */
static enum rc check_opens(struct call *c, const char *slm, const char *ref, struct err *err)
{
    struct registry_version found;
    struct version *version;

    enum rc rc = registry_find_version(c->team->registry, slm, ref, c->arena, &found, err);
    if (rc || found.verdict != REGISTRY_ACCEPTED) /* rejected: the registry refuses and says so */
        return rc;
    rc = version_open(&c->team->sources, &found.digest, &version, err);
    if (rc)
        return err_context(err, "this version cannot be served");
    version_close(version);
    return RC_OK;
}

static enum rc run_promote(struct call *c, struct err *err)
{
    const char *slm = c->slm, *ref = c->texts[1], *alias = c->texts[2];
    enum rc rc = RC_OK;

    if (strcmp(alias, REGISTRY_PRODUCTION) == 0)
        rc = check_opens(c, slm, ref, err);
    if (!rc)
        rc = registry_promote(c->team->registry, slm, ref, alias, c->principal, c->texts[3], err);
    if (rc)
        return rc;
    return put_found(c, slm, alias, err);
}

static enum rc run_rollback(struct call *c, struct err *err)
{
    const char *slm = c->slm, *alias = c->texts[1];
    struct digest expected, digest;

    if (c->values[3] && !digest_parse(c->values[3]->text, &expected))
        return err_set(err, RC_INVALID, "expected: is no digest");
    enum rc rc = registry_rollback(c->team->registry, slm, alias, c->values[3] ? &expected : NULL,
                                   c->principal, c->texts[2], &digest, err);
    if (rc)
        return rc;
    return put_found(c, slm, alias, err);
}

static enum rc put_lineage(struct call *c, const char *slm, const char *ref, struct err *err)
{
    struct registry_ancestor *ancestors;
    size_t n;

    enum rc rc = registry_lineage(c->team->registry, slm, ref, c->arena, &ancestors, &n, err);
    if (rc)
        return rc;
    json_key(c->w, "lineage");
    json_begin_array(c->w);
    for (size_t i = 0; !rc && i < n; i++) {
        CLEANUP(buf_releasep) struct buf text = { 0 };
        buf_init(&text, MANIFEST_BYTES_MAX);
        rc = manifest_encode(&ancestors[i].manifest, &text, err);
        if (rc)
            break;
        json_begin_object(c->w);
        json_key(c->w, "version");
        put_version(c, &ancestors[i].version);
        json_key(c->w, "manifest");
        json_raw(c->w, buf_str(&text));
        json_end_object(c->w);
    }
    json_end_array(c->w);
    return rc;
}

static enum rc run_show(struct call *c, struct err *err)
{
    const char *slm = c->slm, *ref = c->texts[1];
    struct registry_version version;

    enum rc rc = registry_find_version(c->team->registry, slm, ref, c->arena, &version, err);
    if (rc)
        return rc;
    json_key(c->w, "version");
    put_version(c, &version);
    rc = put_aliases(c, slm, err);
    if (!rc)
        rc = put_lineage(c, slm, ref, err);
    return rc;
}

static enum rc run_list(struct call *c, struct err *err)
{
    const char *slm = c->slm;
    struct registry_version *versions;
    size_t n;

    enum rc rc = registry_list(c->team->registry, slm, c->arena, &versions, &n, err);
    if (rc)
        return rc;
    json_key(c->w, "versions");
    json_begin_array(c->w);
    for (size_t i = 0; i < n; i++)
        put_version(c, &versions[i]);
    json_end_array(c->w);
    return put_aliases(c, slm, err);
}

static enum rc run_history(struct call *c, struct err *err)
{
    struct registry_change *changes;
    size_t n;

    enum rc rc =
        registry_history(c->team->registry, c->slm, c->texts[1], c->arena, &changes, &n, err);
    if (rc)
        return rc;
    json_key(c->w, "changes");
    json_begin_array(c->w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(c->w);
        put_i64(c, "seq", changes[i].seq);
        put_digest(c, "from", &changes[i].from);
        put_digest(c, "to", &changes[i].to);
        json_key(c->w, "rollback");
        json_bool(c->w, changes[i].is_rollback);
        put_text(c, "principal", changes[i].principal);
        put_text(c, "why", changes[i].why);
        put_time(c, "at", changes[i].at_ms);
        json_end_object(c->w);
    }
    json_end_array(c->w);
    return RC_OK;
}

/* ---- decisions and feedback */

static void put_decision(struct call *c, const struct decision *d)
{
    put_text(c, "id", d->id);
    put_text(c, "slm", d->slm);
    put_digest(c, "version", &d->version);
    put_time(c, "recorded_at", d->recorded_ms);
    put_text(c, "principal", d->principal);
    put_text(c, "engine_build", d->engine_build);
    json_key(c->w, "tables");
    json_raw(c->w, d->tables);
    json_key(c->w, "input");
    json_raw(c->w, d->input);
    json_key(c->w, "answer");
    json_raw(c->w, d->answer);
    json_key(c->w, "model_ms");
    json_double(c->w, d->model_ms);
}

static enum rc run_decision(struct call *c, struct err *err)
{
    struct decision decision;

    enum rc rc = decision_find(c->team->record, c->texts[0], c->arena, &decision, err);
    if (rc)
        return rc;
    put_decision(c, &decision);
    return RC_OK;
}

static enum rc run_replay(struct call *c, struct err *err)
{
    enum cpu cpu = c->team->config.cpu;
    struct serve_replay replay;

    if (c->values[1] && !cpu_parse(c->values[1]->text, &cpu))
        return err_set(err, RC_INVALID, "cpu: expected scalar, avx2, avx512 or vnni");
    if (cpu > cpu_best())
        return err_set(err, RC_UNSUPPORTED, "this machine has no %s", cpu_name(cpu));
    enum rc rc = serve_replay(c->team, c->texts[0], cpu, c->arena, &replay, err);
    if (rc)
        return rc;
    json_key(c->w, "same");
    json_bool(c->w, replay.same);
    put_text(c, "cpu", cpu_name(cpu));
    json_key(c->w, "stored");
    json_begin_object(c->w);
    put_decision(c, &replay.stored);
    json_end_object(c->w);
    json_key(c->w, "replayed");
    json_raw(c->w, replay.replayed);
    return RC_OK;
}

/* The output must be one that the version which decided could have given. */
static enum rc check_output(struct call *c, const struct decision *decision,
                            const struct json *output, struct err *err)
{
    CLEANUP(version_closep) struct version *version = NULL;
    struct problems problems;

    problem_init(&problems, c->arena);
    enum rc rc = version_open(&c->team->sources, &decision->version, &version, err);
    if (!rc)
        rc = schema_validate(&version_spec(version)->output, output, "output", &problems, err);
    if (!rc && problems.n_errors)
        return err_set(err, RC_INVALID, "output: %.200s", problems.items[0].message);
    return rc;
}

static enum rc read_feedback(struct call *c, struct feedback *feedback, struct buf *output,
                             struct err *err)
{
    const struct json *verdict = c->values[2];

    if ((c->values[1] != NULL) == (verdict != NULL))
        return err_set(err, RC_INVALID, "expected one of output and verdict");
    if (verdict && !str_is(verdict->text, "right") && !str_is(verdict->text, "wrong"))
        return err_set(err, RC_INVALID, "verdict: expected 'right' or 'wrong'");
    feedback->kind = verdict ? FEEDBACK_VERDICT : FEEDBACK_OUTPUT;
    feedback->is_right = verdict && str_is(verdict->text, "right");
    feedback->comment = c->values[3] ? c->texts[3] : NULL;
    feedback->principal = c->principal;
    if (c->values[1])
        json_append(output, c->values[1]);
    feedback->output = buf_str(output);
    enum rc rc = buf_rc(output, "output", err);
    return rc ? rc : sha256_of(output->at, output->len, &feedback->request, err);
}

static enum rc run_feedback_add(struct call *c, struct err *err)
{
    CLEANUP(buf_releasep) struct buf output = { 0 };
    struct feedback feedback = { 0 };
    struct decision decision;

    buf_init(&output, FEEDBACK_OUTPUT_MAX);
    enum rc rc = decision_find(c->team->record, c->texts[0], c->arena, &decision, err);
    if (!rc)
        rc = read_feedback(c, &feedback, &output, err);
    if (!rc && c->values[1])
        rc = check_output(c, &decision, c->values[1], err);
    if (rc)
        return rc;
    snprintf(feedback.decision_id, sizeof(feedback.decision_id), "%s", decision.id);
    rc = feedback_add(c->team->record, &feedback, err);
    if (rc)
        return rc;
    put_text(c, "id", feedback.id);
    put_text(c, "decision_id", feedback.decision_id);
    return RC_OK;
}

static enum rc take_row(void *out, struct str json, struct err *err)
{
    buf_append_str(out, json);
    buf_append_char(out, '\n');
    return buf_rc(out, "export", err);
}

/* Written by whoever has the files: both run on this machine as its owner. */
static enum rc run_feedback_export(struct call *c, struct err *err)
{
    CLEANUP(buf_releasep) struct buf rows = { 0 };
    const char *path = c->texts[1];
    struct feedback_counts counts;

    if (path[0] != '/')
        return err_set(err, RC_INVALID, "path: expected an absolute path");
    buf_init(&rows, ADMIN_EXPORT_BYTES_MAX);
    enum rc rc = feedback_export(c->team->record, c->texts[0], take_row, &rows, &counts, err);
    if (!rc)
        rc = fs_write_atomic(path, rows.at ? rows.at : "", rows.len, 0600, err);
    if (rc)
        return rc;
    put_i64(c, "rows", (int64_t)counts.n_rows);
    put_i64(c, "without_output", (int64_t)counts.n_without_output);
    put_text(c, "path", path);
    return RC_OK;
}

/* ---- principals */

static const struct {
    const char *name;
    enum principal_scope scope;
} scopes[] = {
    { "decide", PRINCIPAL_DECIDE }, { "feedback", PRINCIPAL_FEEDBACK }, { "read", PRINCIPAL_READ },
    { "admin", PRINCIPAL_ADMIN },   { "flow", PRINCIPAL_FLOW },
};

static enum rc read_scopes(const struct json *list, unsigned *ret_scopes, struct err *err)
{
    unsigned all = 0;

    for (size_t i = 0; i < list->n; i++) {
        const struct json *item = &list->items[i];
        size_t k = 0;
        while (k < ARRAY_LEN(scopes) &&
               (item->type != JSON_STRING || !str_is(item->text, scopes[k].name)))
            k++;
        if (k == ARRAY_LEN(scopes))
            return err_set(err, RC_INVALID,
                           "scopes: expected decide, feedback, read, admin or flow");
        all |= scopes[k].scope;
    }
    *ret_scopes = all;
    return RC_OK;
}

static enum rc run_principal_create(struct call *c, struct err *err)
{
    char key[PRINCIPAL_KEY_LEN + 1];
    int64_t expires_ms = 0;
    unsigned all = 0;

    if (c->values[2] && !json_to_i64(c->values[2], &expires_ms))
        return err_set(err, RC_INVALID, "expires_ms: expected an integer");
    enum rc rc = read_scopes(c->values[1], &all, err);
    if (!rc)
        rc = principal_create(c->team->record, c->texts[0], all, c->scopes, expires_ms, key, err);
    if (rc)
        return rc;
    put_text(c, "key", key);
    return RC_OK;
}

static enum rc run_principal_revoke(struct call *c, struct err *err)
{
    enum rc rc = principal_revoke(c->team->record, c->texts[0], err);

    if (rc)
        return rc;
    put_text(c, "revoked", c->texts[0]);
    return RC_OK;
}

static void put_principal(struct call *c, const struct principal *p)
{
    json_begin_object(c->w);
    put_text(c, "name", p->name);
    put_text(c, "key_id", p->key_id);
    json_key(c->w, "scopes");
    json_begin_array(c->w);
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
        if (p->scopes & scopes[i].scope)
            json_text(c->w, scopes[i].name);
    json_end_array(c->w);
    put_time(c, "created_at", p->created_ms);
    put_time(c, "expires_at", p->expires_ms);
    put_time(c, "revoked_at", p->revoked_ms);
    json_end_object(c->w);
}

static enum rc run_principal_list(struct call *c, struct err *err)
{
    struct principal *principals;
    size_t n;

    enum rc rc = principal_list(c->team->record, c->arena, &principals, &n, err);
    if (rc)
        return rc;
    json_key(c->w, "principals");
    json_begin_array(c->w);
    for (size_t i = 0; i < n; i++)
        put_principal(c, &principals[i]);
    json_end_array(c->w);
    return RC_OK;
}

/* ---- the table, and one call */

#define TEXT(name)              \
    {                           \
        name, JSON_STRING, true \
    }
#define OPTIONAL(name)           \
    {                            \
        name, JSON_STRING, false \
    }

static const struct operation operations[] = {
    /* clang-format off */
    { "register", run_register,
      { { "manifest", JSON_OBJECT, true }, TEXT("verdict"), { "reasons", JSON_ARRAY, true } }, false, false },
    { "promote", run_promote, { TEXT("slm"), TEXT("ref"), TEXT("alias"), TEXT("why") }, true, false },
    { "rollback", run_rollback, { TEXT("slm"), TEXT("alias"), TEXT("why"), OPTIONAL("expected") }, true, false },
    { "show", run_show, { TEXT("slm"), TEXT("ref") }, false, false },
    { "list", run_list, { OPTIONAL("slm") }, false, false },
    { "history", run_history, { TEXT("slm"), TEXT("alias") }, false, false },
    { "decision", run_decision, { TEXT("id") }, false, false },
    { "replay", run_replay, { TEXT("id"), OPTIONAL("cpu") }, false, false },
    { "feedback_add", run_feedback_add,
      { TEXT("id"), { "output", JSON_OBJECT, false }, OPTIONAL("verdict"), OPTIONAL("comment") }, false, false },
    { "feedback_export", run_feedback_export, { TEXT("slm"), TEXT("path") }, false, false },
    { "principal_create", run_principal_create,
      { TEXT("name"), { "scopes", JSON_ARRAY, true }, { "expires_ms", JSON_NUMBER, false } }, false, false },
    { "principal_revoke", run_principal_revoke, { TEXT("key_id") }, false, true },
    { "principal_list", run_principal_list, { { NULL, JSON_NULL, false } }, false, false },
    /* clang-format on */
};

static const struct operation *find_operation(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(operations); i++)
        if (strcmp(operations[i].name, name) == 0)
            return &operations[i];
    return NULL;
}

bool admin_changes_versions(const char *operation)
{
    const struct operation *found = find_operation(operation);

    return found && found->changes_versions;
}

bool admin_changes_keys(const char *operation)
{
    const struct operation *found = find_operation(operation);

    return found && found->changes_keys;
}

/* Who did it: the holder of an admin's key, or the operating system's user. */
static enum rc name_principal(struct call *c, const struct json *key, uid_t uid, struct err *err)
{
    struct passwd entry, *found = NULL;
    char name[RECORD_PRINCIPAL_MAX + 1], texts[1024];
    struct principal principal;

    if (key) {
        enum rc rc = principal_authenticate(c->team->record, key->text, &principal, err);
        if (rc)
            return rc;
        if (!(principal.scopes & PRINCIPAL_ADMIN))
            return err_set(err, RC_DENIED, "the key lacks the scope admin");
        snprintf(name, sizeof(name), "%s", principal.name);
        c->scopes = principal.scopes;
    } else if (getpwuid_r(uid, &entry, texts, sizeof(texts), &found) == 0 && found) {
        snprintf(name, sizeof(name), "os:%.100s", entry.pw_name);
    } else {
        snprintf(name, sizeof(name), "os:%u", (unsigned)uid);
    }
    c->principal = arena_strndup(c->arena, name, strlen(name));
    return c->principal ? RC_OK : arena_fail(c->arena, err, "principal");
}

/* Copies the texts among the values, NUL-terminated. */
static enum rc read_texts(struct call *c, const struct body_member *members, size_t n,
                          struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct json *v = c->values[i];
        bool is_text = v && v->type == JSON_STRING;
        c->texts[i] = is_text ? arena_strndup(c->arena, v->text.at, v->text.len) : "";
        if (!c->texts[i])
            return arena_fail(c->arena, err, "arguments");
        if (!is_text || strcmp(members[i].name, "slm") != 0)
            continue;
        if (v->text.len > MANIFEST_NAME_MAX)
            return err_set(err, RC_INVALID, "slm: longer than %d bytes", MANIFEST_NAME_MAX);
        c->slm = serve_team_slm(c->team, v->text, c->arena);
        if (!c->slm)
            return arena_fail(c->arena, err, "arguments");
    }
    return RC_OK;
}

static enum rc read_arguments(struct call *c, const struct operation *operation,
                              struct str arguments, uid_t uid, struct err *err)
{
    struct body_member members[MEMBERS_MAX + 1];
    struct problems problems;
    size_t n = 0;

    while (n < MEMBERS_MAX && operation->members[n].name) {
        members[n] = operation->members[n];
        n++;
    }
    members[n] = (struct body_member){ "key", JSON_STRING, false };
    problem_init(&problems, c->arena);
    enum rc rc = body_read(arguments, members, n + 1, c->arena, c->values, &problems, err);
    if (rc)
        return rc;
    if (problems.n_errors)
        return err_set(err, RC_INVALID, "%s: %s", operation->name, problems.items[0].message);
    rc = read_texts(c, members, n + 1, err);
    return rc ? rc : name_principal(c, c->values[n], uid, err);
}

enum rc admin_call(struct serve_team *team, const char *operation, struct str arguments, uid_t uid,
                   struct arena *arena, struct buf *answer, struct err *err)
{
    const struct operation *found = find_operation(operation);
    struct call c = { .team = team, .scopes = PRINCIPAL_ALL, .arena = arena };
    struct json_writer w;

    if (!found)
        return err_set(err, RC_NOT_FOUND, "no operation '%.40s'", operation);
    enum rc rc = read_arguments(&c, found, arguments, uid, err);
    if (rc)
        return rc;
    json_writer_init(&w, answer);
    c.w = &w;
    json_begin_object(&w);
    rc = found->run(&c, err);
    if (rc)
        return rc;
    json_end_object(&w);
    return buf_rc(answer, "answer", err);
}
