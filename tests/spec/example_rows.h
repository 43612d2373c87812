/*
 * example_rows.h - the rows of an SLM of examples/ecommerce, and its must-rules held against them.
 */
#ifndef TESTS_SPEC_EXAMPLE_ROWS_H
#define TESTS_SPEC_EXAMPLE_ROWS_H

#include "tests/support/data.h"

#include "base/fs.h"
#include "spec/spec.h"
#include "spec/table.h"

struct example {
    const char *dir;    /* "examples/ecommerce/support/ticket-triage" */
    struct arena kept;  /* of the spec */
    struct arena arena; /* of one row: empty again for the next */
    struct spec *spec;
    struct feel_entry *tables; /* (spec->n_tables,) */
    struct err err;
};

static inline void example_open(struct example *e, const char *dir)
{
    struct problems problems;
    char path[4096], name[200];

    *e = (struct example){ .dir = dir };
    arena_init(&e->kept, 64 << 20);
    arena_init(&e->arena, 64 << 20);
    problem_init(&problems, &e->kept);
    snprintf(name, sizeof(name), "%s/slm.yaml", dir);
    assert_int_equal(
        spec_read(test_source_path(name, path), &e->kept, &e->spec, &problems, &e->err), RC_OK);
    assert_non_null(e->spec);
    e->tables = arena_array(&e->kept, struct feel_entry, e->spec->n_tables + 1);
    assert_non_null(e->tables);
    for (size_t i = 0; i < e->spec->n_tables; i++) {
        struct table table;

        assert_int_equal(table_load(e->spec, &e->spec->tables[i], &e->kept, &table, &e->err),
                         RC_OK);
        e->tables[i] = (struct feel_entry){ table.name, table.rows };
    }
}

static inline void example_close(struct example *e)
{
    arena_release(&e->arena);
    arena_release(&e->kept);
}

static inline enum feel_truth example_truth(struct example *e, const struct feel *feel,
                                            const struct feel_value *context)
{
    const struct feel_limits limits = feel_limits_default();
    struct feel_diagnostics diagnostics;
    struct feel_value value;

    assert_int_equal(feel_eval(feel, context, &limits, 0, &e->arena, &value, &diagnostics, &e->err),
                     RC_OK);
    return feel_truth(&value);
}

/* Input, tables, facts and output in one context, as rules see them. */
static inline struct feel_value example_context(struct example *e, const struct feel_value *input,
                                                const struct feel_value *output)
{
    const struct feel_limits limits = feel_limits_default();
    size_t n = input->context.n + e->spec->n_tables;
    size_t n_all = n + e->spec->n_facts + output->context.n;
    struct feel_entry *entries = arena_array(&e->arena, struct feel_entry, n_all);
    struct feel_value context = { .kind = FEEL_CONTEXT, .context = { n, entries } };
    struct feel_diagnostics diagnostics;

    assert_non_null(entries);
    memcpy(entries, input->context.entries, input->context.n * sizeof(*entries));
    memcpy(entries + input->context.n, e->tables, e->spec->n_tables * sizeof(*entries));
    for (size_t i = 0; i < e->spec->n_facts; i++) {
        const struct spec_fact *fact = &e->spec->facts[i];

        entries[n].key = fact->name.text;
        assert_int_equal(feel_eval(fact->feel, &context, &limits, 0, &e->arena, &entries[n].value,
                                   &diagnostics, &e->err),
                         RC_OK);
        context.context.n = ++n;
    }
    memcpy(entries + n, output->context.entries, output->context.n * sizeof(*entries));
    context.context.n = n_all;
    return context;
}

/* Does the rule hold, or not apply? Undetermined is broken: it would not be answered. */
static inline bool example_keeps(struct example *e, const struct spec_rule *rule,
                                 const struct feel_value *context)
{
    return (rule->condition && example_truth(e, rule->condition, context) == FEEL_FALSE) ||
           example_truth(e, rule->feel, context) == FEEL_TRUE;
}

/* What rules see of a row; both sides must be valid. */
static inline struct feel_value example_read(struct example *e, const struct json *in,
                                             const struct json *out)
{
    struct feel_value input, output;

    assert_int_equal(schema_to_value(&e->spec->input, in, &e->arena, &input, &e->err), RC_OK);
    assert_int_equal(schema_to_value(&e->spec->output, out, &e->arena, &output, &e->err), RC_OK);
    return example_context(e, &input, &output);
}

/* Calls visit(example, row, line) for each row of a file below dir; line is "path:number". */
static inline size_t example_each(struct example *e, const char *path,
                                  void (*visit)(struct example *e, const struct json *row,
                                                const char *line))
{
    struct arena file;
    struct str text;
    size_t n = 0;

    arena_init(&file, 64 << 20);
    if (fs_read_file(path, 32 << 20, &file, &text, &e->err))
        fail_msg("%s", e->err.message);
    for (const char *at = text.at, *end = text.at + text.len; at < end; n++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct json *row;
        char line[5000];

        assert_non_null(newline);
        snprintf(line, sizeof(line), "%.4000s:%zu", path, n + 1);
        if (json_parse((struct str){ at, (size_t)(newline - at) }, JSON_DUPLICATES_REFUSED,
                       &e->arena, &row, &e->err))
            fail_msg("%s: %s", line, e->err.message);
        visit(e, row, line);
        arena_reset(&e->arena);
        at = newline + 1;
    }
    arena_release(&file);
    return n;
}

/* The same for all files of the spec's data:. */
static inline size_t example_each_row(struct example *e,
                                      void (*visit)(struct example *e, const struct json *row,
                                                    const char *line))
{
    char path[4096], name[400];
    size_t n = 0;

    for (size_t i = 0; i < e->spec->n_data; i++) {
        snprintf(name, sizeof(name), "%s/%s", e->dir, e->spec->data[i].path.text.at);
        n += example_each(e, test_source_path(name, path), visit);
    }
    return n;
}

#endif
