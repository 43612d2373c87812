/*
 * encoder_base.h - a base as it lies in a folder: config.json, vocab.txt, model.safetensors.
 *
 * The files are mapped once, so that a caller may check the very bytes that are used; the weights
 * stay mapped and are not read. Read-only after opening, shared by all predictors of the process.
 */
#ifndef ENGINE_ENCODER_BASE_H
#define ENGINE_ENCODER_BASE_H

#include "base/arena.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/fs.h"
#include "engine/model/bert.h"
#include "engine/tokenizer/wordpiece.h"

enum encoder_file { ENCODER_CONFIG, ENCODER_VOCABULARY, ENCODER_WEIGHTS, ENCODER_N_FILES };
extern const char *const encoder_file_names[ENCODER_N_FILES]; /* in the folder of a base */

struct encoder_files {
    struct fs_map maps[ENCODER_N_FILES];
};

/* RC_NOT_FOUND, RC_IO, RC_NOMEM. */
MUST_CHECK enum rc encoder_files_open(const char *folder, struct encoder_files *ret_files,
                                      struct err *err);
void encoder_files_close(struct encoder_files *files); /* safe on zeroed ones */

struct encoder_base {
    struct digest digest; /* that names the base */
    struct bert bert;     /* f32, in the mapped file */
    struct wordpiece *wordpiece;

    struct encoder_files files;
    struct arena arena;
};

/**
 * @param files   consumed, whatever the outcome
 * @param digest  that the caller has found the base to have; adapters name the base they stand on
 *                by it
 *
 * @return RC_OK
 *         RC_NOT_FOUND  a tensor is missing
 *         RC_CORRUPT    a file does not decode, or the vocabulary has more entries than the table
 *                       of words
 *         RC_INVALID, RC_UNSUPPORTED  see bert_config_parse()
 *         RC_LIMIT, RC_IO, RC_NOMEM
 */
MUST_CHECK enum rc encoder_base_open(struct encoder_files *files, const struct digest *digest,
                                     struct encoder_base **ret_base, struct err *err);
void encoder_base_close(struct encoder_base *base); /* NULL is fine */

DEFINE_FREEP(struct encoder_base, encoder_base_close)

#endif
