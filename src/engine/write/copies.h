/*
 * copies.h - what a written text may copy: numbers, dates, amounts, ids and names only as they
 * stand in its sources.
 *
 * A text is read as words. A word is a run of letters, digits, '%' and of the marks . , : / - # _
 * between them. It is *bound* when it has a digit or a '%', or when it begins with a capital and no
 * sentence begins there (after the start, or after . ! ? : and blanks or quotes). The rules:
 *
 *   1. A bound word is one of the owner's own words ("I", the shop's name), or it stands in a
 *      source, as a whole word and in the same letters.
 *   2. Neighbours stay neighbours: bound words with one blank between them stand like that in a
 *      source. So "2 December 2026" or "14.40 EUR" is copied as one, and "Jonas Wirth" is not made
 *      of two people. An own word ends such a row.
 *
 * A character beyond ASCII directly behind a bound word is copied too (it may be a part of it).
 *
 * One automaton is the check and the grammar. It is fed a text in pieces of any size, and says
 * after each whether a text that goes on like this can still be one: what a writer asks of every
 * token before it takes it (writer.h). There are no dead ends: what is refused is the piece, and
 * from every state that was reached some piece leads on.
 *
 * What it does not see: a number in words, a wrong name at the beginning of a sentence, and a right
 * number in the wrong place. The must-rules of a spec are for those.
 */
#ifndef ENGINE_COPIES_H
#define ENGINE_COPIES_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COPIES_ROW_MAX = 240, /* bytes of neighbouring bound words, or of one word */
};

/* Immutable; borrows nothing but the arena. */
struct copies {
    struct str text; /* the sources, one line each, blanks made one */
    size_t n_own;
    const struct str *own;
};

/* Where a text stands; a plain value, so that a try is a copy of it. */
struct copies_state {
    char row[COPIES_ROW_MAX]; /* the bound words before, and the word being read */
    size_t n_row;             /* bytes */
    size_t word;              /* where in row the word being read begins */
    size_t n_marks;           /* bytes at its end that belong to it only if it goes on */
    bool in_word, is_bound;
    bool begins_sentence; /* the next word does */
    bool follows;         /* a bound word and one blank stand directly before */
    char tail[4];         /* a character of which bytes are missing */
    size_t n_tail;
};

/**
 * @param sources  (n,), UTF-8; copied
 * @param own      (n_own,), words that need no source; copied
 * @return RC_OK, RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc copies_new(const struct str *sources, size_t n, const struct str *own,
                              size_t n_own, struct arena *arena, struct copies *ret_copies,
                              struct err *err);

struct copies_state copies_begin(void);

/* Reads on. false: no text that goes on like this obeys the rules, or it is no UTF-8, or a word is
 * too long; the state is then of no use any more. */
bool copies_feed(const struct copies *copies, struct copies_state *state, struct str piece);

/* May the text end here? */
bool copies_end(const struct copies *copies, const struct copies_state *state);

/* Does a word of the text begin, or end, at this place in it, or stand there no word at all? */
bool copies_begins_word(struct str text, const char *at);
bool copies_ends_word(struct str text, const char *at);

/* A whole text at once. *ret_at, when it is refused: the byte after which no text is one; may be
 * NULL. */
bool copies_check(const struct copies *copies, struct str text, size_t *ret_at);

#endif
