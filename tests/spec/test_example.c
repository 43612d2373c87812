/* The rows of examples/ecommerce fit their specs, and their outputs keep its must-rules. */
#include "tests/spec/example_rows.h"

static const struct json *member(const struct json *row, const char *key, const char *line)
{
    const struct json *v = json_find(row, key);

    if (!v)
        fail_msg("%s has no '%s'", line, key);
    return v;
}

static void assert_fits(struct example *e, const struct schema *schema, const struct json *v,
                        const char *line)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct problems problems;

    problem_init(&problems, &e->arena);
    buf_init(&text, 100000);
    assert_int_equal(schema_validate(schema, v, line, &problems, &e->err), RC_OK);
    problem_append_text(&text, &problems);
    if (problems.n > 0)
        fail_msg("%s", text.at);
}

static void assert_fits_and_keeps_the_rules(struct example *e, const struct json *row,
                                            const char *line)
{
    const struct json *in = member(row, "input", line), *out = member(row, "output", line);

    assert_fits(e, &e->spec->input, in, line);
    assert_fits(e, &e->spec->output, out, line);
    struct feel_value context = example_read(e, in, out);
    size_t n_broken = 0;
    for (size_t i = 0; i < e->spec->n_rules; i++) {
        const struct spec_rule *rule = &e->spec->rules[i];

        if (example_keeps(e, rule, &context))
            continue;
        n_broken++;
        print_message("# %s: breaks rule %.*s\n", line, STR_ARG(rule->name.text));
    }
    assert_int_equal(n_broken, 0);
    assert_true(e->arena.used < 1 << 20);
}

static void assert_rows_fit(const char *dir, size_t n_min)
{
    struct example e;

    example_open(&e, dir);
    assert_true(example_each_row(&e, assert_fits_and_keeps_the_rules) >= n_min);
    example_close(&e);
}

static void tickets_fit_the_spec_and_labels_keep_the_rules(void **state)
{
    (void)state;
    assert_rows_fit("examples/ecommerce/support/ticket-triage", 1300);
}

static void replies_fit_the_spec_and_keep_the_rules(void **state)
{
    (void)state;
    assert_rows_fit("examples/ecommerce/support/reply-draft", 360);
}

/* So the rules in FEEL decide what tools/check_invoices.py computes in Python. The 9,000 training
 * rows, which the same program made, are left to that. */
static void invoices_fit_the_spec_and_labels_keep_the_rules(void **state)
{
    static const char *const files[] = { "validation", "test_unseen", "test_written" };
    struct example e;
    (void)state;

    example_open(&e, "examples/ecommerce/finance/invoice-check");
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char name[200], path[4096];

        snprintf(name, sizeof(name), "%s/data/%s.jsonl", e.dir, files[i]);
        assert_true(
            example_each(&e, test_source_path(name, path), assert_fits_and_keeps_the_rules) >= 400);
    }
    example_close(&e);
}

/* The floor is no straw man: it is held to the same promises. */
static void what_a_template_writes_keeps_the_rules_too(void **state)
{
    struct example e;
    char path[4096];
    (void)state;

    example_open(&e, "examples/ecommerce/support/reply-draft");
    const char *file = "examples/ecommerce/support/reply-draft/data/template_test.jsonl";
    assert_int_equal(
        example_each(&e, test_source_path(file, path), assert_fits_and_keeps_the_rules), 50);
    example_close(&e);
}

/* examples/ecommerce/orchestrators: each part is an input of its SLM. */
static void the_dispute_of_the_orchestrators_fits_both_specs(void **state)
{
    static const struct {
        const char *part, *dir;
    } parts[] = {
        { "ticket", "examples/ecommerce/support/ticket-triage" },
        { "invoice", "examples/ecommerce/finance/invoice-check" },
    };
    const char *file = "examples/ecommerce/orchestrators/dispute.json";
    struct json *dispute;
    struct example e;
    struct str text;
    char path[4096];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        example_open(&e, parts[i].dir);
        assert_int_equal(
            fs_read_file(test_source_path(file, path), 1 << 20, &e.arena, &text, &e.err), RC_OK);
        assert_int_equal(json_parse(text, JSON_DUPLICATES_REFUSED, &e.arena, &dispute, &e.err),
                         RC_OK);
        assert_fits(&e, &e.spec->input, member(dispute, parts[i].part, file), file);
        example_close(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tickets_fit_the_spec_and_labels_keep_the_rules),
        cmocka_unit_test(replies_fit_the_spec_and_keep_the_rules),
        cmocka_unit_test(invoices_fit_the_spec_and_labels_keep_the_rules),
        cmocka_unit_test(what_a_template_writes_keeps_the_rules_too),
        cmocka_unit_test(the_dispute_of_the_orchestrators_fits_both_specs),
    };
    return cmocka_run_group_tests_name("spec/example", tests, NULL, NULL);
}
