#include "engine/tokenizer/wordpiece.h"

#include <utf8proc.h>

#include <stdbool.h>

enum { WORD_BYTES_MAX = WORDPIECE_WORD_CHARACTERS_MAX * 4, DECOMPOSED_MAX = 32 };

struct wordpiece {
    size_t n_entries;
    struct str *entries;     /* (n_entries,) by id */
    size_t longest;          /* bytes of the longest entry */
    uint32_t *slots;         /* (n_slots,) id + 1, or 0: free; linear probing */
    size_t n_slots;          /* a power of two, at least twice n_entries */
    uint64_t continued_hash; /* hash of "##" */
    int32_t unk, cls, sep;
};

/* One text on its way to ids. */
struct encoding {
    const struct wordpiece *w;
    int32_t *ids;
    size_t n_ids, max_ids; /* ids beyond max_ids are counted, not written */
    size_t n_characters;   /* of the word so far; beyond the limit it is not kept */
    size_t n_bytes;
    char word[WORD_BYTES_MAX]; /* normalised UTF-8 */
};

/* FNV-1a: a prefix's hash extends to the next byte, so that all prefixes cost one pass. */
static const uint64_t hash_of_nothing = 14695981039346656037u;

static uint64_t extend_hash(uint64_t hash, char byte)
{
    return (hash ^ (uint8_t)byte) * 1099511628211u;
}

static uint64_t hash_text(struct str text)
{
    uint64_t hash = hash_of_nothing;

    for (size_t i = 0; i < text.len; i++)
        hash = extend_hash(hash, text.at[i]);
    return hash;
}

static size_t slot_of(const struct wordpiece *w, uint64_t hash)
{
    return (size_t)(hash ^ hash >> 32) & (w->n_slots - 1);
}

/* The id of the entry prefix + rest with this hash, or -1. */
static int32_t find_entry(const struct wordpiece *w, uint64_t hash, struct str prefix,
                          struct str rest)
{
    for (size_t s = slot_of(w, hash); w->slots[s]; s = (s + 1) & (w->n_slots - 1)) {
        struct str entry = w->entries[w->slots[s] - 1];

        if (entry.len == prefix.len + rest.len && memcmp(entry.at, prefix.at, prefix.len) == 0 &&
            memcmp(entry.at + prefix.len, rest.at, rest.len) == 0)
            return (int32_t)(w->slots[s] - 1);
    }
    return -1;
}

static int32_t find_word(const struct wordpiece *w, struct str word)
{
    return find_entry(w, hash_text(word), STR(""), word);
}

static enum rc add_entry(struct wordpiece *w, struct str entry, struct err *err)
{
    if (entry.len == 0)
        return err_set(err, RC_CORRUPT, "line %zu is empty", w->n_entries + 1);
    if (entry.len > WORDPIECE_ENTRY_BYTES_MAX)
        return err_set(err, RC_LIMIT, "line %zu has %zu bytes, at most %d allowed",
                       w->n_entries + 1, entry.len, WORDPIECE_ENTRY_BYTES_MAX);
    if (find_word(w, entry) >= 0)
        return err_set(err, RC_CORRUPT, "line %zu repeats '%.*s'", w->n_entries + 1,
                       STR_ARG(entry));

    size_t s = slot_of(w, hash_text(entry));
    while (w->slots[s])
        s = (s + 1) & (w->n_slots - 1);
    w->entries[w->n_entries++] = entry;
    w->slots[s] = (uint32_t)w->n_entries;
    if (entry.len > w->longest)
        w->longest = entry.len;
    return RC_OK;
}

static enum rc find_special(const struct wordpiece *w, const char *name, int32_t *ret_id,
                            struct err *err)
{
    *ret_id = find_word(w, str_of(name));
    return *ret_id >= 0 ? RC_OK : err_set(err, RC_CORRUPT, "%s is missing", name);
}

static size_t count_lines(struct str text)
{
    size_t n = text.len && text.at[text.len - 1] != '\n';

    for (size_t i = 0; i < text.len; i++)
        n += text.at[i] == '\n';
    return n;
}

static enum rc init(struct wordpiece *w, struct str vocabulary, struct arena *arena,
                    struct err *err)
{
    enum rc rc = RC_OK;
    size_t n_lines = count_lines(vocabulary);

    if (n_lines > WORDPIECE_ENTRIES_MAX)
        return err_set(err, RC_LIMIT, "%zu lines, at most %d allowed", n_lines,
                       WORDPIECE_ENTRIES_MAX);
    for (w->n_slots = 2; w->n_slots < 2 * n_lines; w->n_slots *= 2)
        ;
    w->entries = arena_array(arena, struct str, n_lines);
    w->slots = arena_array(arena, uint32_t, w->n_slots);
    if (!w->entries || !w->slots)
        return arena_fail(arena, err, "table");

    for (size_t at = 0; at < vocabulary.len && !rc;) {
        const char *line = vocabulary.at + at;
        const char *end = memchr(line, '\n', vocabulary.len - at);
        size_t len = end ? (size_t)(end - line) : vocabulary.len - at;

        rc = add_entry(w, (struct str){ line, len }, err);
        at += len + 1;
    }
    w->continued_hash = hash_text(STR("##"));
    if (!rc)
        rc = find_special(w, "[UNK]", &w->unk, err);
    if (!rc)
        rc = find_special(w, "[CLS]", &w->cls, err);
    if (!rc)
        rc = find_special(w, "[SEP]", &w->sep, err);
    return rc;
}

enum rc wordpiece_open(struct str vocabulary, struct arena *arena, struct wordpiece **ret_wordpiece,
                       struct err *err)
{
    struct wordpiece *w = arena_new(arena, struct wordpiece);

    if (!w)
        return arena_fail(arena, err, "vocabulary");
    enum rc rc = init(w, vocabulary, arena, err);
    if (rc)
        return err_context(err, "vocabulary");
    *ret_wordpiece = w;
    return RC_OK;
}

size_t wordpiece_n_entries(const struct wordpiece *w)
{
    return w->n_entries;
}

struct str wordpiece_entry(const struct wordpiece *w, size_t id)
{
    ASSERT(id < w->n_entries);
    return w->entries[id];
}

static void add_id(struct encoding *e, int32_t id)
{
    if (e->n_ids < e->max_ids)
        e->ids[e->n_ids] = id;
    e->n_ids++;
}

/* The longest entry that the rest of the word begins with: its id, or -1; its bytes of the word. */
static int32_t find_longest(const struct encoding *e, size_t at, size_t *ret_len)
{
    const struct wordpiece *w = e->w;
    struct str prefix = at ? STR("##") : STR("");
    uint64_t hash = at ? w->continued_hash : hash_of_nothing;
    int32_t longest = -1;

    for (size_t len = 1; len <= e->n_bytes - at && len + prefix.len <= w->longest; len++) {
        hash = extend_hash(hash, e->word[at + len - 1]);
        int32_t id = find_entry(w, hash, prefix, (struct str){ e->word + at, len });
        if (id >= 0) {
            longest = id;
            *ret_len = len;
        }
    }
    return longest;
}

static void end_word(struct encoding *e)
{
    size_t n_ids_before = e->n_ids, len = 0;
    bool known = e->n_characters <= WORDPIECE_WORD_CHARACTERS_MAX;

    if (e->n_characters == 0)
        return;
    for (size_t at = 0; known && at < e->n_bytes; at += len) {
        int32_t id = find_longest(e, at, &len);

        known = id >= 0;
        add_id(e, id);
    }
    if (!known) {
        e->n_ids = n_ids_before;
        add_id(e, e->w->unk);
    }
    e->n_characters = e->n_bytes = 0;
}

static void add_character(struct encoding *e, utf8proc_int32_t c)
{
    if (++e->n_characters > WORDPIECE_WORD_CHARACTERS_MAX)
        return;
    e->n_bytes += (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)e->word + e->n_bytes);
}

static bool is_ideograph(utf8proc_int32_t c)
{
    static const utf8proc_int32_t ranges[][2] = {
        { 0x3400, 0x4DBF },   { 0x4E00, 0x9FFF },   { 0xF900, 0xFAFF },   { 0x20000, 0x2A6DF },
        { 0x2A700, 0x2B73F }, { 0x2B740, 0x2B81F }, { 0x2B920, 0x2CEAF }, { 0x2F800, 0x2FA1F },
    };

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

static bool is_space(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);

    return c == '\t' || c == '\n' || c == '\r' || category == UTF8PROC_CATEGORY_ZS ||
           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

static bool is_dropped(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);

    return c == 0 || c == 0xFFFD || category == UTF8PROC_CATEGORY_CC ||
           category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
}

static bool is_punctuation(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);

    if (c < 128) /* all of ASCII's that is neither letter, digit, space nor control */
        return (c > 32 && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') ||
               (c > 'z' && c < 127);
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

/* Characters of category Mn are dropped, so what is left needs no canonical reordering: only a few
 * musical and Hangul marks could change places, and no vocabulary has them. */
static void add_normalised(struct encoding *e, utf8proc_int32_t c)
{
    utf8proc_int32_t decomposed[DECOMPOSED_MAX];
    int boundary = 0;
    utf8proc_ssize_t n =
        utf8proc_decompose_char(c, decomposed, DECOMPOSED_MAX, UTF8PROC_DECOMPOSE, &boundary);

    ASSERT(n >= 0 && n <= DECOMPOSED_MAX);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        if (utf8proc_category(decomposed[i]) == UTF8PROC_CATEGORY_MN)
            continue;
        utf8proc_int32_t lower = utf8proc_tolower(decomposed[i]);
        if (is_punctuation(lower)) {
            end_word(e);
            add_character(e, lower);
            end_word(e);
        } else {
            add_character(e, lower);
        }
    }
}

static void add_text_character(struct encoding *e, utf8proc_int32_t c)
{
    if (is_space(c)) {
        end_word(e);
    } else if (is_ideograph(c)) {
        end_word(e);
        add_normalised(e, c);
        end_word(e);
    } else if (!is_dropped(c)) {
        add_normalised(e, c);
    }
}

static enum rc encode(struct encoding *e, struct str text, struct err *err)
{
    add_id(e, e->w->cls);
    for (size_t at = 0; at < text.len;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text.at + at,
                                              (utf8proc_ssize_t)(text.len - at), &c);
        if (n <= 0)
            return err_set(err, RC_INVALID, "text is not UTF-8 at byte %zu", at);
        add_text_character(e, c);
        at += (size_t)n;
    }
    end_word(e);
    add_id(e, e->w->sep);
    return RC_OK;
}

enum rc wordpiece_encode(const struct wordpiece *w, struct str text, size_t max_ids,
                         int32_t *ret_ids, size_t *ret_n_ids, struct err *err)
{
    struct encoding e = { .w = w, .ids = ret_ids, .max_ids = max_ids };
    enum rc rc = encode(&e, text, err);

    if (rc)
        return rc;
    if (e.n_ids > max_ids)
        return err_set(err, RC_LIMIT, "text has %zu tokens, at most %zu allowed", e.n_ids, max_ids);
    *ret_n_ids = e.n_ids;
    return RC_OK;
}

enum rc wordpiece_count(const struct wordpiece *w, struct str text, size_t *ret_n_ids,
                        struct err *err)
{
    struct encoding e = { .w = w };
    enum rc rc = encode(&e, text, err);

    if (rc)
        return rc;
    *ret_n_ids = e.n_ids;
    return RC_OK;
}
