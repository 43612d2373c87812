#include "factory/evaluate/gate.h"

#include <stdarg.h>
#include <stdio.h>

/* One gate on one field under way. */
struct checking {
    const struct judge_rows *rows;
    const struct judged *judged;
    const struct gate_floors *floors;
    uint64_t seed;
    struct arena *arena;
    struct gate_report *report;
    enum spec_metric metric;
    enum evaluate_metric paired; /* what the resampling scores, where is_paired */
    bool is_paired;
    const char *name;
    struct str slice; /* empty: all rows */
    size_t field;     /* or another column */
    bool names_field;
    double value;
};

static const char *metric_name(enum spec_metric metric)
{
    switch (metric) {
    case SPEC_ACCURACY: return "accuracy";
    case SPEC_BALANCED_ACCURACY: return "balanced_accuracy";
    case SPEC_MACRO_F1: return "macro_f1";
    case SPEC_SET_F1: return "set_f1";
    case SPEC_ECE: return "ece";
    case SPEC_RULE_VIOLATIONS: return "rule_violations";
    case SPEC_COVERAGE: return "coverage";
    case SPEC_PRECISION: return "precision";
    case SPEC_FIRST_ATTEMPT: return "first_attempt";
    }
    return "";
}

static bool is_of_a_field(enum spec_metric metric)
{
    return metric != SPEC_RULE_VIOLATIONS && metric != SPEC_COVERAGE &&
           metric != SPEC_FIRST_ATTEMPT;
}

static enum rc add_result(struct checking *c, enum gate_outcome outcome, struct err *err,
                          const char *fmt, ...) PRINTF_LIKE(4, 5);

static enum rc add_result(struct checking *c, enum gate_outcome outcome, struct err *err,
                          const char *fmt, ...)
{
    char what[200], text[400];
    struct str field =
        c->names_field ? judge_column_name(c->rows->spec, c->field) : (struct str){ 0 };
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    snprintf(text, sizeof(text), "%s%s%.*s%s%.*s is %.4g, %s", c->name, field.len ? " of " : "",
             STR_ARG(field), c->slice.len ? " in slice " : "", STR_ARG(c->slice), c->value, what);

    char *kept = arena_strndup(c->arena, text, strlen(text));
    if (!kept)
        return arena_fail(c->arena, err, "gate");
    c->report->results[c->report->n++] =
        (struct gate_result){ c->name, field, c->slice, outcome, c->value, str_of(kept) };
    c->report->n_missed += outcome == GATE_MISSED;
    return RC_OK;
}

static enum gate_outcome met(bool is_met)
{
    return is_met ? GATE_MET : GATE_MISSED;
}

/* How much better the answers are than those of `other`: the difference and its lower bound, which
 * is the difference itself for metrics that have no paired test here. */
static enum rc compare(struct checking *c, const struct judged *other, double *ret_gain,
                       double *ret_low, struct err *err)
{
    if (c->is_paired) {
        struct evaluate_rows rows = judge_pair(c->rows, c->judged, other, c->field);
        struct evaluate_pair pair;
        enum rc rc = evaluate_compare(&rows, c->paired, c->seed, c->arena, &pair, err);

        if (rc)
            return rc;
        *ret_gain = pair.difference;
        *ret_low = pair.interval.low;
        return RC_OK;
    }
    double theirs = 0.0;
    enum rc rc = judge_metric(c->rows, other, c->metric, c->field, c->arena, &theirs, err);
    bool less_is_better = c->metric == SPEC_ECE || c->metric == SPEC_RULE_VIOLATIONS;

    if (rc)
        return rc;
    *ret_gain = *ret_low = less_is_better ? theirs - c->value : c->value - theirs;
    return RC_OK;
}

static enum rc check_above(struct checking *c, const struct judged *floor, const char *name,
                           struct err *err)
{
    double gain = 0.0, low = 0.0;

    if (!floor)
        return add_result(c, GATE_UNCHECKED, err, "not compared with %s: it is that itself", name);
    enum rc rc = compare(c, floor, &gain, &low, err);
    if (rc)
        return rc;
    return add_result(c, met(low > 0.0), err, "%+.4g against %s (lower bound %+.4g, above 0 asked)",
                      gain, name, low);
}

static enum rc check_margin(struct checking *c, double margin, struct err *err)
{
    double gain = 0.0, low = 0.0;

    if (!c->floors->production && c->floors->production_differs)
        return add_result(c, GATE_UNCHECKED, err,
                          "not compared with production, which has other fields or labels");
    if (!c->floors->production)
        return RC_OK;
    enum rc rc = compare(c, c->floors->production, &gain, &low, err);
    if (rc)
        return rc;
    return add_result(c, met(low >= -margin), err,
                      "%+.4g against production (lower bound %+.4g, at least %+.4g asked)", gain,
                      low, -margin);
}

static enum rc check_field(struct checking *c, const struct spec_gate *gate, struct err *err)
{
    const struct gate_floors *f = c->floors;

    if (c->rows->n == 0)
        return add_result(c, GATE_MISSED, err, "but no row is in the slice");
    enum rc rc = judge_metric(c->rows, c->judged, c->metric, c->field, c->arena, &c->value, err);

    if (rc == RC_OK && gate->has_min)
        rc = add_result(c, met(c->value >= gate->min), err, "at least %.4g asked", gate->min);
    if (rc == RC_OK && gate->has_max)
        rc = add_result(c, met(c->value <= gate->max), err, "at most %.4g asked", gate->max);
    if (rc == RC_OK && gate->above == SPEC_FLOOR_MAJORITY)
        rc = check_above(c, f->majority, "majority", err);
    if (rc == RC_OK && gate->above == SPEC_FLOOR_RULES)
        rc = check_above(c, f->rules, "rules only", err);
    if (rc == RC_OK && gate->above == SPEC_FLOOR_LINEAR)
        rc = check_above(c, f->linear, "linear", err);
    if (rc == RC_OK && gate->above == SPEC_FLOOR_PROMPTED)
        rc = check_above(c, f->prompted, "prompted", err);
    if (rc == RC_OK && gate->has_margin)
        rc = check_margin(c, gate->not_worse_margin, err);
    return rc;
}

static enum rc check_fields(struct checking *c, const struct spec_gate *gate, struct err *err)
{
    const struct spec *spec = c->rows->spec;
    enum rc rc = RC_OK;

    if (!c->names_field) {
        c->field = c->metric == SPEC_FIRST_ATTEMPT ? judge_first_attempt(spec) : 0;
        return check_field(c, gate, err);
    }
    for (size_t f = 0; f < spec->n_fields + spec->n_valued && rc == RC_OK; f++) {
        bool fits = f >= spec->n_fields || spec_metric_fits(gate->metric, &spec->fields[f]);

        c->field = f;
        if (fits &&
            (gate->field.text.len == 0 || str_equal(gate->field.text, judge_column_name(spec, f))))
            rc = check_field(c, gate, err);
    }
    return rc;
}

enum rc gate_slice_floors(const struct judge_rows *rows, size_t slice,
                          const struct gate_floors *floors, struct arena *arena,
                          struct gate_floors *ret_floors, struct err *err)
{
    enum rc rc =
        judge_slice_answers(rows, slice, floors->majority, arena, &ret_floors->majority, err);

    if (rc == RC_OK)
        rc = judge_slice_answers(rows, slice, floors->rules, arena, &ret_floors->rules, err);
    if (rc == RC_OK)
        rc = judge_slice_answers(rows, slice, floors->linear, arena, &ret_floors->linear, err);
    if (rc == RC_OK)
        rc = judge_slice_answers(rows, slice, floors->prompted, arena, &ret_floors->prompted, err);
    if (rc == RC_OK)
        rc = judge_slice_answers(rows, slice, floors->production, arena, &ret_floors->production,
                                 err);
    ret_floors->production_differs = floors->production_differs;
    return rc;
}

/* On all rows, or on those of its slice. */
static enum rc check_gate(struct checking *c, const struct spec_gate *gate, struct err *err)
{
    const struct spec *spec = c->rows->spec;
    struct checking part = *c;
    struct judge_rows rows;
    struct gate_floors floors;
    size_t slice = 0;

    part.value = 0.0;
    part.metric = gate->metric;
    part.name = metric_name(gate->metric);
    part.slice = gate->slice.text;
    part.is_paired = judge_score_of(gate->metric, &part.paired);
    part.names_field = is_of_a_field(gate->metric);
    if (gate->slice.text.len == 0)
        return check_fields(&part, gate, err);
    while (!str_equal(spec->slices[slice].name.text, gate->slice.text))
        slice++;
    enum rc rc = judge_slice_rows(c->rows, slice, c->arena, &rows, err);
    if (rc == RC_OK)
        rc = judge_slice_answers(c->rows, slice, c->judged, c->arena, &part.judged, err);
    if (rc == RC_OK)
        rc = gate_slice_floors(c->rows, slice, c->floors, c->arena, &floors, err);
    part.rows = &rows;
    part.floors = &floors;
    return rc ? rc : check_fields(&part, gate, err);
}

/* Every version of every spec: better than what needs no model. */
static enum rc check_floors(struct checking *c, struct err *err)
{
    enum rc rc = RC_OK;

    c->name = "kappa";
    c->is_paired = true;
    c->paired = EVALUATE_KAPPA;
    c->names_field = true;
    for (size_t f = 0; f < c->rows->spec->n_fields && rc == RC_OK; f++) {
        c->field = f;
        rc = judge_score(c->rows, c->judged, EVALUATE_KAPPA, f, c->arena, &c->value, err);
        if (rc == RC_OK)
            rc = check_above(c, c->floors->majority, "majority", err);
        if (rc == RC_OK)
            rc = check_above(c, c->floors->rules, "rules only", err);
    }
    return rc;
}

/* Every version that writes: what training made is better than what it began with. */
static enum rc check_training(struct checking *c, struct err *err)
{
    if (!c->floors->prompted)
        return RC_OK;
    bool is_text = spec_is_text(c->rows->spec);
    c->name = is_text ? metric_name(SPEC_FIRST_ATTEMPT) : "accuracy of all values together";
    c->is_paired = true;
    c->paired = EVALUATE_ACCURACY;
    c->names_field = false;
    c->field = is_text ? judge_first_attempt(c->rows->spec) : judge_all_right(c->rows->spec);
    enum rc rc = judge_score(c->rows, c->judged, c->paired, c->field, c->arena, &c->value, err);

    return rc ? rc : check_above(c, c->floors->prompted, "prompted", err);
}

enum rc gate_check(const struct judge_rows *rows, const struct judged *judged,
                   const struct gate_floors *floors, uint64_t seed, struct arena *arena,
                   struct gate_report *ret_report, struct err *err)
{
    const struct spec *spec = rows->spec;
    size_t per_gate = 4 * judge_n_columns(spec); /* min, max, above, margin */
    struct gate_report report = { 0 };
    struct checking c = { .rows = rows,
                          .judged = judged,
                          .floors = floors,
                          .seed = seed,
                          .arena = arena,
                          .report = &report };

    report.results = arena_array(arena, struct gate_result, (spec->n_gates + 1) * per_gate);
    if (!report.results)
        return arena_fail(arena, err, "gates");
    enum rc rc = spec_writes(spec) ? check_training(&c, err) : check_floors(&c, err);
    for (size_t g = 0; g < spec->n_gates && rc == RC_OK; g++)
        rc = check_gate(&c, &spec->gates[g], err);
    if (rc)
        return rc;
    *ret_report = report;
    return RC_OK;
}
