/*
 * candidate.h - the ways to learn an SLM, each from rows to the bytes of an adapter file.
 *
 * Nothing here reads a test row, and every choice (C of the linear model, the epoch that is kept)
 * is made on the validation rows.
 */
#ifndef FACTORY_CANDIDATE_H
#define FACTORY_CANDIDATE_H

#include "engine/adapter.h"
#include "engine/model/decoder_base.h"
#include "engine/model/encoder_base.h"
#include "factory/build.h"
#include "spec/spec.h"

enum { CANDIDATE_ADAPTER_BYTES_MAX = 512 << 20 };

/* What the model reads of the rows of one split, and the labels. */
struct candidate_rows {
    size_t n;
    const struct str *texts;   /* (n,) */
    const uint32_t *labels;    /* (n_fields, n) */
    const struct str *written; /* (n,) what is to be written, of an SLM that does */
};

struct candidate_job {
    const struct spec *spec;
    struct candidate_rows train, valid;
    const struct encoder_base *base;    /* NULL is enough for the linear one */
    const struct decoder_base *decoder; /* of those that write */
    const struct adapter *start;        /* production's, to go on from; NULL: from the base */
    const char *checkpoint_path;        /* of the fine-tuned one and of LoRA */
    const char *stage;                  /* what progress calls it */
    enum cpu cpu;                       /* kernel row; all give the same bytes */
    struct pool *pool;
    struct clock clock;
    build_progress_fn *progress; /* may be NULL */
    void *progress_context;
};

/* Each appends an adapter file. RC_INVALID: no row is usable, or a loss that is no number;
 * RC_CANCELLED: progress said so; RC_LIMIT, RC_NOMEM, and of checkpoints RC_IO, RC_FULL. */
MUST_CHECK enum rc candidate_linear(const struct candidate_job *job, struct buf *out,
                                    struct err *err);
MUST_CHECK enum rc candidate_frozen(const struct candidate_job *job, struct buf *out,
                                    struct err *err);
MUST_CHECK enum rc candidate_finetuned(const struct candidate_job *job, struct buf *out,
                                       struct err *err);

/* The base as it is: an adapter file without tensors. */
MUST_CHECK enum rc candidate_prompted(const struct candidate_job *job, struct buf *out,
                                      struct err *err);
/* ret_loss: per token of what was written in the validation rows; NaN without a row that fits. */
MUST_CHECK enum rc candidate_lora(const struct candidate_job *job, struct buf *out,
                                  double *ret_loss, struct err *err);

/* The parts of an encoder adapter and of a linear one in one file; shares (n_fields,): the linear
 * one's, see adapter.h. RC_CORRUPT, RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc candidate_blend(struct str encoder_file, struct str linear_file,
                                   const float *shares, struct buf *out, struct err *err);

const char *candidate_name(enum spec_candidate kind); /* "linear", ... */

/* The adapter's fields and labels are the spec's, in its order; of one that writes it has none. */
bool candidate_fits(const struct adapter *adapter, const struct spec *spec);

#endif
