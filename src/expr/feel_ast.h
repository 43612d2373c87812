/*
 * feel_ast.h - the tree of a parsed FEEL expression.
 *
 * One node type for all forms, so that every walker (evaluator, checker, explanation) visits
 * children in one loop. What `kids`, `names` and the other fields hold is said per kind.
 */
#ifndef EXPR_FEEL_AST_H
#define EXPR_FEEL_AST_H

#include "expr/feel.h"

enum feel_node_kind {
    FEEL_NODE_LITERAL,  /* value */
    FEEL_NODE_NAME,     /* name */
    FEEL_NODE_PATH,     /* kids[0] . name */
    FEEL_NODE_FILTER,   /* kids[0] [ kids[1] ] */
    FEEL_NODE_CALL,     /* kids[0] ( kids[1..] ); names: NULL, or one per argument */
    FEEL_NODE_NEGATE,   /* - kids[0] */
    FEEL_NODE_BINARY,   /* kids[0] op kids[1] */
    FEEL_NODE_BETWEEN,  /* kids[0] between kids[1] and kids[2] */
    FEEL_NODE_IN,       /* kids[0] in (kids[1..]); negated: none of them */
    FEEL_NODE_INSTANCE, /* kids[0] instance of type */
    FEEL_NODE_IF,       /* if kids[0] then kids[1] else kids[2] */
    FEEL_NODE_FOR,      /* for names[i] in kids[i] return the last kid */
    FEEL_NODE_SOME,     /* some names[i] in kids[i] satisfies the last kid */
    FEEL_NODE_EVERY,
    FEEL_NODE_SPAN,     /* kids[0] .. kids[1] of a for */
    FEEL_NODE_LIST,     /* kids */
    FEEL_NODE_CONTEXT,  /* names[i]: kids[i] */
    FEEL_NODE_RANGE,    /* kids[0] .. kids[1] with low_closed, high_closed */
    FEEL_NODE_TEST,     /* op kids[0]: the range "< 10" */
    FEEL_NODE_FUNCTION, /* function(names) kids[0]; types: one per parameter */
};

enum feel_operator {
    FEEL_OR,
    FEEL_AND,
    FEEL_EQUAL,
    FEEL_NOT_EQUAL,
    FEEL_LESS,
    FEEL_LESS_EQUAL,
    FEEL_GREATER,
    FEEL_GREATER_EQUAL,
    FEEL_ADD,
    FEEL_SUBTRACT,
    FEEL_MULTIPLY,
    FEEL_DIVIDE,
    FEEL_POWER,
};

const char *feel_operator_text(enum feel_operator op); /* "<=" */

struct feel_node {
    enum feel_node_kind kind;
    uint32_t line, column; /* of its operator or first token, from 1; column in bytes */
    enum feel_operator op;
    unsigned height; /* 1 for a leaf; at most FEEL_DEPTH_MAX */
    bool negated, low_closed, high_closed;
    bool reads_tested; /* FEEL_NODE_IN's tests: names "?" itself */
    struct str name;
    struct feel_value value;
    struct feel_type *type;  /* FEEL_NODE_INSTANCE */
    struct feel_type *types; /* FEEL_NODE_FUNCTION */
    size_t n_kids, n_names;
    struct feel_node **kids;
    struct str *names;
};

struct feel {
    struct str text; /* copy */
    struct feel_node *root;
};

#endif
