/* The rows of examples/ecommerce fit their spec, and their labels keep its must-rules. */
#include "tests/support/data.h"

#include "base/fs.h"
#include "spec/spec.h"

static const char dir[] = "examples/ecommerce/support/ticket-triage";

struct fixture {
    struct arena arena;
    struct spec *spec;
    struct err err;
};

static const struct json *member(const struct json *row, const char *key, const char *line)
{
    const struct json *v = json_find(row, key);

    if (!v)
        fail_msg("%s has no '%s'", line, key);
    return v;
}

static void assert_fits(struct fixture *f, const struct schema *schema, const struct json *v,
                        const char *line)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct problems problems;

    problem_init(&problems, &f->arena);
    buf_init(&text, 100000);
    assert_int_equal(schema_validate(schema, v, line, &problems, &f->err), RC_OK);
    problem_append_text(&text, &problems);
    if (problems.n > 0)
        fail_msg("%s", text.at);
}

static enum feel_truth truth_of(struct fixture *f, const struct feel *feel,
                                const struct feel_value *context)
{
    const struct feel_limits limits = feel_limits_default();
    struct feel_diagnostics diagnostics;
    struct feel_value value;

    assert_int_equal(feel_eval(feel, context, &limits, 0, &f->arena, &value, &diagnostics, &f->err),
                     RC_OK);
    return feel_truth(&value);
}

/* Input, facts and output in one context, as rules see them. */
static struct feel_value context_of(struct fixture *f, const struct feel_value *input,
                                    const struct feel_value *output)
{
    const struct feel_limits limits = feel_limits_default();
    size_t n = input->context.n, n_all = n + f->spec->n_facts + output->context.n;
    struct feel_entry *entries = arena_array(&f->arena, struct feel_entry, n_all);
    struct feel_value context = { .kind = FEEL_CONTEXT, .context = { n, entries } };
    struct feel_diagnostics diagnostics;

    assert_non_null(entries);
    memcpy(entries, input->context.entries, n * sizeof(*entries));
    for (size_t i = 0; i < f->spec->n_facts; i++) {
        const struct spec_fact *fact = &f->spec->facts[i];

        entries[n].key = fact->name.text;
        assert_int_equal(feel_eval(fact->feel, &context, &limits, 0, &f->arena, &entries[n].value,
                                   &diagnostics, &f->err),
                         RC_OK);
        context.context.n = ++n;
    }
    memcpy(entries + n, output->context.entries, output->context.n * sizeof(*entries));
    context.context.n = n_all;
    return context;
}

static void check_row(struct fixture *f, struct str text, const char *line)
{
    struct feel_value input, output;
    struct json *row;

    if (json_parse(text, JSON_DUPLICATES_REFUSED, &f->arena, &row, &f->err))
        fail_msg("%s: %s", line, f->err.message);
    const struct json *in = member(row, "input", line), *out = member(row, "output", line);
    assert_fits(f, &f->spec->input, in, line);
    assert_fits(f, &f->spec->output, out, line);
    assert_int_equal(schema_to_value(&f->spec->input, in, &f->arena, &input, &f->err), RC_OK);
    assert_int_equal(schema_to_value(&f->spec->output, out, &f->arena, &output, &f->err), RC_OK);

    struct feel_value context = context_of(f, &input, &output);
    for (size_t i = 0; i < f->spec->n_rules; i++) {
        const struct spec_rule *rule = &f->spec->rules[i];

        if (rule->condition && truth_of(f, rule->condition, &context) == FEEL_FALSE)
            continue;
        if (truth_of(f, rule->feel, &context) != FEEL_TRUE)
            fail_msg("%s: breaks rule %.*s", line, STR_ARG(rule->name.text));
    }
}

static size_t check_file(struct fixture *f, const char *path)
{
    struct arena file;
    struct str text;
    size_t n = 0;

    arena_init(&file, 64 << 20);
    if (fs_read_file(path, 32 << 20, &file, &text, &f->err))
        fail_msg("%s", f->err.message);
    for (const char *at = text.at, *end = text.at + text.len; at < end; n++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        char line[5000];
        size_t used = f->arena.used;

        assert_non_null(newline);
        snprintf(line, sizeof(line), "%.4000s:%zu", path, n + 1);
        check_row(f, (struct str){ at, (size_t)(newline - at) }, line);
        assert_true(f->arena.used - used < 1 << 20);
        at = newline + 1;
    }
    arena_release(&file);
    return n;
}

static void rows_fit_the_spec_and_labels_keep_the_rules(void **state)
{
    struct fixture f = { 0 };
    struct problems problems;
    char path[4096], name[200];
    (void)state;

    arena_init(&f.arena, (size_t)1 << 30);
    problem_init(&problems, &f.arena);
    snprintf(name, sizeof(name), "%s/slm.yaml", dir);
    assert_int_equal(spec_read(test_source_path(name, path), &f.arena, &f.spec, &problems, &f.err),
                     RC_OK);
    assert_non_null(f.spec);
    for (size_t i = 0; i < f.spec->n_data; i++) {
        snprintf(name, sizeof(name), "%s/%s", dir, f.spec->data[i].path.text.at);
        size_t n = check_file(&f, test_source_path(name, path));
        assert_true(n >= 100);
    }
    arena_release(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_fit_the_spec_and_labels_keep_the_rules),
    };
    return cmocka_run_group_tests_name("spec/example", tests, NULL, NULL);
}
