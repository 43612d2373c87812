/* feel_primary.c - the operands of an expression: literals, names, brackets, forms with keywords.
 */
#include "expr/feel_parser_internal.h"

/* Words that begin or join other forms and so cannot be a name where an operand is expected. */
static const char *const keywords[] = { "and",  "or",     "in",        "between", "instance",
                                        "then", "return", "satisfies", "else" };

static bool is_keyword(struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (str_is(word, keywords[i]))
            return true;
    return false;
}

static bool starts_operand(const struct feel_token *t)
{
    switch (t->kind) {
    case TOKEN_NUMBER:
    case TOKEN_STRING:
    case TOKEN_AT:
    case TOKEN_QUOTED: return true;
    case TOKEN_NAME: return !is_keyword(t->text);
    case TOKEN_SYMBOL: return strchr("-([]{", t->text.at[0]) && t->text.len == 1;
    case TOKEN_END:
    case TOKEN_BROKEN: return false;
    }
    return false;
}

/* ---- literals and names ---- */

static struct feel_node *parse_literal(struct feel_parser *p, struct feel_value value)
{
    struct feel_node *node = feel_parser_node(p, FEEL_NODE_LITERAL);

    if (!node)
        return NULL;
    node->value = value;
    feel_lexer_next(&p->lexer);
    return node;
}

static struct feel_node *parse_number(struct feel_parser *p)
{
    struct feel_value value = { .kind = FEEL_NUMBER };

    if (!decimal_parse(p->lexer.token.text, &value.number))
        return feel_parser_expected(p, "a number that decimal128 can hold");
    return parse_literal(p, value);
}

static bool decode_string_token(struct feel_parser *p, size_t prefix, struct str *ret)
{
    struct str text = p->lexer.token.text;
    struct str raw = { text.at + prefix, text.len - prefix - 1 };

    if (feel_decode_string(raw, p->arena, ret, p->err) == RC_OK)
        return true;
    err_context(p->err, "line %u, column %u", p->lexer.token.line, p->lexer.token.column);
    return false;
}

static struct feel_node *parse_string(struct feel_parser *p)
{
    struct str text;

    return decode_string_token(p, 1, &text) ? parse_literal(p, feel_string(text)) : NULL;
}

static struct feel_node *parse_at_literal(struct feel_parser *p)
{
    struct feel_value value = { 0 };
    struct str text;

    if (!decode_string_token(p, 2, &text))
        return NULL;
    if (!feel_parse_temporal(text, &value))
        return feel_parser_expected(p, "a date, time or duration after '@'");
    return parse_literal(p, value);
}

static struct feel_node *parse_named(struct feel_parser *p, struct str name)
{
    struct feel_node *node = feel_parser_node(p, FEEL_NODE_NAME);

    if (!node || !feel_parser_copy(p, name, &node->name))
        return NULL;
    if (str_is(name, "?"))
        p->saw_tested = true;
    return node;
}

/* "date and time (" is one name when a built-in function is called so; the longest wins. NULL: no
 * such name here. */
static const char *builtin_name_here(const struct feel_parser *p, struct feel_lexer *ret_after)
{
    struct feel_parser ahead = *p;
    const char *longest = NULL;
    char name[FEEL_BUILTIN_NAME_MAX];
    size_t len = 0;

    while (ahead.lexer.token.kind == TOKEN_NAME) {
        struct str word = ahead.lexer.token.text;

        if (len + word.len + 1 >= sizeof(name))
            break;
        if (len > 0)
            name[len++] = ' ';
        memcpy(name + len, word.at, word.len);
        len += word.len;
        feel_lexer_next(&ahead.lexer);
        const char *found = feel_builtin_name((struct str){ name, len });
        if (found && feel_parser_at(&ahead, "(")) {
            longest = found;
            *ret_after = ahead.lexer;
        }
    }
    return longest;
}

static struct feel_node *parse_name(struct feel_parser *p)
{
    struct str text = p->lexer.token.text;

    if (p->lexer.token.kind == TOKEN_QUOTED) {
        text = (struct str){ text.at + 1, text.len - 2 };
        if (text.len == 0)
            return feel_parser_expected(p, "a name between the backquotes");
    }
    struct feel_node *node = parse_named(p, text);
    if (node)
        feel_lexer_next(&p->lexer);
    return node;
}

/* ---- brackets ---- */

static struct feel_node *parse_range_rest(struct feel_parser *p, struct feel_node *range,
                                          struct feel_node *low)
{
    range->kind = FEEL_NODE_RANGE;
    if (!feel_parser_expect(p, "..") || !feel_parser_add_kid(p, range, low) ||
        !feel_parser_add_kid(p, range, feel_parse_expression(p)))
        return NULL;
    if (feel_parser_take(p, "]"))
        range->high_closed = true;
    else if (!feel_parser_take(p, ")") && !feel_parser_take(p, "["))
        return feel_parser_expected(p, "']', ')' or '[' at the end of the range");
    return range;
}

struct feel_node *feel_parse_parenthesis_end(struct feel_parser *p, struct feel_node *range,
                                             struct feel_node *inner)
{
    if (feel_parser_at(p, ".."))
        return parse_range_rest(p, range, inner);
    return feel_parser_expect(p, ")") ? inner : NULL;
}

static struct feel_node *parse_parenthesis(struct feel_parser *p)
{
    struct feel_node *range = feel_parser_node(p, FEEL_NODE_RANGE);

    if (!range)
        return NULL;
    feel_lexer_next(&p->lexer);
    struct feel_node *inner = feel_parse_test(p);
    return inner ? feel_parse_parenthesis_end(p, range, inner) : NULL;
}

static struct feel_node *parse_bracket(struct feel_parser *p)
{
    struct feel_node *list = feel_parser_node(p, FEEL_NODE_LIST);
    bool low_open = feel_parser_at(p, "]");

    if (!list)
        return NULL;
    feel_lexer_next(&p->lexer);
    if (!low_open && feel_parser_take(p, "]"))
        return list;

    struct feel_node *first = feel_parse_expression(p);
    if (!first)
        return NULL;
    if (low_open || feel_parser_at(p, "..")) {
        list->low_closed = !low_open;
        return parse_range_rest(p, list, first);
    }
    if (!feel_parser_add_kid(p, list, first))
        return NULL;
    while (feel_parser_take(p, ","))
        if (!feel_parser_add_kid(p, list, feel_parse_expression(p)))
            return NULL;
    return feel_parser_expect(p, "]") ? list : NULL;
}

/* The key at the current token, which is left behind the colon. */
static bool parse_key(struct feel_parser *p, struct str *ret_key)
{
    const struct feel_token *t = &p->lexer.token;
    size_t colon;

    if (t->kind == TOKEN_STRING) {
        if (!decode_string_token(p, 1, ret_key))
            return false;
        feel_lexer_next(&p->lexer);
        return feel_parser_expect(p, ":");
    }
    if (t->kind == TOKEN_QUOTED) {
        *ret_key = (struct str){ t->text.at + 1, t->text.len - 2 };
        feel_lexer_next(&p->lexer);
        return feel_parser_expect(p, ":");
    }
    if (!feel_lexer_key(&p->lexer, true, ret_key, &colon)) {
        feel_parser_expected(p, "a key and ':'");
        return false;
    }
    feel_lexer_skip_to(&p->lexer, colon + 1);
    return true;
}

static bool has_name(const struct feel_node *node, struct str name)
{
    for (size_t i = 0; i < node->n_names; i++)
        if (str_equal(node->names[i], name))
            return true;
    return false;
}

static struct feel_node *parse_context(struct feel_parser *p)
{
    struct feel_node *context = feel_parser_node(p, FEEL_NODE_CONTEXT);

    if (!context)
        return NULL;
    feel_lexer_next(&p->lexer);
    if (feel_parser_take(p, "}"))
        return context;
    do {
        struct feel_token at = p->lexer.token;
        struct str key;

        if (!parse_key(p, &key))
            return NULL;
        if (has_name(context, key)) {
            err_set(p->err, RC_INVALID, "line %u, column %u: key '%.*s' a second time", at.line,
                    at.column, (int)(key.len < 60 ? key.len : 60), key.at);
            return NULL;
        }
        if (!feel_parser_add_name(p, context, key) ||
            !feel_parser_add_kid(p, context, feel_parse_expression(p)))
            return NULL;
    } while (feel_parser_take(p, ","));
    return feel_parser_expect(p, "}") ? context : NULL;
}

/* ---- forms with keywords ---- */

static struct feel_node *parse_if(struct feel_parser *p)
{
    struct feel_node *node = feel_parser_node(p, FEEL_NODE_IF);

    if (!node)
        return NULL;
    feel_lexer_next(&p->lexer);
    bool ok =
        feel_parser_add_kid(p, node, feel_parse_expression(p)) && feel_parser_expect(p, "then") &&
        feel_parser_add_kid(p, node, feel_parse_expression(p)) && feel_parser_expect(p, "else") &&
        feel_parser_add_kid(p, node, feel_parse_expression(p));
    return ok ? node : NULL;
}

static bool parse_identifier(struct feel_parser *p, struct str *ret)
{
    const struct feel_token *t = &p->lexer.token;

    if (t->kind == TOKEN_QUOTED && t->text.len > 2) {
        *ret = (struct str){ t->text.at + 1, t->text.len - 2 };
    } else if (t->kind == TOKEN_NAME && !is_keyword(t->text)) {
        *ret = t->text;
    } else {
        feel_parser_expected(p, "a name");
        return false;
    }
    feel_lexer_next(&p->lexer);
    return true;
}

/* "a" or "a..b" behind `in`. */
static struct feel_node *parse_source(struct feel_parser *p)
{
    struct feel_node *low = feel_parse_expression(p);

    if (!low || !feel_parser_at(p, ".."))
        return low;
    struct feel_node *span = feel_parser_node(p, FEEL_NODE_SPAN);
    if (!span)
        return NULL;
    feel_lexer_next(&p->lexer);
    bool ok =
        feel_parser_add_kid(p, span, low) && feel_parser_add_kid(p, span, feel_parse_expression(p));
    return ok ? span : NULL;
}

static struct feel_node *parse_iteration(struct feel_parser *p, enum feel_node_kind kind)
{
    struct feel_node *node = feel_parser_node(p, kind);
    struct str name;

    if (!node)
        return NULL;
    feel_lexer_next(&p->lexer);
    do {
        if (node->n_names == FEEL_ITERATORS_MAX)
            return feel_parser_expected(p, "at most 16 iterators");
        if (!parse_identifier(p, &name) || !feel_parser_add_name(p, node, name) ||
            !feel_parser_expect(p, "in") || !feel_parser_add_kid(p, node, parse_source(p)))
            return NULL;
    } while (feel_parser_take(p, ","));
    if (!feel_parser_expect(p, kind == FEEL_NODE_FOR ? "return" : "satisfies"))
        return NULL;
    return feel_parser_add_kid(p, node, feel_parse_expression(p)) ? node : NULL;
}

static bool parse_parameter(struct feel_parser *p, struct feel_node *node)
{
    static const struct feel_type any = { .kind = FEEL_ANY, .optional = true };
    struct feel_type *type = NULL;
    struct str name;

    if (!parse_identifier(p, &name))
        return false;
    if (has_name(node, name)) {
        feel_parser_expected(p, "parameters of different names");
        return false;
    }
    if (feel_parser_take(p, ":")) {
        type = feel_parse_type(p);
        if (!type)
            return false;
    }
    struct feel_type *types = arena_array(p->arena, struct feel_type, node->n_names + 1);
    if (!types) {
        feel_parser_no_memory(p);
        return false;
    }
    if (node->n_names)
        memcpy(types, node->types, node->n_names * sizeof(*types));
    types[node->n_names] = type ? *type : any;
    node->types = types;
    return feel_parser_add_name(p, node, name);
}

static struct feel_node *parse_function(struct feel_parser *p)
{
    struct feel_node *node = feel_parser_node(p, FEEL_NODE_FUNCTION);

    if (!node)
        return NULL;
    feel_lexer_next(&p->lexer);
    if (!feel_parser_expect(p, "("))
        return NULL;
    if (!feel_parser_at(p, ")")) {
        do {
            if (!parse_parameter(p, node))
                return NULL;
        } while (feel_parser_take(p, ","));
    }
    if (!feel_parser_expect(p, ")"))
        return NULL;
    if (feel_parser_at(p, "external")) {
        err_set(p->err, RC_UNSUPPORTED, "line %u, column %u: external functions are not supported",
                node->line, node->column);
        return NULL;
    }
    return feel_parser_add_kid(p, node, feel_parse_expression(p)) ? node : NULL;
}

/* ---- operands ---- */

static struct feel_node *parse_word(struct feel_parser *p)
{
    struct feel_lexer after;
    const char *builtin = builtin_name_here(p, &after);

    if (builtin) {
        struct feel_node *node = parse_named(p, str_of(builtin));
        p->lexer = after;
        return node;
    }
    if (feel_parser_at(p, "true"))
        return parse_literal(p, feel_boolean(true));
    if (feel_parser_at(p, "false"))
        return parse_literal(p, feel_boolean(false));
    if (feel_parser_at(p, "null"))
        return parse_literal(p, (struct feel_value){ .kind = FEEL_NULL });
    if (feel_parser_at(p, "if"))
        return parse_if(p);
    if (feel_parser_at(p, "for"))
        return parse_iteration(p, FEEL_NODE_FOR);
    if (feel_parser_at(p, "some"))
        return parse_iteration(p, FEEL_NODE_SOME);
    if (feel_parser_at(p, "every"))
        return parse_iteration(p, FEEL_NODE_EVERY);
    if (feel_parser_at(p, "function"))
        return parse_function(p);
    if (is_keyword(p->lexer.token.text))
        return feel_parser_expected(p, "a value");
    return parse_name(p);
}

static struct feel_node *parse_primary(struct feel_parser *p)
{
    if (p->given)
        return TAKE(p->given);
    switch (p->lexer.token.kind) {
    case TOKEN_NUMBER: return parse_number(p);
    case TOKEN_STRING: return parse_string(p);
    case TOKEN_AT: return parse_at_literal(p);
    case TOKEN_QUOTED: return parse_name(p);
    case TOKEN_NAME: return parse_word(p);
    case TOKEN_SYMBOL:
        if (feel_parser_at(p, "("))
            return parse_parenthesis(p);
        if (feel_parser_at(p, "[") || feel_parser_at(p, "]"))
            return parse_bracket(p);
        if (feel_parser_at(p, "{"))
            return parse_context(p);
        return feel_parser_expected(p, "a value");
    case TOKEN_END:
    case TOKEN_BROKEN: return feel_parser_expected(p, "a value");
    }
    return NULL;
}

/* The standard's properties with a blank: "time offset", "start included", "end included". */
static const char *property_with_blank(struct feel_parser *p)
{
    static const char *const properties[][3] = { { "time", "offset", "time offset" },
                                                 { "start", "included", "start included" },
                                                 { "end", "included", "end included" } };

    for (size_t i = 0; i < ARRAY_LEN(properties); i++) {
        struct feel_lexer start = p->lexer;

        if (feel_parser_take(p, properties[i][0]) && feel_parser_take(p, properties[i][1]))
            return properties[i][2];
        p->lexer = start;
    }
    return NULL;
}

static struct feel_node *parse_path(struct feel_parser *p, struct feel_node *of)
{
    struct feel_node *node = feel_parser_node(p, FEEL_NODE_PATH);

    if (!node)
        return NULL;
    feel_lexer_next(&p->lexer);
    const char *blank = property_with_blank(p);
    if (blank) {
        node->name = str_of(blank);
        return feel_parser_add_kid(p, node, of) ? node : NULL;
    }
    struct str text = p->lexer.token.text;
    if (p->lexer.token.kind == TOKEN_QUOTED)
        text = (struct str){ text.at + 1, text.len - 2 };
    else if (p->lexer.token.kind != TOKEN_NAME)
        return feel_parser_expected(p, "a name after '.'");
    node->line = p->lexer.token.line;
    node->column = p->lexer.token.column;
    if (!feel_parser_copy(p, text, &node->name) || !feel_parser_add_kid(p, node, of))
        return NULL;
    feel_lexer_next(&p->lexer);
    return node;
}

static struct feel_node *parse_filter(struct feel_parser *p, struct feel_node *of)
{
    struct feel_node *node = feel_parser_node(p, FEEL_NODE_FILTER);

    if (!node)
        return NULL;
    feel_lexer_next(&p->lexer);
    bool ok = feel_parser_add_kid(p, node, of) &&
              feel_parser_add_kid(p, node, feel_parse_expression(p)) && feel_parser_expect(p, "]");
    return ok ? node : NULL;
}

static bool parse_argument(struct feel_parser *p, struct feel_node *call)
{
    bool first = call->n_kids == 1;
    struct str key;
    size_t colon;

    if (feel_lexer_key(&p->lexer, false, &key, &colon)) {
        if (!first && call->n_names == 0) {
            feel_parser_expected(p, "arguments all by position or all by name");
            return false;
        }
        if (has_name(call, key)) {
            feel_parser_expected(p, "another parameter name");
            return false;
        }
        if (!feel_parser_add_name(p, call, key))
            return false;
        feel_lexer_skip_to(&p->lexer, colon + 1);
    } else if (call->n_names > 0) {
        feel_parser_expected(p, "a parameter name and ':'");
        return false;
    }
    return feel_parser_add_kid(p, call, feel_parse_expression(p));
}

static struct feel_node *parse_call(struct feel_parser *p, struct feel_node *callee)
{
    struct feel_node *call = feel_parser_node(p, FEEL_NODE_CALL);

    if (!call || !feel_parser_add_kid(p, call, callee))
        return NULL;
    call->line = callee->line;
    call->column = callee->column;
    feel_lexer_next(&p->lexer);
    if (feel_parser_take(p, ")"))
        return call;
    do {
        if (!parse_argument(p, call))
            return NULL;
    } while (feel_parser_take(p, ","));
    return feel_parser_expect(p, ")") ? call : NULL;
}

/* A '[' is a filter only when an operand follows: in "[1..10[ = x" it ends the range. */
static bool at_filter(const struct feel_parser *p)
{
    struct feel_lexer ahead = p->lexer;

    if (!feel_parser_at(p, "["))
        return false;
    feel_lexer_next(&ahead);
    return starts_operand(&ahead.token);
}

struct feel_node *feel_parse_postfix(struct feel_parser *p)
{
    struct feel_node *node = parse_primary(p);

    while (node) {
        if (feel_parser_at(p, "."))
            node = parse_path(p, node);
        else if (at_filter(p))
            node = parse_filter(p, node);
        else if (feel_parser_at(p, "("))
            node = parse_call(p, node);
        else
            return node;
    }
    return NULL;
}
