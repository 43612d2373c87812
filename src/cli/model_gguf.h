/*
 * model_gguf.h - what shoal model ... shows of a GGUF file, and of the decoder in it.
 */
#ifndef CLI_MODEL_GGUF_H
#define CLI_MODEL_GGUF_H

#include "cli/cli.h"
#include "cli/model_file.h"

/* Text from a file may hold anything: a terminal gets it as a JSON string's inside. */
void model_gguf_append_safe(struct buf *out, struct str text);

/* Keys and tensors. */
void model_gguf_show(const struct model_file *file, bool as_json, struct buf *out);

/* The tokens of a text. As decoder_base_open(), bpe_encode(). */
MUST_CHECK enum rc model_gguf_tokenize(struct cli *cli, const char *path, struct str text,
                                       struct buf *out, struct err *err);

/* The most probable tokens behind a text. Likewise; RC_LIMIT: longer than the model's positions. */
MUST_CHECK enum rc model_gguf_logits(struct cli *cli, const char *path, struct str text,
                                     struct buf *out, struct err *err);

#endif
