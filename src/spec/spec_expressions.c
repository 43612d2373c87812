/*
 * The expressions of slm.yaml: every name in scope, every type right, and which absent inputs leave
 * which of them undetermined.
 *
 * What is undetermined is found by static analysis, not by trying values. For each optional input
 * alone, with every other input present, feel_may_be_null_without() says whether null can reach the
 * result; a fact that it can reach hands it on to what reads the fact. That errs on one side: an
 * expression may be reported although its own values rule the case out, none is missed.
 */
#include "spec/spec_internal.h"

#include <stdlib.h>

/* The names an expression sees; all expressions share one growing array. */
struct scope {
    struct feel_field *fields;
    size_t n;
};

/* One expression as parsed, and what the absence of each optional input does to it. */
struct expression {
    const char *what; /* "fact" */
    const struct spec_text *name, *text;
    const struct feel *feel; /* NULL: not parsed */
    struct feel_report report;
    bool *null_without; /* (n_optional,) */
    bool may_be_null;   /* with every input present */
};

struct analysis {
    struct spec_reading *r;
    struct scope scope;
    size_t n_optional;
    struct feel_path *optional; /* paths of the inputs, and open fields, that may be absent */
    size_t n_facts;
    struct expression *facts;
};

static void wrong_inside(struct spec_reading *r, const struct expression *e, const char *code,
                         uint32_t line, uint32_t column, const char *message)
{
    spec_wrong_inside(r, e->text, code, line, column, "%s '%.*s': %s", e->what,
                      STR_ARG(e->name->text), message);
}

static enum rc parse(struct spec_reading *r, struct expression *e, struct err *err)
{
    struct err failure = { 0 };
    unsigned line = 1, column = 1;
    const char *what = failure.message;
    struct feel *feel;

    if (e->text->text.len == 0) /* no text: said where it was read */
        return RC_OK;
    enum rc rc = feel_parse(e->text->text, r->arena, &feel, &failure);
    if (rc == RC_OK) {
        e->feel = feel;
        return RC_OK;
    }
    if (rc == RC_NOMEM || r->arena->over_limit) {
        *err = failure;
        return rc;
    }
    if (!spec_split_place(failure.message, &line, &column, &what))
        what = failure.message;
    wrong_inside(r, e, rc == RC_UNSUPPORTED ? "unsupported" : "expression", line, column, what);
    return RC_OK;
}

static void report_problems(struct spec_reading *r, const struct expression *e)
{
    for (size_t i = 0; i < e->report.n_problems; i++)
        wrong_inside(r, e, "expression", e->report.problems[i].line, e->report.problems[i].column,
                     e->report.problems[i].message);
}

static struct feel_type scope_type(const struct scope *scope)
{
    return (
        struct feel_type){ .kind = FEEL_CONTEXT, .n_fields = scope->n, .fields = scope->fields };
}

/* Parses and checks one expression in the scope as it is now. */
static enum rc check(struct analysis *a, struct expression *e, struct err *err)
{
    struct feel_type type = scope_type(&a->scope);
    enum rc rc;

    e->null_without = arena_array(a->r->arena, bool, a->n_optional);
    if (!e->null_without)
        return arena_fail(a->r->arena, err, "expression");
    rc = parse(a->r, e, err);
    if (rc || !e->feel)
        return rc;
    rc = feel_check(e->feel, &type, a->r->arena, &e->report, err);
    if (rc)
        return rc;
    report_problems(a->r, e);
    if (e->report.n_problems > 0)
        e->feel = NULL;
    else
        e->may_be_null = e->report.may_be_null;
    return RC_OK;
}

/* Does one of the paths read begin with the other path, or the other way round? */
static bool reads(const struct expression *e, const struct feel_path *path)
{
    for (size_t i = 0; i < e->report.n_paths; i++) {
        const struct feel_path *read = &e->report.paths[i];
        size_t n = read->n < path->n ? read->n : path->n;
        bool equal = true;

        for (size_t j = 0; j < n; j++)
            equal = equal && str_equal(read->names[j], path->names[j]);
        if (equal)
            return true;
    }
    return false;
}

static enum rc may_be_null_without(struct analysis *a, const struct expression *e,
                                   const struct feel_path *path, bool *ret_may, struct err *err)
{
    struct feel_type type = scope_type(&a->scope);

    *ret_may = false;
    if (!e->feel || !reads(e, path))
        return RC_OK;
    return feel_may_be_null_without(e->feel, &type, path, a->r->arena, ret_may, err);
}

/* Fills e->null_without: by the inputs e reads itself, and by the facts it reads. */
static enum rc find_nulls(struct analysis *a, struct expression *e, struct err *err)
{
    for (size_t i = 0; i < a->n_optional; i++) {
        enum rc rc = may_be_null_without(a, e, &a->optional[i], &e->null_without[i], err);
        if (rc)
            return rc;
    }
    for (size_t f = 0; f < a->n_facts; f++) {
        const struct feel_path fact = { .n = 1, .names = &a->facts[f].name->text };
        bool may;
        enum rc rc = may_be_null_without(a, e, &fact, &may, err);

        if (rc)
            return rc;
        e->may_be_null |= may && a->facts[f].may_be_null;
        for (size_t i = 0; i < a->n_optional; i++)
            e->null_without[i] |= may && a->facts[f].null_without[i];
    }
    return RC_OK;
}

static enum rc check_and_analyse(struct analysis *a, struct expression *e, struct err *err)
{
    enum rc rc = check(a, e, err);

    return rc ? rc : find_nulls(a, e, err);
}

/* Notes what leaves the expression (and a second one, of the same rule, or NULL) undetermined. Not
 * while there are errors: the types it rests on are then guesses. */
static void note_undetermined(struct analysis *a, const struct expression *e,
                              const struct expression *also)
{
    struct spec_reading *r = a->r;

    if (r->problems->n_errors > 0)
        return;
    if (e->may_be_null || (also && also->may_be_null))
        problem_add(r->problems, PROBLEM_NOTE, "undetermined", r->file, e->name->line,
                    e->name->column, "%s '%.*s' may be undetermined although every input is given",
                    e->what, STR_ARG(e->name->text));
    for (size_t i = 0; i < a->n_optional; i++) {
        char path[200] = "";

        if (!e->null_without[i] && !(also && also->null_without[i]))
            continue;
        for (size_t j = 0; j < a->optional[i].n; j++) {
            strncat(path, j ? "." : "", sizeof(path) - strlen(path) - 1);
            strncat(path, a->optional[i].names[j].at, sizeof(path) - strlen(path) - 1);
        }
        problem_add(r->problems, PROBLEM_NOTE, "undetermined", r->file, e->name->line,
                    e->name->column, "%s '%.*s' is undetermined when '%s' is absent", e->what,
                    STR_ARG(e->name->text), path);
    }
}

/* Adds a name to the scope; a problem when it is taken or no plain name. */
static void declare(struct analysis *a, const char *what, struct str name, uint32_t line,
                    uint32_t column, struct feel_type type)
{
    struct spec_text at = { name, line, column };

    if (!spec_is_identifier(name))
        SPEC_WRONG(a->r, &at, "name", "%s '%.*s' is no plain name: letters, digits and '_'", what,
                   STR_ARG(name));
    for (size_t i = 0; i < a->scope.n; i++)
        if (str_equal(a->scope.fields[i].name, name))
            SPEC_WRONG(a->r, &at, "duplicate", "%s '%.*s' has a name that is taken", what,
                       STR_ARG(name));
    a->scope.fields[a->scope.n++] = (struct feel_field){ name, type };
}

/* A type whose optional inputs are there: what is absent is asked about one by one. */
static enum rc present_type(struct arena *arena, const struct schema *schema,
                            struct feel_type *ret_type, struct err *err)
{
    enum rc rc = schema_feel_type(schema, arena, ret_type, err);

    if (rc || schema->type != SCHEMA_OBJECT)
        return rc;
    struct feel_field *fields = arena_array(arena, struct feel_field, schema->n_properties);
    if (!fields)
        return arena_fail(arena, err, "input");
    for (size_t i = 0; i < schema->n_properties; i++) {
        fields[i].name = schema->properties[i].name;
        rc = present_type(arena, &schema->properties[i].schema, &fields[i].type, err);
        if (rc)
            return rc;
    }
    ret_type->fields = fields;
    return RC_OK;
}

static enum rc declare_properties(struct analysis *a, const char *what, const struct schema *object,
                                  struct err *err)
{
    for (size_t i = 0; i < object->n_properties; i++) {
        const struct schema_property *p = &object->properties[i];
        struct feel_type type;
        enum rc rc = present_type(a->r->arena, &p->schema, &type, err);

        if (rc)
            return rc;
        declare(a, what, p->name, p->line, p->column, type);
    }
    return RC_OK;
}

enum feel_kind spec_column_kind(struct str type)
{
    if (str_is(type, "number"))
        return FEEL_NUMBER;
    if (str_is(type, "boolean"))
        return FEEL_BOOLEAN;
    if (str_is(type, "date"))
        return FEEL_DATE;
    return str_is(type, "date-time") ? FEEL_DATE_TIME : FEEL_STRING;
}

/* A list of rows; only the key column is never null. */
static enum rc declare_table(struct analysis *a, const struct spec_table *table, struct err *err)
{
    struct arena *arena = a->r->arena;
    struct feel_type *row = arena_new(arena, struct feel_type);
    struct feel_field *fields = arena_array(arena, struct feel_field, table->n_columns);

    if (!row || !fields)
        return arena_fail(arena, err, "table");
    for (size_t i = 0; i < table->n_columns; i++) {
        fields[i].name = table->columns[i].name.text;
        fields[i].type.kind = spec_column_kind(table->columns[i].type.text);
        fields[i].type.optional = !str_equal(fields[i].name, table->key.text);
    }
    *row =
        (struct feel_type){ .kind = FEEL_CONTEXT, .n_fields = table->n_columns, .fields = fields };
    declare(a, "table", table->name.text, table->name.line, table->name.column,
            (struct feel_type){ .kind = FEEL_LIST, .item = row });
    return RC_OK;
}

static enum rc keep_reads(struct arena *arena, const struct feel_report *report,
                          struct spec_fact *fact, struct err *err)
{
    struct str *names = arena_array(arena, struct str, report->n_paths);

    if (!names)
        return arena_fail(arena, err, "fact");
    for (size_t i = 0; i < report->n_paths; i++)
        names[i] = report->paths[i].names[0];
    fact->n_reads = report->n_paths;
    fact->reads = names;
    return RC_OK;
}

static enum rc check_facts(struct analysis *a, struct spec *spec, struct err *err)
{
    a->facts = arena_array(a->r->arena, struct expression, spec->n_facts);
    if (!a->facts)
        return arena_fail(a->r->arena, err, "facts");
    for (size_t i = 0; i < spec->n_facts; i++) {
        struct spec_fact *fact = &spec->facts[i];
        struct expression *e = &a->facts[i];

        *e = (struct expression){ .what = "fact", .name = &fact->name, .text = &fact->expression };
        enum rc rc = check_and_analyse(a, e, err);
        if (!rc)
            rc = keep_reads(a->r->arena, &e->report, fact, err);
        if (rc)
            return rc;
        fact->feel = e->feel;
        fact->type = e->feel ? e->report.type : (struct feel_type){ .kind = FEEL_ANY };
        fact->type.optional = false;
        declare(a, "fact", fact->name.text, fact->name.line, fact->name.column, fact->type);
        note_undetermined(a, e, NULL);
        a->n_facts++;
    }
    return RC_OK;
}

static void expect_boolean(struct spec_reading *r, const struct expression *e)
{
    enum feel_kind kind = e->report.type.kind;

    if (e->feel && kind != FEEL_BOOLEAN && kind != FEEL_ANY)
        SPEC_WRONG(r, e->text, "type", "%s '%.*s' gives %s, expected true or false", e->what,
                   STR_ARG(e->name->text), feel_kind_name(kind));
}

static enum rc check_rule(struct analysis *a, struct spec_rule *rule, struct err *err)
{
    bool has_must = rule->must.line > 0, has_should = rule->should.line > 0;
    struct expression holds = { .what = "rule", .name = &rule->name };
    struct expression applies = { .what = "rule", .name = &rule->name, .text = &rule->when };

    rule->kind = has_must ? SPEC_MUST : SPEC_SHOULD;
    holds.text = has_must ? &rule->must : &rule->should;
    if (has_must && has_should)
        SPEC_WRONG(a->r, &rule->name, "value",
                   "rule '%.*s' has both 'must' and 'should': expected one",
                   STR_ARG(rule->name.text));
    if (!has_must && !has_should)
        SPEC_WRONG(a->r, &rule->name, "missing", "rule '%.*s' has neither 'must' nor 'should'",
                   STR_ARG(rule->name.text));
    enum rc rc = check_and_analyse(a, &holds, err);
    if (!rc)
        rc = check_and_analyse(a, &applies, err);
    if (rc)
        return rc;
    expect_boolean(a->r, &holds);
    expect_boolean(a->r, &applies);
    note_undetermined(a, &holds, &applies);
    rule->feel = holds.feel;
    rule->condition = applies.feel;
    return RC_OK;
}

static enum rc check_rules(struct analysis *a, struct spec *spec, struct err *err)
{
    for (size_t i = 0; i < spec->n_rules; i++) {
        struct spec_rule *rule = &spec->rules[i];

        for (size_t j = 0; j < i; j++)
            if (str_equal(spec->rules[j].name.text, rule->name.text))
                SPEC_WRONG(a->r, &rule->name, "duplicate", "a second rule '%.*s'",
                           STR_ARG(rule->name.text));
        enum rc rc = check_rule(a, rule, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static enum rc check_derived(struct analysis *a, struct spec *spec, struct err *err)
{
    for (size_t i = 0; i < spec->n_derived; i++) {
        struct spec_derived *derived = &spec->derived[i];
        struct expression e = { .what = "derived field",
                                .name = &derived->name,
                                .text = &derived->expression };
        enum rc rc = check_and_analyse(a, &e, err);

        if (rc)
            return rc;
        derived->feel = e.feel;
        derived->type = e.feel ? e.report.type : (struct feel_type){ .kind = FEEL_ANY };
        declare(a, "derived field", derived->name.text, derived->name.line, derived->name.column,
                derived->type);
        note_undetermined(a, &e, NULL);
    }
    return RC_OK;
}

/* Tags have no declared type: what a name below `tags` is, the data says. */
static enum rc check_slice(struct spec_reading *r, const struct feel_type *row,
                           struct spec_slice *slice, struct err *err)
{
    struct expression e = { .what = "slice", .name = &slice->name, .text = &slice->expression };
    enum rc rc;

    if (!spec_is_name(slice->name.text))
        SPEC_WRONG(r, &slice->name, "name", "slice '%.*s' is no name: letters, digits, '_' and '-'",
                   STR_ARG(slice->name.text));
    rc = parse(r, &e, err);
    if (rc || !e.feel)
        return rc;
    rc = feel_check(e.feel, row, r->arena, &e.report, err);
    if (rc)
        return rc;
    report_problems(r, &e);
    expect_boolean(r, &e);
    slice->feel = e.feel;
    return RC_OK;
}

static enum rc check_slices(struct spec_reading *r, struct spec *spec, struct err *err)
{
    struct feel_field fields[] = {
        { .name = STR("input") },
        { .name = STR("output") },
        { .name = STR("tags"), .type = { .kind = FEEL_CONTEXT, .open = true } },
    };
    const struct feel_type row = { .kind = FEEL_CONTEXT,
                                   .n_fields = ARRAY_LEN(fields),
                                   .fields = fields };
    enum rc rc = schema_feel_type(&spec->input, r->arena, &fields[0].type, err);

    fields[1].type.kind = FEEL_CONTEXT; /* of what is written nothing: it has no labels */
    if (!rc && !spec_writes(spec))
        rc = schema_feel_type(&spec->output, r->arena, &fields[1].type, err);
    for (size_t i = 0; !rc && i < spec->n_slices; i++)
        rc = check_slice(r, &row, &spec->slices[i], err);
    return rc;
}

/* Collects the paths of optional properties; what lies below one goes with it. */
static enum rc collect_optional(struct analysis *a, const struct schema *object,
                                const struct str *above, size_t n_above, struct err *err)
{
    for (size_t i = 0; i < object->n_properties; i++) {
        const struct schema_property *p = &object->properties[i];
        bool is_optional = !p->required && !p->schema.fallback;
        struct str *names = arena_array(a->r->arena, struct str, n_above + 1);

        if (!names)
            return arena_fail(a->r->arena, err, "input");
        if (n_above)
            memcpy(names, above, n_above * sizeof(*names));
        names[n_above] = p->name;
        if (is_optional)
            a->optional[a->n_optional++] = (struct feel_path){ .n = n_above + 1, .names = names };
        else if (p->schema.type == SCHEMA_OBJECT) {
            enum rc rc = collect_optional(a, &p->schema, names, n_above + 1, err);
            if (rc)
                return rc;
        }
    }
    return RC_OK;
}

/* Output fields that may be left empty, too. */
static void collect_open(struct analysis *a, const struct spec *spec)
{
    for (size_t o = 0; o < spec->n_open; o++)
        if (spec->open[o].optional)
            a->optional[a->n_optional++] =
                (struct feel_path){ .n = 1, .names = &spec->open[o].name };
}

static size_t count_properties(const struct schema *schema)
{
    size_t n = schema->n_properties;

    for (size_t i = 0; i < schema->n_properties; i++)
        n += count_properties(&schema->properties[i].schema);
    return n;
}

/* show: each an input field or a fact, once; absent: all input fields. */
static enum rc check_shown(struct spec_reading *r, struct spec *spec, struct err *err)
{
    if (spec->n_shown == 0 && !json_find(spec->source, "show")) {
        spec->shown = arena_array(r->arena, struct spec_text, spec->input.n_properties);
        if (!spec->shown)
            return arena_fail(r->arena, err, "show");
        for (size_t i = 0; i < spec->input.n_properties; i++)
            spec->shown[spec->n_shown++].text = spec->input.properties[i].name;
    }
    for (size_t i = 0; i < spec->n_shown; i++) {
        const struct spec_text *shown = &spec->shown[i];
        bool known = schema_find(&spec->input, shown->text) != NULL;

        for (size_t f = 0; f < spec->n_facts; f++) {
            if (str_equal(spec->facts[f].name.text, shown->text))
                spec->facts[f].shown = known = true;
        }
        if (!known)
            SPEC_WRONG(r, shown, "unknown_name", "'%.*s' is neither an input field nor a fact%s",
                       STR_ARG(shown->text),
                       spec_suggest_property(&spec->input, shown->text, r->arena));
        for (size_t j = 0; j < i; j++)
            if (str_equal(spec->shown[j].text, shown->text))
                SPEC_WRONG(r, shown, "duplicate", "'%.*s' is shown twice", STR_ARG(shown->text));
    }
    if (spec->n_shown == 0 && spec->input.n_properties > 0)
        SPEC_WRONG(r, spec->source, "value", "'show' is empty: the model would see nothing");
    return RC_OK;
}

enum rc spec_check_expressions(struct spec_reading *r, struct spec *spec, struct err *err)
{
    size_t n_inputs = count_properties(&spec->input);
    size_t n_names =
        n_inputs + spec->n_tables + spec->n_facts + spec->output.n_properties + spec->n_derived;
    struct analysis a = { .r = r };
    enum rc rc;

    a.scope.fields = arena_array(r->arena, struct feel_field, n_names);
    a.optional = arena_array(r->arena, struct feel_path, n_inputs + spec->n_open);
    if (!a.scope.fields || !a.optional)
        return arena_fail(r->arena, err, "names");
    rc = collect_optional(&a, &spec->input, NULL, 0, err);
    collect_open(&a, spec);
    if (!rc)
        rc = declare_properties(&a, "input field", &spec->input, err);
    for (size_t i = 0; !rc && i < spec->n_tables; i++)
        rc = declare_table(&a, &spec->tables[i], err);
    if (!rc)
        rc = check_facts(&a, spec, err);
    if (!rc)
        rc = declare_properties(&a, "output field", &spec->output, err);
    if (!rc)
        rc = check_rules(&a, spec, err);
    if (!rc)
        rc = check_derived(&a, spec, err);
    if (!rc)
        rc = check_slices(r, spec, err);
    return rc ? rc : check_shown(r, spec, err);
}
