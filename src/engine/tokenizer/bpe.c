#include "engine/tokenizer/bpe.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/gguf/gguf.h"
#include "engine/tokenizer/bpe_words_internal.h"

enum {
    TYPE_NORMAL = 1, /* of tokenizer.ggml.token_type */
    TYPE_SPECIAL = 3,
    NONE = -1,
};

struct merge {
    int32_t left, right; /* ids; right NONE: a free slot */
    int32_t rank, joined;
};

struct bpe {
    size_t n_tokens;
    struct str *tokens;   /* (n_tokens,) by id */
    bool *is_special;     /* (n_tokens,) */
    int32_t *token_slots; /* (n_token_slots,) id or NONE; linear probing */
    size_t n_token_slots; /* a power of two, at least twice n_tokens */
    struct merge *merges; /* (n_merge_slots,) linear probing */
    size_t n_merge_slots; /* a power of two, at least twice the number of merges */
    int32_t bytes[256];   /* the ids of the bytes, or NONE */
    int32_t end;
};

/* ---- the vocabulary ---- */

static uint64_t hash_text(struct str text)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (uint8_t)text.at[i]) * 1099511628211u;
    return hash ^ hash >> 32;
}

static uint64_t hash_pair(int32_t left, int32_t right)
{
    uint64_t hash = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;

    return hash ^ hash >> 32;
}

/* The slot of a token with this text, or the free slot that it would get. A special token and a
 * plain one may have the same text. */
static int32_t *token_slot(const struct bpe *b, struct str text, bool is_special)
{
    size_t s = (size_t)hash_text(text) & (b->n_token_slots - 1);

    while (b->token_slots[s] != NONE && !(b->is_special[b->token_slots[s]] == is_special &&
                                          str_equal(b->tokens[b->token_slots[s]], text)))
        s = (s + 1) & (b->n_token_slots - 1);
    return &b->token_slots[s];
}

static struct merge *merge_slot(const struct bpe *b, int32_t left, int32_t right)
{
    size_t s = (size_t)hash_pair(left, right) & (b->n_merge_slots - 1);

    while (b->merges[s].right != NONE &&
           !(b->merges[s].left == left && b->merges[s].right == right))
        s = (s + 1) & (b->n_merge_slots - 1);
    return &b->merges[s];
}

/* In the file a byte is written as one character: itself where it is printable in Latin-1, else the
 * next from U+0100 on. Gives the byte, or NONE. */
static int byte_of(uint32_t c)
{
    if ((c >= '!' && c <= '~') || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF))
        return (int)c;
    if (c >= 0x100 && c <= 0x120)
        return (int)c - 0x100; /* 0 to 32 */
    if (c >= 0x121 && c <= 0x142)
        return (int)c - 0x121 + 127; /* 127 to 160 */
    return c == 0x143 ? 173 : NONE;
}

/* The bytes that a text of the file stands for, at most as many as it has. */
static enum rc decode_text(struct str text, char *ret_bytes, size_t *ret_n, struct err *err)
{
    size_t n = 0;

    for (size_t at = 0; at < text.len;) {
        uint32_t c = 0;
        size_t len = utf8_decode(text.at + at, str_end(text), &c);

        if (len == 0 || byte_of(c) == NONE)
            return err_set(err, RC_CORRUPT, "no byte stands at byte %zu", at);
        ret_bytes[n++] = (char)byte_of(c);
        at += len;
    }
    *ret_n = n;
    return RC_OK;
}

static enum rc add_token(struct bpe *b, struct str text, int64_t type, struct arena *arena,
                         struct err *err)
{
    size_t id = b->n_tokens, n = text.len;

    if (text.len == 0)
        return err_set(err, RC_CORRUPT, "empty");
    if (text.len > BPE_TOKEN_BYTES_MAX)
        return err_set(err, RC_LIMIT, "%zu bytes, at most %d allowed", text.len,
                       BPE_TOKEN_BYTES_MAX);
    if (type != TYPE_NORMAL && type != TYPE_SPECIAL)
        return err_set(err, RC_UNSUPPORTED, "of type %d", (int)type);
    char *bytes = arena_strndup(arena, text.at, text.len);
    if (!bytes)
        return arena_fail(arena, err, "token");
    b->is_special[id] = type == TYPE_SPECIAL;
    if (type == TYPE_NORMAL) {
        enum rc rc = decode_text(text, bytes, &n, err);
        if (rc)
            return rc;
    } else if (!utf8_valid(text)) {
        return err_set(err, RC_CORRUPT, "not UTF-8");
    }
    b->tokens[id] = (struct str){ bytes, n };
    int32_t *slot = token_slot(b, b->tokens[id], b->is_special[id]);
    if (*slot != NONE)
        return err_set(err, RC_CORRUPT, "as token %d", *slot);
    *slot = (int32_t)id;
    b->n_tokens++;
    return RC_OK;
}

static size_t slots_for(size_t n)
{
    size_t n_slots = 2;

    while (n_slots < 2 * n)
        n_slots *= 2;
    return n_slots;
}

static enum rc read_tokens(struct bpe *b, const struct gguf *file, struct arena *arena,
                           struct err *err)
{
    const struct gguf_value *texts, *types;
    enum rc rc = gguf_get_array(file, "tokenizer.ggml.tokens", GGUF_STRING, &texts, err);

    if (rc == RC_OK)
        rc = gguf_get_array(file, "tokenizer.ggml.token_type", GGUF_I32, &types, err);
    if (rc)
        return rc;
    size_t n = texts->array.n;
    if (n > BPE_TOKENS_MAX)
        return err_set(err, RC_LIMIT, "%zu tokens, at most %d allowed", n, BPE_TOKENS_MAX);
    if (types->array.n != n)
        return err_set(err, RC_CORRUPT, "%zu tokens, %zu token types", n, types->array.n);
    b->n_token_slots = slots_for(n);
    b->tokens = arena_array(arena, struct str, n);
    b->is_special = arena_array(arena, bool, n);
    b->token_slots = arena_array(arena, int32_t, b->n_token_slots);
    if (!b->tokens || !b->is_special || !b->token_slots)
        return arena_fail(arena, err, "tokens");
    memset(b->token_slots, 0xff, b->n_token_slots * sizeof(b->token_slots[0]));

    struct reader text = texts->array.values, type = types->array.values;
    for (size_t i = 0; i < n; i++) {
        rc = add_token(b, gguf_next(&text, GGUF_STRING).text, gguf_next(&type, GGUF_I32).i, arena,
                       err);
        if (rc)
            return err_context(err, "token %zu", i);
    }
    for (size_t i = 0; i < ARRAY_LEN(b->bytes); i++)
        b->bytes[i] = *token_slot(b, (struct str){ (char[]){ (char)i }, 1 }, false);
    return RC_OK;
}

/* "left right", both tokens, as is what they join to. */
static enum rc add_merge(struct bpe *b, struct str text, int32_t rank, struct err *err)
{
    char bytes[2 * BPE_TOKEN_BYTES_MAX];
    const char *space = text.len ? memchr(text.at, ' ', text.len) : NULL;
    size_t n_left = 0, n_right = 0;

    if (!space || text.len > sizeof(bytes))
        return err_set(err, RC_CORRUPT, "no pair");
    size_t left_len = (size_t)(space - text.at);
    struct str left = { text.at, left_len }, right = { space + 1, text.len - left_len - 1 };
    enum rc rc = decode_text(left, bytes, &n_left, err);
    if (rc == RC_OK)
        rc = decode_text(right, bytes + n_left, &n_right, err);
    if (rc)
        return rc;

    int32_t left_id = *token_slot(b, (struct str){ bytes, n_left }, false);
    int32_t right_id = *token_slot(b, (struct str){ bytes + n_left, n_right }, false);
    int32_t joined = *token_slot(b, (struct str){ bytes, n_left + n_right }, false);
    if (left_id == NONE || right_id == NONE || joined == NONE)
        return err_set(err, RC_CORRUPT, "of what are no tokens, or to none");
    struct merge *m = merge_slot(b, left_id, right_id);
    if (m->right != NONE)
        return err_set(err, RC_CORRUPT, "as merge %d", m->rank);
    *m = (struct merge){ left_id, right_id, rank, joined };
    return RC_OK;
}

static enum rc read_merges(struct bpe *b, const struct gguf *file, struct arena *arena,
                           struct err *err)
{
    const struct gguf_value *texts;
    enum rc rc = gguf_get_array(file, "tokenizer.ggml.merges", GGUF_STRING, &texts, err);

    if (rc)
        return rc;
    if (texts->array.n > BPE_TOKENS_MAX)
        return err_set(err, RC_LIMIT, "%zu merges, at most %d allowed", texts->array.n,
                       BPE_TOKENS_MAX);
    b->n_merge_slots = slots_for(texts->array.n);
    b->merges = arena_array(arena, struct merge, b->n_merge_slots);
    if (!b->merges)
        return arena_fail(arena, err, "merges");
    for (size_t i = 0; i < b->n_merge_slots; i++)
        b->merges[i].right = NONE;

    struct reader text = texts->array.values;
    for (size_t i = 0; i < texts->array.n; i++) {
        rc = add_merge(b, gguf_next(&text, GGUF_STRING).text, (int32_t)i, err);
        if (rc)
            return err_context(err, "merge %zu", i);
    }
    return RC_OK;
}

static enum rc check_kind(const struct gguf *file, const char *key, const char *expected,
                          struct err *err)
{
    const struct gguf_value *v;
    enum rc rc = gguf_get(file, key, GGUF_STRING, &v, err);

    if (rc == RC_OK && !str_is(v->text, expected))
        return err_set(err, RC_UNSUPPORTED, "'%s' is not '%s'", key, expected);
    return rc;
}

static enum rc read_all(struct bpe *b, const struct gguf *file, struct arena *arena,
                        struct err *err)
{
    const struct gguf_value *end;
    enum rc rc = check_kind(file, "tokenizer.ggml.model", "gpt2", err);

    if (rc == RC_OK)
        rc = check_kind(file, "tokenizer.ggml.pre", "smollm", err);
    if (rc == RC_OK)
        rc = read_tokens(b, file, arena, err);
    if (rc == RC_OK)
        rc = read_merges(b, file, arena, err);
    if (rc == RC_OK)
        rc = gguf_get(file, "tokenizer.ggml.eos_token_id", GGUF_U32, &end, err);
    if (rc == RC_OK && end->u >= b->n_tokens)
        rc = err_set(err, RC_CORRUPT, "'tokenizer.ggml.eos_token_id' is no token");
    if (rc == RC_OK)
        b->end = (int32_t)end->u;
    return rc;
}

enum rc bpe_open(const struct gguf *file, struct arena *arena, struct bpe **ret_bpe,
                 struct err *err)
{
    struct bpe *b = arena_new(arena, struct bpe);

    if (!b)
        return arena_fail(arena, err, "vocabulary");
    enum rc rc = read_all(b, file, arena, err);
    if (rc)
        return err_context(err, "vocabulary");
    *ret_bpe = b;
    return RC_OK;
}

size_t bpe_n_tokens(const struct bpe *b)
{
    return b->n_tokens;
}

struct str bpe_token(const struct bpe *b, size_t id)
{
    ASSERT(id < b->n_tokens);
    return b->tokens[id];
}

bool bpe_is_special(const struct bpe *b, size_t id)
{
    ASSERT(id < b->n_tokens);
    return b->is_special[id];
}

int32_t bpe_find_special(const struct bpe *b, const char *name)
{
    return *token_slot(b, str_of(name), true);
}

int32_t bpe_end(const struct bpe *b)
{
    return b->end;
}

/* ---- one word ---- */

/* What stands at a place of the word; the places form a list, and a joined one takes its right
 * neighbour out of it. */
struct part {
    int32_t id; /* NONE: out of the list */
    uint32_t previous, next;
};

/* Two neighbours that can be joined. Out of date when either has changed: then it is ignored. */
struct candidate {
    int32_t rank;
    uint32_t left;
    int32_t left_id, right_id, joined;
};

struct word {
    const struct bpe *b;
    size_t capacity;        /* bytes of the longest word so far */
    struct part *parts;     /* (capacity,) */
    struct candidate *heap; /* (2 * capacity,): each join takes one and adds at most two */
    size_t n_parts, n_candidates;
};

static const uint32_t no_place = UINT32_MAX;

static bool comes_before(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void push(struct word *w, struct candidate c)
{
    size_t i = w->n_candidates++;

    for (; i > 0 && comes_before(&c, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
}

static struct candidate pop(struct word *w)
{
    struct candidate first = w->heap[0], last = w->heap[--w->n_candidates];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child + 1 < w->n_candidates && comes_before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (child >= w->n_candidates || !comes_before(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return first;
}

/* Adds the pair that begins at `left`, when there is one. */
static void consider(struct word *w, uint32_t left)
{
    if (left == no_place || w->parts[left].next == no_place)
        return;
    int32_t left_id = w->parts[left].id, right_id = w->parts[w->parts[left].next].id;
    const struct merge *m = merge_slot(w->b, left_id, right_id);
    if (m->right != NONE)
        push(w, (struct candidate){ m->rank, left, left_id, right_id, m->joined });
}

static void join(struct word *w, const struct candidate *c)
{
    struct part *left = &w->parts[c->left];

    if (left->id != c->left_id || left->next == no_place)
        return;
    struct part *right = &w->parts[left->next];
    if (right->id != c->right_id)
        return;
    left->id = c->joined;
    left->next = right->next;
    right->id = NONE;
    if (left->next != no_place)
        w->parts[left->next].previous = c->left;
    consider(w, left->previous);
    consider(w, c->left);
}

static enum rc reserve(struct word *w, size_t len, struct err *err)
{
    if (len <= w->capacity)
        return RC_OK;
    mem_free(w->parts);
    mem_free(w->heap);
    w->capacity = 0;
    w->parts = mem_array(len, sizeof(w->parts[0]));
    w->heap = mem_array(2 * len, sizeof(w->heap[0]));
    if (!w->parts || !w->heap)
        return err_set(err, RC_NOMEM, "word of %zu bytes", len);
    w->capacity = len;
    return RC_OK;
}

static enum rc merge_word(struct word *w, struct str text, struct err *err)
{
    enum rc rc = reserve(w, text.len, err);

    if (rc)
        return rc;
    w->n_parts = w->n_candidates = 0;
    for (size_t i = 0; i < text.len; i++) {
        int32_t id = w->b->bytes[(uint8_t)text.at[i]];
        uint32_t n = (uint32_t)w->n_parts;

        if (id != NONE)
            w->parts[w->n_parts++] = (struct part){ id, n ? n - 1 : no_place, n + 1 };
    }
    if (w->n_parts == 0)
        return RC_OK;
    w->parts[w->n_parts - 1].next = no_place;
    for (uint32_t i = 0; i < w->n_parts; i++)
        consider(w, i);
    while (w->n_candidates) {
        struct candidate c = pop(w);
        join(w, &c);
    }
    return RC_OK;
}

/* ---- a text ---- */

/* Ids beyond max_ids are counted, not written. */
static enum rc encode(const struct bpe *b, struct str text, size_t max_ids, int32_t *ids,
                      size_t *n_ids, struct err *err)
{
    struct word w = { .b = b };
    enum rc rc = RC_OK;

    if (text.len > BPE_TEXT_BYTES_MAX)
        return err_set(err, RC_LIMIT, "text of %zu bytes, at most %d allowed", text.len,
                       BPE_TEXT_BYTES_MAX);
    for (size_t at = 0, len; at < text.len; at += len) {
        uint32_t c;
        len = utf8_decode(text.at + at, str_end(text), &c);
        if (len == 0)
            return err_set(err, RC_INVALID, "text is not UTF-8 at byte %zu", at);
    }
    *n_ids = 0;
    while (text.len && !rc) {
        size_t len = bpe_word_length(text);

        rc = merge_word(&w, (struct str){ text.at, len }, err);
        for (uint32_t i = 0; !rc && w.n_parts && i != no_place; i = w.parts[i].next, ++*n_ids)
            if (*n_ids < max_ids)
                ids[*n_ids] = w.parts[i].id;
        text = (struct str){ text.at + len, text.len - len };
    }
    mem_free(w.parts);
    mem_free(w.heap);
    return rc;
}

enum rc bpe_encode(const struct bpe *b, struct str text, size_t max_ids, int32_t *ret_ids,
                   size_t *ret_n_ids, struct err *err)
{
    size_t n_ids = 0;
    enum rc rc = encode(b, text, max_ids, ret_ids, &n_ids, err);

    if (rc)
        return rc;
    if (n_ids > max_ids)
        return err_set(err, RC_LIMIT, "text has %zu tokens, at most %zu allowed", n_ids, max_ids);
    *ret_n_ids = n_ids;
    return RC_OK;
}

enum rc bpe_count(const struct bpe *b, struct str text, size_t *ret_n_ids, struct err *err)
{
    return encode(b, text, 0, NULL, ret_n_ids, err);
}
