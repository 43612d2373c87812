#include "serve/slm_table.h"

#include <inttypes.h>
#include <stdio.h>

enum { ALIASES_BYTES_MAX = 4 << 20 };

const struct serve_slm *serve_slm_table_find(const struct serve_slm_table *table, struct str name)
{
    for (size_t i = 0; i < table->n; i++)
        if (str_is(name, table->at[i].name))
            return &table->at[i];
    return NULL;
}

/* The row of an SLM, a new one when there is none; NULL: the table is full. */
static struct serve_slm *row_of(struct serve_slm_table *table, const char *name,
                                struct metrics *metrics)
{
    for (size_t i = 0; i < table->n; i++)
        if (strcmp(table->at[i].name, name) == 0)
            return &table->at[i];
    if (table->n == ARRAY_LEN(table->at))
        return NULL;
    struct serve_slm *slm = &table->at[table->n];
    *slm = (struct serve_slm){ .metrics_index = metrics_add_slm(metrics, name) };
    snprintf(slm->name, sizeof(slm->name), "%s", name);
    return slm;
}

static enum rc serve_alias(struct serve_slm_table *table, struct serve_team *team,
                           const struct registry_alias *alias, struct metrics *metrics,
                           const struct log *log, struct err *err)
{
    const char *name = strchr(alias->slm, '/') + 1;
    struct serve_slm *slm = row_of(table, name, metrics);
    struct version *version;

    if (!slm)
        return err_set(err, RC_LIMIT, "more than %d SLMs", METRICS_SLMS_MAX);
    if (slm->version && digest_equal(version_digest(slm->version), &alias->digest))
        return RC_OK;
    enum rc rc = version_open(&team->sources, &alias->digest, &version, err);
    if (rc)
        return err_context(err, "%s @%" PRId64, alias->slm, alias->number);

    if (!slm->version)
        table->n++;
    version_close(slm->version);
    slm->version = version;
    slm->number = alias->number;
    log_printf(log, LOG_LEVEL_INFO, "%s: version @%" PRId64 " %.12s answers", alias->slm,
               alias->number, alias->digest.hex);
    return RC_OK;
}

static bool is_of_team(const struct registry_alias *alias, const char *team)
{
    size_t len = strlen(team);

    return strncmp(alias->slm, team, len) == 0 && alias->slm[len] == '/' &&
           strcmp(alias->name, REGISTRY_PRODUCTION) == 0;
}

enum rc serve_slm_table_refresh(struct serve_slm_table *table, struct serve_team *team,
                                struct metrics *metrics, const struct log *log, struct err *err)
{
    struct registry_alias *aliases;
    struct arena arena;
    enum rc result = RC_OK;
    size_t n;

    arena_init(&arena, ALIASES_BYTES_MAX);
    enum rc rc = registry_list_aliases(team->registry, NULL, &arena, &aliases, &n, err);
    for (size_t i = 0; !rc && i < n; i++) {
        if (!is_of_team(&aliases[i], team->config.team))
            continue;
        enum rc failed = serve_alias(table, team, &aliases[i], metrics, log, err);
        if (failed) {
            log_printf(log, LOG_LEVEL_ERROR, "%s", err->message);
            result = failed;
        }
    }
    arena_release(&arena);
    return rc ? rc : result;
}

void serve_slm_table_release(struct serve_slm_table *table)
{
    for (size_t i = 0; i < table->n; i++)
        version_close(table->at[i].version);
    *table = (struct serve_slm_table){ 0 };
}
