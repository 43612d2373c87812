/*
 * feel.h - FEEL, the expression language of the OMG standard DMN: parse, check, evaluate.
 *
 *   text --feel_parse--> struct feel --feel_check--> types, names read, problems with positions
 *                                    --feel_eval---> struct feel_value + why something is null
 *
 * An expression is a pure function of its context (the named inputs) and the recorded time: it has
 * no clock and no I/O but the time zone tables of the system. Evaluation has fuel. docs/feel.md
 * says which parts of the standard are there and where we differ.
 *
 * Three kinds of failure, never mixed:
 *   (1) The text is no FEEL: feel_parse() returns RC_INVALID, "line 1, column 7: expected ...".
 *   (2) Something in the standard that is not built: RC_UNSUPPORTED, from parsing or evaluation.
 *   (3) An error of the expression on this input (1 + "a", an absent name): the value is null, as
 *       the standard says, and a struct feel_diagnostic says why.
 *
 * Names: a user's names are plain identifiers (letter or '_', then letters, digits, '_') and paths
 * a.b.c; any other name stands in backquotes. The standard's own names with blanks are accepted.
 *
 * Everything returned lives in the arena given and may borrow from the arguments' arenas. Nothing
 * here blocks, logs or keeps state; thread-safe for distinct arenas.
 */
#ifndef EXPR_FEEL_H
#define EXPR_FEEL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/decimal.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct json; /* base/json.h */

enum {
    FEEL_TEXT_MAX = 64 << 10, /* bytes of one expression */
    FEEL_DEPTH_MAX = 200,     /* nesting of one expression */
    FEEL_DIAGNOSTICS_MAX = 8, /* kept of one evaluation, the first ones */
    FEEL_MESSAGE_MAX = 160,
    FEEL_NESTING_MAX = 256,    /* of a value made by evaluation */
    FEEL_WEIGHT_MAX = 1 << 20, /* of a value made by evaluation */
};

/* ---- values and types ---- */

enum feel_kind {
    FEEL_NULL,
    FEEL_BOOLEAN,
    FEEL_NUMBER,
    FEEL_STRING,
    FEEL_DATE,
    FEEL_TIME,
    FEEL_DATE_TIME,
    FEEL_DAYS_DURATION,   /* days and time duration */
    FEEL_MONTHS_DURATION, /* years and months duration */
    FEEL_LIST,
    FEEL_CONTEXT,
    FEEL_RANGE,
    FEEL_FUNCTION,
    FEEL_ANY, /* a type, never a value */
};

const char *feel_kind_name(enum feel_kind kind); /* "number", "date and time", ... */

enum feel_zone_kind { FEEL_ZONE_LOCAL, FEEL_ZONE_OFFSET, FEEL_ZONE_ID };

/* A point of the proleptic Gregorian calendar; a date uses the first row, a time the others. */
struct feel_moment {
    int32_t year; /* -999999999..999999999, astronomical: year 0 exists */
    uint8_t month, day;
    uint8_t hour, minute, second; /* 0..23, 0..59, 0..59 */
    uint32_t nanosecond;
    enum feel_zone_kind zone;
    int32_t offset_s;   /* seconds east of UTC; of an id: on this date, 0 in a time of day */
    struct str zone_id; /* FEEL_ZONE_ID: "Europe/Paris" */
};

struct feel_value {
    enum feel_kind kind; /* zeroed is null */
    uint32_t weight;     /* values inside, shared ones as often as they occur */
    uint32_t nesting;    /* of lists, contexts and ranges in one another */
    union {
        bool boolean;
        struct decimal number;
        struct str string; /* UTF-8 */
        struct feel_moment moment;
        struct decimal seconds; /* FEEL_DAYS_DURATION, to the nanosecond */
        int64_t months;         /* FEEL_MONTHS_DURATION */
        struct {
            size_t n;
            const struct feel_value *items; /* (n,) */
        } list;
        struct {
            size_t n;
            const struct feel_entry *entries; /* (n,), in the order written; keys are unique */
        } context;
        const struct feel_range *range;
        const struct feel_function *function;
    };
};

struct feel_entry {
    struct str key;
    struct feel_value value;
};

struct feel_value feel_boolean(bool b);
struct feel_value feel_number(int64_t n);
struct feel_value feel_string(struct str text); /* borrowed */
/* The one way to make a list or a context: they count what is inside, which bounds every walk. Both
 * borrow items and entries. Keys must be unique. */
struct feel_value feel_list(const struct feel_value *items, size_t n);
struct feel_value feel_context(const struct feel_entry *entries, size_t n);
/* NULL when v is no context or has no such entry. */
const struct feel_value *feel_find(const struct feel_value *v, struct str key);

struct feel_type {
    enum feel_kind kind;
    bool optional;                /* the value may be null or absent */
    bool open;                    /* FEEL_CONTEXT: other entries than the fields may exist */
    const struct feel_type *item; /* FEEL_LIST, FEEL_RANGE; NULL: any */
    size_t n_fields;              /* FEEL_CONTEXT */
    const struct feel_field *fields;
};

struct feel_field {
    struct str name;
    struct feel_type type;
};

/* "number", "list<string>", "context<a: number>"; an optional type ends in '?'. */
void feel_append_type(struct buf *out, const struct feel_type *type);

/* ---- parse ---- */

struct feel; /* a parsed expression; its tree is in expr/feel_ast.h */

/**
 * Parses one expression.
 *
 * @param text      in, borrowed for the call
 * @param ret_feel  out, in the arena
 *
 * @return RC_OK
 *         RC_INVALID      "line 1, column 7: expected ..., found ..."
 *         RC_UNSUPPORTED  an external function
 *         RC_LIMIT        over FEEL_TEXT_MAX or FEEL_DEPTH_MAX, or more than the arena may hold
 *         RC_NOMEM
 */
MUST_CHECK enum rc feel_parse(struct str text, struct arena *arena, struct feel **ret_feel,
                              struct err *err);

/* Unary tests ("< 5, [10..20], \"x\"", "-", "not(1, 2)"), evaluated to a boolean over the value
 * named "?" of the context. Otherwise as feel_parse(). */
MUST_CHECK enum rc feel_parse_tests(struct str text, struct arena *arena, struct feel **ret_feel,
                                    struct err *err);

/* ---- evaluate ---- */

struct feel_limits {
    uint64_t steps;      /* nodes visited and items touched */
    unsigned depth;      /* nested evaluations and calls */
    size_t list_length;  /* items of any list made */
    size_t string_bytes; /* of any string made */
};
struct feel_limits feel_limits_default(void); /* 1,000,000; 400; 100,000; 1 MiB */

enum feel_reason {
    FEEL_REASON_NAME,     /* unknown name or entry */
    FEEL_REASON_TYPE,     /* an operand or argument of the wrong type, null included */
    FEEL_REASON_ARGUMENT, /* wrong count or name of arguments */
    FEEL_REASON_VALUE,    /* right type, impossible value: date("2017-13-10"), 1 / 0 */
};

struct feel_diagnostic {
    enum feel_reason reason;
    uint32_t line, column; /* in the expression, from 1 */
    char message[FEEL_MESSAGE_MAX];
};

struct feel_diagnostics {
    size_t n; /* may be more than are kept */
    struct feel_diagnostic items[FEEL_DIAGNOSTICS_MAX];
};

/**
 * Evaluates an expression over a context.
 *
 * @param context      in: a FEEL_CONTEXT, the names the expression sees; NULL: none
 * @param now_ms       the recorded time, Unix milliseconds UTC: what now() and today() answer
 * @param diagnostics  out, overwritten: why the value, or a part of it, is null
 *
 * @return RC_OK
 *         RC_LIMIT        a limit is reached, or more than the arena may hold
 *         RC_UNSUPPORTED  not implemented
 *         RC_NOMEM
 */
MUST_CHECK enum rc feel_eval(const struct feel *feel, const struct feel_value *context,
                             const struct feel_limits *limits, int64_t now_ms, struct arena *arena,
                             struct feel_value *ret, struct feel_diagnostics *diagnostics,
                             struct err *err);

enum feel_truth { FEEL_FALSE, FEEL_TRUE, FEEL_UNDETERMINED };

/* What a rule says: true and false alone decide; null and any other value do not. */
enum feel_truth feel_truth(const struct feel_value *v);

/* Equal as FEEL's "=" says. */
enum feel_truth feel_equal(const struct feel_value *a, const struct feel_value *b);

/* Does v belong to the type? (instance of; null only to optional types) */
bool feel_is_instance(const struct feel_value *v, const struct feel_type *type);

/* The standard's implicit conversions to a declared type: a list of one to its item, an item to a
 * list of one; what does not conform becomes null. */
MUST_CHECK enum rc feel_coerce(const struct feel_value *v, const struct feel_type *type,
                               struct arena *arena, struct feel_value *ret, struct err *err);

/* ---- check ---- */

struct feel_problem {
    uint32_t line, column;
    char message[FEEL_MESSAGE_MAX]; /* "unknown name 'totl'; did you mean 'total'?" */
};

struct feel_path {
    uint32_t line, column;
    size_t n; /* >= 1 */
    const struct str *names;
};

struct feel_report {
    struct feel_type type; /* of the result */
    bool may_be_null;      /* where an optional input is absent, or by a null written in it */
    bool may_fail;         /* null for some values although all is there: 1/x, date(text); results
                            * beyond all numbers and dates are not thought of */
    bool reads_now;        /* calls now() or today() */
    size_t n_problems;
    const struct feel_problem *problems; /* in order of the text */
    size_t n_paths;
    const struct feel_path *paths; /* input paths read, longest form, each once */
};

/**
 * Checks names and types without evaluating.
 *
 * @param context_type  a FEEL_CONTEXT: what names exist and which may be absent (optional)
 *
 * @return RC_OK also when problems are found; RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc feel_check(const struct feel *feel, const struct feel_type *context_type,
                              struct arena *arena, struct feel_report *ret, struct err *err);

/* May the expression be null because this input path is absent? *ret_may false: never. */
MUST_CHECK enum rc feel_may_be_null_without(const struct feel *feel,
                                            const struct feel_type *context_type,
                                            const struct feel_path *absent, struct arena *arena,
                                            bool *ret_may, struct err *err);

/* ---- text and JSON ---- */

/* The value of a JSON tree as the type declares it: dates, times and durations come from strings;
 * with FEEL_ANY strings stay strings. RC_INVALID with line, column and path when it does not fit.
 */
MUST_CHECK enum rc feel_from_json(const struct json *json, const struct feel_type *type,
                                  struct arena *arena, struct feel_value *ret, struct err *err);

/* Canonical JSON: numbers without trailing zeros, temporal values as strings, members in order;
 * ranges and functions as their FEEL text in a string. */
void feel_append_json(struct buf *out, const struct feel_value *v);

/* As string() writes it: a string at the top without quotes. */
void feel_append_text(struct buf *out, const struct feel_value *v);

/* Texts of the standard: date, time, date and time, or either duration, as in @"...". */
bool feel_parse_temporal(struct str text, struct feel_value *ret); /* zone ids borrow from text */

#endif
