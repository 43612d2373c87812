#include "decide/version_base.h"

#include "base/json.h"

enum { DESCRIPTION_ARENA_BYTES = 1 << 20, BASE_NAME_MAX = 64 };

/* A name becomes part of a path: letters, digits, '-', '_' and '.', a letter or digit first. */
static bool is_name(struct str name)
{
    if (name.len == 0 || name.len > BASE_NAME_MAX || name.at[0] == '.' || name.at[0] == '-')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

static enum rc check_file(const char *folder, const struct json_member *file, struct arena *arena,
                          struct err *err)
{
    CLEANUP(fs_map_close) struct fs_map map = { 0 };
    const struct json *sha256 = json_find(&file->value, "sha256");
    struct digest want, got;

    if (!is_name(file->key) || !sha256 || sha256->type != JSON_STRING ||
        !digest_parse(sha256->text, &want))
        return err_set(err, RC_CORRUPT, "the description names a file without its digest");

    const char *name = arena_strndup(arena, file->key.at, file->key.len);
    const char *path = name ? fs_join(arena, folder, name) : NULL;
    if (!path)
        return arena_fail(arena, err, "path of the base");
    enum rc rc = fs_map_open(path, &map, err);
    if (rc)
        return rc;
    rc = sha256_of(map.at, map.len, &got, err);
    if (rc)
        return rc;
    if (!digest_equal(&want, &got))
        return err_set(err, RC_CORRUPT, "%s has the digest %.12s..., expected %.12s...", path,
                       got.hex, want.hex);
    return RC_OK;
}

/* Finds the base's folder and checks every file of the description. */
static enum rc check_files(const char *bases_dir, struct str text, struct arena *arena,
                           const char **ret_folder, struct err *err)
{
    struct json *description;

    enum rc rc = json_parse(text, JSON_DUPLICATES_REFUSED, arena, &description, err);
    if (rc == RC_INVALID)
        return err_set(err, RC_CORRUPT, "the description of the base is no JSON");
    if (rc)
        return rc;

    const struct json *name = json_find(description, "name");
    const struct json *files = json_find(description, "files");
    if (!name || name->type != JSON_STRING || !is_name(name->text) || !files ||
        files->type != JSON_OBJECT)
        return err_set(err, RC_CORRUPT, "the description of the base lacks its name or files");

    const char *name_text = arena_strndup(arena, name->text.at, name->text.len);
    const char *folder = name_text ? fs_join(arena, bases_dir, name_text) : NULL;
    if (!folder)
        return arena_fail(arena, err, "path of the base");
    for (size_t i = 0; i < files->n; i++) {
        rc = check_file(folder, &files->members[i], arena, err);
        if (rc)
            return err_context(err, "base '%s'", name_text);
    }
    *ret_folder = folder;
    return RC_OK;
}

enum rc version_base_open(const char *bases_dir, struct str json, struct encoder_base **ret_base,
                          struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    const char *folder = NULL;
    struct digest digest;

    arena_init(&arena, DESCRIPTION_ARENA_BYTES);
    enum rc rc = check_files(bases_dir, json, &arena, &folder, err);
    if (rc)
        return rc;
    rc = sha256_of(json.at, json.len, &digest, err);
    if (rc)
        return rc;
    return encoder_base_open(folder, &digest, ret_base, err);
}
