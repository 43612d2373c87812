/*
 * decoder_base.h - a decoder's base as it lies in a folder: model.gguf, which has everything.
 *
 * The file is mapped, not read: opening costs the parsing of its header and vocabulary. Read-only
 * after it, shared by all decoders of the process.
 */
#ifndef ENGINE_DECODER_BASE_H
#define ENGINE_DECODER_BASE_H

#include "base/arena.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/fs.h"
#include "engine/gguf/gguf.h"
#include "engine/model/llama.h"
#include "engine/tokenizer/bpe.h"

extern const char decoder_file_name[]; /* in the folder of a base */

struct decoder_base {
    struct digest digest; /* that names the base; set by who has found the file to have it */
    struct gguf *gguf;
    struct llama_file llama;
    struct bpe *bpe; /* as many tokens as the model has words */

    struct fs_map map;
    struct arena arena;
};

/**
 * @param path  of the file
 *
 * @return RC_OK
 *         RC_NOT_FOUND  the file, a key or a tensor is missing
 *         RC_CORRUPT, RC_INVALID, RC_UNSUPPORTED  see gguf_parse(), llama_file_open(), bpe_open()
 *         RC_LIMIT, RC_IO, RC_NOMEM
 */
MUST_CHECK enum rc decoder_base_open(const char *path, struct decoder_base **ret_base,
                                     struct err *err);
void decoder_base_close(struct decoder_base *base); /* NULL is fine */

DEFINE_FREEP(struct decoder_base, decoder_base_close)

#endif
