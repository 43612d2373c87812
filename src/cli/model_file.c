#include "cli/model_file.h"

#include "cli/home.h"

#include <string.h>
#include <sys/stat.h>

enum { SIDE_FILE_BYTES_MAX = 32 << 20 };

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The folder or file that a name stands for. */
static enum rc find_place(struct cli *cli, const char *name, const char **ret_place,
                          struct err *err)
{
    struct home_base base = { 0 };
    struct stat st;
    enum rc rc;

    if (stat(name, &st) == 0) {
        *ret_place = name;
        return RC_OK;
    }
    if (!catalogue_name_is_valid(str_of(name)))
        return err_set(err, RC_NOT_FOUND, "there is no '%.200s'", name);
    rc = home_find_base(cli->config.home, name, &cli->arena, &base, err);
    if (rc == RC_NOT_FOUND) {
        cli_hint(cli, RC_OK, "shoal pull %s gets it, if it is a base", name);
        return err_set(err, RC_NOT_FOUND, "'%s' is neither a file nor a pulled base", name);
    }
    if (rc == RC_OK)
        *ret_place = base.folder;
    return rc;
}

static enum rc set_paths(struct cli *cli, const char *place, struct model_file *file,
                         struct err *err)
{
    const char *slash = strrchr(place, '/');

    if (is_folder(place)) {
        file->folder = place;
        file->path = fs_join(&cli->arena, place, "model.gguf");
        if (file->path && !fs_exists(file->path))
            file->path = fs_join(&cli->arena, place, "model.safetensors");
    } else {
        file->path = place;
        file->folder = slash ? arena_strndup(&cli->arena, place, (size_t)(slash - place)) : ".";
    }
    return file->folder && file->path ? RC_OK : arena_fail(&cli->arena, err, "path of the model");
}

static enum rc parse(struct cli *cli, struct model_file *file, struct err *err)
{
    const struct fs_map *map = &file->map;

    if (map->len >= 4 && memcmp(map->at, "GGUF", 4) == 0)
        return gguf_parse(map->at, map->len, &cli->arena, &file->gguf, err);
    return safetensors_parse(map->at, map->len, &cli->arena, &file->safetensors, err);
}

enum rc model_file_open(struct cli *cli, const char *name, struct model_file *ret_file,
                        struct err *err)
{
    struct model_file file = { 0 };
    const char *place = NULL;
    enum rc rc = find_place(cli, name, &place, err);

    if (rc == RC_OK && place)
        rc = set_paths(cli, place, &file, err);
    if (rc == RC_OK)
        rc = fs_map_open(file.path, &file.map, err);
    if (rc)
        return rc;

    rc = parse(cli, &file, err);
    if (rc) {
        fs_map_close(&file.map);
        return err_context(err, "%s", file.path);
    }
    *ret_file = file;
    return RC_OK;
}

void model_file_close(struct model_file *file)
{
    fs_map_close(&file->map);
    *file = (struct model_file){ 0 };
}

static enum rc read_side_file(struct cli *cli, const struct model_file *file, const char *name,
                              struct str *ret_text, struct err *err)
{
    const char *path = fs_join(&cli->arena, file->folder, name);

    if (!path)
        return arena_fail(&cli->arena, err, "path of the model");
    return fs_read_file(path, SIDE_FILE_BYTES_MAX, &cli->arena, ret_text, err);
}

enum rc model_file_config(struct cli *cli, const struct model_file *file,
                          struct bert_config *ret_config, struct err *err)
{
    struct str text = { 0 };
    enum rc rc = RC_OK;

    if (file->gguf)
        return err_set(err, RC_INVALID, "'%s' is no encoder: it is a GGUF file", file->path);
    rc = read_side_file(cli, file, "config.json", &text, err);
    if (rc)
        return rc;
    rc = bert_config_parse(text, ret_config, err);
    return rc ? err_context(err, "%s/config.json", file->folder) : RC_OK;
}

enum rc model_file_wordpiece(struct cli *cli, const struct model_file *file,
                             struct wordpiece **ret_wordpiece, struct err *err)
{
    struct str text = { 0 };
    enum rc rc = RC_OK;

    if (file->gguf)
        return err_set(err, RC_INVALID, "'%s' is no encoder: it is a GGUF file", file->path);
    rc = read_side_file(cli, file, "vocab.txt", &text, err);
    if (rc)
        return rc;
    rc = wordpiece_open(text, &cli->arena, ret_wordpiece, err);
    return rc ? err_context(err, "%s/vocab.txt", file->folder) : RC_OK;
}

enum rc model_file_bert(struct cli *cli, const struct model_file *file, struct bert *ret_bert,
                        struct err *err)
{
    struct bert_config config;
    enum rc rc = model_file_config(cli, file, &config, err);

    if (rc)
        return rc;
    rc = bert_open(&config, file->safetensors, NULL, &cli->arena, ret_bert, err);
    return rc ? err_context(err, "%s", file->path) : RC_OK;
}
