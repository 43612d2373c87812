#include "engine/model/decoder_base.h"

#include "base/mem.h"

const char decoder_file_name[] = "model.gguf";

enum { ARENA_BYTES = 256 << 20 };

static enum rc open_file(struct decoder_base *base, const char *path, struct err *err)
{
    enum rc rc = fs_map_open(path, &base->map, err);

    if (rc == RC_OK)
        rc = gguf_parse(base->map.at, base->map.len, &base->arena, &base->gguf, err);
    if (rc == RC_OK)
        rc = llama_file_open(base->gguf, &base->arena, &base->llama, err);
    if (rc == RC_OK)
        rc = bpe_open(base->gguf, &base->arena, &base->bpe, err);
    return rc;
}

enum rc decoder_base_open(const char *path, struct decoder_base **ret_base, struct err *err)
{
    CLEANUP(decoder_base_closep) struct decoder_base *base = mem_alloc(sizeof(*base));

    if (!base)
        return err_set(err, RC_NOMEM, "base");
    arena_init(&base->arena, ARENA_BYTES);
    enum rc rc = open_file(base, path, err);
    if (rc)
        return err_context(err, "base '%s'", path);
    *ret_base = TAKE(base);
    return RC_OK;
}

void decoder_base_close(struct decoder_base *base)
{
    if (!base)
        return;
    fs_map_close(&base->map);
    arena_release(&base->arena);
    mem_free(base);
}
