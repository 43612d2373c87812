#include "cli/catalogue.h"

#include "base/yaml.h"

#include <inttypes.h>
#include <string.h>

struct reading {
    const char *path;
    struct arena *arena;
    struct err *err;
};

static enum rc refuse(const struct reading *r, const struct json *at, const char *what)
{
    return err_set(r->err, RC_INVALID, "%s: line %" PRIu32 ", column %" PRIu32 ": %s", r->path,
                   at->line, at->column, what);
}

bool catalogue_name_is_valid(struct str name)
{
    if (name.len == 0 || name.len > CATALOGUE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (!is_word && (i == 0 || !strchr("._-", c) || c == '\0'))
            return false;
    }
    return true;
}

/* The keys of an object are among these; "" ends the list. */
static enum rc check_keys(const struct reading *r, const struct json *v, const char *const *keys)
{
    if (v->type != JSON_OBJECT)
        return refuse(r, v, "expected keys with values");
    for (size_t i = 0; i < v->n; i++) {
        size_t k = 0;

        while (keys[k] && !str_is(v->members[i].key, keys[k]))
            k++;
        if (!keys[k])
            return err_set(r->err, RC_INVALID, "%s: line %" PRIu32 ": unknown key '%.*s'", r->path,
                           v->members[i].line, STR_ARG(v->members[i].key));
    }
    return RC_OK;
}

/* A member that is a text without NUL; `fallback` NULL: it must be there. */
static enum rc read_text(const struct reading *r, const struct json *v, const char *key,
                         const char *fallback, const char **ret_text)
{
    const struct json *member = json_find(v, key);

    if (!member && fallback) {
        *ret_text = fallback;
        return RC_OK;
    }
    if (!member || member->type != JSON_STRING || member->text.len == 0 ||
        memchr(member->text.at, '\0', member->text.len))
        return err_set(r->err, RC_INVALID, "%s: line %" PRIu32 ": '%s' must be a text", r->path,
                       member ? member->line : v->line, key);

    *ret_text = arena_strndup(r->arena, member->text.at, member->text.len);
    return *ret_text ? RC_OK : arena_fail(r->arena, r->err, "catalogue");
}

static enum rc read_name(const struct reading *r, const struct json *v, const char **ret_name)
{
    enum rc rc = read_text(r, v, "name", NULL, ret_name);

    if (rc)
        return rc;
    return catalogue_name_is_valid(str_of(*ret_name))
               ? RC_OK
               : refuse(r, v, "a name is made of a-z, 0-9, '.', '_' and '-'");
}

/* A member that is a list of 1 to max items. */
static enum rc read_list(const struct reading *r, const struct json *v, const char *key, size_t max,
                         const struct json **ret_list)
{
    const struct json *list = json_find(v, key);

    if (!list || list->type != JSON_ARRAY || list->n == 0 || list->n > max)
        return err_set(r->err, RC_INVALID, "%s: line %" PRIu32 ": '%s' must be a list of 1 to %zu",
                       r->path, list ? list->line : v->line, key, max);
    *ret_list = list;
    return RC_OK;
}

static enum rc read_bytes(const struct reading *r, const struct json *v, uint64_t *ret_bytes)
{
    const struct json *bytes = json_find(v, "bytes");
    int64_t n_bytes = 0;

    if (!bytes || !json_to_i64(bytes, &n_bytes) || n_bytes < 1 ||
        (uint64_t)n_bytes > CATALOGUE_FILE_BYTES_MAX)
        return refuse(r, bytes ? bytes : v, "'bytes' must be a length");
    *ret_bytes = (uint64_t)n_bytes;
    return RC_OK;
}

static enum rc read_file(const struct reading *r, const struct json *v,
                         struct catalogue_file *ret_file)
{
    static const char *const keys[] = { "name", "bytes", "sha256", "member", NULL };
    struct catalogue_file file = { 0 };
    const char *hex = NULL;
    enum rc rc = check_keys(r, v, keys);

    if (rc == RC_OK)
        rc = read_name(r, v, &file.name);
    if (rc == RC_OK)
        rc = read_bytes(r, v, &file.n_bytes);
    if (rc == RC_OK)
        rc = read_text(r, v, "sha256", NULL, &hex);
    if (rc == RC_OK)
        rc = read_text(r, v, "member", file.name, &file.member);
    if (rc)
        return rc;
    if (!digest_parse(str_of(hex), &file.digest))
        return refuse(r, v, "'sha256' must be 64 hex digits in lower case");
    *ret_file = file;
    return RC_OK;
}

static enum rc read_source(const struct reading *r, const struct json *v,
                           struct catalogue_source *ret_source)
{
    static const char *const pypi_keys[] = { "pypi", "version", "folder", "bytes", NULL };
    static const char *const https_keys[] = { "https", NULL };
    struct catalogue_source source = { .place = CATALOGUE_PYPI };
    bool is_https = json_find(v, "https") != NULL;
    enum rc rc = check_keys(r, v, is_https ? https_keys : pypi_keys);

    if (is_https) {
        source.place = CATALOGUE_URL;
        if (rc == RC_OK)
            rc = read_text(r, v, "https", NULL, &source.folder);
    } else {
        if (rc == RC_OK)
            rc = read_text(r, v, "pypi", NULL, &source.package);
        if (rc == RC_OK)
            rc = read_text(r, v, "version", NULL, &source.version);
        if (rc == RC_OK)
            rc = read_text(r, v, "folder", NULL, &source.folder);
        if (rc == RC_OK && json_find(v, "bytes"))
            rc = read_bytes(r, v, &source.n_bytes);
    }
    if (rc == RC_OK)
        *ret_source = source;
    return rc;
}

static enum rc read_licence(const struct reading *r, const struct json *v,
                            struct catalogue_base *base)
{
    static const char *const keys[] = { "model", "package", NULL };
    const struct json *licence = json_find(v, "licence");
    enum rc rc;

    if (!licence)
        return refuse(r, v, "'licence' is missing");
    rc = check_keys(r, licence, keys);
    if (rc == RC_OK)
        rc = read_text(r, licence, "model", NULL, &base->model_licence);
    if (rc == RC_OK)
        rc = read_text(r, licence, "package", "", &base->package_licence);
    return rc;
}

static enum rc read_base(const struct reading *r, const struct json *v, struct catalogue_base *base)
{
    static const char *const keys[] = { "name",    "summary", "architecture", "licence", "files",
                                        "sources", NULL };
    const struct json *files = NULL, *sources = NULL;
    enum rc rc = check_keys(r, v, keys);

    if (rc == RC_OK)
        rc = read_name(r, v, &base->name);
    if (rc == RC_OK)
        rc = read_text(r, v, "summary", NULL, &base->summary);
    if (rc == RC_OK)
        rc = read_text(r, v, "architecture", NULL, &base->architecture);
    if (rc == RC_OK)
        rc = read_licence(r, v, base);
    if (rc == RC_OK)
        rc = read_list(r, v, "files", CATALOGUE_FILES_MAX, &files);
    if (rc == RC_OK)
        rc = read_list(r, v, "sources", CATALOGUE_SOURCES_MAX, &sources);

    for (size_t i = 0; rc == RC_OK && files && i < files->n; i++)
        rc = read_file(r, &files->items[i], &base->files[base->n_files++]);
    for (size_t i = 0; rc == RC_OK && sources && i < sources->n; i++)
        rc = read_source(r, &sources->items[i], &base->sources[base->n_sources++]);
    return rc;
}

enum rc catalogue_parse(struct str text, const char *path, struct arena *arena,
                        struct catalogue *ret_catalogue, struct err *err)
{
    static const char *const keys[] = { "bases", NULL };
    struct reading r = { .path = path, .arena = arena, .err = err };
    struct catalogue catalogue = { 0 };
    const struct json *list = NULL;
    struct json *tree = NULL;
    enum rc rc = yaml_parse(text, arena, &tree, err);

    if (rc)
        return err_context(err, "%s", path);
    rc = check_keys(&r, tree, keys);
    if (rc == RC_OK)
        rc = read_list(&r, tree, "bases", CATALOGUE_BASES_MAX, &list);
    if (rc || !list)
        return rc;

    catalogue.bases = arena_array(arena, struct catalogue_base, list->n);
    if (!catalogue.bases)
        return arena_fail(arena, err, "catalogue");
    for (; catalogue.n_bases < list->n; catalogue.n_bases++) {
        struct catalogue_base *base = &catalogue.bases[catalogue.n_bases];

        rc = read_base(&r, &list->items[catalogue.n_bases], base);
        if (rc)
            return rc;
        if (catalogue_find(&catalogue, base->name))
            return refuse(&r, &list->items[catalogue.n_bases], "a base of that name is above");
    }

    *ret_catalogue = catalogue;
    return RC_OK;
}

const struct catalogue_base *catalogue_find(const struct catalogue *catalogue, const char *name)
{
    for (size_t i = 0; i < catalogue->n_bases; i++)
        if (strcmp(catalogue->bases[i].name, name) == 0)
            return &catalogue->bases[i];
    return NULL;
}
