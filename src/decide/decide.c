#include "decide/decide.h"

#include "decide/decide_internal.h"

#include <string.h>

void decide_scope_add(struct decide_scope *scope, struct str name, struct feel_value value)
{
    scope->entries[scope->n++] = (struct feel_entry){ name, value };
}

struct feel_value decide_scope_context(const struct decide_scope *scope)
{
    return feel_context(scope->entries, scope->n);
}

enum rc decide_copy_reason(const struct buf *text, struct arena *arena,
                           struct decide_result *result, struct err *err)
{
    enum rc rc = buf_rc(text, "reason", err);
    if (rc)
        return rc;

    char *copy = arena_strndup(arena, text->at, text->len);
    if (!copy)
        return arena_fail(arena, err, "reason");
    result->reason = (struct str){ copy, text->len };
    return RC_OK;
}

/* ---- opening: what can be known before the first row ---- */

static void mark_reads(const struct spec *spec, const struct feel_report *report, bool *is_read)
{
    for (size_t p = 0; p < report->n_paths; p++)
        for (size_t f = 0; f < spec->n_fields; f++)
            if (str_equal(report->paths[p].names[0], spec->fields[f].name))
                is_read[f] = true;
}

/* outputs: the type of the output fields, open: names and types were checked when the spec was
 * read, and here only the paths are of interest. */
static enum rc find_reads(const struct spec *spec, const struct spec_rule *rule,
                          const struct feel_type *outputs, struct arena *arena,
                          struct decide_reads *reads, struct err *err)
{
    const struct feel *expressions[] = { rule->feel, rule->condition };
    bool is_read[SPEC_FIELDS_MAX] = { false };
    size_t *fields = arena_array(arena, size_t, spec->n_fields);

    if (!fields)
        return arena_fail(arena, err, "rule");
    for (size_t e = 0; e < ARRAY_LEN(expressions); e++) {
        struct feel_report report;

        if (!expressions[e])
            continue;
        enum rc rc = feel_check(expressions[e], outputs, arena, &report, err);
        if (rc)
            return err_context(err, "rule '%.*s'", STR_ARG(rule->name.text));
        mark_reads(spec, &report, is_read);
    }

    *reads = (struct decide_reads){ .fields = fields, .n_joint = 1 };
    for (size_t f = 0; f < spec->n_fields; f++)
        if (is_read[f]) {
            fields[reads->n_fields++] = f;
            reads->n_joint *= spec->fields[f].n_values; /* at most SPEC_JOINT_MAX */
        }
    return RC_OK;
}

static enum rc check_calibration(const struct decide_parts *parts, struct err *err)
{
    for (size_t f = 0; f < parts->spec->n_fields; f++) {
        const struct decide_calibration *c = &parts->calibration[f];

        if (!(c->temperature > 0.0) || !(c->temperature < 1e6))
            return err_set(err, RC_INVALID, "temperature of '%.*s' is %g, expected above 0",
                           STR_ARG(parts->spec->fields[f].name), c->temperature);
        if (!(c->threshold >= 0.0) || !(c->threshold <= 1.0))
            return err_set(err, RC_INVALID, "threshold of '%.*s' is %g, expected 0 to 1",
                           STR_ARG(parts->spec->fields[f].name), c->threshold);
    }
    return RC_OK;
}

enum rc decide_open(const struct decide_parts *parts, struct arena *arena,
                    struct decider **ret_decider, struct err *err)
{
    const struct spec *spec = parts->spec;
    struct decider *decider = arena_new(arena, struct decider);

    if (!decider)
        return arena_fail(arena, err, "decider");
    decider->parts = *parts;
    decider->first_label = arena_array(arena, size_t, spec->n_fields + 1);
    decider->first_value = arena_array(arena, size_t, spec->n_fields + 1);
    decider->rules = arena_array(arena, struct decide_reads, spec->n_rules);
    if (!decider->first_label || !decider->first_value || !decider->rules)
        return arena_fail(arena, err, "decider");

    enum rc rc = check_calibration(parts, err);
    if (rc)
        return rc;

    for (size_t f = 0; f < spec->n_fields; f++) {
        decider->first_label[f + 1] = decider->first_label[f] + spec->fields[f].n_labels;
        decider->first_value[f + 1] = decider->first_value[f] + spec->fields[f].n_values;
    }
    decider->n_labels = decider->first_label[spec->n_fields];
    decider->n_values = decider->first_value[spec->n_fields];

    struct feel_type outputs;
    rc = schema_feel_type(&spec->output, arena, &outputs, err);
    if (rc)
        return rc;
    outputs.open = true;
    for (size_t r = 0; r < spec->n_rules; r++) {
        rc = find_reads(spec, &spec->rules[r], &outputs, arena, &decider->rules[r], err);
        if (rc)
            return rc;
    }
    *ret_decider = decider;
    return RC_OK;
}

/* ---- one row, before and after the model ---- */

static enum rc refuse_if_invalid(const struct spec *spec, const struct json *input,
                                 struct arena *arena, struct decide_result *result, struct err *err)
{
    struct problems *problems = arena_new(arena, struct problems);

    if (!problems)
        return arena_fail(arena, err, "problems");
    problem_init(problems, arena);
    enum rc rc = schema_validate(&spec->input, input, "input", problems, err);
    if (rc)
        return rc;
    rc = problem_rc(problems, err);
    if (rc)
        return rc;
    if (problems->n_errors == 0)
        return RC_OK;

    result->refused = problems;
    return err_set(err, RC_INVALID, "the input has %zu error%s; first: %s", problems->n_errors,
                   problems->n_errors == 1 ? "" : "s", problems->items[0].message);
}

static enum rc explain_fact(const struct spec_fact *fact,
                            const struct feel_diagnostics *diagnostics, struct arena *arena,
                            struct decide_result *result, struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };

    buf_init(&text, DECIDE_SHOWN_BYTES_MAX);
    buf_printf(&text, "the fact '%.*s' is undetermined", STR_ARG(fact->name.text));
    if (diagnostics->n > 0)
        buf_printf(&text, ": %s", diagnostics->items[0].message);
    result->verdict = DECIDE_FACT_UNDETERMINED;
    return decide_copy_reason(&text, arena, result, err);
}

/* Facts in the spec's order, each seeing those above it. The first undetermined one withholds the
 * answer, and the others are computed all the same: a person who looks wants to see them. */
static enum rc compute_facts(const struct decider *decider, struct decide_state *row,
                             int64_t now_ms, struct arena *arena, struct decide_result *result,
                             struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    const struct feel_limits limits = feel_limits_default();
    const struct feel_entry *facts = row->scope.entries + row->scope.n;

    for (size_t i = 0; i < spec->n_facts; i++) {
        const struct feel_value context = decide_scope_context(&row->scope);
        struct feel_diagnostics diagnostics;
        struct feel_value value;

        enum rc rc = feel_eval(spec->facts[i].feel, &context, &limits, now_ms, arena, &value,
                               &diagnostics, err);
        if (rc)
            return err_context(err, "fact '%.*s'", STR_ARG(spec->facts[i].name.text));
        if (value.kind == FEEL_NULL && result->verdict != DECIDE_FACT_UNDETERMINED) {
            rc = explain_fact(&spec->facts[i], &diagnostics, arena, result, err);
            if (rc)
                return rc;
        }
        decide_scope_add(&row->scope, spec->facts[i].name.text, value);
    }
    result->facts = feel_context(facts, spec->n_facts);
    return RC_OK;
}

static enum rc render_shown(const struct decider *decider, const struct decide_state *row,
                            const struct feel_value *facts, struct arena *arena,
                            struct str *ret_shown, struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };

    buf_init(&text, DECIDE_SHOWN_BYTES_MAX);
    spec_append_shown(&text, decider->parts.spec, &row->input, facts);
    enum rc rc = buf_rc(&text, "what the model reads", err);
    if (rc)
        return rc;

    char *copy = arena_strndup(arena, text.at ? text.at : "", text.len);
    if (!copy)
        return arena_fail(arena, err, "what the model reads");
    *ret_shown = (struct str){ copy, text.len };
    return RC_OK;
}

/* Input and facts. */
static enum rc begin_row(const struct decider *decider, const struct decide_row *asked,
                         struct arena *arena, struct decide_state *row,
                         struct decide_result *result, struct err *err)
{
    const struct decide_parts *parts = &decider->parts;
    const struct spec *spec = parts->spec;

    enum rc rc = refuse_if_invalid(spec, asked->input, arena, result, err);
    if (rc)
        return rc;
    rc = schema_to_value(&spec->input, asked->input, arena, &row->input, err);
    if (rc)
        return rc;

    size_t n_names = row->input.context.n + spec->n_tables + spec->n_facts + spec->n_open +
                     spec->n_fields + spec->n_derived;
    row->scope.entries = arena_array(arena, struct feel_entry, n_names);
    if (!row->scope.entries)
        return arena_fail(arena, err, "names");
    for (size_t i = 0; i < row->input.context.n; i++)
        decide_scope_add(&row->scope, row->input.context.entries[i].key,
                         row->input.context.entries[i].value);
    for (size_t t = 0; t < spec->n_tables; t++)
        decide_scope_add(&row->scope, parts->tables[t].name, parts->tables[t].rows);
    if (!asked->facts)
        return compute_facts(decider, row, asked->now_ms, arena, result, err);
    result->facts = *asked->facts;
    for (size_t i = 0; i < result->facts.context.n; i++)
        decide_scope_add(&row->scope, result->facts.context.entries[i].key,
                         result->facts.context.entries[i].value);
    return RC_OK;
}

static enum rc prepare_row(const struct decider *decider, const struct decide_row *asked,
                           struct arena *arena, struct decide_state *row,
                           struct decide_result *result, struct err *err)
{
    const struct decide_parts *parts = &decider->parts;

    enum rc rc = begin_row(decider, asked, arena, row, result, err);
    if (rc)
        return rc;
    if (result->verdict == DECIDE_FACT_UNDETERMINED)
        return RC_OK;

    result->n_labels = decider->n_labels;
    result->scores = asked->scores;
    row->needs_model = !asked->scores && decider->n_labels > 0;
    row->is_written = parts->author && !asked->texts;
    if (!row->needs_model && !row->is_written)
        return RC_OK;
    ASSERT(row->is_written || parts->predictor);
    rc = render_shown(decider, row, &result->facts, arena, &row->shown, err);
    if (rc || row->is_written)
        return rc;
    return predictor_check(parts->predictor, row->shown, err);
}

enum rc decide_shown(const struct decider *decider, const struct decide_row *row,
                     struct arena *arena, struct str *ret_shown, struct err *err)
{
    struct decide_state state = { 0 };
    struct decide_result result = { 0 };

    enum rc rc = begin_row(decider, row, arena, &state, &result, err);
    if (rc)
        return rc;
    if (result.verdict == DECIDE_FACT_UNDETERMINED)
        return err_set(err, RC_STATE, "%.*s", STR_ARG(result.reason));
    return render_shown(decider, &state, &result.facts, arena, ret_shown, err);
}

static enum rc compute_derived(const struct decider *decider, struct decide_state *row,
                               int64_t now_ms, struct arena *arena, struct decide_result *result,
                               struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    const struct feel_limits limits = feel_limits_default();
    const struct feel_entry *derived = row->scope.entries + row->scope.n;

    for (size_t i = 0; i < spec->n_derived; i++) {
        const struct feel_value context = decide_scope_context(&row->scope);
        struct feel_diagnostics diagnostics;
        struct feel_value value;

        enum rc rc = feel_eval(spec->derived[i].feel, &context, &limits, now_ms, arena, &value,
                               &diagnostics, err);
        if (rc)
            return err_context(err, "derived field '%.*s'", STR_ARG(spec->derived[i].name.text));
        decide_scope_add(&row->scope, spec->derived[i].name.text, value);
    }
    result->derived = feel_context(derived, spec->n_derived);
    return RC_OK;
}

enum rc decide_finish_row(const struct decider *decider, const struct decide_row *asked,
                          struct decide_state *row, struct arena *arena,
                          struct decide_result *result, struct err *err)
{
    if (result->verdict == DECIDE_FACT_UNDETERMINED)
        return RC_OK;
    enum rc rc = decide_texts(decider, asked, row, arena, result, err);
    if (rc || result->verdict == DECIDE_TEXT_REFUSED)
        return rc;
    rc = decide_choose(decider, &row->scope, asked->now_ms, arena, result, err);
    if (rc == RC_OK && result->has_best)
        rc = compute_derived(decider, row, asked->now_ms, arena, result, err);
    return rc;
}

enum rc decide_refuse(enum rc rc, const struct err *why, struct decide_result *result,
                      struct err *err)
{
    if (rc == RC_NOMEM) {
        *err = *why;
        return rc;
    }
    *result = (struct decide_result){ .verdict = DECIDE_REFUSED,
                                      .refusal = *why,
                                      .refused = result->refused };
    return RC_OK;
}

/* ---- the batch ---- */

/* Runs the model over the rows that need it and hands each its scores. */
static enum rc run_model(const struct decider *decider, struct decide_state *states, size_t n_rows,
                         struct pool *pool, struct arena *arena, struct decide_result *results,
                         struct err *err)
{
    struct str *texts = arena_array(arena, struct str, n_rows);
    size_t *row_of = arena_array(arena, size_t, n_rows);
    size_t n = 0;

    if (!texts || !row_of)
        return arena_fail(arena, err, "batch");
    for (size_t i = 0; i < n_rows; i++)
        if (states[i].needs_model && results[i].verdict != DECIDE_REFUSED) {
            row_of[n] = i;
            texts[n++] = states[i].shown;
        }
    if (n == 0)
        return RC_OK;

    float *scores = arena_array(arena, float, n * decider->n_labels);
    if (!scores)
        return arena_fail(arena, err, "scores");
    enum rc rc = predictor_run(decider->parts.predictor, texts, n, pool, scores, err);
    if (rc)
        return err_context(err, "model");
    for (size_t i = 0; i < n; i++)
        results[row_of[i]].scores = scores + i * decider->n_labels;
    return RC_OK;
}

enum rc decide_rows(const struct decider *decider, const struct decide_row *rows, size_t n_rows,
                    struct pool *pool, struct arena *arena, struct decide_result *results,
                    struct err *err)
{
    struct decide_state *states = arena_array(arena, struct decide_state, n_rows);
    struct err why;

    if (n_rows > DECIDE_ROWS_MAX)
        return err_set(err, RC_LIMIT, "%zu rows, at most %d", n_rows, DECIDE_ROWS_MAX);
    if (!states)
        return arena_fail(arena, err, "rows");
    for (size_t i = 0; i < n_rows; i++) {
        results[i] = (struct decide_result){ 0 };
        enum rc rc = prepare_row(decider, &rows[i], arena, &states[i], &results[i], &why);
        if (rc)
            rc = decide_refuse(rc, &why, &results[i], err);
        if (rc)
            return rc;
    }

    enum rc rc = run_model(decider, states, n_rows, pool, arena, results, err);
    if (rc)
        return rc;

    for (size_t i = 0; i < n_rows; i++) {
        if (results[i].verdict == DECIDE_REFUSED || states[i].is_written)
            continue;
        rc = decide_finish_row(decider, &rows[i], &states[i], arena, &results[i], &why);
        if (rc)
            rc = decide_refuse(rc, &why, &results[i], err);
        if (rc)
            return rc;
    }
    return decide_write_rows(decider, rows, states, n_rows, pool, arena, results, err);
}
