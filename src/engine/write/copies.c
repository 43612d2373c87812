#include "engine/write/copies.h"

#include "base/buf.h"
#include "base/macros.h"
#include "base/utf8.h"

#include <string.h>

enum kind {
    KIND_LETTER,
    KIND_CAPITAL,
    KIND_DIGIT,
    KIND_MARK, /* part of a word between others of it */
    KIND_BLANK,
    KIND_OTHER,
};

/* Capitals of Latin-1, Latin Extended-A, Greek and Cyrillic; letters of scripts without case, and
 * all that is rarer, count as small. */
static bool is_capital(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z';
    if (c < 0x100)
        return c >= 0xC0 && c <= 0xDE && c != 0xD7;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E))
        return c % 2 == 1;
    if (c < 0x180)
        return c % 2 == 0 && c != 0x138;
    return (c >= 0x391 && c <= 0x3A9) || (c >= 0x400 && c <= 0x42F);
}

static enum kind kind_of(uint32_t c)
{
    if (c < 0x80 && strchr(".,:/-#_", (int)c) && c != 0)
        return KIND_MARK;
    if (c >= '0' && c <= '9')
        return KIND_DIGIT;
    if (c <= ' ' || c == 0x7F || c == 0xA0)
        return KIND_BLANK;
    if (is_capital(c) || c == '%')
        return KIND_CAPITAL;
    if ((c >= 'a' && c <= 'z') || c == 0xAA || c == 0xB5 || c == 0xBA)
        return KIND_LETTER;
    if (c < 0xC0 || c == 0xD7 || c == 0xF7 || (c >= 0x2000 && c <= 0x2BFF) ||
        (c >= 0x3000 && c <= 0x303F))
        return KIND_OTHER;
    return KIND_LETTER;
}

static bool is_word_kind(enum kind kind)
{
    return kind == KIND_LETTER || kind == KIND_CAPITAL || kind == KIND_DIGIT;
}

/* The kind of the character that ends before `at`; KIND_OTHER at the beginning. */
static enum kind kind_before(struct str text, const char *at, const char **ret_begin)
{
    const char *begin = at;
    uint32_t c;

    *ret_begin = text.at;
    if (at == text.at)
        return KIND_OTHER;
    do
        begin--;
    while (begin > text.at && ((unsigned char)*begin & 0xC0) == 0x80);
    *ret_begin = begin;
    return utf8_decode(begin, at, &c) ? kind_of(c) : KIND_OTHER;
}

static enum kind kind_after(struct str text, const char *at, const char **ret_end)
{
    uint32_t c;
    size_t len = utf8_decode(at, str_end(text), &c);

    *ret_end = at + len;
    return len ? kind_of(c) : KIND_OTHER;
}

bool copies_begins_word(struct str text, const char *at)
{
    enum kind kind = kind_before(text, at, &at);

    while (kind == KIND_MARK)
        kind = kind_before(text, at, &at);
    return !is_word_kind(kind);
}

bool copies_ends_word(struct str text, const char *at)
{
    enum kind kind = kind_after(text, at, &at);

    while (kind == KIND_MARK)
        kind = kind_after(text, at, &at);
    return !is_word_kind(kind);
}

/* Does the row stand in the sources, from the beginning of a word, and when whole to the end of
 * one? */
static bool stands(const struct copies *copies, struct str row, bool whole)
{
    const char *at = copies->text.at, *end = str_end(copies->text);

    while ((at = memmem(at, (size_t)(end - at), row.at, row.len)) != NULL) {
        if (copies_begins_word(copies->text, at) &&
            (!whole || copies_ends_word(copies->text, at + row.len)))
            return true;
        at++;
    }
    return false;
}

static bool is_own(const struct copies *copies, struct str word, bool whole)
{
    for (size_t i = 0; i < copies->n_own; i++) {
        struct str own = copies->own[i];

        if (whole ? str_equal(own, word)
                  : own.len >= word.len && memcmp(own.at, word.at, word.len) == 0)
            return true;
    }
    return false;
}

static struct str word_of(const struct copies_state *s)
{
    return (struct str){ s->row + s->word, s->n_row - s->word };
}

static void begin_word(struct copies_state *s, enum kind kind, bool is_percent)
{
    if (!s->follows)
        s->n_row = 0;
    else
        s->row[s->n_row++] = ' ';
    s->word = s->n_row;
    s->in_word = true;
    s->n_marks = 0;
    s->is_bound = kind == KIND_CAPITAL && (is_percent || !s->begins_sentence);
    s->follows = false;
}

/* Sets what the word was; false when it may not be one. The marks at its end are no part of it. */
static bool end_word(const struct copies *copies, struct copies_state *s)
{
    if (!s->in_word)
        return true;
    s->in_word = false;
    s->n_row -= s->n_marks;
    if (!s->is_bound || is_own(copies, word_of(s), true)) {
        s->n_row = 0;
        return true;
    }
    s->follows = s->n_marks == 0;
    return stands(copies, (struct str){ s->row, s->n_row }, true);
}

static bool add_to_word(const struct copies *copies, struct copies_state *s, const char *bytes,
                        size_t len, enum kind kind, bool is_percent)
{
    if (!s->in_word)
        begin_word(s, kind, is_percent);
    if (s->n_row + len + 1 >= COPIES_ROW_MAX)
        return false;
    memcpy(s->row + s->n_row, bytes, len);
    s->n_row += len;
    s->n_marks = 0;
    s->begins_sentence = false;
    s->is_bound |= kind == KIND_DIGIT || is_percent;
    return !s->is_bound || is_own(copies, word_of(s), false) ||
           stands(copies, (struct str){ s->row, s->n_row }, false);
}

/* A bound word that can neither end before the mark nor go on behind it must not take it. */
static bool add_mark(const struct copies *copies, struct copies_state *s, const char *bytes,
                     size_t len)
{
    if (s->n_row + len + 1 >= COPIES_ROW_MAX)
        return false;
    memcpy(s->row + s->n_row, bytes, len);
    s->n_row += len;
    s->n_marks += len;
    return !s->is_bound || copies_end(copies, s) ||
           stands(copies, (struct str){ s->row, s->n_row }, false) ||
           is_own(copies, word_of(s), false);
}

static bool take(const struct copies *copies, struct copies_state *s, const char *bytes, size_t len,
                 uint32_t c)
{
    enum kind kind = kind_of(c);
    bool ends_sentence = c == '.' || c == '!' || c == '?' || c == ':';

    if (is_word_kind(kind))
        return add_to_word(copies, s, bytes, len, kind, c == '%');
    if (kind == KIND_MARK && s->in_word) {
        s->begins_sentence = ends_sentence;
        return add_mark(copies, s, bytes, len);
    }
    bool ended = s->in_word;
    if (!end_word(copies, s))
        return false;
    s->follows = s->follows && ended && c == ' ';
    if (ends_sentence)
        s->begins_sentence = true;
    else if (kind == KIND_MARK)
        s->begins_sentence = false;
    return true;
}

enum rc copies_new(const struct str *sources, size_t n, const struct str *own, size_t n_own,
                   struct arena *arena, struct copies *ret_copies, struct err *err)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        len += sources[i].len + 1;
    char *text = arena_array(arena, char, len + 1), *at = text;
    struct str *words = arena_array(arena, struct str, n_own + 1);
    if (!text || !words)
        return arena_fail(arena, err, "what may be copied");
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < sources[i].len; j++) {
            bool blank = (unsigned char)sources[i].at[j] <= ' ';

            if (!blank)
                *at++ = sources[i].at[j];
            else if (at > text && at[-1] != ' ' && at[-1] != '\n')
                *at++ = ' ';
        }
        *at++ = '\n';
    }
    for (size_t i = 0; i < n_own; i++) {
        char *word = arena_strndup(arena, own[i].at, own[i].len);

        if (!word)
            return arena_fail(arena, err, "own words");
        words[i] = (struct str){ word, own[i].len };
    }
    *ret_copies = (struct copies){ { text, (size_t)(at - text) }, n_own, words };
    return RC_OK;
}

struct copies_state copies_begin(void)
{
    return (struct copies_state){ .begins_sentence = true };
}

/* Bytes of the character that begins with this one; 1 also when none does, which is then refused.
 */
static size_t length_by(char first)
{
    unsigned char c = (unsigned char)first;

    if (c < 0xC2 || c > 0xF4)
        return 1;
    return c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
}

/* May a character begin with these bytes of it, 1 or more, with one missing at least? */
static bool may_begin_character(const char *bytes, size_t len)
{
    unsigned char first = (unsigned char)bytes[0],
                  second = len > 1 ? (unsigned char)bytes[1] : 0x90;

    if ((second & 0xC0) != 0x80 || (len > 2 && ((unsigned char)bytes[2] & 0xC0) != 0x80))
        return false;
    return len == 1 || !((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                         (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F));
}

/* A part of a character: with any others it has an ending that is allowed, but behind a bound word
 * it must be copied, since nobody knows yet whether it ends the word. */
static bool may_begin(const struct copies *copies, const struct copies_state *state)
{
    struct copies_state s = *state;

    if (!may_begin_character(s.tail, s.n_tail) || s.n_row + 2 * UTF8_BYTES_MAX >= COPIES_ROW_MAX)
        return false;
    if (!s.in_word || !s.is_bound)
        return true;
    memcpy(s.row + s.n_row, s.tail, s.n_tail);
    s.n_row += s.n_tail;
    return is_own(copies, word_of(&s), false) ||
           stands(copies, (struct str){ s.row, s.n_row }, false);
}

bool copies_feed(const struct copies *copies, struct copies_state *state, struct str piece)
{
    for (size_t i = 0; i < piece.len; i++) {
        char bytes[UTF8_BYTES_MAX];
        size_t len;
        uint32_t c;

        state->tail[state->n_tail++] = piece.at[i];
        len = state->n_tail;
        if (len < length_by(state->tail[0])) {
            if (!may_begin(copies, state))
                return false;
            continue;
        }
        memcpy(bytes, state->tail, len);
        state->n_tail = 0;
        if (utf8_decode(bytes, bytes + len, &c) != len || !take(copies, state, bytes, len, c))
            return false;
    }
    return true;
}

bool copies_end(const struct copies *copies, const struct copies_state *state)
{
    struct copies_state last = *state;

    return last.n_tail == 0 && end_word(copies, &last);
}

bool copies_check(const struct copies *copies, struct str text, size_t *ret_at)
{
    struct copies_state state = copies_begin();
    size_t at = 0;

    while (at < text.len && copies_feed(copies, &state, (struct str){ text.at + at, 1 }))
        at++;
    if (ret_at)
        *ret_at = at;
    return at == text.len && copies_end(copies, &state);
}
