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

static enum rc check_file(const struct json *described, enum encoder_file file,
                          const struct fs_map *map, struct err *err)
{
    const char *name = encoder_file_names[file];
    const struct json *sha256 = json_find(json_find(described, name), "sha256");
    struct digest want, got;

    if (!sha256 || sha256->type != JSON_STRING || !digest_parse(sha256->text, &want))
        return err_set(err, RC_CORRUPT, "the description has no digest of %s", name);
    enum rc rc = sha256_of(map->at, map->len, &got, err);
    if (rc)
        return rc;
    if (!digest_equal(&want, &got))
        return err_set(err, RC_CORRUPT, "%s has the digest %.12s..., expected %.12s...", name,
                       got.hex, want.hex);
    return RC_OK;
}

/* Maps the files of the folder and checks each against the description. */
static enum rc open_files(const char *folder, const struct json *described,
                          struct encoder_files *ret_files, struct err *err)
{
    CLEANUP(encoder_files_close) struct encoder_files files = { 0 };
    enum rc rc = encoder_files_open(folder, &files, err);

    for (enum encoder_file file = 0; !rc && file < ENCODER_N_FILES; file++)
        rc = check_file(described, file, &files.maps[file], err);
    if (rc)
        return rc;
    *ret_files = files;
    files = (struct encoder_files){ 0 };
    return RC_OK;
}

/* The base's name and the member "files" of its description. */
static enum rc read_description(struct str text, struct arena *arena, const char **ret_name,
                                const struct json **ret_files, struct err *err)
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
    if (!name_text)
        return arena_fail(arena, err, "name of the base");
    *ret_name = name_text;
    *ret_files = files;
    return RC_OK;
}

enum rc version_base_open(const char *bases_dir, struct str json, struct encoder_base **ret_base,
                          struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    const struct json *described = NULL;
    const char *name = NULL, *folder;
    struct encoder_files files;
    struct digest digest;

    arena_init(&arena, DESCRIPTION_ARENA_BYTES);
    enum rc rc = sha256_of(json.at, json.len, &digest, err);
    if (!rc)
        rc = read_description(json, &arena, &name, &described, err);
    if (rc)
        return rc;
    folder = fs_join(&arena, bases_dir, name);
    if (!folder)
        return arena_fail(&arena, err, "path of the base");
    rc = open_files(folder, described, &files, err);
    if (!rc)
        rc = encoder_base_open(&files, &digest, ret_base, err);
    return rc ? err_context(err, "base '%s'", name) : RC_OK;
}
