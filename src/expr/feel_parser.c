/*
 * feel_parser.c - recursive descent over the tokens, precedence climbing for the operators.
 *
 * Every parse_ function returns its node, or NULL after it has filled the error; the caller passes
 * the NULL on. Nesting is bounded twice: p->depth by FEEL_DEPTH_MAX while parsing, and node->height
 * for chains such as 1+1+1+..., which nest in the tree only.
 */
#include "expr/feel_parser_internal.h"

#include "base/utf8.h"
#include "expr/feel_lexer.h"

#include <stdio.h>

enum level { LEVEL_OR = 1, LEVEL_AND, LEVEL_COMPARE, LEVEL_ADD, LEVEL_MULTIPLY, LEVEL_POWER };

static const struct {
    const char *text;
    enum feel_operator op;
    enum level level;
} operators[] = {
    { "or", FEEL_OR, LEVEL_OR },
    { "and", FEEL_AND, LEVEL_AND },
    { "=", FEEL_EQUAL, LEVEL_COMPARE },
    { "!=", FEEL_NOT_EQUAL, LEVEL_COMPARE },
    { "<", FEEL_LESS, LEVEL_COMPARE },
    { "<=", FEEL_LESS_EQUAL, LEVEL_COMPARE },
    { ">", FEEL_GREATER, LEVEL_COMPARE },
    { ">=", FEEL_GREATER_EQUAL, LEVEL_COMPARE },
    { "+", FEEL_ADD, LEVEL_ADD },
    { "-", FEEL_SUBTRACT, LEVEL_ADD },
    { "*", FEEL_MULTIPLY, LEVEL_MULTIPLY },
    { "/", FEEL_DIVIDE, LEVEL_MULTIPLY },
    { "**", FEEL_POWER, LEVEL_POWER },
};

const char *feel_operator_text(enum feel_operator op)
{
    for (size_t i = 0; i < ARRAY_LEN(operators); i++)
        if (operators[i].op == op)
            return operators[i].text;
    return "?";
}

/* ---- tokens, errors, nodes ---- */

void *feel_parser_expected(struct feel_parser *p, const char *what)
{
    const struct feel_token *t = &p->lexer.token;
    int shown = t->text.len < 40 ? (int)t->text.len : 40;

    if (t->kind == TOKEN_END)
        err_set(p->err, RC_INVALID, "line %u, column %u: expected %s, found the end", t->line,
                t->column, what);
    else if (t->kind == TOKEN_BROKEN && strchr("\"`@", t->text.at[0]))
        err_set(p->err, RC_INVALID, "line %u, column %u: text without closing quote", t->line,
                t->column);
    else
        err_set(p->err, RC_INVALID, "line %u, column %u: expected %s, found '%.*s'", t->line,
                t->column, what, shown, t->text.at);
    return NULL;
}

bool feel_parser_at(const struct feel_parser *p, const char *symbol_or_word)
{
    const struct feel_token *t = &p->lexer.token;

    return (t->kind == TOKEN_SYMBOL || t->kind == TOKEN_NAME) && str_is(t->text, symbol_or_word);
}

bool feel_parser_take(struct feel_parser *p, const char *symbol_or_word)
{
    if (!feel_parser_at(p, symbol_or_word))
        return false;
    feel_lexer_next(&p->lexer);
    return true;
}

bool feel_parser_expect(struct feel_parser *p, const char *symbol_or_word)
{
    char what[32];

    if (feel_parser_take(p, symbol_or_word))
        return true;
    snprintf(what, sizeof(what), "'%s'", symbol_or_word);
    feel_parser_expected(p, what);
    return false;
}

void *feel_parser_no_memory(struct feel_parser *p)
{
    arena_fail(p->arena, p->err, "expression");
    return NULL;
}

bool feel_parser_copy(struct feel_parser *p, struct str text, struct str *ret)
{
    char *copy = arena_strndup(p->arena, text.at, text.len);

    if (!copy) {
        feel_parser_no_memory(p);
        return false;
    }
    *ret = (struct str){ copy, text.len };
    return true;
}

struct feel_node *feel_parser_node(struct feel_parser *p, enum feel_node_kind kind)
{
    struct feel_node *node = arena_new(p->arena, struct feel_node);

    if (!node)
        return feel_parser_no_memory(p);
    node->kind = kind;
    node->line = p->lexer.token.line;
    node->column = p->lexer.token.column;
    node->height = 1;
    return node;
}

bool feel_parser_add_kid(struct feel_parser *p, struct feel_node *node, struct feel_node *kid)
{
    if (!kid)
        return false;
    /* Grown at powers of two; the old array stays in the arena until the whole goes. */
    if ((node->n_kids & (node->n_kids - 1)) == 0) {
        size_t capacity = node->n_kids ? 2 * node->n_kids : 1;
        struct feel_node **kids = arena_array(p->arena, struct feel_node *, capacity);

        if (!kids) {
            feel_parser_no_memory(p);
            return false;
        }
        if (node->n_kids)
            memcpy(kids, node->kids, node->n_kids * sizeof(struct feel_node *));
        node->kids = kids;
    }
    node->kids[node->n_kids++] = kid;
    if (kid->height >= node->height)
        node->height = kid->height + 1;
    if (node->height <= FEEL_DEPTH_MAX)
        return true;
    err_set(p->err, RC_LIMIT, "line %u, column %u: nested deeper than %d", node->line, node->column,
            FEEL_DEPTH_MAX);
    return false;
}

bool feel_parser_add_name(struct feel_parser *p, struct feel_node *node, struct str name)
{
    struct str copy = { 0 };

    if (name.len > 0 && !feel_parser_copy(p, name, &copy))
        return false;
    if ((node->n_names & (node->n_names - 1)) == 0) {
        size_t capacity = node->n_names ? 2 * node->n_names : 1;
        struct str *names = arena_array(p->arena, struct str, capacity);

        if (!names) {
            feel_parser_no_memory(p);
            return false;
        }
        if (node->n_names)
            memcpy(names, node->names, node->n_names * sizeof(*names));
        node->names = names;
    }
    node->names[node->n_names++] = copy;
    return true;
}

bool feel_parser_enter(struct feel_parser *p)
{
    if (++p->depth <= FEEL_DEPTH_MAX)
        return true;
    err_set(p->err, RC_LIMIT, "line %u, column %u: nested deeper than %d", p->lexer.token.line,
            p->lexer.token.column, FEEL_DEPTH_MAX);
    return false;
}

/* ---- operators ---- */

static bool find_operator(const struct feel_parser *p, size_t *ret_index)
{
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        if (feel_parser_at(p, operators[i].text)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static struct feel_node *parse_binary(struct feel_parser *p, enum level lowest);

static struct feel_node *parse_unary(struct feel_parser *p)
{
    struct feel_node *node = NULL;

    if (!feel_parser_enter(p))
        return NULL;
    if (!feel_parser_at(p, "-")) {
        node = feel_parse_postfix(p);
    } else {
        node = feel_parser_node(p, FEEL_NODE_NEGATE);
        if (!node)
            return NULL;
        feel_lexer_next(&p->lexer);
        if (!feel_parser_add_kid(p, node, parse_unary(p)))
            return NULL;
    }
    p->depth--;
    return node;
}

struct feel_node *feel_parse_test(struct feel_parser *p)
{
    size_t i;

    if (!find_operator(p, &i) || operators[i].level != LEVEL_COMPARE)
        return feel_parse_expression(p);

    struct feel_node *test = feel_parser_node(p, FEEL_NODE_TEST);
    if (!test)
        return NULL;
    test->op = operators[i].op;
    feel_lexer_next(&p->lexer);
    return feel_parser_add_kid(p, test, parse_binary(p, LEVEL_ADD)) ? test : NULL;
}

/* "(1, < 5)" is a list of tests; "(2..4)" and "(a + b) * 2" are operands of which the parenthesis
 * is the beginning, which only what follows the first element tells. */
static bool parse_in_parenthesis(struct feel_parser *p, struct feel_node *in)
{
    struct feel_node *range = feel_parser_node(p, FEEL_NODE_RANGE);

    if (!range)
        return false;
    feel_lexer_next(&p->lexer);
    struct feel_node *first = feel_parse_test(p);
    if (!first)
        return false;
    if (!feel_parser_at(p, ",")) {
        p->given = feel_parse_parenthesis_end(p, range, first);
        return p->given && feel_parser_add_kid(p, in, parse_binary(p, LEVEL_ADD));
    }
    if (!feel_parser_add_kid(p, in, first))
        return false;
    while (feel_parser_take(p, ","))
        if (!feel_parser_add_kid(p, in, feel_parse_test(p)))
            return false;
    return feel_parser_expect(p, ")");
}

static bool parse_in(struct feel_parser *p, struct feel_node *in)
{
    bool outer = p->saw_tested;
    bool ok;
    size_t i;

    p->saw_tested = false;
    feel_lexer_next(&p->lexer);
    if (feel_parser_at(p, "("))
        ok = parse_in_parenthesis(p, in);
    else if (find_operator(p, &i) && operators[i].level == LEVEL_COMPARE)
        ok = feel_parser_add_kid(p, in, feel_parse_test(p));
    else
        ok = feel_parser_add_kid(p, in, parse_binary(p, LEVEL_ADD));
    in->reads_tested = p->saw_tested;
    p->saw_tested = outer;
    return ok;
}

static bool parse_between(struct feel_parser *p, struct feel_node *between)
{
    feel_lexer_next(&p->lexer);
    return feel_parser_add_kid(p, between, parse_binary(p, LEVEL_ADD)) &&
           feel_parser_expect(p, "and") &&
           feel_parser_add_kid(p, between, parse_binary(p, LEVEL_ADD));
}

static bool parse_instance(struct feel_parser *p, struct feel_node *instance)
{
    feel_lexer_next(&p->lexer);
    if (!feel_parser_expect(p, "of"))
        return false;
    instance->type = feel_parse_type(p);
    return instance->type != NULL;
}

/* between, in, instance of: they follow their left operand at the level of the comparisons. */
static struct feel_node *parse_relation(struct feel_parser *p, struct feel_node *left)
{
    enum feel_node_kind kind = feel_parser_at(p, "between") ? FEEL_NODE_BETWEEN
                               : feel_parser_at(p, "in")    ? FEEL_NODE_IN
                                                            : FEEL_NODE_INSTANCE;
    struct feel_node *node = feel_parser_node(p, kind);

    if (!node || !feel_parser_add_kid(p, node, left))
        return NULL;
    bool ok = kind == FEEL_NODE_BETWEEN ? parse_between(p, node)
              : kind == FEEL_NODE_IN    ? parse_in(p, node)
                                        : parse_instance(p, node);
    return ok ? node : NULL;
}

static struct feel_node *parse_binary(struct feel_parser *p, enum level lowest)
{
    struct feel_node *left = parse_unary(p);
    size_t i;

    while (left) {
        if (lowest <= LEVEL_COMPARE && (feel_parser_at(p, "between") || feel_parser_at(p, "in") ||
                                        feel_parser_at(p, "instance"))) {
            left = parse_relation(p, left);
            continue;
        }
        if (!find_operator(p, &i) || operators[i].level < lowest)
            return left;

        struct feel_node *node = feel_parser_node(p, FEEL_NODE_BINARY);
        if (!node)
            return NULL;
        node->op = operators[i].op;
        feel_lexer_next(&p->lexer);
        if (!feel_parser_add_kid(p, node, left) ||
            !feel_parser_add_kid(p, node, parse_binary(p, operators[i].level + 1)))
            return NULL;
        left = node;
    }
    return NULL;
}

struct feel_node *feel_parse_expression(struct feel_parser *p)
{
    if (!feel_parser_enter(p))
        return NULL;
    struct feel_node *node = parse_binary(p, LEVEL_OR);
    p->depth--;
    return node;
}

/* ---- the two entry points ---- */

typedef struct feel_node *parse_root_fn(struct feel_parser *p);

static enum rc parse_whole(struct str text, struct arena *arena, parse_root_fn *parse_root,
                           struct feel **ret_feel, struct err *err)
{
    struct feel_parser p = { .arena = arena, .err = err };

    if (text.len > FEEL_TEXT_MAX)
        return err_set(err, RC_LIMIT, "expression of %zu bytes, at most %d", text.len,
                       FEEL_TEXT_MAX);
    if (!utf8_valid(text))
        return err_set(err, RC_INVALID, "expression is not UTF-8");

    struct feel *feel = arena_new(arena, struct feel);
    if (!feel)
        return arena_fail(arena, err, "expression");
    /* Tokens point into our copy, so that nodes may keep slices of it. */
    if (!feel_parser_copy(&p, text, &feel->text))
        return err->code;

    feel_lexer_init(&p.lexer, feel->text);
    feel->root = parse_root(&p);
    if (feel->root && p.lexer.token.kind != TOKEN_END) {
        feel_parser_expected(&p, "an operator or the end");
        return err->code;
    }
    if (!feel->root)
        return err->code;
    *ret_feel = feel;
    return RC_OK;
}

enum rc feel_parse(struct str text, struct arena *arena, struct feel **ret_feel, struct err *err)
{
    return parse_whole(text, arena, feel_parse_expression, ret_feel, err);
}

static struct feel_node *parse_tests(struct feel_parser *p)
{
    struct feel_node *in = feel_parser_node(p, FEEL_NODE_IN);
    struct feel_node *tested = in ? feel_parser_node(p, FEEL_NODE_NAME) : NULL;

    if (!tested)
        return NULL;
    tested->name = STR("?");
    if (feel_parser_take(p, "-")) {
        in->kind = FEEL_NODE_LITERAL;
        in->value = feel_boolean(true);
        return in;
    }
    if (!feel_parser_add_kid(p, in, tested))
        return NULL;

    if (feel_parser_at(p, "not")) {
        feel_lexer_next(&p->lexer);
        in->negated = true;
        if (!feel_parser_expect(p, "("))
            return NULL;
    }
    do {
        if (!feel_parser_add_kid(p, in, feel_parse_test(p)))
            return NULL;
    } while (feel_parser_take(p, ","));
    in->reads_tested = p->saw_tested;
    if (in->negated && !feel_parser_expect(p, ")"))
        return NULL;
    return in;
}

enum rc feel_parse_tests(struct str text, struct arena *arena, struct feel **ret_feel,
                         struct err *err)
{
    return parse_whole(text, arena, parse_tests, ret_feel, err);
}
