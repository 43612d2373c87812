/*
 * decide.h - the one function that answers an input.
 *
 *   input -> facts -> rendering -> model -> calibration -> rule mask -> output or abstention
 *
 * Evaluation, replay, the file command and the service all call decide_rows(); nothing else makes a
 * decision. That is why what is served is what was evaluated.
 *
 * How an answer is chosen. The output fields are closed: their joint space is the product of their
 * values. The probability of a label is softmax(scores / temperature); a label is in a set with
 * the probability 1 / (1 + exp(-score / temperature)), and a set has the product over its labels,
 * in or out. An assignment has the product of its fields' probabilities. Assignments that break a
 * must-rule are struck out; the most probable one left is the answer (the first of equals), and the
 * confidence of a field is the share of the probability left that agrees with the answer there.
 * Assignments are looked at from the most probable down, until all others together have less than a
 * millionth of the probability left: so the answer is exact, and confidences are to a millionth.
 * No answer is given (the SLM abstains) when
 *   - a fact is undetermined,
 *   - no assignment is free of a broken must-rule (the rules are named),
 *   - a must-rule is undetermined on the best assignment,
 *   - the confidence of a field is below its threshold,
 *   - a text is not as long as its schema says, or has a number or name that the input does not
 *     have (engine/write/copies.h), or an open field has to be copied and the input has no such.
 * So an answer that breaks a must-rule cannot be given.
 *
 * How an output is written. The fields of an SLM that writes are all open (enumerations beside
 * them too); what is written into them is one more name each that rules see. The author writes them
 * all from what is shown, under the form of the input (engine/write/form.h): a number or a date is
 * one that stands there (found.h), a span a piece of it, a text obeys the copies. A field that may
 * be left empty has then no value: null for the rules, and absent in the output. When a field that
 * may not has nothing to copy, nothing is written. What is refused or breaks a must-rule
 * (rules_conflict) is written once more (decide_write.c says how), and the second attempt, whatever
 * comes of it, is the result.
 *
 * Determinism: a result is a function of (spec, adapter, tables, calibration, input, now_ms), bit
 * for bit. Other rows of the batch, threads, kernel rows and CPUs do not matter.
 */
#ifndef DECIDE_DECIDE_H
#define DECIDE_DECIDE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/pool.h"
#include "engine/author.h"
#include "engine/predictor.h"
#include "expr/feel.h"
#include "spec/problem.h"
#include "spec/spec.h"
#include "spec/table.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    DECIDE_ROWS_MAX = 4096,            /* of one call */
    DECIDE_ROW_BYTES_MAX = 4 << 20,    /* of memory for one row's facts, rules and result */
    DECIDE_JOINT_BYTES_MAX = 80 << 20, /* the same for its joint space: a byte per must-rule and
                                          assignment, SPEC_LIST_MAX of them at most */
    DECIDE_SHOWN_BYTES_MAX = 1 << 16,  /* of the text that the model reads, and of what one that
                                          writes may copy from */
};

/* Of one output field; fitted on validation rows (factory/). */
struct decide_calibration {
    double temperature; /* > 0; the scores are divided by it; 1: as the model says */
    double threshold;   /* in [0, 1]; confidence below it: abstain; 0: never */
};

/* What a decider is made of; all borrowed, and must outlive it. */
struct decide_parts {
    const struct spec *spec;
    const struct predictor *predictor; /* NULL: every row must bring its scores */
    const struct author *author;       /* of an SLM that writes, instead; NULL: every row
                                          must bring its texts */
    size_t floor_tokens_max;    /* of what is compared by its first attempts alone: there is no
                                   second one, and none of more tokens; 0: not so */
    const struct table *tables; /* (spec->n_tables,) in the spec's order */
    const struct decide_calibration *calibration; /* (spec->n_fields,) */
};

/* A version ready to answer: immutable, shared between threads. */
struct decider;

/* RC_INVALID: a calibration out of range; RC_LIMIT, RC_NOMEM. The decider lives in the arena. */
MUST_CHECK enum rc decide_open(const struct decide_parts *parts, struct arena *arena,
                               struct decider **ret_decider, struct err *err);

struct decide_row {
    const struct json *input; /* as the spec's input says; anything else is refused, not answered */
    int64_t now_ms;           /* the recorded time, Unix milliseconds: what now() answers */
    const float *scores;      /* (n_labels,) as decide_result has them; NULL: the model is run.
                                 For calibration, which asks the same rows again and again. */
    const struct feel_value
        *facts;              /* as decide_result has them for this input and time, with a
                                verdict other than DECIDE_FACT_UNDETERMINED; NULL: computed */
    const struct str *texts; /* (n_open,) what is written in the open fields, at NULL where nothing
                                is; borrowed by the result. NULL: the author writes it */
};

enum decide_verdict {
    DECIDE_ANSWERED,
    DECIDE_FACT_UNDETERMINED,
    DECIDE_RULES_CONFLICT,
    DECIDE_RULE_UNDETERMINED,
    DECIDE_LOW_CONFIDENCE,
    DECIDE_TEXT_REFUSED,    /* a text is too short or long, or has a number or name of its own */
    DECIDE_NOTHING_TO_COPY, /* the input has no value for an open field that has to have one */
    DECIDE_REFUSED,         /* no decision: the input is not valid, too long, or beyond a limit */
};

const char *
decide_verdict_name(enum decide_verdict verdict); /* "answered", "rules_conflict", ... */

enum decide_rule_result {
    DECIDE_RULE_HOLDS,
    DECIDE_RULE_BROKEN,
    DECIDE_RULE_NULL,    /* undetermined */
    DECIDE_RULE_ASIDE,   /* its when: says that it does not apply */
    DECIDE_RULE_NOT_RUN, /* there is no answer to hold it against */
};

const char *decide_rule_result_name(enum decide_rule_result result); /* "holds", "broken", ... */

/* Lives in the arena of the call. */
struct decide_result {
    enum decide_verdict verdict;
    struct err refusal; /* DECIDE_REFUSED: why, in short */
    const struct problems
        *refused;      /* DECIDE_REFUSED for an invalid input: all that is wrong; or NULL */
    struct str reason; /* why there is no answer, a sentence; empty when answered */

    size_t n_labels;         /* of all fields together */
    const float *scores;     /* (n_labels,) natural logarithms of the model's probabilities; of the
                                labels of a set the log odds, ln(p / (1 - p)) */
    const struct str *texts; /* (n_open,) as written, NULL where nothing is */
    const struct feel_value *values; /* (n_open,) what they mean, with has_best */
    size_t attempt;                  /* at writing, 1 or 2; 0: nothing was written */
    bool has_best;                   /* false: refused, a fact undetermined, or rules_conflict */
    size_t best; /* joint assignment, see spec_values_of(); the suggestion when abstained */
    const double *confidence;             /* (n_fields,), with has_best */
    const enum decide_rule_result *rules; /* (n_rules,) on the best assignment */
    struct feel_value facts;              /* context */
    struct feel_value derived;            /* context, with has_best */
};

/**
 * Answers rows, the model in one batch.
 *
 * @param rows        in, (n_rows,)
 * @param pool        threads for the model; NULL: the caller's alone
 * @param arena       owns the results
 * @param results     out, (n_rows,); a row that cannot be answered is DECIDE_REFUSED with its
 *                    refusal, and the others are answered all the same
 *
 * @return RC_OK
 *         RC_LIMIT   more than DECIDE_ROWS_MAX rows, or more than the arena may hold
 *         RC_NOMEM
 */
MUST_CHECK enum rc decide_rows(const struct decider *decider, const struct decide_row *rows,
                               size_t n_rows, struct pool *pool, struct arena *arena,
                               struct decide_result *results, struct err *err);

/* What the model would read of a row: for training. RC_STATE: a fact is undetermined, the model
 * would not be asked; RC_INVALID, RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc decide_shown(const struct decider *decider, const struct decide_row *row,
                                struct arena *arena, struct str *ret_shown, struct err *err);

/**
 * What the author has to write so that this is its answer: for training.
 *
 * @param values  (n_open,) as the data has them: a decimal, a date as 2026-05-03, a text; at NULL
 *                where there is none
 * @return RC_OK
 *         RC_NOT_FOUND  a value does not stand in the input like that; or there is none, and has to
 *                       be
 *         RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc decide_draft(const struct decider *decider, const struct json *input,
                                const struct str *values, struct arena *arena, struct str *ret_text,
                                struct err *err);

/* Is the answer of an open field what the data has there? Blanks of a span count as one. */
bool decide_agrees(const struct spec_open *field, const struct feel_value *answer,
                   struct str value);

/*
 * Appends the answer's members, without the braces around them, in this order and form:
 *   "output":{...} or null,  "confidence":{"priority":0.8731},
 *   "abstained":null or {"reason":"low_confidence","text":"...","suggestion":{...} or null},
 *   "facts":{...},  "rules":[{"id":"R1","result":"holds","text":"..."}],
 *   "attempt":1 or 2, when a text was written
 * Not for refused rows (asserted). These bytes are what is stored, served and replayed.
 */
void decide_append_answer(struct buf *out, const struct decider *decider,
                          const struct decide_result *result);

/* The output object alone (closed fields or what is written, then derived), of an answered row or a
 * suggestion. */
void decide_append_output(struct buf *out, const struct decider *decider,
                          const struct decide_result *result);

#endif
