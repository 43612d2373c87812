#include "engine/model/encoder_base.h"

#include "base/mem.h"
#include "engine/safetensors/safetensors.h"

enum {
    ARENA_BYTES = 512 << 20, /* only a misaligned file makes us copy its weights */
    PATHS_BYTES = 64 << 10,
    CONFIG_BYTES_MAX = 1 << 16,
    VOCABULARY_BYTES_MAX = 32 << 20,
};

const char *const encoder_file_names[ENCODER_N_FILES] = { "config.json", "vocab.txt",
                                                          "model.safetensors" };

void encoder_files_close(struct encoder_files *files)
{
    for (size_t i = 0; i < ENCODER_N_FILES; i++)
        fs_map_close(&files->maps[i]);
}

enum rc encoder_files_open(const char *folder, struct encoder_files *ret_files, struct err *err)
{
    CLEANUP(arena_release) struct arena paths;
    CLEANUP(encoder_files_close) struct encoder_files files = { 0 };

    arena_init(&paths, PATHS_BYTES);
    for (size_t i = 0; i < ENCODER_N_FILES; i++) {
        const char *path = fs_join(&paths, folder, encoder_file_names[i]);
        enum rc rc = path ? fs_map_open(path, &files.maps[i], err)
                          : arena_fail(&paths, err, encoder_file_names[i]);

        if (rc)
            return rc;
    }
    *ret_files = files;
    files = (struct encoder_files){ 0 };
    return RC_OK;
}

/* A file's text, which lives as long as the files. */
static enum rc text_of(const struct encoder_files *files, enum encoder_file file, size_t bytes_max,
                       struct str *ret_text, struct err *err)
{
    const struct fs_map *map = &files->maps[file];

    if (map->len > bytes_max)
        return err_set(err, RC_LIMIT, "%s has %zu bytes, at most %zu", encoder_file_names[file],
                       map->len, bytes_max);
    *ret_text = (struct str){ (const char *)map->at, map->len };
    return RC_OK;
}

static enum rc open_weights(struct encoder_base *base, const struct bert_config *config,
                            struct err *err)
{
    const struct fs_map *weights = &base->files.maps[ENCODER_WEIGHTS];
    struct safetensors *file;
    enum rc rc = safetensors_parse(weights->at, weights->len, &base->arena, &file, err);

    return rc ? rc : bert_open(config, file, NULL, &base->arena, &base->bert, err);
}

static enum rc open_model(struct encoder_base *base, struct err *err)
{
    struct bert_config config;
    struct str text;
    enum rc rc = text_of(&base->files, ENCODER_CONFIG, CONFIG_BYTES_MAX, &text, err);

    if (!rc)
        rc = bert_config_parse(text, &config, err);
    if (!rc)
        rc = text_of(&base->files, ENCODER_VOCABULARY, VOCABULARY_BYTES_MAX, &text, err);
    if (!rc)
        rc = wordpiece_open(text, &base->arena, &base->wordpiece, err);
    if (!rc && wordpiece_n_entries(base->wordpiece) > config.n_words)
        rc = err_set(err, RC_CORRUPT, "vocab.txt has %zu entries, the model %zu words",
                     wordpiece_n_entries(base->wordpiece), config.n_words);
    if (!rc)
        rc = open_weights(base, &config, err);
    return rc;
}

enum rc encoder_base_open(struct encoder_files *files, const struct digest *digest,
                          struct encoder_base **ret_base, struct err *err)
{
    CLEANUP(encoder_base_closep) struct encoder_base *base = mem_alloc(sizeof(*base));

    if (!base) {
        encoder_files_close(files);
        return err_set(err, RC_NOMEM, "base");
    }
    base->files = *files;
    *files = (struct encoder_files){ 0 };
    base->digest = *digest;
    arena_init(&base->arena, ARENA_BYTES);
    enum rc rc = open_model(base, err);
    if (rc)
        return rc;
    *ret_base = TAKE(base);
    return RC_OK;
}

void encoder_base_close(struct encoder_base *base)
{
    if (!base)
        return;
    encoder_files_close(&base->files);
    arena_release(&base->arena);
    mem_free(base);
}
