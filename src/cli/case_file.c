#include "cli/case_file.h"

#include "base/csv.h"

#include <string.h>

static bool is_blank(struct str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (!strchr(" \t\r", line.at[i]))
            return false;
    return true;
}

/* The input inside a row of a dataset, or the object itself. */
static void take_object(const struct json *v, const struct spec *spec, struct case_row *row)
{
    const struct json *input = json_find(v, "input");

    if (input && input->type == JSON_OBJECT && !schema_find(&spec->input, STR("input"))) {
        row->id = json_find(v, "id");
        row->input = input;
        return;
    }
    row->input = v;
}

static void parse_line(struct str line, const struct spec *spec, struct arena *arena,
                       struct case_row *row)
{
    struct json *v;

    if (line.len > CASE_LINE_BYTES_MAX)
        err_set(&row->refusal, RC_LIMIT, "longer than %d bytes", CASE_LINE_BYTES_MAX);
    else if (json_parse(line, JSON_DUPLICATES_REFUSED, arena, &v, &row->refusal) == RC_OK)
        take_object(v, spec, row);
}

static struct str next_line(struct str *rest)
{
    const char *end = memchr(rest->at, '\n', rest->len);
    struct str line = { rest->at, end ? (size_t)(end - rest->at) : rest->len };
    size_t used = line.len + (end != NULL);

    *rest = (struct str){ rest->at + used, rest->len - used };
    return line;
}

static enum rc parse_jsonl(struct str text, const struct spec *spec, struct arena *arena,
                           struct case_file *file, struct err *err)
{
    size_t n_lines = 1;
    uint32_t line_number = 0;

    for (size_t i = 0; i < text.len; i++)
        n_lines += text.at[i] == '\n';
    file->rows = arena_array(arena, struct case_row, n_lines);
    if (!file->rows)
        return arena_fail(arena, err, "rows");

    while (text.len > 0) {
        struct str line = next_line(&text);

        line_number++;
        if (is_blank(line))
            continue;
        file->rows[file->n_rows] = (struct case_row){ .line = line_number };
        parse_line(line, spec, arena, &file->rows[file->n_rows++]);
        if (arena->over_limit)
            return arena_fail(arena, err, "rows");
    }
    return RC_OK;
}

/* A field's text as the JSON that the schema asks for. What does not fit stays text, so that the
 * check of the input says what is wrong with it. */
static struct json typed(struct str field, const struct schema *schema, uint32_t line,
                         struct arena *arena)
{
    struct json v = { .type = JSON_STRING, .line = line, .column = 1, .text = field };
    struct json *parsed;
    struct err ignored;

    if (schema->type == SCHEMA_STRING)
        return v;
    if (json_parse(field, JSON_DUPLICATES_REFUSED, arena, &parsed, &ignored) == RC_OK)
        v = *parsed;
    return v;
}

static enum rc csv_object(const struct csv *csv, const struct csv_row *from,
                          const struct spec *spec, struct arena *arena, struct case_row *row,
                          struct err *err)
{
    struct json *input = arena_new(arena, struct json);
    struct json *id = arena_new(arena, struct json);
    struct json_member *members = arena_array(arena, struct json_member, csv->n_columns);

    if (!input || !id || !members)
        return arena_fail(arena, err, "row");
    *input = (struct json){ .type = JSON_OBJECT, .line = from->line, .column = 1 };
    input->members = members;
    for (size_t i = 0; i < csv->n_columns; i++) {
        const struct schema_property *property = schema_find(&spec->input, csv->columns[i]);

        if (property && from->fields[i].len > 0)
            members[input->n++] =
                (struct json_member){ .key = csv->columns[i],
                                      .line = from->line,
                                      .column = 1,
                                      .value = typed(from->fields[i], &property->schema, from->line,
                                                     arena) };
        if (!property && str_is(csv->columns[i], "id")) {
            *id = (struct json){ .type = JSON_STRING, .text = from->fields[i] };
            row->id = id;
        }
    }
    row->line = from->line;
    row->input = input;
    return RC_OK;
}

static enum rc check_columns(const struct csv *csv, const struct spec *spec, struct err *err)
{
    for (size_t i = 0; i < csv->n_columns; i++)
        if (schema_find(&spec->input, csv->columns[i]))
            return RC_OK;
    return err_set(err, RC_INVALID, "line 1: no column is named like a field of the input");
}

static enum rc parse_csv(struct str text, const struct spec *spec, struct arena *arena,
                         struct case_file *file, struct err *err)
{
    size_t n_lines = 1;
    bool has_row = true;
    struct csv csv;
    enum rc rc = csv_open(text, arena, &csv, err);

    if (rc == RC_OK)
        rc = check_columns(&csv, spec, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < text.len; i++)
        n_lines += text.at[i] == '\n';
    file->rows = arena_array(arena, struct case_row, n_lines);
    if (!file->rows)
        return arena_fail(arena, err, "rows");

    for (;;) {
        struct csv_row row;

        rc = csv_next(&csv, arena, &has_row, &row, err);
        if (rc || !has_row)
            return rc;
        rc = csv_object(&csv, &row, spec, arena, &file->rows[file->n_rows], err);
        if (rc)
            return rc;
        file->n_rows++;
    }
}

static enum rc parse_one(struct str text, const struct spec *spec, struct arena *arena,
                         struct case_file *file, struct err *err)
{
    struct json *v;
    enum rc rc = json_parse(text, JSON_DUPLICATES_REFUSED, arena, &v, err);

    if (rc)
        return rc;
    file->rows = arena_new(arena, struct case_row);
    if (!file->rows)
        return arena_fail(arena, err, "case");
    file->n_rows = 1;
    file->rows[0].line = 1;
    take_object(v, spec, &file->rows[0]);
    return RC_OK;
}

enum rc case_file_parse(struct str text, enum case_format format, const struct spec *spec,
                        struct arena *arena, struct case_file *ret_file, struct err *err)
{
    struct case_file file = { 0 };
    enum rc rc = RC_OK;

    switch (format) {
    case CASE_ONE: rc = parse_one(text, spec, arena, &file, err); break;
    case CASE_JSONL: rc = parse_jsonl(text, spec, arena, &file, err); break;
    case CASE_CSV: rc = parse_csv(text, spec, arena, &file, err); break;
    }
    if (rc == RC_OK)
        *ret_file = file;
    return rc;
}
