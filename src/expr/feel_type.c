/* feel_type.c - types: their names, their texts, and which values belong to them. */
#include "expr/feel_parser_internal.h"

static const struct {
    const char *name;
    enum feel_kind kind;
} kinds[] = {
    { "null", FEEL_NULL },
    { "boolean", FEEL_BOOLEAN },
    { "number", FEEL_NUMBER },
    { "string", FEEL_STRING },
    { "date", FEEL_DATE },
    { "time", FEEL_TIME },
    { "date and time", FEEL_DATE_TIME },
    { "days and time duration", FEEL_DAYS_DURATION },
    { "years and months duration", FEEL_MONTHS_DURATION },
    { "list", FEEL_LIST },
    { "context", FEEL_CONTEXT },
    { "range", FEEL_RANGE },
    { "function", FEEL_FUNCTION },
    { "any", FEEL_ANY },
};

const char *feel_kind_name(enum feel_kind kind)
{
    return kinds[kind].name;
}

/* ---- texts ---- */

static void append_fields(struct buf *out, const struct feel_type *type)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        buf_append_text(out, i ? ", " : "");
        buf_append_str(out, type->fields[i].name);
        buf_append_text(out, ": ");
        feel_append_type(out, &type->fields[i].type);
    }
}

void feel_append_type(struct buf *out, const struct feel_type *type)
{
    buf_append_text(out, feel_kind_name(type->kind));
    if (type->kind == FEEL_CONTEXT && type->n_fields > 0) {
        buf_append_char(out, '<');
        append_fields(out, type);
        buf_append_char(out, '>');
    } else if (type->item) {
        buf_append_char(out, '<');
        feel_append_type(out, type->item);
        buf_append_char(out, '>');
    }
    if (type->optional)
        buf_append_char(out, '?');
}

/* ---- parsing ---- */

static bool find_kind(struct str name, enum feel_kind *ret)
{
    if (str_is(name, "Any") || str_is(name, "Null")) {
        *ret = name.at[0] == 'A' ? FEEL_ANY : FEEL_NULL;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_is(name, kinds[i].name) && kinds[i].kind != FEEL_ANY) {
            *ret = kinds[i].kind;
            return true;
        }
    }
    return false;
}

/* The longest type name that the next tokens spell, so that "date and time" is not "date". */
static bool take_kind(struct feel_parser *p, enum feel_kind *ret)
{
    struct feel_lexer after = p->lexer;
    struct feel_lexer start = p->lexer;
    char name[FEEL_BUILTIN_NAME_MAX];
    bool found = false;
    size_t len = 0;

    while (p->lexer.token.kind == TOKEN_NAME) {
        struct str word = p->lexer.token.text;

        if (len + word.len + 1 >= sizeof(name))
            break;
        if (len > 0)
            name[len++] = ' ';
        memcpy(name + len, word.at, word.len);
        len += word.len;
        feel_lexer_next(&p->lexer);
        if (find_kind((struct str){ name, len }, ret)) {
            found = true;
            after = p->lexer;
        }
    }
    p->lexer = found ? after : start;
    return found;
}

static bool parse_item(struct feel_parser *p, struct feel_type *type)
{
    if (!feel_parser_take(p, "<"))
        return true;
    type->item = feel_parse_type(p);
    return type->item && feel_parser_expect(p, ">");
}

static bool add_field(struct feel_parser *p, struct feel_type *type, struct str name)
{
    struct feel_field *fields = arena_array(p->arena, struct feel_field, type->n_fields + 1);
    struct feel_type *field_type = feel_parse_type(p);

    if (!fields) {
        feel_parser_no_memory(p);
        return false;
    }
    if (!field_type)
        return false;
    if (type->n_fields)
        memcpy(fields, type->fields, type->n_fields * sizeof(*fields));
    fields[type->n_fields].type = *field_type;
    fields[type->n_fields].type.optional = true;
    type->fields = fields;
    return feel_parser_copy(p, name, &fields[type->n_fields++].name);
}

static bool parse_fields(struct feel_parser *p, struct feel_type *type)
{
    type->open = true;
    if (!feel_parser_take(p, "<") || feel_parser_take(p, ">"))
        return true;
    do {
        struct feel_token name = p->lexer.token;

        if (name.kind != TOKEN_NAME)
            return feel_parser_expected(p, "an entry's name");
        feel_lexer_next(&p->lexer);
        if (!feel_parser_expect(p, ":") || !add_field(p, type, name.text))
            return false;
    } while (feel_parser_take(p, ","));
    return feel_parser_expect(p, ">");
}

/* function<T, ...> -> R: the parameters are fields without names, R is the item. */
static bool parse_signature(struct feel_parser *p, struct feel_type *type)
{
    if (!feel_parser_take(p, "<"))
        return true;
    if (!feel_parser_at(p, ">")) {
        do {
            if (!add_field(p, type, STR("")))
                return false;
        } while (feel_parser_take(p, ","));
    }
    if (!feel_parser_expect(p, ">") || !feel_parser_expect(p, "->"))
        return false;
    type->item = feel_parse_type(p);
    return type->item != NULL;
}

struct feel_type *feel_parse_type(struct feel_parser *p)
{
    struct feel_type *type = arena_new(p->arena, struct feel_type);
    bool ok = true;

    if (!type)
        return feel_parser_no_memory(p);
    if (!feel_parser_enter(p))
        return NULL;
    if (!take_kind(p, &type->kind))
        return feel_parser_expected(p, "a type");
    if (type->kind == FEEL_LIST || type->kind == FEEL_RANGE)
        ok = parse_item(p, type);
    else if (type->kind == FEEL_CONTEXT)
        ok = parse_fields(p, type);
    else if (type->kind == FEEL_FUNCTION)
        ok = parse_signature(p, type);
    p->depth--;
    return ok ? type : NULL;
}

/* ---- membership ---- */

static bool is_context_of(const struct feel_value *v, const struct feel_type *type)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct feel_value *entry = feel_find(v, type->fields[i].name);

        if (!entry ? !type->fields[i].type.optional || type->open
                   : !feel_is_instance(entry, &type->fields[i].type))
            return false;
    }
    return true;
}

static bool is_list_of(const struct feel_value *v, const struct feel_type *item)
{
    for (size_t i = 0; i < v->list.n; i++)
        if (!feel_is_instance(&v->list.items[i], item))
            return false;
    return true;
}

static bool is_range_of(const struct feel_range *range, const struct feel_type *item)
{
    return (!range->has_low || feel_is_instance(&range->low, item)) &&
           (!range->has_high || feel_is_instance(&range->high, item));
}

bool feel_type_looks_inside(const struct feel_type *type)
{
    return type->item || type->n_fields > 0;
}

bool feel_is_instance(const struct feel_value *v, const struct feel_type *type)
{
    if (v->kind == FEEL_NULL)
        return type->optional || type->kind == FEEL_NULL;
    if (type->kind == FEEL_ANY)
        return true;
    if (v->kind != type->kind)
        return false;
    if (v->kind == FEEL_CONTEXT)
        return is_context_of(v, type);
    if (v->kind == FEEL_LIST && type->item)
        return is_list_of(v, type->item);
    if (v->kind == FEEL_RANGE && type->item)
        return is_range_of(v->range, type->item);
    return true;
}

enum rc feel_coerce(const struct feel_value *v, const struct feel_type *type, struct arena *arena,
                    struct feel_value *ret, struct err *err)
{
    if (v->kind == FEEL_NULL || feel_is_instance(v, type)) {
        *ret = *v;
        return RC_OK;
    }
    if (type->kind != FEEL_LIST && v->kind == FEEL_LIST && v->list.n == 1 &&
        feel_is_instance(&v->list.items[0], type)) {
        *ret = v->list.items[0];
        return RC_OK;
    }
    if (type->kind == FEEL_LIST && v->kind != FEEL_LIST &&
        (!type->item || feel_is_instance(v, type->item))) {
        struct feel_value *item = arena_new(arena, struct feel_value);

        if (!item)
            return arena_fail(arena, err, "list of one");
        *item = *v;
        *ret = (struct feel_value){ .kind = FEEL_LIST, .list = { 1, item } };
        return RC_OK;
    }
    if (type->kind == FEEL_DATE_TIME && v->kind == FEEL_DATE) {
        *ret = *v; /* a date is midnight UTC where a date and time is declared */
        ret->kind = FEEL_DATE_TIME;
        ret->moment.zone = FEEL_ZONE_OFFSET;
        return RC_OK;
    }
    *ret = (struct feel_value){ .kind = FEEL_NULL };
    return RC_OK;
}
