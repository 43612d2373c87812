#include "base/exact_math.h"
#include "decide/decide_internal.h"

#include <math.h>
#include <string.h>

/* Keeps the product of up to 16 factors (SPEC_JOINT_MAX) far from underflow, so that an assignment
 * the model thinks impossible can still be the best one left. */
static const double PROBABILITY_MIN = 1e-12;

/* The share of the probability that is left unseen at most: what a confidence may be wrong by. */
static const double UNSEEN_MAX = 1e-6;

enum { RULE_UNKNOWN = UINT8_MAX };

/* One row under way. */
struct choice {
    const struct decider *decider;
    struct decide_scope *scope;
    struct feel_entry *outputs; /* the output fields in the scope */
    struct feel_value *room;    /* (n_labels,) of the lists among them */
    int64_t now_ms;
    struct arena work;    /* of the arrays below */
    struct arena scratch; /* of one evaluation */

    double *probabilities; /* (n_values,) of each field's values; 0: not allowed */
    double *share;         /* (n_values,) probability left with this value */
    double *joint;         /* (n_joint,) */
    uint32_t *heap;        /* (n_heap,) assignments not looked at, the most probable first */
    size_t n_heap;
    uint8_t **tables; /* (n_rules,) results by combination, or RULE_UNKNOWN; NULL: no must-rule */
    double left;      /* probability of what is not struck out */
    size_t best, likeliest; /* likeliest: of all, broken or not; says which rules conflict */
    bool has_best;
};

/* On the assignment that is in the scope. */
static enum rc evaluate_rule(struct choice *c, size_t rule_index,
                             enum decide_rule_result *ret_result, struct err *err)
{
    const struct spec_rule *rule = &c->decider->parts.spec->rules[rule_index];
    const struct feel_value context = decide_scope_context(c->scope);
    const struct feel_limits limits = feel_limits_default();
    struct feel_diagnostics diagnostics;
    struct feel_value value;

    arena_reset(&c->scratch);
    if (rule->condition) {
        enum rc rc = feel_eval(rule->condition, &context, &limits, c->now_ms, &c->scratch, &value,
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
        feel_eval(rule->feel, &context, &limits, c->now_ms, &c->scratch, &value, &diagnostics, err);
    if (rc)
        return err_context(err, "rule '%.*s'", STR_ARG(rule->name.text));

    switch (feel_truth(&value)) {
    case FEEL_TRUE: *ret_result = DECIDE_RULE_HOLDS; break;
    case FEEL_FALSE: *ret_result = DECIDE_RULE_BROKEN; break;
    case FEEL_UNDETERMINED: *ret_result = DECIDE_RULE_NULL; break;
    }
    return RC_OK;
}

/* ---- probabilities ---- */

/* softmax(scores / temperature), (n,). */
static void calibrate_labels(const float *scores, size_t n, double temperature,
                             double *probabilities)
{
    double highest = scores[0], sum = 0.0;

    for (size_t k = 0; k < n; k++)
        highest = scores[k] > highest ? scores[k] : highest;
    for (size_t k = 0; k < n; k++) {
        probabilities[k] = exact_exp((scores[k] - highest) / temperature);
        sum += probabilities[k];
    }
    for (size_t k = 0; k < n; k++) {
        probabilities[k] /= sum;
        if (probabilities[k] < PROBABILITY_MIN)
            probabilities[k] = PROBABILITY_MIN;
    }
}

/* Of every set, (2^n,): the product over the labels of p where it is in, of 1 - p where it is not.
 */
static void calibrate_set(const struct spec_field *field, const float *scores, double temperature,
                          double *probabilities)
{
    probabilities[0] = 1.0;
    for (size_t k = 0; k < field->n_labels; k++) {
        double odds = exact_exp(-fabs((double)scores[k]) / temperature); /* in (0, 1] */
        double less = odds / (1.0 + odds), more = 1.0 / (1.0 + odds);
        size_t with = (size_t)1 << k;

        less = less < PROBABILITY_MIN ? PROBABILITY_MIN : less;
        for (size_t v = 0; v < with; v++) {
            probabilities[v + with] = probabilities[v] * (scores[k] > 0.0f ? more : less);
            probabilities[v] *= scores[k] > 0.0f ? less : more;
        }
    }
    for (size_t v = 0; v < field->n_values; v++)
        if (!spec_value_is_allowed(field, v))
            probabilities[v] = 0.0;
}

static void calibrate(struct choice *c, const float *scores)
{
    const struct decider *d = c->decider;

    for (size_t f = 0; f < d->parts.spec->n_fields; f++) {
        const struct spec_field *field = &d->parts.spec->fields[f];
        double temperature = d->parts.calibration[f].temperature;
        double *probabilities = c->probabilities + d->first_value[f];

        if (field->is_set)
            calibrate_set(field, scores + d->first_label[f], temperature, probabilities);
        else
            calibrate_labels(scores + d->first_label[f], field->n_labels, temperature,
                             probabilities);
    }
}

static void next_assignment(const struct spec *spec, size_t *values)
{
    for (size_t f = spec->n_fields; f-- > 0;) {
        if (++values[f] < spec->fields[f].n_values)
            return;
        values[f] = 0;
    }
}

/* ---- from the most probable down ---- */

static bool comes_first(const struct choice *c, uint32_t a, uint32_t b)
{
    return c->joint[a] > c->joint[b] || (c->joint[a] >= c->joint[b] && a < b);
}

/* A binary heap: no child comes before its parent. */
static void sink(struct choice *c, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < c->n_heap; at = child) {
        uint32_t moved = c->heap[at];

        if (child + 1 < c->n_heap && comes_first(c, c->heap[child + 1], c->heap[child]))
            child++;
        if (comes_first(c, moved, c->heap[child]))
            return;
        c->heap[at] = c->heap[child];
        c->heap[child] = moved;
    }
}

/* The probability of every assignment, their sum, and the heap of those that are allowed. */
static double make_heap(struct choice *c)
{
    const struct decider *d = c->decider;
    const struct spec *spec = d->parts.spec;
    size_t values[SPEC_FIELDS_MAX] = { 0 };
    double total = 0.0;

    for (size_t joint = 0; joint < spec->n_joint; joint++, next_assignment(spec, values)) {
        double probability = 1.0;

        for (size_t f = 0; f < spec->n_fields; f++)
            probability *= c->probabilities[d->first_value[f] + values[f]];
        c->joint[joint] = probability;
        total += probability;
        if (probability > 0.0)
            c->heap[c->n_heap++] = (uint32_t)joint;
    }
    for (size_t at = c->n_heap / 2; at-- > 0;)
        sink(c, at);
    return total;
}

static size_t take_first(struct choice *c)
{
    size_t first = c->heap[0];

    c->heap[0] = c->heap[--c->n_heap];
    sink(c, 0);
    return first;
}

/* ---- rules ---- */

/* The index of an assignment among the combinations of the values that a rule reads. */
static size_t combination_of(const struct spec *spec, const struct decide_reads *reads,
                             const size_t *values)
{
    size_t index = 0;

    for (size_t i = 0; i < reads->n_fields; i++)
        index = index * spec->fields[reads->fields[i]].n_values + values[reads->fields[i]];
    return index;
}

/* Puts an assignment into the scope. */
static void set_values(struct choice *c, const size_t *values)
{
    const struct decider *d = c->decider;

    for (size_t f = 0; f < d->parts.spec->n_fields; f++)
        c->outputs[f].value =
            spec_feel_value(&d->parts.spec->fields[f], values[f], c->room + d->first_label[f]);
}

/* Does the assignment in the scope break a must-rule? Asks each rule once for what it reads. */
static enum rc is_struck(struct choice *c, const size_t *values, bool *ret_struck, struct err *err)
{
    const struct spec *spec = c->decider->parts.spec;

    *ret_struck = false;
    for (size_t r = 0; r < spec->n_rules && !*ret_struck; r++) {
        enum decide_rule_result result;

        if (!c->tables[r])
            continue;
        uint8_t *known = &c->tables[r][combination_of(spec, &c->decider->rules[r], values)];
        if (*known == RULE_UNKNOWN) {
            enum rc rc = evaluate_rule(c, r, &result, err);
            if (rc)
                return rc;
            *known = (uint8_t)result;
        }
        *ret_struck = *known == DECIDE_RULE_BROKEN;
    }
    return RC_OK;
}

static enum rc strike_out(struct choice *c, struct err *err)
{
    const struct decider *d = c->decider;
    const struct spec *spec = d->parts.spec;
    double unseen = make_heap(c);

    c->likeliest = c->heap[0];
    while (c->n_heap > 0 && !(c->has_best && unseen <= UNSEEN_MAX * c->left)) {
        size_t joint = take_first(c), values[SPEC_FIELDS_MAX];
        bool is_out;

        unseen -= c->joint[joint];
        spec_values_of(spec, joint, values);
        set_values(c, values);
        enum rc rc = is_struck(c, values, &is_out, err);
        if (rc)
            return rc;
        if (is_out)
            continue;
        if (!c->has_best)
            c->best = joint;
        c->has_best = true;
        c->left += c->joint[joint];
        for (size_t f = 0; f < spec->n_fields; f++)
            c->share[d->first_value[f] + values[f]] += c->joint[joint];
    }
    return RC_OK;
}

/* ---- the answer ---- */

/* Names every rule that the likeliest assignment breaks. */
static enum rc explain_conflict(struct choice *c, struct arena *arena, struct decide_result *result,
                                struct err *err)
{
    const struct spec *spec = c->decider->parts.spec;
    CLEANUP(buf_releasep) struct buf text = { 0 };
    size_t values[SPEC_FIELDS_MAX];
    const char *separator = spec_is_text(spec)  ? "the text breaks "
                            : spec_writes(spec) ? "what is written breaks "
                                                : "no answer satisfies every must-rule; the "
                                                  "likeliest breaks ";

    buf_init(&text, DECIDE_SHOWN_BYTES_MAX);
    spec_values_of(spec, c->likeliest, values);
    set_values(c, values);
    for (size_t r = 0; r < spec->n_rules; r++) {
        enum decide_rule_result said;

        if (!c->tables[r])
            continue;
        enum rc rc = evaluate_rule(c, r, &said, err);
        if (rc)
            return rc;
        if (said != DECIDE_RULE_BROKEN)
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

/* Fills confidence and the rules' results for the best assignment, and leaves it in the scope. */
static enum rc describe_best(struct choice *c, struct arena *arena, struct decide_result *result,
                             struct err *err)
{
    const struct decider *d = c->decider;
    const struct spec *spec = d->parts.spec;
    double *confidence = arena_array(arena, double, spec->n_fields);
    enum decide_rule_result *rules = arena_array(arena, enum decide_rule_result, spec->n_rules);
    size_t values[SPEC_FIELDS_MAX];

    if (!confidence || !rules)
        return arena_fail(arena, err, "answer");
    spec_values_of(spec, c->best, values);
    set_values(c, values);
    for (size_t f = 0; f < spec->n_fields; f++)
        confidence[f] = c->share[d->first_value[f] + values[f]] / c->left;
    for (size_t r = 0; r < spec->n_rules; r++) {
        const uint8_t *table = c->tables[r];
        enum rc rc = evaluate_rule(c, r, &rules[r], err);

        if (rc)
            return rc;
        /* The promise that no answer breaks a must-rule does not rest on decide_reads alone. */
        if (table && table[combination_of(spec, &d->rules[r], values)] != rules[r])
            return err_set(err, RC_STATE, "rule '%.*s' reads more of the answer than was found",
                           STR_ARG(spec->rules[r].name.text));
    }
    result->has_best = true;
    result->best = c->best;
    result->confidence = confidence;
    result->rules = rules;
    return RC_OK;
}

static enum rc make_room(struct choice *c, struct arena *arena, struct err *err)
{
    const struct decider *d = c->decider;
    const struct spec *spec = d->parts.spec;

    c->room = arena_array(arena, struct feel_value, d->n_labels); /* derived values may share it */
    if (!c->room)
        return arena_fail(arena, err, "answer");
    c->probabilities = arena_array(&c->work, double, d->n_values);
    c->share = arena_array(&c->work, double, d->n_values);
    c->joint = arena_array(&c->work, double, spec->n_joint);
    c->heap = arena_array(&c->work, uint32_t, spec->n_joint);
    c->tables = arena_array(&c->work, uint8_t *, spec->n_rules);
    if (!c->probabilities || !c->share || !c->joint || !c->heap || !c->tables)
        return arena_fail(&c->work, err, "probabilities");
    for (size_t r = 0; r < spec->n_rules; r++) {
        if (spec->rules[r].kind != SPEC_MUST)
            continue;
        c->tables[r] = arena_array(&c->work, uint8_t, d->rules[r].n_joint);
        if (!c->tables[r])
            return arena_fail(&c->work, err, "rule table");
        memset(c->tables[r], RULE_UNKNOWN, d->rules[r].n_joint);
    }
    return RC_OK;
}

static enum rc choose(struct choice *c, struct arena *arena, struct decide_result *result,
                      struct err *err)
{
    enum rc rc = make_room(c, arena, err);

    if (rc)
        return rc;
    calibrate(c, result->scores);
    rc = strike_out(c, err);
    if (rc)
        return rc;
    if (!c->has_best)
        return explain_conflict(c, arena, result, err);
    rc = describe_best(c, arena, result, err);
    return rc ? rc : judge_best(c->decider, arena, result, err);
}

enum rc decide_choose(const struct decider *decider, struct decide_scope *scope, int64_t now_ms,
                      struct arena *arena, struct decide_result *result, struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    struct choice c = {
        .decider = decider, .scope = scope, .outputs = scope->entries + scope->n, .now_ms = now_ms
    };

    for (size_t f = 0; f < spec->n_fields; f++)
        decide_scope_add(scope, spec->fields[f].name, (struct feel_value){ .kind = FEEL_NULL });
    arena_init(&c.work, DECIDE_JOINT_BYTES_MAX);
    arena_init(&c.scratch, DECIDE_ROW_BYTES_MAX);
    enum rc rc = choose(&c, arena, result, err);
    arena_release(&c.work);
    arena_release(&c.scratch);
    return rc;
}

enum rc decide_broken_rules(const struct decider *decider, struct decide_scope *scope,
                            int64_t now_ms, bool *ret_broken, struct err *err)
{
    const struct spec *spec = decider->parts.spec;
    struct choice c = { .decider = decider, .scope = scope, .now_ms = now_ms };
    enum rc rc = RC_OK;

    arena_init(&c.scratch, DECIDE_ROW_BYTES_MAX);
    for (size_t r = 0; r < spec->n_rules && rc == RC_OK; r++) {
        enum decide_rule_result said = DECIDE_RULE_NOT_RUN;

        if (spec->rules[r].kind == SPEC_MUST)
            rc = evaluate_rule(&c, r, &said, err);
        ret_broken[r] = said == DECIDE_RULE_BROKEN;
    }
    arena_release(&c.scratch);
    return rc;
}
