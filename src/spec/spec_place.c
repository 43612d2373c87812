/* Where in the file a character of an expression is, however the scalar was written. */
#include "spec/spec_internal.h"

#include <stdarg.h>
#include <stdio.h>

/* Line and column of the file. */
struct place {
    uint32_t line, column;
};

static const char *line_start(struct str source, uint32_t line)
{
    const char *at = source.at, *end = str_end(source);

    for (uint32_t i = 1; i < line && at < end; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    return at;
}

/* Characters of the line at `at`, and how many blanks begin it. */
static uint32_t line_length(struct str source, const char *at, uint32_t *ret_indent)
{
    const char *end = str_end(source);
    uint32_t n = 0;

    *ret_indent = 0;
    for (; at < end && *at != '\n' && *at != '\r'; at++) {
        *ret_indent += *at == ' ' && *ret_indent == n;
        n += ((unsigned char)*at & 0xC0) != 0x80;
    }
    return n;
}

/* Folding replaces each line break and the blanks around it by one blank; `column` counts over the
 * whole text. */
static struct place place_in_folded(struct str source, uint32_t line, uint32_t column)
{
    uint32_t indent, length = line_length(source, line_start(source, line), &indent);

    while (column > length - indent + 1 && line_start(source, line + 1) < str_end(source)) {
        column -= length - indent + 1;
        line++;
        length = line_length(source, line_start(source, line), &indent);
    }
    return (struct place){ line, indent + column };
}

/* The character at the text's place says how the scalar was written. */
static struct place place_of(struct str source, const struct spec_text *text, uint32_t line,
                             uint32_t column)
{
    const char *at = line_start(source, text->line), *end = str_end(source);
    uint32_t indent;

    for (uint32_t skipped = 1; at < end && skipped < text->column; at++)
        skipped += at + 1 < end && ((unsigned char)at[1] & 0xC0) != 0x80;
    char first = at < end ? *at : '\0';
    if (first == '|') {
        line_length(source, line_start(source, text->line + line), &indent);
        return (struct place){ text->line + line, indent + column };
    }
    if (first == '>')
        return place_in_folded(source, text->line + 1, column);
    return (struct place){ text->line, text->column + column - (first != '"' && first != '\'') };
}

void spec_wrong_inside(struct spec_reading *r, const struct spec_text *text, const char *code,
                       uint32_t line, uint32_t column, const char *fmt, ...)
{
    struct place at = place_of(r->source, text, line, column);
    char message[PROBLEM_MESSAGE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    problem_add(r->problems, PROBLEM_ERROR, code, r->file, at.line, at.column, "%s", message);
}
