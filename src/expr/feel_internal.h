/* feel_internal.h - what the evaluator, the built-in functions and the checker share. */
#ifndef EXPR_FEEL_INTERNAL_H
#define EXPR_FEEL_INTERNAL_H

#include "expr/feel_ast.h"

enum {
    FEEL_BUILTIN_NAME_MAX = 40, /* bytes of a built-in function's name, NUL included */
    FEEL_PARAMS_MAX = 7,
    FEEL_ITERATORS_MAX = 16, /* of one for, some or every */
};

/* ---- evaluation ---- */

/* The names an expression sees, innermost first: an entry of the context, or one of the pairs. */
struct feel_scope {
    const struct feel_scope *outer;
    const struct feel_value *context; /* NULL: none */
    size_t n;
    const struct str *names;
    const struct feel_value *values;
};

struct feel_evaluation {
    const struct feel_limits *limits;
    uint64_t steps; /* left */
    unsigned depth;
    int64_t now_ms;
    struct arena *arena;
    struct feel_diagnostics *diagnostics;
    const struct feel_node *at; /* the node a diagnostic names */
    struct err *err;
};

/* The tests "= x" and "!= x" are ranges of their own, over values without an order too: x is low.
 */
enum feel_range_relation { FEEL_RANGE_BETWEEN, FEEL_RANGE_EQUAL, FEEL_RANGE_NOT_EQUAL };

struct feel_range {
    struct feel_value low, high;
    bool has_low, has_high; /* false: no bound on this side, as in "< 10" */
    bool low_closed, high_closed;
    enum feel_range_relation relation;
};

struct feel_function {
    const struct feel_node *definition; /* FEEL_NODE_FUNCTION */
    const struct feel_scope *scope;     /* where it was defined */
};

MUST_CHECK enum rc feel_evaluate(struct feel_evaluation *ev, const struct feel_node *node,
                                 const struct feel_scope *scope, struct feel_value *ret);
MUST_CHECK enum rc feel_evaluate_call(struct feel_evaluation *ev, const struct feel_node *node,
                                      const struct feel_scope *scope, struct feel_value *ret);
MUST_CHECK enum rc feel_evaluate_for(struct feel_evaluation *ev, const struct feel_node *node,
                                     const struct feel_scope *scope, struct feel_value *ret);
MUST_CHECK enum rc feel_evaluate_quantified(struct feel_evaluation *ev,
                                            const struct feel_node *node,
                                            const struct feel_scope *scope, struct feel_value *ret);
MUST_CHECK enum rc feel_evaluate_filter(struct feel_evaluation *ev, const struct feel_node *node,
                                        const struct feel_scope *scope, struct feel_value *ret);

/* The innermost value of the name, NULL when there is none. */
MUST_CHECK enum rc feel_look_up(struct feel_evaluation *ev, const struct feel_scope *scope,
                                struct str name, const struct feel_value **ret);

/* Calls a function value with positional arguments (sort, list replace). */
MUST_CHECK enum rc feel_invoke(struct feel_evaluation *ev, const struct feel_function *function,
                               const struct feel_value *args, size_t n, struct feel_value *ret);

/* n units of fuel; RC_LIMIT when there are not as many left. */
MUST_CHECK enum rc feel_spend(struct feel_evaluation *ev, uint64_t n);

/* *ret is null, for this reason; always RC_OK. */
enum rc feel_is_null(struct feel_evaluation *ev, enum feel_reason reason, struct feel_value *ret,
                     const char *fmt, ...) PRINTF_LIKE(4, 5);

/* ---- operators (feel_operator.c) ---- */

MUST_CHECK enum rc feel_arithmetic(struct feel_evaluation *ev, enum feel_operator op,
                                   const struct feel_value *a, const struct feel_value *b,
                                   struct feel_value *ret);
MUST_CHECK enum rc feel_temporal_arithmetic(struct feel_evaluation *ev, enum feel_operator op,
                                            const struct feel_value *a, const struct feel_value *b,
                                            struct feel_value *ret);
MUST_CHECK enum rc feel_compare(struct feel_evaluation *ev, enum feel_operator op,
                                const struct feel_value *a, const struct feel_value *b,
                                struct feel_value *ret);
enum feel_truth feel_not(enum feel_truth t);
struct feel_value feel_from_truth(enum feel_truth t);

/* false when the two have no order (other kinds, null, a local and a zoned time). */
bool feel_order(const struct feel_value *a, const struct feel_value *b, int *ret);
enum feel_truth feel_contains(const struct feel_range *range, const struct feel_value *v);

/* ---- lists, strings ---- */

struct feel_list_builder {
    struct feel_evaluation *ev;
    struct feel_value *items;
    size_t n, capacity;
};

MUST_CHECK enum rc feel_list_add(struct feel_list_builder *b, const struct feel_value *item);
MUST_CHECK enum rc feel_list_done(const struct feel_list_builder *b, struct feel_value *ret);
/* RC_LIMIT when a list, context or range just made is too heavy or nested too deeply. */
MUST_CHECK enum rc feel_check_size(struct feel_evaluation *ev, const struct feel_value *v);
MUST_CHECK enum rc feel_make_range(struct feel_evaluation *ev, const struct feel_range *from,
                                   struct feel_value *ret);
/* "=" paid for with fuel. */
MUST_CHECK enum rc feel_equal_paid(struct feel_evaluation *ev, const struct feel_value *a,
                                   const struct feel_value *b, enum feel_truth *ret);
/* The list itself, or a list of the one value; null is the empty list. */
struct feel_value feel_as_list(const struct feel_value *v);

/* Moves what a buf collected into the arena as a string value, within the limits. */
MUST_CHECK enum rc feel_string_from_buf(struct feel_evaluation *ev, struct buf *b,
                                        struct feel_value *ret);

/* ---- temporal values (feel_date.c, feel_duration.c, feel_zone.c) ---- */

enum { FEEL_YEAR_MAX = 999999999 };

bool feel_date_is_valid(int64_t year, int64_t month, int64_t day);
int64_t feel_days_from_date(int64_t year, unsigned month, unsigned day); /* since 1970-01-01 */
bool feel_date_from_days(int64_t days, struct feel_moment *ret);
unsigned feel_days_in_month(int64_t year, unsigned month);
unsigned feel_weekday(const struct feel_moment *m); /* 1 Monday .. 7 Sunday */

/* Zone ids borrow from the text. */
bool feel_parse_date(struct str text, struct feel_moment *ret);
bool feel_parse_time(struct str text, struct feel_moment *ret);
/* With date_alone, "2017-12-31" is midnight. */
bool feel_parse_date_time(struct str text, bool date_alone, struct feel_moment *ret);
bool feel_parse_duration(struct str text, struct feel_value *ret);
void feel_append_date(struct buf *out, const struct feel_moment *m);
void feel_append_time(struct buf *out, const struct feel_moment *m);
void feel_append_duration(struct buf *out, const struct feel_value *duration);
void feel_append_fraction(struct buf *out, uint32_t nanosecond); /* ".25", or nothing for 0 */

/* Seconds since 1970-01-01T00:00:00 on its own clock, and in UTC (false: it is local). */
int64_t feel_local_seconds(const struct feel_moment *m);
bool feel_utc_seconds(const struct feel_moment *m, int64_t *ret);
/* Adds seconds, in the moment's own zone; false: beyond the calendar. */
bool feel_moment_add(const struct feel_moment *m, struct decimal seconds, struct feel_moment *ret);
struct feel_moment feel_moment_of_unix(int64_t seconds, uint32_t nanosecond); /* UTC */
/* Whole seconds (floor) and nanoseconds (0..999999999) of a duration. */
bool feel_seconds_apart(struct decimal duration, int64_t *ret_seconds, int32_t *ret_nanoseconds);

enum feel_clock { FEEL_CLOCK_UTC, FEEL_CLOCK_LOCAL };
/* Seconds east of UTC of a zone, at seconds since 1970 on the clock named; false: no such zone. */
bool feel_zone_offset(struct str id, int64_t seconds, enum feel_clock clock, int32_t *ret_offset_s);
/* The same in a table of the zone database (TZif), any bytes; false: no such table. */
bool feel_zone_offset_in(const uint8_t *bytes, size_t len, int64_t seconds, enum feel_clock clock,
                         int32_t *ret_offset_s);
/* Sets offset_s of a date and time with a zone id; false: no such zone. */
bool feel_settle_zone(struct feel_moment *m);

/* ---- types ---- */

/* Must all of a value be looked at to know that it is of the type? */
bool feel_type_looks_inside(const struct feel_type *type);
/* A property of a temporal value or range (year, time offset, start): false when v has none. */
bool feel_property(const struct feel_value *v, struct str name, struct feel_value *ret);

/* ---- built-in functions ---- */

#define FEEL_BIT(kind) (1u << (kind))

enum {
    FEEL_ACCEPT_ANY = (1u << FEEL_ANY) - 1, /* every kind, null included */
    FEEL_ACCEPT_VALUE = FEEL_ACCEPT_ANY & ~1u,
    FEEL_OPTIONAL = 1u << 20, /* may be left out; then it is null */
    FEEL_REPEATED = 1u << 21, /* last one: any number of arguments, handed over as one list */
    FEEL_SPREAD = 1u << 22,   /* the only one: a list, or its items as arguments */
};

struct feel_param {
    const char *name;
    unsigned accepts; /* FEEL_BIT of each kind, or FEEL_ACCEPT_ANY, with the flags above */
};

/* args: one per parameter, of an accepted kind (null where left out). */
typedef enum rc feel_builtin_fn(struct feel_evaluation *ev, const struct feel_value *args,
                                struct feel_value *ret);

enum feel_result {
    FEEL_RESULT_KIND, /* the kind of the row */
    FEEL_RESULT_ITEM, /* an item of the list argument (min, max) */
    FEEL_RESULT_SAME, /* the type of the first argument */
};

struct feel_builtin {
    const char *name;
    struct feel_param params[FEEL_PARAMS_MAX];
    enum feel_kind kind; /* of the result, when it is not null */
    enum feel_kind item; /* kind FEEL_LIST: of the items */
    enum feel_result result;
    bool total; /* never null for arguments that fit */
    feel_builtin_fn *call;
};

/* Rows of one name stand together, tried in order. */
extern const struct feel_builtin feel_builtins[];
extern const size_t feel_builtins_n;

const struct feel_builtin *feel_builtin_find(struct str name); /* its first row, or NULL */
const char *feel_builtin_name(struct str name);                /* the table's text, or NULL */
size_t feel_builtin_n_params(const struct feel_builtin *row);

feel_builtin_fn feel_builtin_abs, feel_builtin_floor, feel_builtin_ceiling, feel_builtin_round_up,
    feel_builtin_round_down, feel_builtin_round_half_up, feel_builtin_round_half_down,
    feel_builtin_decimal, feel_builtin_modulo, feel_builtin_sqrt, feel_builtin_exp,
    feel_builtin_log, feel_builtin_even, feel_builtin_odd, feel_builtin_number, feel_builtin_not,
    feel_builtin_is;
feel_builtin_fn feel_builtin_string, feel_builtin_string_length, feel_builtin_substring,
    feel_builtin_substring_before, feel_builtin_substring_after, feel_builtin_upper_case,
    feel_builtin_lower_case, feel_builtin_contains, feel_builtin_starts_with,
    feel_builtin_ends_with, feel_builtin_string_join, feel_builtin_matches, feel_builtin_replace,
    feel_builtin_split;
feel_builtin_fn feel_builtin_list_contains, feel_builtin_list_replace, feel_builtin_count,
    feel_builtin_min, feel_builtin_max, feel_builtin_sum, feel_builtin_product, feel_builtin_mean,
    feel_builtin_median, feel_builtin_mode, feel_builtin_stddev, feel_builtin_all, feel_builtin_any,
    feel_builtin_sublist, feel_builtin_append, feel_builtin_concatenate, feel_builtin_insert_before,
    feel_builtin_remove, feel_builtin_reverse, feel_builtin_index_of, feel_builtin_union,
    feel_builtin_distinct_values, feel_builtin_duplicate_values, feel_builtin_flatten,
    feel_builtin_sort;
feel_builtin_fn feel_builtin_get_value, feel_builtin_get_entries, feel_builtin_context,
    feel_builtin_context_put, feel_builtin_context_put_nested, feel_builtin_context_merge;
feel_builtin_fn feel_builtin_date, feel_builtin_date_of_parts, feel_builtin_time,
    feel_builtin_time_of_parts, feel_builtin_date_time, feel_builtin_date_time_of_parts,
    feel_builtin_date_time_in_zone, feel_builtin_duration, feel_builtin_months_between,
    feel_builtin_day_of_year, feel_builtin_day_of_week, feel_builtin_month_of_year,
    feel_builtin_week_of_year, feel_builtin_now, feel_builtin_today;
feel_builtin_fn feel_builtin_range, feel_builtin_before, feel_builtin_after, feel_builtin_meets,
    feel_builtin_met_by, feel_builtin_overlaps, feel_builtin_overlaps_before,
    feel_builtin_overlaps_after, feel_builtin_finishes, feel_builtin_finished_by,
    feel_builtin_includes, feel_builtin_during, feel_builtin_starts, feel_builtin_started_by,
    feel_builtin_coincides;

#endif
