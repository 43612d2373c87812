/*
 * problem.h - everything that is wrong with a file a person wrote, not only the first thing.
 *
 * A checker adds as many problems as it finds and goes on; struct err is for what stops it.
 */
#ifndef SPEC_PROBLEM_H
#define SPEC_PROBLEM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum { PROBLEMS_MAX = 200, PROBLEM_MESSAGE_MAX = 400 };

enum problem_severity {
    PROBLEM_ERROR,
    PROBLEM_NOTE, /* worth knowing, nothing to mend: a rule that an absent input leaves undetermined
                   */
};

struct problem {
    enum problem_severity severity;
    const char *code;      /* stable: "unknown_key", "type", ...; the list is in docs/spec.md */
    const char *file;      /* borrowed from the caller of problem_add() */
    uint32_t line, column; /* from 1; 0: the file as a whole */
    const char *message;   /* "unknown key 'fact', did you mean 'facts'?" */
};

struct problems {
    struct arena *arena;
    size_t n, n_errors; /* n_errors counts those over PROBLEMS_MAX too */
    struct problem *items;
    enum rc failed; /* the arena refused; sticky */
};

void problem_init(struct problems *problems, struct arena *arena);
void problem_add(struct problems *problems, enum problem_severity severity, const char *code,
                 const char *file, uint32_t line, uint32_t column, const char *fmt, ...)
    PRINTF_LIKE(7, 8);

/* RC_OK, or RC_NOMEM / RC_LIMIT when a problem could not be kept. */
MUST_CHECK enum rc problem_rc(const struct problems *problems, struct err *err);

/* "slm.yaml:3:7: error: unknown key 'fact', did you mean 'facts'? [unknown_key]", a line each. */
void problem_append_text(struct buf *out, const struct problems *problems);
/* [{"severity":"error","code":"unknown_key","file":"slm.yaml","line":3,"column":7,"message":""}] */
void problem_append_json(struct buf *out, const struct problems *problems);

/* ", did you mean 'facts'?" in the arena when one of the n words is near the name (a third of its
 * letters differ at most), otherwise "". */
const char *problem_suggest(struct str name, const struct str *words, size_t n,
                            struct arena *arena);

#endif
