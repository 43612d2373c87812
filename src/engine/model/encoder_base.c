#include "engine/model/encoder_base.h"

#include "base/mem.h"
#include "engine/safetensors/safetensors.h"

enum {
    ARENA_BYTES = 512 << 20, /* only a misaligned file makes us copy its weights */
    CONFIG_BYTES_MAX = 1 << 16,
    VOCABULARY_BYTES_MAX = 32 << 20,
};

static enum rc read_text(const char *folder, const char *name, size_t bytes_max,
                         struct arena *arena, struct str *ret_text, struct err *err)
{
    const char *path = fs_join(arena, folder, name);

    return path ? fs_read_file(path, bytes_max, arena, ret_text, err)
                : arena_fail(arena, err, name);
}

static enum rc open_weights(struct encoder_base *base, const char *folder,
                            const struct bert_config *config, struct err *err)
{
    struct safetensors *file;
    const char *path = fs_join(&base->arena, folder, "model.safetensors");
    enum rc rc = path ? fs_map_open(path, &base->weights_map, err)
                      : arena_fail(&base->arena, err, "model.safetensors");

    if (!rc)
        rc = safetensors_parse(base->weights_map.at, base->weights_map.len, &base->arena, &file,
                               err);
    if (!rc)
        rc = bert_open(config, file, NULL, &base->arena, &base->bert, err);
    return rc;
}

static enum rc open_files(struct encoder_base *base, const char *folder, struct err *err)
{
    struct bert_config config;
    struct str text;
    enum rc rc = read_text(folder, "config.json", CONFIG_BYTES_MAX, &base->arena, &text, err);

    if (!rc)
        rc = bert_config_parse(text, &config, err);
    if (!rc)
        rc = read_text(folder, "vocab.txt", VOCABULARY_BYTES_MAX, &base->arena, &text, err);
    if (!rc)
        rc = wordpiece_open(text, &base->arena, &base->wordpiece, err);
    if (!rc && wordpiece_n_entries(base->wordpiece) > config.n_words)
        rc = err_set(err, RC_CORRUPT, "vocab.txt has %zu entries, the model %zu words",
                     wordpiece_n_entries(base->wordpiece), config.n_words);
    if (!rc)
        rc = open_weights(base, folder, &config, err);
    return rc;
}

enum rc encoder_base_open(const char *folder, const struct digest *digest,
                          struct encoder_base **ret_base, struct err *err)
{
    CLEANUP(encoder_base_closep) struct encoder_base *base = mem_alloc(sizeof(*base));

    if (!base)
        return err_set(err, RC_NOMEM, "base");
    arena_init(&base->arena, ARENA_BYTES);
    base->digest = *digest;
    enum rc rc = open_files(base, folder, err);
    if (rc)
        return err_context(err, "base '%s'", folder);
    *ret_base = TAKE(base);
    return RC_OK;
}

void encoder_base_close(struct encoder_base *base)
{
    if (!base)
        return;
    fs_map_close(&base->weights_map);
    arena_release(&base->arena);
    mem_free(base);
}
