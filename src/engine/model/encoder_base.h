/*
 * encoder_base.h - a base as it lies in a folder: config.json, vocab.txt, model.safetensors.
 *
 * The weights are mapped, not read: opening costs the parsing of three small texts. Read-only after
 * it, shared by all predictors of the process.
 */
#ifndef ENGINE_ENCODER_BASE_H
#define ENGINE_ENCODER_BASE_H

#include "base/arena.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/fs.h"
#include "engine/model/bert.h"
#include "engine/tokenizer/wordpiece.h"

struct encoder_base {
    struct digest digest; /* that names the base */
    struct bert bert;     /* f32, in the mapped file */
    struct wordpiece *wordpiece;

    struct fs_map weights_map;
    struct arena arena;
};

/**
 * @param folder  of the base
 * @param digest  that the caller has found it to have; adapters name the base they stand on by it
 *
 * @return RC_OK
 *         RC_NOT_FOUND  a file, or a tensor, is missing
 *         RC_CORRUPT    a file does not decode, or the vocabulary has more entries than the table
 *                       of words
 *         RC_INVALID, RC_UNSUPPORTED  see bert_config_parse()
 *         RC_LIMIT, RC_IO, RC_NOMEM
 */
MUST_CHECK enum rc encoder_base_open(const char *folder, const struct digest *digest,
                                     struct encoder_base **ret_base, struct err *err);
void encoder_base_close(struct encoder_base *base); /* NULL is fine */

DEFINE_FREEP(struct encoder_base, encoder_base_close)

#endif
