#include "spec/problem.h"

#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>

void problem_init(struct problems *problems, struct arena *arena)
{
    *problems = (struct problems){ .arena = arena };
}

void problem_add(struct problems *problems, enum problem_severity severity, const char *code,
                 const char *file, uint32_t line, uint32_t column, const char *fmt, ...)
{
    char message[PROBLEM_MESSAGE_MAX];
    va_list ap;

    problems->n_errors += severity == PROBLEM_ERROR;
    if (problems->n == PROBLEMS_MAX || problems->failed)
        return;
    if (!problems->items)
        problems->items = arena_array(problems->arena, struct problem, PROBLEMS_MAX);

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    char *kept = problems->items ? arena_strndup(problems->arena, message, strlen(message)) : NULL;
    if (!kept) {
        problems->failed = problems->arena->over_limit ? RC_LIMIT : RC_NOMEM;
        return;
    }
    problems->items[problems->n++] = (struct problem){
        .severity = severity,
        .code = code,
        .file = file,
        .line = line,
        .column = column,
        .message = kept,
    };
}

enum rc problem_rc(const struct problems *problems, struct err *err)
{
    return problems->failed ? err_set(err, problems->failed, "list of problems") : RC_OK;
}

static const char *severity_name(enum problem_severity severity)
{
    switch (severity) {
    case PROBLEM_ERROR: return "error";
    case PROBLEM_NOTE: return "note";
    }
    assert_fail("severity is an enum problem_severity", __FILE__, __LINE__);
}

void problem_append_text(struct buf *out, const struct problems *problems)
{
    for (size_t i = 0; i < problems->n; i++) {
        const struct problem *p = &problems->items[i];

        buf_append_text(out, p->file);
        if (p->line > 0)
            buf_printf(out, ":%u:%u", p->line, p->column);
        buf_printf(out, ": %s: %s [%s]\n", severity_name(p->severity), p->message, p->code);
    }
    if (problems->n == PROBLEMS_MAX)
        buf_printf(out, "more than %d problems, the others are not listed\n", PROBLEMS_MAX - 1);
}

void problem_append_json(struct buf *out, const struct problems *problems)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_array(&w);
    for (size_t i = 0; i < problems->n; i++) {
        const struct problem *p = &problems->items[i];

        json_begin_object(&w);
        json_key(&w, "severity");
        json_text(&w, severity_name(p->severity));
        json_key(&w, "code");
        json_text(&w, p->code);
        json_key(&w, "file");
        json_text(&w, p->file);
        json_key(&w, "line");
        json_i64(&w, p->line);
        json_key(&w, "column");
        json_i64(&w, p->column);
        json_key(&w, "message");
        json_text(&w, p->message);
        json_end_object(&w);
    }
    json_end_array(&w);
}

enum { WORD_MAX = 64 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to insert, delete, replace or swap with their neighbour (Damerau 1964, restricted);
 * SIZE_MAX when a word is too long. */
static size_t edit_distance(struct str a, struct str b)
{
    size_t d[WORD_MAX + 1][WORD_MAX + 1]; /* of the first i letters of a to the first j of b */

    if (a.len > WORD_MAX || b.len > WORD_MAX)
        return SIZE_MAX;
    for (size_t i = 0; i <= a.len; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= b.len; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        for (size_t j = 1; j <= b.len; j++) {
            bool swapped =
                i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1];

            d[i][j] = smaller(smaller(d[i - 1][j], d[i][j - 1]) + 1,
                              d[i - 1][j - 1] + (a.at[i - 1] != b.at[j - 1]));
            if (swapped)
                d[i][j] = smaller(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.len][b.len];
}

const char *problem_suggest(struct str name, const struct str *words, size_t n, struct arena *arena)
{
    size_t best = n, limit = name.len >= 3 ? name.len / 3 : 1;
    char text[WORD_MAX + 32];

    for (size_t i = 0; i < n; i++) {
        size_t distance = edit_distance(name, words[i]);
        if (distance <= limit && (best == n || distance < limit)) {
            best = i;
            limit = distance;
        }
    }
    if (best == n)
        return "";
    snprintf(text, sizeof(text), ", did you mean '%.*s'?", STR_ARG(words[best]));
    char *kept = arena_strndup(arena, text, strlen(text));
    return kept ? kept : "";
}
