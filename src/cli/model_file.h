/*
 * model_file.h - a model that the user named: a .safetensors or .gguf file, a folder with one, or a
 * pulled base. What lies beside it (config.json, vocab.txt) is read when a command asks for it.
 */
#ifndef CLI_MODEL_FILE_H
#define CLI_MODEL_FILE_H

#include "base/fs.h"
#include "cli/cli.h"
#include "engine/gguf/gguf.h"
#include "engine/model/bert.h"
#include "engine/safetensors/safetensors.h"
#include "engine/tokenizer/wordpiece.h"

struct model_file {
    const char *path;
    const char *folder;
    struct fs_map map;
    struct gguf *gguf;               /* NULL: it is the other */
    struct safetensors *safetensors; /* likewise */
};

/* RC_NOT_FOUND with a hint, or as gguf_parse() or safetensors_parse(), by how the file begins. */
MUST_CHECK enum rc model_file_open(struct cli *cli, const char *name, struct model_file *ret_file,
                                   struct err *err);
void model_file_close(struct model_file *file); /* safe on a zeroed one */

/* Of an encoder's .safetensors. All three live in cli->arena; the encoder's weights are those of
 * the map. */
MUST_CHECK enum rc model_file_config(struct cli *cli, const struct model_file *file,
                                     struct bert_config *ret_config, struct err *err);
MUST_CHECK enum rc model_file_wordpiece(struct cli *cli, const struct model_file *file,
                                        struct wordpiece **ret_wordpiece, struct err *err);
MUST_CHECK enum rc model_file_bert(struct cli *cli, const struct model_file *file,
                                   struct bert *ret_bert, struct err *err);

static inline void model_file_closep(struct model_file *file)
{
    model_file_close(file);
}

#endif
