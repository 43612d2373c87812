/* dataset_check.c - rules (2) and (4): equal rows, and rows that leak from one split to another. */
#include "factory/data/dataset_internal.h"

#include <stdlib.h>

enum { GRAM_WORDS = 3 };

/* Rows that no source pins are on the side of training until they are split. */
static enum spec_split side(const struct dataset_row *row)
{
    return row->split == SPEC_SPLIT_NONE ? SPEC_SPLIT_TRAIN : row->split;
}

static int compare_rows(const void *a, const void *b)
{
    const struct dataset_row *x = *(struct dataset_row *const *)a;
    const struct dataset_row *y = *(struct dataset_row *const *)b;

    if (x->text_hash != y->text_hash)
        return x->text_hash < y->text_hash ? -1 : 1;
    int order = str_compare(x->text, y->text);
    if (order)
        return order;
    /* test, validation, train: the first of equals is the one that stays */
    if (side(x) != side(y))
        return side(x) > side(y) ? -1 : 1;
    return x < y ? -1 : x > y; /* the order of the sources */
}

static bool same_labels(const struct spec *spec, const struct dataset_row *a,
                        const struct dataset_row *b)
{
    return memcmp(a->labels, b->labels, spec->n_fields * sizeof(*a->labels)) == 0;
}

static enum rc reject_for(struct dataset_row *row, enum dataset_fate fate,
                          const struct dataset *dataset, const struct dataset_row *because,
                          const char *what, struct arena *arena, struct err *err)
{
    struct str name = dataset->sources[because->source].name;

    return dataset_reject(row, fate, arena, err, "%s %.*s line %u", what, STR_ARG(name),
                          because->line);
}

/* Rows [0, n) have one text, in the order of compare_rows(). */
static enum rc drop_equals(const struct spec *spec, const struct dataset *dataset,
                           struct dataset_row **rows, size_t n, struct arena *arena,
                           struct err *err)
{
    size_t n_same_side = 1;
    bool conflict = false;
    enum rc rc = RC_OK;

    while (n_same_side < n && side(rows[n_same_side]) == side(rows[0]))
        conflict = !same_labels(spec, rows[0], rows[n_same_side++]) || conflict;
    for (size_t i = conflict ? 0 : 1; i < n && rc == RC_OK; i++) {
        const struct dataset_row *other = i == 0 ? rows[1] : rows[0];

        if (i < n_same_side && conflict)
            rc = reject_for(rows[i], DATASET_CONFLICT, dataset, other,
                            "same text as a row of its split with other labels, for one:", arena,
                            err);
        else if (i < n_same_side)
            rc = reject_for(rows[i], DATASET_DUPLICATE, dataset, other, "same as", arena, err);
        else
            rc = reject_for(rows[i], DATASET_LEAK, dataset, other,
                            "same text as a row that is held out:", arena, err);
    }
    return rc;
}

enum rc dataset_drop_equal(const struct spec *spec, struct dataset *dataset, struct arena *arena,
                           struct err *err)
{
    struct dataset_row **rows = arena_array(arena, struct dataset_row *, dataset->n_rows + 1);
    size_t n = 0;

    if (!rows)
        return arena_fail(arena, err, "rows by text");
    for (size_t i = 0; i < dataset->n_rows; i++)
        if (dataset->rows[i].fate == DATASET_KEPT)
            rows[n++] = &dataset->rows[i];
    qsort(rows, n, sizeof(*rows), compare_rows);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && str_equal(rows[from]->text, rows[to]->text); to++)
            ;
        enum rc rc = drop_equals(spec, dataset, rows + from, to - from, arena, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

/* The distinct word n-grams of a text as hashes, ascending. */
struct grams {
    size_t n;
    uint64_t *hashes;
};

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* A text of fewer words is one gram. */
static enum rc find_grams(struct str text, size_t n_words, struct arena *arena,
                          struct grams *ret_grams, struct err *err)
{
    size_t *starts = arena_array(arena, size_t, text.len / 2 + 3);
    size_t words = 0;

    if (!starts)
        return arena_fail(arena, err, "word n-grams");
    for (size_t i = 0; i < text.len; i++) /* words end in one blank each, see append_words() */
        if (i == 0 || text.at[i - 1] == ' ')
            starts[words++] = i;
    starts[words] = text.len;

    size_t n = words >= n_words ? words - n_words + 1 : 1, kept = 0;
    uint64_t *hashes = arena_array(arena, uint64_t, n);
    if (!hashes)
        return arena_fail(arena, err, "word n-grams");
    for (size_t i = 0; i < n; i++) {
        size_t end = words >= n_words ? starts[i + n_words] : text.len;

        hashes[i] = dataset_hash((struct str){ text.at + starts[i], end - starts[i] });
    }
    qsort(hashes, n, sizeof(*hashes), compare_hashes);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || hashes[i] != hashes[i - 1])
            hashes[kept++] = hashes[i];
    *ret_grams = (struct grams){ kept, hashes };
    return RC_OK;
}

static double jaccard(const struct grams *a, const struct grams *b)
{
    size_t i = 0, j = 0, both = 0;

    while (i < a->n && j < b->n) {
        both += a->hashes[i] == b->hashes[j];
        if (a->hashes[i] < b->hashes[j])
            i++;
        else if (a->hashes[i] > b->hashes[j])
            j++;
        else
            i++, j++;
    }
    return (double)both / (double)(a->n + b->n - both);
}

/* Which held-out rows have a gram: (gram, row) pairs, by gram. */
struct posting {
    uint64_t hash;
    size_t row; /* index into the held-out rows */
};

struct held_out {
    size_t n_rows, n_postings;
    const struct dataset_row **rows;
    struct grams *grams;
    struct posting *postings;
};

static int compare_postings(const void *a, const void *b)
{
    const struct posting *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* The kept rows of the splits in [first, SPEC_SPLIT_TEST], by their grams. */
static enum rc index_held_out(const struct dataset *dataset, enum spec_split first, size_t n_words,
                              struct arena *scratch, struct held_out *held, struct err *err)
{
    size_t total = 0;

    *held = (struct held_out){
        .rows = arena_array(scratch, const struct dataset_row *, dataset->n_rows + 1),
        .grams = arena_array(scratch, struct grams, dataset->n_rows + 1),
    };
    if (!held->rows || !held->grams)
        return arena_fail(scratch, err, "held-out rows");
    for (size_t i = 0; i < dataset->n_rows; i++) {
        const struct dataset_row *row = &dataset->rows[i];

        if (row->fate != DATASET_KEPT || row->split < first)
            continue;
        enum rc rc = find_grams(row->text, n_words, scratch, &held->grams[held->n_rows], err);
        if (rc)
            return rc;
        total += held->grams[held->n_rows].n;
        held->rows[held->n_rows++] = row;
    }
    held->postings = arena_array(scratch, struct posting, total + 1);
    if (!held->postings)
        return arena_fail(scratch, err, "held-out rows");
    for (size_t r = 0; r < held->n_rows; r++)
        for (size_t g = 0; g < held->grams[r].n; g++)
            held->postings[held->n_postings++] = (struct posting){ held->grams[r].hashes[g], r };
    qsort(held->postings, held->n_postings, sizeof(*held->postings), compare_postings);
    return RC_OK;
}

/* The first posting of a gram, and how many there are. */
static size_t find_postings(const struct held_out *held, uint64_t hash, size_t *ret_n)
{
    size_t low = 0, high = held->n_postings, n = 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (held->postings[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + n < held->n_postings && held->postings[low + n].hash == hash)
        n++;
    *ret_n = n;
    return low;
}

/* A held-out row with a Jaccard over 0.8, or NULL. Two such sets share all but a fifth of their
 * grams, so it is enough to follow any n/5 + 1 of ours: those that fewest rows have. */
static const struct dataset_row *find_near(const struct held_out *held, const struct grams *grams,
                                           struct posting *scratch)
{
    size_t n_followed = grams->n / 5 + 1;

    for (size_t g = 0; g < grams->n; g++) {
        size_t n;

        find_postings(held, grams->hashes[g], &n);
        scratch[g] = (struct posting){ n, g };
    }
    qsort(scratch, grams->n, sizeof(*scratch), compare_postings);
    for (size_t f = 0; f < n_followed && f < grams->n; f++) {
        size_t n, at = find_postings(held, grams->hashes[scratch[f].row], &n);

        for (size_t p = at; p < at + n; p++)
            if (jaccard(grams, &held->grams[held->postings[p].row]) > 0.8)
                return held->rows[held->postings[p].row];
    }
    return NULL;
}

/* Rows of `split` against those held out more strictly. */
static enum rc drop_near(struct dataset *dataset, enum spec_split split, struct arena *arena,
                         struct arena *scratch, struct err *err)
{
    struct held_out held;
    enum rc rc =
        index_held_out(dataset, (enum spec_split)(split + 1), GRAM_WORDS, scratch, &held, err);

    for (size_t i = 0; i < dataset->n_rows && rc == RC_OK; i++) {
        struct dataset_row *row = &dataset->rows[i];
        struct arena row_arena;
        struct grams grams;

        if (row->fate != DATASET_KEPT || row->split != split)
            continue;
        arena_init(&row_arena, 64 * (size_t)DATASET_LINE_BYTES_MAX);
        rc = find_grams(row->text, GRAM_WORDS, &row_arena, &grams, err);
        if (rc == RC_OK) {
            struct posting *order = arena_array(&row_arena, struct posting, grams.n);
            const struct dataset_row *near = order ? find_near(&held, &grams, order) : NULL;

            if (!order)
                rc = arena_fail(&row_arena, err, "word n-grams");
            else if (near)
                rc = reject_for(row, DATASET_NEAR_LEAK, dataset, near,
                                "nearly a row that is held out:", arena, err);
        }
        arena_release(&row_arena);
    }
    return rc;
}

static enum rc drop_shared_ngrams(size_t n_words, size_t source, struct dataset *dataset,
                                  struct arena *arena, struct arena *scratch, struct err *err)
{
    struct held_out held;
    enum rc rc = index_held_out(dataset, SPEC_SPLIT_TEST, n_words, scratch, &held, err);

    for (size_t i = 0; i < dataset->n_rows && rc == RC_OK; i++) {
        struct dataset_row *row = &dataset->rows[i];
        struct arena row_arena;
        struct grams grams = { 0 };

        if (row->fate != DATASET_KEPT || row->split != SPEC_SPLIT_TRAIN || row->source != source)
            continue;
        arena_init(&row_arena, 64 * (size_t)DATASET_LINE_BYTES_MAX);
        rc = find_grams(row->text, n_words, &row_arena, &grams, err);
        for (size_t g = 0; g < grams.n && rc == RC_OK && row->fate == DATASET_KEPT; g++) {
            size_t n, at = find_postings(&held, grams.hashes[g], &n);

            if (n > 0)
                rc =
                    reject_for(row, DATASET_SHARED_NGRAM, dataset, held.rows[held.postings[at].row],
                               "shares a run of words with a test row:", arena, err);
        }
        arena_release(&row_arena);
    }
    return rc;
}

enum rc dataset_drop_leaks(const struct spec *spec, struct dataset *dataset, struct arena *arena,
                           struct arena *scratch, struct err *err)
{
    enum rc rc = drop_near(dataset, SPEC_SPLIT_VALIDATION, arena, scratch, err);

    if (rc == RC_OK)
        rc = drop_near(dataset, SPEC_SPLIT_TRAIN, arena, scratch, err);
    for (size_t s = 0; s < spec->n_data && rc == RC_OK; s++)
        if (spec->data[s].drop_shared_ngrams > 0)
            rc = drop_shared_ngrams((size_t)spec->data[s].drop_shared_ngrams, s, dataset, arena,
                                    scratch, err);
    return rc;
}
