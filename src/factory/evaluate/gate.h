/*
 * gate.h - the conditions a version must meet, each with what was measured and a sentence.
 */
#ifndef FACTORY_GATE_H
#define FACTORY_GATE_H

#include "factory/evaluate/judge.h"

/* The same rows answered by what a version has to beat. */
struct gate_floors {
    const struct judged *majority, *rules, *linear; /* NULL when a text is written */
    const struct judged *prompted;   /* the base without training; NULL when that is what is judged,
                                        or labels are chosen */
    const struct judged *production; /* NULL: there is none, or no comparison with it */
    bool production_differs;         /* it has other fields or labels, so there is no comparison */
};

enum gate_outcome {
    GATE_MET,
    GATE_MISSED,
    GATE_UNCHECKED, /* nothing to compare with; does not keep a version back */
};

/* The floors' answers to the rows of a slice. RC_LIMIT, RC_NOMEM. */
MUST_CHECK enum rc gate_slice_floors(const struct judge_rows *rows, size_t slice,
                                     const struct gate_floors *floors, struct arena *arena,
                                     struct gate_floors *ret_floors, struct err *err);

struct gate_result {
    const char *metric; /* "macro_f1", ...; "kappa" */
    struct str field;   /* empty: the gate has none */
    struct str slice;   /* empty: all rows */
    enum gate_outcome outcome;
    double value;    /* of the metric */
    struct str text; /* "macro_f1 of priority is 0.612, at least 0.600 asked" */
};

struct gate_report {
    size_t n, n_missed;
    struct gate_result *results;
};

/**
 * Holds answers against every gate of the spec, and against the two that every spec has: in each
 * field more agreement beyond chance (kappa) than majority and than rules only. Not macro-F1: there
 * answers drawn at random are better than the majority. "Better" and "not worse" are judged by
 * the paired bootstrap's interval (its lower end above 0, or above minus the margin). A gate
 * without a field holds for each field that its metric is for. A gate on a slice without rows is
 * missed.
 *
 * RC_LIMIT, RC_NOMEM.
 */
MUST_CHECK enum rc gate_check(const struct judge_rows *rows, const struct judged *judged,
                              const struct gate_floors *floors, uint64_t seed, struct arena *arena,
                              struct gate_report *ret_report, struct err *err);

#endif
