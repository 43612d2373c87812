/*
 * form.h - what an SLM that writes may write: its output fields, a line each, every value within
 * bounds of its own.
 *
 *   company: BOOK TA .K SDN BHD
 *   date: 25/12/2018
 *   total: 9.00
 *   note: Dear Ilse, ...
 *
 * A value is
 *   of a list   one of given texts: labels, or what was found in the input
 *   a span      a piece of one line of the sources, from the beginning of a word to the end of one
 *   a text      anything that obeys copies.h. The last field alone; it may have line ends.
 * A field that is optional may have none: nothing behind its colon. A form of a text alone is that
 * text, without its name.
 *
 * One automaton is the grammar of the writer and the check, as in copies.h: it is fed a form in
 * pieces of any size, and from every state that was reached some piece leads on to the end, when
 * each field that is not optional has a value it may take (form_lacks()).
 */
#ifndef ENGINE_FORM_H
#define ENGINE_FORM_H

#include "engine/write/copies.h"

enum form_kind { FORM_LIST, FORM_SPAN, FORM_TEXT };

/* All borrowed. No name, and no text of a list, has a line end. */
struct form_field {
    struct str name;
    enum form_kind kind;
    bool optional;
    size_t n_items; /* FORM_LIST */
    const struct str *items;
    size_t min_length, max_length; /* FORM_SPAN: characters */
};

struct form {
    size_t n_fields; /* 1 or more */
    const struct form_field *fields;
    const struct copies *copies; /* the sources of spans, the rules of a text */
};

/* Where a form stands; a plain value, so that a try is a copy of it. */
struct form_state {
    size_t field;
    size_t n_label; /* bytes of what stands before its value */
    bool in_value;
    size_t first, len; /* of the value: the first text of the list, or the first place in the
                          sources, that begins with what is written; and bytes of that */
    struct copies_state copied; /* FORM_TEXT */
};

struct form_state form_begin(const struct form *form);

/* Reads on. false: no form goes on like this; the state is then of no use any more. */
bool form_feed(const struct form *form, struct form_state *state, struct str piece);

/* May the form end here? */
bool form_end(const struct form *form, const struct form_state *state);

/* A whole form: where its values stand in it, (n_fields,); at is NULL where there is none. false:
 * it is no such form. */
bool form_split(const struct form *form, struct str whole, struct str *ret_values);

/* Has the field no value that it may take? An optional one may still be left empty. */
bool form_lacks(const struct form *form, size_t field);

/* May the field have this value? */
bool form_takes(const struct form *form, size_t field, struct str value);

#endif
