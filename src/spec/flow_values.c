/* The names and expressions of a flow: what is visible where, types, and what contracts forbid. */
#include "expr/feel_ast.h"
#include "spec/flow_internal.h"

struct checker {
    struct spec_reading *r;
    struct spec_flow *flow;
    const struct spec_paths *paths;
    size_t n_names;
    struct spec_name *names;
    struct feel_field *scope; /* (n_names,) scratch */
};

/* An expression, where it stands, and what it must give. */
struct place {
    size_t step;             /* SPEC_FLOW_INDEX_NONE: behind all steps */
    bool sees_input_only;    /* due */
    enum feel_kind expected; /* FEEL_ANY: anything */
};

bool spec_is_closed(const struct schema *schema)
{
    switch (schema->type) {
    case SCHEMA_STRING: return schema->n_labels > 0;
    case SCHEMA_BOOLEAN: return true;
    case SCHEMA_INTEGER: return schema->has_minimum && schema->has_maximum;
    case SCHEMA_ARRAY: return schema->items && spec_is_closed(schema->items);
    case SCHEMA_NUMBER:
    case SCHEMA_OBJECT: return false;
    }
    assert_fail("type is an enum schema_type", __FILE__, __LINE__);
}

/* ---- names */

static struct spec_name *find_name(const struct checker *c, struct str name)
{
    for (size_t i = 0; i < c->n_names; i++)
        if (str_equal(c->names[i].name, name))
            return &c->names[i];
    return NULL;
}

static bool is_step_name(const struct checker *c, struct str name)
{
    for (size_t i = 0; i < c->flow->n_steps; i++)
        if (str_equal(c->flow->steps[i]->name.text, name))
            return true;
    return false;
}

static void declare(struct checker *c, const struct spec_text *at, struct spec_name name)
{
    if (!spec_is_identifier(name.name))
        SPEC_WRONG(c->r, at, "name", "'%.*s' is no plain name: letters, digits and '_'",
                   STR_ARG(name.name));
    if (find_name(c, name.name) || (name.kind != SPEC_NAME_STEP && is_step_name(c, name.name)))
        SPEC_WRONG(c->r, at, "duplicate", "'%.*s' is a name that is taken", STR_ARG(name.name));
    c->names[c->n_names++] = name;
}

static void declare_variables(struct checker *c, const struct spec_step *step)
{
    for (size_t i = 0; i < step->set->n; i++) {
        const struct json_member *m = &step->set->members[i];
        const struct spec_name *known = find_name(c, m->key);
        struct spec_text at = { m->key, m->line, m->column };

        if (known && known->kind == SPEC_NAME_VARIABLE)
            continue;
        declare(c, &at,
                (struct spec_name){ .kind = SPEC_NAME_VARIABLE,
                                    .name = m->key,
                                    .step = step->index,
                                    .is_closed = true, /* until an assignment is not */
                                    .type = { .kind = FEEL_ANY, .optional = true } });
    }
}

static enum rc declare_call(struct checker *c, const struct spec_step *step, struct err *err)
{
    struct spec_name name = { .kind = SPEC_NAME_STEP,
                              .name = step->name.text,
                              .step = step->index,
                              .type = { .kind = FEEL_ANY } };

    if (step->interface) {
        enum rc rc = schema_feel_type(&step->interface->output, c->r->arena, &name.type, err);
        if (rc)
            return rc;
        name.schema = &step->interface->output;
    }
    declare(c, &step->name, name);
    return RC_OK;
}

static void declare_plain(struct checker *c, enum spec_name_kind kind, const struct spec_text *name,
                          size_t step, struct feel_type type)
{
    if (name->line > 0)
        declare(c, name,
                (struct spec_name){ .kind = kind, .name = name->text, .step = step, .type = type });
}

static enum rc declare_names(struct checker *c, struct err *err)
{
    static const struct feel_field error_fields[] = {
        { { "type", 4 }, { .kind = FEEL_STRING } },
        { { "step", 4 }, { .kind = FEEL_STRING } },
        { { "detail", 6 }, { .kind = FEEL_STRING } },
    };
    const struct feel_type error = { .kind = FEEL_CONTEXT,
                                     .n_fields = ARRAY_LEN(error_fields),
                                     .fields = error_fields };
    struct spec_name input = { .kind = SPEC_NAME_INPUT, .name = STR("input") };
    enum rc rc = schema_feel_type(&c->flow->input, c->r->arena, &input.type, err);

    input.schema = &c->flow->input;
    c->names[c->n_names++] = input;
    for (size_t i = 0; !rc && i < c->flow->n_steps; i++) {
        const struct spec_step *step = c->flow->steps[i];

        for (size_t j = 0; j < i; j++)
            if (str_equal(step->name.text, c->flow->steps[j]->name.text))
                SPEC_WRONG(c->r, &step->name, "duplicate", "a second step '%.*s'",
                           STR_ARG(step->name.text));
        if (step->kind == SPEC_CALL)
            rc = declare_call(c, step, err);
        if (step->set)
            declare_variables(c, step);
        declare_plain(c, SPEC_NAME_EACH, &step->loop.each, i,
                      (struct feel_type){ .kind = FEEL_ANY });
        declare_plain(c, SPEC_NAME_AT, &step->loop.at, i,
                      (struct feel_type){ .kind = FEEL_NUMBER });
        declare_plain(c, SPEC_NAME_ERROR, &step->caught.as, i, error);
    }
    return rc;
}

static size_t count_names(const struct spec_flow *flow)
{
    size_t n = 1;

    for (size_t i = 0; i < flow->n_steps; i++)
        n += 4 + (flow->steps[i]->set ? flow->steps[i]->set->n : 0);
    return n;
}

static bool is_visible(const struct checker *c, const struct spec_name *name,
                       const struct place *place)
{
    bool inside = place->step != SPEC_FLOW_INDEX_NONE;

    switch (name->kind) {
    case SPEC_NAME_INPUT: return true;
    case SPEC_NAME_STEP:
    case SPEC_NAME_VARIABLE: return !place->sees_input_only;
    case SPEC_NAME_EACH:
    case SPEC_NAME_AT:
        return inside && spec_step_is_in(c->flow, place->step, name->step, SPEC_IN_BODY);
    case SPEC_NAME_ERROR:
        return inside && spec_step_is_in(c->flow, place->step, name->step, SPEC_IN_CATCH);
    }
    assert_fail("kind is an enum spec_name_kind", __FILE__, __LINE__);
}

/* ---- one expression */

/* Has a path led through what gives the name before the step is reached? */
static bool may_be_set(const struct checker *c, const struct spec_name *name, size_t step)
{
    if (step == SPEC_FLOW_INDEX_NONE || name->kind == SPEC_NAME_INPUT)
        return true;
    if (name->kind == SPEC_NAME_STEP)
        return name->step == step || c->paths->reaches[name->step * c->paths->n + step];
    if (name->kind != SPEC_NAME_VARIABLE)
        return true;
    for (size_t i = 0; i < c->flow->n_steps; i++) {
        const struct json *set = c->flow->steps[i]->set;
        bool sets = false;

        for (size_t m = 0; set && m < set->n; m++)
            sets |= str_equal(set->members[m].key, name->name);
        if (sets && c->paths->reaches[i * c->paths->n + step])
            return true;
    }
    return false;
}

static void check_read(struct checker *c, const struct spec_text *text, const struct place *place,
                       const struct feel_path *path)
{
    const struct spec_name *name = find_name(c, path->names[0]);
    uint32_t column = path->column + (path->line == 1 ? 2 : 0);

    if (!name)
        return;
    if (!may_be_set(c, name, place->step))
        spec_wrong_inside(c->r, text, "order", path->line, column,
                          "'%.*s' is read here, but no path has set it before",
                          STR_ARG(name->name));
    if (name->kind != SPEC_NAME_STEP || path->n < 2)
        return;
    const struct spec_interface *f = c->flow->steps[name->step]->interface;
    if (f && f->contract && !spec_lists(f->contract->read, f->contract->n_read, path->names[1]))
        spec_wrong_inside(c->r, text, "contract", path->line, column,
                          "the contract of %.*s does not let this flow read '%.*s'",
                          STR_ARG(f->slm), STR_ARG(path->names[1]));
}

static enum rc parse(struct checker *c, const struct spec_text *text, struct str inner,
                     struct feel **ret_feel, struct err *err)
{
    struct err failure = { 0 };
    unsigned line = 1, column = 1;
    const char *what = failure.message;
    enum rc rc = feel_parse(inner, c->r->arena, ret_feel, &failure);

    if (rc == RC_OK)
        return RC_OK;
    *ret_feel = NULL;
    if (rc == RC_NOMEM || c->r->arena->over_limit) {
        *err = failure;
        return rc;
    }
    if (!spec_split_place(failure.message, &line, &column, &what))
        what = failure.message;
    spec_wrong_inside(c->r, text, rc == RC_UNSUPPORTED ? "unsupported" : "expression", line,
                      column + (line == 1 ? 2 : 0), "%s", what);
    return RC_OK;
}

/* A copy of a closed field is closed, and so is what is true or false. */
static bool gives_closed(const struct checker *c, const struct feel *feel,
                         const struct feel_type *type)
{
    const struct feel_node *node = feel->root;

    if (type->kind == FEEL_BOOLEAN)
        return true;
    if (node->kind != FEEL_NODE_PATH || node->kids[0]->kind != FEEL_NODE_NAME)
        return false;
    const struct spec_name *name = find_name(c, node->kids[0]->name);
    const struct schema_property *field =
        name && name->schema ? schema_find(name->schema, node->name) : NULL;
    return field && spec_is_closed(&field->schema);
}

static enum rc check_parsed(struct checker *c, const struct spec_text *text,
                            const struct place *place, const struct feel *feel,
                            struct spec_template *ret, struct err *err)
{
    struct feel_type type = { .kind = FEEL_CONTEXT, .fields = c->scope };
    struct feel_report report;

    for (size_t i = 0; i < c->n_names; i++)
        if (is_visible(c, &c->names[i], place))
            c->scope[type.n_fields++] = (struct feel_field){ c->names[i].name, c->names[i].type };
    enum rc rc = feel_check(feel, &type, c->r->arena, &report, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < report.n_problems; i++)
        spec_wrong_inside(c->r, text, "expression", report.problems[i].line,
                          report.problems[i].column + (report.problems[i].line == 1 ? 2 : 0), "%s",
                          report.problems[i].message);
    for (size_t i = 0; i < report.n_paths; i++)
        check_read(c, text, place, &report.paths[i]);
    if (report.n_problems == 0 && place->expected != FEEL_ANY && report.type.kind != FEEL_ANY &&
        report.type.kind != place->expected)
        SPEC_WRONG(c->r, text, "type", "gives %s, expected %s", feel_kind_name(report.type.kind),
                   feel_kind_name(place->expected));
    ret->feel = feel;
    ret->type = report.type;
    ret->is_closed = gives_closed(c, feel, &report.type);
    return RC_OK;
}

static bool is_expression(struct str text)
{
    return text.len >= 3 && text.at[0] == '$' && text.at[1] == '{' && text.at[text.len - 1] == '}';
}

static enum rc check_expression(struct checker *c, const struct spec_text *text,
                                const struct place *place, struct spec_template *ret,
                                struct err *err)
{
    struct feel *feel = NULL;

    *ret = (struct spec_template){ .type = { .kind = FEEL_ANY } };
    if (text->text.len == 0)
        return RC_OK;
    if (!is_expression(text->text)) {
        SPEC_WRONG(c->r, text, "expression", "expected an expression: '${ ... }'");
        return RC_OK;
    }
    struct str inner = { text->text.at + 2, text->text.len - 3 };
    enum rc rc = parse(c, text, inner, &feel, err);
    return rc || !feel ? rc : check_parsed(c, text, place, feel, ret, err);
}

/* ---- trees of values */

static enum rc check_tree(struct checker *c, const struct json *v, const struct place *place,
                          struct spec_template *ret, struct err *err);

static enum rc check_text(struct checker *c, const struct json *v, const struct place *place,
                          struct spec_template *ret, struct err *err)
{
    const struct spec_text text = { v->text, v->line, v->column };
    enum rc rc = RC_OK;

    if (is_expression(v->text))
        rc = check_expression(c, &text, place, ret, err);
    else if (v->text.len > 1 && memmem(v->text.at, v->text.len, "${", 2))
        SPEC_WRONG(c->r, v, "expression", "an expression is the whole text: '${ ... }'");
    else
        ret->is_closed = true;
    ret->json = v;
    return rc;
}

static const struct json *child(const struct json *v, size_t i)
{
    return v->type == JSON_OBJECT ? &v->members[i].value : &v->items[i];
}

static enum rc check_children(struct checker *c, const struct json *v, const struct place *place,
                              struct spec_template *ret, struct err *err)
{
    bool has_expression = false;

    ret->items = arena_array(c->r->arena, struct spec_template, v->n);
    if (!ret->items)
        return arena_fail(c->r->arena, err, "values");
    for (size_t i = 0; i < v->n; i++) {
        enum rc rc = check_tree(c, child(v, i), place, &ret->items[i], err);
        if (rc)
            return rc;
        has_expression |= ret->items[i].feel || ret->items[i].n > 0;
    }
    ret->n = has_expression ? v->n : 0;
    return RC_OK;
}

static enum rc check_tree(struct checker *c, const struct json *v, const struct place *place,
                          struct spec_template *ret, struct err *err)
{
    *ret = (struct spec_template){ .json = v, .type = { .kind = FEEL_ANY } };
    if (v->type == JSON_STRING)
        return check_text(c, v, place, ret, err);
    if (v->type == JSON_OBJECT || v->type == JSON_ARRAY)
        return check_children(c, v, place, ret, err);
    ret->is_closed = true;
    return RC_OK;
}

/* ---- steps */

static bool kinds_fit(const struct feel_type *is, const struct feel_type *expected)
{
    bool temporal = expected->kind >= FEEL_DATE && expected->kind <= FEEL_MONTHS_DURATION;

    return is->kind == FEEL_ANY || expected->kind == FEEL_ANY || is->kind == expected->kind ||
           is->kind == FEEL_NULL || (temporal && is->kind == FEEL_STRING);
}

static enum rc check_field(struct checker *c, const struct spec_interface *f,
                           const struct json_member *m, const struct spec_template *value,
                           struct err *err)
{
    const struct schema_property *field = schema_find(&f->input, m->key);
    struct feel_type expected;

    if (!field) {
        SPEC_WRONG(c->r, m, "unknown_key", "%.*s has no input field '%.*s'%s", STR_ARG(f->slm),
                   STR_ARG(m->key), spec_suggest_property(&f->input, m->key, c->r->arena));
        return RC_OK;
    }
    if (f->contract && !spec_lists(f->contract->send, f->contract->n_send, m->key))
        SPEC_WRONG(c->r, m, "contract", "the contract of %.*s does not let this flow send '%.*s'",
                   STR_ARG(f->slm), STR_ARG(m->key));
    if (!value->feel)
        return value->n > 0
                   ? RC_OK
                   : schema_validate(&field->schema, &m->value, c->r->file, c->r->problems, err);
    enum rc rc = schema_feel_type(&field->schema, c->r->arena, &expected, err);
    if (!rc && !kinds_fit(&value->type, &expected))
        SPEC_WRONG(c->r, &m->value, "type", "'%.*s' is %s, %.*s expects %s", STR_ARG(m->key),
                   feel_kind_name(value->type.kind), STR_ARG(f->slm),
                   feel_kind_name(expected.kind));
    return rc;
}

static enum rc check_call(struct checker *c, struct spec_step *step, const struct place *place,
                          struct err *err)
{
    const struct spec_interface *f = step->interface;
    const struct json *input = step->with.input;

    if (!input)
        return RC_OK;
    enum rc rc = check_tree(c, input, place, &step->input, err);
    for (size_t i = 0; !rc && f && i < input->n; i++)
        rc = check_field(c, f, &input->members[i], &step->input.items[i], err);
    for (size_t i = 0; f && i < f->input.n_properties; i++) {
        const struct schema_property *p = &f->input.properties[i];
        bool given = false;

        for (size_t m = 0; m < input->n; m++)
            given |= str_equal(input->members[m].key, p->name);
        if (p->required && !given)
            SPEC_WRONG(c->r, input, "missing", "%.*s needs the input field '%.*s'", STR_ARG(f->slm),
                       STR_ARG(p->name));
    }
    return rc;
}

static enum rc check_set(struct checker *c, struct spec_step *step, const struct place *place,
                         struct err *err)
{
    enum rc rc = check_tree(c, step->set, place, &step->values, err);

    for (size_t i = 0; !rc && i < step->set->n; i++) {
        struct spec_name *name = find_name(c, step->set->members[i].key);

        if (name)
            name->is_closed &= step->values.items[i].is_closed;
    }
    return rc;
}

static void type_items(struct checker *c, const struct spec_step *step)
{
    struct spec_name *each = find_name(c, step->loop.each.text);
    const struct feel_type *list = &step->loop.items.type;

    if (each && list->kind == FEEL_LIST && list->item)
        each->type = *list->item;
}

static enum rc check_step(struct checker *c, struct spec_step *step, struct err *err)
{
    struct place any = { .step = step->index, .expected = FEEL_ANY };
    struct place condition = { .step = step->index, .expected = FEEL_BOOLEAN };
    struct place list = { .step = step->index, .expected = FEEL_LIST };
    enum rc rc = RC_OK;

    for (size_t i = 0; !rc && i < step->n_cases; i++)
        rc = check_expression(c, &step->cases[i].when, &condition, &step->cases[i].condition, err);
    if (!rc && step->kind == SPEC_CALL)
        rc = check_call(c, step, &any, err);
    if (!rc && step->set)
        rc = check_set(c, step, &any, err);
    if (!rc)
        rc = check_expression(c, &step->poll.until, &condition, &step->poll.condition, err);
    if (!rc)
        rc = check_expression(c, &step->loop.in, &list, &step->loop.items, err);
    if (!rc)
        type_items(c, step);
    return rc;
}

static void find_interface(struct checker *c, struct spec_step *step)
{
    const struct spec_flow *flow = c->flow;
    const struct spec_text *slm = &step->with.slm;
    struct str *names = arena_array(c->r->arena, struct str, flow->n_interfaces);

    for (size_t i = 0; i < flow->n_interfaces; i++) {
        const struct spec_interface *f = &flow->interfaces[i];

        if (names)
            names[i] = f->slm;
        if (!str_equal(f->slm, slm->text))
            continue;
        if (!f->input_source) /* its spec has errors, which are reported */
            return;
        step->interface = f;
        if (!f->contract && c->r->source.at)
            SPEC_WRONG(c->r, slm, "contract", "%.*s has no contract with flow '%.*s'",
                       STR_ARG(f->slm), STR_ARG(flow->name.text));
        return;
    }
    if (slm->line > 0)
        SPEC_WRONG(c->r, slm, "name", "no SLM '%.*s' in the workspace%s", STR_ARG(slm->text),
                   names ? problem_suggest(slm->text, names, flow->n_interfaces, c->r->arena) : "");
}

static enum rc check_results(struct checker *c, struct err *err)
{
    struct place end = { .step = SPEC_FLOW_INDEX_NONE, .expected = FEEL_ANY };
    struct place due = { .step = SPEC_FLOW_INDEX_NONE,
                         .sees_input_only = true,
                         .expected = FEEL_DATE_TIME };
    struct spec_flow *flow = c->flow;
    enum rc rc = check_expression(c, &flow->due, &due, &flow->deadline, err);

    if (!rc && flow->output)
        rc = check_tree(c, flow->output, &end, &flow->result, err);
    if (!rc && flow->on_budget)
        rc = check_tree(c, flow->on_budget, &end, &flow->best, err);
    return rc;
}

enum rc spec_flow_check_values(struct spec_reading *r, struct spec_flow *flow,
                               const struct spec_paths *paths, struct err *err)
{
    struct checker c = { .r = r, .flow = flow, .paths = paths };
    size_t n = count_names(flow);

    c.names = arena_array(r->arena, struct spec_name, n);
    c.scope = arena_array(r->arena, struct feel_field, n);
    if (!c.names || !c.scope)
        return arena_fail(r->arena, err, "names");
    if (flow->input.type != SCHEMA_OBJECT && flow->input.line > 0)
        SPEC_WRONG(r, &flow->input, "type", "'input' must be an object with properties");
    for (size_t i = 0; i < flow->n_steps; i++)
        if (flow->steps[i]->kind == SPEC_CALL)
            find_interface(&c, flow->steps[i]);
    enum rc rc = declare_names(&c, err);
    for (size_t i = 0; !rc && i < flow->n_steps; i++)
        rc = check_step(&c, flow->steps[i], err);
    if (!rc)
        rc = check_results(&c, err);
    flow->names = c.names;
    flow->n_names = c.n_names;
    return rc;
}
