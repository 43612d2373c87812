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

static enum rc check_file(const struct json *described, const char *name, const struct fs_map *map,
                          struct err *err)
{
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
        rc = check_file(described, encoder_file_names[file], &files.maps[file], err);
    if (rc)
        return rc;
    *ret_files = files;
    files = (struct encoder_files){ 0 };
    return RC_OK;
}

static enum rc open_encoder(const char *folder, const struct json *described,
                            const struct digest *digest, struct encoder_base **ret_base,
                            struct err *err)
{
    struct encoder_files files;
    enum rc rc = open_files(folder, described, &files, err);

    return rc ? rc : encoder_base_open(&files, digest, ret_base, err);
}

/* Its one file is parsed, as any file may be, before it is known to be the right one. */
static enum rc open_decoder(const char *folder, const struct json *described, struct arena *arena,
                            const struct digest *digest, struct decoder_base **ret_base,
                            struct err *err)
{
    CLEANUP(decoder_base_closep) struct decoder_base *base = NULL;
    const char *path = fs_join(arena, folder, decoder_file_name);

    if (!path)
        return arena_fail(arena, err, "path of the base");
    enum rc rc = decoder_base_open(path, &base, err);
    if (!rc)
        rc = check_file(described, decoder_file_name, &base->map, err);
    if (rc)
        return rc;
    base->digest = *digest;
    *ret_base = TAKE(base);
    return RC_OK;
}

struct description {
    const char *name;
    struct str architecture;
    const struct json *files;
};

static enum rc read_description(struct str text, struct arena *arena, struct description *ret,
                                struct err *err)
{
    struct json *description;

    enum rc rc = json_parse(text, JSON_DUPLICATES_REFUSED, arena, &description, err);
    if (rc == RC_INVALID)
        return err_set(err, RC_CORRUPT, "the description of the base is no JSON");
    if (rc)
        return rc;

    const struct json *name = json_find(description, "name");
    const struct json *architecture = json_find(description, "architecture");
    ret->files = json_find(description, "files");
    if (!name || name->type != JSON_STRING || !is_name(name->text) || !architecture ||
        architecture->type != JSON_STRING || !ret->files || ret->files->type != JSON_OBJECT)
        return err_set(err, RC_CORRUPT,
                       "the description of the base lacks its name, architecture or files");
    ret->architecture = architecture->text;
    ret->name = arena_strndup(arena, name->text.at, name->text.len);
    return ret->name ? RC_OK : arena_fail(arena, err, "name of the base");
}

enum rc version_base_open(const char *bases_dir, struct str json, struct version_base *ret_base,
                          struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct description d = { 0 };
    struct version_base base = { 0 };
    struct digest digest;

    arena_init(&arena, DESCRIPTION_ARENA_BYTES);
    enum rc rc = sha256_of(json.at, json.len, &digest, err);
    if (!rc)
        rc = read_description(json, &arena, &d, err);
    if (rc)
        return rc;
    const char *folder = fs_join(&arena, bases_dir, d.name);
    if (!folder)
        return arena_fail(&arena, err, "path of the base");
    if (str_is(d.architecture, "bert"))
        rc = open_encoder(folder, d.files, &digest, &base.encoder, err);
    else if (str_is(d.architecture, "llama"))
        rc = open_decoder(folder, d.files, &arena, &digest, &base.decoder, err);
    else
        rc = err_set(err, RC_UNSUPPORTED, "architecture '%.*s' is not known",
                     STR_ARG(d.architecture));
    if (rc)
        return err_context(err, "base '%s'", d.name);
    *ret_base = base;
    return RC_OK;
}

void version_base_close(struct version_base *base)
{
    encoder_base_close(base->encoder);
    decoder_base_close(base->decoder);
    *base = (struct version_base){ 0 };
}
