/*
 * writer.h - a decoder writes a form (form.h; a text is one), token by token.
 *
 *   prompt ids -> decoder_read -> logits -> the best token that may follow -> ... -> end
 *
 * A token is the best one, or a draw (sampler.h); what may not follow is struck out and the next
 * one picked, so that a draw is one among the tokens that may follow. A token may follow when
 * form_feed() takes its bytes; the end may follow when form_end() says so; no other special token
 * ever may. What is written is a function of the arguments alone: the same bytes on every CPU.
 */
#ifndef ENGINE_WRITER_H
#define ENGINE_WRITER_H

#include "base/buf.h"
#include "engine/model/decoder.h"
#include "engine/model/sampler.h"
#include "engine/tokenizer/bpe.h"
#include "engine/write/form.h"

/* All borrowed. */
struct writer {
    const struct decoder *decoder;
    struct decoder_session *session; /* of the decoder; its capacity is at least the text's */
    const struct bpe *bpe;           /* of the same base */
    const struct form *form;
    size_t max_tokens;   /* of what is written; less when the text's capacity ends before */
    struct str begun;    /* what the text begins with: the last of the ids say it, and it obeys */
    struct str not_next; /* the first token is not the one that this begins with; may be empty */
    struct sampler sampler;
};

enum writer_end {
    WRITER_ENDED,    /* the model ended the text */
    WRITER_TOO_LONG, /* max_tokens or the capacity did */
    WRITER_STUCK,    /* the vocabulary has no token that may follow */
};

struct writer_result {
    enum writer_end end;
    size_t n_tokens;
    size_t n_refused; /* places where the token that was picked first may not follow */
};

/**
 * Writes behind the prompt.
 *
 * @param text  what was read before (a shared prefix); is read on by the ids and what is written
 * @param ids   (n_ids,), at least 1, within the text's capacity (asserted)
 * @param out   what is written is appended, without `begun`, whatever the end
 *
 * @return RC_OK      also when the text did not end: see *ret_result
 *         RC_INVALID `begun` does not obey
 *         RC_LIMIT   over the limit of out
 *         RC_NOMEM
 */
MUST_CHECK enum rc writer_write(const struct writer *writer, struct decoder_text *text,
                                const int32_t *ids, size_t n_ids, struct buf *out,
                                struct writer_result *ret_result, struct err *err);

#endif
