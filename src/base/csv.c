#include "base/csv.h"

#include "base/utf8.h"

static enum rc fail(uint32_t line, const char *what, struct err *err)
{
    return err_set(err, RC_INVALID, "line %u: %s", line, what);
}

static bool at_line_end(const struct csv *csv)
{
    return csv->at == csv->end || *csv->at == '\n' ||
           (*csv->at == '\r' && csv->end - csv->at > 1 && csv->at[1] == '\n');
}

static void skip_line_end(struct csv *csv)
{
    if (csv->at < csv->end && *csv->at == '\r')
        csv->at++;
    if (csv->at < csv->end) {
        csv->at++;
        csv->line++;
    }
}

/* After the opening quote: unescapes into text (room for all of the rest up to the closing quote).
 */
static enum rc read_quoted(struct csv *csv, struct arena *arena, struct str *ret_field,
                           struct err *err)
{
    uint32_t opened = csv->line;
    const char *close = ++csv->at;

    while (close < csv->end && !(*close == '"' && (close + 1 == csv->end || close[1] != '"')))
        close += *close == '"' ? 2 : 1;
    if (close >= csv->end)
        return fail(opened, "quoted field is never closed", err);

    char *text = arena_array(arena, char, (size_t)(close - csv->at) + 1);
    size_t len = 0;
    if (!text)
        return arena_fail(arena, err, "CSV row");
    for (; csv->at < close; csv->at++) {
        csv->line += *csv->at == '\n';
        csv->at += *csv->at == '"'; /* the first of a pair */
        text[len++] = *csv->at;
    }
    csv->at++;
    if (!at_line_end(csv) && *csv->at != ',')
        return fail(csv->line, "text after a closing quote, expected ',' or the end of the line",
                    err);
    *ret_field = (struct str){ text, len };
    return RC_OK;
}

static enum rc read_unquoted(struct csv *csv, struct arena *arena, struct str *ret_field,
                             struct err *err)
{
    const char *start = csv->at;

    for (; !at_line_end(csv) && *csv->at != ','; csv->at++) {
        if (*csv->at == '"')
            return fail(csv->line, "quote inside an unquoted field", err);
        if (*csv->at == '\r')
            return fail(csv->line, "carriage return without a line feed", err);
    }
    size_t len = (size_t)(csv->at - start);
    char *text = arena_strndup(arena, start, len);
    if (!text)
        return arena_fail(arena, err, "CSV row");
    *ret_field = (struct str){ text, len };
    return RC_OK;
}

static enum rc read_field(struct csv *csv, struct arena *arena, struct str *ret_field,
                          struct err *err)
{
    uint32_t line = csv->line;
    bool quoted = csv->at < csv->end && *csv->at == '"';
    enum rc rc = quoted ? read_quoted(csv, arena, ret_field, err)
                        : read_unquoted(csv, arena, ret_field, err);

    if (rc)
        return rc;
    if (!utf8_valid(*ret_field))
        return fail(line, "invalid UTF-8", err);
    if (ret_field->len > 0 && memchr(ret_field->at, '\0', ret_field->len))
        return fail(line, "NUL byte", err);
    return RC_OK;
}

/* Reads a row of at most `room` fields; *ret_n may be room + 1, then the last was not kept. */
static enum rc read_row(struct csv *csv, struct arena *arena, struct str *fields, size_t room,
                        size_t *ret_n, struct err *err)
{
    size_t n = 0;

    for (;;) {
        struct str field = { 0 };
        enum rc rc = read_field(csv, arena, &field, err);

        if (rc)
            return rc;
        if (n < room)
            fields[n] = field;
        n += n <= room;
        if (at_line_end(csv))
            break;
        csv->at++; /* the comma */
    }
    skip_line_end(csv);
    *ret_n = n;
    return RC_OK;
}

static size_t count_columns(const struct csv *csv)
{
    size_t n = 1;
    bool quoted = false;

    for (const char *at = csv->at; at < csv->end && (quoted || *at != '\n'); at++) {
        quoted ^= *at == '"';
        n += *at == ',' && !quoted;
    }
    return n;
}

static enum rc check_columns(const struct str *columns, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (columns[i].len == 0)
            return err_set(err, RC_INVALID, "line 1: column %zu has no name", i + 1);
        for (size_t j = 0; j < i; j++)
            if (str_equal(columns[i], columns[j]))
                return err_set(err, RC_INVALID, "line 1: column '%.*s' appears twice",
                               columns[i].len > 100 ? 100 : (int)columns[i].len, columns[i].at);
    }
    return RC_OK;
}

enum rc csv_open(struct str text, struct arena *arena, struct csv *ret_csv, struct err *err)
{
    struct csv csv = { .at = text.at ? text.at : "", .line = 1 };
    size_t n;

    csv.end = csv.at + text.len;
    if (str_starts_with(text, "\xEF\xBB\xBF"))
        csv.at += 3;
    if (csv.at == csv.end)
        return fail(1, "no header, expected column names", err);
    csv.n_columns = count_columns(&csv);
    if (csv.n_columns > CSV_COLUMNS_MAX)
        return err_set(err, RC_LIMIT, "line 1: more than %d columns", CSV_COLUMNS_MAX);

    struct str *columns = arena_array(arena, struct str, csv.n_columns);
    if (!columns)
        return arena_fail(arena, err, "CSV header");
    enum rc rc = read_row(&csv, arena, columns, csv.n_columns, &n, err);
    if (rc)
        return rc;
    ASSERT(n == csv.n_columns);
    rc = check_columns(columns, n, err);
    if (rc)
        return rc;
    csv.columns = columns;
    *ret_csv = csv;
    return RC_OK;
}

enum rc csv_next(struct csv *csv, struct arena *arena, bool *ret_has_row, struct csv_row *ret_row,
                 struct err *err)
{
    uint32_t line = csv->line;
    size_t n;

    if (csv->at == csv->end) {
        *ret_has_row = false;
        return RC_OK;
    }
    struct str *fields = arena_array(arena, struct str, csv->n_columns);
    if (!fields)
        return arena_fail(arena, err, "CSV row");
    enum rc rc = read_row(csv, arena, fields, csv->n_columns, &n, err);
    if (rc)
        return rc;
    if (n != csv->n_columns)
        return err_set(err, RC_INVALID, "line %u: %s fields, expected %zu", line,
                       n < csv->n_columns ? "too few" : "too many", csv->n_columns);
    *ret_has_row = true;
    *ret_row = (struct csv_row){ line, fields };
    return RC_OK;
}
