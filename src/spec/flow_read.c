/* flow.yaml as text, and a flow as the pinned definition of a run. */
#include "spec/flow_internal.h"

#include "base/fs.h"

static enum rc check_whole(struct spec_reading *r, struct spec_flow *flow, struct err *err)
{
    struct spec_paths paths = { 0 };
    enum rc rc = spec_flow_order(r, flow, err);

    if (!rc)
        rc = spec_flow_find_paths(flow, r->arena, &paths, err);
    if (!rc && r->problems->n_errors == 0)
        spec_flow_check_paths(r, flow, &paths);
    if (!rc)
        rc = spec_flow_check_values(r, flow, &paths, err);
    return rc ? rc : problem_rc(r->problems, err);
}

static enum rc read_tree(struct spec_reading *r, const struct json *tree, struct spec_flow *flow,
                         struct err *err)
{
    flow->file = r->file;
    flow->source = tree;
    enum rc rc = spec_keys_read(r, &spec_flow_section, tree, flow, err);
    return rc ? rc : check_whole(r, flow, err);
}

/* ---- interfaces of SLMs with a spec */

static void append_type(struct json_writer *w, const char *type, const char *format)
{
    json_begin_object(w);
    json_key(w, "type");
    json_text(w, type);
    if (format) {
        json_key(w, "format");
        json_text(w, format);
    }
    json_end_object(w);
}

static void append_derived_type(struct json_writer *w, enum feel_kind kind)
{
    if (kind == FEEL_BOOLEAN)
        append_type(w, "boolean", NULL);
    else if (kind == FEEL_NUMBER)
        append_type(w, "number", NULL);
    else if (kind == FEEL_DATE)
        append_type(w, "string", "date");
    else
        append_type(w, "string", kind == FEEL_DATE_TIME ? "date-time" : NULL);
}

/* The properties of an object's schema that are among the names (all, when names is NULL), and
 * derived fields behind them. */
static void append_object(struct json_writer *w, const struct json *schema,
                          const struct spec_text *names, size_t n_names, const struct spec *spec)
{
    const struct json *required = json_find(schema, "required");
    const struct json *properties = json_find(schema, "properties");

    json_begin_object(w);
    json_key(w, "type");
    json_text(w, "object");
    json_key(w, "required");
    json_begin_array(w);
    for (size_t i = 0; required && i < required->n; i++)
        if (!names || spec_lists(names, n_names, required->items[i].text))
            json_value(w, &required->items[i]);
    json_end_array(w);
    json_key(w, "properties");
    json_begin_object(w);
    for (size_t i = 0; properties && i < properties->n; i++) {
        if (names && !spec_lists(names, n_names, properties->members[i].key))
            continue;
        json_key_str(w, properties->members[i].key);
        json_value(w, &properties->members[i].value);
    }
    for (size_t i = 0; spec && i < spec->n_derived; i++) {
        json_key_str(w, spec->derived[i].name.text);
        append_derived_type(w, spec->derived[i].type.kind);
    }
    json_end_object(w);
    json_end_object(w);
}

static enum rc read_schema(struct spec_reading *r, const struct json *source, struct schema *ret,
                           struct err *err)
{
    return schema_read(source, r->file, r->arena, r->problems, ret, err);
}

static enum rc read_interface(struct spec_reading *r, struct str slm, const struct json *input,
                              const struct json *output, struct spec_interface *ret,
                              struct err *err)
{
    const char *slash = memchr(slm.at, '/', slm.len);

    *ret = (struct spec_interface){ .slm = slm, .input_source = input, .output_source = output };
    ret->team = slash ? (struct str){ slm.at, (size_t)(slash - slm.at) } : slm;
    enum rc rc = read_schema(r, input, &ret->input, err);
    return rc ? rc : read_schema(r, output, &ret->output, err);
}

/* The output with its derived fields, as a tree. */
static enum rc output_tree(const struct spec *spec, struct arena *arena, struct json **ret_tree,
                           struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct json_writer w;

    buf_init(&text, SPEC_FLOW_BYTES_MAX);
    json_writer_init(&w, &text);
    append_object(&w, json_find(spec->source, "output"), NULL, 0, spec);
    enum rc rc = buf_rc(&text, "output", err);
    return rc ? rc : json_parse(buf_str(&text), JSON_DUPLICATES_REFUSED, arena, ret_tree, err);
}

static enum rc make_interfaces(struct spec_reading *r, struct str flow,
                               const struct spec_member *members, size_t n, struct spec_flow *into,
                               struct err *err)
{
    struct spec_interface *interfaces = arena_array(r->arena, struct spec_interface, n);

    if (!interfaces)
        return arena_fail(r->arena, err, "interfaces");
    for (size_t i = 0; i < n; i++) {
        const struct spec *spec = members[i].spec;
        struct json *output = NULL;

        if (!spec) {
            interfaces[i].slm = members[i].slm;
            continue;
        }
        enum rc rc = output_tree(spec, r->arena, &output, err);
        if (!rc)
            rc = read_interface(r, members[i].slm, json_find(spec->source, "input"), output,
                                &interfaces[i], err);
        if (rc)
            return rc;
        interfaces[i].contract = spec_find_contract(spec, flow);
    }
    into->interfaces = interfaces;
    into->n_interfaces = n;
    return RC_OK;
}

enum rc spec_flow_parse(struct str text, const char *path, const struct spec_member *members,
                        size_t n_members, struct arena *arena, struct spec_flow **ret_flow,
                        struct problems *problems, struct err *err)
{
    struct spec_reading r = { .file = path, .arena = arena, .problems = problems, .source = text };
    struct spec_flow *flow = arena_new(arena, struct spec_flow);
    size_t n_errors_before = problems->n_errors;
    const struct json *name;
    struct json *tree;

    if (!flow)
        return arena_fail(arena, err, path);
    if (text.len > SPEC_BYTES_MAX)
        return err_set(err, RC_LIMIT, "%.150s has %zu bytes, at most %d", path, text.len,
                       SPEC_BYTES_MAX);
    enum rc rc = spec_read_yaml(&r, &tree, err);
    if (rc || !tree)
        return rc ? rc : problem_rc(problems, err);

    name = json_find(tree, "flow");
    rc = make_interfaces(&r, name && name->type == JSON_STRING ? name->text : STR(""), members,
                         n_members, flow, err);
    if (!rc)
        rc = read_tree(&r, tree, flow, err);
    if (!rc && problems->n_errors == n_errors_before)
        *ret_flow = flow;
    return rc;
}

enum rc spec_flow_read(const char *path, const struct spec_member *members, size_t n_members,
                       struct arena *arena, struct spec_flow **ret_flow, struct problems *problems,
                       struct err *err)
{
    char *kept = arena_strndup(arena, path, strlen(path));
    struct str text;

    if (!kept)
        return arena_fail(arena, err, path);
    enum rc rc = fs_read_file(kept, SPEC_BYTES_MAX, arena, &text, err);
    return rc ? rc
              : spec_flow_parse(text, kept, members, n_members, arena, ret_flow, problems, err);
}

/* ---- the definition of a run: {"flow": {...}, "slms": {"team/slm": {"input", "output"}}} */

static bool is_called(const struct spec_flow *flow, const struct spec_interface *interface)
{
    for (size_t i = 0; i < flow->n_steps; i++)
        if (flow->steps[i]->interface == interface)
            return true;
    return false;
}

void spec_flow_pin(struct buf *out, const struct spec_flow *flow)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "flow");
    json_value(&w, flow->source);
    json_key(&w, "slms");
    json_begin_object(&w);
    for (size_t i = 0; i < flow->n_interfaces; i++) {
        const struct spec_interface *f = &flow->interfaces[i];

        if (!is_called(flow, f))
            continue;
        ASSERT(f->contract);
        json_key_str(&w, f->slm);
        json_begin_object(&w);
        json_key(&w, "input");
        append_object(&w, f->input_source, f->contract->send, f->contract->n_send, NULL);
        json_key(&w, "output");
        append_object(&w, f->output_source, f->contract->read, f->contract->n_read, NULL);
        json_end_object(&w);
    }
    json_end_object(&w);
    json_end_object(&w);
}

static enum rc unpin_interfaces(struct spec_reading *r, const struct json *slms,
                                struct spec_flow *flow, struct err *err)
{
    struct spec_interface *interfaces = arena_array(r->arena, struct spec_interface, slms->n);

    if (!interfaces)
        return arena_fail(r->arena, err, "interfaces");
    for (size_t i = 0; i < slms->n; i++) {
        const struct json *input = json_find(&slms->members[i].value, "input");
        const struct json *output = json_find(&slms->members[i].value, "output");

        if (!input || !output)
            return err_set(err, RC_CORRUPT, "pinned flow: an SLM without input or output");
        enum rc rc = read_interface(r, slms->members[i].key, input, output, &interfaces[i], err);
        if (rc)
            return rc;
    }
    flow->interfaces = interfaces;
    flow->n_interfaces = slms->n;
    return RC_OK;
}

enum rc spec_flow_unpin(struct str text, struct arena *arena, struct spec_flow **ret_flow,
                        struct err *err)
{
    struct spec_flow *flow = arena_new(arena, struct spec_flow);
    struct problems problems;
    struct spec_reading r = { .file = "pinned flow", .arena = arena, .problems = &problems };
    struct json *tree;

    if (!flow)
        return arena_fail(arena, err, "pinned flow");
    problem_init(&problems, arena);
    enum rc rc = json_parse(text, JSON_DUPLICATES_REFUSED, arena, &tree, err);
    if (rc == RC_INVALID)
        return err_set(err, RC_CORRUPT, "pinned flow: no JSON");
    if (rc)
        return rc;
    const struct json *source = json_find(tree, "flow"), *slms = json_find(tree, "slms");
    if (!source || !slms || slms->type != JSON_OBJECT)
        return err_set(err, RC_CORRUPT, "pinned flow: expected 'flow' and 'slms'");

    rc = unpin_interfaces(&r, slms, flow, err);
    if (!rc)
        rc = read_tree(&r, source, flow, err);
    if (rc)
        return rc;
    if (problems.n_errors > 0)
        return err_set(err, RC_CORRUPT, "pinned flow: %.200s", problems.items[0].message);
    *ret_flow = flow;
    return RC_OK;
}
