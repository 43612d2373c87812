#include "factory/data/dataset_internal.h"

#include "base/mem.h"

#include <stdlib.h>

enum { SCRATCH_BYTES = 2000000000, LINE_ARENA_BYTES = 16 << 20 };

const char *dataset_fate_name(enum dataset_fate fate)
{
    switch (fate) {
    case DATASET_KEPT: return "kept";
    case DATASET_INVALID: return "invalid";
    case DATASET_DUPLICATE: return "duplicate";
    case DATASET_CONFLICT: return "conflict";
    case DATASET_LEAK: return "leak";
    case DATASET_NEAR_LEAK: return "near_leak";
    case DATASET_SHARED_NGRAM: return "shared_ngram";
    }
    return "";
}

const char *dataset_split_name(enum spec_split split)
{
    switch (split) {
    case SPEC_SPLIT_NONE: return "none";
    case SPEC_SPLIT_TRAIN: return "train";
    case SPEC_SPLIT_VALIDATION: return "validation";
    case SPEC_SPLIT_TEST: return "test";
    }
    return "";
}

size_t dataset_count(const struct dataset *dataset, enum spec_split split)
{
    size_t n = 0;

    for (size_t i = 0; i < dataset->n_rows; i++)
        n += dataset->rows[i].fate == DATASET_KEPT && dataset->rows[i].split == split;
    return n;
}

/* Training, choosing and judging need rows each. */
static enum rc check_splits(const struct dataset *dataset, struct err *err)
{
    static const enum spec_split needed[] = { SPEC_SPLIT_TRAIN, SPEC_SPLIT_VALIDATION,
                                              SPEC_SPLIT_TEST };

    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (dataset_count(dataset, needed[i]) == 0)
            return err_set(err, RC_INVALID, "of %zu rows read none is left for %s", dataset->n_rows,
                           dataset_split_name(needed[i]));
    return RC_OK;
}

enum rc dataset_make(const struct spec *spec, const struct dataset_options *options,
                     struct arena *arena, struct dataset **ret_dataset, struct err *err)
{
    struct dataset *dataset = arena_new(arena, struct dataset);
    struct arena scratch;

    if (!dataset)
        return arena_fail(arena, err, "dataset");
    arena_init(&scratch, SCRATCH_BYTES);
    enum rc rc = dataset_read(spec, options, arena, dataset, err);
    if (rc == RC_OK)
        rc = dataset_drop_equal(spec, dataset, arena, err);
    if (rc == RC_OK)
        rc = dataset_split(spec, options->seed, dataset, &scratch, err);
    if (rc == RC_OK)
        rc = dataset_drop_leaks(spec, dataset, arena, &scratch, err);
    if (rc == RC_OK)
        rc = check_splits(dataset, err);
    arena_release(&scratch);
    if (rc)
        return rc;
    *ret_dataset = dataset;
    return RC_OK;
}

static int compare_kept(const void *a, const void *b)
{
    const struct dataset_row *x = *(const struct dataset_row *const *)a;
    const struct dataset_row *y = *(const struct dataset_row *const *)b;

    if (x->split != y->split)
        return x->split > y->split ? -1 : 1;
    return str_compare(x->text, y->text);
}

static void append_set(struct json_writer *w, const struct spec_field *field, uint32_t set)
{
    json_begin_array(w);
    for (size_t i = 0; i < field->n_labels; i++)
        if (spec_value_has(field, set, i))
            json_string(w, field->labels[i].text);
    json_end_array(w);
}

static void append_value(struct json_writer *w, const struct spec_field *field, uint32_t value)
{
    json_key_str(w, field->name);
    if (field->is_set)
        append_set(w, field, value);
    else if (field->schema->type == SCHEMA_STRING)
        json_string(w, field->labels[value].text);
    else
        json_raw(w, field->labels[value].text); /* true, false, a whole number */
}

enum rc dataset_append(struct buf *out, const struct spec *spec, const struct dataset *dataset,
                       struct err *err)
{
    const struct dataset_row **rows =
        (const struct dataset_row **)mem_array(dataset->n_rows + 1, sizeof(*rows));
    size_t n = 0;

    if (!rows)
        return err_set(err, RC_NOMEM, "dataset of %zu rows", dataset->n_rows);
    for (size_t i = 0; i < dataset->n_rows; i++)
        if (dataset->rows[i].fate == DATASET_KEPT)
            rows[n++] = &dataset->rows[i];
    qsort(rows, n, sizeof(*rows), compare_kept);
    for (size_t i = 0; i < n; i++) {
        struct json_writer w;

        json_writer_init(&w, out);
        json_begin_object(&w);
        json_key(&w, "id");
        json_string(&w, rows[i]->id);
        json_key(&w, "input");
        json_raw(&w, rows[i]->input);
        json_key(&w, "output");
        json_begin_object(&w);
        for (size_t f = 0; f < spec->n_fields; f++)
            append_value(&w, &spec->fields[f], rows[i]->labels[f]);
        for (size_t o = 0; o < spec->n_open; o++) {
            struct str value = rows[i]->written[o];

            if (!value.at)
                continue;
            json_key_str(&w, spec->open[o].name);
            if (spec->open[o].kind == SPEC_OPEN_NUMBER)
                json_raw(&w, value);
            else
                json_string(&w, value);
        }
        json_end_object(&w);
        if (rows[i]->tags.len > 0) {
            json_key(&w, "tags");
            json_raw(&w, rows[i]->tags);
        }
        json_key(&w, "split");
        json_text(&w, dataset_split_name(rows[i]->split));
        json_end_object(&w);
        buf_append_char(out, '\n');
    }
    mem_free(rows);
    return buf_rc(out, "dataset", err);
}

/* Takes "split" out of the tree of a line. */
static bool take_split(struct json *tree, enum spec_split *ret_split)
{
    static const enum spec_split splits[] = { SPEC_SPLIT_TRAIN, SPEC_SPLIT_VALIDATION,
                                              SPEC_SPLIT_TEST };

    if (tree->type != JSON_OBJECT || tree->n == 0 ||
        !str_is(tree->members[tree->n - 1].key, "split"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(splits); i++) {
        if (str_is(tree->members[tree->n - 1].value.text, dataset_split_name(splits[i]))) {
            *ret_split = splits[i];
            tree->n--;
            return true;
        }
    }
    return false;
}

static enum rc parse_line(const struct spec *spec, struct str line, struct arena *arena,
                          struct dataset_row *row, struct err *err)
{
    struct arena scratch;
    struct json *tree;
    struct err why;

    arena_init(&scratch, LINE_ARENA_BYTES);
    enum rc rc = json_parse(line, JSON_DUPLICATES_REFUSED, &scratch, &tree, &why);
    if (rc)
        rc = err_set(err, rc == RC_INVALID ? RC_CORRUPT : rc, "%s", why.message);
    if (rc == RC_OK && !take_split(tree, &row->split))
        rc = err_set(err, RC_CORRUPT, "no split");
    if (rc == RC_OK)
        rc = dataset_read_row(spec, tree, arena, row, err);
    if (rc == RC_OK && row->fate != DATASET_KEPT)
        rc = err_set(err, RC_CORRUPT, "%.*s", STR_ARG(row->reason));
    arena_release(&scratch);
    return rc;
}

enum rc dataset_parse(const struct spec *spec, struct str text, struct arena *arena,
                      struct dataset **ret_dataset, struct err *err)
{
    struct dataset *dataset = arena_new(arena, struct dataset);
    size_t n_lines = 0, at = 0;

    for (size_t i = 0; i < text.len; i++)
        n_lines += text.at[i] == '\n';
    if (n_lines > DATASET_ROWS_MAX)
        return err_set(err, RC_LIMIT, "%zu rows, at most %d", n_lines, DATASET_ROWS_MAX);
    if (dataset) {
        dataset->n_sources = 1;
        dataset->sources = arena_new(arena, struct dataset_source);
        dataset->rows = arena_array(arena, struct dataset_row, n_lines + 1);
    }
    if (!dataset || !dataset->sources || !dataset->rows)
        return arena_fail(arena, err, "dataset");
    dataset->sources[0].name = STR("dataset");
    dataset->sources[0].n_rows = n_lines;
    for (; dataset->n_rows < n_lines; dataset->n_rows++) {
        struct dataset_row *row = &dataset->rows[dataset->n_rows];
        const char *stop = memchr(text.at + at, '\n', text.len - at);
        struct str line = { text.at + at, (size_t)(stop - text.at) - at };

        row->line = (uint32_t)dataset->n_rows + 1;
        enum rc rc = parse_line(spec, line, arena, row, err);
        if (rc)
            return err_context(err, "dataset line %u", row->line);
        at += line.len + 1;
    }
    if (at != text.len)
        return err_set(err, RC_CORRUPT, "dataset: the last line does not end");
    *ret_dataset = dataset;
    return RC_OK;
}
