#include "decide/decide_internal.h"

const char *decide_verdict_name(enum decide_verdict verdict)
{
    switch (verdict) {
    case DECIDE_ANSWERED: return "answered";
    case DECIDE_FACT_UNDETERMINED: return "fact_undetermined";
    case DECIDE_RULES_CONFLICT: return "rules_conflict";
    case DECIDE_RULE_UNDETERMINED: return "rule_undetermined";
    case DECIDE_LOW_CONFIDENCE: return "low_confidence";
    case DECIDE_TEXT_REFUSED: return "text_refused";
    case DECIDE_NOTHING_TO_COPY: return "nothing_to_copy";
    case DECIDE_REFUSED: return "refused";
    }
    assert_fail("verdict is an enum decide_verdict", __FILE__, __LINE__);
}

const char *decide_rule_result_name(enum decide_rule_result result)
{
    switch (result) {
    case DECIDE_RULE_HOLDS: return "holds";
    case DECIDE_RULE_BROKEN: return "broken";
    case DECIDE_RULE_NULL: return "undetermined";
    case DECIDE_RULE_ASIDE: return "does_not_apply";
    case DECIDE_RULE_NOT_RUN: return "not_run";
    }
    assert_fail("result is an enum decide_rule_result", __FILE__, __LINE__);
}

static void append_key(struct buf *out, const char *separator, struct str key)
{
    buf_append_text(out, separator);
    json_append_string(out, key);
    buf_append_char(out, ':');
}

void decide_append_output(struct buf *out, const struct decider *decider,
                          const struct decide_result *result)
{
    const struct spec *spec = decider->parts.spec;
    const char *separator = "{";
    size_t values[SPEC_FIELDS_MAX];

    ASSERT(result->has_best);
    spec_values_of(spec, result->best, values);
    for (size_t f = 0; f < spec->n_fields; f++) {
        struct feel_value room[SPEC_MEMBERS_MAX];
        struct feel_value value = spec_feel_value(&spec->fields[f], values[f], room);

        append_key(out, separator, spec->fields[f].name);
        feel_append_json(out, &value);
        separator = ",";
    }
    for (size_t i = 0; i < spec->n_open; i++) {
        if (result->values[i].kind == FEEL_NULL)
            continue;
        append_key(out, separator, spec->open[i].name);
        feel_append_json(out, &result->values[i]);
        separator = ",";
    }
    for (size_t i = 0; i < result->derived.context.n; i++) {
        append_key(out, separator, result->derived.context.entries[i].key);
        feel_append_json(out, &result->derived.context.entries[i].value);
        separator = ",";
    }
    buf_append_text(out, *separator == '{' ? "{}" : "}");
}

static void append_confidence(struct buf *out, const struct spec *spec,
                              const struct decide_result *result)
{
    const char *separator = "{";

    if (!result->has_best || spec->n_fields == 0) {
        buf_append_text(out, "{}");
        return;
    }
    for (size_t f = 0; f < spec->n_fields; f++) {
        append_key(out, separator, spec->fields[f].name);
        buf_printf(out, "%.4f", result->confidence[f]);
        separator = ",";
    }
    buf_append_char(out, '}');
}

static void append_abstained(struct buf *out, const struct decider *decider,
                             const struct decide_result *result)
{
    if (result->verdict == DECIDE_ANSWERED) {
        buf_append_text(out, "null");
        return;
    }
    buf_printf(out, "{\"reason\":\"%s\",\"text\":", decide_verdict_name(result->verdict));
    json_append_string(out, result->reason);
    buf_append_text(out, ",\"suggestion\":");
    if (result->has_best)
        decide_append_output(out, decider, result);
    else
        buf_append_text(out, "null");
    buf_append_char(out, '}');
}

static void append_rules(struct buf *out, const struct spec *spec,
                         const struct decide_result *result)
{
    buf_append_char(out, '[');
    for (size_t r = 0; r < spec->n_rules; r++) {
        enum decide_rule_result said = result->has_best ? result->rules[r] : DECIDE_RULE_NOT_RUN;

        buf_append_text(out, r == 0 ? "{\"id\":" : ",{\"id\":");
        json_append_string(out, spec->rules[r].name.text);
        buf_printf(out, ",\"result\":\"%s\",\"text\":", decide_rule_result_name(said));
        json_append_string(out, spec->rules[r].text.text);
        buf_append_char(out, '}');
    }
    buf_append_char(out, ']');
}

void decide_append_answer(struct buf *out, const struct decider *decider,
                          const struct decide_result *result)
{
    const struct spec *spec = decider->parts.spec;

    ASSERT(result->verdict != DECIDE_REFUSED);
    buf_append_text(out, "\"output\":");
    if (result->verdict == DECIDE_ANSWERED)
        decide_append_output(out, decider, result);
    else
        buf_append_text(out, "null");
    buf_append_text(out, ",\"confidence\":");
    append_confidence(out, spec, result);
    buf_append_text(out, ",\"abstained\":");
    append_abstained(out, decider, result);
    buf_append_text(out, ",\"facts\":");
    feel_append_json(out, &result->facts);
    buf_append_text(out, ",\"rules\":");
    append_rules(out, spec, result);
    if (result->attempt > 0)
        buf_printf(out, ",\"attempt\":%zu", result->attempt);
}
