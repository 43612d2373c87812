#include "spec/table.h"

#include "base/csv.h"
#include "base/fs.h"
#include "base/mem.h"
#include "spec/spec_internal.h"

#include <stdlib.h>

/* Rows as they are read; they become one list in the end. */
struct rows {
    struct arena *arena;
    const struct spec_table *table;
    struct feel_value *items;
    uint32_t *lines;
    size_t n, capacity;
};

static enum rc add_row(struct rows *rows, struct feel_entry *entries, uint32_t line,
                       struct err *err)
{
    if (rows->n == TABLE_ROWS_MAX)
        return err_set(err, RC_LIMIT, "line %u: more than %d rows", line, TABLE_ROWS_MAX);
    if (rows->n == rows->capacity) {
        size_t capacity = rows->capacity ? 2 * rows->capacity : 64;
        struct feel_value *items = arena_array(rows->arena, struct feel_value, capacity);
        uint32_t *lines = arena_array(rows->arena, uint32_t, capacity);

        if (!items || !lines)
            return arena_fail(rows->arena, err, "table");
        if (rows->n) {
            memcpy(items, rows->items, rows->n * sizeof(*items));
            memcpy(lines, rows->lines, rows->n * sizeof(*lines));
        }
        rows->items = items;
        rows->lines = lines;
        rows->capacity = capacity;
    }
    rows->lines[rows->n] = line;
    rows->items[rows->n++] = feel_context(entries, rows->table->n_columns);
    return RC_OK;
}

static enum rc wrong_cell(const struct spec_column *column, struct str text, uint32_t line,
                          struct err *err)
{
    return err_set(err, RC_INVALID, "line %u: column '%.*s': '%.*s' is no %.*s", line,
                   STR_ARG(column->name.text), text.len > 60 ? 60 : (int)text.len, text.at,
                   STR_ARG(column->type.text));
}

/* The value of a cell's text; the text lives as long as the table. */
static enum rc cell_value(const struct spec_column *column, struct str text, uint32_t line,
                          struct feel_value *ret, struct err *err)
{
    enum feel_kind kind = spec_column_kind(column->type.text);
    bool fits = true;

    *ret = (struct feel_value){ .kind = kind };
    if (kind == FEEL_STRING)
        ret->string = text;
    else if (kind == FEEL_NUMBER)
        fits = decimal_parse(text, &ret->number);
    else if (kind == FEEL_BOOLEAN) {
        ret->boolean = str_is(text, "true");
        fits = ret->boolean || str_is(text, "false");
    } else
        fits = feel_parse_temporal(text, ret) && ret->kind == kind;
    return fits ? RC_OK : wrong_cell(column, text, line, err);
}

/* ret_indices: for each declared column, where it stands in the file. */
static enum rc find_columns(const struct rows *rows, const struct csv *csv, size_t *ret_indices,
                            struct err *err)
{
    for (size_t c = 0; c < rows->table->n_columns; c++) {
        struct str name = rows->table->columns[c].name.text;
        size_t i = 0;

        while (i < csv->n_columns && !str_equal(csv->columns[i], name))
            i++;
        if (i == csv->n_columns)
            return err_set(err, RC_INVALID, "line 1: column '%.*s' is missing", STR_ARG(name));
        ret_indices[c] = i;
    }
    return RC_OK;
}

static enum rc read_csv(struct rows *rows, struct str text, struct err *err)
{
    size_t n = rows->table->n_columns;
    size_t *indices = arena_array(rows->arena, size_t, n);
    struct csv csv;
    struct csv_row row;
    bool has_row = true;

    if (!indices)
        return arena_fail(rows->arena, err, "table");
    enum rc rc = csv_open(text, rows->arena, &csv, err);
    if (!rc)
        rc = find_columns(rows, &csv, indices, err);
    while (!rc) {
        rc = csv_next(&csv, rows->arena, &has_row, &row, err);
        if (rc || !has_row)
            return rc;
        struct feel_entry *entries = arena_array(rows->arena, struct feel_entry, n);
        if (!entries)
            return arena_fail(rows->arena, err, "table");
        for (size_t c = 0; !rc && c < n; c++) {
            struct str cell = row.fields[indices[c]];

            entries[c].key = rows->table->columns[c].name.text;
            if (cell.len > 0)
                rc = cell_value(&rows->table->columns[c], cell, row.line, &entries[c].value, err);
        }
        if (!rc)
            rc = add_row(rows, entries, row.line, err);
    }
    return rc;
}

/* JSON has types of its own: numbers and booleans are not read out of strings. */
static enum rc member_value(const struct spec_column *column, const struct json *v, uint32_t line,
                            struct feel_value *ret, struct err *err)
{
    enum feel_kind kind = spec_column_kind(column->type.text);
    enum json_type expected = JSON_STRING;

    if (v->type == JSON_NULL)
        return RC_OK;
    if (kind == FEEL_NUMBER)
        expected = JSON_NUMBER;
    else if (kind == FEEL_BOOLEAN)
        expected = JSON_BOOL;
    if (v->type != expected)
        return err_set(err, RC_INVALID, "line %u: column '%.*s': found %s, expected %.*s", line,
                       STR_ARG(column->name.text), json_type_name(v->type),
                       STR_ARG(column->type.text));
    if (kind == FEEL_BOOLEAN) {
        *ret = feel_boolean(v->boolean);
        return RC_OK;
    }
    return cell_value(column, v->text, line, ret, err);
}

static enum rc read_json_row(struct rows *rows, struct str text, uint32_t line, struct err *err)
{
    size_t n = rows->table->n_columns;
    struct feel_entry *entries = arena_array(rows->arena, struct feel_entry, n);
    struct json *v;

    if (!entries)
        return arena_fail(rows->arena, err, "table");
    enum rc rc = json_parse(text, JSON_DUPLICATES_REFUSED, rows->arena, &v, err);
    if (rc)
        return err_context(err, "line %u", line);
    if (v->type != JSON_OBJECT)
        return err_set(err, RC_INVALID, "line %u: found %s, expected an object", line,
                       json_type_name(v->type));
    for (size_t c = 0; c < n; c++) {
        const struct spec_column *column = &rows->table->columns[c];
        const struct json *member = json_find(v, column->name.text.at);

        entries[c].key = column->name.text;
        rc = member ? member_value(column, member, line, &entries[c].value, err) : RC_OK;
        if (rc)
            return rc;
    }
    return add_row(rows, entries, line, err);
}

static enum rc read_jsonl(struct rows *rows, struct str text, struct err *err)
{
    const char *at = text.at, *end = str_end(text);

    for (uint32_t line = 1; at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline ? newline : end) - at);
        enum rc rc = read_json_row(rows, (struct str){ at, len }, line, err);

        if (rc)
            return rc;
        at += len + (newline != NULL);
    }
    return RC_OK;
}

/* A key and the line it stands in, for sorting. */
struct keyed {
    struct feel_value key;
    uint32_t line;
};

static int compare_values(const struct feel_value *a, const struct feel_value *b)
{
    if (a->kind == FEEL_NUMBER)
        return decimal_compare(a->number, b->number);
    return str_compare(a->string, b->string);
}

static int compare_keyed(const void *a, const void *b)
{
    const struct keyed *left = a, *right = b;
    int order = compare_values(&left->key, &right->key);

    return order ? order : (left->line > right->line) - (left->line < right->line);
}

static enum rc check_keys(const struct rows *rows, size_t column, struct err *err)
{
    struct keyed *keys = arena_array(rows->arena, struct keyed, rows->n);

    if (!keys)
        return arena_fail(rows->arena, err, "table");
    for (size_t i = 0; i < rows->n; i++) {
        keys[i] = (struct keyed){ rows->items[i].context.entries[column].value, rows->lines[i] };
        if (keys[i].key.kind == FEEL_NULL)
            return err_set(err, RC_INVALID, "line %u: the key is empty", keys[i].line);
    }
    qsort(keys, rows->n, sizeof(*keys), compare_keyed);
    for (size_t i = 1; i < rows->n; i++)
        if (compare_values(&keys[i - 1].key, &keys[i].key) == 0)
            return err_set(err, RC_INVALID, "line %u: the key of line %u again", keys[i].line,
                           keys[i - 1].line);
    return RC_OK;
}

static enum rc check_unique(const struct rows *rows, struct err *err)
{
    const struct spec_table *table = rows->table;

    for (size_t c = 0; c < table->n_columns; c++)
        if (table->key.text.len > 0 && str_equal(table->columns[c].name.text, table->key.text))
            return check_keys(rows, c, err);
    return RC_OK;
}

enum rc table_parse(const struct spec_table *table, struct str text, struct arena *arena,
                    struct table *ret_table, struct err *err)
{
    struct rows rows = { .arena = arena, .table = table };
    struct digest digest;
    enum rc rc = sha256_of(text.at, text.len, &digest, err);

    if (!rc)
        rc = table->format == SPEC_CSV ? read_csv(&rows, text, err) : read_jsonl(&rows, text, err);
    if (!rc)
        rc = check_unique(&rows, err);
    if (rc)
        return err_context(err, "table '%.*s'", STR_ARG(table->name.text));
    *ret_table = (struct table){ .name = table->name.text,
                                 .digest = digest,
                                 .rows = feel_list(rows.items, rows.n) };
    return RC_OK;
}

enum rc table_load(const struct spec *spec, const struct spec_table *table, struct arena *arena,
                   struct table *ret_table, struct err *err)
{
    char *path = fs_join(arena, spec->dir, table->path.text.at);
    struct str text;

    if (!path)
        return arena_fail(arena, err, "table");
    enum rc rc = fs_read_file(path, TABLE_BYTES_MAX, arena, &text, err);
    return rc ? rc : table_parse(table, text, arena, ret_table, err);
}
