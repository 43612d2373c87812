#include "registry/registry.h"

#include "base/failpoint.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "registry/registry_internal.h"

#include <inttypes.h>
#include <stdio.h>

enum { REASONS_BYTES_MAX = REGISTRY_REASONS_MAX * (REGISTRY_REASON_MAX * 6 + 4) }; /* escaped */

struct registry {
    struct store *store;
    struct artifact_store *artifacts; /* borrowed */
    struct clock clock;
};

enum rc registry_open(const char *path, struct artifact_store *artifacts, struct clock clock,
                      struct registry **ret_registry, struct err *err)
{
    CLEANUP(registry_closep) struct registry *registry = mem_alloc(sizeof(*registry));

    if (!registry)
        return err_set(err, RC_NOMEM, "open registry");
    registry->artifacts = artifacts;
    registry->clock = clock;
    enum rc rc = store_open(path, &registry_schema, &registry->store, err);
    if (rc)
        return rc;

    *ret_registry = TAKE(registry);
    return RC_OK;
}

void registry_close(struct registry *registry)
{
    if (!registry)
        return;
    store_close(registry->store);
    mem_free(registry);
}

/* Names */

bool registry_slm_is_valid(struct str slm)
{
    const char *slash = slm.len ? memchr(slm.at, '/', slm.len) : NULL;

    if (!slash)
        return false;
    size_t team_len = (size_t)(slash - slm.at);
    return manifest_name_is_valid((struct str){ slm.at, team_len }) &&
           manifest_name_is_valid((struct str){ slash + 1, slm.len - team_len - 1 });
}

static bool is_digest_prefix(struct str ref)
{
    if (ref.len < REGISTRY_PREFIX_MIN || ref.len > SHA256_HEX_LEN)
        return false;
    for (size_t i = 0; i < ref.len; i++)
        if (!(ref.at[i] >= '0' && ref.at[i] <= '9') && !(ref.at[i] >= 'a' && ref.at[i] <= 'f'))
            return false;
    return true;
}

bool registry_alias_is_valid(struct str alias)
{
    return manifest_name_is_valid(alias) && alias.len <= REGISTRY_ALIAS_MAX && alias.at[0] >= 'a' &&
           !is_digest_prefix(alias);
}

/* "@3": 3; -1 when ref is not of that form. */
static int64_t number_of(struct str ref)
{
    int64_t number = 0;

    if (ref.len < 2 || ref.len > 10 || ref.at[0] != '@')
        return -1;
    for (size_t i = 1; i < ref.len; i++) {
        if (ref.at[i] < '0' || ref.at[i] > '9')
            return -1;
        number = number * 10 + (ref.at[i] - '0');
    }
    return number;
}

static enum rc check_slm(const char *slm, struct err *err)
{
    if (!registry_slm_is_valid(str_of(slm)))
        return err_set(err, RC_INVALID, "'%.80s' is no slm, expected team/name", slm);
    return RC_OK;
}

static enum rc check_text(const char *what, const char *text, size_t min, size_t max,
                          struct err *err)
{
    size_t len = strlen(text);

    if (len < min || len > max)
        return err_set(err, RC_INVALID, "%s of %zu bytes, expected %zu to %zu", what, len, min,
                       max);
    if (!utf8_valid(str_of(text)))
        return err_set(err, RC_INVALID, "%s is not UTF-8", what);
    return RC_OK;
}

static enum rc check_change(const char *slm, const char *alias, const char *principal,
                            const char *why, struct err *err)
{
    enum rc rc = check_slm(slm, err);

    if (rc)
        return rc;
    if (!registry_alias_is_valid(str_of(alias)))
        return err_set(err, RC_INVALID, "'%.40s' is no alias, expected a lower-case name", alias);
    rc = check_text("principal", principal, 1, REGISTRY_PRINCIPAL_MAX, err);
    if (rc)
        return rc;
    return check_text("why", why, 0, REGISTRY_WHY_MAX, err);
}

/* Rows */

static enum rc copy_text(const struct store_rows *rows, size_t column, struct arena *arena,
                         const char **ret_text, struct err *err)
{
    struct str text;
    enum rc rc = store_column_copy(rows, column, arena, &text, err);

    if (rc)
        return rc;
    *ret_text = text.at ? text.at : "";
    return RC_OK;
}

/* A null gives an empty digest. */
static enum rc column_digest(const struct store_rows *rows, size_t column,
                             struct digest *ret_digest, struct err *err)
{
    struct str text = store_column_str(rows, column);

    *ret_digest = (struct digest){ "" };
    if (text.at && !digest_parse(text, ret_digest))
        return err_set(err, RC_CORRUPT, "registry: a stored digest has %zu bytes", text.len);
    return RC_OK;
}

static enum rc read_reasons(struct str text, struct arena *arena, struct registry_version *version,
                            struct err *err)
{
    struct json *json;

    enum rc rc = json_parse(text, JSON_DUPLICATES_REFUSED, arena, &json, err);
    if (rc == RC_NOMEM || rc == RC_LIMIT)
        return rc;
    if (rc || json->type != JSON_ARRAY)
        return err_set(err, RC_CORRUPT, "registry: stored reasons are no list");

    version->n_reasons = json->n;
    version->reasons = arena_array(arena, const char *, json->n);
    if (!version->reasons)
        return arena_fail(arena, err, "reasons");
    for (size_t i = 0; i < json->n; i++) {
        struct str reason = json->items[i].text;
        version->reasons[i] = arena_strndup(arena, reason.at ? reason.at : "", reason.len);
        if (!version->reasons[i])
            return arena_fail(arena, err, "reasons");
    }
    return RC_OK;
}

#define VERSION_COLUMNS \
    "v.slm, v.number, v.digest, v.verdict, v.reasons, v.created_by, v.created_ms"

static enum rc read_version(const struct store_rows *rows, struct arena *arena, void *item,
                            struct err *err)
{
    struct registry_version *version = item;

    version->number = store_column_i64(rows, 1);
    version->verdict =
        str_is(store_column_str(rows, 3), "accepted") ? REGISTRY_ACCEPTED : REGISTRY_REJECTED;
    version->created_ms = store_column_i64(rows, 6);
    enum rc rc = copy_text(rows, 0, arena, &version->slm, err);
    if (rc)
        return rc;
    rc = column_digest(rows, 2, &version->digest, err);
    if (rc)
        return rc;
    rc = copy_text(rows, 5, arena, &version->created_by, err);
    if (rc)
        return rc;
    return read_reasons(store_column_str(rows, 4), arena, version, err);
}

static enum rc read_alias(const struct store_rows *rows, struct arena *arena, void *item,
                          struct err *err)
{
    struct registry_alias *alias = item;

    alias->number = store_column_i64(rows, 3);
    enum rc rc = copy_text(rows, 0, arena, &alias->slm, err);
    if (rc)
        return rc;
    rc = copy_text(rows, 1, arena, &alias->name, err);
    if (rc)
        return rc;
    return column_digest(rows, 2, &alias->digest, err);
}

static enum rc read_change(const struct store_rows *rows, struct arena *arena, void *item,
                           struct err *err)
{
    struct registry_change *change = item;

    change->seq = store_column_i64(rows, 0);
    change->is_rollback = store_column_i64(rows, 3) != 0;
    change->at_ms = store_column_i64(rows, 5);
    enum rc rc = column_digest(rows, 1, &change->from, err);
    if (rc)
        return rc;
    rc = column_digest(rows, 2, &change->to, err);
    if (rc)
        return rc;
    rc = copy_text(rows, 4, arena, &change->principal, err);
    if (rc)
        return rc;
    return copy_text(rows, 6, arena, &change->why, err);
}

/* Finding */

static enum rc select_version(struct store_tx *tx, const char *slm, const char *ref_text,
                              struct arena *arena, struct registry_version *version,
                              struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;
    struct str ref = str_of(ref_text);
    char beyond[SHA256_HEX_LEN + 2]; /* sorts after every digest that begins with ref */
    bool has_another;
    enum rc rc;

    if (number_of(ref) >= 0) {
        rc = store_select_one(
            tx, "select " VERSION_COLUMNS " from version v where v.slm = ? and v.number = ?",
            STORE_ARGS(store_text(slm), store_i64(number_of(ref))), &rows, err);
    } else if (is_digest_prefix(ref)) {
        snprintf(beyond, sizeof(beyond), "%sg", ref_text);
        rc = store_select_one(tx,
                              "select " VERSION_COLUMNS " from version v"
                              " where v.digest >= ? and v.digest < ? and v.slm = ?",
                              STORE_ARGS(store_str(ref), store_text(beyond), store_text(slm)),
                              &rows, err);
    } else if (registry_alias_is_valid(ref)) {
        rc = store_select_one(tx,
                              "select " VERSION_COLUMNS " from alias a join version v"
                              " on v.digest = a.digest where a.slm = ? and a.name = ?",
                              STORE_ARGS(store_text(slm), store_str(ref)), &rows, err);
    } else {
        return err_set(err, RC_INVALID,
                       "'%.70s' is no version, expected @NUMBER, %d or more hex digits or an alias",
                       ref_text, REGISTRY_PREFIX_MIN);
    }
    if (rc)
        return rc;
    if (!rows)
        return err_set(err, RC_NOT_FOUND, "%s has no version '%s'", slm, ref_text);
    rc = read_version(rows, arena, version, err);
    if (rc)
        return rc;
    rc = store_next(rows, &has_another, err);
    if (rc)
        return rc;
    if (has_another)
        return err_set(err, RC_INVALID, "several versions of %s begin with '%s'", slm, ref_text);
    return RC_OK;
}

enum rc registry_find_version(struct registry *registry, const char *slm, const char *ref,
                              struct arena *arena, struct registry_version *ret_version,
                              struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    struct registry_version version = { 0 };

    enum rc rc = check_slm(slm, err);
    if (rc)
        return rc;
    rc = store_begin_read(registry->store, &tx, err);
    if (rc)
        return rc;
    rc = select_version(tx, slm, ref, arena, &version, err);
    if (rc)
        return rc;

    *ret_version = version;
    return RC_OK;
}

enum rc registry_find_manifest(struct registry *registry, const struct digest *digest,
                               struct arena *arena, struct manifest *ret_manifest, struct err *err)
{
    struct str text;

    enum rc rc = artifact_read(registry->artifacts, digest, MANIFEST_BYTES_MAX, arena, &text, err);
    if (rc)
        return err_context(err, "manifest");
    return manifest_parse(text, arena, ret_manifest, err);
}

/* One transaction around one query; slm NULL: for all. */
static enum rc list(struct registry *registry, const char *sql, struct store_args args,
                    store_row_fn *read_row, size_t item_size, struct arena *arena, void **ret_items,
                    size_t *ret_n, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;

    enum rc rc = store_begin_read(registry->store, &tx, err);
    if (rc)
        return rc;
    return store_select_all(tx, sql, args, read_row, item_size, REGISTRY_LIST_MAX, arena, ret_items,
                            ret_n, err);
}

enum rc registry_list(struct registry *registry, const char *slm, struct arena *arena,
                      struct registry_version **ret_versions, size_t *ret_n, struct err *err)
{
    void *items;

    enum rc rc = list(registry,
                      "select " VERSION_COLUMNS " from version v where ?1 is null or v.slm = ?1"
                      " order by v.slm, v.number desc",
                      STORE_ARGS(store_text(slm)), read_version, sizeof(**ret_versions), arena,
                      &items, ret_n, err);
    if (rc)
        return rc;
    *ret_versions = items;
    return RC_OK;
}

enum rc registry_list_aliases(struct registry *registry, const char *slm, struct arena *arena,
                              struct registry_alias **ret_aliases, size_t *ret_n, struct err *err)
{
    void *items;

    enum rc rc = list(registry,
                      "select a.slm, a.name, a.digest, v.number from alias a"
                      " join version v on v.digest = a.digest where ?1 is null or a.slm = ?1"
                      " order by a.slm, a.name",
                      STORE_ARGS(store_text(slm)), read_alias, sizeof(**ret_aliases), arena, &items,
                      ret_n, err);
    if (rc)
        return rc;
    *ret_aliases = items;
    return RC_OK;
}

enum rc registry_history(struct registry *registry, const char *slm, const char *alias,
                         struct arena *arena, struct registry_change **ret_changes, size_t *ret_n,
                         struct err *err)
{
    void *items;

    enum rc rc = list(registry,
                      "select seq, from_digest, to_digest, is_rollback, principal, at_ms, why"
                      " from alias_history where slm = ? and alias = ? order by seq desc",
                      STORE_ARGS(store_text(slm), store_text(alias)), read_change,
                      sizeof(**ret_changes), arena, &items, ret_n, err);
    if (rc)
        return rc;
    *ret_changes = items;
    return RC_OK;
}

static enum rc add_ancestor(struct registry *registry, const char *slm, const char *ref,
                            struct arena *arena, struct registry_ancestor *ancestor,
                            struct err *err)
{
    enum rc rc = registry_find_version(registry, slm, ref, arena, &ancestor->version, err);

    if (rc)
        return rc;
    return registry_find_manifest(registry, &ancestor->version.digest, arena, &ancestor->manifest,
                                  err);
}

enum rc registry_lineage(struct registry *registry, const char *slm, const char *ref,
                         struct arena *arena, struct registry_ancestor **ret_ancestors,
                         size_t *ret_n, struct err *err)
{
    struct registry_ancestor *chain =
        arena_array(arena, struct registry_ancestor, REGISTRY_LIST_MAX);
    size_t n = 0;

    if (!chain)
        return arena_fail(arena, err, "lineage");
    /* A digest cannot contain itself, so the chain ends. */
    for (const char *next = ref; *next && n < REGISTRY_LIST_MAX; n++) {
        enum rc rc = add_ancestor(registry, slm, next, arena, &chain[n], err);
        if (rc)
            return rc;
        next = chain[n].manifest.parent.hex;
    }
    *ret_ancestors = chain;
    *ret_n = n;
    return RC_OK;
}

/* Registering */

static enum rc encode_reasons(const char *const *reasons, size_t n_reasons, struct buf *out,
                              struct err *err)
{
    struct json_writer w;

    if (n_reasons > REGISTRY_REASONS_MAX)
        return err_set(err, RC_INVALID, "%zu reasons, at most %d", n_reasons, REGISTRY_REASONS_MAX);
    json_writer_init(&w, out);
    json_begin_array(&w);
    for (size_t i = 0; i < n_reasons; i++) {
        enum rc rc = check_text("reason", reasons[i], 1, REGISTRY_REASON_MAX, err);
        if (rc)
            return rc;
        json_text(&w, reasons[i]);
    }
    json_end_array(&w);
    return buf_rc(out, "reasons", err);
}

static enum rc check_part(const struct registry *registry, const char *what,
                          const struct digest *digest, struct err *err)
{
    if (digest->hex[0] && !artifact_exists(registry->artifacts, digest))
        return err_set(err, RC_NOT_FOUND, "%s sha256:%s is not stored", what, digest->hex);
    return RC_OK;
}

/* A version whose parts are gone could be neither served nor explained. */
static enum rc check_parts(const struct registry *registry, const struct manifest *m,
                           struct err *err)
{
    const struct {
        const char *what;
        const struct digest *digest;
    } parts[] = {
        { "spec", &m->spec },       { "dataset", &m->dataset }, { "base", &m->base },
        { "adapter", &m->adapter }, { "report", &m->report },   { "origin", &m->origin },
    };
    enum rc rc = RC_OK;

    for (size_t i = 0; !rc && i < ARRAY_LEN(parts); i++)
        rc = check_part(registry, parts[i].what, parts[i].digest, err);
    for (size_t i = 0; !rc && i < m->n_tables; i++)
        rc = check_part(registry, "table", &m->tables[i].digest, err);
    return rc;
}

struct registration {
    const char *slm, *parent; /* parent NULL: none */
    struct digest digest;
    const char *verdict;
    struct str reasons;
    const struct manifest *manifest;
};

/* *ret_number is 0 when it is not registered yet. */
static enum rc find_registered(struct store_tx *tx, const struct registration *r,
                               int64_t *ret_number, struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;

    enum rc rc =
        store_select_one(tx, "select number, verdict, reasons from version where digest = ?",
                         STORE_ARGS(store_text(r->digest.hex)), &rows, err);
    if (rc)
        return rc;
    *ret_number = 0;
    if (!rows)
        return RC_OK;
    if (!str_is(store_column_str(rows, 1), r->verdict) ||
        !str_equal(store_column_str(rows, 2), r->reasons))
        return err_set(err, RC_CONFLICT, "version %.12s is registered with another verdict",
                       r->digest.hex);
    *ret_number = store_column_i64(rows, 0);
    return RC_OK;
}

static enum rc next_number(struct store_tx *tx, const char *slm, int64_t *ret_number,
                           struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;

    enum rc rc =
        store_select_one(tx, "select coalesce(max(number), 0) + 1 from version where slm = ?",
                         STORE_ARGS(store_text(slm)), &rows, err);
    if (rc)
        return rc;
    *ret_number = store_column_i64(rows, 0);
    return RC_OK;
}

static enum rc insert_version(struct store_tx *tx, const struct registration *r, int64_t number,
                              struct err *err)
{
    enum rc rc = store_exec(
        tx,
        "insert into version (digest, slm, number, verdict, reasons, parent,"
        " created_ms, created_by) values (?, ?, ?, ?, ?, ?, ?, ?)",
        STORE_ARGS(store_text(r->digest.hex), store_text(r->slm), store_i64(number),
                   store_text(r->verdict), store_str(r->reasons), store_text(r->parent),
                   store_i64(r->manifest->created_ms), store_text(r->manifest->created_by)),
        err);
    if (rc == RC_INVALID && r->parent)
        return err_set(err, RC_NOT_FOUND, "parent %.12s is not registered", r->parent);
    return rc;
}

static enum rc index_version(struct registry *registry, const struct registration *r,
                             int64_t *ret_number, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    int64_t number = 0;

    enum rc rc = store_begin(registry->store, &tx, err);
    if (rc)
        return rc;
    rc = find_registered(tx, r, &number, err);
    if (rc)
        return rc;
    if (number) {
        *ret_number = number;
        return RC_OK;
    }
    rc = next_number(tx, r->slm, &number, err);
    if (rc)
        return rc;
    rc = insert_version(tx, r, number, err);
    if (rc)
        return rc;
    FAILPOINT("registry.before_register_commit");
    rc = store_commit(TAKE(tx), err);
    if (rc)
        return rc;
    FAILPOINT("registry.after_register_commit");
    *ret_number = number;
    return RC_OK;
}

enum rc registry_register(struct registry *registry, const struct manifest *manifest,
                          enum registry_verdict verdict, const char *const *reasons,
                          size_t n_reasons, struct digest *ret_digest, int64_t *ret_number,
                          struct err *err)
{
    CLEANUP(buf_release) struct buf text, reasons_text;
    struct registration r = { .manifest = manifest };
    char slm[REGISTRY_SLM_MAX + 1];

    buf_init(&text, MANIFEST_BYTES_MAX);
    buf_init(&reasons_text, REASONS_BYTES_MAX);
    enum rc rc = encode_reasons(reasons, n_reasons, &reasons_text, err);
    if (rc)
        return rc;
    if (verdict == REGISTRY_REJECTED && n_reasons == 0)
        return err_set(err, RC_INVALID, "a rejected version needs a reason");
    rc = manifest_encode(manifest, &text, err);
    if (rc)
        return rc;
    rc = check_parts(registry, manifest, err);
    if (rc)
        return rc;
    rc = artifact_put(registry->artifacts, text.at, text.len, &r.digest, err);
    if (rc)
        return rc;
    FAILPOINT("registry.before_index");

    snprintf(slm, sizeof(slm), "%s/%s", manifest->team, manifest->slm);
    r.slm = slm;
    r.parent = manifest->parent.hex[0] ? manifest->parent.hex : NULL;
    r.verdict = verdict == REGISTRY_ACCEPTED ? "accepted" : "rejected";
    r.reasons = buf_str(&reasons_text);
    rc = index_version(registry, &r, ret_number, err);
    if (rc)
        return err_context(err, "register %s", slm);
    *ret_digest = r.digest;
    return RC_OK;
}

/* Aliases */

struct alias_state {
    struct digest digest;    /* hex[0] == '\0': nobody has the alias */
    int64_t seq, before_seq; /* 0: none */
};

static enum rc find_alias(struct store_tx *tx, const char *slm, const char *alias,
                          struct alias_state *ret_state, struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;

    *ret_state = (struct alias_state){ 0 };
    enum rc rc =
        store_select_one(tx, "select digest, seq, before_seq from alias where slm = ? and name = ?",
                         STORE_ARGS(store_text(slm), store_text(alias)), &rows, err);
    if (rc || !rows)
        return rc;
    ret_state->seq = store_column_i64(rows, 1);
    ret_state->before_seq = store_column_i64(rows, 2);
    return column_digest(rows, 0, &ret_state->digest, err);
}

struct alias_move {
    const char *slm, *alias;
    struct alias_state now;
    struct digest to;
    int64_t before_seq; /* what a rollback of this returns to; 0: none */
    bool is_rollback;
    const char *principal, *why;
};

static enum rc move_alias(struct registry *registry, struct store_tx *tx,
                          const struct alias_move *move, struct err *err)
{
    return store_exec(
        tx,
        "insert into alias_history (slm, alias, seq, from_digest, to_digest, before_seq,"
        " is_rollback, principal, at_ms, why) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        STORE_ARGS(store_text(move->slm), store_text(move->alias), store_i64(move->now.seq + 1),
                   store_text(move->now.seq ? move->now.digest.hex : NULL),
                   store_text(move->to.hex),
                   move->before_seq ? store_i64(move->before_seq) : store_null(),
                   store_i64(move->is_rollback), store_text(move->principal),
                   store_i64(registry->clock.now_ms(registry->clock.self)), store_text(move->why)),
        err);
}

static enum rc promote(struct registry *registry, struct alias_move *move, const char *ref,
                       struct arena *arena, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    struct registry_version version = { 0 };

    enum rc rc = store_begin(registry->store, &tx, err);
    if (rc)
        return rc;
    rc = select_version(tx, move->slm, ref, arena, &version, err);
    if (rc)
        return rc;
    rc = find_alias(tx, move->slm, move->alias, &move->now, err);
    if (rc)
        return rc;
    if (move->now.seq && digest_equal(&move->now.digest, &version.digest))
        return RC_OK;
    move->to = version.digest;
    move->before_seq = move->now.seq;
    rc = move_alias(registry, tx, move, err);
    if (rc)
        return rc;
    FAILPOINT("registry.before_alias_commit");
    rc = store_commit(TAKE(tx), err);
    FAILPOINT("registry.after_alias_commit");
    return rc;
}

enum { ONE_VERSION_BYTES = 128 << 10 }; /* a version with all its reasons, as text and as JSON */

enum rc registry_promote(struct registry *registry, const char *slm, const char *ref,
                         const char *alias, const char *principal, const char *why, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct alias_move move = { .slm = slm, .alias = alias, .principal = principal, .why = why };

    arena_init(&arena, 8 * ONE_VERSION_BYTES);
    enum rc rc = check_change(slm, alias, principal, why, err);
    if (rc)
        return rc;
    rc = promote(registry, &move, ref, &arena, err);
    return rc ? err_context(err, "promote %s %s", slm, ref) : RC_OK;
}

/* The version that had the alias at history row `seq`, and the row before that. */
static enum rc find_earlier(struct store_tx *tx, const struct alias_move *move, int64_t seq,
                            struct digest *ret_digest, int64_t *ret_before_seq, struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;

    enum rc rc = store_select_one(
        tx,
        "select to_digest, before_seq from alias_history"
        " where slm = ? and alias = ? and seq = ?",
        STORE_ARGS(store_text(move->slm), store_text(move->alias), store_i64(seq)), &rows, err);
    if (rc)
        return rc;
    if (!rows)
        return err_set(err, RC_CORRUPT, "registry: row %" PRId64 " of a history is missing", seq);
    *ret_before_seq = store_column_i64(rows, 1);
    return column_digest(rows, 0, ret_digest, err);
}

static enum rc check_rollback(const struct alias_move *move, const struct digest *expected,
                              struct err *err)
{
    if (!move->now.seq)
        return err_set(err, RC_NOT_FOUND, "%s has no alias '%s'", move->slm, move->alias);
    if (expected && !digest_equal(expected, &move->now.digest))
        return err_set(err, RC_CONFLICT, "alias '%s' of %s is at %.12s, not at %.12s", move->alias,
                       move->slm, move->now.digest.hex, expected->hex);
    if (!move->now.before_seq)
        return err_set(err, RC_STATE, "alias '%s' of %s has no earlier version", move->alias,
                       move->slm);
    return RC_OK;
}

enum rc registry_rollback(struct registry *registry, const char *slm, const char *alias,
                          const struct digest *expected, const char *principal, const char *why,
                          struct digest *ret_digest, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    struct alias_move move = {
        .slm = slm, .alias = alias, .is_rollback = true, .principal = principal, .why = why
    };
    struct digest earlier;

    enum rc rc = check_change(slm, alias, principal, why, err);
    if (rc)
        return rc;
    rc = store_begin(registry->store, &tx, err);
    if (rc)
        return rc;
    rc = find_alias(tx, slm, alias, &move.now, err);
    if (rc)
        return rc;
    rc = check_rollback(&move, expected, err);
    if (rc)
        return rc;
    rc = find_earlier(tx, &move, move.now.before_seq, &earlier, &move.before_seq, err);
    if (rc)
        return rc;
    move.to = earlier;
    rc = move_alias(registry, tx, &move, err);
    if (rc)
        return rc;
    FAILPOINT("registry.before_rollback_commit");
    rc = store_commit(TAKE(tx), err);
    if (rc)
        return err_context(err, "roll back %s %s", slm, alias);
    *ret_digest = earlier;
    return RC_OK;
}
