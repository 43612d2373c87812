/*
 * dataset.h - the rows of one SLM: read, checked, split, and never changed again.
 *
 *   sources of the spec --dataset_read--> candidate rows + rejected rows with reasons
 *        |--dataset_check--> without duplicates, conflicts and leaks between the splits
 *        |--dataset_split--> every row has a split
 *        |--dataset_append--> canonical JSONL: an artifact, named by its digest
 *        |--dataset_append_card--> the data card
 *   dataset_make() is all of it; dataset_parse() reads the artifact back.
 *
 * Rules, in this order:
 *   (1) A row that is not valid JSON or CSV, or that the spec's input or output does not allow, is
 *       rejected with its line and reason. The rest of the file goes on (a CSV file that loses its
 *       shape is refused as a whole: nothing after that place can be trusted).
 *   (2) Rows with the same text and the same labels (whatever was written) are one row; of several
 * splits the test set has it, else validation. Rows of one split with the same text and other
 * labels are all rejected. (3) Rows no source pins are split: whole groups when the source names a
 * group column, else each combination of labels (of a set: its size) by the same shares. Which row
 * goes where depends on the seed and the row's text alone, not on the order of the file. (4) A
 * training row that is nearly a held-out row (Jaccard of word 3-grams over 0.8) is dropped, a
 * validation row that is nearly a test row too; with ngram_words also a training row that shares a
 * run of so many words with a test row.
 *
 * The text of a row is what its input says: all values in the schema's order, letters lowered
 * (ASCII), everything that is no letter or digit one blank.
 */
#ifndef FACTORY_DATASET_H
#define FACTORY_DATASET_H

#include "spec/spec.h"

enum {
    DATASET_FILE_BYTES_MAX = 256 << 20,
    DATASET_LINE_BYTES_MAX = 1 << 20,
    DATASET_ROWS_MAX = 200000,
    DATASET_REASON_MAX = 160, /* bytes of a rejected row's reason */
};

enum dataset_fate {
    DATASET_KEPT,
    DATASET_INVALID,   /* not readable, or not what the spec allows */
    DATASET_DUPLICATE, /* same text, same labels as a row before */
    DATASET_CONFLICT,  /* same text, other labels */
    DATASET_LEAK,      /* same text as a row held out */
    DATASET_NEAR_LEAK, /* nearly the text of a row held out */
    DATASET_SHARED_NGRAM,
};

const char *dataset_fate_name(enum dataset_fate fate); /* "kept", "duplicate", ... */

struct dataset_row {
    size_t source; /* index into sources; n_sources - 1 may be feedback */
    uint32_t line; /* where it begins, from 1 */
    struct str id; /* may be empty */
    enum spec_split split;
    enum dataset_fate fate;
    struct str reason;              /* empty when kept */
    struct str input;               /* canonical JSON */
    struct str tags;                /* canonical JSON, an object of scalars; empty: none */
    const uint32_t *labels;         /* (n_fields,) values, see struct spec_field */
    const struct str *written;      /* (n_open,) at NULL where there is nothing */
    struct str text;                /* see above */
    uint64_t text_hash, group_hash; /* group_hash 0: none */
};

struct dataset_source {
    struct str name;      /* its path as the spec says, or "feedback" */
    struct digest digest; /* of the bytes that were read */
    size_t n_rows;
};

struct dataset {
    size_t n_sources;
    struct dataset_source *sources;
    size_t n_rows;
    struct dataset_row *rows; /* all that were read, whatever their fate, in order */
};

struct dataset_options {
    uint64_t seed;
    size_t ngram_words;  /* 0: off; 6: drop training rows that share 6 words in a row with test */
    struct str feedback; /* JSONL of {"id", "input", "output"} for training; empty: none */
};

/**
 * Reads and checks everything the spec names.
 *
 * @param scratch  what is needed meanwhile; its limit bounds the work
 *
 * @return RC_OK
 *         RC_INVALID    a file that is no text, a CSV file out of shape, no row left, or a split
 *                       without rows
 *         RC_NOT_FOUND, RC_IO
 *         RC_LIMIT      a file, a line or the number of rows; RC_NOMEM
 */
MUST_CHECK enum rc dataset_make(const struct spec *spec, const struct dataset_options *options,
                                struct arena *arena, struct dataset **ret_dataset, struct err *err);

/* The kept rows as canonical JSONL, {"id","input","output","tags","split"} each, without the tags
 * when there are none: test, validation, train, each ordered by text, so that the order of the
 * sources does not matter. */
MUST_CHECK enum rc dataset_append(struct buf *out, const struct spec *spec,
                                  const struct dataset *dataset, struct err *err);

/* Reads such an artifact. RC_CORRUPT: a line that dataset_append() does not write for this spec. */
MUST_CHECK enum rc dataset_parse(const struct spec *spec, struct str text, struct arena *arena,
                                 struct dataset **ret_dataset, struct err *err);

/* The data card: sources with digests, rows by split and label, what was left out and why. */
void dataset_append_card(struct buf *out, const struct spec *spec, const struct dataset *dataset);
/* The same for people. */
void dataset_append_card_text(struct buf *out, const struct spec *spec,
                              const struct dataset *dataset);

/* Kept rows of a split. */
size_t dataset_count(const struct dataset *dataset, enum spec_split split);

const char *dataset_split_name(enum spec_split split); /* "train", "validation", "test", "none" */

#endif
