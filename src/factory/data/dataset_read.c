/* dataset_read.c - rule (1): from the bytes of the sources to rows. */
#include "factory/data/dataset_internal.h"

#include "base/csv.h"
#include "base/fs.h"

#include <stdarg.h>
#include <stdio.h>

enum { ROW_ARENA_BYTES = 16 << 20, PATH_PARTS_MAX = 8 };

/* What the rows of one source are read with. */
struct reading {
    const struct spec *spec;
    const struct spec_data *data; /* NULL: feedback */
    size_t source;
    enum spec_split split;
    struct arena *arena; /* of the dataset */
    struct dataset *dataset;
};

enum rc dataset_reject(struct dataset_row *row, enum dataset_fate fate, struct arena *arena,
                       struct err *err, const char *fmt, ...)
{
    char reason[DATASET_REASON_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);

    size_t len = strlen(reason);
    char *kept = arena_strndup(arena, reason, len);

    if (!kept)
        return arena_fail(arena, err, "reason");
    row->fate = fate;
    row->reason = (struct str){ kept, len };
    return RC_OK;
}

uint64_t dataset_hash(struct str text)
{
    uint64_t h = 0xCBF29CE484222325u;

    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (uint8_t)text.at[i]) * 0x100000001B3u;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
    return h ? h : 1;
}

static bool is_letter_or_digit(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

static void append_words(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if (is_letter_or_digit(c))
            buf_append_char(out, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
        else if (out->len > 0 && out->at[out->len - 1] != ' ')
            buf_append_char(out, ' ');
    }
    if (out->len > 0 && out->at[out->len - 1] != ' ')
        buf_append_char(out, ' ');
}

/* All scalars below v in order; the depth of a valid input is bounded by its schema. */
static void append_text(struct buf *out, const struct json *v)
{
    switch (v->type) {
    case JSON_NULL: break;
    case JSON_BOOL: append_words(out, v->boolean ? STR("true") : STR("false")); break;
    case JSON_NUMBER:
    case JSON_STRING: append_words(out, v->text); break;
    case JSON_ARRAY:
        for (size_t i = 0; i < v->n; i++)
            append_text(out, &v->items[i]);
        break;
    case JSON_OBJECT:
        for (size_t i = 0; i < v->n; i++)
            append_text(out, &v->members[i].value);
        break;
    }
}

static enum rc copy_text(struct arena *arena, const struct buf *buf, struct str *ret_text,
                         struct err *err)
{
    enum rc rc = buf_rc(buf, "row", err);
    if (rc)
        return rc;

    char *copy = arena_strndup(arena, buf->at ? buf->at : "", buf->len);

    if (!copy)
        return arena_fail(arena, err, "row");
    *ret_text = (struct str){ copy, buf->len };
    return RC_OK;
}

static enum rc keep_input(const struct spec *spec, const struct json *input, struct arena *arena,
                          struct dataset_row *row, struct err *err)
{
    CLEANUP(buf_releasep) struct buf canonical = { .limit = DATASET_LINE_BYTES_MAX };
    CLEANUP(buf_releasep) struct buf text = { .limit = DATASET_LINE_BYTES_MAX };

    json_append_canonical(&canonical, input);
    for (size_t p = 0; p < spec->input.n_properties; p++) {
        for (size_t i = 0; i < input->n; i++)
            if (str_equal(input->members[i].key, spec->input.properties[p].name))
                append_text(&text, &input->members[i].value);
    }

    enum rc rc = copy_text(arena, &canonical, &row->input, err);
    if (rc == RC_OK)
        rc = copy_text(arena, &text, &row->text, err);
    if (rc == RC_OK)
        row->text_hash = dataset_hash(row->text);
    return rc;
}

static enum rc keep_tags(const struct json *tags, struct arena *arena, struct dataset_row *row,
                         struct err *err)
{
    CLEANUP(buf_releasep) struct buf canonical = { .limit = DATASET_LINE_BYTES_MAX };

    if (tags->type != JSON_OBJECT)
        return dataset_reject(row, DATASET_INVALID, arena, err, "tags: %s, expected an object",
                              json_type_name(tags->type));
    for (size_t i = 0; i < tags->n; i++) {
        enum json_type type = tags->members[i].value.type;

        if (type == JSON_OBJECT || type == JSON_ARRAY)
            return dataset_reject(row, DATASET_INVALID, arena, err,
                                  "tag '%.*s': %s, expected a text, a number or a boolean",
                                  STR_ARG(tags->members[i].key), json_type_name(type));
    }
    if (tags->n == 0)
        return RC_OK;
    json_append_canonical(&canonical, tags);
    return copy_text(arena, &canonical, &row->tags, err);
}

/* The first thing that schema does not allow in v, as the row's fate; kept when there is none. */
static enum rc check_value(const struct schema *schema, const char *what, const struct json *v,
                           struct arena *scratch, struct arena *arena, struct dataset_row *row,
                           struct err *err)
{
    struct problems problems;

    problem_init(&problems, scratch);
    enum rc rc = schema_validate(schema, v, "", &problems, err);
    if (rc == RC_OK)
        rc = problem_rc(&problems, err);
    if (rc || problems.n_errors == 0)
        return rc;
    return dataset_reject(row, DATASET_INVALID, arena, err, "%s: %s", what,
                          problems.items[0].message);
}

static enum rc read_labels(const struct spec *spec, const struct json *output, struct arena *arena,
                           struct dataset_row *row, struct err *err)
{
    uint32_t *labels = arena_array(arena, uint32_t, spec->n_fields + 1);

    if (!labels)
        return arena_fail(arena, err, "labels");
    for (size_t f = 0; f < spec->n_fields; f++) {
        const struct spec_field *field = &spec->fields[f];
        const struct json *v = json_find_str(output, field->name);
        size_t value;

        if (!v)
            return dataset_reject(row, DATASET_INVALID, arena, err, "output: '%.*s' is missing",
                                  STR_ARG(field->name));
        if (!spec_find_value(field, v, &value))
            return dataset_reject(row, DATASET_INVALID, arena, err,
                                  "output: '%.*s' has a value that is none of its %zu labels",
                                  STR_ARG(field->name), field->n_labels);
        labels[f] = (uint32_t)value;
    }
    row->labels = labels;
    return RC_OK;
}

/* The output is valid: what is there is a text or a number. */
static enum rc read_written(const struct spec *spec, const struct json *output, struct arena *arena,
                            struct dataset_row *row, struct err *err)
{
    struct str *written = arena_array(arena, struct str, spec->n_open + 1);

    if (!written)
        return arena_fail(arena, err, "texts");
    for (size_t i = 0; i < spec->n_open; i++) {
        const struct json *v = json_find_str(output, spec->open[i].name);

        if (!v && spec->open[i].optional)
            continue;
        if (!v)
            return dataset_reject(row, DATASET_INVALID, arena, err, "output: '%.*s' is missing",
                                  STR_ARG(spec->open[i].name));
        char *copy = arena_strndup(arena, v->text.at, v->text.len);
        if (!copy)
            return arena_fail(arena, err, "texts");
        written[i] = (struct str){ copy, v->text.len };
    }
    row->written = written;
    return RC_OK;
}

static enum rc check_row(const struct spec *spec, const struct json *tree, struct arena *scratch,
                         struct arena *arena, struct dataset_row *row, struct err *err)
{
    const struct json *input = json_find(tree, "input"), *output = json_find(tree, "output");
    const struct json *id = json_find(tree, "id"), *tags = json_find(tree, "tags");

    if (tree->type != JSON_OBJECT)
        return dataset_reject(row, DATASET_INVALID, arena, err, "%s, expected an object",
                              json_type_name(tree->type));
    for (size_t i = 0; i < tree->n; i++) {
        struct str key = tree->members[i].key;

        if (!str_is(key, "id") && !str_is(key, "input") && !str_is(key, "output") &&
            !str_is(key, "tags"))
            return dataset_reject(row, DATASET_INVALID, arena, err,
                                  "unknown member '%.*s', expected id, input, output and tags",
                                  STR_ARG(key));
    }
    if (!input || !output)
        return dataset_reject(row, DATASET_INVALID, arena, err, "'%s' is missing",
                              input ? "output" : "input");

    enum rc rc = check_value(&spec->input, "input", input, scratch, arena, row, err);
    if (rc || row->fate != DATASET_KEPT)
        return rc;
    rc = check_value(&spec->output, "output", output, scratch, arena, row, err);
    if (rc || row->fate != DATASET_KEPT)
        return rc;
    rc = read_labels(spec, output, arena, row, err);
    if (rc || row->fate != DATASET_KEPT)
        return rc;
    rc = read_written(spec, output, arena, row, err);
    if (rc || row->fate != DATASET_KEPT)
        return rc;
    if (id && (id->type == JSON_STRING || id->type == JSON_NUMBER)) {
        char *copy = arena_strndup(arena, id->text.at, id->text.len);
        if (!copy)
            return arena_fail(arena, err, "id");
        row->id = (struct str){ copy, id->text.len };
    }
    if (tags) {
        rc = keep_tags(tags, arena, row, err);
        if (rc || row->fate != DATASET_KEPT)
            return rc;
    }
    return keep_input(spec, input, arena, row, err);
}

enum rc dataset_read_row(const struct spec *spec, const struct json *tree, struct arena *arena,
                         struct dataset_row *row, struct err *err)
{
    struct arena scratch;

    arena_init(&scratch, ROW_ARENA_BYTES);
    enum rc rc = check_row(spec, tree, &scratch, arena, row, err);
    arena_release(&scratch);
    return rc;
}

static struct dataset_row *next_row(struct reading *reading, uint32_t line, struct err *err)
{
    struct dataset *d = reading->dataset;

    if (d->n_rows == DATASET_ROWS_MAX) {
        err_set(err, RC_LIMIT, "line %u: more than %d rows", line, DATASET_ROWS_MAX);
        return NULL;
    }

    struct dataset_row *row = &d->rows[d->n_rows++];

    *row = (struct dataset_row){ .source = reading->source, .line = line, .split = reading->split };
    d->sources[reading->source].n_rows++;
    return row;
}

/* The member of object at a dotted path, made when it is not there (each object has room for all
 * columns); NULL: a part of the path is taken by a value, or the arena refuses. */
static struct json *make_place(struct json *object, struct str path, size_t room,
                               struct arena *arena)
{
    while (path.len > 0) {
        const char *dot = memchr(path.at, '.', path.len);
        struct str key = { path.at, dot ? (size_t)(dot - path.at) : path.len };
        struct json *found = (struct json *)(uintptr_t)json_find_str(object, key);

        if (object->type == JSON_NULL) {
            object->type = JSON_OBJECT;
            object->members = arena_array(arena, struct json_member, room);
        }
        if (object->type != JSON_OBJECT || !object->members)
            return NULL;
        if (!found) {
            object->members[object->n] = (struct json_member){ .key = key };
            found = &object->members[object->n++].value;
        }
        object = found;
        path.at += key.len + (dot != NULL);
        path.len -= key.len + (dot != NULL);
    }
    return object;
}

static const struct schema *schema_at(const struct spec *spec, struct str path)
{
    const struct schema *schema = str_starts_with(path, "input.")    ? &spec->input
                                  : str_starts_with(path, "output.") ? &spec->output
                                                                     : NULL;
    const char *dot = memchr(path.at, '.', path.len);

    while (schema && dot) {
        struct str rest = { dot + 1, (size_t)(path.at + path.len - dot - 1) };
        const struct schema_property *property;

        dot = memchr(rest.at, '.', rest.len);
        property =
            schema_find(schema, (struct str){ rest.at, dot ? (size_t)(dot - rest.at) : rest.len });
        schema = property ? &property->schema : NULL;
    }
    return schema;
}

/* A CSV field as the type of its place asks for; what does not read as that stays a text, and the
 * check of the row names it. */
static struct json typed_field(const struct schema *schema, struct str text, struct arena *scratch)
{
    struct json v = { .type = JSON_STRING, .text = text };
    struct json *number;
    struct err ignored;

    if (!schema)
        return v;
    if (schema->type == SCHEMA_BOOLEAN && (str_is(text, "true") || str_is(text, "false")))
        return (struct json){ .type = JSON_BOOL, .boolean = str_is(text, "true") };
    if ((schema->type == SCHEMA_NUMBER || schema->type == SCHEMA_INTEGER) &&
        json_parse(text, JSON_DUPLICATES_REFUSED, scratch, &number, &ignored) == RC_OK &&
        number->type == JSON_NUMBER)
        return *number;
    return v;
}

/* {"id", "input", "output", "tags"} out of the columns that the source maps. An empty CSV field is
 * absent.
 */
static enum rc map_columns(const struct reading *reading, const struct json *raw,
                           struct arena *scratch, struct json *ret_tree, struct err *err)
{
    const struct spec_data *data = reading->data;
    struct json tree = { .type = JSON_OBJECT };
    const struct json *id = json_find_str(raw, data->id.text);
    size_t room = data->n_columns + 3;

    tree.members = arena_array(scratch, struct json_member, room);
    if (!tree.members)
        return arena_fail(scratch, err, "row");
    tree.members[tree.n++] =
        (struct json_member){ .key = STR("input"), .value = { .type = JSON_NULL } };
    tree.members[tree.n++] =
        (struct json_member){ .key = STR("output"), .value = { .type = JSON_NULL } };
    if (id)
        tree.members[tree.n++] = (struct json_member){ .key = STR("id"), .value = *id };
    for (size_t c = 0; c < data->n_columns; c++) {
        struct str path = data->columns[c].path.text;
        const struct json *v = json_find_str(raw, data->columns[c].column.text);

        if (!v || (data->format == SPEC_CSV && v->text.len == 0))
            continue;
        struct json *place = make_place(&tree, path, room, scratch);
        if (!place)
            return arena_fail(scratch, err, "row");
        *place = data->format == SPEC_CSV
                     ? typed_field(schema_at(reading->spec, path), v->text, scratch)
                     : *v;
    }
    *ret_tree = tree;
    return RC_OK;
}

/* Without the column that only groups. */
static struct json without_group(const struct spec_data *data, const struct json *raw,
                                 struct arena *scratch)
{
    struct json tree = *raw;

    tree.n = 0;
    tree.members = arena_array(scratch, struct json_member, raw->n + 1);
    for (size_t i = 0; tree.members && i < raw->n; i++)
        if (!str_equal(raw->members[i].key, data->group.text))
            tree.members[tree.n++] = raw->members[i];
    return tree;
}

static enum rc add_row(struct reading *reading, const struct json *raw, uint32_t line,
                       struct arena *scratch, struct err *err)
{
    const struct spec_data *data = reading->data;
    struct json tree = *raw;
    struct dataset_row *row = next_row(reading, line, err);

    if (!row)
        return err->code;
    if (data && data->group.text.len > 0 && raw->type == JSON_OBJECT) {
        const struct json *group = json_find_str(raw, data->group.text);

        if (!group || (group->type != JSON_STRING && group->type != JSON_NUMBER))
            return dataset_reject(row, DATASET_INVALID, reading->arena, err,
                                  "the group '%.*s' is missing", STR_ARG(data->group.text));
        row->group_hash = dataset_hash(group->text);
        tree = without_group(data, raw, scratch);
        if (!tree.members)
            return arena_fail(scratch, err, "row");
    }
    if (data && data->n_columns > 0 && raw->type == JSON_OBJECT) {
        enum rc rc = map_columns(reading, raw, scratch, &tree, err);
        if (rc)
            return rc;
    }
    return dataset_read_row(reading->spec, &tree, reading->arena, row, err);
}

static enum rc read_line(struct reading *reading, struct str text, uint32_t line,
                         struct arena *scratch, struct err *err)
{
    struct dataset_row *row;
    struct json *raw;
    struct err why = { 0 };
    enum rc rc = RC_LIMIT;

    if (text.len <= DATASET_LINE_BYTES_MAX)
        rc = json_parse(text, JSON_DUPLICATES_REFUSED, scratch, &raw, &why);
    else
        snprintf(why.message, sizeof(why.message), "%zu bytes, at most %d", text.len,
                 DATASET_LINE_BYTES_MAX);
    if (rc == RC_OK)
        return add_row(reading, raw, line, scratch, err);
    if (rc == RC_NOMEM) {
        *err = why;
        return rc;
    }
    row = next_row(reading, line, err);
    if (!row)
        return err->code;
    return dataset_reject(row, DATASET_INVALID, reading->arena, err, "%s", why.message);
}

static bool is_blank_line(struct str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.at[i] != ' ' && line.at[i] != '\t' && line.at[i] != '\r')
            return false;
    return true;
}

static enum rc read_jsonl(struct reading *reading, struct str text, struct err *err)
{
    const char *end = str_end(text);
    uint32_t number = 1;

    for (const char *at = text.at; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct str line = { at, (size_t)((stop ? stop : end) - at) };
        struct arena scratch;
        enum rc rc = RC_OK;

        at += line.len + 1;
        if (is_blank_line(line))
            continue;
        arena_init(&scratch, ROW_ARENA_BYTES);
        rc = read_line(reading, line, number, &scratch, err);
        arena_release(&scratch);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static enum rc add_csv_row(struct reading *reading, const struct csv *csv,
                           const struct csv_row *fields, struct arena *scratch, struct err *err)
{
    struct json raw = { .type = JSON_OBJECT, .n = csv->n_columns };

    raw.members = arena_array(scratch, struct json_member, csv->n_columns + 1);
    if (!raw.members)
        return arena_fail(scratch, err, "row");
    for (size_t c = 0; c < csv->n_columns; c++)
        raw.members[c] =
            (struct json_member){ .key = csv->columns[c],
                                  .value = { .type = JSON_STRING, .text = fields->fields[c] } };
    return add_row(reading, &raw, fields->line, scratch, err);
}

static enum rc read_csv(struct reading *reading, struct str text, struct err *err)
{
    const struct spec_data *data = reading->data;
    struct arena header;
    struct csv csv;
    bool has_row = true;

    if (data->n_columns == 0)
        return err_set(err, RC_INVALID, "a CSV source needs 'columns'");
    arena_init(&header, ROW_ARENA_BYTES);
    enum rc rc = csv_open(text, &header, &csv, err);
    for (size_t c = 0; rc == RC_OK && c < data->n_columns; c++) {
        bool found = false;

        for (size_t i = 0; i < csv.n_columns; i++)
            found = found || str_equal(csv.columns[i], data->columns[c].column.text);
        if (!found)
            rc = err_set(err, RC_INVALID, "line 1: no column '%.*s'",
                         STR_ARG(data->columns[c].column.text));
    }
    while (rc == RC_OK && has_row) {
        struct arena scratch;
        struct csv_row row;

        arena_init(&scratch, ROW_ARENA_BYTES);
        rc = csv_next(&csv, &scratch, &has_row, &row, err);
        if (rc == RC_OK && has_row)
            rc = add_csv_row(reading, &csv, &row, &scratch, err);
        arena_release(&scratch);
    }
    arena_release(&header);
    return rc;
}

/* What begins like a packed or binary file is refused at once, whatever its name. */
static enum rc check_is_text(struct str bytes, struct err *err)
{
    static const struct {
        const char *magic, *what;
    } kinds[] = {
        { "PK\003\004", "a zip archive or a spreadsheet" },
        { "\x1F\x8B", "a gzip file" },
        { "PAR1", "a parquet file" },
        { "\xD0\xCF\x11\xE0", "an old spreadsheet" },
        { "\x28\xB5\x2F\xFD", "a zstd file" },
        { "\xFF\xFE", "UTF-16" },
        { "\xFE\xFF", "UTF-16" },
    };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_starts_with(bytes, kinds[i].magic))
            return err_set(err, RC_INVALID, "looks like %s, expected UTF-8 text", kinds[i].what);
    return RC_OK;
}

static enum rc read_source(struct reading *reading, struct str bytes, struct err *err)
{
    struct dataset_source *source = &reading->dataset->sources[reading->source];
    enum rc rc = sha256_of(bytes.at, bytes.len, &source->digest, err);

    if (rc == RC_OK)
        rc = check_is_text(bytes, err);
    if (rc)
        return rc;
    if (reading->data && reading->data->format == SPEC_CSV)
        return read_csv(reading, bytes, err);
    if (str_starts_with(bytes, "\xEF\xBB\xBF"))
        bytes = (struct str){ bytes.at + 3, bytes.len - 3 };
    return read_jsonl(reading, bytes, err);
}

/* The whole file at once: what is hashed is what is read, though the file may change meanwhile. */
static enum rc read_file(struct reading *reading, struct err *err)
{
    struct arena file;
    struct str bytes;
    struct str name = reading->data->path.text;
    char path[FS_PATH_MAX];

    if (name.len > 0 && name.at[0] == '/')
        snprintf(path, sizeof(path), "%.*s", STR_ARG(name));
    else
        snprintf(path, sizeof(path), "%s/%.*s", reading->spec->dir, STR_ARG(name));
    arena_init(&file, (size_t)DATASET_FILE_BYTES_MAX + 4096);
    enum rc rc = fs_read_file(path, DATASET_FILE_BYTES_MAX, &file, &bytes, err);
    if (rc == RC_OK)
        rc = read_source(reading, bytes, err);
    arena_release(&file);
    if (rc)
        return err_context(err, "data '%.*s'", STR_ARG(name));
    return RC_OK;
}

enum rc dataset_read(const struct spec *spec, const struct dataset_options *options,
                     struct arena *arena, struct dataset *dataset, struct err *err)
{
    struct reading reading = { .spec = spec, .arena = arena, .dataset = dataset };
    enum rc rc = RC_OK;

    dataset->n_sources = spec->n_data + (options->feedback.len > 0);
    dataset->sources = arena_array(arena, struct dataset_source, dataset->n_sources + 1);
    dataset->rows = arena_array(arena, struct dataset_row, DATASET_ROWS_MAX);
    if (!dataset->sources || !dataset->rows)
        return arena_fail(arena, err, "dataset");
    for (size_t s = 0; rc == RC_OK && s < spec->n_data; s++) {
        reading.data = &spec->data[s];
        reading.source = s;
        reading.split = spec->data[s].split;
        dataset->sources[s].name = spec->data[s].path.text;
        rc = read_file(&reading, err);
    }
    if (rc || options->feedback.len == 0)
        return rc;
    reading.data = NULL;
    reading.source = spec->n_data;
    reading.split = SPEC_SPLIT_TRAIN;
    dataset->sources[spec->n_data].name = STR("feedback");
    rc = read_source(&reading, options->feedback, err);
    return rc ? err_context(err, "feedback") : RC_OK;
}
