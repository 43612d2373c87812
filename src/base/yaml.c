#include "base/json_internal.h"
#include "base/utf8.h"
#include "base/yaml_internal.h"

#include <inttypes.h>
#include <yaml.h>

struct reading {
    yaml_parser_t parser;
    struct json_builder builder;
    bool needs_key[JSON_DEPTH_MAX + 1]; /* by depth: the next scalar is a key */
    bool has_document;
};

static enum rc fail_at(yaml_mark_t mark, const char *what, struct err *err)
{
    return err_set(err, RC_INVALID, "line %zu, column %zu: %s", mark.line + 1, mark.column + 1,
                   what);
}

static enum rc fail_parse(const yaml_parser_t *parser, struct err *err)
{
    const char *problem = parser->problem ? parser->problem : "not YAML";

    if (parser->error == YAML_MEMORY_ERROR)
        return err_set(err, RC_NOMEM, "YAML text");
    return fail_at(parser->error == YAML_READER_ERROR ? parser->mark : parser->problem_mark,
                   problem, err);
}

/* Skips digits; false when there is none. */
static bool skip_digits(struct str *rest, char last)
{
    size_t n = 0;

    while (n < rest->len && rest->at[n] >= '0' && rest->at[n] <= last)
        n++;
    rest->at += n;
    rest->len -= n;
    return n > 0;
}

static bool skip_char(struct str *rest, char wanted)
{
    if (rest->len == 0 || rest->at[0] != wanted)
        return false;
    rest->at++;
    rest->len--;
    return true;
}

static bool is_one_of(struct str text, const char *const words[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(text, words[i]))
            return true;
    return false;
}

/* 0x1F and 0o17. */
static bool is_prefixed_integer(struct str text)
{
    if (str_starts_with(text, "0o")) {
        struct str digits = { text.at + 2, text.len - 2 };
        return skip_digits(&digits, '7') && digits.len == 0;
    }
    if (!str_starts_with(text, "0x") || text.len == 2)
        return false;
    for (size_t i = 2; i < text.len; i++) {
        char c = (char)(text.at[i] | 0x20);
        bool is_hex = (text.at[i] >= '0' && text.at[i] <= '9') || (c >= 'a' && c <= 'f');
        if (!is_hex)
            return false;
    }
    return true;
}

/* YAML 1.2.2, 10.3.2: [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static enum yaml_plain number_or_text(struct str text)
{
    static const char *const special[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN" };
    struct str rest = text;
    bool is_json = !skip_char(&rest, '+');

    if (is_json)
        skip_char(&rest, '-');
    if (is_prefixed_integer(text) || is_one_of(rest, special, ARRAY_LEN(special)))
        return YAML_PLAIN_OTHER_NUMBER;

    bool has_leading_zero =
        rest.len > 1 && rest.at[0] == '0' && rest.at[1] >= '0' && rest.at[1] <= '9';
    bool has_integer = skip_digits(&rest, '9');
    bool has_point = skip_char(&rest, '.');
    bool has_fraction = has_point && skip_digits(&rest, '9');
    if (!has_integer && !has_fraction)
        return YAML_PLAIN_TEXT;
    if (skip_char(&rest, 'e') || skip_char(&rest, 'E')) {
        if (!skip_char(&rest, '+'))
            skip_char(&rest, '-');
        if (!skip_digits(&rest, '9'))
            return YAML_PLAIN_TEXT;
    }
    if (rest.len > 0)
        return YAML_PLAIN_TEXT;
    is_json = is_json && has_integer && !has_leading_zero && has_point == has_fraction;
    return is_json ? YAML_PLAIN_NUMBER : YAML_PLAIN_OTHER_NUMBER;
}

enum yaml_plain yaml_plain_of(struct str text)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
    static const char *const trues[] = { "true", "True", "TRUE" };
    static const char *const falses[] = { "false", "False", "FALSE" };

    if (is_one_of(text, nulls, ARRAY_LEN(nulls)))
        return YAML_PLAIN_NULL;
    if (is_one_of(text, trues, ARRAY_LEN(trues)))
        return YAML_PLAIN_TRUE;
    if (is_one_of(text, falses, ARRAY_LEN(falses)))
        return YAML_PLAIN_FALSE;
    return number_or_text(text);
}

static enum rc copy_text(struct reading *r, struct str text, struct str *ret_copy, struct err *err)
{
    char *copy = arena_strndup(r->builder.arena, text.at, text.len);

    if (!copy)
        return arena_fail(r->builder.arena, err, "YAML text");
    *ret_copy = (struct str){ copy, text.len };
    return RC_OK;
}

static enum rc read_plain(struct reading *r, struct str text, yaml_mark_t mark, struct json *v,
                          struct err *err)
{
    switch (yaml_plain_of(text)) {
    case YAML_PLAIN_NULL: v->type = JSON_NULL; return RC_OK;
    case YAML_PLAIN_TRUE:
        v->type = JSON_BOOL;
        v->boolean = true;
        return RC_OK;
    case YAML_PLAIN_FALSE: v->type = JSON_BOOL; return RC_OK;
    case YAML_PLAIN_OTHER_NUMBER:
        return fail_at(mark, "number is not written as in JSON: write it so, or quote it", err);
    case YAML_PLAIN_NUMBER:
        if (text.len > JSON_NUMBER_LEN_MAX)
            return err_set(err, RC_LIMIT, "line %zu, column %zu: number of %zu characters",
                           mark.line + 1, mark.column + 1, text.len);
        v->type = JSON_NUMBER;
        return copy_text(r, text, &v->text, err);
    case YAML_PLAIN_TEXT: v->type = JSON_STRING; return copy_text(r, text, &v->text, err);
    }
    assert_fail("yaml_plain_of() gives an enum yaml_plain", __FILE__, __LINE__);
}

static enum rc refuse_extras(yaml_mark_t mark, const yaml_char_t *anchor, const yaml_char_t *tag,
                             struct err *err)
{
    if (anchor)
        return fail_at(mark, "anchors are not supported: write the value where it is needed", err);
    return tag ? fail_at(mark, "tags are not supported", err) : RC_OK;
}

static enum rc read_key(struct reading *r, const yaml_event_t *event, struct err *err)
{
    struct str text = { (const char *)event->data.scalar.value, event->data.scalar.length };
    yaml_mark_t mark = event->start_mark;

    if (event->type != YAML_SCALAR_EVENT)
        return fail_at(mark, "a key must be text", err);
    if (text.len > YAML_KEY_LEN_MAX)
        return err_set(err, RC_LIMIT, "line %zu, column %zu: key of %zu bytes, at most %d",
                       mark.line + 1, mark.column + 1, text.len, YAML_KEY_LEN_MAX);
    enum rc rc = refuse_extras(mark, event->data.scalar.anchor, event->data.scalar.tag, err);
    if (!rc)
        rc = json_builder_push(&r->builder, err);
    if (rc)
        return rc;

    struct json_member *m = json_builder_slot(&r->builder);
    m->line = (uint32_t)mark.line + 1;
    m->column = (uint32_t)mark.column + 1;
    r->needs_key[r->builder.depth] = false;
    return copy_text(r, text, &m->key, err);
}

static enum rc read_scalar(struct reading *r, const yaml_event_t *event, struct json *v,
                           struct err *err)
{
    struct str text = { (const char *)event->data.scalar.value, event->data.scalar.length };
    enum rc rc =
        refuse_extras(event->start_mark, event->data.scalar.anchor, event->data.scalar.tag, err);

    if (rc)
        return rc;
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return read_plain(r, text, event->start_mark, v, err);
    v->type = JSON_STRING;
    return copy_text(r, text, &v->text, err);
}

static enum rc open_container(struct reading *r, enum json_type type, struct err *err)
{
    enum rc rc = json_builder_open(&r->builder, type, err);

    if (!rc)
        r->needs_key[r->builder.depth] = type == JSON_OBJECT;
    return rc;
}

/* A scalar or the start of a container: as a key, or into the slot where a value is due. */
static enum rc read_node(struct reading *r, const yaml_event_t *event, struct err *err)
{
    enum rc rc = RC_OK;

    if (r->needs_key[r->builder.depth])
        return read_key(r, event, err);
    if (r->builder.depth == 0 || json_builder_in(&r->builder) == JSON_ARRAY)
        rc = json_builder_push(&r->builder, err);
    if (rc)
        return rc;

    r->needs_key[r->builder.depth] =
        r->builder.depth > 0 && json_builder_in(&r->builder) == JSON_OBJECT;
    struct json *v = &json_builder_slot(&r->builder)->value;
    v->line = (uint32_t)event->start_mark.line + 1;
    v->column = (uint32_t)event->start_mark.column + 1;
    if (event->type == YAML_SCALAR_EVENT)
        return read_scalar(r, event, v, err);
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        rc = refuse_extras(event->start_mark, event->data.sequence_start.anchor,
                           event->data.sequence_start.tag, err);
        return rc ? rc : open_container(r, JSON_ARRAY, err);
    }
    rc = refuse_extras(event->start_mark, event->data.mapping_start.anchor,
                       event->data.mapping_start.tag, err);
    return rc ? rc : open_container(r, JSON_OBJECT, err);
}

static enum rc begin_document(struct reading *r, const yaml_event_t *event, struct err *err)
{
    if (r->has_document)
        return fail_at(event->start_mark, "a second document, expected one", err);
    if (event->data.document_start.version_directive ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end)
        return fail_at(event->start_mark, "directives are not supported", err);
    r->has_document = true;
    return RC_OK;
}

static enum rc read_event(struct reading *r, const yaml_event_t *event, struct err *err)
{
    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: return RC_OK;
    case YAML_DOCUMENT_START_EVENT: return begin_document(r, event, err);
    case YAML_ALIAS_EVENT:
        return fail_at(event->start_mark, "aliases are not supported: write the value again", err);
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT: return read_node(r, event, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return json_builder_close(&r->builder, JSON_DUPLICATES_REFUSED, err);
    }
    assert_fail("libyaml gave a known event", __FILE__, __LINE__);
}

static enum rc read_events(struct reading *r, struct err *err)
{
    yaml_event_t event;
    yaml_event_type_t type;

    do {
        if (!yaml_parser_parse(&r->parser, &event))
            return fail_parse(&r->parser, err);
        type = event.type;
        enum rc rc = read_event(r, &event, err);
        yaml_event_delete(&event);
        if (rc)
            return rc;
    } while (type != YAML_STREAM_END_EVENT);
    return r->has_document
               ? RC_OK
               : err_set(err, RC_INVALID, "line 1, column 1: no document, expected one");
}

/* libyaml says only at which byte a text stops being UTF-8, and reads UTF-16 unasked. */
static enum rc refuse_non_utf8(struct str text, struct err *err)
{
    size_t line = 1, column = 1;
    uint32_t c;

    for (const char *at = text.at, *end = str_end(text); at < end; column++) {
        size_t len = utf8_decode(at, end, &c);
        if (len == 0)
            return err_set(err, RC_INVALID, "line %zu, column %zu: invalid UTF-8", line, column);
        if (c == '\n') {
            line++;
            column = 0;
        }
        at += len;
    }
    return RC_OK;
}

enum rc yaml_parse(struct str text, struct arena *arena, struct json **ret_json, struct err *err)
{
    struct reading r = { .builder = { .arena = arena } };
    const char *at = text.at ? text.at : "";

    if (text.len > YAML_BYTES_MAX)
        return err_set(err, RC_LIMIT, "YAML text of %zu bytes, at most %d", text.len,
                       YAML_BYTES_MAX);
    enum rc rc = refuse_non_utf8((struct str){ at, text.len }, err);
    if (rc)
        return rc;
    if (!yaml_parser_initialize(&r.parser))
        return err_set(err, RC_NOMEM, "YAML text");

    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)at, text.len);
    rc = read_events(&r, err);
    if (!rc)
        rc = json_builder_end(&r.builder, ret_json, err);
    json_builder_release(&r.builder);
    yaml_parser_delete(&r.parser);
    return rc;
}
