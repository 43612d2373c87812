#ifndef DECIDE_DECIDE_INTERNAL_H
#define DECIDE_DECIDE_INTERNAL_H

#include "decide/decide.h"
#include "decide/found.h"
#include "engine/write/form.h"

/* Which output fields a rule, its when: included, reads. Its result depends on nothing else of the
 * answer, so it is evaluated at most once per combination of their values. */
struct decide_reads {
    size_t n_fields;
    const size_t *fields; /* (n_fields,) indices, ascending */
    size_t n_joint;       /* product of their numbers of values; 1 when it reads none */
};

struct decider {
    struct decide_parts parts;
    size_t n_labels, n_values;
    size_t *first_label;        /* (n_fields + 1,): where a field's labels begin among all */
    size_t *first_value;        /* (n_fields + 1,): the same of its values */
    struct decide_reads *rules; /* (n_rules,) */
};

/* The names an expression sees while one row is answered: inputs, tables, facts, output fields,
 * derived fields, in this order. */
struct decide_scope {
    struct feel_entry *entries;
    size_t n;
};

/* What may be written about one input. */
struct decide_form {
    struct form form;
    struct copies copies; /* of all texts and numbers of the input */
    struct found *found;  /* (n_open,) of numbers and dates: the items, and what they mean */
};

/* A row on its way: what is known of it between the steps. */
struct decide_state {
    struct decide_scope scope;
    struct feel_value input;
    struct str shown; /* what the model reads */
    bool needs_model;
    bool is_written;                /* by the author: the row brings no text */
    const struct decide_form *form; /* of an SLM that writes */
};

void decide_scope_add(struct decide_scope *scope, struct str name, struct feel_value value);
struct feel_value decide_scope_context(const struct decide_scope *scope);

/* Keeps a sentence as the result's reason. RC_LIMIT, RC_NOMEM, also those of the buffer. */
MUST_CHECK enum rc decide_copy_reason(const struct buf *text, struct arena *arena,
                                      struct decide_result *result, struct err *err);

/* What may be written about an input. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc decide_form(const struct spec *spec, const struct json *input,
                               struct arena *arena, const struct decide_form **ret_form,
                               struct err *err);

/* The verdict is DECIDE_NOTHING_TO_COPY, with its reason, when a field has to have a value and the
 * input has none for it. */
MUST_CHECK enum rc decide_lacks(const struct spec *spec, const struct decide_form *form,
                                struct arena *arena, struct decide_result *result, struct err *err);

/* Takes the row's texts into result and scope, or the verdict is DECIDE_TEXT_REFUSED with its
 * reason. RC_STATE: the row has none. */
MUST_CHECK enum rc decide_texts(const struct decider *decider, const struct decide_row *asked,
                                struct decide_state *state, struct arena *arena,
                                struct decide_result *result, struct err *err);

/* Everything behind the model: texts, choice, derived fields. */
MUST_CHECK enum rc decide_finish_row(const struct decider *decider, const struct decide_row *asked,
                                     struct decide_state *state, struct arena *arena,
                                     struct decide_result *result, struct err *err);

/* Makes the result a refusal, but for RC_NOMEM, which fails the call: the next row would fare no
 * better. */
MUST_CHECK enum rc decide_refuse(enum rc rc, const struct err *why, struct decide_result *result,
                                 struct err *err);

/* Writes the texts of the rows that are written, and finishes these rows. */
MUST_CHECK enum rc decide_write_rows(const struct decider *decider, const struct decide_row *rows,
                                     struct decide_state *states, size_t n_rows, struct pool *pool,
                                     struct arena *arena, struct decide_result *results,
                                     struct err *err);

/* Which must-rules the text in the scope breaks; ret_broken (n_rules,). Of an SLM that writes. */
MUST_CHECK enum rc decide_broken_rules(const struct decider *decider, struct decide_scope *scope,
                                       int64_t now_ms, bool *ret_broken, struct err *err);

/* Picks the answer of a row whose scores, facts and scope (up to the facts) are there: fills best,
 * confidence, rules, verdict and reason. */
MUST_CHECK enum rc decide_choose(const struct decider *decider, struct decide_scope *scope,
                                 int64_t now_ms, struct arena *arena, struct decide_result *result,
                                 struct err *err);

#endif
