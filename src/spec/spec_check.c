/* What the table of keys cannot say about slm.yaml: output fields, data, training, gates. */
#include "spec/spec_internal.h"

#include <inttypes.h>
#include <stdio.h>

const char *spec_suggest_property(const struct schema *object, struct str name, struct arena *arena)
{
    struct str names[SPEC_FIELDS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < object->n_properties && n < ARRAY_LEN(names); i++)
        names[n++] = object->properties[i].name;
    return problem_suggest(name, names, n, arena);
}

static size_t count_members(struct spec_reading *r, const struct schema_property *field)
{
    const struct schema *schema = &field->schema;
    size_t n = schema->items->n_labels;

    if (n < 2 || n > SPEC_MEMBERS_MAX) {
        SPEC_WRONG(r, schema->items, "limit",
                   "output field '%.*s' is a set over %zu labels, expected 2 to %d",
                   STR_ARG(field->name), n, SPEC_MEMBERS_MAX);
        return 0;
    }
    if (schema->min_items > n)
        SPEC_WRONG(r, schema, "range", "'minItems' is %zu, the set has only %zu labels",
                   schema->min_items, n);
    return n;
}

/* The number of labels of an output field; 0, with a problem, when it is not closed. */
static size_t count_labels(struct spec_reading *r, const struct schema_property *field)
{
    const struct schema *schema = &field->schema;
    int64_t low, high, span;

    if (schema->type == SCHEMA_STRING && schema->n_labels > 0)
        return schema->n_labels;
    if (schema->unique_items && schema->items && schema->items->n_labels > 0)
        return count_members(r, field);
    if (schema->type == SCHEMA_BOOLEAN)
        return 2;
    if (schema->type == SCHEMA_INTEGER && schema->has_minimum && schema->has_maximum &&
        decimal_to_i64(schema->minimum, &low) && decimal_to_i64(schema->maximum, &high)) {
        if (low <= high && !__builtin_sub_overflow(high, low, &span) && span < SPEC_JOINT_MAX)
            return (size_t)span + 1;
        SPEC_WRONG(r, schema, "limit", "output field '%.*s' has more than %d values",
                   STR_ARG(field->name), SPEC_JOINT_MAX);
        return 0;
    }
    SPEC_WRONG(
        r, schema, "open_field",
        "output field '%.*s' is open: expected an enum, a boolean, an integer with minimum and "
        "maximum, a set (an array with uniqueItems whose items have an enum), or what is written: "
        "format text, copied or date",
        STR_ARG(field->name));
    return 0;
}

static enum rc integer_label(struct arena *arena, int64_t value, struct spec_label *ret_label,
                             struct err *err)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%" PRId64, value);
    char *kept = arena_strndup(arena, text, (size_t)len);

    if (!kept)
        return arena_fail(arena, err, "labels");
    *ret_label = (struct spec_label){ { kept, (size_t)len }, feel_number(value) };
    return RC_OK;
}

static enum rc make_labels(struct arena *arena, struct spec_field *field, struct err *err)
{
    static const struct str truths[] = { { "false", 5 }, { "true", 4 } };

    if (field->n_labels == 0)
        return RC_OK; /* told: it is not closed; a set may even be without items */
    struct spec_label *labels = arena_array(arena, struct spec_label, field->n_labels);
    const struct str *texts = field->is_set ? field->schema->items->labels : field->schema->labels;
    int64_t low = 0;

    if (!labels)
        return arena_fail(arena, err, "labels");
    if (field->schema->type == SCHEMA_INTEGER)
        decimal_to_i64(field->schema->minimum, &low);
    for (size_t i = 0; i < field->n_labels; i++) {
        enum rc rc = RC_OK;

        if (texts)
            labels[i] = (struct spec_label){ texts[i], feel_string(texts[i]) };
        else if (field->schema->type == SCHEMA_BOOLEAN)
            labels[i] = (struct spec_label){ truths[i], feel_boolean(i == 1) };
        else
            rc = integer_label(arena, low + (int64_t)i, &labels[i], err);
        if (rc)
            return rc;
    }
    field->labels = labels;
    return RC_OK;
}

static bool is_object(struct spec_reading *r, const struct schema *schema, const char *what)
{
    if (schema->type == SCHEMA_OBJECT && schema->n_properties > 0)
        return true;
    if (schema->line > 0)
        SPEC_WRONG(r, schema, "type", "'%s' must be an object with properties", what);
    return false;
}

/* A field that cannot be chosen: it has no list of values. */
static bool is_open(const struct schema *schema)
{
    bool is_number = schema->type == SCHEMA_NUMBER || schema->type == SCHEMA_INTEGER;
    bool is_string = schema->type == SCHEMA_STRING && schema->n_labels == 0;

    return (is_number && schema->format == SCHEMA_FORMAT_COPIED) ||
           (is_string &&
            (schema->format == SCHEMA_FORMAT_COPIED || schema->format == SCHEMA_FORMAT_DATE ||
             schema->format == SCHEMA_FORMAT_TEXT));
}

static bool has_open(const struct schema *output)
{
    for (size_t i = 0; i < output->n_properties; i++)
        if (is_open(&output->properties[i].schema))
            return true;
    return false;
}

static enum spec_open_kind open_kind(const struct schema *schema)
{
    if (schema->type != SCHEMA_STRING)
        return SPEC_OPEN_NUMBER;
    if (schema->n_labels > 0)
        return SPEC_OPEN_CHOICE;
    if (schema->format == SCHEMA_FORMAT_DATE)
        return SPEC_OPEN_DATE;
    return schema->format == SCHEMA_FORMAT_TEXT ? SPEC_OPEN_TEXT : SPEC_OPEN_SPAN;
}

/* A label is written as a part of a line. */
static void check_choice(struct spec_reading *r, const struct schema_property *field)
{
    const struct schema *schema = &field->schema;

    for (size_t i = 0; i < schema->n_labels; i++)
        if (memchr(schema->labels[i].at, '\n', schema->labels[i].len))
            SPEC_WRONG(r, schema, "value", "label %zu of '%.*s', which is written, has a line end",
                       i + 1, STR_ARG(field->name));
}

/* Every field of an output of which one is open. */
static enum rc check_open_fields(struct spec_reading *r, struct spec *spec, struct err *err)
{
    size_t n = spec->output.n_properties;
    struct spec_open *open = arena_array(r->arena, struct spec_open, n);

    if (!open)
        return arena_fail(r->arena, err, "output fields");
    for (size_t i = 0; i < n; i++) {
        const struct schema_property *p = &spec->output.properties[i];
        enum spec_open_kind kind = open_kind(&p->schema);
        bool is_copied = kind != SPEC_OPEN_TEXT && kind != SPEC_OPEN_CHOICE;

        open[i] = (struct spec_open){ p->name, kind, is_copied && !p->required, &p->schema };
        if (!is_open(&p->schema) && kind != SPEC_OPEN_CHOICE)
            SPEC_WRONG(r, p, "open_field",
                       "output field '%.*s' stands beside open ones, which are written: expected "
                       "an enum, or format copied, date or text",
                       STR_ARG(p->name));
        else if (kind == SPEC_OPEN_CHOICE)
            check_choice(r, p);
        else if (kind == SPEC_OPEN_TEXT && i + 1 < n)
            SPEC_WRONG(r, p, "open_field",
                       "'%.*s' is a text (format: text), which has to be the last output field, "
                       "and the only text",
                       STR_ARG(p->name));
    }
    spec->open = open;
    spec->n_open = n;
    spec->n_valued = n - (open[n - 1].kind == SPEC_OPEN_TEXT);
    spec->n_joint = 1;
    return RC_OK;
}

static void refuse_defaults(struct spec_reading *r, const struct schema *output)
{
    for (size_t i = 0; i < output->n_properties; i++)
        if (output->properties[i].schema.fallback)
            SPEC_WRONG(r, &output->properties[i], "value",
                       "output field '%.*s' has a default: it is decided",
                       STR_ARG(output->properties[i].name));
}

/* Every field of an output that is chosen. */
static enum rc check_closed_fields(struct spec_reading *r, struct spec *spec, struct err *err)
{
    size_t n = spec->output.n_properties, n_joint = 1;
    struct spec_field *fields = arena_array(r->arena, struct spec_field, n);

    if (!fields)
        return arena_fail(r->arena, err, "output fields");
    for (size_t i = 0; i < n; i++) {
        const struct schema_property *property = &spec->output.properties[i];
        struct spec_field *field = &fields[i];

        field->name = property->name;
        field->schema = &property->schema;
        field->is_set = property->schema.type == SCHEMA_ARRAY;
        field->n_labels = count_labels(r, property);
        field->n_values = field->is_set ? (size_t)1 << field->n_labels : field->n_labels;
        /* Both are at most SPEC_JOINT_MAX, so that the product fits. */
        n_joint *= n_joint <= SPEC_JOINT_MAX ? field->n_values : 1;
    }
    if (n_joint > SPEC_JOINT_MAX) {
        SPEC_WRONG(r, &spec->output, "limit",
                   "the output fields have %zu or more combinations of values, at most %d", n_joint,
                   SPEC_JOINT_MAX);
        return RC_OK;
    }
    for (size_t i = 0; i < n; i++) {
        enum rc rc = make_labels(r->arena, &fields[i], err);
        if (rc)
            return rc;
    }
    spec->fields = fields;
    spec->n_fields = n;
    spec->n_joint = n_joint;
    return RC_OK;
}

/* Only what is written can be copied from what is read. Recursion: on nested schemas. */
static void refuse_written(struct spec_reading *r, const struct schema *input)
{
    for (size_t i = 0; i < input->n_properties; i++)
        refuse_written(r, &input->properties[i].schema);
    if (input->items)
        refuse_written(r, input->items);
    if (input->format == SCHEMA_FORMAT_COPIED || input->format == SCHEMA_FORMAT_TEXT)
        SPEC_WRONG(r, input, "value", "'format: %s' is for output fields",
                   input->format == SCHEMA_FORMAT_TEXT ? "text" : "copied");
}

enum rc spec_check_fields(struct spec_reading *r, struct spec *spec, struct err *err)
{
    is_object(r, &spec->input, "input");
    refuse_written(r, &spec->input);
    if (!is_object(r, &spec->output, "output"))
        return RC_OK;
    if (spec->output.n_properties > SPEC_FIELDS_MAX) {
        SPEC_WRONG(r, &spec->output, "limit", "%zu output fields, at most %d",
                   spec->output.n_properties, SPEC_FIELDS_MAX);
        return RC_OK;
    }
    refuse_defaults(r, &spec->output);
    return has_open(&spec->output) ? check_open_fields(r, spec, err)
                                   : check_closed_fields(r, spec, err);
}

static bool ends_in(struct str path, const char *ending)
{
    struct str end = str_of(ending);

    return path.len > end.len &&
           str_equal((struct str){ path.at + path.len - end.len, end.len }, end);
}

static enum spec_format format_of(struct spec_reading *r, enum spec_format given,
                                  const struct spec_text *path)
{
    if (given != SPEC_FORMAT_AUTO)
        return given;
    if (ends_in(path->text, ".csv"))
        return SPEC_CSV;
    if (!ends_in(path->text, ".jsonl") && path->line > 0)
        SPEC_WRONG(r, path, "value", "'%.*s' ends in neither .jsonl nor .csv: give its 'format'",
                   STR_ARG(path->text));
    return SPEC_JSONL;
}

/* The field that "input.NAME" or "output.NAME" means; NULL for "tags.NAME", or with a problem. */
static const struct schema_property *find_path(struct spec_reading *r, const struct spec *spec,
                                               const struct spec_text *path)
{
    bool in_input = str_starts_with(path->text, "input.");
    bool in_output = str_starts_with(path->text, "output.");
    bool in_tags = str_starts_with(path->text, "tags.");
    const struct schema *object = in_input ? &spec->input : &spec->output;

    if (!in_input && !in_output && !in_tags) {
        SPEC_WRONG(r, path, "value", "'%.*s' must be input.NAME, output.NAME or tags.NAME",
                   STR_ARG(path->text));
        return NULL;
    }
    size_t skipped = strlen(in_input ? "input." : in_output ? "output." : "tags.");
    struct str name = { path->text.at + skipped, path->text.len - skipped };
    if (in_tags) {
        if (!spec_is_identifier(name))
            SPEC_WRONG(r, path, "name", "tag '%.*s' is no plain name: letters, digits and '_'",
                       STR_ARG(name));
        return NULL;
    }
    const struct schema_property *property = schema_find(object, name);
    if (!property)
        SPEC_WRONG(r, path, "unknown_name", "'%.*s' is no field of the %s%s", STR_ARG(name),
                   in_input ? "input" : "output", spec_suggest_property(object, name, r->arena));
    return property;
}

static bool is_mapped(const struct spec_data *data, const char *prefix, struct str name)
{
    for (size_t i = 0; i < data->n_columns; i++) {
        struct str path = data->columns[i].path.text;
        size_t skipped = strlen(prefix);

        if (str_starts_with(path, prefix) &&
            str_equal((struct str){ path.at + skipped, path.len - skipped }, name))
            return true;
    }
    return false;
}

static void check_columns(struct spec_reading *r, const struct spec *spec,
                          const struct spec_data *data)
{
    for (size_t i = 0; i < data->n_columns; i++) {
        const struct spec_text *path = &data->columns[i].path;
        const struct schema_property *property = find_path(r, spec, path);

        if (property &&
            (property->schema.type == SCHEMA_ARRAY || property->schema.type == SCHEMA_OBJECT) &&
            data->format == SPEC_CSV)
            SPEC_WRONG(r, path, "type", "a CSV column cannot hold the %s '%.*s'",
                       schema_type_name(property->schema.type), STR_ARG(property->name));
        for (size_t j = 0; j < i; j++)
            if (str_equal(data->columns[j].path.text, path->text))
                SPEC_WRONG(r, path, "duplicate", "'%.*s' comes from two columns",
                           STR_ARG(path->text));
    }
    for (size_t i = 0; i < spec->input.n_properties; i++) {
        const struct schema_property *p = &spec->input.properties[i];
        if (p->required && !p->schema.fallback && !is_mapped(data, "input.", p->name))
            SPEC_WRONG(r, &data->path, "missing", "no column gives the required input.%.*s",
                       STR_ARG(p->name));
    }
    for (size_t i = 0; i < spec->output.n_properties; i++)
        if (!is_mapped(data, "output.", spec->output.properties[i].name))
            SPEC_WRONG(r, &data->path, "missing", "no column gives output.%.*s",
                       STR_ARG(spec->output.properties[i].name));
}

static void check_data(struct spec_reading *r, struct spec *spec)
{
    for (size_t i = 0; i < spec->n_data; i++) {
        struct spec_data *data = &spec->data[i];

        data->format = format_of(r, data->format, &data->path);
        if (data->n_columns > 0)
            check_columns(r, spec, data);
        else if (data->format == SPEC_CSV)
            SPEC_WRONG(r, &data->path, "missing", "a CSV source needs 'columns'");
        for (size_t j = 0; j < i; j++)
            if (str_equal(spec->data[j].path.text, data->path.text))
                SPEC_WRONG(r, &data->path, "duplicate", "'%.*s' is a source twice",
                           STR_ARG(data->path.text));
    }
}

static bool is_column_type(struct str type)
{
    static const char *const types[] = { "string", "number", "boolean", "date", "date-time" };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_is(type, types[i]))
            return true;
    return false;
}

/* Uniqueness is equality, which for points in time would need a calendar. */
static void check_key_type(struct spec_reading *r, const struct spec_table *table,
                           const struct spec_column *column)
{
    enum feel_kind kind = spec_column_kind(column->type.text);

    if (kind != FEEL_STRING && kind != FEEL_NUMBER)
        SPEC_WRONG(r, &table->key, "type", "key '%.*s' is a %.*s, expected a string or a number",
                   STR_ARG(column->name.text), STR_ARG(column->type.text));
}

static void check_tables(struct spec_reading *r, struct spec *spec)
{
    for (size_t i = 0; i < spec->n_tables; i++) {
        struct spec_table *table = &spec->tables[i];
        bool has_key = table->key.line == 0;

        table->format = format_of(r, table->format, &table->path);
        for (size_t c = 0; c < table->n_columns; c++) {
            const struct spec_column *column = &table->columns[c];

            if (table->key.line > 0 && str_equal(column->name.text, table->key.text)) {
                has_key = true;
                check_key_type(r, table, column);
            }
            if (!spec_is_identifier(column->name.text))
                SPEC_WRONG(r, &column->name, "name", "column '%.*s' is no plain name",
                           STR_ARG(column->name.text));
            if (column->type.text.len > 0 && !is_column_type(column->type.text))
                SPEC_WRONG(r, &column->type, "value",
                           "type '%.*s' of a column, expected string, number, boolean, date or "
                           "date-time",
                           STR_ARG(column->type.text));
        }
        if (!has_key)
            SPEC_WRONG(r, &table->key, "unknown_name", "key '%.*s' is none of the columns",
                       STR_ARG(table->key.text));
    }
}

bool spec_metric_fits(enum spec_metric metric, const struct spec_field *field)
{
    if (metric == SPEC_BALANCED_ACCURACY)
        return !field->is_set;
    return metric != SPEC_SET_F1 || field->is_set;
}

static bool is_valued(const struct spec *spec, const struct spec_text *field)
{
    for (size_t o = 0; o < spec->n_valued; o++)
        if (field->line == 0 || str_equal(field->text, spec->open[o].name))
            return true;
    return false;
}

/* What is written has metrics and a floor of its own. */
static bool is_of_written(const struct spec *spec, const struct spec_gate *gate)
{
    bool is_of_both = gate->metric == SPEC_RULE_VIOLATIONS || gate->metric == SPEC_COVERAGE;
    bool is_of_values = gate->metric == SPEC_ACCURACY || gate->metric == SPEC_PRECISION;

    if (gate->above != SPEC_FLOOR_NONE && gate->above != SPEC_FLOOR_PROMPTED)
        return false;
    return gate->metric == SPEC_FIRST_ATTEMPT || is_of_both ||
           (is_of_values && is_valued(spec, &gate->field));
}

static bool is_of_labels(const struct spec_gate *gate)
{
    return gate->metric != SPEC_FIRST_ATTEMPT && gate->above != SPEC_FLOOR_PROMPTED;
}

static void check_metric(struct spec_reading *r, const struct spec *spec,
                         const struct spec_gate *gate)
{
    bool fits = spec->n_fields == 0; /* a text, or the fields themselves are wrong */

    if (spec_writes(spec) && !is_of_written(spec, gate))
        SPEC_WRONG(r, &gate->place, "value",
                   "what is written has the metrics first_attempt, coverage and rule_violations, "
                   "accuracy and precision when it is no text, and the floor prompted");
    else if (spec->n_fields > 0 && !spec_writes(spec) && !is_of_labels(gate))
        SPEC_WRONG(r, &gate->place, "value",
                   "metric 'first_attempt' and floor 'prompted' are of what is written, and the "
                   "output is chosen");
    for (size_t f = 0; f < spec->n_fields; f++)
        if (gate->field.line == 0 || str_equal(gate->field.text, spec->fields[f].name))
            fits |= spec_metric_fits(gate->metric, &spec->fields[f]);
    if (!fits && gate->metric == SPEC_SET_F1)
        SPEC_WRONG(r, &gate->place, "value", "'set_f1' is a metric of sets, and %s none",
                   gate->field.line ? "the field is" : "there is");
    else if (!fits && gate->metric == SPEC_BALANCED_ACCURACY)
        SPEC_WRONG(
            r, &gate->place, "value",
            "'balanced_accuracy' is no metric of sets: expected accuracy, macro_f1 or set_f1");
}

static void check_gates(struct spec_reading *r, const struct spec *spec)
{
    for (size_t i = 0; i < spec->n_gates; i++) {
        const struct spec_gate *gate = &spec->gates[i];
        bool has_slice = gate->slice.line == 0;

        for (size_t s = 0; s < spec->n_slices; s++)
            has_slice |= str_equal(gate->slice.text, spec->slices[s].name.text);
        if (!has_slice)
            SPEC_WRONG(r, &gate->slice, "unknown_name", "'%.*s' is none of the slices",
                       STR_ARG(gate->slice.text));
        if (gate->field.line > 0 && !schema_find(&spec->output, gate->field.text))
            SPEC_WRONG(r, &gate->field, "unknown_name", "'%.*s' is no output field%s",
                       STR_ARG(gate->field.text),
                       spec_suggest_property(&spec->output, gate->field.text, r->arena));
        else
            check_metric(r, spec, gate);
        if (!gate->has_min && !gate->has_max && !gate->has_margin && gate->above == SPEC_FLOOR_NONE)
            SPEC_WRONG(r, &gate->place, "missing",
                       "gate has no condition: expected min, max, not_worse_margin or above");
        if (gate->has_min && gate->has_max && gate->min > gate->max)
            SPEC_WRONG(r, &gate->place, "range", "'min' is above 'max'");
    }
}

bool spec_candidate_fits(enum spec_candidate kind, const struct spec *spec)
{
    return spec_writes(spec) == (kind == SPEC_PROMPTED || kind == SPEC_LORA);
}

/* All that fit the output, cheapest first. */
static enum rc default_candidates(struct spec *spec, struct arena *arena, struct err *err)
{
    struct spec_training *t = &spec->training;

    t->candidates = arena_array(arena, enum spec_candidate, SPEC_LORA + 1);
    if (!t->candidates)
        return arena_fail(arena, err, "candidates");
    for (enum spec_candidate kind = 0; kind <= SPEC_LORA; kind++)
        if (spec_candidate_fits(kind, spec))
            t->candidates[t->n_candidates++] = kind;
    return RC_OK;
}

static enum rc check_training(struct spec_reading *r, struct spec *spec, struct err *err)
{
    const struct json *training = json_find(spec->source, "training");
    const struct json *at = json_find(training, "candidates");
    const struct json *precision = json_find(training, "precision");
    const struct spec_training *t = &spec->training;
    size_t n_others = 0;
    bool blends = false, fit = true;

    if (precision && !spec_writes(spec))
        SPEC_WRONG(r, precision, "value", "precision is lora's, and the output is chosen");
    if (!at)
        return default_candidates(spec, r->arena, err);
    for (size_t i = 0; i < t->n_candidates; i++) {
        fit &= spec_candidate_fits(t->candidates[i], spec);
        blends |= t->candidates[i] == SPEC_BLEND;
        n_others += t->candidates[i] != SPEC_BLEND;
    }
    if (!fit)
        SPEC_WRONG(r, at, "value", "%s",
                   spec_writes(spec) ? "the output is written: candidates are prompted and lora"
                                     : "prompted and lora write, and the output is chosen");
    else if (blends && n_others < 2)
        SPEC_WRONG(r, at, "value", "'blend' needs two other candidates");
    return RC_OK;
}

enum rc spec_check_build(struct spec_reading *r, struct spec *spec, struct err *err)
{
    check_tables(r, spec);
    check_data(r, spec);
    enum rc rc = check_training(r, spec, err);
    check_gates(r, spec);
    return rc;
}

/* Derived fields that are lists or durations have no type that a flow could be told. */
static bool may_be_read(const struct spec *spec, struct str name)
{
    if (schema_find(&spec->output, name))
        return true;
    for (size_t i = 0; i < spec->n_derived; i++) {
        enum feel_kind kind = spec->derived[i].type.kind;

        if (str_equal(spec->derived[i].name.text, name))
            return kind == FEEL_BOOLEAN || kind == FEEL_NUMBER || kind == FEEL_STRING ||
                   kind == FEEL_DATE || kind == FEEL_DATE_TIME;
    }
    return false;
}

static void check_contract(struct spec_reading *r, const struct spec *spec,
                           const struct spec_contract *contract)
{
    for (size_t i = 0; i < contract->n_send; i++)
        if (!schema_find(&spec->input, contract->send[i].text))
            SPEC_WRONG(r, &contract->send[i], "name", "no input field '%.*s'%s",
                       STR_ARG(contract->send[i].text),
                       spec_suggest_property(&spec->input, contract->send[i].text, r->arena));
    for (size_t i = 0; i < contract->n_read; i++)
        if (!may_be_read(spec, contract->read[i].text))
            SPEC_WRONG(r, &contract->read[i], "name", "no output or plain derived field '%.*s'%s",
                       STR_ARG(contract->read[i].text),
                       spec_suggest_property(&spec->output, contract->read[i].text, r->arena));
    for (size_t i = 0; i < spec->input.n_properties; i++) {
        const struct schema_property *p = &spec->input.properties[i];

        if (p->required && !spec_lists(contract->send, contract->n_send, p->name))
            SPEC_WRONG(r, &contract->flow, "missing",
                       "flow '%.*s' could not call: 'send' lacks the required field '%.*s'",
                       STR_ARG(contract->flow.text), STR_ARG(p->name));
    }
}

void spec_check_contracts(struct spec_reading *r, const struct spec *spec)
{
    for (size_t i = 0; i < spec->n_contracts; i++) {
        const struct spec_contract *contract = &spec->contracts[i];

        check_contract(r, spec, contract);
        if (spec_find_contract(spec, contract->flow.text) != contract)
            SPEC_WRONG(r, &contract->flow, "duplicate", "a second contract with flow '%.*s'",
                       STR_ARG(contract->flow.text));
    }
}
