/*
 * feel_check_internal.h - what the files of the type check share.
 *
 * The check computes a fact per node, from the leaves up: the type, which outcomes are possible,
 * and which input path the value comes from. Outcomes are a set: with it three-valued logic is
 * exact, so that "x = null or x > 3" is known never to be null.
 */
#ifndef EXPR_FEEL_CHECK_INTERNAL_H
#define EXPR_FEEL_CHECK_INTERNAL_H

#include "expr/feel_internal.h"

enum { FEEL_PROBLEMS_MAX = 64, FEEL_PATHS_MAX = 256 };

enum {
    MAY_BE_NULL = 1,
    MAY_BE_TRUE = 2,
    MAY_BE_FALSE = 4,
    MAY_BE_OTHER = 8, /* a value that is no boolean */
    MAY_BE_ANYTHING = 15,
};

struct feel_fact {
    struct feel_type type;
    unsigned may;                   /* a set of MAY_BE_, never empty */
    const struct feel_path *origin; /* the input path it is, or is an item of; NULL: computed */
};

struct feel_fact_scope {
    const struct feel_fact_scope *outer;
    const struct feel_fact *context; /* a FEEL_CONTEXT whose entries are names; NULL: none */
    size_t n;
    const struct str *names;
    const struct feel_fact *facts;
};

struct feel_checker {
    struct arena *arena;
    struct err *err;
    const struct feel_path *absent; /* NULL: none */
    bool may_fail, reads_now;
    size_t n_problems, n_paths;
    struct feel_problem *problems;
    struct feel_path *paths;
};

MUST_CHECK enum rc feel_infer(struct feel_checker *ck, const struct feel_node *node,
                              const struct feel_fact_scope *scope, struct feel_fact *ret);
MUST_CHECK enum rc feel_infer_call(struct feel_checker *ck, const struct feel_node *node,
                                   const struct feel_fact_scope *scope, struct feel_fact *ret);

/* A name or path; with `record` the input path it is goes into the report. */
MUST_CHECK enum rc feel_infer_name(struct feel_checker *ck, const struct feel_node *node,
                                   const struct feel_fact_scope *scope, bool record,
                                   struct feel_fact *ret);
MUST_CHECK enum rc feel_infer_path(struct feel_checker *ck, const struct feel_node *node,
                                   const struct feel_fact_scope *scope, bool record,
                                   struct feel_fact *ret);

void feel_problem(struct feel_checker *ck, const struct feel_node *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* ---- facts ---- */

struct feel_fact feel_fact_of(enum feel_kind kind); /* never null */
struct feel_fact feel_fact_unknown(void);           /* any type, any outcome */
struct feel_fact feel_fact_of_type(const struct feel_type *type, const struct feel_path *origin);
/* One of the two. */
struct feel_fact feel_fact_join(const struct feel_fact *a, const struct feel_fact *b);
/* An item of a list or range, or the value itself. */
struct feel_fact feel_fact_item(const struct feel_fact *list);
MUST_CHECK enum rc feel_fact_list(struct feel_checker *ck, const struct feel_fact *item,
                                  struct feel_fact *ret);
bool feel_fact_is(const struct feel_fact *fact, enum feel_kind kind); /* surely of this kind */
bool feel_fact_can_be(const struct feel_fact *fact, enum feel_kind kind);
unsigned feel_may_not(unsigned may);

#endif
