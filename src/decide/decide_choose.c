#include "base/exact_math.h"
#include "decide/decide_internal.h"

#include <string.h>

/* Keeps the product of up to 16 fields (SPEC_JOINT_MAX) far from underflow, so that an assignment
 * the model thinks impossible can still be the best one left. */
static const double PROBABILITY_MIN = 1e-12;

static enum rc evaluate_rule(const struct spec_rule *rule, const struct decide_scope *scope,
                             int64_t now_ms, struct arena *scratch,
                             enum decide_rule_result *ret_result, struct err *err)
{
    const struct feel_value context = decide_scope_context(scope);
    const struct feel_limits limits = feel_limits_default();
    struct feel_diagnostics diagnostics;
    struct feel_value value;

    if (rule->condition) {
        enum rc rc = feel_eval(rule->condition, &context, &limits, now_ms, scratch, &value,
                               &diagnostics, err);
        if (rc)
            return err_context(err, "rule '%.*s', when", STR_ARG(rule->name.text));

        enum feel_truth applies = feel_truth(&value);
        if (applies != FEEL_TRUE) {
            *ret_result = applies == FEEL_FALSE ? DECIDE_RULE_ASIDE : DECIDE_RULE_NULL;
            return RC_OK;
        }
    }

    enum rc rc =
        feel_eval(rule->feel, &context, &limits, now_ms, scratch, &value, &diagnostics, err);
    if (rc)
        return err_context(err, "rule '%.*s'", STR_ARG(rule->name.text));

    switch (feel_truth(&value)) {
    case FEEL_TRUE: *ret_result = DECIDE_RULE_HOLDS; break;
    case FEEL_FALSE: *ret_result = DECIDE_RULE_BROKEN; break;
    case FEEL_UNDETERMINED: *ret_result = DECIDE_RULE_NULL; break;
    }
    return RC_OK;
}

/* The index of an assignment among the combinations of the labels that a rule reads. */
static size_t combination_of(const struct spec *spec, const struct decide_reads *reads,
                             const size_t *labels)
{
    size_t index = 0;

    for (size_t i = 0; i < reads->n_fields; i++)
        index = index * spec->fields[reads->fields[i]].n_labels + labels[reads->fields[i]];
    return index;
}

static void set_labels(const struct spec *spec, struct feel_entry *outputs, const size_t *labels)
{
    for (size_t f = 0; f < spec->n_fields; f++)
        outputs[f].value = spec->fields[f].labels[labels[f]].value;
}

/* The result of one must-rule for every combination it distinguishes, (reads->n_joint,). */
static enum rc tabulate_rule(const struct decider *decider, size_t rule_index,
                             struct decide_scope *scope, struct feel_entry *outputs, int64_t now_ms,
                             struct arena *scratch, struct arena *arena, uint8_t **ret_table,
                             struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    const struct decide_reads *reads = &decider->rules[rule_index];
    uint8_t *table = arena_array(arena, uint8_t, reads->n_joint);
    size_t labels[SPEC_FIELDS_MAX] = { 0 };

    if (!table)
        return arena_fail(arena, err, "rule table");
    for (size_t c = 0; c < reads->n_joint; c++) {
        size_t rest = c;
        enum decide_rule_result result;

        for (size_t i = reads->n_fields; i-- > 0;) {
            size_t n = spec->fields[reads->fields[i]].n_labels;
            labels[reads->fields[i]] = rest % n;
            rest /= n;
        }
        set_labels(spec, outputs, labels);
        arena_reset(scratch);
        enum rc rc = evaluate_rule(&spec->rules[rule_index], scope, now_ms, scratch, &result, err);
        if (rc)
            return rc;
        table[c] = (uint8_t)result;
    }
    *ret_table = table;
    return RC_OK;
}

/* softmax(scores / temperature) of each field, (n_labels,). */
static void calibrate(const struct decider *decider, const float *scores, double *probabilities)
{
    for (size_t f = 0; f < decider->parts.spec->n_fields; f++) {
        size_t first = decider->first_label[f], end = decider->first_label[f + 1];
        double temperature = decider->parts.calibration[f].temperature;
        double highest = scores[first], sum = 0.0;

        for (size_t k = first; k < end; k++)
            highest = scores[k] > highest ? scores[k] : highest;
        for (size_t k = first; k < end; k++) {
            probabilities[k] = exact_exp((scores[k] - highest) / temperature);
            sum += probabilities[k];
        }
        for (size_t k = first; k < end; k++) {
            probabilities[k] /= sum;
            if (probabilities[k] < PROBABILITY_MIN)
                probabilities[k] = PROBABILITY_MIN;
        }
    }
}

/* What is left of the joint label space, in one pass over it. */
struct left_over {
    const double *probabilities; /* (n_labels,) */
    uint8_t *const *tables;      /* (n_rules,); NULL for should-rules */
    double *share;               /* (n_labels,) probability left with this label */
    double total, best_probability;
    size_t best, likeliest; /* likeliest: of all, broken or not; says which rules conflict */
    bool has_best;
};

static bool is_struck(const struct decider *decider, uint8_t *const *tables, const size_t *labels)
{
    const struct spec *spec = decider->parts.spec;

    for (size_t r = 0; r < spec->n_rules; r++)
        if (tables[r] &&
            tables[r][combination_of(spec, &decider->rules[r], labels)] == DECIDE_RULE_BROKEN)
            return true;
    return false;
}

static void next_assignment(const struct spec *spec, size_t *labels)
{
    for (size_t f = spec->n_fields; f-- > 0;) {
        if (++labels[f] < spec->fields[f].n_labels)
            return;
        labels[f] = 0;
    }
}

static void strike_out(const struct decider *decider, struct left_over *left)
{
    const struct spec *spec = decider->parts.spec;
    size_t labels[SPEC_FIELDS_MAX] = { 0 };
    double likeliest = -1.0;

    left->best_probability = -1.0;
    for (size_t joint = 0; joint < spec->n_joint; joint++, next_assignment(spec, labels)) {
        double probability = 1.0;

        for (size_t f = 0; f < spec->n_fields; f++)
            probability *= left->probabilities[decider->first_label[f] + labels[f]];
        if (probability > likeliest) {
            likeliest = probability;
            left->likeliest = joint;
        }
        if (is_struck(decider, left->tables, labels))
            continue;
        left->total += probability;
        for (size_t f = 0; f < spec->n_fields; f++)
            left->share[decider->first_label[f] + labels[f]] += probability;
        if (probability > left->best_probability) {
            left->best_probability = probability;
            left->best = joint;
            left->has_best = true;
        }
    }
}

static enum rc explain_conflict(const struct decider *decider, const struct left_over *left,
                                struct arena *arena, struct decide_result *result, struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    CLEANUP(buf_releasep) struct buf text = { 0 };
    size_t labels[SPEC_FIELDS_MAX];
    const char *separator = "no answer satisfies every must-rule; the likeliest breaks ";

    buf_init(&text, DECIDE_SHOWN_BYTES_MAX);
    spec_values_of(spec, left->likeliest, labels);
    for (size_t r = 0; r < spec->n_rules; r++) {
        if (!left->tables[r] ||
            left->tables[r][combination_of(spec, &decider->rules[r], labels)] != DECIDE_RULE_BROKEN)
            continue;
        buf_printf(&text, "%s'%.*s'", separator, STR_ARG(spec->rules[r].name.text));
        separator = ", ";
    }
    result->verdict = DECIDE_RULES_CONFLICT;
    return decide_copy_reason(&text, arena, result, err);
}

/* The first thing that keeps the best assignment from being an answer, if any. */
static enum rc judge_best(const struct decider *decider, struct arena *arena,
                          struct decide_result *result, struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    CLEANUP(buf_releasep) struct buf text = { 0 };

    buf_init(&text, DECIDE_SHOWN_BYTES_MAX);
    for (size_t r = 0; r < spec->n_rules; r++)
        if (spec->rules[r].kind == SPEC_MUST && result->rules[r] == DECIDE_RULE_NULL) {
            result->verdict = DECIDE_RULE_UNDETERMINED;
            buf_printf(&text, "the rule '%.*s' is undetermined on this input",
                       STR_ARG(spec->rules[r].name.text));
            return decide_copy_reason(&text, arena, result, err);
        }
    for (size_t f = 0; f < spec->n_fields; f++)
        if (result->confidence[f] < decider->parts.calibration[f].threshold) {
            result->verdict = DECIDE_LOW_CONFIDENCE;
            buf_printf(&text, "the confidence of '%.*s' is %.4f, below %.4f",
                       STR_ARG(spec->fields[f].name), result->confidence[f],
                       decider->parts.calibration[f].threshold);
            return decide_copy_reason(&text, arena, result, err);
        }
    result->verdict = DECIDE_ANSWERED;
    return RC_OK;
}

static enum rc tabulate_rules(const struct decider *decider, struct decide_scope *scope,
                              struct feel_entry *outputs, int64_t now_ms, struct arena *scratch,
                              struct arena *arena, uint8_t ***ret_tables, struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    uint8_t **tables = arena_array(arena, uint8_t *, spec->n_rules);

    if (!tables)
        return arena_fail(arena, err, "rule tables");
    for (size_t r = 0; r < spec->n_rules; r++) {
        if (spec->rules[r].kind != SPEC_MUST)
            continue;
        enum rc rc =
            tabulate_rule(decider, r, scope, outputs, now_ms, scratch, arena, &tables[r], err);
        if (rc)
            return rc;
    }
    *ret_tables = tables;
    return RC_OK;
}

/* Fills confidence and the rules' results for the best assignment, whose labels are in scope. */
static enum rc describe_best(const struct decider *decider, struct decide_scope *scope,
                             const size_t *labels, const struct left_over *left, int64_t now_ms,
                             struct arena *scratch, struct arena *arena,
                             struct decide_result *result, struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    double *confidence = arena_array(arena, double, spec->n_fields);
    enum decide_rule_result *rules = arena_array(arena, enum decide_rule_result, spec->n_rules);

    if (!confidence || !rules)
        return arena_fail(arena, err, "answer");
    for (size_t f = 0; f < spec->n_fields; f++)
        confidence[f] = left->share[decider->first_label[f] + labels[f]] / left->total;
    for (size_t r = 0; r < spec->n_rules; r++) {
        const uint8_t *table = left->tables[r];

        arena_reset(scratch);
        enum rc rc = evaluate_rule(&spec->rules[r], scope, now_ms, scratch, &rules[r], err);
        if (rc)
            return rc;
        /* The promise that no answer breaks a must-rule does not rest on decide_reads alone. */
        if (table && table[combination_of(spec, &decider->rules[r], labels)] != rules[r])
            return err_set(err, RC_STATE, "rule '%.*s' reads more of the answer than was found",
                           STR_ARG(spec->rules[r].name.text));
    }
    result->confidence = confidence;
    result->rules = rules;
    return RC_OK;
}

enum rc decide_choose(const struct decider *decider, struct decide_scope *scope, int64_t now_ms,
                      struct arena *scratch, struct arena *arena, struct decide_result *result,
                      struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    struct feel_entry *outputs = scope->entries + scope->n;
    double *probabilities = arena_array(arena, double, decider->n_labels);
    struct left_over left = { .probabilities = probabilities,
                              .share = arena_array(arena, double, decider->n_labels) };
    size_t labels[SPEC_FIELDS_MAX];
    uint8_t **tables = NULL;

    if (!probabilities || !left.share)
        return arena_fail(arena, err, "probabilities");
    for (size_t f = 0; f < spec->n_fields; f++)
        decide_scope_add(scope, spec->fields[f].name, spec->fields[f].labels[0].value);

    enum rc rc = tabulate_rules(decider, scope, outputs, now_ms, scratch, arena, &tables, err);
    if (rc)
        return rc;

    left.tables = tables;
    calibrate(decider, result->scores, probabilities);
    strike_out(decider, &left);
    if (!left.has_best)
        return explain_conflict(decider, &left, arena, result, err);

    result->has_best = true;
    result->best = left.best;
    spec_values_of(spec, left.best, labels);
    set_labels(spec, outputs, labels);
    rc = describe_best(decider, scope, labels, &left, now_ms, scratch, arena, result, err);
    if (rc)
        return rc;
    return judge_best(decider, arena, result, err);
}
