/* feel_parser_internal.h - what feel_parser.c (operators) and feel_primary.c (operands) share. */
#ifndef EXPR_FEEL_PARSER_INTERNAL_H
#define EXPR_FEEL_PARSER_INTERNAL_H

#include "expr/feel_ast.h"
#include "expr/feel_internal.h"
#include "expr/feel_lexer.h"

struct feel_parser {
    struct feel_lexer lexer;
    struct arena *arena;
    struct err *err;
    unsigned depth;
    struct feel_node *given; /* an operand already read, which the next primary is */
    bool saw_tested;         /* the name "?" was read since the innermost `in` began */
};

/* Each fills the error and returns NULL, to be returned. */
void *feel_parser_expected(struct feel_parser *p, const char *what);
void *feel_parser_no_memory(struct feel_parser *p);

bool feel_parser_at(const struct feel_parser *p, const char *symbol_or_word);
bool feel_parser_take(struct feel_parser *p, const char *symbol_or_word);
bool feel_parser_expect(struct feel_parser *p, const char *symbol_or_word); /* false: error set */
bool feel_parser_enter(struct feel_parser *p); /* one level deeper; false: error set */
bool feel_parser_copy(struct feel_parser *p, struct str text, struct str *ret);

struct feel_node *feel_parser_node(struct feel_parser *p, enum feel_node_kind kind);
bool feel_parser_add_kid(struct feel_parser *p, struct feel_node *node, struct feel_node *kid);
bool feel_parser_add_name(struct feel_parser *p, struct feel_node *node, struct str name);

struct feel_node *feel_parse_expression(struct feel_parser *p);
struct feel_node *feel_parse_test(struct feel_parser *p); /* "< 5", or an expression */
struct feel_node *feel_parse_postfix(struct feel_parser *p);
/* Behind "(" and inner: ")" or the rest of the range "(inner..x]". */
struct feel_node *feel_parse_parenthesis_end(struct feel_parser *p, struct feel_node *range,
                                             struct feel_node *inner);
struct feel_type *feel_parse_type(struct feel_parser *p);

#endif
