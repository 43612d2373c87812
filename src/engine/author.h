/*
 * author.h - the model of an SLM that writes: what it is shown in, a text out. What predictor.h is
 * for one that chooses.
 *
 *   system turn (the instructions) + user turn (what is shown) + beginning of the assistant's turn
 *       -> decoder (int8) -> tokens that obey form.h -> text
 *
 * An author is an adapter of kind "prompted" (the base as it is) or "lora", opened on its base.
 * LoRA is merged into the f32 weights before they are packed, as predictor.h does it. The
 * instructions are read once, when it is opened; every text begins with a copy of their keys and
 * values.
 *
 * Determinism: a text is a function of (base, adapter, instructions, request), bit for bit: not of
 * other texts, threads, the kernels' row or the CPU.
 */
#ifndef ENGINE_AUTHOR_H
#define ENGINE_AUTHOR_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/adapter.h"
#include "engine/kernels/kernels.h"
#include "engine/model/decoder_base.h"
#include "engine/write/writer.h"

enum {
    AUTHOR_TOKENS_MAX = 2048, /* of a prompt and its text; less when the base has less */
    AUTHOR_WRITTEN_MAX = 320, /* of a text */
};

/* The ids that a model reads before it writes. Training and serving build them here. */
struct author_prompt {
    const int32_t *ids; /* (n_ids,) */
    size_t n_ids;
    size_t n_shared; /* of the instructions: the same in every prompt */
};

/**
 * Texts cannot forge a turn (chatml.h). A text that is to be learned ends with bpe_end().
 *
 * @param arena  owns the ids
 * @return RC_OK
 *         RC_UNSUPPORTED  the vocabulary is no chat model's
 *         as bpe_encode()
 */
MUST_CHECK enum rc author_prompt(const struct bpe *bpe, struct str instructions, struct str shown,
                                 struct arena *arena, struct author_prompt *ret_prompt,
                                 struct err *err);

struct author; /* immutable to its callers, who may be several threads */

/**
 * Opens an adapter file.
 *
 * @param base          borrowed: must outlive the author
 * @param bytes         borrowed likewise: the adapter file, usually mapped
 * @param instructions  borrowed likewise: the description of the SLM
 * @param kernels       copied
 *
 * @return RC_OK
 *         RC_CORRUPT      the file, see adapter_parse() and llama_adapter_read(); or it holds a
 *                         value that is not finite
 *         RC_INVALID      the adapter is one that chooses, or stands on another base
 *         RC_UNSUPPORTED  another format version; the base is no chat model
 *         RC_LIMIT        also: the instructions leave no room for a text
 *         RC_NOMEM
 */
MUST_CHECK enum rc author_open(const struct decoder_base *base, const uint8_t *bytes, size_t size,
                               struct str instructions, const struct kernels *kernels,
                               struct author **ret_author, struct err *err);
void author_close(struct author *author); /* NULL is fine */

const struct adapter *author_adapter(const struct author *author); /* borrowed */

/* One text; all borrowed for the call. */
struct author_request {
    struct str shown;        /* spec_append_shown() */
    const struct form *form; /* what may be written */
    size_t max_tokens;       /* 1 to AUTHOR_WRITTEN_MAX */
    struct str begun;        /* what the text begins with; empty: it is written from nothing */
    struct str not_next;     /* begun is not followed by the token that this begins with */
    double temperature;      /* 0: the best token at each place; above: a draw */
    uint64_t seed;
};

/**
 * Writes a text.
 *
 * @param out  the text is appended, begun included, whatever its end
 *
 * @return RC_OK     also when the text did not end: see *ret_result
 *         RC_LIMIT  what is shown has too many tokens; nothing is ever cut. Or over the limit of
 * out RC_INVALID  what is shown is no UTF-8 RC_NOMEM
 *
 * Thread-safe. Takes some 20 ms a token; allocates a session (up to 100 MB) when more callers than
 * ever before write at the same time.
 */
MUST_CHECK enum rc author_write(const struct author *author, const struct author_request *request,
                                struct buf *out, struct writer_result *ret_result, struct err *err);

DEFINE_FREEP(struct author, author_close)

#endif
